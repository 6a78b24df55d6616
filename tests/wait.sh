# shellcheck shell=bash
# Deadlines that scale with the machine, for every test that waits. Sourced.
#   wait_until SECONDS COMMAND...   until the command succeeds; fails at the deadline
# SECONDS are those of a quiet machine. DGRID_TEST_SCALE, in percent, stretches them: what a run measured at its start. At the
# deadline the machine is measured again, and one that has become slower gets the rest of its time.

# machine_scale: how many percent of a quiet machine's time this one takes now, 100 to 1500, by starting processes.
machine_scale() {
	local start=${EPOCHREALTIME/./} i took
	for ((i = 0; i < 50; i++)); do /bin/sh -c : || return; done
	took=$((${EPOCHREALTIME/./} - start))
	((took = took * 100 / 110000, took < 100)) && took=100
	((took <= 1500)) || took=1500
	echo "$took"
}
# scaled SECONDS: whole seconds on this machine.
scaled() { echo $((($1 * ${DGRID_TEST_SCALE:-100} + 99) / 100)); }

wait_until() {
	local seconds=$1 start=$SECONDS allowed scale tries=0 asked pause
	shift
	allowed=$(($(scaled "$seconds") + 1))
	while true; do
		asked=${EPOCHREALTIME/./}
		if "$@" >/dev/null 2>&1; then return; fi
		if ((SECONDS - start >= allowed)); then
			scale=$(machine_scale)
			if ((SECONDS - start > seconds * scale / 100)); then
				echo "not within $((SECONDS - start)) s: $*" >&2
				return 1
			fi
			allowed=$((seconds * scale / 100 + 1))
		fi
		# What is looked at costs the machine too: three times as long as a look took, 0.1 s at least, 1 s at most.
		pause=$(((${EPOCHREALTIME/./} - asked) * 3 / 1000))
		((++tries > 30 && pause < 300)) && pause=300
		((pause > 100)) || pause=100
		((pause < 1000)) || pause=1000
		printf -v pause '%d.%03d' $((pause / 1000)) $((pause % 1000))
		sleep "$pause"
	done
}
