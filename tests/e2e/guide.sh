#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Each command in the guide (doc/guide, the blocks marked sh) works, page by page and in order, and says what
# the page says.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need cc

library=${MUTRACE_LIBRARY:-$top_builddir/.libs/libmutrace.so}
[ -e "$library" ] || library="/usr/\$LIB/mutrace/libmutrace.so"
mkdir bin
for tool in mutrace matrace; do
	ln -s "$(dirname "$(realpath "$mutrace")")/$tool" bin/$tool
done
export PATH=$work/bin:$PATH
# Starts the ranks if no MPI is installed.
cat >mpirun <<'SCRIPT'
#!/bin/sh
ranks=$2
shift 2
while [ "$ranks" -gt 0 ]; do
	ranks=$((ranks - 1))
	OMPI_COMM_WORLD_RANK=$ranks "$@" || exit 1
done
SCRIPT
chmod +x mpirun
command -v mpirun >/dev/null || mv mpirun bin/
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

# qemu-user (tests/tools/chroot.sh) has no ptrace, and /proc tells what the emulator sleeps in.
emulated=${EMULATED:-}

# page NAME: runs its commands; their output is in NAME.out.
page() {
	mkdir "$1" || exit 99
	awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$top_srcdir/doc/guide/$1.md" >"$1/commands"
	[ -s "$1/commands" ] || fail "no commands in $1"
	sed -i "s|/usr/\$LIB/mutrace/libmutrace.so|$library|" "$1/commands"
	[ -z "$emulated" ] || sed -i '/^mutrace hang /d' "$1/commands"
	(cd "$1" && bash -eu commands >../out 2>&1) || fail "a command of page $1"
	cp out "$1.out"
}
for file in "$top_srcdir"/doc/guide/*.md; do
	name=$(basename "$file" .md)
	grep -q '^```sh$' "$file" && page "$name"
done
grep -qE '^ +1  stock_lock ' 1-which-lock.out || fail "the lock that the first page finds"
[ -n "$emulated" ] || grep -q 'asleep in clock_nanosleep' 1-which-lock.out || fail "that the holder sleeps"
grep -qE 'is new|is gone' 1-which-lock.out && fail "the comparison of the first page has other locks"
grep -qE '^ +1  sessions ' 5-production.out || fail "the lock that the server's threads wait for"
grep -q 'audio synth.c:' 6-realtime.out || fail "where the realtime thread allocates"
grep -q 'halo' 8-recipes.out || fail "ranks that are added up"

# Links between pages lead somewhere.
grep -ohE '\]\([^)]*\.md\)' "$top_srcdir"/doc/guide/*.md | sed 's/^](//; s/)$//' | sort -u >links
[ -s links ] || fail "no links"
while read -r link; do
	[ -e "$top_srcdir/doc/guide/$link" ] || fail "link to $link"
done <links
# Each diagnosis that the report has a name for has its section, with the first words of the note as heading.
names=$(sed -n '/^enum diagnosis {/,/DIAGNOSIS_MAX/p' "$top_srcdir/src/analysis/report.h" |
	grep -cE '^[[:space:]]+DIAGNOSIS_[A-Z_]+,')
[ "$(grep -c '^## ' "$top_srcdir/doc/guide/3-fixing.md")" -ge "$names" ] ||
	fail "a diagnosis without a section"
grep -ohE "\"([a-z][a-z ]+: |threads [a-z' ]+\. )" "$top_srcdir"/src/analysis/diagnose*.c |
	sed 's/^"//; s/[:.] $//' >notes
[ "$(wc -l <notes)" -ge "$names" ] || fail "notes whose first words are not found: $(cat notes)"
while read -r note; do
	grep -qx "## $note" "$top_srcdir/doc/guide/3-fixing.md" || fail "a note without a section: $note"
done <notes

# The pages' other forms
if command -v lowdown >/dev/null; then
	make -C "$top_builddir" guide guide_out="$work/made" >made.out 2>&1 ||
		fail "make guide: $(cat made.out)"
	[ "$(grep -c 'href=' made/index.html)" = "$(find "$top_srcdir/doc/guide" -name '*.md' | wc -l)" ] ||
		fail "the list of pages"
	grep -ohE 'href="[^"]*"' made/*.html | sed 's/^href="//; s/"$//' | while read -r link; do
		[ -e "made/$link" ] || echo "$link"
	done >broken
	[ ! -s broken ] || fail "links of web pages: $(cat broken)"
	! command -v lexgrog >/dev/null || lexgrog made/mutrace-guide.7 >/dev/null ||
		fail "the manual page has no name"
fi

# The version stands in configure.ac; the news and Debian's changelog begin with it.
version=$(sed -n 's/^AC_INIT(\[mutrace\], \[\(.*\)\])/\1/p' "$top_srcdir/configure.ac")
head -n 1 "$top_srcdir/NEWS" | grep -qE "^mutrace $version \(20[0-9]{2}-[0-9]{2}-[0-9]{2}\)$" ||
	fail "version in NEWS"
head -n 1 "$top_srcdir/debian/changelog" | grep -q "^mutrace ($version-" || fail "version in debian/changelog"
