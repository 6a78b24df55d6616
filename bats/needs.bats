#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# Tasks that wait for others: needs (in success, else they are skipped) and after (however those end).

setup() {
	load sandbox
	LEAKS=1 sandbox_setup bwrap
	require_bwrap
}
teardown() { common_teardown; }

once() { "$DGRID" worker --node-id "${1:-n1}" --engine bwrap --once --work-dir "$T/w-${1:-n1}" "${@:2}" >>"$T/worker.log" 2>&1; }
status_of() { "$DGRID" show --json "$1" | jq -r '.result.status // "none"'; }
state_of() { "$DGRID" why --json "$1" | jq -r .state; }
file_of() { # ID MEMBERS...: a file ID.json
	local id=$1
	shift
	printf '{"task_id": "%s", "script": "echo %s", "timeout_seconds": 20%s}\n' "$id" "$id" "${*:+, $*}" >"$id.json"
}

task_files() { # a fails; b, c and d need one another; e comes after d
	file_of a
	file_of b '"needs": ["a"]'
	file_of c '"needs": ["b"]'
	file_of d '"needs": ["c"], "after": ["a"]'
	file_of e '"after": ["d"]'
	sed -i 's/echo a/exit 7/' a.json
}

@test "a task waits until what it needs has succeeded, and says for what; its script hears how others ended" {
	"$DGRID" submit --id build -- 'echo built'
	"$DGRID" submit --id lint -- 'exit 3'
	"$DGRID" submit --id test --needs build -- 'echo tested'
	"$DGRID" submit --id report --after lint,test --after build -- 'echo "$DGRID_AFTER"'
	run -0 "$DGRID" why test
	[[ "$output" == *"it waits for build (queued)"* && "$output" != *"ahead"* ]]
	run -0 "$DGRID" status
	[[ "$output" == *"4 queued (2 wait for others)"* && "$output" == *"waiting"*"for build (queued)"* ]]
	"$DGRID" metrics | grep -qx 'dgrid_tasks_waiting 2'
	[ "$("$DGRID" status --json | jq -r '[.tasks[] | select(.waiting) | .task_id] | join(" ")')" = "report test" ]
	once n1 --slots 4
	[ "$("$DGRID" logs report)" = "lint=failed test=success build=success" ]
	[ "$("$DGRID" show --json report | jq -c '.attempts[0].after')" = '{"lint":"failed","test":"success","build":"success"}' ]
	# Each began after what it waited for had ended.
	[ "$(git -C "$ORIGIN" log --reverse --format=%B main | grep -oE '(claim|success|failed) (build|test|report)$' | tr '\n' ' ')" = \
		"claim build success build claim test success test claim report success report " ]
	"$DGRID" audit
}

@test "when one fails, all that need it end as skipped in one commit, and say because of which; what comes after it runs" {
	task_files
	"$DGRID" submit d.json e.json c.json b.json a.json
	once
	[ "$(for id in a b c d e; do status_of $id; done | xargs)" = "failed skipped skipped skipped success" ]
	[ "$("$DGRID" show --json b | jq -c '[.result.because.task, .result.because.status]')" = '["a","failed"]' ]
	[ "$("$DGRID" show --json d | jq -c '[.result.because.task, .result.because.status]')" = '["c","skipped"]' ]
	[ "$(git -C "$ORIGIN" log --format=%B main | grep -A8 '^n1: 3 transitions' | grep -c '^skip ')" = 3 ]
	run -1 "$DGRID" wait a b c d e
	[[ "$("$DGRID" why c)" == *"skipped, it needs b, which ended as skipped"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q 'Skipped: a task that it needs did not succeed' "$T/site/t/c.html"
	"$DGRID" metrics | grep -qx 'dgrid_tasks_by_status{status="skipped"} 3'
	"$DGRID" audit
}

@test "without a worker, maintain ends what cannot run any more; a cancelled task counts as one that failed" {
	"$DGRID" submit --id a -- true
	"$DGRID" submit --id b --needs a -- true
	"$DGRID" cancel a
	[[ "$("$DGRID" why b)" == *"the next worker ends it as skipped"* ]]
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would skip b: what it needs did not succeed"* ]]
	[ "$(state_of b)" = queue ]
	run -0 "$DGRID" maintain
	[[ "$output" == *"skipped b"* ]]
	[ "$(status_of b)" = skipped ]
	[ "$("$DGRID" maintain --json | jq -c .skipped)" = '[]' ]
	"$DGRID" audit
}

@test "what is not there, has failed, or waits for itself is refused with file, line and column; nothing is queued" {
	file_of a '
 "needs": ["b"]'
	file_of b '"after": ["c"]'
	file_of c '"needs": ["a"]'
	run -65 "$DGRID" submit a.json b.json c.json
	[[ "$output" == *"a.json:2:12: needs: it waits for itself: a needs b, b needs c, c needs a"* ]]
	run -65 "$DGRID" submit --id x --needs nowhere -- true
	[[ "$output" == *"there is no task and no group 'nowhere' in this grid"* ]]
	run -65 "$DGRID" submit --id x --needs x -- true
	[[ "$output" == *'"x" is the task itself'* ]]
	file_of twice '"needs": ["a", "a"]'
	run -65 "$DGRID" validate twice.json
	[[ "$output" == *'twice.json:1:'*'needs: not valid ("a" is named twice'* ]]
	file_of bad '"after": "a"'
	run -65 "$DGRID" validate bad.json
	[[ "$output" == *"expected an array of task ids"* ]]
	run -64 "$DGRID" submit --needs 'a,,b' -- true
	[ "$("$DGRID" status --json | jq '.tasks | length')" = 0 ]
	"$DGRID" submit --id broken -- 'exit 1'
	once
	run -65 "$DGRID" submit --id x --needs broken -- true
	[[ "$output" == *"'broken' has failed, so this would never run"* ]]
	"$DGRID" submit --id x --after broken -- true
	once
	[ "$(status_of x)" = success ]
}

@test "retry and cancel reach what is behind, when told to; what would be skipped again is not queued" {
	task_files
	"$DGRID" submit a.json b.json c.json d.json e.json
	once
	[ "$(for id in a b c d e; do status_of $id; done | xargs)" = "failed skipped skipped skipped success" ]
	run -1 "$DGRID" retry c
	[[ "$output" == *"'c' needs a, which has failed: it would be skipped again (dgrid retry --downstream a)"* ]]
	run -0 "$DGRID" retry a
	[ "$(state_of b)" = failed ]
	once
	run -0 --separate-stderr "$DGRID" retry --downstream a
	[ "$(xargs <<<"$output")" = "a b c d" ]
	[ "$(git -C "$ORIGIN" log -1 --format=%B main | grep -c '^retry ')" = 4 ]
	run -0 --separate-stderr "$DGRID" cancel --downstream b
	[ "$(xargs <<<"$output")" = "b c d" ]
	[ "$(status_of d)" = cancelled ]
	[ "$(state_of a)" = queue ]
	"$DGRID" audit
}

@test "a step is mended with another script: what was skipped because of it is queued with it, or later" {
	local all='for id in a b c d e; do status_of $id; done | xargs'
	task_files
	echo 'echo mended' >mended.sh
	"$DGRID" submit {a,b,c,d,e}.json
	once
	run -0 --separate-stderr "$DGRID" retry --downstream --script - a <<<'exit 8'
	[ "$(xargs <<<"$output") $stderr" = "a b c d dgrid: queued 4 of 4 again" ]
	[ "$(git -C "$ORIGIN" log -1 --format=%B main | grep -cxE 'submit a|retry [bcd]')" = 4 ]
	[ "$("$DGRID" show --json b | jq -r .script)" = 'echo b' ]
	once
	[ "$(eval "$all")" = "failed skipped skipped skipped success" ]
	[[ "$("$DGRID" why d)" == *"dgrid retry --downstream a queues it again, with all that was skipped"* ]]
	# That one alone first, and the rest while it waits, or when it has succeeded.
	"$DGRID" retry --script mended.sh a
	[[ "$("$DGRID" why d)" == *"a is queued again: dgrid retry --downstream a queues what was skipped because of it"* ]]
	run -0 --separate-stderr "$DGRID" retry --downstream a
	[ "$(xargs <<<"$output") $stderr" = "b c d dgrid: queued 3 of 4 again; 1 had not ended" ]
	once
	[ "$(eval "$all")" = "success success success success success" ]
	[ "$("$DGRID" logs a)" = mended ]
	run -1 "$DGRID" retry --downstream a
	[ "$output" = "dgrid: task 'a' succeeded: --force queues it again anyway" ]
	"$DGRID" retry --force --script - a <<<'exit 9'
	run -1 "$DGRID" retry --downstream a
	[[ "$output" == *"'a' is in queue: nothing to retry"* ]]
	"$DGRID" audit
}

@test "what another need keeps skipped stays; of a group only what failed gets the script; what is superseded goes along" {
	file_of x '"group": "g", "concurrency_group": "k", "supersede": true'
	file_of w '"group": "g"'
	file_of y '"group": "g", "needs": ["x"]'
	file_of z '"group": "g", "needs": ["y", "w"]'
	file_of gone
	file_of lone '"needs": ["w"], "after": ["gone"]'
	file_of last '"needs": ["lone"]'
	sed -i 's/echo [xw]/exit 7/' {x,w}.json
	"$DGRID" submit gone.json
	once
	"$DGRID" submit {x,w,y,z,lone,last}.json
	once
	"$DGRID" submit --id old --concurrency-group k -- true
	run -0 --separate-stderr "$DGRID" retry --downstream --script - x <<<'echo mended'
	[ "$(xargs <<<"$output")" = "x y" ]
	[ "$(status_of old)" = cancelled ]
	once
	[ "$(for id in x w y z; do status_of $id; done | xargs)" = "success failed success skipped" ]
	[[ "$("$DGRID" why z)" == *"dgrid retry --downstream w queues it again"* ]]
	run -1 "$DGRID" retry --downstream x
	[[ "$output" == *"task 'x' succeeded"* ]]
	grid_settings '"keep_finished": 7'
	"$DGRID" maintain
	[ "$(state_of gone)" = archived ]
	[[ "$("$DGRID" why last)" == *"lone cannot be queued again, since a task that it waits for has left the branch (gone): submit it again"* ]]
	run -0 --separate-stderr "$DGRID" retry --downstream --script - --group g <<<'echo mended'
	[ "$(xargs <<<"$output")" = "w z" ]
	[[ "$stderr" == *"queued 2 of 6 again; 2 had succeeded"*", 1 need tasks that failed"*", 1 wait for tasks that have left"* ]]
	once
	[ "$("$DGRID" logs w) $("$DGRID" logs z)" = "mended z" ]
	run -1 "$DGRID" retry --downstream w # nothing can be queued because of it
	"$DGRID" audit
}

@test "what a task leaves is an input of those that wait for it; the claim names the tree, and rerun gives the same" {
	"$DGRID" submit --id build -- 'mkdir -p /out/bin; echo app >/out/bin/app; echo doc >/out/README'
	"$DGRID" submit --id test --input app=task:build:bin/app --input all=task:build -- 'cat /in/app; ls /in/all; cp /in/app /out/'
	"$DGRID" submit --id again --input bin=task:build:bin --workdir bin --after test -- 'cat app; echo "$DGRID_AFTER"'
	"$DGRID" submit --id odd --max-attempts 1 --input x=task:test:nothing -- true
	[ "$("$DGRID" show --json test | jq -c .inputs)" = '{"app":{"task":"build","path":"bin/app"},"all":{"task":"build"}}' ]
	[[ "$("$DGRID" why test)" == *"it waits for build (queued)"* ]]
	run -0 "$DGRID" show test
	[[ "$output" == *"/in/app: what task build leaves, of that bin/app"* ]]
	once
	[ "$("$DGRID" logs test)" = $'app\nREADME\nbin' ]
	[ "$("$DGRID" logs again)" = $'app\ntest=success' ]
	[ "$("$DGRID" show --json test | jq -r .attempts[0].inputs.app.tree)" = "$("$DGRID" show --json build | jq -r .result.out.tree)" ]
	[ "$(status_of odd)" = unstartable ]
	[[ "$("$DGRID" why odd)" == *"has no 'nothing'"* ]]
	[[ "$("$DGRID" rerun test)" == *reproducible ]]
	[[ "$("$DGRID" rerun again)" == *reproducible ]]
	"$DGRID" submit --id none -- true
	"$DGRID" submit --id wants --max-attempts 1 --input x=task:none -- true
	once
	[ "$(status_of wants)" = unstartable ]
	[[ "$("$DGRID" why wants)" == *"input 'x': task none left no files"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q 'all: what task build leaves' "$T/site/t/test.html"
	grep -q '<dt>Comes after</dt><dd>test</dd>' "$T/site/t/again.html"
	grep -q "<dt>Waited for by</dt><dd>\(again, test\|test, again\)</dd>" "$T/site/t/build.html"
	"$DGRID" audit
}

@test "graph draws what waits for what" {
	file_of build
	file_of lint
	file_of unit '"needs": ["build"]'
	file_of ship '"needs": ["unit", "lint"]'
	file_of alone
	"$DGRID" submit build.json lint.json unit.json ship.json alone.json
	run -0 "$DGRID" graph
	[ "$output" = "build  queued
└─ unit  waiting
   └─ ship  waiting  (and after lint)
lint  queued" ]
	run -0 "$DGRID" graph --dot unit
	[[ "$output" == *'"unit" -> "ship";'* && "$output" == *'"lint" -> "ship";'* && "$output" != *alone* ]]
	[ "$("$DGRID" graph --json | jq -c '[.tasks[] | [.task_id, .level]]')" = '[["build",0],["lint",0],["ship",2],["unit",1]]' ]
	run -66 "$DGRID" graph nobody
	run -0 "$DGRID" graph alone
	[ "$output" = "alone  queued" ]
}

@test "four workers race through forty tasks in layers: none is claimed before all that it needs has ended" {
	local layer i needs=() files=()
	for layer in 0 1 2 3; do
		for ((i = 0; i < 10; i++)); do
			needs=()
			((layer == 0)) || needs=("\"needs\": [\"t$((layer - 1))-$i\", \"t$((layer - 1))-$(((i + 3) % 10))\"]")
			file_of "t$layer-$i" "${needs[@]}"
			files+=("t$layer-$i.json")
		done
	done
	"$DGRID" submit "${files[@]}" >/dev/null
	for i in 1 2 3 4; do
		spawn "$T/n$i.log" "$DGRID" worker --node-id "n$i" --engine bwrap --slots 2 --work-dir "$T/w$i"
	done
	"$DGRID" wait --timeout "$(scaled 120)" "${files[@]%.json}"
	# The history itself, read by other means than the program's.
	git -C "$ORIGIN" log --reverse --format=%B main | awk '
		/^(.*: )?success t/ { done[$NF] = 1 }
		/^(.*: )?claim t/ {
			split($NF, at, "[t-]")
			if (at[2] > 0) {
				a = "t" at[2] - 1 "-" at[3]; b = "t" at[2] - 1 "-" (at[3] + 3) % 10
				if (!(a in done) || !(b in done)) { print $NF " before " a " or " b; bad = 1 }
			}
			n++
		}
		END { exit bad || n != 40 }'
	"$DGRID" audit
}

@test "what a task waits for is not archived before that task has ended" {
	grid_settings '"keep_finished": 1'
	"$DGRID" submit --id base -- true
	once
	"$DGRID" submit --id later --needs base --label nobody -- true
	for i in 1 2 3 4; do "$DGRID" submit --id "f$i" -- true; done
	once
	"$DGRID" maintain
	[ "$(state_of base)" = completed ]
	[ "$(state_of f1)" = archived ]
	"$DGRID" audit
	"$DGRID" cancel later
	"$DGRID" submit --id again -- true
	once
	"$DGRID" maintain
	[ "$(state_of base)" = archived ]
	run -65 "$DGRID" submit --needs base -- true
	[[ "$output" == *"moved to the archive, leave it out"* ]]
	"$DGRID" audit
}

@test "submissions that wait for each other are promoted together; one that waits for nothing there stays, and says so" {
	tgit clone -q "$ORIGIN" pr
	mkdir -p pr/tasks/unapproved
	file_of one '"needs": ["two"]'
	file_of two
	file_of lost '"needs": ["nowhere"]'
	file_of behind '"after": ["lost"]'
	mv one.json two.json lost.json behind.json pr/tasks/unapproved/
	tgit -C pr checkout -qb ask
	tgit -C pr add -A
	tgit -C pr commit -qm tasks
	run -65 "$DGRID" -C pr validate --pr main..ask
	[[ "$output" == *"lost.json:1:"*"there is no task and no group 'nowhere' in this grid"* && "$output" != *"one.json"* ]]
	tgit -C pr checkout -q main
	tgit -C pr merge -q --no-ff -m 'merge' ask
	tgit -C pr push -q origin main
	run -0 "$DGRID" promote
	[ "$(for id in one two lost behind; do state_of $id; done | xargs)" = "queue queue unapproved unapproved" ]
	[[ "$output" == *"it waits for nowhere, which is not on the branch"* ]]
	once
	[ "$(status_of one)" = success ]
	"$DGRID" audit
}

@test "a flow: one file holds a pipeline, its names are its own, and all of it is queued in one commit" {
	cat >nightly.json <<-'JSON'
		{
		  "defaults": {"timeout_seconds": 60, "env": {"WHO": "all"}},
		  "tasks": [
		    {"name": "build", "script": "echo app >/out/app; echo $WHO"},
		    {"name": "unit", "script": "cat /in/app; echo $WHO", "inputs": {"app": {"task": "build", "path": "app"}}, "env": {"WHO": "me"}},
		    {"name": "report", "script": "echo $DGRID_AFTER", "after": ["unit"]}
		  ]
		}
	JSON
	"$DGRID" validate nightly.json
	run -0 "$DGRID" submit --priority 7 nightly.json
	[ "$(xargs <<<"$output")" = "nightly-build nightly-unit nightly-report" ]
	[ "$("$DGRID" show --json nightly-unit | jq -c '[.group, .needs, .priority]')" = '["nightly",null,7]' ]
	once
	[ "$("$DGRID" logs nightly-build)" = all ]
	[ "$("$DGRID" logs nightly-unit)" = $'app\nme' ]
	[ "$("$DGRID" logs nightly-report)" = "nightly-unit=success" ]
	run -0 "$DGRID" submit --group again --dry-run nightly.json
	[ "$(jq -r .task_id <<<"$output" | xargs)" = "again-build again-unit again-report" ]
	run -65 "$DGRID" submit nightly.json
	[[ "$output" == *"'nightly-build' is already in this grid"* ]]
	# What it waits for stands in it or, where a grid is known, there: as a task or as a group.
	sed 's/"after": \["unit"\]/"after": ["nightly", "nightly-build", "unti"]/' nightly.json >weekly.json
	run -65 "$DGRID" validate weekly.json
	[[ "$output" == *"weekly.json:6:"*"after: there is no task and no group 'unti' in this grid"* && "$output" != *"'nightly"* ]]
	sed -i 's/"after": \["unit"\]/"needs": ["report"], "cpu": 1/' nightly.json
	run -65 "$DGRID" validate nightly.json
	[[ "$output" == *"nightly.json:6:"*'needs: not valid ("nightly-report" is the task itself'* && "$output" == *'nightly.json:6:'*'cpu: unknown field (expected "cpus"'* ]]
	run -65 "$DGRID" submit --group other nightly.json
	[[ "$output" == *"nothing was queued"*"nightly.json:6:"* ]]
	"$DGRID" audit
}

@test "nodes that are too old for a task: submit names them, and a newer task than a node knows is passed by" {
	spawn "$T/worker.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	"$DGRID" submit --id first -- true
	"$DGRID" wait --timeout "$(scaled 60)" first
	git -C "$ORIGIN" show main:nodes/n1.json | jq -e '.task_level == 2'
	# Another, of an older version, that lives.
	tgit clone -q "$ORIGIN" old
	jq --arg now "$(date -u +%FT%TZ)" --arg due "$(date -u -d '+10 min' +%FT%TZ)" \
		'del(.task_level) | .node_id = "old" | .dgrid_version = "0.1.0" | .last_heartbeat = $now | .next_due = $due' old/nodes/n1.json >old/nodes/old.json
	jq '.task_id = "future" | .schema = 9 | del(.attempts, .result) | .dance = true' old/tasks/completed/first.json >old/tasks/queue/future.json
	tgit -C old add -A
	tgit -C old commit -qm 'an old node, and a task of tomorrow'
	tgit -C old push -q origin HEAD:main
	run -65 "$DGRID" submit --id b --needs first -- true
	[[ "$output" == *"some nodes are too old for it, and would call it invalid: old (dgrid 0.1.0)"* ]]
	run -65 "$DGRID" schedule add nightly --cron @daily -- true
	[[ "$output" == *"some nodes are too old for it, and would call it invalid: old (dgrid 0.1.0)"* ]]
	"$DGRID" schedule add nightly --cron @daily --force -- true
	"$DGRID" submit --id plain -- true
	"$DGRID" submit --id b --needs first --force -- true
	"$DGRID" wait --timeout "$(scaled 60)" plain b
	[ "$(state_of future)" = queue ]
	[[ "$("$DGRID" why future)" == *"it needs a newer dgrid than this one"* ]]
	run -65 "$DGRID" validate old/tasks/queue/future.json
	[[ "$output" == *"schema: 9 is newer than this dgrid knows (expected at most 2: update dgrid)"* ]]
}

@test "a whole sweep is waited for by its group's name; and verbs take that name where they take ids" {
	sweep=$("$DGRID" submit --array 0-5 --chunk 2 --id fit -- 'echo "$DGRID_POINT"; [ "$DGRID_POINT" != 3 ] || exit 4')
	[ "$sweep" = fit ]
	"$DGRID" submit --id plot --after "$sweep" -- 'echo "$DGRID_AFTER"'
	"$DGRID" submit --id strict --needs "$sweep" -- true
	[ "$("$DGRID" show --json strict | jq -c .needs)" = '["fit-0000","fit-0001","fit-0002"]' ]
	once
	[ "$("$DGRID" logs plot)" = "fit-0000=success fit-0001=failed fit-0002=success" ]
	[ "$(status_of strict)" = skipped ]
	run -1 "$DGRID" wait "$sweep"
	[ "$("$DGRID" logs "$sweep" 2>/dev/null | grep -c '^==> fit-')" = 3 ]
	run -66 "$DGRID" wait nobody
	[[ "$output" == *"no task and no group 'nobody' in this grid"* ]]
	run -66 "$DGRID" cancel "$sweep"
	[[ "$output" == *"of a group: --group fit"* ]]
	run -0 --separate-stderr "$DGRID" logs strict
	[[ "$stderr" == *"strict printed nothing: skipped, it needs fit-0001, which ended as failed"* ]]
	# The whole of it anew: none of the old may stay among the new.
	run -64 "$DGRID" submit --array 0-5 --id fit --skip-existing -- true
	run -65 "$DGRID" submit --array 0-5 --chunk 3 --id fit --replace -- 'echo "$DGRID_POINT"'
	[[ "$output" == *"'fit-0002' would stay in this group beside what replaces the others"* ]]
	"$DGRID" submit --array 0-5 --chunk 2 --id fit --replace -- 'echo "$DGRID_POINT"'
	once
	[ "$("$DGRID" logs fit --csv | tail -n +2 | wc -l)" = 6 ]
	"$DGRID" wait fit
	"$DGRID" audit
}

@test "what waits for a task that has left the branch is not queued again, and says so" {
	grid_settings '"keep_finished": 2'
	"$DGRID" submit --id base -- true
	"$DGRID" submit --id later --needs base -- 'exit 1'
	once
	"$DGRID" submit --id f2 -- 'exit 1'
	once
	"$DGRID" maintain
	[ "$(state_of base)" = archived ]
	[ "$(state_of later)" = failed ]
	run -1 "$DGRID" retry later
	[[ "$output" == *"'later' waits for base, which has left the branch: it would wait for ever (submit it again without that)"* ]]
	run -0 --separate-stderr "$DGRID" retry --failed
	[ "$output" = f2 ]
	[[ "$stderr" == *"1 wait for tasks that have left the branch (submit them again)"* ]]
	"$DGRID" audit
}

@test "a result whose tree is no object id is nobody's option: what is given it cannot start, and rerun refuses" {
	local evil="--upload-pack=touch $T/pwned; git-upload-pack" long
	long=$(printf 'a%.0s' {1..100})
	"$DGRID" submit --id src -- 'echo x >/out/f'
	"$DGRID" submit --id use --input in=task:src --max-attempts 1 -- 'cat /in/in/f'
	once
	[ "$("$DGRID" logs use)" = x ]
	tgit clone -q "$ORIGIN" evil
	forge() { # FILE JQ-FILTER
		tgit -C evil pull -q --rebase
		jq --arg evil "$evil" "$2" "evil/$1" >new.json
		mv new.json "evil/$1"
		tgit -C evil commit -qam forged
		tgit -C evil push -q origin HEAD:main
	}
	forge tasks/completed/use.json '.attempts[-1].inputs.in.tree = $evil'
	run -69 "$DGRID" rerun use
	[[ "$output" == *"input 'in': task src left no files"* ]]
	for evil in "$evil" "$long"; do
		forge tasks/completed/src.json '.result.out.tree = $evil'
		"$DGRID" submit --id "next-${#evil}" --input in=task:src --max-attempts 1 -- 'cat /in/in/f' && false
		jq -n --arg id "next-${#evil}" '{task_id: $id, script: "cat /in/in/f", timeout_seconds: 20, max_attempts: 1, inputs: {in: {task: "src"}}}' >"evil/tasks/queue/next-${#evil}.json"
		tgit -C evil add -A
		tgit -C evil commit -qm by-hand
		tgit -C evil push -q origin HEAD:main
		timeout "$(scaled 60)" "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w-n1" >>"$T/worker.log" 2>&1
		[ "$(status_of "next-${#evil}")" = unstartable ]
	done
	[ ! -e pwned ]
}
