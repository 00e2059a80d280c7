/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as what a user writes by hand: a file of limits, a --limit option, a file of suppressions. What
 * is understood is applied to a plain run.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/analysis/report.h"
#include "src/compare/judge.h"
#include "src/render/render.h"
#include "src/session/watched.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_symbols.h"
#include "tests/unit/make_session.h"

const fuzz_changer fuzz_change = NULL;

static const char limits_seed[] =
	"total:\n  wait-share: 20%\n  acquired: {max: 1000, factor: 2, slack: 5}\nrules:\n"
	"  - lock: \"acc*\"\n    contended-share: 10%\n    hold-p99: {max: 50us, factor: 2, slack: 10us}\n"
	"  - identity: \"*[a-z]?:accounts\"\n    module: bank\n    min-acquired: 5\n    wait-max: off\n    "
	"hold-avg: 1.5ms\n"
	"  - {wait-total: 5s, wait-avg: 5ns, wait-p99: 1, hold-share: 1%, hold-p50: 2us, hold-max: 1s, "
	"contended: 7}\n";
static const char anchors_seed[] =
	"rules:\n- &a {lock: x, acquired: 1}\n- *a\n---\ntotal: !!str \"1\"\n? [a, b]\n: |\n  c\n";
static const char option_seed[] = "identity *:acc*:wait-max=5us";
static const char suppressions_seed[] = "# known\nmalloc\n  outer*  \n*/program\nclass::*[!x]\n\nf(int)\r\n";

static const struct fake_function functions[] = {
	{ 0, 0x1800, "class::inner(int, char const*)", "/src/a.cc", 1, "outer", 2 },
	{ 0x1800, 0x8000, "main", "/src/a.cc", 3, NULL, 0 },
	{ 0, 0, NULL, NULL, 0, NULL, 0 },
};

static struct model *model_make(void)
{
	struct image_maker *m = image_maker_new(32);
	char *dir = session_dir_make(), error[MODEL_ERROR_SIZE];
	struct session_file file;
	struct model *model;
	uint32_t stack, thread;

	image_maker_module(m, "/usr/bin/program", 0x400000, 0x100000, MODULE_MAIN);
	stack = image_maker_stack(m, (uint64_t[]){ 0x401000, 0x402000, 0 });
	thread = image_maker_thread(m, 101, NULL);
	for (uint32_t function = 0; function < WATCHED_MAX; function += 9)
		image_maker_alloc(m, thread, function, 5)->stack = function % 2 ? stack : 0;
	image_maker_header(m)->config.watch = 1;
	session_file_init(&file);
	session_file_write(dir, &file);
	image_maker_write(m, dir, "image.100.0");
	if (model_new(&model) < 0 || model_load(model, dir, error) < 0)
		abort();
	session_dir_remove(dir);
	return model;
}

static void suppress(const char *path)
{
	static struct model *model;
	const char *files[] = { path, NULL };
	struct render_options ro;
	struct report_options o;
	struct report *r;

	fake_functions = functions;
	if (!model)
		model = model_make();
	report_options_init(&o);
	o.suppressions = files;
	if (report_new(model, &o, &r) < 0)
		abort();
	render_options_init(&ro, &o);
	if (render_text.render(fuzz_text_open(), r, &ro) < 0)
		abort();
	fuzz_text_check();
	if (render_json.render(fuzz_text_open(), r, &ro) < 0)
		abort();
	fuzz_json_check();
	report_free(r);
}

static void judge(struct limits *limits)
{
	struct digest_lock locks[] = {
		{ .identity = "bank:accounts", .name = "accounts", .kind = "mutex", .module = "bank" },
		{ .identity = "bank:rates", .name = "rates", .kind = "cond" },
	};
	struct digest run = { .locks = locks, .n = 2, .runs = 1 };
	struct verdict v;

	for (int i = 0; i < FIGURE_MAX; i++)
		locks[0].figures.value[i] = run.total.value[i] = 1e6;
	locks[0].figures.known = run.total.known = digest_figures(KIND_RWLOCK);
	figures_plain(&locks[0].figures);
	figures_plain(&run.total);
	if (verdict_make(&v, &run, &run, limits) < 0)
		abort();
	verdict_text(fuzz_text_open(), &v);
	fuzz_text_check();
	verdict_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file(data, size);
	char error[MODEL_ERROR_SIZE] = "", option[256];
	struct limits limits = { 0 };

	if (limits_read(&limits, path, error) < 0)
		fuzz_error_check(error);
	else
		judge(&limits);
	limits_free(&limits);
	error[0] = 0;
	size = size < sizeof(option) - 1 ? size : sizeof(option) - 1;
	memcpy(option, data, size);
	option[size] = 0;
	if (limits_option(&limits, option, error) < 0)
		fuzz_error_check(error);
	else
		judge(&limits);
	limits_free(&limits);
	suppress(path);
	return 0;
}

void fuzz_seeds(fuzz_take take)
{
	take("limits.yaml", limits_seed, sizeof(limits_seed) - 1, 2000);
	take("anchors.yaml", anchors_seed, sizeof(anchors_seed) - 1, 500);
	take("option", option_seed, sizeof(option_seed) - 1, 500);
	take("suppressions", suppressions_seed, sizeof(suppressions_seed) - 1, 500);
}
