/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Demangled names as people say them: "LRUCacheShard<..>::Lookup", "main::{lambda#1}". Names are shortened from the inside,
 * so that class and method are there whatever they were made with. Runs in mutrace. Called by the renderers and by
 * tell_apart.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "src/analysis/private.h"

#define ARGUMENTS_MOST 12u /* characters of template arguments that stay */

/* The place behind a bracket that opens at s[at], or the end of the name if it does not close. */
static size_t behind(const char *s, size_t at, size_t end)
{
	unsigned int depth = 0;

	for (; at < end; at++) {
		bool arrow = s[at] == '>' && at > 0 && s[at - 1] == '-';

		if (strchr("<({[", s[at]))
			depth++;
		else if (strchr(">)}]", s[at]) && !arrow && --depth == 0)
			return at + 1;
	}
	return end;
}

/* "operator<<", "operator()", "operator bool": what of it is no bracket of the name. Its length from s[at], 0 if there is no
 * operator. */
static size_t operator_length(const char *s, size_t at, size_t end)
{
	size_t n = 8;

	if (end - at < 9 || strncmp(s + at, "operator", 8) != 0 ||
	    (at > 0 && (isalnum((unsigned char)s[at - 1]) || s[at - 1] == '_')))
		return 0;
	if (isalnum((unsigned char)s[at + 8]) || s[at + 8] == '_')
		return 0;
	if (end - at >= 10 && (strncmp(s + at + 8, "()", 2) == 0 || strncmp(s + at + 8, "[]", 2) == 0))
		return 10;
	if (s[at + 8] == ' ') /* a conversion, or new and delete */
		return end - at;
	while (at + n < end && strchr("<>=!+-*/%&|^~,", s[at + n]))
		n++;
	return n;
}

/* The end of what is told apart by last parts: "core::ops::Drop" is "Drop". */
static const char *last_part(const char *s, size_t *n)
{
	size_t from = 0;

	for (size_t i = 0; i + 1 < *n; i++) {
		if (s[i] == '<')
			break;
		if (s[i] == ':' && s[i + 1] == ':')
			from = i + 2;
	}
	*n -= from;
	return s + from;
}

struct writer {
	char *out;
	size_t size, n;
};

static void put(struct writer *w, const char *s, size_t n)
{
	if (w->n + n >= w->size)
		n = w->size - 1 - w->n;
	memcpy(w->out + w->n, s, n);
	w->n += n;
	w->out[w->n] = 0;
}

/* Rust: "<alloc::vec::Vec<T> as core::ops::Drop>" is "<Vec as Drop>". */
static bool put_implementation(struct writer *w, const char *s, size_t n)
{
	const char *as = NULL;
	size_t length;

	for (size_t i = 1; i + 4 < n && !as; i++)
		as = strncmp(s + i, " as ", 4) == 0 ? s + i : NULL;
	if (!as)
		return false;
	for (int i = 0; i < 2; i++) {
		const char *from = i ? as + 4 : s + 1, *part;

		length = i ? (size_t)(s + n - 1 - from) : (size_t)(as - from);
		part = last_part(from, &length);
		put(w, i ? " as " : "<", i ? 4 : 1);
		for (size_t k = 0; k < length && part[k] != '<'; k++)
			put(w, part + k, 1);
	}
	put(w, ">", 1);
	return true;
}

/* One bracket of the name, which is s[at] to s[after]. */
static void put_bracket(struct writer *w, const char *s, size_t at, size_t after)
{
	size_t n = after - at;

	switch (s[at]) {
	case '(':
		if (n == 21 && strncmp(s + at, "(anonymous namespace)", 21) == 0)
			put(w, s + at, n);
		break;
	case '{':
		if (strncmp(s + at, "{lambda(", 8) == 0) {
			size_t parameters = behind(s, at + 7, after);

			put(w, "{lambda", 7);
			put(w, s + parameters, after - parameters);
		} else {
			put(w, s + at, n);
		}
		break;
	case '<':
		if (at == 0 && put_implementation(w, s, n))
			break;
		if (n - 2 <= ARGUMENTS_MOST && !memchr(s + at + 1, '<', n - 2))
			put(w, s + at, n);
		else
			put(w, "<..>", 4);
		break;
	default: put(w, s + at, n);
	}
}

/* Names of things that compilers make: "non-virtual thunk to f". Their words are no type that is returned. */
static size_t made_prefix(const char *s)
{
	static const char *const words[] = { "non-virtual thunk to ", "virtual thunk to ",
					     "covariant return thunk to ", "guard variable for ",
					     "transaction clone for " };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(s, words[i], strlen(words[i])) == 0)
			return strlen(words[i]);
	return 0;
}

/* The beginning of the name itself: templates are demangled with the type that they return before it. */
static size_t without_type(const char *s, size_t end)
{
	size_t from = made_prefix(s);

	for (size_t i = from; i < end;) {
		if (operator_length(s, i, end))
			break;
		if (strchr("<({[", s[i])) {
			i = behind(s, i, end);
			continue;
		}
		if (s[i] == ' ' && strncmp(s + i, " const", 6) != 0)
			from = i + 1;
		i++;
	}
	return made_prefix(s) ? 0 : from;
}

void report_function_short(char *out, size_t size, const char *function)
{
	static const char call[] = "::operator()";
	size_t end = report_function_length(function), plain = helper_name_length(function);
	const char *clone = strstr(function, " [clone ");
	struct writer w = { out, size, 0 };

	if (clone && (size_t)(clone - function) < plain)
		plain = (size_t)(clone - function);
	if (plain < end)
		end = plain;

	out[0] = 0;
	for (size_t i = without_type(function, end); i < end;) {
		size_t word = operator_length(function, i, end);

		if (word) {
			put(&w, function + i, word);
			i += word;
		} else if (strchr("<({[", function[i])) {
			size_t after = behind(function, i, end);

			put_bracket(&w, function, i, after);
			if (function[i] == '(' && strncmp(function + after, " const", 6) == 0)
				after += 6;
			i = after;
		} else {
			put(&w, function + i++, 1);
		}
	}
	if (w.n == 0)
		put(&w, function, end);
	/* the call of a lambda is the lambda */
	if (w.n > sizeof(call) - 1 && strcmp(out + w.n - (sizeof(call) - 1), call) == 0 &&
	    out[w.n - sizeof(call)] == '}')
		out[w.n - (sizeof(call) - 1)] = 0;
}
