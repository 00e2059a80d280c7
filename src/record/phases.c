/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The phases of a program, see phases.h. Runs in the profiled process, when it names one; takes a lock of its own, and
 * under it that of the image. Called by wrappers/marks.c and recorder.c.
 */
#include "src/record/phases.h"

#include <string.h>

#include "src/record/callcache.h"
#include "src/record/chunks.h"
#include "src/record/clock.h"
#include "src/record/events.h"
#include "src/record/pilock.h"
#include "src/record/recorder.h"

#define NAME_SIZE sizeof(((struct phase_rec *)NULL)->name)
#define OTHERS "(other phases)" /* stands for all names that there is no room for */

static struct {
	uint32_t lock;
	uint32_t n;                 /* phases with a name so far */
	uint32_t spans;             /* that were recorded */
	uint32_t refs[PHASES_MOST]; /* of struct phase_rec, by number less 1 */
	uint32_t span;              /* ref of the present span; 0: none is recorded */
	struct arena recs_arena, spans_arena;
	char name[NAME_SIZE]; /* of the present one, for a forked child; empty: none */
} phases;

static struct phase_rec *rec_of(uint32_t number)
{
	return REF_POINTER(phases.refs[number - 1]);
}

/* The number of a phase by its name, a new one if need be; 0: there is no room. */
static uint32_t number_of(struct thread *t, const char *name)
{
	struct phase_rec *r;

	for (uint32_t i = 1; i <= phases.n; i++)
		if (strncmp(rec_of(i)->name, name, NAME_SIZE - 1) == 0)
			return i;
	if (phases.n == PHASES_MOST)
		return PHASES_MOST;
	if (phases.n == PHASES_MOST - 1)
		name = OTHERS;
	r = arena_take(&phases.recs_arena, CHUNK_PHASES, sizeof(*r), 0, t->tid);
	if (!r)
		return 0;
	memcpy(r->name, name, strnlen(name, NAME_SIZE - 1));
	r->begin_ticks = clock_now();
	arena_publish(&phases.recs_arena);
	phases.refs[phases.n++] = POINTER_REF(r);
	return phases.n;
}

static void span_end(uint32_t number, uint64_t now)
{
	struct phase_rec *r = rec_of(number);

	r->total_ticks += now - r->since_ticks;
	__atomic_store_n(&r->end_ticks, now, __ATOMIC_RELEASE);
	if (phases.span != 0)
		((struct phase_span *)REF_POINTER(phases.span))->end_ticks = now;
	phases.span = 0;
}

static void span_begin(struct thread *t, uint32_t number, uint64_t now)
{
	struct phase_rec *r = rec_of(number);
	struct phase_span *s;

	r->since_ticks = now;
	r->times++;
	__atomic_store_n(&r->end_ticks, 0, __ATOMIC_RELEASE);
	s = phases.spans < PHASE_SPANS_MOST
		    ? arena_take(&phases.spans_arena, CHUNK_PHASE_SPANS, sizeof(*s), 0, t->tid)
		    : NULL;
	if (!s)
		return;
	s->begin_ticks = now;
	s->phase = number;
	arena_publish(&phases.spans_arena);
	phases.span = POINTER_REF(s);
	phases.spans++;
}

/* Returns the number of the phase that began; 0: none. */
static uint32_t enter(struct thread *t, const char *name)
{
	uint32_t number = name[0] ? number_of(t, name) : 0;
	uint64_t now = clock_now();

	if (recorder.phase != 0)
		span_end(recorder.phase, now);
	if (number != 0)
		span_begin(t, number, now);
	memset(phases.name, 0, sizeof(phases.name));
	memcpy(phases.name, name, strnlen(name, NAME_SIZE - 1));
	if (number == recorder.phase)
		return number;
	/* The phase first, then the epochs: who sees a new epoch sees the phase. */
	__atomic_store_n(&recorder.phase, (uint8_t)number, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < 1u << EPOCHS_LOG; i++)
		__atomic_fetch_add(&lock_epochs[i], EPOCH_STEP, __ATOMIC_SEQ_CST);
	return number;
}

void phase_begin(struct thread *t, const char *name)
{
	uint8_t busy = busy_enter(t);
	uint32_t number;

	if (pilock_lock(&phases.lock, t->tid)) {
		number = enter(t, name ? name : "");
		pilock_unlock(&phases.lock, t->tid);
		if (number != 0)
			events_phase(t, number);
	} else {
		image_lost(LOSS_INTERRUPTED);
	}
	busy_leave(t, busy);
}

void phases_reset(void)
{
	char name[NAME_SIZE];

	recorder.phase = 0;
	if (phases.lock == 0 && phases.n == 0)
		return;
	memcpy(name, phases.name, sizeof(name));
	memset(&phases, 0, sizeof(phases));
	memcpy(phases.name, name, sizeof(name));
}

void phases_inherit(struct thread *t)
{
	char name[NAME_SIZE];

	if (!phases.name[0])
		return;
	memcpy(name, phases.name, sizeof(name));
	phase_begin(t, name);
}
