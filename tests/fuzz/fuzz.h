/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by the fuzz targets. Each defines LLVMFuzzerTestOneInput() and fuzz_seeds(). libFuzzer brings a
 * main() of its own (tests/fuzz/run.sh); with -DREPLAY fuzz.c has one that makes the target an ordinary test.
 */
#ifndef MUTRACE_TESTS_FUZZ_H
#define MUTRACE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Hands over each input to begin with; changes: how many changed ones the replay makes of it. */
typedef void (*fuzz_take)(const char *name, const void *data, size_t size, int changes);
void fuzz_seeds(fuzz_take take);

/* How inputs of this target are changed in place, better than bit by bit; NULL: they are text. */
typedef void (*fuzz_changer)(uint8_t *data, size_t size, uint64_t *random);
extern const fuzz_changer fuzz_change;

/* xorshift: the same numbers each time. */
uint64_t fuzz_random(uint64_t *state);
/* The path of a file with these bytes, in a folder of its own; valid until the next call. */
const char *fuzz_file(const void *data, size_t size);
/* The path of another file in that folder. */
const char *fuzz_scratch(void);
/* A stream whose content fuzz_text_check() takes: it must be free of what steers a terminal. */
FILE *fuzz_text_open(void);
void fuzz_text_check(void);
/* The same, as JSON that can be parsed. */
void fuzz_json_check(void);
/* An error message must be there, and be one line. */
void fuzz_error_check(const char *error);

#endif
