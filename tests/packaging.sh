#!/usr/bin/env bash
# What a release has, made and used for real: source, static programs, Debian package, Alpine's and Homebrew's recipes, the services
# of systemd and OpenRC on a copy of this machine. Prints "ok NAME" or "not ok NAME" a case, or "ok NAME # skip WHY".
# shellcheck disable=SC2317 # functions called by name, through try
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD dist=$PWD/build/dist
MAKE=${MAKE:-make}
PATH=$PATH:/usr/sbin:/sbin
# What make and CI set for the project itself is none of a packager's business.
unset MAKEFLAGS MFLAGS MAKELEVEL WERROR SAN CC CFLAGS CPPFLAGS LDFLAGS
unset DGRID_REPO_URL NODE_ID GIT_TOKEN GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export LC_ALL=C TZ=UTC GIT_CONFIG_NOSYSTEM=1
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-packaging.XXXXXX") || exit 1
export HOME=$work/home
mkdir "$HOME"

# The largest that a static program may be, packed; and what is in it: half of that is dgrid's own code, the rest its texts, the
# files it carries, and musl.
MAX_STATIC=570000 MAX_UNPACKED=$((1400 * 1024))
# systemd's own measure of how exposed a service is, in tenths: below 20 is "OK" at its best.
MAX_EXPOSURE=15 MAX_EXPOSURE_BWRAP=30

# shellcheck source=tests/wait.sh
. tests/wait.sh
# shellcheck source=tests/machine.sh
. tests/machine.sh
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

rc=0 good=1
try() { # NAME FUNCTION...: a case; the function ends at its first failing command. Never call it before || or in if.
	local name=$1
	shift
	(
		trap machine_stop EXIT
		trap 'echo "# ${FUNCNAME[0]:-}, line $LINENO: $BASH_COMMAND"' ERR
		set -eE
		"$@"
	) >"$work/out" 2>&1
	good=$(($? == 0))
	if ((good)); then
		echo "ok $name"
	else
		sed 's/^/# /' "$work/out" | tail -n 60
		echo "not ok $name"
		rc=1
	fi
}
skip() { # NAME WHY
	if [[ ${DGRID_STRICT:-0} == 1 ]]; then
		echo "not ok $1: skipped ($2), which DGRID_STRICT=1 forbids"
		rc=1
	else
		echo "ok $1 # skip $2"
	fi
}
lacking() { # COMMAND...: those that are not installed
	local c missing=()
	for c; do type -P "$c" >/dev/null || missing+=("$c"); done
	((${#missing[@]})) && echo "not installed: ${missing[*]}"
}
refuse() { # WHY
	echo "$1"
	return 1
}

if ! git rev-parse --verify -q HEAD >/dev/null; then
	skip "packaging" "this is not a checkout"
	exit "$rc"
fi
version=$(sed -n 's/^#define DGRID_VERSION "\(.*\)"$/\1/p' base/version.h)
commit=$(git rev-parse HEAD)
release=$dist/dgrid-$version.tar.gz

# ---- the source release

source_release() {
	local entry mode owner time name stamp
	# Twice, the second time by somebody with another umask, other settings of git and another zone.
	"$MAKE" -s --no-print-directory dist
	cp "$release" "$work/first.tar.gz"
	git clone -q --no-local "$root" "$work/clone"
	git -C "$work/clone" checkout -q "$commit"
	git config --global tar.umask 0077
	git config --global core.autocrlf true
	printf '*.md export-ignore\n' >"$work/attributes"
	git config --global core.attributesFile "$work/attributes"
	(umask 0007 && cd "$work/clone" && TZ=Asia/Tokyo "$MAKE" -s --no-print-directory dist)
	rm "$HOME/.gitconfig"
	cmp "$work/first.tar.gz" "$work/clone/build/dist/dgrid-$version.tar.gz"
	sha256sum "$release"

	# Names sorted as git sorts them, nobody's, of the commit's time.
	stamp=$(TZ=UTC git log -1 --date=format-local:'%Y-%m-%d %H:%M:%S' --format=%cd)
	tar --utc --full-time -tvzf "$release" >"$work/list"
	while read -r mode owner _ entry time name; do
		[[ $owner == root/root && "$entry $time" == "$stamp" ]] || refuse "$name: $owner, $entry $time"
		[[ $mode == l* || ($mode != ?rw?rw* && $mode != *w?) ]] || refuse "$name: $mode"
		[[ $name == "dgrid-$version/"* ]] || refuse "$name: stands outside its folder"
	done <"$work/list"
	cmp <(git ls-tree -r --name-only "$commit" | sort) \
		<(awk '$1 !~ /^d/' "$work/list" | sed "s|.* dgrid-$version/||; s| -> .*||" | grep -v '^third_party/jsmn/jsmn\.h$' | sort)

	# The header comes with its licence; the repository has none.
	tar -xzOf "$release" "dgrid-$version/third_party/jsmn/jsmn.h" >"$work/jsmn.h"
	grep -q 'Copyright (c) 2010 Serge Zaitsev' "$work/jsmn.h"
	grep -q 'Permission is hereby granted, free of charge' "$work/jsmn.h"
	[[ -z $(git ls-files third_party) ]]

	# Another version of it is refused, and so is a folder that is no checkout.
	mkdir "$work/other"
	{ cat "$work/jsmn.h" && echo '/* changed */'; } >"$work/other/jsmn.h"
	! "$MAKE" -s --no-print-directory -C "$work/clone" dist JSMN_DIR="$work/other" >"$work/refused" 2>&1 || refuse "took it"
	grep -q 'is not jsmn 1.1.0' "$work/refused"
	tar -xzf "$release" -C "$work"
	! "$MAKE" -s --no-print-directory -C "$work/dgrid-$version" dist >"$work/refused" 2>&1 || refuse "made a release of a release"
	grep -q 'checkout' "$work/refused"
}

whole_release() {
	DEB_BUILD_OPTIONS=nocheck "$MAKE" --no-print-directory release # the source's own tests run in distcheck
	cmp "$release" "$work/first.tar.gz"
	(cd "$dist" && sha256sum -c SHA256SUMS)
	cmp <(cut -c 67- "$dist/SHA256SUMS" | sort) <(printf '%s\n' "dgrid-$version.tar.gz" "dgrid-$version-linux-x86_64" \
		"dgrid-$version-linux-aarch64" "dgrid_${version}_$(dpkg --print-architecture).deb" APKBUILD dgrid-openrc.pre-install dgrid.rb | sort)
}

# ---- the static programs

small_root() { # busybox, git and the libraries that git needs: nothing else
	local file new=$work/small tool
	mkdir -p "$new/bin" "$new/tmp" "$new/fake" "$new/etc" "$new/usr/lib/git-core"
	cp -L "$(type -P busybox)" "$new/bin/busybox"
	for tool in sh sleep cat rm id uname grep; do ln -s busybox "$new/bin/$tool"; done
	for tool in git git-upload-pack git-receive-pack; do
		cp -L "$(type -P git)" "$new/bin/$tool"
	done
	{ ldd "$(type -P git)" && { ldd "$new/bin/busybox" || true; }; } | grep -o '/[^ )]*' | sort -u | while read -r file; do
		mkdir -p "$new${file%/*}"
		cp -L "$file" "$new$file"
	done
	cp bats/fake-docker "$new/bin/docker"
	cat >"$new/scene" <<-'SCENE'
		set -e
		export HOME=/tmp DGRID_REPO_URL=/grid.git FAKE_DOCKER=/fake
		git init -q --bare -b main /grid.git
		$DGRID init
		$DGRID submit --id hello -- 'echo hello from $(uname)'
		$DGRID worker --node-id n1 --engine docker --once
		$DGRID wait hello
		$DGRID show hello
		$DGRID init --hook
		grep '^dgrid=' /grid.git/hooks/pre-receive
	SCENE
}
static_program() { # PROCESSOR [EMULATOR]
	local program=$dist/dgrid-$version-linux-$1 plain=build/static/dgrid-$1 machine size unpacked emulator=${2:-} rc
	size=$(stat -c %s "$program") unpacked=$(stat -c %s "$plain")
	echo "$program: $size bytes"
	echo "# static for $1: $size bytes, unpacked $unpacked" >>"$work/figures"
	((size <= MAX_STATIC)) || refuse "larger than $MAX_STATIC bytes"
	((unpacked <= MAX_UNPACKED)) || refuse "unpacked larger than $MAX_UNPACKED bytes"
	static_file "$1" "$plain"
	static_file "$1" "$program"
	[[ -d $work/small ]] || small_root
	static_scene "$plain" "$emulator"
	static_scene "$program" "$emulator"

	[[ -n $emulator ]] || static_again "$program"

	# A file that was damaged on its way says so.
	cp "$program" "$work/damaged"
	dd if=/dev/zero of="$work/damaged" bs=1000 seek=150 count=1 conv=notrunc status=none
	rc=0
	${emulator:+"$emulator"} "$work/damaged" version >"$work/refused" 2>&1 || rc=$?
	cat "$work/refused"
	((rc == 69))
	grep -q 'cannot be unpacked: its content: damaged' "$work/refused"
	# And what a limit makes impossible.
	if [[ -z $emulator ]]; then
		rc=0
		(ulimit -f 64 && "$program" version) >"$work/refused" 2>&1 || rc=$?
		((rc == 69))
		grep -q 'cannot be unpacked: ftruncate: File too large' "$work/refused"
	fi
}
static_again() { # PROGRAM: what a worker unpacked at its start begins each attempt; that the file is gone by then shows it
	local pid rc=0
	rm -rf "$work/again"
	mkdir "$work/again"
	cp "$1" "$work/again/dgrid"
	git init -q --bare -b main "$work/again/grid.git"
	"$1" --repo "$work/again/grid.git" init
	"$work/again/dgrid" --repo "$work/again/grid.git" worker --node-id n1 --engine bwrap --work-dir "$work/again/w" 2>"$work/again/log" &
	pid=$!
	wait_until 30 git -C "$work/again/grid.git" cat-file -e main:nodes/n1.json
	rm "$work/again/dgrid"
	"$1" --repo "$work/again/grid.git" submit --id again -- 'echo again'
	"$1" --repo "$work/again/grid.git" wait --timeout 60 again || rc=$?
	kill "$pid"
	wait "$pid" || true
	cat "$work/again/log"
	((rc == 0))
}
static_choices() {
	local rc=0
	"$MAKE" -s --no-print-directory static PACKED=no
	cmp "build/static/dgrid-$(uname -m)" dgrid-static
	"$MAKE" -s --no-print-directory static PACKED=maybe >"$work/refused" 2>&1 || rc=$?
	((rc != 0))
	grep -q "PACKED is yes or no, not 'maybe'" "$work/refused"
	mkdir "$work/no-xz"
	for tool in sh dirname uname; do ln -s "$(type -P "$tool")" "$work/no-xz/"; done
	rc=0
	PATH=$work/no-xz sh scripts/static.sh "$version" '' '' 2>"$work/refused" || rc=$?
	((rc == 69))
	grep -q 'install xz-utils (Alpine: xz), or make static PACKED=no' "$work/refused"
}
static_file() { # PROCESSOR PROGRAM
	readelf -hlSd "$2" >"$work/elf"
	case $1 in
	x86_64) machine='X86-64' ;;
	aarch64) machine='AArch64' ;;
	esac
	grep -q "Machine:.*$machine" "$work/elf"
	! grep -E 'INTERP|NEEDED|\.symtab|\.debug_' "$work/elf" || refuse "not static, or not stripped"
	grep -qE 'GNU_STACK' "$work/elf"
	! grep -A 1 GNU_STACK "$work/elf" | grep -q 'RWE' || refuse "its stack can be executed"
}
static_scene() { # PROGRAM [EMULATOR]
	local emulator=$2
	rm -rf "$work/small/grid.git" "$work/small/tmp" "$work/small/fake"
	mkdir "$work/small/tmp" "$work/small/fake"
	cp "$1" "$work/small/bin/dgrid"
	[[ -z $emulator ]] || cp "$(type -P "$emulator")" "$work/small/bin/emulator"
	bwrap --bind "$work/small" / --proc /proc --dev /dev --unshare-all --clearenv --setenv PATH /bin \
		--setenv DGRID "${emulator:+/bin/emulator }/bin/dgrid" sh /scene >"$work/scene" 2>&1 || {
		cat "$work/scene"
		return 1
	}
	cat "$work/scene"
	grep -q '^state *completed$' "$work/scene"
	grep -q 'hello from Linux' "$work/scene"
	grep -qxF "dgrid='/bin/dgrid'" "$work/scene" # it knows where it is
}

# ---- the recipes of Alpine and Homebrew

alpine() {
	local recipe=$work/alpine dir name
	mkdir -p "$recipe/src" "$recipe/pkg"
	cp "$dist/APKBUILD" "$dist/dgrid-openrc.pre-install" "$recipe/"
	shellcheck "$recipe/APKBUILD" "$recipe/dgrid-openrc.pre-install" packaging/openrc/*
	tar -xzf "$release" -C "$recipe/src"
	# As abuild does it: the functions of the recipe, in the folder of the source, with busybox's shell.
	cat >"$recipe/abuild" <<-'ABUILD'
		set -e
		startdir=$1 srcdir=$1/src pkgdir=$1/pkg
		CFLAGS=-O0 # this test is of the recipe, not of the compiler
		export CFLAGS
		. "$startdir/APKBUILD"
		for name in pkgname pkgver pkgrel pkgdesc url arch license source sha512sums builddir; do
			eval "value=\$$name"
			[ -n "$value" ] || { echo "APKBUILD does not say $name" && exit 1; }
		done
		[ ${#pkgdesc} -lt 128 ]
		case $pkgver in *[!0-9.]*) exit 1 ;; esac
		case $pkgdesc in *.) exit 1 ;; esac
		case $sha512sums in *@*) exit 1 ;; esac
		for name in $install; do [ -f "$startdir/$name" ]; done
		(cd "${source%/*}" 2>/dev/null || true; [ "${source##*/}" = "dgrid-$pkgver.tar.gz" ])
		echo "$sha512sums" | sed '/^$/d' >"$startdir/sums"
		for step in build check package; do (cd "$builddir" && echo "== $step" && $step); done
		echo $subpackages >"$startdir/subpackages"
	ABUILD
	busybox sh "$recipe/abuild" "$recipe"
	(cd "$dist" && sha512sum -c "$recipe/sums")
	# What abuild's own functions move into the subpackages: of each there is something, and of the rest only the program.
	for name in dgrid-doc:usr/share/doc dgrid-doc:usr/share/man dgrid-openrc:etc/init.d dgrid-openrc:etc/conf.d \
		dgrid-bash-completion:usr/share/bash-completion/completions dgrid-zsh-completion:usr/share/zsh/site-functions \
		dgrid-fish-completion:usr/share/fish/vendor_completions.d; do
		grep -qw -- "${name%%:*}" "$recipe/subpackages"
		dir=$recipe/pkg/${name#*:}
		[[ -n $(find "$dir" -type f) ]] || refuse "nothing in $dir"
		cp -r "$dir" "$recipe/${name//[:\/]/-}"
		[[ $dir == */etc/* ]] || rm -r "$dir"
	done
	cmp <(cd "$recipe/pkg" && find . -type f | sort) <(printf '%s\n' ./etc/conf.d/dgrid-worker ./etc/init.d/dgrid-worker ./usr/bin/dgrid \
		./usr/bin/dgrid-store-folder ./usr/bin/dgrid-store-lfs)
}

homebrew() {
	mkdir -p "$work/brew" "$work/brew-test"
	ruby -c "$dist/dgrid.rb"
	grep -q "sha256 \"$(sha256sum <"$release" | cut -d ' ' -f 1)\"" "$dist/dgrid.rb"
	tar -xzf "$release" -C "$work/brew"
	CFLAGS=-O0 ruby tests/brew.rb "$dist/dgrid.rb" "$work/brew/dgrid-$version" "$work/cellar" "$work/brew-test"
	[[ -x $work/cellar/bin/dgrid && -n $(find "$work/cellar/share/man" -name dgrid.1) ]]
	[[ -f $work/cellar/etc/bash_completion.d/dgrid && -f $work/cellar/share/zsh/site-functions/_dgrid ]]
	! find "$work/cellar" | grep -E 'systemd|sysusers|init\.d' || refuse "services of Linux on a Mac"
}

# ---- the Debian package and the services

package=$dist/dgrid_${version}_$(dpkg --print-architecture 2>/dev/null).deb
lint() {
	lintian --allow-root --fail-on warning,error "$package"
}
units() {
	local dir=$work/units
	mkdir -p "$dir"
	dpkg-deb --fsys-tarfile "$package" | tar -xO --wildcards './*lib/systemd/system/dgrid-worker@.service' >"$dir/packaged"
	sed "s|^ExecStart=/usr/bin/dgrid|ExecStart=$root/dgrid|" "$dir/packaged" >"$dir/dgrid-worker@n1.service"
	grep -q "^ExecStart=$root/dgrid worker " "$dir/dgrid-worker@n1.service"
	systemd-analyze verify --man=no "$dir/dgrid-worker@n1.service" 2>"$dir/complaints"
	! grep dgrid-worker "$dir/complaints" || refuse "systemd-analyze complains"
	exposed "$dir/dgrid-worker@n1.service" "$MAX_EXPOSURE"
	mkdir "$dir/dgrid-worker@n1.service.d"
	cp packaging/systemd/bubblewrap.conf "$dir/dgrid-worker@n1.service.d/"
	systemd-analyze verify --man=no "$dir/dgrid-worker@n1.service" 2>"$dir/complaints"
	! grep dgrid-worker "$dir/complaints" || refuse "systemd-analyze complains"
	exposed "$dir/dgrid-worker@n1.service" "$MAX_EXPOSURE_BWRAP"
}
exposed() { # UNIT THRESHOLD
	systemd-analyze security --no-pager --offline=true --threshold="$2" "$1" >"$work/exposure" || {
		cat "$work/exposure"
		return 1
	}
	tail -n 1 "$work/exposure"
	echo "# $(tail -n 1 "$work/exposure")" >>"$work/figures"
}

# Each scene runs inside, as root, by bash -e.
scene() { machine_run bash -seE <"$root/tests/packaging/$1.sh"; }
with_systemd() {
	cp "$package" "$work/dgrid.deb"
	cp "$dist/dgrid-$version-linux-$(uname -m)" "$work/dgrid-static"
	machine_start systemd "$work/dgrid.deb" "$work/dgrid-static" bats/fake-docker tests/wait.sh tests/packaging/common.sh -- \
		/lib/systemd/systemd --system --unit=machine.target --show-status=no
	wait_until 30 machine_run systemctl is-active machine.target
	scene systemd
	machine_stop
}
with_openrc() {
	mkdir -p "$work/alpine/dgrid"
	(cd "$work/alpine/pkg" && tar -cf "$work/apk.tar" .)
	machine_start openrc "$work/apk.tar" "$dist/dgrid-openrc.pre-install" packaging/worker.env bats/fake-docker tests/wait.sh tests/packaging/common.sh -- \
		tini -- sleep infinity
	scene openrc
	machine_stop
}

if why=$(lacking git gzip tar sha256sum); then
	skip "source release" "$why"
	exit "$rc"
fi
try "source release: the same bytes each time, of what is committed and jsmn's header" source_release
if why=$(lacking bwrap make cc); then
	skip "source release where there is little else" "$why"
else
	try "source release: make, make unit, make install, make uninstall where there is little else" \
		bash scripts/distcheck.sh "$release"
fi
if why=$(lacking dh dpkg-buildpackage fakeroot lintian systemd-analyze musl-gcc aarch64-linux-musl-gcc qemu-aarch64-static busybox \
	bwrap readelf ruby shellcheck); then
	skip "release" "$why"
	exit "$rc"
fi
try "static program: packed or not, and what is missing for it" static_choices
try "make release makes all that a release has" whole_release
((good)) || exit 1
try "static program for x86_64: small, whole, runs a grid beside busybox and git alone" static_program x86_64
try "static program for aarch64: the same, emulated" static_program aarch64 qemu-aarch64-static
try "Homebrew's formula: installs and tests itself" homebrew
try "Alpine's recipe: builds, checks, packages; each subpackage has its files" alpine
try "Debian package: lintian has no complaint" lint
try "systemd unit: valid, and closed to what a worker does not need" units
if [[ $(id -u) != 0 ]]; then
	skip "services on a copy of this machine" "that needs root"
elif why=$(lacking nsenter unshare systemctl openrc-run tini setpriv); then
	skip "services on a copy of this machine" "$why"
else
	try "Debian package: installs, runs workers by systemd (docker, bubblewrap), drains on stop, purges without a trace" with_systemd
	try "OpenRC service of the Alpine package: starts, starts again after a crash, drains on stop" with_openrc
fi
cat "$work/figures"
exit "$rc"
