/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part after the tables: whose fault the waits are, and misuse. Runs in mutrace. Called by text.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/render/text.h"

#define DETAILS_SHOWN 3
#define DETAILS_MOST 5 /* if there is more to say than that threads waited */
#define GROUPS_SHOWN 3
#define GROUP_LEAST 0.001 /* of all: those behind the first that are less are only counted */

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
		fputs(kind_noun(row->kind), t->f);
	if (row->flags & LOCK_PSHARED)
		fputs(", shared between processes", t->f);
}

/* "in bank at bank.c:31", "made at ...", and how many of them */
static void origin_print(const struct text_out *t, const struct report_row *row)
{
	char clean[NAME_SIZE], number[NUMBER_SIZE];
	const char *comma = row->flags & (LOCK_PSHARED | LOCK_ROBUST) ||
					    (row->kind == KIND_MUTEX && row->protocol != PROTOCOL_NONE)
				    ? ","
				    : "";

	switch (row->named_by) {
	case NAMED_BY_VARIABLE:
		if (row->module) {
			clean_text(clean, sizeof(clean), path_name(row->module));
			fprintf(t->f, "%s in %s", comma, clean);
		}
		if (row->file && row->line) {
			clean_text(clean, sizeof(clean), path_name(row->file));
			fprintf(t->f, "%s at %s:%u", row->module ? "" : comma, clean, row->line);
		}
		break;
	case NAMED_BY_CREATION: fprintf(t->f, "%s made there", comma); break;
	case NAMED_BY_FIRST_USE: fprintf(t->f, "%s used there", comma); break;
	case NAMED_BY_ADDRESS:
	case NAMED_BY_PURPOSE:
	case NAMED_BY_PROGRAM: break;
	}
	if (row->instances > 1)
		fprintf(t->f, ", %s instances", number_count(number, row->instances));
	if (row->state & STATE_ADDRESS_REUSED)
		fputs(" (perhaps several, one after another, at this address)", t->f);
}

/* The C library's inner functions tell nobody anything, nor do those that the compiler made a part of others. */
static bool is_inner(const struct report_frame *f)
{
	const char *name = f->function ? f->function + strspn(f->function, "_") : "";

	return f->inlined || strncmp(name, "lll_", 4) == 0 || strncmp(name, "futex_", 6) == 0;
}

/* "fsync wal.c:88": the function that made the system call, and the first place outside its library. */
static void sleep_print(const struct text_out *t, const struct report_stack *s)
{
	const struct report_frame *inner = &s->frames[0], *outer = NULL;
	char clean[NAME_SIZE];
	const char *name;

	for (size_t i = 1; i < s->n && !outer; i++) {
		if (inner->module && s->frames[i].module && strcmp(inner->module, s->frames[i].module) != 0)
			outer = &s->frames[i];
		else if (is_inner(inner))
			inner = &s->frames[i];
	}
	name = inner->function ? inner->function : "a system call";
	if (outer) { /* the C library has further names for it */
		name += strncmp(name, "__GI_", 5) == 0 ? 5 : 0;
		name += strncmp(name, "__libc_", 7) == 0 ? 7 : 0;
		name += strspn(name, "_");
	}
	clean_text(clean, sizeof(clean), name);
	fprintf(t->f, "asleep in %s", clean);
	outer = outer ? outer : inner;
	if (!outer->file || !outer->line)
		return;
	clean_text(clean, sizeof(clean), path_name(outer->file));
	fprintf(t->f, " %s:%u", clean, outer->line);
}

/* For how much of the wait the holder did not run, where that matters. */
static void running_print(const struct text_out *t, const struct report_group *g)
{
	char share[NUMBER_SIZE];

	if (g->known_ns != 0 && g->slept_ns >= g->known_ns / 10) {
		fprintf(t->f, "; %s of that ", number_share(share, (double)g->slept_ns, (double)g->known_ns));
		if (g->slept_in)
			sleep_print(t, g->slept_in);
		else
			fputs("asleep in system calls", t->f);
	}
	if (g->known_ns != 0 && g->preempted_ns >= g->known_ns / 10)
		fprintf(t->f, "; %s of that preempted",
			number_share(share, (double)g->preempted_ns, (double)g->known_ns));
}

/* Of a lock that processes share: in which process it was held, if not in the waiter's. */
static void process_print(const struct text_out *t, const struct report_group *g)
{
	char program[NAME_SIZE];

	if (!g->process)
		return;
	clean_text(program, sizeof(program), path_name(g->process->program));
	fprintf(t->f, g->several ? " in %s (PID %u) and other processes" : " in %s (PID %u)", program,
		g->process->pid);
}

/* How many of the groups, which are sorted, are worth a line. */
static size_t groups_shown(const struct text_out *t, const struct report_group *g, size_t n, uint64_t sum)
{
	size_t shown = n < GROUPS_SHOWN || t->o->debug_info ? n : GROUPS_SHOWN;

	while (!t->o->debug_info && shown > 1 && (double)g[shown - 1].ns < GROUP_LEAST * (double)sum)
		shown--;
	return shown;
}

static void group_print(const struct text_out *t, const struct report_row *row, const struct report_group *g,
			size_t n, bool holders)
{
	char share[NUMBER_SIZE], max[NUMBER_SIZE], times[NUMBER_SIZE];
	size_t limit, i;
	uint64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += g[i].ns;
	if (holders && sum == 0 && g && g[0].stack && !t->o->debug_info)
		return; /* nobody was seen to hold it while others waited */
	limit = groups_shown(t, g, n, sum);
	for (i = 0; i < limit; i++) {
		struct stack_apart apart = { 0 };
		const char *side = !kind_has(row->kind, TRAIT_SIDES) ? ""
				   : g[i].side == SIDE_SHARED        ? "rd "
								     : "wr ";

		for (size_t k = 0; k < limit; k++)
			if (k != i && g[k].side == g[i].side)
				text_stacks_compare(t, g[i].stack, g[k].stack, &apart);
		fprintf(t->f, "    %-7s %7s  %s%c",
			i         ? ""
			: holders ? "because"
				  : "waited",
			number_share(share, (double)g[i].ns, (double)sum), side, TEXT_HANG);
		if (t->o->debug_info)
			fprintf(t->f, "%s times, at most %s\n", number_count(times, g[i].count),
				number_ns(max, g[i].max_ns));
		if (!g[i].stack)
			fputs(holders ? "the holder is not known" : "place not known", t->f);
		else
			text_stack_apart(t, g[i].stack, "                     ", &apart);
		if (t->o->debug_info)
			continue;
		if (holders && g[i].stack)
			fputs(kind_letter(row->kind) == kind_letter(KIND_BARRIER) ? " came last"
			      : kind_letter(row->kind) == kind_letter(KIND_ONCE)  ? " initialised it"
										  : " held it",
			      t->f);
		if (holders)
			process_print(t, &g[i]);
		fprintf(t->f, " (%s, max %s", number_count(times, g[i].count), number_ns(max, g[i].max_ns));
		if (holders)
			running_print(t, &g[i]);
		fputs(")\n", t->f);
	}
	if (n > limit) {
		uint64_t rest = 0;

		for (i = limit; i < n; i++)
			rest += g[i].ns;
		if (rest == 0)
			return;
		fprintf(t->f, "            %7s  %zu other place%s",
			number_share(share, (double)rest, (double)sum), n - limit, n - limit == 1 ? "" : "s");
		text_common_function(t, g + limit, n - limit, sum);
		fputc('\n', t->f);
	}
}

#define PAIRS_SHOWN 3
#define PAIR_LEAST 0.05 /* of what was blocked */
#define PAIR_DIFFERS 0.1

static void place_print(const struct text_out *t, const struct report_stack *s)
{
	if (t->o->debug_info)
		text_frame(t, &s->frames[0]);
	else
		text_stack(t, s, "");
}

/*
 * Pairs that the lists of waiters and holders do not tell: those of which the holder has another part of the
 * waiter's wait than of all.
 */
static void pairs_print(const struct text_out *t, const struct report_row *row)
{
	char share[NUMBER_SIZE];
	double all = 0;
	size_t shown = 0;

	for (size_t i = 0; i < row->n_pairs; i++)
		all += (double)row->pairs[i].ns;
	for (size_t i = 0; i < row->n_pairs && shown < PAIRS_SHOWN; i++) {
		const struct report_pair *p = &row->pairs[i];
		double blocked = 0;

		if ((double)p->ns < PAIR_LEAST * all)
			break;

		for (size_t k = 0; k < row->n_pairs; k++)
			if (row->pairs[k].waiter == p->waiter)
				blocked += (double)row->pairs[k].ns;
		if (!p->holder || !p->waiter->stack ||
		    (double)p->ns / blocked < (double)p->holder->ns / all + PAIR_DIFFERS)
			continue;
		fprintf(t->f, "    %-7s %7s  %c", shown++ ? "" : "pairs",
			number_share(share, (double)p->ns, all), TEXT_HANG);
		place_print(t, p->waiter->stack);
		fputs(" waited for ", t->f);
		place_print(t, p->holder->stack);
		fputc('\n', t->f);
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
	double whole = (double)(row->side[0].cost_ns + row->side[1].cost_ns), rest = whole;
	bool blamed = row->n_holders && row->holders[0].ns, more = false;
	char share[NUMBER_SIZE];

	if (!kind_has(row->kind, TRAIT_OVERLAP) && (row->kind != KIND_SEM || row->work))
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double part =
			(double)(row->side[0].all[parts[i].counter] + row->side[1].all[parts[i].counter]);

		if (part < whole / 20 || part == 0)
			continue;
		fprintf(t->f, "%s    %s %7s  %c%s", more ? "\n" : "", parts[i].word,
			number_share(share, part, whole), TEXT_HANG, parts[i].text);
		rest -= part;
		more = true;
	}
	/* else the shares of holders would be taken for shares of the whole wait */
	if (more)
		fprintf(t->f, "%s\n",
			blamed && rest < whole * 0.75 ? "; the holders' shares are of the rest" : "");
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
		fprintf(t->f, "; %u of them %s it", row->processes, row->processes == 1 ? "has" : "have");
	fputc('\n', t->f);
}

/* For locks that nobody waited for, the table mostly says enough. done: how many came before. */
static bool wants_paragraph(const struct text_out *t, const struct report_process *e,
			    const struct report_row *row, size_t done)
{
	if (!row->shown || t->o->debug_info)
		return row->shown;
	return done < DETAILS_SHOWN ? row->n_waiters != 0 || text_also_matters(e, row)
				    : done < DETAILS_MOST && text_also_matters(e, row);
}

bool text_has_paragraph(const struct text_out *t, const struct report_process *e,
			const struct report_row *row)
{
	size_t done = 0;

	for (size_t i = 0; i < e->n_locks; i++) {
		if (!wants_paragraph(t, e, &e->locks[i], done))
			continue;
		if (&e->locks[i] == row)
			return true;
		done++;
	}
	return false;
}

void text_lock_details(const struct text_out *t, const struct report_process *e)
{
	size_t i, done = 0;
	char name[NAME_SIZE];

	for (i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];

		if (!wants_paragraph(t, e, row, done))
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
		pairs_print(t, row);
		rest_print(t, row);
		text_also(t, e, row);
		text_notes(t, e, row);
		text_gain_line(t, e, row);
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
			clean_text(name, 200, row->other_label);
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
