#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets output and stderr
# What dgrid says could come next; bats/once/shells.bats has what bash, zsh and fish make of it.

setup() {
	load helpers
	common_setup
	unset DGRID_REPO_URL
	mkdir -p "$T/bin" "$T/c"
	ln -s "$DGRID" "$T/bin/dgrid"
	PATH=$T/bin:$PATH
}
teardown() { common_teardown; }

# The candidates alone, on one line.
next() { command dgrid completions --answer -- "$@" | cut -f 1 | tr '\n' ' ' | sed 's/ $//'; }

# Tasks in every state: part-1 part-2 queued, held staged, ran completed, broke failed, long in progress.
make_grid() {
	local doc='{"task_id": "%s", "script": "x", "timeout_seconds": 60}\n' id
	dgrid init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" "$T/clone"
	for id in queue/part-1 queue/part-2 unapproved/held completed/ran failed/broke in_progress/long; do
		# shellcheck disable=SC2059
		printf "$doc" "${id#*/}" >"$T/clone/tasks/$id.json"
	done
	echo '{"node_id": "pi-3"}' >"$T/clone/nodes/pi-3.json"
	tgit -C "$T/clone" add -A
	tgit -C "$T/clone" commit -qm tasks
	tgit -C "$T/clone" push -q origin main
}

@test "verbs, options and values are those of the program" {
	[ "$(next '')" = "$("$DGRID" help | sed -n -E 's/^  ([a-z]+) +.*/\1/p' | tr '\n' ' ' | sed 's/ $//')" ]
	[ "$(next can)" = cancel ]
	[ "$(next --repo)" = --repo ]
	for verb in $(next ''); do
		offered=" $(next "$verb" -) "
		told=$("$DGRID" "$verb" --help | sed -n '/^options:/,/^$/p' | grep -oE '^ {2,6}-[^ ]*(, --[a-z-]+)?' |
			tr ',' '\n' | tr -d ' ' | sed 's/[=[].*//')
		[[ $told == *--help* ]]
		for option in $told; do
			[[ $offered == *" $option "* ]] || { echo "$verb lacks $option in: $offered"; false; }
		done
		[ "$(wc -w <<<"$offered")" -eq "$(wc -w <<<"$told")" ] || { echo "$verb offers $offered, tells $told"; false; }
	done
	[ "$(next worker --engine '')" = "auto docker podman bwrap slurm" ]
	[ "$(next worker --engine=po)" = "--engine=podman" ]
	[ "$(next --branch main worker --slots 2 --engine b)" = bwrap ]
	[ "$(next worker --slots '')" = '' ]
	[ "$(next completions '')" = "bash zsh fish" ]
	[ "$(next completions zsh '')" = '' ]
	[ "$(next submit --script '')" = :files ]
	[ "$(next submit --sc)" = --script ]
	[ "$(next submit -- --sc)" = :files ]
	[ "$(next dashboard -o '')" = :folders ]
	[ "$(next no-such-verb '')" = '' ]
	run -64 "$DGRID" completions tcsh
	[[ "$output" == *"expected bash, zsh or fish, found 'tcsh'"* ]]
	for shell in bash zsh fish; do
		case $shell in zsh) file=_dgrid ;; *) file=dgrid.$shell ;; esac
		"$DGRID" completions $shell | diff - "$REPO_ROOT/assets/completions/$file"
	done
}

@test "tasks by what can be done with them, of the grid the words say" {
	make_grid
	cd clone
	[ "$(next cancel '')" = "held part-1 part-2 long" ]
	[ "$(next cancel part-1 p)" = part-2 ]
	[ "$(next retry '')" = "ran broke" ]
	[ "$(next approve '')" = held ]
	[ "$(next show '')" = "held part-1 part-2 long ran broke" ]
	[ "$(next logs -f l)" = long ]
	[ "$(next show ran '')" = "held part-1 part-2 long broke" ]
	[ "$(next worker --node-id '')" = pi-3 ]
	cd "$T"
	[ "$(next show '')" = '' ]
	[ "$(next show --repo "$ORIGIN" b)" = broke ]
	[ "$(next -C clone show b)" = broke ]
	[ "$(DGRID_REPO_URL=$ORIGIN next show b)" = broke ]
	[ "$(next --repo "$ORIGIN" --branch other show '')" = '' ]
	run -0 "$DGRID" completions --answer -- --repo "$ORIGIN" show lo
	[ "$output" = $'long\tin_progress' ]
}

@test "of a remote what was looked at before, without a wait for one that hangs" {
	make_grid
	start_http_git
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	[ "$(next show part)" = '' ] # nobody looked yet
	dgrid status >/dev/null
	[ "$(next show part)" = "part-1 part-2" ]
	# Looked at just now: not a word to the server.
	before=$(wc -l <"$T/http.asked")
	[ "$(next show part)" = "part-1 part-2" ]
	[ "$(wc -l <"$T/http.asked")" = "$before" ]
	# A while ago, and there is news.
	dgrid --repo "$ORIGIN" submit --id part-3 -- true
	news() { # who presses a key waits a second at most, which may be too short for a slow machine's fetch
		touch -d '1 minute ago' "$HOME"/.cache/dgrid/*.git/FETCH_HEAD
		[ "$(next show part)" = "part-1 part-2 part-3" ]
	}
	wait_until 20 news
	# The server hangs: what was known is there within a second or two, and it is not asked again at once.
	kill -STOP "$HTTP_PID"
	touch -d '1 minute ago' "$HOME"/.cache/dgrid/*.git/FETCH_HEAD
	from=$(date +%s%N)
	[ "$(next show part)" = "part-1 part-2 part-3" ]
	between=$(date +%s%N)
	[ "$(next show part)" = "part-1 part-2 part-3" ]
	to=$(date +%s%N)
	kill -CONT "$HTTP_PID"
	((between - from > 500000000 && between - from < 10000000000))
	((to - between < between - from))
}
