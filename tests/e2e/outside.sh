#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Programs that the profiled one starts, and that cannot be in the session: the report says why, and what to
# do.
. "$(dirname "$0")/lib.sh"

truth=$workloads/truth
chmod 755 "$work"

# outside WHY COMMAND...: it runs as ever, and the report says that one program was not recorded, and why.
outside() {
	local why=$1
	shift
	expect 0 "$mutrace" --json=json "$@"
	grep -q '^waited_ns' out || fail "it did not run: $*"
	says "not recorded"
	[ $why = static ] || says "run mutrace inside"
	check_json json "d['outside'] == {'$why': 1}" \
		'not any(l["name"] == "guilty_lock" for q in d["processes"] for l in q["locks"])'
}

outside environment env -i "$truth"
outside environment sh -c 'unset LD_PRELOAD; exec "$0"' "$truth"
outside environment python3 -c \
	'import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], env={}).returncode)' "$truth"
spawn='import os, sys; p = os.posix_spawn(sys.argv[1], sys.argv[1:], {}); os.waitpid(p, 0)'
outside environment python3 -c "$spawn" "$truth"

# Without a loader there is no preloading.
printf '#include <stdio.h>\nint main(void) { return puts("waited_ns") < 0; }\n' >static.c
if ${CC:-cc} -static -o static static.c 2>/dev/null; then
	outside static sh -c './static; true'
fi
expect 0 "$mutrace" --json=json sh -c \
	'exec "$(readelf -lW "$0" | sed -n "s/.*program interpreter: \(.*\)\]/\1/p")" "$0"' "$truth"
check_json json '"outside" not in d' 'any(l["contended"] == 200 for q in d["processes"] for l in q["locks"])'

# A path from an open directory is not that from the present one, where a program without a loader lies.
if [ -x static ]; then
	cp static exec
	expect 3 "$mutrace" --json=json "$workloads/exec" execveat_from
	check_json json '"outside" not in d' 'lock("after_lock")["acquired"] == 7'
fi

# Nothing is said of what is in the session, nor of an exec that fails.
expect 0 "$mutrace" --json=json sh -c 'env -i /no/such/program; python3 -c "$1" /no/such; exec "$0"' \
	"$truth" "$spawn"
check_json json '"outside" not in d' 'lock("guilty_lock")["contended"] == 200'

# may COMMAND...: true if COMMAND is installed, and may be used here.
may() {
	"$@" true >/dev/null 2>&1
}
if may setpriv --reuid=65534 --regid=65534 --clear-groups && setpriv --reuid=65534 test -x "$truth"; then
	outside user setpriv --reuid=65534 --regid=65534 --clear-groups "$truth"
	if may runuser -u nobody --; then
		outside user runuser -u nobody -- "$truth"
		outside user su -s /bin/sh nobody -c "exec $truth"
		outside environment su -s /bin/sh - nobody -c "exec $truth"
	fi
fi
if may sudo -n; then
	outside environment sudo -n "$truth"
	expect 0 sudo -n "$mutrace" "$truth"
	grep -q guilty_lock err || fail "sudo mutrace"
fi
hide='mount -t tmpfs none /dev/shm && exec "$0"'
if [ -d /dev/shm ] && unshare -m sh -c 'mount -t tmpfs none /dev/shm' 2>/dev/null; then
	case $work in /dev/shm/*) echo "skipped: $work is in /dev/shm" && exit 77 ;; esac
	outside place unshare -m sh -c "$hide" "$truth"
	expect 0 "$mutrace" -o kept unshare -m sh -c "$hide" "$truth"
	grep -q guilty_lock err || fail "the session on disk is reached"
fi
if may bwrap --ro-bind / / --dev /dev; then
	outside place bwrap --ro-bind / / --dev /dev "$truth"
fi
if may chroot /; then
	expect 0 "$mutrace" --json=json sh -c 'chroot . /no/such; chroot / "$0"' "$truth"
	check_json json '"outside" not in d' 'lock("guilty_lock")["contended"] == 200'
fi
