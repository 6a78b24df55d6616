#!/bin/sh
# The static program: build/dist/dgrid-VERSION-linux-PROCESSOR, small and without symbols; for this machine's own processor also
# ./dgrid-static. By musl: its compiler wrapper where there is one, else the system's compiler, as on Alpine.
#   static.sh VERSION PROCESSOR|'' FLAGS SOURCE...
set -eu
cd "$(dirname "$0")/.."
version=$1 cpu=$2 base=$3
shift 3
own=$(uname -m)
[ "$own" != arm64 ] || own=aarch64
cpu=${cpu:-$own}
out=build/dist/dgrid-$version-linux-$cpu

if [ -n "${STATIC_CC:-}" ]; then
	cc=$STATIC_CC
elif [ "$cpu" != "$own" ]; then
	cc=$cpu-linux-musl-gcc
	if ! "$cc" --version >/dev/null 2>&1; then
		echo "dgrid: no compiler for $cpu: '$cc' is not there or has nothing to build on; on Debian type" >&2
		echo "  sudo sh scripts/install-deps.sh release" >&2
		echo "dgrid: or name one: make static CROSS=$cpu STATIC_CC=compiler" >&2
		exit 69
	fi
elif command -v musl-gcc >/dev/null; then
	cc=musl-gcc
else
	cc=$CC
fi

# A wrapper for musl does not look in /usr/include, so it gets a copy of that one header.
mkdir -p build/include build/dist
cp "$JSMN_HEADER" build/include/jsmn.h
echo "  CC  $out"
# Small, not fast: dgrid waits for git and for scripts. Checks against overflows of the stack stay on; a part that is read-only
# after relocation (relro) would only be padding, for nothing relocates a program of fixed addresses.
# shellcheck disable=SC2086 # lists of words
$cc $base -Os -fstack-protector-strong -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections \
	-fno-pie -isystem build/include ${CFLAGS:-} -static -no-pie -s \
	-Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-z,noexecstack ${LDFLAGS:-} -o "$out" "$@"
[ "$cpu" != "$own" ] || cp "$out" dgrid-static
