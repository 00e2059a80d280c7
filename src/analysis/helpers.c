/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Functions that only pass a call on to a lock, and functions that only start a thread: neither tells the
 * user anything, so no stack begins or ends with them. Patterns are those of fnmatch() and match demangled
 * names. Runs in mutrace. See helpers.h.
 */
#include <fnmatch.h>
#include <string.h>

#include "src/analysis/helpers.h"
#include "src/analysis/private.h"
#include "src/base/match.h"

static const char *const on_top[] = {
	/* C++ allocation: what is of interest is who wanted the object */
	"operator new*",
	"operator delete*",
	"std::__new_allocator*",
	"__gnu_cxx::new_allocator*",
	/* C library, and the stubs that call it */
	"pthread_*",
	"__pthread_*",
	"___pthread_*",
	"__lll_lock_wait*",
	"__futex_*",
	"futex",
	"futex_*",
	"sys_futex*",
	"sem_wait*",
	"sem_post*",
	"sem_timedwait*",
	"sem_clockwait*",
	"sem_trywait*",
	"mtx_*",
	"cnd_*",
	"call_once",
	"__call_once",
	/* C++ library */
	"__gthread_*",
	"__gthrw_*",
	"std::mutex::*",
	"std::__mutex_base::*",
	"std::recursive_mutex::*",
	"std::__recursive_mutex_base::*",
	"std::timed_mutex::*",
	"std::recursive_timed_mutex::*",
	"std::__timed_mutex_impl<*",
	"bool std::__timed_mutex_impl<*",
	"std::shared_mutex::*",
	"std::shared_timed_mutex::*",
	"std::__shared_mutex_pthread::*",
	"std::__shared_mutex_cv::*",
	"std::__glibcxx_rwlock_*",
	"std::lock_guard<*",
	"std::unique_lock<*",
	"bool std::unique_lock<*",
	"std::shared_lock<*",
	"bool std::shared_lock<*",
	"std::scoped_lock<*",
	"void std::lock<*",
	"int std::try_lock<*",
	"int std::__detail::__try_lock_impl<*",
	"int std::__detail::__lock_impl<*",
	"void std::__detail::__lock_impl*",
	"std::__try_to_lock<*",
	"std::__detail::__try_to_lock<*",
	"std::condition_variable::*",
	"void std::condition_variable::*",
	"bool std::condition_variable::*",
	"std::cv_status std::condition_variable::*",
	"std::__condvar::*",
	"std::condition_variable_any::*",
	"void std::condition_variable_any::*",
	"bool std::condition_variable_any::*",
	"void std::call_once<*",
	"std::once_flag::*",
	"std::thread::join*",
	"__cxa_guard_acquire",
	"void std::__call_once*",
	"void std::_Destroy*",
	"std::__platform_semaphore*",
	"std::counting_semaphore<*",
	"std::__semaphore_impl::*",
	"std::__atomic_semaphore::*",
	"std::atomic_flag::*",
	"std::atomic<*",
	"std::__atomic_base<*",
	"std::latch::*",
	"std::barrier<*",
	"std::__tree_barrier*",
	"std::__atomic_futex_unsigned*",
	"std::__future_base::*",
	"std::__basic_future<*",
	"std::future<*",
	"std::shared_future<*",
	"std::__detail::__wait_*",
	"std::__detail::__notify_*",
	"*std::__atomic_wait_address*",
	"*std::__atomic_notify_address*",
	"std::__1::mutex::*",
	"std::__1::lock_guard<*",
	"std::__1::unique_lock<*",
	"std::__1::shared_mutex::*",
	"std::__1::condition_variable::*",
	"std::__1::__libcpp_mutex_*",
	"std::__1::__libcpp_condvar_*",
	"std::__1::recursive_mutex::*",
	/* Rust; its standard library is told by rust_library() */
	"parking_lot::*",
	"<parking_lot::*",
	"parking_lot_core::*",
	"<parking_lot_core::*",
	"lock_api::*",
	"<lock_api::*",
	"crossbeam_channel::*",
	"<crossbeam_channel::*",
	"once_cell::*",
	"<once_cell::*",
	/* libraries that wrap locks */
	"g_mutex_*",
	"g_rec_mutex_*",
	"g_rw_lock_*",
	"g_cond_*",
	"g_static_mutex_*",
	"g_private_*",
	"g_once_*",
	"g_bit_*lock*",
	"g_pointer_bit_*lock*",
	"QBasicMutex::*",
	"QMutex::*",
	"QRecursiveMutex::*",
	"QReadWriteLock::*",
	"QWaitCondition::*",
	"QSemaphore::*",
	"QMutexLocker*::*",
	"QReadLocker*::*",
	"QWriteLocker*::*",
	"absl::*Mutex::*",
	"absl::*MutexLock::*",
	"absl::*CondVar::*",
	"absl::*Notification::*",
	"absl::*BlockingCounter::*",
	"absl::*Barrier::*",
	"absl::*SpinLock::*",
	"absl::*SpinLockWait*",
	"absl::*SpinLockHolder::*",
	"void absl::*CallOnceImpl*",
	"void absl::*call_once*",
	"absl::*synchronization_internal::*",
	"AbslInternalPerThreadSem*",
	"AbslInternalSpinLock*",
	"tbb::detail::r1::*_address*",
	"tbb::detail::d1::*mutex::*",
	"*tbb::detail::d1::adaptive_wait_on_address*",
	"tbb::detail::d1::waitable_atomic<*",
	"SDL_LockMutex*",
	"SDL_UnlockMutex*",
	"SDL_mutexP",
	"SDL_mutexV",
	"SDL_TryLockMutex*",
	"SDL_CondWait*",
	"SDL_SemWait*",
	"SDL_LockRWLock*",
	"SDL_CreateMutex*",
	"SDL_CreateCond*",
	"apr_thread_mutex_*",
	"apr_thread_rwlock_*",
	"apr_thread_cond_*",
	"apr_proc_mutex_*",
	"uv_mutex_*",
	"uv_rwlock_*",
	"uv_cond_*",
	"uv_sem_*",
	"uv_barrier_*",
	"PR_Lock",
	"PR_Unlock",
	"PR_NewLock",
	"PR_EnterMonitor",
	"PR_ExitMonitor",
	"PR_WaitCondVar",
	"PR_NotifyCondVar",
	"boost::mutex::*",
	"boost::timed_mutex::*",
	"boost::recursive_mutex::*",
	"boost::recursive_timed_mutex::*",
	"boost::shared_mutex::*",
	"boost::upgrade_mutex::*",
	"boost::lock_guard<*",
	"boost::unique_lock<*",
	"boost::shared_lock<*",
	"boost::condition_variable::*",
	"boost::condition_variable_any::*",
	"void boost::condition_variable_any::*",
	"boost::thread_cv_detail::*",
	"boost::pthread::*",
	"boost::posix::*",
	"CRYPTO_THREAD_*lock*",
	"CRYPTO_THREAD_run_once",
	"ossl_crypto_mutex_*",
	"ossl_crypto_condvar_*",
	"inline_mysql_mutex_*",
	"inline_mysql_rwlock_*",
	"inline_mysql_cond_*",
	"inline_mysql_prlock_*",
	"psi_mutex_*",
	"psi_rwlock_*",
	"psi_prlock_*",
	"psi_cond_*",
	"safe_mutex_*",
	"my_rw_*",
	"PyThread_*lock*",
	"PyMUTEX_*",
	"PyCOND_*",
	"je_malloc_mutex_*",
	"malloc_mutex_*",
	"_je_malloc_mutex_*",
	"pa_mutex_*",
	"pa_cond_*",
	"ff_mutex_*",
	"ff_cond_*",
	"v8::base::Mutex::*",
	"v8::base::RecursiveMutex::*",
	"v8::base::ConditionVariable::*",
	"v8::base::LockGuard<*",
	"v8::base::Semaphore::*",
	"node::MutexBase<*",
	"node::ConditionVariableBase<*",
	"os::PlatformMonitor::*",
	"PlatformMonitor::*",
	"Monitor::*",
	"Mutex::*",
	"MutexLocker*::*",
	"ThreadCritical::*",
	"PosixSemaphore::*",
	"Semaphore::*",
	"sqlite3_mutex_*",
	"pthreadMutex*",
	"rw_pr_*",
};

static const char *const at_bottom[] = {
	"_start",
	"thrd_start*",
	"execute_native_thread_routine*",
	"std::thread::_State_impl<*",
	"std::thread::_Invoker<*",
	"void std::thread::_Invoker<*",
	"std::__invoke_result<*",
	"std::invoke_result<*",
	"void std::__invoke_impl<*",
	"std::__invoke<*",
	"__nptl_*",
	"g_thread_proxy",
	"decltype(*std::thread::_Invoker<*",
	"__rust_try",
	"__cxa_finalize",
	"__kmp_*",
};

/* The caller of main() or of a thread's function: it and all outside of it go, with names or without. */
static const char *const starters[] = {
	"start_thread",           "clone", "clone3", "__clone", "__clone3", "__libc_start_main*",
	"__libc_start_call_main",
};

size_t helper_name_length(const char *function)
{
	static const char *const tails[] = { ".constprop.", ".isra.", ".part.", ".cold",
					     ".lto_priv.",  ".llvm.", "@" };
	size_t length = strlen(function), i;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		const char *p = strstr(function, tails[i]);

		if (p && p != function && (size_t)(p - function) < length)
			length = (size_t)(p - function);
	}
	return length;
}

size_t report_function_length(const char *f)
{
	return match_function_length(f);
}

static bool matches(const char *const *patterns, size_t n, const char *function)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (patterns[i][0] != '*' && patterns[i][0] != function[0])
			continue; /* cheap, and nearly always enough */
		if (fnmatch(patterns[i], function, 0) == 0)
			return true;
	}
	return false;
}

/* Headers of the C++ library: what is inlined from them, and the instances of their templates, is not the
 * user's code, whatever it is called (the names of inlined functions lack their namespace). */
static bool library_header(const struct report_frame *f)
{
	return f->file && strstr(f->file, "/include/") && strstr(f->file, "/c++/");
}

/* Functions without a name in libraries that start threads or have locks: they keep theirs to themselves,
 * and the C library may not be there (--sysroot). */
static bool library_nameless(const struct report_frame *f)
{
	const char *name = path_name(f->module);

	return !f->function && name &&
	       (strncmp(name, "libstdc++.so", 12) == 0 || strncmp(name, "libc++.so", 9) == 0 ||
		strncmp(name, "libglib-2.0.so", 14) == 0 || strncmp(name, "libc.so", 7) == 0 ||
		strncmp(name, "libpthread.so", 13) == 0 || strncmp(name, "libgomp", 7) == 0 ||
		strncmp(name, "libomp.so", 9) == 0 || strncmp(name, "libQt5Core.so", 13) == 0 ||
		strncmp(name, "libQt6Core.so", 13) == 0 ||
		strncmp(name, "libabsl_synchronization.so", 26) == 0);
}

/* Functions of Rust's standard library. C++ has such namespaces too, but names with parameters. */
static bool rust_library(const struct report_frame *f)
{
	static const char *const crates[] = { "std::",   "core::",   "alloc::",      "<std::",
					      "<core::", "<alloc::", "<&dyn core::", "<fn(" };
	size_t length = f->function ? strlen(f->function) : 0;

	if (length == 0 || strchr("])", f->function[length - 1]))
		return false;
	for (size_t i = 0; i < sizeof(crates) / sizeof(crates[0]); i++)
		if (strncmp(f->function, crates[i], strlen(crates[i])) == 0)
			return report_function_length(f->function) == length;
	return false;
}

static bool helper_on_top(const struct report_options *o, const struct report_frame *f)
{
	const char *function = f->function;
	size_t i;

	if (!function)
		return library_nameless(f);
	if (library_header(f) || rust_library(f))
		return true;
	if (matches(on_top, sizeof(on_top) / sizeof(on_top[0]), function))
		return true;
	for (i = 0; o->helpers && o->helpers[i]; i++) {
		if (fnmatch(o->helpers[i], function, 0) == 0)
			return true;
	}
	return false;
}

static bool helper_starts(const char *function)
{
	return function && matches(starters, sizeof(starters) / sizeof(starters[0]), function);
}

static bool helper_at_bottom(const struct report_frame *f)
{
	if (library_header(f) || library_nameless(f) || rust_library(f))
		return true;
	return f->function && matches(at_bottom, sizeof(at_bottom) / sizeof(at_bottom[0]), f->function);
}

bool helpers_trim(const struct report_options *o, const struct report_frame *const *frames, size_t *first,
		  size_t *end)
{
	size_t from = *first, n = *end, i;
	bool whole;

	for (i = from; i < n && !helper_starts(frames[i]->function); i++)
		;
	whole = i < n ||
		(n > from && frames[n - 1]->function && strcmp(frames[n - 1]->function, "main") == 0);
	if (i > from)
		n = i;
	while (from < n && helper_on_top(o, frames[from]))
		from++;
	if (from == n || helper_at_bottom(frames[from]))
		from = *first; /* nothing of the user's in it */
	/* Rust's program has a main() of its own, which the C library's main() calls in the end. */
	if (n > from + 2 && frames[n - 1]->function && strcmp(frames[n - 1]->function, "main") == 0 &&
	    rust_library(frames[n - 2]))
		n--;
	while (n > from + 1 && helper_at_bottom(frames[n - 1]))
		n--;
	*first = from;
	*end = n;
	return whole;
}
