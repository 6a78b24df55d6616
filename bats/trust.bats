#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output and stderr
# Signed tasks: who may sign, what is signed, and that nobody enrols himself.

setup() {
	load helpers
	common_setup
	require_bwrap
	require_command ssh-keygen
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
	for who in ann eve; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	tgit clone -q "$ORIGIN" "$T/r"
	enrol "ann@example.invalid $(pub ann)"
	settings '"require_signed_tasks": true'
}
teardown() { common_teardown; }

pub() { cut -d ' ' -f 1,2 "$T/$1.pub"; }
land() { # MESSAGE: everything in the clone, onto the branch
	tgit -C "$T/r" add -A
	tgit -C "$T/r" commit -qm "$1"
	tgit -C "$T/r" push -q origin HEAD:main
}
fresh() { tgit -C "$T/r" pull -q --no-edit origin main; }
enrol() { # LINE...: allowed_signers becomes these
	fresh
	printf '%s\n' "$@" >"$T/r/allowed_signers"
	land 'allowed signers'
}
settings() {
	fresh
	echo "{\"schema\": 1, $1}" >"$T/r/grid.json"
	land settings
}
task_file() { # FILE ID COMMAND
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 20}' "$2" "$3" >"$1"
}
sign_file() { # FILE WHO: adds his signature, made without dgrid
	"$DGRID" approve --print "$1" | ssh-keygen -q -Y sign -n dgrid-task -f "$T/$2" >"$T/sig"
	python3 - "$1" "$T/sig" <<'PY'
import json, sys
t = json.load(open(sys.argv[1]))
t["signatures"] = [{"signature": open(sys.argv[2]).read()}]
json.dump(t, open(sys.argv[1], "w"), indent=1)
PY
}
smuggle() { # ID WHO|- COMMAND: past submit, which would refuse it, as whoever may push can
	fresh
	task_file "$T/r/tasks/queue/$1.json" "$1" "$3"
	[[ $2 == - ]] || sign_file "$T/r/tasks/queue/$1.json" "$2"
	land "smuggle $1"
}
work() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w" 2>"$T/w.log"; }
reason() { ledger_json failed "$1" | python3 -c 'import json, sys
r = json.load(sys.stdin)["result"]
print(r["status"], r.get("reason", ""))'; }
refused() { # ID TEXT: it ended as invalid, for this reason, and never ran
	run -0 reason "$1"
	[[ "$output" == "invalid "*"$2"* ]] || { echo "$1: $output" && return 1; }
	run ! grep -q "claimed $1," "$T/w.log"
}
edit() { # ID PYTHON: changes a queued task on the branch, as whoever may push can
	fresh
	python3 - "$T/r/tasks/queue/$1.json" "$2" <<'PY'
import json, sys
path, code = sys.argv[1:]
t = json.load(open(path))
exec(code)
json.dump(t, open(path, "w"), indent=1)
PY
	land "edit $1"
}

@test "signed tasks run and say who signed; unsigned and unknown ones do not" {
	"$DGRID" submit --id good --key "$T/ann" -- 'echo hi'
	run -65 "$DGRID" submit --id eves --key "$T/eve" -- 'echo hi'
	[[ "$output" == *"signatures: its signature is not one"*--unapproved* ]]
	run -65 "$DGRID" submit --id bare -- 'echo hi'
	[[ "$output" == *"it is not signed"*--sign* ]]
	smuggle eves eve 'echo hi'
	smuggle bare - 'echo hi'
	run -0 "$DGRID" why good
	[[ "$output" == *'it is signed by ann@example.invalid'* ]]
	run -0 "$DGRID" why bare
	[[ "$output" == *'it is not signed'*'the next worker moves it to failed'* ]]
	run -0 "$DGRID" show good
	[[ "$output" == *'with key SHA256:'* ]]
	work
	run -0 "$DGRID" show good
	[[ "$output" == *'signed by '*'ann@example.invalid'* ]]
	ledger_has completed good
	[[ "$(ledger_json completed good)" == *'"signed_by": "ann@example.invalid"'* ]]
	refused eves 'allowed_signers'
	refused bare 'not signed'
	run -1 "$DGRID" wait bare
	run -1 "$DGRID" retry bare
	[[ "$output" == *'dgrid submit --replace'* ]]
	run -0 "$DGRID" why bare
	[[ "$output" == *'not signed'*'submit it again'* ]]
}

@test "every submitted field is signed; layout and order are not" {
	printf '{"task_id": "full", "script": "true", "timeout_seconds": 20, "image": "alpine:3.20", "env": {"A": "1"}, "cpus": 0.5,
 "memory_mb": 64, "pids": 5, "priority": 3, "max_attempts": 2, "retry_on_failure": true, "labels": [], "description": "d",
 "metadata": {"b": [1, {"z": 1, "a": "\\u00e9"}], "a": null}, "x-own": 1.50}' >"$T/full.json"
	changes=("t['script'] = 'id'" "t['timeout_seconds'] = 21" "del t['image']" "t['env'] = {'A': '2'}" "t['env'] = {}"
		"t['cpus'] = 1" "t['memory_mb'] = 65" "t['pids'] = 6" "t['priority'] = 9" "t['max_attempts'] = 3"
		"t['retry_on_failure'] = False" "t['labels'] = []; del t['labels']" "t['description'] = 'e'" "t['metadata']['a'] = 0"
		"t['x-own'] = 2" "t['x-more'] = 1" "t['created_at'] = '2026-01-01T00:00:00Z'")
	for i in "${!changes[@]}"; do
		sed "s/\"full\"/\"c$i\"/" "$T/full.json" >"$T/c$i.json"
	done
	sed 's/"full"/"sorted"/' "$T/full.json" >"$T/sorted.json"
	"$DGRID" submit --key "$T/ann" "$T"/c*.json "$T/sorted.json" >/dev/null
	fresh
	for i in "${!changes[@]}"; do
		python3 - "$T/r/tasks/queue/c$i.json" "${changes[$i]}" <<'PY'
import json, sys
path, code = sys.argv[1:]
t = json.load(open(path))
exec(code)
json.dump(t, open(path, "w"))
PY
	done
	python3 - "$T/r/tasks/queue/sorted.json" <<'PY'
import json, re, sys
path = sys.argv[1]
text = open(path).read()
t = json.loads(text, parse_float=lambda s: s)
json.dump(dict(reversed(t.items())), open(path, "w"), indent=7)
s = open(path).read().replace('"1.50"', "1.50").replace('"0.5"', "0.5")
open(path, "w").write(s)
PY
	land tamper
	work
	ledger_has completed sorted
	for i in "${!changes[@]}"; do refused "c$i" 'allowed_signers'; done
}

@test "a signature of another task, another purpose, or no signature at all does not count" {
	"$DGRID" submit --id one --unapproved --key "$T/ann" -- 'echo 1'
	smuggle two - 'echo 2'
	fresh
	cp "$T/r/tasks/unapproved/one.json" "$T/one.json"
	edit two "t['signatures'] = json.load(open('$T/one.json'))['signatures']"
	"$DGRID" submit --id other --key "$T/ann" -- 'echo 3'
	"$DGRID" approve --print other >"$T/text"
	ssh-keygen -q -Y sign -n file -f "$T/ann" <"$T/text" >"$T/sig"
	edit other "t['signatures'][0]['signature'] = open('$T/sig').read()"
	"$DGRID" submit --id junk --key "$T/ann" -- 'echo 4'
	edit junk "t['signatures'][0]['signature'] = '-----BEGIN SSH SIGNATURE-----\\nAAAA\\n-----END SSH SIGNATURE-----\\n'"
	"$DGRID" submit --id shape --key "$T/ann" -- 'echo 5'
	edit shape "t['signatures'] = 'yes'"
	"$DGRID" submit --id empty --key "$T/ann" -- 'echo 6'
	edit empty "t['signatures'] = []"
	work
	refused two 'allowed_signers'
	refused other 'allowed_signers'
	refused junk 'allowed_signers'
	refused shape 'signatures: not valid (expected an array'
	refused empty 'not signed'
}

@test "what anybody can sign by hand: the bytes that approve --print shows" {
	smuggle byhand ann "echo 'a b'"
	work
	ledger_has completed byhand
}

@test "nobody enrols himself: not in the same commit, not by a branch that takes the key away again, not afterwards" {
	mkdir "$T/x"
	sign() { task_file "$T/x/$1.json" "$1" 'touch pwned' && sign_file "$T/x/$1.json" eve; }
	both="$(printf 'ann@example.invalid %s\neve@example.invalid %s' "$(pub ann)" "$(pub eve)")"
	# Key and task in one commit, the key gone again in the next: it was never there before the task.
	sign same
	fresh
	cp "$T/x/same.json" "$T/r/tasks/queue/same.json"
	echo "$both" >"$T/r/allowed_signers"
	land 'both at once'
	# A branch that adds the key, adds the task, and takes the key away: its merge shows only the task.
	enrol "ann@example.invalid $(pub ann)"
	sign branch
	tgit -C "$T/r" switch -qc side
	echo "$both" >"$T/r/allowed_signers"
	tgit -C "$T/r" commit -qam 'key'
	cp "$T/x/branch.json" "$T/r/tasks/queue/branch.json"
	tgit -C "$T/r" add -A
	tgit -C "$T/r" commit -qm 'task'
	echo "ann@example.invalid $(pub ann)" >"$T/r/allowed_signers"
	tgit -C "$T/r" commit -qam 'no key'
	tgit -C "$T/r" switch -q main
	tgit -C "$T/r" merge -q --no-ff --no-edit side
	tgit -C "$T/r" push -q origin HEAD:main
	# The task first, the key later.
	sign early
	cp "$T/x/early.json" "$T/r/tasks/queue/early.json"
	land early
	enrol "$both"
	# And a task that comes after its signer was enrolled is fine.
	sign late
	cp "$T/x/late.json" "$T/r/tasks/queue/late.json"
	land late
	work
	for id in same branch early; do refused "$id" 'allowed_signers'; done
	ledger_has completed late
}

@test "who is struck off, or whose key had expired, no longer counts" {
	enrol "ann@example.invalid $(pub ann)" "old@example.invalid valid-before=\"20200101\" $(pub eve)"
	smuggle expired eve true
	# Nor does a commit help that says it was made when the key was good.
	fresh
	task_file "$T/r/tasks/queue/dated.json" dated true
	sign_file "$T/r/tasks/queue/dated.json" eve
	GIT_COMMITTER_DATE=2019-06-01T00:00:00Z land dated
	"$DGRID" submit --id struck --key "$T/ann" -- true
	enrol "old@example.invalid $(pub eve)"
	work
	refused expired 'allowed_signers'
	refused dated 'allowed_signers'
	refused struck 'no longer in allowed_signers'
}

@test "no number of backdated commits brings an expired key back, in a worker's cut-off clone neither" {
	enrol "old@example.invalid valid-before=\"20200101\" $(pub eve)"
	fresh
	{
		local i
		for ((i = 0; i < 1001; i++)); do
			printf 'commit refs/heads/past\ncommitter e <e@e> 1559347200 +0000\ndata 1\nx\n'
			((i)) || printf 'from %s\n' "$(tgit -C "$T/r" rev-parse HEAD)"
		done
	} | tgit -C "$T/r" fast-import --quiet
	tgit -C "$T/r" reset -q --hard past
	task_file "$T/r/tasks/queue/dated.json" dated true
	sign_file "$T/r/tasks/queue/dated.json" eve
	GIT_COMMITTER_DATE=2019-06-01T00:00:00Z land dated
	work
	refused dated 'allowed_signers'
	run -0 "$DGRID" why dated
	[[ "$output" == *"allowed_signers"* ]]
	"$DGRID" audit >/dev/null
}

@test "approve signs what stands in unapproved, as it was seen, and queues it; other keys, agents, two signatures" {
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$T/rsa"
	ssh-keygen -q -t ed25519 -N secret -C locked -f "$T/locked"
	enrol "ann@example.invalid $(pub ann)" "rsa@example.invalid namespaces=\"dgrid-task\" $(pub rsa)" \
		"agent@example.invalid $(pub locked)"
	"$DGRID" submit --id one --unapproved -- "$(printf 'echo \033[31mred')"
	run -64 "$DGRID" approve one </dev/null
	[[ "$output" == *--yes* ]]
	run -0 --separate-stderr "$DGRID" approve --yes --key "$T/rsa" one
	[[ "$output" == *'    timeout_seconds: 60'*'    echo  [31mred'* && "$output" == *'approved one'* ]]
	# env decides what runs, so it is shown; a key that does not count changes nothing.
	printf '{"task_id": "env", "script": "eval \\"$A\\"", "timeout_seconds": 20, "env": {"A": "echo gotcha"}}' >"$T/env.json"
	"$DGRID" submit --unapproved "$T/env.json"
	run -77 --separate-stderr "$DGRID" approve --yes --key "$T/eve" env
	[[ "$output" == *'env: {"A":"echo gotcha"}'* && "$stderr" == *"would not run"* ]]
	ledger_has unapproved env
	run -1 "$DGRID" approve --yes --key "$T/rsa" one
	[[ "$output" == *'in queue'* ]]
	run -66 "$DGRID" approve --yes --key "$T/rsa" nothing
	# A key with a passphrase: refused by itself, fine through an agent.
	run -77 "$DGRID" submit --id two --key "$T/locked" -- true
	[[ "$output" == *ssh-add* ]]
	spawn "$T/agent.log" ssh-agent -D -a "$T/agent.sock"
	wait_until 10 test -S "$T/agent.sock"
	printf '#!/bin/sh\necho secret\n' >"$T/askpass"
	chmod +x "$T/askpass"
	SSH_AUTH_SOCK=$T/agent.sock SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force ssh-add -q "$T/locked"
	rm "$T/locked"
	SSH_AUTH_SOCK=$T/agent.sock "$DGRID" submit --id two --key "$T/locked.pub" -- true
	# Eve's signature and ann's: one good one is enough.
	"$DGRID" submit --id three --unapproved --key "$T/eve" -- true
	DGRID_SIGNING_KEY=$T/ann "$DGRID" approve --yes three
	work
	for id in one two three; do ledger_has completed "$id"; done
	[[ "$(ledger_json completed one)" == *'"approved_by"'*'ann <ann@example.invalid>'* ]]
}

@test "promotion leaves what nobody signed for an approver" {
	fresh
	for id in signed bare; do task_file "$T/r/tasks/unapproved/$id.json" "$id" true; done
	sign_file "$T/r/tasks/unapproved/signed.json" ann
	land 'two submissions'
	run "$DGRID" promote
	[[ "$output" == *'not signed'*'dgrid approve bare'* ]]
	ledger_has queue signed
	ledger_has unapproved bare
	run -0 "$DGRID" why bare
	[[ "$output" == *'waits for somebody in allowed_signers'* ]]
	"$DGRID" approve --yes --key "$T/ann" bare
	work
	for id in signed bare; do ledger_has completed "$id"; done
}

@test "validate says of a signature whether it counts, of a file and of a pull request" {
	mkdir "$T/x"
	for who in ann eve; do
		task_file "$T/x/by-$who.json" "by-$who" true
		sign_file "$T/x/by-$who.json" "$who"
	done
	run -0 "$DGRID" validate "$T/x/by-ann.json"
	run -65 --separate-stderr "$DGRID" validate "$T/x/by-eve.json"
	[[ "$output" == *"by-eve.json:5:"*"signatures: its signature is not one that allowed_signers allowed"* ]]
	fresh
	for who in ann eve; do
		tgit -C "$T/r" switch -qc "$who" main
		cp "$T/x/by-$who.json" "$T/r/tasks/unapproved/"
		tgit -C "$T/r" add -A
		tgit -C "$T/r" commit -qm "by $who"
	done
	run -0 "$DGRID" -C "$T/r" validate --pr main..ann
	run -65 --separate-stderr "$DGRID" -C "$T/r" validate --pr main..eve
	[[ "$output" == *"by-eve.json:5:"*"signatures: its signature is not one"* ]]
}

@test "a signed task stays signed through failed attempts, retries and healing" {
	settings '"require_signed_tasks": true, "retry_backoff_seconds": 1'
	printf '{"task_id": "again", "script": "exit 3", "timeout_seconds": 20, "max_attempts": 2, "retry_on_failure": true}' \
		>"$T/again.json"
	"$DGRID" submit --key "$T/ann" "$T/again.json"
	work
	[ "$(ledger_json failed again | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["attempts"]))')" = 2 ]
	"$DGRID" retry again
	work
	[[ "$(ledger_json failed again)" == *'"outcome": "retried"'* ]]
	[[ "$(reason again)" == failed* ]]
}

@test "a task that came before the clone's history is found by deepening it" {
	"$DGRID" submit --id deep --key "$T/ann" -- true
	fresh
	for i in $(seq 130); do tgit -C "$T/r" commit -q --allow-empty -m "n $i"; done
	tgit -C "$T/r" push -q origin HEAD:main
	for id in a b; do "$DGRID" submit --id "$id" --key "$T/ann" -- true; done
	"$DGRID" --repo "file://$ORIGIN" worker --node-id n1 --engine bwrap --once --work-dir "$T/w" 2>"$T/w.log"
	for id in deep a b; do ledger_has completed "$id"; done
}

@test "without ssh-keygen a worker claims nothing, says so, and goes on when it is there" {
	mkdir "$T/bin"
	# The first of a name counts; that others are there already is no matter.
	for dir in /usr/bin /bin /usr/sbin /sbin; do ln -s "$dir"/* "$T/bin" 2>/dev/null || true; done
	rm "$T/bin/ssh-keygen"
	"$DGRID" submit --id one --key "$T/ann" -- true
	run -1 env PATH="$T/bin" "$DGRID" doctor --engine bwrap
	[[ "$output" == *'fail  signatures'*openssh-client* ]]
	PATH=$T/bin spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w"
	wait_until 20 grep -q 'no claims until this is mended: ssh-keygen' "$T/n1.log"
	ledger_has queue one
	# Nor does one that says no to everything fail a task.
	ln -s "$(command -v false)" "$T/bin/ssh-keygen"
	wait_until 60 grep -q 'does not accept a good signature' "$T/n1.log"
	ledger_has queue one
	ln -sf "$(command -v ssh-keygen)" "$T/bin/ssh-keygen"
	wait_until 60 ledger_has completed one
}
