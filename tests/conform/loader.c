/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dynamic loader: libraries that lock while they are loaded and unloaded, lookups by name and version,
 * paths that depend on who calls dlopen().
 */
#include "conform.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;

static void *load(void)
{
	char path[PATH_MAX];
	void *lib = dlopen(beside("late.so", path, sizeof(path)), RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		case_unable(dlerror());
	return lib;
}

static void loaded(long leave)
{
	for (int i = 0; i < 20; i++) {
		void *lib = load();
		int (*use)(void) = (int (*)(void))dlsym(lib, "late_use");

		VALUE(use());
		if (leave)
			break; /* its destructor runs in exit() */
		VALUE(dlclose(lib));
	}
}

static void contender(struct worker *w)
{
	worker_mark(w);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
}

static void contend(pthread_mutex_t *m)
{
	struct worker w;

	pthread_mutex_lock(m);
	worker_start(&w, contender, m, 0);
	worker_asleep(&w, 1);
	pthread_mutex_unlock(m);
	worker_join(&w);
}

static void loading_body(struct worker *w)
{
	worker_mark(w);
	dlclose(load());
}

/*
 * A constructor waits for a lock under the loader's lock, and the holder of that lock waits for others
 * meanwhile: who unwinds stacks with the loader's lock does not come back from here.
 */
static void constructor_waits(long arg)
{
	char address[32];
	struct worker w;

	(void)arg;
	snprintf(address, sizeof(address), "%lx", (unsigned long)&mutex);
	setenv("CONFORM_GATE", address, 1);
	for (int i = 0; i < 5; i++) {
		TRY(pthread_mutex_lock(&mutex));
		worker_start(&w, loading_body, NULL, 0);
		worker_asleep(&w, 1);
		contend(&other);
		TRY(pthread_mutex_unlock(&mutex));
		worker_join(&w);
	}
}

static int wait_in_callback(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	worker_mark(data);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	return 1;
}

static void iterating_body(struct worker *w)
{
	w->result = dl_iterate_phdr(wait_in_callback, w);
}

/*
 * Likewise below dl_iterate_phdr(), which holds the lock of the list of objects meanwhile. libunwind asks for
 * that list at the first sight of a place: whoever lets it have the C library's hangs here.
 */
static void callback_waits(long arg)
{
	struct worker w;

	(void)arg;
	TRY(pthread_mutex_lock(&mutex));
	worker_start(&w, iterating_body, NULL, 0);
	worker_asleep(&w, 1);
	contend(&other);
	TRY(pthread_mutex_unlock(&mutex));
	worker_join(&w);
	VALUE(w.result);
}

static atomic_int stop;

static void cycling_body(struct worker *w)
{
	for (int i = 0; i < 150; i++) {
		void *lib = load();

		((int (*)(void))dlsym(lib, "late_use"))();
		w->result += dlclose(lib) == 0;
	}
	atomic_store(&stop, 1);
}

static void busy_body(struct worker *w)
{
	while (!atomic_load(&stop)) {
		pthread_mutex_lock(w->object);
		usleep(50);
		pthread_mutex_unlock(w->object);
	}
}

/* Loading and unloading while others contend. */
static void cycled(long arg)
{
	struct worker w, busy[2];

	(void)arg;
	for (int i = 0; i < 2; i++)
		worker_start(&busy[i], busy_body, &other, 0);
	worker_start(&w, cycling_body, NULL, 0);
	worker_join(&w);
	for (int i = 0; i < 2; i++)
		worker_join(&busy[i]);
	VALUE(w.result);
}

/*
 * The C library unloads converters and the like by itself; no wrapper of dlclose() sees it. A profiler that
 * then goes through its list of objects, because another one came, must not read the one that is gone.
 */
static void unloaded_unseen(long arg)
{
	int (*unload)(void *) =
		(int (*)(void *))dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "dlclose");
	void *lib = load();
	Dl_info info;

	(void)arg;
	VALUE(dladdr(dlsym(lib, "late_use"), &info) != 0);
	VALUE(unload(lib));
	VALUE(mmap(info.dli_fbase, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) != MAP_FAILED);
	lib = dlopen("conform-found.so", RTLD_NOW);
	VALUE(((int (*)(void))dlsym(lib, "late_use"))());
}

/* The name alone is found by the run path of the program that calls dlopen(), not by that of who wraps it. */
static void by_run_path(long arg)
{
	void *lib = dlopen("conform-found.so", RTLD_NOW);

	(void)arg;
	VALUE(!!lib);
	say("%s", lib ? "no error" : dlerror());
}

static void by_name(long arg)
{
	int (*lock)(pthread_mutex_t *), (*unlock)(pthread_mutex_t *);
	Dl_info info;

	(void)arg;
	lock = (int (*)(pthread_mutex_t *))dlsym(RTLD_DEFAULT, "pthread_mutex_lock");
	unlock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	TRY(lock(&mutex));
	TRY(pthread_mutex_trylock(&mutex));
	TRY(unlock(&mutex));
	TRY(pthread_mutex_trylock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
	VALUE(dladdr((void *)(unsigned long)by_name, &info) != 0);
	VALUE(!dlsym(RTLD_DEFAULT, "pthread_no_such_thing"));
	VALUE(!!dlerror());
	VALUE(!dlerror());
	VALUE(dlclose(dlopen(NULL, RTLD_NOW)));
}

#if defined(__x86_64__) && defined(__LP64__)
#define OLDEST "GLIBC_2.2.5"
#define NEWER "GLIBC_2.3.2"

/* Both versions of a condition, asked for by dlvsym() as language runtimes do. */
static void by_version(long newer)
{
	const char *version = newer ? NEWER : OLDEST;
	struct timespec past = { .tv_sec = 1 };
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	int (*signal)(pthread_cond_t *), (*broadcast)(pthread_cond_t *), (*destroy)(pthread_cond_t *);
	int (*timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

	signal = (int (*)(pthread_cond_t *))dlvsym(RTLD_DEFAULT, "pthread_cond_signal", version);
	broadcast = (int (*)(pthread_cond_t *))dlvsym(RTLD_DEFAULT, "pthread_cond_broadcast", version);
	destroy = (int (*)(pthread_cond_t *))dlvsym(RTLD_DEFAULT, "pthread_cond_destroy", version);
	timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *,
			     const struct timespec *))dlvsym(RTLD_DEFAULT, "pthread_cond_timedwait", version);
	VALUE(signal && broadcast && destroy && timedwait);
	TRY(pthread_mutex_lock(&mutex));
	TRY(timedwait(&c, &mutex, &past));
	TRY(pthread_mutex_unlock(&mutex));
	TRY(signal(&c));
	TRY(broadcast(&c));
	TRY(destroy(&c));
}
#endif

static int count_objects(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	/* called back under the loader's lock; the program may lock here */
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	if (info->dlpi_name[0] == '\0')
		++*(int *)data;
	return info->dlpi_phnum == 0 ? 17 : 0;
}

static int stop_at_once(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	(void)data;
	return 23;
}

static void objects(long arg)
{
	int programs = 0;

	(void)arg;
	VALUE(dl_iterate_phdr(count_objects, &programs));
	VALUE(programs);
	VALUE(dl_iterate_phdr(stop_at_once, NULL));
}

static void dlclose_errors(long arg)
{
	void *lib = load();

	(void)arg;
	VALUE(dlclose(lib));
	VALUE(!dlopen("/does/not/exist.so", RTLD_NOW));
	VALUE(!!dlerror());
}

void family_loader(void)
{
	case_add(loaded, 0, "loader/loaded");
	case_add(loaded, 1, "loader/loaded_and_left");
	CASE("loader", constructor_waits);
	CASE("loader", callback_waits);
	CASE("loader", cycled);
	CASE("loader", unloaded_unseen);
	CASE("loader", by_run_path);
	CASE("loader", by_name);
#ifdef OLDEST
	case_add(by_version, 0, "loader/by_version/old");
	case_add(by_version, 1, "loader/by_version/new");
#endif
	CASE("loader", objects);
	CASE("loader", dlclose_errors);
}
