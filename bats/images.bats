#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output
# The images that nodes run: root files under bubblewrap, digests that grid.json pins, who has which.

setup() {
	load sandbox
	sandbox_setup bwrap
	require_bwrap
}
teardown() { sandbox_teardown; }

# root_files DIR: the root files of an image, of one static busybox.
root_files() {
	local box='' b applet
	for b in /bin/busybox.static /bin/busybox-static /bin/busybox /usr/bin/busybox; do
		if [[ -x $b ]]; then box=$b && break; fi
	done
	[[ -n $box ]] || { strict_skip "no static busybox here"; return; }
	mkdir -p "$1"/{usr/bin,etc,tmp,proc,dev,sys,run}
	cp -L "$box" "$1/usr/bin/busybox"
	ln -s usr/bin "$1/bin"
	for applet in sh ls id cat cut grep touch env true sha256sum; do ln -s /bin/busybox "$1/usr/bin/$applet"; done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo made here >"$1/etc/mark"
	mkdir -m 700 "$1/root"
	chmod -R go-w "$1"
}
rootfs_worker() { "$DGRID" worker --node-id "$NODE" --rootfs "dgrid-test:1=$T/root" --once --work-dir "$T/w1" 2>"$T/worker.log"; }
settings() {
	tgit -C "$T/c" pull -q
	echo "{\"schema\": 1, \"min_timeout_seconds\": 1, $1}" >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
}
digest() { field "$1" 'r["image_digest"]'; }

@test "bwrap: the sandbox's user has a name" {
	task names <<-'SH'
		id -un; id -gn; whoami
		cat /etc/passwd /etc/group
		touch /etc/passwd 2>/dev/null && echo written
		[ -e /proc/$$/fd/5 ] || [ -e /proc/$$/fd/6 ] && echo 'descriptors are left'
		if [ -x /usr/bin/python3 ]; then python3 -c 'import getpass, os, pwd; print(pwd.getpwuid(os.getuid()).pw_dir, getpass.getuser())'; else echo /tmp dgrid; fi
	SH
	run_all
	run -0 "$DGRID" logs names
	echo "$output"
	[ "${lines[0]} ${lines[1]} ${lines[2]} ${lines[-1]}" = "dgrid dgrid dgrid /tmp dgrid" ]
	grep -q '^nobody:x:65534:' <<<"$output"
	run -1 grep -E 'written|descriptors' <<<"$output"
	ordinary_user
	task user <<<'id -un'
	run_all
	[ "$(field user 'r["stdout"].strip()')" = dgrid ]
}

check_root() { # ID
	task "$1" '{"env": {"A": "b"}}' <<-'SH'
		cat /etc/mark /etc/passwd
		ls / /usr /usr/bin
		echo "$PATH $(id -u) $A"
		touch /etc/x /x /usr/bin/x 2>/dev/null && echo written
		touch /tmp/x /out/x && echo made
		ls /proc/self/fd
	SH
	rootfs_worker || { cat "$T/worker.log"; return 1; }
	run -0 "$DGRID" logs "$1"
	echo "$output"
	[ "${lines[0]}" = 'made here' ] && [ "${lines[1]}" = 'root:x:0:0:root:/root:/bin/sh' ]
	grep -qx '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin 1000 b' <<<"$output"
	grep -qx made <<<"$output"
	run -1 grep -E '^(written|lib|share|python3|[5-9])$' <<<"$output"
	[ "$(field "$1" 'r["engine"], r["image"]')" = "bwrap dgrid-test:1" ]
	[[ $(digest "$1") =~ ^sha256:[0-9a-f]{64}$ ]]
}

@test "worker --rootfs: a task sees the image's files and nothing of this machine; its result says which" {
	root_files "$T/root"
	check_root one
	grep -qF "image dgrid-test:1 is the folder $T/root, $(digest one)" "$T/worker.log"
	run -69 "$DGRID" rerun one
	[[ "$output" == *"root files of 'dgrid-test:1', $(digest one) (--rootfs dgrid-test:1=DIR names one)"* ]]
	task again <<<'echo $(id -u) $(cat /etc/mark)'
	rootfs_worker
	run -0 "$DGRID" rerun --rootfs "dgrid-test:1=$T/root" again
	[[ "$output" == *"bwrap dgrid-test:1 sha256:"* ]]
	# The digest is of names, modes, links and contents; another folder with the same has the same.
	first=$(digest one)
	cp -a "$T/root" "$T/copy" && touch -d '2001-01-01' "$T/copy/etc/mark" && rm -r "$T/root" && mv "$T/copy" "$T/root"
	echo seen >"$T/root/tmp/x" # what is not shown does not count
	task two <<<'true'
	rootfs_worker
	[ "$(digest two)" = "$first" ]
	chmod 600 "$T/root/etc/mark"
	task three <<<'true'
	rootfs_worker
	third=$(digest three)
	run -69 "$DGRID" rerun --rootfs "dgrid-test:1=$T/root" again
	[[ "$output" == *"that are $first, and '$T/root' is $third"* ]]
	[ "$third" != "$first" ]
	# Changed while the worker runs: it is seen, and said.
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --rootfs "dgrid-test:1=$T/root" --work-dir "$T/w1"
	wait_until 20 grep -q "$third" "$T/log"
	task l0 <<<'true'
	wait_until 20 ledger_has completed l0
	[ "$(digest l0)" = "$third" ]
	chmod 644 "$T/root/etc/mark"
	looked() {
		rm -f "$T/l$1.json"
		task "l$1" <<<'true' && wait_until 20 ledger_has completed "l$1" && [ "$(digest "l$1")" = "$first" ]
	}
	i=0
	while ((++i < 40)) && ! looked "$i"; do :; done
	grep -q "image dgrid-test:1 is $first now" "$T/log"
	run -0 "$DGRID" image
	[[ "${lines[1]}" =~ ^dgrid-test:1\ +$NODE\ +active\ +bwrap\ +${first:0:19}$ ]]
	"$DGRID" audit
}

@test "worker --rootfs, as an ordinary user; other images run in this machine's /usr" {
	root_files "$T/root"
	settings '"images": ["dgrid-test:1", "other:1"]'
	ordinary_user
	check_root one
	if [[ $(id -u) = 0 ]]; then
		chown 0 "$T/root/root"
		run -69 rootfs_worker
		grep -qF "'dgrid-test:1' cannot be had: $T/root: cannot read 'root': Permission denied (expected files" "$T/worker.log"
		chown "${ORDINARY:-60999}" "$T/root/root"
	fi
	task other '{"image": "other:1"}' <<<'id -un'
	rootfs_worker
	[ "$(field other 'r["image"], r["image_digest"], r["stdout"].strip()')" = "host:/usr  dgrid" ]
	"$DGRID" audit
}

@test "worker --rootfs: a folder that will not do is refused at the start" {
	root_files "$T/root"
	refused() { # ARGUMENT WORDS
		run -64 "$DGRID" worker --rootfs "$1" --once --work-dir "$T/w1"
		echo "$output"
		[[ "$output" == *"$2"* ]]
	}
	refused "$T/root" 'expected IMAGE=DIR'
	refused "a=root" 'expected IMAGE=DIR with the whole path'
	refused "a=$T/none" "No such file"
	refused "a=/usr/.." "own root"
	refused "a=$T/root/etc" "has no bin/sh"
	mkdir -p "$T/links/bin"
	ln -s /../../usr/bin/env "$T/links/bin/sh" # of this machine, not of the folder
	refused "a=$T/links" "has no bin/sh"
	ln -sf sh "$T/links/bin/sh"
	refused "a=$T/links" "has no bin/sh"
	chmod o+w "$T/root"
	refused "a=$T/root" "others may write to '$T/root'"
	chmod o-w "$T/root"
	chmod 644 "$T/root/usr/bin/busybox"
	refused "a=$T/root" "cannot be executed"
	chmod 755 "$T/root/usr/bin/busybox"
	run -64 "$DGRID" worker --rootfs "a=$T/root" --rootfs "a=$T/root" --engine docker --once
	[[ "$output" == *"'a' is there twice"* && "$output" == *"docker has images of its own"* ]]
	if [[ $(id -u) = 0 ]]; then
		mkdir -m 700 "$T/shut"
		mv "$T/root" "$T/shut/root"
		refused "a=$T/shut/root" "cannot enter '$T/shut'"
	fi
}

@test "images that grid.json pins: a node whose image is another passes their tasks by" {
	root_files "$T/root"
	other=sha256:$(printf '%064d' 7)
	task plain <<<'true'
	rootfs_worker
	pin=$(digest plain)
	settings "\"images\": [\"free:1\", {\"image\": \"dgrid-test:1\", \"digest\": \"$other\"}]"
	wrong() { # IMAGES WORDS
		run -65 "$DGRID" config images "$1"
		[[ "$output" == *"images: $2"* ]]
	}
	wrong '[{"image": "a:1"}]' 'expected {"image": NAME, "digest": "sha256:..."}'
	wrong '[{"image": "-a", "digest": "'"$other"'"}]' 'expected an image name'
	wrong '[{"image": "a", "digest": "'"$other"'0"}]' 'digest: expected sha256: and 64 digits'
	wrong '[{"image": "a", "digest": []}]' 'digest: expected one, or a list'
	wrong '[{"image": "a", "digest": "'"$other"'", "tag": 1}]' '"tag" is no member of an image'
	wrong '[{"image": "a", "build": "main"}]' 'build: expected the id of a tree'
	wrong '[{"image": "a", "build": "'"$(printf %040d 7)"'", "digest": "'"$other"'"}]' 'expected {"image": NAME, "digest": "sha256:..."}, or "build"'
	wrong '[{"image": "a", "build": "'"$(printf %040d 7)"'", "signatures": [7]}]' 'signatures: '
	wrong '["a", {"image": "a", "digest": "'"$other"'"}]' '"a" is there twice'
	task pinned '{"image": "dgrid-test:1"}' <<<'cat /etc/mark'
	rootfs_worker
	grep -qF "image 'dgrid-test:1' is $pin here, and grid.json pins it to $other; its tasks are left to other nodes" "$T/worker.log"
	ledger_has queue pinned
	run_all # without root files
	grep -qF "image 'dgrid-test:1' is this machine's /usr here" "$T/worker.log"
	ledger_has queue pinned
	run -0 "$DGRID" doctor --engine bwrap
	grep -q "^warn  image .*image 'dgrid-test:1' is this machine's /usr here, and grid.json pins it to $other" <<<"$output"
	# An image that is to be built is no machine's /usr either.
	settings "\"images\": [\"free:1\", {\"image\": \"dgrid-test:1\", \"build\": \"$(printf %040d 7)\"}]"
	run_all
	grep -qF "image 'dgrid-test:1' is to be built: bwrap builds no images" "$T/worker.log"
	ledger_has queue pinned
	run -64 "$DGRID" worker --engine bwrap --allow-build --once --work-dir "$T/w1"
	settings "\"images\": [\"free:1\", {\"image\": \"dgrid-test:1\", \"digest\": [\"$other\", \"$pin\"]}]"
	rootfs_worker
	run -0 "$DGRID" image --json
	jq -e --arg pin "$pin" --arg other "$other" '[.images[] | [.image, .default, .digests]] == [["free:1", true, []], ["dgrid-test:1", false, [$other, $pin]]]' <<<"$output"
	[ "$(field pinned 'r["stdout"].strip(), r["image"], r["image_digest"]')" = "made here dgrid-test:1 $pin" ]
	"$DGRID" audit
}

@test "an idle node looks again for an image that it lacked; why and image tell another image than the pinned one" {
	root_files "$T/root"
	task plain <<<'true'
	rootfs_worker
	settings "\"images\": [\"free:1\", {\"image\": \"dgrid-test:1\", \"digest\": \"$(digest plain)\"}]"
	touch "$T/root/more"
	task pinned '{"image": "dgrid-test:1"}' <<<'true'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --rootfs "dgrid-test:1=$T/root" --work-dir "$T/w1"
	wait_until 60 grep -q 'its tasks are left to other nodes' "$T/log"
	other() { run -0 "$DGRID" why pinned && [[ "$output" == *"$NODE: its image dgrid-test:1 is another than the one that grid.json pins"* ]]; }
	wait_until 60 other
	run -0 "$DGRID" image
	[[ "$output" == *" bwrap "*sha256:*", not as pinned"* ]]
	"$DGRID" image --json | jq -e '.images[1].nodes[0] | .engine == "bwrap" and .has == false and (.digest | startswith("sha256:"))'
	rm "$T/root/more" # the branch stands still
	wait_until 60 ledger_has completed pinned
	[ "$(grep -c 'its tasks are left to other nodes' "$T/log")" = 1 ]
}

@test "secrets go to an image's root files by their digest, and to no other" {
	load secrets
	root_files "$T/root"
	task plain <<<'true'
	rootfs_worker
	pin=$(digest plain)
	image_here() { echo "dgrid-test@$pin"; }
	secrets_setup
	OPTIONS+=(--rootfs "dgrid-test:1=$T/root")
	reads="[ \"\$(sha256sum </run/secrets/db-password | cut -c1-64)\" = $SUM ]"
	sub --id reads --secret db-password --key "$T/ann" -- "$reads"
	once
	[ "$(field reads 'r["status"]') $(digest reads)" = "success $pin" ]
	"$DGRID" nodes | grep -q 'GB disk; secret.* db-password'
	chmod 600 "$T/root/etc/mark"
	sub --id later --secret db-password --key "$T/ann" -- "$reads"
	once
	passed_by later 'no secret db-password in its image, sha256:'
	"$DGRID" audit
}
