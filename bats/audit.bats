#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# dgrid audit: what honest nodes and people do passes; what nobody may do is named, with its commit; a checkpoint is gone
# on from, and a history that left it behind is told. The rules one by one: tests/test_rules.c.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

settings() { # MEMBERS of grid.json
	edit "printf '%s' '{\"schema\": 1, $1}' >grid.json"
}
edit() { # SHELL-COMMAND in a clone, committed by hand and pushed
	rm -rf "$T/edit"
	tgit clone -q "$ORIGIN" "$T/edit"
	(cd "$T/edit" && sh -c "$1" && tgit add -A && tgit commit -qm "${2:-by hand}" && tgit push -q origin HEAD:main)
}
worker() { # NODE [OPTIONS]
	local node=$1
	shift
	"$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" --once "$@" 2>>"$T/$node.log"
}
audit_json() { # PYTHON-EXPRESSION over a
	"$DGRID" audit --json 2>/dev/null | python3 -c "import json,sys; a=json.load(sys.stdin); print($1)"
}

@test "a grid that lived passes: runs, retries, losses, cancels, promotion, archive" {
	require_bwrap
	settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0, "lease_seconds": 5, "retry_backoff_seconds": 1, "keep_finished": 4'
	for i in 1 2 3; do "$DGRID" submit --id "ok$i" -- "echo $i"; done
	printf '{"task_id": "again", "script": "exit 3", "timeout_seconds": 30, "max_attempts": 2, "retry_on_failure": true}' >"$T/again.json"
	"$DGRID" submit "$T/again.json"
	"$DGRID" submit --id long -- 'sleep 4'
	"$DGRID" submit --id never -- 'true'
	"$DGRID" cancel never
	edit 'echo nonsense >tasks/queue/nonsense.json'
	edit 'printf "{\"task_id\": \"offered\", \"script\": \"echo offered\", \"timeout_seconds\": 30}" >tasks/unapproved/offered.json'
	"$DGRID" promote
	worker n1 --slots 3
	"$DGRID" retry again
	worker n2
	# A claim whose node dies, and one that is cancelled while it runs.
	"$DGRID" submit --id lost -- 'sleep 60'
	spawn "$T/n3.log" "$DGRID" worker --node-id n3 --engine bwrap --work-dir "$T/n3"
	wait_until 20 grep -q 'claimed lost' "$T/n3.log"
	kill -KILL "$SPAWNED"
	wait_until 30 sh -c '"$DGRID" heal | grep -q "requeue lost"'
	spawn "$T/n1b.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	wait_until 20 ledger_has in_progress lost
	"$DGRID" cancel lost
	wait_until 20 ledger_has failed lost
	wait_until 20 pid_ended "$SPAWNED"
	"$DGRID" maintain
	[ "$(git -C "$ORIGIN" rev-list --count archive)" -ge 1 ]
	run -0 "$DGRID" audit
	echo "$output"
	[[ "${lines[-1]}" == "audited $(git -C "$ORIGIN" rev-list --count --first-parent main) commits to "*": no violations, "* ]]
	[[ "$output" == *"notice.settings"*"grid.json: changed by tester"* ]]
	# What another than its node ended says by what.
	run -0 git -C "$ORIGIN" log -p --format= main -- tasks/queue/lost.json
	[[ "$output" == *'"evidence"'* && "$output" == *'"lease_until"'* ]]
	# Any part of it alone passes too.
	run -0 "$DGRID" audit main~9..main~2
	run -0 "$DGRID" audit --since main~5
	run -0 "$DGRID" audit main~3
	[ "$(audit_json '(a["schema"], a["violations"], a["archive"] is not None, len(a["audited_to"]))')" = "(1, [], True, 40)" ]
	# Over a wire it is a whole copy that is read.
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	run -0 "$DGRID" --repo "$HTTP_URL" audit
	[[ "${lines[-1]}" == *": no violations, "* ]]
	run -0 "$DGRID" --repo "$HTTP_URL" audit --record
	[ "$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/audit | python3 -c 'import json,sys; print(json.load(sys.stdin)["violations"])')" = 0 ]
	run -0 "$DGRID" --repo "$HTTP_URL" audit --record
	[[ "${lines[-1]}" == "audited 0 commits to "* ]]
}

@test "a fraud is named by its rule, commit and path, in text and in JSON, and is the answer no" {
	"$DGRID" submit --id a -- 'echo a'
	edit 'git mv tasks/queue/a.json tasks/completed/a.json' 'n1: success a'
	bad=$(git -C "$ORIGIN" rev-parse main)
	"$DGRID" submit --id b -- 'echo b'
	run -1 --separate-stderr "$DGRID" audit
	[[ "${lines[0]}" == "${bad:0:10}  place.move        tasks/completed/a.json: a task moved from queue to completed (by tester <tester@example.invalid> for n1)" ]]
	[[ "${lines[-1]}" == *": 1 VIOLATION, "* ]]
	[[ "$stderr" == *"1 violation"* ]]
	[ "$(audit_json '[(v["commit"], v["rule"], v["path"], v["author"]) for v in a["violations"]]')" = "[('$bad', 'place.move', 'tasks/completed/a.json', 'tester <tester@example.invalid>')]" ]
	# Behind it the history is honest, before it too.
	run -0 "$DGRID" audit "$bad..main"
	run -0 "$DGRID" audit "$bad~1"
	# A stranger's names move no cursor.
	edit 'printf x >"tasks/queue/$(printf "a\033[2Jb").json"'
	run -1 "$DGRID" audit
	[[ "$output" == *place.path* && "$output" != *$'\033'* ]]
	run -1 "$DGRID" audit --limit 1
	[[ "$output" == *"... and 1 more violation (see: --limit, --json)"* ]]
	run -1 --separate-stderr "$DGRID" audit --limit 0
	[[ "$output" == "audited "*": 2 VIOLATIONS, "*" notice"* && ${#lines[@]} == 1 ]]
	# What there is no more of is not counted.
	edit 'echo 1 >one' && edit 'echo 2 >two'
	run -0 --separate-stderr "$DGRID" audit --limit 1 main~2..main
	[[ "${lines[1]}" == "... and 1 more notice (see: --limit, --json)" ]]
	run -64 "$DGRID" audit --limit -1
	[[ "$output" == *"--limit: expected a whole number from 0 to "* ]]
}

@test "the archive: an item that was dropped, changed or removed, totals that do not add up" {
	require_bwrap
	settings '"keep_finished": 1'
	for i in 1 2 3 4; do "$DGRID" submit --id "t$i" -- true; done
	worker n1 --slots 4
	"$DGRID" maintain
	run -0 "$DGRID" audit
	[[ "${lines[-1]}" == *", 1 of the archive: no violations"* ]]
	good=$(git -C "$ORIGIN" rev-parse archive)
	main=$(git -C "$ORIGIN" rev-parse main)
	in_archive() { # SHELL-COMMAND
		rm -rf "$T/arch"
		tgit clone -q -b archive "$ORIGIN" "$T/arch"
		(cd "$T/arch" && sh -c "$1" && tgit commit -qam 'by hand' && tgit push -q origin HEAD:archive)
	}
	in_archive 'echo >>"$(git ls-files | head -n 1)"'
	run -1 "$DGRID" audit
	[[ "$output" == *"archive.frozen"*": it was changed in the archive"* ]]
	git -C "$ORIGIN" update-ref refs/heads/archive "$good"
	in_archive 'git rm -q "$(git ls-files | head -n 1)"'
	run -1 "$DGRID" audit
	[[ "$output" == *"archive.frozen"*": it was taken out of the archive"* ]]
	# Set back to before anything was archived.
	git -C "$ORIGIN" update-ref -d refs/heads/archive
	run -1 "$DGRID" audit
	[[ "$output" == *"archive.lost"*"3 tasks left for the archive, and the branch archive has no commit that took them"* ]]
	git -C "$ORIGIN" update-ref refs/heads/archive "$good"
	edit 'sed -i "s/\"tasks\": 3/\"tasks\": 2/" tasks/archive.json'
	run -1 "$DGRID" audit
	[[ "$output" == *"archive.totals"*"tasks/archive.json: the totals changed without anything being archived"* ]]
	git -C "$ORIGIN" update-ref refs/heads/main "$main"
	run -0 "$DGRID" audit
}

@test "--since and --record go on from a checkpoint, and tell of a history that left it behind" {
	for i in 1 2 3; do "$DGRID" submit --id "t$i" -- true; done
	run -0 --separate-stderr "$DGRID" audit --json
	printf '%s\n' "$output" >"$T/checkpoint.json"
	run -0 "$DGRID" audit --record
	[[ "${lines[-1]}" == "audited 4 commits to "* ]]
	"$DGRID" submit --id t4 -- true
	run -0 "$DGRID" audit --since "$T/checkpoint.json"
	[[ "${lines[-1]}" == "audited 1 commit to "*" since "*": no violations, 0 notices" ]]
	run -0 "$DGRID" audit --record
	[[ "${lines[-1]}" == "audited 1 commit to "* ]]
	run -0 "$DGRID" audit --record --full
	[[ "${lines[-1]}" == "audited 5 commits to "* ]]
	[ "$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/audit | python3 -c 'import json,sys; j=json.load(sys.stdin); print(j["commits"], j["violations"])')" = "5 0" ]
	# The branch is set back, and goes on from there as if nothing had been.
	git -C "$ORIGIN" update-ref refs/heads/main main~3
	run -1 "$DGRID" audit --since "$T/checkpoint.json"
	[[ "${lines[0]}" == *"history.rewritten"*"the branch was set back"* ]]
	"$DGRID" submit --id other -- true
	run -1 "$DGRID" audit --since "$T/checkpoint.json"
	[[ "${lines[0]}" == *"history.rewritten"*"audited before, is not on the first-parent line"* ]]
	run -1 "$DGRID" audit --record
	[[ "$output" == *"history.rewritten"* ]]
	# It stays known until somebody begins anew.
	"$DGRID" submit --id more -- true
	run -0 "$DGRID" audit --record
	[[ "${lines[-1]}" == *": no violations, "*"; recorded before: 1 VIOLATION (see: dgrid audit)" ]]
	[ "$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/audit | python3 -c 'import json,sys; print(json.load(sys.stdin)["violations"])')" = 1 ]
	# Pruned too: the checkpoint is nowhere any more.
	git -C "$ORIGIN" update-ref -d refs/dgrid/audit
	git -C "$ORIGIN" -c gc.reflogExpire=now gc -q --prune=now
	run -1 "$DGRID" audit --since "$T/checkpoint.json"
	[[ "${lines[0]}" == *"history.rewritten"*"is not in the repository any more"* ]]
	run -0 "$DGRID" audit --record --full
}

@test "grafts, replaced objects and a shallow copy hide nothing" {
	"$DGRID" submit --id a -- 'echo a'
	edit 'sed -i s/echo/rm/ tasks/queue/a.json'
	bad=$(git -C "$ORIGIN" rev-parse main)
	"$DGRID" submit --id b -- 'echo b'
	git -C "$ORIGIN" replace "$bad" "$bad~1"
	run -1 "$DGRID" audit
	[[ "${lines[0]}" == "${bad:0:10}  task.fields  "* ]]
	git -C "$ORIGIN" replace -d "$bad"
	echo "$(git -C "$ORIGIN" rev-parse main) $(git -C "$ORIGIN" rev-parse "$bad~1")" >"$ORIGIN/info/grafts"
	run -1 "$DGRID" audit
	[[ "${lines[0]}" == "${bad:0:10}  task.fields  "* ]]
	rm "$ORIGIN/info/grafts"
	git clone -q --depth 1 --bare "file://$ORIGIN" "$T/shallow.git"
	run -69 "$DGRID" --repo "$T/shallow.git" audit
	[[ "$output" == *shallow*"--unshallow"* ]]
	# An object that is gone: no verdict, whatever else was found.
	blob=$(git -C "$ORIGIN" rev-parse main:tasks/queue/b.json)
	chmod u+w "$ORIGIN/objects/${blob:0:2}/${blob:2}" && rm "$ORIGIN/objects/${blob:0:2}/${blob:2}"
	run -65 "$DGRID" audit
	[[ "$output" == *"lacks object $blob"* ]]
}

@test "what it cannot do it says: no grid, no such commit, options that exclude each other; a bar on a terminal" {
	run -66 "$DGRID" --branch nowhere audit
	run -66 "$DGRID" audit nowhere
	run -66 "$DGRID" audit nowhere..main
	run -66 "$DGRID" audit --since nowhere
	echo '{"schema": 1}' >"$T/none.json"
	run -65 "$DGRID" audit --since "$T/none.json"
	[[ "$output" == *"is no checkpoint"* ]]
	run -64 "$DGRID" audit --since main --full
	run -64 "$DGRID" audit --record main~1..main
	run -64 "$DGRID" audit main main
	run -69 "$DGRID" --repo "$T/nowhere.git" audit
	run -0 "$DGRID" audit main..main
	[[ "$output" == "audited 0 commits to "* ]]
	run -0 --separate-stderr python3 "$BATS_TEST_DIRNAME/on_terminal.py" -- "$DGRID" audit
	[[ "$output" == *"audited 1 commit to "* ]]
}

@test "a branch below the archive's name is not the archive" {
	"$DGRID" submit --id a -- true
	git -C "$ORIGIN" update-ref refs/heads/archive/2024 main
	run -0 "$DGRID" audit
	tgit clone -q "$ORIGIN" "$T/clone"
	run -0 --separate-stderr "$DGRID" -C "$T/clone" audit
	# shellcheck disable=SC2154 # bats sets it
	[[ "$stderr" == *"judging $ORIGIN, where this clone came from (the clone itself: dgrid --repo $T/clone audit)"* ]]
	run -0 --separate-stderr "$DGRID" --repo "$T/clone" audit
	[ -z "$stderr" ]
}

@test "a git that dies in the middle of a commit is no verdict, wherever that is" {
	"$DGRID" submit --id a -- true
	mkdir "$T/bin"
	cat >"$T/bin/git" <<-'SH'
		#!/usr/bin/env bash
		path=${PATH#*:}
		[[ " $* " == *" --raw "* ]] || PATH=$path exec git "$@"
		PATH=$path git "$@" | head -c "$CUT"
		exit 1
	SH
	chmod +x "$T/bin/git"
	# Before a commit's head has ended, within a change, between the change and its path, within the path, after it.
	local head
	head=$(git -C "$ORIGIN" log --first-parent -m --raw -z --no-abbrev --no-renames --reverse --root --format='%x00@%H%x00%P%x00%T%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%s' main | head -c 2000 | tr '\0' '\n' | grep -b -m1 '^:' | cut -d: -f1)
	for cut in 50 $((head + 40)) $((head + 98)) $((head + 99)) $((head + 100)) $((head + 120)); do
		CUT=$cut PATH=$T/bin:$PATH run -69 "$DGRID" audit
	done
}

@test "git is asked for a document once, not when it comes and again when it leaves" {
	require_command python3
	git init -q --bare -b main "$T/long.git"
	python3 "$REPO_ROOT/bench/history.py" 1500 | git -C "$T/long.git" fast-import --quiet
	mkdir "$T/bin"
	cat >"$T/bin/git" <<-'SH'
		#!/usr/bin/env bash
		export PATH=${PATH#*:}
		[[ " $* " == *" --batch "* ]] || exec git "$@"
		tee -a "$ASKED" | git "$@"
	SH
	chmod +x "$T/bin/git"
	ASKED=$T/asked PATH=$T/bin:$PATH run -0 "$DGRID" --repo "$T/long.git" audit
	[[ "$output" == *"audited 1500 commits"*"no violations"* ]]
	[ "$(wc -l <"$T/asked")" -gt 10000 ]
	# Of 700 that wait for the archive at a time, a few meet in the cache.
	[ "$(sort "$T/asked" | uniq -d | wc -l)" -lt 200 ]
}

@test "people may be called what they are called" {
	ssh-keygen -q -t ed25519 -N '' -f "$T/key"
	local n=0 name
	for name in 'Ann Lee Jr.' 'Lee, Inc.' '<Ann>' $'J\xf6rg' "$(printf 'x%.0s' {1..200})" '...'; do
		n=$((n + 1))
		export GIT_USER_NAME=$name
		"$DGRID" submit --id "a$n" -- true
		"$DGRID" cancel "a$n"
		"$DGRID" retry "a$n"
		edit "printf '{\"task_id\": \"u$n\", \"script\": \"true\", \"timeout_seconds\": 30}' >tasks/unapproved/u$n.json"
		"$DGRID" approve --yes --key "$T/key" "u$n"
	done
	run -0 "$DGRID" audit
	run -0 git -C "$ORIGIN" show main:tasks/queue/u1.json
	[[ "$output" == *'"author": "Ann Lee Jr <'* ]]
}

@test "AUDIT.md's tables are the program's own" {
	"$DGRID" audit --rules >"$T/known"
	[ "$(grep -c '^| `' "$T/known")" -gt 30 ]
	sed -n '/^| rule | says |/,/^$/p' "$REPO_ROOT/docs/AUDIT.md" | sed '/^$/d' >"$T/told"
	diff "$T/known" "$T/told"
	"$DGRID" audit --fields >"$T/known"
	[ "$(grep -c '^| `' "$T/known")" -gt 100 ]
	sed -n '/^| member | form | held by |/,/^$/p' "$REPO_ROOT/docs/AUDIT.md" | sed '/^$/d' >"$T/told"
	diff "$T/known" "$T/told"
}

@test "a history of garbage is judged to its end: every line a rule of the table, every commit looked at" {
	require_command python3
	for seed in 1 2; do
		python3 "$REPO_ROOT/tests/garbage.py" "$seed" 500 "$T/garbage$seed.git"
		n=$(git -C "$T/garbage$seed.git" rev-list --count main)
		"$DGRID" audit --rules | sed -n 's/^| `\([a-z.]*\)`.*/\1/p' >"$T/rules"
		run -1 --separate-stderr "$DGRID" --repo "$T/garbage$seed.git" audit --json
		python3 -c 'import json,sys
a, rules = json.load(sys.stdin), open(sys.argv[1]).read().split()
assert a["commits"] == int(sys.argv[2]) and len(a["violations"]) > 100, a["commits"]
assert all(v["rule"] in rules for v in a["violations"] + a["notices"])' "$T/rules" "$n" <<<"$output"
		[[ "$stderr" != *runtime*error* && "$stderr" != *Sanitizer* ]]
	done
}

@test "--objects looks whether files stand where results say: other files are found, deleted ones are no matter" {
	require_bwrap
	settings '"keep_finished": 1'
	for i in 1 2 3; do "$DGRID" submit --id "t$i" -- "echo $i >/out/file; echo $i >/out/more" >/dev/null; done
	worker n1
	"$DGRID" submit --id last --retry-on-failure --max-attempts 2 -- 'echo last >/out/file; exit 1' >/dev/null
	settings '"keep_finished": 1, "retry_backoff_seconds": 1'
	worker n1
	"$DGRID" maintain >/dev/null
	run -0 "$DGRID" audit --objects
	[[ "$output" == *"no violations"*"files of 5 runs looked for, 0 of them on refs that are gone" ]]
	ref=$(git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/dgrid/out | head -n 1)
	# The same runs, and another tree for one of them.
	evil=$(printf '100644 blob %s\tfile\n' "$(echo evil | git -C "$ORIGIN" hash-object -w --stdin)" | git -C "$ORIGIN" mktree)
	task=$(git -C "$ORIGIN" ls-tree --name-only "$ref" | head -n 1)
	tree=$(git -C "$ORIGIN" ls-tree "$ref" | sed "s/tree .*\t$task\$/tree $evil\t$task/" | git -C "$ORIGIN" mktree)
	parent=$(git -C "$ORIGIN" log -1 --format=%P "$ref")
	made=$(git -C "$ORIGIN" log -1 --format=%B "$ref" | tgit -C "$ORIGIN" commit-tree -F - "$tree" ${parent:+-p "$parent"})
	git -C "$ORIGIN" update-ref "$ref" "$made"
	run -0 "$DGRID" audit
	run -1 "$DGRID" audit --objects
	[[ "$output" == *" out.false "*"$task.json: its result says that it left "*", $ref has ${evil:0:12} of that run"*"1 VIOLATION,"* ]]
	[ "$("$DGRID" audit --objects --json 2>/dev/null | jq -r '.violations[0].rule, .objects.runs')" = $'out.false\n5' ]
	# All of it under nobody's name.
	git -C "$ORIGIN" update-ref "$ref" "$(tgit -C "$ORIGIN" commit-tree -m x "$tree")"
	run -1 "$DGRID" audit --objects
	[[ "$output" == *"$ref has nothing of that run"* ]]
	git -C "$ORIGIN" update-ref -d "$ref"
	run -0 "$DGRID" audit --objects
	[[ "$output" =~ files\ of\ ([1-5])\ runs\ looked\ for,\ ([1-5])\ of && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]]
}
