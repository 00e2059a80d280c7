/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way to an engine (sym_engine.h), which normally runs in a child process: what libbfd does to it when a
 * file is damaged, or made to harm, is then no more than a lost answer. Runs in mutrace.
 */
#ifndef MUTRACE_SYMBOLS_SYM_LINK_H
#define MUTRACE_SYMBOLS_SYM_LINK_H

#include "src/symbols/sym_engine.h"

struct sym_link;

/* Starts an engine. spec and what it points to must outlive the link. in_process: without a child, for
 * debuggers and sanitizers; it is done so too if no child can be had. 0 or -errno. */
int sym_link_open(struct sym_link **ret, const struct sym_spec *spec, bool in_process);
/* Takes NULL. Ends the child and collects it. */
void sym_link_close(struct sym_link *link);

/* Sends a request, and does not wait. 0, or -EPIPE: the engine died. */
int sym_link_send(struct sym_link *link, const struct sym_buffer *request);
/* Waits for the reply to it. 0, -EPIPE: the engine died, or talks nonsense, -ENOMEM. */
int sym_link_receive(struct sym_link *link, struct sym_buffer *reply);

#endif
