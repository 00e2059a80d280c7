#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# "make format-check", and a test: the sources are as clang-format 14 would write them by .clang-format. "make
# format" (format.sh --write) writes them so. Other versions of clang-format differ in details, so they are
# not asked.
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
cd "$top_srcdir" || exit 99

for tool in clang-format-14 clang-format; do
	case $(command -v $tool >/dev/null && $tool --version) in
	*"version 14."*) break ;;
	esac
	tool=
done
[ -n "$tool" ] || {
	echo "skipped: there is no clang-format 14"
	exit 77
}

mapfile -t files < <(find src wrappers include tests demo examples -name '*.[ch]' -o -name '*.cc' | sort)
[ ${#files[@]} -gt 100 ] || exit 99
case ${1:-} in
--write) $tool -i "${files[@]}" ;;
*) $tool --dry-run --Werror "${files[@]}" 2>&1 | grep -A2 'error:' && exit 1 ;;
esac
exit 0
