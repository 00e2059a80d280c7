#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The program's exit status is that of mutrace; what cannot be profiled is said in one line, before it runs.
. "$(dirname "$0")/lib.sh"

# The program's own status, output and input.
expect 0 "$mutrace" true
expect 1 "$mutrace" false
expect 57 "$mutrace" sh -c 'exit 57'
expect 255 "$mutrace" sh -c 'exit 255'
echo hello | "$mutrace" cat >out 2>err || fail "cat"
[ "$(cat out)" = hello ] || fail "stdin and stdout are the program's"
expect 0 "$mutrace" sh -c 'echo $0 "$@"' name "a b" --json -o
[ "$(cat out)" = "name a b --json -o" ] || fail "arguments after the program are the program's"
expect 0 "$mutrace" -- echo report
[ "$(cat out)" = report ] || fail "-- ends the options"

# Death by signal: ours is of the same, and leaves no core of ours.
for signal in KILL TERM SEGV ABRT USR1 PIPE QUIT; do
	number=$(kill -l $signal)
	expect $((128 + number)) bash -c 'ulimit -c unlimited 2>/dev/null; cd "$0" && "$@"; exit $?' "$work" \
		"$mutrace" sh -c "ulimit -c 0; kill -$signal \$\$"
	/usr/bin/python3 - "$mutrace" "$number" <<'PY' || fail "dies of SIG$signal itself"
import subprocess, sys
sys.exit(subprocess.run([sys.argv[1], "sh", "-c", "kill -%s $$" % sys.argv[2]], stderr=subprocess.DEVNULL).returncode
         != -int(sys.argv[2]))
PY
done
[ -z "$(ls "$work" | grep '^core')" ] || fail "a core of mutrace"

# Lines for the user: one, and what to do.
expect 2 "$mutrace"
says_only "no program named"
expect 2 "$mutrace" --bogus true
says_only "--bogus"
expect 2 "$mutrace" -Z true
says_only "-Z"
expect 2 "$mutrace" --max
says_only "--max"
expect 2 "$mutrace" --max=many true
says_only "'many'"
expect 2 "$mutrace" --frames=0 true
says_only "between 1 and 128"
expect 2 "$mutrace" --mutex-order=beauty true
says_only "'beauty'"
expect 2 "$mutrace" --json="$work/no/x" true
says_only "$work/no/x"
expect 2 "$mutrace" -o "$work/no/dir" true
says_only "No such file"
mkdir full && touch full/x
expect 2 "$mutrace" -o full true
says_only "exists already"
mkdir -m 755 public
expect 2 "$mutrace" -o public true
says_only "chmod 700"
expect 127 "$mutrace" no-such-program-at-all
says_only "no such program"
expect 127 "$mutrace" ./no-such-file
says_only "No such file"
touch plain
expect 126 "$mutrace" ./plain
says_only "not executable"
expect 126 "$mutrace" /
says_only "is a directory"
printf '#!/no/interpreter\n' >script && chmod +x script
expect 126 "$mutrace" ./script
says_only "/no/interpreter"
head -c 100 /dev/zero >zeros && chmod +x zeros
expect 126 "$mutrace" ./zeros
says_only "no format"
printf 'echo from $0 $1\n' >noshebang && chmod +x noshebang
expect 0 "$mutrace" ./noshebang x
[ "$(cat out)" = "from ./noshebang x" ] || fail "text without #! is for the shell"
printf '\177ELF\1\1\1' >small && head -c 200 /dev/zero >>small && chmod +x small
expect 2 "$mutrace" ./small
says_only "another kind of machine"
expect 2 "$mutrace" report
says "no session named"
expect 2 "$mutrace" report "$work/no"
says_only "$work/no"
expect 2 "$mutrace" report "$work/full"
says_only "full"

printf 'int main(void) { return 0; }\n' >s.c
if ${CC:-cc} -static -o static s.c 2>/dev/null; then
	expect 2 "$mutrace" ./static
	says_only "statically linked"
	printf '#!%s/static\n' "$work" >script && chmod +x script
	expect 2 "$mutrace" ./script
	says_only "statically linked"
	expect 0 "$mutrace" env ./static
fi
${CC:-cc} -o dynamic s.c || exit 99
expect 0 "$mutrace" "$(readelf -lW dynamic | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')" ./dynamic

# A program that gains privileges is run without LD_PRELOAD by the loader; for root it gains none.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$work"
	like_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
	cp dynamic suid && chmod 4755 suid
	cp dynamic sgid && chmod 2755 sgid
	cp dynamic owned && chown 65534 owned && chmod 4755 owned
	if $like_nobody test -x "$mutrace" &&
		! grep -q ' /[^ ]* .*nosuid' <(findmnt -no TARGET,OPTIONS -T "$work"); then
		expect 2 $like_nobody "$mutrace" ./suid
		says_only "set-user-ID"
		expect 2 $like_nobody "$mutrace" ./sgid
		says_only "set-group-ID"
		expect 2 "$mutrace" ./owned
		says_only "set-user-ID"
		expect 0 "$mutrace" ./suid
		expect 0 $like_nobody "$mutrace" ./owned
		if command -v setcap >/dev/null && cp dynamic caps &&
			setcap cap_net_raw+ep caps 2>/dev/null; then
			expect 2 $like_nobody "$mutrace" ./caps
			says_only "file capabilities"
			expect 0 "$mutrace" ./caps
		fi
	fi
fi

# A program that drops the environment is not recorded; that is said, and it runs as ever.
expect 3 "$mutrace" env -i /bin/sh -c 'exit 3'
says "environment that was cleared"
says "run mutrace inside"

# Descriptors that were closed stay closed for the program, and mutrace writes into none of its files.
expect 0 bash -c '"$@" 2>&- 0<&-' - "$mutrace" sh -c 'test ! -e /proc/self/fd/0 && test ! -e /proc/$$/fd/2'
[ ! -s err ] || fail "something on stderr"

# help and version
expect 0 "$mutrace" --help
grep -q '^Usage: mutrace' out || fail "--help"
expect 0 "$mutrace" report --help
expect 0 "$mutrace" --version
grep -qE '^mutrace [0-9]+\.[0-9]+' out || fail "--version"
