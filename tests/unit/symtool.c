/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A test tool: names addresses by src/symbols/symbolize.h and prints them as addr2line -a -i -f -C does, so
 * that the two can be compared line by line. Used by tests/e2e/symbols.py and tests/bench/symbols.py.
 *
 *   symtool [OPTION...] MODULE <ADDRESSES (hexadecimal, one a line)
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/symbolize.h"

static const char usage[] = "usage: symtool [OPTION...] MODULE <ADDRESSES\n"
			    "  --base=HEX        what was added to the addresses when the module was loaded\n"
			    "  --build-id=HEX    the build id that ran\n"
			    "  --sysroot=DIR     look for all files below it\n"
			    "  --debug-dir=DIR   instead of /usr/lib/debug\n"
			    "  --no-lines        symbol tables only\n"
			    "  --in-process      without child processes\n"
			    "  --one-by-one      without telling all addresses before\n"
			    "  --variables       the addresses are of data: print NAME+OFFSET FILE:LINE\n"
			    "  --state           print the module's state and nothing else\n"
			    "  --progress        print the progress on stderr\n";

enum { BASE = 1, BUILD_ID, SYSROOT, DEBUG_DIR, NO_LINES, IN_PROCESS, ONE_BY_ONE, VARIABLES, STATE, PROGRESS };

static const struct option longopts[] = {
	{ "base", required_argument, NULL, BASE },
	{ "build-id", required_argument, NULL, BUILD_ID },
	{ "sysroot", required_argument, NULL, SYSROOT },
	{ "debug-dir", required_argument, NULL, DEBUG_DIR },
	{ "no-lines", no_argument, NULL, NO_LINES },
	{ "in-process", no_argument, NULL, IN_PROCESS },
	{ "one-by-one", no_argument, NULL, ONE_BY_ONE },
	{ "variables", no_argument, NULL, VARIABLES },
	{ "state", no_argument, NULL, STATE },
	{ "progress", no_argument, NULL, PROGRESS },
	{ NULL, 0, NULL, 0 },
};

static void die(const char *what, int r)
{
	fprintf(stderr, "symtool: %s: %s\n", what, strerror(-r));
	exit(99);
}

static size_t parse_hex(const char *text, uint8_t *to, size_t max)
{
	size_t n = 0;
	unsigned int byte;

	while (n < max && sscanf(text + 2 * n, "%2x", &byte) == 1) {
		to[n++] = (uint8_t)byte;
		if (!text[2 * n])
			break;
	}
	return n;
}

static void print_frames(struct symbolizer *s, int module, uint64_t address, uint64_t base)
{
	const struct symbol_frame *frames;
	size_t count;
	int r = symbolizer_resolve(s, module, address, &frames, &count);

	if (r < 0)
		die("symbolizer_resolve", r);
	printf("0x%016llx\n", (unsigned long long)(address - base));
	for (size_t i = 0; i < count; i++) {
		if (frames[i].inlined != (i + 1 < count))
			die("only the last frame is not inlined", -EINVAL);
		printf("%s\n%s:", frames[i].function ? frames[i].function : "??",
		       frames[i].file ? frames[i].file : "??");
		if (frames[i].line)
			printf("%u\n", frames[i].line);
		else
			puts("?");
	}
}

static void print_variable(struct symbolizer *s, int module, uint64_t address)
{
	const char *name, *file;
	unsigned int line;
	uint64_t offset;
	int r = symbolizer_variable(s, module, address, &name, &offset, &file, &line);

	if (r == -ENOENT)
		puts("??");
	else if (r < 0)
		die("symbolizer_variable", r);
	else
		printf("%s+0x%llx %s:%u\n", name, (unsigned long long)offset, file ? file : "??", line);
}

static void print_progress(void *data, size_t done, size_t total)
{
	(void)data;
	fprintf(stderr, "progress %zu/%zu\n", done, total);
}

/* The addresses that stdin has, as loaded at base. */
static uint64_t *read_addresses(uint64_t base, size_t *ret_count)
{
	uint64_t *addresses = NULL;
	size_t count = 0, capacity = 0;
	unsigned long long a;

	while (scanf("%llx", &a) == 1) {
		if (count == capacity) {
			capacity = capacity ? capacity * 2 : 1024;
			addresses = realloc(addresses, capacity * sizeof(*addresses));
			if (!addresses)
				die("addresses", -ENOMEM);
		}
		addresses[count++] = base + a;
	}
	*ret_count = count;
	return addresses;
}

int main(int argc, char **argv)
{
	static const char *const states[] = { "ok", "missing", "replaced", "stripped", "damaged" };
	bool variables = false, state = false, one_by_one = false;
	const char *dirs[2] = { NULL, NULL };
	struct symbolizer_options options = { 0 };
	uint64_t base = 0, *addresses;
	size_t count, id_size = 0;
	uint8_t id[64];
	struct symbolizer *s;
	int c, r, module;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case BASE: base = strtoull(optarg, NULL, 16); break;
		case BUILD_ID: id_size = parse_hex(optarg, id, sizeof(id)); break;
		case SYSROOT: options.sysroot = optarg; break;
		case DEBUG_DIR:
			dirs[0] = optarg;
			options.debug_dirs = dirs;
			break;
		case NO_LINES: options.no_lines = true; break;
		case IN_PROCESS: options.in_process = true; break;
		case ONE_BY_ONE: one_by_one = true; break;
		case VARIABLES: variables = true; break;
		case STATE: state = true; break;
		case PROGRESS: options.progress = print_progress; break;
		default: fputs(usage, stderr); return 99;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 99;
	}
	r = symbolizer_new(&s, &options);
	if (r < 0)
		die("symbolizer_new", r);
	module = symbolizer_add_module(s, argv[optind], id, id_size, base);
	if (module < 0)
		die("symbolizer_add_module", module);
	if (state) {
		puts(states[symbolizer_module_state(s, module)]);
		symbolizer_free(s);
		return 0;
	}
	addresses = read_addresses(base, &count);
	for (size_t i = 0; i < count && !variables && !one_by_one; i++) {
		r = symbolizer_want(s, module, addresses[i]);
		if (r < 0)
			die("symbolizer_want", r);
	}
	r = symbolizer_resolve_all(s);
	if (r < 0)
		die("symbolizer_resolve_all", r);
	for (size_t i = 0; i < count; i++)
		variables ? print_variable(s, module, addresses[i])
			  : print_frames(s, module, addresses[i], base);
	free(addresses);
	symbolizer_free(s);
	return 0;
}
