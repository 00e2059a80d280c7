/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The terminal of mutrace top: its alternate screen, keys, its size. Signal handlers only note what came. Called by
 * top.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "src/cmd/top.h"
#include "src/session/ticks.h"

#define FILTER_SIZE 64
#define INTERVAL_LEAST 100u
#define INTERVAL_MOST 60000u
#define WAIT_LINES 6u

#define SHOW_SCREEN "\033[?1049h\033[?25l"
#define HIDE_SCREEN "\033[?25h\033[?1049l"

struct screen {
	struct top *top;
	struct termios usual;
	unsigned int width, height;
	char filter[FILTER_SIZE];
	size_t first; /* row that is on top */
	bool quit;
};

static volatile sig_atomic_t ended, resized, stopped;

static void on_signal(int signal)
{
	if (signal == SIGWINCH)
		resized = 1;
	else if (signal == SIGTSTP)
		stopped = 1;
	else
		ended = signal;
}

static void put(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
}

static void size_read(struct screen *s)
{
	struct winsize w;

	s->width = 80;
	s->height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
		s->width = w.ws_col;
		s->height = w.ws_row;
	}
}

static void screen_begin(struct screen *s)
{
	struct termios raw = s->usual;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(SHOW_SCREEN, strlen(SHOW_SCREEN));
	size_read(s);
}

static void screen_end(const struct screen *s)
{
	put(HIDE_SCREEN, strlen(HIDE_SCREEN));
	tcsetattr(STDIN_FILENO, TCSANOW, &s->usual);
}

static void signals_catch(void)
{
	static const int caught[] = { SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction a = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaction(caught[i], &a, NULL);
}

/* Lines of any length, cut to the screen. */
struct frame {
	FILE *f;
	char *text;
	size_t size;
};

/* How many lines were left, after so many of the text were drawn. */
static unsigned int lines_draw(FILE *to, const char *text, unsigned int width, unsigned int lines)
{
	while (*text && lines > 0) {
		unsigned int column = 0;

		for (; *text && *text != '\n'; text++)
			if (column < width || (*text & 0xc0) == 0x80) {
				column += (*text & 0xc0) != 0x80;
				putc(*text, to);
			}
		fputs("\033[K\033[m", to);
		lines--;
		if (*text)
			text++;
		if (lines > 0)
			fputs("\r\n", to);
	}
	return lines;
}

static unsigned int part_draw(const struct screen *s, FILE *to, unsigned int lines,
			      void (*print)(FILE *out, const struct screen *s))
{
	struct frame part = { .text = NULL };

	part.f = open_memstream(&part.text, &part.size);
	if (!part.f)
		return lines;
	print(part.f, s);
	if (fclose(part.f) == 0)
		lines = lines_draw(to, part.text, s->width, lines);
	free(part.text);
	return lines;
}

static void print_top(FILE *out, const struct screen *s)
{
	top_print_head(out, s->top);
	if (s->top->typing)
		fprintf(out, "filter: %s_\n", s->filter);
	else
		fprintf(out, "order: %s%s%s   every %.1f s   ? help\n", top_order_names[s->top->choice.order],
			s->filter[0] ? "   filter: " : "", s->filter, (double)s->top->interval_ms / 1000);
}

static void print_titles(FILE *out, const struct screen *s)
{
	top_print_titles(out, s->top, s->width);
}

static void print_below(FILE *out, const struct screen *s)
{
	putc('\n', out);
	if (s->top->help)
		top_print_help(out);
	else if (s->top->details)
		top_print_details(out, s->top);
	else
		top_print_waits(out, s->top, WAIT_LINES);
}

static unsigned int rows_draw(struct screen *s, FILE *to, unsigned int lines, unsigned int below)
{
	unsigned int room = lines > below + 1 ? lines - below : 1;
	const struct top_rows *rows = &s->top->rows;

	if (s->top->rows.selected < s->first)
		s->first = s->top->rows.selected;
	if (s->top->rows.selected >= s->first + room)
		s->first = s->top->rows.selected - room + 1;
	for (size_t i = s->first; i < rows->n_shown && room > 0; i++, room--, lines--) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		if (!f)
			break;
		top_print_row(f, s->top, &rows->rows[rows->shown[i]], s->width);
		fclose(f);
		if (i == s->top->rows.selected)
			fputs("\033[7m", to);
		lines_draw(to, text, s->width, 1);
		fputs("\r\n", to);
		free(text);
	}
	return lines;
}

static void draw(struct screen *s)
{
	unsigned int lines = s->height, below = s->top->details ? 15 : s->top->help ? 4 : WAIT_LINES + 1;
	struct frame all = { .text = NULL };

	all.f = open_memstream(&all.text, &all.size);
	if (!all.f)
		return;
	fputs("\033[H", all.f);
	lines = part_draw(s, all.f, lines, print_top);
	fputs("\033[1m", all.f);
	lines = part_draw(s, all.f, lines, print_titles);
	lines = rows_draw(s, all.f, lines, below);
	part_draw(s, all.f, lines, print_below);
	fputs("\033[J", all.f);
	if (fclose(all.f) == 0)
		put(all.text, all.size);
	free(all.text);
}

static void rows_again(struct screen *s)
{
	s->top->choice.filter = s->filter;
	top_rows_make(&s->top->rows, s->top->refresh, &s->top->names, &s->top->choice);
}

/* A key while a filter is typed. */
static void key_type(struct screen *s, int key)
{
	size_t n = strlen(s->filter);

	if (key == '\r' || key == '\n') {
		s->top->typing = NULL;
	} else if (key == '\033') {
		s->filter[0] = 0;
		s->top->typing = NULL;
	} else if (key == 127 || key == '\b') {
		s->filter[n ? n - 1 : 0] = 0;
	} else if (key >= ' ' && key < 127 && n + 1 < sizeof(s->filter)) {
		s->filter[n] = (char)key;
		s->filter[n + 1] = 0;
	}
	s->top->rows.selected = 0;
	rows_again(s);
}

static void interval_change(struct top *t, bool longer)
{
	uint64_t ms = longer ? t->interval_ms * 2 : t->interval_ms / 2;

	t->interval_ms = ms < INTERVAL_LEAST ? INTERVAL_LEAST : ms > INTERVAL_MOST ? INTERVAL_MOST : ms;
}

static void details_toggle(struct top *t)
{
	char error[MODEL_ERROR_SIZE];

	t->details = !t->details;
	t->help = false;
	if (t->details && top_names_read(&t->names, t->refresh, error) == 0)
		top_rows_make(&t->rows, t->refresh, &t->names, &t->choice);
}

static void select_move(struct top_rows *rows, bool down)
{
	rows->pinned = true;
	if (down && rows->selected + 1 < rows->n_shown)
		rows->selected++;
	else if (!down && rows->selected > 0)
		rows->selected--;
}

static void key_command(struct screen *s, int key)
{
	struct top *t = s->top;

	switch (key) {
	case 'q': s->quit = true; break;
	case ' ': t->frozen = !t->frozen; break;
	case '/': t->typing = s->filter; break;
	case 'o': t->choice.order = (t->choice.order + 1) % TOP_ORDERS; break;
	case 'O': t->choice.order = (t->choice.order + TOP_ORDERS - 1) % TOP_ORDERS; break;
	case 'w': t->choice.work = !t->choice.work; break;
	case '+': interval_change(t, true); break;
	case '-': interval_change(t, false); break;
	case '?':
	case 'h': t->help = !t->help; break;
	case '\r':
	case '\n': details_toggle(t); break;
	case 'j': select_move(&t->rows, true); return;
	case 'k': select_move(&t->rows, false); return;
	default: return;
	}
	rows_again(s);
}

/* All keys that were pressed; arrows are an escape and two more. */
static void keys_read(struct screen *s)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n == 0) /* the terminal is gone */
		s->quit = true;
	for (ssize_t i = 0; i < n; i++) {
		bool sequence = keys[i] == '\033' && i + 2 < n && (keys[i + 1] == '[' || keys[i + 1] == 'O');

		if (sequence) {
			if (!s->top->typing)
				key_command(s, keys[i + 2] == 'A' ? 'k' : keys[i + 2] == 'B' ? 'j' : 0);
			i += 2;
		} else if (s->top->typing) {
			key_type(s, (unsigned char)keys[i]);
		} else {
			key_command(s, keys[i] == '\033' ? 'q' : (unsigned char)keys[i]);
		}
	}
}

static void signals_heed(struct screen *s)
{
	if (stopped) {
		stopped = 0;
		screen_end(s);
		raise(SIGSTOP);
		screen_begin(s);
	}
	if (resized) {
		resized = 0;
		size_read(s);
	}
	if (ended)
		s->quit = true;
}

static int refresh_if_due(struct screen *s, int (*refresh)(struct top *t), uint64_t *next)
{
	uint64_t now = ticks_monotonic_ns();
	int r = 0;

	if (now < *next)
		return 0;
	*next = now + s->top->interval_ms * 1000000u;
	if (!s->top->frozen && !s->top->ended)
		r = refresh(s->top);
	return r;
}

int top_screen(struct top *t, int (*refresh)(struct top *t))
{
	struct screen s = { .top = t };
	uint64_t next = ticks_monotonic_ns() + t->interval_ms * 1000000u;
	int r = 0;

	if (tcgetattr(STDIN_FILENO, &s.usual) < 0)
		return -errno;
	snprintf(s.filter, sizeof(s.filter), "%s", t->choice.filter);
	t->choice.filter = s.filter;
	signals_catch();
	screen_begin(&s);
	while (!s.quit && r == 0) {
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
		uint64_t now;

		draw(&s);
		now = ticks_monotonic_ns();
		if (poll(&in, 1, next > now ? (int)((next - now) / 1000000u) + 1 : 0) > 0)
			keys_read(&s);
		signals_heed(&s);
		r = refresh_if_due(&s, refresh, &next);
	}
	screen_end(&s);
	t->choice.filter = "";
	return r;
}
