# shellcheck shell=bash disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# What every engine has to hold, seen from inside the sandbox. A bats file sets ENGINE and calls these.

# sandbox_setup ENGINE: a grid with short timeouts and a small /tmp.
sandbox_setup() {
	load helpers
	common_setup
	ENGINE=$1
	HOW=root # who the worker is
	STARTER=() # words before it
	NODE=n$RANDOM$RANDOM # its containers are told by it from those of tests that run beside
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	tgit clone -q "$ORIGIN" "$T/c"
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "tmp_mb": 8, "output_limit_bytes": 2000}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
}

# ordinary_user [GROUPS...]: from now on dgrid runs as a user who is not root, in the control groups named (folders),
# which are his.
ordinary_user() {
	local group join='' uid=${ORDINARY:-60999}
	if [[ $(id -u) != 0 ]]; then return; fi
	cp "$DGRID" "$T/program"
	git config --file "$HOME/.gitconfig" safe.directory '*'
	for group; do
		mkdir "$group"
		chown "$uid" "$group" "$group/cgroup.procs"
		echo "$group" >>"$T/groups"
		join+="echo \$\$ >$group/cgroup.procs; "
	done
	printf '#!/bin/sh\n%sexec setpriv --reuid=%s --regid=%s --clear-groups -- "%s" "$@"\n' "$join" "$uid" "$uid" "$T/program" >"$T/dgrid"
	chmod 755 "$T/dgrid"
	chown -R "$uid:$uid" "$T"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$T")" 2>/dev/null || true
	DGRID=$T/dgrid
	HOW=user
}
# Three control groups of version 1 for an ordinary user, as a service manager delegates them; their names in GROUPS_OF.
delegated_user() {
	local name=dgrid-test-$RANDOM$RANDOM c
	[[ $(id -u) == 0 ]] || { strict_skip "delegating control groups needs root"; return; }
	GROUPS_OF=()
	for c in memory pids cpu; do
		[[ -w /sys/fs/cgroup/$c/cgroup.procs ]] || { strict_skip "no control groups of version 1 here"; return; }
		GROUPS_OF+=("/sys/fs/cgroup/$c/$name")
	done
	ordinary_user "${GROUPS_OF[@]}"
}
sandbox_teardown() {
	local group
	common_teardown
	[[ -f $T/groups ]] || return 0
	while read -r group; do wait_until 5 rmdir "$group"; done <"$T/groups"
}

# task ID [MEMBERS] <SCRIPT
task() {
	python3 -c 'import json,sys
t = {"task_id": sys.argv[1], "script": sys.stdin.read(), "timeout_seconds": 20}
t.update(json.loads(sys.argv[2]))
print(json.dumps(t))' "$1" "${2:-{\}}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}
run_all() { # [OPTIONS]
	"${STARTER[@]}" "$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --slots 8 --once --work-dir "$T/w1" "$@" 2>"$T/worker.log" || {
		cat "$T/worker.log"
		return 1
	}
}
field() { # ID PYTHON-EXPRESSION over t and r (its result)
	"$DGRID" show --json "$1" | python3 -c "import json,sys; t=json.load(sys.stdin); r=t.get('result'); print($2)"
}
in_bwrap() { [[ $ENGINE = bwrap || $ENGINE = slurm ]]; } # a cluster's jobs are bubblewrap's sandboxes
nothing_left() { # no container of ours, no process that holds the marker
	if [[ $ENGINE = slurm ]]; then
		! squeue --noheader --format=%j | grep -q "^dgrid-$NODE-" || return 1
	elif [[ $ENGINE != bwrap ]]; then
		[[ -z $("$ENGINE" ps --all --quiet --filter "label=dgrid.node=$NODE") ]] || return 1
	fi
	! pgrep -f "$1" >/dev/null
}

# grid.json pins the engine's own image, then another that the same name could stand for.
check_pins() {
	local id
	id=$("$ENGINE" image inspect --format '{{.Id}}' dgrid-test:1)
	id=sha256:${id#sha256:}
	pin() {
		tgit -C "$T/c" pull -q
		echo "{\"schema\": 1, \"images\": [{\"image\": \"dgrid-test:1\", \"digest\": \"$1\"}], \"min_timeout_seconds\": 1}" >"$T/c/grid.json"
		tgit -C "$T/c" commit -qam settings
		tgit -C "$T/c" push -q origin HEAD:main
	}
	pin "$id"
	task right <<<'echo ran'
	run_all
	[ "$(field right 'r["stdout"].strip(), r["image"], r["image_digest"]')" = "ran dgrid-test:1 $id" ]
	pin "sha256:$(printf '%064d' 7)"
	task wrong <<<'echo ran'
	run -1 run_all
	[[ "$output" == *"no claims until this is mended: engine: "*"sha256:0000"* ]]
	ledger_has queue wrong
	"$DGRID" audit
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
	grep -qx Seccomp:2 <<<"$output"
	[ "$(field inside 'r["engine"]')" = "$ENGINE" ]
	if ! in_bwrap; then [[ "$(field inside 'r["image_digest"]')" =~ ^(sha256:)?[0-9a-f]{64}$ ]]; fi
}

# A program that asks the kernel, as a line of a script that makes it. $PROBE is its name there.
PROBE=/tmp/probe
probe() {
	require_command cc || return
	cc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -s \
		-Wl,--build-id=none -Wl,-z,noseparate-code -o "$T/probe" "$REPO_ROOT/tests/probe.c"
	echo "echo $(base64 -w 0 "$T/probe") | base64 -d >$PROBE; chmod +x $PROBE"
}

# The world of a script: the same in every engine, wherever the worker was started. With HOSTILE=1 it is started with open
# descriptors, odd limits, a umask, ignored signals, niceness aside, and in a folder that is none of a script's business.
check_world() {
	local make
	make=$(probe)
	{
		echo "$make"
		cat <<'SH'
echo "umask $(umask)"
echo "home $HOME pwd $PWD shm $(df -k /dev/shm | awk 'NR == 2 { print $2 }')"
echo "files $(ulimit -n) core $(ulimit -c) size $(ulimit -f) stack $(ulimit -s) time $(ulimit -t) data $(ulimit -d)"
grep -E '^Sig(Ign|Blk):' /proc/self/status | tr -d '\t'
for n in 3 4 5 6 7 8 9 100; do [ ! -e /proc/$$/fd/$n ] || echo "descriptor $n: $(readlink /proc/$$/fd/$n)"; done
tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -vE '^(PATH|HOME|HOSTNAME|TERM|container|GREETING|PWD|SHLVL|OLDPWD)='
readlink /proc/1/cwd 2>/dev/null | grep -v '^/tmp$' | grep -v '^/$'
grep -q ' /dev ' /proc/mounts && touch /dev/x 2>/dev/null && echo 'dev is writable'
dd if=/dev/zero of=/dev/shm/big bs=1048576 count=80 2>/dev/null && echo 'shm is unbounded'
rm -f /dev/shm/big
/tmp/probe
SH
	} | task world '{"memory_mb": 128, "env": {"GREETING": "hello"}}'
	task dash <<<'-no-such-command; echo dash'
	task plus <<<'+x 2>/dev/null; echo plus'
	run_all
	run -0 "$DGRID" logs world
	echo "$output"
	local said=$output
	[ "$(field world 'r["status"]')" = success ]
	for line in 'umask 0022' 'home /tmp pwd /tmp shm 65536' \
		'files 1024 core 0 size 131072 stack 8192 time unlimited data unlimited' \
		'fork 0' 'af_inet 0' 'shm 0'; do
		grep -qxF "$line" <<<"$said" || { echo "missing: $line"; return 1; }
	done
	run -1 grep -E '^(descriptor|dev is|shm is|dev 0)|do-not-show' <<<"$said"
	local refused=(mount-cgroup pivot_root swapoff reboot add_key bpf perf_event_open userfaultfd open_by_handle)
	if [[ $ENGINE != podman ]]; then # whose profile allows namespaces, and whose init blocks three signals
		refused+=(unshare setns clone-user clone-cgroup keyctl)
		# The C library's own two signals make hands on ignored, and so does a daemon that runs below it.
		if [[ $ENGINE == docker ]]; then said=$(sed -E 's/^SigIgn:0000000[01]8/SigIgn:000000000/' <<<"$said"); fi
		grep -qxF SigIgn:0000000000000000 <<<"$said"
		grep -qxF SigBlk:0000000000000000 <<<"$said"
	fi
	for name in "${refused[@]}"; do
		grep -qE "^$name (1|38)\$" <<<"$said" || { echo "allowed: $name"; return 1; }
	done
	# The newest of Docker's and Podman's profiles deny these too; a filter of our own does anywhere.
	if in_bwrap; then
		for line in 'vsock 97' 'af_alg 97' 'io_uring 1' 'personality 1' 'clone3 38' 'tomorrow 38'; do
			grep -qxF "$line" <<<"$said" || { echo "missing: $line"; return 1; }
		done
	fi
	[ "$(field dash 'r["stdout"].strip()')" = dash ]
	[ "$(field plus 'r["stdout"].strip()')" = plus ]
}

check_endings() {
	local mark=9$RANDOM # seconds that no other test sleeps
	local limit # a deadline counts from the engine's start, which has to be over
	limit=$(scaled 2)
	task good <<<'exit 0'
	task code <<<'echo partial; exit 7'
	task killed <<<'kill -9 $$'
	task slow "{\"timeout_seconds\": $limit}" <<<"echo before; sleep $mark"
	task stubborn "{\"timeout_seconds\": $limit}" <<<"trap : TERM; echo before; while :; do sleep $mark; done"
	task daemon "{\"timeout_seconds\": $((limit + 1))}" <<<"(trap : TERM; setsid sleep $mark &) >/dev/null 2>&1; echo before; sleep $mark"
	task leaves <<<"setsid sleep $mark >/dev/null 2>&1 & echo left"
	task memory '{"memory_mb": 32}' <<<'echo before; x=aaaaaaaaaaaaaaaa; while [ ${#x} -lt 32000000 ]; do x=$x$x; done; sleep 15'
	run_all
	[ "$(field good 'r["status"], r["exit_code"], r["signal"], r["ended_by"]')" = "success 0 None exit" ]
	[ "$(field code 'r["status"], r["exit_code"], r["stdout"].strip(), r["ended_by"]')" = "failed 7 partial exit" ]
	[ "$(field killed 'r["status"], r["exit_code"], r["signal"], r["ended_by"]')" = "failed 137 9 exit_or_signal" ]
	for id in slow stubborn daemon; do
		field "$id" 'r["status"], r["exit_code"], r["stdout"], r["duration_ms"], [(a["outcome"], a.get("reason")) for a in t["attempts"]]'
		[ "$(field "$id" 'r["status"], r["exit_code"], r["stdout"].strip(), r["ended_by"]')" = "timeout None before limit:time" ]
		[ "$(field "$id" "$limit * 750 <= r['duration_ms'] < $(scaled 20) * 1000")" = True ]
	done
	[ "$(field leaves 'r["status"], r["stdout"].strip()')" = "success left" ]
	ended=$(field memory 'r["status"], r["signal"], r["stdout"].strip()')
	# Podman with control groups of version 1 does not always learn that it was the kernel's doing.
	# Nor does an ordinary user's worker where the sanitizers make it larger than the script.
	[[ $ended = "oom "*" before" || ($ENGINE = podman && $ended = "failed 9 before") ||
		($HOW = user && ${DGRID_SAN:-0} = 1 && $ended = "failed None before") ]]
	wait_until 10 nothing_left "sleep $mark"
}

check_interpreter() {
	local bin=/bin # of the test's image; a bwrap sandbox has the machine's
	if in_bwrap; then bin=/usr/bin; fi
	task env <<SH
#!$bin/env sh
echo "runs as \$0 with \$# arguments"
SH
	# All that stands after the program is one argument, as for the kernel.
	task argument <<'SH'
#! /bin/sh  -eu
echo one
false
echo two
SH
	task awk <<SH
#!$bin/awk -f
BEGIN { print "this is awk", 6 * 7 }
SH
	task none <<'SH'
#!/opt/none/such
echo never
SH
	# Long, and with all that a shell could take for its own.
	python3 -c 'print("#!/bin/sh\n# " + "x" * 60000 + "\nprintf \"%s|\" \"$HOME\" %s \\\\ \"\047\"")' | task long
	task plain <<<'echo "$0"'
	run_all
	[ "$("$DGRID" logs env)" = "runs as /tmp/.script with 0 arguments" ]
	[ "$(field argument 'r["status"], r["exit_code"], r["stdout"].split()')" = "failed 1 ['one']" ]
	[ "$("$DGRID" logs awk)" = "this is awk 42" ]
	[ "$(field none 'r["status"], r["exit_code"], r["stdout"], "/opt/none/such" in r["stderr"]')" = "failed 127  True" ]
	[[ "$("$DGRID" logs long)" == "/"*"|%s|\\|'|" ]]
	[ "$("$DGRID" logs plain)" = sh ]
}

check_fork_bomb() {
	task bomb '{"timeout_seconds": 4, "pids": 10}' <<'SH'
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
	task count '{"pids": 10}' <<'SH'
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

# What a script leaves in /out comes back, whatever else stands there; limits hold while it runs.
check_outputs() {
	task leaves '{"timeout_seconds": 60}' <<'SH'
[ -z "$(ls -A /out)" ] && [ "$DGRID_OUT" = /out ] || exit 9
mkdir -p /out/sub/deep /out/shut /out/.git /out/empty
echo text >/out/sub/deep/file
printf '#!/bin/sh\n' >/out/run && chmod 4755 /out/run
echo hidden >/out/shut/file && chmod 000 /out/shut/file /out/shut
ln -s /etc/passwd /out/link; ln -s / /out/root; ln /out/run /out/twin; mkfifo /out/fifo
echo x >/out/.git/config; echo x >"/out/new
line"; printf x >"$(printf '/out/\377')"
(sleep 1; echo late >/out/late) >/dev/null 2>&1 &
SH
	task fails <<<'echo report >/out/report; exit 3'
	task slow "{\"timeout_seconds\": $(scaled 2)}" <<<'echo so far >/out/log; sleep 60'
	task nothing <<<'true'
	task without '{"out_mb": 0}' <<<'ls /out 2>&1; echo "$DGRID_OUT"'
	task flood '{"out_mb": 2, "timeout_seconds": 60}' <<<'i=0; while :; do head -c 500000 /dev/zero >/out/$i; i=$((i + 1)); sleep 0.05; done'
	task sparse '{"timeout_seconds": 60}' <<<'for i in 1 2 3; do dd if=/dev/zero of=/out/hole$i bs=1 count=1 seek=15000000 2>/dev/null; done; sleep 0.1'
	task inodes '{"timeout_seconds": 60}' <<<'i=0; while :; do mkdir /out/$i || exit 1; i=$((i + 1)); done'
	task deep '{"timeout_seconds": 60}' <<<'cd /out; i=0; while [ $i -lt 300 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done; sleep 5'
	run_all
	[ "$(field leaves 'r["status"], r["out"]["files"], r["out"]["left_out"]')" = "success 4 6" ]
	[ "$(field nothing 'r["status"], r.get("out"), r.get("out_error"), r["limits"]["out_mb"]')" = "success None None 16" ]
	[[ "$(field without 'r["stdout"]')" == *"No such file"* ]]
	[ "$(field without '"out" in r or "out_mb" in r["limits"]')" = False ]
	run -0 "$DGRID" files leaves
	[ "$output" = "x           10  run
-            7  shut/file
-            5  sub/deep/file
x           10  twin
6 more could not be kept: links, devices, or names that Git refuses" ]
	"$DGRID" get leaves -o "$T/got"
	[ "$(cat "$T/got/sub/deep/file" "$T/got/shut/file")" = $'text\nhidden' ]
	[ "$(stat -c %a "$T/got/run")" = 755 ]
	[ "$("$DGRID" get fails report -o -)" = report ]
	[ "$(field slow 'r["status"]') $("$DGRID" get slow log -o -)" = "timeout so far" ]
	for id in flood sparse inodes deep; do
		[ "$(field "$id" 'r["status"], "out" in r')" = "failed False" ]
	done
	[[ "$(field flood 'r["reason"]')" == *"more than 2 MB in /out (out_mb of the task"* ]]
	[[ "$(field sparse 'r["reason"]')" == *"more than 16 MB"* ]]
	[[ "$(field inodes 'r["reason"]')" == *"max_out_files"* ]]
	[[ "$(field deep 'r["reason"]')" == *"32 deep"* ]]
	"$DGRID" audit
	# Nothing stays on the node's disk.
	[ ! -e "$T/w1/run" ] || [ -z "$(find "$T/w1/run" -mindepth 1)" ]
	[ -z "$(git -C "$T/w1/store.git" for-each-ref refs/held)" ]
}
# What a script is given stands in /in, for all tasks the same, and nobody can change it; a copy of it can be written to.
check_inputs() {
	mkdir -p "$T/data/sub"
	echo one >"$T/data/f1"
	printf '#!/bin/sh\necho ran\n' >"$T/data/sub/tool"
	chmod 755 "$T/data/sub/tool"
	ln -s ../f1 "$T/data/sub/link"
	seq 100 >"$T/big.csv"
	cat >"$T/reads" <<'SH'
[ "$DGRID_IN" = /in ] && [ "$(ls /in | tr '\n' ' ')" = "big.csv data " ] || exit 2
[ "$(wc -l </in/big.csv)" = 100 ] && [ "$(cat /in/data/sub/link)" = one ] && [ "$(/in/data/sub/tool)" = ran ] || exit 3
for way in 'echo x >/in/data/f1' 'rm -f /in/data/f1' 'echo x >/in/data/new' 'chmod 777 /in/data/f1' 'mkdir /in/other' \
	'mv /in/data /in/d' 'rm -f /in/big.csv' 'echo x >/in/big.csv'; do
	if sh -c "$way" 2>/dev/null; then echo "could: $way"; exit 4; fi
done
stat -c %Y /in/data /in/data/f1 /in/big.csv | sort -u
SH
	cat >"$T/writes" <<'SH'
[ "$(pwd)" = /tmp/data ] && [ "$(sub/tool)" = ran ] || exit 2
echo two >f1 && echo new >sub/new && [ "$(cat sub/link /in/data/f1)" = "$(printf 'two\none')" ] || exit 3
SH
	cp "$T/writes" "$T/named"
	sed -i '1i #!/bin/sh -e' "$T/named"
	# Side by side, and the same folder for all.
	for i in 1 2 3; do "$DGRID" submit --id "reads$i" --input "$T/data" --input "$T/big.csv" --script "$T/reads"; done
	"$DGRID" submit --id writes --input "$T/data" --workdir data --script "$T/writes"
	"$DGRID" submit --id named --input "$T/data" --workdir data --script "$T/named"
	run_all
	for i in 1 2 3; do [ "$(field "reads$i" 'r["status"], r["stdout"].strip(), r["exit_code"]')" = "success 946684800 0" ]; done
	[ "$(field writes 'r["status"], r["exit_code"]') $(field named 'r["status"], r["exit_code"]')" = "success 0 success 0" ]
	[ "$(grep -c 'is here:' "$T/worker.log")" = 2 ]
	"$DGRID" rerun writes
	"$DGRID" audit
	# Nothing stays on the node's disk but what its store holds.
	[ ! -e "$T/w1/run" ] || [ -z "$(find "$T/w1/run" -mindepth 1)" ]
}
# What a run used is in its result, and its limit of processor time ends it; a script that cannot fork is told why.
check_usage() {
	task burn '{"timeout_seconds": 60}' <<'SH'
i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done
x=$(head -c 30000000 /dev/zero | tr '\0' x)
head -c 20000000 /dev/zero >/dev/shm/x
times
SH
	task busy '{"cpu_seconds": 1, "timeout_seconds": 60}' <<<'echo before; (while :; do :; done) & while :; do :; done'
	task forks '{"pids": 6}' <<<'i=0; while [ $i -lt 20 ]; do sleep 2 & i=$((i + 1)); done; wait; exit 1'
	task points '{"points": 2, "share_sandbox": true, "cpu_seconds": 1, "timeout_seconds": 60}' <<<'[ "$DGRID_POINT" = 1 ] || while :; do :; done'
	run_all
	local by used
	by=$(field burn 'r["usage"]["by"]')
	used=$(field burn 'r["usage"], r["stdout"]')
	echo "$used"
	if ! in_bwrap; then [ "$by" = samples ]; elif [[ $HOW = user ]]; then [ "$by" = wait4 ]; else [ "$by" = cgroup ]; fi
	# Of what the shell itself knows of its time at least half, and not a second more than it.
	[ "$(field burn '(lambda own, all: own / 2 <= all <= own + 1000)(
		1000 * sum(int(x.split("m")[0]) * 60 + float(x.split("m")[1][:-1]) for x in r["stdout"].split()),
		r["usage"]["cpu_user_ms"] + r["usage"]["cpu_system_ms"])')" = True ]
	# Where no control group counts, the largest process alone is known, and only above the worker's own size.
	if [[ $HOW = user ]]; then
		[ "$(field burn '25000 < r["usage"].get("peak_memory_kb", 30000) < 524288')" = True ]
	else
		[ "$(field burn '45000 < r["usage"]["peak_memory_kb"] < 524288')" = True ]
	fi
	[ "$(field busy 'r["status"], r["exit_code"], r["ended_by"], r["stdout"].strip(), r["limits"]["cpu_seconds"]')" = "timeout None limit:cpu before 1" ]
	[ "$(field busy 'r["duration_ms"] < 30000 and r.get("usage", {"cpu_user_ms": 1000})["cpu_user_ms"] + r.get("usage", {}).get("cpu_system_ms", 0) < 6000')" = True ]
	[ "$(field forks 'r["status"]')" = failed ]
	[[ "$(field forks 'r["reason"]')" == "it "*"ran into its limit of 6 processes (pids; the grid allows up to max_pids)" ]]
	[ "$(field points '[(p["status"], p.get("ended_by")) for p in r["points"]]')" = "[('timeout', 'limit:cpu'), ('success', 'exit')]" ]
	run -0 "$DGRID" show busy
	[[ "$output" == *"ended by"*"cpu_seconds"* ]]
	"$DGRID" audit
}

# A file of an input is what the script reads, in each point from the start.
check_stdin() {
	mkdir "$T/in"
	seq 3 >"$T/in/numbers"
	echo 'four words on it' >"$T/line"
	"$DGRID" submit --id plain --stdin "$T/line" -- 'read -r a b; echo "$b, $a"'
	"$DGRID" submit --id named --input "in=$T/in" --stdin in/numbers --workdir in -- 'cat; cat numbers'
	"$DGRID" submit --id each --input "$T/line" --stdin line --array 0-1 --chunk 2 -- 'cat'
	"$DGRID" submit --id turns --input "$T/line" --stdin line --array 0-1 --chunk 2 --share-sandbox -- 'cat'
	printf '#!/bin/sh\nwc -w\n' >"$T/script"
	"$DGRID" submit --id interpreted --stdin "$T/line" --script "$T/script"
	run_all
	[ "$(field plain 'r["stdout"].strip()')" = "words on it, four" ]
	[ "$(field named 'r["stdout"].split()')" = "['1', '2', '3', '1', '2', '3']" ]
	[ "$(field interpreted 'r["stdout"].strip()')" = 4 ]
	for id in each-0000 turns-0000; do
		[ "$(field "$id" '[p["stdout"].strip() for p in r["points"]]')" = "['four words on it', 'four words on it']" ]
	done
	"$DGRID" rerun plain
}
container_runs() { [[ -n $("$ENGINE" ps --quiet --filter "label=dgrid.node=$NODE" --filter "label=dgrid.task=$1") ]]; }
client_of() { pgrep -f "^$ENGINE .*run .*--name dgrid-$NODE-$1-"; } # TASK: the pid of its `docker run`
outcomes() { "$DGRID" show --json "$1" | jq -r '[.attempts[].outcome] | join(" ")'; }

# A script that ends with 7 while nobody watches: the claim goes back, and the second run is recorded as it was.
check_client_lost() { # COMMAND...: cuts the client of task lost off
	task lost '{"timeout_seconds": 60}' <<<'echo before; sleep 5; echo after; exit 7'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --work-dir "$T/w1"
	wait_until 40 container_runs lost
	"$@"
	wait_until 90 ledger_has failed lost
	[ "$(field lost 'r["status"], r["exit_code"], r["stdout"].split(), r["attempt"]')" = "failed 7 ['before', 'after'] 1" ]
	[ "$(outcomes lost)" = "released failed" ]
	"$DGRID" show --json lost | jq -r '.attempts[0].reason' >"$T/reason"
	cat "$T/reason"
	grep -q "^$ENGINE run ended with .* its output is not whole" "$T/reason"
	if [[ $ENGINE = slurm ]]; then [ -z "$(ls -A "$T/w1/jobs")" ]; else [ "$(sort -u <("$ENGINE" ps --all --quiet --filter "label=dgrid.node=$NODE") | wc -l)" = 0 ]; fi
}
check_client_killed() {
	kill_client() { kill -KILL "$(client_of lost)"; }
	check_client_lost kill_client
	grep -q 'ended with signal 9 while the script still ran' "$T/reason"
	# A signal to the client alone is not the script's either.
	task termed '{"timeout_seconds": 60}' <<<'trap "echo told; exit 3" TERM; echo before; sleep 5 & wait; exit 7'
	wait_until 40 container_runs termed
	kill -TERM "$(client_of termed)"
	wait_until 90 ledger_has failed termed
	[ "$(field termed 'r["status"], r["exit_code"], r["stdout"].split()')" = "failed 7 ['before']" ]
	[[ "$(outcomes termed)" =~ ^(released )?failed$ ]]
}

# The points of a task: each has its variables, its end, its output and its /out, whether it has a sandbox of its own or
# shares one. What a script prints is its own, also where it looks like the mark between two points.
# Each of two tasks that run at a time has one of two devices; a third waits for one; others see none.
check_devices() {
	local dev
	for dev in /dev/fuse /dev/kmsg /dev/autofs /dev/loop-control none; do [[ ! -c $dev ]] || break; done
	if [[ $dev == none ]]; then strict_skip "no device here that a sandbox has not anyway"; return; fi
	for i in 1 2 3; do
		task "has-$i" '{"resources": {"odd-thing": 1}}' <<-'SH'
			[ -c "$DGRID_RESOURCE_ODD_THING" ] || exit 9
			echo "$DGRID_RESOURCE_ODD_THING"
			sleep 1
		SH
	done
	task both '{"resources": {"odd-thing": 2}, "env": {"DGRID_RESOURCE_ODD_THING": "mine"}}' <<<'echo "$DGRID_RESOURCE_ODD_THING"'
	task none '{"env": {"DEV": "'"$dev"'"}}' <<<'[ ! -e "$DEV" ] && echo "none${DGRID_RESOURCE_ODD_THING}"'
	run_all --device "odd-thing=$dev" --device odd-thing=/dev/full
	[ "$(field none 'r["stdout"].strip()')" = none ]
	[ "$(field both 'r["stdout"].strip()')" = "$dev,/dev/full" ]
	for i in 1 2 3; do field "has-$i" 'r["stdout"].strip()'; done >"$T/had"
	[ "$(sort -u "$T/had" | tr '\n' ' ')" = "$(printf '%s\n' "$dev" /dev/full | sort | tr '\n' ' ')" ]
	"$DGRID" audit
}

check_points() {
	local share points mark=9$RANDOM # seconds that no other test sleeps
	points='{"A": "it'"'"'s \"1\" $(x) `y` \\", "GREETING": "hi"}, {"A": "two\nlines"}, {"DGRID_POINT": "7", "A": "3"}, {"A": "4"}, {"A": "5", "IFS": "=0123456789", "PATH": "/nowhere"}, {"A": "6"}'
	for share in false true; do
		task "p-$share" '{"timeout_seconds": 6, "first_point": 3, "env": {"GREETING": "hello", "OTHER": "env", "MARK": "'"$mark"'"}, "share_sandbox": '"$share"', "points": ['"$points"']}' <<'SH'
printf '%s|%s|%s|%s' "$DGRID_POINT" "$A" "$GREETING" "$OTHER"
echo "err $DGRID_POINT" >&2
[ -n "$DGRID_OUT" ] || exit 9
case $DGRID_POINT in
	3) echo one >"$DGRID_OUT/file"; echo x >/tmp/seen ;;
	4) [ -e /tmp/seen ] && echo ' seen'; printf '\036dgrid-00 0\n\036dgrid-'; exit 3 ;;
	7) kill -9 $$ ;;
	8) i=0; while [ $i -lt 300 ]; do echo 'twenty bytes a line.'; i=$((i + 1)); done ;;
	9) echo five >"$DGRID_OUT/file"; exit 0 ;;
	10) sleep "$MARK" ;;
esac
SH
	done
	task p-next '{"timeout_seconds": 5, "share_sandbox": true, "points": 4, "env": {"MARK": "'"$mark"'"}}' <<'SH'
case $DGRID_POINT in
	1) kill -9 -1 ;;
	2) sleep "$MARK" ;;
	*) echo "ran $DGRID_POINT" ;;
esac
SH
	task p-sh '{"share_sandbox": true, "points": [{"N": "1"}, {"N": "2"}]}' <<'SH'
#!/bin/sh -e
false || echo "interpreted $N"
false
SH
	run_all
	for share in false true; do
		[ "$(field "p-$share" 'r["status"], r["exit_code"], r["points_failed"], "stdout" in r')" = 'failed 3 3 False' ]
		[ "$(field "p-$share" '[p["point"] for p in r["points"]]')" = '[3, 4, 7, 8, 9, 10]' ]
		[ "$(field "p-$share" '[(p["status"], p["exit_code"], p["signal"]) for p in r["points"]]')" = \
			"[('success', 0, None), ('failed', 3, None), ('failed', 137, 9), ('success', 0, None), ('success', 0, None), ('timeout', None, None)]" ]
		[ "$(field "p-$share" 'r["points"][0]["stdout"]')" = '3|it'"'"'s "1" $(x) `y` \|hi|env' ]
		[ "$(field "p-$share" 'r["points"][2]["stdout"]')" = '7|3|hello|env' ]
		[ "$(field "p-$share" '[p["stderr"] for p in r["points"]] == ["err %d\n" % p["point"] for p in r["points"]]')" = True ]
		[ "$(field "p-$share" 'r["points"][3]["stdout_bytes"], r["points"][3]["stdout_truncated"], 1000 < len(r["points"][3]["stdout"]) < 1100')" = '6313 True True' ]
		[ "$(field "p-$share" 'r["points"][5]["duration_ms"] >= 6000')" = True ]
		[ "$("$DGRID" get "p-$share" 3/file -o -)" = one ]
		[ "$("$DGRID" get "p-$share" 9/file -o -)" = five ]
		[ "$(field "p-$share" 'r["out"]["files"]')" = 2 ]
	done
	# A sandbox of one's own shows nothing of another's.
	[ "$(field p-false 'r["points"][1]["stdout"] == "4|two\nlines|hello|env\036dgrid-00 0\n\036dgrid-"')" = True ]
	[ "$(field p-true 'r["points"][1]["stdout"] == "4|two\nlines|hello|env seen\n\036dgrid-00 0\n\036dgrid-"')" = True ]
	# What ends a shared sandbox ends one point; the others begin in the next.
	[ "$(field p-next '[(p["status"], p.get("stdout")) for p in r["points"]]')" = \
		"[('success', 'ran 0\n'), ('failed', None), ('timeout', None), ('success', 'ran 3\n')]" ]
	[ "$(field p-sh '[(p["exit_code"], p["stdout"]) for p in r["points"]]')" = "[(1, 'interpreted 1\n'), (1, 'interpreted 2\n')]" ]
	wait_until 10 nothing_left "sleep $mark"
	"$DGRID" audit
}

# A task that counts, over three nodes: one stops at once, one is killed, the last goes on to the end.
check_checkpoints() { # [COMMAND]: to be done before
	local engine=("--engine" "$ENGINE") n
	grid_settings '"images": ["dgrid-test:1"], "heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0, "checkpoint_seconds": 1'
	"${@:-:}"
	task count '{"checkpoint": true, "timeout_seconds": 120}' <<'SH'
log() { { cat /out/log; echo "$1"; } >/out/log.tmp && mv /out/log.tmp /out/log; }
if [ -e /in/.checkpoint/log ]; then cp /in/.checkpoint/log /out/log; else : >/out/log; fi
echo no >>/in/.checkpoint/log
log begin
n=$(grep -vc begin /out/log)
until [ "$n" -ge 40 ] && [ "$(grep -c begin /out/log)" -ge 3 ]; do
	n=$((n + 1))
	log $n
	sleep 0.05
done
cat /out/log
SH
	node() { # N
		spawn "$T/n$1.log" "${STARTER[@]}" "$DGRID" worker --node-id "$NODE-$1" "${engine[@]}" --work-dir "$T/n$1"
	}
	of() { ledger_json "$1" count | jq -r "$2"; }
	saved() { [ "$(of in_progress 'select(.claim.node == "'"$NODE-$1"'").claim.saved.tree // empty')" ]; }
	tree_log() { git -C "$ORIGIN" show "$1:log"; }
	node 1
	wait_until 30 saved 1
	kill -TERM "$SPAWNED"
	wait_until 20 grep -q 'draining: no new claims' "$T/n1.log"
	kill -TERM "$SPAWNED"
	wait_until 30 ledger_has queue count
	wait_until 30 pid_ended "$SPAWNED"
	[ "$(of queue '.attempts[0] | .outcome, .out.ref' | sed 's/20..-..-../DAY/')" = "released
refs/dgrid/out/DAY/$NODE-1/1" ]
	first=$(of queue '.attempts[0].out.tree')
	node 2
	wait_until 30 saved 2
	[ "$(of in_progress .claim.checkpoint.tree)" = "$first" ]
	kill -KILL "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	second=$(of in_progress .claim.saved.tree)
	[ "$(git -C "$ORIGIN" rev-parse "$(of in_progress .claim.saved.ref)^{tree}")" = "$second" ]
	node 3
	wait_until 60 ledger_has completed count
	[ "$(of completed '[.attempts[] | .outcome] | join(" ")')" = 'released lost success' ]
	[ "$(of completed '.attempts[2].checkpoint.tree')" = "$second" ]
	"$DGRID" get count log -o - >"$T/log"
	# Each attempt went on from the checkpoint's very end, and no step is missing or there twice.
	n=$(tree_log "$first" | wc -l)
	[ "$(head -n "$n" "$T/log")" = "$(tree_log "$first")" ]
	[ "$(sed -n "$((n + 1))p" "$T/log")" = begin ]
	n=$(tree_log "$second" | wc -l)
	[ "$(head -n "$n" "$T/log")" = "$(tree_log "$second")" ]
	[ "$(sed -n "$((n + 1))p" "$T/log")" = begin ]
	[ "$(grep -v begin "$T/log")" = "$(seq "$(grep -vc begin "$T/log")")" ]
	[ "$(grep -c begin "$T/log")" = 3 ]
	! grep -q no "$T/log"
	"$DGRID" audit
	# What was saved while it ran is not needed any more, but where its last run began: for who runs it again. What the
	# node that was killed had pushed, and not told yet, goes with maintain.
	"$DGRID" maintain >/dev/null
	wait_until 20 one_saved "$second"
	run -0 "${STARTER[@]}" "$DGRID" rerun count
	[[ "$output" == *"from  checkpoint ${second:0:12}, as then"*reproducible ]]
	if [[ $ENGINE != bwrap ]]; then "${STARTER[@]}" "$DGRID" worker --node-id "$NODE-2" "${engine[@]}" --once --work-dir "$T/n2"; fi
}
one_saved() { [ "$(git -C "$ORIGIN" for-each-ref --format='%(refname:lstrip=4)' refs/dgrid/ck)" = "$1" ]; }

# An image that grid.json orders: built from a folder by a node whose owner allows it, and by no other.
check_build() {
	local tree order
	sandbox_images() { "$ENGINE" image ls --no-trunc --format '{{.ID}}' "dgrid-build:$1"; }
	mkdir "$T/etl"
	printf 'FROM dgrid-test:1\nRUN echo made in a build >/made; ls /sys/class/net >/nets\nCOPY data /data\n' >"$T/etl/Dockerfile"
	echo "$RANDOM$RANDOM" >"$T/etl/data"
	run -66 "$DGRID" image --build "$T/none" grid/etl:3
	[[ "$output" == *"there is no folder '$T/none'"* ]]
	run -66 "$DGRID" image --build "$T" grid/etl:3
	run -0 "$DGRID" image --build "$T/etl" grid/etl:3
	tree=${output##* }
	echo "$tree" >>"$T/trees"
	[[ "$output" == "grid/etl:3: to be built from the tree $tree" ]]
	run -0 "$DGRID" image --build "$T/etl" grid/etl:3
	[ "$(tgit -C "$ORIGIN" show main:grid.json | jq -c '.images[-1] | del(.ordered_at)')" = "{\"image\":\"grid/etl:3\",\"build\":\"$tree\"}" ]
	"$DGRID" config min_timeout_seconds 1 >/dev/null
	"$DGRID" submit --id made --image grid/etl:3 -- 'cat /made /data /nets; id -u' 2>"$T/said"
	[ ! -s "$T/said" ]
	# A node whose owner did not say so builds nothing, and takes no image of that name from elsewhere.
	"$DGRID" worker --node-id plain --engine "$ENGINE" --once --work-dir "$T/w0" 2>"$T/plain.log"
	ledger_has queue made
	[ -z "$(sandbox_images "$tree")" ]
	grep -q "image 'grid/etl:3' is to be built: nothing was built here" "$T/plain.log"
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --once --allow-build --work-dir "$T/w1" 2>"$T/w.log" || { cat "$T/w.log" && false; }
	[ "$(ledger_json completed made | jq -r .result.stdout)" = "made in a build
$(<"$T/etl/data")
lo
1000" ]
	[ "$(ledger_json completed made | jq -r '.result | [.image, .image_digest] | join(" ")')" = "grid/etl:3 $(sandbox_images "$tree" | sed 's/^sha256://; s/^/sha256:/')" ]
	# The ledger tells who built what of which tree.
	[ "$(tgit -C "$ORIGIN" show "main:nodes/$NODE.json" | jq -r '.builds["grid/etl:3"] | [.build, .state, .digest] | join(" ")')" = \
		"$tree built $(ledger_json completed made | jq -r .result.image_digest)" ]
	# A build that fails is told everywhere, is not tried again at once, and keeps no other task waiting.
	printf 'FROM dgrid-test:1\nRUN echo no luck here; exit 3\n' >"$T/etl/Dockerfile"
	run -0 "$DGRID" image --build "$T/etl" grid/etl:3
	echo "${output##* }" >>"$T/trees"
	"$DGRID" submit --id again --image grid/etl:3 -- true
	"$DGRID" submit --id other -- true
	spawn "$T/w2.log" "$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --allow-build --work-dir "$T/w1"
	wait_until 60 ledger_has completed other
	wait_until 60 grep -q "image grid/etl:3 is not built: .*it is tried again in 1 min" "$T/w2.log"
	told() { run -0 "$DGRID" image && [[ "$output" == *"no, its build failed"*"$NODE could not build grid/etl:3: "*"; it tries again at 20"* ]]; }
	wait_until 60 told
	run -0 "$DGRID" why again
	[[ "$output" == *"$NODE: could not build the image grid/etl:3: "* ]]
	ledger_has queue again
	# Nothing is built while a task runs.
	"$DGRID" submit --id long --timeout 100 -- 'while [ ! -e /tmp/no ]; do sleep 0.1; done'
	wait_until 60 ledger_has in_progress long
	printf 'FROM dgrid-test:1\nRUN echo better >/made\n' >"$T/etl/Dockerfile"
	run -0 "$DGRID" image --build "$T/etl" grid/etl:3
	tree=${output##* }
	echo "$tree" >>"$T/trees"
	to_be_built() { run -0 "$DGRID" image && [[ "$output" == *"no, to be built"* ]]; }
	wait_until 60 to_be_built
	run -0 "$DGRID" why again
	[[ "$output" == *"$NODE: has no image grid/etl:3, and will build it when no task runs there"* ]]
	[ -z "$(sandbox_images "$tree")" ]
	"$DGRID" cancel long
	wait_until 60 ledger_has completed again
	[ -n "$(sandbox_images "$tree")" ]
	kill -TERM "$SPAWNED"
	wait_until 60 pid_ended "$SPAWNED"
	# Where only signed tasks run, an order is signed too.
	ssh-keygen -q -t ed25519 -N '' -C ann -f "$T/ann"
	rm -rf "$T/s"
	tgit clone -q "$ORIGIN" "$T/s"
	echo "ann@example.invalid $(cut -d ' ' -f 1,2 "$T/ann.pub")" >"$T/s/allowed_signers"
	jq '.require_signed_tasks = true' "$T/s/grid.json" >"$T/s/new" && mv "$T/s/new" "$T/s/grid.json"
	tgit -C "$T/s" add -A && tgit -C "$T/s" commit -qm signed && tgit -C "$T/s" push -q origin HEAD:main
	printf 'FROM dgrid-test:1\nRUN true\n' >"$T/etl/Dockerfile"
	run -77 "$DGRID" image --build "$T/etl" grid/etl:4
	[[ "$output" == *"no node would build it: "*"--sign with a key that counts"* ]]
	run -0 "$DGRID" image --build "$T/etl" --key "$T/ann" grid/etl:4
	tree=${output##* }
	echo "$tree" >>"$T/trees"
	order=$(tgit -C "$ORIGIN" show main:grid.json | jq -c '.images[-1]')
	tgit -C "$T/s" pull -q
	jq '.images[-1] |= del(.signatures)' "$T/s/grid.json" >"$T/s/new" && mv "$T/s/new" "$T/s/grid.json"
	tgit -C "$T/s" commit -qam 'unsigned' && tgit -C "$T/s" pull -q --rebase && tgit -C "$T/s" push -q origin HEAD:main
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --once --allow-build --work-dir "$T/w1" 2>"$T/w3.log"
	grep -q 'image grid/etl:4 is not built: it is not signed' "$T/w3.log"
	[ -z "$(sandbox_images "$tree")" ]
	jq --argjson order "$order" '.images[-1] = $order' "$T/s/grid.json" >"$T/s/new" && mv "$T/s/new" "$T/s/grid.json"
	tgit -C "$T/s" commit -qam 'signed again' && tgit -C "$T/s" pull -q --rebase && tgit -C "$T/s" push -q origin HEAD:main
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --once --allow-build --work-dir "$T/w1" 2>"$T/w4.log"
	[ -n "$(sandbox_images "$tree")" ]
	"$DGRID" audit
}

# What the engine itself would fetch for a build, from where the node can reach: refused by who orders it and, where the
# order came otherwise, by the node.
check_build_fetches() {
	local port tree before base format
	require_command curl || return
	mkdir "$T/etl"
	spawn "$T/www.log" python3 -u -c 'import http.server
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print("port", s.server_port)
s.serve_forever()'
	serves() { port=$(sed -n 's/^port //p' "$T/www.log") && [[ -n $port ]]; }
	wait_until 20 serves
	curl -fsS --noproxy '*' "http://127.0.0.1:$port/etl/" >/dev/null
	grep -q 'GET /etl/' "$T/www.log"
	printf 'FROM dgrid-test:1\nUSER 0\nAD\\\nD http://127.0.0.1:%s/from-a-build /creds\n' "$port" >"$T/etl/Dockerfile"
	before=$(tgit -C "$ORIGIN" for-each-ref)
	run -65 "$DGRID" image --build "$T/etl" grid/bad:1
	[[ "$output" == *"Dockerfile:3: ADD of what is not in the folder (expected a file of it"* ]]
	printf 'FROM 127.0.0.1:%s/x\n' "$port" >"$T/etl/Containerfile" # read where there is no Dockerfile
	mv "$T/etl/Dockerfile" "$T/etl/other"
	run -65 "$DGRID" image --build "$T/etl" grid/bad:1
	[[ "$output" == *"Containerfile:1: FROM 127.0.0.1:$port/x: it is neither an earlier stage nor an image of grid.json"* ]]
	rm "$T/etl/Containerfile"
	printf 'FROM dgrid-test:1\n' >"$T/etl/Dockerfile"
	run -65 "$DGRID" image --build "$T/etl" dgrid-test:1
	[[ "$output" == *"FROM dgrid-test:1: it is itself to be built"* ]]
	[ "$(tgit -C "$ORIGIN" for-each-ref)" = "$before" ]
	# By hand: the tree as an input, the order in grid.json.
	mv "$T/etl/other" "$T/etl/Dockerfile"
	"$DGRID" submit --id sends --input "$T/etl" -- true
	tree=$("$DGRID" show --json sends | jq -r .inputs.etl.tree)
	echo "$tree" >>"$T/trees"
	tgit -C "$T/c" pull -q
	echo "{\"schema\": 1, \"images\": [\"dgrid-test:1\", {\"image\": \"grid/bad:1\", \"build\": \"$tree\"}], \"min_timeout_seconds\": 1}" >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
	"$DGRID" submit --id bad --image grid/bad:1 -- true
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --once --allow-build --work-dir "$T/w1" 2>"$T/w.log" || { cat "$T/w.log" && false; }
	cat "$T/w.log"
	grep -q 'image grid/bad:1 is not built: Dockerfile:3: ADD of what is not in the folder' "$T/w.log"
	[[ "$(tgit -C "$ORIGIN" show "main:nodes/$NODE.json" | jq -r '.builds["grid/bad:1"] | [.state, .why] | join(" ")')" == "failed Dockerfile:3: ADD of what"* ]]
	# An image may have instructions for those who build on it.
	base=dgrid-test-base:$RANDOM$RANDOM format=()
	echo "$base" >"$T/bases"
	if [[ $ENGINE == podman ]]; then format=(--format docker); fi
	printf 'FROM dgrid-test:1\nONBUILD ADD http://127.0.0.1:%s/from-a-build /creds\n' "$port" |
		"$ENGINE" build -q "${format[@]}" -t "$base" - >/dev/null
	"$DGRID" config images "[\"dgrid-test:1\", \"$base\"]" >/dev/null
	echo "FROM $base" >"$T/etl/Dockerfile"
	run -0 "$DGRID" image --build "$T/etl" grid/bad:1
	echo "${output##* }" >>"$T/trees"
	"$DGRID" worker --node-id "$NODE" --engine "$ENGINE" --once --allow-build --work-dir "$T/w1" 2>"$T/w2.log" || { cat "$T/w2.log" && false; }
	cat "$T/w2.log"
	grep -q "image grid/bad:1 is not built: nothing is built on the image '$base': it has instructions for builds on it, ONBUILD" "$T/w2.log"
	run -1 grep from-a-build "$T/www.log"
	ledger_has queue bad
}
images_teardown() {
	local tree
	if [[ -f $T/bases ]]; then "$ENGINE" image rm --force "$(<"$T/bases")" >/dev/null 2>&1 || true; fi
	[[ -f $T/trees ]] || return 0
	while read -r tree; do "$ENGINE" image rm --force "dgrid-build:$tree" >/dev/null 2>&1 || true; done <"$T/trees"
}
