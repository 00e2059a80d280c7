/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The places that the pieces of a JSON document go to, see json.h. Runs in mutrace; no locks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/json.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY)
#define BUFFER_SIZE ((size_t)64 * 1024)
#define DEPTH_MAX 8

struct json_out {
	FILE *f; /* NULL: values in memory */
	int error;
	struct level {
		bool array, any;
		json_t *value; /* in memory only */
	} levels[DEPTH_MAX];
	unsigned int depth;
	json_t *root;
	size_t used;
	char buffer[BUFFER_SIZE]; /* jansson writes pieces of a few bytes, which are collected here */
};

struct json_out *json_out_new(FILE *f)
{
	struct json_out *j = calloc(1, sizeof(*j));

	if (j)
		j->f = f;
	errno = 0;
	return j;
}

int json_out_error(const struct json_out *j)
{
	return j->error;
}

void json_out_fail(struct json_out *j, int error)
{
	if (j->error == 0)
		j->error = error;
}

static void flush(struct json_out *j)
{
	if (j->used && fwrite(j->buffer, 1, j->used, j->f) != j->used)
		json_out_fail(j, errno ? -errno : -EIO);
	j->used = 0;
}

static int put(const char *bytes, size_t size, void *data)
{
	struct json_out *j = data;

	while (size > 0) {
		size_t n = BUFFER_SIZE - j->used < size ? BUFFER_SIZE - j->used : size;

		memcpy(j->buffer + j->used, bytes, n);
		j->used += n;
		bytes += n;
		size -= n;
		if (j->used == BUFFER_SIZE)
			flush(j);
	}
	return 0;
}

static void put_text(struct json_out *j, const char *text)
{
	put(text, strlen(text), j);
}

/* Writes what stands before a value: a comma if it is not the first, and its key. */
static void put_lead(struct json_out *j, const char *key)
{
	struct level *l = j->depth ? &j->levels[j->depth - 1] : NULL;

	if (!l)
		return;
	put_text(j, l->any ? ",\n" : l->array ? "\n" : "");
	l->any = true;
	if (!key)
		return;
	put_text(j, "\"");
	put_text(j, key);
	put_text(j, "\":");
}

/* Gives a value to the present object or array; the first one is the document. Whether it is there now. */
static bool keep(struct json_out *j, const char *key, json_t *value)
{
	json_t *in = j->depth ? j->levels[j->depth - 1].value : NULL;

	if (!value) {
		json_out_fail(j, -ENOMEM);
	} else if (in) {
		int r = key ? json_object_set_new_nocheck(in, key, value) : json_array_append_new(in, value);

		if (r == 0)
			return true;
		json_out_fail(j, -ENOMEM);
	} else if (j->depth == 0 && !j->root) {
		j->root = value;
		return true;
	} else {
		json_decref(value); /* there was no memory for what it belongs into */
	}
	return false;
}

static void level_open(struct json_out *j, const char *key, bool array)
{
	json_t *value = NULL;

	if (j->f) {
		put_lead(j, key);
		put_text(j, array ? "[" : "{");
	} else {
		value = array ? json_array() : json_object();
		if (!keep(j, key, value))
			value = NULL;
	}
	j->levels[j->depth++] = (struct level){ .array = array, .value = value };
}

void json_open_object(struct json_out *j, const char *key)
{
	level_open(j, key, false);
}

void json_open_array(struct json_out *j, const char *key)
{
	level_open(j, key, true);
}

void json_close(struct json_out *j)
{
	j->depth--;
	if (j->f)
		put_text(j, j->levels[j->depth].array ? "]" : "}");
}

void json_emit(struct json_out *j, const char *key, json_t *value)
{
	if (!j->f) {
		keep(j, key, value);
		return;
	}
	put_lead(j, key);
	if (!value || json_dump_callback(value, put, j, DUMP_FLAGS) < 0)
		json_out_fail(j, -ENOMEM);
	json_decref(value);
}

int json_out_end(struct json_out *j, json_t **ret)
{
	int error;

	if (j->f) {
		put_text(j, "\n");
		flush(j);
		if (fflush(j->f) != 0)
			json_out_fail(j, errno ? -errno : -EIO);
	}
	error = j->error;
	if (error == 0 && ret)
		*ret = j->root;
	else
		json_decref(j->root);
	free(j);
	return error;
}
