/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What follows and precedes the tables: whose fault the waits are, who waits now, deadlocks, misuse. Runs in
 * mutrace. Called by text.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/render/text.h"

#define DETAILS_SHOWN 3
#define GROUPS_SHOWN 3
#define WAITS_SHOWN 10

/* "normal mutex", "recursive mutex, priority inheriting, robust", "rwlock that prefers writers" */
static void kind_print(const struct text_out *t, const struct report_row *row)
{
	static const char *const types[] = { "normal", "recursive", "error-checking", "adaptive" };
	static const char *const prefers[] = { "", " that prefers writers",
					       " that prefers writers, not recursive" };

	if (row->kind == KIND_MUTEX && row->type < 4)
		fprintf(t->f, "%s mutex%s%s", types[row->type],
			row->protocol == PROTOCOL_INHERIT   ? ", priority inheriting"
			: row->protocol == PROTOCOL_PROTECT ? ", priority protected"
							    : "",
			row->flags & LOCK_ROBUST ? ", robust" : "");
	else if (row->kind == KIND_RWLOCK && row->type < 3)
		fprintf(t->f, "rwlock%s", prefers[row->type]);
	else
		fputs(kind_name(row->kind), t->f);
	if (row->flags & LOCK_PSHARED)
		fputs(", shared between processes", t->f);
}

/* "in bank at bank.c:31", "made at ...", and how many of them */
static void origin_print(const struct text_out *t, const struct report_row *row)
{
	char clean[NAME_SIZE], number[NUMBER_SIZE];

	switch (row->named_by) {
	case NAMED_BY_VARIABLE:
		if (row->module) {
			clean_text(clean, sizeof(clean), path_name(row->module));
			fprintf(t->f, " in %s", clean);
		}
		if (row->file && row->line) {
			clean_text(clean, sizeof(clean), path_name(row->file));
			fprintf(t->f, " at %s:%u", clean, row->line);
		}
		break;
	case NAMED_BY_CREATION: fputs(" made there", t->f); break;
	case NAMED_BY_FIRST_USE: fputs(" used there", t->f); break;
	case NAMED_BY_ADDRESS: break;
	}
	if (row->instances > 1)
		fprintf(t->f, ", %s instances", number_count(number, row->instances));
	if (row->state & STATE_ADDRESS_REUSED)
		fputs(" (perhaps several that followed one another at one address)", t->f);
}

static void group_print(const struct text_out *t, const struct report_row *row, const struct report_group *g,
			size_t n, bool holders)
{
	char share[NUMBER_SIZE], max[NUMBER_SIZE], times[NUMBER_SIZE];
	size_t limit = t->o->debug_info ? n : GROUPS_SHOWN, i;
	uint64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += g[i].ns;
	for (i = 0; i < n && i < limit; i++) {
		const char *side = !kind_has(row->kind, TRAIT_SIDES) ? ""
				   : g[i].side == SIDE_SHARED        ? "rd "
								     : "wr ";

		fprintf(t->f, "    %-7s %7s  %s",
			i         ? ""
			: holders ? "because"
				  : "waited",
			number_share(share, (double)g[i].ns, (double)sum), side);
		if (t->o->debug_info)
			fprintf(t->f, "%s times, at most %s\n", number_count(times, g[i].count),
				number_ns(max, g[i].max_ns));
		if (!g[i].stack)
			fputs(holders ? "the holder is not known" : "place not known", t->f);
		else
			text_stack(t, g[i].stack, "                     ");
		if (t->o->debug_info)
			continue;
		if (holders && g[i].stack)
			fputs(row->kind == KIND_BARRIER ? " came last" : " held it", t->f);
		fprintf(t->f, " (%s, max %s)\n", number_count(times, g[i].count),
			number_ns(max, g[i].max_ns));
	}
	if (n > limit) {
		uint64_t rest = 0;

		for (i = limit; i < n; i++)
			rest += g[i].ns;
		fprintf(t->f, "            %7s  %zu other place%s\n",
			number_share(share, (double)rest, (double)sum), n - limit, n - limit == 1 ? "" : "s");
	}
}

/* The parts of the wait that are nobody's fault, or whose is not known, where they matter. */
static void rest_print(const struct text_out *t, const struct report_row *row)
{
	static const struct {
		enum counter counter;
		const char *word, *text;
	} parts[] = {
		{ COUNTER_handoff_ns, "handoff",
		  "of the wait nobody held it: waking up, waiting for a processor" },
		{ COUNTER_unknown_ns, "unknown", "of the wait it is not known who held it" },
	};
	double whole = (double)(row->side[0].wait.total_ns + row->side[1].wait.total_ns);
	char share[NUMBER_SIZE];

	if (!kind_has(row->kind, TRAIT_HOLDS))
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double part =
			(double)(row->side[0].all[parts[i].counter] + row->side[1].all[parts[i].counter]);

		if (part >= whole / 20 && part > 0)
			fprintf(t->f, "    %s %7s  %s\n", parts[i].word, number_share(share, part, whole),
				parts[i].text);
	}
}

/* How the processes of a sum differ: the slow rank of a job, the slow host of a fleet. */
static void spread_print(const struct text_out *t, const struct report_process *e,
			 const struct report_row *row)
{
	char least[NUMBER_SIZE], most[NUMBER_SIZE], source[NAME_SIZE];

	clean_text(source, 200, row->wait_max_session);
	fprintf(t->f, "    between %zu images: %s to %s of wait in each, most in PID %u of %s",
		e->n_processes, number_ns(least, row->processes < e->n_processes ? 0 : row->wait_min_ns),
		number_ns(most, row->wait_max_ns), row->wait_max_in->pid, source);
	if (row->processes < e->n_processes)
		fprintf(t->f, "; %u have it", row->processes);
	fputc('\n', t->f);
}

/* What the others say in the table is too much to read for locks that nobody waits for. */
void text_lock_details(const struct text_out *t, const struct report_process *e)
{
	size_t i, done = 0;
	char name[NAME_SIZE];

	for (i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];

		if (!row->shown || (!t->o->debug_info && (done >= DETAILS_SHOWN || row->n_waiters == 0)))
			continue;
		text_name(name, row);
		fprintf(t->f, "\n  %sLock %u: %s%s, ", t->bold, row->rank, name, t->plain);
		kind_print(t, row);
		origin_print(t, row);
		fputc('\n', t->f);
		if (t->o->debug_info && row->created_at) {
			fputs("    created\n", t->f);
			text_stack(t, row->created_at, "                     ");
		}
		if (t->o->debug_info && row->first_used_at) {
			fputs("    first used\n", t->f);
			text_stack(t, row->first_used_at, "                     ");
		}
		group_print(t, row, row->waiters, row->n_waiters, false);
		group_print(t, row, row->holders, row->n_holders, true);
		rest_print(t, row);
		if (e->n_processes > 1 && row->wait_max_in)
			spread_print(t, e, row);
		done++;
	}
}

/* With -d: who waited for which condition, where. */
void text_condition_details(const struct text_out *t, const struct report_process *e)
{
	char name[NAME_SIZE];
	size_t i;

	for (i = 0; i < e->n_conditions && t->o->debug_info; i++) {
		const struct report_row *row = &e->conditions[i];

		if (!row->shown)
			continue;
		text_name(name, row);
		fprintf(t->f, "\n  %sCondition %u: %s%s", t->bold, row->rank, name, t->plain);
		if (row->other) {
			clean_text(name, 200, row->other);
			fprintf(t->f, ", used with %s", name);
		}
		origin_print(t, row);
		fputc('\n', t->f);
		if (row->created_at) {
			fputs("    created\n", t->f);
			text_stack(t, row->created_at, "                     ");
		}
		group_print(t, row, row->waiters, row->n_waiters, false);
	}
}

static void wait_print(const struct text_out *t, const struct report_wait *w, const char *verb)
{
	char thread[NAME_SIZE], holder[NAME_SIZE], name[NAME_SIZE], number[NUMBER_SIZE];

	text_name(name, w->row);
	fprintf(t->f, "  %s %s for %s%s (%s)", text_thread(thread, w->tid, w->thread_name), verb, name,
		!kind_has(w->row->kind, TRAIT_SIDES) ? ""
		: w->side == SIDE_SHARED             ? " to read"
						     : " to write",
		number_ns(number, w->waited_ns));
	if (w->held_by)
		fprintf(t->f, ", %s by %s%s", w->certain ? "held" : "last held",
			text_thread(holder, w->held_by, w->holder_name),
			w->holder_ended ? ", which ended without releasing it" : "");
	fputc('\n', t->f);
	if (w->stack) {
		fputs(t->o->debug_info ? "      waits at\n" : "      waits at ", t->f);
		text_stack(t, w->stack, "        ");
		fputs(t->o->debug_info ? "" : "\n", t->f);
	}
	if (w->held_at) {
		fputs(t->o->debug_info ? "      taken at\n" : "      taken at ", t->f);
		text_stack(t, w->held_at, "        ");
		fputs(t->o->debug_info ? "" : "\n", t->f);
	}
}

void text_deadlocks(const struct text_out *t, const struct report_process *e)
{
	char program[NAME_SIZE];
	size_t i, k;

	for (i = 0; i < e->n_cycles; i++) {
		const struct report_cycle *c = &e->cycles[i];

		fprintf(t->f, "%smutrace: DEADLOCK in %s (PID %u): ", t->red, text_program(program, e),
			c->waits[0]->pid);
		if (c->n == 1)
			fprintf(t->f, "a thread waits for a lock that it holds itself.%s\n", t->plain);
		else
			fprintf(t->f, "%zu threads wait for each other.%s\n", c->n, t->plain);
		for (k = 0; k < c->n; k++)
			wait_print(t, c->waits[k], "waits");
	}
}

static bool in_cycle(const struct report_process *e, const struct report_wait *w)
{
	size_t i, k;

	for (i = 0; i < e->n_cycles; i++) {
		for (k = 0; k < e->cycles[i].n; k++) {
			if (e->cycles[i].waits[k] == w)
				return true;
		}
	}
	return false;
}

static int wait_compare(const void *a, const void *b)
{
	const struct report_wait *x = *(const struct report_wait *const *)a;
	const struct report_wait *y = *(const struct report_wait *const *)b;

	return x->waited_ns > y->waited_ns ? -1 : x->waited_ns < y->waited_ns;
}

/* Threads that wait for locks, longest first. Those in conditions and the like mostly have nothing to do. */
void text_waiting(const struct text_out *t, const struct report_process *e)
{
	const struct report_wait **list;
	size_t i, n = 0, idle = 0;
	bool ended;

	if (e->n_waits == 0)
		return;
	/* a program that exits leaves threads in conditions behind, and that is how it should be */
	ended = e->complete;
	list = malloc(e->n_waits * sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < e->n_waits; i++) {
		if (kind_has(e->waits[i].row->kind, TRAIT_IDLE))
			idle += !ended;
		else if (!in_cycle(e, &e->waits[i]))
			list[n++] = &e->waits[i];
	}
	if (n || idle) {
		fputc('\n', t->f);
		if (n)
			text_line(t, "%zu thread%s waited for %s when this was read:", n, n == 1 ? "" : "s",
				  n == 1 ? "a lock" : "locks");
	}
	if (n)
		qsort(list, n, sizeof(*list), wait_compare);
	for (i = 0; i < n && (i < WAITS_SHOWN || t->o->report->all); i++)
		wait_print(t, list[i], "waits");
	if (i < n)
		fprintf(t->f, "  and %zu more (--all)\n", n - i);
	if (idle)
		text_line(t, "%zu thread%s waited for conditions or semaphores.", idle, idle == 1 ? "" : "s");
	free(list);
}

void text_misuse(const struct text_out *t, const struct report_process *e)
{
	static const struct {
		uint32_t state;
		const char *text;
	} kinds[] = {
		{ STATE_UNLOCK_NOT_HELD, "unlocked by a thread that did not hold it" },
		{ STATE_DESTROY_HELD, "destroyed while it was held" },
		{ STATE_DESTROY_WAITED, "destroyed while threads waited for it" },
		{ STATE_RELOCK, "locked again by the thread that held it" },
		{ STATE_DESTROY_TWICE, "destroyed twice" },
		{ STATE_USE_AFTER_DESTROY, "used after it was destroyed" },
		{ STATE_TWO_MUTEXES, "used with two mutexes" },
		{ STATE_INCONSISTENT, "its owner died while holding it" },
	};
	const struct report_row *lists[2] = { e->locks, e->conditions };
	size_t counts[2] = { e->n_locks, e->n_conditions }, l, i, k;
	char name[NAME_SIZE];
	bool any = false;

	for (l = 0; l < 2; l++) {
		for (i = 0; i < counts[l]; i++) {
			const struct report_row *row = &lists[l][i];
			bool first = true;

			if (!(row->state & (STATE_MISUSE | STATE_INCONSISTENT)))
				continue;
			text_name(name, row);
			fprintf(t->f, "%s  ! %s: ", any ? "" : "\n", name);
			any = true;
			for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
				if (row->state & kinds[k].state) {
					fprintf(t->f, "%s%s", first ? "" : "; ", kinds[k].text);
					first = false;
				}
			}
			if (row->misuses > 1)
				fprintf(t->f, " (%" PRIu64 " times)", row->misuses);
			if (row->misused_at) {
				fputs(t->o->debug_info ? ", first at\n" : ", first at ", t->f);
				text_stack(t, row->misused_at, "        ");
			}
			if (!row->misused_at || !t->o->debug_info)
				fputc('\n', t->f);
		}
	}
}
