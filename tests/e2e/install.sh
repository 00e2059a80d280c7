#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installed below DESTDIR it works; moved elsewhere it still does; with the library of another version it says
# so.
. "$(dirname "$0")/lib.sh"

make -C "$top_builddir" install DESTDIR="$work/root" >log 2>&1 || {
	cat log
	exit 99
}
installed=$(find "$work/root" -path '*/bin/mutrace')
[ -x "$installed" ] || fail "no mutrace in $work/root"
! find "$work/root" -name '*.la' | grep . || fail "notes of libtool are installed"
find "$work/root" -name mutrace.1 | grep -q . || fail "no man page"
find "$work/root" -name libmutrace.so | grep -q . || fail "no library"
expect 0 "$installed" --json=json "$workloads/truth"
check_json json 'lock("guilty_lock")["contended"] == 200'

library=$(find "$work/root" -name libmutrace.so)
expect 0 env PATH=/usr/bin:/bin LD_PRELOAD="$library" "$workloads/truth"
grep -q guilty_lock err || fail "no report by hand"

mv root "elsewhere"
installed=${installed/"$work/root"/"$work/elsewhere"}
expect 0 "$installed" --json=json "$workloads/truth"
check_json json 'lock("guilty_lock")["contended"] == 200'

# Preloaded by hand the libraries find their commands, there and at the first place, and no directory of that
# name.
library=$(find "$work/elsewhere" -name libmutrace.so)
expect 0 env PATH=/usr/bin:/bin LD_PRELOAD="$library" "$workloads/truth"
grep -q guilty_lock err || fail "no report by hand"
expect 0 env PATH=/usr/bin:/bin LD_PRELOAD="${library/libmutrace/libmatrace}" "$workloads/truth"
grep -q '^matrace: ' err || fail "no report of matrace by hand"

sed -i 's/libmutrace version [0-9]/libmutrace version 9/' "$library"
expect 2 "$installed" true
says_only "libmutrace.so is version 9"
echo nothing >"$library"
expect 2 "$installed" true
says_only "is not the library"

make -C "$top_builddir" install DESTDIR="$work/again" >log 2>&1 || fail "a second install: $(cat log)"
make -C "$top_builddir" uninstall DESTDIR="$work/again" >log 2>&1 || fail "uninstall: $(cat log)"
left=$(find again ! -type d -o -name '*mutrace*')
[ -z "$left" ] || fail "uninstall leaves: $left"
