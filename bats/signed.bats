#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets output and stderr
# A grid of signed commits: nodes and people sign, only enrolled keys can, and plain git can check it all.

setup() {
	load helpers
	LEAKS=1 common_setup
	require_bwrap
	require_command ssh-keygen
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
	tgit clone -q "$ORIGIN" "$T/r"
	settings '"require_signed_nodes": true'
}
teardown() { common_teardown; }

fresh() { tgit -C "$T/r" pull -q --no-edit origin main; }
land() { # MESSAGE: everything in the clone, onto the branch
	tgit -C "$T/r" add -A
	tgit -C "$T/r" commit -qm "$1"
	tgit -C "$T/r" push -q origin HEAD:main
}
settings() {
	fresh
	echo "{\"schema\": 1, $1}" >"$T/r/grid.json"
	land settings
}
key() { ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$T/$1"; } # NAME
print_of() { ssh-keygen -l -f "$1" | cut -d ' ' -f 2; }         # FILE
node() { # NAME: a node with a key that is enrolled
	mkdir -p "$T/$1.w"
	ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$T/$1.w/node_key"
	"$DGRID" enroll "$1" "$T/$1.w/node_key.pub" >/dev/null
}
work() { # NODE [OPTION...]
	"$DGRID" worker --node-id "$1" --engine bwrap --once --work-dir "$T/$1.w" "${@:2}" 2>"$T/$1.log"
}
submit() { for id in "$@"; do "$DGRID" submit --id "$id" -- "echo $id" >/dev/null; done; }

# Every commit of the branch that needs a signature, held by git alone against the keys of its parent: "GOOD WHO" or
# what is wrong, a line each. Commits of the archive have the keys of the ledger's own archiving commit.
verdicts() { # BRANCH
	local commit parent who list=$T/signers archiving tree='' keys
	mapfile -t archiving < <(git -C "$ORIGIN" log --reverse --format=%H --grep=': archive [0-9]* task' main)
	local k=0
	while read -r commit parent; do
		parent=${parent%% *}
		if [[ $1 == archive ]]; then
			parent=$(git -C "$ORIGIN" rev-parse "${archiving[$k]}^")
			k=$((k + 1))
		elif [[ -z $parent ]] || ! git -C "$ORIGIN" show "$parent:grid.json" | grep -q '"require_signed_nodes": true' ||
			! git -C "$ORIGIN" diff --name-only "$parent" "$commit" |
			grep -qE '^(tasks/(in_progress|completed|failed)/|tasks/archive.json|nodes/[^/]*\.json)'; then
			continue
		fi
		keys=$(git -C "$ORIGIN" ls-tree "$parent" nodes/keys nodes/people)
		if [[ $keys != "$tree" ]]; then
			: >"$list"
			git -C "$ORIGIN" ls-tree --name-only "$parent" nodes/keys/ nodes/people/ | grep '\.pub$' | while read -r file; do
				git -C "$ORIGIN" show "$parent:$file" | sed "s/^/$(basename "$file" .pub) /" >>"$list"
			done
			tree=$keys
		fi
		who=$(git -C "$ORIGIN" log -1 --format=%s "$commit" | cut -d : -f 1)
		if git -C "$ORIGIN" -c gpg.ssh.allowedSignersFile="$list" verify-commit --raw "$commit" >"$T/said" 2>&1 &&
			grep -q "Good \"git\" signature for $who with" "$T/said"; then
			echo "GOOD $who"
		else
			echo "BAD $commit $who: $(cat "$T/said")"
		fi
	done < <(git -C "$ORIGIN" log --reverse --first-parent --format='%H %P' "$1")
}

@test "two enrolled nodes run tasks, archive the oldest and leave; plain git verify-commit finds every commit good" {
	settings '"require_signed_nodes": true, "keep_finished": 2'
	node n1
	node n2
	key ann
	"$DGRID" enroll --person ann "$T/ann.pub"
	submit a1 a2 a3
	work n1 --drain-after 2
	work n2
	"$DGRID" retry --force a1 2>"$T/no" && false
	grep -q 'takes signed commits only.*DGRID_SIGNING_KEY' "$T/no"
	DGRID_SIGNING_KEY=$T/ann "$DGRID" retry --force a1
	work n2
	DGRID_SIGNING_KEY=$T/ann "$DGRID" maintain | grep -q 'archived 1 task'
	verdicts main >"$T/main"
	verdicts archive >"$T/archive"
	run ! grep -v '^GOOD ' "$T/main" "$T/archive"
	[ "$(grep -c 'GOOD n1' "$T/main")" -ge 3 ]
	[ "$(grep -c 'GOOD n2' "$T/main")" -ge 3 ]
	[ "$(grep -c 'GOOD ann' "$T/main")" = 2 ]
	[ "$(cat "$T/archive")" = 'GOOD ann' ]
	run -0 git -C "$ORIGIN" log -1 --format=%s main
	[ "$output" = 'ann: archive 1 task' ]
	"$DGRID" audit
}

@test "a worker archives with its own signature" {
	settings '"require_signed_nodes": true, "keep_finished": 1'
	node n1
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		printf '{"task_id": "b%s", "script": "true", "timeout_seconds": 20}' "$i" >"$T/b$i.json"
	done
	"$DGRID" submit "$T"/b*.json >/dev/null
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --slots 4 --work-dir "$T/n1.w"
	archived() { [ "$(git -C "$ORIGIN" log --format=%s archive 2>/dev/null | cut -d : -f 1)" = n1 ]; }
	wait_until 20 ledger_has completed b9
	submit news # a worker looks around when the branch moves
	wait_until 30 archived
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	verdicts main >"$T/main"
	verdicts archive >"$T/archive"
	run ! grep -v '^GOOD n1' "$T/main" "$T/archive"
	[ -s "$T/archive" ]
	"$DGRID" audit
}

@test "a node that is not enrolled makes a key, says what to do, claims nothing, and begins when the branch has it" {
	submit waits
	before=$(git -C "$ORIGIN" rev-parse main)
	run -77 work n1
	[ "$(stat -c %a "$T/n1.w/node_key")" = 600 ]
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$before" ]
	line=$(cut -d ' ' -f 1,2 "$T/n1.w/node_key.pub")
	grep -qF "the key $(print_of "$T/n1.w/node_key.pub") is not enrolled: the branch has no nodes/keys/n1.pub" "$T/n1.log"
	grep -qF "dgrid enroll n1 '$line'" "$T/n1.log"
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1.w"
	wait_until 10 grep -q 'is not enrolled' "$T/n1.log"
	ledger_has queue waits
	# What it printed is what somebody types.
	grep -o "dgrid enroll n1 '.*'" "$T/n1.log" | head -n 1 | sed "s|^dgrid|$DGRID|" | sh
	wait_until 20 ledger_has completed waits
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	run ! grep -v '^GOOD n1' <(verdicts main)
	"$DGRID" audit
	run -0 "$DGRID" nodes
	[[ "$output" == *"$(print_of "$T/n1.w/node_key.pub")"* ]]
}

@test "revoked while it runs: the result stays in the outbox, and is recorded once the node is enrolled again" {
	node n1
	"$DGRID" submit --id slow -- 'sleep 2; echo done' >/dev/null
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1.w"
	wait_until 10 ledger_has in_progress slow
	"$DGRID" enroll --revoke n1
	head=$(git -C "$ORIGIN" rev-parse main)
	wait_until 10 grep -q 'slow ended: success' "$T/n1.log"
	wait_until 10 grep -q 'no claims until this is mended: the key .* is not enrolled' "$T/n1.log"
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$head" ]
	[ -n "$(ls "$T/n1.w/results")" ]
	submit next
	run -0 "$DGRID" why slow
	[[ "$output" == *"node n1 is not enrolled any more (nodes/keys/n1.pub is not there)"*"dgrid enroll n1 KEY"*"dgrid heal requeues it when its lease has expired, at 20"* ]]
	run -0 "$DGRID" why next
	[[ "$output" == *"node n1 claims nothing: it is not enrolled"*"dgrid enroll n1 KEY"* && "$output" != *"nothing blocks it"* ]]
	"$DGRID" enroll n1 "$T/n1.w/node_key.pub"
	wait_until 20 ledger_has completed slow
	wait_until 20 ledger_has completed next
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	run ! grep -v '^GOOD n1' <(verdicts main)
	"$DGRID" audit
	run -0 "$DGRID" why slow
	[[ "$output" != *enrolled* ]]
	"$DGRID" enroll --revoke n1
	run -0 "$DGRID" why --json slow
	[[ "$(jq -r '.reasons[] | select(.code == "not-enrolled").text' <<<"$output")" == "node n1 is not enrolled now ("*"stays valid (see: dgrid audit)"*"dgrid rerun slow" ]]
	key ann
	"$DGRID" enroll --person ann "$T/ann.pub"
	DGRID_SIGNING_KEY=$T/ann "$DGRID" retry --force slow
	run -0 "$DGRID" why slow
	[[ "$output" == *"node n1, which had it last, is not enrolled any more"*"other nodes run the task"* ]]
	settings '"poll_seconds": 5'
	run -0 "$DGRID" why slow
	[[ "$output" != *enrolled* ]]
}

@test "a key is changed without a stop: enrol the new one, put it in its place, revoke the old one" {
	node n1
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1.w"
	submit one
	wait_until 20 ledger_has completed one
	key new
	old=$(print_of "$T/n1.w/node_key.pub")
	run -0 "$DGRID" enroll n1 "$T/new.pub"
	[[ "$output" == *'2 keys'* ]]
	submit two
	wait_until 20 ledger_has completed two
	mv "$T/new.pub" "$T/n1.w/node_key.pub"
	mv "$T/new" "$T/n1.w/node_key"
	run -66 "$DGRID" enroll --revoke n1 SHA256:none
	"$DGRID" enroll --revoke n1 "$old"
	submit three
	wait_until 20 ledger_has completed three
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	run ! grep 'not enrolled' "$T/n1.log"
	run ! grep -v '^GOOD n1' <(verdicts main)
	run -0 "$DGRID" audit
	# Who came and who went can be held against what the node printed.
	new=$(print_of "$T/n1.w/node_key.pub")
	[ "$(grep -c " notice.keys  *nodes/keys/n1.pub: added by ann: enrols $old (by ann " <<<"$output")" = 1 ]
	[ "$(grep -c " notice.keys  *nodes/keys/n1.pub: changed by ann: enrols $new (by ann " <<<"$output")" = 1 ]
	[ "$(grep -c " notice.keys  *nodes/keys/n1.pub: changed by ann: revokes $old (by ann " <<<"$output")" = 1 ]
	run -0 "$DGRID" nodes --json
	[ "$(jq -r '.keys | map(.key) | join(" ")' <<<"$output")" = "$(print_of "$T/n1.w/node_key.pub")" ]
}

@test "people: heal and cancel need an enrolled key, submit, promote and approve need none" {
	node n1
	mkdir -p "$T/r/tasks/unapproved"
	fresh
	echo '{"task_id": "merged", "script": "true", "timeout_seconds": 20}' >"$T/r/tasks/unapproved/merged.json"
	echo '{"task_id": "broken"' >"$T/r/tasks/unapproved/broken.json"
	land 'two submissions'
	"$DGRID" promote
	ledger_has queue merged
	ledger_has failed broken
	work n1
	submit gone waits
	fresh
	mkdir -p "$T/r/tasks/in_progress"
	tgit -C "$T/r" mv tasks/queue/gone.json tasks/in_progress/gone.json
	python3 - "$T/r/tasks/in_progress/gone.json" <<'PY'
import json, sys
t = json.load(open(sys.argv[1]))
t["claim"] = {"node": "n9", "attempt": 1, "nonce": "0" * 32, "claimed_at": "2026-01-01T00:00:00Z", "lease_until": "2026-01-01T00:01:00Z"}
json.dump(t, open(sys.argv[1], "w"))
PY
	land 'an old claim'
	head=$(git -C "$ORIGIN" rev-parse main)
	for verb in 'heal' 'maintain' 'cancel waits' 'retry --force merged'; do
		# shellcheck disable=SC2086 # a verb and its operand
		run -77 "$DGRID" $verb
		[[ "$output" == *'takes signed commits only'* ]]
	done
	key ann
	export DGRID_SIGNING_KEY=$T/ann
	run -77 "$DGRID" heal
	[[ "$output" == *"$(print_of "$T/ann.pub") is not enrolled: the branch has no nodes/people/ann.pub"*"dgrid enroll --person ann '"* ]]
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$head" ]
	"$DGRID" enroll --person ann "$T/ann.pub"
	GIT_USER_NAME='Ann Example' run -77 "$DGRID" cancel waits
	[[ "$output" == *"'Ann Example' is no name that a key can be enrolled for"* ]]
	run -0 "$DGRID" heal
	[[ "$output" == *'requeue gone'* ]]
	"$DGRID" cancel waits
	"$DGRID" retry --force merged
	[ "$(verdicts main | grep -c 'GOOD ann')" = 3 ]
}

@test "what another program pushes is found: unsigned, by another node's key, by one that is revoked, altered" {
	node n1
	node n2
	submit x
	work n1
	commit_as() { # NAME [KEY]: the node file of NAME, changed by hand
		fresh
		python3 - "$T/r/nodes/n1.json" <<'PY'
import json, sys
n = json.load(open(sys.argv[1]))
n["pushes"] += 1
json.dump(n, open(sys.argv[1], "w"))
PY
		tgit -C "$T/r" -c gpg.format=ssh -c user.signingKey="${2:-}" commit -qam "$1: 0 transitions" ${2:+-S}
		tgit -C "$T/r" push -q origin HEAD:main
	}
	told() { # TEXT: the newest commit breaks signed.commit, and why
		run -1 "$DGRID" audit "HEAD~1..HEAD"
		[[ "$output" == *"$(git -C "$T/r" rev-parse HEAD | cut -c 1-10)"*signed.commit*"$1"* ]] || { echo "$output"; false; }
	}
	commit_as n1 "$T/n1.w/node_key"
	"$DGRID" audit
	export DGRID_REPO_URL=$T/r
	commit_as n1
	told 'not signed'
	commit_as n1 "$T/n2.w/node_key"
	told 'signed with a key of n2'
	"$DGRID" --repo "$ORIGIN" enroll --revoke n1
	commit_as n1 "$T/n1.w/node_key"
	told "signed with a key that nobody has enrolled ($(print_of "$T/n1.w/node_key.pub"))"
	"$DGRID" --repo "$ORIGIN" enroll n1 "$T/n1.w/node_key.pub"
	commit_as n1 "$T/n1.w/node_key"
	run -0 "$DGRID" audit "HEAD~1..HEAD"
	altered=$(git -C "$T/r" cat-file commit HEAD | sed 's/^committer tester/committer nobody/' | git -C "$T/r" hash-object -t commit -w --stdin)
	tgit -C "$T/r" reset -q --hard "$altered"
	told 'does not fit'
	echo '{"schema": 1}' >"$T/r/grid.json"
	tgit -C "$T/r" commit -qam 'Trust everybody'
	run -0 "$DGRID" audit "HEAD~1..HEAD"
	[[ "$output" == *"notice.settings"*"grid.json: changed by tester, require_signed_nodes is off from here on"* ]]
}

@test "a grid.json that is not valid changes nothing: a node goes on, and goes on signing" {
	node n1
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1.w"
	submit one
	wait_until 20 ledger_has completed one
	fresh
	echo '{"task_id": "two", "script": "true", "timeout_seconds": 20}' >"$T/r/tasks/queue/two.json"
	echo '{"schema": 1, "require_signed_nodes": fals' >"$T/r/grid.json"
	land 'broken settings, and a task'
	wait_until 20 ledger_has completed two
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	grep -q 'grid.json is not valid, the settings stay as they were' "$T/n1.log"
	git -C "$ORIGIN" cat-file commit main | grep -q '^gpgsig -----BEGIN SSH SIGNATURE'
}

@test "enroll says what is wrong with a key" {
	key k
	run -65 "$DGRID" enroll n1 "$T/k"
	[[ "$output" == *"/k:1:1: this is a private key"* ]]
	run -65 "$DGRID" enroll n1 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEKq'
	[[ "$output" == *'KEY:1:13: the key'*'wrong length'* || "$output" == *'KEY:1:13: the key'*'not of the type'* ]]
	run -65 "$DGRID" enroll n1 'ssh-dss AAAAB3NzaC1kc3MAAACBAP'
	[[ "$output" == *'expected a public key as OpenSSH writes it'* ]]
	run -66 "$DGRID" enroll n1 "$T/none.pub"
	run -64 "$DGRID" enroll 'n/1' "$T/k.pub"
	run -64 "$DGRID" enroll n1
	"$DGRID" enroll n1 "$T/k.pub"
	run -65 "$DGRID" enroll n2 "$T/k.pub"
	[[ "$output" == *"is enrolled as 'n1' already"* ]]
	run -0 "$DGRID" enroll n1 "$T/k.pub"
	[[ "$output" == *'was enrolled already'* ]]
	run -0 "$DGRID" enroll --json --revoke n1
	[ "$(jq -c '[.changed, .keys]' <<<"$output")" = '[true,0]' ]
	run ! git -C "$ORIGIN" cat-file -e main:nodes/keys/n1.pub
}

@test "a pull request may add the key of one new node and nothing else; validate tells its fingerprint" {
	node n1
	fresh
	key n2
	cd "$T/r"
	base=$(git rev-parse HEAD)
	request() { # then files are made by the caller's commands
		tgit checkout -q --detach "$base"
		"$@"
		tgit add -A
		tgit commit -qm request
		HEAD=$(git rev-parse HEAD)
	}
	add_key() { cp "$T/n2.pub" nodes/keys/n2.pub; }
	request add_key
	run -0 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *"it enrols 'n2' with the key $(print_of "$T/n2.pub")"* ]]
	run -0 "$DGRID" validate --json --pr "$base..$HEAD"
	[ "$(jq -r .enrolls.key <<<"$output")" = "$(print_of "$T/n2.pub")" ]
	with_task() { add_key && mkdir -p tasks/unapproved && echo '{"task_id": "x", "script": "true", "timeout_seconds": 10}' >tasks/unapproved/x.json; }
	request with_task
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'a key and tasks in one request'* ]]
	two() { add_key && cp "$T/n2.pub" nodes/keys/n3.pub; }
	request two
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'2 keys in one request'* ]]
	other() { cat "$T/n2.pub" >>nodes/keys/n1.pub; }
	request other
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'nodes/keys/n1.pub:1:1: is changed'* ]]
	cased() { cp "$T/n2.pub" nodes/keys/N1.pub; }
	request cased
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'"N1" is enrolled already, as "n1"'* ]]
	stolen() { cp nodes/keys/n1.pub nodes/keys/n2.pub; }
	request stolen
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'is that of "n1" already'* ]]
	pair() { cat "$T/n2.pub" nodes/keys/n1.pub >nodes/keys/n2.pub; }
	request pair
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'2 keys (expected one)'* ]]
	junk() { echo 'n1 ssh-ed25519 AAAA' >nodes/keys/n2.pub; }
	request junk
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'nodes/keys/n2.pub:1:1: expected a public key'* ]]
	runs() { add_key && chmod +x nodes/keys/n2.pub; }
	request runs
	run -65 "$DGRID" validate --pr "$base..$HEAD"
	[[ "$output" == *'is executable, mode 100755'* ]]
}

@test "doctor: is there a key, is it for its owner alone, is it enrolled?" {
	finding() { NODE_ID=n1 "$DGRID" doctor --json --engine bwrap | jq -r '.findings[] | select(.check == "node key") | .status + ": " + .found + " / " + (.mend // "")'; }
	[[ "$(finding)" == "warn: "*"no key"*"start dgrid worker"* ]]
	key n1
	export DGRID_NODE_KEY=$T/n1
	[[ "$(finding)" == "fail: "*"is not enrolled as n1 / "*"dgrid enroll n1 'ssh-ed25519 "* ]]
	"$DGRID" enroll n1 "$T/n1.pub"
	[[ "$(finding)" == "ok: "*"$(print_of "$T/n1.pub") is enrolled as n1"* ]]
	chmod 644 "$T/n1"
	[[ "$(finding)" == "fail: others than you may read"* ]]
	run -77 "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w"
	[[ "$output" == *"cannot use the key"* ]]
}

@test "--signing-key signs where nothing requires it; a key with a passphrase is an agent's" {
	settings '"title": "free"'
	key n1
	submit free
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w" --signing-key "$T/n1" 2>"$T/log"
	ledger_has completed free
	[ "$(git -C "$ORIGIN" log --format=%B%N main | grep -c .)" -gt 0 ]
	git -C "$ORIGIN" cat-file commit "$(git -C "$ORIGIN" log --format=%H --grep='n1: claim free' main)" | grep -q '^gpgsig -----BEGIN SSH SIGNATURE'
	settings '"require_signed_nodes": true'
	ssh-keygen -q -t ed25519 -N secret -C locked -f "$T/locked"
	"$DGRID" enroll n2 "$T/locked.pub"
	eval "$(ssh-agent -s)" >/dev/null
	echo "$SSH_AGENT_PID" >>"$PIDS_FILE"
	printf '#!/bin/sh\necho secret\n' >"$T/askpass" && chmod +x "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force ssh-add -q "$T/locked" </dev/null
	submit locked
	"$DGRID" worker --node-id n2 --engine bwrap --once --work-dir "$T/w2" --signing-key "$T/locked.pub" 2>"$T/log"
	ledger_has completed locked
	run ! grep -v '^GOOD n2' <(verdicts main)
	"$DGRID" audit
}

@test "a grid of 0.1.0 is told who its people are: until then a name without a node file is one, from then on none" {
	# As 0.1.0 made it.
	fresh
	tgit -C "$T/r" checkout -q --orphan old
	tgit -C "$T/r" rm -qf nodes/people/.gitkeep
	tgit -C "$T/r" commit -qm 'Make this repository a dgrid grid'
	tgit -C "$T/r" push -qf origin HEAD:main
	key ann
	key evil
	key mallory
	fresh
	mkdir -p "$T/r/nodes/keys"
	cp "$T/ann.pub" "$T/evil.pub" "$T/r/nodes/keys/"
	land keys
	submit a b
	DGRID_SIGNING_KEY=$T/ann "$DGRID" cancel a # as 0.1.0 took it
	"$DGRID" audit
	run -0 "$DGRID" nodes
	grep -E '^ann +person +SHA256' <<<"$output"
	key n1
	run -65 "$DGRID" enroll n1 "$T/n1.pub"
	[[ "$output" == *"does not say which of its keys are people's (ann, evil have no node file)"*"dgrid enroll --person NAME"* ]]
	mkdir -p "$T/n1.w"
	cp "$T/n1" "$T/n1.w/node_key"
	cp "$T/n1.pub" "$T/n1.w/node_key.pub"
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	export DGRID_SIGNING_KEY=$T/ann
	NODE_ID=evil DGRID_NODE_KEY=$T/evil run "$DGRID" doctor --engine bwrap
	[[ "$output" == *"does not say which keys are people's"*"dgrid enroll --person NAME"* ]]
	# The hook takes no other change of settings or keys before that.
	run -77 "$DGRID" config keep_finished 100
	[[ "$output" == *"which of its keys are people's"*"dgrid enroll --person NAME"* ]]
	run -0 "$DGRID" enroll --person ann
	[ "$output" = "ann: its keys enrolled as a person's (nodes/people/ann.pub, 1 key)" ]
	run -0 "$DGRID" enroll --person ann
	[[ "$output" == *'was enrolled already'* ]]
	"$DGRID" enroll n1 "$T/n1.pub"
	run -65 "$DGRID" enroll --person evil # it is a node now
	[[ "$output" == *"'evil' is a node of this grid"* ]]
	run -65 "$DGRID" enroll ann "$T/n1.pub"
	# A key that is a node's does nothing of a person's, though no node file bears its name: dgrid says so, and a hand is refused.
	export DGRID_SIGNING_KEY=$T/evil GIT_USER_NAME=evil
	run -77 "$DGRID" pause --all
	[[ "$output" == *"is that of the node evil, and this takes a person's"* ]]
	run -77 "$DGRID" cancel b
	run -77 "$DGRID" config require_signed_nodes false
	run -77 "$DGRID" enroll --person mallory "$T/mallory.pub"
	local as
	for as in evil ann; do
		fresh
		tgit -C "$T/r" reset -q --hard origin/main
		echo '{"schema": 1}' >"$T/r/grid.json"
		tgit -C "$T/r" add -A
		tgit -C "$T/r" -c user.name="$as" -c gpg.format=ssh -c user.signingKey="$T/evil" commit -qaS -m 'off'
		run ! tgit -C "$T/r" push -q origin HEAD:main
		[[ "$output" == *'node.scope: grid.json'* ]]
	done
	unset DGRID_SIGNING_KEY
	GIT_USER_NAME=ann work n1
	ledger_has completed b
	run -0 "$DGRID" nodes --json
	[ "$(jq -r '.keys[] | "\(.name) \(.node)"' <<<"$output" | sort | xargs)" = 'ann false evil true n1 true' ]
	"$DGRID" audit
}
