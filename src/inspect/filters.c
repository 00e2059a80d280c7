/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See filters.h. */
#include "src/inspect/filters.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "src/base/array.h"
#include "src/inspect/filter.h"
#include "src/inspect/process.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

#define STATUS_BYTES 8192

char filters_mode(pid_t pid, pid_t tid)
{
	char path[64], status[STATUS_BYTES];
	const char *at = NULL;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	if (process_slurp(path, status, sizeof(status)) > 0)
		at = process_status_line(status, "\nSeccomp:\t");
	return at ? *at : CONFINED_NOT;
}

void filters_free(struct filters *f)
{
	while (f->n > 0)
		free(f->all[--f->n].code);
	free(f->all);
}

int filters_add(struct filters *f, struct sock_filter *code, size_t n)
{
	if (array_grow(&f->all, f->n, &f->capacity, sizeof(*f->all)) < 0) {
		free(code);
		return -ENOMEM;
	}
	f->all[f->n++] = (struct filter){ code, n };
	return 0;
}

int filters_read(struct filters *f, pid_t tid)
{
	for (;;) {
		void *which = (void *)(uintptr_t)f->n;
		struct sock_filter *code;
		long n = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, which, NULL);

		if (n < 0 && errno == ENOENT && f->n > 0)
			return 0;
		code = n > 0 ? malloc((size_t)n * sizeof(*code)) : NULL;
		if (!code || ptrace(PTRACE_SECCOMP_GET_FILTER, tid, which, code) != n) {
			free(code);
			return -EACCES;
		}
		if (filters_add(f, code, (size_t)n) < 0)
			return -ENOMEM;
	}
}

bool filters_have(const struct filters *f, const struct filter *one)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->all[i].n == one->n &&
		    memcmp(f->all[i].code, one->code, one->n * sizeof(*one->code)) == 0)
			return true;
	return false;
}

bool filters_let_go_on(const struct filters *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!filter_lets_go_on(f->all[i].code, f->all[i].n))
			return false;
	return true;
}
