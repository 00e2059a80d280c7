/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See fuzz.h. The replay runs a target's seeds and the files and folders of the command line, and of each
 * cuts and changed bytes; --seed DIRECTORY writes the seeds for libFuzzer to begin with.
 */
#include "fuzz.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static char *text;
static size_t text_size;
static FILE *text_stream;

uint64_t fuzz_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void folder_remove(void)
{
	static const char *const names[] = { "input", "scratch" };
	char path[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static const char *folder_make(void)
{
	if (folder[0])
		return folder;
	strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX" : "/tmp/fuzz-XXXXXX");
	if (!mkdtemp(folder) || atexit(folder_remove) != 0)
		abort();
	return folder;
}

const char *fuzz_file(const void *data, size_t size)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/input", folder_make());
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
		abort();
	return path;
}

const char *fuzz_scratch(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/scratch", folder_make());
	return path;
}

FILE *fuzz_text_open(void)
{
	free(text);
	text = NULL;
	text_stream = open_memstream(&text, &text_size);
	if (!text_stream)
		abort();
	return text_stream;
}

static void text_close(void)
{
	if (fclose(text_stream) != 0)
		abort();
}

void fuzz_text_check(void)
{
	text_close();
	for (size_t i = 0; i < text_size; i++) {
		unsigned char c = (unsigned char)text[i];

		/* C0 and DEL, and C1 in UTF-8 */
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ||
		    (c == 0xc2 && (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xa0)) {
			fprintf(stderr, "byte %zu of the text is %02x\n", i, c);
			abort();
		}
	}
}

void fuzz_json_check(void)
{
	json_error_t why;
	json_t *document;

	text_close();
	document = json_loadb(text, text_size, JSON_REJECT_DUPLICATES, &why);
	if (!document) {
		fprintf(stderr, "no JSON: %s\n", why.text);
		abort();
	}
	json_decref(document);
}

void fuzz_error_check(const char *error)
{
	if (error[0] == 0)
		abort();
}

#ifdef REPLAY
static unsigned int replayed;
static const char *seed_folder;

/* The bytes themselves, cut at some places, and with more and more of them changed. */
static void replay_bytes(const char *name, const void *from, size_t size, int changes)
{
	uint8_t *data = malloc(size + 1);
	uint64_t random = 88172645463325252u;
	int i;

	(void)name;
	if (!data)
		exit(99);
	memcpy(data, from, size);
	LLVMFuzzerTestOneInput(data, size);
	for (i = 1; i < 64; i++)
		LLVMFuzzerTestOneInput(data, size * (size_t)i / 64);
	for (i = 0; size > 0 && i < changes; i++) {
		if (i % 64 == 0)
			memcpy(data, from, size);
		if (fuzz_change && i % 4)
			fuzz_change(data, size, &random);
		else
			data[fuzz_random(&random) % size] ^= (uint8_t)(1u << (random >> 40) % 8);
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	replayed++;
}

static void replay_file(const char *path)
{
	uint8_t *data;
	FILE *f = fopen(path, "re");
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
		exit(99);
	rewind(f);
	data = malloc((size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		exit(99);
	fclose(f);
	replay_bytes(path, data, (size_t)size, 64);
	free(data);
}

static void seed_write(const char *name, const void *data, size_t size, int changes)
{
	char *path;
	FILE *f;

	(void)changes;
	if (asprintf(&path, "%s/%s", seed_folder, name) < 0 || !(f = fopen(path, "we")) ||
	    fwrite(data, 1, size, f) != size || fclose(f) != 0)
		exit(99);
	free(path);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		seed_folder = argv[2];
		fuzz_seeds(seed_write);
		return 0;
	}
	fuzz_seeds(replay_bytes);
	for (int i = 1; i < argc; i++) {
		struct dirent *e;
		DIR *d = opendir(argv[i]);
		char *path;

		if (!d) {
			replay_file(argv[i]);
			continue;
		}
		while ((e = readdir(d))) {
			if (e->d_name[0] == '.')
				continue;
			if (asprintf(&path, "%s/%s", argv[i], e->d_name) < 0)
				return 99;
			replay_file(path);
			free(path);
		}
		closedir(d);
	}
	printf("%u files replayed\n", replayed);
	return replayed ? 0 : 99;
}
#endif
