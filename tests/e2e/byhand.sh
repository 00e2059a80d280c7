#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Preloaded by hand, without mutrace: the last process that ends has the report printed, as MUTRACE_OPTIONS
# says.
. "$(dirname "$0")/lib.sh"

library=${MUTRACE_LIBRARY:-$top_builddir/.libs/libmutrace.so}
[ -e "$library" ] || exit 99
truth=$workloads/truth

# by_hand COMMAND...: the library finds its command by itself, not by $PATH.
by_hand() {
	PATH=/usr/bin:/bin env LD_PRELOAD="$library" "$@"
}

expect 0 by_hand "$truth"
grep -q '^waited_ns' out || fail "the program's output"
[ "$(wc -l <out)" = 1 ] || fail "something else on stdout"
grep -E '^ +1 +guilty_lock +mutex ' err | grep -qE '\b200 */? +400\b' || fail "no ranked report"

# The report is that of the whole: what the program became by exec, and the daemon that it left behind.
expect 0 by_hand sh -c 'exec "$0"' "$truth"
grep -q guilty_lock err || fail "no report after exec"
MUTRACE_OPTIONS=--json=daemon.json expect 0 by_hand sh -c \
	'(cd /; trap "" HUP; sleep 0.5; "$0" >/dev/null) &' "$truth"
[ ! -s err ] || fail "a report before the last process ended"
until_true 20 sh -c 'python3 -m json.tool daemon.json >/dev/null 2>&1'
check_json daemon.json 'lock("guilty_lock")["contended"] == 200'

# MUTRACE_OPTIONS: quoted as in a shell; files are relative to the directory of the start; what is wrong is
# said.
MUTRACE_OPTIONS="--contended-only --json='a b.json' --csv c\\ d.csv -o kept" expect 0 by_hand "$truth"
check_json "a b.json" 'lock("guilty_lock")["acquired"] == 200'
[ -s "c d.csv" ] || fail "--csv with a separate argument"
says "--contended-only"
expect 0 "$mutrace" report --json=again.json kept
check_json again.json 'lock("guilty_lock")["acquired"] == 200'
MUTRACE_OPTIONS="-o kept" expect 0 by_hand "$truth"
says "kept.2"
[ -e kept.2/session ] || fail "a second run with the same -o"
mkdir -m 700 empty
MUTRACE_OPTIONS="-o $work/empty/" expect 0 by_hand "$truth"
[ -e empty/session ] || fail "an empty directory of ours can be used"
MUTRACE_OPTIONS="--bogus --frames=0 -Z word --max=many --help '--all" expect 0 by_hand "$truth"
for wrong in "no option --bogus" "0 is no value" "no option -Z" "left out: word" "not 'many'" \
	"means nothing: --help" \
	"no end"; do
	[ "$(grep -cF -e "$wrong" err)" = 1 ] || fail "'$wrong' is to be said once"
done
grep -q guilty_lock err || fail "no report with wrong options"
MUTRACE_OPTIONS="-o $work/no/such/place" expect 0 by_hand "$truth"
says "no/such/place"
where=$(sed -n 's/.*the session is kept in //p' err)
[ -e "$where/session" ] || fail "kept elsewhere"
rm -r "$where"

# Each option of the command is known by hand.
expect 0 "$mutrace" run --help
grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >known
[ "$(wc -l <known)" -gt 20 ] || fail "options in --help"
MUTRACE_OPTIONS="$(sed 's/$/=1/' known | tr '\n' ' ')" expect 0 by_hand true
! grep -q "no option" err || fail "options that the library does not know"
rm -rf 1 1.*

# As services are started: no environment, no standard streams.
expect 0 env -i LD_PRELOAD="$library" MUTRACE_OPTIONS="--json=$work/service.json" sh -c \
	'cd /; exec "$0" <&- >&- 2>&-' "$truth"
check_json service.json 'lock("guilty_lock")["contended"] == 200'

# Sessions that nobody will read are removed by a later run; those that somebody may read are not.
need flock
left() {
	MUTRACE_OPTIONS=${1:-} by_hand sh -c 'echo "$MUTRACE_SESSION"; kill -9 $$' 2>/dev/null
}
gone=$(left)
read_now=$(left)
asked=$(left "-o $work/asked")
by_hand sh -c 'echo "$MUTRACE_SESSION" >alive; read line; exit 0' 2>/dev/null < <(sleep 60) &
until_true 10 test -s alive
[ -d "$read_now" ] || fail "no session of a killed program"
(
	exec 9<"$read_now/session" || exit 1
	flock -s 9
	newest=$(left)
	by_hand true
	[ -d "$newest" ] && [ -d "$read_now" ]
) 2>/dev/null || fail "a session was removed while it was read, or the newest"
[ ! -d "$gone" ] || fail "a session that nobody has was not removed"
[ -d "$asked" ] || fail "a session was removed that was to be kept"
[ -d "$(cat alive)" ] || fail "a session was removed whose program runs"
expect 0 "$mutrace" true
[ ! -d "$read_now" ] || fail "mutrace does not remove what nobody has"
[ -d "$(cat alive)" ] || fail "mutrace removed the session of a program that runs"
kill %% 2>/dev/null
rm -rf "$(cat alive)"

# In a changed root, with nothing of the system in it.
if [ "$(id -u)" = 0 ] && [ -z "${MUTRACE_LIBRARY:-}" ] && chroot / true 2>/dev/null; then
	cat >plain.c <<-'SOURCE'
		#include <pthread.h>
		static pthread_mutex_t plain_lock = PTHREAD_MUTEX_INITIALIZER;
		int main(void) { return pthread_mutex_lock(&plain_lock) + pthread_mutex_unlock(&plain_lock); }
	SOURCE
	mkdir -p root/tmp
	${CC:-cc} -g -o root/plain plain.c -lpthread || exit 99
	real=$top_builddir/.libs/mutrace
	[ -x "$real" ] || real=$mutrace
	mkdir -p "root$(dirname "$library")"
	cp "$library" "root$library"
	cp "$real" "root$top_builddir/mutrace"
	cp /usr/bin/env root/
	for file in "$real" root/plain /usr/bin/env "$library"; do
		ldd "$file" | grep -oE '/[^ ]+' | while read -r needed; do
			mkdir -p "root$(dirname "$needed")" && cp -L "$needed" "root$needed"
		done
	done
	expect 0 chroot root /env LD_PRELOAD="$library" MUTRACE_OPTIONS=--json=/report.json ./plain
	check_json root/report.json 'lock("plain_lock")["acquired"] == 1'
	[ -z "$(find root/tmp -name session)" ] || fail "a session stays in the changed root"
fi
