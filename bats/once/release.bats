#!/usr/bin/env bats
# shellcheck disable=SC2016 # texts for other shells
# The release workflow, its scripts run for real but for what makes the files (make release) and what publishes them.

setup() {
	load ../helpers
	common_setup
	require_command jq
	mkdir -p "$T/bin" "$T/out"
	export STANDIN_LOG=$T/calls
	VERSION=$(sed -n 's/.*DGRID_VERSION "\(.*\)"/\1/p' "$REPO_ROOT/base/version.h")
	: >"$STANDIN_LOG"
	printf '#!/bin/sh\nexec "$@"\n' >"$T/bin/sudo"
	# What make release makes, by its names; that it does is tests/packaging's matter.
	cat >"$T/bin/make" <<-'SH'
		#!/bin/sh
		echo "make $*" >>"$STANDIN_LOG"
		[ -z "${GH_TOKEN:-}${REGISTRY_TOKEN:-}" ] || exit 99
		if [ "$1" = packaging ]; then echo "skips are failures: $DGRID_STRICT" >>"$STANDIN_LOG"; fi
		[ "$1" = release ] || exit 0
		v=$(sed -n 's/.*DGRID_VERSION "\(.*\)"/\1/p' base/version.h)
		mkdir -p build/dist && cd build/dist || exit 1
		for f in "dgrid-$v.tar.gz" "dgrid-$v-linux-x86_64" "dgrid-$v-linux-aarch64" "dgrid_${v}_amd64.deb" APKBUILD dgrid.rb; do
			echo "the bytes of $f" >"$f"
		done
		if [ -e "$STANDIN_LOG.lacks" ]; then rm dgrid-*-aarch64; fi
		sha256sum -- * >../sums && mv ../sums SHA256SUMS
		echo 'a file more' >dgrid-openrc.pre-install
	SH
	for f in apt-get gh docker; do
		cat >"$T/bin/$f" <<-'SH'
			#!/bin/sh
			me=${0##*/}
			printf '%s' "$me" >>"$STANDIN_LOG"
			printf ' [%s]' "$@" >>"$STANDIN_LOG"
			echo >>"$STANDIN_LOG"
			if [ "$me" = gh ]; then
				[ -n "$GH_TOKEN" ] && [ -n "$GH_REPO" ] || exit 4
				for a; do case $a in build/dist/*) cp "$a" "$STANDIN_LOG.up/" || exit 1 ;; *notes.md) cp "$a" "$STANDIN_LOG.notes" ;; esac; done
			fi
			if [ "$me $1" = "docker login" ]; then
				[ "$(cat)" = of-the-job ] || exit 1
			fi
		SH
	done
	mkdir "$STANDIN_LOG.up"
	chmod +x "$T"/bin/*
	export PATH=$T/bin:$PATH
	tgit clone -q "$ORIGIN" "$T/main" 2>/dev/null
	cd "$T/main"
	mkdir -p scripts
	cp -r "$REPO_ROOT"/{base,CHANGELOG.md,LICENSE,NOTICE,.github} .
	cp "$REPO_ROOT"/scripts/{changelog,sbom}.sh scripts/
	printf '#!/bin/sh\nexit 0\n' >scripts/install-deps.sh
	# Where Debian's packages are not, their versions are said.
	dpkg-query -W libjsmn-dev musl-dev >/dev/null 2>&1 || sed -i '2i JSMN_VERSION=1.1.0 MUSL_VERSION=1.2.3' scripts/sbom.sh
	tgit add -A
	tgit commit -qm 'the project'
	tgit push -q origin HEAD:main
}
teardown() { common_teardown; }

release() { # TAG [FORK]
	tgit tag -f "$1" >/dev/null
	tgit push -q -f origin "$1"
	printf '{"origin": "%s", "github": {"event_name": "push", "ref_name": "%s", "repository": "You/dgrid", "sha": "%s", "token": "of-the-job",
		"server_url": "https://github.com", "actor": "ann", "event": {"repository": {"fork": %s}}}}' \
		"$ORIGIN" "$1" "$(git rev-parse HEAD)" "${2:-false}" >"$T/context.json"
	python3 "$REPO_ROOT/tests/workflow.py" github .github/workflows/release.yml "$T/context.json" "$T/out" 2>&1
}
published() { grep -E '^(gh|docker)' "$STANDIN_LOG"; }

@test "a tag that fits: tested, then all files with checksums, notes and parts list, then the image with provenance" {
	run -0 release "v$VERSION"
	[[ "$output" == *"4 jobs ran"* ]]
	run -0 cat "$STANDIN_LOG"
	[[ "$output" == *"make test"*"make release"*"make packaging"*"skips are failures: 1"*"gh [release] [create] [v$VERSION] [--verify-tag]"*"docker [buildx] [build]"* ]]
	[[ "$output" == *"[--provenance=mode=max]"*"[ghcr.io/you/dgrid:$VERSION]"*"[ghcr.io/you/dgrid:latest]"*"[--push] [.]"* ]]
	[[ "$output" != *of-the-job* && "$output" != *prerelease* ]]
	cd "$STANDIN_LOG.up"
	sha256sum --check --strict SHA256SUMS
	[ "$(find . -type f | wc -l)" = 10 ]
	[ "$(wc -l <SHA256SUMS)" = 9 ]
	grep -q 'Rich Felker' "dgrid-$VERSION-licences.txt"
	diff <(sh "$REPO_ROOT/scripts/changelog.sh" "$VERSION") "$STANDIN_LOG.notes"
	jq -e --arg v "$VERSION" '.spdxVersion == "SPDX-2.3" and (.packages | map(.name) | contains(["dgrid", "jsmn", "musl", "dgrid-\($v).tar.gz"]))
		and ([.packages[] | .SPDXID] | unique | length) == (.packages | length)
		and (.documentNamespace | startswith("https://") and (contains("#") | not))
		and ([.relationships[] | .spdxElementId, .relatedSpdxElement] - ["SPDXRef-DOCUMENT"] - [.packages[].SPDXID]) == []
		and (.packages[] | select(.name == "musl") | .versionInfo | test("^[0-9.]+$"))' "dgrid-$VERSION.spdx.json"
	local sum
	sum=$(sha256sum "dgrid-$VERSION-linux-aarch64")
	jq -e --arg sum "${sum%% *}" '[.packages[].checksums[0].checksumValue] | index($sum)' "dgrid-$VERSION.spdx.json"
}

@test "nothing is published of another version, of an untold one, of a branch aside, of a fork, of what was not made" {
	run -1 release v9.9.9
	[[ "$output" == *"::error file=base/version.h::The tag is not v$VERSION"* ]]
	run -0 release "v$VERSION" true
	[[ "$output" == *"0 jobs ran"* ]]
	sed -i "s/^## \[$VERSION\].*/## [0.0.9] - 2026-01-01/" CHANGELOG.md
	tgit commit -qam 'untold'
	tgit push -q origin HEAD:main
	run -1 release "v$VERSION"
	[[ "$output" == *"says nothing of version $VERSION"* ]]
	git checkout -q HEAD~1
	tgit commit -q --allow-empty -m aside
	run -1 release "v$VERSION"
	[[ "$output" == *"not on the branch main"* ]]
	git checkout -q main~1
	touch "$STANDIN_LOG.lacks"
	run -1 release "v$VERSION"
	[[ "$output" == *"linux-aarch64 was not made"* ]]
	run ! published
	# It listens to tags alone.
	python3 -c 'import sys, yaml; on = yaml.safe_load(open(sys.argv[1]))[True]; sys.exit(on != {"push": {"tags": ["v*"]}})' .github/workflows/release.yml
}

@test "a trial version is nobody's latest" {
	sed -i "s/\"$VERSION\"/\"$VERSION-rc1\"/" base/version.h
	sed -i "s/^## \[$VERSION\]/## [$VERSION-rc1]/" CHANGELOG.md
	tgit commit -qam 'trial'
	tgit push -q origin HEAD:main
	run -0 release "v$VERSION-rc1"
	run -0 published
	[[ "$output" == *"[--prerelease]"*"ghcr.io/you/dgrid:$VERSION-rc1"* ]]
	[[ "$output" != *":latest"* ]]
}

@test "changelog.sh: one version's section, whole and alone; a section without text is none" {
	printf '# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [1.1.0] - 2026-02-02\n\n### Added\n\n- b\n\n  ```sh\n  x\n  ```\n\n## [1.1] - 2026-01-01\n\n### Added\n\n## [1.0.0]\n- a\n\n[1.0.0]: https://x\n' >log.md
	[ "$(sh "$REPO_ROOT/scripts/changelog.sh" 1.1.0 log.md)" = "$(printf '### Added\n\n- b\n\n  ```sh\n  x\n  ```')" ]
	[ "$(sh "$REPO_ROOT/scripts/changelog.sh" 1.0.0 log.md)" = "- a" ]
	run -65 sh "$REPO_ROOT/scripts/changelog.sh" 1.1 log.md
	run -65 sh "$REPO_ROOT/scripts/changelog.sh" 2.0 log.md
}

@test "a grid is not given the project's own workflows" {
	run -0 strings "$DGRID"
	[[ "$output" != *"workflows/release.yml"* && "$output" != *"workflows/ci.yml"* && "$output" == *"workflows/maintain.yml"* ]]
}
