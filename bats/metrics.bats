#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The figures for Prometheus, by its own checker, and the feed of failures, by an XML parser.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

once() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"; }
has() { grep -qxF -- "$1" <<<"$output" || { echo "lacks: $1"; return 1; }; }
# Changes the ledger by another hand: a command in a clone.
change() {
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	(cd "$T/c" && "$@")
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm change
	tgit -C "$T/c" push -q origin HEAD:main
}

@test "promtool finds nothing wrong: with an empty grid, and with one that works" {
	"$DGRID" metrics | promtool check metrics
	"$DGRID" submit --id good -- 'echo x'
	"$DGRID" submit --id bad -- 'exit 1'
	"$DGRID" submit --id waits --label none -- true
	once
	run -0 "$DGRID" metrics
	promtool check metrics <<<"$output"
	has 'dgrid_tasks{state="queue"} 1'
	has 'dgrid_tasks{state="completed"} 1'
	has 'dgrid_tasks_finished_total{outcome="completed"} 1'
	has 'dgrid_tasks_finished_total{outcome="failed"} 1'
	has 'dgrid_task_run_seconds_count 2'
	has 'dgrid_nodes{state="left"} 1'
	has 'dgrid_node_up{node="n1"} 0'
	has "dgrid_info{version=\"$("$DGRID" version | cut -d ' ' -f 2)\"} 1"
	run -0 "$DGRID" metrics --json
	[ "$(python3 -c 'import json,sys; o=json.load(sys.stdin); print(o["schema"], [s["value"] for m in o["metrics"] if m["name"] == "dgrid_tasks" for s in m["samples"] if s["labels"]["state"] == "queue"])' <<<"$output")" = '1 [1]' ]
}

@test "busy slots, the age of the heart's beat and of the queue, claims past their lease" {
	printf '{"heartbeat_seconds": 1}' >"$T/grid.json"
	change cp "$T/grid.json" grid.json
	"$DGRID" submit --id busy --timeout 60 -- 'sleep 30'
	spawn "$T/log" "$DGRID" worker --node-id n1 --slots 3 --engine bwrap --work-dir "$T/w1"
	wait_until 20 sh -c '"$1" metrics | grep -qxF "dgrid_node_busy_slots{node=\"n1\"} 1"' sh "$DGRID"
	printf '{"task_id":"old","script":"x","timeout_seconds":10,"labels":["none"],"created_at":"2020-01-01T00:00:00Z"}' >"$T/old.json"
	change cp "$T/old.json" tasks/queue/old.json
	printf '{"task_id":"late","claim":{"node":"gone","nonce":"00","lease_until":"2020-01-01T00:00:00Z"}}' >"$T/late.json"
	change cp "$T/late.json" tasks/in_progress/late.json
	run -0 "$DGRID" metrics
	promtool check metrics <<<"$output"
	has 'dgrid_node_slots{node="n1"} 3'
	has 'dgrid_node_up{node="n1"} 1'
	grep -qE '^dgrid_node_heartbeat_age_seconds\{node="n1"\} [0-9]$' <<<"$output"
	grep -qE '^dgrid_node_pushes_total\{node="n1"\} [1-9]' <<<"$output"
	grep -qE '^dgrid_queue_oldest_age_seconds [0-9]{9}$' <<<"$output"
	has 'dgrid_tasks_past_lease 1'
}

@test "what was archived or tried again stays counted: no counter goes back" {
	printf '{"keep_finished": 1}' >"$T/grid.json"
	change cp "$T/grid.json" grid.json
	finished() { "$DGRID" metrics | sed -n 's/^dgrid_tasks_finished_total.*} //p; s/^dgrid_task_run_seconds_count //p' | tr '\n' ' '; }
	for i in 1 2 3; do "$DGRID" submit --id "t$i" -- true; done
	"$DGRID" submit --id bad -- 'exit 1'
	once
	[ "$(finished)" = '3 1 4 ' ]
	"$DGRID" retry --force bad t1
	[ "$(finished)" = '3 1 2 ' ]
	once
	[ "$(finished)" = '4 2 4 ' ]
	"$DGRID" maintain
	[ "$(ledger_ls completed | wc -l)" -le 1 ]
	[ "$(finished)" = '4 2 4 ' ]
	"$DGRID" metrics | promtool check metrics
}

@test "how the finished tasks ended: a sample a status, those that could not be started too" {
	change python3 - <<-'PY'
		import json
		for i, status in enumerate(("unstartable", "unstartable", "lost", "oom", "x\"} 1", None)):
		    doc = {"task_id": f"t{i}", "script": "x", "timeout_seconds": 10}
		    if status:
		        doc["result"] = {"status": status, "reason": "Range of CPUs", "node": "n1", "finished_at": "2020-01-01T00:00:00Z"}
		    json.dump(doc, open(f"tasks/failed/t{i}.json", "w"))
	PY
	run -0 "$DGRID" metrics
	promtool check metrics <<<"$output"
	has 'dgrid_tasks_by_status{status="unstartable"} 2'
	has 'dgrid_tasks_by_status{status="lost"} 1'
	has 'dgrid_tasks_by_status{status="oom"} 1'
	has 'dgrid_tasks_by_status{status="success"} 0'
	has 'dgrid_tasks_by_status{status="other"} 2'
	[ "$(grep -c '^dgrid_tasks_by_status' <<<"$output")" = 12 ]
	run -0 "$DGRID" status
	[[ "$output" == *"t0 "*" unstartable "*"Range of CPUs"* ]]
	run -0 "$DGRID" metrics --atom
	[[ "$output" == *"<title>t0: unstartable</title>"*"Range of CPUs"* ]]
}

@test "hostile documents: labels are escaped, absurd numbers do no harm" {
	change python3 - <<-'PY'
		import json
		evil = 'x"} 1\nevil{a="b\\ \x1b[2J\u009b\u0000' + "y" * 5000
		for i, n in enumerate(["-9223372036854775808", "9223372036854775807", "1e999", "99999999999999999999999999", '"x"', "[]", "null", "1.5"]):
		    open(f"nodes/n{i}.json", "w").write('{"node_id": %s, "engine": %s, "os": %s, "dgrid_version": %s, "slots": %s, "busy": %s, "pushes": %s, "tasks_completed": %s, "last_heartbeat": "2999-01-01T00:00:00Z"}' % ((json.dumps(evil),) * 4 + (n,) * 4))
		    for state in ("completed", "failed", "queue", "in_progress"):
		        open(f"tasks/{state}/{state[0]}{i}.json", "w").write('{"created_at": "0000-01-01T00:00:00Z", "attempts": %s, "claim": {"lease_until": "9999-12-31T23:59:59Z"}, "priority": %s, "result": {"duration_ms": %s, "exit_code": %s, "signal": %s, "started_at": "9999-12-31T23:59:59Z", "finished_at": "0000-01-01T00:00:00Z", "stdout_bytes": %s}}' % ((n,) * 6))
		open("nodes/list.json", "w").write("[1]")
		open("tasks/failed/broken.json", "w").write("{")
		open("tasks/archive.json", "w").write('{"tasks": 9223372036854775807, "completed": 9223372036854775807, "failed": -5, "days": {"x": {"run_ms": 9223372036854775807}, "y": {"run_ms": 9223372036854775807}, "z": []}}')
	PY
	run -0 "$DGRID" metrics
	promtool check metrics <<<"$output"
	run -1 grep -E '^evil|[[:cntrl:]]| -?(nan|inf)' <<<"$output"
	for verb in 'metrics --json' 'status --json' 'nodes --json'; do
		# shellcheck disable=SC2086 # verb and option
		"$DGRID" $verb | python3 -c 'import json,sys; json.load(sys.stdin)'
	done
	for verb in status 'status --markdown' nodes 'show c1' 'show f1' 'logs f0' 'why q1' 'why i1' 'metrics --atom'; do
		# shellcheck disable=SC2086 # verb and its operand
		run "$DGRID" $verb
		[ "$status" -lt 70 ] || { echo "$verb: $status"; false; }
	done
}

@test "hostile documents: no worker, heal or maintain falls over them, or turns in circles" {
	change python3 - <<-'PY'
		import json
		good = {"script": "echo ran", "timeout_seconds": 10}
		for state in ("queue", "in_progress", "failed"):
		    for i, text in enumerate(("[1]", "7", '"x"', "null", '{"claim": []}', '{"claim": {"node": "gone", "lease_until": "2020-01-01T00:00:00Z"}, "attempts": 5}')):
		        open(f"tasks/{state}/{state[0]}{i}.json", "w").write(text)
		for state in ("queue", "completed"): # one id in two folders
		    json.dump(dict(good, task_id="twice", priority=9), open(f"tasks/{state}/twice.json", "w"))
		json.dump(dict(good, task_id="good"), open("tasks/queue/good.json", "w"))
		open("grid.json", "w").write('{"keep_finished": 1}')
		open("tasks/archive.json", "w").write('{"days": {"2020-01-01": []}}')
	PY
	run -0 "$DGRID" heal
	run "$DGRID" maintain
	[ "$status" -lt 70 ]
	[[ "$output" == *"tasks/archive.json:1:"*"expected an object"* ]]
	run -0 timeout 30 "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1"
	ledger_has completed good
	ledger_has queue twice
	run -0 "$DGRID" why twice
	[[ "$output" == *"tasks/completed/ has a task with the same id"* ]]
	run -65 "$DGRID" show f0
	[[ "$output" == *"tasks/failed/f0.json:1:1: expected an object, found array"* ]]
	run -65 "$DGRID" logs -f f1
}

@test "the feed: well-formed whatever failed, ids that stay, the newest 50, no cancelled ones" {
	"$DGRID" submit --id bad --description 'a <b> & "c"' -- 'printf "]]>\001\033[2J<script>\302\233&amp;\357\277\277\342\200\256 sorry\n" >&2; exit 4'
	once
	# A feed reader takes no address without a scheme.
	run -64 --separate-stderr "$DGRID" metrics --atom=x.example/grid
	[ -z "$output" ]
	[[ $stderr == *"--atom: expected http(s)://..., found 'x.example/grid'"* ]]
	run -0 "$DGRID" metrics --atom=https://x.example/grid
	first=$output
	run -0 "$DGRID" metrics --atom=https://x.example/grid
	[ "$output" = "$first" ]
	"$DGRID" submit --id next --label none -- true
	run -0 "$DGRID" metrics --atom=https://x.example/grid
	[ "$output" = "$first" ]
	"$DGRID" cancel next
	change python3 - <<-'PY'
		import json
		for i in range(60):
		    json.dump({"result": {"status": "<&\"'\ufffe\uffff\u0000", "node": "]]>", "nonce": "<x>", "reason": "\u0085\u2028x", "finished_at": "2024-01-01T00:00:%02dZ" % i}}, open("tasks/failed/e%d.json" % i, "w"))
		open("tasks/failed/broken.json", "w").write("{")
	PY
	run -0 "$DGRID" metrics --atom
	python3 - "$first" "$output" <<-'PY'
		import sys, xml.etree.ElementTree as E
		A = "{http://www.w3.org/2005/Atom}"
		one, many = (E.fromstring(x.encode()) for x in sys.argv[1:])
		for f in one, many:
		    for e in [f] + f.findall(A + "entry"):
		        assert e.find(A + "id").text and e.find(A + "title").text and len(e.find(A + "updated").text) == 20
		    ids = [e.find(A + "id").text for e in f.findall(A + "entry")]
		    assert len(set(ids)) == len(ids)
		[e] = one.findall(A + "entry")
		assert e.find(A + "title").text == "bad: failed, exit code 4"
		assert e.find(A + "link").get("href") == "https://x.example/grid/t/bad.html"
		assert 'a <b> & "c"' in e.find(A + "content").text and "]]>[2J<script>&amp; sorry" in e.find(A + "content").text, e.find(A + "content").text
		entries = many.findall(A + "entry")
		assert len(entries) == 50 and entries[0].find(A + "id").text == e.find(A + "id").text
		assert [x.find(A + "updated").text for x in entries] == sorted((x.find(A + "updated").text for x in entries), reverse=True)
		assert not [x for x in entries if x.find(A + "title").text.startswith("next")] and many.find(A + "link") is None
	PY
}

@test "docs/METRICS.md has every metric with its type, and no other" {
	"$DGRID" config concurrency '{"label:gpu": 1}' # some are there only with one of these
	"$DGRID" schedule add nightly --cron @daily -- true
	"$DGRID" submit --id bad -- 'exit 1'
	once
	"$DGRID" metrics | sed -n 's/^# TYPE //p' | sort >"$T/known"
	grep '^| `dgrid_' "$REPO_ROOT/docs/METRICS.md" | while IFS='|' read -r _ names type _; do
		grep -oE 'dgrid_[a-z_]+' <<<"$names" | sed "s/\$/ ${type// /}/"
	done | sort >"$T/told"
	diff "$T/known" "$T/told"
}
