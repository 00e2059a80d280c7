// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Rows and stacks that read alike if they are cut. Two mutexes are of templates that differ by arguments.
 * Two come from one line of a function with two callers. keep() is reached through equal frames from left()
 * and right(). With -DLIBRARY this is a library whose lock is taken 30 frames deep in it.
 */
#include <atomic>
#include <initializer_list>
#include <mutex>
#include <pthread.h>

using std::atomic_int;
#include "tests/workloads/handshake.h"

static atomic_int step, tid, done;

#ifdef LIBRARY
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((noinline)) static int dig(int depth)
{
	if (depth > 0)
		return dig(depth - 1) + 1;
	pthread_mutex_lock(&library_lock);
	pthread_mutex_unlock(&library_lock);
	return 0;
}

extern "C" int library_work(int depth)
{
	return dig(depth);
}

extern "C" void library_hold(int hold)
{
	(hold ? pthread_mutex_lock : pthread_mutex_unlock)(&library_lock);
}
#else
extern "C" int library_work(int depth);
extern "C" void library_hold(int hold);

struct AccountWithALongName {
};
struct OrderWithALongName {
};

template <class Key, class Value> struct Cache {
	pthread_mutex_t *mutex;
	Cache() : mutex(new pthread_mutex_t)
	{
	}
	__attribute__((noinline)) void fill()
	{
		pthread_mutex_init(mutex, nullptr);
		pthread_mutex_lock(mutex);
		pthread_mutex_unlock(mutex);
	}
};

__attribute__((noinline)) static pthread_mutex_t *make_mutex()
{
	auto *m = new pthread_mutex_t;
	pthread_mutex_init(m, nullptr);
	return m;
}

__attribute__((noinline)) static pthread_mutex_t *for_reading()
{
	auto *m = make_mutex();
	asm volatile("");
	return m;
}

__attribute__((noinline)) static pthread_mutex_t *for_writing()
{
	auto *m = make_mutex();
	asm volatile("");
	return m;
}

static pthread_mutex_t kept = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t row_locks[8] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static struct {
	long used;
	pthread_mutex_t mutex;
	struct {
		int size;
		pthread_rwlock_t lock;
	} parts[3];
} cache;

__attribute__((noinline)) static int keep(int depth)
{
	if (depth > 0)
		return keep(depth - 1) + 1;
	atomic_store(&tid, own_tid());
	pthread_mutex_lock(&kept);
	pthread_mutex_unlock(&kept);
	return 0;
}

__attribute__((noinline)) static int left()
{
	return keep(7) + 1;
}

__attribute__((noinline)) static int right()
{
	return keep(7) + 2;
}

__attribute__((noinline)) static int asks_library()
{
	atomic_store(&tid, own_tid());
	return library_work(30) + 1;
}

/* Debug information tells the name of a function without parameters at places where this one is inlined. */
static inline void look()
{
	static std::mutex looked;
	std::lock_guard<std::mutex> guard(looked);
}

static void *waiter(void *)
{
	look();
	await_step(&step, 1);
	int sum = left();
	atomic_store(&done, 1);
	await_step(&step, 2);
	sum += right();
	atomic_store(&done, 2);
	await_step(&step, 3);
	sum += asks_library();
	return reinterpret_cast<void *>(static_cast<intptr_t>(sum));
}

static void let_wait(int from)
{
	atomic_store(&step, from);
	while (atomic_load(&tid) == 0)
		sleep_us(20);
	await_asleep(atomic_load(&tid));
	sleep_us(1000);
	atomic_store(&tid, 0);
}

int main()
{
	Cache<AccountWithALongName, int> accounts;
	Cache<OrderWithALongName, int> orders;
	pthread_t t;

	accounts.fill();
	orders.fill();
	for (auto *m : { for_reading(), for_writing() }) {
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
	for (int i : { 0, 4 }) {
		pthread_mutex_lock(&row_locks[i]);
		pthread_mutex_unlock(&row_locks[i]);
	}
	pthread_mutex_lock(&cache.mutex);
	pthread_mutex_unlock(&cache.mutex);
	pthread_rwlock_wrlock(&cache.parts[2].lock);
	pthread_rwlock_unlock(&cache.parts[2].lock);
	pthread_create(&t, nullptr, waiter, nullptr);
	for (int i = 1; i <= 2; i++) {
		pthread_mutex_lock(&kept);
		let_wait(i);
		pthread_mutex_unlock(&kept);
		await_step(&done, i); // locks are not fair
	}
	library_hold(1);
	let_wait(3);
	library_hold(0);
	pthread_join(t, nullptr);
	return 0;
}
#endif
