/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions about one file and their answers; see sym_ask.h. Runs in mutrace, takes no locks. Called by
 * symbolize.c; many questions at once are in sym_batch.c.
 *
 * If the engine dies, it is started once more to work without debug information, and after that not again:
 * what killed it would do so each time.
 */
#include "src/symbols/sym_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_lookup.h"

#define DEATHS_MAX 2u   /* then it is asked no more */
#define ENGINES_MAX 16u /* kept running at a time, each of another file */

static struct symbol_frame unknown[1]; /* the answer where nothing is known */

int sym_file_new(struct sym_file **ret, struct sym_asker *asker, const struct sym_spec *spec)
{
	struct sym_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->asker = asker;
	f->spec = *spec;
	f->spec.path = strdup(spec->path);
	if (!f->spec.path) {
		free(f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

void sym_file_ask_nothing(struct sym_file *f)
{
	f->deaths = DEATHS_MAX;
	f->state_known = true;
	f->state = SYMBOL_MODULE_MISSING;
}

const struct sym_spec *sym_file_spec(const struct sym_file *f)
{
	return &f->spec;
}

/* ---- engines ---- */

static void list_remove(struct sym_file *f)
{
	*(f->newer ? &f->newer->older : &f->asker->newest) = f->older;
	*(f->older ? &f->older->newer : &f->asker->oldest) = f->newer;
	f->newer = f->older = NULL;
}

static void list_put_first(struct sym_file *f)
{
	f->older = f->asker->newest;
	f->newer = NULL;
	*(f->older ? &f->older->newer : &f->asker->oldest) = f;
	f->asker->newest = f;
}

static void stop(struct sym_file *f)
{
	if (!f->engine.link)
		return;
	sym_link_close(f->engine.link);
	f->engine = (struct sym_running){ 0 };
	list_remove(f);
	f->asker->engines--;
}

void sym_file_free(struct sym_file *f)
{
	if (!f)
		return;
	stop(f);
	sym_answers_free(&f->frames, unknown);
	sym_answers_free(&f->variables, NULL);
	for (size_t i = 0; i < f->strings_count; i++) {
		sym_strings_free(f->strings[i]);
		free(f->strings[i]);
	}
	free(f->strings);
	free(f->wanted);
	free((char *)f->spec.path);
	free(f);
}

int sym_file_start(struct sym_file *f, struct sym_running *ret)
{
	struct sym_strings **all = reallocarray(f->strings, f->strings_count + 1, sizeof(*all));
	struct sym_running e;
	int r;

	if (!all)
		return -ENOMEM;
	f->strings = all;
	e.strings = calloc(1, sizeof(*e.strings));
	if (!e.strings)
		return -ENOMEM;
	r = sym_link_open(&e.link, &f->spec, f->asker->in_process);
	if (r < 0) {
		free(e.strings);
		return r;
	}
	f->strings[f->strings_count++] = e.strings;
	*ret = e;
	return 0;
}

int sym_file_engine(struct sym_file *f, struct sym_running **ret)
{
	int r;

	if (f->engine.link) {
		list_remove(f);
		list_put_first(f);
		*ret = &f->engine;
		return 0;
	}
	if (f->deaths >= DEATHS_MAX)
		return -EPIPE;
	while (f->asker->engines >= ENGINES_MAX)
		stop(f->asker->oldest);
	r = sym_file_start(f, &f->engine);
	if (r < 0)
		return r;
	list_put_first(f);
	f->asker->engines++;
	*ret = &f->engine;
	return 0;
}

static void died(struct sym_file *f)
{
	stop(f);
	f->deaths++;
	f->spec.no_lines = true;
	f->state = SYMBOL_MODULE_DAMAGED;
	f->state_known = true;
}

int sym_file_send(struct sym_running *e, enum sym_ask kind, const uint64_t *addresses, size_t count)
{
	struct sym_buffer request = { 0 };
	int r;

	sym_put_u32(&request, kind);
	sym_put_u32(&request, (uint32_t)count);
	sym_put_bytes(&request, addresses, count * sizeof(*addresses));
	r = request.bad ? -ENOMEM : sym_link_send(e->link, &request);
	sym_buffer_free(&request);
	return r;
}

/* Asks, starting the engine anew if it dies of the question. The reply is decoded by take, which returns
 * -EPIPE if it makes no sense. 0, -EPIPE: nobody can answer, or -ENOMEM and the like. */
static int ask(struct sym_file *f, enum sym_ask kind, const uint64_t *addresses, size_t count,
	       int (*take)(struct sym_file *f, struct sym_running *e, const uint64_t *addresses, size_t count,
			   struct sym_buffer *reply))
{
	struct sym_buffer reply = { 0 };
	struct sym_running *e;
	int r;

	do {
		r = sym_file_engine(f, &e);
		if (r < 0)
			break;
		r = sym_file_send(e, kind, addresses, count);
		if (r == 0)
			r = sym_link_receive(e->link, &reply);
		if (r == 0)
			r = take(f, e, addresses, count, &reply);
		if (r == -EPIPE)
			died(f);
	} while (r == -EPIPE);
	sym_buffer_free(&reply);
	return r;
}

/* ---- frames ---- */

static int take_frame_list(struct sym_running *e, struct sym_buffer *reply, struct symbol_frame **ret,
			   size_t *ret_count)
{
	size_t count = sym_get_u32(reply);
	struct symbol_frame *frames;

	if (reply->bad || count > SYM_LOOKUP_DEPTH)
		return -EPIPE;
	*ret_count = count ? count : 1;
	*ret = unknown;
	if (!count)
		return 0;
	frames = calloc(count, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	for (size_t k = 0; k < count; k++) {
		frames[k].function = sym_get_string(reply, e->strings);
		frames[k].file = sym_get_string(reply, e->strings);
		frames[k].line = sym_get_u32(reply);
		frames[k].inlined = k + 1 < count;
	}
	if (reply->bad) {
		free(frames);
		return -EPIPE;
	}
	*ret = frames;
	return 0;
}

int sym_file_take_frames(struct sym_file *f, struct sym_running *e, const uint64_t *addresses, size_t count,
			 struct sym_buffer *reply)
{
	for (size_t i = 0; i < count; i++) {
		struct sym_answer answer = { .address = addresses[i] };
		struct symbol_frame *frames;
		int r = take_frame_list(e, reply, &frames, &answer.count);

		if (r < 0)
			return r;
		answer.value = frames;
		if (!sym_answers_find(&f->frames, addresses[i])) {
			r = sym_answers_put(&f->frames, &answer);
			if (r == 0)
				continue;
		}
		if (frames != unknown)
			free(frames);
		if (r < 0)
			return r;
	}
	return 0;
}

int sym_file_ask_frames(struct sym_file *f, const uint64_t *addresses, size_t count)
{
	int r = ask(f, SYM_ASK_FRAMES, addresses, count, sym_file_take_frames);

	if (r != -EPIPE)
		return r;
	for (size_t i = 0; i < count; i++) {
		struct sym_answer answer = { .address = addresses[i], .value = unknown, .count = 1 };

		if (sym_answers_find(&f->frames, addresses[i]))
			continue;
		r = sym_answers_put(&f->frames, &answer);
		if (r < 0)
			return r;
	}
	return 0;
}

int sym_file_frames(struct sym_file *f, uint64_t address, const struct symbol_frame **ret, size_t *ret_count)
{
	struct sym_answer *answer = sym_answers_find(&f->frames, address);

	if (!answer) {
		int r = sym_file_ask_frames(f, &address, 1);

		if (r < 0)
			return r;
		answer = sym_answers_find(&f->frames, address);
	}
	*ret = answer->value;
	*ret_count = answer->count;
	return 0;
}

/* ---- variables, and the file itself ---- */

static int take_variables(struct sym_file *f, struct sym_running *e, const uint64_t *addresses, size_t count,
			  struct sym_buffer *reply)
{
	for (size_t i = 0; i < count; i++) {
		struct sym_answer answer = { .address = addresses[i], .count = 1 };
		struct sym_variable *v = calloc(1, sizeof(*v));
		int r;

		if (!v)
			return -ENOMEM;
		v->name = sym_get_string(reply, e->strings);
		v->offset = sym_get_u64(reply);
		v->file = sym_get_string(reply, e->strings);
		v->line = sym_get_u32(reply);
		v->size = sym_get_u64(reply);
		v->part = sym_get_string(reply, e->strings);
		answer.value = v;
		r = reply->bad                                      ? -EPIPE
		    : sym_answers_find(&f->variables, addresses[i]) ? 1
								    : sym_answers_put(&f->variables, &answer);
		if (r != 0)
			free(v);
		if (r < 0)
			return r;
	}
	return 0;
}

int sym_file_want_variables(struct sym_file *f, const uint64_t *addresses, size_t count)
{
	for (size_t i = 0; i < count; i += SYM_ASK_MAX) {
		size_t n = count - i < SYM_ASK_MAX ? count - i : SYM_ASK_MAX;
		int r = ask(f, SYM_ASK_VARIABLES, addresses + i, n, take_variables);

		if (r < 0)
			return r == -EPIPE ? 0 : r; /* each will be asked for by itself, and found unknown */
	}
	return 0;
}

int sym_file_variable(struct sym_file *f, uint64_t address, struct sym_variable *ret)
{
	struct sym_answer *answer = sym_answers_find(&f->variables, address);
	const struct sym_variable *v;

	if (!answer) {
		int r = ask(f, SYM_ASK_VARIABLES, &address, 1, take_variables);

		if (r < 0)
			return r == -EPIPE ? -ENOENT : r;
		answer = sym_answers_find(&f->variables, address);
	}
	v = answer->value;
	if (!v->name)
		return -ENOENT;
	*ret = *v;
	return 0;
}

static int take_state(struct sym_file *f, struct sym_running *e, const uint64_t *addresses, size_t count,
		      struct sym_buffer *reply)
{
	uint32_t state = sym_get_u32(reply);

	(void)e;
	(void)addresses;
	(void)count;
	if (reply->bad || state > SYMBOL_MODULE_DAMAGED)
		return -EPIPE;
	if (!f->state_known)
		f->state = state;
	f->state_known = true;
	return 0;
}

enum symbol_module_state sym_file_state(struct sym_file *f)
{
	if (!f->state_known)
		ask(f, SYM_ASK_STATE, NULL, 0, take_state);
	return f->state_known ? f->state : SYMBOL_MODULE_MISSING;
}
