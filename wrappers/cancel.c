/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Ends of waits by cancellation, see cancel.h. Runs in the cancelled thread, as a clean-up handler. */
#include "wrappers/cancel.h"

#include "src/record/events.h"

void cancellable_reopen(const struct cancellable *c, const struct wait *w)
{
	struct held *h;

	if (c->mutex_use.cell == 0)
		return;
	hold_begin(c->thread, c->mutex_use, c->mutex, SIDE_EXCLUSIVE, w);
	h = hold_find(c->thread, c->mutex);
	if (h != NULL)
		events_want(h);
}

void cancellable_unwound(void *data)
{
	struct cancellable *c = data;

	struct wait relock;

	if (c->use.cell == 0 || wait_outlived(c->thread, &c->wait))
		return;
	wait_end(c->thread, &c->wait);
	wait_part(c->thread, &c->wait,
		  &(struct wait_over){ .mutex = c->mutex_use, .left = cancellable_leave(c) }, &relock);
	wait_book(c->thread, &c->wait, true);
	cancellable_reopen(c, NULL);
}
