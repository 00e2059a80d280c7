/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding and reading the chunks of an image file. Every number in it is doubted: a chunk counts only if it
 * says where it is, fits into the file and its items fit into it. Runs in mutrace. Called by image.c, items.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/load/image.h"
#include "src/session/chunks.h"

#define SLICE ((size_t)1024 * 1024) /* read at once */
#define ITEM_SIZE_MAX 65536u
#define RECORD_MAX 2048u /* bytes of the longest record that we know */

int file_open(int dir, const char *name, uint64_t *ret_size, unsigned int *ret_uid)
{
	struct stat st;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOTSUP;
	}
	*ret_size = (uint64_t)st.st_size;
	*ret_uid = st.st_uid;
	return fd;
}

int64_t file_read(int fd, void *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

/* True if the chunk header read at an offset can be one. */
static bool chunk_valid(const struct image *im, const struct chunk *c, uint64_t offset)
{
	return c->magic == CHUNK_MAGIC && c->offset == offset && c->size >= CHUNK_ALIGN &&
	       c->size % CHUNK_ALIGN == 0 && c->size <= im->size - offset && c->item_size != 0 &&
	       c->item_size <= ITEM_SIZE_MAX && c->item_size % REF_UNIT == 0 &&
	       (uint64_t)c->used * c->item_size <= c->size - sizeof(*c);
}

static int pages_extend(struct image *im, size_t n)
{
	uint32_t *p;

	if (n <= im->n_pages)
		return 0;
	p = reallocarray(im->pages, n, sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + im->n_pages, 0, (n - im->n_pages) * sizeof(*p));
	im->pages = p;
	im->n_pages = n;
	return 0;
}

int chunks_scan(struct image *im)
{
	uint64_t end = im->header.used < im->size ? im->header.used : im->size;
	uint64_t offset = im->scanned, page;
	struct chunk c;
	int64_t n;
	int r;

	end -= end % CHUNK_ALIGN;
	r = pages_extend(im, end / CHUNK_ALIGN);
	if (r < 0)
		return r;
	while (offset < end) {
		n = file_read(im->fd, &c, sizeof(c), offset);
		if (n < 0)
			return (int)n;
		if (n < (int64_t)sizeof(c))
			break;
		if (!chunk_valid(im, &c, offset) || offset + c.size > end) {
			offset += CHUNK_ALIGN; /* taken but never filled */
			continue;
		}
		r = array_grow(&im->chunks, im->n_chunks, &im->cap_chunks, sizeof(*im->chunks));
		if (r < 0)
			return r;
		im->chunks[im->n_chunks++] = (struct image_chunk){
			.offset = offset,
			.size = c.size,
			.type = c.type,
			.item_size = c.item_size,
			.used = c.used,
			.thread = c.thread,
			.first = MODEL_NONE,
			.stream = c.first,
		};
		for (page = offset; page < offset + c.size; page += CHUNK_ALIGN)
			im->pages[page / CHUNK_ALIGN] = (uint32_t)im->n_chunks;
		offset += c.size;
	}
	im->scanned = offset;
	return 0;
}

/* item_size: as we know it. Items of another writer may be longer; where they are shorter, zeros follow. */
static int chunk_read(struct image *im, struct image_chunk *c, size_t item_size, chunk_item take,
		      uint32_t *number)
{
	char whole[RECORD_MAX] = { 0 };
	size_t per_slice = SLICE / c->item_size, i, n;
	uint32_t done;
	int64_t got;
	int r;

	for (done = 0; done < c->used; done += (uint32_t)n) {
		n = c->used - done < per_slice ? c->used - done : per_slice;
		got = file_read(im->fd, im->buffer, n * c->item_size,
				c->offset + sizeof(struct chunk) + (uint64_t)done * c->item_size);
		if (got < 0)
			return (int)got;
		if ((size_t)got <
		    n * c->item_size) { /* became shorter meanwhile: only what is there counts */
			memset((char *)im->buffer + got, 0, n * c->item_size - (size_t)got);
			im->process->truncated = true;
		}
		for (i = 0; i < n; i++) {
			const char *item = (char *)im->buffer + i * c->item_size;

			if (c->item_size < item_size)
				item = memcpy(whole, item, c->item_size);
			r = take(im, c, item, (*number)++);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int chunks_each(struct image *im, uint32_t type, size_t item_size, chunk_item take)
{
	uint32_t number = 0;
	struct chunk now;
	size_t i;
	int r;

	if (!im->buffer) {
		im->buffer = malloc(SLICE);
		if (!im->buffer)
			return -ENOMEM;
	}
	for (i = 0; i < im->n_chunks; i++) {
		struct image_chunk *c = &im->chunks[i];

		if (c->type != type)
			continue;
		if (c->item_size < chunk_item_least(type)) {
			im->process->damaged++;
			continue;
		}
		/* a live file: what refers to items came before, so count the items as late as possible */
		if (file_read(im->fd, &now, sizeof(now), c->offset) == (int64_t)sizeof(now) &&
		    chunk_valid(im, &now, c->offset) && now.size == c->size && now.type == type &&
		    now.item_size == c->item_size && (now.used > c->used || now.first != c->stream)) {
			c->used = now.used;
			c->stream = now.first;
			c->thread = now.thread;
		}
		if (c->used > UINT32_MAX - 1 - number)
			return -EOVERFLOW;
		c->first = number;
		r = chunk_read(im, c, item_size, take, &number);
		if (r < 0)
			return r;
	}
	return 0;
}

uint32_t chunks_number(const struct image *im, uint32_t type, uint32_t ref)
{
	uint64_t offset = (uint64_t)ref * REF_UNIT, in;
	const struct image_chunk *c;

	if (ref == 0 || offset / CHUNK_ALIGN >= im->n_pages || im->pages[offset / CHUNK_ALIGN] == 0)
		return MODEL_NONE;
	c = &im->chunks[im->pages[offset / CHUNK_ALIGN] - 1];
	if (c->type != type || c->first == MODEL_NONE || offset < c->offset + sizeof(struct chunk))
		return MODEL_NONE;
	in = offset - c->offset - sizeof(struct chunk);
	if (in % c->item_size != 0 || in / c->item_size >= c->used)
		return MODEL_NONE;
	return c->first + (uint32_t)(in / c->item_size);
}
