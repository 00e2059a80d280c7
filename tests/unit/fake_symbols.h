/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A symbolizer whose answers a test writes down; linked in place of the real one. */
#ifndef MUTRACE_TESTS_FAKE_SYMBOLS_H
#define MUTRACE_TESTS_FAKE_SYMBOLS_H

#include <stdint.h>

/* [start, end) of any module; inlined_in: the function that this one was inlined into, or NULL. */
struct fake_function {
	uint64_t start, end;
	const char *name, *file;
	unsigned int line;
	const char *inlined_in;
	unsigned int outer_line;
};
struct fake_variable {
	uint64_t start, end;
	const char *name, *file;
	unsigned int line;
};

/* Both end with an entry whose end is 0; NULL: none. */
extern const struct fake_function *fake_functions;
extern const struct fake_variable *fake_variables;

#endif
