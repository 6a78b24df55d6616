#!/usr/bin/env bats
# bats file_tags=plain
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# Many workers, few pushes: group commits, queueing, turns, the push budget; and the archive that keeps the branch small.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

submit_many() { # COUNT
	local i
	mkdir -p "$T/tasks"
	for i in $(seq "$1"); do
		printf '{"task_id": "t%s", "script": "echo %s", "timeout_seconds": 60}' "$i" "$i" >"$T/tasks/t$i.json"
	done
	"$DGRID" submit "$T"/tasks/*.json >/dev/null
}
# Finished tasks of the first days of November, as if they had run: ID DAY STATUS [ID DAY STATUS]...
finished() {
	local folder
	tgit clone -q "$ORIGIN" "$T/made"
	while (($#)); do
		folder=completed
		[[ $3 == success ]] || folder=failed
		mkdir -p "$T/made/tasks/$folder"
		printf '{"task_id": "%s", "script": "true", "timeout_seconds": 10, "result": {"status": "%s", "exit_code": 0, "finished_at": "2026-11-%sT00:00:00Z", "duration_ms": 7, "stdout": "out of %s\\n"}}\n' \
			"$1" "$3" "$2" "$1" >"$T/made/tasks/$folder/$1.json"
		shift 3
	done
	tgit -C "$T/made" add . && tgit -C "$T/made" commit -qm finished && tgit -C "$T/made" push -q origin HEAD:main
	rm -rf "$T/made"
}
archive_ls() { git -C "$ORIGIN" ls-tree -r --name-only archive; }
# All pushes the repository takes, a line each: milliseconds and the refs.
log_pushes() {
	printf '#!/bin/sh\necho "$(date +%%s%%3N)" $(cut -d" " -f3 | tr "\\n" " ") >>"%s/pushes"\n' "$T" >"$ORIGIN/hooks/post-receive"
	chmod +x "$ORIGIN/hooks/post-receive"
}
most_within() { # SECONDS: the most pushes within any such time
	awk -v w="$1" '{ t[NR] = $1 } END { for (i = j = 1; i <= NR; i++) { while (t[i] - t[j] > w * 1000) j++
		if (i - j + 1 > most) most = i - j + 1 } print most + 0 }' "$T/pushes"
}
ended_all() { [ "$(ledger_ls completed | wc -l)" = "$1" ]; }
sum_of() { # FIELD of the workers' last lines: pushes or rejected
	cat "$T"/w*.log | sed -n "s/.*left: .* \([0-9]*\) $1.*/\1/p" | awk '{ n += $1 } END { print n + 0 }'
}

@test "maintain archives the oldest beyond keep_finished; show, logs, why and wait find them; totals add up" {
	grid_settings '"keep_finished": 2'
	finished a 01 success b 02 failed c 03 success d 04 success e 05 success
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would archive 3 tasks"* ]]
	run ! git -C "$ORIGIN" rev-parse -q --verify archive
	run -0 "$DGRID" maintain --json
	[ "$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["archived"])' "$output")" = 3 ]
	[ "$(archive_ls | tr '\n' ' ')" = "2026/11/01/a.json 2026/11/02/b.json 2026/11/03/c.json " ]
	[ "$(ledger_ls completed) $(ledger_ls failed)" = "$(printf 'd\ne') " ]
	git -C "$ORIGIN" show main:tasks/archive.json >"$T/totals"
	run -0 python3 -c 'import json,sys; t=json.load(open(sys.argv[1])); print(t["tasks"], t["completed"], t["failed"], t["days"]["2026-11-02"])' "$T/totals"
	[ "$output" = "3 2 1 {'failed': 1, 'run_ms': 7}" ]
	run -0 "$DGRID" status
	[[ "$output" == *"3 archived"* ]]
	run -0 "$DGRID" show a
	[[ "$output" == *"archived"*"archive:2026/11/01/a.json"* ]]
	run -0 "$DGRID" logs c
	[ "$output" = "out of c" ]
	run -0 "$DGRID" why b
	[[ "$output" == *archive* ]]
	run -0 "$DGRID" wait a c d
	run -1 "$DGRID" wait a b
	run -66 "$DGRID" wait a nowhere
	run -66 "$DGRID" show nowhere
	[ "$output" = "dgrid: no task and no group 'nowhere' in this grid" ]
	# Nothing more to do, and the past still shows them where they stood.
	run -0 "$DGRID" maintain
	[[ "$output" == *"archived 0 tasks"* ]]
	run -0 "$DGRID" show a --at main~1
	[[ "$output" == *completed* ]]
	git -C "$ORIGIN" fsck
}

@test "an id that ended twice on one day is kept twice; show takes the newer" {
	grid_settings '"keep_finished": 1'
	finished a 01 success z 30 success
	"$DGRID" maintain
	finished a 01 failed
	"$DGRID" maintain
	[ "$(archive_ls | tr '\n' ' ')" = "2026/11/01/a.2.json 2026/11/01/a.json " ]
	run -0 "$DGRID" show a
	[[ "$output" == *"archive:2026/11/01/a.2.json"*failed* ]]
}

@test "over SSH: an idle worker archives by itself, readers find what it moved" {
	start_sshd
	export DGRID_REPO_URL=$SSH_URL
	grid_settings '"keep_finished": 4'
	finished a 01 success b 02 success c 03 success d 04 success e 05 success f 06 success g 07 success h 08 success \
		i 09 success j 10 success k 11 success l 12 success m 13 success n 14 failed o 15 success
	cd "$T"
	spawn "$T/w1.log" "$DGRID" worker --node-id w1 --engine bwrap --work-dir w1 --poll-ms 200 # relative: git runs elsewhere
	wait_until 40 git -C "$ORIGIN" rev-parse -q --verify archive
	[ "$(archive_ls | wc -l)" = 11 ]
	run -0 "$DGRID" logs a
	[ "$output" = "out of a" ]
	# Again, with the archive there already.
	"$DGRID" submit --id after -- true
	wait_until 30 ledger_has completed after
	run -0 "$DGRID" maintain
	[[ "$output" == *"archived 1 task"* ]]
	run -0 "$DGRID" show d
	[[ "$output" == *"archive:2026/11/04/d.json"* ]]
	run -0 "$DGRID" wait a after
}

@test "totals that are no JSON stop the archive, and nothing is moved" {
	grid_settings '"keep_finished": 1'
	finished a 01 success b 02 success
	tgit clone -q "$ORIGIN" "$T/made"
	echo '{"tasks": ' >"$T/made/tasks/archive.json"
	tgit -C "$T/made" add . && tgit -C "$T/made" commit -qm broken && tgit -C "$T/made" push -q origin HEAD:main
	run -65 "$DGRID" maintain
	[[ "$output" == *"tasks/archive.json:2:1:"* ]]
	[ "$(ledger_ls completed | wc -l)" = 2 ]
}

@test "four workers on a folder queue up: few pushes a task, next to none rejected, all get a share" {
	submit_many 160
	for n in 1 2 3 4; do
		spawn "$T/w$n.log" "$DGRID" worker --node-id "w$n" --slots 8 --engine bwrap --once --work-dir "$T/d$n"
	done
	wait_until 120 ended_all 160
	for n in 1 2 3 4; do wait_until 60 grep -q 'left:' "$T/w$n.log"; done
	echo "pushes $(sum_of pushes) rejected $(sum_of rejected)"
	[ "$(sum_of pushes)" -le 60 ]
	[ "$(sum_of rejected)" -le 6 ]
}

@test "a worker frozen while it holds the folder does not stop the others" {
	spawn "$T/holder.log" python3 -c 'import fcntl, sys, time
f = open(sys.argv[1], "w"); fcntl.flock(f, fcntl.LOCK_EX); print("held", flush=True); time.sleep(600)' "$ORIGIN/dgrid.lock"
	wait_until 10 grep -q held "$T/holder.log"
	"$DGRID" submit --id t -- true
	spawn "$T/w1.log" "$DGRID" worker --node-id w1 --engine bwrap --work-dir "$T/w1"
	wait_until 40 ledger_has completed t
}

@test "over SSH four workers take turns, and say so in their node files, beats and log" {
	start_sshd
	export DGRID_REPO_URL=$SSH_URL
	submit_many 80
	for n in 1 2 3 4; do
		spawn "$T/w$n.log" "$DGRID" worker --node-id "w$n" --slots 4 --engine bwrap --once --work-dir "$T/d$n"
	done
	wait_until 120 ended_all 80
	for n in 1 2 3 4; do wait_until 60 grep -q 'left:' "$T/w$n.log"; done
	echo "pushes $(sum_of pushes) rejected $(sum_of rejected)"
	[ "$(sum_of rejected)" -le $(($(sum_of pushes) * 3 / 10)) ]
	grep -h 'pushes: turns of [0-9]* ms, [1-4] of [2-4]' "$T"/w*.log
	for n in 1 2 3 4; do ended=$(grep -c 'ended: success' "$T/w$n.log") && [ "$ended" -gt 0 ]; done
	run -0 "$DGRID" nodes --json
	[[ "$output" == *turn_ms* ]]
	"$DGRID" status --json | python3 -c 'import json, sys
nodes = json.load(sys.stdin)["nodes"]
assert len(nodes) == 4 and all(n["pushes"] > 0 and n["rejected"] >= 0 and n["turns"] for n in nodes), nodes'
}

@test "with pushes_per_minute the whole grid stays within it, tasks, beats and all" {
	log_pushes
	grid_settings '"pushes_per_minute": 60, "heartbeat_seconds": 1'
	submit_many 40
	for n in 1 2 3; do
		spawn "$T/w$n.log" "$DGRID" worker --node-id "w$n" --slots 4 --engine bwrap --work-dir "$T/d$n"
	done
	wait_until 120 ended_all 40
	# And idle: until every one of them has beaten once more.
	for n in 1 2 3; do
		old=$(git -C "$ORIGIN" rev-parse --verify -q "refs/dgrid/heartbeats/w$n" || true)
		# shellcheck disable=SC2317 # called by wait_until
		moved() { [[ $(git -C "$ORIGIN" rev-parse --verify -q "refs/dgrid/heartbeats/w$n") != "$old" ]]; }
		wait_until 60 moved
	done
	sed -i 1d "$T/pushes" # the settings
	echo "most within 60 s: $(most_within 60), within 20 s: $(most_within 20)"
	[ "$(most_within 60)" -le 62 ]
	[ "$(most_within 20)" -le 22 ] # from the first push on
}

@test "a lone worker under pushes_per_minute keeps within it too" {
	log_pushes
	grid_settings '"pushes_per_minute": 30'
	submit_many 12
	spawn "$T/w1.log" "$DGRID" worker --node-id w1 --slots 2 --engine bwrap --once --work-dir "$T/w1"
	wait_until 60 grep -q 'left:' "$T/w1.log"
	[ "$(ledger_ls completed | wc -l)" = 12 ]
	[ "$(most_within 60)" -le 32 ]
}

@test "an idle worker keeps its clone small, and goes on in it" {
	start_sshd
	packs() { find "$T/$1/ledger/.git/objects/pack" -name '*.pack' | wc -l; }
	few_packs() { (($(packs "$1") < 10)); }
	beat() { git -C "$ORIGIN" rev-parse --verify -q "refs/dgrid/heartbeats/$1"; }
	for n in folder ssh; do
		url=$ORIGIN
		if [[ $n == ssh ]]; then url=$SSH_URL; fi
		"$DGRID" --repo "$url" worker --node-id "$n" --engine bwrap --once --work-dir "$T/$n" 2>"$T/$n.log"
		for i in $(seq 60); do
			echo "$n $i" | git -C "$T/$n/ledger" hash-object -w --stdin |
				git -C "$T/$n/ledger" pack-objects -q "$T/$n/ledger/.git/objects/pack/pack" >/dev/null
		done
		[ "$(packs "$n")" -ge 60 ]
		spawn "$T/$n.log" env HEARTBEAT_INTERVAL=1 "$DGRID" --repo "$url" worker --node-id "$n" --labels "$n" --engine bwrap \
			--work-dir "$T/$n"
		wait_until 30 few_packs "$n"
		old=$(beat "$n")
		# shellcheck disable=SC2317 # called by wait_until
		moved() { [[ $(beat "$n") != "$old" ]]; }
		wait_until 30 moved
		"$DGRID" submit --id "on-$n" --label "$n" --wait -- true
		if grep -E 'cannot|damaged' "$T/$n.log"; then false; fi
	done
}

@test "clocks of the year 9999, refs in each other's way and days of no calendar stop nothing" {
	start_sshd
	grid_settings '"keep_finished": 1'
	tgit clone -q "$ORIGIN" "$T/far"
	for n in 1 2 3 4 5 6; do
		printf '{"node_id": "h%s", "status": "active", "last_heartbeat": "9999-01-01T00:00:00Z", "next_due": "9999-01-01T00:00:00Z", "turn_ms": 20000, "spoke_ms": 9223372036854775807, "slots": -5, "busy": 99999999999}' "$n" >"$T/far/nodes/h$n.json"
	done
	for day in -999-01-01 0000-00-00 9998-01-01; do
		printf '{"task_id": "of%s", "script": "true", "timeout_seconds": 10, "result": {"status": "success", "finished_at": "%sT00:00:00Z"}}' \
			"$day" "$day" >"$T/far/tasks/completed/of$day.json"
	done
	tgit -C "$T/far" add -A
	tgit -C "$T/far" commit -qm far
	tgit -C "$T/far" push -q origin HEAD:main
	beat=$(tgit -C "$ORIGIN" commit-tree -m '{"last_heartbeat":"9999-01-01T00:00:00Z","turn_ms":20000}' "$(git -C "$ORIGIN" mktree </dev/null)")
	for n in a b c; do git -C "$ORIGIN" update-ref "refs/dgrid/heartbeats/$n" "$beat"; done
	submit_many 2
	DGRID_REPO_URL=$SSH_URL spawn "$T/w.log" "$DGRID" worker --node-id w --slots 2 --engine bwrap --work-dir "$T/w"
	wait_until 30 ledger_has completed t1
	# A ref that stands where a folder of refs was.
	git -C "$ORIGIN" update-ref -d refs/dgrid/heartbeats/a
	git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/a/b "$beat"
	"$DGRID" submit --id after -- true
	wait_until 30 ledger_has completed after
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	run -0 "$DGRID" nodes --json
	python3 -c 'import json, sys
nodes = {n["node_id"]: n for n in json.load(sys.stdin)["nodes"]}
assert nodes["h1"]["state"] == "silent" and nodes["w"]["state"] == "left", nodes' <<<"$output"
	"$DGRID" maintain
	[ "$(ledger_ls completed | wc -l)" = 1 ]
	[ "$(git -C "$ORIGIN" ls-tree -r --name-only archive | grep -c '^[0-9]\{4\}/')" = "$(git -C "$ORIGIN" ls-tree -r --name-only archive | wc -l)" ]
}

# However many tasks: no argument list of git's grows with them. Linux ends one argument at 128 KiB, and all together at a
# quarter of the stack's limit: here 200 KiB, which our own arguments just fit into.
@test "thousands of tasks are submitted, cancelled and queued again in one commit each" {
	local before n=2400
	mkdir -p "$T/tasks"
	before=$(git -C "$ORIGIN" rev-list --count main)
	seq -f "$(printf 'x%.0s' {1..59})-%04g" "$n" >"$T/ids"
	awk -v d="$T/tasks" '{ f = d "/" $1 ".json"
		print "{\"task_id\":\"" $1 "\",\"script\":\"true\",\"timeout_seconds\":60}" >f; close(f) }' "$T/ids"
	"$DGRID" submit "$T"/tasks/*.json >"$T/out"
	cmp "$T/out" "$T/ids"
	(ulimit -s 800 && xargs -x -n "$n" -s 190000 "$DGRID" cancel <"$T/ids" >"$T/out")
	[ "$(ledger_ls failed | wc -l)" = "$n" ]
	(ulimit -s 800 && xargs -x -n "$n" -s 190000 "$DGRID" retry <"$T/ids" >"$T/out")
	[ "$(ledger_ls queue | wc -l)" = "$n" ]
	[ "$(git -C "$ORIGIN" rev-list --count main)" = $((before + 3)) ]
}

@test "a stranger who holds the folder and commits every second starves nobody" {
	tgit clone -q "$ORIGIN" "$T/stranger"
	spawn "$T/stranger.log" python3 -u -c 'import fcntl, subprocess, sys, time
held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
print("held")
git = ["git", "-C", sys.argv[2], "-c", "user.name=s", "-c", "user.email=s@example.invalid"]
for n in range(300):
    subprocess.run(git + ["commit", "-q", "--allow-empty", "-m", "mine"], check=True)
    while subprocess.run(git + ["push", "-q"], stderr=subprocess.DEVNULL).returncode:
        subprocess.run(git + ["pull", "-q", "--rebase"], stderr=subprocess.DEVNULL)
    time.sleep(1)' "$ORIGIN/dgrid.lock" "$T/stranger"
	wait_until 20 grep -q held "$T/stranger.log"
	"$DGRID" submit --id one -- true
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1"
	wait_until 60 ledger_has completed one
}
