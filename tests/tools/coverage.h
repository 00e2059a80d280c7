/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Included first of all by "make coverage": processes that leave by _exit() or exec write down what they
 * executed. In the profiled program recorder_ended() does it.
 */
#ifndef TESTS_HOSTILE_COVERAGE_H
#define TESTS_HOSTILE_COVERAGE_H

#ifdef __cplusplus
extern "C" {
#endif
void __gcov_dump(void);
void __gcov_reset(void);
#ifdef __cplusplus
}
#endif

#define MUTRACE_COVERAGE

#ifndef PIC /* the command, and tests */
#include <unistd.h>
#define _exit(status) (__gcov_dump(), __gcov_reset(), _exit(status))
#define execve(path, argv, envp) (__gcov_dump(), __gcov_reset(), execve(path, argv, envp))
#endif

#endif
