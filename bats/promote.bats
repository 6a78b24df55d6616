#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets stderr
# From unapproved to the queue: by hand, by maintain, by idle workers; who approved; what stays and why.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
	tgit clone -q "$ORIGIN" "$T/c"
}
teardown() { common_teardown; }

json() { python3 -c "import json,sys; o=json.load(sys.stdin); print($1)" <<<"$output"; }
field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}
stage() { # ID [MEMBERS] [FOLDER]: pushed onto main by Ann
	git -C "$T/c" pull -q --rebase origin main
	printf '{"task_id": "%s", "script": "echo %s", "timeout_seconds": 10%s}\n' "$1" "$1" "${2:-}" >"$T/c/tasks/${3:-unapproved}/$1.json"
	git -C "$T/c" add -A
	git -C "$T/c" config user.name Ann
	git -C "$T/c" config user.email ann@example.invalid
	git -C "$T/c" commit -qm "Add $1"
	# A worker may push at the same time.
	wait_until 20 sh -c 'git -C "$1" pull -q --rebase origin main && git -C "$1" push -q origin HEAD:main' sh "$T/c"
}
settings() { # JSON
	git -C "$T/c" pull -q --rebase origin main
	echo "$1" >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	git -C "$T/c" push -q origin HEAD:main
}

@test "promote moves what is staged in one commit, with the commit that brought it and its author" {
	run -0 "$DGRID" promote
	[ "$output" = 'nothing to promote' ]
	stage one
	one=$(git -C "$ORIGIN" rev-parse main)
	"$DGRID" submit --unapproved --id two -- 'echo two' >/dev/null
	run -0 "$DGRID" promote --dry-run
	[ "${lines[0]}" = "would promote one: approved in ${one:0:10} by Ann <ann@example.invalid>" ]
	run -0 ledger_ls queue
	[ -z "$output" ]
	run -0 "$DGRID" promote --json
	[ "$(json 'o["schema"], o["dry_run"], [t["task_id"] for t in o["promoted"]], o["invalid"], o["left"]')" = "1 False ['one', 'two'] [] []" ]
	run -0 ledger_ls queue
	[ "$output" = "$(printf '%s\n' one two)" ]
	run -0 ledger_ls unapproved
	[ -z "$output" ]
	[ "$(field queue one 't["approved_by"]["commit"]')" = "$one" ]
	[ "$(field queue one 't["approved_by"]["author"], t["approved_by"]["at"][-1]')" = 'Ann <ann@example.invalid> Z' ]
	run -0 git -C "$ORIGIN" show --no-renames --format= --name-status main
	[ "$output" = "$(printf '%s\t%s\n' A tasks/queue/one.json A tasks/queue/two.json D tasks/unapproved/one.json D tasks/unapproved/two.json)" ]
}

@test "some by name; a name that is not there, or not fit, is an answer" {
	stage one
	stage two
	stage wrong ', "priority": 99'
	run -0 "$DGRID" promote two
	run -0 ledger_ls queue
	[ "$output" = two ]
	run -66 "$DGRID" promote two
	[[ "$output" == *"no task 'two' in unapproved: it is in queue"* ]]
	run -66 "$DGRID" promote one '../../x'
	run -1 "$DGRID" promote wrong
	[[ "$output" == *"moved to failed wrong: 1:"*"priority: 99 is not valid"* ]]
	[ "$(field failed wrong 't["result"]["status"], t["approved_by"]["author"]')" = 'invalid Ann <ann@example.invalid>' ]
	run -64 "$DGRID" promote --frobnicate
	run -0 ledger_ls unapproved
	[ "$output" = one ]
}

# counted PUSH: dgrid's git is noted in $T/calls; before each push it runs PUSH (of sh; $d: the clone).
counted() {
	mkdir -p "$T/bin"
	cat >"$T/bin/git" <<-SH
		#!/bin/sh
		real=$(command -v git) d=\$2
		echo "\$*" >>"$T/calls"
		case " \$* " in *' push '*) $1 ;; esac
		exec "\$real" "\$@"
	SH
	chmod +x "$T/bin/git"
}
stage_many() { # COUNT
	local i
	for ((i = 0; i < $1; i++)); do
		echo "{\"task_id\": \"m$i\", \"script\": \"echo\", \"timeout_seconds\": 10}" >"$T/c/tasks/unapproved/m$i.json"
	done
	echo '{"task_id": "wrong"}' >"$T/c/tasks/unapproved/wrong.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm many
	git -C "$T/c" push -q origin HEAD:main
}

@test "three hundred staged files take no more processes than three" {
	stage_many 300
	many=$(git -C "$ORIGIN" rev-parse main)
	counted :
	PATH=$T/bin:$PATH run -0 "$DGRID" promote
	[ "$(grep -c "^promoted m.*: approved in ${many:0:10} by tester" <<<"$output")" = 300 ]
	[[ "$output" == *'moved to failed wrong: 1:'* ]]
	[ "$(ledger_ls queue | wc -l)" = 300 ]
	(($(grep -c '' "$T/calls") <= 30))
}

@test "others push all the while, faster than many files: they land in pieces, and only what changed is judged anew" {
	stage_many 200
	tgit -C "$T/c" rm -q tasks/unapproved/m8.json
	sed -i 's/"timeout_seconds": 10/"timeout_seconds": -1/' "$T/c/tasks/unapproved/m7.json"
	tgit -C "$T/c" commit -qam 'one changes, one goes'
	sed 's/"m9"/"M9"/' "$T/c/tasks/unapproved/m9.json" >"$T/c/tasks/queue/M9.json"
	git -C "$T/c" show HEAD~:tasks/unapproved/m8.json >"$T/c/tasks/unapproved/m8.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'one is back, one is elsewhere'
	back=$(git -C "$T/c" rev-parse HEAD)
	git -C "$T/c" push -q origin HEAD:other
	cat >"$T/other" <<-'SH'
		# Who moves more than twenty files comes too late.
		[ "$("$real" -C "$d" diff-tree -r --no-renames --name-only HEAD | wc -l)" -gt 40 ] || exit 0
		main=$("$real" -C "$ORIGIN" rev-parse main)
		next=$("$real" -C "$ORIGIN" rev-parse other)
		[ "$main" != "$next" ] && "$real" -C "$ORIGIN" merge-base --is-ancestor main other ||
			next=$("$real" -C "$ORIGIN" -c user.name=o -c user.email=o@e commit-tree -m other -p "$main" "$main^{tree}")
		"$real" -C "$ORIGIN" update-ref refs/heads/main "$next" "$main"
	SH
	counted "(. '$T/other')"
	PATH=$T/bin:$PATH run -0 "$DGRID" promote
	[ "$(grep -c '^promoted m' <<<"$output")" = 198 ]
	[[ "$output" == *'moved to failed m7: '*timeout_seconds* && "$output" == *"promoted m8: approved in ${back:0:10} by"* ]]
	[[ "$output" == *'left m9: M9 is in queue already'* ]]
	run -0 ledger_ls unapproved
	[ "$output" = m9 ]
	(($(grep -c ' push ' "$T/calls") <= 40))
	[ "$(grep -c 'cat-file --batch' "$T/calls")" -le 3 ] # all of them, then those three
}

@test "an id that is elsewhere in the ledger stays, and why says so" {
	stage twice '' queue
	stage twice
	stage Twice
	stage fine
	run -0 "$DGRID" promote
	[[ "$output" == *"left twice: twice is in queue already"* && "$output" == *"promoted fine"* ]]
	[[ "$output" == *"left Twice: twice is in "*" already, other but for upper and lower case"* ]]
	run -0 ledger_ls unapproved
	[ "$output" = "$(printf '%s\n' Twice twice)" ]
	[ "$(field queue twice '"approved_by" in t')" = False ]
	run -0 "$DGRID" why twice
	[[ "$output" == "twice is in queue"*"another file of that id is in unapproved"* ]]
	run -0 "$DGRID" why Twice
	[[ "$output" == "Twice is in unapproved"*"twice is in "*" already"* ]]
	run -1 "$DGRID" promote twice
	# The staged file hides nothing of the task itself.
	run -0 "$DGRID" show twice
	[[ "$output" == *"state       queue"* ]]
	run -0 "$DGRID" cancel twice
	run -0 ledger_ls queue
	[ "$output" = fine ]
	ledger_has failed twice
	ledger_has unapproved twice
}

@test "why says what a staged task waits for" {
	stage waits
	stage wrong ', "priority": 99'
	run -0 "$DGRID" why waits
	[[ "$output" == *"waits is in unapproved"*"merged and is waiting to be promoted: dgrid promote"* ]]
	run -0 "$DGRID" why --json wrong
	[ "$(json '[r["code"] for r in o["reasons"]]')" = "['invalid', 'unapproved']" ]
	settings '{"promote": "workers"}'
	run -0 "$DGRID" why waits
	[[ "$output" == *"an idle worker"* ]]
}

@test "the commit is found however far back it is, and through merges; a file that came twice counts from the last time" {
	stage deep
	deep=$(git -C "$ORIGIN" rev-parse main)
	stage again
	git -C "$T/c" rm -q tasks/unapproved/again.json
	tgit -C "$T/c" commit -qm 'Not this one'
	parent=$(git -C "$T/c" rev-parse HEAD)
	for _ in {1..150}; do parent=$(tgit -C "$T/c" commit-tree -m work -p "$parent" 'HEAD^{tree}'); done
	git -C "$T/c" reset -q --hard "$parent"
	git -C "$T/c" push -q origin HEAD:main
	stage again
	again=$(git -C "$ORIGIN" rev-parse main)
	# A branch that was worked on long before it was merged: the merge counts.
	tgit -C "$T/c" checkout -q -b side "$deep"
	printf '{"task_id": "side", "script": "true", "timeout_seconds": 10}\n' >"$T/c/tasks/unapproved/side.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'Add side'
	tgit -C "$T/c" checkout -q main
	tgit -C "$T/c" merge -q --no-ff -m 'Merge side' side
	merge=$(git -C "$T/c" rev-parse HEAD)
	git -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" promote
	[ "$(field queue deep 't["approved_by"]["commit"]')" = "$deep" ]
	[ "$(field queue again 't["approved_by"]["commit"]')" = "$again" ]
	[ "$(field queue side 't["approved_by"]["commit"]')" = "$merge" ]
}

@test "an approver's name breaks no terminal and no log" {
	git -C "$T/c" pull -q origin main
	printf '{"task_id": "x", "script": "true", "timeout_seconds": 10}\n' >"$T/c/tasks/unapproved/x.json"
	git -C "$T/c" add -A
	git -C "$T/c" -c user.name=$'Eve \033[2J\302\2331m ##[add-mask]x' -c user.email=e@example.invalid commit -qm x
	git -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" promote --dry-run
	[[ "$output" == *'by Eve \x1B[2J\u{009B}1m \x23#[add-mask]x <e@example.invalid>' ]]
	run -0 "$DGRID" promote --json
	[[ "$(json 'o["promoted"][0]["approved_by"]["author"][:4]')" == 'Eve ' && "$output" != *$'\033'* ]]
}

@test "maintain promotes too, whatever grid.json says" {
	stage one
	stage wrong ', "priority": 99'
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would promote one"* ]]
	run -0 "$DGRID" maintain --json
	[ "$(json '[t["task_id"] for t in o["promoted"]], [t["task_id"] for t in o["invalid"]], o["left"], o["orphans"], o["archived"]')" = "['one'] ['wrong'] [] [] 0" ]
	run -0 ledger_ls queue
	[ "$output" = one ]
}

@test "over HTTP, from a cut-off clone, in a branch of another name and with SHA-256" {
	rm -rf "$ORIGIN" "$T/c"
	git init -q --bare --object-format=sha256 -b work "$ORIGIN"
	export DGRID_BRANCH=work
	"$DGRID" init >/dev/null
	tgit clone -q "$ORIGIN" "$T/c"
	printf '{"task_id": "x", "script": "true", "timeout_seconds": 10}\n' >"$T/c/tasks/unapproved/x.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm x
	x=$(git -C "$T/c" rev-parse HEAD)
	for _ in {1..40}; do tgit -C "$T/c" commit -q --allow-empty -m more; done
	git -C "$T/c" push -q origin HEAD:work
	run -0 "$DGRID" -C "$T/c" validate --pr "$x~..$x"
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	run -0 "$DGRID" --repo "$HTTP_URL" promote --json
	[ "$(json 'o["promoted"][0]["approved_by"]["commit"]')" = "$x" ]
	[[ "$(git -C "$ORIGIN" ls-tree -r --name-only work)" == *tasks/queue/x.json* ]]
}

@test "two who promote at once promote once" {
	for i in 1 2 3; do stage "t$i"; done
	spawn "$T/a" "$DGRID" promote
	a=$SPAWNED
	spawn "$T/b" "$DGRID" promote
	wait_until 30 pid_ended "$a"
	wait_until 30 pid_ended "$SPAWNED"
	[ "$(cat "$T/a" "$T/b" | grep -c '^promoted ')" = 3 ]
	run -0 ledger_ls queue
	[ "$output" = "$(printf '%s\n' t1 t2 t3)" ]
	[ "$(git -C "$ORIGIN" log --format=%B main | grep -cE '(^|: )promote t[123]$')" = 3 ]
}

@test "idle workers promote where grid.json says so, and only there" {
	require_bwrap
	stage one
	run -0 "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1"
	run -0 ledger_ls unapproved
	[ "$output" = one ]
	settings '{"promote": "workers"}'
	stage wrong ', "priority": 99'
	stage twice '' failed
	stage twice
	run -0 "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1"
	[[ "$output" == *"one is queued (approved in "*"wrong is no valid task"*"twice stays in unapproved: twice is in failed already"* ]]
	[ "$(grep -c 'twice stays' <<<"$output")" = 1 ]
	[ "$(field completed one 't["result"]["status"], t["approved_by"]["author"]')" = 'success Ann <ann@example.invalid>' ]
	[ "$(field failed wrong 't["result"]["status"]')" = invalid ]
	run -0 ledger_ls unapproved
	[ "$output" = twice ]
	# Two that run all the time: one of them does it, and either runs what was promoted.
	for n in 1 2; do spawn "$T/log$n" "$DGRID" worker --node-id "n$n" --engine bwrap --work-dir "$T/w$n"; done
	wait_until 20 grep -q 'node n2' "$T/log2"
	stage later
	wait_until 30 ledger_has completed later
	[ "$(git -C "$ORIGIN" log --format=%B main | grep -cE '(^|: )promote later$')" = 1 ]
	[ "$(cat "$T"/log? | grep -c 'later is queued')" = 1 ]
}

@test "attributes that stand in the ledger change no byte of a task, in a fresh clone neither" {
	printf '{"task_id": "x", "script": "echo %s", "timeout_seconds": 10}\r\n' '$Id$' >"$T/c/tasks/unapproved/x.json"
	git -C "$T/c" add -A
	blob=$(printf '* text eol=crlf ident working-tree-encoding=UTF-16LE\n' | git -C "$T/c" hash-object -w --stdin)
	git -C "$T/c" update-index --add --cacheinfo "100644,$blob,tasks/unapproved/.gitattributes"
	git -C "$T/c" update-index --add --cacheinfo "100644,$blob,.gitattributes"
	tgit -C "$T/c" commit -qm x
	git -C "$T/c" push -q origin HEAD:main
	# As if the clone had taken its time: git trusts what it knows of the files then.
	real=$(command -v git)
	mkdir "$T/bin"
	printf '#!/bin/bash\n"%s" "$@"\nrc=$?\nindex=${!#}/.git/index\nif [[ " $* " == *" clone "* && -e $index ]]; then touch -d "+9 seconds" "$index"; fi\nexit $rc\n' "$real" >"$T/bin/git"
	chmod +x "$T/bin/git"
	PATH=$T/bin:$PATH
	run -0 "$DGRID" promote
	[ "$(field queue x 't["script"]')" = 'echo $Id$' ]
}
