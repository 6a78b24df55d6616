#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # sh -c texts are for the inner shell; bats sets output and stderr
# git's own surroundings: a user's settings that would stop or falsify everything, a repository that would run its code on
# who looks at it, hosts that ask for another's token.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	printf '#!/bin/sh\necho "$0 $*" >>"%s/ran"\nexit 1\n' "$T" >"$T/trap"
	chmod +x "$T/trap"
}
teardown() { common_teardown; }

work() {
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>>"$T/worker.log"
}
one_try() { # --once would wait for the next one
	"$DGRID" worker --node-id n1 --engine bwrap --drain-after 1 --work-dir "$T/w1" 2>>"$T/worker.log"
}
nothing_ran() {
	[[ ! -e $T/ran ]] || { cat "$T/ran" >&2; return 1; }
}
hostile_settings() { # all into the user's own configuration
	local one
	printf '*.pub\n*.json\n' >"$T/ignored"
	printf '* ident text eol=crlf filter=no diff=no\n' >"$T/attributes"
	printf 'tasks\n' >"$T/order"
	for one in push.pushOption=ci.skip push.gpgSign=true push.followTags=true push.default=nothing push.recurseSubmodules=only \
		push.useForceIfIncludes=true push.negotiate=true i18n.commitEncoding=ISO-8859-1 \
		i18n.logOutputEncoding=ISO-8859-1 commit.cleanup=strip core.commentChar=d commit.verbose=true commit.gpgSign=true \
		commit.template="$T/none" tag.gpgSign=true gpg.program="$T/trap" clone.defaultRemoteName=upstream \
		clone.rejectShallow=true safe.bareRepository=explicit init.defaultRefFormat=reftable \
		init.defaultBranch=trunk log.diffMerges=off log.showSignature=true log.showRoot=false log.follow=true \
		log.mailmap=true log.decorate=full log.date=relative feature.manyFiles=true feature.experimental=true \
		core.excludesFile="$T/ignored" core.attributesFile="$T/attributes" core.autocrlf=true core.eol=crlf \
		core.safecrlf=true core.quotePath=true core.abbrev=7 core.fsmonitor="$T/trap" core.untrackedCache=true \
		core.splitIndex=true core.sparseCheckout=true core.hooksPath="$T/hooks" core.editor="$T/trap" \
		core.pager="$T/trap" core.logAllRefUpdates=always color.ui=always color.diff=always column.ui=always \
		diff.renames=copies diff.external="$T/trap" diff.orderFile="$T/order" diff.relative=true diff.noPrefix=true \
		diff.mnemonicPrefix=true diff.ignoreSubmodules=all fetch.prune=true fetch.pruneTags=true \
		fetch.recurseSubmodules=true fetch.writeCommitGraph=true fetch.negotiationAlgorithm=noop fetch.unpackLimit=1000 \
		submodule.recurse=true protocol.version=0 gc.auto=1 maintenance.auto=true branch.autoSetupMerge=inherit; do
		git config --global "${one%%=*}" "${one#*=}"
	done
	mkdir "$T/hooks"
	for one in pre-commit commit-msg prepare-commit-msg pre-push post-checkout reference-transaction post-index-change; do
		cp "$T/trap" "$T/hooks/$one"
	done
}

# With safe.bareRepository=explicit git wants it said so.
bare() { env -u GIT_ICASE_PATHSPECS git --git-dir="$ORIGIN" "$@"; }
ids_in() { bare ls-tree --name-only main "tasks/$1/" | sed -n -E 's|^.*/([^/]+)\.json$|\1|p'; } # STATE

@test "the whole life of a task under settings that would stop or falsify every step" {
	bare config core.hooksPath hooks # a host has its own
	hostile_settings
	export GIT_USER_NAME='Jürgen Müßig' GIT_USER_EMAIL=j@example.invalid GIT_ICASE_PATHSPECS=1 GIT_DEFAULT_HASH=sha256 \
		GIT_NOTES_REF=refs/notes/x GIT_EXTERNAL_DIFF="$T/trap"
	"$DGRID" init
	"$DGRID" submit --id umlaut -- 'echo grün'
	"$DGRID" submit --id Umlaut-2 -- 'exit 3'
	"$DGRID" submit --id later --unapproved -- 'echo later'
	"$DGRID" promote later
	"$DGRID" submit --id never -- 'echo never'
	"$DGRID" cancel never
	work
	[ "$(ids_in completed)" = $'later\numlaut' ]
	"$DGRID" retry Umlaut-2
	work
	ssh-keygen -q -t ed25519 -N '' -C ann -f "$T/ann"
	"$DGRID" enroll --person ann "$T/ann.pub"
	bare cat-file -e main:nodes/people/ann.pub
	[ "$("$DGRID" logs umlaut)" = grün ]
	"$DGRID" status | grep '2 completed, 2 failed'
	"$DGRID" status --at "$(bare rev-list -1 main~1)" | grep "$(date -u +%Y)"
	"$DGRID" show umlaut | grep 'Jürgen Müßig'
	"$DGRID" nodes | grep n1
	"$DGRID" why umlaut
	"$DGRID" metrics | grep -q '^dgrid_info'
	"$DGRID" dashboard --out "$T/site"
	"$DGRID" maintain
	"$DGRID" audit --record | grep 'no violations'
	bare rev-parse --verify refs/dgrid/audit
	[ "$(bare log --format=%an -1 --grep=umlaut main)" != '' ]
	bare cat-file commit main~1 | grep -v '^encoding'
	# A message as it was said: no line of it was taken for a comment.
	[ "$(bare log --format=%B main | grep -c '^dgrid-nonce: ')" -gt 8 ]
	nothing_ran
}

@test "the same over HTTP: readers' copies, tags that are not ours" {
	start_http_git
	local url=$HTTP_URL
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export DGRID_REPO_URL=$url
	"$DGRID" init
	hostile_settings
	git config --global safe.bareRepository all # for git-http-backend, which is the host's
	git config --global --unset core.hooksPath
	"$DGRID" submit --id a -- 'echo hi'
	work
	[ "$("$DGRID" logs a)" = hi ]
	"$DGRID" status | grep '1 completed'
	"$DGRID" audit | grep 'no violations'
	nothing_ran
}

# A commit that says it is signed: who shows signatures asks gpg.program about it.
seem_signed() {
	git -C "$ORIGIN" cat-file commit main | awk 'NF == 0 && !done { print "gpgsig -----BEGIN PGP SIGNATURE-----"
		print " "; print " iQ=="; print " -----END PGP SIGNATURE-----"; done = 1 } { print }' >"$T/commit"
	git -C "$ORIGIN" update-ref refs/heads/main "$(git -C "$ORIGIN" hash-object -t commit -w "$T/commit")"
}

@test "a repository in a folder runs nothing on who looks at it, and fetches nothing" {
	local verb gone
	"$DGRID" init
	"$DGRID" submit --id a -- 'echo hi'
	seem_signed
	git -C "$ORIGIN" config log.showSignature true
	git -C "$ORIGIN" config gpg.program "$T/trap"
	git -C "$ORIGIN" config core.fsmonitor "$T/trap"
	git -C "$ORIGIN" config core.sshCommand "$T/trap"
	git -C "$ORIGIN" config core.repositoryFormatVersion 1
	git -C "$ORIGIN" config extensions.partialClone far
	git -C "$ORIGIN" config remote.far.promisor true
	git -C "$ORIGIN" config remote.far.url "$ORIGIN"
	git -C "$ORIGIN" config remote.far.uploadpack "$T/trap"
	for verb in status nodes 'show a' 'why a' metrics 'dashboard --out site' audit; do
		# shellcheck disable=SC2086 # words
		"$DGRID" $verb >"$T/out"
		nothing_ran
	done
	run -75 "$DGRID" logs a
	nothing_ran
	# A blob that is not there would be fetched.
	gone=$(git -C "$ORIGIN" rev-parse main:tasks/queue/a.json)
	rm -f "$ORIGIN/objects/${gone:0:2}/${gone:2}"
	for verb in status 'show a' 'why a' audit; do
		# shellcheck disable=SC2086
		"$DGRID" $verb >"$T/out" 2>&1 || true
		nothing_ran
	done
}

@test "whoever stands in a stranger's repository and looks at another runs nothing of the first" {
	start_http_git
	"$DGRID" init
	git init -q "$T/stick"
	git -C "$T/stick" config credential.helper "!$T/trap"
	git -C "$T/stick" config core.askPass "$T/trap"
	git -C "$T/stick" config http.proxy http://127.0.0.1:1
	cd "$T/stick"
	export DGRID_REPO_URL=$HTTP_URL
	local verb
	for verb in 'doctor --engine bwrap' status audit 'submit --id a -- true' 'show a'; do
		# shellcheck disable=SC2086 # words
		run ! "$DGRID" $verb
		nothing_ran
	done
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	"$DGRID" status
	run "$DGRID" doctor --engine bwrap
	[[ "$output" == *"ok    repository"* && "$output" == *"ok    protocol"* ]]
	nothing_ran
}

@test "readers follow no alternates and no grafts of a folder, and read linked work trees and work trees" {
	"$DGRID" init
	"$DGRID" submit --id a -- 'echo hi'
	git clone -q --bare --shared "$ORIGIN" "$T/shared.git"
	run -77 "$DGRID" --repo "$T/shared.git" status
	[[ "$output" == *"borrows objects from '$ORIGIN/objects'"* ]]
	git -C "$ORIGIN" rev-parse main >"$ORIGIN/info/grafts" # the last commit without its parents
	"$DGRID" audit | grep 'audited 2 commits'
	rm "$ORIGIN/info/grafts"
	git clone -q --no-local "$ORIGIN" "$T/tree"
	git -C "$T/tree" worktree add -q -b side "$T/linked"
	run -0 "$DGRID" --repo "$T/tree" status
	[[ "$output" == *"1 queued"* ]]
	run -0 "$DGRID" --repo "$T/linked" status
	[[ "$output" == *"1 queued"* ]]
	run -66 "$DGRID" --repo "$T/tree" --branch other status
	[[ "$output" == *"has no branch 'other'"* ]]
}

@test "a folder that may not be read is no grid without a branch: git's reason is told" {
	"$DGRID" init
	rm "$ORIGIN/HEAD"
	mkdir "$ORIGIN/HEAD"
	run -69 "$DGRID" status
	[[ "$output" == *"HEAD"* && "$output" != *"make it a grid"* ]]
}

@test "the token goes to the grid's own host alone, and half of it shows nowhere" {
	export GIT_TOKEN=secret-token-of-the-grid DGRID_ASKPASS=https://git.example.org
	run -0 "$DGRID" "Password for 'https://me@git.example.org': "
	[ "$output" = "$GIT_TOKEN" ]
	run -0 "$DGRID" "Username for 'https://git.example.org:443': "
	[ "$output" = x-access-token ]
	local other
	for other in "Password for 'https://git.example.org.evil.example': " "Password for 'http://git.example.org': " \
		"Password for 'https://git.example.org@evil.example': " "Password for 'https://evil.example': " \
		"Password for 'https://git.example.org:8443': " 'Password: '; do
		run -1 --separate-stderr "$DGRID" "$other"
		[ "$output" = '' ]
		[[ "$stderr" != *"$GIT_TOKEN"* ]]
	done
	unset GIT_TOKEN DGRID_ASKPASS
	run -69 "$DGRID" --repo https://ghp_abcdefgh@127.0.0.1:1/x.git status
	[[ "$output" != *ghp_abcdefgh* && "$output" == *127.0.0.1* ]]
}

@test "the token follows url.insteadOf, and no redirect" {
	start_http_git
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	unset DGRID_REPO_URL
	git config --global "url.$HTTP_URL.insteadOf" grid:mine
	"$DGRID" --repo grid:mine init
	DGRID_REPO_URL=grid:mine "$DGRID" status
	# Where the environment names a grid that takes a token, the token is for that one.
	DGRID_REPO_URL=https://git.example.org/grid run -69 "$DGRID" --repo "$HTTP_URL" status
	[[ "$output" == *"GIT_TOKEN is for https://git.example.org alone"* && "$output" != *"$GIT_TOKEN"* ]]
	spawn "$T/redirect.out" python3 -u -c 'import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", self.headers.get("Authorization"))
        self.send_response(302)
        self.send_header("Location", sys.argv[1] + self.path)
        self.end_headers()
s = http.server.HTTPServer(("127.0.0.1", 0), H)
open(sys.argv[2], "w").write(str(s.server_port) + "\n")
s.serve_forever()' "${HTTP_URL%/git/*}" "$T/redirect.port"
	wait_until 20 test -s "$T/redirect.port"
	: >"$T/http.asked"
	local away
	away=http://127.0.0.1:$(<"$T/redirect.port")
	run -69 "$DGRID" --repo "$away/git/origin.git" status
	[[ "$output" == *"GIT_TOKEN is for $away alone"* ]]
	grep -qx 'asked None' "$T/redirect.out"
	[ ! -s "$T/http.asked" ]
}

@test "what a host says at length does not push out why it refused, and is harmless" {
	printf '#!/bin/sh\nfor i in $(seq 60); do echo "Welcome to the host, line $i of its greeting" >&2; done\nprintf "bad \\302\\233 \\342\\200\\256 \\377 end\\n" >&2\necho "git@host: Permission denied (publickey)." >&2\nexit 255\n' >"$T/ssh"
	chmod +x "$T/ssh"
	GIT_SSH_COMMAND=$T/ssh run -69 "$DGRID" --repo ssh://git@host.invalid/x.git status
	[[ "$output" == *"Permission denied (publickey)"* ]]
	[[ "$output" == *"Could not read from remote repository"* ]]
	[[ "$output" != *$'\302\233'* && "$output" != *$'\342\200\256'* && "$output" != *$'\377'* ]]
	# A worker's log too.
	"$DGRID" init
	"$DGRID" submit --id a -- true
	printf '#!/bin/sh\nprintf "bad \\302\\233 \\302\\205 \\342\\200\\256 \\377 end\\n" >&2\nexit 1\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	spawn "$T/w.out" env LOG_FILE="$T/w.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 30 grep -q 'bad .* end' "$T/w.log"
	run ! grep -aE $'\302\233|\302\205|\342\200\256|\377' "$T/w.log" "$T/w.out"
	# The user's own ssh command is the one that is asked.
	git config --global core.sshCommand "$T/trap"
	run -69 "$DGRID" --repo ssh://git@host.invalid/x.git status
	[ -s "$T/ran" ]
}

@test "which grid a clone stands for: its only remote by any name, a relative one from its top, one of several named" {
	"$DGRID" init
	"$DGRID" submit --id a -- 'echo hi'
	unset DGRID_REPO_URL
	git clone -q -o upstream "$ORIGIN" "$T/clone"
	mkdir "$T/clone/sub"
	git -C "$T/clone" remote set-url upstream ../origin.git
	"$DGRID" -C "$T/clone/sub" submit --id b -- 'echo hi'
	[ "$(ledger_ls queue)" = $'a\nb' ]
	(cd "$T/clone/sub" && "$DGRID" submit --branch refs/heads/main --id c -- 'echo hi')
	[ "$(ledger_ls queue)" = $'a\nb\nc' ]
	[ "$(git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/heads)" = refs/heads/main ]
	git -C "$T/clone" remote add second "$T/second.git"
	run -66 "$DGRID" -C "$T/clone" status
	[[ "$output" == *"several remotes and none called origin"* ]]
	cd "$T/clone"
	run -64 "$DGRID" status
	git remote rename upstream origin
	run -0 "$DGRID" status
}

@test "by hand is now: retry frees a task that waits, cancel of a batch passes by what has ended" {
	"$DGRID" init
	printf '{"task_id": "w", "script": "exit 1", "timeout_seconds": 10, "retry_on_failure": true, "max_attempts": 3}' >"$T/w.json"
	tgit clone -q "$ORIGIN" "$T/r"
	echo '{"schema": 1, "retry_backoff_seconds": 3000}' >"$T/r/grid.json"
	tgit -C "$T/r" commit -qam backoff
	tgit -C "$T/r" push -q origin HEAD:main
	"$DGRID" submit "$T/w.json"
	one_try
	ledger_json queue w | grep not_before
	"$DGRID" retry w
	[ "$(ledger_json queue w | grep -c not_before)" = 0 ]
	run -1 "$DGRID" retry w
	one_try
	ledger_json queue w | grep not_before
	"$DGRID" cancel w
	"$DGRID" retry w
	[ "$(ledger_json queue w | grep -c not_before)" = 0 ]
	"$DGRID" submit --id over -- true
	"$DGRID" submit --id x -- true
	"$DGRID" cancel over
	run -1 --separate-stderr "$DGRID" cancel x over w
	[ "$output" = $'x\nw' ]
	[[ "$stderr" == *"1 of 3 had ended already; the others are cancelled: over"* ]]
	run -1 "$DGRID" cancel over
	run -66 "$DGRID" cancel over nowhere
	"$DGRID" audit | grep 'no violations'
}
