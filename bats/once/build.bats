#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# make: what a newcomer types first.

setup() {
	load ../helpers
	common_setup
	mkdir "$T/src"
	cp "$REPO_ROOT"/*.c "$REPO_ROOT"/*.h "$REPO_ROOT/Makefile" "$REPO_ROOT/LICENSE" "$REPO_ROOT/NOTICE" "$T/src"
	cp -r "$REPO_ROOT"/{base,git,sandbox,schema,store,worker,audit,site,verbs,assets,scripts,.github,packaging} "$T/src"
	cd "$T/src" || return 1
	unset MAKEFLAGS MFLAGS SAN WERROR
}
teardown() { common_teardown; }

@test "make builds without a warning; make install puts it where PREFIX and DESTDIR say" {
	run -0 make -j 2 WERROR=1 CFLAGS=-O0
	[[ "$output" != *warning* ]]
	run -0 make install CFLAGS=-O0 WERROR=1 PREFIX=/opt/x "DESTDIR=$T/stage"
	[ "$("$T/stage/opt/x/bin/dgrid" version)" = "$("$DGRID" version)" ]
}

@test "make demo: a dozen tasks end as they are meant to, in a sandbox it names" {
	require_bwrap
	cp -r "$REPO_ROOT/examples" .
	run -0 env DGRID_DEMO_ENGINE=bwrap make -j 2 demo CFLAGS=-O0
	[[ "$output" == *"Sandboxes by bwrap"*"9 completed, 3 failed"*"What to try next"* ]]
	grep -qE '^times-out +failed +demo-[123] +timeout ' <<<"$output"
	grep -qE '^fails +failed +demo-[123] +failed +3 ' <<<"$output"
	grep -qE '^fork-bomb +failed ' <<<"$output"
	grep -qE '^reach-network +completed .*no network but loopback' <<<"$output"
	grep -qE '^write-to-root +completed .*root is read-only' <<<"$output"
	run pgrep -f "$T/src/build/demo"
	[ "$status" = 1 ]
}

@test "without jsmn make says how to get it, and takes JSMN_DIR" {
	header=$(printf '#include <jsmn.h>\n' | cc -E -x c - | sed -n 's/^# 1 "\(.*jsmn\.h\)".*/\1/p' | head -n 1)
	# A compiler that does not find it, unless it is told where it is.
	printf '#!/bin/sh\nfor a; do case $a in -isystem) exec cc "$@";; esac; done\necho "jsmn.h: No such file" >&2\nexit 1\n' >"$T/cc"
	chmod +x "$T/cc"
	printf '#!/bin/sh\nexit 1\n' >scripts/install-deps.sh
	run -2 make CC="$T/cc"
	[[ "$output" == *libjsmn-dev*"apk add jsmn"*"dnf install jsmn-devel"*"brew install jsmn"*JSMN_DIR=* ]]
	mkdir "$T/jsmn"
	cp "$header" "$T/jsmn"
	run -0 make -j 2 CC="$T/cc" "JSMN_DIR=$T/jsmn" CFLAGS=-O0
	./dgrid version
}
