/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program as a child of mutrace: started, signalled, waited for. Run command only. */
#ifndef MUTRACE_CMD_CHILD_H
#define MUTRACE_CMD_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#define CHILD_END_SIGNALS 4

struct child {
	pid_t pid;
	pid_t witness; /* see witness.h */
	bool ended;
	int status;      /* with ended, as of waitpid() */
	bool stop_asked; /* the terminal (or somebody) told the whole job to stop */
	/* what mutrace changed for itself and gives back to the program */
	bool taken;
	sigset_t mask;
	struct sigaction chld, pipe, xfsz;
	struct sigaction end[CHILD_END_SIGNALS]; /* while the report is made, see child_guard_report() */
	struct rlimit files;
};

/* Blocks the signals that are to be passed on and makes *ret_fd a signalfd of them. Before child_start().
 * 0 or -errno. */
int child_take_signals(struct child *c, int *ret_fd);
/*
 * The program is gone and the report is about to be made: what came in for the program is forgotten, and
 * the first of SIGINT, SIGTERM, SIGHUP and SIGQUIT that comes now too, as it was most likely meant for
 * the program; a second one ends mutrace, for a report may take long. Others wait.
 */
void child_guard_report(struct child *c, int fd);
/* As it was before: signals end mutrace again. */
void child_give_signals_back(const struct child *c, int fd);

/* Becomes the program, without library or session. Only returns if that fails: the status to exit with
 * after saying why. */
int child_become(const struct child *c, const char *path, char **argv);
/* Starts the program with our library and session. 0, or the status to exit with after saying why, or
 * CHILD_NO_PROCESS if there can be none. */
#define CHILD_NO_PROCESS -1
int child_start(struct child *c, const char *path, char **argv, const char *library, const char *session);
/* A signal other than SIGCHLD arrived at mutrace: what the program gets of it. */
void child_pass_on(struct child *c, const struct signalfd_siginfo *info);
/* SIGCHLD: has it ended, or stopped? */
void child_look(struct child *c);

/* Ends mutrace as the program ended: with its status, or of its signal. */
void child_exit_like(int status) __attribute__((noreturn));

#endif
