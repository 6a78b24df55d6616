#!/usr/bin/env bats
# shellcheck disable=SC2016 # documents for the tool to read
# tests/docs/run.py, which types the documents: what is wrong with one is found, so that "ok" means something.

setup() {
	load ../helpers
	common_setup
	require_bwrap
	python3 -c 'import yaml' || strict_skip "no yaml"
}
teardown() { common_teardown; }
typed() { python3 "$REPO_ROOT/tests/docs/run.py" --program "$DGRID" "$@" 2>&1; }

@test "what does not do what it says is found" {
	printf '# x\n\n```sh\ntrue\nfalse\ntrue\n```\n' >fails
	printf '```console\n$ echo one; echo two 5 s\none\nthree 7 s\n```\n' >differs
	printf '```console\n$ echo one; echo more\none\n```\n' >says-more
	printf '<!-- ends with 3 -->\n```sh\ntrue\n```\n' >ends
	printf '```sh\nsleep 30027 >/dev/null 2>&1 & disown\n```\n' >leaves
	printf '```sh\ncurl -fsSL https://example.org/else.tar.gz | tar xz\n```\n' >elsewhere
	printf '```sh\nsudo apt-get install -y cowsay\n```\n' >cowsay
	printf '```sh\nexport DGRID_REPO_URL=https://github.com/you/grid.git\ndgrid init\n```\n<!-- runs on -->\n```sh\ndgrid worker --slots 0\n```\n```sh\ntrue\n```\n' >worker
	printf '```cron\n5 * * * *  date +%%F\n```\n' >percent
	local bad=(fails differs says-more ends leaves elsewhere cowsay worker)
	run -1 typed --jobs 4 "${bad[@]/#/$T/}"
	for file in "${bad[@]}"; do [[ "$output" == *"not ok docs: $T/$file "* ]] || { echo "passes: $file"; false; }; done
	for what in "fails:3: ended with 1" "three 7 s" "two 5 s" "left running: sleep 30027" "cowsay is no package that dgrid needs"; do
		[[ "$output" == *"$what"* ]] || { echo "not found: $what"; false; }
	done
	run -1 typed "$T/percent"
	[[ "$output" == *"% is written"* ]]
	run pgrep -f "sleep 30027"
	[ "$status" = 1 ]
}

@test "what differs from run to run does not count, the rest of a line does; a scene is by itself" {
	cat >good.md <<'M'
# Good

<!-- before:
x=hidden
-->
```console
$ echo "took 3.5 s at 2026-01-01T00:00:00Z, commit 0123456789abcdef, $x"
took 12 s at 2025-12-31T23:59:59Z, commit fedcba9876543210, hidden
$ seq 5
1
…
5
```
```json
{"a": 1}
```

<!-- scene: another -->
```sh
test -z "${x:-}" && test "$(ls -A)" = ''
git clone -q https://github.com/you/dgrid && test -f dgrid/dgrid.c
echo kept >/srv/file && test -f /srv/file
```
<!-- not run: because it cannot be, for the test -->
```sh
exit 1
```
M
	run -0 typed "$T/good.md"
	[[ "$output" == *"not run: $T/good.md:"*"ok docs: $T/good.md  "*"ok docs: $T/good.md, another"* || "$output" == *"ok docs: $T/good.md, another"*"ok docs: $T/good.md  "* ]]
	[ ! -e /srv/file ]
}

@test "what would not be run is found: unknown blocks, indented ones, reasons that are none, verbs that are none" {
	{
		printf '# x\n\n    dgrid status\n\n```\nx\n```\n\n```text\n$ dgrid status\n```\n\n```json\n{"a": }\n```\n\n'
		printf '<!-- not run: no -->\n```sh\nx\n```\n\n<!-- nonsense -->\n\n<!-- runs on -->\n\ntext\n\n'
		printf 'See `dgrid frobnicate` and `dgrid status --frobnicate`, not `dgrid status --json`.\n\n```yaml\na: [\n```\n'
		for n in 1 2 3 4 5 6 7 8; do printf '<!-- not run: for a good reason, number %s -->\n```sh\nfalse\n```\n' "$n"; done
	} >form.md
	run -1 typed "$T/form.md"
	for what in ':3: an indented block' ":5: a block of ''" ':9: shown only, but looks like commands' ':13: Expecting value' \
		"'not run' without a reason" 'none that run.py knows: nonsense' 'stands before no block' 'frobnicate`: there is no such verb' \
		'status has no --frobnicate' '9 blocks are not run (expected at most 8)'; do
		[[ "$output" == *"$what"* ]] || { echo "not found: $what"; false; }
	done
	[[ "$output" != *"status --json"* ]]
}

@test "told to stop, it takes its scenes along" {
	printf '```sh\nsleep 273\n```\n' >long
	mkdir tmp
	TMPDIR=$T/tmp spawn "$T/log" python3 "$REPO_ROOT/tests/docs/run.py" --program "$DGRID" "$T/long"
	begun() { pgrep -f 'sleep 273'; }
	wait_until 30 begun
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	run begun
	[ "$status" = 1 ]
	[ -z "$(ls tmp)" ]
}

@test "record.py: what a terminal showed, as well-formed SVG; a command that fails leaves the old one" {
	run -0 python3 "$REPO_ROOT/scripts/record.py" --rows 3 out.svg sh -c 'printf "\033[32mgreen\033[0m <&> %s\r\n" "$PWD"; printf "old\rn\033[K\n"; seq 4'
	python3 - out.svg >texts <<-'PY'
		import sys, xml.etree.ElementTree as tree
		svg = "{http://www.w3.org/2000/svg}"
		for text in tree.parse(sys.argv[1]).iter(svg + "text"):
		    if "gone" not in text.get("class"):
		        print("".join(text.itertext()))
	PY
	sed 1d texts | diff - <(printf 'green <&> /home/ann/dgrid\nn\n1\n2\n3\n4\n$ \n')
	grep -q '<tspan class="green">green</tspan>' out.svg
	grep -q 'prefers-color-scheme:dark' out.svg
	cp out.svg before.svg
	run -1 python3 "$REPO_ROOT/scripts/record.py" out.svg sh -c 'exit 3'
	cmp out.svg before.svg
}
