#!/bin/sh
# SHA256SUMS of what a release has in build/dist/.
#   sums.sh VERSION
set -eu
cd "$(dirname "$0")/../build/dist"
set -- "dgrid-$1.tar.gz" "dgrid-$1-linux-"* "dgrid_$1"*.deb APKBUILD dgrid-openrc.pre-install dgrid.rb
if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi >SHA256SUMS
cat SHA256SUMS
