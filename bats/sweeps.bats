#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# Sweeps: a script for many points, cut into tasks of one group. What a sandbox does with points is in sandbox.bash.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

once() { # NODE [OPTIONS]
	local node=$1
	shift
	"$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" --once "$@" 2>>"$T/$node.log"
}
worker() { # NODE [OPTIONS]: in the background; its pid is in $SPAWNED
	local node=$1
	shift
	spawn "$T/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" "$@"
	wait_until 20 grep -q "node $node: engine" "$T/$node.log"
}
field() { # ID PYTHON-EXPRESSION over t and r (its result)
	"$DGRID" show --json "$1" | python3 -c "import json,sys; t=json.load(sys.stdin); r=t.get('result'); print($2)"
}
every() { # PYTHON-EXPRESSION over docs, the documents of all tasks
	for state in queue in_progress completed failed; do
		for id in $(ledger_ls $state); do ledger_json $state "$id"; printf '\0'; done
	done | python3 -c "import json,sys; docs=[json.loads(d) for d in sys.stdin.read().split('\0') if d]; print($1)"
}
audited() {
	run -0 "$DGRID" audit
	[[ "$output" == *"no violation"* ]] || { echo "$output"; false; }
}
refused() { # EXIT MESSAGE ARGUMENTS...: nothing is queued
	local code=$1 says=$2
	shift 2
	run -"$code" "$DGRID" submit "$@" -- true
	[[ "$output" == *"$says"* ]] || { echo "$output"; false; }
	[ -z "$(ledger_ls queue)" ]
}

@test "an array: one commit, tasks of one group, racing workers, and each point ran once" {
	before=$(git -C "$ORIGIN" rev-list --count main)
	run -0 --separate-stderr "$DGRID" submit --array 0-299 --id grow --timeout 10 -- 'echo "square $((DGRID_POINT * DGRID_POINT))"'
	[ "$output" = grow ]
	[[ "$stderr" == *"300 points in 150 tasks of group grow"* ]]
	[ "$(git -C "$ORIGIN" rev-list --count main)" = $((before + 1)) ]
	[ "$(ledger_ls queue | head -1)" = grow-0000 ]
	[ "$(every '{(d["group"], d["points"]) for d in docs}')" = "{('grow', 2)}" ]
	worker n1 --slots 4
	worker n2 --slots 4
	wait_until 120 sh -c '[ "$(git -C "$ORIGIN" ls-tree --name-only main tasks/completed/ | grep -c grow)" = 150 ]'
	[ "$(every 'sorted(p["point"] for d in docs for p in d["result"]["points"]) == list(range(300))')" = True ]
	[ "$(every 'all(p["stdout"] == "square %d\n" % p["point"] ** 2 for d in docs for p in d["result"]["points"])')" = True ]
	[ "$(every 'len({d["result"]["node"] for d in docs})')" = 2 ]
	audited
}

@test "indexes with steps and gaps are the points' own" {
	"$DGRID" submit --array 0-20:10,25,27-28 --chunk 4 --id steps -- 'echo $DGRID_POINT'
	once n1
	[ "$(every '[[p["stdout"].strip() for p in d["result"]["points"]] for d in docs]')" = "[['0', '10', '20', '25'], ['27', '28']]" ]
	audited
}

@test "a matrix is every combination, the last varies fastest; a value may hold commas and quotes" {
	"$DGRID" submit --matrix A=1,2 --matrix 'B="x,y",z' --chunk 9 --id m -- 'echo "$DGRID_POINT: $A $B"'
	once n1
	[ "$("$DGRID" logs m-0000)" = $'0: 1 x,y\n1: 1 z\n2: 2 x,y\n3: 2 z' ]
}

@test "points come from CSV or from JSON lines, a file or stdin" {
	printf 'RATE,NAME\r\n0.1,"a ""b"", c"\r\n\r\n0.2,"two\nlines"\r\n' >"$T/points.csv"
	"$DGRID" submit --points "$T/points.csv" --chunk 9 --id csv -- 'echo "$RATE $NAME"'
	printf '{"RATE": 0.10, "ON": true}\n{"RATE": "x", "DGRID_POINT": 12}\n' | "$DGRID" submit --points - --chunk 9 --id lines -- 'echo "$DGRID_POINT $RATE $ON"'
	once n1
	[ "$("$DGRID" logs csv-0000)" = $'0.1 a "b", c\n0.2 two\nlines' ]
	[ "$("$DGRID" logs lines-0000)" = $'0 0.10 true\n12 x ' ]
}

@test "what is wrong with points is told with its place, and nothing is queued" {
	at() { # MESSAGE TEXT
		printf '%b' "$2" >"$T/p.csv"
		refused 65 "p.csv:$1" --points "$T/p.csv"
	}
	at "1:3: 'A' stands there twice" 'A,A\n1,2\n'
	at "1:3: '1B' is none" 'A,1B\n1,2\n'
	at "2:1: 1 cells, and the header has 2" 'A,B\n1\n'
	at "3:5: 3 cells, and the header has 2" 'A,B\n1,2\n1,2,3\n'
	at '2:3: a quote that is not closed' 'A,B\n1,"x\n'
	at '2:2: a quote within a cell' 'A\nx"y\n'
	at '2:1: more behind a closed quote' 'A\n"x"y\n'
	at '2:1: a cell that is not UTF-8' 'A\n\xff\n'
	at '3:1: DGRID_POINT is' 'DGRID_POINT\n3\n3\n'
	at '2:2: expected a member name' '{"A": 1}\n{bad\n'
	at '1:2: A: array' '{"A": [1]}\n'
	printf 'A\n' >"$T/p.csv"
	refused 65 'has no points' --points "$T/p.csv"
	refused 66 nowhere.csv --points "$T/nowhere.csv"
	refused 64 "column 5 of '1-5:0'" --array 1-5:0
	refused 64 'rising' --array 5,3
	refused 65 'more than 100000 points' --array 0-100000
	refused 64 'NAME=VALUE,VALUE' --matrix A
	refused 64 'A is given twice' --matrix A=1 --matrix A=2
	refused 64 'one of --array, --matrix and --points' --array 1 --matrix A=1
	refused 64 '--chunk goes with' --chunk 3
	refused 64 '--chunk' --array 1-3 --chunk 257
	refused 64 'is too long' --array 1-3 --id "$(printf 'x%.0s' {1..60})"
	refused 65 'share_sandbox: without "points"' --share-sandbox
	run -64 "$DGRID" submit --failed-of x -- true
	run -66 "$DGRID" submit --failed-of nothing
	[[ "$output" == *"no task of a group 'nothing'"* ]]
}

@test "points together run no longer than the grid allows, whoever writes them" {
	run -65 "$DGRID" submit --array 0-255 --chunk 256 --timeout 60 --id long -- true
	[[ "$output" == *"points: 256 points of 60 s each (expected at most 3600 s together, as max_points_seconds of grid.json has it)"* ]]
	"$DGRID" submit --array 0-255 --chunk 256 --timeout 14 --id right -- true
	grid_settings '"max_points_seconds": 100'
	"$DGRID" submit --array 0-999 --timeout 30 --id cut -- true
	[ "$(every '{d["points"] for d in docs if d["group"] == "cut"} == {3, 1}')" = True ]
	"$DGRID" submit --array 0-1 --chunk 1 --timeout 101 --id one -- true
	[ "$(every '[d["points"] for d in docs if d["group"] == "one"]')" = '[1, 1]' ]
	# A stranger's request.
	tgit clone -q "$ORIGIN" "$T/c"
	mkdir -p "$T/c/tasks/unapproved"
	echo '{"task_id": "x", "script": "true", "timeout_seconds": 51, "points": 2}' >"$T/c/tasks/unapproved/x.json"
	tgit -C "$T/c" add .
	tgit -C "$T/c" commit -qm request
	run -65 "$DGRID" --repo "$T/c" validate --pr origin/main..HEAD
	[[ "$output" == *"tasks/unapproved/x.json:1:"*": points: 2 points of 51 s each"* ]]
}

@test "a script may say its own sweep; the command line goes before it" {
	printf '#!/bin/sh\n#DGRID --array 1-4 --chunk 2 --timeout 10\necho $DGRID_POINT\n' >"$T/s.sh"
	[ "$("$DGRID" submit --script "$T/s.sh" --id own)" = own ]
	[ "$(ledger_ls queue)" = $'own-0000\nown-0001' ]
	"$DGRID" submit --script "$T/s.sh" --id own2 --array 7
	[ "$(ledger_ls queue | tail -1)" = own2-0000 ]
	run -65 "$DGRID" submit --script "$T/s.sh" --id own
	[[ "$output" == *"'own-0000' is already in this grid"* ]]
}

@test "the points that failed are submitted alone, with their indexes and variables, options on top" {
	"$DGRID" submit --matrix A=1,2,3 --matrix B=10,20 --chunk 4 --id fit --timeout 10 -- 'echo $DGRID_POINT $A $B; [ $A != 2 ] || [ -n "$OK" ]'
	run -75 "$DGRID" submit --failed-of fit
	[[ "$output" == *"'fit' has not ended: 2 of its tasks wait or run"* ]]
	once n1
	[ "$("$DGRID" submit --failed-of fit)" = fit-r1 ]
	[ "$(every '[d["points"] for d in docs if d["group"] == "fit-r1"]')" = "[[{'A': '2', 'B': '10'}], [{'A': '2', 'B': '20'}]]" ]
	once n1
	[ "$("$DGRID" submit --failed-of fit-r1 --env OK=1 --chunk 9)" = fit-r2 ]
	once n1
	[ "$("$DGRID" logs fit-r2-0000)" = $'2 2 10\n3 2 20' ]
	run -66 "$DGRID" submit --failed-of fit-r2
	[[ "$output" == *"no point of group 'fit-r2' failed"* ]]
	audited
}

@test "a whole task that was lost or cancelled counts with all its points; archived tasks count too" {
	grid_settings '"keep_finished": 1, "min_timeout_seconds": 1'
	"$DGRID" submit --array 0-5 --chunk 2 --id gone -- '[ $DGRID_POINT != 3 ]'
	"$DGRID" cancel gone-0000
	once n1
	"$DGRID" maintain
	[ "$(git -C "$ORIGIN" ls-tree -r --name-only archive | grep -c gone-)" -gt 0 ]
	"$DGRID" submit --failed-of gone --chunk 9
	[ "$(every '[d["points"] for d in docs if d["group"] == "gone-r1"]')" = "[[{}, {}, {'DGRID_POINT': '3'}]]" ]
}

@test "a worker that is killed in the midst of a task's points loses what was done; another runs all of them" {
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0, "poll_seconds": 1, "lease_seconds": 5, "min_timeout_seconds": 1'
	"$DGRID" submit --array 0-3 --chunk 4 --id kill --timeout 60 -- 'if [ $DGRID_POINT = 2 ]; then sleep 20; fi; echo $DGRID_POINT'
	worker n1
	first=$SPAWNED
	wait_until 20 ledger_has in_progress kill-0000
	wait_until 30 sh -c '"$DGRID" show --json kill-0000 >/dev/null; git -C "$ORIGIN" for-each-ref --format="%(contents)" refs/dgrid/heartbeats/n1 | grep -q "\"points_done\""'
	kill -KILL "$first"
	wait_until 10 pid_ended "$first"
	wait_until 60 sh -c '"$DGRID" heal >/dev/null; git -C "$ORIGIN" cat-file -e main:tasks/queue/kill-0000.json'
	[ "$(field kill-0000 '[a["outcome"] for a in t["attempts"]]')" = "['lost']" ]
	worker n2
	wait_until 90 ledger_has completed kill-0000
	[ "$(field kill-0000 '[(p["point"], p["stdout"]) for p in r["points"]]')" = "[(0, '0\n'), (1, '1\n'), (2, '2\n'), (3, '3\n')]" ]
	[ "$(field kill-0000 'r["node"], r["attempt"]')" = 'n2 2' ]
	audited
}

@test "cancel ends the point that runs and skips the others; a worker that drains ends all of them" {
	grid_settings '"heartbeat_seconds": 1, "poll_seconds": 1, "min_timeout_seconds": 1'
	for share in '' --share-sandbox; do
		id=cut${share:+-s}
		"$DGRID" submit $share --array 0-3 --chunk 4 --id "$id" --timeout 60 -- 'echo $DGRID_POINT; [ $DGRID_POINT != 1 ] || sleep 50'
		worker "n$id"
		wait_until 20 ledger_has in_progress "$id-0000"
		wait_until 30 sh -c 'git -C "$ORIGIN" for-each-ref --format="%(contents)" refs/dgrid/heartbeats/ | tr -d " \n" | grep -q "\"'"$id"'-0000\":1"'
		"$DGRID" cancel "$id-0000"
		wait_until 30 ledger_has failed "$id-0000"
		[ "$(field "$id-0000" 'r["status"], r["exit_code"], r["points_failed"], [p["status"] for p in r["points"]]')" = \
			"cancelled None 3 ['success', 'cancelled', 'skipped', 'skipped']" ]
		kill -TERM "$SPAWNED"
		wait_until 20 pid_ended "$SPAWNED"
	done
	"$DGRID" submit --array 0-2 --chunk 3 --id drain --timeout 60 -- 'sleep 1; echo $DGRID_POINT'
	worker n9
	wait_until 20 ledger_has in_progress drain-0000
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	[ "$(field drain-0000 'r["status"], len(r["points"])')" = 'success 3' ]
	audited
}

@test "several nodes vote on all that the points found; who found something else in one is an outlier" {
	"$DGRID" submit --array 0-2 --chunk 3 --replicas 3 --id vote -- 'echo "found $DGRID_POINT"; echo aside >&2'
	once n1
	run -75 "$DGRID" logs vote-0000
	mkdir -p "$T/liar"
	real=$(command -v bwrap)
	printf '#!/bin/sh\nPATH=%s\n"%s" "$@"\ncode=$?\ncase "$*" in *"DGRID_POINT 1 "*) echo "and more" ;; esac\nexit $code\n' "$PATH" "$real" >"$T/liar/bwrap"
	chmod 755 "$T/liar/bwrap" "$T/liar"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$T")" "$T" 2>/dev/null || true
	(PATH=$T/liar:$PATH once n2)
	once n3
	[ "$(field vote-0000 'r["status"], r["quorum"]["agreed"], r["quorum"]["outliers"], len(r["points"])')" = "success ['n1', 'n3'] ['n2'] 3" ]
	audited
}

@test "rerun compares point by point" {
	"$DGRID" submit --array 4-6 --chunk 3 --id again -- 'echo $((DGRID_POINT * 2)); [ $DGRID_POINT != 5 ]'
	"$DGRID" submit --array 4-6 --chunk 3 --share-sandbox --id shared -- 'echo $((DGRID_POINT * 2))'
	"$DGRID" submit --array 0-1 --chunk 2 --id odd -- '[ $DGRID_POINT = 0 ] || head -c 8 /dev/urandom | od -An -tx1'
	once n1
	run -0 "$DGRID" rerun again-0000
	[[ "$output" == *reproducible* ]]
	run -0 "$DGRID" rerun shared-0000
	run -1 "$DGRID" rerun odd-0000
	[[ "$output" == *"point 1: stdout line 1:"*differs* ]]
}

@test "a sweep that is signed is signed with its points" {
	ssh-keygen -q -t ed25519 -N '' -f "$T/key"
	tgit clone -q "$ORIGIN" "$T/c"
	echo "me $(cut -d ' ' -f 1,2 "$T/key.pub")" >"$T/c/allowed_signers"
	echo '{"schema": 1, "require_signed_tasks": true}' >"$T/c/grid.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm signers
	tgit -C "$T/c" push -q origin HEAD:main
	run -65 "$DGRID" submit --array 0-3 --id bare -- true
	"$DGRID" submit --array 0-3 --chunk 2 --id good --key "$T/key" -- 'echo $DGRID_POINT'
	tgit -C "$T/c" pull -q
	python3 - "$T/c/tasks/queue/good-0001.json" <<-'PY'
		import json, sys
		doc = json.load(open(sys.argv[1]))
		doc["points"] = 3
		json.dump(doc, open(sys.argv[1], "w"))
	PY
	tgit -C "$T/c" commit -qam 'one point more'
	tgit -C "$T/c" push -q origin HEAD:main
	once n1
	[ "$(field good-0000 'r["status"]')" = success ]
	[ "$(field good-0001 'r["status"]')" = invalid ]
}

@test "what all points print stays below what a file may hold" {
	grid_settings '"point_output_bytes": 16384, "max_timeout_seconds": 300'
	"$DGRID" submit --array 0-255 --chunk 256 --share-sandbox --id flood --timeout 14 -- 'head -c 20000 /dev/zero | tr "\0" "\1"; head -c 20000 /dev/zero | tr "\0" "\1" >&2'
	once n1
	[ "$(ledger_json completed flood-0000 | wc -c)" -lt 1048576 ]
	[ "$(field flood-0000 'len(r["points"]), {p["stdout_bytes"] for p in r["points"]}, min(len(p["stderr"]) for p in r["points"]) >= 128')" = '256 {20000} True' ]
	audited
}

@test "all points of a group in a table, as CSV and as JSON: what waits, what runs, what failed" {
	"$DGRID" submit --matrix A=1,2,3 --matrix 'B="x,y",z' --chunk 2 --id t --timeout 10 -- 'echo log; echo "{\"y\": $((A * 2)), \"at\": \"$B\"}"; if [ $A = 2 ]; then echo oops >&2; exit 4; fi'
	run -0 "$DGRID" logs --group t --table
	[[ "${lines[0]}" == "POINT  STATUS"*"A"*"B"*"OUTPUT"* ]]
	[[ "${lines[1]}" == *"0  queued "*"1  x,y"* ]]
	once n1
	run -0 "$DGRID" logs --group t --table
	[ "${#lines[@]}" = 7 ]
	[[ "${lines[3]}" == *"2  failed"*" 4  2  x,y  oops"* ]]
	run -0 "$DGRID" logs --group t --csv
	[ "${lines[0]}" = 'task,point,status,exit_code,duration_ms,A,B,y,at' ]
	[ "$(sed -E 's/,(success|failed),([0-9]+),[0-9]+,/,\1,\2,MS,/' <<<"${lines[1]}")" = 't-0000,0,success,0,MS,1,"x,y",2,"x,y"' ]
	python3 -c 'import csv,sys
rows = list(csv.DictReader(sys.stdin))
assert [r["point"] for r in rows] == list("012345"), rows
assert [r["y"] for r in rows] == ["2", "2", "4", "4", "6", "6"], rows
assert [r["status"] for r in rows][2:4] == ["failed"] * 2, rows' <<<"$output"
	[ "$("$DGRID" logs --group t --table --json | python3 -c 'import json,sys; p=json.load(sys.stdin)["points"]; print(len(p), p[3]["variables"], p[3]["printed"]["y"], p[3]["exit_code"])')" = "6 {'A': '2', 'B': 'z'} 4 4" ]
	[ "$("$DGRID" logs --json t-0001 | python3 -c 'import json,sys; print([p["stderr"] for p in json.load(sys.stdin)["points"]])')" = "['oops\n', 'oops\n']" ]
	run -64 "$DGRID" logs --group t --csv --json
	run -64 "$DGRID" logs -f t-0001 --table
	# Others in the group are rows too; without JSON there is one column for what was printed.
	"$DGRID" submit --group t --id plain -- 'echo just this'
	once n1
	run -0 "$DGRID" logs --group t --csv
	[ "${lines[0]}" = 'task,point,status,exit_code,duration_ms,A,B,output' ]
	grep -q '^plain,,success,0,[0-9]*,,,just this$' <<<"$output"
	run -0 "$DGRID" logs --group t --table
	[[ "${lines[0]}" == TASK*POINT* ]]
}

@test "a running task tells how many points are done; show has those that failed first" {
	grid_settings '"heartbeat_seconds": 1, "poll_seconds": 1, "min_timeout_seconds": 1'
	"$DGRID" submit --array 0-3 --chunk 4 --id run --timeout 60 --description mine -- 'echo "at $DGRID_POINT"; [ $DGRID_POINT != 1 ] || exit 5; [ $DGRID_POINT != 2 ] || sleep 15'
	run -0 "$DGRID" status
	[[ "$output" == *"run-0000"*"4 points"* ]]
	worker n1
	told() { "$DGRID" why run-0000 | grep -q 'its points: 2 of 4 points done'; }
	wait_until 40 told
	run -0 "$DGRID" status
	[[ "$output" == *"run-0000"*running*"2 of 4 points done"* ]]
	run -0 "$DGRID" show run-0000
	[[ "$output" == *"points      2 of 4 points done"* ]]
	[ "$("$DGRID" status --json | python3 -c 'import json,sys; t=json.load(sys.stdin)["tasks"][0]; print(t["points"], t["points_done"])')" = '4 2' ]
	"$DGRID" dashboard --output "$T/site" >/dev/null
	grep -q '2 of 4 points done: mine' "$T/site/index.html"
	grep -q '2 of 4 points done' "$T/site/t/run-0000.html"
	spawn "$T/follow" "$DGRID" logs -f run-0000
	follower=$SPAWNED
	wait_until 60 ledger_has failed run-0000
	wait_until 20 pid_ended "$follower"
	[ "$(grep -c '^at [0-3]$' "$T/follow")" = 4 ]
	run -0 "$DGRID" show run-0000
	[[ "$output" == *"points      3 of 4 points succeeded"*"points:"*"    1  failed      5  at 1"*"    0  success"* ]]
	"$DGRID" dashboard --output "$T/site" >/dev/null
	grep -q '3 of 4 points succeeded: mine' "$T/site/index.html"
	grep -A9 'aria-label="Points"' "$T/site/t/run-0000.html" | grep -q '<td class="num">1</td>.*failed.*at 1'
}

@test "a result finds room beside a large document, whatever was printed; a larger one is not taken" {
	grid_settings '"point_output_bytes": 16384, "output_limit_bytes": 262144'
	large() { # ID BYTES MEMBERS: its streams are control bytes, which JSON writes six-fold
		python3 -c '
import json, sys
id, n, more = sys.argv[1:]
say = "head -c 100000 /dev/zero | tr \"\\\\0\" \"\\\\1\""
t = {"task_id": id, "script": say + "; " + say + " >&2; exit 3", "timeout_seconds": 10, **json.loads(more)}
t["metadata"] = {"m": "x" * (int(n) - len(json.dumps(t, indent=2)) - 30)}
print(json.dumps(t, indent=2))' "$@" >"$T/$1.json"
	}
	large over 270000 '{}'
	run -65 "$DGRID" submit "$T/over.json"
	[[ "$output" == *"over.json:1:1: "*" bytes as dgrid writes it (expected at most 262144 in a submission)"* ]]
	run -65 "$DGRID" validate "$T/over.json"
	run -65 "$DGRID" schedule add over --cron '* * * * *' "$T/over.json"
	[[ "$output" == *"in a submission"* ]] || { echo "$output"; false; }
	large points 200000 '{"points": 256, "share_sandbox": true}'
	large plain 250000 '{"retry_on_failure": true, "max_attempts": 2}'
	"$DGRID" submit "$T/points.json" "$T/plain.json"
	# What a grid of an older version may have in its queue.
	large older 600000 '{"points": 256, "share_sandbox": true}'
	large oldest 1020000 '{}'
	tgit clone -q "$ORIGIN" "$T/c"
	cp "$T/older.json" "$T/oldest.json" "$T/c/tasks/queue/"
	tgit -C "$T/c" add .
	tgit -C "$T/c" commit -qm older
	tgit -C "$T/c" push -q origin HEAD:main
	once n1
	for id in points plain older; do
		[ "$(field $id 'r["status"], r["exit_code"]')" = 'failed 3' ]
		[ "$(ledger_json failed $id | wc -c)" -lt 1048576 ]
	done
	[ "$(field points 'all(p["stdout_bytes"] == 100000 and p["stdout_truncated"] and p["stdout"][:9] == p["stdout"][-9:] for p in r["points"])')" = True ]
	[ "$(field plain 'r["stderr_bytes"], r["stderr_truncated"], len(r["stderr"]) > 16000')" = '100000 True True' ]
	[ "$(field oldest 't["state"], t["attempts"][-1]["reason"]')" = "failed its result does not fit into a file of 1048576 bytes beside the task" ]
	[ -z "$(ledger_ls in_progress)" ]
	audited
}
