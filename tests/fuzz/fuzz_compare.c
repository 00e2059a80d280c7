/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as what diff and check are given: a JSON report, a baseline, else an image. What loads is
 * compared with a plain run both ways, judged, and written as a baseline, which must load again and know the
 * same locks.
 */
#include <stdlib.h>
#include <string.h>

#include "src/cmd/pipeline.h"
#include "src/compare/diff.h"
#include "src/compare/judge.h"
#include "src/render/html/html.h"
#include "tests/fuzz/fuzz.h"

const fuzz_changer fuzz_change = NULL;

static const char report_seed[] =
	"{\"format\":1,\"processes\":[{\"program\":\"/usr/bin/"
	"bank\",\"thread_time_ns\":1000000,\"complete\":true,"
	"\"lost_events\":2,\"recording\":{\"contended_only\":false},\"locks\":["
	"{\"identity\":\"bank:accounts\",\"name\":\"accounts\",\"kind\":\"mutex\",\"named_by\":\"variable\","
	"\"module\":\"/usr/bin/bank\",\"acquired\":264166,\"contended\":790,\"waits\":790,"
	"\"wait_ns\":{\"total\":3210000,\"max\":8610,\"p99\":7030,\"avg\":406},"
	"\"hold_ns\":{\"total\":3100000,\"max\":8690,\"p50\":310,\"p99\":800},"
	"\"holders\":[{\"blocked_ns\":99,\"stack\":[{\"function\":\"audit(int)\",\"file\":\"/src/"
	"bank.c\",\"line\":76}]}],"
	"\"waiters\":[{\"wait_ns\":99,\"stack\":[{\"module\":\"/usr/bin/bank\",\"offset\":\"0x123\"}]}],"
	"\"users\":[{\"hold_ns\":9,\"stack\":[{\"function\":\"clerk\"}]}],\"created_at\":[{\"function\":"
	"\"main\"}]},"
	"{\"identity\":\"bank:rates\",\"name\":\"rates\\u001b[31m\",\"kind\":\"rwlock\",\"acquired\":196,"
	"\"read\":{\"acquired\":29330,\"hold_ns\":{\"total\":1e6}},\"first_used_at\":[{\"function\":\"f\"}]},"
	"{\"identity\":\"bank:0x1\",\"name\":\"0x1\",\"kind\":\"cond\",\"named_by\":\"address\"}]}]}";

static const char baseline_seed[] =
	"{\"mutrace-baseline\":1,\"runs\":5,\"program\":\"bank\",\"total\":{\"acquired\":1000,\"wait-share\":"
	"0.2},"
	"\"locks\":{\"bank:accounts\":{\"name\":\"accounts\",\"kind\":\"mutex\",\"module\":\"bank\","
	"\"acquired\":100,"
	"\"contended\":7,\"contended-share\":0.07,\"wait-share\":0.5,\"wait-total\":1000,\"wait-avg\":10,"
	"\"wait-p99\":20,\"wait-max\":30,\"hold-share\":0.1,\"hold-avg\":5,\"hold-p50\":5,\"hold-p99\":9,"
	"\"hold-max\":10},\"bank:gone\":{\"name\":\"gone\",\"kind\":\"spin\",\"acquired\":1e300}}}";

/* A page is made of any report, also of one that is not as ours are. */
static void page_write(struct html_page *page)
{
	FILE *f = fopen("/dev/null", "we");

	if (!f || html_page_write(page, f, "text") < 0)
		abort();
	fclose(f);
}

static struct digest *load(const void *data, size_t size)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct report_options options;
	struct selection s = { 0 };
	struct digest_source source = { &options, &s, html_page_new(), "new" };
	struct digest *d = NULL;

	report_options_init(&options);
	options.no_symbols = true;
	if (pipeline_digest(fuzz_file(data, size), &source, &d, error) < 0)
		fuzz_error_check(error);
	else
		page_write(source.page);
	html_page_free(source.page);
	return d;
}

static void compare(const struct digest *a, const struct digest *b)
{
	struct diff diff;

	if (diff_make(&diff, a, b) < 0)
		abort();
	diff_text(fuzz_text_open(), &diff, true, 80);
	fuzz_text_check();
	if (diff_json(fuzz_text_open(), &diff) < 0)
		abort();
	fuzz_json_check();
	diff_markdown(fuzz_text_open(), &diff, true);
	fuzz_text_check();
	diff_free(&diff);
}

static void judge(const struct digest *run, const struct digest *base)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct limits limits = { 0 };
	struct verdict v;

	if (limits_option(&limits, "*a*:wait-max=5us", error) < 0 ||
	    limits_option(&limits, "total:acquired=10", error) < 0)
		abort();
	if (verdict_make(&v, run, base, &limits) < 0)
		abort();
	verdict_text(fuzz_text_open(), &v);
	fuzz_text_check();
	verdict_github(fuzz_text_open(), &v, NULL);
	fuzz_text_check();
	if (verdict_junit(fuzz_scratch(), &v, NULL, error) < 0)
		abort();
	verdict_free(&v);
	limits_free(&limits);
}

static void write_and_read(const struct digest *d)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct selection all = { 0 };
	struct report_options options;
	struct digest_source source = { &options, &all, NULL, NULL };
	struct digest *again;

	report_options_init(&options);
	if (baseline_write(d, fuzz_scratch(), error) < 0 ||
	    pipeline_digest(fuzz_scratch(), &source, &again, error) < 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	if (again->n != d->n)
		abort();
	digest_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct digest *plain;
	struct digest *d, *median;

	if (!plain)
		plain = load(report_seed, sizeof(report_seed) - 1);
	d = load(data, size);
	if (!plain || !d)
		return 0;
	compare(plain, d);
	compare(d, plain);
	judge(d, plain);
	judge(plain, d);
	write_and_read(d);
	if (digest_median((struct digest *const[]){ plain, d, d }, 3, &median) < 0)
		abort();
	compare(d, median);
	digest_free(median);
	digest_free(d);
	return 0;
}

void fuzz_seeds(fuzz_take take)
{
	take("report.json", report_seed, sizeof(report_seed) - 1, 2000);
	take("baseline.json", baseline_seed, sizeof(baseline_seed) - 1, 2000);
}
