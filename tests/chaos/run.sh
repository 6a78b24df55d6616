#!/usr/bin/env bash
# The bench of faults: workers on bubblewrap or a fake docker, tasks, and a stream of faults drawn from a seed. Then
# check.py and an audit read the history alone. usage: run.sh [SECONDS [WORKERS [TASKS [SEED]]]]
# Faults: kill -9 of a worker, SIGSTOP beyond the lease, kill of a git child at any point, a stale index.lock, a remote
# that declines, a remote that is away, a full disk, an engine that fails or hangs, an engine's client that is killed while its
# script runs, files that cannot be read or end early; among the tasks are some that docker cannot start; and the clocks of two workers are half
# a minute off, one each way, where libfaketime is there to do it.
# shellcheck disable=SC2016,SC2317 # hooks are for their own shell; cleanup is called by the trap
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
seconds=${1:-60} workers=${2:-4} tasks=${3:-200} seed=${4:-$RANDOM}
dgrid=${DGRID:-$PWD/dgrid} here=$PWD/tests/chaos
# shellcheck source=tests/wait.sh
. tests/wait.sh
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-chaos.XXXXXX") || exit 1
chmod 711 "$work" # the sandbox may go through
origin=$work/origin.git
RANDOM=$((seed % 32768))
echo "chaos: seed $seed, $workers workers, $tasks tasks, faults for $seconds s"
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 DGRID_REPO_URL=$origin FAKE_DOCKER=$work/fake LOG_LEVEL=info
mkdir -p "$HOME" "$work/bin" "$work/fake"
cp bats/fake-docker "$work/bin/docker"
declare -a pid frozen
small=''

cleanup() {
	local n
	for n in "${!pid[@]}"; do
		kill -CONT "${pid[n]}" 2>/dev/null
		kill -KILL "${pid[n]}" 2>/dev/null
	done
	if [[ -n $small ]]; then umount -l "$small" 2>/dev/null; fi
	if [[ ${keep:-0} = 1 ]]; then echo "chaos: all is kept in $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

git init -q --bare -b main "$origin"
"$dgrid" init >/dev/null || exit 1
git clone -q "$origin" "$work/c"
cat >"$work/c/grid.json" <<-JSON
	{"schema": 1, "heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 1, "lease_seconds": 8,
	 "min_timeout_seconds": 1, "retry_backoff_seconds": 1, "concurrency": {"few": 2}}
JSON
git -C "$work/c" -c user.name=c -c user.email=c@invalid commit -qam settings
# Schedules of two hours ago, of which eight minutes are still to be dealt with, by whichever worker is the first.
mkdir "$work/c/schedules" "$work/tasks"
behind=$(($(date +%s) / 60 * 60 - 480))
for n in 1 2 3; do
	echo '{"cron": "* * * * *", "missed": "all", "overlap": "queue", "task": {"script": "echo a run", "timeout_seconds": 30, "max_attempts": 10}}' \
		>"$work/c/schedules/every$n.json"
done
git -C "$work/c" add -A
GIT_COMMITTER_DATE=@$((behind - 7200)) git -C "$work/c" -c user.name=c -c user.email=c@invalid commit -qm schedules
sed -i "s/\"task\":/\"last\": \"$(date -u -d "@$behind" +%FT%TZ)\", \"task\":/" "$work"/c/schedules/*.json
git -C "$work/c" -c user.name=c -c user.email=c@invalid commit -qam "only from here on"
git -C "$work/c" push -q origin HEAD:main
name_of() { # I: docker cannot start what is named poison
	if (($1 % 20 == 7)); then echo "poison$1"; else echo "t$1"; fi
}
for i in $(seq "$tasks"); do
	script="echo $i >>/dev/null; sleep $((RANDOM % 3)).$((RANDOM % 10)); echo done $i"
	((i % 10)) || script="echo fails; exit 3"
	several=''
	((i % 6)) || several=', "replicas": 3'
	most=10
	[[ $(name_of "$i") == t* ]] || most=2
	# Some wait for those before them, some run once a point, of some two at a time may run.
	case $((i % 8)) in
	3) several+=", \"needs\": [\"$(name_of $((i - 1)))\", \"$(name_of $((i - 2)))\"]" ;;
	4) several+=", \"needs\": [\"$(name_of $((i - 1)))\"], \"after\": [\"$(name_of $((i - 3)))\"]" ;;
	5) several+=', "points": 3' ;;
	6) several+=', "concurrency_group": "few"' ;;
	esac
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 30, "max_attempts": %d%s}' "$(name_of "$i")" "$script" "$most" "$several" \
		>"$work/tasks/$(name_of "$i").json"
done
"$dgrid" submit "$work"/tasks/*.json >/dev/null || exit 1

# Worker 1 has a small file system of its own; the odd ones run on the fake docker, the even ones on bubblewrap.
if [[ $(id -u) = 0 ]]; then
	small=$work/w1
	mkdir "$small" && mount -t tmpfs -o size=64m tmpfs "$small" || small=''
fi
faketime=$(find /usr/lib /usr/local/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
offset=(0 -30 +30)
echo poison >"$work/fake/refuses"
failing=''
if "${CC:-cc}" -shared -fPIC -O1 -U_FORTIFY_SOURCE -o "$work/failing.so" tests/failing.c -ldl; then failing=$work/failing.so; fi
[[ -n $failing ]] || echo "chaos: without a C compiler every file can be read"
[[ -n $faketime ]] || echo "chaos: without libfaketime no clock is wrong"
start() { # N
	local engine=bwrap skew=(env "LD_PRELOAD=$failing" "FAILING=$work/rules$1" ASAN_OPTIONS=verify_asan_link_order=0)
	if (($1 % 2)); then engine=docker; fi
	if [[ -n $faketime && $1 -le 2 ]]; then skew+=("LD_PRELOAD=$faketime${failing:+:$failing}" FAKETIME_DONT_FAKE_MONOTONIC=1 "FAKETIME=${offset[$1]}"); fi
	PATH=$work/bin:$PATH "${skew[@]}" "$dgrid" worker --node-id "n$1" --slots 3 --engine $engine --work-dir "$work/w$1/d" \
		>>"$work/log$1" 2>&1 </dev/null &
	disown $! # so that bash does not tell of each kill
	pid[$1]=$!
	frozen[$1]=0
}
alive() { kill -0 "${pid[$1]}" 2>/dev/null && [[ $(ps -o stat= -p "${pid[$1]}") != Z* ]]; }
for n in $(seq "$workers"); do start "$n"; done

declare -A count
fault() {
	local n=$((RANDOM % workers + 1)) child
	case $((RANDOM % 13)) in
	0 | 1)
		if alive "$n"; then kill -KILL "${pid[n]}" && kind=kill-9; fi
		;;
	2)
		if alive "$n" && [[ ${frozen[n]} = 0 ]]; then
			kill -STOP "${pid[n]}" && frozen[n]=$((SECONDS + RANDOM % 14)) && kind=freeze
		fi
		;;
	3 | 4 | 5)
		# Any git process of that worker's, whatever it is doing, its server side included.
		child=
		for ((try = 0; try < 30; try++)); do
			child=$(pgrep -f "git.*$work/(w$n/d|origin)" | shuf -n 1)
			if [[ -n $child ]]; then break; fi
		done
		if [[ -n $child ]]; then kill -KILL "$child" 2>/dev/null && kind=kill-git; fi
		;;
	6) if [[ -d $work/w$n/d/ledger/.git ]] && : >"$work/w$n/d/ledger/.git/index.lock"; then kind=index.lock; fi ;;
	7)
		[[ -d $origin/hooks ]] || return
		printf '#!/bin/sh\n[ $(($$ %% 3)) != 0 ] || { echo "declined at random" >&2; exit 1; }\n' >"$origin/hooks/pre-receive"
		chmod +x "$origin/hooks/pre-receive"
		hook_until=$((SECONDS + 2)) kind=decline
		;;
	10 | 11)
		# EMFILE, EIO, EACCES, ESTALE, or an end where there is none.
		local call errors=(24 5 13 116 0)
		call=$(printf 'open\nread\nlook\nlist\n' | shuf -n 1 --random-source=<(yes "$RANDOM"))
		echo "$call ${errors[RANDOM % 5]} /d/$(printf 'ledger/tasks/queue\nledger/tasks/in_progress\nledger/nodes\nresults\nledger/grid.json\n' | shuf -n 1 --random-source=<(yes "$RANDOM"))" >"$work/rules$n"
		error_until=$((SECONDS + 2)) kind=read-error
		;;
	12)
		child=$(pgrep -f "docker run .*--name dgrid-n$n-" | head -n 1)
		if [[ -n $child ]]; then kill -KILL "$child" 2>/dev/null && kind=client-killed; fi
		;;
	8) if [[ -d $origin ]] && mv "$origin" "$origin.away"; then away_until=$((SECONDS + 1 + RANDOM % 3)) kind=away; fi ;;
	9)
		if ((RANDOM % 2)) && [[ -n $small ]]; then
			head -c 63000000 /dev/zero >"$small/filler" 2>/dev/null
			full_until=$((SECONDS + 2)) kind=disk-full
		else
			kind="engine-fails"
			if ((RANDOM % 2)); then kind="engine-hangs"; fi
			touch "$work/fake/${kind#engine-}"
			engine_until=$((SECONDS + 2))
		fi
		;;
	esac
}
mend() { # what is due
	local n
	if ((SECONDS >= ${hook_until:-0})); then rm -f "$origin/hooks/pre-receive"; fi
	if ((SECONDS >= ${away_until:-0})) && [[ -d $origin.away ]]; then mv "$origin.away" "$origin"; fi
	# A git that is killed while it serves a push leaves its lock in the bare repository, for the administrator.
	find "$origin" -name '*.lock' -mmin +0.05 -delete 2>/dev/null
	if ((SECONDS >= ${full_until:-0})) && [[ -n $small ]]; then rm -f "$small/filler"; fi
	if ((SECONDS >= ${error_until:-0})); then rm -f "$work"/rules?; fi
	if ((SECONDS >= ${engine_until:-0})); then rm -f "$work/fake/fails" "$work/fake/hangs"; fi
	for n in $(seq "$workers"); do
		if [[ ${frozen[n]} != 0 ]] && ((SECONDS >= frozen[n])); then
			kill -CONT "${pid[n]}" 2>/dev/null
			frozen[n]=0
		fi
		if ! alive "$n"; then start "$n"; fi
	done
}
open_tasks() { git -C "$origin" ls-tree -r --name-only main tasks/queue tasks/in_progress 2>/dev/null | grep -c json; }

total=0
end=$((SECONDS + seconds))
while ((SECONDS < end)); do
	kind=''
	fault
	if [[ -n $kind ]]; then
		count[$kind]=$((${count[$kind]:-0} + 1))
		total=$((total + 1))
	fi
	mend
	sleep "0.$((RANDOM % 4 + 1))"
done
# No more faults: what is open has to end.
hook_until=0 away_until=0 full_until=0 engine_until=0 error_until=0
for n in $(seq "$workers"); do
	if [[ ${frozen[n]} != 0 ]]; then frozen[n]=1; fi
done
end=$((SECONDS + $(scaled 180)))
mend
while (($(open_tasks) > 0 && SECONDS < end)); do
	mend
	sleep 0.5
done
for n in $(seq "$workers"); do kill -TERM "${pid[n]}" 2>/dev/null; done
end=$((SECONDS + $(scaled 60)))
for n in $(seq "$workers"); do
	while alive "$n" && ((SECONDS < end)); do sleep 0.1; done
done
rc=0
printf 'faults: %d (' "$total"
for kind in "${!count[@]}"; do printf ' %s %d' "$kind" "${count[$kind]}"; done
echo ' )'
for n in $(seq "$workers"); do
	if alive "$n"; then echo "WRONG worker $n does not leave" && rc=1; fi
done
left=$(pgrep -f "$work/w[0-9]" | wc -l)
if ((left > 0)); then echo "WRONG $left processes are left" && rc=1; fi
python3 "$here/check.py" "$origin" main "$tasks" "$behind" || rc=1
# Two clocks are further off than the settings allow, and the audit may say so: it cannot be told from a claim ended early.
"$dgrid" audit >"$work/audit" 2>&1
found=$?
cat "$work/audit"
if ((found)) && grep -vE '^audited |^dgrid: | notice\.|orphan\.evidence .*one of two clocks is wrong( [(]by .*[)])?$' "$work/audit"; then
	echo "WRONG the audit finds what nobody did" && rc=1
fi
if ((rc)); then
	keep=1
	echo "chaos: failed; again with: make chaos FAULT_SECONDS=$seconds WORKERS=$workers TASKS=$tasks SEED=$seed"
else
	echo "chaos: every promise was kept"
fi
exit $rc
