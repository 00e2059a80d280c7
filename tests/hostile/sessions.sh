#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Sessions that are none, or not ours, or not whole: one clear line each. STEP=1 cuts them off at every byte,
# with the reader built under ASan and UBSan.
. "$(dirname "$0")/../e2e/lib.sh"
step=${STEP:-211}
expect 0 "$mutrace" -o whole "$workloads/truth"
image=$(cd whole && ls image.*)

if [ "$step" = 1 ]; then
	cd "$top_builddir" || exit 99
	# shellcheck disable=SC2046 # several options
	${CC:-cc} -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE \
		-std=gnu11 \
		-I"$top_srcdir/src" -I"$top_srcdir" -I. -Isrc "$top_srcdir/tests/hostile/cuts.c" \
		"$top_srcdir/tests/fuzz/fuzz.c" "$top_srcdir/tests/unit/fake_symbols.c" \
		"$top_srcdir"/src/{base,load,trace,analysis,render}/*.c src/render/profile.pb-c.c \
		$(pkg-config --libs jansson libprotobuf-c zlib) -o "$work/cuts" || exit 99
	cd "$work" || exit 99
	cuts=$work/cuts
else
	cuts=$top_builddir/tests/hostile/cuts
fi
cp -r whole cut
"$cuts" cut "$step" || fail "cut off"

# put FILE OFFSET BYTES: into a fresh copy of the session.
put() {
	rm -rf bad
	cp -r whole bad
	printf "$3" | dd of="bad/$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
refused() {
	expect 2 "$mutrace" report bad
	says_only "$1"
	expect 2 "$mutrace" diff bad whole
	says_only "$1"
}
for file in session "$image"; do
	put "$file" 8 '\4'
	refused "format 4, written by a newer mutrace; this mutrace reads format 3"
	put "$file" 8 '\1'
	refused "format 1, of an older mutrace"
	put "$file" 8 '\0\0\0\1\1\2\3\4'
	refused "was recorded on a machine with the other byte order"
	put "$file" 12 'abcd'
	refused "is damaged"
	put "$file" 0 'x'
	refused "is no"
	rm -rf bad && cp -r whole bad && : >"bad/$file"
	refused "is no"
	rm -rf bad && cp -r whole bad && rm "bad/$file" && mkdir "bad/$file"
	refused "it is not a regular file"
	rmdir "bad/$file" && mkfifo "bad/$file"
	refused "it is not a regular file"
	rm "bad/$file" && ln -s "$work/whole/$file" "bad/$file"
	refused "it is not a regular file"
done
# one bad image beside a good one: the rest counts
rm -rf bad && cp -r whole bad && cp whole/session bad/image.1.0
expect 0 "$mutrace" report --json=json bad
grep -q '1 recording could not be read: image.1.0 is not a recording' out || fail "the bad image is not said"
check_json json 'd["unreadable_recordings"] == 1 and lock("guilty_lock")["acquired"] == 400'
rm -rf bad && mkdir bad
refused "no recording is in it"
rm -rf bad && head -c 10000 /dev/urandom >bad
refused "is no"
rm -rf bad
refused "No such file"
