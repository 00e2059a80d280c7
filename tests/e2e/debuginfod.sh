#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Names of a stripped program: the report says what would give them, and --debuginfod fetches them.
# Nothing is fetched because DEBUGINFOD_URLS is set.
. "$(dirname "$0")/lib.sh"
need objcopy strip readelf
report() { # OPTION... SESSION: its report, where says() looks
	expect 0 timeout 60 "$mutrace" report "$@"
	cat out >>err
}
export DEBUGINFOD_URLS='' DEBUGINFOD_CACHE_PATH=$work/cache no_proxy='*'
mkdir bin
cp "$workloads/owners" plain
cp plain bin/owners
strip bin/owners
id=$(readelf -n plain | sed -n 's/.*Build ID: //p')
if [ -z "$id" ]; then
	echo "skipped: the linker writes no build ids"
	exit 77
fi
mkdir -p "buildid/$id"
objcopy --only-keep-debug plain "buildid/$id/debuginfo"
rm plain
expect 0 "$mutrace" -o kept bin/owners
says "places in owners have no names: it is stripped (build id $id); --debuginfod may find names."
says "mutex in owners+0x"

# The library that asks is needed only then, and a report without it is one nevertheless.
report --debuginfod kept
says "debuginfod did not give all: "
says "mutex in owners+0x"
if grep -q "libdebuginfod.so.1 is not installed" err; then
	echo "skipped: libdebuginfod is not installed"
	exit 77
fi
says "DEBUGINFOD_URLS names no server."

# A server that has the file, and tells what it was asked: Debian's, or one that looks the same from here.
port=$(/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
if command -v debuginfod >out; then
	debuginfod -d :memory: -p "$port" -F buildid >served 2>&1 &
else
	/usr/bin/python3 -m http.server --bind 127.0.0.1 "$port" >served 2>&1 &
fi
server=$!
trap 'kill -9 $server; rm -rf "$work"' EXIT
served() { # it has the file
	/usr/bin/python3 - "$port" "$id" <<'PY'
import sys, time, urllib.error, urllib.request
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        urllib.request.urlopen("http://127.0.0.1:%s/buildid/%s/debuginfo" % tuple(sys.argv[1:])).read()
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
PY
}
served || fail "no server"
export DEBUGINFOD_URLS="http://127.0.0.1:$port"
asked=$(grep -c "$id" served)
report kept
says "mutex in owners+0x"
[ "$(grep -c "$id" served)" = "$asked" ] || fail "a server was asked though nobody wants it"
report --debuginfod kept
says "debuginfod gave debug information of 1 file."
grep -q "owners.c:[0-9]" err || fail "no lines"
grep -q "owners+0x" err && fail "names are missing"
report kept # from the cache of debuginfod's clients
grep -q "owners+0x" err && fail "the cache is not looked into"

# One that never answers costs as much time as is given to it, and no more.
kill -STOP $server
rm -rf cache
report --debuginfod=1 kept
says "debuginfod did not give all: it took too long"
says "mutex in owners+0x"
kill -CONT $server
