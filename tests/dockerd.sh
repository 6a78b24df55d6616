# shellcheck shell=bash
# A private dockerd in $work, and the image dgrid-test:1 made of a static busybox: for the tests and the bench.
# Sourced; the caller sets work and note(), and calls stop_dockerd at its end.
# shellcheck disable=SC2154,SC2317 # work is the caller's; answers is called by name
dockerd_pid=''

# shellcheck source=tests/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"
gone() { ! kill -0 "$1" 2>/dev/null; }

stop_dockerd() {
	local m
	if [[ -z $dockerd_pid ]]; then return 0; fi
	kill "$dockerd_pid" 2>/dev/null
	if ! wait_until 30 gone "$dockerd_pid"; then kill -KILL "$dockerd_pid" 2>/dev/null; fi
	wait "$dockerd_pid" 2>/dev/null
	# What a killed dockerd leaves mounted, the deepest first.
	while read -r m; do
		umount -l "$m" 2>/dev/null
	done < <(awk -v p="$work/" 'index($2, p) == 1 { print $2 }' /proc/mounts | sort -r)
}
start_dockerd() {
	echo '{}' >"$work/daemon.json"
	dockerd --host "unix://$work/docker.sock" --data-root "$work/docker" --exec-root "$work/exec" \
		--pidfile "$work/docker.pid" --config-file "$work/daemon.json" \
		--iptables=false --ip6tables=false --bridge=none >"$work/dockerd.log" 2>&1 </dev/null &
	dockerd_pid=$!
	export DOCKER_HOST=unix://$work/docker.sock
	answers() { gone "$dockerd_pid" || docker info; }
	wait_until 60 answers
	if gone "$dockerd_pid" || ! docker info >/dev/null 2>&1; then
		note "dockerd did not start; the end of its log:"
		tail -n 15 "$work/dockerd.log" | sed 's/^/#   /'
		return 1
	fi
}
make_root() { # the files of dgrid-test:1, from a static busybox
	local box='' b applet root=$work/image
	for b in /bin/busybox.static /bin/busybox-static /bin/busybox /usr/bin/busybox; do
		if [[ -x $b ]]; then box=$b && break; fi
	done
	if [[ -z $box ]]; then return 1; fi
	mkdir -p "$root"/{bin,etc,tmp,work,root,proc,dev,sys} || return 1
	cp -L "$box" "$root/bin/busybox" && chmod 755 "$root/bin/busybox" || return 1
	for applet in $("$root/bin/busybox" --list); do
		[[ -e $root/bin/$applet ]] || ln -s busybox "$root/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	chmod 1777 "$root/tmp"
}
import_image() { # ENGINE
	[[ -d $work/image/bin ]] || make_root || return 1
	tar -C "$work/image" -c . | "$1" import --change 'CMD ["/bin/sh"]' - dgrid-test:1
}
