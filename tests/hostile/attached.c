/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processes that want to harm whoever attaches to them, see attached.py. The first argument says how; "ready"
 * is printed when it is, and an answer to each line on stdin.
 *   memfd FILE    gives a descriptor of FILE, which it may only read, for the file that it is asked to make
 *   forge PID     a line: an image in its session says that it is of process PID
 *   swap DIR      a line: a link to DIR stands where its session was
 *   mount FILE    in a mount namespace of its own; a line: FILE is mounted where the command writes
 *   shm DIR       the same; its /dev/shm is DIR
 *   forever       dlopen() does not return, until SIGUSR1 comes
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dlfcn.h>

#include "src/session/asleep.h"
#include "src/session/format.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char session[PATH_MAX];

static void check(int fine, const char *what)
{
	if (fine)
		return;
	printf("FAILED %s: %s\n", what, strerror(errno));
	exit(99);
}

/* They wait for each other, and sleep with the mutex. */
static void *works(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&mutex);
		usleep(2000);
		pthread_mutex_unlock(&mutex);
		usleep(10);
	}
	return unused;
}

#if defined(__aarch64__)
#define RETURNS(number) \
	{ \
		0x52800000u | (uint32_t)(number) << 5, 0xd65f03c0u \
	}
#define LOOPS \
	{ \
		0x14000000u, 0 \
	}
#else /* mov $number, %eax; ret */
#define RETURNS(number) \
	{ \
		0xb8u | (uint32_t)(number) << 8, 0xc300u \
	}
#define LOOPS \
	{ \
		0xfeebu, 0 \
	}
#endif

typedef uint32_t code[2];

/* Other code stands where a function begins; what was there is put into old. */
static void patch(void *function, const code new, code old)
{
	uintptr_t page = (uintptr_t)function & ~(uintptr_t)4095;

	check(mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0, "mprotect");
	memcpy(old, function, sizeof(code));
	memcpy(function, new, sizeof(code));
	__builtin___clear_cache(function, (char *)function + sizeof(code));
}

static void gives_descriptor(const char *file)
{
	int fd = open(file, O_RDONLY);
	code unused;

	check(fd >= 0, file);
	patch((void *)(uintptr_t)memfd_create, (const code)RETURNS(fd), unused);
}

static code old;

static void *mends(void *set)
{
	int got;

	sigwait(set, &got);
	memcpy((void *)(uintptr_t)dlopen, old, sizeof(old));
	return NULL;
}

static void loops_in_dlopen(void)
{
	static sigset_t set;
	pthread_t id;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	patch((void *)(uintptr_t)dlopen, (const code)LOOPS, old);
	check(pthread_create(&id, NULL, mends, &set) == 0, "thread");
}

static void session_find(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[PATH_MAX + 100], *image, *start;

	session[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if ((image = strstr(line, "/image.")) && (start = strchr(line, '/'))) {
			*image = '\0';
			strcpy(session, start);
		}
	fclose(f);
	check(session[0] == '/', "it is not recorded");
}

static void forge(const char *pid)
{
	char path[PATH_MAX + 100];
	struct image_header h;
	struct dirent *e = NULL;
	int fd;
	DIR *d = opendir(session);

	do
		e = d ? readdir(d) : NULL;
	while (e && strncmp(e->d_name, "image.", 6) != 0);
	if (!e)
		return;
	snprintf(path, sizeof(path), "%s/%.99s", session, e->d_name);
	fd = open(path, O_RDONLY);
	check(pread(fd, &h, sizeof(h), 0) == sizeof(h), "read");
	close(fd);
	h.pid = (uint32_t)atoi(pid);
	h.process_start = 0;
	snprintf(path, sizeof(path), "%s/image.%s.0", session, pid);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	check(write(fd, &h, sizeof(h)) == sizeof(h), "write");
	close(fd);
	closedir(d);
}

static void swap(const char *target)
{
	char moved[PATH_MAX + 100];

	snprintf(moved, sizeof(moved), "%s.moved", session);
	check(rename(session, moved) == 0, "rename");
	check(symlink(target, session) == 0, "symlink");
}

static void text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static void namespaces_enter(void)
{
	char map[64];
	unsigned int uid = getuid(), gid = getgid();

	check(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
	text_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	text_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	text_write("/proc/self/gid_map", map);
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
}

static void mount_over(const char *file)
{
	char path[PATH_MAX + 100];

	snprintf(path, sizeof(path), "%s/" SESSION_ASLEEP, session);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	check(mount(file, path, NULL, MS_BIND, NULL) == 0, "mount");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "", *with = argc > 2 ? argv[2] : "";
	char text[64];
	pthread_t ids[2];

	setbuf(stdout, NULL);
	if (strcmp(how, "mount") == 0 || strcmp(how, "shm") == 0)
		namespaces_enter();
	if (strcmp(how, "shm") == 0)
		check(mount(with, "/dev/shm", NULL, MS_BIND, NULL) == 0, "mount");
	if (strcmp(how, "memfd") == 0)
		gives_descriptor(with);
	if (strcmp(how, "forever") == 0)
		loops_in_dlopen();
	for (int i = 0; i < 2; i++)
		check(pthread_create(&ids[i], NULL, works, NULL) == 0, "thread");
	puts("ready");
	while (read(0, text, sizeof(text)) > 0) {
		session_find();
		if (strcmp(how, "forge") == 0)
			forge(with);
		if (strcmp(how, "swap") == 0)
			swap(with);
		if (strcmp(how, "mount") == 0)
			mount_over(with);
		puts("done");
	}
	return 0;
}
