#!/usr/bin/env bats
# shellcheck disable=SC2016 # sh texts are for the inner shell
# What the last recorded audit said, as status and the dashboard show it: good, violations, a branch rewritten behind it.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
	"$DGRID" submit --id one -- 'echo one' >/dev/null
}
teardown() { common_teardown; }

# record COMMIT VIOLATIONS [REF]: as if `dgrid audit --record` had published it
record() {
	local text commit
	text="{\"schema\":1,\"audited_to\":\"$1\",\"archive\":null,\"commits\":2,\"violations\":$2,\"notices\":1,\"at\":\"$(date -u +%FT%TZ)\"}"
	commit=$(echo "$text" | tgit -C "$ORIGIN" commit-tree "$(git -C "$ORIGIN" mktree </dev/null)")
	git -C "$ORIGIN" update-ref "${3:-refs/dgrid/audit}" "$commit"
}
head_of() { git -C "$ORIGIN" rev-parse "main${1:-}"; }
member() { # OF-AUDIT, of status --json
	"$DGRID" status --json | python3 -c 'import json, sys; a = json.load(sys.stdin)["audit"]; print(a and a[sys.argv[1]])' "$1"
}

@test "status says to where the grid was audited, and how many commits came since" {
	run -0 "$DGRID" status
	[[ "$output" != *audited* ]]
	[ "$(member branch)" = None ]
	record "$(head_of)" 0
	run -0 "$DGRID" status
	[[ "$output" == *"audited to $(head_of | cut -c -10), no violations, "*" s ago"* ]]
	[[ "$output" != *since* ]]
	"$DGRID" submit --id two -- 'echo two' >/dev/null
	run -0 "$DGRID" status
	[[ "$output" == *"no violations, "*"; 1 commit since"* ]]
	[ "$(member branch) $(member commits_since) $(member violations)" = "on 1 0" ]
	run -0 "$DGRID" status --markdown
	[[ "$output" == *"audited to "*"1 commit since"* ]]
	# What was recorded today is nothing about the past.
	run -0 "$DGRID" status --at main~1
	[[ "$output" != *audited* ]]
}

@test "violations, and a branch that was rewritten behind the audit, are told in capitals" {
	record "$(head_of)" 3
	run -0 "$DGRID" status
	[[ "$output" == *"3 VIOLATIONS (see: dgrid audit)"* ]]
	record "$(head_of)" 0
	git -C "$ORIGIN" update-ref refs/heads/main "$(head_of '~1')"
	run -0 "$DGRID" status
	[[ "$output" == *"THAT COMMIT IS NOT ON THIS BRANCH"* ]]
	[ "$(member branch)" = off ]
	# A merge that has the audited line as its second parent only.
	"$DGRID" submit --id instead -- 'echo instead' >/dev/null
	old=$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/audit | sed 's/.*"audited_to":"\([0-9a-f]*\)".*/\1/')
	fox=$(tgit -C "$ORIGIN" commit-tree -p "$(head_of)" -p "$old" -m fox "$(head_of '^{tree}')")
	git -C "$ORIGIN" update-ref refs/heads/main "$fox"
	[ "$(member branch)" = off ]
}

@test "what the real program records is what status shows" {
	"$DGRID" audit --record >/dev/null
	"$DGRID" submit --id later -- 'echo later' >/dev/null
	run -0 "$DGRID" status
	[[ "$output" == *"audited to $(head_of '~1' | cut -c -10), no violations, "*"; 1 commit since"* ]]
	"$DGRID" audit --record >/dev/null
	[ "$(member audited_to) $(member commits_since)" = "$(head_of) 0" ]
}

@test "a branch in place of the ref, what is no record, and a remote that readers have a cache of" {
	record "$(head_of)" 0 refs/heads/dgrid-audit
	[ "$(member violations)" = 0 ]
	for text in 'no record' '{"schema":1}' '{"audited_to":"main","violations":0,"at":"2026-01-01T00:00:00Z"}'; do
		git -C "$ORIGIN" update-ref refs/dgrid/audit "$(echo "$text" |
			tgit -C "$ORIGIN" commit-tree "$(git -C "$ORIGIN" mktree </dev/null)")"
		[ "$(member violations)" = 0 ]
	done
	git -C "$ORIGIN" update-ref -d refs/heads/dgrid-audit
	[ "$(member violations)" = None ]
	record "$(head_of)" -1
	[ "$(member violations)" = None ]
	# The file:// clone is shallow; what was audited lies before it.
	record "$(head_of '~1')" 0
	mkdir "$T/served" && cp -r "$ORIGIN" "$T/served/grid.git"
	printf '#!/bin/sh\nshift $(($# - 1))\nexec sh -c "$1"\n' >"$T/ssh" && chmod +x "$T/ssh"
	export GIT_SSH_COMMAND=$T/ssh DGRID_REPO_URL=ssh://nobody/$T/served/grid.git
	run -0 "$DGRID" status
	[[ "$output" == *"no violations, "*"; 1 commit since"* ]]
	[ "$(member branch) $(member commits_since)" = "on 1" ]
}

@test "the dashboard shows it, in the page's data and for who has no JavaScript" {
	shown() {
		"$DGRID" dashboard -o "$T/site" >/dev/null
		python3 - "$T/site/index.html" <<-'PY'
			import json, re, sys
			page = open(sys.argv[1]).read()
			a = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1]).get("audit")
			print(a and (a["commit"][:10], a["violations"], a["branch"], a["since"]))
			print(re.search(r"<noscript>.*?</noscript>", page, re.S)[0])
		PY
	}
	run -0 shown
	[[ "$output" == None* && "$output" != *audited* ]]
	record "$(head_of '~1')" 0
	run -0 shown
	[[ "$output" == "('$(head_of '~1' | cut -c -10)', 0, 'on', 1)"* ]]
	[[ "$output" == *"<p>The ledger was audited to $(head_of '~1' | cut -c -10), no violations, "* ]]
	record "$(head_of)" 2
	run -0 shown
	[[ "$output" == *'<p class="bad-text">The ledger was audited to '*"2 VIOLATIONS"* ]]
}
