#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output
# What tasks used, added up: of the branch, of the archive, and of whatever else stands there.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	tgit clone -q "$ORIGIN" "$T/c"
}
teardown() { common_teardown; }

# Finished tasks by another hand: rows of "ID STATUS SUBMITTER NODE GROUP LABELS AGE-DAYS RUN-MS CPU-MS PEAK-KB OUT-BYTES".
finished() {
	(cd "$T/c" && python3 -c 'import json, os, sys, time
for row in sys.stdin:
    i, status, by, node, group, labels, days, run, cpu, peak, out = row.split()
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 * float(days)))
    t = {"task_id": i, "script": "true", "timeout_seconds": 60, "submitted_by": by, "result": {
        "status": status, "node": node, "started_at": end, "finished_at": end, "duration_ms": int(run)}}
    if group != "-": t["group"] = group
    if labels != "-": t["labels"] = labels.split(",")
    if cpu != "-": t["result"]["usage"] = {"cpu_user_ms": int(cpu) - 1000, "cpu_system_ms": 1000, "peak_memory_kb": int(peak), "by": "cgroup"}
    if out != "-": t["result"]["out"] = {"files": 1, "bytes": int(out)}
    folder = "tasks/completed" if status == "success" else "tasks/failed"
    os.makedirs(folder, exist_ok=True)
    json.dump(t, open(f"{folder}/{i}.json", "w"))')
	tgit -C "$T/c" pull -q --rebase --autostash
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm results
	tgit -C "$T/c" push -q origin HEAD:main
}
sums() { # OPTIONS: of dgrid usage, a word a figure
	"$DGRID" usage --json "$@" | jq -r '.by as $by | .usage[] | [.[$by] // "-", .tasks, .failed, .run_ms, .cpu_ms, .peak_memory_kb // "-", .out_bytes] | join(" ")'
}

@test "by submitter, node, group, label, status and day; since a time; with the archive the same as before it" {
	finished <<-'ROWS'
		a1 success ann n1 g x,y 0.01 3600000 1800000 2048 1048576
		a2 timeout ann n2 g x 0.02 3600000 3600000 4096 -
		b1 success bob n1 - - 2 7200000 1800000 1024 -
		b2 failed bob n2 - - 3 1000 - - -
		old success bob n2 - - 40 9000 9000 9 -
	ROWS
	run -0 "$DGRID" usage
	echo "$output"
	[ "$output" = "SUBMITTER  TASKS  FAILED  CANCELLED  RUNS  RUN h  CPU h  PEAK MB  OUT MB
ann            2       1          0     2   2.00   1.50        4     1.0
bob            2       1          0     2   2.00  0.50+        1     0.0
all            4       2          0     4   4.00  2.00+        4     1.0
of 1 run nobody told the processor time" ]
	everything() {
		sums
		for by in node group label status; do sums --by "$by"; done
		sums --since 1d
		sums --since 2020-01-01
	}
	everything >"$T/before"
	sums --by day >"$T/days"
	[ "$(awk '{ n += $2 } END { print n }' "$T/days")" = 4 ]
	diff "$T/before" - <<-'SUMS'
		ann 2 1 7200000 5400000 4096 1048576
		bob 2 1 7201000 1800000 1024 0
		n1 2 0 10800000 3600000 2048 1048576
		n2 2 2 3601000 3600000 4096 0
		g 2 1 7200000 5400000 4096 1048576
		- 2 1 7201000 1800000 1024 0
		x 2 1 7200000 5400000 4096 1048576
		- 2 1 7201000 1800000 1024 0
		y 1 0 3600000 1800000 2048 1048576
		success 2 0 10800000 3600000 2048 1048576
		timeout 1 1 3600000 3600000 4096 0
		failed 1 1 1000 0 - 0
		ann 2 1 7200000 5400000 4096 1048576
		ann 2 1 7200000 5400000 4096 1048576
		bob 3 1 7210000 1809000 1024 0
	SUMS
	cpu() { "$DGRID" metrics | sed -n 's/^dgrid_task_cpu_seconds_total //p'; }
	[ "$(cpu)" = 7209 ]
	"$DGRID" metrics | grep -q '^dgrid_recent_task_memory_bytes{quantile="0.99"} 4194304$'
	"$DGRID" config keep_finished 1
	"$DGRID" maintain
	[ "$(ledger_ls completed | wc -l)" -lt 2 ]
	everything | diff "$T/before" -
	sums --by day | diff "$T/days" -
	[ "$(cpu)" = 7209 ]
}

@test "what a stranger wrote neither breaks nor inflates it; what it does not know it names" {
	run -0 "$DGRID" usage
	[ "$output" = "SUBMITTER  TASKS  FAILED  CANCELLED  RUNS  RUN h  CPU h  PEAK MB  OUT MB
all            0       0          0     0   0.00      -        -     0.0" ]
	finished <<<'good success ann n1 g - 0 1000 2000 1024 -'
	(cd "$T/c" && python3 -c 'import json, time
now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
for i, n in enumerate([2**63 - 1, -2**63, 1e300, "x", [], None]):
    json.dump({"submitted_by": "\x1b[31mev\u202eil", "labels": [n, "l"], "group": n, "result": {"status": n, "node": n, "finished_at": now, "duration_ms": n,
        "usage": {"cpu_user_ms": n, "cpu_system_ms": n, "peak_memory_kb": n, "by": n}, "out": {"files": n, "bytes": n}}}, open(f"tasks/failed/e{i}.json", "w"))
open("tasks/failed/broken.json", "w").write("{")
json.dump({"result": {"status": "success", "finished_at": "never"}}, open("tasks/completed/never.json", "w"))')
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm strange
	tgit -C "$T/c" push -q origin HEAD:main
	for by in submitter node group label status day; do
		run -0 "$DGRID" usage --by "$by"
		[[ "$output" != *$'\x1b'* ]]
		"$DGRID" usage --by "$by" --json | jq -e '.total.tasks == 7 and .total.cpu_ms > 0' >/dev/null
	done
	[ "$(sums | grep ann)" = "ann 1 0 1000 2000 1024 0" ]
	"$DGRID" usage | grep -qx 'ann  *1  *0  *0  *1  *0.0003  *0.0006  *1  *0.0'
	run -64 "$DGRID" usage --by colour
	[ "$output" = "dgrid: --by: expected one of submitter, node, group, label, status, day, found 'colour'" ]
	run -64 "$DGRID" usage --since soon
	[[ "$output" == *"--since: expected a time such as 90m"* ]]
}

@test "every run counts, also one that was tried again or queued again by hand; what was cancelled did not fail" {
	require_bwrap
	"$DGRID" config retry_backoff_seconds 1 >/dev/null
	busy='i=0; while [ $((i += 1)) -lt 100000 ]; do :; done; exit 1'
	"$DGRID" submit --id twice --timeout 60 --retry-on-failure --max-attempts 2 -- "$busy" >/dev/null
	"$DGRID" submit --id never -- true >/dev/null
	"$DGRID" cancel never
	"$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1" --once 2>/dev/null
	ledger_has failed twice
	sums --by node | grep -q '^n1 1 1 '
	all() { "$DGRID" usage --json | jq -c '.total | [.tasks, .failed, .cancelled, .runs, .unmeasured]'; }
	[ "$(all)" = '[2,1,1,2,0]' ]
	used=$("$DGRID" usage --json | jq '.total.cpu_ms')
	"$DGRID" retry twice >/dev/null
	"$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1" --once 2>/dev/null
	ledger_has failed twice
	[ "$(all)" = '[2,1,1,4,0]' ]
	[ "$("$DGRID" usage --json | jq --argjson used "$used" '.total.cpu_ms > $used')" = true ]
	run -0 "$DGRID" usage --by status
	[[ "$output" == *$'\nfailed'* && "$output" == *$'\ncancelled'* && "$output" != *'without tasks'* ]]
	require_command nice
	"$DGRID" submit --id later --timeout 60 --retry-on-failure -- "[ \$(nice) = $(nice) ]" >/dev/null
	nice -n 3 "$DGRID" worker --node-id n2 --engine bwrap --work-dir "$T/w2" --drain-after 1 2>/dev/null
	"$DGRID" worker --node-id n3 --engine bwrap --work-dir "$T/w3" --once 2>/dev/null
	ledger_has completed later
	run -0 "$DGRID" usage --by node
	grep -q '^n2  *0  *0  *0  *1 ' <<<"$output"
	[[ "$output" == *$'\nruns without tasks were tried again: a task counts where it ended' ]]
	"$DGRID" audit
}
