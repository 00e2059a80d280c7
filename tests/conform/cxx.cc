/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The C++ program of the conformance suite: what the standard library makes of the calls, exceptions that
 * pass through wrappers, cancellation as forced unwinding, destructors of thread_local objects.
 */
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "conform.h"

using namespace std::chrono_literals;

/* N threads run the function with their number. */
static void crowd(int n, const std::function<void(int)> &body)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < n; i++)
		threads.emplace_back(body, i);
	for (auto &t : threads)
		t.join();
}

template <class Mutex> static void counting(long)
{
	static Mutex m;
	long n = 0;

	crowd(4, [&](int) {
		for (int i = 0; i < 5000; i++) {
			std::lock_guard guard(m);
			n++;
		}
	});
	VALUE(n);
	VALUE(m.try_lock());
	bool again = false;
	crowd(1, [&](int) { again = m.try_lock(); });
	VALUE(again);
	m.unlock();
}

static void recursive(long)
{
	std::recursive_mutex m;

	for (int i = 0; i < 10; i++)
		m.lock();
	VALUE(m.try_lock());
	bool other = true;
	crowd(1, [&](int) { other = m.try_lock(); });
	VALUE(other);
	for (int i = 0; i < 11; i++)
		m.unlock();
	crowd(1, [&](int) { other = m.try_lock(); });
	VALUE(other);
}

static void timed(long)
{
	std::timed_mutex m;
	std::recursive_timed_mutex r;

	m.lock();
	r.lock();
	VALUE(r.try_lock_for(1ms));
	crowd(1, [&](int) {
		VALUE(m.try_lock_for(5ms));
		VALUE(m.try_lock_until(std::chrono::steady_clock::now() + 5ms));
		VALUE(m.try_lock_until(std::chrono::system_clock::now() + 5ms));
		VALUE(m.try_lock_for(-5ms));
		VALUE(r.try_lock_for(5ms));
	});
	m.unlock();
	VALUE(m.try_lock_for(0ms));
	m.unlock();
}

static void shared(long)
{
	std::shared_timed_mutex m;
	std::shared_mutex s;
	long n = 0;
	std::atomic<int> inside{ 0 };

	{
		std::shared_lock lock(m);

		VALUE(m.try_lock_for(5ms));
		VALUE(m.try_lock_shared_for(5ms));
		m.unlock_shared();
	}
	{
		std::unique_lock lock(m);

		crowd(1, [&](int) { VALUE(m.try_lock_shared_for(5ms)); });
		crowd(1, [&](int) { VALUE(m.try_lock()); });
	}
	crowd(4, [&](int) {
		std::shared_lock lock(s);

		inside++;
		while (inside < 4) /* only possible together */
			usleep(100);
	});
	crowd(4, [&](int) {
		for (int i = 0; i < 2000; i++) {
			std::unique_lock lock(s);
			n++;
		}
	});
	VALUE(n);
}

static void lock_several(long)
{
	std::mutex a, b, c;
	long n = 0;

	crowd(3, [&](int who) {
		for (int i = 0; i < 2000; i++) {
			if (who == 0) {
				std::scoped_lock lock(a, b, c);
				n++;
			} else if (who == 1) {
				std::scoped_lock lock(c, b, a);
				n++;
			} else {
				std::scoped_lock lock(b, c, a);
				n++;
			}
		}
	});
	VALUE(n);
}

static void errors(long)
{
	std::unique_lock<std::mutex> none;
	std::mutex m;

	try {
		none.lock();
	} catch (const std::system_error &e) {
		say("lock without a mutex: %d", e.code().value());
	}
	std::unique_lock lock(m);
	try {
		lock.lock();
	} catch (const std::system_error &e) {
		say("locked already: %d", e.code().value());
	}
	lock.unlock();
	try {
		lock.unlock();
	} catch (const std::system_error &e) {
		say("unlocked already: %d", e.code().value());
	}
	try {
		std::thread().join();
	} catch (const std::system_error &e) {
		say("join of no thread: %d", e.code().value());
	}
}

static void condition(long)
{
	std::mutex m;
	std::condition_variable c;
	int turn = 0, rounds = 0;

	{
		std::unique_lock lock(m);

		VALUE(c.wait_for(lock, 5ms) == std::cv_status::timeout);
		VALUE(c.wait_until(lock, std::chrono::system_clock::now() + 5ms) == std::cv_status::timeout);
		VALUE(c.wait_for(lock, 5ms, [] { return true; }));
	}
	crowd(3, [&](int who) {
		for (int i = 0; i < 500; i++) {
			std::unique_lock lock(m);

			c.wait(lock, [&] { return turn == who; });
			turn = (turn + 1) % 3;
			rounds++;
			c.notify_all();
		}
	});
	VALUE(rounds);
	std::condition_variable_any any;
	std::shared_mutex s;
	bool ready = false;

	std::thread t([&] {
		std::shared_lock lock(s);
		any.wait(lock, [&] { return ready; });
	});
	{
		std::unique_lock lock(s);
		ready = true;
	}
	any.notify_one();
	t.join();
	say("any done");
}

static void call_once_throws(long)
{
	std::once_flag flag;
	int runs = 0, caught = 0;

	for (int i = 0; i < 4; i++) {
		try {
			std::call_once(flag, [&] {
				if (++runs < 3)
					throw std::runtime_error("not yet");
			});
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	VALUE(runs);
	VALUE(caught);
	std::once_flag other;
	std::atomic<int> done{ 0 };

	crowd(4, [&](int) {
		std::call_once(other, [&] {
			usleep(5000);
			done++;
		});
	});
	VALUE(done);
}

struct Noisy {
	Noisy()
	{
		say("made");
	}
	~Noisy()
	{
		say("gone");
	}
};

static void statics(long)
{
	auto f = [] { static Noisy one; };

	crowd(3, [&](int) { f(); });
	say("end");
}

static void semaphores(long)
{
	std::counting_semaphore<10> s(2);
	std::binary_semaphore b(0);
	std::atomic<int> most{ 0 }, inside{ 0 };

	crowd(4, [&](int) {
		for (int i = 0; i < 200; i++) {
			s.acquire();
			int now = ++inside;

			for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);)
				;
			inside--;
			s.release();
		}
	});
	VALUE(most <= 2);
	VALUE(b.try_acquire());
	VALUE(b.try_acquire_for(5ms));
	b.release();
	VALUE(b.try_acquire());
}

static void latches(long)
{
	std::latch latch(3);
	int completed = 0;
	auto completion = [&]() noexcept { completed++; };
	std::barrier barrier(3, completion);

	crowd(3, [&](int) {
		latch.arrive_and_wait();
		for (int i = 0; i < 100; i++)
			barrier.arrive_and_wait();
	});
	VALUE(latch.try_wait());
	VALUE(completed);
}

static void futures(long)
{
	std::promise<int> promise;
	auto future = promise.get_future();
	auto failing = std::async(std::launch::async, []() -> int { throw std::logic_error("wrong"); });
	auto deferred = std::async(std::launch::deferred, [] { return 3; });

	VALUE(future.wait_for(1ms) == std::future_status::timeout);
	std::thread t([&] { promise.set_value(42); });
	VALUE(future.get());
	t.join();
	try {
		failing.get();
	} catch (const std::logic_error &e) {
		say("%s", e.what());
	}
	VALUE(deferred.get());
}

static std::mutex in_destructor;

struct Locking {
	int value = 0;
	~Locking()
	{
		std::lock_guard guard(in_destructor);
		say("thread_local gone, %d", value);
	}
};

static thread_local Locking local;

static void thread_locals(long)
{
	for (int i = 1; i <= 3; i++)
		std::thread([=] { local.value = i; }).join();
	local.value = 9;
}

/* Cancellation unwinds: destructors run, catch (...) sees it and has to throw it on. */
static pthread_mutex_t waited = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

struct Guard {
	~Guard()
	{
		say("guard: unlock = %s", error_name(pthread_mutex_unlock(&waited)));
	}
};

static void *cancelled_main(void *data)
{
	worker *w = static_cast<worker *>(data);

	w->tid = gettid();
	try {
		pthread_mutex_lock(&waited);
		Guard guard;

		worker_mark(w);
		pthread_cond_wait(&never, &waited);
	} catch (...) {
		say("caught");
		throw;
	}
	return nullptr;
}

static void cancelled(long)
{
	worker w = {};
	void *result;

	pthread_create(&w.thread, nullptr, cancelled_main, &w);
	worker_asleep(&w, 1);
	int r = pthread_cancel(w.thread);

	pthread_join(w.thread, &result);
	VALUE(r);
	VALUE(result == PTHREAD_CANCELED);
	TRY(pthread_mutex_trylock(&waited));
}

static void *exiting_main(void *)
{
	try {
		Noisy noisy;

		pthread_exit(reinterpret_cast<void *>(7));
	} catch (...) {
		say("caught");
		throw;
	}
	return nullptr;
}

static void exited(long)
{
	pthread_t t;
	void *result;

	pthread_create(&t, nullptr, exiting_main, nullptr);
	pthread_join(t, &result);
	VALUE(reinterpret_cast<long>(result));
}

static void once_thrower(void)
{
	throw 5;
}

/* Nobody catches: std::terminate(), by way of whatever called the thread's function. */
static void uncaught(long how)
{
	std::set_terminate([] {
		say("terminate");
		_exit(33);
	});
	if (how == 0)
		std::thread([] { throw 1; }).join();
	else if (how == 1)
		std::thread([]() noexcept { once_thrower(); }).join();
	else {
		pthread_t t;

		pthread_create(
			&t, nullptr, [](void *) -> void * { throw 1; }, nullptr);
		pthread_join(t, nullptr);
	}
	say("not reached");
}

/* Exceptions through the C interface. */
static void through_c(long)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int caught = 0;

	for (int i = 0; i < 2; i++) {
		try {
			pthread_once(&once, once_thrower);
		} catch (int n) {
			caught += n;
		}
	}
	VALUE(caught);
}

static void family_cxx()
{
	case_add(counting<std::mutex>, 0, "cxx/counting/mutex");
	case_add(counting<std::timed_mutex>, 0, "cxx/counting/timed_mutex");
	case_add(counting<std::shared_mutex>, 0, "cxx/counting/shared_mutex");
	case_add(counting<std::shared_timed_mutex>, 0, "cxx/counting/shared_timed_mutex");
	CASE("cxx", recursive);
	CASE("cxx", timed);
	CASE("cxx", shared);
	CASE("cxx", lock_several);
	CASE("cxx", errors);
	CASE("cxx", condition);
	CASE("cxx", call_once_throws);
	CASE("cxx", statics);
	CASE("cxx", semaphores);
	CASE("cxx", latches);
	CASE("cxx", futures);
	CASE("cxx", thread_locals);
	CASE("cxx", cancelled);
	CASE("cxx", exited);
	case_add(uncaught, 0, "cxx/uncaught/thread");
	case_add(uncaught, 1, "cxx/uncaught/noexcept");
	case_add(uncaught, 2, "cxx/uncaught/pthread");
	CASE("cxx", through_c);
}

void (*const families[])(void) = { family_cxx, nullptr };
