/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs in C++ whose locks can really be changed, see gain.c: cxx CASE [LOCK=CHANGE]... */
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <sys/prctl.h>
#include <time.h>

static std::mutex mutex_a;
static std::shared_mutex shared_a;
static bool split;
static double factor = 1;

static double now()
{
	timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(double ms)
{
	timespec t = { 0, (long)(ms * 1e6) };

	if (ms > 0)
		nanosleep(&t, nullptr);
}

static void in_lock(double ms)
{
	std::unique_lock<std::mutex> l(mutex_a, std::defer_lock);

	if (!split)
		l.lock();
	rest(ms * factor);
}

static void all(int n, std::function<void(int)> f)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < n; i++)
		threads.emplace_back(f, i);
	for (auto &t : threads)
		t.join();
}

/* A cache: found, or else filled in. */
static void cache(int i)
{
	for (int k = 0; k < 60; k++) {
		std::shared_lock<std::shared_mutex> reads(shared_a, std::defer_lock);
		std::unique_lock<std::shared_mutex> writes(shared_a, std::defer_lock);

		if (!split)
			reads.lock();
		rest(1 * factor);
		if (!split)
			reads.unlock();
		if ((k * 5 + i) % 7 == 0) {
			if (!split)
				writes.lock();
			rest(5 * factor);
			if (!split)
				writes.unlock();
		}
		rest(4);
	}
}

/* A pool of threads; its tasks' results are waited for in the order in which they were handed in. */
class pool
{
      public:
	explicit pool(int n)
	{
		for (int i = 0; i < n; i++)
			threads.emplace_back([this] { work(); });
	}
	~pool()
	{
		{
			std::lock_guard<std::mutex> l(queue);
			closed = true;
		}
		filled.notify_all();
		for (auto &t : threads)
			t.join();
	}
	std::future<int> put(std::function<int()> f)
	{
		std::packaged_task<int()> task(f);
		auto result = task.get_future();

		{
			std::lock_guard<std::mutex> l(queue);
			tasks.push_back(std::move(task));
		}
		filled.notify_one();
		return result;
	}

      private:
	void work()
	{
		for (;;) {
			std::packaged_task<int()> task;
			{
				std::unique_lock<std::mutex> l(queue);

				filled.wait(l, [this] { return closed || !tasks.empty(); });
				if (tasks.empty())
					return;
				task = std::move(tasks.front());
				tasks.pop_front();
			}
			task();
		}
	}

	std::mutex queue;
	std::condition_variable filled;
	std::deque<std::packaged_task<int()>> tasks;
	bool closed = false;
	std::vector<std::thread> threads;
};

static void futures()
{
	pool p(4);

	for (int round = 0; round < 12; round++) {
		std::vector<std::future<int>> results;

		for (int i = 0; i < 16; i++)
			results.push_back(p.put([i] {
				rest(2 + i % 3);
				in_lock(2);
				return i;
			}));
		for (auto &r : results)
			r.get();
		rest(4);
	}
}

/* Each round's tasks are threads of their own. */
static void async()
{
	for (int round = 0; round < 25; round++) {
		std::vector<std::future<void>> results;

		for (int i = 0; i < 6; i++)
			results.push_back(std::async(std::launch::async, [i] {
				rest(1 + i % 2);
				in_lock(3);
				rest(4);
			}));
	}
}

int main(int argc, char **argv)
{
	double begin;

	prctl(PR_SET_TIMERSLACK, 1);
	if (argc > 2 && strncmp(argv[2], "A=", 2) == 0) {
		split = strcmp(argv[2] + 2, "split") == 0;
		factor = split ? 1 : atof(argv[2] + 2);
	}
	begin = now();
	if (argc > 1 && strcmp(argv[1], "cache") == 0)
		all(5, cache);
	else if (argc > 1 && strcmp(argv[1], "futures") == 0)
		futures();
	else if (argc > 1 && strcmp(argv[1], "async") == 0)
		async();
	else
		return 99;
	printf("%.4f\n", now() - begin);
	return 0;
}
