/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See number.h. No locks, no allocation. */
#include "src/render/number.h"

#include <stdio.h>

char *number_count(char *out, uint64_t n)
{
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), i, used = 0;

	for (i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[used++] = ' ';
		out[used++] = digits[i];
	}
	out[used] = 0;
	return out;
}

char *number_ns(char *out, uint64_t ns)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } };
	char whole[NUMBER_SIZE];
	double v;
	size_t i;

	if (ns < 1000) {
		snprintf(out, NUMBER_SIZE, "%u ns", (unsigned int)ns);
		return out;
	}
	/* 999.6 us read as 1.00 ms, not as 1000 us */
	for (i = 0; i < 2 && (double)ns < 0.9995 * units[i].ns; i++)
		;
	v = (double)ns / units[i].ns;
	if (v >= 9999.5)
		snprintf(out, NUMBER_SIZE, "%.30s %s", number_count(whole, (uint64_t)(v + 0.5)),
			 units[i].unit);
	else
		snprintf(out, NUMBER_SIZE, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[i].unit);
	return out;
}

char *number_share(char *out, double part, double whole)
{
	double share = whole > 0 ? 100 * part / whole : 0;

	if (share > 0 && share < 0.00095)
		snprintf(out, NUMBER_SIZE, "<0.001 %%");
	else if (share > 0 && share < 0.095)
		snprintf(out, NUMBER_SIZE, "%.*f %%", share < 0.0095 ? 3 : 2, share);
	else if (share > 0 && share < 1.95)
		snprintf(out, NUMBER_SIZE, "%.1f %%", share);
	else if (share > 99.5 && share < 100)
		snprintf(out, NUMBER_SIZE, "%.1f %%", share > 99.9 ? 99.9 : share);
	else
		snprintf(out, NUMBER_SIZE, "%.0f %%", share);
	return out;
}
