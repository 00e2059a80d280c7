/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of limits: YAML, parsed by libyaml. An error is said with file and line; nothing is guessed,
 * because a limit that is misread is a check that never fails. Runs in mutrace. Called by check.
 *
 *	total:
 *	  wait-share: 20%
 *	rules:
 *	  - lock: "cache_*"
 *	    contended-share: 10%
 *	    hold-p99: {max: 50us, factor: 2, slack: 10us}
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "src/compare/limits.h"
#include "src/load/model.h"

struct source {
	struct limits *limits;
	yaml_document_t document;
	const char *path;
	char *error;
};

static int wrong(const struct source *s, const yaml_node_t *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(const struct source *s, const yaml_node_t *node, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(s->error, MODEL_ERROR_SIZE, "%s:%zu: %s", s->path, node ? node->start_mark.line + 1 : 1,
		 text);
	return -EINVAL;
}

static yaml_node_t *node_at(struct source *s, int index)
{
	return yaml_document_get_node(&s->document, index);
}

/* NULL if it is no scalar. */
static const char *scalar(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int value_read(struct source *s, const yaml_node_t *node, int figure, double *ret)
{
	static const char *const examples[] = {
		[UNIT_COUNT] = "1000", [UNIT_SHARE] = "5%", [UNIT_NS] = "50us"
	};
	const struct figure_spec *spec = &figure_specs[figure];
	const char *text = scalar(node);

	if (!text || figure_parse(spec->unit, text, ret) < 0)
		return wrong(s, node, "'%.60s' is not a value of %s; it is written like %s",
			     text ? text : "(not a value)", spec->name, examples[spec->unit]);
	return 0;
}

static int number_read(struct source *s, const yaml_node_t *node, const char *what, double *ret)
{
	const char *text = scalar(node);

	if (!text || figure_parse(UNIT_COUNT, text, ret) < 0)
		return wrong(s, node, "%s takes a number, not '%.60s'", what, text ? text : "(not a value)");
	return 0;
}

static int limit_read(struct source *s, const yaml_node_t *node, int figure, struct limit *limit)
{
	yaml_node_pair_t *pair;
	int r = 0;

	if (scalar(node) && strcmp(scalar(node), "off") == 0) {
		limit->off = true;
		return 0;
	}
	if (scalar(node)) {
		limit->has_max = true;
		s->limits->absolute = true;
		return value_read(s, node, figure, &limit->max);
	}
	if (!node || node->type != YAML_MAPPING_NODE)
		return wrong(s, node, "%s takes a value, 'off', or {max: , factor: , slack: }",
			     figure_specs[figure].name);
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top && r == 0; pair++) {
		const yaml_node_t *key = node_at(s, pair->key), *value = node_at(s, pair->value);
		const char *name = scalar(key) ? scalar(key) : "";

		if (strcmp(name, "max") == 0) {
			limit->has_max = true;
			s->limits->absolute = true;
			r = value_read(s, value, figure, &limit->max);
		} else if (strcmp(name, "slack") == 0) {
			r = value_read(s, value, figure, &limit->slack);
		} else if (strcmp(name, "factor") == 0) {
			r = number_read(s, value, "factor", &limit->factor);
			if (r == 0 && limit->factor < 1)
				r = wrong(s, value, "factor must be at least 1");
		} else {
			r = wrong(s, key, "'%.60s' is none of max, factor and slack", name);
		}
	}
	return r;
}

static int glob_read(struct source *s, const yaml_node_t *node, const char **ret)
{
	const char *text = scalar(node);

	if (!text || *text == '\0')
		return wrong(s, node, "a glob is wanted here");
	*ret = pool_copy(&s->limits->pool, text, strlen(text));
	return *ret ? 0 : -ENOMEM;
}

static int rule_read(struct source *s, const yaml_node_t *node, bool total)
{
	struct rule *rule = limits_add(s->limits);
	yaml_node_pair_t *pair;
	int r = 0;

	if (!rule)
		return -ENOMEM;
	rule->total = total;
	rule->where = pool_printf(&s->limits->pool, "%s:%zu", s->path, node->start_mark.line + 1);
	if (!rule->where)
		return -ENOMEM;
	if (node->type != YAML_MAPPING_NODE)
		return wrong(s, node, "a rule is a list of 'figure: value'");
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top && r == 0; pair++) {
		const yaml_node_t *key = node_at(s, pair->key), *value = node_at(s, pair->value);
		const char *name = scalar(key) ? scalar(key) : "";
		int figure = figure_find(name);

		if (figure >= 0 && (!total || figure_of_total(figure)))
			r = limit_read(s, value, figure, &rule->limit[figure]);
		else if (strcmp(name, "min-acquired") == 0)
			r = number_read(s, value, name, &rule->min_acquired);
		else if (!total && strcmp(name, "lock") == 0)
			r = glob_read(s, value, &rule->name);
		else if (!total && strcmp(name, "identity") == 0)
			r = glob_read(s, value, &rule->identity);
		else if (!total && strcmp(name, "module") == 0)
			r = glob_read(s, value, &rule->module);
		else if (figure >= 0)
			r = wrong(s, key, "the total has no %s", name);
		else
			r = wrong(s, key, "there is no figure '%.60s'; 'man mutrace-check' lists them", name);
	}
	return r;
}

static int root_read(struct source *s, const yaml_node_t *root)
{
	yaml_node_pair_t *pair;
	int r = 0;

	if (!root)
		return 0; /* an empty file */
	if (root->type != YAML_MAPPING_NODE)
		return wrong(s, root, "'total:' or 'rules:' is wanted here");
	for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top && r == 0; pair++) {
		const yaml_node_t *key = node_at(s, pair->key), *value = node_at(s, pair->value);
		const char *name = scalar(key) ? scalar(key) : "";

		if (strcmp(name, "total") == 0) {
			r = rule_read(s, value, true);
		} else if (strcmp(name, "rules") == 0 && value->type == YAML_SEQUENCE_NODE) {
			yaml_node_item_t *item;

			for (item = value->data.sequence.items.start;
			     item < value->data.sequence.items.top && r == 0; item++)
				r = rule_read(s, node_at(s, *item), false);
		} else if (strcmp(name, "rules") == 0) {
			r = wrong(s, value, "'rules:' takes a list, each rule begins with '-'");
		} else {
			r = wrong(s, key, "'%.60s' is neither 'total' nor 'rules'", name);
		}
	}
	return r;
}

int limits_read(struct limits *l, const char *path, char *error)
{
	struct source s = { .limits = l, .path = path, .error = error };
	yaml_parser_t parser;
	FILE *f = fopen(path, "re");
	int r;

	if (!f) {
		r = -errno;
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(errno));
		return r;
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(f);
		snprintf(error, MODEL_ERROR_SIZE, "%s: out of memory", path);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&parser, f);
	if (!yaml_parser_load(&parser, &s.document)) {
		snprintf(error, MODEL_ERROR_SIZE, "%s:%zu: not YAML: %s%s", path,
			 parser.problem_mark.line + 1, parser.problem ? parser.problem : "cannot be read",
			 parser.error == YAML_SCANNER_ERROR || parser.error == YAML_COMPOSER_ERROR
				 ? " (a glob that begins with * must be in quotes)"
				 : "");
		r = -EINVAL;
	} else {
		r = root_read(&s, yaml_document_get_root_node(&s.document));
		if (r == -ENOMEM)
			snprintf(error, MODEL_ERROR_SIZE, "%s: out of memory", path);
		yaml_document_delete(&s.document);
	}
	yaml_parser_delete(&parser);
	fclose(f);
	return r;
}
