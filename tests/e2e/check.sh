#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# diff and check: exit statuses, limits from options and files, what is said of mistakes, baselines, JUnit,
# annotations.
. "$(dirname "$0")/lib.sh"

truth=$workloads/truth
expect 0 "$mutrace" -o session --json=report.json "$truth"
# Half of truth's holds are long and half are short: which of the two is in the middle is luck.
printf 'rules:\n  - lock: "*"\n    hold-p50: off\n' >luck.yaml
expect 0 "$mutrace" check --write-baseline=base.json --repeat=2 -- "$truth"
says "from 2 runs"

# In order, over a limit, not checked: of sessions, reports and a run, which all say the same.
for what in session report.json; do
	expect 0 "$mutrace" check --limit=guilty_lock:acquired=400 $what
	expect 1 "$mutrace" check --limit=guilty_lock:acquired=399 $what
	grep -q '^mutrace check: FAILED guilty_lock: acquired is 400, limit 399; .* truth.c:' out ||
		fail "the finding"
	expect 0 "$mutrace" check --limits=luck.yaml --baseline=base.json $what
done
for try in 1 2 3 4 5 6 7; do # again where the machine was too noisy to judge
	"$mutrace" check --noisy-status=7 --limit='contended-share=10%' -- "$truth" >out 2>err
	status=$?
	[ $status = 7 ] && [ $try -lt 7 ] || break
done
[ $status = 1 ] || fail "status $status of a run that is over its limit"
grep -q 'FAILED guilty_lock: contended-share is 50 %, limit 10 %; hold_lock truth.c:' err ||
	fail "the finding of a run"
grep -q '^waited_ns' out || fail "the program's own output"
expect 0 "$mutrace" check --limits=luck.yaml --baseline=base.json --baseline=report.json -- "$truth"
# the last word counts; globs on name, identity, module; the total
expect 0 "$mutrace" check --limit=acquired=1 --limit='guilty_*:acquired=400' --limit=total:wait-max=100s \
	session
expect 1 "$mutrace" check --limit='identity mutex:truth:*:acquired=1' session
expect 1 "$mutrace" check --limit='module trut?:acquired=1' session
expect 1 "$mutrace" check --limit=total:contended=199 session
grep -q 'FAILED all locks' out || fail "the total"
expect 0 "$mutrace" check --limit='nosuch*:acquired=1' session
says "no lock matches --limit=nosuch*"

not_checked() {
	local text=$1
	shift
	expect 2 "$mutrace" check "$@"
	says_only "$text"
}
not_checked "nothing to check against" session
not_checked "nothing to check;" --limit=acquired=1
not_checked "no figure 'aquired'" --limit=aquired=1 session
not_checked "not a value of hold-p99" --limit=hold-p99=5 session
not_checked "not a value of wait-share" --limit=wait-share=1.5 session
not_checked "the total has no hold-p99" --limit=total:hold-p99=5us session
not_checked "nosuch" --limit=acquired=1 nosuch
not_checked "nosuch.json" --baseline=nosuch.json session
not_checked "failed with exit status 1" --baseline=base.json -- false
not_checked "killed by signal" --baseline=base.json -- sh -c 'kill -9 $$'
expect 77 "$mutrace" check --pass-status --baseline=base.json -- sh -c 'exit 77'
expect 2 "$mutrace" check --baseline=base.json -- "$work/nosuch"
"$mutrace" --contended-only --json=only.json "$truth" >/dev/null 2>&1
not_checked "contended-only" --baseline=base.json only.json
echo '{"mutrace": "9", "format": 99, "processes": []}' >newer.json
not_checked "newer mutrace" --limit=acquired=1 newer.json
echo '{"some": "thing"}' >other.json
not_checked "neither a report of mutrace nor a baseline" --limit=acquired=1 other.json
echo '{"mutrace"' >broken.json
not_checked "is not JSON" --limit=acquired=1 broken.json
not_checked "no lock" --limit=acquired=1 -- true
expect 2 "$mutrace" check --baseline=base.json --junit=/nowhere/x session
expect 2 "$mutrace" check --write-baseline=/nowhere/x session
printf '{"mutrace-baseline": 1, "locks": {"x": {"name": "x"}}}' >bad.json
not_checked "lacks its name or kind" --baseline=bad.json session

# The file of limits, and what is said of mistakes in it
limits() {
	cat >limits.yaml
}
limits <<'YAML'
total:
  wait-max: 100s
rules:
  - lock: "*"
    acquired: 10
    min-acquired: 5
  - lock: guilty_lock
    module: truth
    acquired: off
YAML
expect 0 "$mutrace" check --limits=limits.yaml session
sed -i 's/acquired: off/acquired: 20/' limits.yaml
expect 1 "$mutrace" check --limits=limits.yaml session
expect 0 "$mutrace" check --limits=limits.yaml --limit=acquired=400 session
wrong() {
	limits
	not_checked "limits.yaml:$1" --limits=limits.yaml session
	says "$2"
}
wrong 2 "must be in quotes" <<<$'rules:\n  - lock: *foo'
wrong 3 "no figure 'wait_share'" <<<$'rules:\n  - lock: x\n    wait_share: 3'
wrong 2 "written like 50us" <<<$'rules:\n  - hold-p99: 50'
wrong 2 "at least 1" <<<$'rules:\n  - hold-p99: {factor: 0.5}'
wrong 2 "none of max, factor" <<<$'rules:\n  - hold-p99: {maximum: 5us}'
wrong 1 "neither 'total' nor 'rules'" <<<'rule: []'
wrong 1 "takes a list" <<<'rules: {}'
wrong 2 "the total has no hold-p50" <<<$'total:\n  hold-p50: 3us'
wrong 2 "not YAML" <<<$'rules: [\n}'

# Against a baseline: factor and slack; a lock that is new; one that is gone is no failure
sed 's/"acquired": 400/"acquired": 100/' base.json >few.json
limits <<<$'rules:\n  - hold-p50: off' # half of the holds are short, and how short depends on the machine
expect 0 "$mutrace" check --baseline=few.json --limits=limits.yaml session # within the slack of 1000
limits <<<$'rules:\n  - acquired: {factor: 2, slack: 100}'
expect 1 "$mutrace" check --baseline=few.json --limits=limits.yaml session
grep -q 'acquired is 400, limit 300 (baseline 100)' out || fail "factor and slack"
limits <<<$'rules:\n  - acquired: {factor: 2, slack: 200}\n    hold-p50: off'
expect 0 "$mutrace" check --baseline=few.json --limits=limits.yaml session
sed 's/truth.c:guilty_lock/truth.c:gone_lock/' base.json >gone.json
limits <<<$'rules:\n  - acquired: {slack: 10}'
expect 1 "$mutrace" check --baseline=gone.json --limits=limits.yaml session
grep -q 'FAILED guilty_lock: acquired is 400, limit 10 (not in the baseline)' out || fail "a new lock"

# JUnit and annotations
expect 1 "$mutrace" check --limit=acquired=1 --junit=junit.xml --github=- session
grep -qE '^::error file=.*truth\.c,line=[0-9]+,title=[^:]*::guilty_lock: acquired is 400, limit 1' out ||
	fail "annotation"
expect 2 "$mutrace" check --limit=acquired=1 --junit=trouble.xml -- false
/usr/bin/python3 - <<'PY' || fail "JUnit"
import xml.etree.ElementTree as tree
suite = tree.parse("junit.xml").getroot().find("testsuite")
cases = suite.findall("testcase")
assert int(suite.get("tests")) == len(cases) and int(suite.get("failures")) == 1 and suite.get("errors") == "0"
failed = [c for c in cases if c.find("failure") is not None]
assert [c.get("name") for c in failed] == ["guilty_lock"]
assert failed[0].get("classname").startswith("mutex:truth:") and "truth.c" in failed[0].find("failure").text
suite = tree.parse("trouble.xml").getroot().find("testsuite")
assert suite.get("errors") == "1" and "exit status 1" in suite.find("testcase/error").get("message")
PY

# diff, text and JSON; reports of format 1 stay readable, whatever the format of today is
expect 0 "$mutrace" diff session report.json
grep -q ' 0 worse, 0 better, 0 new, 0 gone' out || fail "a run differs from itself"
expect 0 "$mutrace" diff gone.json session --json=diff.json
grep -q ' 1 new, 1 gone' out || fail "new and gone"
expect 0 "$mutrace" diff --base=base.json --base=session --json=- session report.json
/usr/bin/python3 - <<'PY' || fail "diff's JSON"
import json
d = json.load(open("diff.json"))
assert d["mutrace-diff"] == 1
changes = {l["name"] + " " + l["identity"].rsplit(":", 1)[1]: l["change"] for l in d["locks"]}
assert changes["guilty_lock guilty_lock"] == "new" and changes["guilty_lock gone_lock"] == "gone", changes
new = [l for l in d["locks"] if l["change"] == "new"][0]
assert new["figures"]["acquired"] == {"new": 400} and "truth.c" in new["holder"] and "truth.c" in new["waiter"]
same = json.load(open("out"))
assert same["runs"] == {"base": 3, "new": 2} and all(l["change"] == "same" for l in same["locks"])
PY
expect 2 "$mutrace" diff session
expect 2 "$mutrace" diff session nosuch
format1=$top_srcdir/tests/fixtures/report-format1.json
expect 0 "$mutrace" diff "$format1" report.json
grep -q ' 0 new, 0 gone' out || fail "the report of format 1"
expect 1 "$mutrace" check --limit=guilty_lock:acquired=399 "$format1"

# Baselines: renewing one from the same report changes nothing, so git shows what did change
expect 0 "$mutrace" check --write-baseline=one.json report.json
expect 0 "$mutrace" check --write-baseline=two.json report.json
cmp one.json two.json || fail "a baseline depends on more than the run"
expect 0 "$mutrace" check --write-baseline=two.json one.json
cmp one.json two.json || fail "a baseline of a baseline"

# A noisy machine. made NAME WAIT HOLD QUEUED [CONTENDED [HANDOFF [SLEPT CALL]]]: a report of 1 s with 4 threads that
# ran 400 ms, waited WAIT ms for the lock, CONTENDED times, held it 1000 times for HOLD ms together, and were ready to
# run without a processor for QUEUED ms ("": not known). Nobody held it for HANDOFF ms of the waits; for SLEPT ms the
# holder slept in CALL.
made() {
	/usr/bin/python3 - "$@" <<'PY'
import json, sys
name, wait, hold, queued = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
contended, handoff, slept = (int(sys.argv[i]) if len(sys.argv) > i else so for i, so in ((5, 50), (6, 0), (7, 0)))
ms = 1000000
durations = lambda total, p50: {"total": int(total * ms), "avg": 0, "max": 0, "p50": p50, "p95": p50, "p99": p50}
lock = {"identity": "mutex:bank:m", "name": "m", "kind": "mutex", "acquired": 1000, "contended": contended,
        "waits": contended, "threads": 4,
        "wait_ns": durations(wait, 1000), "hold_ns": durations(hold, 20000), "blocked_ns": int((wait - handoff) * ms), "handoff_ns": handoff * ms,
        "created_at": [{"function": "make", "file": "bank.c", "line": 7}]}
if slept:
    lock["holders"] = [{"count": contended, "slept_ns": slept * ms, "slept_in": [{"function": sys.argv[8]}]}]
process = {"program": "bank", "thread_time_ns": 4000 * ms, "locks": [lock]}
if queued:
    process["processors"] = {"thread_time_ns": 4000 * ms, "run_ns": 400 * ms, "queued_ns": int(float(queued) * ms),
                             "slices": 100}
json.dump({"format": 2, "processes": [process]}, open(name, "w"))
PY
}
noise() { # STATUS WHAT: of noisy.json against the two quiet ones
	expect "$1" "$mutrace" check --baseline=quiet.json --junit=noisy.xml --github=noisy.txt noisy.json
	grep -q "$2" out || fail "$2"
}
made quiet.json 10 20 1
made noisy.json 500 60 ''
noise 1 'FAILED m: wait-share is 12 %, limit 5 % (baseline 0.2 %); make bank.c:7' # nothing is known of processors
made noisy.json 500 60 1
noise 1 'FAILED m: wait-share' # they were there
made noisy.json 300 60 2000
noise 0 'in order, 1 lock (threads ready to run had no processor for 83 % of the time)'
made noisy.json 500 60 2000
noise 0 'too noisy to judge m: wait-share is 12 %'
grep -q '^::warning title=' noisy.txt && ! grep -q '^::error' noisy.txt || fail "the annotation of what is too noisy"
grep -q 'skipped="2"' noisy.xml && grep -q '<skipped message="too noisy to judge: ' noisy.xml || fail "the skipped case"
expect 7 "$mutrace" check --noisy-status=7 --baseline=quiet.json noisy.json
made noisy.json 3900 60 2000
noise 1 'FAILED m: wait-share' # more than lost processors explain
made noisy.json 100 60 1 400
noise 1 'FAILED m: contended-share is 40 %'
made noisy.json 100 60 100 400 # more losses than there were of the length that is usual
noise 0 'too noisy to judge m: contended-share is 40 %'
made noisy.json 500 60 2000 10 480 # who waits for a processor waits for no holder
noise 0 'in order, 1 lock'
made noisy.json 100 900 2000 400 0 80 clock_nanosleep # nor is it known how many waited for the holder that slept
noise 0 'too noisy to judge m: contended-share is 40 %'
made noisy.json 600 60 3000 50 0 160 clock_nanosleep # all else takes longer, so that it is less of the whole
noise 1 'FAILED m: wait-share is 15 %'
made noisy.json 600 60 3000 50 0 160 futex_wait # those that the holder waits for may have lost their processors
noise 0 'too noisy to judge m: wait-share is 15 %'
# Runs of the baseline differ, and this is no change; nor is one to be sure of that only some runs have.
made one.json 100 20 1
made two.json 480 20 1
made three.json 900 20 1
expect 0 "$mutrace" check --baseline=one.json --baseline=two.json --baseline=three.json noisy.json three.json three.json
expect 1 "$mutrace" check --baseline=one.json three.json
expect 0 "$mutrace" check --baseline=one.json --baseline=quiet.json one.json three.json three.json
grep -q "too noisy to judge m: wait-share" out || fail "a change that one run does not have"
# A baseline of old lacks figures: those that it has are judged, and it is said.
sed -e 's/"mutrace-baseline": 2/"mutrace-baseline": 1/' base.json >old.json
expect 0 "$mutrace" check --limits=luck.yaml --baseline=old.json session
says "of an older mutrace and lacks figures"
sed -i 's/"acquired": 400/"acquired": 1/' old.json
printf 'rules:\n  - hold-p50: off\n    acquired: {slack: 10}\n' >limits.yaml
expect 1 "$mutrace" check --limits=limits.yaml --baseline=old.json session
sed -e 's/"mutrace-baseline": 2/"mutrace-baseline": 3/' base.json >future.json
not_checked "is a baseline of format 3" --baseline=future.json session
check_json report.json 'p["processors"]["run_ns"] > 0' 'p["processors"]["slices"] >= 3' \
	'p["processors"]["thread_time_ns"] <= p["thread_time_ns"]'
