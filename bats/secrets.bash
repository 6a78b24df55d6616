# shellcheck shell=bash disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and stderr
# Secrets and networks that a node's owner gives to signed tasks: what holds in every engine. After sandbox_setup.

pub() { cut -d ' ' -f 1,2 "$T/$1.pub"; }
secrets_setup() {
	local who
	require_command ssh-keygen
	for who in ann eve; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	printf '%s\n' "ann@example.invalid $(pub ann)" "eve@example.invalid $(pub eve)" >"$T/c/allowed_signers"
	settings '"network": ["egress"]'
	VALUE=pw-$RANDOM$RANDOM$RANDOM$RANDOM # and nowhere in a script
	SUM=$(printf %s "$VALUE" | sha256sum | cut -d ' ' -f 1)
	(umask 077 && printf %s "$VALUE" >"$T/pw")
	secrets_conf ann@example.invalid
	OPTIONS=(--node-id "$NODE" --engine "$ENGINE" --work-dir "$T/w1" --secrets "$T/secrets.conf")
}
settings() {
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "retry_backoff_seconds": 1, '"$1"'}' >"$T/c/grid.json"
	tgit -C "$T/c" pull -q --no-edit origin main
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm settings
	tgit -C "$T/c" push -q origin HEAD:main
}
image_here() { # as results call it: by its digest in a registry, where it has one, else by its id
	local id
	if [[ $ENGINE = bwrap ]]; then echo host && return; fi
	id=$("$ENGINE" image inspect --format '{{.Id}}{{range .RepoDigests}} {{.}}{{end}}' dgrid-test:1 | tr ' ' '\n' | sed -n 's/.*@//; $p')
	echo "dgrid-test@sha256:${id#sha256:}"
}
secrets_conf() { # SIGNERS; and a second one for another image
	(umask 077 && printf '[%s]\nfile = %s\nsigners = %s\nimages = %s\n' db-password "$T/pw" "$1" "$(image_here)" \
		second "$T/pw" "$1" "dgrid-test@sha256:$SUM" >"$T/secrets.conf")
}
worker() { "$DGRID" worker "${OPTIONS[@]}" "$@"; }
once() {
	worker --once "$@" 2>"$T/w.log" || { cat "$T/w.log" && return 1; }
}
sub() { "$DGRID" submit --timeout 60 "$@"; }
passed_by() { # ID TEXT: it waits, and the worker said why
	ledger_has queue "$1"
	grep -q "$1 is left to other nodes: $2" "$T/w.log" || { cat "$T/w.log" && return 1; }
}
smuggle() { # FILE: past submit, which would refuse it, as whoever may push can
	tgit -C "$T/c" pull -q --no-edit origin main
	cp "$1" "$T/c/tasks/queue/"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm smuggle
	tgit -C "$T/c" push -q origin HEAD:main
}
nowhere() { # the secret is in no object of the repository, no log, no file of the worker's
	[ "$(git -C "$ORIGIN" cat-file --batch-all-objects --batch | grep -ac "$VALUE")" = 0 ]
	run -1 grep -rl "$VALUE" "$T" --exclude=pw
}

check_secrets() {
	secrets_setup
	local mark=7$RANDOM dir
	cat >"$T/reads" <<-SH
		cd /run/secrets && [ "\$(ls)" = db-password ] && [ "\$(sha256sum <db-password | cut -c1-64)" = $SUM ] || exit 8
		for way in 'echo x >db-password' 'echo x >new' 'rm -f db-password' 'chmod 666 db-password'; do
			if sh -c "\$way" 2>/dev/null; then exit 9; fi
		done
		grep -q ' /run/secrets tmpfs ' /proc/mounts || exit 10
		cat db-password; cat db-password >&2
	SH
	{ cat "$T/reads" && echo "sleep $mark"; } >"$T/stays"

	# Nobody gets it unsigned, or signed by another; a name is a name.
	run -65 sub --id bare --secret db-password -- true
	[[ "$output" == *'it is not signed, and what asks for secrets or a network has to be'* ]]
	run -64 sub --id up --secret ../pw --key "$T/ann" -- true
	[[ "$output" == *'1-64 of A-Z a-z 0-9 _ -'* ]]
	sub --id reads --secret db-password --key "$T/ann" --script "$T/reads"
	sub --id points --secret db-password --key "$T/ann" --array 0-1 --script "$T/reads"
	sub --id shared --secret db-password --key "$T/ann" --array 0-1 --share-sandbox --script "$T/reads"
	sub --id eves --secret db-password --key "$T/eve" --script "$T/reads"
	sub --id fails --secret db-password --retry-on-failure --max-attempts 2 --key "$T/ann" -- 'cat /run/secrets/db-password >&2; exit 3'
	sub --id leaves --secret db-password --out-mb 1 --key "$T/ann" -- '[ -n "$DGRID_OUT" ] && echo x >/out/x'
	sub --id other --secret other --key "$T/ann" -- true
	sub --id image --secret db-password --secret second --key "$T/ann" -- true
	sub --id ordinary --output digest -- 'ls /run/secrets; echo quiet'
	printf '{"task_id": "bare", "script": "cat /run/secrets/db-password", "timeout_seconds": 20, "secrets": ["db-password"]}' >"$T/bare.json"
	"$DGRID" show --json reads | jq 'del(.file, .state) | .script = "echo mine"' >"$T/taken.json"
	smuggle "$T/bare.json"
	once --slots 4
	for id in reads points-0000 shared-0000; do
		[ "$(field "$id" 'r["status"], r["exit_code"], r["output"], "stdout" in r or "stdout" in r.get("points", [{}])[0]')" = "success 0 digest False" ]
	done
	[ "$(field reads "r['stdout_bytes'] == ${#VALUE}, r['stdout_sha256'] == '$SUM', r['stderr_sha256'] == '$SUM', t['attempts'][0]['signed_by'], 'out_mb' in r['limits']")" = "True True True ann@example.invalid False" ]
	[ "$(field fails 'r["status"], [("stderr_tail" in a) for a in t["attempts"]]')" = "failed [False, False]" ]
	[ "$(field leaves 'r["status"], r["out"]["files"]')" = "success 1" ]
	[ "$(field ordinary 'r["status"], r["stdout_bytes"], "stdout" in r')" = "success 6 False" ]
	run -0 --separate-stderr "$DGRID" logs reads
	[[ -z "$output" && "$stderr" == *"not kept, only the length and SHA-256"* ]]
	run -69 "$DGRID" rerun reads
	[[ "$output" == *'cannot: it was given secrets'* ]]
	[ "$(field bare 'r["status"], "has to be" in r["reason"]')" = "invalid True" ]
	passed_by eves 'no secret db-password for its signer eve@example.invalid'
	passed_by image 'no secret second in its image'
	"$DGRID" audit

	# Another script under the old signature, and the old task once more.
	run -65 "$DGRID" retry --script "$T/reads" fails
	jq '.task_id = "fails"' "$T/taken.json" >"$T/fails.json"
	run -65 "$DGRID" submit --replace "$T/fails.json"
	[[ "$output" == *"its signature is not one"* ]]

	# A running one shows it to nobody; what a killed worker leaves goes with its next start.
	sub --id stays --secret db-password --key "$T/ann" --script "$T/stays"
	spawn "$T/w.log" "$DGRID" worker "${OPTIONS[@]}"
	wait_until 40 pgrep -f "sleep $mark\$"
	run -0 "$DGRID" why other
	[[ "$output" == *"no node is known to offer the secret other to its signer"* ]]
	run -0 "$DGRID" why image
	[[ "$output" == *"node $NODE has its secrets, for the signers and images that its owner lists"* ]]
	dir=$(<"$T/w1/secrets-folder")
	[ "$(stat -f -c %T "$dir")" = tmpfs ]
	[[ "$(stat -c %a "$dir")" = 7[01]0 ]]
	[ "$(cat "$dir"/*/db-password)" = "$VALUE" ]
	run grep -sl "$VALUE" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
	[ -z "$output" ]
	if [[ $ENGINE != bwrap ]]; then
		run "$ENGINE" inspect "$("$ENGINE" ps --quiet --filter "label=dgrid.node=$NODE")"
		[[ "$output" = *"/run/secrets"* && "$output" != *"$VALUE"* ]]
	fi
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	[ -e "$dir" ]
	"$DGRID" cancel stays eves other image
	once
	[ ! -e "$dir" ]
	[ ! -e "$T/w1/secrets-folder" ]
	wait_until 20 ledger_has failed stays

	# The file is read anew each time; and a key's fingerprint will do for its owner's name.
	(umask 077 && echo two >"$T/pw")
	secrets_conf "$(ssh-keygen -lf "$T/ann.pub" | cut -d ' ' -f 2)"
	sub --id again --secret db-password --key "$T/ann" -- '[ "$(cat /run/secrets/db-password)" = two ]'
	once --secrets-hidden
	[ "$(field again 'r["status"]')" = success ]
	run -0 git -C "$ORIGIN" show "main:nodes/$NODE.json"
	[[ "$output" != *db-password* ]]
	chmod 644 "$T/pw"
	run -77 worker --once
	[[ "$output" == *"secrets.conf:1: [db-password] file: '$T/pw' has mode 0644"* ]]
	nowhere
}

# Who may reaches it; nobody else does.
check_network() {
	secrets_setup
	local net=dgrid-$RANDOM$RANDOM address
	echo "$net" >"$T/network"
	"$ENGINE" network create --internal "$net"
	"$ENGINE" run --detach --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --name "$net" --network "$net" dgrid-test:1 nc -ll -p 8080 -e echo reached
	address=$("$ENGINE" inspect --format "{{(index .NetworkSettings.Networks \"$net\").IPAddress}}" "$net")
	local asks="i=0; while [ \$i -lt 20 ]; do nc -w 2 $address 8080 && exit; i=\$((i + 1)); sleep 0.2; done; exit 4"
	run -65 sub --id bare --network egress -- "$asks"
	[[ "$output" == *'has to be'* ]]
	run -65 sub --id lan --network lan --key "$T/ann" -- "$asks"
	[[ "$output" == *'"lan" is no network of this grid (expected "egress"'* ]]
	sub --id may --network egress --key "$T/eve" -- "$asks"
	sub --id alone --key "$T/ann" -- "nc -w 2 $address 8080"
	spawn "$T/w.log" "$DGRID" worker "${OPTIONS[@]}"
	wait_until 40 ledger_has failed alone
	run -0 "$DGRID" why may
	[[ "$output" == *"no node is known to offer the network egress to its signer"* ]]
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	once --network "egress=$net"
	[ "$(field may 'r["status"], r["network"], r["stdout"].strip()')" = "success egress reached" ]
	run "$DGRID" rerun may
	[[ "$output" == *"it had the network egress then, and has none here"* ]]
	"$DGRID" audit
	for bad in host bridge default none podman container:x slirp4netns:port_handler=x pasta ns:/x; do
		run -64 worker --once --network "egress=$bad"
		[[ "$output" == *"--network egress: '$bad' is no"* ]]
	done
	run -66 worker --once --network "egress=no-such-$net"
	[[ "$output" == *"has no network 'no-such-$net'"* ]]
}
network_teardown() {
	local net
	[[ -f $T/network ]] || return 0
	net=$(<"$T/network")
	"$ENGINE" rm --force "$net" >/dev/null 2>&1 || true
	"$ENGINE" network rm "$net" >/dev/null 2>&1 || true
	if [[ $(id -u) == 0 ]]; then rm -rf "/var/lib/cni/networks/$net"; fi # where Podman leaves the last address that it gave
}
