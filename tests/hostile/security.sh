#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Nobody gains by ill will: planted links and directories, programs that gain privileges, sessions of other
# users. Root has another user at hand; without root the rest is tested.
if [ -z "${IN_NAMESPACE:-}" ]; then
	export IN_NAMESPACE=no
	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null && IN_NAMESPACE=yes exec unshare -m bash "$0"
fi
. "$(dirname "$0")/../e2e/lib.sh"
library=$top_builddir/.libs/libmutrace.so
[ -e "$library" ] || exit 99
chmod 755 "$work"
cp "$library" lib.so && cp "$workloads/../hostile/short" short && chmod 755 lib.so short || exit 99
echo untouched >victim

# A session made by hand, as mutrace makes it.
fresh() {
	rm -rf s
	"$mutrace" -o s true 2>/dev/null || exit 99
	rm -f s/image.*
}
# preloaded SESSION COMMAND...: the program does its work, whatever the session is.
preloaded() {
	local session=$1
	shift
	unharmed env MUTRACE_SESSION="$session" LD_PRELOAD="$work/lib.so" "$@"
}
unharmed() {
	expect 7 "$@"
	[ "$(cat out)" = "calls 30" ] || fail "the program's output"
	[ -s err ] && fail "somebody said something"
	[ "$(cat victim)" = untouched ] || fail "the victim was written to"
}
recorded() {
	ls "$1" | grep -q '^image\.'
}

fresh
preloaded "$work/s" ./short 10 1
recorded s || fail "nothing recorded where all is well"
[ "$(stat -c %a s/image.*)" = 600 ] || fail "mode of an image"

fresh && chmod 750 s
preloaded "$work/s" ./short 10 1
recorded s && fail "recorded in a directory that others can read"
fresh && ln -s s link
preloaded "$work/link" ./short 10 1
preloaded s ./short 10 1
recorded s && fail "recorded by way of a link, or of a relative path"
rm link
fresh && mv s/session real && ln -s "$work/real" s/session
preloaded "$work/s" ./short 10 1
recorded s && fail "recorded although the file session is a link"
fresh # the name of the image is known beforehand to who makes it
unharmed bash -c 'ln -s "$1/victim" "$1/s/image.$$.0"; ln "$1/victim" "$1/s/image.$$.1"
	MUTRACE_SESSION=$1/s LD_PRELOAD=$1/lib.so exec ./short 10 1' - "$work"
[ "$(find s -type f -name 'image.*.[23]' | wc -l)" -ge 1 ] ||
	fail "no image beside the planted ones: $(ls -l s)"
fresh
unharmed bash -c 'mkdir "$1/s/image.$$.0"; MUTRACE_SESSION=$1/s LD_PRELOAD=$1/lib.so exec ./short 10 1' - \
	"$work"

# -o: neither through a link nor into what others can read
mkdir -m 700 target && ln -s target link && ln -s nowhere dangling && mkdir -m 755 open
for name in link dangling open; do
	expect 2 "$mutrace" -o $name ./short 10 1
done
[ -z "$(ls target)" ] || fail "written through a link"
# $TMPDIR is a link: allowed, it is the user's word; the session is private all the same
if [ $IN_NAMESPACE = yes ]; then
	mount -t tmpfs -o size=1m tmpfs /dev/shm || exit 99
	TMPDIR=$work/link expect 0 "$mutrace" sh -c 'echo "$MUTRACE_SESSION"; stat -c %a "$MUTRACE_SESSION"'
	[ "$(sed -n '2p' out)" = 700 ] && grep -q "^$work/target/mutrace-" out || fail "TMPDIR that is a link"
	umount /dev/shm
fi

if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
	echo "the rest needs root and setpriv"
	exit 0
fi
nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# Sessions of others: the recorder takes none, not even as root.
fresh && chown -R 65534:65534 s
preloaded "$work/s" ./short 10 1
recorded s && fail "root recorded into a session of another user"
fresh
preloaded "$work/s" setpriv --reuid=65534 --regid=65534 --clear-groups ./short 10 1

# The reader takes them, but opens no file that they name. A copy of one's own is another thing.
mkdir -m 700 theirs && chown 65534:65534 theirs
cp "$workloads/truth" truth && chmod 755 truth
expect 7 nobody env LD_PRELOAD="$work/lib.so" MUTRACE_SESSION=/nowhere ./short 10 1
"$mutrace" -o kept ./truth >/dev/null 2>&1 && cp -r kept theirs/s && chown -R 65534:65534 theirs/s || exit 99
expect 0 "$mutrace" report --json=json theirs/s
grep -q "another user's" out || fail "it is not said whose session that is"
grep -q guilty_lock out && fail "names from a file that another user's session names"
check_json json 'sum(l["contended"] for l in p["locks"]) == 200' \
	'not any("function" in f for l in p["locks"] for w in l["waiters"] for f in w["stack"])'
if command -v strace >/dev/null; then
	strace -f -e trace=open,openat,stat,access -o trace "$mutrace" report theirs/s >/dev/null 2>&1
	grep -q "$work/truth" trace && fail "the program of another user's session was looked at"
fi
expect 0 "$mutrace" report kept
grep -q guilty_lock out || fail "no names in a session of one's own"
"$mutrace" report --remove-session theirs/s >/dev/null 2>&1
[ -d theirs/s ] || fail "removed another user's session"

# Set-user-ID: nothing is recorded, nothing read from the environment, neither through the loader, which
# refuses by itself, nor where the system preloads us into everything.
mkdir -m 777 world && cp short world/suid && chown 0:0 world/suid && chmod 4755 world/suid
fresh && chown -R 65534:65534 s && chmod 700 s
privileged() {
	rm -f s/image.*
	expect 7 nobody env MUTRACE_SESSION="$work/s" TMPDIR="$work/world" "$@" world/suid 10 1
	[ "$(cat out)" = "calls 30" ] && [ ! -s err ] || fail "the set-user-ID program does not do as ever"
	recorded s && fail "a set-user-ID program was recorded"
	[ "$(ls world)" = suid ] || fail "a set-user-ID program left something in TMPDIR"
}
if findmnt -no OPTIONS -T "$work" 2>/dev/null | grep -q nosuid; then
	echo "skipped: $work is mounted nosuid"
else
	privileged LD_PRELOAD="$work/lib.so"
	nobody test -x "$mutrace" && expect 2 nobody "$mutrace" world/suid 10 1
	if [ $IN_NAMESPACE = yes ] && [ ! -e /etc/ld.so.preload ] && cp -a /etc etc 2>/dev/null; then
		mount --bind etc /etc || exit 99
		export MUTRACE_SESSION=/nowhere # for all but those that are given another
		echo "$work/lib.so" >/etc/ld.so.preload
		privileged
		rm -f s/image.*
		expect 7 nobody env MUTRACE_SESSION="$work/s" ./short 10 1
		recorded s || fail "an ordinary program is not recorded so"
		rm /etc/ld.so.preload
		umount /etc
	fi
fi
