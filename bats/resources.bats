#!/usr/bin/env bats
# shellcheck disable=SC2016 # sh -c texts are for the inner shell
# The right task on the right node: what nodes offer, what tasks ask for, and what keeps them apart.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

worker() { # NODE [OPTIONS]: in the background, log in $T/NODE.log
	local node=$1
	shift
	spawn "$T/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" "$@"
}
ended() { [[ $(ledger_ls completed | wc -l) = "$1" ]]; }
says() { # ID TEXT: why does
	run "$DGRID" why "$1"
	[[ "$output" == *"$2"* ]]
}
# At every commit: what each node holds, by the documents, against what its file offers. Prints how many claims it saw.
check_history() {
	python3 - "$ORIGIN" <<-'PY'
		import json, subprocess, sys

		def git(*args, text=None):
		    return subprocess.run(["git", "-C", sys.argv[1], *args], input=text, capture_output=True, text=True, check=True).stdout

		def cat(names):
		    out, docs = git("cat-file", "--batch", text="".join(n + "\n" for n in names)), []
		    for _ in names:
		        head, _, out = out.partition("\n")
		        size = int(head.split()[2])
		        docs.append(json.loads(out[:size]))
		        out = out[size + 1:]
		    return docs

		most, seen = {}, 0
		for commit in git("rev-list", "--first-parent", "main").split():
		    files = git("ls-tree", "-r", "--name-only", commit, "nodes", "tasks/in_progress").split()
		    files = [f for f in files if f.endswith(".json")]
		    docs = cat([f"{commit}:{f}" for f in files])
		    offers = {d["node_id"]: d["offer"] for f, d in zip(files, docs) if f.startswith("nodes/")}
		    held = {}
		    for doc in (d for f, d in zip(files, docs) if f.startswith("tasks/")):
		        node, seen = doc["claim"]["node"], seen + 1
		        if "ahead" in doc["claim"]:  # it waits until there is room
		            continue
		        own, offer = held.setdefault(node, {}), offers[node]
		        asks = {"cpus": doc.get("cpus", min(1, offer["max_cpus"])), "memory_mb": doc.get("memory_mb", min(512, offer["max_memory_mb"])),
		                "disk_mb": max(doc.get("disk_mb", 0), doc.get("out_mb", 0)), **doc.get("resources", {})}
		        for name, n in asks.items():
		            own[name] = own.get(name, 0) + n
		    for node, own in held.items():
		        offer = {**offers[node], **offers[node].get("resources", {})}
		        for name, n in own.items():
		            assert n <= offer.get(name, 0) + 1e-9, (commit, node, name, n, offer)
		            most[node, name] = max(most.get((node, name), 0), n)
		assert seen, "no claim"
		print(most)
	PY
}

@test "three nodes of different size share sixty mixed tasks: none is over its offer at any commit, and all end" {
	require_bwrap
	local i
	"$DGRID" config max_memory_mb 4096
	mkdir "$T/tasks"
	for i in $(seq 60); do
		printf '{"task_id": "t%s", "script": "sleep 0.%s", "timeout_seconds": 30, "cpus": %s, "memory_mb": %s%s}' "$i" $((i % 4)) \
			"0.$((i % 9 + 1))" $((32 * (i % 7 + 1) + (i % 20 == 0) * 900)) \
			"$( ((i % 5)) || echo ', "resources": {"gpu": 1}')$( ((i % 3)) || echo ', "disk_mb": 40')" >"$T/tasks/t$i.json"
	done
	"$DGRID" submit "$T"/tasks/*.json >/dev/null
	worker attic --slots 8 --cpus 2 --memory 512m --disk 100m
	worker barn --slots 6 --cpus 1.5 --memory 2g --resource gpu=2
	worker cellar --slots 4 --cpus 1 --memory 256m --resource gpu=1,licence=3 --disk 50m
	wait_until 240 ended 60
	run -0 check_history
	# More than one at a time, and what has one home only ran there.
	[ "$(ledger_json completed t20 | jq -r .result.node)" = barn ]
	run -0 "$DGRID" audit
	run -0 "$DGRID" nodes
	[[ "$output" == *OFFERS*"2 cpus, 0.5 GB, 0.0977 GB disk"* && "$output" == *"1 gpu, 3 licence"* ]]
	run -0 "$DGRID" nodes --json
	[ "$(jq -r '.nodes[] | select(.node_id == "cellar") | .offer | [.cpus, .memory_mb, .disk_mb, .resources.gpu] | @csv' <<<"$output")" = "1,256,50,1" ]
}

@test "what asks for more than a task gets, or for what a node has not, is not claimed, and why says so" {
	require_bwrap
	"$DGRID" config max_memory_mb 4096
	"$DGRID" config max_cpus 64
	worker attic --max-memory 256m --slots 2
	"$DGRID" submit --id large --memory 2g -- true
	"$DGRID" submit --id wide --cpus 64 -- true
	"$DGRID" submit --id gpu --resource gpu=1 -- true
	"$DGRID" submit --id any -- 'cat /proc/self/limits'
	# One that does not ask gets all that a task gets here, whatever the ceilings are.
	wait_until 60 ledger_has completed any
	[ "$(ledger_json completed any | jq .result.limits.memory_mb)" = 256 ]
	# Or what the grid gives: two such run beside each other on a node that one of them would fill by the ceilings.
	run -65 "$DGRID" config default_memory_mb 5000
	[[ "$output" == *"default_memory_mb: larger than max_memory_mb (expected at most 4096)"* ]]
	"$DGRID" config default_memory_mb 64
	"$DGRID" config default_cpus 0.05
	"$DGRID" submit --id usual -- true
	wait_until 60 ledger_has completed usual
	[ "$(ledger_json completed usual | jq -c '.result.limits | [.cpus, .memory_mb]')" = '[0.05,64]' ]
	run -0 "$DGRID" why large
	[[ "$output" == *"attic: one task gets at most 256 MB of memory, 2048 wanted"*"no live node could ever run it"* ]]
	[[ "$output" != *"nothing blocks it"* ]]
	says wide "64 wanted"
	says gpu "attic: has no gpu, 1 wanted"
	ledger_has queue large
	# A node that has it takes it.
	worker barn --resource gpu=1
	wait_until 60 ledger_has completed gpu
	wait_until 60 ledger_has completed large
	[ "$(ledger_json completed large | jq -c '[.result.node, .result.limits.memory_mb]')" = '["barn",2048]' ]
	ledger_has queue wide
	run -0 "$DGRID" audit
}

@test "a large task is not starved by a stream of small ones; why says who waits, and until when" {
	require_bwrap
	local i old
	old=$(date -u -d '2 minutes ago' +%FT%TZ)
	for i in 1 2 3; do "$DGRID" submit --id "first$i" --resource seat=1 --timeout 60 -- "while [ ! -e /tmp/no ]; do sleep 0.1; done" >/dev/null; done
	worker attic --slots 8 --memory 16g --cpus 8 --resource seat=3
	wait_until 60 ledger_has in_progress first3
	# It has waited for long; those that come later would fit beside what runs, one after the other, for ever.
	printf '{"task_id": "large", "script": "true", "timeout_seconds": 10, "resources": {"seat": 3}, "created_at": "%s"}' "$old" >"$T/large.json"
	git clone -q "$ORIGIN" "$T/c"
	cp "$T/large.json" "$T/c/tasks/queue/"
	tgit -C "$T/c" add -A && tgit -C "$T/c" commit -qm large
	tgit -C "$T/c" pull -q --rebase && tgit -C "$T/c" push -q origin HEAD:main
	for i in 1 2 3 4; do "$DGRID" submit --id "small$i" --resource seat=1 --timeout 300 -- true >/dev/null; done
	"$DGRID" cancel first1
	wait_until 60 ledger_has failed first1
	# Not claimed, though a seat is free.
	wait_until 60 says small1 "attic reserves its room for large, which has waited"
	says large "attic: 1 of 3 seat free, 3 wanted, frees about"
	says large "attic reserves its room for this task, which has waited"
	[[ "$output" != *"smaller tasks may take"* ]]
	"$DGRID" submit --id young --resource seat=3 --priority 9 -- true
	run -0 "$DGRID" why young
	[[ "$output" == *"3 wanted, frees about "*"; smaller tasks may take the room until it is reserved for the first in line, from "*" UTC on"* ]]
	"$DGRID" cancel young
	ledger_has queue small1
	# What ends before it could begin goes first.
	"$DGRID" submit --id quick --resource seat=1 --timeout 10 -- true
	wait_until 60 ledger_has completed quick
	ledger_has queue small4
	"$DGRID" cancel first2 first3
	wait_until 60 ended 6
	[ "$(git -C "$ORIGIN" log --reverse --format=%B main | sed -n 's/^\(.*: \)\{0,1\}claim \(large\|small.\)$/\2/p' | head -n 1)" = large ]
	run -0 check_history
	run -0 "$DGRID" audit
}

@test "a node that lacks the usual image runs tasks of those that it has, and says which it lacks; ceilings above the machine stop no node" {
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake
	mkdir "$T/bin" "$T/fake"
	cp "$BATS_TEST_DIRNAME/fake-docker" "$T/bin/docker"
	printf '#!/bin/sh\ncase "$*" in *etl:3*) echo "no such image" >&2; exit 1;; esac\nif [ "$1" = run ]; then echo "$@" >>"$FAKE_DOCKER/arguments"; fi\nexec "%s" "$@"\n' \
		"$BATS_TEST_DIRNAME/fake-docker" >"$T/bin/docker"
	"$DGRID" config images '["etl:3", "alpine:3.20"]'
	"$DGRID" config max_cpus 1000
	"$DGRID" submit --id etl -- true
	"$DGRID" submit --id plain --image alpine:3.20 -- true
	spawn "$T/kitchen.log" "$DGRID" worker --node-id kitchen --engine docker --work-dir "$T/kitchen" --slots 2
	wait_until 60 ledger_has completed plain
	wait_until 60 says etl "kitchen: has no image etl:3"
	[[ "$output" != *"nothing blocks it"* ]]
	ledger_has queue etl
	grep -q "image 'etl:3' cannot be had .*; its tasks are left to other nodes" "$T/kitchen.log"
	run -0 "$DGRID" doctor --engine docker
	grep -q "^warn  image .*image 'etl:3' cannot be had" <<<"$output"
	grep -q '^ok    sandbox ' <<<"$output"
	"$DGRID" config images '["etl:3", "etl:3b"]'
	run -69 "$DGRID" worker --node-id attic --once --engine docker --work-dir "$T/attic"
	[[ "$output" == *"no claims until this is mended: engine: image 'etl:3' cannot be had"* ]]
	run -1 "$DGRID" doctor --engine docker
	grep -q "^fail  image .*image 'etl:3' cannot be had" <<<"$output"
	# The engine was never asked for more processors than there are.
	run -0 sed -n 's/.*--cpus=\([0-9.]*\).*/\1/p' "$T/fake/arguments"
	(($(cut -d . -f 1 <<<"${lines[0]}") <= $(nproc)))
}

@test "submit and validate say what is wrong with what a task asks for, worker with what it offers" {
	for i in '--resource gpu=1,gpu=2' '--resource gpu=1 --resource gpu=1'; do
		# shellcheck disable=SC2086 # words
		run -64 "$DGRID" submit --id x $i -- true
		[[ "$output" == *"--resource: gpu is there twice"* ]]
	done
	run -64 "$DGRID" submit --id x --resource gpu -- true
	[[ "$output" == *"--resource: expected NAME=N,... such as gpu=1, found 'gpu'"* ]]
	printf '{"task_id": "x", "script": "true", "timeout_seconds": 10, "out_mb": 9, "disk_mb": 5, "resources": {"gpu": 0}}' >"$T/x.json"
	run -65 "$DGRID" validate "$T/x.json"
	[[ "$output" == *"disk_mb: 5 is less than its out_mb (expected at least 9)"* && "$output" == *'resources: not valid ("gpu": expected a whole number from 1 to 1000000)'* ]]
	run -64 "$DGRID" worker --cpus none --memory 1 --disk 1 --resource gpu=x
	for name in --cpus --memory --disk --resource; do [[ "$output" == *"$name: expected"* ]]; done
	printf '{"defaults": {"timeout_seconds": 10, "resources": {"gpu": 1}, "disk_mb": 20}, "tasks": [{"name": "a", "script": "true"}]}' >"$T/flow.json"
	run -0 "$DGRID" submit --dry-run --resource gpu=2,tpu=1 "$T/flow.json"
	[ "$(jq -c '[.resources, .disk_mb]' <<<"$output")" = '[{"gpu":2,"tpu":1},20]' ]
}
