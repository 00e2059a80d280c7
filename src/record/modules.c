/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The loaded objects, see modules.h. Objects that the loader mapped behind our back (plugins of libc, of
 * which no wrapper sees the dlopen) are found through _dl_find_object, which takes no lock.
 */
#include "config.h"

#include "src/arch/valgrind.h"
#include "src/record/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/record/chunks.h"
#include "src/record/clock.h"
#include "src/record/memory.h"
#include "src/record/procinfo.h"
#include "src/record/recorder.h"
#include "src/record/raw.h"

#define HEADERS_MAX 16

struct module {
	uintptr_t base, start, end;
	const ElfW(Phdr) * phdr; /* in the object's memory; must not be read, as the object may be gone */
	ElfW(Phdr) *
		headers; /* those that unwinding needs, room for HEADERS_MAX; goes with the place in the list */
	uint16_t n_headers;
	bool loaded;
	bool nameless; /* the vdso, which the loader does not find */
	uint32_t ref;  /* of its module_rec in the present image */
	uint32_t flags;
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_size;
	const char *path; /* where the loader keeps it; valid while loaded */
};

#define MODULES_MAX 4096
/* Ordinary memory, so that a forked child can list its objects without asking the loader. */
static struct module *modules;
static uint32_t module_count;
static bool any_gone; /* since the last sweep */
static struct arena module_arena;

#ifdef HAVE_DL_FIND_OBJECT
extern int _dl_find_object(void *, struct dl_find_object *) __attribute__((weak));
#endif

/*
 * The wrapper of dlclose() does not see all: the C library unloads converters and the like by itself, and
 * another thread may be in dlclose() now. Notes it if the object is gone.
 */
static bool is_gone(struct module *m)
{
#ifdef HAVE_DL_FIND_OBJECT
	struct dl_find_object found;

	if (!m->loaded)
		return true;
	if (_dl_find_object == NULL || m->path == NULL)
		return false;
	if (_dl_find_object((void *)m->start, &found) == 0
		    ? found.dlfo_link_map->l_addr == m->base &&
			      (m->flags & MODULE_MAIN || found.dlfo_link_map->l_name == m->path)
		    : m->nameless)
		return false;
	m->loaded = false;
	any_gone = true;
	if (m->ref != 0)
		((struct module_rec *)REF_POINTER(m->ref))->unloaded_ticks = clock_now();
	return true;
#else
	return !m->loaded;
#endif
}

static struct module *known(uintptr_t ip)
{
	for (uint32_t i = 0; i < module_count; i++)
		if (modules[i].loaded && ip >= modules[i].start && ip < modules[i].end &&
		    !is_gone(&modules[i]))
			return &modules[i];
	return NULL;
}

static void read_build_id(struct module *m, uint16_t phnum)
{
	for (int i = 0; i < phnum; i++) {
		const ElfW(Phdr) *p = &m->phdr[i];
		const char *at, *end;

		if (p->p_type != PT_NOTE)
			continue;
		at = (const char *)(m->base + p->p_vaddr);
		end = at + p->p_memsz;
		while (at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)at;
			const char *name = at + sizeof(*n);
			const char *desc = name + ((n->n_namesz + 3) & ~3u);

			if (desc + n->n_descsz > end || desc < name)
				break;
			if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
			    n->n_descsz <= BUILD_ID_MAX) {
				memcpy(m->build_id, desc, n->n_descsz);
				m->build_id_size = n->n_descsz;
				return;
			}
			at = desc + ((n->n_descsz + 3) & ~3u);
		}
	}
}

/* Enters a module into the session. */
static void write_record(struct module *m, uint32_t tid)
{
	struct module_rec *r = arena_take(&module_arena, CHUNK_MODULES, sizeof(*r), 0, tid);

	if (r == NULL)
		return;
	r->base = m->base;
	r->start = m->start;
	r->end = m->end;
	r->loaded_ticks = clock_now();
	r->build_id_size = m->build_id_size;
	memcpy(r->build_id, m->build_id, sizeof(r->build_id));
	r->flags = m->flags;
	if (m->flags & MODULE_MAIN)
		memcpy(r->path, recorder.header->program, sizeof(r->path));
	else if (m->path != NULL && m->path[0] == '/' && strlen(m->path) < sizeof(r->path))
		strcpy(r->path, m->path);
	else if (m->path != NULL && strchr(m->path, '/') != NULL && strlen(m->path) < sizeof(r->path) / 2 &&
		 getcwd(r->path, sizeof(r->path) / 2) != NULL)
		strcat(strcat(r->path, "/"), m->path); /* relative to where dlopen was called */
	arena_publish(&module_arena);
	m->ref = POINTER_REF(r);
}

/* Room for an object's headers; like the list itself, fork copies it. NULL if there is none. */
static ElfW(Phdr) * headers_take(void)
{
	static ElfW(Phdr) * pool;
	static size_t left;
	ElfW(Phdr) * taken;

	if (left == 0) {
		pool = mmap(NULL, 64 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pool == MAP_FAILED)
			return NULL;
		valgrind_ignore(pool, 64 * 1024);
		left = 64 * 1024 / (HEADERS_MAX * sizeof(*pool));
	}
	taken = pool;
	pool += HEADERS_MAX;
	left--;
	return taken;
}

static struct module *add(uintptr_t base, const ElfW(Phdr) * phdr, uint16_t phnum, const char *path,
			  uint32_t tid)
{
	static char self_marker;
	struct module m = { .base = base, .phdr = phdr, .path = path, .loaded = true };
	struct module *place = NULL;
	bool first = true;

	for (int i = 0; i < phnum; i++) {
		if (phdr[i].p_type == PT_LOAD) {
			uintptr_t from = base + phdr[i].p_vaddr, to = from + phdr[i].p_memsz;

			if (first || from < m.start)
				m.start = from;
			if (first || to > m.end)
				m.end = to;
			first = false;
		}
	}
	if (first)
		return NULL;
	if (modules == NULL) {
		modules = mmap(NULL, MODULES_MAX * sizeof(*modules), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (modules == MAP_FAILED)
			modules = NULL;
		else
			valgrind_ignore(modules, MODULES_MAX * sizeof(*modules));
	}
	for (uint32_t i = 0; modules != NULL && i < module_count && place == NULL; i++)
		if (!modules[i].loaded)
			place = &modules[i];
	if (place == NULL && modules != NULL && module_count < MODULES_MAX)
		place = &modules[module_count];
	m.headers = place == NULL ? NULL : place->headers != NULL ? place->headers : headers_take();
	if (m.headers == NULL) {
		image_lost(LOSS_MEMORY);
		return NULL;
	}
	for (int i = 0; i < phnum && m.n_headers < HEADERS_MAX; i++)
		if (phdr[i].p_type == PT_LOAD || phdr[i].p_type == PT_DYNAMIC ||
		    phdr[i].p_type == PT_GNU_EH_FRAME)
			m.headers[m.n_headers++] = phdr[i];
	if ((uintptr_t)&self_marker >= m.start && (uintptr_t)&self_marker < m.end)
		m.flags |= MODULE_OURS;
	if (phdr == (const ElfW(Phdr) *)getauxval(AT_PHDR))
		m.flags |= MODULE_MAIN;
	m.nameless = m.flags == 0 && path != NULL && path[0] == '\0';
	read_build_id(&m, phnum);
	write_record(&m, tid);
	*place = m;
	if (place == &modules[module_count])
		__atomic_store_n(&module_count, module_count + 1, __ATOMIC_RELEASE);
	return place;
}

static int scan_one(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	for (uint32_t i = 0; i < module_count; i++)
		if (modules[i].loaded && modules[i].phdr == info->dlpi_phdr)
			return 0;
	add(info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum, info->dlpi_name, *(uint32_t *)data);
	return 0;
}

void modules_scan(uint32_t tid)
{
	dl_iterate_phdr(scan_one, &tid);
}

uint32_t modules_find(uintptr_t ip, uint32_t tid, bool *ret_new)
{
	struct module *m = known(ip);

	if (ret_new != NULL)
		*ret_new = false;
#ifdef HAVE_DL_FIND_OBJECT
	if (m == NULL && _dl_find_object != NULL) {
		struct dl_find_object found;

		if (_dl_find_object((void *)ip, &found) == 0) {
			const ElfW(Ehdr) *e = found.dlfo_map_start;

			if (memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 &&
			    e->e_phentsize == sizeof(ElfW(Phdr))) {
				m = add(found.dlfo_link_map->l_addr,
					(const ElfW(Phdr) *)((const char *)e + e->e_phoff), e->e_phnum,
					found.dlfo_link_map->l_name, tid);
				if (m != NULL && ret_new != NULL)
					*ret_new = true;
			}
		}
	}
#endif
	return m != NULL ? m->ref : 0;
}

#ifdef HAVE_DL_FIND_OBJECT
static uintptr_t outside; /* the last page that lay in no object: locks are made side by side */
#endif

bool modules_data(uintptr_t address)
{
#ifdef HAVE_DL_FIND_OBJECT
	struct dl_find_object found;

	if (_dl_find_object != NULL) {
		if (address >> 12 == __atomic_load_n(&outside, __ATOMIC_RELAXED))
			return false;
		if (_dl_find_object((void *)address, &found) == 0)
			return true;
		__atomic_store_n(&outside, address >> 12, __ATOMIC_RELAXED);
		return false;
	}
#endif
	(void)address;
	return true;
}

bool modules_has(uintptr_t address)
{
#ifdef HAVE_DL_FIND_OBJECT
	struct dl_find_object found;

	return _dl_find_object != NULL && _dl_find_object((void *)address, &found) == 0;
#else
	(void)address;
	return false;
#endif
}

void modules_data_changing(void)
{
#ifdef HAVE_DL_FIND_OBJECT
	__atomic_store_n(&outside, 0, __ATOMIC_RELAXED);
#endif
}

bool modules_sweep(void)
{
	bool any;

	for (uint32_t i = 0; i < module_count; i++)
		if (modules[i].loaded)
			is_gone(&modules[i]);
	any = any_gone;
	any_gone = false;
	return any;
}

bool modules_gone(void)
{
	return any_gone;
}

void modules_rewrite(uint32_t tid)
{
	memset(&module_arena, 0, sizeof(module_arena));
	for (uint32_t i = 0; i < module_count; i++) {
		modules[i].ref = 0;
		if (!is_gone(&modules[i]))
			write_record(&modules[i], tid);
	}
}

int modules_iterate(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	uint32_t n = __atomic_load_n(&module_count, __ATOMIC_ACQUIRE);
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		/* The name is one that cannot be opened: libunwind would otherwise look into the file for a
		 * .debug_frame section, and allocate. */
		struct dl_phdr_info info = {
			.dlpi_addr = modules[i].base,
			.dlpi_name = "/dev/null/none",
			.dlpi_phdr = modules[i].headers,
			.dlpi_phnum = modules[i].n_headers,
			.dlpi_adds = 1,
		};

		if (!is_gone(&modules[i]))
			r = callback(&info, sizeof(info), data);
	}
	return r;
}
