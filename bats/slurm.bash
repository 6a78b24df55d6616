# shellcheck shell=bash disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets BATS_FILE_TMPDIR
# A private Slurm on this machine: munged, slurmctld and slurmd with folders, ports and keys of their own.

# One node of 64 processors, however many there are; for the time that a file of tests takes.
slurm_start() {
	local d=$BATS_FILE_TMPDIR/slurm host user at
	command -v slurmctld slurmd munged sbatch >/dev/null || return 0
	mkdir -p "$d/state" "$d/spool" "$BATS_FILE_TMPDIR/hidden"
	for at in "$BATS_RUN_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")" "$BATS_FILE_TMPDIR" "$d"; do chmod a+x "$at"; done
	host=$(hostname -s)
	user=$(id -un)
	(umask 077 && head -c 128 /dev/urandom >"$d/key")
	munged --key-file="$d/key" --socket="$d/socket" --pid-file="$d/munged.pid" --log-file="$d/munged.log" \
		--seed-file="$d/seed" 3>&- || return 1
	cat >"$d/slurm.conf" <<-CONF
		ClusterName=dgrid-test
		SlurmctldHost=$host(127.0.0.1)
		SlurmUser=$user
		SlurmdUser=$user
		AuthInfo=socket=$d/socket
		SlurmctldPort=$(random_port)
		SlurmdPort=$(random_port)
		SlurmctldPidFile=$d/slurmctld.pid
		SlurmdPidFile=$d/slurmd.pid
		StateSaveLocation=$d/state
		SlurmdSpoolDir=$d/spool
		SlurmdParameters=config_overrides
		ProctrackType=proctrack/pgid
		TaskPlugin=task/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU_Memory
		SchedulerType=sched/builtin
		SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
		JobAcctGatherType=jobacct_gather/none
		MpiDefault=none
		ReturnToService=2
		KillWait=5
		MessageTimeout=2
		GresTypes=license
		NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 CPUs=64 RealMemory=64000 Gres=license:3 State=UNKNOWN
		PartitionName=main Nodes=n1 Default=YES MaxTime=60 State=UP
		PartitionName=small Nodes=n1 MaxTime=1 State=UP
	CONF
	echo 'Name=license Count=3' >"$d/gres.conf"
	export SLURM_CONF=$d/slurm.conf
	slurm_controller
	# Where that is allowed, the node does not see one folder that this machine has.
	local hide=()
	if [[ $(id -u) == 0 ]]; then hide=(unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$BATS_FILE_TMPDIR/hidden"); fi
	"${hide[@]}" slurmd -D -N n1 >"$d/slurmd.log" 2>&1 </dev/null 3>&- &
	echo $! >>"$d/pids"
	wait_until 30 slurm_idle || { tail -n 20 "$d"/*.log >&2; return 1; }
}
slurm_controller() {
	slurmctld -D >>"${SLURM_CONF%/*}/slurmctld.log" 2>&1 </dev/null 3>&- &
	echo $! >>"${SLURM_CONF%/*}/pids"
	echo $! >"${SLURM_CONF%/*}/controller"
	disown # whose end by a signal is no news
}
slurm_idle() { [[ $(sinfo --noheader --partition=main --format=%T) == idle ]]; }
slurm_stop() {
	local d=$BATS_FILE_TMPDIR/slurm pid
	[[ -f $d/pids ]] || return 0
	export SLURM_CONF=$d/slurm.conf
	scancel --state=PENDING --user="$(id -un)" 2>/dev/null
	scancel --user="$(id -un)" 2>/dev/null
	wait_until 15 slurm_idle 2>/dev/null || true
	while read -r pid; do kill -TERM "$pid" 2>/dev/null || true; done < <(cat "$d/pids" "$d/munged.pid")
	while read -r pid; do
		wait_until 10 pid_ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
	done < <(cat "$d/pids" "$d/munged.pid")
	# What watches over a job may not have heard that all is over, nor what it watches over.
	for pid in $(pgrep -x slurmstepd) $(grep -lzs '^SLURM_JOB_ID=' /proc/[0-9]*/environ | tr -dc '0-9\n'); do
		if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qxF "SLURM_CONF=$SLURM_CONF"; then kill -KILL "$pid"; fi
	done
}
require_slurm() {
	command -v slurmctld slurmd munged sbatch >/dev/null || { strict_skip "Slurm and munge are not installed"; return; }
	require_bwrap
}
job_of() { squeue --noheader --format='%i %j' | sed -n "s/ dgrid-$NODE-$1-.*//p"; } # TASK: its job's number
job_runs() { squeue --noheader --states=RUNNING --format=%j | grep -q "^dgrid-$NODE-$1-"; }

has_begun() { [[ -e $(echo "$T/w1/jobs/dgrid-$NODE-$1-"*)/began ]]; } # TASK
container_runs() { has_begun "$1"; }
client_of() { pgrep -f "slurm-run $T/w1/jobs/dgrid-$NODE-$1-"; }

# Jobs mostly wait, so the checks of a file run side by side, each in a grid of its own: begin starts one, finished tells
# how it went.
begin() { # CHECK
	mkdir "$BATS_FILE_TMPDIR/$1"
	(
		BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/$1
		trap 'code=$?; set +e; trap - ERR; sandbox_teardown; echo "$code" >"$BATS_TEST_TMPDIR.ended"' EXIT
		set -eE
		sandbox_setup slurm
		"$1"
	) >"$BATS_FILE_TMPDIR/$1.log" 2>&1 </dev/null 3>&- &
}
finished() { # CHECK
	wait_until 150 test -s "$BATS_FILE_TMPDIR/$1.ended"
	cat "$BATS_FILE_TMPDIR/$1.log"
	[ "$(<"$BATS_FILE_TMPDIR/$1.ended")" = 0 ]
}
