#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mutrace pack: a session as one file says the same, byte for byte, where the program and its debug
# information are not. Packs that are damaged or mean ill are refused, with nothing left behind and nothing
# written elsewhere.
. "$(dirname "$0")/lib.sh"
need tar gzip
export mutrace
export TMPDIR=$work/tmp
mkdir tmp here

cp "$workloads/hang" here/
(sleep 0.3 && touch go) & # of a run that is much shorter no two reports have the same clock
expect 0 "$mutrace" -o kept --when-waiting=100000:true here/hang go
outputs() { # PREFIX SESSION: what is asked for in both places
	expect 0 "$mutrace" report --json="$1.json" --csv="$1.csv" --folded="$1.folded" --html="$1.html" "$2"
	mv out "$1.txt"
	expect 0 "$mutrace" report --per-instance --all -d --longest "$2"
	mv out "$1.all"
}
outputs first kept
grep -q want_lock first.txt first.json || fail "no names to lose"
expect 0 "$mutrace" pack kept one.pack
expect 0 "$mutrace" pack kept
says_only "packed in kept.mutrace.tar.gz"
cmp -s one.pack kept.mutrace.tar.gz || fail "two packs of one session differ"
rm -r here kept
outputs second one.pack
for file in txt json csv folded html all; do
	cmp "first.$file" "second.$file" || fail "$file differs without the program"
done
mkdir by-hand
tar -xzf one.pack -C by-hand || fail "tar cannot read the pack"
outputs third by-hand/session
cmp first.txt third.txt || fail "unpacked by tar"
expect 0 "$mutrace" diff one.pack first.json

# Packs that mean ill.
refused() {
	expect 2 "$mutrace" report "$1"
	says_only "$2"
	[ -z "$(ls tmp)" ] || fail "something is left behind: $(ls tmp)"
}
cd by-hand && touch x session/x && ln -s /etc/passwd link && ln -s /etc/passwd session/image.7.0 && cd ..
pack() { tar -C by-hand -czf bad.pack --format=ustar "$@"; }
pack -P --transform='s|session/session|../../escaped|' session/session
refused bad.pack "is not a pack"
pack session/session link
refused bad.pack "is not a pack"
pack session/session session/image.7.0
refused bad.pack "is not a pack"
pack session/session session/session
refused bad.pack "is not a pack"
pack x
refused bad.pack "is not a pack"
pack -P --transform='s|session|/etc/../tmp/session|' session/session
expect 0 "$mutrace" report bad.pack # of each name the last part counts
[ ! -e /tmp/session ] || fail "it was unpacked elsewhere"
head -c 700 one.pack >bad.pack
refused bad.pack "is not a pack"
printf '\037\213' >bad.pack
refused bad.pack "is not a pack"
/usr/bin/python3 - one.pack <<'PY' || fail "some damage crashed it"
import gzip, os, random, subprocess, sys
whole, random = gzip.open(sys.argv[1]).read(), random.Random(1)
for n in range(60):
    bytes_ = bytearray(whole)
    names = whole.find(b"M\t'")
    for _ in range(random.choice((1, 3, 30))):
        at = random.randrange(names, len(whole)) if n % 2 else random.choice((0, 512)) + random.randrange(512)
        bytes_[at % len(bytes_)] = random.randrange(256)
    with gzip.open("bad.pack", "wb", 1) as f:
        f.write(bytes_)
    status = subprocess.call([os.environ["mutrace"], "report", "--json=bad.json", "bad.pack"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert status in (0, 2), (n, status)
assert not os.listdir("tmp"), os.listdir("tmp")
PY
