/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locks of C++ libraries with a known load, see contend.h; one of them, by the macro that is defined. */
#if defined(QT)
#include <QMutex>
static QMutex accounts;
#elif defined(ABSL)
#include <absl/synchronization/mutex.h>
static absl::Mutex accounts;
#elif defined(TBB)
#include <oneapi/tbb/mutex.h>
static tbb::mutex accounts;
#else
#include <semaphore>
static std::binary_semaphore accounts(1);
#endif

#include "contend.h"

static NOINLINE void take()
{
#if defined(ABSL)
	accounts.Lock();
#elif defined(CXX20)
	accounts.acquire();
#else
	accounts.lock();
#endif
	__asm__ volatile("");
}

static NOINLINE void give()
{
#if defined(ABSL)
	accounts.Unlock();
#elif defined(CXX20)
	accounts.release();
#else
	accounts.unlock();
#endif
	__asm__ volatile("");
}

static NOINLINE void *waiter(void *)
{
	for (int i = 0; i < ROUNDS; i++) {
		contend_before(i);
		take();
		give();
		contend_after(i);
	}
	return nullptr;
}

int main()
{
	pthread_t thread;

	pthread_create(&thread, nullptr, waiter, nullptr);
	for (int i = 0; i < ROUNDS; i++) {
		take();
		contend_hold(i, 0);
		give();
		contend_released(i);
	}
	return pthread_join(thread, nullptr);
}
