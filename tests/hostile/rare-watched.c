/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls that matrace --also=all can watch and ordinary programs seldom make: the checking twins that
 * _FORTIFY_SOURCE makes of calls, those for large files, operator new and delete in all their forms. Compiled
 * and judged by rare.sh.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%d: not so: %s\n", __LINE__, #what); \
			exit(1); \
		} \
	} while (0)

int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __dprintf_chk(int fd, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);

/* operator new and delete, in C */
#define SIZE size_t size
#define ALIGNED size_t alignment
#define NOTHROW const void *nothrow
void *_Znwm(SIZE), *_Znam(SIZE), *_ZnwmRKSt9nothrow_t(SIZE, NOTHROW), *_ZnamRKSt9nothrow_t(SIZE, NOTHROW);
void *_ZnwmSt11align_val_t(SIZE, ALIGNED), *_ZnamSt11align_val_t(SIZE, ALIGNED);
void *_ZnwmSt11align_val_tRKSt9nothrow_t(SIZE, ALIGNED, NOTHROW);
void *_ZnamSt11align_val_tRKSt9nothrow_t(SIZE, ALIGNED, NOTHROW);
void _ZdlPv(void *), _ZdaPv(void *), _ZdlPvm(void *, SIZE), _ZdaPvm(void *, SIZE);
void _ZdlPvRKSt9nothrow_t(void *, NOTHROW), _ZdaPvRKSt9nothrow_t(void *, NOTHROW);
void _ZdlPvSt11align_val_t(void *, ALIGNED), _ZdaPvSt11align_val_t(void *, ALIGNED);
void _ZdlPvmSt11align_val_t(void *, SIZE, ALIGNED), _ZdaPvmSt11align_val_t(void *, SIZE, ALIGNED);
void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *, ALIGNED, NOTHROW);
void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *, ALIGNED, NOTHROW);

static void operators(void)
{
	static const char nothrow;

	_ZdlPv(_Znwm(8));
	_ZdaPv(_Znam(8));
	_ZdlPvm(_Znwm(8), 8);
	_ZdaPvm(_Znam(8), 8);
	_ZdlPvRKSt9nothrow_t(_ZnwmRKSt9nothrow_t(8, &nothrow), &nothrow);
	_ZdaPvRKSt9nothrow_t(_ZnamRKSt9nothrow_t(8, &nothrow), &nothrow);
	_ZdlPvSt11align_val_t(_ZnwmSt11align_val_t(64, 64), 64);
	_ZdaPvSt11align_val_t(_ZnamSt11align_val_t(64, 64), 64);
	_ZdlPvmSt11align_val_t(_ZnwmSt11align_val_t(64, 64), 64, 64);
	_ZdaPvmSt11align_val_t(_ZnamSt11align_val_t(64, 64), 64, 64);
	_ZdlPvSt11align_val_tRKSt9nothrow_t(_ZnwmSt11align_val_tRKSt9nothrow_t(64, 64, &nothrow), 64,
					    &nothrow);
	_ZdaPvSt11align_val_tRKSt9nothrow_t(_ZnamSt11align_val_tRKSt9nothrow_t(64, 64, &nothrow), 64,
					    &nothrow);
}

static void calls(void)
{
	static const struct timespec past = { 1, 0 }, none = { 0, 0 };
	struct timeval zero = { 0, 0 };
	pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
	struct epoll_event event;
	int fd, waiting, e = epoll_create1(0);
	sem_t sem;
	void *p;

	MUST((fd = openat(AT_FDCWD, "made", O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0 && close(fd) == 0);
	MUST((fd = openat64(AT_FDCWD, "made", O_RDONLY)) >= 0 && close(fd) == 0);
	MUST((fd = open64("made", O_RDWR)) >= 0);
	MUST(fcntl64(fd, F_GETFD) == 0);
	MUST(ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0);
	MUST(dprintf(fd, "%d", 12345) == 5);
	MUST(__dprintf_chk(fd, 1, "%d", 12345) == 5);
	MUST(lseek(fd, 0, SEEK_CUR) == 10);
	close(fd);
	MUST(printf("%d\n", 1) == 2);
	MUST(__printf_chk(1, "%d\n", 2) == 2);
	MUST(__fprintf_chk(stdout, 1, "%d\n", 3) == 2);
	syslog(LOG_DEBUG, "nothing to say");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(p != MAP_FAILED && (p = mremap(p, 4096, 8192, MREMAP_MAYMOVE)) != MAP_FAILED &&
	     munmap(p, 8192) == 0);
	__syslog_chk(7, 1, "nothing to say"); /* LOG_DEBUG */
	MUST(select(0, NULL, NULL, NULL, &zero) == 0);
	MUST(pselect(0, NULL, NULL, NULL, &none, NULL) == 0);
	MUST(poll(NULL, 0, 0) == 0);
	MUST(__poll_chk(NULL, 0, 0, (size_t)-1) == 0);
	MUST(ppoll(NULL, 0, &none, NULL) == 0);
	MUST(epoll_wait(e, &event, 1, 0) == 0);
	MUST(epoll_pwait(e, &event, 1, 0, NULL) == 0);
	close(e);
	MUST(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &past) == 0);
	pthread_rwlock_unlock(&rw);
	MUST(sem_init(&sem, 0, 1) == 0 && sem_clockwait(&sem, CLOCK_MONOTONIC, &past) == 0);
}

int main(void)
{
	operators();
	calls();
	return 0;
}
