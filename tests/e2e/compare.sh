#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Outputs of check and diff for others: Markdown in which names are nothing but text, JSON by its schema;
# tables that fit; and programs that were renamed.
. "$(dirname "$0")/lib.sh"

schema() { # FILE: it keeps to compare.schema.json
	local file=$top_srcdir/src/compare/compare.schema.json
	/usr/bin/python3 - "$1" "$file" <<'PY' || fail "$1 by the schema"
import json, sys
document, schema = (json.load(open(f)) for f in sys.argv[1:])
try:
    import jsonschema
except ImportError:
    sys.exit(0)
jsonschema.Draft7Validator.check_schema(schema)
kind = "check" if "mutrace-check" in document else "diff"
schema["oneOf"] = [{"$ref": "#/definitions/" + kind}]  # its errors say more
errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))
print(*(f"{e.json_path}: {e.message[:300]}" for e in errors), sep="\n")
# nothing but what is described
known = schema["definitions"][kind]["properties"]
assert set(document) <= set(known), set(document) - set(known)
finding = schema["definitions"]["finding"]["properties"]
assert all(set(f) <= set(finding) for f in document.get("findings", []))
sys.exit(1 if errors else 0)
PY
}

# made FILE PROGRAM ACQUIRED NAME...: a report of locks, acquired so often
made() {
	/usr/bin/python3 - "$@" <<'PY'
import json, sys
file, program, acquired = sys.argv[1], sys.argv[2], int(sys.argv[3])
durations = {"total": 1000, "avg": 1, "max": 9, "p50": 1, "p95": 2, "p99": 3}
locks = [{"identity": f"mutex:{program}:{n}", "name": n, "kind": "mutex", "module": "/bin/" + program,
          "acquired": acquired, "contended": 0, "waits": 0, "threads": 2, "wait_ns": durations, "hold_ns": durations,
          "holders": [{"blocked_ns": 9, "stack": [{"function": n, "file": "/a|b/c.c", "line": 3}]}]}
         for n in sys.argv[4:]]
process = {"program": "/bin/" + program, "thread_time_ns": 10**9, "locks": locks}
json.dump({"format": 2, "processes": [process]}, open(file, "w"))
PY
}
nasty=('a|b' '`x`' '<script>alert(1)</script>' '@octocat' 'x@y.org' '#123' 'www.example.com' 'https://a.b'
	'**b** _i_ [l](u)'
	'![i](u)' 'back\|slash' '&amp; &lt;' '~~s~~ $$m$$' $'line\nend' ':tada:' '--' '1. one')
made base.json bank 10 "${nasty[@]}"
made now.json bank 90000 "${nasty[@]}" new
expect 1 "$mutrace" check --baseline=base.json --markdown=check.md --json=check.json now.json
expect 0 "$mutrace" diff base.json now.json --markdown=diff.md --json=diff.json
expect 0 "$mutrace" diff base.json now.json --markdown=-
cmp out diff.md || fail "Markdown on stdout is all there is"
schema check.json
schema diff.json
/usr/bin/python3 - check.md diff.md <<'PY' || fail "Markdown"
import html, re, sys
for file in sys.argv[1:]:
    lines = open(file).read().split("\n")
    assert lines[0].startswith("### mutrace ") and lines[1] == "" and lines[-1] == "", lines[:2]
    rows = lines[2:-1]
    columns = rows[0].count("|")
    assert re.fullmatch(r"(\|-+:?)+\|", rows[1]) and len(rows) > 17
    for row in rows:
        assert row.count("|") == columns and row.startswith("| ") | (row == rows[1]) and row.endswith("|"), row
        for name in re.findall("<code>(.*?)</code>", row):
            assert re.fullmatch(r"([\w %]|&#\d+;|<!-- -->)*", name), name
        rest = re.sub("<code>.*?</code>", "", row)
        assert not set("<>`@\\[]#") & set(re.sub(r"&#\d+;", "", rest)), rest
    codes = re.findall("<code>(.*?)</code>", "\n".join(rows))
    names = {html.unescape(n.replace("<!-- -->", "")) for n in codes}
    for name in ("a|b", "`x`", "<script>alert(1)</script>", "x@y.org", "&amp; &lt;", "new"):
        assert name in names, (name, names)
PY
expect 0 "$mutrace" check --limit=acquired=1000000 --markdown=check.md --json=check.json now.json
schema check.json
[ "$(wc -l <check.md)" = 1 ] || fail "Markdown without findings has no table"
expect 2 "$mutrace" check --limit=acquired=1 --json=check.json \
	--markdown=check.md --github=check.github -- false
schema check.json
grep -q '^### mutrace check: not checked$' check.md && grep -q '^false failed with exit status 1' check.md ||
	fail "Markdown of a check that could not be done"
grep -q '^::error title=.*::false failed' check.github || fail "an annotation of that"
grep -q '"verdict": "not-checked"' check.json || fail "JSON of a check that could not be done"

# Tables keep to the width, and no name is cut.
long=a_class_with_a_long_name::and_a_member_function::of_which_nobody_knows::where_it_ends
made base.json bank 10 short $long
made now.json bank 90000 short $long
for width in 60 80 100; do
	expect 0 env COLUMNS=$width "$mutrace" diff base.json now.json
	grep -q "$long" out || fail "the name at $width columns"
	sed -n '/^$/,/^$/p' out | grep -v "$long" | awk -v w=$width 'length > w { exit 1 }' ||
		fail "$width columns"
	grep -q 'worse   *short .*10 -> 90 000' out || fail "the first column at $width columns"
done

# A program that has another name, in another place: the same locks
made base.json bank 10 one two
made now.json vault 90000 one two three
expect 0 "$mutrace" diff base.json now.json
grep -q ' 2 worse, 0 better, 1 new, 0 gone' out || fail "a renamed program"
expect 1 "$mutrace" check --baseline=base.json now.json
grep -q 'FAILED one: acquired is 90 000, limit 1 015 (baseline 10)' out ||
	fail "the baseline of a renamed program"
cp "$workloads/truth" bank
mkdir elsewhere && cp bank elsewhere/vault
expect 0 "$mutrace" --json=bank.json ./bank
expect 0 "$mutrace" --json=vault.json elsewhere/vault
expect 0 "$mutrace" diff bank.json vault.json
grep -q ' 0 new, 0 gone' out || fail "a program that was renamed and moved"

# Half of the holds are short, half are long: a few more or less make another median, but no other lock.
halves() { # FILE SHORT LONG P50
	/usr/bin/python3 - "$@" <<'PY'
import json, sys
file, short, long, p50 = sys.argv[1], *map(int, sys.argv[2:])
hold = {"total": long * 10**6, "avg": 10**6, "max": 1500000, "p50": p50, "p95": 1400000, "p99": 1500000}
lock = {"identity": "mutex:bank:one", "name": "one", "kind": "mutex", "acquired": short + long, "contended": 0,
        "waits": 0, "threads": 2, "wait_ns": dict.fromkeys(hold, 0), "hold_ns": hold,
        "histogram": {"bounds_ns": [500, 1000, 500000, 1000000], "wait": [0] * 4, "hold": [short, 0, 0, long]}}
process = {"program": "/bin/bank", "thread_time_ns": 10**11, "locks": [lock]}
json.dump({"format": 2, "processes": [process]}, open(file, "w"))
PY
}
halves base.json 202 198 995
halves now.json 198 202 1005000
halves longer.json 40 360 1200000
expect 0 "$mutrace" diff base.json now.json
grep -q ' 0 worse, 0 better, .* 1 about the same' out || fail "a median of two lengths"
expect 0 "$mutrace" diff now.json base.json
grep -q ' 0 worse, 0 better, .* 1 about the same' out || fail "a median of two lengths, the other way"
expect 0 "$mutrace" diff base.json longer.json
grep -q ' 1 worse, ' out || fail "a median that is another one"
halves short.json 396 4 900
expect 0 "$mutrace" check --baseline=base.json now.json
expect 0 "$mutrace" check --baseline=short.json now.json
grep -q 'too noisy to judge one: hold-p50' out || fail "nobody can tell"
expect 1 "$mutrace" check --baseline=short.json longer.json
grep -q 'FAILED one: hold-p50' out || fail "the median is over its limit"

# Lost processors may explain all waits of the one run. That the other one has them is no change.
lost() { # FILE QUEUED: a run in which threads waited so many ns in the queues of processors
	/usr/bin/python3 - "$@" <<'PY'
import json, sys
durations = dict.fromkeys(("total", "avg", "max", "p50", "p95", "p99"), 10**6) | {"total": 4 * 10**8}
lock = {"identity": "mutex:bank:one", "name": "one", "kind": "mutex", "acquired": 400, "contended": 200, "waits": 200,
        "threads": 2, "wait_ns": durations, "hold_ns": durations}
process = {"program": "/bin/bank", "thread_time_ns": 10**9, "locks": [lock],
           "processors": {"thread_time_ns": 10**9, "run_ns": 10**8, "queued_ns": int(sys.argv[2]), "slices": 400}}
json.dump({"format": 2, "processes": [process]}, open(sys.argv[1], "w"))
PY
}
lost noisy.json 1000000000
lost quiet.json 0
expect 0 "$mutrace" diff noisy.json quiet.json
grep -q ' 0 worse, 0 better, .* 1 about the same' out || fail "a run that lost processors"
expect 0 "$mutrace" check --baseline=noisy.json quiet.json
grep -q 'too noisy to judge one: ' out || fail "a baseline that lost processors"
expect 0 "$mutrace" check --write-baseline=noisy.base.json noisy.json
expect 0 "$mutrace" check --baseline=noisy.base.json quiet.json
grep -q 'too noisy to judge one: ' out || fail "a baseline that was written"
