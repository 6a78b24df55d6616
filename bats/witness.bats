#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets output and stderr
# dgrid audit --witness: a second repository keeps how far audits came. A history that was rewritten together with the
# grid's own record is found by whoever asks there.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann
	"$DGRID" init >/dev/null
	git init -q --bare "$T/witness.git"
}
teardown() { common_teardown; }

submit() { for id in "$@"; do "$DGRID" submit --id "$id" -- "echo $id" >/dev/null; done; }
seen() { git -C "$T/witness.git" log --format=%s "${1:-refs/dgrid/witness/origin}"; } # the records, newest first
head_of() { git -C "$ORIGIN" rev-parse "$1"; }

@test "a rewritten branch whose own record was rewritten too is found by the witness, and by it alone" {
	submit a
	before=$(head_of main)
	submit b
	run -66 --separate-stderr "$DGRID" audit --witness "$T/witness.git"
	[[ $stderr == *"the witness has no record of a grid 'origin'"* ]]
	"$DGRID" audit --record --witness "$T/witness.git"
	[ "$(seen | jq -r .audited_to)" = "$(head_of main)" ]
	run -0 "$DGRID" status
	[[ $output == *"audited to "*"; witnessed "*" ago"* ]]
	"$DGRID" dashboard -o "$T/site" >/dev/null
	grep -q '; witnessed [0-9]* s ago' "$T/site/index.html"
	submit c
	"$DGRID" audit --record
	[ "$("$DGRID" status --json | jq -r .audit.witnessed_at)" = "$(seen | jq -r .witnessed_at)" ]
	run -0 "$DGRID" audit --witness "$T/witness.git"
	"$DGRID" audit --record --witness "$T/witness.git"
	[ "$(seen | wc -l)" = 2 ]
	[ "$(git -C "$T/witness.git" rev-list --count --first-parent refs/dgrid/witness/origin)" = 2 ]
	# Who may push to the grid makes another history of it, and records an audit of that.
	lost=$(head_of main)
	git -C "$ORIGIN" update-ref refs/heads/main "$before"
	git -C "$ORIGIN" update-ref -d refs/dgrid/audit
	submit instead
	run -0 "$DGRID" audit --record
	run -0 "$DGRID" audit
	run -1 "$DGRID" audit --witness "$T/witness.git"
	[[ $output == *"history.rewritten  the witness saw commit ${lost:0:10} of the branch on 20"*", which is not on its first-parent line any more, and others before it"* ]]
	[[ $output == *": 1 VIOLATION, "* ]]
	# Its record stays what it is.
	run -1 "$DGRID" audit --record --witness "$T/witness.git"
	[ "$(seen | wc -l)" = 2 ]
	# Who may push there too cannot take a record back: what was seen before the last one counts as well.
	text=$(seen | head -n 1 | jq -c --arg to "$(head_of main)" '.audited_to = $to')
	more=$(tgit -C "$T/witness.git" commit-tree -m "$text" -p refs/dgrid/witness/origin "$(git -C "$T/witness.git" mktree </dev/null)")
	git -C "$T/witness.git" update-ref refs/dgrid/witness/origin "$more"
	run -1 "$DGRID" audit --witness "$T/witness.git"
	[[ $output == *"saw commit ${lost:0:10}"* ]]
	# The history comes back: nothing is wrong but that record.
	git -C "$ORIGIN" update-ref refs/heads/main "$lost"
	git -C "$T/witness.git" update-ref refs/dgrid/witness/origin "$more^"
	run -0 "$DGRID" audit --witness "$T/witness.git"
}

@test "an archive that was made anew is found; a grid goes by the name that it is given" {
	require_bwrap
	grid_settings '"keep_finished": 1'
	submit a b c
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w" 2>"$T/n1.log"
	before=$(head_of main)
	"$DGRID" maintain
	archived=$(head_of archive)
	"$DGRID" audit --record --witness "$T/witness.git" --as grid-1
	[ "$(seen refs/dgrid/witness/grid-1 | jq -r .archive)" = "$archived" ]
	run -66 "$DGRID" audit --witness "$T/witness.git"
	git -C "$ORIGIN" update-ref refs/heads/main "$before"
	git -C "$ORIGIN" update-ref -d refs/heads/archive
	git -C "$ORIGIN" update-ref -d refs/dgrid/audit
	"$DGRID" maintain
	[ "$(head_of archive)" != "$archived" ]
	run -0 "$DGRID" audit
	run -1 "$DGRID" audit --witness "$T/witness.git" --as grid-1
	[[ $output == *"history.rewritten  the witness saw commit ${archived:0:10} of the archive on 20"* ]]
	for name in '' . a/b .a 'a b' a..b; do
		run -64 "$DGRID" audit --witness "$T/witness.git" --as "$name"
	done
	run -64 --separate-stderr "$DGRID" audit --witness "$ORIGIN"
	[[ $stderr == *"expected another repository than the grid's own"* ]]
}

@test "over SSH and over HTTP with a password, which is nowhere to be seen; hosts that take branches only" {
	submit a
	start_sshd
	"$DGRID" audit --record --witness "${SSH_URL%origin.git}witness.git"
	[ "$(seen | wc -l)" = 1 ]
	start_http_git
	git -C "$T/witness.git" config http.receivepack true
	password=$(<"$HTTP_PASSWORD_FILE")
	url=${HTTP_URL/\/\//\/\/x-access-token:$password@}
	run -0 "$DGRID" audit --record --witness "${url%origin.git}witness.git"
	[[ $output != *"$password"* ]]
	[ "$(seen | wc -l)" = 2 ]
	run -69 "$DGRID" audit --record --witness "${url%origin.git}nowhere.git"
	[[ $output == *"the witness: "* && $output != *"$password"* ]]
	run -0 grep -rqF "$password" "$HTTP_PASSWORD_FILE"
	run -1 sh -c "(git -C '$ORIGIN' log --all --format=%B; git -C '$T/witness.git' log --all --format=%B; cat '$ORIGIN/config' '$T/witness.git/config'; find '$HOME' -type f -exec cat {} +; true) | grep -F '$password'"
	# A host's rule: heads only.
	git init -q --bare "$T/heads.git"
	printf '#!/bin/sh\n! grep -v " refs/heads/"\n' >"$T/heads.git/hooks/pre-receive"
	chmod +x "$T/heads.git/hooks/pre-receive"
	"$DGRID" audit --record --witness "$T/heads.git"
	"$DGRID" audit --record --witness "$T/heads.git"
	[ "$(git -C "$T/heads.git" rev-list --count refs/heads/dgrid-witness/origin)" = 2 ]
	run -0 "$DGRID" audit --witness "$T/heads.git"
}
