#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bash, zsh and fish complete commands and each command's options, by the files that are installed.
. "$(dirname "$0")/lib.sh"
PATH=$(dirname "$mutrace"):$PATH

# complete TOOL WORDS...: what bash offers for the last word.
complete_words() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	"_$1"
}
. "$top_srcdir/completions/bash/mutrace"
. "$top_srcdir/completions/bash/matrace"
for tool in mutrace matrace; do
	commands=$("$tool" --help | sed -n "s/^.* $tool \([a-z]*\) .*/\1/p" | sort -u)
	[ -n "$commands" ] || fail "no commands in $tool --help"
	for command in $commands; do
		complete_words $tool $command --
		"$tool" $command --help | sed -n 's/^  *\(-[a-zA-Z],\)\{0,1\} *\(--[a-z-]*\).*/\2/p' |
			sort -u >wanted
		printf '%s\n' "${COMPREPLY[@]}" | tr -d = | sort -u >offered
		[ -s wanted ] || fail "no options in $tool $command --help"
		diff wanted offered >out || fail "--help (<) and bash (>) of $tool $command"
	done
	complete_words $tool rep
	[[ " ${COMPREPLY[*]} " == *" report "* ]] || fail "$tool rep: ${COMPREPLY[*]}"
done
complete_words mutrace --j
[ "${COMPREPLY[*]}" = --json= ] || fail "--j: ${COMPREPLY[*]}"
complete_words mutrace report --js
[ "${COMPREPLY[*]}" = --json= ] || fail "report --js: ${COMPREPLY[*]}"
complete_words mutrace --json=a ls --
[ "${#COMPREPLY[@]}" = 0 ] || fail "the program's own options: ${COMPREPLY[*]}"

expect 2 "$mutrace" completions csh
says_only "bash, zsh or fish"
if command -v fish >out; then
	cat >try.fish <<'FISH'
source $top_srcdir/completions/fish/mutrace.fish
complete -C 'mutrace rep'
complete -C 'mutrace report --js'
complete -C 'mutrace top --ba'
FISH
	expect 0 env HOME="$work" fish --no-config try.fish
	for offered in report --json --batch; do
		grep -q -e "^$offered" out || fail "fish offers no $offered"
	done
	for tool in mutrace matrace; do # all options of all commands, as with bash
		echo "source $top_srcdir/completions/fish/$tool.fish"
		for command in $("$tool" --help | sed -n "s/^.* $tool \([a-z]*\) .*/\1/p" | sort -u); do
			echo "complete -C '$tool $command --' | sed 's/[=\t].*//; s/^/$tool $command /'"
			"$tool" $command --help | sed -n 's/^  *\(-[a-zA-Z],\)\{0,1\} *\(--[a-z-]*\).*/\2/p' |
				sed "s/^/$tool $command /" >>wanted.fish
		done
	done >try.fish
	expect 0 env HOME="$work" fish --no-config try.fish
	sort -u out >offered
	sort -u wanted.fish >wanted
	diff wanted offered >out || fail "--help (<) and fish (>)"
fi
if command -v zsh >out; then
	cat >try.zsh <<'ZSH'
zmodload zsh/zpty || exit 77
zpty z zsh -f -i
offers() {
	zpty -w z "$1"$'\t\t'
	local deadline=$((SECONDS + 20)) text= more
	while [[ $text != *$2* ]]; do
		((SECONDS < deadline)) || { print -r -- "no $2 in: $text"; exit 1 }
		zpty -rt z more && text+=$more || sleep 0.1
	done
	zpty -w z $'\x15'
}
zpty -w z "fpath=($top_srcdir/completions/zsh \$fpath); autoload -U compinit; compinit -u -d $PWD/dump; PS1=; echo rea''dy"
offers "" ready
offers "mutrace chec" "check "
offers "mutrace report --remove-ses" "sion"
offers "mutrace top --bat" "ch"
offers "mutrace attach --dura" "tion"
offers "mutrace pack --sysr" "oot"
offers "mutrace hang --jso" "n"
offers "mutrace check --basel" "ine"
offers "mutrace diff --markd" "own"
offers "matrace --rt-th" "reads"
ZSH
	expect 0 zsh -f try.zsh
fi
