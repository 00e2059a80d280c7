/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * See byhand_options.h. The names are those of the command's options (src/cmd/options.c), and
 * tests/e2e/byhand.sh compares the two lists. What concerns the recording is parsed here; the rest is kept
 * for the report, where the command parses it. Runs in the profiled process, in the library's constructor;
 * takes no lock and allocates nothing.
 */
#include "src/record/byhand_options.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "src/record/raw.h"
#include "src/record/state.h"
#include "src/session/watched.h"

enum kind {
	KIND_FLAG,     /* uint32_t of the configuration, set to 1 */
	KIND_NUMBER,   /* uint32_t */
	KIND_SIZE,     /* uint64_t, with a suffix K, M or G */
	KIND_SECONDS,  /* uint32_t of milliseconds */
	KIND_CLASSES,  /* --also */
	KIND_THREADS,  /* --rt-threads */
	KIND_FOR,      /* --for */
	KIND_OUTPUT,   /* -o */
	KIND_REPORT,   /* for the report, with an argument */
	KIND_SHOW,     /* for the report, without one */
	KIND_EITHER,   /* for the report, with "=" and one, or without */
	KIND_IGNORED,  /* has an argument */
	KIND_NO_SENSE, /* means nothing here */
};

enum { MUTRACE = 1, MATRACE = 2, BOTH = 3 };

struct option {
	const char *name;
	char letter;
	uint8_t tools, kind;
	bool report; /* the report takes it, too */
	uint16_t offset;
	uint64_t min, max;
};

#define AT(member) offsetof(struct session_config, member)

static const struct option options[] = {
	{ "output", 'o', BOTH, KIND_OUTPUT, false, 0, 0, 0 },
	{ "frames", 0, BOTH, KIND_NUMBER, true, AT(frames), 1, FRAMES_MAX },
	{ "per-instance", 0, MUTRACE, KIND_FLAG, true, AT(per_instance), 0, 0 },
	{ "track-rt", 'r', MUTRACE, KIND_FLAG, false, AT(track_rt), 0, 0 },
	{ "trap", 0, MUTRACE, KIND_FLAG, false, AT(trap), 0, 0 },
	{ "sample-hold", 0, MUTRACE, KIND_NUMBER, false, AT(sample_hold), 0, UINT32_MAX },
	{ "contended-only", 0, MUTRACE, KIND_FLAG, false, AT(contended_only), 0, 0 },
	{ "no-libc-locks", 0, MUTRACE, KIND_FLAG, false, AT(no_libc_locks), 0, 0 },
	{ "session-size", 0, BOTH, KIND_SIZE, false, AT(max_bytes), 1 << 20, UINT64_MAX },
	{ "events", 0, MUTRACE, KIND_SIZE, false, AT(events), 0, UINT64_MAX },
	{ "no-follow", 0, BOTH, KIND_FLAG, false, AT(no_follow), 0, 0 },
	{ "hash-size", 0, MUTRACE, KIND_IGNORED, false, 0, 0, 0 },
	{ "also", 0, MATRACE, KIND_CLASSES, false, AT(watch), 0, 0 },
	{ "rt-threads", 0, MATRACE, KIND_THREADS, false, 0, 0, 0 },
	{ "for", 0, BOTH, KIND_FOR, false, 0, 0, UINT32_MAX },
	{ "after", 0, BOTH, KIND_SECONDS, false, AT(after_ms), 0, UINT32_MAX },
	{ "json", 0, BOTH, KIND_REPORT, true, 0, 0, 0 },
	{ "html", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "markdown", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "csv", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "folded", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "folded-of", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "pprof", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "pprof-of", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "perfetto", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "openmetrics", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "max", 0, BOTH, KIND_REPORT, true, 0, 0, 0 },
	{ "all", 0, BOTH, KIND_SHOW, true, 0, 0, 0 },
	{ "locked-min", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "owner-changed-min", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "contended-min", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "wait-min", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "lock", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "work", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "thread", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "function", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "phase", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "longest", 0, MUTRACE, KIND_EITHER, true, 0, 0, 0 },
	{ "mutex-order", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "cond-order", 0, MUTRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "suppress", 0, MATRACE, KIND_REPORT, true, 0, 0, 0 },
	{ "debug-info", 'd', BOTH, KIND_SHOW, true, 0, 0, 0 },
	{ "links", 0, BOTH, KIND_REPORT, true, 0, 0, 0 },
	{ "helper", 0, BOTH, KIND_REPORT, true, 0, 0, 0 },
	{ "sysroot", 0, BOTH, KIND_REPORT, true, 0, 0, 0 },
	{ "debuginfod", 0, BOTH, KIND_EITHER, true, 0, 0, 0 },
	{ "when-waiting", 0, MUTRACE, KIND_NO_SENSE, false, 0, 0, 0 },
	{ "live", 0, MATRACE, KIND_NO_SENSE, false, 0, 0, 0 },
	{ "fail", 0, MATRACE, KIND_NO_SENSE, false, 0, 0, 0 },
	{ "help", 'h', BOTH, KIND_NO_SENSE, false, 0, 0, 0 },
	{ "version", 'V', BOTH, KIND_NO_SENSE, false, 0, 0, 0 },
};

static bool takes_argument(const struct option *o)
{
	return o->kind != KIND_FLAG && o->kind != KIND_SHOW && o->kind != KIND_EITHER &&
	       o->kind != KIND_NO_SENSE;
}

void byhand_say(const char *a, const char *b, const char *c)
{
	const char *const parts[] = { recorder.watch_by_hand ? "matrace: " : "mutrace: ", a, b, c };
	struct pollfd stderr_poll = { .fd = 2, .events = POLLOUT };
	struct rlimit size;
	char line[1024];
	size_t length = 0;

	/* A pipe that nobody reads would raise SIGPIPE in the program, a file that may not grow SIGXFSZ. */
	if (poll(&stderr_poll, 1, 0) != 1 || stderr_poll.revents != POLLOUT ||
	    (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur != RLIM_INFINITY))
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && parts[i] != NULL; i++)
		for (const char *p = parts[i]; *p != '\0' && length < sizeof(line) - 1; p++)
			line[length++] = *p >= ' ' && *p <= '~' ? *p : '?';
	line[length++] = '\n';
	if (raw_write(2, line, length) < 0)
		return;
}

static void say_wrong(const char *a, const char *b)
{
	byhand_say("MUTRACE_OPTIONS: ", a, b);
}

/* Splits the variable as a shell would that knows only blanks, quotes and backslashes. Returns how many
 * arguments. */
static size_t split(struct byhand_options *o, const char *in)
{
	size_t n = 0, at = 0;
	char quote = '\0';

	for (in += strspn(in, " \t\n"); *in != '\0'; in += strspn(in, " \t\n")) {
		for (; *in != '\0' && (quote != '\0' || strchr(" \t\n", *in) == NULL); in++) {
			if (*in == quote) {
				quote = '\0';
				continue;
			}
			if (quote == '\0' && (*in == '\'' || *in == '"')) {
				quote = *in;
				continue;
			}
			if (*in == '\\' && quote != '\'' && in[1] != '\0')
				in++;
			if (at >= sizeof(o->text) - 2) {
				say_wrong("too long; left out from here: ", in);
				o->text[at] = '\0';
				return n;
			}
			o->text[at++] = *in;
		}
		o->text[at++] = '\0';
		n++;
	}
	if (quote != '\0')
		say_wrong("a quotation mark has no end", NULL);
	return n;
}

/* Whole decimal numbers only, as the command takes them. */
static bool parse_number(const char *text, bool suffix, uint64_t *ret)
{
	static const char units[] = "kmg";
	uint64_t v = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return false;
	if (suffix && *text != '\0') {
		const char *unit = strchr(units, *text | 0x20);

		if (unit == NULL || __builtin_mul_overflow(v, 1ull << (10 * (unit - units + 1)), &v))
			return false;
		text++;
	}
	*ret = v;
	return *text == '\0';
}

/* Seconds with a decimal fraction. */
static bool parse_seconds(const char *text, uint32_t *ret)
{
	uint64_t ms = 0, unit = 1000;
	bool point = false;

	if (*text == '\0')
		return false;
	for (; *text != '\0' && ms < UINT32_MAX; text++) {
		if (*text == '.' && !point) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		if (!point)
			ms = ms * 10 + 1000u * (uint64_t)(*text - '0');
		else
			ms += (unit /= 10) * (uint64_t)(*text - '0');
	}
	*ret = (uint32_t)ms;
	return *text == '\0' && ms < UINT32_MAX;
}

static bool parse_classes(const char *text, uint32_t *ret)
{
#define X(class, name, noun) name,
	static const char *const names[] = { WATCH_CLASSES(X) };
#undef X
	uint32_t bits = 0;

	while (*text != '\0') {
		size_t length = strcspn(text, ",");
		uint32_t found = length == 3 && memcmp(text, "all", 3) == 0 ? (1u << WATCH_CLASS_MAX) - 1 : 0;

		for (unsigned int i = 0; i < WATCH_CLASS_MAX; i++)
			if (strlen(names[i]) == length && memcmp(text, names[i], length) == 0)
				found = 1u << i;
		if (found == 0)
			return false;
		bits |= found;
		text += length + (text[length] == ',');
	}
	*ret |= bits;
	return bits != 0;
}

/* False: the value is none. */
static bool set(struct byhand_options *o, const struct option *option, const char *value)
{
	void *at = (char *)o->config + option->offset;
	uint64_t number;

	switch (option->kind) {
	case KIND_FLAG: *(uint32_t *)at = 1; return true;
	case KIND_NUMBER:
	case KIND_SIZE:
		if (!parse_number(value, option->kind == KIND_SIZE, &number) || number < option->min ||
		    number > option->max)
			return false;
		if (option->kind == KIND_SIZE)
			*(uint64_t *)at = number;
		else
			*(uint32_t *)at = (uint32_t)number;
		return true;
	case KIND_SECONDS: return parse_seconds(value, at);
	case KIND_FOR: return parse_seconds(value, o->for_ms);
	case KIND_CLASSES: return parse_classes(value, at);
	case KIND_THREADS:
		if (strlen(value) >= sizeof(((struct session_file *)NULL)->rt_threads))
			return false;
		strcpy(o->rt_threads, value);
		return true;
	case KIND_OUTPUT: o->output = value; return *value != '\0';
	default: return value == NULL || *value != '\0';
	}
}

/* Longer than the variable it never gets: "--name=" may be longer than "-x", so the room is looked at all the
 * same. */
static void keep_for_report(struct byhand_options *o, const struct option *option, const char *value)
{
	size_t need = 2 + strlen(option->name) + (value == NULL ? 0 : 1 + strlen(value)) + 1;
	char *to = o->report + o->report_length;

	if (need > sizeof(o->report) - o->report_length) {
		say_wrong("too long; left out: --", option->name);
		return;
	}
	to = stpcpy(stpcpy(to, "--"), option->name);
	if (value != NULL)
		stpcpy(stpcpy(to, "="), value);
	o->report_length += need;
}

static void take(struct byhand_options *o, const struct option *option, const char *value)
{
	if (option->kind == KIND_NO_SENSE)
		say_wrong("without the command in front this means nothing: --", option->name);
	else if (!set(o, option, value))
		say_wrong(value, " is no value that this option can have");
	else if (option->report)
		keep_for_report(o, option, value);
}

static const struct option *find(const char *name, size_t length, char letter)
{
	unsigned int tool = recorder.watch_by_hand ? MATRACE : MUTRACE;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if ((options[i].tools & tool) &&
		    (letter != '\0' ? options[i].letter == letter
				    : strlen(options[i].name) == length &&
					      memcmp(options[i].name, name, length) == 0))
			return &options[i];
	return NULL;
}

/* An argument that begins with "--". Returns whether the next one was its value. */
static bool take_long(struct byhand_options *o, const char *argument, const char *next)
{
	size_t length = strcspn(argument + 2, "=");
	const struct option *option = find(argument + 2, length, '\0');
	const char *value = argument[2 + length] == '=' ? argument + 2 + length + 1 : NULL;
	bool separate = false;

	if (option == NULL || (value != NULL && !takes_argument(option) && option->kind != KIND_EITHER &&
			       option->kind != KIND_NO_SENSE)) {
		say_wrong(option == NULL ? "there is no option " : "takes no value: ", argument);
		return false;
	}
	if (takes_argument(option) && value == NULL) {
		value = next;
		separate = true;
	}
	if (takes_argument(option) && value == NULL)
		say_wrong("takes a value: ", argument);
	else
		take(o, option, value);
	return separate && value != NULL;
}

/* Letters behind one "-". Returns the same. */
static bool take_letters(struct byhand_options *o, const char *argument, const char *next)
{
	for (const char *p = argument + 1; *p != '\0'; p++) {
		const struct option *option = find(NULL, 0, *p);
		const char *value = p[1] != '\0' ? p + 1 : next;

		if (option == NULL) {
			say_wrong("there is no option ", argument);
			return false;
		}
		if (!takes_argument(option)) {
			take(o, option, NULL);
			continue;
		}
		if (value == NULL)
			say_wrong("takes a value: ", argument);
		else
			take(o, option, value);
		return value != NULL && value == next;
	}
	return false;
}

void byhand_options_read(struct byhand_options *o)
{
	const char *variable = secure_getenv("MUTRACE_OPTIONS"), *argument = o->text;
	size_t n = variable == NULL ? 0 : split(o, variable);

	for (size_t i = 0; i < n; i++) {
		const char *next = i + 1 < n ? argument + strlen(argument) + 1 : NULL;
		bool both = false;

		if (argument[0] != '-' || argument[1] == '\0')
			say_wrong("no option, so left out: ", argument);
		else if (argument[1] == '-')
			both = take_long(o, argument, next);
		else
			both = take_letters(o, argument, next);
		if (both) {
			argument = next;
			i++;
		}
		argument += strlen(argument) + 1;
	}
}
