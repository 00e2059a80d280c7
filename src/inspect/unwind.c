/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libunwind with accessors of our own: it sees the target's memory as it was read, so that nothing needs to be stopped and
 * core files are no special case. See unwind.h.
 */
#include "src/inspect/unwind.h"
#include "src/inspect/ehframe.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * In place of the C library's: libunwind 1.6 asks this of its own stack when it is set up, and later of memory of ours
 * alone. systemd kills services for that call (@system-service). The kernel reads the set before it refuses the first
 * argument, as in src/unwind/probe.c.
 */
int mincore(void *start, size_t size, unsigned char *present)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < size; at += page, present++) {
		if (syscall(SYS_rt_sigprocmask, ~0, (char *)start + at, NULL, sizeof(uint64_t)) < 0 &&
		    errno == EFAULT) {
			errno = ENOMEM;
			return -1;
		}
		*present = 1;
	}
	return 0;
}

/* Exported by libunwind, but not in its headers; perf uses it in the same way. */
#define search_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di, unw_proc_info_t *pi,
			int need_unwind_info, void *data);

/* How .eh_frame_hdr of every linker encodes what we need of it. */
#define ENCODED_UDATA4 0x03
#define ENCODED_TABLE 0x3b /* sdata4, relative to its start */
#define TABLE_ENTRY 8
#define MADE_TABLE ((unw_word_t)1 << (sizeof(unw_word_t) * 8 - 1) | 0x40000000)

struct unwinder {
	struct target *target;
	unw_addr_space_t space;
	/* of the walk in progress */
	const struct registers *registers;
	const struct stop *copy;
	bool missing;
	/* of the last search, see info_made() */
	const void *table;
	uint64_t table_size;
};

/* The table that the linker made. */
static bool info_linked(struct unwinder *u, const struct module *m, unw_dyn_info_t *di)
{
	uint8_t head[4];
	uint32_t count;
	uint64_t at;

	if (!m->header || target_read(u->target, m->header, head, sizeof(head)) < 0 || head[0] != 1 ||
	    head[2] != ENCODED_UDATA4 || head[3] != ENCODED_TABLE)
		return false;
	at = m->header + sizeof(head) + ((head[1] & 0x07) == 0x04 ? 8 : 4);
	if (target_u32(u->target, at, &count) < 0 || count == 0)
		return false;
	di->u.rti.segbase = m->header;
	di->u.rti.table_data = at + 4;
	di->u.rti.table_len = count * (uint64_t)TABLE_ENTRY / sizeof(unw_word_t);
	return true;
}

/* A table of ours. libunwind reads it like the target's memory, at an address where no program has any. */
static bool info_made(struct unwinder *u, struct module *m, unw_dyn_info_t *di)
{
	if (!m->table && !m->no_table) {
		m->table = ehframe_table(u->target, m, &m->n_table);
		m->no_table = !m->table;
	}
	if (!m->table)
		return false;
	u->table = m->table;
	u->table_size = m->n_table * sizeof(*m->table);
	di->u.rti.segbase = m->start;
	di->u.rti.table_data = MADE_TABLE;
	di->u.rti.table_len = u->table_size / sizeof(unw_word_t);
	return true;
}

static int find_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *data)
{
	struct unwinder *u = data;
	struct module *m = target_module(u->target, ip);
	unw_dyn_info_t di = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };

	if (!m || !(info_linked(u, m, &di) || info_made(u, m, &di)))
		return -UNW_ENOINFO;
	di.start_ip = m->start;
	di.end_ip = m->end;
	return search_table(as, ip, &di, pi, need, data);
}

static void put_info(unw_addr_space_t as, unw_proc_info_t *pi, void *data)
{
	(void)as, (void)pi, (void)data;
}

static int no_list(unw_addr_space_t as, unw_word_t *ret, void *data)
{
	(void)as, (void)ret, (void)data;
	return -UNW_ENOINFO;
}

static int read_word(unw_addr_space_t as, unw_word_t at, unw_word_t *value, int write, void *data)
{
	struct unwinder *u = data;
	const struct stop *c = u->copy;

	(void)as;
	if (write)
		return -UNW_EINVAL;
	if (u->table && at >= MADE_TABLE && at - MADE_TABLE + sizeof(*value) <= u->table_size) {
		memcpy(value, (const uint8_t *)u->table + (at - MADE_TABLE), sizeof(*value));
		return 0;
	}
	if (c && at >= c->base && at - c->base + sizeof(*value) <= c->size) {
		memcpy(value, c->stack + (at - c->base), sizeof(*value));
		return 0;
	}
	return target_read(u->target, at, value, sizeof(*value)) < 0 ? -UNW_EINVAL : 0;
}

static int read_register(unw_addr_space_t as, unw_regnum_t number, unw_word_t *value, int write, void *data)
{
	struct unwinder *u = data;

	(void)as;
	if (write || number < 0 || number >= ARCH_REGISTERS_MAX || !(u->registers->known >> number & 1)) {
		u->missing = true;
		return -UNW_EBADREG;
	}
	*value = (unw_word_t)u->registers->value[number];
	return 0;
}

static int read_float(unw_addr_space_t as, unw_regnum_t number, unw_fpreg_t *value, int write, void *data)
{
	(void)as, (void)number, (void)value, (void)write, (void)data;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *data)
{
	(void)as, (void)cursor, (void)data;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t at, char *out, size_t size, unw_word_t *offset, void *data)
{
	(void)as, (void)at, (void)out, (void)size, (void)offset, (void)data;
	return -UNW_ENOINFO;
}

/* libunwind asks from 1.8 on. Before, stacks of programs that sign their return addresses end early. */
#if UNW_VERSION >= UNW_VERSION_CODE(1, 8)
static unw_word_t signature(unw_addr_space_t as, void *data)
{
	(void)as, (void)data;
	return (unw_word_t)arch_signature;
}
#endif

int unwinder_new(struct target *t, struct unwinder **ret)
{
	unw_accessors_t accessors = {
		.find_proc_info = find_info,
		.put_unwind_info = put_info,
		.get_dyn_info_list_addr = no_list,
		.access_mem = read_word,
		.access_reg = read_register,
		.access_fpreg = read_float,
		.resume = resume,
		.get_proc_name = no_name,
#if UNW_VERSION >= UNW_VERSION_CODE(1, 8)
		.ptrauth_insn_mask = signature,
#endif
	};
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->target = t;
	u->space = unw_create_addr_space(&accessors, 0);
	if (!u->space) {
		free(u);
		return -ENOMEM;
	}
	unw_set_caching_policy(u->space, UNW_CACHE_GLOBAL);
	*ret = u;
	return 0;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	unw_destroy_addr_space(u->space);
	free(u);
}

void unwinder_walk(struct unwinder *u, const struct registers *r, const struct stop *copy,
		   struct unwound *ret)
{
	unw_cursor_t cursor;
	unw_word_t value;
	bool exact = true;

	ret->n = 0;
	u->registers = r;
	u->copy = copy;
	u->missing = false;
	if (unw_init_remote(&cursor, u->space, u) < 0)
		return;
	do {
		if (unw_get_reg(&cursor, UNW_REG_IP, &value) < 0 || value == 0)
			break;
		ret->pc[ret->n] = value;
		if (unw_get_reg(&cursor, UNW_REG_SP, &value) < 0)
			break;
		ret->sp[ret->n] = value;
		if (ret->n > 0 && value < ret->sp[ret->n - 1])
			break; /* stacks go one way */
		exact = exact || unw_is_signal_frame(&cursor) > 0;
		ret->exact[ret->n++] = exact;
		exact = unw_is_signal_frame(&cursor) > 0;
	} while (ret->n < UNWIND_MAX && unw_step(&cursor) > 0);
	ret->incomplete = u->missing;
}

void unwinder_walk_asleep(struct unwinder *u, const struct registers *r, struct unwound *ret)
{
	const struct module *m;

	unwinder_walk(u, r, NULL, ret);
	m = ret->n > 1 ? target_module(u->target, ret->pc[0]) : NULL;
	if (!m || strcmp(m->path, "[vdso]") != 0)
		return;
	ret->n--;
	memmove(ret->pc, ret->pc + 1, ret->n * sizeof(ret->pc[0]));
	memmove(ret->sp, ret->sp + 1, ret->n * sizeof(ret->sp[0]));
	memmove(ret->exact, ret->exact + 1, ret->n * sizeof(ret->exact[0]));
}
