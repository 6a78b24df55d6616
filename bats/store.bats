#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154 # scripts are for the inner shell; bats sets output and lines
# Files that are too large for Git: a store of the user's has them, Git has pointers, and what the store gives is checked.

setup() {
	load sandbox
	LEAKS=1 sandbox_setup bwrap
	require_bwrap
	PATH=$REPO_ROOT/packaging/store:$PATH
	mkdir "$T/kept"
	FOLDER="dgrid-store-folder $T/kept"
	settings '"large_file_mb": 1, "max_out_mb": 16'
	yes 0123456 | head -c 2000000 >big.bin
	SUM=$(sha256sum big.bin | cut -d' ' -f1)
	BIG='yes 0123456 | head -c 2000000' # the same bytes, made by a script
	POINTER="version https://git-lfs.github.com/spec/v1"$'\n'"oid sha256:$SUM"$'\n'"size 2000000"
}
teardown() { common_teardown; }

settings() { # MEMBERS of grid.json
	tgit -C "$T/c" pull -q
	printf '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, %s}\n' "$1" >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
}
kept() { find "$T/kept" -type f ! -name '.new*' | wc -l; }
of_store() { printf '#!/bin/sh\n%s\n' "$1" >"$T/store-$2" && chmod +x "$T/store-$2"; } # SCRIPT NAME: a store of our own
once() { # NODE [OPTIONS]
	local node=$1
	shift
	"$DGRID" worker --node-id "$node" --engine bwrap --once --work-dir "$T/w-$node" "$@" >>"$T/$node.log" 2>&1
}

@test "out: what is too large for Git is in the store, Git has its pointer, and get, files and rerun know it" {
	task big <<<"$BIG >/out/big.bin; mkdir /out/bin; $BIG >/out/bin/tool; chmod +x /out/bin/tool; echo small >/out/small"
	run_all --store "$FOLDER"
	[ "$(kept)" = 1 ]
	[ "$(field big 'r["out"]["stored"], r["out"]["files"]')" = "{'files': 2, 'bytes': 4000000, 'over_mb': 1} 3" ]
	tree=$(field big 'r["out"]["tree"]')
	[ "$(git -C "$ORIGIN" cat-file blob "$tree:big.bin")" = "$POINTER" ]
	[ "$(git -C "$ORIGIN" ls-tree "$tree" bin/tool | cut -c1-6)" = 100755 ]
	git -C "$ORIGIN" show "main:nodes/$NODE.json" | jq -e .store
	[ -z "$(find "$T/w1" -name large)" ]

	run -0 "$DGRID" files big
	[[ "$output" == *"xs     2000000  bin/tool"*"-      "*"6  small"* ]]
	[ "$("$DGRID" files --json big | jq -c '.. | select(type == "object" and .stored == true and .path == "big.bin") | [.path, .bytes, .sha256]')" = "[\"big.bin\",2000000,\"$SUM\"]" ]
	run -0 "$DGRID" show big
	[[ "$output" == *"2 of them with 4000000 bytes in a store"* ]]

	run -69 "$DGRID" get big
	[[ "$output" == *"2 of the files of 'big' are in a store"*"get --store CMD"* ]]
	[ "$(<big/big.bin)" = "$POINTER" ]
	[ "$(<big/small)" = small ]
	"$DGRID" get --store "$FOLDER" big # what it wrote for want of a store is in nobody's way
	cmp big/big.bin big.bin
	[ -x big/bin/tool ]
	cmp big/bin/tool big.bin
	"$DGRID" get --store false big # it is there already
	echo mine >big/big.bin
	run -77 env DGRID_STORE="$FOLDER" "$DGRID" get big
	[[ "$output" == *"another file stands there"* ]]
	DGRID_STORE=$FOLDER "$DGRID" get --force big
	DGRID_STORE=$FOLDER "$DGRID" get big big.bin -o - | cmp - big.bin
	run -69 "$DGRID" get big big.bin -o -
	[ -z "$(find big -name '.dgrid-*')" ]

	run -0 "$DGRID" rerun big
	[[ "$output" == *reproducible ]]
	[ "$(kept)" = 1 ]
	task less <<<"$BIG | head -c 1048576 >/out/a" # not larger
	run_all --store false
	[ "$(field less '"stored" in r["out"]')" = False ]
	task plain <<<"$BIG >/out/big.bin"
	run_all # without a store Git has it, as ever
	"$DGRID" get plain
	cmp plain/big.bin big.bin
	run -0 "$DGRID" rerun plain
	[[ "$output" == *reproducible ]]
	"$DGRID" audit --objects
	"$DGRID" dashboard -o "$T/site"
	grep -q '<dt>Of them in a store</dt><dd>2</dd>' "$T/site/t/big.html"
}

@test "in: an input's large file, and another task's, is laid out as itself, by nodes with the store alone" {
	mkdir data
	cp big.bin data/big.bin
	echo small >data/small
	"$DGRID" submit --id none --input data -- true # without a store Git has it
	[ "$(kept)" = 0 ]
	"$DGRID" submit --store "$FOLDER" --id a --input data --input one=big.bin -- \
		'sha256sum </in/data/big.bin; cmp /in/one /in/data/big.bin; cat /in/data/small; ls -l /in/data | tail -n 2 | cut -c1-10'
	"$DGRID" submit --id make -- "$BIG >/out/model; echo x >/out/x"
	"$DGRID" submit --id early --input task:make --input m=task:make:model -- 'sha256sum </in/make/model; sha256sum </in/m'
	[ "$(kept)" = 1 ]
	[ "$(field a 't["inputs"]["data"]["stored"], t["inputs"]["one"]["stored"], t["inputs"]["data"]["bytes"] < 200')" = "2000000 2000000 True" ]
	# Nodes without one leave them alone, and say so.
	once bare
	[ "$(ledger_ls completed | sort | xargs)" = "early make none" ]
	spawn "$T/bare.log" "$DGRID" worker --node-id bare --engine bwrap --work-dir "$T/w-bare"
	why_says() { "$DGRID" why "$1" | grep -F "$2"; }
	wait_until 30 why_says a 'bare: has no store (worker --store)'
	run -0 "$DGRID" submit --store "$FOLDER" --id warned --input one=big.bin -- true
	[[ "$output" == *"no live node could run warned"*"bare: has no store"* ]]
	once rich --store "$FOLDER"
	[ "$("$DGRID" logs a)" = "$SUM  -"$'\n'small$'\n'-r--r--r--$'\n'-r--r--r-- ]

	# What is in a store of what another leaves is known when that has ended.
	"$DGRID" submit --id make2 --label rich -- "$BIG >/out/model"
	"$DGRID" submit --id late --input task:make2:model --label none -- true
	"$DGRID" submit --id user --input all=task:make2 --input task:make2:model -- 'sha256sum </in/all/model; sha256sum </in/model'
	once rich --store "$FOLDER" --labels rich --drain-after 1
	[ "$(field make2 'r["out"]["stored"]["bytes"]')" = 2000000 ]
	wait_until 30 why_says user 'bare: has no store'
	ledger_has queue user
	once rich --store "$FOLDER"
	[ "$("$DGRID" logs user)" = "$SUM  -"$'\n'"$SUM  -" ]
	[ "$(field user 't["attempts"][0]["inputs"]["all"]["stored"]')" = 2000000 ]
	# The same of one that had ended when it was submitted, and by rerun.
	"$DGRID" submit --id after --input task:make2:model -- 'sha256sum </in/model'
	[ "$(field after 't["inputs"]["model"]["stored"]')" = 2000000 ]
	once rich --store "$FOLDER"
	run -0 env DGRID_STORE="$FOLDER" "$DGRID" rerun after
	[[ "$output" == *reproducible ]]
	run "$DGRID" rerun after
	[ "$status" -ne 0 ]
	[[ "$output" == *"in a store, and there is none here (--store)"* ]]
	"$DGRID" audit
}

@test "a pointer that a script wrote is a file as any, on every node, and gets nobody's file" {
	"$DGRID" submit --id put -- "$BIG >/out/big.bin"
	run_all --store "$FOLDER"
	forged="printf '%s\n' 'version https://git-lfs.github.com/spec/v1' 'oid sha256:$SUM' 'size 2000000' >/out/forged"
	"$DGRID" submit --id bare -- "$forged"
	run_all --store "$FOLDER"
	"$DGRID" submit --id both -- "$forged; $BIG | head -c 1500000 >/out/real"
	run_all --store "$FOLDER"
	for id in bare both; do
		DGRID_STORE=$FOLDER "$DGRID" get "$id"
		[ "$(<"$id/forged")" = "$POINTER" ]
	done
	[ "$(field bare '"stored" in r["out"]')" = False ]
	[ "$(field both 'r["out"]["stored"]["files"]')" = 2 ] # the forged one is one of them, as itself
	"$DGRID" submit --id use --input task:both --input f=task:bare:forged -- 'cat /in/both/forged /in/f; wc -c </in/both/real'
	run_all --store "$FOLDER"
	[ "$("$DGRID" logs use)" = "$POINTER"$'\n'"$POINTER"$'\n'1500000 ]
	run -0 "$DGRID" rerun both
	[[ "$output" == *reproducible ]]
	# In an input: what is too long is none, what names more than may be given is refused, what is missing is looked for.
	mkdir odd
	{ printf '%s\n' "$POINTER" && head -c 1000000 /dev/zero | tr '\0' x; } >odd/long
	printf '%s\nsize 999999999999999999\n' "$(head -n 2 <<<"$POINTER")" >odd/vast
	run -65 "$DGRID" submit --store "$FOLDER" --id vast --input odd -- true
	[[ "$output" == *"max_in_mb"* ]]
	run -0 "$DGRID" submit --id seen --input odd -- 'wc -c </in/odd/long; tail -n 1 /in/odd/vast'
	[[ "$output" == *"1 file of it is a pointer of Git LFS, and the script will see that"* ]]
	run_all --store "$FOLDER"
	[ "$("$DGRID" logs seen)" = "$(wc -c <odd/long)"$'\nsize 999999999999999999' ]
	"$DGRID" audit
}

@test "a store that lies gives no input: the claim goes back, and the task runs where it tells the truth" {
	"$DGRID" submit --store "$FOLDER" --id a --input big.bin -- 'sha256sum </in/big.bin'
	kept=$(find "$T/kept" -type f)
	printf X | dd of="$kept" conv=notrunc status=none # as long, and another
	once liar --store "$FOLDER" || true
	ledger_has queue a
	[[ "$(field a 't["attempts"][0]["outcome"], t["attempts"][0]["reason"]')" == "released input 'big.bin': 'file': the store gave another file"* ]]
	of_store 'yes >"$3"' flood # endless
	of_store 'ln -s /etc/passwd "$3"' link
	of_store 'exit 0' nothing
	of_store 'echo "no such thing here" >&2; exit 7' fails
	for store in flood link nothing fails; do
		once "$store" --store "$T/store-$store" || true
		ledger_has queue a
	done
	[[ "$(field a '[x["reason"] for x in t["attempts"]]')" == *"ended with exit code 7: no such thing here"* ]]
	[ "$(field a 't["attempts"][-1]["outcome"]')" = released ]
	of_store "echo \$\$ >$T/hanging; exec sleep 1000" hangs
	DGRID_SILENCE_SECONDS=1 once hangs --store "$T/store-hangs" || true
	[[ "$(field a 't["attempts"][-1]["reason"]')" == *"said nothing for 1 s and was ended"* ]]
	wait_until 10 pid_ended "$(<"$T/hanging")"
	cp big.bin "$kept"
	once good --store "$FOLDER"
	[ "$("$DGRID" logs a)" = "$SUM  -" ]
	"$DGRID" audit
	# For who reads, likewise.
	task out <<<"$BIG >/out/big.bin"
	run_all --store "$FOLDER"
	printf X | dd of="$kept" conv=notrunc status=none
	run -69 "$DGRID" get --store "$FOLDER" out
	[[ "$output" == *"the store gave another file"* ]]
	[ ! -e out/big.bin ]
}

@test "a store that does not take a file costs the files, and the result says so; one that is slow to is asked again" {
	of_store 'echo "disk quota exceeded" >&2; exit 3' full
	task lost <<<"$BIG >/out/big.bin; echo printed"
	task kept <<<'echo fine >/out/file'
	DGRID_STORE_SECONDS=0 run_all --store "$T/store-full"
	[ "$(field lost 'r["status"], r["stdout"].strip(), "out" in r')" = "success printed False" ]
	[[ "$(field lost 'r["out_error"]')" == "cannot be kept: 'big.bin': the store's command (put) ended with exit code 3: disk quota exceeded" ]]
	[ "$("$DGRID" get kept file -o -)" = fine ]
	of_store "[ -e $T/second ] || { touch $T/second; exit 1; }; exec $FOLDER \"\$@\"" slow
	task again <<<"$BIG >/out/big.bin"
	run_all --store "$T/store-slow"
	[ "$(field again 'r["out"]["stored"]["bytes"]')" = 2000000 ]
	"$DGRID" audit
}

@test "while a file is on its way, other results and beats go on; a stop waits for it, a second one gives the claim back" {
	of_store "echo \"\$@\" >$T/called; env >$T/seen; ls /proc/self/fd >$T/fds; while [ ! -e $T/go ]; do sleep 0.1; done; exec $FOLDER \"\$@\"" held
	task big <<<"$BIG >/out/big.bin"
	spawn "$T/worker.log" "$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w1" --store "$T/store-held"
	WORKER=$SPAWNED
	wait_until 20 test -s "$T/called"
	task quick <<<'echo quick'
	wait_until 20 ledger_has completed quick
	ledger_has in_progress big
	[ "$(cut -d' ' -f1-2 "$T/called")" = "put $SUM" ]
	[[ "$(cut -d' ' -f3 "$T/called")" == "$T/w1/run/"*/large/0 ]]
	wait_until 5 test -s "$T/fds"
	[ "$(grep -c . "$T/fds")" = 4 ] # and ls's own
	kill "$WORKER"
	wait_until 10 grep -q draining "$T/worker.log"
	touch "$T/go"
	wait_until 20 pid_ended "$WORKER"
	[ "$(field big 'r["out"]["stored"]["files"]')" = 1 ]

	rm "$T/go" "$T/called"
	task next <<<"$BIG >/out/big.bin"
	spawn "$T/worker.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1" --store "$T/store-held"
	WORKER=$SPAWNED
	wait_until 20 test -s "$T/called"
	kill "$WORKER"
	wait_until 10 grep -q draining "$T/worker.log"
	kill "$WORKER"
	wait_until 20 pid_ended "$WORKER"
	ledger_has queue next
	[ "$(field next 't["attempts"][-1]["outcome"]')" = released ]
	gone() { ! pgrep -f "$T/store-held"; }
	wait_until 10 gone
	"$DGRID" audit
}

@test "with git-lfs the host's own store has the files, and a repository that uses it is given with them" {
	require_command git-lfs
	LFS="dgrid-store-lfs $ORIGIN"
	"$DGRID" submit --id make -- "$BIG >/out/big.bin"
	run_all --store "$LFS"
	[ -f "$ORIGIN/lfs/objects/${SUM:0:2}/${SUM:2:2}/$SUM" ]
	"$DGRID" get --store "$LFS" make
	cmp make/big.bin big.bin
	"$DGRID" submit --id use --input task:make:big.bin -- 'sha256sum </in/big.bin'
	run_all --store "$LFS"
	[ "$("$DGRID" logs use)" = "$SUM  -" ]
	# A repository of the user's.
	tgit init -q work
	cd work
	git lfs install --local >/dev/null
	git lfs track '*.bin' >/dev/null
	yes abc | head -c 1200000 >model.bin
	own=$(sha256sum model.bin | cut -d' ' -f1)
	tgit add -A
	tgit commit -qm model
	[ "$(git cat-file -s HEAD:model.bin)" -lt 200 ]
	run -0 "$DGRID" submit --id plain --checkout -- 'head -n 1 model.bin'
	[[ "$output" == *"--checkout: warning: 1 file"* ]]
	"$DGRID" submit --store "$LFS" --id whole --checkout -- 'sha256sum <model.bin'
	run_all --store "$LFS"
	[ "$("$DGRID" logs plain)" = "version https://git-lfs.github.com/spec/v1" ]
	[ "$("$DGRID" logs whole)" = "$own  -" ]
	run -0 env DGRID_STORE="$LFS" "$DGRID" doctor --engine bwrap
	[[ "$output" == *"a file went to the store of DGRID_STORE and came back"* ]]
	"$DGRID" audit
	[ -z "$(ls "$HOME/.cache/dgrid/lfs")" ]
}

@test "a checkpoint that is in a store is given as itself, to nodes with the store" {
	"$DGRID" submit --id long --checkpoint --max-attempts 1 -- \
		"if [ -e /in/.checkpoint/big.bin ]; then sha256sum </in/.checkpoint/big.bin; else $BIG >/out/big.bin; exit 1; fi"
	once rich --store "$FOLDER"
	ledger_has failed long
	"$DGRID" retry long
	once bare
	ledger_has queue long
	once rich --store "$FOLDER"
	[ "$("$DGRID" logs long)" = "$SUM  -" ]
	"$DGRID" audit
}
