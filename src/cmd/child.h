/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program as a child of mutrace: started, signalled, waited for. Run command only. */
#ifndef MUTRACE_CMD_CHILD_H
#define MUTRACE_CMD_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	pid_t witness; /* see witness.h */
	bool ended;
	int status;      /* with ended, as of waitpid() */
	bool stop_asked; /* the terminal (or somebody) told the whole job to stop */
	sigset_t early;  /* came before the program was there, so it has them from nobody else */
};

/*
 * The first thing that mutrace does. Signals that would end it but say nothing about that wait until they can be passed on,
 * or for ever: a SIGUSR1 that comes too early or too late harms nobody. SIGINT and its like still end it until the session
 * is made. SIGPIPE and SIGXFSZ are ignored. child_let_signals(): as it was before, for programs and for
 * commands that run none.
 */
void child_hold_signals(void);
void child_let_signals(void);
/* Blocks the signals that are to be passed on and makes *ret_fd a signalfd of them. Before child_start().
 * 0 or -errno. */
int child_take_signals(int *ret_fd);
/*
 * The program is gone and the report is about to be made: what came in for the program is forgotten, and
 * the first of SIGINT, SIGTERM, SIGHUP and SIGQUIT that comes from now on too, as it was most likely meant for
 * the program; a second one ends mutrace, for a report may take long. Others wait.
 */
void child_guard_report(int fd);
/* That first signal, for those who have more to do than to report; 0: there was none. */
int child_not_heeded(void);
/* Drops what came meanwhile, and the signalfd. */
void child_forget_signals(int fd);

/* Becomes the program, without library or session. Only returns if that fails: the status to exit with
 * after saying why. */
int child_become(const char *path, char **argv);
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
