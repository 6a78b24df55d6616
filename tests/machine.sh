# shellcheck shell=bash
# A copy of this machine to install packages in and to run services on: the same files by an overlay that is forgotten afterwards,
# processes, network, mounts and control groups of its own. Sourced; needs root and util-linux.
#   machine_start NAME FILE... -- COMMAND...   COMMAND is its first process; the files are in /run/machine
#   machine_run COMMAND...                      runs in it, as root, in /
#   machine_stop                                ends all that runs in it; the shell that started it must call it
# shellcheck disable=SC2154 # work is the caller's
machine_holder='' machine_init='' machine_group=''

machine_start() {
	local name=$1 dir=$work/machine v2
	shift
	mkdir -p "$dir/$name"
	v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[[ -n $v2 ]] || { echo "no control groups of version 2 are mounted here" && return 1; }
	machine_group=$v2/dgrid-test-$name-$$
	mkdir "$machine_group" || return 1
	(
		echo "$BASHPID" >"$machine_group/cgroup.procs"
		exec setpriv --pdeathsig KILL unshare --mount --pid --fork --cgroup --uts --ipc --net --propagation private --kill-child \
			bash -c "$(declare -f machine_become); machine_become \"\$@\"" machine "$dir/$name" "$@"
	) >"$work/machine.$name.log" 2>&1 </dev/null &
	machine_holder=$!
	wait_until 10 machine_ready || {
		cat "$work/machine.$name.log"
		return 1
	}
}
# The first process has become COMMAND once the old root is out of its sight.
machine_ready() {
	machine_init=$(<"/proc/$machine_holder/task/$machine_holder/children") && machine_init=${machine_init%% *}
	[[ -n $machine_init && -e /proc/$machine_init/root/run/machine/ready ]]
}
machine_run() {
	nsenter -t "$machine_init" --mount --pid --uts --ipc --net --cgroup --root -- sh -c 'cd / && exec "$@"' sh "$@"
}
machine_stop() {
	[[ -n $machine_holder ]] || return 0
	kill -KILL "$machine_holder" 2>/dev/null || true
	wait "$machine_holder" 2>/dev/null || true
	machine_holder=''
	wait_until 10 machine_gone
}
machine_gone() { # what was killed leaves its groups a moment later
	find "$machine_group" -depth -type d -exec rmdir {} \; 2>/dev/null
	[[ ! -d $machine_group ]]
}

machine_become() { # DIR FILE... -- COMMAND...: in the new namespaces
	local new=$1/root d
	set -e
	mount -t tmpfs tmpfs "$1"
	mkdir "$1/upper" "$1/work" "$new"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$new"
	for d in dev run tmp; do mount -t tmpfs tmpfs "$new/$d"; done
	chmod 1777 "$new/tmp"
	mount -t proc proc "$new/proc"
	mount -t sysfs -o ro sysfs "$new/sys"
	mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup"
	for d in null zero full random urandom tty; do
		touch "$new/dev/$d"
		mount --bind "/dev/$d" "$new/dev/$d"
	done
	mkdir "$new/dev/pts" "$new/dev/shm" "$new/.old"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$new/dev/pts"
	ln -s pts/ptmx "$new/dev/ptmx"
	shift
	mkdir -p "$new/run/machine" "$new/run/systemd/system"
	while [[ $1 != -- ]]; do
		cp -r "$1" "$new/run/machine/"
		shift
	done
	shift
	# For systemd: nothing of what this machine itself starts.
	printf '[Unit]\nDefaultDependencies=no\n' >"$new/run/systemd/system/machine.target"
	# A changed root (chroot) would not do: the kernel lets nobody make user namespaces in one.
	cd "$new"
	pivot_root . .old
	umount -l /.old
	rmdir /.old
	touch /run/machine/ready
	container=lxc exec "$@"
}
