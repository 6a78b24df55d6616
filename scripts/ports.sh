#!/bin/sh
# Alpine's APKBUILD and Homebrew's formula, in build/dist/, with version, address and checksums of the source release there.
#   ports.sh VERSION
set -eu
cd "$(dirname "$0")/.."
version=$1
release=build/dist/dgrid-$version.tar.gz
home=$(sed -n 's/^#define DGRID_SOURCE "\(.*\)"$/\1/p' base/version.h)
sum() { # BITS
	if command -v "sha$1sum" >/dev/null; then "sha$1sum" <"$release"; else shasum -a "$1" <"$release"; fi | cut -d ' ' -f 1
}
for port in packaging/alpine/APKBUILD packaging/homebrew/dgrid.rb; do
	out=build/dist/${port##*/}
	sed "s|@VERSION@|$version|g; s|@SOURCE@|$home|g; s|@SHA256@|$(sum 256)|; s|@SHA512@|$(sum 512)|" "$port" >"$out"
	echo "  PORT  $out"
done
cp packaging/alpine/dgrid-openrc.pre-install build/dist/
