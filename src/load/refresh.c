/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session that is being recorded, see refresh.h: its images, their chunks and locks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/load/model.h"
#include "src/load/refresh_private.h"
#include "src/session/chunks.h"
#include "src/session/ticks.h"

#define IMAGES_MOST 1024u

bool refresh_read_at(struct refresh *r, const struct follower *f, uint64_t offset, void *to, size_t size)
{
	r->bytes_read += size;
	return file_read(f->fd, to, size, offset) == (int64_t)size;
}

static void follower_free(struct follower *f)
{
	for (size_t i = 0; i < f->n_threads; i++) {
		for (size_t k = 0; k < f->threads[i].n_parts; k++)
			free(f->threads[i].parts[k].before);
		free(f->threads[i].parts);
	}
	free(f->threads);
	table_free(&f->thread_numbers);
	if (f->fd >= 0)
		close(f->fd);
}

void refresh_free(struct refresh *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_images; i++)
		follower_free(&r->priv->followers[i]);
	if (r->priv) {
		if (r->priv->dir >= 0)
			close(r->priv->dir);
		if (r->priv->context.hold >= 0)
			close(r->priv->context.hold);
		free(r->priv->followers);
		free(r->priv->buffer);
		table_free(&r->priv->lock_numbers);
	}
	free(r->priv);
	free(r->locks);
	free(r->changed);
	free(r->waits);
	free(r->images);
	free(r);
}

static int session_check(struct refresh *r, const char *path, char *error)
{
	struct session_context *c = &r->priv->context;
	unsigned int uid = 0;
	uint64_t size;

	r->priv->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->priv->dir < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(errno));
		return -errno;
	}
	c->hold = file_open(r->priv->dir, SESSION_FILE, &size, &uid);
	if (c->hold < 0 || file_read(c->hold, &c->file, sizeof(c->file), 0) != (int64_t)sizeof(c->file) ||
	    memcmp(c->file.magic, SESSION_FILE_MAGIC, sizeof(c->file.magic)) != 0 ||
	    c->file.byte_order != SESSION_BYTE_ORDER || c->file.format != SESSION_FORMAT) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is not a session of this version of mutrace", path);
		return -EBADMSG;
	}
	if (uid != geteuid()) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is another user's", path);
		return -EPERM;
	}
	if (c->file.config.watch) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is a session of matrace, which has no locks", path);
		return -EBADMSG;
	}
	c->have_file = true;
	c->have_boot_id = proc_boot_id(c->boot_id) == 0;
	return 0;
}

int refresh_open(const char *path, struct refresh **ret, char *error)
{
	struct refresh *r = calloc(1, sizeof(*r));
	int status = -ENOMEM;

	if (r)
		r->priv = calloc(1, sizeof(*r->priv));
	if (r && r->priv) {
		r->priv->dir = r->priv->context.hold = -1;
		status = session_check(r, path, error);
	} else {
		snprintf(error, MODEL_ERROR_SIZE, "out of memory");
	}
	if (status < 0)
		refresh_free(r);
	else
		*ret = r;
	return status;
}

static bool header_read(struct refresh *r, struct follower *f)
{
	struct image_header *h = &f->header;

	return refresh_read_at(r, f, 0, h, sizeof(*h)) &&
	       memcmp(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic)) == 0 && h->format == SESSION_FORMAT &&
	       h->byte_order == SESSION_BYTE_ORDER && h->pointer_size == sizeof(void *);
}

/* A file of the directory: an image that was not there before. */
static void image_add(struct refresh *r, const char *name)
{
	struct refresh_private *v = r->priv;
	struct follower f = { .scanned = CHUNK_ALIGN };
	struct refresh_image *im;
	unsigned int uid;
	uint64_t size;

	for (size_t i = 0; i < r->n_images; i++)
		if (strcmp(r->images[i].name, name) == 0)
			return;
	f.fd = file_open(v->dir, name, &size, &uid);
	if (f.fd < 0)
		return;
	if (uid != geteuid() || !header_read(r, &f) || f.header.state == IMAGE_EMPTY ||
	    strlen(name) >= sizeof(im->name) || r->n_images >= IMAGES_MOST ||
	    array_grow(&v->followers, r->n_images, &v->cap_followers, sizeof(f)) < 0 ||
	    array_grow(&r->images, r->n_images, &v->cap_images, sizeof(*r->images)) < 0) {
		close(f.fd);
		return;
	}
	ticks_rate_init(&f.rate, &f.header, &v->context);
	v->followers[r->n_images] = f;
	im = &r->images[r->n_images++];
	*im = (struct refresh_image){ .pid = f.header.pid };
	strcpy(im->name, name);
	memcpy(im->program, f.header.program, sizeof(im->program) - 1);
}

static int images_find(struct refresh *r)
{
	int fd = openat(r->priv->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((e = readdir(d)))
		if (strncmp(e->d_name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0)
			image_add(r, e->d_name);
	closedir(d);
	return 0;
}

static struct follower_thread *thread_of(struct follower *f, uint32_t ref)
{
	uint32_t number = table_get(&f->thread_numbers, ref, 0);

	if (number != TABLE_NONE)
		return &f->threads[number];
	if (array_grow(&f->threads, f->n_threads, &f->cap_threads, sizeof(*f->threads)) < 0 ||
	    table_put(&f->thread_numbers, ref, 0, (uint32_t)f->n_threads) < 0)
		return NULL;
	f->threads[f->n_threads] = (struct follower_thread){ .ref = ref };
	return &f->threads[f->n_threads++];
}

static void part_add(struct follower *f, const struct chunk *c)
{
	struct follower_thread *t;

	if (c->item_size < chunk_item_least(c->type) || c->thread == 0)
		return;
	t = thread_of(f, c->thread);
	if (!t || array_grow(&t->parts, t->n_parts, &t->cap_parts, sizeof(*t->parts)) < 0)
		return;
	t->parts[t->n_parts++] = (struct part){ .offset = c->offset,
						.type = c->type,
						.item_size = c->item_size,
						.most = (uint32_t)((c->size - sizeof(*c)) / c->item_size) };
	t->bytes += c->size;
}

/* The chunks that have come since. */
static void chunks_find(struct refresh *r, struct follower *f)
{
	struct chunk c;

	while (f->scanned < f->header.used) {
		if (!refresh_read_at(r, f, f->scanned, &c, sizeof(c)))
			return;
		if (c.magic != CHUNK_MAGIC || c.offset != f->scanned || c.size < CHUNK_ALIGN ||
		    c.size % CHUNK_ALIGN != 0 || c.size > f->header.used - f->scanned) {
			/* the last one may be being made just now */
			if (f->scanned + CHUNK_ALIGN >= f->header.used)
				return;
			f->scanned += CHUNK_ALIGN;
			continue;
		}
		if (c.type == CHUNK_THREAD)
			thread_of(f, (uint32_t)((f->scanned + sizeof(c)) / REF_UNIT));
		else if (c.type == CHUNK_CELLS || c.type == CHUNK_EDGES)
			part_add(f, &c);
		f->scanned += c.size;
	}
}

uint32_t refresh_lock_of(struct refresh *r, uint32_t image, uint32_t ref)
{
	struct refresh_private *v = r->priv;
	uint32_t number = table_get(&v->lock_numbers, image, ref);
	struct lock_rec rec;

	if (number != TABLE_NONE)
		return number;
	number = (uint32_t)r->n_locks;
	if (!refresh_read_at(r, &v->followers[image], (uint64_t)ref * REF_UNIT, &rec, sizeof(rec)) ||
	    rec.kind >= KIND_MAX || array_grow(&r->locks, r->n_locks, &v->cap_locks, sizeof(*r->locks)) < 0 ||
	    table_put(&v->lock_numbers, image, ref, number) < 0)
		return REFRESH_NONE;
	r->locks[r->n_locks++] =
		(struct refresh_lock){ .image = image,
				       .ref = ref,
				       .kind = rec.kind,
				       .address = rec.address & ~(uint64_t)LOCK_ADDRESS_BITS };
	return number;
}

struct refresh_counts *refresh_delta(struct refresh *r, uint32_t lock)
{
	struct refresh_lock *l = &r->locks[lock];

	if (!l->changed &&
	    array_grow(&r->changed, r->n_changed, &r->priv->cap_changed, sizeof(*r->changed)) == 0) {
		r->changed[r->n_changed++] = lock;
		l->changed = true;
	}
	return &l->delta;
}

/* Deltas as if nothing had changed. Those that are waited for stay in the list: their waits may end. */
static void changes_forget(struct refresh *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_changed; i++) {
		struct refresh_lock *l = &r->locks[r->changed[i]];

		l->delta = (struct refresh_counts){ 0 };
		l->waiters = 0;
		l->changed = l->ongoing_ns != 0;
		if (l->changed)
			r->changed[kept++] = r->changed[i];
	}
	r->n_changed = kept;
}

int refresh_read(struct refresh *r)
{
	uint64_t now = ticks_monotonic_ns(), last = r->priv->last_ns;
	bool alive = false;
	int status;

	r->bytes_read = 0;
	r->span_ns = now - (last ? last : r->priv->context.file.start_ns);
	r->priv->last_ns = now;
	changes_forget(r);
	r->n_waits = 0;
	status = images_find(r);
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < r->n_images; i++) {
		struct follower *f = &r->priv->followers[i];
		bool was = r->images[i].alive;

		r->images[i].alive = header_read(r, f) && image_alive(&f->header, f->rate.same_boot);
		if (!r->images[i].alive && !was && last)
			continue; /* over, and read after its end */
		chunks_find(r, f);
		refresh_count(r, i);
		alive = alive || r->images[i].alive;
	}
	return alive ? 0 : -ENOENT;
}
