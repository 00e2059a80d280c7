/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a session that is as much work to name as a large program's: a bench tool, used by
 * tests/bench/symbols.py.
 *
 *   make-large-session PROGRAM LOCKS <NUMBERS     prints the session's directory
 *
 * NUMBERS are hexadecimal addresses in PROGRAM's file, one a line: first LOCKS of data, where the locks are,
 * then return addresses. Each return address is the innermost of a stack of its own, with another one around
 * it; each stack has waited for a lock. The session is there as a recording would have made it, with invented
 * figures.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/make_session.h"

#define BASE 0x550000000000ull

int main(int argc, char **argv)
{
	size_t locks = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, count = 0, capacity = 0;
	uint64_t *numbers = NULL, number;
	uint32_t *lock_refs, *cells, thread;
	struct session_file file;
	struct image_maker *m;
	char *dir;

	if (!locks) {
		fputs("usage: make-large-session PROGRAM LOCKS <NUMBERS\n", stderr);
		return 99;
	}
	while (scanf("%" SCNx64, &number) == 1) {
		if (count == capacity) {
			capacity = capacity ? 2 * capacity : 4096;
			numbers = realloc(numbers, capacity * sizeof(*numbers));
			if (!numbers)
				return 99;
		}
		numbers[count++] = BASE + number;
	}
	lock_refs = calloc(locks, sizeof(*lock_refs));
	cells = calloc(locks, sizeof(*cells));
	if (count < locks + 2 || !lock_refs || !cells)
		return 99;
	m = image_maker_new(2 * count);
	strcpy(image_maker_header(m)->program, argv[1]);
	image_maker_module(m, argv[1], BASE, 1ull << 32, MODULE_MAIN);
	thread = image_maker_thread(m, 100, NULL);
	for (size_t i = 0; i < locks; i++) {
		struct cell *c;

		lock_refs[i] = image_maker_lock(m, KIND_MUTEX, numbers[i], NULL);
		cells[i] = image_maker_cell(m, thread, lock_refs[i], 100 + i, &c);
		c->contended = 10;
	}
	for (size_t i = locks; i < count; i++) {
		uint64_t ips[] = { numbers[i], numbers[locks + (i * 7919) % (count - locks)], 0 };
		uint32_t stack = image_maker_stack(m, ips);
		struct edge *e = image_maker_edge(m, thread, lock_refs[i % locks], 1 + i % 3, 1000 * i);

		e->facts.wait_stack = e->facts.hold_stack = stack;
		e->facts.holder = thread;
	}
	dir = session_dir_make();
	session_file_init(&file);
	session_file_write(dir, &file);
	image_maker_write(m, dir, "image.100.0");
	puts(dir);
	return 0;
}
