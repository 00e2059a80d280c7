/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first program of the machine that vm.sh starts, statically linked: loads the modules in /modules in
 * the order of their names, mounts the host's directory, runs /command in it, prints the exit status and
 * turns the machine off.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MAX 4096
#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE of the kernel */

static void load_modules(void)
{
	struct dirent **all;
	int n = scandir("/modules", &all, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *packed = strstr(all[i]->d_name, ".ko.");
		char path[512];
		int fd;

		if (all[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", all[i]->d_name);
		fd = open(path, O_RDONLY);
		if (syscall(SYS_finit_module, fd, "", packed ? COMPRESSED : 0) != 0)
			perror(path);
		close(fd);
	}
}

/* The host's files can be read; new ones are made in memory. */
static void mount_all(void)
{
	static const struct {
		const char *type, *at;
	} more[] = { { "devtmpfs", "/root/dev" }, { "proc", "/root/proc" },     { "sysfs", "/root/sys" },
		     { "tmpfs", "/root/tmp" },    { "tmpfs", "/root/var/tmp" }, { "tmpfs", "/root/run" } };

	mkdir("/root", 0755);
	if (mount("root", "/root", "9p", MS_RDONLY,
		  "trans=virtio,version=9p2000.L,cache=loose,msize=262144") != 0)
		perror("the host's directory");
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (mount(more[i].type, more[i].at, more[i].type, 0, NULL) != 0)
			perror(more[i].at);
	mkdir("/root/dev/shm", 01777);
	mkdir("/root/dev/pts", 0755);
	mount("tmpfs", "/root/dev/shm", "tmpfs", 0, NULL);
	mount("devpts", "/root/dev/pts", "devpts", 0, "ptmxmode=666");
	symlink("/proc/self/fd", "/root/dev/fd");
}

static int run(const char *command)
{
	int status = 99 << 8;
	pid_t child = fork();

	if (child == 0) {
		if (chroot("/root") != 0 || chdir("/") != 0)
			_exit(99);
		clearenv();
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
		setenv("HOME", "/tmp", 1);
		setenv("LC_ALL", "C", 1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(99);
	}
	while (wait(&status) != child)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	static char command[COMMAND_MAX];
	int console, given;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	console = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(console, i);
	given = open("/command", O_RDONLY);
	if (read(given, command, sizeof(command) - 1) <= 0)
		perror("/command");
	load_modules();
	mount_all();
	printf("\nvm.sh: status %d\n", run(command));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
