#!/usr/bin/env bats
# bats file_tags=docker
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output
# The Dockerfile is built for real, on a base made of this machine's packages, and nodes run from what came out; run once,
# by tests/run.sh. The engine is the tests' private dockerd: no registry, no network.

load ../helpers # first: what is defined below counts

export DOCKER_BUILDKIT=0

build() {
	python3 "$REPO_ROOT/tests/image_root.py" gcc libc6-dev make libjsmn-dev git openssh-client ca-certificates tini coreutils \
		sed grep mawk dash findutils bubblewrap | docker import - dgrid-base:1 >/dev/null &&
		docker build -q --network none --build-arg BUILD_BASE=dgrid-base:1 --build-arg BASE=dgrid-base:1 \
			--build-arg VERSION=9.9 --build-arg REVISION=abc -t dgrid-node:1 "$REPO_ROOT" >&2 &&
		docker tag dgrid-test:1 alpine:3.22 # the image of a grid's tasks, as init says it
}
# The first test that comes builds it, the others wait.
build_once() {
	(
		flock 9
		[ -e "$BATS_FILE_TMPDIR/built" ] || build || exit 1
		touch "$BATS_FILE_TMPDIR/built"
	) 9>"$BATS_FILE_TMPDIR/lock"
}
teardown_file() {
	docker image rm --force dgrid-node:1 alpine:3.22 dgrid-base:1 >/dev/null 2>&1 || true
	docker image prune --force >/dev/null 2>&1 || true
}
setup() {
	common_setup
	require_docker
	require_command docker-compose
	require_command python3
	require_command dpkg
	build_once
	SOCKET=${DOCKER_HOST:-unix:///var/run/docker.sock}
	SOCKET=${SOCKET#unix://}
	GID=$(stat -c %g "$SOCKET")
	NAME=dgrid-image-test-$BATS_TEST_NUMBER-$$
}
teardown() {
	common_teardown
	[ -n "${NAME:-}" ] || return 0
	docker rm --force --volumes "$NAME" >/dev/null 2>&1 || true
	docker ps -aq --filter "label=dgrid.node=$NAME" | xargs -r docker rm --force >/dev/null
}

# A grid in a folder that the image's user may write to.
make_grid() {
	"$DGRID" init "$ORIGIN" >/dev/null
	give_away
}
give_away() { chown -R 10001:10001 "$ORIGIN"; }
mine() { git -c safe.directory="$ORIGIN" -C "$ORIGIN" "$@"; }
submit() { # by a node's own program: nobody else may write there
	docker exec -i "$NAME" dgrid submit "$@" </dev/null
}
said() { docker inspect --format "$1" "$2"; }

@test "the image says what it is, runs as nobody in particular, and its program needs no library" {
	[ "$(said '{{.Config.User}}' dgrid-node:1)" = dgrid ]
	[ "$(said '{{json .Config.Entrypoint}}{{json .Config.Cmd}}' dgrid-node:1)" = '["tini","--","dgrid"]["worker"]' ]
	[ "$(said '{{json .Config.Healthcheck.Test}}' dgrid-node:1)" = '["CMD","dgrid","health"]' ]
	[ "$(said '{{json .Config.Volumes}}' dgrid-node:1)" = '{"/var/lib/dgrid":{}}' ]
	[ "$(said '{{index .Config.Labels "org.opencontainers.image.version"}}{{index .Config.Labels "org.opencontainers.image.revision"}}' dgrid-node:1)" = 9.9abc ]
	[ "$(said '{{index .Config.Labels "org.opencontainers.image.licenses"}}' dgrid-node:1)" = MIT ]
	run -0 docker run --rm --network none dgrid-node:1 version
	[ "$output" = "$("$DGRID" version)" ]
	run -0 docker run --rm --network none --entrypoint id dgrid-node:1
	[[ "$output" == "uid=10001(dgrid) gid=10001(dgrid) groups=10001(dgrid)" ]]
	docker run --rm --network none --entrypoint cat dgrid-node:1 /usr/local/bin/dgrid >"$T/program"
	readelf -hW "$T/program" | grep -q 'Type: *DYN' # at another address each time
	run -1 grep -E 'INTERP|NEEDED' <(readelf -ldW "$T/program")
	# Without a grid it says so, and nothing else is asked for.
	run -64 docker run --rm --network none dgrid-node:1
	[[ "$output" == *"no repository: give --repo URL"* ]]
	# What is ours in it is small; the sources stay in the stage that is left behind.
	run -2 docker run --rm --network none --entrypoint ls dgrid-node:1 -d /src /tmp/dgrid
	[ "$(stat -c %s "$T/program")" -lt 3000000 ]
}

@test "a node with nothing but variables and the socket: siblings without mounts, healthy, no trace of the token, drains" {
	make_grid
	export GIT_TOKEN=very-secret-$$-$RANDOM
	docker run -d --name "$NAME" --network none -e DGRID_REPO_URL=/grid/origin.git -e NODE_ID="$NAME" -e GIT_TOKEN \
		-v "$T:/grid" -v "$SOCKET:/var/run/docker.sock" --group-add "$GID" --health-interval 1s dgrid-node:1
	healthy() { [ "$(said '{{.State.Health.Status}}' "$NAME")" = healthy ]; }
	wait_until 30 healthy
	submit --id long --timeout 120 -- 'env; while :; do sleep 1; done'
	running() { [ -n "$(docker ps -q --filter label=dgrid.task=long)" ]; }
	wait_until 30 running
	sibling=$(docker ps -q --filter label=dgrid.task=long)
	[ "$(said '{{json .Mounts}} {{json .HostConfig.Binds}} {{.HostConfig.NetworkMode}} {{.Config.Image}}' "$sibling")" = '[] null none alpine:3.22' ]
	docker inspect "$sibling" | jq -r '.[0].Config.Env // [] | .[]' >"$T/env"
	run -1 grep -E 'GIT|DGRID|DOCKER' <(grep -vxF 'DGRID_OUT=/out' "$T/env")
	docker top "$NAME" -eo pid,args >"$T/args"
	grep -q 'dgrid worker' "$T/args"
	docker exec "$NAME" dgrid cancel long
	run -3 docker exec "$NAME" dgrid wait --timeout 60 long
	submit --id after -- 'echo after'
	run -0 docker exec "$NAME" dgrid wait --timeout 60 after
	# The only place where it stands is what the engine was told.
	docker inspect "$NAME" | grep -q "$GIT_TOKEN"
	docker logs "$NAME" >"$T/logs" 2>&1
	grep -q 'after ended: success' "$T/logs"
	mine log -p --all >"$T/history"
	docker exec "$NAME" grep -rs "$GIT_TOKEN" /var/lib/dgrid /tmp >"$T/found" || true
	[ ! -s "$T/found" ]
	run -1 grep "$GIT_TOKEN" "$T/logs" "$T/history" "$T/args" "$T/env"
	docker stop -t 60 "$NAME"
	[ "$(said '{{.State.ExitCode}}' "$NAME")" = 0 ]
	mine show "main:nodes/$NAME.json" | jq -e '.status == "left" and .engine == "docker"'
	# The same container again: its volume is there, the node goes on.
	docker start "$NAME"
	wait_until 30 healthy
	submit --id again -- 'echo again'
	run -0 docker exec "$NAME" dgrid wait --timeout 60 again
	[ -z "$(docker ps -aq --filter "label=dgrid.node=$NAME")" ]
}

@test "bubblewrap in the container, without any socket, by the options that SECURITY.md names" {
	make_grid
	options=$(sed -n '/bubblewrap in the container/,/^$/p' "$REPO_ROOT/SECURITY.md" | grep -oE -- '--security-opt [a-z]+=unconfined' | tr '\n' ' ')
	[ "$(wc -w <<<"$options")" = 6 ]
	one() { docker run --rm --name "$NAME" --network none -e DGRID_REPO_URL=/grid/origin.git -e NODE_ID="$NAME" -v "$T:/grid" "$@"; }
	one dgrid-node:1 submit --id inside -- 'id -u; ls /var/run 2>&1'
	run -69 one dgrid-node:1 # with nothing but the variables
	[[ "$output" == *"this is a container: give it the engine's socket, -v /var/run/docker.sock:/var/run/docker.sock --group-add"* ]]
	run -69 one dgrid-node:1 worker --engine bwrap --once
	[[ "$output" == *"bwrap cannot make a sandbox here"* ]]
	# shellcheck disable=SC2086
	run -0 one $options dgrid-node:1 worker --engine bwrap --once
	mine show main:tasks/completed/inside.json | jq -e '.result.engine == "bwrap" and (.result.stdout | startswith("1000\n"))'
}

@test "compose.yaml: three workers on a repository in a volume, which one service makes" {
	unset DOCKER_GID
	cd "$T"
	compose() { DGRID_IMAGE=dgrid-node:1 DOCKER_SOCKET=$SOCKET docker-compose -p "$NAME" -f "$REPO_ROOT/compose.yaml" "$@" </dev/null; }
	run -1 compose config -q
	[[ "$output" == *'the group of the socket, as the head of compose.yaml says'* ]]
	export DOCKER_GID=$GID
	run -0 compose config -q
	compose up -d --no-build
	# It leaves nothing behind, however the rest ends.
	down() { compose down -v --remove-orphans -t 60; }
	rc=0
	{
		compose run --rm dgrid submit --id hello --wait -- 'echo hello' >"$T/submit" 2>&1 &&
			[ "$(compose run --rm dgrid logs hello 2>/dev/null)" = hello ] &&
			compose run --rm dgrid nodes --json >"$T/nodes" 2>/dev/null &&
			jq -e '[.nodes[] | select(.state == "active") | .node_id] | sort == ["worker-1", "worker-2", "worker-3"]' "$T/nodes" &&
			docker exec "${NAME}_worker-2_1" dgrid health --alive
	} || rc=$?
	((rc == 0)) || { cat "$T/submit" "$T/nodes" || true; compose logs; }
	down
	[ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$NAME")$(docker volume ls -q --filter "name=$NAME")" ]
	((rc == 0))
}
