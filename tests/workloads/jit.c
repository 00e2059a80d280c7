/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A program that makes code while it runs, calls a lock through it, and describes it in /tmp/perf-PID.map as
 * node and Java do, which it says on stdout. x86-64 only; elsewhere it exits with 77.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t jit_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void work(void)
{
	pthread_mutex_lock(&jit_lock);
	pthread_mutex_unlock(&jit_lock);
	__asm__ volatile("");
}

int main(void)
{
	/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
	static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*made)(void (*)(void));
	char path[64];
	FILE *f;

#ifndef __x86_64__
	return 77;
#endif
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	f = fopen(path, "w");
	if (!f || p == MAP_FAILED)
		return 1;
	memcpy(p + 64, code, sizeof(code));
	fprintf(f, "0 10 zero\n%lx 1000 script\nno line\n%lx %zx JS:*serve /app/server.js:12:3\n",
		(unsigned long)p, (unsigned long)(p + 64), sizeof(code));
	fclose(f);
	if (mprotect(p, 4096, PROT_READ | PROT_EXEC) != 0)
		return 77;
	made = (void (*)(void (*)(void)))(p + 64);
	for (int i = 0; i < 100; i++)
		made(work);
	puts(path);
	return 0;
}
