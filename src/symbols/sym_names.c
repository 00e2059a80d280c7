/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Demangling, and the suffixes of compilers; see sym_names.h. Runs in the engine, takes no locks. Called by
 * sym_lookup.c.
 */
#include "src/symbols/sym_names.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_bfd.h"

/* From libiberty's demangle.h, which not every distribution installs beside bfd.h: these two never
 * changed. */
#define WITH_PARAMETERS (1 << 0)
#define WITH_QUALIFIERS (1 << 1)

struct remembered {
	const char *raw; /* NULL: free */
	char *name;
};

struct sym_names {
	const struct sym_table *table;
	bool demangle;
	struct remembered *functions;
	size_t used, capacity;
	char **owned; /* names made for variables */
	size_t owned_count, owned_capacity;
};

struct sym_names *sym_names_new(const struct sym_table *table, bool demangle)
{
	struct sym_names *n = calloc(1, sizeof(*n));

	if (n) {
		n->table = table;
		n->demangle = demangle;
	}
	return n;
}

void sym_names_free(struct sym_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->capacity; i++)
		free(n->functions[i].name);
	for (size_t i = 0; i < n->owned_count; i++)
		free(n->owned[i]);
	free(n->functions);
	free(n->owned);
	free(n);
}

static size_t slot_of(const char *raw, size_t capacity)
{
	uint64_t h = (uint64_t)(uintptr_t)raw * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 32) & (capacity - 1);
}

static bool grow(struct sym_names *n)
{
	size_t capacity = n->capacity ? n->capacity * 2 : 1024;
	struct remembered *functions = calloc(capacity, sizeof(*functions));

	if (!functions)
		return false;
	for (size_t i = 0; i < n->capacity; i++) {
		size_t at;

		if (!n->functions[i].raw)
			continue;
		at = slot_of(n->functions[i].raw, capacity);
		while (functions[at].raw)
			at = (at + 1) & (capacity - 1);
		functions[at] = n->functions[i];
	}
	free(n->functions);
	n->functions = functions;
	n->capacity = capacity;
	return true;
}

/* pthread_mutex_lock@@GLIBC_2.2.5, pthread_mutex_lock@GLIBC_2.2.5@plt: without the version. NULL: nothing to
 * do. */
static char *without_version(const char *raw)
{
	const char *at = strchr(raw, '@'), *last;
	char *name;

	if (!at || at == raw)
		return NULL;
	last = strrchr(raw, '@');
	if (strcmp(last, "@plt"))
		last = "";
	else if (at == last)
		return NULL;
	return asprintf(&name, "%.*s%s", (int)(at - raw), raw, last) < 0 ? NULL : name;
}

const char *sym_names_function(struct sym_names *n, const char *raw)
{
	char *plain, *name = NULL;
	size_t at;

	if (n->used * 2 >= n->capacity && !grow(n))
		return raw;
	for (at = slot_of(raw, n->capacity); n->functions[at].raw; at = (at + 1) & (n->capacity - 1))
		if (n->functions[at].raw == raw)
			return n->functions[at].name ? n->functions[at].name : raw;
	plain = without_version(raw);
	if (n->demangle)
		name = bfd_demangle(NULL, plain ? plain : raw, WITH_PARAMETERS | WITH_QUALIFIERS);
	if (name)
		free(plain);
	else
		name = plain;
	n->functions[at] = (struct remembered){ .raw = raw, .name = name };
	n->used++;
	return name ? name : raw;
}

/* Takes text over; without memory gives NULL. */
static const char *own(struct sym_names *n, char *text)
{
	if (!text)
		return NULL;
	if (n->owned_count == n->owned_capacity) {
		size_t capacity = n->owned_capacity ? n->owned_capacity * 2 : 64;
		char **owned = reallocarray(n->owned, capacity, sizeof(*owned));

		if (!owned) {
			free(text);
			return NULL;
		}
		n->owned = owned;
		n->owned_capacity = capacity;
	}
	n->owned[n->owned_count++] = text;
	return text;
}

/* The length of a name without ".1234" (gcc: static in a function), ".lto_priv.0", ".llvm.123" and the
 * like. */
static size_t without_suffix(const char *name)
{
	static const char *const words[] = { ".lto_priv", ".llvm", ".isra", ".part", ".constprop", ".local" };
	size_t length = strlen(name), before;

	do {
		size_t digits = length;

		before = length;
		while (digits > 1 && isdigit((unsigned char)name[digits - 1]))
			digits--;
		if (digits < length && digits > 1 && name[digits - 1] == '.')
			length = digits - 1;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			size_t w = strlen(words[i]);

			if (length > w && !strncmp(name + length - w, words[i], w))
				length -= w;
		}
	} while (length != before);
	return length;
}

static bool is_function(const struct sym_names *n, const char *name, size_t length)
{
	for (size_t i = 0; i < n->table->function_count; i++)
		if (!strncmp(n->table->functions[i].name, name, length) &&
		    !n->table->functions[i].name[length])
			return true;
	return false;
}

bool sym_names_is_numbered(const char *raw)
{
	return strncmp(raw, "_Z", 2) && strchr(raw, '.') &&
	       isdigit((unsigned char)raw[strcspn(raw, ".") + 1]);
}

/* "visit(Account&) const::lock" becomes "visit()::lock": in place. Not "(anonymous namespace)::lock". */
static void drop_parameters(char *name)
{
	static const char qualifier[] = ") const::";
	char *end = name;

	while ((end = strstr(end, qualifier)))
		memmove(end + 1, end + strlen(") const"), strlen(end + strlen(") const")) + 1);
	end = name;
	while ((end = strstr(end, ")::"))) {
		char *begin = end;
		int depth = 1;

		while (depth && begin > name) {
			begin--;
			depth += *begin == ')' ? 1 : *begin == '(' ? -1 : 0;
		}
		if (depth)
			return;
		if (begin > name && begin[-1] != ':' && begin + 1 < end) {
			memmove(begin + 1, end, strlen(end) + 1);
			end = begin + 1;
		}
		end += strlen(")::");
	}
}

/* Takes name over; gives "function()::name", where function is cut before parameters and a clone's suffix. */
static char *put_into(char *name, const char *function)
{
	char *longer;

	if (asprintf(&longer, "%.*s()::%s", (int)strcspn(function, "(."), function, name) < 0)
		return name;
	free(name);
	return longer;
}

const char *sym_names_variable(struct sym_names *n, const char *raw, const char *function)
{
	char *name = without_version(raw), *demangled = NULL, *dot;
	const char *result;

	if (!name)
		name = strndup(raw, without_suffix(raw));
	if (!name)
		return raw;
	if (n->demangle)
		demangled = bfd_demangle(NULL, name, WITH_PARAMETERS | WITH_QUALIFIERS);
	dot = strchr(name, '.');
	if (demangled) {
		free(name);
		name = demangled;
		drop_parameters(name);
	} else if (function) {
		name = put_into(name, function);
	} else if (dot && dot != name && dot[1] && is_function(n, name, (size_t)(dot - name))) {
		/* clang calls "lock", static in worker(), "worker.lock" */
		char *last = strdup(dot + 1);

		*dot = 0;
		if (last) {
			last = put_into(last, name);
			free(name);
			name = last;
		}
	}
	result = own(n, name);
	return result ? result : raw;
}

const char *sym_names_last_part(struct sym_names *n, const char *raw)
{
	const char *name = sym_names_variable(n, raw, NULL), *part = name + strlen(name);
	int depth = 0;

	/* from the end to the last "::" that is not within brackets: "f(a::b)::mutex", "table<a::b>::lock" */
	for (; part > name; part--) {
		if (strchr(")>]", part[-1]))
			depth++;
		else if (strchr("(<[", part[-1]))
			depth--;
		else if (part[-1] == ':' && depth == 0)
			break;
	}
	/* without template arguments, or a tag as in "mutex[abi:cxx11]" */
	part = own(n, strndup(part, strcspn(part, "([<")));
	return part && part[0] ? part : raw;
}
