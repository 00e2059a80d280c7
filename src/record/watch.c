/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace's recording, see watch.h. Every thread has its own table of (function, stack), so no line is shared
 * and nothing is locked. The first call from a stack unwinds it, later ones recognise it (stacks.c).
 *
 * A watched function that calls another one is one call, the outer one. The outer one is told by where the
 * return addresses stand on the stack, so a call that never returned (longjmp, cancellation) hides nothing
 * after it.
 */
#include "src/record/watch.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "src/record/internal.h"
#include "src/record/procinfo.h"

/* Watched calls until the policy is read again. */
#define WATCHED_LOOKS 256u

static const uint8_t classes[WATCHED_MAX] = {
#define WATCH(class, label, type, name, parameters, arguments) [WATCHED_##name] = WATCH_CLASS_##class,
#define WATCH_OWN(class, label, type, name, parameters) [WATCHED_##name] = WATCH_CLASS_##class,
#define WATCH_KNOWN(class, label, name) [WATCHED_##name] = WATCH_CLASS_##class,
#define WATCH_COUNT(class, label, name) [WATCHED_##name] = WATCH_CLASS_##class,
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT
};

struct watch_range watch_loader;
static struct watch_range ours;

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

void watch_setup(void)
{
	uintptr_t base = getauxval(AT_BASE), end = 0;
	const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)base;

	ours.start = (uintptr_t)__ehdr_start;
	ours.size = (uintptr_t)(_end - __ehdr_start);
	if (base == 0)
		return; /* the loader was run as a program */
	for (int i = 0; i < e->e_phnum; i++) {
		const ElfW(Phdr) *p = (const ElfW(Phdr) *)(base + e->e_phoff) + i;

		if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz > end)
			end = p->p_vaddr + p->p_memsz;
	}
	watch_loader.start = base;
	watch_loader.size = end;
}

bool watch_is_ours(uintptr_t ip)
{
	return ip - ours.start < ours.size;
}

/* True if a call is not the program's but the loader's or ours. */
static bool is_foreign(uintptr_t ip)
{
	return ip - ours.start < ours.size || watch_from_loader(ip);
}

/* fnmatch() may allocate. '*' and '?' only. */
static bool glob(const char *pattern, const char *text)
{
	const char *star = NULL, *back = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			back = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool by_name(struct thread *t)
{
	char name[17] = "";

	if (recorder.rt_threads[0] == '\0')
		return false;
	procinfo_thread_name(t->tid, name);
	memcpy(t->rec->name, name, sizeof(t->rec->name));
	return glob(recorder.rt_threads, name);
}

static uint64_t lived_ns(void)
{
	return ticks_monotonic_ns() - recorder.header->sync.first_ns;
}

static bool too_early(void)
{
	uint64_t from = (uint64_t)recorder.config.after_ms * 1000000u;

	return from != 0 && lived_ns() < from;
}

static bool too_late(void)
{
	uint64_t until = ((uint64_t)recorder.config.after_ms + recorder.watch_for_ms) * 1000000u;

	return recorder.watch_for_ms != 0 && lived_ns() >= until;
}

static bool left_out(void)
{
	return too_early() || too_late();
}

static uint32_t site_key_hash(uint32_t function, uint32_t stack)
{
	return (uint32_t)((stack * 0x9e3779b97f4a7c15ull ^ function * 0xc2b2ae3d27d4eb4full) >> 32);
}

static uint32_t site_hash(const void *slot)
{
	const struct alloc_site *s = REF_POINTER(*(const uint32_t *)slot);

	return site_key_hash(s->function, s->stack);
}

static const struct hash_shape site_table = { sizeof(uint32_t), 64, 2, HASH_OWN, site_hash };

/* The entry of a function called from a stack, made if need be. NULL: no room (counted). */
static struct alloc_site *site_use(struct thread *t, enum watched function, uint32_t stack)
{
	uint32_t hash = site_key_hash(function, stack), epoch = recorder.header->watch_epoch, ref;
	struct alloc_site *s = NULL;
	bool found = false;

	for (uint32_t i = hash; !found && (ref = hash_ref(t->sites.now, i)) != 0; i++) {
		s = REF_POINTER(ref);
		found = s->function == function && s->stack == stack;
	}
	if (!found) {
		if (!hashtable_reserve(&t->sites, &site_table, t->tid))
			return NULL;
		s = arena_take(&t->sites_arena, CHUNK_ALLOCS, sizeof(*s), t->ref, t->tid);
		if (s == NULL)
			return NULL;
		s->function = function;
		s->stack = stack;
		s->epoch = epoch;
		arena_publish(&t->sites_arena);
		*(uint32_t *)hashtable_place(&t->sites, &site_table, hash) = POINTER_REF(s);
	} else if (s->epoch != epoch) {
		s->count = s->bytes = s->time_total = s->time_max = 0;
		s->frees = s->generation = s->tid_count = 0;
		s->epoch = epoch;
	}
	if (s->generation != t->rec->generation) {
		s->generation = t->rec->generation;
		s->tid_count++;
	}
	s->realtime = t->watched;
	return s;
}

/* Begins to count page faults. They have no function and no stack: the kernel only tells how many a thread
 * had so far. */
static void faults_begin(struct thread *t)
{
	struct rusage u;

	t->fault_site = NULL;
	if (!(recorder.config.watch >> WATCH_CLASS_memory & 1) || getrusage(RUSAGE_THREAD, &u) != 0)
		return;
	uint8_t busy = busy_enter(t);
	t->fault_site = site_use(t, WATCHED_page_fault, 0);
	if (t->fault_site != NULL)
		t->faults = (uint64_t)u.ru_minflt + (uint64_t)u.ru_majflt - t->fault_site->count;
	busy_leave(t, busy);
}

void watch_faults(struct thread *t)
{
	struct alloc_site *s = t->fault_site;
	struct rusage u;
	uint64_t now;

	if (s == NULL || t->watched == REALTIME_NOT || too_late() || getrusage(RUSAGE_THREAD, &u) != 0)
		return;
	now = (uint64_t)u.ru_minflt + (uint64_t)u.ru_majflt;
	if (s->epoch != recorder.header->watch_epoch || too_early()) {
		s->epoch = recorder.header->watch_epoch;
		s->count = 0;
		t->faults = now;
	} else {
		s->count = now - t->faults;
	}
}

void watch_ended(void)
{
	uint32_t n = thread_count();
	uint64_t now;

	if (recorder.state != RECORDER_ON || !(recorder.config.watch >> WATCH_CLASS_memory & 1) || left_out())
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct thread *t = thread_at(i);

		if (t->fault_site != NULL && t->mode != MODE_OFF && t->watched != REALTIME_NOT &&
		    t->fault_site->epoch == recorder.header->watch_epoch &&
		    (now = procinfo_thread_faults(t->tid)) > t->faults)
			t->fault_site->count = now - t->faults;
	}
}

/* Decides whether the thread counts as realtime, and where its calls are counted. */
static void decide(struct thread *t)
{
	uint8_t was = t->watched;

	do {
		thread_policy_changed(t);
		t->watched = t->rec->realtime  ? REALTIME_BY_POLICY
			     : t->regions != 0 ? REALTIME_BY_REGION
			     : by_name(t)      ? REALTIME_BY_NAME
					       : REALTIME_NOT;
		t->policy_looks = WATCHED_LOOKS;
		thread_plain(t, t->watched != REALTIME_NOT ? NULL : &t->rec->totals);
	} while (__atomic_load_n(&t->stale, __ATOMIC_SEQ_CST)); /* changed meanwhile */
	if (was == REALTIME_NOT && t->watched != REALTIME_NOT)
		faults_begin(t);
}

bool watch_wanted(enum watch_class class)
{
	struct thread *t = thread_self;
	bool look;

	if (t->plain != NULL || (t->mode != MODE_OFF && busy_is(t)))
		return false;
	look = t->stale;
	t = recorder_enter();
	if (t == NULL)
		return false;
	if (look || t->watched == REALTIME_NOT || t->policy_looks-- == 0)
		decide(t);
	return t->watched != REALTIME_NOT && (recorder.config.watch >> class & 1);
}

static bool only_frees(enum watched function)
{
	return function == WATCHED_free ||
	       (function >= WATCHED__ZdlPv && function <= WATCHED__ZdaPvSt11align_val_tRKSt9nothrow_t);
}

/* slot: where the call's return address stands. NULL: there is no room for it. */
static struct alloc_site *begin(struct watch *w, struct thread *t, enum watched function, struct site site,
				uintptr_t slot)
{
	struct alloc_site *s;

	uint8_t busy = busy_enter(t);
	s = site_use(t, function, stacks_capture(t, site));
	busy_leave(t, busy);
	if (s == NULL)
		return NULL;
	s->count++; /* now: it may never return */
	*w = (struct watch){
		.thread = t, .site = s, .outer = t->watch_slot, .attachment = recorder.attachment
	};
	t->watch_slot = slot;
	w->start = clock_now();
	return s;
}

bool watch_begin(struct watch *w, enum watched function, struct site site, uint64_t bytes, uint32_t frees)
{
	uintptr_t slot = site.slot != NULL ? (uintptr_t)site.slot : (uintptr_t)__builtin_frame_address(0);
	struct alloc_site *s;
	struct thread *t = thread_self;
	int saved = errno;

	if (t->plain != NULL && ((t->plain->allocations + 1) & PLAIN_LOOK) == 0 && !busy_is(t))
		decide(t); /* somebody outside may have made it a realtime thread */
	if (!watch_wanted((enum watch_class)classes[function])) {
		t = thread_self;
		if (t->plain != NULL && classes[function] == WATCH_CLASS_alloc && !is_foreign(site.ip)) {
			t->plain->bytes += bytes;
			t->plain->frees += frees;
			t->plain->allocations += !only_frees(function);
		}
		errno = saved;
		return false;
	}
	t = thread_self;
	/* A call within a watched one is deeper on the same stack. */
	if ((t->watch_slot != 0 && slot < t->watch_slot) || is_foreign(site.ip) || left_out()) {
		errno = saved;
		return false;
	}
	s = begin(w, t, function, site, slot);
	errno = saved;
	if (s == NULL)
		return false;
	s->bytes += bytes;
	s->frees += frees;
	return true;
}

bool watch_wait_begin(struct watch *w, enum watched function, struct site site)
{
	int saved = errno;
	bool begun = watch_wanted(WATCH_CLASS_locks) && !left_out() &&
		     begin(w, thread_self, function, site, (uintptr_t)site.slot) != NULL;

	errno = saved;
	return begun;
}

void watch_end(struct watch *w)
{
	uint64_t ticks = clock_now() - w->start;
	struct alloc_site *s = w->site;
	struct thread *t = thread_self;
	int saved;

	/* not in a forked child, nor in another attachment */
	if (t != w->thread || w->attachment != recorder.attachment)
		return;
	s->time_total += ticks;
	if (ticks > s->time_max)
		s->time_max = ticks;
	t->watch_slot = w->outer;
	if (t->fault_site != NULL) {
		saved = errno;
		watch_faults(t);
		errno = saved;
	}
}

void watch_region(int by)
{
	struct thread *t = recorder_enter();
	int saved = errno;

	if (t == NULL || (by < 0 && t->regions == 0))
		return;
	if (by < 0)
		watch_faults(t);
	t->regions += (uint32_t)by;
	decide(t);
	errno = saved;
}

void watch_start(void)
{
	if (recorder.state == RECORDER_ON)
		__atomic_fetch_add(&recorder.header->watch_epoch, 1, __ATOMIC_RELAXED);
}
