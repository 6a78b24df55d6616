#!/bin/sh
# The Debian package: build/dist/dgrid_VERSION_ARCHITECTURE.deb, built from the source release in build/dist/ by debhelper.
# The same commit gives the same bytes on the same system: the changelog's date is the commit's.
#   deb.sh VERSION
set -eu
cd "$(dirname "$0")/.."
version=$1
for tool in dh dpkg-buildpackage fakeroot; do
	if ! command -v "$tool" >/dev/null; then
		echo "dgrid: $tool is not installed: sudo sh scripts/install-deps.sh release" >&2
		exit 69
	fi
done
work=build/deb
tree=$work/dgrid-$version
rm -rf "$work"
mkdir -p "$work"
tar -xzf "build/dist/dgrid-$version.tar.gz" -C "$work"
cp -r "$tree/packaging/debian" "$tree/debian"
cat >"$tree/debian/changelog" <<EOC
dgrid ($version) unstable; urgency=medium

  * Release $version; CHANGELOG.md says what is new.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(git log -1 --format=%cD)
EOC
echo "  DEB   build/dist/dgrid_${version}_$(dpkg --print-architecture).deb"
# The variables of this make and of its caller are none of the package's business.
if ! (cd "$tree" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u CPPFLAGS -u LDFLAGS -u CC \
	dpkg-buildpackage -us -uc -b) >"$work/log" 2>&1; then
	tail -n 40 "$work/log" >&2
	exit 70
fi
cp "$work/dgrid_${version}_"*.deb build/dist/
