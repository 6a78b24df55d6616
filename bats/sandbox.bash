# shellcheck shell=bash disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# What every engine has to hold, seen from inside the sandbox. A bats file sets ENGINE and calls these.

# sandbox_setup ENGINE: a grid with short timeouts and a small /tmp.
sandbox_setup() {
	load helpers
	common_setup
	ENGINE=$1
	NODE=n$RANDOM$RANDOM # its containers are told by it from those of tests that run beside
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	tgit clone -q "$ORIGIN" "$T/c"
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "tmp_mb": 8, "output_limit_bytes": 2000}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
}

# task ID [MEMBERS] <SCRIPT
task() {
	python3 -c 'import json,sys
t = {"task_id": sys.argv[1], "script": sys.stdin.read(), "timeout_seconds": 20}
t.update(json.loads(sys.argv[2]))
print(json.dumps(t))' "$1" "${2:-{\}}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}
run_all() {
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --slots 8 --once --work-dir "$T/w1" 2>"$T/worker.log" || {
		cat "$T/worker.log"
		return 1
	}
}
field() { # ID PYTHON-EXPRESSION over t and r (its result)
	"$DGRID" show --json "$1" | python3 -c "import json,sys; t=json.load(sys.stdin); r=t.get('result'); print($2)"
}
nothing_left() { # no container of ours, no process that holds the marker
	if [[ $ENGINE != bwrap ]]; then
		[[ -z $("$ENGINE" ps --all --quiet --filter "label=dgrid.node=$NODE") ]] || return 1
	fi
	! pgrep -f "$1" >/dev/null
}

check_inside() {
	export GIT_TOKEN=do-not-show-me SECRET_OF_THE_HOST=do-not-show-me-either
	task inside '{"env": {"GREETING": "hello world"}}' <<'SH'
echo "uid $(id -u) gid $(id -g)"
touch /x 2>/dev/null && echo 'root is writable'
touch /usr/x 2>/dev/null && echo 'usr is writable'
touch /etc/x 2>/dev/null && echo 'etc is writable'
echo "interfaces $(grep -c : /proc/net/dev) $(grep -c 'lo:' /proc/net/dev)"
touch /tmp/x && echo 'tmp is writable'
dd if=/dev/zero of=/tmp/big bs=1048576 count=12 2>/dev/null || echo 'tmp is bounded'
[ "$(wc -c </tmp/big)" -le 8388608 ] && echo 'to 8 MB'
rm -f /tmp/big
read -r line || echo 'stdin is closed'
grep -E '^(CapEff|CapPrm|CapBnd|CapInh|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'
grep ' /tmp ' /proc/mounts | grep nosuid | grep -q nodev && echo 'tmp is nosuid,nodev'
echo "greeting $GREETING"
env | grep -c do-not-show-me
ls /proc | grep -cE '^[0-9]+$'
SH
	run_all
	run -0 "$DGRID" logs inside
	echo "$output"
	[ "${lines[0]}" = "uid 1000 gid 1000" ]
	[[ "$output" != *"is writable"*"is writable"* ]]
	for line in 'interfaces 1 1' 'tmp is writable' 'tmp is bounded' 'to 8 MB' 'stdin is closed' \
		CapEff:0000000000000000 CapPrm:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1 \
		'tmp is nosuid,nodev' 'greeting hello world'; do
		grep -qxF "$line" <<<"$output"
	done
	[ "${lines[-2]}" = 0 ]       # nothing of the worker's environment
	[ "${lines[-1]}" -lt 12 ]    # it sees its own processes alone
	if [[ $ENGINE != bwrap ]]; then grep -qx Seccomp:2 <<<"$output"; fi
	[ "$(field inside 'r["engine"]')" = "$ENGINE" ]
	if [[ $ENGINE != bwrap ]]; then [[ "$(field inside 'r["image_digest"]')" =~ ^(sha256:)?[0-9a-f]{64}$ ]]; fi
}

check_endings() {
	local mark=9$RANDOM # seconds that no other test sleeps
	task good <<<'exit 0'
	task code <<<'echo partial; exit 7'
	task killed <<<'kill -9 $$'
	task slow '{"timeout_seconds": 2}' <<<"echo before; sleep $mark"
	task stubborn '{"timeout_seconds": 2}' <<<"trap : TERM; echo before; while :; do sleep $mark; done"
	task daemon '{"timeout_seconds": 3}' <<<"(trap : TERM; setsid sleep $mark &) >/dev/null 2>&1; echo before; sleep $mark"
	task leaves <<<"setsid sleep $mark >/dev/null 2>&1 & echo left"
	task memory '{"memory_mb": 32}' <<<'echo before; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
	run_all
	[ "$(field good 'r["status"], r["exit_code"], r["signal"]')" = "success 0 None" ]
	[ "$(field code 'r["status"], r["exit_code"], r["stdout"].strip()')" = "failed 7 partial" ]
	[ "$(field killed 'r["status"], r["exit_code"], r["signal"]')" = "failed 137 9" ]
	for id in slow stubborn daemon; do
		[ "$(field "$id" 'r["status"], r["exit_code"], r["stdout"].strip()')" = "timeout None before" ]
		[ "$(field "$id" '1500 <= r["duration_ms"] < 20000')" = True ]
	done
	[ "$(field leaves 'r["status"], r["stdout"].strip()')" = "success left" ]
	ended=$(field memory 'r["status"], r["signal"], r["stdout"].strip()')
	# Podman with control groups of version 1 does not always learn that it was the kernel's doing.
	[[ $ended = "oom "*" before" || ($ENGINE = podman && $ended = "failed 9 before") ]]
	wait_until 10 nothing_left "sleep $mark"
}

check_fork_bomb() {
	task bomb '{"timeout_seconds": 4}' <<'SH'
f() { f | f & }
f 2>/dev/null
echo defused
sleep 1
SH
	run_all
	# However it ended, it ended, and the machine still starts processes.
	[ -n "$(field bomb 'r["status"]')" ]
	true
	wait_until 10 nothing_left 'f 2>/dev/nul[l]'
	task count <<'SH'
i=0
while [ $i -lt 30 ]; do sleep 3 & i=$((i + 1)); done 2>/dev/null
ls /proc | grep -cE '^[0-9]+$'
SH
	run_all
	# Ten processes, give or take the sandbox's own init.
	[ "$(field count 'r["status"] != "success" or int(r["stdout"].split()[-1]) <= 14')" = True ]
}

check_flood() {
	task flood <<<'echo first; yes "a line that is printed over and over again" | head -c 100000000; echo; echo last; echo problem >&2'
	run_all
	[ "$(field flood 'r["status"], r["stdout_bytes"], r["stdout_truncated"], r["stderr"].strip()')" = "success 100000012 True problem" ]
	[ "$(field flood 'len(r["stdout"]) < 2200')" = True ]
	# The hash is of all of it, not of what is kept.
	[ "$(field flood 'r["stdout_sha256"]')" = "$({ echo first; yes "a line that is printed over and over again" | head -c 100000000; echo; echo last; } | sha256sum | cut -d' ' -f1)" ]
	[ "$(field flood 'r["stderr_sha256"]')" = "$(echo problem | sha256sum | cut -d' ' -f1)" ]
	[ "$(field flood 'r["script_sha256"] == __import__("hashlib").sha256(t["script"].encode()).hexdigest()')" = True ]
	[ "$(field flood 'r["stdout"].startswith("first\n"), r["stdout"].endswith("last\n"), "bytes left out" in r["stdout"]')" = "True True True" ]
	task bytes <<<'printf "\377\376ok\000end\342\202"'
	run_all
	[ "$(field bytes 'ascii(r["stdout"])')" = "'\\ufffd\\ufffdok\\x00end\\ufffd\\ufffd'" ]
}
