/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loads a library so that it does not find mutrace's functions: unseen deepbind|namespace|plain FILE. The
 * library is found by the program's run path.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	void *library;

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "namespace") == 0)
		library = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
	else
		library = dlopen(argv[2], RTLD_NOW | (strcmp(argv[1], "deepbind") == 0 ? RTLD_DEEPBIND : 0));
	if (!library) {
		puts(dlerror());
		return 1;
	}
	return 0;
}
