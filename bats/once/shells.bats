#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets output and stderr
# What bash, zsh and fish make of the answers of `dgrid completions` when somebody presses the tabulator, each on a terminal
# of its own. Run once, by tests/run.sh: bats/completions.bats has the answers themselves.

load ../helpers

setup() {
	common_setup
	unset DGRID_REPO_URL
	mkdir -p "$T/bin" "$T/c"
	ln -s "$DGRID" "$T/bin/dgrid"
	PATH=$T/bin:$PATH
	dgrid init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" "$T/clone"
	for id in queue/part-1 queue/part-2 completed/ran failed/broke in_progress/long; do
		printf '{"task_id": "%s", "script": "x", "timeout_seconds": 60}\n' "${id#*/}" >"$T/clone/tasks/$id.json"
	done
	tgit -C "$T/clone" add -A
	tgit -C "$T/clone" commit -qm tasks
	tgit -C "$T/clone" push -q origin main
}
teardown() { common_teardown; }

# typed SHELL KEYS: the command line as the keys have left it; ^G, typed last, makes the shell tell.
typed() {
	local start
	case $1 in
	bash)
		{
			cat "$REPO_ROOT/assets/completions/dgrid.bash"
			printf '%s\n' 'PS1="rea""dy> "' 'bind "set enable-bracketed-paste off"' \
				'told() { printf "\n<<%s>>\n" "$READLINE_LINE"; exit; }' 'bind -x "\"\C-g\": told"'
		} >"$T/c/rc"
		start=(bash --noprofile --rcfile "$T/c/rc" -i)
		;;
	zsh)
		cp "$REPO_ROOT/assets/completions/_dgrid" "$T/c/_dgrid"
		printf '%s\n' "fpath=($T/c \$fpath)" 'autoload -Uz compinit' "compinit -u -d $T/c/dump" 'PS1="rea""dy> "' \
			'told() { print -r -- $'"'\n'"'"<<$BUFFER>>"; exit; }' 'zle -N told' 'bindkey "^G" told' >"$T/c/.zshrc"
		start=(env ZDOTDIR="$T/c" zsh -d -i)
		;;
	zsh-sourced)
		printf '%s\n' 'autoload -Uz compinit' "compinit -u -d $T/c/dump" 'source <(dgrid completions zsh)' 'PS1="rea""dy> "' \
			'told() { print -r -- $'"'\n'"'"<<$BUFFER>>"; exit; }' 'zle -N told' 'bindkey "^G" told' >"$T/c/.zshrc"
		start=(env ZDOTDIR="$T/c" zsh -d -i)
		;;
	fish)
		{
			cat "$REPO_ROOT/assets/completions/dgrid.fish"
			printf '%s\n' 'function fish_prompt; echo -n rea; echo -n "dy> "; end' \
				'function told; printf "\n<<%s>>\n" (commandline); exit; end' 'bind \cg told'
		} >"$T/c/rc.fish"
		start=(fish --no-config --init-command "source $T/c/rc.fish" -i)
		;;
	esac
	INPUTRC=/dev/null TERM=xterm python3 "$REPO_ROOT/bats/on_terminal.py" 'see=ready> ' type="$2"$'\a' 'see=>>' \
		type=$'\nexit\n' -- "${start[@]}" 2>&1 | tr -d '\r' | sed -n -E 's/.*<<(.*)>>.*/\1/p' | tail -n 1
}
presses() { # SHELL KEYS EXPECTED
	local got
	got=$(typed "$1" "$2")
	[[ ${got% } == "$3" ]] || { printf '%s: %q became %q, not %q\n' "$1" "$2" "$got" "$3"; return 1; }
}
in_shell() {
	require_command python3
	require_command "$1"
	mkdir -p work/folder
	echo x >work/script.sh
	export DGRID_REPO_URL=$ORIGIN
	presses "$1" $'dgrid canc\t' 'dgrid cancel'
	presses "$1" $'dgrid cancel l\t' 'dgrid cancel long'
	presses "$1" $'dgrid cancel pa\t' 'dgrid cancel part-'
	presses "$1" $'dgrid retry br\t' 'dgrid retry broke'
	presses "$1" $'dgrid worker --eng\tpod\t' 'dgrid worker --engine podman'
	presses "$1" $'dgrid worker --engine=pod\t' 'dgrid worker --engine=podman'
	presses "$1" $'dgrid submit --script work/scr\t' 'dgrid submit --script work/script.sh'
	presses "$1" $'dgrid dashboard -o work/\t' 'dgrid dashboard -o work/folder/'
	unset DGRID_REPO_URL
	presses "$1" $'dgrid --repo origin.git show ra\t' 'dgrid --repo origin.git show ran'
}

@test "in bash" { in_shell bash; }
@test "in zsh, as a file in fpath and sourced" {
	in_shell zsh
	presses zsh-sourced $'dgrid canc\t' 'dgrid cancel'
}
@test "in fish" { in_shell fish; }
