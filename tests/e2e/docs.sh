#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# --help, the man page and the option table name the same options; the man page renders without a complaint,
# and the commands that README and man page show exist.
. "$(dirname "$0")/lib.sh"

page=$top_srcdir/man/mutrace.1
for command in run report; do
	expect 0 "$mutrace" $command --help
	grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >help.$command
	[ -s help.$command ] || fail "no options in --help of $command"
done
sort -u help.* >help

# In the page's source an option is "\-\-name".
sed -n 's/\\-/-/g; s/^\.B[RI]* //p' "$page" | grep -oE -- '--[a-z][a-z-]+' | sort -u >page
while read -r option; do
	grep -qx -e "$option" page || fail "the man page lacks $option"
done <help
sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$page" | sed 's/\\-/-/g' | sed -n 's/^\.B[RI]* //p' |
	grep -oE -- '--[a-z][a-z-]+' | sort -u >described
while read -r option; do
	grep -qx -e "$option" help || fail "the man page describes $option, which is not in --help"
done <described

# Each order of --help is in the page and is taken; each option that takes no argument is taken.
expect 0 "$mutrace" --help
sed -n '/^Orders of locks/,/^$/p' out | grep '^ ' | tr -s ' ' '\n' | grep . >orders
[ "$(wc -l <orders)" -ge 16 ] || fail "orders of locks in --help"
while read -r order; do
	sed 's/\\-/-/g' "$page" | grep -qw -e "$order" || fail "the man page lacks the order $order"
	expect 0 "$mutrace" --mutex-order="$order" true
done <orders
expect 0 "$mutrace" --help
sed -n '/^Orders of conditions/,/^$/p' out | grep '^ ' | tr -s ' ' '\n' | grep . >orders
[ "$(wc -l <orders)" -ge 9 ] || fail "orders of conditions in --help"
while read -r order; do
	sed 's/\\-/-/g' "$page" | grep -qw -e "$order" || fail "the man page lacks the order $order"
	expect 0 "$mutrace" --cond-order="$order" true
done <orders
expect 0 "$mutrace" --all -d -r --trap --contended-only --no-follow --per-instance --hash-size=99 --max=1 \
	--frames=3 \
	--locked-min=1 --owner-changed-min=1 --contended-min=1 --wait-min=1 --sample-hold=10 \
	--session-size=4M --events=1M \
	--helper='my_lock*' --sysroot=/ true

# Its section COUNTERS has those of the table, with their meanings, and no others.
/usr/bin/python3 - "$top_srcdir/src/session/counters.def" "$page" <<'PY' || fail "the man page's counters"
import re, sys
entries = re.split(r"(?m)^COUNTER\(", open(sys.argv[1]).read())[1:]
assert len(entries) >= 10
pairs = re.compile(r'\.name = "([^"]+)"(?:(?!\.name).)*?\.meaning = "([^"]+)"', re.S)
wanted = [[], []]
for entry in entries:
    lock, _, condition = entry.partition(".condition = {")
    for list, part in zip(wanted, (lock, condition)):
        found = pairs.findall(part)
        assert len(found) == part.count(".name"), "a counter has no meaning: " + entry
        list += found
section = open(sys.argv[2]).read().replace("\\-", "-").split(".SH COUNTERS")[1].split(".SH")[0]
described = [re.findall(r"(?m)^\.TP\n\.B (\S+)\n(.*)$", part) for part in section.split("And of each condition")]
assert described == wanted, "the table has %s\nthe page has %s" % (wanted, described)
PY

# The other page has the options of diff and check.
page2=$top_srcdir/man/mutrace-check.1
for command in diff check; do
	expect 0 "$mutrace" $command --help
	grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >help2.$command
	[ -s help2.$command ] || fail "no options in --help of $command"
done
sort -u help2.* >help2
sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$page2" | sed 's/\\-/-/g' | sed -n 's/^\.B[RI]* //p' |
	grep -oE -- '--[a-z][a-z-]+' | sort -u >described2
diff help2 described2 >out || fail "--help (<) and man page (>) of diff and check"
# Each figure, and those that are compared by themselves with the factor and slack that the program has.
/usr/bin/python3 - "$top_srcdir/src/compare/figures.h" "$page2" <<'PY' || fail "the man page's figures"
import re, sys
page = open(sys.argv[2]).read().replace("\\-", "-")
figures = re.findall(r'\n\tX\(\w+, "([\w-]+)", UNIT_(\w+), ([\d.]+), ([\d.e]+),', open(sys.argv[1]).read())
assert len(figures) >= 13
for name, unit, factor, slack in figures:
    assert re.search(r"\b%s\b" % name, page.split(".SH FIGURES")[1].split(".SS")[0]), name
    text = {"SHARE": "%g%%" % (float(slack) * 100), "NS": "%gus" % (float(slack) / 1000), "COUNT": "%g" % float(slack)}
    row = re.search(r"(?m)^%s +([\d.]+) +(\S+)$" % name, page)
    assert (row is not None) == (factor != "0"), name
    assert row is None or row.groups() == (factor, text[unit]), (name, row.groups(), factor, text[unit])
PY
# Each option of attach is in its own page or in the first one, and its page has no others.
expect 0 "$mutrace" attach --help
grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >help5
page5=$top_srcdir/man/mutrace-attach.1
sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$page5" | sed 's/\\-/-/g' |
	grep -oE -- '--[a-z][a-z-]+' | sort -u >described5
grep -qx -e --duration help5 && grep -qx -e --duration described5 || fail "--duration of attach"
while read -r option; do
	cat described5 page | grep -qx -e "$option" || fail "neither man page has $option of attach"
done <help5
while read -r option; do
	grep -qx -e "$option" help5 || fail "mutrace-attach(1) has $option, which is not in --help"
done <described5
# The pages of hang and top have their options.
for command in hang top; do
	expect 0 "$mutrace" $command --help
	grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >help4
	[ -s help4 ] || fail "no options in --help of $command"
	sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$top_srcdir/man/mutrace-$command.1" | sed 's/\\-/-/g' |
		sed -n 's/^\.B[RI]* //p' | grep -oE -- '--[a-z][a-z-]+' | sort -u >described4
	diff help4 described4 >out || fail "--help (<) and man page (>) of $command"
done
expect 0 "$(dirname "$mutrace")/matrace" --help
grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' | sort -u >help3
[ -s help3 ] || fail "no options in --help of matrace"
sort -u help help2 help3 help5 >all && mv all help

# Options named in the README exist.
grep -oE -- ' --[a-z][a-z-]+' "$top_srcdir/README.md" | tr -d ' ' | sort -u | while read -r option; do
	case $option in --prefix | --disable-command) continue ;; esac # of configure
	grep -qx -e "$option" help || exit 1
done || fail "the README names an option that does not exist"

for page in "$page" "$page2" "$page5" "$top_srcdir"/man/mutrace-hang.1 "$top_srcdir"/man/mutrace-top.1; do
	if command -v man >/dev/null; then
		MANWIDTH=80 man --warnings -l "$page" >rendered 2>warnings || fail "man: $(cat warnings)"
		[ ! -s warnings ] || fail "man warns: $(cat warnings)"
	elif command -v groff >/dev/null; then
		groff -man -Tascii -ww -z "$page" 2>warnings
		[ ! -s warnings ] || fail "groff warns: $(cat warnings)"
	fi
done
