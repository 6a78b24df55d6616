#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets stderr
# validate on files: everything that is wrong at once, as text, as JSON and as annotations; hostile names and values.

setup() {
	load helpers
	common_setup
}
teardown() { common_teardown; }

json() { python3 -c "import json,sys; o=json.load(sys.stdin); print($1)" <<<"$output"; }
good() { printf '{"task_id": "%s", "script": "true", "timeout_seconds": 10}\n' "$1"; }

@test "all problems of all files in one go, each with place, field, what is wrong and what is expected" {
	good fine >fine.json
	cat >bad.json <<-'JSON'
		{
		  "task_id": "another",
		  "timeout_seconds": 9999,
		  "scirpt": "true",
		  "env": {"A": 1, "1B": "x"},
		  "labels": ["ok", "not ok"],
		  "cpus": 64, "memory_mb": 1.5, "pids": null,
		  "image": "evil:1",
		  "result": {}
		}
	JSON
	printf '{"task_id": "broken",}' >broken.json
	run -65 --separate-stderr "$DGRID" validate fine.json bad.json broken.json
	[ "$output" = 'bad.json:2:14: task_id: "another" differs from the file name (expected "bad")
bad.json:3:22: timeout_seconds: 9999 is not valid (expected a whole number from 10 to 300)
bad.json:4:3: scirpt: unknown field (expected "script"? names of your own begin with x-)
bad.json:5:16: env.A: 1 is not valid (expected a string without NUL)
bad.json:5:19: env: "1B" is no variable name (expected letters, digits and _, no digit first)
bad.json:6:20: labels[1]: "not ok" is not valid (expected a string of 1-64 of A-Z a-z 0-9 _ -)
bad.json:7:11: cpus: 64 is not valid (expected a number from 0.01 to 1: max_cpus of grid.json)
bad.json:7:28: memory_mb: 1.5 is not valid (expected a whole number from 4 to 512: max_memory_mb of grid.json)
bad.json:7:41: pids: null is not valid (expected a whole number from 3 to 64: max_pids of grid.json)
bad.json:8:12: image: "evil:1" is no image of this grid (expected one of "alpine:3.20")
bad.json:9:3: result: only dgrid writes this field (expected a task without it)
bad.json:1:1: script: missing (expected in every task)
broken.json:1:22: expected a member name in double quotes, found '"'}'" ]
	[ "$stderr" = 'dgrid: 2 invalid files' ]
	run -65 --separate-stderr "$DGRID" validate --json fine.json bad.json broken.json
	[ "$(json 'o["schema"], o["valid"], o["files"], len(o["problems"])')" = '1 False 3 13' ]
	[ "$(json 'o["problems"][2] == {"file": "bad.json", "line": 4, "column": 3, "field": "scirpt", "message": "unknown field (expected \"script\"? names of your own begin with x-)"}')" = True ]
	run -65 --separate-stderr "$DGRID" validate --github fine.json bad.json broken.json
	[ "${#lines[@]}" = 13 ]
	[ "${lines[0]}" = '::error file=bad.json,line=2,col=14::task_id: "another" differs from the file name (expected "bad")' ]
	run -0 --separate-stderr "$DGRID" validate fine.json
	[ -z "$output$stderr" ]
	run -0 "$DGRID" validate --json fine.json
	[ "$(json 'o["valid"], o["problems"]')" = 'True []' ]
}

@test "a repository's own ceilings and images count" {
	"$DGRID" init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" c
	echo '{"max_timeout_seconds": 900, "images": ["a:1", "b:2"]}' >c/grid.json
	tgit -C c commit -qam wider
	tgit -C c push -q origin HEAD:main
	printf '{"task_id": "x", "script": "true", "timeout_seconds": 900, "image": "b:2"}' >x.json
	run -0 "$DGRID" --repo "$ORIGIN" validate x.json
	run -65 "$DGRID" validate x.json
	[[ "$output" == *'x.json:1:60: '* || "$output" == *'from 10 to 300'*'one of "alpine:3.20"'* ]]
	echo '{"max_timeout_seconds": []}' >c/grid.json
	tgit -C c commit -qam wrong
	tgit -C c push -q origin HEAD:main
	run -65 "$DGRID" --repo "$ORIGIN" validate x.json
	[[ "$output" == *"the grid's settings are not valid"*"grid.json:1:25: max_timeout_seconds: "* ]]
}

@test "a repository that is no grid, and was not asked for, leaves the defaults; submit takes no NUL either" {
	good x >x.json
	git init -q -b main plain
	cp x.json plain
	cd plain
	run -0 --separate-stderr "$DGRID" validate x.json
	[[ -z "$output" && "$stderr" == *"the defaults count"* ]]
	run -66 "$DGRID" --repo "$T/plain" validate x.json
	"$DGRID" init "$ORIGIN" >/dev/null
	printf '\0garbage' >>x.json
	run -65 "$DGRID" validate x.json
	run -65 "$DGRID" --repo "$ORIGIN" submit x.json
	[[ "$output" == *"NUL byte"* ]]
}

@test "hostile names and values break no line, no annotation, no terminal, no shell" {
	names=("x';touch pwned;'.json" '$(touch pwned).json' $'a\n::error::pwned.json' $'b\r::add-mask::y.json' '::warning file=a::b.json' 'c##[add-path]d.json'
		'e%0A::error::f.json' 'g,line=9::h.json' $'i\033[2J.json' $'j\377\300.json' $'k\302\233.json' $'l\342\200\256.json' "$(printf 'n%.0s' {1..240}).json")
	for name in "${names[@]}"; do
		printf '{"task_id": "x", "script": "touch pwned", "timeout_seconds": 10, "o\\n::error::p": 1, "image": "\\u001b[2J##[x]y\\u0000"}' >"$name"
	done
	echo '{' >-dash.json
	run -65 "$DGRID" validate -- "${names[@]}" -dash.json
	[ "${#lines[@]}" = $((3 * ${#names[@]} + 2)) ]
	[[ "$output" == *$'\n-dash.json:2:1: '* ]]
	[ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <<<"$output" | wc -c)" = 0 ]
	iconv -f UTF-8 -t UTF-8 <<<"$output" >/dev/null
	[ "$(grep -cE '^ *::|##\[' <<<"$output")" = 0 ]
	run -65 --separate-stderr "$DGRID" validate --github -- "${names[@]}" -dash.json
	[ "${#lines[@]}" = $((3 * ${#names[@]} + 1)) ]
	[ "$(grep -cE '^::error file=[^:,]+,line=[0-9]+,col=[0-9]+::' <<<"$output")" = ${#lines[@]} ]
	[ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <<<"$output" | wc -c)" = 0 ]
	# Unescaped as a runner does it, a value holds no line that would be a command.
	python3 - "$output" <<-'PY'
		import re, sys
		for line in sys.argv[1].split("\n"):
		    props, data = re.fullmatch(r"::error (.*?)::(.*)", line).groups()
		    for k, v in (p.split("=", 1) for p in props.split(",")):
		        assert k in ("file", "line", "col"), line
		        v = v.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
		        assert v.isprintable() and "::" not in v and "##[" not in v, v
		    assert data.isprintable(), data
	PY
	run -65 --separate-stderr "$DGRID" validate --json -- "${names[@]}" -dash.json
	[ "$(json 'len(o["problems"])')" = $((3 * ${#names[@]} + 1)) ]
	[ "$(json 'all(p["file"].isprintable() and p["message"].isprintable() for p in o["problems"])')" = True ]
	[ ! -e pwned ]
}

@test "files that are none, too large, too many; wrong options" {
	run -66 "$DGRID" validate nowhere.json
	[[ "$output" == *"nowhere.json:1:1: "*"No such file"* ]]
	mkdir folder.json
	run -65 "$DGRID" validate folder.json nowhere.json
	ln -s /etc/passwd link.json
	run -65 "$DGRID" validate link.json
	[[ "$output" != *root:* ]]
	head -c 1048577 /dev/zero >large.json
	run -65 "$DGRID" validate large.json
	[[ "$output" == *1048576* ]]
	good one >one.json
	good two >two.json
	run -0 "$DGRID" validate --max-files 2 one.json two.json
	run -65 "$DGRID" validate --max-files 1 one.json two.json
	[[ "$output" == *"two.json:1:1: 2 files (expected at most 1)"* ]]
	run -64 "$DGRID" validate
	run -64 "$DGRID" validate --max-files 0 one.json
	run -64 "$DGRID" validate --max-files
	run -64 "$DGRID" validate --frobnicate one.json
	run -64 "$DGRID" validate --json --github one.json
}
