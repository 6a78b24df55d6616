#!/bin/sh
# Installs what building (build), the demo (demo), a release (release) or the tests (test) need, if it is missing; node: what a node
# in a container calls, and nothing to build with.
# usage: install-deps.sh [build|demo|release|test|node]
# As root with apt-get or apk it installs; otherwise it prints the command to type and exits 69.
group=${1:-build}
case $group in
build | demo | release | test | node) ;;
*)
	echo "usage: $0 [build|demo|release|test|node]" >&2
	exit 64
	;;
esac

if command -v apt-get >/dev/null 2>&1; then
	manager=apt
elif command -v apk >/dev/null 2>&1; then
	manager=apk
else
	manager=
fi

missing=
quiet= # those of them whose services are not to run: the tests start their own
# need COMMAND DEBIAN-PACKAGE ALPINE-PACKAGES: the packages are missing when the command is.
need() {
	command -v "$1" >/dev/null 2>&1 || lacks "$2" "$3"
}
lacks() {
	if [ "$manager" = apk ]; then missing="$missing $2"; else missing="$missing $1"; fi
}
PATH=$PATH:/usr/sbin:/sbin

if [ "$group" = node ]; then
	need git git git
	need ssh openssh-client openssh-client
	need docker docker.io docker-cli
	need tini tini tini
	[ -f /etc/ssl/certs/ca-certificates.crt ] || lacks ca-certificates ca-certificates
else
	need gcc gcc "gcc musl-dev"
	[ ! -f /etc/alpine-release ] || [ -f /usr/include/stdlib.h ] || lacks libc6-dev musl-dev
	[ -f /etc/alpine-release ] || [ "$manager" != apt ] || [ -f /usr/include/stdlib.h ] || lacks libc6-dev musl-dev
	need make make make
	need git git git
	[ -f third_party/jsmn/jsmn.h ] || [ -f /usr/include/jsmn.h ] || [ -f /usr/local/include/jsmn.h ] || lacks libjsmn-dev jsmn
fi

if [ "$group" = demo ] || [ "$group" = test ]; then
	need bwrap bubblewrap bubblewrap
	need bash bash bash
fi

if [ "$group" = test ]; then
	need setpriv util-linux util-linux # to be an ordinary user
fi

# A release is made on Debian: its package, and static programs for two processors by musl, packed by xz.
foreign=
if [ "$group" = release ] || [ "$group" = test ]; then
	need xz xz-utils xz
fi
if [ "$manager" = apt ] && { [ "$group" = release ] || [ "$group" = test ]; }; then
	need musl-gcc musl-tools musl-dev
	need dh debhelper -
	need dpkg-buildpackage dpkg-dev -
	need fakeroot fakeroot -
	need bwrap bubblewrap bubblewrap
	case $(dpkg --print-architecture) in
	amd64) cross=arm64 cpu=aarch64 ;;
	arm64) cross=amd64 cpu=x86_64 ;;
	*) cross= ;;
	esac
	# The other processor's musl is that processor's own package; Ubuntu keeps those on other servers.
	grep -q '^ID=debian$' /etc/os-release || cross=
	if [ -n "$cross" ] && ! command -v "$cpu-linux-musl-gcc" >/dev/null 2>&1; then
		foreign=$cross
		missing="$missing musl-dev:$cross"
	fi
	[ -z "$cross" ] || need "$cpu-linux-gnu-gcc" "gcc-$(echo "$cpu" | tr _ -)-linux-gnu" -
fi

if [ "$group" = test ]; then
	need bats bats bats
	need parallel parallel parallel
	need tmux tmux tmux
	need shellcheck shellcheck shellcheck
	need clang clang clang
	need ccache ccache ccache
	need clang-format clang-format clang-extra-tools
	if [ "$manager" = apt ]; then
		fuzzer=
		for f in /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a; do
			[ ! -f "$f" ] || fuzzer=$f
		done
		[ -n "$fuzzer" ] || lacks libclang-rt-14-dev compiler-rt
		need lintian lintian -
		need qemu-aarch64-static qemu-user-static -
		need systemd-analyze systemd -
		need openrc-run openrc openrc
		need ruby ruby ruby
	else
		need ps procps procps
	fi
	need busybox busybox-static busybox-static
	need dockerd docker.io docker
	need docker docker.io docker
	[ "$manager" = apk ] || need spin spin spin
	need faketime faketime libfaketime
	need podman podman podman
	need catatonit catatonit catatonit
	need runc runc runc
	need python3 python3 python3
	python3 -c 'import yaml' 2>/dev/null || lacks python3-yaml py3-yaml
	need jq jq jq
	[ "$manager" = apk ] || for pair in munged:munge slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client; do
		command -v "${pair%:*}" >/dev/null 2>&1 || quiet="$quiet ${pair#*:}"
	done
	missing="$missing$quiet"
	need tini tini tini
	need docker-init tini docker
	need lighttpd lighttpd "lighttpd lighttpd-mod_auth"
	need gitolite gitolite3 gitolite
	need git-lfs git-lfs git-lfs
	need sshd openssh-server openssh-server
	need ssh openssh-client openssh-client
	need ps procps procps
	need curl curl curl
	need zsh zsh zsh
	need fish fish fish
	need mandoc mandoc mandoc
	need docker-compose docker-compose docker-compose
	need promtool prometheus prometheus
	command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || need chromium chromium chromium
	need node nodejs nodejs
	need npm npm npm
	need java default-jre-headless openjdk17-jre-headless
	[ -x "$(git --exec-path 2>/dev/null)/git-http-backend" ] || lacks git git-daemon
fi

# shellcheck disable=SC2086 # a list of words
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
missing=${missing% }
case $missing in
'' | ' ') exit 0 ;;
esac

case $manager in
apt)
	command="apt-get install -y --no-install-recommends $missing"
	[ -z "$foreign" ] || command="dpkg --add-architecture $foreign && sudo apt-get update && sudo $command"
	;;
apk) command="apk add --no-cache $missing" ;;
*)
	echo "dgrid: missing (Debian package names): $missing" >&2
	echo "dgrid: install them with this system's package manager" >&2
	exit 69
	;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "dgrid: something is missing; type:" >&2
	echo "  sudo $command" >&2
	exit 69
fi

echo "dgrid: installing $missing" >&2
if [ "$manager" = apk ]; then
	# shellcheck disable=SC2086
	apk add --no-cache $missing >&2
	exit
fi
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
[ -z "$foreign" ] || dpkg --add-architecture "$foreign" || exit 69
apt-get update -qq >&2 || exit 69
wanted=
for p in $missing; do
	case " $quiet " in *" $p "*) continue ;; esac
	# Releases differ in the number of the clang runtime: take the newest there is when 14 is gone.
	if [ "$p" = libclang-rt-14-dev ] && ! apt-cache show "$p" >/dev/null 2>&1; then
		p=$(apt-cache search --names-only '^libclang-rt-[0-9]+-dev$' | sort -V | tail -n 1 | cut -d ' ' -f 1)
	fi
	wanted="$wanted $p"
done
# shellcheck disable=SC2086
[ -z "$wanted" ] || apt-get install -y -qq --no-install-recommends $wanted >&2 || exit 69
[ -n "$quiet" ] || exit 0
policy=/usr/sbin/policy-rc.d
[ -e $policy ] && policy= || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy; } || exit 69
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $quiet >&2
code=$?
[ -z "$policy" ] || rm -f $policy
[ $code = 0 ] || exit 69
