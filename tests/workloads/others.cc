/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks of C++ libraries with a known load, see contend.h: those of one library, by the macro that is
 * defined, and of these one, by the first argument. take() and give() are the waiter's and the holder's; a
 * condition's waiter has await() and its holder tell().
 */
#include <string.h>

static const char *what;
static bool flag; /* that a condition is for */

static bool is(const char *name)
{
	return strcmp(what, name) == 0;
}

#if defined(QT)
#include <QMutex>
#include <QReadWriteLock>
#include <QSemaphore>
#include <QWaitCondition>
static QMutex accounts, guard;
static QRecursiveMutex nested;
static QReadWriteLock rates;
static QSemaphore permits(1), tasks;
static QWaitCondition ready;

static inline void lock(bool waiter)
{
	if (is("mutex")) {
		accounts.lock();
	} else if (is("timed")) {
		while (!accounts.tryLock(20000))
			;
	} else if (is("nested")) {
		nested.lock();
		nested.lock();
		nested.unlock();
	} else if (is("read") && waiter) {
		rates.lockForRead();
	} else if (is("semaphore")) {
		permits.acquire();
	} else if (is("queue")) {
		if (waiter)
			tasks.acquire();
	} else {
		rates.lockForWrite();
	}
}

static inline void unlock(bool waiter)
{
	if (is("mutex") || is("timed"))
		accounts.unlock();
	else if (is("nested"))
		nested.unlock();
	else if (is("semaphore"))
		permits.release();
	else if (!is("queue"))
		rates.unlock();
	else if (!waiter)
		tasks.release();
}

static inline void await(void (*begin)(int), int i)
{
	QMutexLocker locker(&guard);

	begin(i);
	while (!flag)
		ready.wait(&guard);
	flag = false;
}

static inline void tell()
{
	guard.lock();
	flag = true;
	guard.unlock();
	ready.wakeOne();
}
#elif defined(ABSL)
#include <absl/synchronization/mutex.h>
static absl::Mutex accounts;
static absl::CondVar ready;

static inline void lock(bool waiter)
{
	if (is("read") && waiter)
		accounts.ReaderLock();
	else
		accounts.Lock();
}

static inline void unlock(bool waiter)
{
	if (is("read") && waiter)
		accounts.ReaderUnlock();
	else
		accounts.Unlock();
}

static inline void await(void (*begin)(int), int i)
{
	if (is("when")) {
		begin(i);
		accounts.LockWhen(absl::Condition(&flag));
	} else {
		accounts.Lock();
		begin(i);
		while (is("condition") && !flag)
			ready.Wait(&accounts);
		if (is("await"))
			accounts.Await(absl::Condition(&flag));
	}
	flag = false;
	accounts.Unlock();
}

static inline void tell()
{
	accounts.Lock();
	flag = true;
	ready.Signal();
	accounts.Unlock();
}
#else
#if defined(TBB)
#include <oneapi/tbb/mutex.h>
#include <oneapi/tbb/rw_mutex.h>
static tbb::mutex accounts;
static tbb::rw_mutex rates;
#define LOCK(l) l.lock()
#define UNLOCK(l) l.unlock()
#else
#include <semaphore>
static std::binary_semaphore accounts(1), rates(1);
#define LOCK(l) l.acquire()
#define UNLOCK(l) l.release()
#endif

static inline void lock(bool)
{
	if (is("mutex"))
		LOCK(accounts);
	else
		LOCK(rates);
}

static inline void unlock(bool)
{
	if (is("mutex"))
		UNLOCK(accounts);
	else
		UNLOCK(rates);
}

static inline void await(void (*)(int), int)
{
}

static inline void tell()
{
}
#endif

#include "contend.h"

static NOINLINE void take(bool waiter)
{
	lock(waiter);
	__asm__ volatile("");
}

static NOINLINE void give(bool waiter)
{
	unlock(waiter);
	__asm__ volatile("");
}

static bool is_condition()
{
	return is("condition") || is("await") || is("when");
}

static NOINLINE void *waiter(void *)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (is_condition()) {
			await(contend_before, i);
		} else {
			contend_before(i);
			take(true);
			give(true);
		}
		contend_after(i);
	}
	return nullptr;
}

static NOINLINE void holder()
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!is_condition())
			take(false);
		contend_hold(i, 0);
		if (is_condition())
			tell();
		else
			give(false);
		contend_released(i);
	}
}

int main(int, char **argv)
{
	pthread_t thread;

	what = argv[1];
	pthread_create(&thread, nullptr, waiter, nullptr);
	holder();
	return pthread_join(thread, nullptr);
}
