#!/bin/sh
# What the two stages of the Dockerfile need, on Alpine or Debian; what is there already is taken as it is.
#   image.sh build        a compiler and jsmn's header
#   image.sh run [MORE]   what a node calls, the packages MORE, and the user dgrid
set -eu
here=$(dirname "$0")

# The header alone, where Alpine's release has no package of it.
get_jsmn() {
	[ ! -f /usr/include/jsmn.h ] && [ ! -f /usr/local/include/jsmn.h ] || return 0
	command -v apk >/dev/null || return 0
	apk add --no-cache jsmn 2>/dev/null && return 0
	sum=1ed6154dedf009212a08a397e9c4ed50a0ce31d5a8301bb294e137ae3188c13b
	wget -q -O /tmp/jsmn.h https://raw.githubusercontent.com/zserge/jsmn/v1.1.0/jsmn.h
	echo "$sum  /tmp/jsmn.h" | sha256sum -c - >/dev/null || {
		echo "image.sh: jsmn.h is not the one of version 1.1.0" >&2
		return 1
	}
	mkdir -p /usr/local/include
	mv /tmp/jsmn.h /usr/local/include/jsmn.h
}

# By hand, for bases have adduser, useradd or neither. Of a number that no machine's first user has.
add_user() {
	grep -q '^dgrid:' /etc/passwd || echo 'dgrid:x:10001:10001:dgrid:/var/lib/dgrid:/bin/sh' >>/etc/passwd
	grep -q '^dgrid:' /etc/group || echo 'dgrid:x:10001:' >>/etc/group
	# /grid is a place for a repository in a volume, see compose.yaml.
	mkdir -p /var/lib/dgrid /grid
	chown 10001:10001 /var/lib/dgrid /grid
	chmod 700 /var/lib/dgrid
}

case ${1:-} in
build)
	get_jsmn
	sh "$here/install-deps.sh" build
	;;
run)
	shift
	sh "$here/install-deps.sh" node
	if [ $# -gt 0 ]; then
		if command -v apk >/dev/null; then
			apk add --no-cache "$@"
		else
			apt-get update -qq
			apt-get install -y -qq --no-install-recommends "$@"
		fi
	fi
	rm -rf /var/lib/apt/lists/*
	add_user
	;;
*)
	echo "usage: $0 build | run [PACKAGE...]" >&2
	exit 64
	;;
esac
