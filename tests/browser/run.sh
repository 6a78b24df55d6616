#!/usr/bin/env bash
# The dashboard in a real browser, on sites made of real and of hostile grids. Prints "ok NAME" or "not ok NAME" a case;
# pictures go to build/browser/shots. Needs chromium, node and npm, java, bwrap, faketime, python3 (install-deps.sh test).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DGRID=${DGRID:-$PWD/dgrid}
build=$PWD/build/browser
export DGRID GIT_CONFIG_NOSYSTEM=1
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-browser.XXXXXX") || exit 1
chmod 711 "$work" # the sandbox may go through
export HOME=$work
fail() {
	echo "# $*"
	echo "not ok browser: sites to look at"
	exit 1
}
end_workers() {
	local pid
	[[ -f $work/demo/pids ]] || return 0
	for _ in 1 2; do
		while read -r pid; do kill -TERM "$pid" 2>/dev/null; done <"$work/demo/pids"
		sleep 0.2
	done
	while read -r pid; do
		for _ in $(seq 50); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null
	done <"$work/demo/pids"
	rm -f "$work/demo/pids"
}
cleanup() {
	end_workers
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)} || fail "chromium is not installed"
export CHROMIUM
mkdir -p "$build"
# The packages, as the lock file has them; anew only when it changed.
if ! cmp -s tests/browser/package-lock.json "$build/installed.json"; then
	cp tests/browser/package.json tests/browser/package-lock.json "$build/" || exit 1
	(cd "$build" && npm ci --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved=true) >"$work/npm" 2>&1 ||
		fail "npm ci: $(tail -n 5 "$work/npm")"
	cp tests/browser/package-lock.json "$build/installed.json"
fi

sites=$work/sites
mkdir -p "$sites"
tests/browser/grid.sh "$work/demo" >"$work/grid" 2>&1 || fail "the demo grid: $(tail -n 5 "$work/grid")"
"$DGRID" --repo "$work/demo/grid.git" audit --record >"$work/out" 2>&1 || fail "$(<"$work/out")"
# Both at one commit and one moment: two tasks run for another minute.
"$DGRID" --repo "$work/demo/grid.git" dashboard -o "$sites/demo" >"$work/out" 2>&1 || fail "$(<"$work/out")"
"$DGRID" --repo "$work/demo/grid.git" status --json >"$sites/status.json" || fail "status"
end_workers
python3 tests/browser/grids.py "$work" || fail "the made grids"
git init -q --bare -b main "$work/empty.git"
"$DGRID" init "$work/empty.git" >/dev/null || fail "an empty grid"
"$DGRID" --repo "$work/demo/grid.git" dashboard -o "$sites/past" --at main~10 >"$work/out" 2>&1 || fail "$(<"$work/out")"
"$DGRID" --repo "$work/empty.git" dashboard -o "$sites/empty" >"$work/out" 2>&1 || fail "$(<"$work/out")"
for grid in hostile large morning; do
	"$DGRID" --repo "$work/$grid.git" dashboard -o "$sites/$grid" --now 2026-11-24T12:00:00Z >"$work/out" 2>&1 || fail "$(<"$work/out")"
done
git config --global "url.$work/hosted.git.insteadOf" https://github.com/org/grid.git
"$DGRID" --repo https://github.com/org/grid.git dashboard -o "$sites/hosted" --now 2026-11-24T12:00:00Z >"$work/out" 2>&1 || fail "$(<"$work/out")"
echo "ok browser: sites to look at"

# Modules are looked for beside the script.
cp tests/browser/check.mjs "$build/check.mjs" || exit 1
TMPDIR=$work node "$build/check.mjs" "$sites" "$build/shots"
