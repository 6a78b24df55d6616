#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output
# Whose a result is, whose a folder is, a remote that keeps silent, copies that a power cut left half-written.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

once() { # NODE WORKDIR [OPTIONS]
	"$DGRID" worker --node-id "$1" --engine bwrap --once --work-dir "$T/$2" "${@:3}" 2>>"$T/$2.log"
}

@test "a result belongs to its node and its grid: under another name the worker leaves it where it is and says so" {
	"$DGRID" submit --id held -- 'sleep 1; echo once'
	spawn "$T/w.log" "$DGRID" worker --node-id old --engine bwrap --work-dir "$T/w"
	wait_until 20 ledger_has in_progress held
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 20 sh -c 'ls "$1"/w/results/*.json' sh "$T"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	mv "$ORIGIN.away" "$ORIGIN"
	wait_until 20 test ! -e "$ORIGIN/HEAD.lock" # of a push that was under way
	"$DGRID" submit --id other -- 'echo other'
	once new w
	ledger_has in_progress held
	ledger_has completed other
	grep -q "is how old's run of held ended, and this node is new.*--node-id old" "$T/w.log"
	[ -n "$(find "$T/w/results" -name '*.json')" ]
	"$DGRID" audit
	"$DGRID" init --bare "$T/elsewhere.git"
	"$DGRID" --repo "$T/elsewhere.git" worker --node-id old --engine bwrap --once --work-dir "$T/w" 2>>"$T/w.log"
	grep -q "is how a run of held in the grid $ORIGIN ended; it is left where it is.*--repo $ORIGIN with this --work-dir" "$T/w.log"
	[ -n "$(find "$T/w/results" -name '*.json')" ]
	once old w --take-over # it was alive a moment ago
	ledger_has completed held
	[ "$(ledger_json completed held | jq -r '.result.node, (.attempts | length)')" = $'old\n1' ]
	[ -z "$(find "$T/w/results" -name '*.json')" ]
	"$DGRID" audit
}

@test "folders of ours are for their owner alone, and what another user made where everybody may is not used" {
	umask 022
	mkdir "$T/w"
	"$DGRID" submit --id a -- 'echo hi >/out/f'
	once n1 w
	XDG_CACHE_HOME=$T/cache "$DGRID" get a f -o - | grep -qx hi
	# A root's scripts run as another user, who has to come through to his own folder.
	[ -z "$(find "$T/w" "$T/cache" -mindepth 1 -maxdepth 1 -type d ! -name run -perm /077)" ]
	[ "$(id -u)" = 0 ] || skip "only root can make another user's folder"
	mkdir -m 1777 "$T/shared"
	for trap in node dgrid; do
		mkdir "$T/shared/$trap"
		chown 65534 "$T/shared/$trap"
	done
	run -77 "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/shared/node"
	[[ "$output" == *"'$T/shared/node' belongs to another user"* ]]
	XDG_CACHE_HOME=$T/shared run -77 "$DGRID" status
	[[ "$output" == *"'$T/shared/dgrid' belongs to another user"* ]]
	rmdir "$T/shared/dgrid"
	ln -s "$T/w" "$T/shared/dgrid"
	chown -h 65534 "$T/shared/dgrid"
	XDG_CACHE_HOME=$T/shared run -77 "$DGRID" status
}

@test "a folder of another user is read, and why it is not written to is git's own reason" {
	[ "$(id -u)" = 0 ] || skip "only root can make another user's folder"
	"$DGRID" submit --id a -- true
	chown -R 65534 "$ORIGIN"
	run -0 "$DGRID" status
	[[ "$output" == *"1 queued"* ]]
	run -69 "$DGRID" submit --id b -- true
	[[ "$output" == *"dubious ownership"* && "$output" != *"no branch"* ]]
	run "$DGRID" doctor --engine bwrap
	[[ "$output" == *"dubious ownership"*"safe.directory"* ]]
}

@test "who has no home to write to reads a folder all the same" {
	[ "$(id -u)" = 0 ] || skip "setpriv takes root"
	"$DGRID" submit --id a -- true
	local id=64999 way=$T
	while [[ $way != /tmp && $way != / ]]; do chmod o+x "$way" && way=$(dirname "$way"); done
	mkdir -m 755 "$T/nobody"
	cp "$DGRID" "$T/dgrid"
	# Another user's view of it stands in /tmp.
	HOME=$T/nobody run -0 setpriv --reuid "$id" --regid "$id" --clear-groups "$T/dgrid" status
	[[ "$output" == *"1 queued"* ]]
	[ "$(stat -c %U:%a "/tmp/dgrid-cache-$id")" = "UNKNOWN:700" ]
	rm -rf "/tmp/dgrid-cache-$id"
}

odd_server() {
	git -C "$ORIGIN" config http.receivepack true
	echo ok >"$T/odd"
	: >"$T/odd.log"
	spawn "$T/odd.out" python3 "$REPO_ROOT/tests/odd_git_server.py" "$T" "$T/odd" "$T/odd.log" "$T/odd.port"
	wait_until 20 test -s "$T/odd.port"
	export DGRID_REPO_URL
	DGRID_REPO_URL=http://127.0.0.1:$(<"$T/odd.port")/origin.git
}
how() { echo "$*" >"$T/odd.new" && mv "$T/odd.new" "$T/odd"; }
# prompt SIGNAL KIND VERB...: it is told to end while the remote keeps silent, and does within a second.
prompt() {
	local signal=$1 kind=$2
	shift 2
	: >"$T/odd.log"
	python3 - "$signal" "$T/odd.log" "$kind" "$DGRID" "$@" <<-'PY'
		import os, signal, subprocess, sys, time
		number, log, kind = getattr(signal, "SIG" + sys.argv[1]), sys.argv[2], sys.argv[3]
		scale = float(os.environ.get("DGRID_TEST_SCALE", 100)) / 100
		verb = subprocess.Popen(sys.argv[4:], stderr=subprocess.PIPE)
		until = time.monotonic() + 60 * scale
		while kind not in open(log).read():
		    assert time.monotonic() < until and verb.poll() is None, "it does not ask"
		    time.sleep(0.02)
		verb.send_signal(number)
		began = time.monotonic()
		said = verb.communicate(timeout=60)[1].decode()
		took = time.monotonic() - began
		assert verb.returncode == 128 + number and "interrupted" in said, (verb.returncode, said)
		assert took < scale, took
	PY
}

@test "a verb ends within a second of a signal while the remote keeps silent, and by itself after a time that can be set" {
	odd_server
	"$DGRID" submit --id off --unapproved -- true
	how fetch silence
	prompt TERM fetch submit --id a -- true
	prompt INT fetch status
	prompt TERM fetch audit
	prompt INT fetch promote
	prompt TERM fetch cancel off
	how push silence
	prompt TERM push submit --id a -- true
	prompt INT push promote
	export DGRID_SILENCE_SECONDS=2
	run -69 "$DGRID" submit --id b -- true
	[[ "$output" == *"did not end within 2 s"* ]]
	how all silence
	run -69 "$DGRID" status
	[[ "$output" == *"silent for 2 s"* ]]
	how ok
	[ -z "$(ledger_ls queue)" ]
}

# What a power cut leaves of files that had not reached the disk.
ruin() { # HOW GIT-DIR
	local one
	case $1 in
	ref) while IFS= read -r one; do : >"$one"; done < <(find "$2/refs" -type f) && : >"$2/packed-refs" ;;
	index) : >"$2/index" ;;
	HEAD) : >"$2/HEAD" ;;
	config) : >"$2/config" ;;
	objects) while IFS= read -r one; do chmod u+w "$one" && : >"$one"; done < <(find "$2/objects" -type f) ;;
	locks) touch "$2/shallow.lock" "$2/index.lock" "$2/HEAD.lock" "$2/packed-refs.lock" "$2/objects/pack/tmp_pack_x1" ;;
	esac
}

@test "a worker's clone that a power cut left half-written is mended or made anew" {
	odd_server
	local what n=0
	"$DGRID" submit --id first -- true
	once n1 w
	for what in ref index HEAD config objects locks; do
		n=$((n + 1))
		ruin "$what" "$T/w/ledger/.git"
		"$DGRID" submit --id "t$n" -- true
		once n1 w || { echo "$what"; tail -3 "$T/w.log"; return 1; }
		ledger_has completed "t$n"
	done
	[ -z "$(find "$T/w/ledger/.git" -name 'tmp_pack_*' -o -name '*.lock')" ]
}

@test "readers' copies that a power cut left half-written are mended or made anew, and kept packed" {
	odd_server
	local what n=0 copy
	"$DGRID" status
	"$DGRID" audit
	for what in ref HEAD config objects locks; do
		n=$((n + 1))
		"$DGRID" submit --id "t$n" -- true
		for copy in "$HOME"/.cache/dgrid/*.git; do ruin "$what" "$copy"; done
		run -0 "$DGRID" status
		[[ "$output" == *"$n queued"* ]]
		run -0 "$DGRID" audit
		[[ "$output" == *"no violations"* ]]
	done
	[ -z "$(find "$HOME/.cache/dgrid" -name 'tmp_pack_*')" ]
	copy=$(find "$HOME/.cache/dgrid" -maxdepth 1 -name '*.git' ! -name '*-*')
	for n in {1..55}; do printf 'blob\ndata 3\n%03d\n' "$n" | git -C "$copy" -c fastimport.unpackLimit=0 fast-import --quiet; done
	[ "$(find "$copy" -name '*.pack' | wc -l)" -gt 50 ]
	"$DGRID" nodes
	[ "$(find "$copy" -name '*.pack' | wc -l)" -lt 10 ]
}

@test "what a task left is read from a folder without its settings" {
	"$DGRID" submit --id a -- 'echo hi >/out/f'
	once n1 w
	printf '#!/bin/sh\necho "$0 $*" >>"%s/ran"\nexit 1\n' "$T" >"$T/trap"
	chmod +x "$T/trap"
	git -C "$ORIGIN" config core.fsmonitor "$T/trap"
	git -C "$ORIGIN" config core.alternateRefsCommand "$T/trap"
	git -C "$ORIGIN" config uploadpack.packObjectsHook "$T/trap"
	"$DGRID" files a | grep f
	[ "$("$DGRID" get a f -o -)" = hi ]
	[ ! -e "$T/ran" ]
	# That is written where the files stand, not to what they are read through.
	"$DGRID" keep a --as best
	git -C "$ORIGIN" fsck --connectivity-only
	git -C "$ORIGIN" cat-file -e refs/dgrid/keep/best:f
	git clone -q --bare --shared "$ORIGIN" "$T/shared.git"
	run -77 "$DGRID" --repo "$T/shared.git" get a
	[[ "$output" == *"borrows objects"* ]]
}

# ssh://host.example$ORIGIN, with nothing of ssh's but its arguments.
fake_ssh() {
	printf '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do case $1 in -o|-p) shift ;; esac; shift; done\nshift\nexec sh -c "$*"\n' >"$T/ssh"
	chmod +x "$T/ssh"
	git config --global core.sshCommand "$T/ssh"
	export GIT_SSH_VARIANT=ssh DGRID_REPO_URL=ssh://host.example$ORIGIN
}

@test "a host that does not speak version 2 of git's protocol sends every ref at each look: doctor says so" {
	fake_ssh
	run "$DGRID" doctor --engine bwrap
	[[ "$output" == *"ok    protocol"* ]]
	sed -i '2i unset GIT_PROTOCOL' "$T/ssh"
	run "$DGRID" doctor --engine bwrap
	[[ "$output" == *"warn  protocol"*"AcceptEnv GIT_PROTOCOL"* ]]
}

@test "a look at the branch brings that branch and no other ref, while a task is followed too" {
	fake_ssh
	"$DGRID" submit --id a -- 'echo hi; sleep 2'
	for n in {1..40}; do echo "create refs/pull/$n/head $(git -C "$ORIGIN" rev-parse main)"; done | git -C "$ORIGIN" update-ref --stdin
	spawn "$T/w.log" env GIT_TRACE_PACKET="$T/worker.packets" "$DGRID" worker --node-id n1 --engine bwrap --poll-ms 300 --work-dir "$T/w"
	GIT_TRACE_PACKET=$T/logs.packets "$DGRID" logs -f a | grep -qx hi
	wait_until 20 ledger_has completed a
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	grep -q 'ls-remote< .*refs/heads/main' "$T/logs.packets"
	grep -q ' fetch< .*refs/heads/main' "$T/worker.packets"
	# What a push is told of is the server's to say.
	run ! grep -E ' (fetch|clone|ls-remote)< .*refs/pull/' "$T/worker.packets" "$T/logs.packets"
}
