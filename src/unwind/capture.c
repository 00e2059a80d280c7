/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stack capture with libunwind, see capture.h. Takes no lock of its own; called under stacks.c's. */
#include "config.h"

#define UNW_LOCAL_ONLY
#include "src/unwind/capture.h"

#include "src/arch/arch.h"
#include "src/arch/stack.h"
#include "src/record/state.h"
#include "src/unwind/probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <string.h>

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
/* libunwind.h renames its functions per architecture; this gives the renamed name as a string. */
#define UNW_SYMBOL(name) STRINGIFY(name)

/* Frames of ours between capture_frames() and the program, at most. */
#define OWN_FRAMES_MAX 12

static struct {
	int (*init_local)(unw_cursor_t *, unw_context_t *);
	int (*step)(unw_cursor_t *);
	int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
	int (*get_save_loc)(unw_cursor_t *, int, unw_save_loc_t *);
	int (*is_signal_frame)(unw_cursor_t *);
	void (*flush_cache)(unw_addr_space_t, unw_word_t, unw_word_t);
	unw_accessors_t *(*get_accessors)(unw_addr_space_t);
	int (*access_mem)(unw_addr_space_t, unw_word_t, unw_word_t *, int, void *); /* its own */
	unw_addr_space_t *local;
#if ARCH_GETCONTEXT
	int (*get_context)(unw_context_t *);
#endif
	bool ready;
} unw;

/* A capture that is going on. It lies on the stack that is switched to: a program's garbage collector would
 * take what the registers held for pointers if it lay among the library's data. */
struct capture {
	unw_context_t context;
	unw_cursor_t cursor;
	uintptr_t low, high; /* of the program's stack, what is known to be readable */
	uintptr_t pages[8];  /* others that were found to be, 0 none */
};
static struct capture *going_on;
_Static_assert(sizeof(struct capture) + 64 <= CAPTURE_BYTES, "room for a capture");

#define PAGE_LEAST 4096u
#define CAPTURE_FRAME 256u /* of capture_on() and below, where registers were saved */

/* True if a byte can be read. */
static bool readable(struct capture *c, uintptr_t address)
{
	uintptr_t page = address & ~(uintptr_t)(PAGE_LEAST - 1);
	uintptr_t *known = &c->pages[address / PAGE_LEAST % (sizeof(c->pages) / sizeof(c->pages[0]))];

	if (address - c->low < c->high - c->low)
		return true;
	if (page == 0)
		return false;
	if (page == *known)
		return true;
	if (!probe_readable((const void *)page))
		return false;
	*known = page;
	return true;
}

/* True if the caller is on the stack that was switched to. */
static bool is_capturing(const struct capture *c)
{
	return c != NULL && (uintptr_t)c - (uintptr_t)__builtin_frame_address(0) < CAPTURE_STACK_BYTES;
}

/*
 * The reading of the program's memory by libunwind. A stack that somebody made by hand ends in anything, and tables
 * that are wrong or missing lead anywhere, so each page is looked at before it is read. A program that uses
 * libunwind itself shares its address space with us: its own reads go the usual way.
 */
static int access_memory(unw_addr_space_t as, unw_word_t address, unw_word_t *value, int write,
			 void *argument)
{
	struct capture *c = __atomic_load_n(&going_on, __ATOMIC_RELAXED);

	if (!is_capturing(c))
		return unw.access_mem(as, address, value, write, argument);
	if (write || !readable(c, address) || !readable(c, address + sizeof(*value) - 1))
		return -UNW_EINVAL;
	memcpy(value, (const void *)address, sizeof(*value));
	return 0;
}

static void replace_access(void)
{
	unw_accessors_t *a =
		unw.get_accessors != NULL && unw.local != NULL ? unw.get_accessors(*unw.local) : NULL;

	if (a == NULL)
		return;
	unw.access_mem = a->access_mem;
	a->access_mem = access_memory;
}

int capture_open(void)
{
	/* Bound at once: later the loader would take as much of the program's stack as libunwind itself. */
	void *lib = unw.ready ? NULL : dlopen(LIBUNWIND_SONAME, RTLD_NOW | RTLD_LOCAL);

	if (unw.ready)
		return 0;
	if (lib == NULL) {
		dlerror();
		return -ENOENT;
	}
	*(void **)&unw.init_local = dlsym(lib, UNW_SYMBOL(unw_init_local));
	*(void **)&unw.step = dlsym(lib, UNW_SYMBOL(unw_step));
	*(void **)&unw.get_reg = dlsym(lib, UNW_SYMBOL(unw_get_reg));
	*(void **)&unw.get_save_loc = dlsym(lib, UNW_SYMBOL(unw_get_save_loc));
	*(void **)&unw.is_signal_frame = dlsym(lib, UNW_SYMBOL(unw_is_signal_frame));
	*(void **)&unw.flush_cache = dlsym(lib, UNW_SYMBOL(unw_flush_cache));
	*(void **)&unw.get_accessors = dlsym(lib, UNW_SYMBOL(unw_get_accessors));
	unw.local = dlsym(lib, UNW_SYMBOL(unw_local_addr_space));
	if (unw.init_local == NULL || unw.step == NULL || unw.get_reg == NULL || unw.get_save_loc == NULL ||
	    unw.is_signal_frame == NULL) {
		dlclose(lib);
		return -ENOENT;
	}
#if ARCH_GETCONTEXT
	*(void **)&unw.get_context = dlsym(lib, UNW_SYMBOL(unw_tdep_getcontext));
	if (unw.get_context == NULL) {
		dlclose(lib);
		return -ENOENT;
	}
#endif
	probe_install(lib);
	replace_access();
	unw.ready = true;
	return 0;
}

void capture_on(void *end, uintptr_t stack_end, void (*work)(void *), void *data)
{
	struct capture *c = (struct capture *)(((uintptr_t)end - sizeof(*c)) & ~(uintptr_t)63);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	c->low = stack_end > here ? here - CAPTURE_FRAME : 0;
	c->high = stack_end > here ? stack_end : 0;
	memset(c->pages, 0, sizeof(c->pages));
	if (unw.ready) {
#if ARCH_GETCONTEXT
		unw.get_context(&c->context);
#else
		unw_getcontext(&c->context);
#endif
	}
	__atomic_store_n(&going_on, c, __ATOMIC_RELAXED);
	if (recorder.valgrind)
		work(data);
	else
		arch_call_on(c, work, data);
	__atomic_store_n(&going_on, NULL, __ATOMIC_RELAXED);
}

size_t capture_frames(struct captured_frame *out, size_t max, uintptr_t site, bool *ret_end)
{
	struct capture *c = going_on;
	unw_cursor_t *cursor = &c->cursor;
	size_t n = 0;
	int own = 0, r = 0;

	if (!unw.ready || unw.init_local(cursor, &c->context) < 0)
		return 0;
	*ret_end = false;
	while (n < max) {
		/* the frame left by this step was interrupted code's handler */
		bool signal = unw.is_signal_frame(cursor) > 0;
		unw_save_loc_t where;
		unw_word_t ip;

		r = unw.step(cursor);
		if (r <= 0)
			break;
		if (unw.get_reg(cursor, UNW_REG_IP, &ip) < 0 || ip == 0) {
			r = 0;
			break;
		}
		if (n == 0 && ip != site) {
			if (++own > OWN_FRAMES_MAX)
				return 0;
			continue;
		}
		out[n].ip = ip;
		out[n].exact = signal;
		out[n].slot = 0;
		if (unw.get_save_loc(cursor, UNW_REG_IP, &where) == 0 && where.type == UNW_SLT_MEMORY)
			out[n].slot = where.u.addr;
		n++;
	}
	if (n < max && r == 0)
		*ret_end = true;
	return n;
}

void capture_flush(void)
{
	if (unw.ready && unw.flush_cache != NULL && unw.local != NULL)
		unw.flush_cache(*unw.local, 0, 0);
}
