#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# doctor: one finding a check, and how to mend what is wrong.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

finding() { # CHECK: its status, from --json in $output
	python3 -c 'import json,sys; print(" ".join(f["status"] for f in json.load(sys.stdin)["findings"] if f["check"] == sys.argv[1]))' "$1" <<<"$output"
}
settings() { # TEXT of grid.json
	tgit clone -q "$ORIGIN" "$T/settings"
	printf '%s' "$1" >"$T/settings/grid.json"
	tgit -C "$T/settings" commit -qam settings
	tgit -C "$T/settings" push -q origin HEAD:main
	rm -rf "$T/settings"
}
path_without() { # TOOL...: a PATH with links to everything else that is needed
	local tool
	rm -rf "${T:?}/bin"
	mkdir "$T/bin"
	for tool in git bwrap setpriv sh true env sleep cat; do
		[[ " $* " == *" $tool "* ]] || ln -s "$(command -v "$tool")" "$T/bin/$tool"
	done
	echo "$T/bin"
}

@test "all is well: every check passes, and no trace is left" {
	before=$(git -C "$ORIGIN" for-each-ref)
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" != *fail* && "$output" != *mend* ]]
	for check in git folder repository credentials grid clock write bwrap sandbox; do
		grep -q "^ok    $check " <<<"$output"
	done
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
}

@test "--json is JSON with the same findings" {
	run -0 --separate-stderr "$DGRID" doctor --json --engine bwrap
	[ "$(finding write)" = ok ]
	[ "$(finding sandbox)" = ok ]
}

@test "no git, and a git too old" {
	path=$(path_without git)
	run -1 env PATH="$path" "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  git"*"mend: install git"* ]]
	for version in 2.10 2.28; do # 2.29 has fetch --no-write-fetch-head and init --object-format
		printf '#!/bin/sh\necho git version %s.1\n' "$version" >"$path/git"
		chmod +x "$path/git"
		run -1 env PATH="$path" "$DGRID" doctor --engine bwrap
		[[ "$output" == *"fail  git"*"$version is too old"*"mend: install git 2.29 or newer"* ]]
	done
}

@test "a repository that is not there, none at all, one that is no grid" {
	run -1 "$DGRID" --repo "$T/nowhere.git" doctor --engine bwrap
	[[ "$output" == *"fail  repository"*"mend: check the path"* ]]
	run -1 env -u DGRID_REPO_URL "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  repository"*DGRID_REPO_URL* ]]
	git init -q --bare -b main "$T/empty.git"
	run -1 "$DGRID" --repo "$T/empty.git" doctor --engine bwrap
	[[ "$output" == *"fail  grid"*"dgrid init"* ]]
	run -1 "$DGRID" --repo https://no-such-host.invalid/x.git doctor --engine bwrap
	[[ "$output" == *"fail  repository"*"mend: check "* ]]
}

@test "grid.json with two errors: both are told" {
	settings '{"schema": 1, "poll_seconds": 0, "imagse": []}'
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  grid"*poll_seconds*imagse* ]]
}

@test "a remote that declines pushes, and one that takes branches only" {
	printf '#!/bin/sh\ncase $1 in refs/heads/*) exit 0;; esac\necho "only heads" >&2\nexit 1\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"warn  write"*"only heads"* ]]
	rm "$ORIGIN/hooks/update"
	[ "$(id -u)" = 0 ] || strict_skip "becoming another user needs root"
	chmod -R a+rX "$T"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$T")" 2>/dev/null || true
	mkdir "$T/nobody"
	chown 65534 "$T/nobody"
	git config --file "$T/nobody/.gitconfig" safe.directory '*'
	cp "$DGRID" "$T/dgrid"
	run -1 setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$T/nobody" "$T/dgrid" doctor --engine bwrap
	[[ "$output" == *"ok    repository"* && "$output" == *"fail  write"* ]]
}

@test "what the branch itself refuses fails here, and leaves no trace" {
	before=$(git -C "$ORIGIN" for-each-ref)
	printf '#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is closed" >&2; exit 1; }\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  write"*"main is closed"* ]]
	printf '#!/bin/sh\nwhile read -r old new ref; do [ "$ref" != refs/heads/main ] || { echo "GH006: protected" >&2; exit 1; }; done\n' \
		>"$ORIGIN/hooks/pre-receive"
	mv "$ORIGIN/hooks/update" "$T/update"
	chmod +x "$ORIGIN/hooks/pre-receive"
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  write"*"GH006: protected"* ]]
	rm "$ORIGIN/hooks/pre-receive"
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
	tgit clone -q "$ORIGIN" "$T/work tree"
	before=$(git -C "$T/work tree" for-each-ref)
	run -1 "$DGRID" --repo "$T/work tree" doctor --engine bwrap
	[[ "$output" == *"fail  write"*"checked out"*"mend: use a bare repository"* ]]
	[ "$(git -C "$T/work tree" for-each-ref)" = "$before" ]
	run -77 "$DGRID" --repo "$T/work tree" submit -- true # as was said
	git -C "$T/work tree" config receive.denyCurrentBranch updateInstead
	run -0 "$DGRID" --repo "$T/work tree" doctor --engine bwrap
	[ "$(git -C "$T/work tree" for-each-ref)" = "$before" ]
}

@test "a repository that judges pushes takes doctor's, and has no trace of it" {
	ORIGIN=$T/judging.git
	"$DGRID" init --bare --hook "$ORIGIN"
	before=$(git -C "$ORIGIN" for-each-ref)
	run -0 "$DGRID" --repo "$ORIGIN" doctor --engine bwrap
	[[ "$output" == *"ok    write"*"none was left there"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
}

@test "a host that does not do all or nothing: an empty commit tells whether the branch takes pushes" {
	git -C "$ORIGIN" config receive.advertiseAtomic false
	before=$(git -C "$ORIGIN" rev-parse 'main^{tree}')
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"ok    write"*"an empty commit"* ]]
	[ "$(git -C "$ORIGIN" rev-parse 'main^{tree}')" = "$before" ]
	[ "$(git -C "$ORIGIN" for-each-ref --format='%(refname)')" = refs/heads/main ]
	run -0 "$DGRID" audit
	printf '#!/bin/sh\nexit 1\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  write"*"pre-receive hook declined"* ]]
}

@test "no engine, and a dead daemon" {
	path=$(path_without bwrap)
	run -1 env PATH="$path" "$DGRID" doctor
	for engine in docker podman bwrap; do
		grep -q "^fail  $engine " <<<"$output"
	done
	cp "$BATS_TEST_DIRNAME/fake-docker" "$path/docker"
	mkdir "$T/fake"
	touch "$T/fake/dead"
	run -1 env PATH="$path" FAKE_DOCKER="$T/fake" "$DGRID" doctor --engine docker
	# Machines that were made of a container's image look like one.
	mend="start its daemon"
	if [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then mend="this is a container: give it the engine's socket"; fi
	[[ "$output" == *"fail  docker"*"Cannot connect"*"$mend"* ]]
}

@test "a clock behind the newest commit" {
	tgit clone -q "$ORIGIN" "$T/c"
	export GIT_COMMITTER_DATE=$(($(date +%s) + 86400))
	tgit -C "$T/c" commit -q --allow-empty -m tomorrow
	tgit -C "$T/c" push -q origin HEAD:main
	unset GIT_COMMITTER_DATE
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  clock"*"behind the newest commit"*"mend: set the clock"* ]]
}

@test "a wrong token: said clearly, shown nowhere" {
	start_http_git
	export GIT_TOKEN=wrong-token-in-use DGRID_REPO_URL=$HTTP_URL
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  repository"*GIT_TOKEN* && "$output" != *wrong-token-in-use* ]]
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"ok    credentials"* && "$output" == *"ok    write"* && "$output" != *"$GIT_TOKEN"* ]]
}
