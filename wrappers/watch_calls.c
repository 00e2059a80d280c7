/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace --also: files, sleep, memory, threads. Nearly all wrappers are alike and are made from their lines
 * in watched.def. Here stand those of functions with a variable list of arguments, and of those that do not
 * sleep if told so. In libmatrace-all.so only: a program that is watched for allocations alone pays for
 * nothing else.
 */
/* The headers have bodies of vprintf(), getchar() and others too; clang puts those first. */
#define __NO_INLINE__ 1

#include "src/record/watch.h"
#include "wrappers/real.h"

/* The C library's headers make macros of some. */
#undef getc
#undef getchar
#undef putc
#undef putchar

#define WATCH(class, label, type, name, parameters, arguments) \
	type name parameters; \
	EXPORT type name parameters \
	{ \
		struct watch w; \
		type r; \
\
		if (watch_plain() || !watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0)) { \
			real_need(); \
			return REAL(name) arguments; \
		} \
		r = REAL(name) arguments; \
		watch_end(&w); \
		return r; \
	}
#define WATCH_OWN(class, label, type, name, parameters)
#define WATCH_KNOWN(class, label, name)
#define WATCH_COUNT(class, label, name)
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT

/* For the others: runs call, whose value is an int, as watched or not. */
#define WATCHED_CALL(name, call) \
	do { \
		struct watch w; \
		bool begun; \
		int result; \
\
		real_need(); \
		begun = !watch_plain() && watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0); \
		result = call; \
		if (begun) \
			watch_end(&w); \
		return result; \
	} while (0)

/* ---- whose originals libmutrace.so has as well ---- */

EXPORT unsigned int sleep(unsigned int s)
{
	struct watch w;
	bool begun;
	unsigned int left;

	real_need();
	begun = !watch_plain() && watch_begin(&w, WATCHED_sleep, SITE_HERE, 0, 0);
	left = REAL(sleep)(s);
	if (begun)
		watch_end(&w);
	return left;
}

EXPORT int usleep(useconds_t us)
{
	WATCHED_CALL(usleep, REAL(usleep)(us));
}

EXPORT int nanosleep(const struct timespec *t, struct timespec *left)
{
	WATCHED_CALL(nanosleep, REAL(nanosleep)(t, left));
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
	WATCHED_CALL(clock_nanosleep, REAL(clock_nanosleep)(clock, flags, t, left));
}

EXPORT int thrd_sleep(const struct timespec *t, struct timespec *left)
{
	WATCHED_CALL(thrd_sleep, REAL(thrd_sleep)(t, left));
}

EXPORT int sched_yield(void)
{
	WATCHED_CALL(sched_yield, REAL(sched_yield)());
}

EXPORT int pthread_join(pthread_t id, void **out)
{
	WATCHED_CALL(pthread_join, REAL(pthread_join)(id, out));
}

EXPORT int pthread_timedjoin_np(pthread_t id, void **out, const struct timespec *until)
{
	WATCHED_CALL(pthread_timedjoin_np, REAL(pthread_timedjoin_np)(id, out, until));
}

EXPORT int pthread_clockjoin_np(pthread_t id, void **out, clockid_t clock, const struct timespec *until)
{
	WATCHED_CALL(pthread_clockjoin_np, REAL(pthread_clockjoin_np)(id, out, clock, until));
}

EXPORT int thrd_join(thrd_t id, int *out)
{
	WATCHED_CALL(thrd_join, REAL(thrd_join)(id, out));
}

/* ---- one more argument, perhaps; what was not given is passed on as it stands there ---- */

static mode_t last_mode(va_list a)
{
	return va_arg(a, mode_t);
}

#define MODE_ARGUMENT(flags, mode) \
	do { \
		if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) { \
			va_list a; \
\
			va_start(a, flags); \
			mode = last_mode(a); \
			va_end(a); \
		} \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_ARGUMENT(flags, mode);
	WATCHED_CALL(open, REAL(open)(path, flags, mode));
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_ARGUMENT(flags, mode);
	WATCHED_CALL(openat, REAL(openat)(dir, path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_ARGUMENT(flags, mode);
	WATCHED_CALL(open64, REAL(open64)(path, flags, mode));
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_ARGUMENT(flags, mode);
	WATCHED_CALL(openat64, REAL(openat64)(dir, path, flags, mode));
}

EXPORT int ioctl(int fd, unsigned long what, ...)
{
	void *argument;
	va_list a;

	va_start(a, what);
	argument = va_arg(a, void *);
	va_end(a);
	WATCHED_CALL(ioctl, REAL(ioctl)(fd, what, argument));
}

EXPORT int fcntl(int fd, int what, ...)
{
	void *argument;
	va_list a;

	va_start(a, what);
	argument = va_arg(a, void *);
	va_end(a);
	WATCHED_CALL(fcntl, REAL(fcntl)(fd, what, argument));
}

EXPORT int fcntl64(int fd, int what, ...)
{
	void *argument;
	va_list a;

	va_start(a, what);
	argument = va_arg(a, void *);
	va_end(a);
	WATCHED_CALL(fcntl64, REAL(fcntl64)(fd, what, argument));
}

EXPORT void *mremap(void *at, size_t old, size_t size, int flags, ...)
{
	struct watch w;
	bool begun;
	va_list a;
	void *to, *r;

	va_start(a, flags);
	to = va_arg(a, void *);
	va_end(a);
	real_need();
	begun = !watch_plain() && watch_begin(&w, WATCHED_mremap, SITE_HERE, 0, 0);
	r = REAL(mremap)(at, old, size, flags, to);
	if (begun)
		watch_end(&w);
	return r;
}

/* ---- printing: by the functions that take a list ---- */

#define WATCHED_PRINT(name, last, call) \
	do { \
		struct watch w; \
		bool begun; \
		va_list a; \
		int result; \
\
		real_need(); \
		begun = !watch_plain() && watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0); \
		va_start(a, last); \
		result = call; \
		va_end(a); \
		if (begun) \
			watch_end(&w); \
		return result; \
	} while (0)

EXPORT int printf(const char *format, ...)
{
	WATCHED_PRINT(printf, format, REAL(vprintf)(format, a));
}

EXPORT int fprintf(FILE *f, const char *format, ...)
{
	WATCHED_PRINT(fprintf, format, REAL(vfprintf)(f, format, a));
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	WATCHED_PRINT(dprintf, format, vdprintf(fd, format, a));
}

int __printf_chk(int flag, const char *format, ...);
EXPORT int __printf_chk(int flag, const char *format, ...)
{
	WATCHED_PRINT(__printf_chk, format, REAL(__vprintf_chk)(flag, format, a));
}

int __fprintf_chk(FILE *f, int flag, const char *format, ...);
EXPORT int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	WATCHED_PRINT(__fprintf_chk, format, REAL(__vfprintf_chk)(f, flag, format, a));
}

int __vdprintf_chk(int fd, int flag, const char *format, va_list a);
int __dprintf_chk(int fd, int flag, const char *format, ...);
EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	WATCHED_PRINT(__dprintf_chk, format, __vdprintf_chk(fd, flag, format, a));
}

__attribute__((format(printf, 2, 0))) static int log_list(int priority, const char *format, va_list a)
{
	vsyslog(priority, format, a);
	return 0;
}

__attribute__((format(printf, 4, 0))) static int print_log(struct site site, enum watched function,
							   int priority, const char *format, va_list a)
{
	struct watch w;
	bool begun;

	real_need();
	begun = !watch_plain() && watch_begin(&w, function, site, 0, 0);
	log_list(priority, format, a);
	if (begun)
		watch_end(&w);
	return 0;
}

EXPORT void syslog(int priority, const char *format, ...)
{
	va_list a;

	va_start(a, format);
	print_log(SITE_HERE, WATCHED_syslog, priority, format, a);
	va_end(a);
}

__attribute__((format(printf, 3, 4))) void __syslog_chk(int priority, int flag, const char *format, ...);
EXPORT void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list a;

	(void)flag;
	va_start(a, format);
	print_log(SITE_HERE, WATCHED___syslog_chk, priority, format, a);
	va_end(a);
}

/* ---- of no value ---- */

#define WATCHED_VOID(name, parameters, arguments) \
	EXPORT void name parameters \
	{ \
		struct watch w; \
		bool begun; \
\
		real_need(); \
		begun = !watch_plain() && watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0); \
		REAL(name) arguments; \
		if (begun) \
			watch_end(&w); \
	}

WATCHED_VOID(setbuf, (FILE * f, char *p), (f, p))
WATCHED_VOID(setbuffer, (FILE * f, char *p, size_t n), (f, p, n))
WATCHED_VOID(setlinebuf, (FILE * f), (f))
WATCHED_VOID(rewind, (FILE * f), (f))

/* ---- waiting for descriptors: a look without waiting is no sleep ---- */

#define WATCHED_WAIT(name, waits, call) \
	do { \
		if (!(waits)) { \
			real_need(); \
			return call; \
		} \
		WATCHED_CALL(name, call); \
	} while (0)

EXPORT int select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *t)
{
	WATCHED_WAIT(select, t == NULL || t->tv_sec != 0 || t->tv_usec != 0,
		     REAL(select)(n, in, out, other, t));
}

EXPORT int pselect(int n, fd_set *in, fd_set *out, fd_set *other, const struct timespec *t,
		   const sigset_t *set)
{
	WATCHED_WAIT(pselect, t == NULL || t->tv_sec != 0 || t->tv_nsec != 0,
		     REAL(pselect)(n, in, out, other, t, set));
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int ms)
{
	WATCHED_WAIT(poll, ms != 0, REAL(poll)(fds, n, ms));
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
	WATCHED_WAIT(__poll_chk, ms != 0, REAL(__poll_chk)(fds, n, ms, room));
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *set)
{
	WATCHED_WAIT(ppoll, t == NULL || t->tv_sec != 0 || t->tv_nsec != 0, REAL(ppoll)(fds, n, t, set));
}

EXPORT int epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	WATCHED_WAIT(epoll_wait, ms != 0, REAL(epoll_wait)(fd, events, n, ms));
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int n, int ms, const sigset_t *set)
{
	WATCHED_WAIT(epoll_pwait, ms != 0, REAL(epoll_pwait)(fd, events, n, ms, set));
}
