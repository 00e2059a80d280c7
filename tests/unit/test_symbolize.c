/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The symbolizer without libbfd: modules, what is asked how often, and what becomes of the answers when the
 * engine dies, lies or is asked by many. The engine here is one of our own that invents names from addresses;
 * it replaces src/symbols/sym_engine.c. It runs in a child process as the real one does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/symbols/sym_engine.h"
#include "src/symbols/symbolize.h"

#define DEADLY 0xdead00u  /* the engine dies of this one while it uses debug information */
#define POISON 0xdead01u  /* of this one always */
#define LIE 0xdead02u     /* the reply makes no sense */
#define NOTHING 0x900000u /* nothing known from here to LIE */

struct sym_engine {
	const struct sym_spec *spec;
	struct sym_intern intern;
};

/* Engines append a letter each when they start, and count questions; in a file because they are other
 * processes. */
static char log_path[] = "/tmp/test_symbolize.XXXXXX";

static void note(char letter)
{
	FILE *f = fopen(log_path, "a");

	assert_non_null(f);
	fputc(letter, f);
	fclose(f);
}

static size_t noted(char letter)
{
	FILE *f = fopen(log_path, "r");
	size_t n = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == letter;
	fclose(f);
	return n;
}

int sym_engine_new(struct sym_engine **ret, const struct sym_spec *spec)
{
	struct sym_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->spec = spec;
	note('E');
	*ret = e;
	return 0;
}

void sym_engine_free(struct sym_engine *e)
{
	if (e)
		sym_intern_free(&e->intern);
	free(e);
}

static void answer_one(struct sym_engine *e, uint32_t kind, uint64_t address, struct sym_buffer *reply)
{
	char text[64];

	note('q');
	if (address == POISON || (address == DEADLY && !e->spec->no_lines))
		abort();
	if (address == LIE) {
		sym_put_u32(reply, 0x7fffffff);
		return;
	}
	if (kind == SYM_ASK_VARIABLES) {
		sym_put_string(reply, &e->intern, address < NOTHING ? "variable" : NULL);
		sym_put_u64(reply, address & 15);
		sym_put_string(reply, &e->intern, "v.c");
		sym_put_u32(reply, 7);
		sym_put_u64(reply, 16);
		sym_put_string(reply, &e->intern, address & 15 ? "[1]" : NULL);
		return;
	}
	if (address >= NOTHING && address < LIE - 16) {
		sym_put_u32(reply, 0);
		return;
	}
	sym_put_u32(reply, 2);
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s%llx", i ? "outer" : "inner", (unsigned long long)address);
		sym_put_string(reply, &e->intern, text);
		sym_put_string(reply, &e->intern, e->spec->no_lines ? NULL : e->spec->path);
		sym_put_u32(reply, (uint32_t)address + (uint32_t)i);
	}
}

void sym_engine_answer(struct sym_engine *e, struct sym_buffer *request, struct sym_buffer *reply)
{
	uint32_t kind = sym_get_u32(request), count = sym_get_u32(request);

	if (kind == SYM_ASK_STATE)
		sym_put_u32(reply, SYMBOL_MODULE_STRIPPED);
	else
		for (uint32_t i = 0; i < count; i++)
			answer_one(e, kind, sym_get_u64(request), reply);
}

static int make_log(void **state)
{
	int fd;

	(void)state;
	strcpy(log_path + strlen(log_path) - 6, "XXXXXX");
	fd = mkstemp(log_path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_log(void **state)
{
	(void)state;
	return unlink(log_path);
}

static void assert_frames(struct symbolizer *s, int module, uint64_t lookup, uint64_t in_file,
			  const char *file)
{
	const struct symbol_frame *frames;
	char text[64];
	size_t count;

	assert_int_equal(symbolizer_resolve(s, module, lookup, &frames, &count), 0);
	assert_int_equal(count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s%llx", i ? "outer" : "inner", (unsigned long long)in_file);
		assert_string_equal(frames[i].function, text);
		if (file)
			assert_string_equal(frames[i].file, file);
		else
			assert_null(frames[i].file);
		assert_int_equal(frames[i].line, in_file + i);
		assert_int_equal(frames[i].inlined, i == 0);
	}
}

static void assert_unknown(struct symbolizer *s, int module, uint64_t lookup)
{
	const struct symbol_frame *frames;
	size_t count;

	assert_int_equal(symbolizer_resolve(s, module, lookup, &frames, &count), 0);
	assert_int_equal(count, 1);
	assert_null(frames[0].function);
	assert_null(frames[0].file);
	assert_int_equal(frames[0].line, 0);
	assert_false(frames[0].inlined);
}

static void same_module_same_number(void **state)
{
	static const uint8_t id[] = { 1, 2, 3 }, other[] = { 1, 2, 4 };
	struct symbolizer *s;

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	assert_int_equal(symbolizer_add_module(s, "/a", id, 3, 0x1000), 0);
	assert_int_equal(symbolizer_add_module(s, "/a", id, 3, 0x2000), 1);
	assert_int_equal(symbolizer_add_module(s, "/a", other, 3, 0x1000), 2);
	assert_int_equal(symbolizer_add_module(s, "/b", NULL, 0, 0x1000), 3);
	assert_int_equal(symbolizer_add_module(s, "/a", id, 3, 0x2000), 1);
	assert_int_equal(symbolizer_add_module(s, "/b", NULL, 0, 0x1000), 3);
	assert_int_equal(symbolizer_add_module(s, "/a", id, 65, 0), -EINVAL);
	assert_int_equal(symbolizer_want(s, 4, 0), -EINVAL);
	assert_int_equal(symbolizer_want(s, -1, 0), -EINVAL);
	assert_int_equal(symbolizer_module_state(s, 99), SYMBOL_MODULE_MISSING);
	assert_int_equal(symbolizer_module_state(s, 3), SYMBOL_MODULE_STRIPPED);
	symbolizer_free(s);
	symbolizer_free(NULL);
	assert_int_equal(noted('E'), 1);
}

/* Two processes with one library at two places: one engine, and each address in the file asked for once. */
static void each_address_once(void **state)
{
	struct symbolizer *s;
	int a, b;

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	a = symbolizer_add_module(s, "/lib", NULL, 0, 0x7000000);
	b = symbolizer_add_module(s, "/lib", NULL, 0, 0x9000000);
	for (uint64_t i = 0; i < 600; i++) {
		assert_int_equal(symbolizer_want(s, a, 0x7000000 + 599 - i), 0);
		assert_int_equal(symbolizer_want(s, b, 0x9000000 + i), 0);
	}
	assert_int_equal(symbolizer_resolve_all(s), 0);
	assert_int_equal(noted('q'), 600);
	for (uint64_t i = 0; i < 600; i++) {
		assert_frames(s, a, 0x7000000 + i, i, "/lib");
		assert_frames(s, b, 0x9000000 + i, i, "/lib");
	}
	assert_frames(s, b, 0x9000000 + 700, 700, "/lib");
	assert_unknown(s, b, 0x9000000 + NOTHING);
	assert_unknown(s, b, 0x9000000 + NOTHING);
	assert_int_equal(noted('q'), 602);
	assert_int_equal(symbolizer_want(s, a, 0x7000000 + 700), 0);
	assert_int_equal(symbolizer_resolve_all(s), 0);
	assert_int_equal(noted('q'), 602);
	assert_int_equal(noted('E'), 1);
	symbolizer_free(s);
}

static void many_modules(void **state)
{
	struct symbolizer *s;
	char path[32];

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/lib%d", i);
		assert_int_equal(symbolizer_add_module(s, path, NULL, 0, 0), i);
		assert_int_equal(symbolizer_want(s, i, 0x10), 0);
	}
	assert_int_equal(symbolizer_resolve_all(s), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 40; i++) {
			snprintf(path, sizeof(path), "/lib%d", i);
			assert_frames(s, i, 0x10, 0x10, path);
			assert_frames(s, i, 0x11, 0x11, path); /* its engine has been ended in between */
		}
	symbolizer_free(s);
}

struct progress {
	size_t calls, done, total;
};

static void progress(void *data, size_t done, size_t total)
{
	struct progress *p = data;

	p->calls++;
	assert_true(done > p->done);
	assert_true(done <= total);
	p->done = done;
	p->total = total;
}

static void in_many_shares(void **state)
{
	struct progress p = { 0 };
	const struct symbolizer_options options = { .progress = progress, .progress_data = &p };
	struct symbolizer *s;
	int m;

	(void)state;
	assert_int_equal(symbolizer_new(&s, &options), 0);
	m = symbolizer_add_module(s, "/large", NULL, 0, 0);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(symbolizer_want(s, m, i), 0);
	assert_int_equal(symbolizer_resolve_all(s), 0);
	assert_int_equal(p.done, 10000);
	assert_int_equal(p.total, 10000);
	assert_true(p.calls > 10);
	assert_int_equal(noted('q'), 10000);
	for (uint64_t i = 0; i < 10000; i++)
		assert_frames(s, m, i, i, "/large");
	symbolizer_free(s);
}

static void without_lines_after_a_death(void **state)
{
	struct symbolizer *s;
	int m;

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	m = symbolizer_add_module(s, "/a", NULL, 0, 0);
	assert_frames(s, m, 1, 1, "/a");
	assert_int_equal(symbolizer_module_state(s, m), SYMBOL_MODULE_STRIPPED);
	assert_frames(s, m, DEADLY, DEADLY, NULL);
	assert_frames(s, m, 2, 2, NULL);
	assert_frames(s, m, 1, 1, "/a");
	assert_int_equal(symbolizer_module_state(s, m), SYMBOL_MODULE_DAMAGED);
	assert_int_equal(noted('E'), 2);
	symbolizer_free(s);
}

static void nothing_after_two_deaths(void **state)
{
	static const uint64_t killers[] = { POISON, LIE };
	const char *name;
	uint64_t offset;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		size_t engines = noted('E');
		struct symbolizer *s;
		int m, other;

		assert_int_equal(symbolizer_new(&s, NULL), 0);
		m = symbolizer_add_module(s, "/a", NULL, 0, 0);
		other = symbolizer_add_module(s, "/b", NULL, 0, 0);
		assert_int_equal(symbolizer_want(s, m, 5), 0);
		assert_int_equal(symbolizer_want(s, m, killers[k]), 0);
		assert_int_equal(symbolizer_want(s, other, 5), 0);
		assert_int_equal(symbolizer_resolve_all(s), 0);
		assert_unknown(s, m, killers[k]);
		assert_unknown(s, m, 6);
		assert_int_equal(symbolizer_variable(s, m, 6, &name, &offset, NULL, NULL), -ENOENT);
		assert_int_equal(symbolizer_module_state(s, m), SYMBOL_MODULE_DAMAGED);
		assert_frames(s, other, 5, 5, "/b");
		assert_int_equal(noted('E') - engines, 3);
		symbolizer_free(s);
	}
}

/* One of several engines dies: the others' answers count, and the rest is asked for again. */
static void a_death_among_many(void **state)
{
	struct symbolizer *s;
	int m;

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	m = symbolizer_add_module(s, "/large", NULL, 0, 0);
	for (uint64_t i = 0; i < 9000; i++)
		assert_int_equal(symbolizer_want(s, m, i), 0);
	assert_int_equal(symbolizer_want(s, m, DEADLY), 0);
	assert_int_equal(symbolizer_resolve_all(s), 0);
	for (uint64_t i = 0; i < 9000; i++) {
		const struct symbol_frame *frames;
		size_t count;

		assert_int_equal(symbolizer_resolve(s, m, i, &frames, &count), 0);
		assert_int_equal(count, 2);
		assert_int_equal(frames[0].line, i);
	}
	assert_frames(s, m, DEADLY, DEADLY, NULL);
	symbolizer_free(s);
}

static void variables(void **state)
{
	const char *name = "untouched", *file = "untouched";
	unsigned int line = 99;
	uint64_t offset = 99;
	struct symbolizer *s;
	int m;

	(void)state;
	assert_int_equal(symbolizer_new(&s, NULL), 0);
	m = symbolizer_add_module(s, "/a", NULL, 0, 0x1000);
	assert_int_equal(symbolizer_variable(s, m, 0x1000 + NOTHING, &name, &offset, &file, &line), -ENOENT);
	assert_string_equal(name, "untouched");
	assert_string_equal(file, "untouched");
	assert_int_equal(line, 99);
	assert_int_equal(offset, 99);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(symbolizer_variable(s, m, 0x1005, &name, &offset, &file, &line), 0);
		assert_string_equal(name, "variable");
		assert_string_equal(file, "v.c");
		assert_int_equal(line, 7);
		assert_int_equal(offset, 5);
	}
	assert_int_equal(symbolizer_variable(s, m, 0x1005, &name, NULL, NULL, NULL), 0);
	assert_int_equal(symbolizer_variable_part(s, m, 0x1005, &name, &offset), 0);
	assert_string_equal(name, "[1]");
	assert_int_equal(offset, 16);
	assert_int_equal(symbolizer_variable_part(s, m, 0x1000 + NOTHING, &name, &offset), -ENOENT);
	assert_int_equal(noted('q'), 2);
	symbolizer_free(s);
}

static void in_process(void **state)
{
	const struct symbolizer_options options = { .in_process = true };
	struct symbolizer *s;
	int m;

	(void)state;
	assert_int_equal(symbolizer_new(&s, &options), 0);
	m = symbolizer_add_module(s, "/a", NULL, 0, 0);
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(symbolizer_want(s, m, i), 0);
	assert_int_equal(symbolizer_resolve_all(s), 0);
	assert_frames(s, m, 4999, 4999, "/a");
	assert_unknown(s, m, LIE); /* twice nonsense: no more questions */
	assert_unknown(s, m, 6000);
	symbolizer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_module_same_number, make_log, remove_log),
		cmocka_unit_test_setup_teardown(each_address_once, make_log, remove_log),
		cmocka_unit_test_setup_teardown(many_modules, make_log, remove_log),
		cmocka_unit_test_setup_teardown(in_many_shares, make_log, remove_log),
		cmocka_unit_test_setup_teardown(without_lines_after_a_death, make_log, remove_log),
		cmocka_unit_test_setup_teardown(nothing_after_two_deaths, make_log, remove_log),
		cmocka_unit_test_setup_teardown(a_death_among_many, make_log, remove_log),
		cmocka_unit_test_setup_teardown(variables, make_log, remove_log),
		cmocka_unit_test_setup_teardown(in_process, make_log, remove_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
