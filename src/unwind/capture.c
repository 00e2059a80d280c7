/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stack capture with libunwind, see capture.h. Takes no lock of its own; called under stacks.c's. */
#include "config.h"

#define UNW_LOCAL_ONLY
#include "src/unwind/capture.h"
#include "src/unwind/probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <pthread.h>

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
/* libunwind.h renames its functions per architecture; this gives the renamed name as a string. */
#define UNW_SYMBOL(name) STRINGIFY(name)

#if defined(__x86_64__) || defined(__i386__)
#define CAPTURE_GETCONTEXT_CALL /* a function of the library; elsewhere the header has it inline */
#endif

/* Frames of ours between capture_frames() and the program, at most. */
#define OWN_FRAMES_MAX 12

static struct {
	int (*init_local)(unw_cursor_t *, unw_context_t *);
	int (*step)(unw_cursor_t *);
	int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
	int (*get_save_loc)(unw_cursor_t *, int, unw_save_loc_t *);
	int (*is_signal_frame)(unw_cursor_t *);
	void (*flush_cache)(unw_addr_space_t, unw_word_t, unw_word_t);
	unw_addr_space_t *local;
#ifdef CAPTURE_GETCONTEXT_CALL
	int (*get_context)(unw_context_t *);
#endif
	bool ready;
} unw;

int capture_open(void)
{
	void *lib = dlopen(LIBUNWIND_SONAME, RTLD_LAZY | RTLD_LOCAL);

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
	unw.local = dlsym(lib, UNW_SYMBOL(unw_local_addr_space));
	if (unw.init_local == NULL || unw.step == NULL || unw.get_reg == NULL || unw.get_save_loc == NULL ||
	    unw.is_signal_frame == NULL) {
		dlclose(lib);
		return -ENOENT;
	}
#ifdef CAPTURE_GETCONTEXT_CALL
	*(void **)&unw.get_context = dlsym(lib, UNW_SYMBOL(unw_tdep_getcontext));
	if (unw.get_context == NULL) {
		dlclose(lib);
		return -ENOENT;
	}
#endif
	probe_install(lib);
	unw.ready = true;
	return 0;
}

static inline __attribute__((always_inline)) size_t walk(struct captured_frame *out, size_t max,
							 uintptr_t site, bool *ret_end)
{
	unw_context_t context;
	unw_cursor_t cursor;
	size_t n = 0;
	int own = 0, r = 0;

	if (!unw.ready)
		return 0;
#ifdef CAPTURE_GETCONTEXT_CALL
	unw.get_context(&context);
#else
	unw_getcontext(&context);
#endif
	if (unw.init_local(&cursor, &context) < 0)
		return 0;
	*ret_end = false;
	while (n < max) {
		bool signal = unw.is_signal_frame(&cursor) >
			      0; /* the frame left by this step was interrupted code's handler */
		unw_save_loc_t where;
		unw_word_t ip;

		r = unw.step(&cursor);
		if (r <= 0)
			break;
		if (unw.get_reg(&cursor, UNW_REG_IP, &ip) < 0 || ip == 0) {
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
		if (unw.get_save_loc(&cursor, UNW_REG_IP, &where) == 0 && where.type == UNW_SLT_MEMORY)
			out[n].slot = where.u.addr;
		n++;
	}
	if (n < max && r == 0)
		*ret_end = true;
	return n;
}

size_t capture_frames(struct captured_frame *out, size_t max, uintptr_t site, bool *ret_end)
{
	int state;
	size_t n;

	/* libunwind may read and write a pipe to see whether memory is there: cancellation points, which a lock
	 * call must not be. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	n = walk(out, max, site, ret_end);
	pthread_setcancelstate(state, &state);
	return n;
}

void capture_flush(void)
{
	if (unw.ready && unw.flush_cache != NULL && unw.local != NULL)
		unw.flush_cache(*unw.local, 0, 0);
}
