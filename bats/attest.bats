#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets output and stderr
# dgrid attest: a statement about a run in the forms that are published, signed by a key of the grid; --verify finds every
# value that the ledger does not bear out, and every signature that counts for nothing.

setup() {
	load helpers
	LEAKS=1 common_setup
	require_bwrap
	require_command ssh-keygen
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
	ssh-keygen -q -t ed25519 -N '' -C ann -f "$T/ann"
	mkdir "$T/w"
	ssh-keygen -q -t ed25519 -N '' -C n1 -f "$T/w/node_key"
	"$DGRID" enroll n1 "$T/w/node_key.pub" >/dev/null
	"$DGRID" enroll --person ann "$T/ann.pub" >/dev/null
	export DGRID_SIGNING_KEY=$T/ann
}
teardown() { common_teardown; }

intoto() { python3 "$REPO_ROOT/bats/intoto.py" "$@"; }
work() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w" 2>"$T/n1.log"; }
# FILE about TASK: re-sealed by KEY in NAMESPACE
reseal() { intoto seal "$1" "$2" "$3" "${@:4}"; }

@test "what ran is attested by a node and by a person, in the published forms; a copy on disk is enough to check it" {
	echo given >"$T/data.txt"
	"$DGRID" submit --id build --input "data=$T/data.txt" --env A=b -- 'cat /in/data >/out/made; echo said; echo warned >&2'
	"$DGRID" submit --id sweep --array 1-2 --chunk 2 -- 'echo "point $DGRID_POINT"'
	work
	run -0 "$DGRID" attest --key "$T/w/node_key" -o "$T/build.json" build
	[ -z "$output" ]
	intoto check "$T/build.json"
	# By ssh-keygen alone: docs/AUDIT.md says how the signature is made.
	intoto pae "$T/build.json" >"$T/pae"
	intoto armor "$T/build.json" >"$T/sig"
	echo "n1 $(cut -d ' ' -f 1,2 "$T/w/node_key.pub")" >"$T/signers"
	ssh-keygen -Y verify -n dgrid-attest -I n1 -f "$T/signers" -s "$T/sig" <"$T/pae"
	# What it says is what the ledger and git say.
	doc=$(ledger_json completed build)
	python3 - "$T/build.json" "$doc" "$(git -C "$ORIGIN" rev-parse main:tasks/completed/build.json)" \
		"$(git -C "$ORIGIN" log --format=%H -1 --diff-filter=A main -- tasks/in_progress/build.json)" \
		"$(git -C "$ORIGIN" log --format=%H -1 --diff-filter=A main -- tasks/completed/build.json)" <<-'PY'
		import base64, hashlib, json, sys
		s = json.loads(base64.b64decode(json.load(open(sys.argv[1]))["payload"]))
		doc, blob, claim, ended = json.loads(sys.argv[2]), *sys.argv[3:]
		of = {r["name"]: r["digest"] for r in s["subject"]}
		assert of["out"] == {"gitTree": doc["result"]["out"]["tree"]}, of
		assert of["stdout"] == {"sha256": hashlib.sha256(b"said\n").hexdigest()}, of
		assert of["stderr"] == {"sha256": hashlib.sha256(b"warned\n").hexdigest()}, of
		assert of["tasks/completed/build.json"] == {"gitBlob": blob}, of
		build, run = s["predicate"]["buildDefinition"], s["predicate"]["runDetails"]
		from_ = {r["name"]: r["digest"] for r in build["resolvedDependencies"]}
		assert from_["claim"] == {"gitCommit": claim}, from_
		assert from_["in/data"] == {"gitTree": doc["inputs"]["data"]["tree"]}, from_
		given = build["externalParameters"]
		assert given["script"]["digest"]["sha256"] == hashlib.sha256(doc["script"].encode()).hexdigest()
		assert given["task"]["env"] == {"A": "b"} and "script" not in given["task"], given
		assert run["builder"]["id"].endswith("/node/n1") and run["metadata"]["invocationId"] == doc["result"]["nonce"]
		assert run["byproducts"] == [{"name": "result", "digest": {"gitCommit": ended}}], run
	PY
	run -0 "$DGRID" attest --verify "$T/build.json"
	[[ $output == *"ended in $(git -C "$ORIGIN" log --format=%h --abbrev=10 -1 -- tasks/completed/build.json) by node n1: as the ledger has it"* ]]
	[[ $output == *"signed by n1 (SHA256:"*", a key of that node)" ]]
	# A person, on stdout, of a task with points; by a copy and a bundle, far from the grid.
	"$DGRID" attest "$(ledger_ls completed | grep sweep)" >"$T/sweep.json"
	intoto check "$T/sweep.json"
	intoto payload "$T/sweep.json" | grep -q '"points/1/stdout"'
	git clone -q --bare "$ORIGIN" "$T/copy.git"
	git -C "$ORIGIN" bundle create -q "$T/grid.bundle" --all
	git clone -q --bare "$T/grid.bundle" "$T/unbundled.git"
	mv "$ORIGIN" "$T/gone"
	run -0 "$DGRID" --repo "$T/copy.git" attest --verify "$T/sweep.json"
	[[ $output == *"signed by ann (SHA256:"*", a key of that person)" ]]
	run -0 "$DGRID" --repo "$T/unbundled.git" attest --verify - --json <"$T/build.json"
	[[ $(jq -c '[.verdict, .task_id, .signed_by, .signed_as, .differences]' <<<"$output") == '["good","build","n1","node",[]]' ]]
	git clone -q --bare --depth 1 "file://$T/copy.git" "$T/shallow.git"
	run -69 --separate-stderr "$DGRID" --repo "$T/shallow.git" attest --verify "$T/build.json"
	[[ $stderr == *"this copy is shallow"* ]]
}

@test "every value that is not the ledger's is named, though a key of the grid signed it" {
	echo given >"$T/data.txt"
	"$DGRID" submit --id x --input "data=$T/data.txt" --env A=b -- 'echo made >/out/made; echo said'
	work
	"$DGRID" attest x >"$T/x.json"
	intoto alter "$T/x.json" >"$T/altered"
	reseal "$T/altered" "$T/ann" dgrid-attest >"$T/altered.json"
	run -1 --separate-stderr "$DGRID" attest --verify "$T/altered.json" --json
	[ "$(jq -r '.differences[].field' <<<"$output" | sort)" = "$(intoto leaves "$T/x.json" | sort)" ]
	[ "$(jq -r .verdict <<<"$output")" = differs ]
	# In words; what is left out or added is a difference, too.
	intoto payload "$T/x.json" | jq -c '.predicate.runDetails.metadata.startedOn = "2020-01-01T00:00:00Z"
		| del(.subject[0]) | .predicate.buildDefinition.internalParameters.more = true' >"$T/altered"
	reseal "$T/altered" "$T/ann" dgrid-attest >"$T/altered.json"
	run -1 --separate-stderr "$DGRID" attest --verify "$T/altered.json"
	[[ $output == *'predicate.runDetails.metadata.startedOn: found "2020-01-01T00:00:00Z", the ledger has "20'* ]]
	[[ $output == *'internalParameters.more: found true, the ledger has nothing'* ]]
	[[ $output == *"subject[3]: found nothing, the ledger has {"* ]]
	[[ $stderr == *"altered.json differs from the ledger in "*" fields"* ]]
	# Another commit is no end of it; another task is none of the grid.
	first=$(git -C "$ORIGIN" rev-list --max-parents=0 main)
	intoto payload "$T/x.json" | jq -c --arg c "$first" '.predicate.runDetails.byproducts[0].digest.gitCommit = $c' >"$T/altered"
	reseal "$T/altered" "$T/ann" dgrid-attest >"$T/altered.json"
	run -1 --separate-stderr "$DGRID" attest --verify "$T/altered.json"
	[[ $stderr == *"commit ${first:0:20} of this grid brought no result of task 'x'"* ]]
	intoto payload "$T/x.json" | jq -c '.predicate.buildDefinition.externalParameters.task.task_id = "y"' >"$T/altered"
	reseal "$T/altered" "$T/ann" dgrid-attest >"$T/altered.json"
	run -66 --separate-stderr "$DGRID" attest --verify "$T/altered.json"
	[[ $stderr == *"no task 'y' in this grid"* ]]
}

@test "a signature counts by the keys that the grid enrols; a file that is no attestation says why" {
	"$DGRID" submit --id x -- 'echo said'
	"$DGRID" submit --id waits -- true
	run -1 --separate-stderr "$DGRID" attest x
	[[ $stderr == *"task 'x' has not ended: it is in queue"* ]]
	run -66 --separate-stderr "$DGRID" attest nobody
	"$DGRID" cancel waits
	work
	run -1 --separate-stderr "$DGRID" attest waits
	[[ $stderr == *"task 'waits' never ran: there is nothing to attest"* ]]
	# No key, a stranger's key, the right key for another purpose, the right signature of another text.
	run -64 --separate-stderr env -u DGRID_SIGNING_KEY "$DGRID" attest x
	[[ $stderr == *"no key to sign with: give --key FILE"* ]]
	ssh-keygen -q -t ed25519 -N '' -f "$T/stranger"
	run -77 --separate-stderr "$DGRID" attest --key "$T/stranger" -o "$T/none.json" x
	[[ $stderr == *"is none that this grid enrols"* ]]
	[ ! -e "$T/none.json" ]
	"$DGRID" attest x >"$T/x.json"
	intoto payload "$T/x.json" >"$T/statement"
	reseal "$T/statement" "$T/stranger" dgrid-attest >"$T/bad.json"
	run -1 --separate-stderr "$DGRID" attest --verify "$T/bad.json"
	[[ $stderr == *"no signature counts"* ]]
	reseal "$T/statement" "$T/ann" git >"$T/bad.json"
	run -1 "$DGRID" attest --verify "$T/bad.json"
	jq -c --arg p "$(printf '%s ' "$(cat "$T/statement")" | base64 -w 0)" '.payload = $p' "$T/x.json" >"$T/bad.json"
	run -1 --separate-stderr "$DGRID" attest --verify "$T/bad.json"
	[[ $stderr == *"no signature counts"* ]]
	# Either alphabet of base64, no keyid; one good signature among others.
	reseal "$T/statement" "$T/ann" dgrid-attest --url-safe >"$T/url.json"
	"$DGRID" attest --verify "$T/url.json"
	jq -c --slurpfile o "$T/x.json" '.signatures += $o[0].signatures' <(reseal "$T/statement" "$T/stranger" dgrid-attest) >"$T/two.json"
	"$DGRID" attest --verify "$T/two.json"
	# allowed_signers counts by its own rules.
	tgit clone -q "$ORIGIN" "$T/r"
	echo "bob namespaces=\"dgrid-task\" $(cut -d ' ' -f 1,2 "$T/stranger.pub")" >"$T/r/allowed_signers"
	tgit -C "$T/r" add -A && tgit -C "$T/r" commit -qm list && tgit -C "$T/r" push -q origin HEAD:main
	reseal "$T/statement" "$T/stranger" dgrid-attest >"$T/bob.json"
	run -1 "$DGRID" attest --verify "$T/bob.json"
	sed -i 's/dgrid-task/dgrid-task,dgrid-attest/' "$T/r/allowed_signers"
	tgit -C "$T/r" commit -qam list && tgit -C "$T/r" push -q origin HEAD:main
	run -0 "$DGRID" attest --verify "$T/bob.json"
	[[ $output == *"signed by bob (SHA256:"*", allowed_signers)" ]]
	# Malformed, field by field.
	for change in 'del(.payload)|payload: expected base64' '.payload += "!"|payload: expected base64' \
		'.payloadType = "text/plain"|payloadType: expected' '.signatures = []|signatures: expected an array' \
		'.signatures[0].sig = "!"|signatures[0].sig: expected base64' '.signatures[0].keyid = 1|signatures[0].keyid: expected a string'; do
		jq -c "${change%%|*}" "$T/x.json" >"$T/bad.json"
		run -65 --separate-stderr "$DGRID" attest --verify "$T/bad.json"
		[[ $stderr == *"bad.json is no attestation: ${change#*|}"* ]] || { echo "$change: $stderr" >&2; return 1; }
	done
	echo '{' >"$T/bad.json"
	run -65 --separate-stderr "$DGRID" attest --verify "$T/bad.json"
	[[ $stderr == *"bad.json:"* ]]
	run -66 "$DGRID" attest --verify "$T/nowhere.json"
	jq -c 'del(.predicate.runDetails.byproducts)' "$T/statement" >"$T/altered"
	reseal "$T/altered" "$T/ann" dgrid-attest >"$T/bad.json"
	run -65 --separate-stderr "$DGRID" attest --verify "$T/bad.json"
	[[ $stderr == *"predicate.runDetails.byproducts: expected the commit of the result"* ]]
}

@test "archived, retried and used again: each result keeps its statement; a key that was struck off counts as of then" {
	grid_settings '"keep_finished": 1, "min_timeout_seconds": 1'
	"$DGRID" submit --id x --checkpoint --timeout 1 -- 'echo half >/out/half; sleep 60'
	work
	"$DGRID" attest x >"$T/first.json"
	landed=$(git -C "$ORIGIN" log -1 --format=%H --diff-filter=A main -- tasks/failed/x.json)
	"$DGRID" retry x
	run -1 "$DGRID" attest x
	"$DGRID" attest --verify "$T/first.json"
	work
	"$DGRID" attest --key "$T/w/node_key" x >"$T/second.json"
	# What it began from is what the first left.
	left=$(intoto payload "$T/first.json" | jq -er '.subject[] | select(.name == "out").digest.gitTree')
	[ "$(intoto payload "$T/second.json" | jq -r '.predicate.buildDefinition.resolvedDependencies[] | select(.name == "checkpoint").digest.gitTree')" = "$left" ]
	"$DGRID" submit --id y1 -- true
	"$DGRID" submit --id y2 -- true
	work
	"$DGRID" maintain
	run -0 git -C "$ORIGIN" ls-tree -r --name-only archive
	[[ $output == *"/x.json"* ]]
	"$DGRID" attest --key "$T/w/node_key" x >"$T/again.json"
	[ "$(intoto payload "$T/again.json")" = "$(intoto payload "$T/second.json")" ]
	for f in first second again; do "$DGRID" attest --verify "$T/$f.json"; done
	[ "$(intoto payload "$T/first.json")" != "$(intoto payload "$T/second.json")" ]
	"$DGRID" enroll --revoke ann >/dev/null
	run -1 --separate-stderr "$DGRID" attest --verify "$T/first.json"
	[[ $stderr == *"is not enrolled any more; it was when the result came (by the keys of then: --at ${landed:0:10})"* ]]
	run -0 "$DGRID" attest --verify "$T/first.json" --at "${landed:0:10}"
	run -77 "$DGRID" attest x
}
