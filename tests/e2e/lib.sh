# SPDX-License-Identifier: GPL-3.0-or-later
# For the end-to-end tests: sourced by each. Gives $mutrace (from the build tree, or $MUTRACE if set, e.g. an
# installed one), $work (an empty directory, removed at the end) and the functions below. A test stops at the
# first thing that is not as it must be; its log then has the command's output.

set -u
: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${top_builddir:=$PWD}"
. "$top_srcdir/tests/environment.sh"
mutrace=${MUTRACE:-$top_builddir/mutrace}
workloads=$top_builddir/tests/workloads
[ -x "$mutrace" ] || {
	echo "no mutrace at $mutrace"
	exit 99
}
[ -e /proc/self/stat ] || {
	echo "skipped: there is no /proc, by which a thread is seen to sleep and bash passes what <() prints"
	exit 77
}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
export top_srcdir top_builddir

fail() {
	echo "FAILED: $*"
	for file in out err; do
		[ -s "$work/$file" ] && sed "s/^/  $file: /" "$work/$file" | head -n 60
	done
	[ -n "${MUTRACE_TESTS_GO_ON:-}" ] || exit 1 # make coverage: what comes then is executed, too
}

# need PROGRAM...: without it the test is skipped. May have arguments, as CC.
need() {
	for program; do
		command -v "${program%% *}" >/dev/null || {
			echo "skipped: $program is not installed"
			exit 77
		}
	done
}

# expect STATUS COMMAND...: runs it, stdout in $work/out and stderr in $work/err, and compares the exit
# status.
expect() {
	local wanted=$1 got
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$wanted" ] || fail "exit status $got, not $wanted, of: $*"
}

# says TEXT: some line on stderr has it. One line, none of it noise: no assertion, no "core dumped".
says() {
	grep -qF -e "$1" "$work/err" || fail "stderr does not say '$1'"
}

# says_only TEXT: stderr is one line, and has it.
says_only() {
	says "$1"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "stderr has more than the one line"
}

# check_json FILE EXPRESSION...: each Python expression must be true. d: the document, p: its first process,
# lock(NAME), cond(NAME): the entry of that name, which must exist once; functions(STACK): names, innermost
# first. Rows of glibc's own locks are left out unless libc_rows is exported: any two threads may meet in
# malloc.
check_json() {
	/usr/bin/python3 - "$@" <<'PY' || fail "check of $1"
import json, os, sys
d = json.load(open(sys.argv[1]))
try:  # every report keeps to the schema
    import jsonschema
    schema = json.load(open(os.path.join(os.environ["top_srcdir"], "src/render/report.schema.json")))
    for error in jsonschema.Draft7Validator(schema).iter_errors(d):
        print("not by the schema: %s: %s" % ("/".join(map(str, error.absolute_path)), error.message[:300]))
        sys.exit(1)
except ImportError:
    pass
if "libc_rows" not in os.environ:
    for q in d["processes"]:
        q["locks"] = [l for l in q.get("locks", []) if l.get("made_by") != "libc" or l["acquired"] is not None]
p = d["processes"][0] if d["processes"] else None

def by_name(kind, name, process):
    found = [x for q in ([process] if process else d["processes"]) for x in q.get(kind, []) if x["name"] == name]
    if len(found) != 1:
        print("there are %d %s called %s" % (len(found), kind, name))
        sys.exit(1)
    return found[0]

def lock(name, process=None):
    return by_name("locks", name, process)

def sides(name, process=None):
    l = lock(name, process)
    return [l] + ([l["read"]] if "read" in l else [])

def cond(name, process=None):
    return by_name("conditions", name, process)

def functions(stack):
    return [f.get("function") for f in stack]

for expression in sys.argv[2:]:
    value = eval(expression)
    if not value:
        print("not so: %s" % expression)
        if p is None:
            print("(no process)")
        else:
            print("processes: %s" % [(q["program"], q["pid"]) for q in d["processes"]])
            print(json.dumps(p, indent=1)[:6000])
        sys.exit(1)
PY
}

# line_of FILE TEXT: the number of the line of a source file that has the text.
line_of() {
	grep -nF -m1 -e "$2" "$top_srcdir/$1" | cut -d: -f1
}

# until_true SECONDS COMMAND...: repeats it until it succeeds; fails after so many seconds.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || fail "did not become true: $*"
		sleep 0.05
	done
}

# Sessions that nobody named, of this user.
sessions_left() {
	ls -d /dev/shm/mutrace-?????? "${TMPDIR:-/tmp}"/mutrace-?????? 2>/dev/null
}
