/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The symbolizer's work on names, on symbol tables, and on the bytes between its processes.
 */
#include <elf.h>
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

#include "src/symbols/sym_answers.h"
#include "src/symbols/sym_names.h"
#include "src/symbols/sym_table.h"
#include "src/symbols/sym_wire.h"

static void functions(void **state)
{
	static const char *const names[][2] = {
		{ "main", "main" },
		{ "_ZN4bank8transferEii", "bank::transfer(int, int)" },
		{ "_ZN4bank8transferEii.cold", "bank::transfer(int, int) [clone .cold]" },
		{ "weigh.constprop.0", "weigh.constprop.0" },
		{ "pthread_mutex_lock@plt", "pthread_mutex_lock@plt" },
		{ "pthread_mutex_lock@@GLIBC_2.2.5", "pthread_mutex_lock" },
		{ "pthread_mutex_lock@GLIBC_2.2.5@plt", "pthread_mutex_lock@plt" },
		{ "_ZSt9terminatev@plt", "std::terminate()@plt" },
		{ "_RNvC6_123foo3bar", "123foo::bar" }, /* Rust */
		{ "_Znot_mangled", "_Znot_mangled" },
	};
	struct sym_table none = { 0 };
	struct sym_names *n = sym_names_new(&none, true), *raw = sym_names_new(&none, false);

	(void)state;
	assert_non_null(n);
	assert_non_null(raw);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			assert_string_equal(sym_names_function(n, names[i][0]), names[i][1]);
	assert_string_equal(sym_names_function(raw, names[1][0]), names[1][0]);
	/* many, so that the table grows */
	for (size_t i = 0; i < 5000; i++) {
		static char text[5000][16];

		snprintf(text[i], sizeof(text[i]), "_Z%zuf%zuv", 1 + (size_t)snprintf(NULL, 0, "%zu", i), i);
		assert_non_null(sym_names_function(n, text[i]));
	}
	assert_string_equal(sym_names_function(n, names[1][0]), names[1][1]);
	sym_names_free(n);
	sym_names_free(raw);
	sym_names_free(NULL);
}

static void variables(void **state)
{
	static const char *const names[][4] = {
		/* in the file, the function around it if known, as shown, as declared */
		{ "cache_lock", NULL, "cache_lock", "cache_lock" },
		{ "lock.0", NULL, "lock", "lock" },
		{ "lock.1234", "audit", "audit()::lock", "lock" },
		{ "lock.0", "audit.part.0", "audit()::lock", "lock" },
		{ "lock.2.lto_priv.0", NULL, "lock", "lock" },
		{ "file_lock.lto_priv.3", NULL, "file_lock", "file_lock" },
		{ "file_lock.llvm.8123", NULL, "file_lock", "file_lock" },
		{ "worker.lock", NULL, "worker()::lock", "lock" },
		{ "other.lock", NULL, "other.lock", "other.lock" },
		{ "stderr@GLIBC_2.2.5", NULL, "stderr", "stderr" },
		{ "_ZN4bank5locksE", NULL, "bank::locks", "locks" },
		{ "_ZN12_GLOBAL__N_14lockE", NULL, "(anonymous namespace)::lock", "lock" },
		{ "_ZZ3foovE5mutex", NULL, "foo()::mutex", "mutex" },
		{ "_ZZ3fooiSt6vectorIN1a1bEEE5mutex_0", NULL, "foo()::mutex", "mutex" },
		{ "_ZZN12_GLOBAL__N_13fooEPFviEE5mutex", NULL, "(anonymous namespace)::foo()::mutex",
		  "mutex" },
		{ "_ZZNK5ClasscviEvE1m", NULL, "Class::operator int()::m", "m" },
		{ "_ZN5TableIN1a1bEE4lockE", NULL, "Table<a::b>::lock", "lock" },
		{ "_Z4lockB5cxx11", NULL, "lock[abi:cxx11]", "lock" },
	};
	struct sym_entry function = { .name = "worker" };
	struct sym_table table = { .functions = &function, .function_count = 1 };
	struct sym_names *n = sym_names_new(&table, true);

	(void)state;
	assert_non_null(n);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_string_equal(sym_names_variable(n, names[i][0], names[i][1]), names[i][2]);
		assert_string_equal(sym_names_last_part(n, names[i][0]), names[i][3]);
	}
	assert_true(sym_names_is_numbered("lock.0"));
	assert_true(sym_names_is_numbered("lock.12.lto_priv.0"));
	assert_false(sym_names_is_numbered("lock"));
	assert_false(sym_names_is_numbered("worker.lock"));
	assert_false(sym_names_is_numbered("_ZZ3foovE5mutex.0"));
	sym_names_free(n);
}

static void table_of_our_own(void **state)
{
	struct sym_table t;
	struct sym_elf elf;
	const struct sym_entry *e;
	size_t named = 0;
	int fd = sym_open_regular("/proc/self/exe");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(sym_elf_read(&elf, fd), 0);
	assert_int_equal(sym_table_read(&t, &elf, SHT_SYMTAB), 0);
	assert_true(t.function_count > 10);
	for (size_t i = 0; i < t.function_count; i++) {
		assert_true(!i || t.functions[i - 1].address < t.functions[i].address);
		e = sym_table_function(&t, t.functions[i].address);
		assert_ptr_equal(e, &t.functions[i]);
		if (e->size > 1)
			assert_ptr_equal(sym_table_function(&t, e->address + 1), e);
		if (!strcmp(e->name, "main")) {
			named++;
			assert_int_not_equal(sym_elf_section_at(&elf, e->address), 0);
			assert_true(e->size > 0);
			e = sym_table_function(&t, e->address + e->size);
			assert_true(!e || strcmp(e->name, "main") != 0);
		}
	}
	assert_int_equal(named, 1);
	for (size_t i = 0; i < t.variable_count; i++) {
		e = sym_table_variable(&t, t.variables[i].address);
		assert_ptr_equal(e, &t.variables[i]);
	}
	assert_null(sym_table_function(&t, 0));
	assert_null(sym_table_variable(&t, UINT64_MAX));
	sym_table_free(&t);
	sym_table_free(NULL);
	sym_elf_close(&elf);
	sym_elf_close(NULL);
}

static void no_elf(void **state)
{
	char path[] = "/tmp/test_symnames.XXXXXX";
	struct sym_elf elf;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	assert_int_equal(sym_elf_read(&elf, fd), -ENOEXEC);
	unlink(path);
	assert_int_equal(sym_open_regular(path), -ENOENT);
	assert_int_equal(sym_open_regular("/"), -EISDIR);
	assert_int_equal(sym_open_regular("/dev/null"), -EINVAL);
}

static void wire(void **state)
{
	struct sym_buffer b = { 0 };
	struct sym_intern in = { 0 };
	struct sym_strings strings = { 0 };
	char text[32];
	size_t first;

	(void)state;
	sym_put_u32(&b, 7);
	sym_put_u64(&b, 1ull << 60);
	sym_put_string(&b, &in, NULL);
	sym_put_string(&b, &in, "");
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "text %d", i % 1500);
		sym_put_string(&b, &in, text);
	}
	first = b.size;
	assert_false(b.bad);
	assert_int_equal(sym_get_u32(&b), 7);
	assert_int_equal(sym_get_u64(&b), 1ull << 60);
	assert_null(sym_get_string(&b, &strings));
	assert_string_equal(sym_get_string(&b, &strings), "");
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "text %d", i % 1500);
		assert_string_equal(sym_get_string(&b, &strings), text);
	}
	assert_int_equal(strings.count, 1501);
	assert_int_equal(b.read, first);
	assert_false(b.bad);
	assert_int_equal(sym_get_u32(&b), 0);
	assert_true(b.bad);
	/* a number that was never given, a length over the end */
	sym_buffer_reset(&b);
	sym_put_u32(&b, 5000);
	assert_null(sym_get_string(&b, &strings));
	assert_true(b.bad);
	sym_buffer_reset(&b);
	sym_put_u32(&b, 1502);
	sym_put_u32(&b, 0xffffffffu);
	assert_null(sym_get_string(&b, &strings));
	assert_true(b.bad);
	assert_int_equal(strings.count, 1501);
	sym_strings_free(&strings);
	sym_intern_free(&in);
	sym_buffer_free(&b);
}

static void answers(void **state)
{
	struct sym_answers a = { 0 };
	static char keep[1];

	(void)state;
	assert_null(sym_answers_find(&a, 1));
	for (uint64_t i = 0; i < 10000; i++) {
		struct sym_answer answer = { .address = i * i * 4096,
					     .value = i % 2 ? (void *)keep : malloc(1),
					     .count = i };

		assert_non_null(answer.value);
		assert_int_equal(sym_answers_put(&a, &answer), 0);
	}
	for (uint64_t i = 0; i < 10000; i++) {
		struct sym_answer *answer = sym_answers_find(&a, i * i * 4096);

		assert_non_null(answer);
		assert_int_equal(answer->count, i);
	}
	assert_null(sym_answers_find(&a, 17));
	sym_answers_free(&a, keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions), cmocka_unit_test(variables), cmocka_unit_test(table_of_our_own),
		cmocka_unit_test(no_elf),    cmocka_unit_test(wire),      cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
