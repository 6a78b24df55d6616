#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets stderr
# Schedules: made and changed by hand and by verb, queued once whoever is there, missed and overlapping instants, signatures.
# Time is not moved: a schedule is committed with a date of the past, so that what it has at midnight is due at once.

setup() {
	load helpers
	common_setup
	mkdir "$T/bin" "$T/fake"
	cp "$BATS_TEST_DIRNAME/fake-docker" "$T/bin/docker"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
	TODAY=$(date -u +%Y%m%d)
	MIDNIGHT=$(date -u +%Y-%m-%dT00:00:00Z)
}
teardown() { common_teardown; }

json() { python3 -c "import json,sys; o=json.load(sys.stdin); print($1)" <<<"$output"; }
of() { git -C "$ORIGIN" show "main:schedules/$1.json" | python3 -c "import json,sys; s=json.load(sys.stdin); print($2)"; } # NAME PYTHON-ON-s
day() { date -u -d "$1 days ago" +%Y%m%d; }
tasks() { git -C "$ORIGIN" ls-tree -r --name-only main tasks/ | sed -n 's|.*/\(.*\)\.json$|\1|p' | sort; }
# put DAYS NAME CRON [MEMBERS]...: schedules by one commit of so many days ago.
put() {
	local date=$(($(date +%s) - $1 * 86400))
	shift
	rm -rf "$T/put"
	tgit clone -q "$ORIGIN" "$T/put"
	mkdir -p "$T/put/schedules"
	while (($#)); do
		printf '{"cron": "%s", "task": {"script": "echo %s", "timeout_seconds": 30}%s}\n' "$2" "$1" "${3:-}" >"$T/put/schedules/$1.json"
		shift $(($# < 3 ? $# : 3))
	done
	tgit -C "$T/put" add -A
	GIT_COMMITTER_DATE="$date +0000" tgit -C "$T/put" commit -qm 'schedules by hand'
	tgit -C "$T/put" push -q origin HEAD:main
}
worker() { "$DGRID" worker --node-id "$1" --engine docker --work-dir "$T/w-$1" "${@:2}" 2>"$T/log-$1"; }
once() { worker "$1" --once "${@:2}"; }
audited() {
	run -0 "$DGRID" audit
	[[ "$output" == *"no violations"* ]]
}

@test "add, list, pause, resume, replace and remove: each is one commit, checked before" {
	run -0 "$DGRID" schedule
	[[ "$output" == "no schedules"* ]]
	echo 'echo report' >report.sh
	run -0 "$DGRID" schedule add nightly --cron '0 2 * * mon-fri' --script report.sh --timeout 120 --priority 7 --label big --env DAY=monday --env X=a=b --description 'the report'
	[ "$output" = 'added nightly' ]
	[ "$(of nightly 's["cron"], s["task"]["script"], s["task"]["timeout_seconds"], s["task"]["priority"], s["task"]["labels"], s["task"]["env"]')" = "0 2 * * mon-fri echo report
 120 7 ['big'] {'DAY': 'monday', 'X': 'a=b'}" ]
	run -0 git -C "$ORIGIN" log -1 --format=%B main
	[[ "$output" == "ann: add schedule nightly"*"cron: 0 2 * * mon-fri"* ]]
	run -0 "$DGRID" schedule add words --cron @hourly --missed skip --overlap queue -- printf '%s %s' 'a b' c
	[ "$(of words 's["task"]["script"], s["missed"], s["overlap"]')" = "printf '%s %s' 'a b' c skip queue" ]
	printf '{"task_id": "file", "script": "true", "timeout_seconds": 20, "memory_mb": 64}' >file.json
	"$DGRID" schedule add filed --cron '*/5 * * * *' file.json
	[ "$(of filed 'sorted(s["task"])')" = "['memory_mb', 'script', 'timeout_seconds']" ]
	run -0 "$DGRID" schedule list
	[[ "${lines[0]}" == NAME*"CRON (UTC)"*NEXT*LAST*RESULT* ]]
	[[ "${lines[2]}" == nightly*"0 2 * * mon-fri"*T02:00:00Z*-*- ]]
	run -0 "$DGRID" schedule --json
	[ "$(json 'o["schema"], [(s["name"], s["missed"], s["paused"], s["last"], s["late_seconds"]) for s in o["schedules"]]')" = \
		"1 [('filed', 'latest', False, None, 0), ('nightly', 'latest', False, None, 0), ('words', 'skip', False, None, 0)]" ]
	run -0 "$DGRID" schedule pause nightly
	[ "$output" = 'paused nightly' ]
	run -0 "$DGRID" schedule pause nightly
	[ "$output" = 'already paused: nightly' ]
	run -0 "$DGRID" schedule list
	[[ "${lines[2]}" == nightly*paused* ]]
	run -0 "$DGRID" schedule resume nightly
	[ "$output" = 'resumed nightly' ]
	run -65 "$DGRID" schedule add nightly --cron @daily -- true
	[[ "$output" == *"there is a schedule 'nightly' already (--replace"* ]]
	run -65 "$DGRID" schedule add NIGHTLY --cron @daily -- true
	[[ "$output" == *"other but for upper and lower case"* ]]
	"$DGRID" schedule add nightly --cron @daily --replace -- true
	[ "$(of nightly 's["cron"]')" = @daily ]
	run -0 "$DGRID" schedule remove words
	[ "$output" = 'removed words' ]
	run -66 "$DGRID" schedule remove words
	[[ "$output" == *"there is no schedule 'words'"* ]]
	run -0 "$DGRID" audit --json
	[ "$(json 'o["violations"], sorted({n["rule"] for n in o["notices"]}), len(o["notices"])')" = "[] ['notice.schedule'] 7" ]
}

@test "show: one schedule, the times to come, its tasks from the newest on, and what is wrong with it" {
	put 2 nightly '0 0 * * *'
	once n1
	run -0 "$DGRID" schedule run nightly
	byhand=$output
	run -0 "$DGRID" schedule show nightly
	[[ "${lines[0]}" == "schedule  nightly" && "${lines[1]}" == "cron      0 0 * * * (UTC)" ]]
	[[ "$output" == *"next      $(date -u -d '1 day' +%Y-%m-%d)T00:00:00Z"$'\n'*"$(date -u -d '3 days' +%Y-%m-%d)T00:00:00Z"$'\n'"last      $MIDNIGHT"* ]]
	[[ "$output" == *"tasks     $byhand  queue"$'\n'"          nightly-${TODAY}T0000Z  success  n1"* ]]
	[[ "$output" == *'"script": "echo nightly"'* ]]
	run -0 "$DGRID" schedule show nightly --json
	[ "$(json 'o["cron"], o["tasks_on_branch"], [(t["state"], t["status"], t["node"]) for t in o["tasks"]], o["task"]["script"], len(o["instants"])')" = \
		"0 0 * * * 2 [('queue', None, None), ('completed', 'success', 'n1')] echo nightly 3" ]
	put 0 odd '61 * * * *'
	run -0 "$DGRID" schedule show odd
	[[ "$output" == *"not valid "*"61"*"tasks     none on the branch"* ]]
	run -66 "$DGRID" schedule show none
	run -64 "$DGRID" schedule show
}

@test "a schedule is given files as a submission is: they are sent, and what a task file names has to be there" {
	printf 'a\nb\n' >tab.csv
	git init -q -b main src
	echo 'all: ; echo built' >src/Makefile
	git -C src add Makefile
	tgit -C src commit -qm one
	at_remote() { git -C "$ORIGIN" rev-parse --verify -q "refs/dgrid/in/$1"; }
	run -0 "$DGRID" schedule add nightly --cron '0 2 * * *' --input tab=tab.csv --stdin tab.csv -- 'wc -l /in/tab'
	tab=$(of nightly 's["task"]["inputs"]["tab"]["tree"]')
	at_remote "$tab"
	[ "$(of nightly 's["task"]["stdin"], sorted(s["task"]["inputs"])')" = "stdin ['stdin', 'tab']" ]
	(cd src && "$DGRID" schedule add built --cron @daily --checkout -- make)
	at_remote "$(of built 's["task"]["inputs"]["src"]["tree"]')"
	[ "$(of built 's["task"]["workdir"]')" = src ]
	printf '#DGRID --input tab.csv\ncat /in/tab.csv\n' >head.sh
	"$DGRID" schedule add head --cron @daily --script head.sh
	[ "$(of head 's["task"]["inputs"]["tab.csv"]["tree"]')" = "$tab" ]
	# What was made and never sent is refused, as submit refuses it, also beside what is sent.
	echo other >other.csv
	"$DGRID" submit --dry-run --input other.csv -- 'cat /in/other.csv' >t.json
	other=$(python3 -c 'import json; print(json.load(open("t.json"))["inputs"]["other.csv"]["tree"])')
	run -65 "$DGRID" schedule add unsent --cron @daily --input tab.csv t.json
	[[ "$output" == *"unsent: input 'other.csv': its tree ${other:0:12} is not at the remote (--input sends"* ]]
	run -65 "$DGRID" schedule add bad --cron '61 * * * *' --input other.csv -- true
	run ! at_remote "$other"
	"$DGRID" schedule add unsent --cron @daily --force t.json
	"$DGRID" schedule add sent --cron @daily --input o=other.csv t.json
	at_remote "$other"
	run -65 "$DGRID" schedule add no --cron @daily --input tab.csv --workdir tab.csv -- true
	[[ "$output" == *'workdir: "tab.csv" is a file'* ]]
	run -64 "$DGRID" schedule pause nightly --input tab.csv
	run -64 "$DGRID" schedule add no --cron @daily --dirty -- true
	run -0 "$DGRID" schedule run nightly
	once n1
	audited
}

@test "what is no schedule is told with line and column, by add, by validate, by list and by workers" {
	run -65 "$DGRID" schedule add a --cron '0 0 30 2 *' -- true
	[[ "$output" == *'schedules/a.json:'*'cron: "0 0 30 2 *" never comes'* ]]
	run -65 "$DGRID" schedule add a --cron '61 * * * *' -- true
	[[ "$output" == *'cron: the minute "61" is not valid (expected *, or numbers from 0 to 59'* ]]
	run -65 "$DGRID" schedule add a --cron @daily --timeout 9999 -- true
	[[ "$output" == *'timeout_seconds: 9999 is not valid'* ]]
	run -65 "$DGRID" schedule add a --cron @daily --missed all -- true
	[[ "$output" == *'missed: "all" needs "overlap": "queue"'* ]]
	run -64 "$DGRID" schedule add a -- true
	[[ "$output" == *"schedule add needs --cron"* ]]
	run -64 "$DGRID" schedule add a --cron @daily
	[[ "$output" == *"needs one of a task file, --script FILE, -- CMD"* ]]
	run -64 "$DGRID" schedule add 'a b' --cron @daily -- true
	[[ "$output" == *"NAME: expected 1-47"* ]]
	run -64 "$DGRID" schedule pause
	[[ "$output" == *"schedule pause needs the name"* ]]
	run -64 "$DGRID" schedule pause a --cron @daily
	[[ "$output" == *"schedule pause takes no task"* ]]
	run -64 "$DGRID" schedule run a --dry-run
	[[ "$output" == *"--dry-run is not for schedule run NAME"* ]]
	run -64 "$DGRID" schedule pause a --json
	[[ "$output" == *"--json is not for schedule pause"* ]]
	run -64 "$DGRID" schedule pose a
	[[ "$output" == *"expected add, list, pause, resume, run, remove, show or sign, found 'pose'"* ]]
	mkdir schedules
	printf '{"cron": "0 2 * *",\n "task": {"script": "true"},\n "mised": "all"}' >schedules/x.json
	run -65 "$DGRID" validate schedules/x.json
	[ "${lines[0]}" = 'schedules/x.json:1:10: cron: "0 2 * *" is not valid (expected five fields: minute, hour, day of the month, month, weekday, in UTC; or @hourly, @daily, @weekly, @monthly, @yearly)' ]
	[[ "$output" == *'schedules/x.json:2:10: timeout_seconds: missing'* ]]
	[[ "$output" == *'schedules/x.json:3:2: mised: unknown field of a schedule (expected "missed"'* ]]
	echo '{"cron": "0 2 * * *", "task": {"script": "true", "timeout_seconds": 60}}' >schedules/x.json
	run -0 "$DGRID" validate schedules/x.json
	# One that a person pushed stands in nobody's way.
	put 2 broken '0 0 * * 8' '' good '0 0 * * *'
	run -0 "$DGRID" schedule
	[[ "$output" == *broken*"not valid"*'the weekday "8" is not valid'* ]]
	once n1
	grep -q 'broken is no schedule, nothing is queued: .*the weekday' "$T/log-n1"
	[ "$(tasks)" = "good-${TODAY}T0000Z" ]
	run -0 "$DGRID" schedule run
	[[ "$output" == "left broken: "*"the weekday"* ]]
}

@test "a pull request may not touch schedules, and it is said why" {
	tgit clone -q "$ORIGIN" "$T/up"
	cd "$T/up"
	tgit checkout -q -b offer
	mkdir schedules
	echo '{"cron": "* * * * *", "task": {"script": "true", "timeout_seconds": 60}}' >schedules/mine.json
	tgit add -A
	tgit commit -qm 'a schedule'
	run -65 "$DGRID" validate --pr main..offer
	[[ "$output" == *"schedules/mine.json:"*"is a schedule, which runs again and again: only who may push adds or changes one"* ]]
	# Undone is not enough.
	tgit rm -q -r schedules
	echo '{"task_id": "x", "script": "true", "timeout_seconds": 60}' >tasks/unapproved/x.json
	tgit add -A
	tgit commit -qm 'a task'
	run -65 "$DGRID" validate --pr main..offer
	[[ "$output" == *"schedules/mine.json:"*"undone is not enough"* ]]
	# Nor may a task say that a schedule had it queued.
	tgit checkout -q -b other main
	echo '{"task_id": "x", "script": "true", "timeout_seconds": 60, "schedule": {"name": "mine", "at": "2026-01-01T00:00:00Z"}}' >tasks/unapproved/x.json
	tgit add -A
	tgit commit -qm 'a task'
	run -65 "$DGRID" validate --pr main..other
	[[ "$output" == *"schedule: only dgrid writes this field"* ]]
}

@test "twenty schedules due at once and four racing workers: each is queued and run once" {
	local args=() i
	for i in $(seq 20); do args+=("s$i" '0 0 * * *' ''); done
	put 2 "${args[@]}"
	for i in 1 2 3 4; do spawn "$T/log$i" "$DGRID" worker --node-id "n$i" --engine docker --slots 2 --work-dir "$T/w$i"; done
	wait_until 60 sh -c '[ "$(git -C "$1" ls-tree --name-only main tasks/completed/ | grep -c json)" = 20 ]' sh "$ORIGIN"
	[ "$(tasks)" = "$(for i in $(seq 20); do echo "s$i-${TODAY}T0000Z"; done | sort)" ]
	[ "$(git -C "$ORIGIN" log --format=%s%n%b main | grep -oE '(^|: )fire s[0-9]+-.*' | sed 's/^: //' | sort | uniq -c | awk '$1 != 1' | wc -l)" = 0 ]
	[ "$(git -C "$ORIGIN" log --format=%s%n%b main | grep -cE '(^|: )fire s[0-9]+-')" = 20 ]
	[ "$(of s7 's["last"]')" = "$MIDNIGHT" ]
	run -0 ledger_json completed "s7-${TODAY}T0000Z"
	[ "$(json 'o["created_at"], o["schedule"], o["result"]["status"]')" = "$MIDNIGHT {'name': 's7', 'at': '$MIDNIGHT'} success" ]
	# Nobody queues it again, archived or not.
	grid_settings '"keep_finished": 1'
	wait_until 60 git -C "$ORIGIN" rev-parse -q --verify archive
	run -0 "$DGRID" schedule run
	[ "$output" = 'nothing is due' ]
	run -0 "$DGRID" schedule --json
	[ "$(json 'len(o["schedules"]), {s["last_result"] for s in o["schedules"]}, {s["late_seconds"] for s in o["schedules"]}')" = "20 {'success'} {0}" ]
	audited
}

@test "a worker whose slots are all taken queues what is due; one that would leave waits for it" {
	touch "$T/fake/slow"
	"$DGRID" submit --id long --timeout 200 -- true >/dev/null
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine docker --slots 1 --work-dir "$T/w"
	wait_until 20 git -C "$ORIGIN" cat-file -e main:tasks/in_progress/long.json
	put 2 due '0 0 * * *'
	wait_until 20 git -C "$ORIGIN" cat-file -e "main:tasks/queue/due-${TODAY}T0000Z.json"
	git -C "$ORIGIN" cat-file -e main:tasks/in_progress/long.json
	run -0 "$DGRID" why "due-${TODAY}T0000Z"
	[[ "$output" == *"is in queue"*"schedule due queued it for $MIDNIGHT"* ]]
	rm "$T/fake/slow"
	wait_until 30 git -C "$ORIGIN" cat-file -e "main:tasks/completed/due-${TODAY}T0000Z.json"
	put 2 more '0 0 * * *'
	once n2
	git -C "$ORIGIN" cat-file -e "main:tasks/completed/more-${TODAY}T0000Z.json"
	audited
}

@test "missed: the latest, none that is too old, or all of them; the commit says how many were passed by" {
	put 4 latest '0 0 * * *' '' skip '0 0 * * *' ', "missed": "skip"' all '0 0 * * *' ', "missed": "all", "overlap": "queue"'
	run -0 "$DGRID" schedule list
	[[ "${lines[1]}" == all*"due since "* ]]
	run -0 "$DGRID" metrics
	late=$(sed -n 's/^dgrid_schedule_late_seconds{schedule="all"} //p' <<<"$output")
	[ "$late" -ge 259200 ]
	promtool check metrics <<<"$output"
	run -0 "$DGRID" why "skip-${TODAY}T0000Z"
	[[ "$output" == *"schedule skip is due: any worker queues it"* ]]
	run -0 "$DGRID" schedule run --dry-run
	[[ "$output" == *"would queue latest-${TODAY}T0000Z"*"latest: 3 missed and passed by"* ]]
	[ -z "$(tasks)" ]
	run -0 "$DGRID" schedule run --json
	[ "$(json '[(f["name"], len(f["tasks"])) for f in o["fired"]]')" = "[('all', 4), ('latest', 1), ('skip', 0)]" ]
	[ "$(tasks)" = "$(printf 'all-%sT0000Z\n' "$(day 3)" "$(day 2)" "$(day 1)" "$TODAY"; echo "latest-${TODAY}T0000Z")" ]
	[ "$(of latest 's["last"]') $(of skip 's["last"]') $(of all 's["last"]')" = "$MIDNIGHT $MIDNIGHT $MIDNIGHT" ]
	run -0 git -C "$ORIGIN" log -1 --format=%B main
	[[ "$output" == "ann: 8 transitions"*"schedule latest"*"fire latest-${TODAY}T0000Z"*"latest: 3 missed and passed by"*"skip: 4 missed and passed by"* ]]
	run -0 "$DGRID" why "skip-${TODAY}T0000Z"
	[[ "$output" == *"is not there"*"schedule skip skipped that time"* ]]
	run -0 "$DGRID" schedule run
	[ "$output" = 'nothing is due' ]
	audited
}

@test "more than 24 missed instants go into several commits, and none is lost or queued twice" {
	put 2 all '0 * * * *' ', "missed": "all", "overlap": "queue"'
	"$DGRID" schedule run >"$T/said"
	[ "$(tasks | wc -l)" = 48 ]
	[ "$(git -C "$ORIGIN" log --format=%s main | grep -c transitions)" = 2 ]
	audited
}

@test "all, and far behind: the newest 1,000 instants, and a call that ends" {
	put 3 all '* * * * *' ', "missed": "all", "overlap": "queue"'
	run -0 "$DGRID" schedule run
	[ "$(tasks | wc -l)" = 120 ]
	[[ "$output" == *"all: "*" missed and passed by"* ]]
	[[ "$(tasks | head -n 1)" > "all-$(date -u -d '1010 minutes ago' +%Y%m%dT%H%MZ)" ]]
	audited
	run -0 "$DGRID" maintain
	[ "$(tasks | wc -l)" = 240 ]
	audited
}

@test "what ran last is told of a schedule that was paused, resumed or changed since" {
	put 1 daily '0 0 * * *'
	once n1
	last() { run -0 "$DGRID" schedule --json; json '[o["schedules"][0][k] for k in ("last", "last_task", "last_result")]'; }
	ran="['$MIDNIGHT', 'daily-${TODAY}T0000Z', 'success']"
	[ "$(last)" = "$ran" ]
	"$DGRID" schedule pause daily
	[ "$(last)" = "$ran" ]
	run -0 "$DGRID" schedule list
	[[ "${lines[1]}" == daily*paused*"$MIDNIGHT"*success ]]
	"$DGRID" schedule resume daily
	[ "$(last)" = "$ran" ]
	# Of an instant that was dealt with before, there is no result: that of another is not shown for it.
	tgit clone -q "$ORIGIN" "$T/c"
	sed -i "s/\"last\": .*/\"last\": \"$(date -u -d '1 day ago' +%Y-%m-%dT00:00:00Z)\"/" "$T/c/schedules/daily.json"
	tgit -C "$T/c" commit -qam 'as of yesterday'
	tgit -C "$T/c" push -q origin HEAD:main
	[ "$(last)" = "['$(date -u -d '1 day ago' +%Y-%m-%dT00:00:00Z)', None, None]" ]
}

@test "overlap: no second task while one is not done, unless it says so" {
	put 4 skip '0 0 * * *' ', "missed": "all", "overlap": "queue"' queue '0 0 * * *' ', "missed": "all", "overlap": "queue"'
	"$DGRID" schedule run >/dev/null
	# A person takes today's away, has one overlap no more, and says that yesterday's was the last, so today's is due again.
	tgit clone -q "$ORIGIN" "$T/c"
	for name in skip queue; do tgit -C "$T/c" rm -q "tasks/queue/$name-${TODAY}T0000Z.json" "tasks/queue/$name-$(day 2)T0000Z.json" "tasks/queue/$name-$(day 3)T0000Z.json"; done
	sed -i '/"missed"/d; s/"overlap": "queue"/"overlap": "skip"/' "$T/c/schedules/skip.json"
	tgit -C "$T/c" commit -qam 'not beside each other'
	for name in skip queue; do
		sed -i "s/\"last\": .*/\"last\": \"$(date -u -d '1 day ago' +%Y-%m-%dT00:00:00Z)\"/" "$T/c/schedules/$name.json"
	done
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'as of yesterday'
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" schedule run
	[[ "$output" == "queued queue-${TODAY}T0000Z"*"skip: not queued, the task of an earlier instant is not done"* ]]
	[ "$(of skip 's["last"]')" = "$MIDNIGHT" ]
	[ "$(tasks)" = "$(printf '%s\n' "queue-$(day 1)T0000Z" "queue-${TODAY}T0000Z" "skip-$(day 1)T0000Z")" ]
	audited
}

@test "a new, changed or resumed schedule looks forward only" {
	put 0 fresh '0 0 * * *' ', "last": "2020-01-01T00:00:00Z"' bare '0 0 * * *' ''
	run -0 "$DGRID" schedule run
	[ "$output" = 'nothing is due' ]
	put 3 changed '0 0 * * *' '' paused '0 0 * * *' ', "paused": true'
	run -0 "$DGRID" schedule run --dry-run
	[ "${lines[0]}" = "would queue changed-${TODAY}T0000Z" ]
	"$DGRID" schedule add changed --cron '1 0 * * *' --replace -- true >/dev/null
	"$DGRID" schedule resume paused >/dev/null
	run -0 "$DGRID" schedule run
	[ "$output" = 'nothing is due' ]
	run -0 "$DGRID" schedule --json
	[ "$(json '[s["late_seconds"] for s in o["schedules"]]')" = "[0, 0, 0, 0]" ]
	once n1
	[ -z "$(tasks)" ]
}

@test "run NAME queues one now, whatever the time; maintain queues what is due; schedule says who does" {
	"$DGRID" schedule add yearly --cron @yearly -- 'echo now' >/dev/null
	"$DGRID" schedule pause yearly >/dev/null
	last=$(of yearly 's["last"]')
	run -0 "$DGRID" schedule run yearly
	[[ "$output" =~ ^yearly-[0-9]{8}T[0-9]{6}Z$ ]]
	once n1
	run -0 "$DGRID" logs "$output"
	[ "$(of yearly 's["last"]')" = "$last" ]
	run -66 "$DGRID" schedule run never
	grid_settings '"schedule": "maintain"'
	put 1 daily '0 0 * * *'
	once n1
	run ! grep -q daily "$T/log-n1"
	run -0 "$DGRID" why "daily-${TODAY}T0000Z"
	[[ "$output" == *"schedule daily is due: dgrid maintain or dgrid schedule run queues it"* ]]
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would queue daily-${TODAY}T0000Z"* ]]
	run -0 "$DGRID" maintain --json
	[ "$(json '[(f["name"], f["tasks"]) for f in o["fired"]]')" = "[('daily', ['daily-${TODAY}T0000Z'])]" ]
	run -65 "$DGRID" config schedule nobody
	audited
}

@test "an id that is taken is left alone, and the schedule goes on" {
	"$DGRID" submit --id "DAILY-${TODAY}T0000Z" -- 'echo mine' >/dev/null
	put 1 daily '0 0 * * *'
	run -0 "$DGRID" schedule run
	[ "$output" = "daily-${TODAY}T0000Z: the id is taken" ]
	[ "$(of daily 's["last"]')" = "$MIDNIGHT" ]
	[ "$(tasks)" = "DAILY-${TODAY}T0000Z" ]
	audited
}

@test "an id of a schedule's tasks is nobody else's: submit, validate, a pull request and promote refuse it, and one that is there stops nothing" {
	local mine=DAILY-20300101T0000Z
	put 1 daily '0 0 * * *'
	run -65 "$DGRID" submit --id "$mine" -- 'echo mine'
	[[ "$output" == *"task_id \"$mine\" is one that schedule \"daily\" gives its own tasks (expected another)"* ]]
	"$DGRID" submit --id dail-20300101T0000Z -- 'echo mine' >/dev/null
	mine=daily-20300101T0000Z
	tgit clone -q "$ORIGIN" "$T/c"
	tgit -C "$T/c" checkout -q -b offer
	printf '{"task_id": "%s", "script": "echo evil", "timeout_seconds": 60, "labels": ["nobody"]}' "$mine" >"$T/c/tasks/unapproved/$mine.json"
	run -65 "$DGRID" validate "$T/c/tasks/unapproved/$mine.json"
	[[ "$output" == *"is one that schedule \"daily\" gives its own tasks"* ]]
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm offer
	cd "$T/c"
	run -65 "$DGRID" validate --pr main..offer
	[[ "$output" == *"is one that schedule \"daily\" gives its own tasks"* ]]
	# Merged all the same.
	tgit push -q origin HEAD:main
	run "$DGRID" promote
	[[ "$output" == *"its id is one that schedule daily gives its own tasks"* ]]
	# Pushed into the queue: one of a time to come, and one of before that no schedule had queued.
	for id in daily-20300102T0000Z daily-20200101T0000Z; do sed "s/$mine/$id/" "tasks/unapproved/$mine.json" >"tasks/queue/$id.json"; done
	tgit add -A
	tgit commit -qm 'by hand'
	tgit push -q origin HEAD:main
	run -0 "$DGRID" schedule run
	[ "$output" = "queued daily-${TODAY}T0000Z" ]
	run -0 "$DGRID" schedule --json
	[ "$(json 'o["schedules"][0]["last_task"], o["schedules"][0]["last_state"]')" = "daily-${TODAY}T0000Z queue" ]
	# What would be taken for a run that is yet to come is a violation; what comes never is not.
	run -1 "$DGRID" audit
	[[ "$output" == *"schedule.fire     tasks/queue/daily-20300102T0000Z.json: it has the id of a task of schedule daily and is not one"*": 1 VIOLATION"* ]]
}

@test "where tasks are signed, the schedule's signature counts for its own tasks and no others" {
	require_command ssh-keygen
	for who in ann eve; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	tgit clone -q "$ORIGIN" "$T/c"
	echo "ann@example.invalid $(cut -d ' ' -f 1,2 "$T/ann.pub")" >"$T/c/allowed_signers"
	echo '{"schema": 1, "require_signed_tasks": true}' >"$T/c/grid.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'signed tasks'
	tgit -C "$T/c" push -q origin HEAD:main
	run -77 "$DGRID" schedule add daily --cron @yearly -- 'echo hi'
	[[ "$output" == *"the tasks of 'daily' would not run: it is not signed"*--sign* ]]
	run -77 "$DGRID" schedule add daily --cron @yearly --key "$T/eve" -- 'echo hi'
	"$DGRID" schedule add daily --cron @yearly --key "$T/ann" -- 'echo hi' >/dev/null
	# Due at once: a person says so of last, which is not signed.
	last() { # NAME...
		tgit -C "$T/c" pull -q origin main
		for name; do python3 - "$T/c/schedules/$name.json" <<-'PY'
			import json, sys
			s = json.load(open(sys.argv[1]))
			s["last"] = "2020-06-01T00:00:00Z"
			json.dump(s, open(sys.argv[1], "w"))
		PY
		done
		tgit -C "$T/c" add -A
		tgit -C "$T/c" commit -qm 'due again'
		tgit -C "$T/c" push -q origin HEAD:main
	}
	id=$(date -u +%Y0101T0000Z)
	last daily
	once n1
	run -0 ledger_json completed "daily-$id"
	[ "$(json 'o["attempts"][0]["signed_by"], "signatures" in o')" = "ann@example.invalid False" ]
	# Under another name, or with another script, or a changed cron: no.
	tgit -C "$T/c" pull -q origin main
	cp "$T/c/schedules/daily.json" "$T/c/schedules/copied.json"
	sed 's/echo hi/echo pwned/' "$T/c/schedules/daily.json" >"$T/c/schedules/script.json"
	sed -i 's/@yearly/@monthly/' "$T/c/schedules/daily.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'by whoever may push'
	last copied script daily
	once n1
	for name in copied script; do
		run -0 ledger_json failed "$name-$id"
		[[ "$(json 'o["result"]["status"], o["result"]["reason"]')" == "invalid "*"schedule $name: its signature is not one"* ]]
	done
	run -0 ledger_json failed "daily-$(date -u +%Y%m01T0000Z)"
	[[ "$(json 'o["result"]["reason"]')" == *"schedule daily: its signature is not one"* ]]
	run -77 "$DGRID" schedule run daily
	run -0 "$DGRID" schedule sign daily --key "$T/ann"
	[ "$output" = 'signed daily' ]
	run -0 "$DGRID" schedule run daily
	now=$output
	# A task that says it is a schedule's and is not.
	tgit -C "$T/c" pull -q origin main
	printf '{"task_id": "daily-20260101T000000Z", "script": "echo pwned", "timeout_seconds": 60, "created_at": "2026-01-01T00:00:00Z", "schedule": {"name": "daily", "at": "2026-01-01T00:00:00Z"}}' \
		>"$T/c/tasks/queue/daily-20260101T000000Z.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'smuggled'
	tgit -C "$T/c" push -q origin HEAD:main
	once n1
	git -C "$ORIGIN" cat-file -e "main:tasks/completed/$now.json"
	run -0 ledger_json failed daily-20260101T000000Z
	[[ "$(json 'o["result"]["reason"]')" == *"it is not the task of schedule daily"* ]]
	# The audit knows the same.
	run --separate-stderr -1 "$DGRID" audit --json
	[ "$(json '{v["rule"] for v in o["violations"]}')" = "{'schedule.fire'}" ]
}

@test "a repository that judges pushes takes what workers queue, signed, and no other hand's" {
	require_command ssh-keygen
	for who in ann n1; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	mkdir "$T/w-n1"
	cp "$T/n1" "$T/w-n1/node_key" && cp "$T/n1.pub" "$T/w-n1/node_key.pub"
	"$DGRID" enroll --person ann "$T/ann.pub" >/dev/null
	"$DGRID" enroll n1 "$T/n1.pub" >/dev/null
	grid_settings '"require_signed_nodes": true'
	put 2 daily '0 0 * * *' ''
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	once n1
	git -C "$ORIGIN" cat-file -e "main:tasks/completed/daily-${TODAY}T0000Z.json"
	# A person's change takes a person's key.
	tgit clone -q "$ORIGIN" "$T/c"
	sed -i 's/0 0 \* \* \*/* * * * */' "$T/c/schedules/daily.json"
	tgit -C "$T/c" commit -qam 'more often'
	run ! tgit -C "$T/c" push -q origin HEAD:main
	[[ "$output" == *"signed.settings: schedules/daily.json: changed by tester"* ]]
	DGRID_SIGNING_KEY=$T/ann "$DGRID" schedule pause daily >/dev/null
	audited
}

@test "over a line, from a shallow clone: the history is fetched as far back as it takes" {
	start_http_git
	put 1 daily '0 0 * * *'
	tgit clone -q "$ORIGIN" "$T/c"
	for i in $(seq 120); do tgit -C "$T/c" commit -q --allow-empty -m "$i"; done
	tgit -C "$T/c" push -q origin HEAD:main
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	run -0 "$DGRID" --repo "$HTTP_URL" schedule run
	[ "$output" = "queued daily-${TODAY}T0000Z" ]
	run -0 "$DGRID" --repo "$HTTP_URL" schedule run
	[ "$output" = 'nothing is due' ]
	audited
}

@test "the dashboard has a line for each" {
	run -0 "$DGRID" dashboard -o "$T/site"
	grep -q '"schedules":\[\]' "$T/site/index.html"
	put 1 daily '0 0 * * *' '' broken 'x' ''
	"$DGRID" schedule run >/dev/null
	once n1
	run -0 "$DGRID" dashboard -o "$T/site"
	python3 - "$T/site/index.html" "$TODAY" <<-'PY'
		import json, re, sys
		o = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', open(sys.argv[1]).read(), re.S).group(1))
		broken, daily = o["schedules"]
		assert broken["name"] == "broken" and "the minute" in broken["wrong"], broken
		assert daily["task"] == f"daily-{sys.argv[2]}T0000Z" and daily["result"] == "success" and not daily["late"], daily
		assert daily["next"] > daily["last"] > 0, daily
	PY
}
