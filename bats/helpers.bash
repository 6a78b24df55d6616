# shellcheck shell=bash
# Shared by all bats files:  setup() { load helpers; common_setup; }  teardown() { common_teardown; }
# After common_setup: $ORIGIN (bare repository), $HOME and $T (the test's folder), $DGRID and dgrid().
# Start background programs with spawn: teardown ends them, and only them.
# "LEAKS=1 common_setup": the sanitized program looks for leaks too, which takes half of a short life's time.

bats_require_minimum_version 1.5.0
# shellcheck source=tests/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/wait.sh"

common_setup() {
	T=$BATS_TEST_TMPDIR
	ORIGIN=$T/origin.git
	REPO_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
	DGRID=${DGRID:-$REPO_ROOT/dgrid}
	PIDS_FILE=$T/.pids
	: >"$PIDS_FILE"
	mkdir -p "$T/home"
	export HOME=$T/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 TZ=UTC LC_ALL=C
	export T ORIGIN DGRID REPO_ROOT
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_SSH_COMMAND GIT_ASKPASS SSH_AUTH_SOCK XDG_CONFIG_HOME XDG_STATE_HOME \
		XDG_CACHE_HOME XDG_DATA_HOME
	PATH=$PATH:/usr/sbin:/sbin
	if [[ ${LEAKS:-} != 1 ]]; then export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0; fi
	# As root: the sandbox's user may go through, or workers would make themselves a folder elsewhere.
	if [[ $(id -u) == 0 ]]; then chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$T")" "$T"; fi
	git init -q --bare -b main "$ORIGIN"
	cd "$T" || return 1
}

dgrid() { "$DGRID" "$@"; }
# git with a name to commit by; the tests' HOME has none on purpose.
tgit() { git -c user.name=tester -c user.email=tester@example.invalid "$@"; }

# spawn LOGFILE COMMAND...: runs it in the background; its pid is in $SPAWNED.
spawn() {
	local logfile=$1
	shift
	"$@" >"$logfile" 2>&1 </dev/null 3>&- &
	SPAWNED=$!
	echo "$SPAWNED" >>"$PIDS_FILE"
}
# A zombie no longer runs.
pid_ended() {
	local state
	[[ -r /proc/$1/stat ]] || { ! kill -0 "$1" 2>/dev/null && return 0; }
	state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)
	[[ -z $state || $state == Z* ]]
}
common_teardown() {
	local pid
	[[ -f ${PIDS_FILE:-} ]] || return 0
	# The second TERM makes a draining worker give up its tasks at once; a frozen one hears it only after CONT.
	while read -r pid; do kill -TERM "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null; done <"$PIDS_FILE"
	while read -r pid; do
		wait_until 1 pid_ended "$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
	done <"$PIDS_FILE"
	while read -r pid; do
		wait_until 10 pid_ended "$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
	done <"$PIDS_FILE"
	rm -f "$PIDS_FILE"
	sweep_groups
}
# What a worker that was killed left running stands in control groups that bear its instance; its next start would end it.
sweep_groups() {
	local file group pid
	while IFS= read -r file; do
		for group in /sys/fs/cgroup/{memory,pids,cpu,dgrid}/dgrid-"$(<"$file")"-*; do
			[[ -d $group ]] || continue
			while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done <"$group/cgroup.procs"
			wait_until 5 rmdir "$group" 2>/dev/null || true
		done
	done < <(find "$T" -maxdepth 3 -name instance -type f 2>/dev/null)
}

grid_settings() { # MEMBERS of grid.json
	tgit clone -q "$ORIGIN" "$T/settings"
	echo "{\"schema\": 1, $1}" >"$T/settings/grid.json"
	tgit -C "$T/settings" commit -qam settings
	tgit -C "$T/settings" push -q origin HEAD:main
	rm -rf "$T/settings"
}

strict_skip() { # REASON
	if [[ ${DGRID_STRICT:-0} == 1 ]]; then
		echo "would skip, which DGRID_STRICT=1 forbids: $1" >&2
		return 1
	fi
	skip "$1"
}
require_docker() {
	command -v docker >/dev/null || { strict_skip "docker is not installed"; return; }
	docker info >/dev/null 2>&1 || { strict_skip "docker does not answer"; return; }
	docker image inspect dgrid-test:1 >/dev/null 2>&1 || strict_skip "no image dgrid-test:1 (make test imports it)"
}
require_podman() {
	command -v podman >/dev/null || { strict_skip "podman is not installed"; return; }
	podman info >/dev/null 2>&1 || { strict_skip "podman does not work here"; return; }
	podman image exists dgrid-test:1 || strict_skip "no image dgrid-test:1 (make test imports it)"
}
require_command() { # COMMAND
	command -v "$1" >/dev/null || strict_skip "$1 is not installed"
}
require_bwrap() {
	command -v bwrap >/dev/null || { strict_skip "bwrap is not installed"; return; }
	bwrap --unshare-all --ro-bind / / true 2>/dev/null || strict_skip "bwrap does not work here"
}

random_port() { echo $((20000 + (RANDOM * 32768 + RANDOM) % 12000)); }

# start_http_git [PASSWORD_FILE]: $ORIGIN over HTTP, basic auth, user x-access-token.
# Sets HTTP_URL, HTTP_PASSWORD_FILE, HTTP_PID; $T/http.asked has a line for each request that was let in, before its answer.
start_http_git() {
	local try port backend password
	require_command lighttpd || return
	require_command curl || return
	backend=$(git --exec-path)/git-http-backend
	[[ -x $backend ]] || { strict_skip "git has no git-http-backend"; return; }
	# The server's own log is written when it has time.
	# shellcheck disable=SC2016 # for the other shell
	printf '#!/bin/sh\necho "$REQUEST_METHOD $REQUEST_URI" >>"%s"\nexec "%s"\n' "$T/http.asked" "$backend" >"$T/http.backend"
	chmod +x "$T/http.backend"
	backend=$T/http.backend
	HTTP_PASSWORD_FILE=${1:-$T/http.password}
	if [[ ! -f $HTTP_PASSWORD_FILE ]]; then
		(umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$HTTP_PASSWORD_FILE")
	fi
	password=$(<"$HTTP_PASSWORD_FILE")
	(umask 077 && printf 'x-access-token:%s\n' "$password" >"$T/http.users")
	mkdir -p "$T/http.tmp" "$T/http.root"
	git -C "$ORIGIN" config http.receivepack true
	for try in 1 2 3 4 5 6 7 8; do
		port=$(random_port)
		cat >"$T/lighttpd.conf" <<-CONF
			server.modules = ( "mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi" )
			server.document-root = "$T/http.root"
			server.upload-dirs = ( "$T/http.tmp" )
			server.errorlog = "$T/http.errors"
			server.bind = "127.0.0.1"
			server.port = $port
			alias.url = ( "/git" => "$backend" )
			cgi.assign = ( "" => "" )
			setenv.set-environment = ( "GIT_PROJECT_ROOT" => "$T", "GIT_HTTP_EXPORT_ALL" => "1",
			  "GIT_CONFIG_NOSYSTEM" => "1", "HOME" => "$HOME" )
			auth.backend = "plain"
			auth.backend.plain.userfile = "$T/http.users"
			auth.require = ( "/git" => ( "method" => "basic", "realm" => "git", "require" => "valid-user" ) )
		CONF
		spawn "$T/http.log" lighttpd -D -f "$T/lighttpd.conf"
		HTTP_PID=$SPAWNED
		HTTP_URL=http://127.0.0.1:$port/git/origin.git
		if wait_until 10 _http_settled && ! pid_ended "$HTTP_PID"; then
			export HTTP_URL HTTP_PASSWORD_FILE HTTP_PID
			return 0
		fi
	done
	echo "lighttpd does not start (try $try):" >&2
	cat "$T/http.log" "$T/http.errors" >&2
	return 1
}
_http_settled() {
	pid_ended "$HTTP_PID" || curl -fsS --noproxy '*' -u "x-access-token:$(<"$HTTP_PASSWORD_FILE")" \
		"$HTTP_URL/info/refs?service=git-receive-pack"
}

# start_sshd [HOME PATH]: $ORIGIN over ssh, as the current user, with throwaway keys. With HOME, a git host's: its
# .ssh/authorized_keys say what each key may do, and PATH is the repository there.
# Sets SSH_URL, SSH_KEY, SSH_KNOWN_HOSTS, SSH_PID and GIT_SSH_COMMAND; the server's log is $T/sshd.log.
start_sshd() {
	local try port sshd d=$T/ssh home=${1:-$HOME} path=${2:-$ORIGIN} keys=$T/ssh/authorized_keys
	require_command sshd || return
	sshd=$(command -v sshd)
	mkdir -p "$d" && chmod 700 "$d"
	if [[ $(id -u) == 0 ]]; then mkdir -p /run/sshd; fi
	ssh-keygen -q -t ed25519 -N '' -f "$d/host_key"
	[[ -f $d/user_key ]] || ssh-keygen -q -t ed25519 -N '' -f "$d/user_key"
	cp "$d/user_key.pub" "$d/authorized_keys"
	if (($#)); then keys=$home/.ssh/authorized_keys; fi
	for try in 1 2 3 4 5 6 7 8; do
		port=$(random_port)
		cat >"$d/sshd_config" <<-CONF
			ListenAddress 127.0.0.1
			Port $port
			HostKey $d/host_key
			AuthorizedKeysFile $keys
			StrictModes no
			UsePAM no
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			PermitRootLogin prohibit-password
			PidFile none
			MaxStartups 100
			SetEnv "HOME=$home"
		CONF
		printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d ' ' -f 1,2 "$d/host_key.pub")" >"$d/known_hosts"
		SSH_KEY=$d/user_key
		SSH_KNOWN_HOSTS=$d/known_hosts
		SSH_URL=ssh://$(id -un)@127.0.0.1:$port$path
		export GIT_SSH_COMMAND="ssh -F none -i '$SSH_KEY' -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile='$SSH_KNOWN_HOSTS' -o StrictHostKeyChecking=yes"
		spawn "$T/sshd.log" "$sshd" -D -e -f "$d/sshd_config"
		SSH_PID=$SPAWNED
		if wait_until 10 _ssh_settled && ! pid_ended "$SSH_PID"; then
			export SSH_URL SSH_KEY SSH_KNOWN_HOSTS SSH_PID
			return 0
		fi
	done
	echo "sshd does not start (try $try):" >&2
	cat "$T/sshd.log" >&2
	return 1
}
_ssh_settled() { pid_ended "$SSH_PID" || git ls-remote "$SSH_URL"; }

# The ledger as origin has it.
ledger_ls() { # STATE: the ids, one a line
	git -C "$ORIGIN" ls-tree --name-only main "tasks/$1/" 2>/dev/null | sed -n -E 's|^.*/([^/]+)\.json$|\1|p'
}
ledger_json() { # STATE ID
	git -C "$ORIGIN" show "main:tasks/$1/$2.json"
}
ledger_has() { # STATE ID: for wait_until
	git -C "$ORIGIN" cat-file -e "main:tasks/$1/$2.json"
}
