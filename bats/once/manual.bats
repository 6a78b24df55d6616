#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154,SC2013 # sh -c texts are for the inner shell; bats sets output
# The manual says what the program does, and mandoc has nothing to say against it. Run once, by tests/run.sh: a sanitizer
# would see nothing here that it does not see in bats/.

load ../helpers

setup() {
	common_setup
	require_command mandoc
	MAN=$REPO_ROOT/docs/man
}
teardown() { common_teardown; }

verbs() { "$DGRID" help | sed -n -E 's/^  ([a-z]+) +.*/\1/p'; }
page() {
	[ -s "$T/$1.text" ] || mandoc -T ascii -O width=200 "$MAN/$1" | sed -E 's/.\x08//g' >"$T/$1.text"
	cat "$T/$1.text"
}
# A section (.Sh or, three blanks in, .Ss) of a page, as text.
part() { page "$1" | sed -n -E "/^( {3})?$2\$/,/^( {3})?[^ ]/p" | sed 1d; }

@test "the pages are sound mdoc, and each names the others" {
	for page in dgrid.1 dgrid-task.5 dgrid-ledger.5; do
		# What other programs' pages this machine has is no matter of these.
		run mandoc -T lint "$MAN/$page"
		left=$(grep -vE 'referenced manual not found|outdated mandoc.db' <<<"$output" || true)
		[ -z "$left" ] || { echo "$left"; false; }
		for other in dgrid:1 dgrid-task:5 dgrid-ledger:5; do
			[ "${other/:/.}" = "$page" ] || grep -q "^\.Xr ${other/:/ }" "$MAN/$page"
		done
	done
	run mandoc -T lint "$MAN/dgrid-store-folder.1"
	left=$(grep -vE 'referenced manual not found|outdated mandoc.db' <<<"$output" || true)
	[ -z "$left" ] || { echo "$left"; false; }
	if grep -hoE '^\.Xr dgrid[a-z-]* [0-9]' "$MAN"/* | grep -vE ' dgrid 1| dgrid-(task|ledger) 5'; then false; fi
}

@test "commands and fields are the program's own, as make manual writes them" {
	require_command python3
	cp -r "$MAN" "$T/man"
	# From nothing: what stands between the marks comes from the program alone.
	sed -i '/^\.\\" What follows is written/,/^\.\\" Here it ends/{/^\.\\" /!d}' "$T"/man/*
	[ "$(wc -l <"$T/man/dgrid.1")" -lt 250 ]
	python3 "$REPO_ROOT/scripts/manual.py" "$DGRID" "$T/man"
	diff -r "$MAN" "$T/man" || { echo "type: make manual"; false; }
}

@test "every verb, option and exit code of --help is on the page" {
	for verb in $(verbs); do
		part dgrid.1 "$verb" >"$T/part"
		"$DGRID" "$verb" --help >"$T/help"
		[ -s "$T/part" ] || { echo "no section: $verb"; false; }
		# "--at REV|DATE" reads "--at REV | DATE" there, and what all verbs take stands once.
		sed -n '/^options:/,/^$/p' "$T/help" | grep -oE '^ {2,6}-[^ ].*' |
			sed -E 's/^ *//; s/  .*//; s/([A-Z])\|([A-Z])/\1 | \2/' >"$T/options"
		grep -vxE -- '-C CLONE|--repo URL|--branch NAME|-h, --help' "$T/options" >"$T/own" || true
		while IFS= read -r option; do
			grep -qE "^ {5}$option( |\$)" <(sed 's/[][|]/./g' "$T/part") || { echo "$verb lacks $option"; cat "$T/part"; false; }
		done < <(sed 's/[][|]/./g' "$T/own")
		for code in $(sed -n '/^exit codes:/,/^$/p' "$T/help" | grep -oE '^  [0-9]+' | grep -v 64); do
			sed -n '/Exit status:/,/Examples\?:/p' "$T/part" | grep -qE "^ {5}$code\b" || { echo "$verb lacks $code"; false; }
		done
	done
	for option in --repo -C --branch --help --version; do part dgrid.1 OPTIONS | grep -qE -- "(^|, | )$option\b"; done
}

@test "every variable that the program reads is on the page, and no other" {
	part dgrid.1 ENVIRONMENT | grep -oE '^ {5}[A-Z_]{4,}(, [A-Z_]+)*( |$)' | tr -d ' ' | tr ',' '\n' | sort >"$T/told"
	# What every program reads, what Git says between itself and its helper, and what Slurm tells a job.
	git -C "$REPO_ROOT" ls-files '*.c' | grep -vE '^(tests|bats|bench|packaging)/' | sed "s|^|$REPO_ROOT/|" | xargs cat | grep -oE '\b(getenv|set)\("[A-Z_]+"\)' | cut -d '"' -f 2 |
		grep -vxE 'PATH|HOME|TERM|DGRID_ASKPASS|GIT_SSH|GIT_SSH_COMMAND|SLURM_JOB_GPUS' | sort -u >"$T/read"
	[ "$(wc -l <"$T/read")" -gt 15 ]
	diff "$T/read" "$T/told"
	for verb in $(verbs); do
		for name in $("$DGRID" "$verb" --help | sed -n '/^environment:/,$p' | grep -oE '^  [A-Z_, ]+' | tr ',' ' '); do
			grep -qx "$name" "$T/told" || { echo "$verb: $name"; false; }
		done
	done
}

@test "settings and their defaults are grid.json's" {
	part dgrid-ledger.5 SETTINGS | sed -n -E 's/^ {5}([a-z_]+) \(.*\)$/\1/p' >"$T/told"
	[ "$(wc -l <"$T/told")" -gt 20 ]
	"$DGRID" config --fields | cut -d '`' -f 2 | diff - "$T/told"
	"$DGRID" init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" "$T/c"
	sed -n '/Settings for a grid on a host/,/^\.Ed/p' "$MAN/dgrid-ledger.5" | sed -n '/^{/,/^}/p' | sed 's/\\-/-/g' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" --repo "$ORIGIN" status
	[[ "$output" != *"not valid"* ]]
}

# The lines of the literal block after a text, as somebody would type them.
shown() { # PAGE TEXT
	sed -n "/$2/,/^\.Ed/p" "$MAN/$1" | sed '1,/^\.Bd/d; /^\.Ed/d; s/\\-/-/g; s/\\e/\\/g'
}

@test "the pages' examples work" {
	mkdir "$T/bin" "$T/fake" "$T/w"
	cp "$REPO_ROOT/bats/fake-docker" "$T/bin/docker"
	ln -s "$DGRID" "$T/bin/dgrid"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake NODE_ID=n1
	shown dgrid-task.5 '^\.Sh EXAMPLES' >"$T/nightly-report.json"
	run -0 dgrid validate "$T/nightly-report.json"
	shown dgrid.1 '^Three steps' | sed "s|/srv/grid.git|$T/grid.git|; s/dgrid worker .*/& --once --engine docker/; /dgrid submit/s/ --wait//" >"$T/three"
	grep -q 'dgrid submit --id hello' "$T/three"
	sed -i 's/ &$//' "$T/three"
	run -0 bash -e "$T/three"
	[[ "$output" == *hello* ]]
	export DGRID_REPO_URL=$T/grid.git
	[ "$(dgrid logs hello)" = hello ]
	# The sweep, of three in place of a hundred; a worker runs it meanwhile.
	shown dgrid.1 '^A sweep over' | sed 's/seq 100/seq 3/' >"$T/sweep"
	shown dgrid.1 '^A worker that ends' | grep -q 'dgrid worker --once'
	spawn "$T/log" "$DGRID" worker --engine docker
	cd "$T/w"
	run -0 bash -e "$T/sweep"
	[[ "$output" == *sweep-1*sweep-2*sweep-3*completed* ]]
	kill -TERM "$SPAWNED"
	shown dgrid-ledger.5 '^Every step of one task' >"$T/steps"
	git clone -q "$DGRID_REPO_URL" "$T/clone"
	cd "$T/clone"
	run -0 bash -e "$T/steps"
	[[ "$output" == *"n1: success hello"*"n1: claim hello"*": submit hello"* ]]
}

@test "who is alive can be seen with git alone" {
	"$DGRID" init "$ORIGIN" >/dev/null
	mkdir "$T/bin" "$T/fake"
	cp "$REPO_ROOT/bats/fake-docker" "$T/bin/docker"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake
	spawn "$T/log" "$DGRID" --repo "$ORIGIN" worker --node-id n7 --engine docker
	beats() { git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n7; }
	wait_until 20 beats
	git clone -q "$ORIGIN" "$T/clone"
	cd "$T/clone"
	shown dgrid-ledger.5 '^Who is alive' >"$T/alive"
	run -0 bash -e "$T/alive"
	[[ "$output" == "n7 {"*'"status"'*active* ]]
}
