#!/bin/sh
# The static program: build/dist/dgrid-VERSION-linux-PROCESSOR, small and without symbols; for this machine's own processor also
# ./dgrid-static. By musl: its compiler wrapper where there is one, else the system's compiler, as on Alpine.
#   static.sh VERSION PROCESSOR|'' FLAGS SOURCE...
# It is packed: a few kilobytes of packaging/packed/ and the program as xz packs it, less than half as large, which it unpacks in
# memory at each start (some 15 ms). PACKED=no leaves it as it is, and so do processors that packaging/packed/ does not know.
set -eu
cd "$(dirname "$0")/.."
version=$1 cpu=$2 base=$3
shift 3
own=$(uname -m)
[ "$own" != arm64 ] || own=aarch64
cpu=${cpu:-$own}
out=build/dist/dgrid-$version-linux-$cpu plain=build/static/dgrid-$cpu
case ${PACKED:-yes}:$cpu in
yes:x86_64 | yes:aarch64)
	packed=yes
	if ! command -v xz >/dev/null; then
		echo "dgrid: xz, which packs the program, is not there: install xz-utils (Alpine: xz), or make static PACKED=no" >&2
		exit 69
	fi
	;;
yes:* | no:*) packed=no ;;
*)
	echo "dgrid: PACKED is yes or no, not '$PACKED'" >&2
	exit 64
	;;
esac

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
mkdir -p build/include build/static build/dist
cp "$JSMN_HEADER" build/include/jsmn.h

# One file of fixed addresses. A part that is read-only after relocation (relro) would only be padding, for nothing relocates it.
link() { # OUTPUT ARGUMENT...
	echo "  CC  $1"
	# shellcheck disable=SC2086 # lists of words
	$cc $base -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections -fno-pie -isystem build/include \
		${CFLAGS:-} -static -no-pie -s -Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro \
		-Wl,-z,noexecstack ${LDFLAGS:-} -o "$@"
}

# Small, not fast: dgrid waits for git and for scripts. Checks against overflows of the stack stay on.
link "$plain" -Os -fstack-protector-strong "$@"
if [ $packed = yes ]; then
	# Unpacking is all that a start waits for, so that part is fast, not small. It stands where no program of this size ends.
	xz --format=lzma --lzma1=preset=9e,dict=1MiB,lc=4 -c "$plain" >"$plain.lzma"
	link "$out" -O2 -Wl,-Ttext-segment=0x10000000 -DPACKED="\"$plain.lzma\"" -DUNPACKED_LEN="$(wc -c <"$plain")" \
		packaging/packed/unpack.c packaging/packed/lzma.c
else
	cp "$plain" "$out"
fi
[ "$cpu" = "$own" ] || exit 0
"$out" version >/dev/null
cp "$out" dgrid-static
