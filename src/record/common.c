/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Locks of several processes, see common.h. Runs in the profiled process, takes no lock. */
#include "src/record/common.h"

#include <errno.h>
#include <string.h>

#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/procinfo.h"
#include "src/record/sessionfile.h"
#include "src/record/use.h"

#define FILE_BYTES (COMMON_HEAD + COMMON_LOCKS * sizeof(struct common_lock))
#define READS_MOST 100 /* of an account that its thread is changing, or was killed while it did */

static struct mapping file;
static struct common_file *head; /* NULL: not mapped */
static uint8_t tried;

/* When a reader had the lock during a wait. */
struct span {
	uint64_t from, to; /* the same: it is no reader */
};

/* The accounts of a lock when a wait for it began. */
struct common_view {
	uint32_t lock; /* from 1; 0: none */
	uint32_t n;
	uint32_t owner; /* tid, 0: unknown */
	bool sides;     /* readers may have it without being its owner, as may who has a permit */
	uint64_t at;
	struct {
		uint64_t charged, since;
	} account[COMMON_ACCOUNTS];
	/* at the end, by part; and where they begin and end, in order */
	struct span spans[COMMON_PARTS];
	uint64_t cuts[2 * COMMON_PARTS];
};

static struct common_lock *lock_of(uint32_t number)
{
	return (struct common_lock *)(file.base + COMMON_HEAD) + (number - 1);
}

/* The mapped file, NULL if there is none. One thread maps it; others go without meanwhile. */
static struct common_file *common_file(void)
{
	struct common_file *f = __atomic_load_n(&head, __ATOMIC_ACQUIRE);
	static char path[MAPPING_PATH_SIZE];
	int saved = errno;

	if (f || recorder.confined || __atomic_exchange_n(&tried, 1, __ATOMIC_RELAXED))
		return f;
	if (procinfo_read_enter() && sessionfile_path() &&
	    mapping_share(sessionfile_path(), SESSION_COMMON, FILE_BYTES, path, &file) == 0) {
		if (mapping_back(&file, 0, sizeof(*f)))
			f = (struct common_file *)file.base;
		else
			mapping_drop(&file);
	}
	procinfo_read_leave();
	errno = saved;
	__atomic_store_n(&head, f, __ATOMIC_RELEASE);
	return f;
}

/* Makes the memory of a lock whose place was just taken. */
static void lock_open(struct common_file *f, uint32_t number)
{
	int saved = errno;

	if (!recorder.confined && mapping_back(&file, (uint64_t)((char *)lock_of(number) - file.base),
					       sizeof(struct common_lock))) {
		__atomic_store_n(&f->ready[number - 1], 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&f->n, 1, __ATOMIC_RELEASE);
	}
	errno = saved;
}

/* The number of the lock with a key; 0: it has no place. */
static uint32_t lock_find(struct common_file *f, uint64_t key, bool make)
{
	for (uint32_t i = 0; i < COMMON_LOCKS; i++) {
		uint32_t number = (uint32_t)(key + i) % COMMON_LOCKS;
		uint64_t there = __atomic_load_n(&f->key[number], __ATOMIC_ACQUIRE);

		if (there == 0 && !make)
			return 0;
		if (there == 0 && __atomic_compare_exchange_n(&f->key[number], &there, key, false,
							      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			lock_open(f, number + 1);
			there = key;
		}
		if (there == key)
			return __atomic_load_n(&f->ready[number], __ATOMIC_ACQUIRE) ? number + 1 : 0;
	}
	return 0;
}

static uint32_t cell_hash(uint32_t cell)
{
	return cell * 0x9e3779b1u;
}

static uint32_t rec_hash(const void *slot)
{
	return cell_hash(((const struct common_rec *)REF_POINTER(*(const uint32_t *)slot))->cell);
}

static const struct hash_shape rec_table = { sizeof(uint32_t), 32, 2, false, rec_hash };

/* A cell may be another lock's by now, for the record of a lock that ended is used again. */
static uint32_t instance_of(struct use use)
{
	return (uint32_t)use_lock(use)->instances;
}

static struct common_rec *rec_find(const struct thread *t, struct use use)
{
	uint32_t ref;

	for (uint32_t i = cell_hash(use.cell); (ref = hash_ref(t->commons.now, i)) != 0; i++) {
		struct common_rec *r = REF_POINTER(ref);

		if (r->cell == use.cell && r->instance == instance_of(use))
			return r;
	}
	return NULL;
}

static struct common_rec *rec_make(struct thread *t, struct use use)
{
	struct common_rec *r;
	int saved = errno;

	if (!hashtable_reserve(&t->commons, &rec_table, t->tid))
		return NULL;
	r = arena_take(&t->commons_arena, CHUNK_COMMON, sizeof(*r), t->ref, t->tid);
	if (!r)
		return NULL;
	*r = (struct common_rec){ .cell = use.cell, .instance = instance_of(use), .seen = UINT32_MAX };
	arena_publish(&t->commons_arena);
	*(uint32_t *)hashtable_place(&t->commons, &rec_table, cell_hash(use.cell)) = POINTER_REF(r);
	errno = saved;
	return r;
}

/* Gives a cell an account of its lock. */
static void account_take(const struct thread *t, struct common_rec *r)
{
	struct common_lock *l = lock_of(r->lock);
	uint32_t n;

	if (__atomic_load_n(&l->n_accounts, __ATOMIC_RELAXED) >= COMMON_ACCOUNTS)
		return;
	n = __atomic_fetch_add(&l->n_accounts, 1, __ATOMIC_RELAXED);
	if (n >= COMMON_ACCOUNTS)
		return;
	l->account[n].pid = recorder.pid;
	l->account[n].shared = ((const struct cell *)REF_POINTER(r->cell))->side == SIDE_SHARED;
	__atomic_store_n(&l->account[n].tid, t->tid, __ATOMIC_RELEASE);
	r->account = n + 1;
}

/* The calling thread's record of the lock of a use, NULL if it has no accounts. make: then it gets some. */
static struct common_rec *rec_of(struct thread *t, struct use use, const void *address, bool make)
{
	struct common_file *f = common_file();
	struct common_rec *r;
	uint32_t n;

	if (!f)
		return NULL;
	n = __atomic_load_n(&f->n, __ATOMIC_ACQUIRE);
	if (n == 0 && !make)
		return NULL;
	r = rec_find(t, use);
	if (!r)
		r = rec_make(t, use);
	if (!r)
		return NULL;
	if (r->lock == 0 && (make || r->seen != n)) {
		r->seen = n;
		if (r->key == 0)
			r->key = procinfo_shared_memory((uintptr_t)address);
		if (r->key != 0)
			r->lock = lock_find(f, r->key, make);
	}
	if (r->lock != 0 && r->account == 0)
		account_take(t, r);
	return r->lock != 0 ? r : NULL;
}

static struct common_account *account_of(struct thread *t, struct use use, const void *address)
{
	struct common_rec *r = rec_of(t, use, address, false);

	return r && r->account != 0 ? &lock_of(r->lock)->account[r->account - 1] : NULL;
}

static void change_begin(struct common_account *a)
{
	__atomic_store_n(&a->turn, a->turn + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void change_end(struct common_account *a)
{
	__atomic_store_n(&a->turn, a->turn + 1, __ATOMIC_RELEASE);
}

/* False: it is being changed all the time. */
static bool account_read(const struct common_account *a, struct common_account *ret)
{
	for (int i = 0; i < READS_MOST; i++) {
		uint32_t turn = __atomic_load_n(&a->turn, __ATOMIC_ACQUIRE);

		memcpy(ret, a, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(turn & 1) && __atomic_load_n(&a->turn, __ATOMIC_RELAXED) == turn)
			return true;
	}
	return false;
}

static uint32_t accounts_of(const struct common_lock *l)
{
	uint32_t n = __atomic_load_n(&l->n_accounts, __ATOMIC_ACQUIRE);

	return n < COMMON_ACCOUNTS ? n : COMMON_ACCOUNTS;
}

static bool is_recorded(const struct common_lock *l, uint32_t tid)
{
	for (uint32_t i = 0, n = accounts_of(l); i < n; i++)
		if (__atomic_load_n(&l->account[i].tid, __ATOMIC_ACQUIRE) == tid)
			return true;
	return false;
}

void common_acquired(struct thread *t, struct use use, const void *address, uint64_t now)
{
	struct common_account *a = account_of(t, use, address);
	struct common_view *v = t->common_view;

	if (!a)
		return;
	change_begin(a);
	a->tid = t->tid;
	if (a->since != 0)
		a->again++;
	else
		a->since = now;
	if (a->first == 0)
		a->first = now;
	change_end(a);
	/* The owner before has released it by now, and has an account if it is recorded. */
	if (v && v->lock != 0 && v->owner != 0 && !is_recorded(lock_of(v->lock), v->owner))
		lock_of(v->lock)->outsiders = 1;
	if (v)
		v->lock = 0;
}

void common_released(struct thread *t, struct use use, const void *address, uint64_t since, uint64_t now)
{
	struct common_account *a = account_of(t, use, address);

	if (!a)
		return;
	change_begin(a);
	if (a->again != 0) {
		a->again--;
	} else {
		since = a->since != 0 ? a->since : since;
		a->charged += now > since ? now - since : 0;
		if (a->first == 0)
			a->first = since;
		a->since = 0;
		a->left = now;
	}
	change_end(a);
}

bool common_known(struct thread *t, struct use use, const void *address)
{
	return rec_of(t, use, address, false) != NULL;
}

void common_look(struct thread *t, struct use use, const void *address, uint64_t now)
{
	struct common_rec *r = rec_of(t, use, address, true);
	struct common_view *v = t->common_view;
	const struct common_lock *l;

	if (v)
		v->lock = 0;
	if (!r)
		return;
	if (!v)
		v = t->common_view = memory_piece(sizeof(*v), t->tid);
	if (!v)
		return;
	l = lock_of(r->lock);
	v->lock = r->lock;
	v->sides = kind_has(use_lock(use)->kind, TRAIT_SIDES) || use_lock(use)->kind == KIND_SEM;
	v->owner = object_owner(address, use_lock(use)->kind);
	v->at = now;
	v->n = accounts_of(l);
	for (uint32_t i = 0; i < v->n; i++) {
		struct common_account a = { 0 };

		if (!account_read(&l->account[i], &a))
			a.charged = UINT64_MAX; /* it cannot have grown */
		v->account[i].charged = a.charged;
		v->account[i].since = a.since;
	}
}

/* An account grew by so much during a wait. */
static uint64_t grown(const struct common_view *v, uint32_t i, const struct common_account *a, uint64_t now)
{
	uint64_t before, after = a->charged + (a->since != 0 && now > a->since ? now - a->since : 0);

	if (i < v->n)
		before = v->account[i].charged + (v->account[i].since != 0 && v->account[i].since < v->at
							  ? v->at - v->account[i].since
							  : 0);
	else
		before = a->first < v->at ? v->at - a->first : 0;
	return after > before ? after - before : 0;
}

/* The shortest of some parts. */
static uint32_t shortest(const struct overlap_part *parts, uint32_t n)
{
	uint32_t least = 0;

	for (uint32_t i = 1; i < n; i++)
		if (parts[i].ticks < parts[least].ticks)
			least = i;
	return least;
}

/* Some ticks of an account up to now; they are taken for one hold. */
static struct span span_of(const struct common_account *a, uint64_t ticks, uint64_t now)
{
	uint64_t to = a->since != 0 || a->left > now ? now : a->left;

	return (struct span){ .from = a->shared && to > ticks ? to - ticks : to, .to = to };
}

static bool covers(const struct span *s, uint64_t from, uint64_t to)
{
	return s->from <= from && s->to >= to;
}

/* Readers of several processes that had the lock at once share that time. */
static void share_readers(struct common_view *v, struct overlap_part *parts, uint32_t n)
{
	const struct span *spans = v->spans;
	uint64_t *cuts = v->cuts;
	uint32_t n_cuts = 0;

	for (uint32_t i = 0; i < 2 * n; i++) {
		uint64_t cut = i & 1 ? spans[i / 2].to : spans[i / 2].from;
		uint32_t at = n_cuts++;

		for (; at > 0 && cuts[at - 1] > cut; at--)
			cuts[at] = cuts[at - 1];
		cuts[at] = cut;
		if (spans[i / 2].from != spans[i / 2].to)
			parts[i / 2].ticks = 0;
	}
	for (uint32_t c = 0; c + 1 < n_cuts; c++) {
		uint32_t readers = 0;

		for (uint32_t i = 0; i < n; i++)
			readers += covers(&spans[i], cuts[c], cuts[c + 1]);
		for (uint32_t i = 0; i < n && cuts[c + 1] > cuts[c]; i++)
			if (covers(&spans[i], cuts[c], cuts[c + 1]))
				parts[i].ticks += (cuts[c + 1] - cuts[c]) / readers;
	}
}

uint32_t common_parts(struct thread *t, uint64_t now, struct overlap_part *parts, uint32_t n,
		      uint64_t *ret_unseen)
{
	struct common_view *v = t->common_view;
	struct overlap_part *abroad = parts + n;
	uint64_t whole, own = 0, sum = 0, given = 0;
	const struct common_lock *l;
	uint32_t seen = 0;
	bool known;

	if (!v || v->lock == 0)
		return n;
	for (uint32_t i = 0; i < n; i++)
		own += parts[i].ticks;
	whole = now > v->at ? now - v->at : 0;
	l = lock_of(v->lock);
	for (uint32_t i = 0, all = accounts_of(l); i < all; i++) {
		struct common_account a;
		struct overlap_part p = { .abroad = common_name(v->lock, i + 1) };
		uint32_t at = seen;

		if (!account_read(&l->account[i], &a) || a.pid == recorder.pid)
			continue;
		p.ticks = grown(v, i, &a, now);
		if (p.ticks == 0)
			continue;
		if (seen == COMMON_PARTS && abroad[at = shortest(abroad, seen)].ticks >= p.ticks) {
			sum += p.ticks;
			continue;
		}
		sum += at < seen ? abroad[at].ticks : 0;
		seen += at == seen;
		abroad[at] = p;
		v->spans[at] = span_of(&a, p.ticks, now);
	}
	share_readers(v, abroad, seen);
	for (uint32_t i = 0; i < seen; i++)
		sum += abroad[i].ticks;
	known = v->owner != 0 ? is_recorded(l, v->owner) : !v->sides || sum != 0 || own != 0;
	for (uint32_t i = 0; i < n + seen; i++) {
		if (own + sum > whole)
			parts[i].ticks =
				(uint64_t)((double)parts[i].ticks / (double)(own + sum) * (double)whole);
		given += parts[i].ticks;
	}
	*ret_unseen = (known && !l->outsiders) || given > whole ? 0 : whole - given;
	return n + seen;
}

void common_reset(void)
{
	tried = head != NULL;
}

/* The file of the attachment before this one stays mapped until the next: a thread may be about to look at it. */
void common_restart(void)
{
	static struct mapping before;

	mapping_drop(&before);
	before = file;
	file = (struct mapping){ .base = NULL };
	__atomic_store_n(&head, NULL, __ATOMIC_RELEASE);
	tried = 0;
}
