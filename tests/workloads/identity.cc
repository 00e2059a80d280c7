// SPDX-License-Identifier: LGPL-3.0-or-later
// Locks of every sort that a name has to be found for. With -DGROWN it is a later version of the same
// program: other functions in between, other lines, the same locks.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <shared_mutex>
#include <thread>
#include <vector>

#ifdef GROWN
static int padding[1000] = { 1 };
__attribute__((noinline)) static int unrelated(int n)
{
	return n < 2 ? padding[n] : unrelated(n - 1) + unrelated(n - 2);
}
#endif

namespace shop
{
struct Counter {
	long before;
	std::mutex lock; // a member: the variable's name and an offset
	std::condition_variable changed;
	int value = 0;

	void add(int n)
	{
		std::lock_guard<std::mutex> guard(lock);
		value += n;
		changed.notify_one();
	}
};

template <typename T> class Table
{ // on the heap, never initialised by call
      public:
	T get()
	{
		std::shared_lock<std::shared_mutex> guard(lock_);
		return value_;
	}
	void set(T v)
	{
		std::unique_lock<std::shared_mutex> guard(lock_);
		value_ = v;
	}

      private:
	std::shared_mutex lock_;
	T value_ = T();
};
} // namespace shop

static shop::Counter counter;
std::recursive_mutex global;
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;

struct Pair { // two locks made in one function
	pthread_mutex_t one, two;
};

__attribute__((noinline)) static Pair *pair_new()
{
	Pair *p = new Pair;

	pthread_mutex_init(&p->one, nullptr);
	pthread_mutex_init(&p->two, nullptr);
	return p;
}

__attribute__((noinline)) static void pair_use(Pair *p)
{
	pthread_mutex_lock(&p->one);
	pthread_mutex_lock(&p->two);
	pthread_mutex_unlock(&p->two);
	pthread_mutex_unlock(&p->one);
}

static void nested(int depth)
{
	static std::mutex local;
	std::lock_guard<std::recursive_mutex> guard(global);

	if (depth)
		nested(depth - 1);
	else
		std::lock_guard<std::mutex> inner(local);
}

// Each has its lock where the other had its own.
__attribute__((noinline)) static void first_local(int &n)
{
	std::mutex local;
	std::lock_guard<std::mutex> guard(local);
	n++;
}

__attribute__((noinline)) static void second_local(int &n)
{
	std::mutex local;
	std::lock_guard<std::mutex> guard(local);
	n += 2;
}

static Pair *left[4];

__attribute__((noinline)) static Pair *left_new()
{
	Pair *p = new Pair;

	pthread_mutex_init(&p->two, nullptr); // the other way round, or the compiler makes both functions one
	pthread_mutex_init(&p->one, nullptr);
	return p;
}

__attribute__((noinline)) static void other_caller()
{
	pair_use(left_new());
	asm volatile("");
}

int main()
{
	int n = 0;

#ifdef GROWN
	if (unrelated(5) < 0)
		return 1;
#endif
	auto table = std::make_unique<shop::Table<int>>();
	std::vector<std::thread> threads;

	for (int i = 0; i < 4; i++) { // which of them is first at what is chance
		threads.emplace_back([&, i] {
			for (int k = 0; k < 25; k++) {
				if ((k + i) % 2)
					table->set(table->get() + 1);
				else
					table->get();
				counter.add(1);
				nested(2);
				pthread_mutex_lock(&plain);
				pthread_mutex_unlock(&plain);
			}
			for (int k = 0; k < 10; k++) {
				Pair *p = pair_new();
				pair_use(p);
				pthread_mutex_destroy(&p->one);
				pthread_mutex_destroy(&p->two);
				delete p;
			}
		});
	}
	for (auto &t : threads)
		t.join();
	for (auto &p : left) { // threads one after another, each with locks that stay
		std::thread([&] {
			p = left_new();
			pair_use(p);
		}).join();
	}
	other_caller();
	for (int i = 0; i < 20; i++) {
		first_local(n);
		second_local(n);
	}
	if (n != 60)
		return 1;
	std::unique_lock<std::mutex> lock(counter.lock);
	counter.changed.wait(lock, [] { return counter.value == 100; });
	return 0;
}
