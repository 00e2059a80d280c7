#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bootstrap.sh removes no package, says which one is in the way, and goes on where it can. The system's tools
# are stood in for.
. "$(dirname "$0")/lib.sh"

mkdir stand-ins tree
cp "$top_srcdir/bootstrap.sh" tree/
touch tree/configure.ac tree/Makefile.am

# stand_in NAME: what follows on stdin is run in its place.
stand_in() {
	{
		echo '#!/bin/sh'
		echo "echo \"$1 \$*\" >>$work/called"
		cat
	} >"stand-ins/$1"
	chmod +x "stand-ins/$1"
}
stand_in dpkg-query <<'DPKG'
for last; do :; done
case " $LACKING " in *" $last "*) exit 1 ;; esac
echo "install ok installed"
DPKG
stand_in apt-get <<'APT'
case "$*" in
*update*) exit ${UPDATE_FAILS:-0} ;;
*-s*libunwind-dev*) echo "Remv libc++-dev [14]" ;;
*--no-remove*libunwind-dev*) echo "E: remove is disabled" && exit 100 ;;
*" install "*) case "$*" in *--no-remove*) ;; *) echo removed >>removals ;; esac ;;
esac
APT
for tool in autoreconf libtoolize pkg-config make; do
	stand_in $tool <<'TOOL'
[ $(basename "$0") != autoreconf ] || {
	echo "#!/bin/sh" >configure && echo "touch config.status" >>configure && chmod +x configure
}
TOOL
done
stand_in sudo <<'SUDO'
exit 1
SUDO
stand_in id <<'ID'
echo ${USER_ID:-0}
ID

# bootstrap STATUS VARIABLE=VALUE...
bootstrap() {
	local wanted=$1
	shift
	rm -rf called tree/build tree/configure
	expect "$wanted" env PATH="$work/stand-ins:/usr/bin:/bin" "$@" sh tree/bootstrap.sh
}

bootstrap 0 LACKING=
! grep -q apt-get called || fail "apt-get was called though nothing is lacking"
says "bootstrap.sh: building"
says "built; try"

bootstrap 0 LACKING="libyaml-dev automake"
grep -q 'apt-get .*--no-remove install automake libyaml-dev' called ||
	fail "what is lacking is installed, and nothing removed"
says "installing automake libyaml-dev"

bootstrap 1 LACKING="libyaml-dev libunwind-dev"
says "libunwind-dev conflicts with what is installed: libc++-dev"
says "apt-get remove libc++-dev"
[ "$(grep -c conflicts err)" = 1 ] || fail "only what conflicts is named"
[ ! -e removals ] || fail "something was removed"

# Without a network the packages may be here; without root the user is told.
bootstrap 0 LACKING=libyaml-dev UPDATE_FAILS=100
says "could not be updated"
bootstrap 0 LACKING=libyaml-dev USER_ID=1000
says "apt-get install libyaml-dev"
! grep -q '^apt-get' called || fail "apt-get without root"

# On a terminal a step is a line that grows; nothing of it goes elsewhere.
if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
	echo 'sleep 5' >>stand-ins/make
	rm -rf tree/build tree/configure
	script -qec "env PATH=$work/stand-ins:/usr/bin:/bin sh tree/bootstrap.sh" /dev/null >out </dev/null
	grep -q 'building \.\.' out || fail "no dots while it builds"
fi
