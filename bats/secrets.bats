#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output and stderr
# Secrets that a node's owner gives to signed tasks, under bubblewrap; docker.bats and podman.bats have the rest.

setup() {
	load sandbox
	load secrets
	sandbox_setup bwrap
	require_bwrap
}
teardown() { sandbox_teardown; }

@test "secrets: for signers that the owner lists, in memory, and nowhere else" { check_secrets; }

@test "secrets: the same of a worker who is not root, and no network under bubblewrap" {
	secrets_setup
	sub --id reads --secret db-password --key "$T/ann" -- "[ \"\$(sha256sum </run/secrets/db-password | cut -c1-64)\" = $SUM ]"
	ORDINARY=$(id -u nobody) ordinary_user # ssh-keygen wants a user who has a name
	once
	[ "$(field reads 'r["status"]')" = success ]
	[ ! -e "$T/w1/secrets-folder" ]
	run -64 worker --once --network egress=proxy
	[[ "$output" == *"bwrap gives tasks no network"* ]]
	nowhere
}
