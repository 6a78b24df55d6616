#!/usr/bin/env bash
# Builds, tests, installs and uninstalls a source release where there is little else: an empty folder, a PATH with only what the
# README says is needed, no network, and in place of the system's jsmn.h one that no compiler accepts. bubblewrap makes that place.
#   distcheck.sh TARBALL
set -euo pipefail
release=$(realpath "$1")
command -v bwrap >/dev/null || {
	echo 'dgrid: make distcheck needs bubblewrap (bwrap)' >&2
	exit 69
}
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-distcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home" "$work/root"

# A compiler and its parts, make, git (ssh-keygen is for the tests of signatures), and what every POSIX system has.
for tool in cc as ld collect2 make git ssh-keygen sh awk basename cat chmod cmp cp cut dirname echo env expr false grep head id install \
	ln ls mkdir mktemp mv od printf pwd rm rmdir sed sleep sort tail test touch tr true uname wc; do
	while read -r path; do
		[[ $(realpath "$path") != */ccache ]] || continue # it stands in a compiler's place, and would look for that one here
		ln -s "$path" "$work/bin/$tool"
		break
	done < <(type -aP "$tool")
done
echo '#error "the header of the system was read, not the one in the release"' >"$work/poison.h"
hide=()
for header in /usr/include/jsmn.h /usr/local/include/jsmn.h; do
	[[ ! -e $header ]] || hide+=(--ro-bind "$work/poison.h" "$header")
done
place() {
	bwrap --clearenv --setenv PATH "$work/bin" --setenv HOME "$work/home" --setenv LC_ALL C --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --bind "$work" "$work" --ro-bind "$work/bin" "$work/bin" \
		"${hide[@]}" --unshare-net --unshare-pid --die-with-parent --chdir "$work/${in:-}" "$@"
}
say() { echo "  DISTCHECK  $*"; }

tar -xzf "$release" -C "$work"
in=$(cd "$work" && echo dgrid-*/)
in=${in%/}
if [[ ${#hide[@]} -gt 0 ]] &&
	! { printf '#include <jsmn.h>\n' | place cc -fsyntax-only -x c - 2>&1 || true; } | grep -q 'the header of the system was read'; then
	echo "the system's jsmn.h is not out of the way" >&2
	exit 70
fi
say 'make'
place make -j 2
version=$(place ./dgrid version)
[[ $version == "dgrid ${in#dgrid-}" ]] || {
	echo "$in says it is '$version'" >&2
	exit 1
}
say 'make unit'
place make -j 2 unit
say 'make install, a grid, make uninstall'
place make install PREFIX="$work/root/usr" INITDIR="$work/root/etc/init.d" CONFDIR="$work/root/etc/conf.d"
installed=$(cd "$work/root" && find . -type f | wc -l)
place git init -q --bare -b main "$work/grid.git"
export_repo=(env "DGRID_REPO_URL=$work/grid.git" "$work/root/usr/bin/dgrid")
place "${export_repo[@]}" init
place "${export_repo[@]}" submit --id hello -- 'echo hello'
place "${export_repo[@]}" status | grep -q '1 queued'
echo '# mine' >>"$work/root/etc/conf.d/dgrid-worker"
place make -s install PREFIX="$work/root/usr" INITDIR="$work/root/etc/init.d" CONFDIR="$work/root/etc/conf.d" >/dev/null
place make uninstall PREFIX="$work/root/usr" INITDIR="$work/root/etc/init.d" CONFDIR="$work/root/etc/conf.d"
left=$(cd "$work/root" && find . -type f -o -name dgrid)
[[ $left == ./etc/conf.d/dgrid-worker && $(tail -n 1 "$work/root/$left") == '# mine' ]] || { # what somebody changed stays
	echo "make uninstall left: $left" >&2
	exit 1
}
say "well: $version, $installed files installed and removed"
