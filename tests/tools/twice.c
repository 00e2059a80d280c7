/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into the workloads by families.py. $TWICE is how they run once more: "child": main() in a child
 * only; "fork": main(), and then once more in a child, with the program's variables as they were at first;
 * "exec": main(), and then the program is executed. With $REALTIME the first thread that is made gets a
 * realtime policy. Only in the program that $WORKLOAD names, not in mutrace.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);
static main_function *program;

static const char *asked(const char *name)
{
	const char *workload = getenv("WORKLOAD");

	return workload && strcmp(workload, program_invocation_short_name) == 0 ? getenv(name) : NULL;
}

/* The writable part of the program's data, and a copy. */
static char *data, *copy;
static size_t size;

static int find_data(struct dl_phdr_info *info, size_t unused, void *pointer)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = 0, end = 0, fixed = 0;

	(void)unused;
	(void)pointer;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_W) {
			begin = info->dlpi_addr + p->p_vaddr;
			end = begin + p->p_memsz;
		} else if (p->p_type == PT_GNU_RELRO) {
			fixed = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & -page;
		}
	}
	data = (char *)(fixed > begin ? fixed : begin);
	size = end - (uintptr_t)data;
	return 1; /* the program comes first */
}

static int child(int argc, char **argv, char **environment)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		exit(program(argc, argv, environment));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int twice(int argc, char **argv, char **environment)
{
	const char *how = asked("TWICE");
	int r;

	if (!how)
		return program(argc, argv, environment);
	unsetenv("TWICE");
	if (strcmp(how, "child") == 0)
		return child(argc, argv, environment);
	dl_iterate_phdr(find_data, NULL);
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return 97;
	memcpy(copy, data, size);
	r = program(argc, argv, environment);
	if (r != 0)
		return r;
	if (strcmp(how, "exec") == 0)
		return execv("/proc/self/exe", argv);
	memcpy(data, copy, size);
	return child(argc, argv, environment);
}

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*end)(void), void *stack)
{
	int (*real)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
		dlsym(RTLD_NEXT, "__libc_start_main");

	program = main;
	return real(twice, argc, argv, init, fini, end, stack);
}

struct start {
	void *(*function)(void *);
	void *argument;
};

static void *with_realtime(void *pointer)
{
	struct start s = *(struct start *)pointer;

	free(pointer);
	pthread_setschedparam(pthread_self(), SCHED_RR, &(struct sched_param){ .sched_priority = 20 });
	return s.function(s.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*function)(void *), void *argument)
{
	static int made;
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");
	struct start *s = asked("REALTIME") && made++ == 0 ? malloc(sizeof(*s)) : NULL;

	if (!s)
		return real(thread, a, function, argument);
	*s = (struct start){ function, argument };
	return real(thread, a, with_realtime, s);
}
