# shellcheck shell=bash
# What the scenes on a copy of a machine share (see tests/machine.sh). Sourced as root, in that machine.
trap 'echo "failed at: $BASH_COMMAND" >&2' ERR
export LC_ALL=C TZ=UTC DGRID_REPO_URL=/srv/grid.git

# shellcheck source=tests/wait.sh
. /run/machine/wait.sh
refuse() {
	echo "$1" >&2
	return 1
}
# The person who uses the grid: the user dgrid may write to the folder it is in.
as_dgrid() { setpriv --reuid dgrid --regid dgrid --clear-groups env HOME=/tmp "$@"; }
dgrid() { as_dgrid /usr/bin/dgrid "$@"; }

make_grid() { # a bare repository, a docker that runs scripts itself, and settings for two nodes
	cp /run/machine/fake-docker /usr/local/bin/docker
	mkdir -p /srv/fake
	git init -q --bare -b main /srv/grid.git
	chown -R dgrid:dgrid /srv
	dgrid init --no-workflows >/dev/null
}
settings() { # NODE OPTIONS
	mkdir -p /etc/dgrid
	cat >"/etc/dgrid/$1.env" <<-ENV
		DGRID_REPO_URL=/srv/grid.git
		GIT_TOKEN=not-for-others
		FAKE_DOCKER=/srv/fake
		DGRID_WORKER_OPTIONS="$2"
	ENV
	chown root:dgrid "/etc/dgrid/$1.env"
	chmod 640 "/etc/dgrid/$1.env"
}
running() { dgrid show "$1" | grep -qE "^state +in_progress$"; }
