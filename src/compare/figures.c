/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures as text, see figures.h. No locks, no allocation. */
#include "src/compare/figures.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MAX 9e18

const struct figure_spec figure_specs[FIGURE_MAX] = {
#define X(id, name, unit, factor, slack, needs, what) { name, unit, factor, slack, needs, what },
	FIGURES(X)
#undef X
};

void figures_plain(struct figures *f)
{
	memcpy(f->low, f->value, sizeof(f->low));
	memcpy(f->high, f->value, sizeof(f->high));
	memcpy(f->likely, f->value, sizeof(f->likely));
	memcpy(f->sure, f->value, sizeof(f->sure));
}

int figure_find(const char *name)
{
	for (int i = 0; i < FIGURE_MAX; i++)
		if (strcmp(figure_specs[i].name, name) == 0)
			return i;
	return -1;
}

int figure_parse(enum figure_unit unit, const char *text, double *ret)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	double value;
	char *end;

	/* no "nan", "inf", "0x", or sign */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -EINVAL;
	errno = 0;
	value = strtod(text, &end);
	if (errno != 0 || !isfinite(value))
		return -EINVAL;
	while (*end == ' ')
		end++;
	if (unit == UNIT_SHARE && strcmp(end, "%") == 0) {
		*ret = value / 100;
		return 0;
	}
	if (unit == UNIT_NS) {
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(end, units[i].name) == 0) {
				*ret = value * units[i].ns;
				return 0;
			}
		}
		if (value != 0)
			return -EINVAL;
	}
	if (*end != '\0' || (unit == UNIT_SHARE && value > 1))
		return -EINVAL;
	*ret = value;
	return 0;
}

unsigned long long figure_whole(double value)
{
	return value >= WHOLE_MAX ? (unsigned long long)WHOLE_MAX
	       : value > 0        ? (unsigned long long)(value + 0.5)
				  : 0;
}

char *figure_text(char *out, enum figure_unit unit, double value)
{
	switch (unit) {
	case UNIT_SHARE: return number_share(out, value, 1);
	case UNIT_NS: return number_ns(out, figure_whole(value));
	default: return number_count(out, figure_whole(value));
	}
}
