/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See waits.h. The function that waits tells what it waits for; where the C library has no names for its inner functions,
 * what lies at the futex does. Structures are glibc's, of the machine that we were built for (layout.h).
 */
#include "src/inspect/waits.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "src/inspect/layout.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

#define API_FRAMES 8 /* the function that waits is among so many innermost frames */

/* The functions of the C library that wait, by how their names begin. */
enum api {
	API_NONE,
	API_MUTEX,
	API_COND,
	API_READ,
	API_WRITE,
	API_SEM,
	API_BARRIER,
	API_JOIN,
	API_ONCE,
	API_GUARD,
	API_SPIN
};
static const struct {
	const char *begin;
	enum api api;
} apis[] = {
	{ "pthread_mutex_", API_MUTEX },
	{ "mtx_", API_MUTEX },
	{ "pthread_cond_", API_COND },
	{ "cnd_", API_COND },
	{ "pthread_rwlock_rd", API_READ },
	{ "pthread_rwlock_timedrd", API_READ },
	{ "pthread_rwlock_clockrd", API_READ },
	{ "pthread_rwlock_wr", API_WRITE },
	{ "pthread_rwlock_timedwr", API_WRITE },
	{ "pthread_rwlock_clockwr", API_WRITE },
	{ "sem_", API_SEM },
	{ "new_sem_", API_SEM },
	{ "pthread_barrier_", API_BARRIER },
	{ "pthread_join", API_JOIN },
	{ "pthread_timedjoin", API_JOIN },
	{ "pthread_clockjoin", API_JOIN },
	{ "thrd_join", API_JOIN },
	{ "pthread_once", API_ONCE },
	{ "call_once", API_ONCE },
	{ "cxa_guard_acquire", API_GUARD },
	{ "pthread_spin_", API_SPIN },
};

static enum api api_of(const char *function)
{
	while (function && *function == '_')
		function++;
	for (size_t i = 0; function && i < sizeof(apis) / sizeof(apis[0]); i++) {
		if (strncmp(function, apis[i].begin, strlen(apis[i].begin)) == 0)
			return apis[i].api;
	}
	return API_NONE;
}

/* The function that waits, among the innermost frames of one file; *ret_frame is its place. */
static enum api api_find(struct target *t, struct naming *n, const struct unwound *u, size_t *ret_frame)
{
	const struct module *first = u->n ? target_module(t, u->pc[0]) : NULL;

	for (size_t i = 0; i < u->n && i < API_FRAMES; i++) {
		enum api api = api_of(naming_function(n, u, i));

		*ret_frame = i;
		if (api != API_NONE)
			return api;
		/* one frame more: what libstdc++ and libpthread call in libc */
		if (target_module(t, u->pc[i]) != first && !naming_libc(t, u->pc[i]))
			break;
	}
	*ret_frame = 0;
	return API_NONE;
}

bool wait_futex(const struct system_call *c, uint64_t *ret_address, uint32_t *ret_expected)
{
	unsigned int operation =
		(unsigned int)c->arguments[1] & ~(unsigned int)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	bool futex = c->number == SYS_futex;

#ifdef SYS_futex_time64
	futex = futex || c->number == SYS_futex_time64;
#endif
	/* an interrupted wait with a time-out goes on as restart_syscall(), with its arguments in place */
	if (c->number == SYS_restart_syscall)
		futex = c->arguments[1] < 512 && c->arguments[3] != 0 && c->arguments[0] % sizeof(int) == 0 &&
			c->arguments[0] > 65536;
	if (!futex ||
	    (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET && operation != FUTEX_LOCK_PI &&
	     operation != FUTEX_LOCK_PI2 && operation != FUTEX_WAIT_REQUEUE_PI))
		return false;
	*ret_address = c->arguments[0];
	*ret_expected = (uint32_t)c->arguments[2];
	return true;
}

static bool inherits(const struct system_call *c)
{
	unsigned int operation = (unsigned int)c->arguments[1] & 0x7f;

	return operation == FUTEX_LOCK_PI || operation == FUTEX_LOCK_PI2;
}

/* When a wait ends by itself. */
static void deadline_find(struct target *t, const struct system_call *c, struct wait_found *ret)
{
	unsigned int operation = (unsigned int)c->arguments[1];
	struct timespec now;
	int64_t then[2];
	bool absolute = (operation & 0x7f) != FUTEX_WAIT;
	bool realtime = operation & FUTEX_CLOCK_REALTIME || (operation & 0x7f) == FUTEX_LOCK_PI;

	ret->left_ns = INT64_MIN;
	ret->timed = c->arguments[3] != 0;
	if (!ret->timed || t->core || !absolute)
		return;
	if (sizeof(long) == 4 && c->number == SYS_futex) {
		int32_t narrow[2];

		if (target_read(t, c->arguments[3], narrow, sizeof(narrow)) < 0)
			return;
		then[0] = narrow[0];
		then[1] = narrow[1];
	} else if (target_read(t, c->arguments[3], then, sizeof(then)) < 0) {
		return;
	}
	clock_gettime(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
	if (then[0] - now.tv_sec < INT64_MAX / 1000000000 &&
	    then[0] - now.tv_sec > INT64_MIN / 1000000000 / 2)
		ret->left_ns = (then[0] - now.tv_sec) * 1000000000 + (then[1] - now.tv_nsec);
}

/* The words of a thread's stack that belong to its innermost frames, up to the caller of one. */
static size_t stack_words(struct target *t, const struct unwound *u, size_t frame, uintptr_t *out,
			  size_t room)
{
	uint64_t from = u->sp[0], to = frame + 1 < u->n ? u->sp[frame + 1] : from + room * sizeof(*out);
	size_t count = (to - from) / sizeof(*out);

	if (count > room)
		count = room;
	while (count > 0 && target_read(t, from, out, count * sizeof(*out)) < 0)
		count /= 2;
	return count;
}

/* pthread_cond_wait() keeps both addresses side by side for its cleanup. That tells also which layout the condition has. */
static bool cond_find(struct target *t, const struct unwound *u, size_t frame, uint64_t futex,
		      struct wait_found *ret)
{
	uintptr_t words[512];
	size_t count = u->n ? stack_words(t, u, frame, words, 512) : 0;

	for (size_t i = 0; i + 1 < count; i++) {
		for (size_t k = 0; k < layout_cond_futexes_n; k++) {
			struct wait_found mutex;

			if (words[i] != futex - layout_cond_futexes[k] || words[i] % sizeof(int) ||
			    words[i + 1] - words[i] < sizeof(pthread_cond_t) /* a word of the condition's */
			    || !layout_mutex(t, words[i + 1], &mutex))
				continue;
			ret->kind = INSPECT_COND;
			ret->address = words[i];
			ret->mutex = words[i + 1];
			return true;
		}
	}
	return false;
}

static void rwlock_find(struct target *t, uint64_t futex, uint32_t expected, bool to_write,
			struct wait_found *ret)
{
	ret->kind = INSPECT_RWLOCK;
	ret->to_write = to_write;
	ret->address = layout_rwlock_at(futex, expected, to_write);
	layout_rwlock(t, ret->address, ret);
}

/* The kernel refuses to close a circle of priority-inheriting mutexes. glibc then lets the thread sleep for ever on a word
 * of its own stack, and which mutex it was is forgotten. */
static bool refused(const struct target *t, const struct target_thread *thread, uint64_t futex,
		    uint32_t expected)
{
	return expected == 0 && target_mapping(t, futex) == target_mapping(t, thread->sp) &&
	       futex >= thread->sp && futex - thread->sp < 4096;
}

/* Without a name: what lies there. A semaphore that is 0 has a bit set where longs are narrow, as somebody waits. */
static void guess(struct target *t, const struct target_thread *thread, const struct unwound *u,
		  uint64_t futex, uint32_t expected, struct wait_found *ret)
{
	bool libc = u->n == 0 || naming_libc(t, u->pc[0]);
	bool alone = !(thread->call.arguments[1] & FUTEX_PRIVATE_FLAG);
	uint32_t now = 0;
	pid_t joined;

	target_u32(t, futex, &now);
	ret->address = futex;
	ret->kind = INSPECT_FUTEX;
	if (inherits(&thread->call)) {
		ret->owner = now & FUTEX_TID_MASK ? OWNER_THREAD : OWNER_NOBODY;
		ret->owner_tid = (pid_t)(now & FUTEX_TID_MASK);
		snprintf(ret->detail, sizeof(ret->detail), "priority inheriting");
	}
	if (alone && expected && now == expected && (joined = layout_joined(t, futex, expected))) {
		ret->kind = INSPECT_THREAD;
		ret->shared = false;
		ret->owner = OWNER_THREAD;
		ret->owner_tid = joined;
		return;
	}
	if ((expected != 0 || inherits(&thread->call)) && layout_mutex_waited(t, futex)) {
		ret->kind = INSPECT_MUTEX;
		layout_mutex(t, futex, ret);
	} else if (cond_find(t, u, 4, futex, ret)) {
		return;
	} else if (libc && expected == (sizeof(long) == 8 ? 0 : 1) && layout_semaphore(t, futex)) {
		ret->kind = INSPECT_SEM;
	} else if (libc && refused(t, thread, futex, expected)) {
		ret->kind = INSPECT_MUTEX;
		ret->refused = true;
	}
}

/* A lock without a type inside the C library: named by the function that a user calls. */
static void internal_find(struct target *t, struct naming *n, const struct unwound *u, uint32_t expected,
			  struct wait_found *ret)
{
	const char *name = NULL;
	size_t i;

	for (i = 0; i < u->n && naming_libc(t, u->pc[i]); i++) {
		const char *function = naming_function(n, u, i);

		if (function && strncmp(function, "__lll_", 6) != 0)
			name = function;
	}
	if (i == 0 || i == u->n)
		return;
	/* nameless, and called right away: pthread_once(), whose word says that it is in progress */
	ret->kind = !name && (expected & 3) == 1 ? INSPECT_ONCE : INSPECT_LIBC;
	if (name && strncmp(name, "__GI_", 5) == 0)
		name += 5; /* the library's own name for it */
	if (name && strncmp(name, "_IO_", 4) == 0)
		name += 4;
	if (name)
		snprintf(ret->detail, sizeof(ret->detail), "in %.60s", name);
	layout_stream(t, ret->address, ret);
}

static void by_function(struct target *t, const struct target_thread *thread, const struct unwound *u,
			enum api api, size_t frame, uint64_t futex, uint32_t expected, struct wait_found *ret)
{
	switch (api) {
	case API_MUTEX:
		ret->kind = INSPECT_MUTEX;
		ret->address = futex;
		ret->refused = refused(t, thread, futex, expected);
		if (!ret->refused)
			layout_mutex(t, futex, ret);
		break;
	case API_COND:
		if (cond_find(t, u, frame, futex, ret))
			break;
		/* after the signal it waits for the mutex */
		ret->kind = expected == 2 && layout_mutex(t, futex, ret) ? INSPECT_MUTEX : INSPECT_COND;
		ret->address = ret->kind == INSPECT_MUTEX ? futex : layout_cond_at(futex);
		break;
	case API_READ:
	case API_WRITE: rwlock_find(t, futex, expected, api == API_WRITE, ret); break;
	case API_SEM:
		ret->kind = INSPECT_SEM;
		ret->address = futex;
		break;
	case API_BARRIER:
		ret->kind = INSPECT_BARRIER;
		layout_barrier(t, futex, ret);
		break;
	case API_JOIN:
		ret->kind = INSPECT_THREAD;
		ret->address = futex;
		ret->shared = false; /* the kernel wakes it */
		ret->owner = OWNER_THREAD;
		ret->owner_tid = layout_joined(t, futex, expected);
		break;
	case API_ONCE:
	case API_GUARD:
		ret->kind = INSPECT_ONCE;
		ret->address = futex;
		if (api == API_GUARD)
			snprintf(ret->detail, sizeof(ret->detail), "initialisation of a static variable");
		break;
	default: guess(t, thread, u, futex, expected, ret); break;
	}
}

/* musl's structures are others. */
static bool foreign_library(struct target *t, const struct unwound *u)
{
	const struct module *m = u->n ? target_module(t, u->pc[0]) : NULL;

	return m && strstr(m->path, "musl");
}

#define GLIB_CONTENDED 2 /* a GMutex that is taken and waited for */

/* GLib's inner function that waits for a GMutex has no name where the library is stripped. */
static bool glib_mutex(struct target *t, struct naming *n, const struct unwound *u, uint32_t expected)
{
	const struct module *m = u->n > 1 ? target_module(t, u->pc[1]) : NULL;

	return expected == GLIB_CONTENDED && m && strstr(m->path, "/libglib-2.0.so") &&
	       !naming_function(n, u, 1);
}

/* A lock of the program's own, or of a library that builds its own: the C library's layouts do not hold. */
static bool own_futex(struct target *t, struct naming *n, const struct target_thread *thread,
		      const struct unwound *u, uint64_t futex, uint32_t expected, struct wait_found *ret)
{
	const char *function = u->n ? naming_function(n, u, 0) : NULL;

	if (!function || strcmp(function, "syscall") != 0 || inherits(&thread->call))
		return false;
	ret->kind = INSPECT_FUTEX;
	ret->address = futex;
	ret->role = glib_mutex(t, n, u, expected) ? FUTEX_ROLE_LOCK : naming_role(n, u);
	return true;
}

bool wait_find(struct target *t, struct naming *n, const struct target_thread *thread,
	       const struct unwound *u, struct wait_found *ret)
{
	uint64_t futex;
	uint32_t expected;
	struct registers r;
	size_t frame;
	enum api api;

	*ret = (struct wait_found){ .left_ns = INT64_MIN };
	if (!thread->asleep) {
		if (!thread->have_all || u->n == 0 || api_of(naming_function(n, u, 0)) != API_SPIN)
			return false;
		arch_registers(&r, &thread->all);
		ret->kind = INSPECT_SPIN;
		ret->address = arch_first_argument(&r);
		return ret->address != UINT64_MAX;
	}
	if (!wait_futex(&thread->call, &futex, &expected))
		return false;
	deadline_find(t, &thread->call, ret);
	ret->shared = !(thread->call.arguments[1] & FUTEX_PRIVATE_FLAG);
	api = api_find(t, n, u, &frame);
	if (thread->call.number == SYS_restart_syscall && api == API_NONE && u->n &&
	    naming_libc(t, u->pc[0]) && naming_function(n, u, 0) &&
	    !strstr(naming_function(n, u, 0), "futex"))
		return false;
	if (foreign_library(t, u)) {
		ret->kind = INSPECT_FUTEX;
		ret->address = futex;
		return true;
	}
	if (api == API_NONE && own_futex(t, n, thread, u, futex, expected, ret))
		return true;
	by_function(t, thread, u, api, frame, futex, expected, ret);
	if (ret->kind == INSPECT_FUTEX && api == API_NONE && expected != 0 && u->n &&
	    naming_libc(t, u->pc[0]))
		internal_find(t, n, u, expected, ret);
	return true;
}

bool wait_initialises(struct target *t, struct naming *n, const struct unwound *u, uint64_t control)
{
	/* a frame of the function, whose callee is the initialiser, with the control's address among its words */
	for (size_t i = 1; i < u->n; i++) {
		enum api api = api_of(naming_function(n, u, i));
		uint64_t end = i + 1 < u->n ? u->sp[i + 1] : u->sp[i] + 256;

		if (api != API_ONCE && !naming_libc(t, u->pc[i]))
			continue;
		for (uint64_t at = u->sp[i]; at < end && at < u->sp[i] + 1024; at += sizeof(uintptr_t)) {
			uint64_t word;

			if (target_word(t, at, &word) == 0 && word == control)
				return true;
		}
	}
	return false;
}

const char *wait_static(struct naming *n, const struct unwound *u)
{
	for (size_t i = 0; i + 1 < u->n && i < API_FRAMES; i++) {
		if (api_of(naming_function(n, u, i)) == API_GUARD)
			return naming_inner(n, u, i + 1);
	}
	return NULL;
}

bool wait_inside(struct naming *n, const struct unwound *u, const char *function)
{
	for (size_t i = 1; i < u->n; i++) {
		if (naming_within(n, u, i, function))
			return true;
	}
	return false;
}
