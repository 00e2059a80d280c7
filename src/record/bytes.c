/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The functions for bytes and strings that the recorder calls, and those that compilers call by themselves, in the
 * library itself. ThreadSanitizer, MemorySanitizer and others put functions of their own in the place of the C library's,
 * and would take what the recorder does to its tables for what the program does. Called by everything in the profiled
 * process, at any moment. The compiler must not make calls of them out of them: -fno-builtin and
 * -fno-tree-loop-distribute-patterns.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* macros since C23, which keep a const (glibc 2.43) */
#undef strchr
#undef strrchr

/* A word at any address and of any type. */
typedef uintptr_t word __attribute__((aligned(1), may_alias));

void *memset(void *to, int c, size_t n)
{
	word pattern = (word)-1 / 255 * (unsigned char)c;
	char *p = to;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word))
		*(word *)p = pattern;
	while (n-- > 0)
		*p++ = (char)c;
	return to;
}

static void forward(char *to, const char *from, size_t n)
{
	for (; n >= sizeof(word); n -= sizeof(word), to += sizeof(word), from += sizeof(word))
		*(word *)to = *(const word *)from;
	while (n-- > 0)
		*to++ = *from++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	forward(to, from, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	if ((uintptr_t)to - (uintptr_t)from >= n)
		forward(to, from, n);
	else
		while (n-- > 0)
			((char *)to)[n] = ((const char *)from)[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end != '\0')
		end++;
	return (size_t)(end - s);
}

char *stpcpy(char *restrict to, const char *restrict from)
{
	while ((*to = *from++) != '\0')
		to++;
	return to;
}

char *strcpy(char *restrict to, const char *restrict from)
{
	stpcpy(to, from);
	return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
	stpcpy(to + strlen(to), from);
	return to;
}

int strncmp(const char *a, const char *b, size_t max)
{
	size_t i = 0;

	while (i < max && a[i] != '\0' && a[i] == b[i])
		i++;
	return i < max ? (unsigned char)a[i] - (unsigned char)b[i] : 0;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (*s == '\0')
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	do
		if (*s == (char)c)
			found = s;
	while (*s++ != '\0');
	return (char *)found;
}

/* The number of bytes at the start of s that are, or are not, in a set. */
static size_t span(const char *s, const char *set, int in)
{
	size_t n = 0;

	while (s[n] != '\0' && (strchr(set, s[n]) != NULL) == in)
		n++;
	return n;
}

size_t strspn(const char *s, const char *accept)
{
	return span(s, accept, 1);
}

size_t strcspn(const char *s, const char *reject)
{
	return span(s, reject, 0);
}
