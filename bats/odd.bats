#!/usr/bin/env bats
# shellcheck disable=SC2016 # the hook expands its own
# What dgrid makes of a remote's odd answers: refusals in any words, cuts, silence, the same push twice.

setup() {
	load helpers
	common_setup
	require_bwrap
	"$DGRID" --repo "$ORIGIN" init
	git -C "$ORIGIN" config http.receivepack true
	how ok
	: >"$T/odd.log"
	spawn "$T/odd.out" python3 "$REPO_ROOT/tests/odd_git_server.py" "$T" "$T/odd" "$T/odd.log" "$T/odd.port"
	wait_until 20 test -s "$T/odd.port"
	export DGRID_REPO_URL
	DGRID_REPO_URL=http://127.0.0.1:$(<"$T/odd.port")/origin.git
}
teardown() { common_teardown; }

how() { echo "$*" >"$T/odd.new" && mv "$T/odd.new" "$T/odd"; }
pushes() { grep -c "^push" "$T/odd.log" || true; }
# refused CODE WORDS HOW...: a submission ends with that code, says these words, and pushed twice at most.
refused() {
	local code=$1 words=$2
	shift 2
	: >"$T/odd.log"
	how "$@"
	run "$DGRID" submit --id no -- true
	[[ "$status" = "$code" && "$output" == *"$words"* ]] || { echo "$*: exit $status, $output"; return 1; }
	# A client's HTTP library may send each once more by itself when a kept connection dies.
	[[ $(pushes) -ge 1 && $(pushes) -le 4 && ($(pushes) -le 2 || $* == *cut) ]] || { echo "$*: $(pushes) pushes"; return 1; }
	[ -z "$(ledger_ls queue)" ]
}
kept() { [ -n "$(find "$T/n1/results" -name '*.json')" ]; }
worker() {
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --poll-ms 200 "$@"
	worker_pid=$SPAWNED
}

@test "a push that is refused while the branch stands still is no race: twice at most, with the host's reason" {
	refused 77 403 push status 403
	refused 69 413 push status 413
	refused 69 429 push status 429 30
	[ "$(pushes)" = 1 ] # who asks for fewer requests gets no second at once
	refused 69 500 push status 500
	refused 69 "git push" push cut
	refused 77 "this key may only read" push refuse this key may only read
	refused 77 "fetch first" push refuse fetch first
}

@test "a race is told by the branch, whatever the server calls it" {
	local words n=0
	for words in "fetch first" "reference already updated" "Update is not a fast forward" "le verrou est pris"; do
		n=$((n + 1))
		how push race "$words"
		run -0 "$DGRID" submit --id "r$n" -- true
		ledger_has queue "r$n"
	done
}

@test "a push that landed is ours, though its answer was lost or it was sent twice" {
	how push landed-cut
	run -0 "$DGRID" submit --id cut -- true
	how push twice
	run -0 "$DGRID" submit --id twice -- true
	[ "$(ledger_ls queue)" = "$(printf 'cut\ntwice')" ]
	# Nor does a worker disown what it has claimed: each is run once.
	how push landed-cut
	worker
	wait_until 60 ledger_has completed cut
	how push twice
	"$DGRID" submit --id third -- true
	wait_until 60 ledger_has completed third
	wait_until 60 ledger_has completed twice
	how ok
	kill -TERM "$worker_pid"
	wait_until 30 pid_ended "$worker_pid"
	run -1 grep -E 'late|landed after it was given up|released' "$T/n1.log"
	run -0 "$DGRID" audit
	for id in cut twice third; do
		[ "$(ledger_json completed "$id" | jq '.attempts | length')" = 1 ]
	done
}

@test "a claim whose push has an unknown end runs once it shows, and goes back when it lands after it was given up" {
	"$DGRID" submit --id shows -- true
	how push landed-gone
	worker
	wait_until 60 grep -q 'remote trouble' "$T/n1.log"
	ledger_has in_progress shows
	how ok
	wait_until 60 ledger_has completed shows
	[ "$(ledger_json completed shows | jq -c '[.attempts[].outcome]')" = '["success"]' ]
	how push late
	: >"$T/odd.log"
	"$DGRID" --repo "$ORIGIN" submit --id late -- true
	claimed_again() { [ "$(sed -n 's/^push push late //p' "$T/odd.log" | sort -u | wc -l)" -ge 2 ]; }
	wait_until 60 claimed_again
	ledger_has queue late
	how ok
	wait_until 60 ledger_has completed late
	[ "$(ledger_json completed late | jq -c '[.attempts[] | [.outcome, .reason]]')" = '[["released","the claim landed after it was given up"],["success",null]]' ]
	kill -TERM "$worker_pid"
	wait_until 30 pid_ended "$worker_pid"
	run -0 "$DGRID" audit
}

@test "a worker whose pushes are refused says so, is not healthy, pushes seldom, and goes on when the host does" {
	"$DGRID" submit --id one -- true
	how push status 500
	: >"$T/odd.log"
	worker
	wait_until 60 grep -q 'the remote refuses what this node pushes: .*500' "$T/n1.log"
	run -1 "$DGRID" health --work-dir "$T/n1"
	[[ "$output" == "n1: not healthy: the remote refuses what it pushes: "*500* ]]
	run -0 "$DGRID" health --work-dir "$T/n1" --alive
	[ "$(pushes)" = 2 ]
	# It still reads; and what refuses may be another once the remote was away.
	fetches=$(grep -c ^fetch "$T/odd.log")
	read_on() { [ "$(grep -c ^fetch "$T/odd.log")" -gt "$fetches" ]; }
	git -C "$ORIGIN" update-ref refs/heads/main \
		"$(tgit -C "$ORIGIN" commit-tree -p main -m 'somebody pushes' 'main^{tree}')"
	wait_until 40 read_on
	[ "$(pushes)" = 2 ]
	how all status 503
	wait_until 40 grep -q 'remote trouble' "$T/n1.log"
	how ok
	wait_until 60 ledger_has completed one
	healthy() { "$DGRID" health --work-dir "$T/n1"; }
	wait_until 20 healthy
	grep -q 'the remote takes pushes again' "$T/n1.log"
}

@test "a worker that is told to ask less (429) says so at the first time, and waits for a minute at least" {
	"$DGRID" submit --id one -- true
	how push status 429 30
	: >"$T/odd.log"
	worker
	wait_until 60 grep -q 'the remote refuses what this node pushes: .*429.*, the next push is in [0-9]* s' "$T/n1.log"
	[ "$(pushes)" = 1 ]
	[ "$(sed -n 's/.*the next push is in \([0-9]*\) s.*/\1/p' "$T/n1.log")" -ge 60 ]
	run -1 "$DGRID" health --work-dir "$T/n1"
	[[ "$output" == *429* ]]
	how all status 429 30
	wait_until 60 grep -q 'remote trouble: .*429.*; nothing is lost, trying again in [0-9]* s' "$T/n1.log"
	[ "$(sed -n 's/.*trying again in \([0-9]*\) s.*/\1/p' "$T/n1.log")" -ge 60 ]
}

@test "reading is bounded by silence and not by length, and the bound can be set" {
	tgit clone -q "$ORIGIN" "$T/noise"
	for n in 1 2 3 4 5 6 7 8 9 10; do head -c 40000 /dev/urandom >"$T/noise/noise$n"; done
	tgit -C "$T/noise" add .
	tgit -C "$T/noise" commit -qm noise
	tgit -C "$T/noise" push -q
	export DGRID_SILENCE_SECONDS=4
	how fetch slow 700 32768 # for longer than four seconds in all
	run -0 "$DGRID" submit --id slowly -- true
	ledger_has queue slowly
	how fetch silence
	run -69 "$DGRID" submit --id never -- true
	[[ "$output" == *"the remote was silent for 4 s"* ]]
}

@test "a second signal ends a worker whose remote is silent within two seconds, its result kept" {
	"$DGRID" submit --id one -- 'sleep 1'
	worker
	wait_until 60 ledger_has in_progress one
	how push silence
	wait_until 60 grep -q 'push silence' "$T/odd.log"
	wait_until 60 kept
	# Two of one kind at once might count as one; an interrupt is ignored by what a shell starts with "&".
	kill -TERM "$worker_pid"
	kill -HUP "$worker_pid"
	python3 - "$worker_pid" <<-'PY'
		import os, sys, time
		pid, until = sys.argv[1], time.monotonic() + float(os.environ.get("DGRID_TEST_SCALE", 100)) * 0.02
		def runs():
		    try:
		        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
		    except OSError:
		        return False
		while runs():
		    if time.monotonic() > until:
		        sys.exit("it still runs")
		    time.sleep(0.01)
	PY
	kept
	how ok
	worker --once
	wait_until 60 ledger_has completed one
}

@test "a host that takes heads only and no forced pushes gets heartbeats that follow each other" {
	export DGRID_REPO_URL=$ORIGIN
	git -C "$ORIGIN" config receive.denyNonFastForwards true
	git -C "$ORIGIN" config receive.denyDeletes true
	printf '#!/bin/sh\ncase $1 in refs/heads/*) ;; *) exit 1 ;; esac\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	beats() { [ "$(git -C "$ORIGIN" rev-list --count dgrid-heartbeats/n1)" -ge "$1" ]; }
	HEARTBEAT_INTERVAL=1 worker
	wait_until 40 beats 3
	kill -KILL "$worker_pid"
	wait_until 20 pid_ended "$worker_pid"
	# Another process goes on where the first ended.
	before=$(git -C "$ORIGIN" rev-parse dgrid-heartbeats/n1)
	HEARTBEAT_INTERVAL=1 worker
	more() { [ "$(git -C "$ORIGIN" rev-list --count "$before..dgrid-heartbeats/n1")" -ge 2 ]; }
	wait_until 40 more
	git -C "$ORIGIN" merge-base --is-ancestor "$before" dgrid-heartbeats/n1
	active() { "$DGRID" nodes --json | jq -e '.nodes[0].state == "active"'; }
	wait_until 40 active # its first beats may tell of a node that still looks at itself
}
