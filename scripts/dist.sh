#!/bin/sh
# The source release: build/dist/dgrid-VERSION.tar.gz, of the files of the commit HEAD and jsmn's header, so that it builds with a C
# compiler, make and git alone. The same commit gives the same bytes: git sorts the names, and gives every file the commit's time
# and no owner. The header is held to one version, so that it does not matter on which system the release was made.
#   dist.sh VERSION JSMN_HEADER
set -eu
cd "$(dirname "$0")/.."
version=$1 header=$2
jsmn_sum=1ed6154dedf009212a08a397e9c4ed50a0ce31d5a8301bb294e137ae3188c13b # 1.1.0
out=build/dist/dgrid-$version.tar.gz

if [ "$(git rev-parse --show-prefix || echo none)" != '' ]; then
	echo 'dgrid: a source release is made of committed files: make dist works in a checkout from git only' >&2
	exit 69
fi
sum() { # of standard input
	if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}
if [ ! -f "$header" ]; then
	echo 'dgrid: the header <jsmn.h> was not found; it goes into the release (make deps says how to get it)' >&2
	exit 69
fi
found=$(sum <"$header")
if [ "$found" != "$jsmn_sum" ]; then
	echo "dgrid: $header is not jsmn 1.1.0: expected sha256 $jsmn_sum, found $found" >&2
	echo 'dgrid: a release carries that version; name the folder with it: make dist JSMN_DIR=folder' >&2
	exit 65
fi
committed=$(git show HEAD:base/version.h | sed -n 's/^#define DGRID_VERSION "\(.*\)"$/\1/p')
if [ "$committed" != "$version" ]; then
	echo "dgrid: base/version.h says $version here and $committed in the commit HEAD; commit it first" >&2
	exit 65
fi
[ -z "$(git status --porcelain)" ] || echo 'dgrid: not everything here is committed; the release has what is' >&2

mkdir -p build/dist
trap 'rm -f "$out.tar"' EXIT
# The settings of who makes it must not show in it.
git -c tar.umask=0022 -c core.autocrlf=false -c core.eol=lf -c core.attributesFile=/dev/null archive --format=tar --prefix="dgrid-$version/third_party/jsmn/" \
	--add-file="$header" --prefix="dgrid-$version/" -o "$out.tar" HEAD
gzip -n -9 <"$out.tar" >"$out"
echo "  DIST  $out" >&2
