/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by the files of the JSON renderer: the report as a JSON value in memory. A document is made piece by
 * piece: one lock is a value, which is written (or kept) before the next one is made, so a million locks need no
 * more memory than one. Runs in mutrace, single-threaded.
 */
#ifndef MUTRACE_RENDER_JSON_H
#define MUTRACE_RENDER_JSON_H

#include <jansson.h>

#include "src/render/render.h"

/* The report as the JSON renderer writes it, as one value that the caller gives back. 0 or -errno. */
int render_json_value(const struct report *r, json_t **ret);

/* json_emit.c: where the pieces go. An error is kept and told at the end, so the makers need not look. */
struct json_out;
/* f: a stream; NULL: the pieces become one value. NULL without memory. */
struct json_out *json_out_new(FILE *f);
int json_out_error(const struct json_out *j);
void json_out_fail(struct json_out *j, int error);
/* Begins an object or an array in the present one; key: in an object, else NULL. */
void json_open_object(struct json_out *j, const char *key);
void json_open_array(struct json_out *j, const char *key);
void json_close(struct json_out *j);
/* A value in the present object or array; NULL is an error. The value is given away. */
void json_emit(struct json_out *j, const char *key, json_t *value);
/* Ends the document and frees j. ret: the value, where there is no stream. 0 or the first error. */
int json_out_end(struct json_out *j, json_t **ret);

/* json_values.c: jansson's setters refuse NULL, so a value that could not be made is an error of j. */
json_t *json_text(const char *s);
json_t *json_count(uint64_t n);
void json_set(struct json_out *j, json_t *object, const char *key, json_t *value);
void json_append(struct json_out *j, json_t *array, json_t *value);
void json_set_count(struct json_out *j, json_t *object, const char *key, uint64_t n);
void json_set_bool(struct json_out *j, json_t *object, const char *key, bool value);
void json_set_hex(struct json_out *j, json_t *object, const char *key, uint64_t n);
json_t *json_stack(struct json_out *j, const struct report_stack *s);

/* json_gain.c: JSON's what_if */
void json_what_if(struct json_out *j, const struct report_process *e);
void json_path(struct json_out *j, const struct report_process *e);

/* json_unseen.c: where time went that no lock tells of */
void json_unseen(struct json_out *j, const struct report_process *e);

/* json_events.c */
void json_events(struct json_out *j, const struct report_process *e);
void json_longest(struct json_out *j, const struct report_process *e);

/* missing.c: the files that have no names for places in the report; an empty array if there are none */
json_t *json_nameless(struct json_out *j, const struct report *r);

/* The members of a process but for its locks and conditions, into the present object. */
void json_process_head(struct json_out *j, const struct report_process *e);

/* json_rows.c */
json_t *json_lock(struct json_out *j, const struct report_row *row);
json_t *json_condition(struct json_out *j, const struct report_row *row);

#endif
