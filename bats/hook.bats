#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets stderr
# A bare repository that judges every push: honest grids go on in it, frauds are refused, and it fails closed.

setup() {
	load helpers
	common_setup
	mkdir "$T/bin" "$T/fake"
	cp "$BATS_TEST_DIRNAME/fake-docker" "$T/bin/docker"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann
}
teardown() { common_teardown; }

work() { # NODE OPTIONS...
	"$DGRID" worker --node-id "$1" --engine docker --once --work-dir "$T/w-$1" "${@:2}" 2>"$T/log-$1"
}
clone() {
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
}
# refused RULE GIT-PUSH-ARGUMENTS...: the push fails, says the rule, and changes no ref
refused() {
	local rule=$1 before
	shift
	before=$(git -C "$ORIGIN" for-each-ref)
	run tgit -C "$T/c" push "$@"
	[ "$status" -ne 0 ]
	grep -q "^remote: dgrid: $rule: " <<<"$output"
	[[ "$output" == *"remote: dgrid: nothing is taken: this push breaks the ledger's rules"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
}
hand() { # FILE PYTHON-ON-d MESSAGE: a commit by hand
	python3 - "$T/c/$1" "$2" <<-'PY'
		import json, sys
		d = json.load(open(sys.argv[1]))
		exec(sys.argv[2])
		json.dump(d, open(sys.argv[1], "w"), indent=2)
	PY
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm "$3"
}

@test "init --bare --hook makes a repository that judges; an honest grid lives in it whole" {
	rm -rf "$ORIGIN"
	run -0 "$DGRID" init --bare --hook "$ORIGIN"
	[[ "$output" == *"grid made on branch main"*"every push to it is judged"* ]]
	[ "$(git -C "$ORIGIN" config receive.fsckObjects) $(git -C "$ORIGIN" config receive.denyNonFastForwards) $(git -C "$ORIGIN" config receive.denyDeletes)" = "true true true" ]
	clone
	echo '{"schema": 1, "keep_finished": 2, "retry_backoff_seconds": 1, "min_timeout_seconds": 1, "heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 1}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q
	# A request, merged and promoted.
	echo '{"task_id": "offer", "script": "echo offered", "timeout_seconds": 30}' >"$T/c/tasks/unapproved/offer.json"
	tgit -C "$T/c" checkout -q -b offer
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm offer
	tgit -C "$T/c" push -q origin offer
	tgit -C "$T/c" checkout -q main
	tgit -C "$T/c" merge -q --no-ff -m 'Merge the offer' offer
	tgit -C "$T/c" tag v1
	tgit -C "$T/c" push -q origin main v1
	"$DGRID" promote
	for i in 1 2 3; do "$DGRID" submit --id "t$i" -- "echo $i" >/dev/null; done
	"$DGRID" submit --id fails -- 'exit 3' >/dev/null
	"$DGRID" submit --id unwanted -- 'true' >/dev/null
	"$DGRID" cancel unwanted
	work n1 --slots 2
	"$DGRID" retry fails
	"$DGRID" submit --replace --id unwanted -- true >/dev/null
	# A node that dies with a claim; another heals and runs it, while it beats.
	touch "$T/fake/slow"
	"$DGRID" submit --id orphan -- 'echo orphan' >/dev/null
	spawn "$T/log-n2" "$DGRID" worker --node-id n2 --slots 3 --engine docker --work-dir "$T/w-n2"
	wait_until 20 ledger_has in_progress orphan
	kill -KILL "$SPAWNED"
	rm "$T/fake/slow"
	spawn "$T/log-n3" "$DGRID" worker --node-id n3 --engine docker --work-dir "$T/w-n3"
	ended() { "$DGRID" status --json | python3 -c 'import json, sys; c = json.load(sys.stdin)["counts"]; sys.exit(c["queue"] + c["in_progress"] > 0)'; }
	wait_until 60 ended
	git -C "$ORIGIN" for-each-ref | grep -q refs/dgrid/heartbeats/n3
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	"$DGRID" maintain
	[ "$(git -C "$ORIGIN" ls-tree -r --name-only archive | wc -l)" = 6 ]
	"$DGRID" audit --record
	run ! grep -h 'declined\|refused' "$T"/log-*
	git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/audit
	# What is not dgrid's is free.
	git -C "$ORIGIN" rev-parse -q --verify refs/heads/offer
	git -C "$ORIGIN" rev-parse -q --verify refs/tags/v1
}

@test "frauds are refused with the rule, the branch stays as it is, and the honest worker goes on" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	"$DGRID" submit --id t1 -- 'echo one' >/dev/null
	"$DGRID" submit --id t2 -- 'echo two' >/dev/null
	work n1
	"$DGRID" submit --id t3 -- 'echo three' >/dev/null
	clone
	hand tasks/completed/t1.json 'd["result"]["stdout"] = "else\n"' 'better so'
	refused result.frozen origin main
	clone
	hand tasks/queue/t3.json 'd["script"] = "echo evil"' 'n1: claim t3'
	refused task.fields origin main
	# Several at once; a good commit before does not help.
	clone
	echo x >"$T/c/notes"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm notes
	rm "$T/c/tasks/completed/t1.json"
	echo x >"$T/c/tasks/queue/x.txt"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm $'evil \e[2J'
	refused place.path origin main
	[[ "$output" == *"remote: dgrid: result.frozen: tasks/completed/t1.json: "* || "$output" == *"remote: dgrid: archive.lost: tasks/completed/t1.json: "* ]]
	[[ "$output" != *$'\e'* ]]
	# History: set back, deleted, replaced, and refs that nobody reads or that stand in the way.
	clone
	tgit -C "$T/c" reset -q --hard HEAD~1
	refused history.rewritten --force origin main
	refused history.rewritten origin :main
	refused ref.name origin main:refs/dgrid/heartbeats/a/b
	refused ref.name origin 'main:refs/dgrid/heartbeats/n1.x'
	refused ref.name origin main:refs/dgrid/whatever
	refused ref.name origin main:refs/heads/Main
	refused ref.name origin main:refs/heads/refs/heads/main
	refused ref.name origin main:refs/tags/refs/heads/archive
	refused ref.name origin main:refs/tags/main
	refused ref.name origin main:refs/tags/Archive
	refused ref.name origin main:refs/main
	refused ref.name origin main:refs/tags/refs/dgrid/heartbeats/n1
	refused ref.replace origin main:refs/replace/0123456789012345678901234567890123456789
	# With it goes what came in the same push, even a tag.
	tgit -C "$T/c" tag innocent
	refused ref.name origin innocent main:refs/dgrid/tails/a/b
	# dgrid's own verbs tell it too.
	sed -i 's/hook pre-receive/hook post-receive/' "$ORIGIN/hooks/pre-receive"
	run -77 "$DGRID" submit --id t4 -- true
	[[ "$output" == *"hook: expected the hook's name, pre-receive or reference-transaction, found post-receive"* ]]
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	work n1
	[ "$(ledger_ls completed | tr '\n' ' ')" = 't1 t2 t3 ' ]
	"$DGRID" audit
}

@test "a date that would put an honest commit in a false light is not taken: beyond two clocks' skew back, one's forward" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	"$DGRID" submit --id t1 -- 'echo one' >/dev/null
	work n1
	dated() { # SECONDS ARGUMENTS...
		local at
		clone
		at=$(($(date +%s) + $1))
		GIT_AUTHOR_DATE=@$at GIT_COMMITTER_DATE=@$at tgit -C "$T/c" commit -q --allow-empty -m "$2"
	}
	dated -150 'n1: submit zz'
	refused commit.time origin main
	dated -90 'n1: submit zz'
	tgit -C "$T/c" push -q origin main
	dated 90 'of nobody'
	refused commit.time origin main
	dated 40 'of nobody'
	tgit -C "$T/c" push -q origin main
	"$DGRID" audit
}

@test "an archive is taken with its ledger only" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	for i in 1 2 3 4; do "$DGRID" submit --id "t$i" -- "echo $i" >/dev/null; done
	work n1 --slots 4
	clone
	echo '{"schema": 1, "keep_finished": 1}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q
	git clone -q --mirror "$ORIGIN" "$T/other.git"
	"$DGRID" --repo "$T/other.git" maintain
	tgit -C "$T/c" fetch -q "$T/other.git" +main:archived +archive:archive
	refused archive.lost origin archived:main
	refused archive.lost origin archive
	tgit -C "$T/c" push -q --atomic origin archived:main archive
	# It only grows.
	tgit -C "$T/c" checkout -q archive
	tgit -C "$T/c" rm -q -r .
	tgit -C "$T/c" commit -qm away
	refused archive.frozen origin archive
	"$DGRID" audit
}

# raw PACK-REVS OLD NEW REF...: a push as git's own client never makes one
raw() {
	python3 - "$ORIGIN" "$T/c" "$@" <<-'PY'
		import subprocess, sys
		origin, clone, revs, *words = sys.argv[1:]
		pack = subprocess.run(["git", "-C", clone, "pack-objects", "--stdout", "--revs", "-q"], input=revs.replace(" ", "\n").encode(),
		                      capture_output=True, check=True).stdout
		said = b""
		for k in range(0, len(words), 3):
		    line = " ".join(words[k:k + 3]).encode() + (b"" if k else b"\0report-status")
		    said += b"%04x" % (len(line) + 4) + line
		done = subprocess.run(["git", "receive-pack", origin], input=said + b"0000" + pack, capture_output=True)
		sys.stdout.buffer.write(done.stderr + done.stdout.replace(b"\0", b" "))
	PY
}

@test "refs that hold files: made and moved forward, deleted only when they are old, an input is what its name says" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	clone
	today=$(date -u +%F)
	tree=$(git -C "$T/c" rev-parse 'main^{tree}')
	one=$(tgit -C "$T/c" commit-tree -m one "$tree")
	two=$(tgit -C "$T/c" commit-tree -p "$one" -m two "$tree")
	for root in refs/dgrid/ refs/heads/dgrid-; do
		tgit -C "$T/c" push -q origin "$one:${root}out/$today/n1/1"
		tgit -C "$T/c" push -q origin "$two:${root}out/$today/n1/1" "$one:${root}out/$today/n-1/8"
		tgit -C "$T/c" push -q origin "$one:${root}keep/run-1" "$one:${root}in/$tree"
		if [[ $root = refs/dgrid/ ]]; then refused ref.out origin "+$one:${root}out/$today/n1/1"; fi
		refused ref.out origin ":${root}out/$today/n1/1"
		refused ref.out origin "$tree:${root}out/$today/n2/1"
		refused ref.out origin "$one:${root}out/$today/n2/8" "$one:${root}out/$today/n2/9"
		refused ref.in origin "$one:${root}in/${tree//[0-4]/5}"
		for name in "out/$today/n1/0" "out/$today/n1/01" "out/$today/n1/x" "out/$today/n1" "out/2026-02-30/n1/1" "out/$today/n.1/1" \
			"out/$today/n1/1/2" in/12ab keep/a.b keep/a/b; do
			refused ref.name origin "$one:$root$name"
		done
	done
	# What is older than keep_out_days goes, where git itself lets it go.
	tgit -C "$T/c" push -q origin "$one:refs/dgrid/out/2020-01-01/n1/1"
	tgit -C "$T/c" push -q origin :refs/dgrid/out/2020-01-01/n1/1 ":refs/dgrid/in/$tree"
	run ! git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/out/2020-01-01/n1/1
	# What is kept stays, and an input that a task has yet to be given.
	refused ref.keep origin :refs/dgrid/keep/run-1
	# A client may say of what it deletes that nothing stands there: git deletes it all the same.
	z=$(printf '%040d' 0)
	line="$z $z refs/dgrid/keep/run-1"
	printf '%04x%s\0 report-status%s' $((${#line} + 19)) "$line" 0000 | git receive-pack "$ORIGIN" >"$T/said" 2>&1 || true
	grep -aq 'ng refs/dgrid/keep/run-1 pre-receive hook declined' "$T/said"
	grep -aq ref.delete "$T/said"
	refused ref.keep origin "+$two:refs/dgrid/keep/run-1"
	echo data >"$T/data"
	"$DGRID" submit --id uses --input "$T/data" -- 'cat /in/data'
	tree=$("$DGRID" show --json uses | jq -r .inputs.data.tree)
	refused ref.in origin ":refs/dgrid/in/$tree"
	work n1
	tgit -C "$T/c" push -q origin ":refs/dgrid/in/$tree"
	for setting in uploadpack.allowAnySHA1InWant uploadpack.allowFilter; do
		"$DGRID" init --bare "$T/new.git" >/dev/null
		[ "$(git -C "$T/new.git" config --get "$setting")" = true ]
	done
}

@test "signs of life: one of a node that has not left stays, and is replaced by a newer one alone" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	touch "$T/fake/slow"
	"$DGRID" submit --id t1 -- true >/dev/null
	spawn "$T/log-n1" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w-n1"
	wait_until 20 ledger_has in_progress t1
	wait_until 20 git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n1
	clone
	refused ref.beat origin :refs/dgrid/heartbeats/n1
	[[ "$output" == *"dgrid retire NODE"* ]]
	refused ref.beat origin +main:refs/dgrid/heartbeats/n1
	said() { tgit -C "$T/c" commit-tree -m "$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/heartbeats/n1 |
		jq -c --arg at "$(date -u -d "$1 seconds" +%FT%TZ)" '.last_heartbeat = $at')" "$(git -C "$T/c" mktree </dev/null)"; }
	refused ref.beat origin "+$(said -200):refs/dgrid/heartbeats/n1"
	# For as long as it counts: with these settings 300 s.
	tgit -C "$T/c" push -q origin "$(said -200):refs/dgrid/heartbeats/n9"
	refused ref.beat origin "+$(said -280):refs/dgrid/heartbeats/n9"
	# One that may not have rights on the other form hides nothing there.
	tgit -C "$T/c" push -q origin "$(said -200):refs/heads/dgrid-heartbeats/n1"
	"$DGRID" nodes | grep -q 'n1.*active'
	# Its own end: the file first, then the ref.
	rm "$T/fake/slow"
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	[ "$(git -C "$ORIGIN" show main:nodes/n1.json | jq -r .status)" = left ]
	run ! git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n1
	run ! grep 'declined\|ref.beat' "$T/log-n1"
	# One that died: by whoever retires it.
	spawn "$T/log-n2" "$DGRID" worker --node-id n2 --engine docker --work-dir "$T/w-n2"
	wait_until 20 git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n2
	wait_until 20 git -C "$ORIGIN" cat-file -e main:nodes/n2.json
	kill -KILL "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	"$DGRID" retire --force n2
	run ! git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n2
}

@test "a signed order to build an image counts when it is made, and is not put back" {
	require_command ssh-keygen
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	ssh-keygen -q -t ed25519 -N '' -f "$T/ann"
	clone
	echo "ann $(<"$T/ann.pub")" >"$T/c/allowed_signers"
	echo '{"schema": 1, "images": ["a:1"], "require_signed_tasks": true}' >"$T/c/grid.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm settings
	tgit -C "$T/c" push -q
	mkdir b
	printf 'FROM scratch\nADD Dockerfile /\n' >b/Dockerfile
	run -77 "$DGRID" image --build b own:1
	run -0 "$DGRID" image --build b --key "$T/ann" own:1
	[[ "$output" == "own:1: to be built from the tree "* ]]
	one=$(git -C "$ORIGIN" rev-parse main)
	run -0 "$DGRID" image --build b --key "$T/ann" own:1
	[[ "$output" == "own:1: is built already from the tree "* ]]
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$one" ]
	echo more >b/more
	later() { (($(date +%s) > $(git -C "$ORIGIN" show "$one:grid.json" | jq '.images[1].ordered_at | fromdate'))); }
	wait_until 5 later
	"$DGRID" image --build b --key "$T/ann" own:1
	clone
	tgit -C "$T/c" checkout -q "$one" -- grid.json
	tgit -C "$T/c" commit -qm 'back to what it was'
	refused build.order origin main
	"$DGRID" audit
}

@test "a sweep tells which ref the host declines to delete, and deletes the others" {
	"$DGRID" init >/dev/null
	one=$(git -C "$ORIGIN" rev-parse main)
	for i in {1..20}; do echo "create refs/dgrid/out/2020-01-01/n1/$i $one"; done | git -C "$ORIGIN" update-ref --stdin
	printf '#!/bin/sh\n! grep "n1/7$" || { echo "seven stays" >&2; exit 1; }\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	run -0 --separate-stderr "$DGRID" maintain
	[[ "$output" == *"deleted 19 days of outputs"* ]]
	[[ "$stderr" == *"refs/dgrid/out/2020-01-01/n1/7 stays at the remote: "*"seven stays"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/dgrid/out)" = refs/dgrid/out/2020-01-01/n1/7 ]
}

@test "more refs than a push may have are refused before any is judged" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	clone
	for i in {1..2001}; do echo "create refs/tags/t$i HEAD"; done | git -C "$T/c" update-ref --stdin
	refused ref.many --tags origin
	[[ "$output" == *"2001 refs in one push (at most 2000: push them in parts)"* ]]
}

@test "a push in two steps of one ref, or from where no ref stands, is not taken in part" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	for i in 1 2; do "$DGRID" submit --id "t$i" -- "echo $i" >/dev/null; done
	work n1 --slots 2
	clone
	a=$(git -C "$T/c" rev-parse HEAD)
	hand tasks/completed/t1.json 'd["result"]["stdout"] = "else\n"' 'better so'
	b=$(git -C "$T/c" rev-parse HEAD)
	echo x >"$T/c/notes"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm notes
	c=$(git -C "$T/c" rev-parse HEAD)
	before=$(git -C "$ORIGIN" for-each-ref)
	run -0 raw "$c ^$a" "$a" "$b" refs/heads/main "$b" "$c" refs/heads/main
	[[ "$output" == *"dgrid: ref.name: refs/heads/main: it stands twice in one push"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
	# The ledger's half of an archiving would be taken, the archive's not.
	clone
	echo '{"schema": 1, "keep_finished": 1}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q
	a=$(git -C "$T/c" rev-parse HEAD)
	git clone -q --mirror "$ORIGIN" "$T/other.git"
	"$DGRID" --repo "$T/other.git" maintain
	tgit -C "$T/c" fetch -q "$T/other.git" +main:archived +archive:archive
	b=$(git -C "$T/c" rev-parse archived)
	tree=$(git -C "$T/c" mktree </dev/null)
	nowhere=$(tgit -C "$T/c" commit-tree -m nowhere "$tree")
	beyond=$(tgit -C "$T/c" commit-tree -p "$nowhere" -m 'ann: archive 1 task' 'archive^{tree}')
	before=$(git -C "$ORIGIN" for-each-ref)
	run -0 raw "$b $beyond ^$a" "$a" "$b" refs/heads/main "$nowhere" "$beyond" refs/heads/archive
	[[ "$output" == *"dgrid: ref.moved: the ledger or the archive has moved meanwhile"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
	# What stands below the archive's name would keep it from being made, and is not the archive.
	refused ref.name origin main:refs/heads/archive/x
	refused ref.name origin main:refs/heads/main/x
	tgit -C "$T/c" push -q --atomic origin archived:main archive
	"$DGRID" audit
}

@test "what really changes is judged: through a ref that is another's name, in part, in the repository itself" {
	"$DGRID" init >/dev/null
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	git -C "$ORIGIN" symbolic-ref refs/heads/master refs/heads/main
	clone
	# Honest under any name, and judged once.
	echo x >"$T/c/notes"
	tgit -C "$T/c" add notes
	tgit -C "$T/c" commit -qm notes
	tgit -C "$T/c" push -q origin HEAD:master
	[ "$(git -C "$ORIGIN" show main:notes)" = x ]
	"$DGRID" submit --id t -- true
	[ "$(ls -A "$ORIGIN/dgrid-judged")" = '' ]
	clone
	local head
	head=$(git -C "$ORIGIN" rev-parse main)
	echo '{}' >"$T/c/tasks/completed/forged.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm forged
	run ! tgit -C "$T/c" push origin HEAD:master
	[[ "$output" == *"dgrid: file.json: tasks/completed/forged.json: "*"nothing is taken"* ]]
	tgit -C "$T/c" push -q origin HEAD:aside # free, and no way in
	run ! git -C "$ORIGIN" update-ref refs/heads/main aside
	[[ "$output" == *"file.json: tasks/completed/forged.json: "* ]]
	run ! git -C "$ORIGIN" update-ref -d refs/heads/main
	[ "$(git -C "$ORIGIN" rev-parse main master)" = "$head"$'\n'"$head" ]
	# A push that says that nothing stands there is judged as none, whatever it leads to.
	tgit -C "$T/c" push -q origin HEAD:refs/heads/aside2
	run ! sh -c 'cd "$1" && printf "%040d %s refs/heads/main\n" 0 "$(git rev-parse aside2)" | "$2" --repo . --branch main hook pre-receive' \
		sh "$ORIGIN" "$DGRID"
	[[ "$output" == *"ref.moved"* ]]
	[ "$(ls -A "$ORIGIN/dgrid-judged")" = '' ]
	# Housekeeping goes on; refs that are packed are as safe as before.
	git -C "$ORIGIN" pack-refs --all
	git -C "$ORIGIN" gc -q
	run ! git -C "$ORIGIN" update-ref -d refs/heads/main
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$head" ]
	# A slip in the settings is refused; one that stands there from before changes nothing of what holds.
	clone
	echo '{"schema": 1, "require_signed_nodes": true,}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam slip
	refused signed.settings origin main
	# What a build service would run, of whatever brand, comes with nobody who is not known.
	local file
	for file in .github/workflows/x.yml .gitlab-ci.yml Jenkinsfile .woodpecker/x.yml azure-pipelines.yml; do
		clone
		mkdir -p "$T/c/$(dirname "$file")"
		echo 'run: me' >"$T/c/$file"
		tgit -C "$T/c" add -Af
		tgit -C "$T/c" commit -qm build
		refused signed.settings origin main
	done
	clone
	ln -s tasks "$T/c/.github"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm link
	refused signed.settings origin main
	# Ledger and archive go together or not at all, whatever git makes of a push.
	clone
	hand grid.json 'd["keep_finished"] = 1' settings
	tgit -C "$T/c" push -q
	for id in a b; do "$DGRID" submit --id "$id" -- true; done
	work n1
	rm -rf "$T/plain"
	cp -r "$ORIGIN" "$T/plain"
	rm -r "$T/plain/hooks"
	"$DGRID" --repo "$T/plain" maintain >/dev/null
	tgit -C "$T/plain" cat-file -e archive
	printf '#!/bin/sh\n[ "$1" != refs/heads/archive ]\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	head=$(git -C "$ORIGIN" rev-parse main)
	run ! tgit -C "$T/plain" push "$ORIGIN" main archive
	[[ "$output" == *"archive.lost: "* ]]
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$head" ]
	rm "$ORIGIN/hooks/update"
	tgit -C "$T/plain" push -q --atomic "$ORIGIN" main archive
	"$DGRID" audit >/dev/null
}

@test "where nodes sign, whoever changes settings, keys or what waits must be a person who is enrolled" {
	require_command ssh-keygen
	for who in ann eve n1 k2; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	"$DGRID" init >/dev/null
	"$DGRID" enroll --person ann "$T/ann.pub"
	"$DGRID" enroll n1 "$T/n1.pub"
	"$DGRID" enroll --revoke ann
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	work n1 --signing-key "$T/n1"
	clone
	hand grid.json 'd["require_signed_nodes"] = True' settings
	refused signed.settings origin main # only a node is enrolled: nobody could go back
	[[ "$output" == *"enrol one first: dgrid enroll --person NAME KEY.pub"* ]]
	"$DGRID" enroll --person ann "$T/ann.pub"
	clone
	hand grid.json 'd["require_signed_nodes"] = True' settings
	tgit -C "$T/c" push -q
	as() { # NAME KEY MESSAGE: what was changed in the clone, as a signed commit
		tgit -C "$T/c" add -A
		tgit -C "$T/c" -c user.name="$1" -c gpg.format=ssh -c user.signingKey="$T/$2" commit -q -S -m "$3"
	}
	"$DGRID" submit --id t1 -- 'echo 1' # takes no key
	work n1 --signing-key "$T/n1"
	[ "$(ledger_ls completed)" = t1 ]
	"$DGRID" submit --id t2 -- 'echo 2'
	clone
	hand grid.json 'd["require_signed_nodes"] = False' 'ann: off'
	refused signed.settings origin main
	clone
	sed -i 's/true/false/' "$T/c/grid.json"
	as ann eve off # by her name, and somebody's key
	refused signed.settings origin main
	clone
	sed -i 's/true/false/' "$T/c/grid.json"
	as n1 n1 off # a node's key makes no person
	refused node.scope origin main
	clone
	cp "$T/eve.pub" "$T/c/nodes/keys/eve.pub"
	hand grid.json 'd["title"] = "evil"' 'enrol me'
	refused signed.settings origin main
	clone
	tgit -C "$T/c" rm -q tasks/queue/t2.json
	tgit -C "$T/c" commit -qm 'ann: tidy up'
	refused signed.settings origin main
	# What waits is nobody's to change or to take away, in the queue or before.
	clone
	task_of() { printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 10}\n' "$1" "${2:-true}" >"$T/c/tasks/unapproved/$1.json"; }
	task_of offered
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm offer
	tgit -C "$T/c" push -q
	clone
	tgit -C "$T/c" rm -q tasks/unapproved/offered.json
	tgit -C "$T/c" commit -qm 'away with it'
	task_of offered 'echo evil'
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'and again'
	refused signed.settings origin main
	clone
	jq . "$T/c/tasks/queue/t2.json" >"$T/other"
	echo >>"$T/other"
	cp "$T/other" "$T/c/tasks/queue/t2.json"
	tgit -C "$T/c" commit -qam 'in another form'
	refused signed.settings origin main
	DGRID_SIGNING_KEY='' HOME=$T/nobody run -77 "$DGRID" enroll --person eve "$T/eve.pub"
	[[ "$output" == *signed.settings* ]]
	DGRID_SIGNING_KEY=$T/eve run -77 "$DGRID" enroll --person eve "$T/eve.pub"
	# The last person cannot leave.
	DGRID_SIGNING_KEY=$T/ann run -77 "$DGRID" enroll --revoke ann
	[[ "$output" == *"nobody could change anything any more"* ]]
	# A person who is enrolled may do all of it.
	DGRID_SIGNING_KEY=$T/ann "$DGRID" enroll --person eve "$T/eve.pub"
	clone
	tgit -C "$T/c" rm -q tasks/queue/t2.json
	sed -i 's/"schema": 1/"schema": 1, "title": "hers"/' "$T/c/grid.json"
	as ann ann 'tidy up'
	tgit -C "$T/c" push -q
	"$DGRID" submit --id t3 -- 'echo 3'
	work n1 --signing-key "$T/n1"
	[ "$(ledger_ls completed | xargs)" = "t1 t3" ]
	# Where a slip got into the settings, what was valid before holds.
	clone
	echo '{"schema": 1, "require_signed_nodes": false,}' >"$T/c/grid.json"
	as ann ann slip
	mv "$ORIGIN/hooks" "$T/hooks"
	tgit -C "$T/c" push -q
	mv "$T/hooks" "$ORIGIN/hooks"
	clone
	mkdir -p "$T/c/nodes/people"
	cp "$T/n1.pub" "$T/c/nodes/people/mallory.pub"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'ann: enroll mallory'
	refused signed.settings origin main
	[[ "$output" == *"takes the signature of a person"* ]]
	clone
	tgit -C "$T/c" checkout -q HEAD~1 -- grid.json
	as ann ann 'the slip mended'
	tgit -C "$T/c" push -q
	# A key of one's own is taken out by its last signature.
	GIT_USER_NAME=ann DGRID_SIGNING_KEY=$T/ann "$DGRID" enroll --person ann "$T/k2.pub"
	GIT_USER_NAME=ann DGRID_SIGNING_KEY=$T/ann "$DGRID" enroll --revoke ann "$(ssh-keygen -lf "$T/ann.pub" | cut -d ' ' -f 2)"
	[ "$(git -C "$ORIGIN" show main:nodes/people/ann.pub)" = "$(cat "$T/k2.pub")" ]
	"$DGRID" audit
}

@test "where the program is gone nothing is taken, and it is said how to go on" {
	cp "$DGRID" "$T/dgrid-moved"
	"$T/dgrid-moved" init --hook "$ORIGIN" >/dev/null
	mv "$T/dgrid-moved" "$T/dgrid-here"
	before=$(git -C "$ORIGIN" for-each-ref)
	run "$DGRID" submit --id x -- true
	[ "$status" -eq 77 ]
	[[ "$output" == *"dgrid-moved is gone, so pushes cannot be judged"*"dgrid init --hook"* ]]
	[ "$(git -C "$ORIGIN" for-each-ref)" = "$before" ]
	# The remedy, in the repository itself.
	(cd "$ORIGIN" && unset DGRID_REPO_URL && "$T/dgrid-here" init --hook)
	"$DGRID" submit --id x -- true
	# What git refuses to read is no reason to take it.
	printf 'garbage' >"$ORIGIN/shallow"
	run "$DGRID" submit --id y -- true
	[ "$status" -ne 0 ]
	rm "$ORIGIN/shallow"
	[ "$(ledger_ls queue)" = x ]
}

@test "another's hook stays, and what cannot have a hook is told" {
	printf '#!/bin/sh\nexit 0\n' >"$ORIGIN/hooks/pre-receive"
	run -65 "$DGRID" init --hook "$ORIGIN"
	[[ "$output" == *"is there already and is not dgrid's"*"hook pre-receive"* ]]
	[ "$(<"$ORIGIN/hooks/pre-receive")" = $'#!/bin/sh\nexit 0' ]
	run -64 "$DGRID" init --hook https://example.invalid/grid.git
	[[ "$output" == *"--hook: expected a bare repository in a folder"* ]]
	git init -q "$T/work"
	run -64 "$DGRID" init --hook "$T/work"
	[[ "$output" == *"--hook: expected a bare repository, or a path where nothing stands yet"* ]]
	run -64 "$DGRID" init --bare "$T/work"
	[[ "$output" == *"--bare: "* ]]
	run -64 "$DGRID" hook
	run -64 "$DGRID" hook pre-receive <<<'nonsense'
	[[ "$output" == *'expected lines "OLD NEW REF"'* ]]
	mkdir "$T/it's here"
	"$DGRID" init --bare --hook "$T/it's here/grid.git" >/dev/null
	DGRID_REPO_URL="$T/it's here/grid.git" "$DGRID" submit --id x -- true
}

@test "over SSH too, and with another branch for the ledger" {
	"$DGRID" --branch grid init --hook "$ORIGIN" >/dev/null
	start_sshd
	export DGRID_REPO_URL=$SSH_URL DGRID_BRANCH=grid
	"$DGRID" submit --id t1 -- 'echo one' >/dev/null
	work n1 --poll-ms 100
	tgit clone -q -b grid "$SSH_URL" "$T/c"
	hand tasks/completed/t1.json 'd["result"]["exit_code"] = 1' 'worse so'
	refused result.frozen origin grid
	# main is any branch here.
	tgit -C "$T/c" push -q origin grid:main
}
