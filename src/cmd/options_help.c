/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --help, from the table of options. Called by main(). */
#include <stdio.h>
#include <string.h>

#include "src/cmd/option_table.h"

static void print_orders(const char *title, bool conditions)
{
	int column = printf("\n%s:\n ", title) - (int)strlen(title) - 3;
	struct order order;

	for (unsigned int i = 0; order_at(conditions, i, &order); i++) {
		if (column + 1 + (int)strlen(order.name) > 78)
			column = printf("\n ") - 1;
		column += printf(" %s", order.name);
	}
	putchar('\n');
}

void options_help(enum command_bit command)
{
	for (int group = 0; group < GROUP_MAX; group++) {
		bool titled = false;

		for (size_t i = 0; i < option_specs_count; i++) {
			const struct option_spec *s = &option_specs[i];
			char left[64];

			if (s->group != (enum option_group)group || !(s->commands & command))
				continue;
			if (!titled)
				printf("\n%s:\n", option_group_titles[group]);
			titled = true;
			snprintf(left, sizeof(left), "%c%c%s --%s%s%s", s->letter ? '-' : ' ',
				 s->letter ? s->letter : ' ', s->letter ? "," : " ", s->name,
				 s->argument && s->argument[0] != '[' ? "=" : "",
				 s->argument ? s->argument : "");
			printf("  %-27s %s\n", left, s->help);
		}
	}
	if (command & FOR_REPORTS) {
		print_orders("Orders of locks", false);
		print_orders("Orders of conditions", true);
	}
}
