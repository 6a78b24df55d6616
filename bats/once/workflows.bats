#!/usr/bin/env bats
# shellcheck disable=SC2016 # texts for other shells, and names that look like commands
# The workflows, their scripts run for real in clones of a scratch grid (tests/workflow.py), and what init writes of them.

setup() {
	load ../helpers
	common_setup
	PYTHON=python3
	python3 -c 'import yaml' 2>/dev/null || PYTHON=/usr/bin/python3
	OUT=$T/out
	mkdir -p "$T/bin" "$OUT"
	# What a hosted machine has; make only hands out the program under test, but for the one test that builds.
	printf '#!/bin/sh\nexec "$@"\n' >"$T/bin/sudo"
	printf '#!/bin/sh\nwhile [ "$1" != -C ]; do shift; done\ncp "$STANDIN_DGRID" "$2/dgrid"\n' >"$T/bin/make"
	printf '#!/bin/sh\nexit 0\n' >"$T/bin/apk"
	chmod +x "$T"/bin/*
	export STANDIN_DGRID=$DGRID PATH=$T/bin:$PATH
}
teardown() { common_teardown; }

# The project's own repository, as far as the workflows need it.
own_grid() {
	"$DGRID" init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" "$T/main"
	mkdir -p "$T/main/scripts" "$T/main/.github"
	printf '#!/bin/sh\nexit 0\n' >"$T/main/scripts/install-deps.sh"
	cp -r "$REPO_ROOT/.github/workflows" "$T/main/.github/"
	push_main "the project"
}
push_main() { # MESSAGE
	tgit -C "$T/main" add -A
	tgit -C "$T/main" commit -q --allow-empty -m "$1"
	tgit -C "$T/main" push -q origin HEAD:main
}
# Another's repository, made by init; dgrid comes from a repository of its own.
other_grid() { # INIT-OPTIONS...
	git init -q -b main "$T/source"
	mkdir "$T/source/scripts"
	printf '#!/bin/sh\nexit 0\n' >"$T/source/scripts/install-deps.sh"
	tgit -C "$T/source" add -A
	tgit -C "$T/source" commit -qm source
	tgit -C "$T/source" tag v9
	"$DGRID" init --source "file://$T/source" --source-ref v9 "$@" "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" "$T/main"
}

# request COMMAND...: a pull request, number 7: a branch of the base on which the command was run, in its folder.
request() {
	tgit clone -q "$ORIGIN" "$T/fork"
	(cd "$T/fork" && "$@")
	tgit -C "$T/fork" add -A
	tgit -C "$T/fork" commit -qm 'offer a task'
	tgit -C "$T/fork" push -q -f origin HEAD:refs/pull/7/head
	HEAD_SHA=$(git -C "$T/fork" rev-parse HEAD)
	rm -rf "$T/fork"
}
task_file() { # PATH ID [MEMBERS]
	printf '{"task_id": "%s", "script": "echo %s", "timeout_seconds": 10%s}\n' "$2" "$2" "${3:-}" >"$1"
}
good() { task_file tasks/unapproved/good.json good; }
bad_fields() { task_file tasks/unapproved/bad.json bad ', "priority": 77, "scirpt": 1'; }
bad_files() {
	good
	chmod +x tasks/unapproved/good.json
	ln -s /etc/passwd tasks/unapproved/link.json
	printf '{"max_timeout_seconds": 99999}' >grid.json
	task_file tasks/queue/sneaky.json sneaky
}
hostile() {
	local name
	for name in '$(touch pwned).json' "x';touch pwned;'.json" '`touch pwned`.json' $'a\n::error::pwned\n::set-output name=x::y.json' \
		$'b\r\n##[error]pwned.json' '"><img src=x onerror=alert(1)>.json' $'\e]0;pwned\a.json' '--pwned.json' '@everyone.json'; do
		task_file "tasks/unapproved/$name" x
	done
	task_file tasks/unapproved/talk.json talk ', "description": 7, "\n::set-output name=a::b<img src=y>": 1, "##[group]": 2,
		"priority": "\r\n::error::pwned", "labels": ["::stop-commands::x", "\u001b[2J"], "env": {"$(touch pwned)": "x"}'
}

context() { # EVENT [BRANCH]
	$PYTHON - "$1" "${2:-main}" "$ORIGIN" "$(git -C "$ORIGIN" rev-parse main)" "${HEAD_SHA:-}" >"$T/context.json" <<-'PY'
		import json, os, sys
		event, branch, origin, base, head = sys.argv[1:]
		github = {"event_name": event, "ref_name": branch, "repository": os.path.basename(origin), "sha": base, "token": "of-the-job",
		          "server_url": "file://" + os.path.dirname(origin), "event": {"repository": {"default_branch": "main"}}}
		if event == "schedule":
		    github["event"] = {"schedule": "*/5 * * * *"}
		if event == "pull_request":
		    github["event"]["pull_request"] = {"number": 7, "base": {"ref": "main", "sha": base}, "head": {"sha": head}}
		json.dump({"origin": origin, "github": github, "vars": {}}, sys.stdout)
	PY
}
workflow() { # NAME: the origin's own, for the context
	rm -rf "$OUT" && mkdir "$OUT"
	git -C "$ORIGIN" show "main:.github/workflows/$1.yml" >"$T/$1.yml"
	$PYTHON "$REPO_ROOT/tests/workflow.py" github "$T/$1.yml" "$T/context.json" "$OUT" 2>&1
}
gitlab() { # JOB, for a merge request when HEAD_SHA is set
	rm -rf "$OUT" && mkdir "$OUT"
	git -C "$ORIGIN" show main:.gitlab-ci.yml >"$T/gitlab.yml"
	$PYTHON - "$ORIGIN" "$(git -C "$ORIGIN" rev-parse main)" "${HEAD_SHA:-}" "${TOKEN-of-the-project}" >"$T/context.json" <<-'PY'
		import json, sys
		origin, base, head, token = sys.argv[1:]
		ci = {"origin": origin, "CI_PROJECT_URL": "file://" + origin.removesuffix(".git"), "CI_DEFAULT_BRANCH": "main",
		      "CI_COMMIT_SHA": head or base, "CI_JOB_TOKEN": "of-the-job", "GIT_TOKEN": token}
		if head:
		    ci.update(CI_MERGE_REQUEST_DIFF_BASE_SHA=base, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
		              CI_MERGE_REQUEST_PROJECT_URL=ci["CI_PROJECT_URL"])
		json.dump(ci, sys.stdout)
	PY
	$PYTHON "$REPO_ROOT/tests/workflow.py" gitlab "$T/gitlab.yml" "$1" "$T/context.json" "$OUT" 2>&1
}
# Whatever a stranger wrote, the log has no command but ours, the summary no element but ours, and nothing was run.
harmless() {
	local hex='[0-9a-f]{32}'
	printf '%s\n' "$output" | grep -E '^[[:space:]]*::' |
		{ ! grep -vE "^::(stop-commands::$hex|$hex::|error (file=[^:]*,line=[0-9]+,col=[0-9]+)?::.*)\$"; }
	[[ "$output" != *'##['* && "$output" != *$'\e'* && "$output" != *$'\r'* ]]
	printf '%s\n' "$output" | grep -E '^[[:space:]]*::error::' | { ! grep pwned; }
	[ -z "$(find "$T" -name pwned)" ]
	if [ -f "$OUT/summary.md" ]; then
		{ ! grep -E '<(img|script|a)|@everyone[^<.]' "$OUT/summary.md"; }
		[ "$(tr -d '\n' <"$OUT/summary.md" | grep -c '[[:cntrl:]]')" = 0 ]
	fi
}

@test "a good request: three steps pass, the summary says so; only the base was checked out" {
	own_grid
	request good
	context pull_request
	run -0 workflow process-task-pr
	[[ "$output" == *"--- Structure: ok"*"--- Schema: ok"*"--- Feedback: ok"* ]]
	grep -q 'The request is in order' "$OUT/summary.md"
	[ "$(git -C "$OUT/ws" rev-parse HEAD)" = "$(git -C "$ORIGIN" rev-parse main)" ]
	[ ! -e "$OUT/ws/tasks/unapproved/good.json" ]
	harmless
	# It is still right when the branch has moved on, and wrong when the id was taken meanwhile.
	task_file "$T/main/tasks/queue/good.json" good
	push_main 'taken'
	context pull_request
	run -1 workflow process-task-pr
	grep -q 'already in this grid' "$OUT/summary.md"
}

@test "wrong fields fail the schema step alone; all are in the summary and among the annotations" {
	own_grid
	request bad_fields
	context pull_request
	run -1 workflow process-task-pr
	[[ "$output" == *"--- Structure: ok"*"--- Schema: failed"*"--- Feedback: failed with 65"* ]]
	[[ "$output" == *"::error file=tasks/unapproved/bad.json,line=1,col="*"priority"* ]]
	[ "$(grep -c '^<tr><td><code>tasks/unapproved/bad.json' "$OUT/summary.md")" = 2 ]
	grep -q 'scirpt' "$OUT/summary.md"
	harmless
}

@test "wrong files fail the structure step: modes, links, other folders, the settings, too many" {
	own_grid
	request bad_files
	context pull_request
	run -1 workflow process-task-pr
	[[ "$output" == *"--- Structure: failed"*"--- Schema: ok"*"--- Feedback: failed with 65"* ]]
	for file in grid.json tasks/queue/sneaky.json tasks/unapproved/good.json tasks/unapproved/link.json; do
		grep -qF "<code>$file:" "$OUT/summary.md"
	done
	harmless
}

@test "hostile names and texts are reported, and harmless in the log, the annotations, the summary and the shell" {
	own_grid
	request hostile
	context pull_request
	run -1 workflow process-task-pr
	[[ "$output" == *"--- Structure: failed"*"--- Schema: failed"*"--- Feedback: failed with 65"* ]]
	[ "$(grep -c '^<tr><td>' "$OUT/summary.md")" -ge 10 ]
	harmless
}

@test "no answer is not a yes: broken settings of the base, a request that moved on, a dgrid that crashes" {
	own_grid
	request good
	printf '{"branch": 1}' >"$T/main/grid.json"
	push_main 'broken settings'
	context pull_request
	run -1 workflow process-task-pr
	[[ "$output" == *"--- Structure: failed"*"--- Schema: skipped"*"--- Feedback: failed with 1"* ]]
	grep -q 'could not be judged' "$OUT/summary.md"
	git -C "$T/main" checkout -q HEAD~1 grid.json
	push_main 'mended'
	request bad_fields
	git -C "$T/main" checkout -q -b aside main~1
	task_file "$T/main/tasks/unapproved/aside.json" aside
	tgit -C "$T/main" add -A
	tgit -C "$T/main" commit -qm aside
	tgit -C "$T/main" push -q origin aside
	HEAD_SHA=$(git -C "$T/main" rev-parse aside)
	context pull_request
	run -1 workflow process-task-pr
	[[ "$output" == *"has moved on"*"--- Structure: skipped"* ]]
	printf '#!/bin/sh\nkill -SEGV $$\n' >"$T/crash"
	chmod +x "$T/crash"
	request good
	context pull_request
	STANDIN_DGRID=$T/crash run -1 workflow process-task-pr
	[[ "$output" == *"--- Structure: failed with 139"*"--- Schema: skipped"* ]]
}

@test "maintain promotes what was merged, audits, and says so; then there is nothing to be done" {
	own_grid
	task_file "$T/main/tasks/unapproved/merged.json" merged
	push_main 'merge of a request'
	context push aside
	run -0 workflow maintain
	[[ "$output" == *"job maintain: skipped"* ]]
	context push
	run -0 workflow maintain
	harmless
	[ "$(ledger_ls queue)" = merged ]
	[ -z "$(ledger_ls unapproved)" ]
	ledger_json queue merged | grep -q approved_by
	grep -q merged "$OUT/summary.md"
	grep -q '### Audit: no new violations' "$OUT/summary.md"
	run -0 "$DGRID" --repo "$ORIGIN" status
	[[ "$output" == *"audited to $(git -C "$ORIGIN" rev-parse main | cut -c -10), no violations"* ]]
	git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/audit
	[ "$(git -C "$ORIGIN" log -1 --format=%cn main)" = 'github-actions[bot]' ]
	local head
	head=$(git -C "$ORIGIN" rev-parse main)
	context schedule
	run -0 workflow maintain
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$head" ]
}

@test "maintain heals what was orphaned; a claim made by hand fails its audit, and shows from then on" {
	own_grid
	task_file "$T/main/tasks/in_progress/orphan.json" orphan ', "claim": {"node": "gone", "attempt": 1, "nonce": "0123456789abcdef",
		"claimed_at": "2020-01-01T00:00:00Z", "lease_until": "2020-01-01T00:01:00Z"}'
	push_main $'<b>trick</b>\n\n::error::pwned'
	context schedule
	run -1 workflow maintain
	harmless
	[[ "$output" == *"Promote, heal, archive: ok"*"Audit: failed with 1"* ]]
	[ "$(ledger_ls queue)" = orphan ]
	grep -q orphan "$OUT/summary.md"
	grep -q '### Audit: violations' "$OUT/summary.md"
	grep -q 'place.move.*tasks/in_progress/orphan.json' "$OUT/summary.md"
	# What was found once does not fail every run after it, and does not go away.
	run -0 workflow maintain
	run -0 "$DGRID" --repo "$ORIGIN" status
	[[ "$output" == *"VIOLATION"* ]]
}

@test "maintain that may not push fails and says why" {
	own_grid
	task_file "$T/main/tasks/unapproved/merged.json" merged
	push_main 'merge of a request'
	printf '#!/bin/sh\necho "<b>protected</b> branch" >&2\nexit 1\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	context schedule
	run -1 workflow maintain
	[[ "$output" == *"Promote, heal, archive: failed with 77"* ]]
	# The audit is made, and its record is declined as well.
	[[ "$output" == *"no violations"*"Audit: failed with 77"* ]]
	grep -q 'Maintenance failed (exit code 77)' "$OUT/summary.md"
	grep -qF '&lt;b&gt;protected' "$OUT/summary.md"
}

@test "the page: the site is written and handed over, the status is in the summary" {
	own_grid
	task_file "$T/main/tasks/queue/waits.json" waits
	push_main 'a task'
	context schedule
	run -0 workflow update-gh-pages
	[[ "$output" == *"2 jobs ran"* ]]
	grep -q waits "$OUT/summary.md"
	run -0 cat "$OUT/uses.log"
	[[ "$output" == *configure-pages*upload-pages-artifact*deploy-pages* ]]
}

@test "elsewhere: what init wrote gets dgrid from the source it was told, at that version" {
	other_grid --ci github
	request good
	context pull_request
	run -0 workflow process-task-pr
	[[ "$output" == *"--- Structure: ok"*"--- Schema: ok"*"--- Feedback: ok"* ]]
	[ "$(git -C "$OUT/temp/dgrid-source" rev-parse HEAD)" = "$(git -C "$T/source" rev-parse v9)" ]
	request hostile
	context pull_request
	run -1 workflow process-task-pr
	harmless
	task_file "$T/main/tasks/unapproved/merged.json" merged
	push_main 'merge of a request'
	context schedule
	run -0 workflow maintain
	ledger_has queue merged
}

@test "elsewhere, and no source was said: the run fails, with the way out" {
	run -0 "$DGRID" init --ci github "$ORIGIN"
	[[ "$output" == *"the workflows refuse to run until DGRID_SOURCE in them says where dgrid's source is"* ]]
	context schedule
	run -1 workflow maintain
	[[ "$output" == *"::error::It is not said where the source of dgrid is."*DGRID_SOURCE* ]]
}

@test "what a grid's branch holds is never built, though it has a Makefile and a dgrid.c" {
	other_grid --ci github
	mkdir "$T/main/scripts"
	printf '#!/bin/sh\ntouch "%s"\n' "$T/pwned" | tee "$T/main/scripts/install-deps.sh" >"$T/main/configure"
	printf 'all:\n\ttouch %s\n' "$T/pwned" >"$T/main/Makefile"
	touch "$T/main/dgrid.c"
	rm "$T/bin/make"
	printf 'all:\n\tcp %s dgrid\n' "$DGRID" >"$T/source/Makefile"
	tgit -C "$T/source" add -A
	tgit -C "$T/source" commit -qm source
	tgit -C "$T/source" tag -f v9
	push_main 'build this'
	context schedule
	run -0 workflow maintain
	[ ! -e "$T/pwned" ]
}

@test "the project's own tree builds in the workflow and judges" {
	rm "$T/bin/make"
	own_grid
	tar -C "$REPO_ROOT" --exclude=./build --exclude=./.git --exclude=./dgrid --exclude=./dgrid-static -c . | tar -x -C "$T/main"
	push_main 'the whole tree'
	request good
	context pull_request
	run -0 workflow process-task-pr
	[ -x "$OUT/ws/dgrid" ]
	[[ "$output" == *"--- Feedback: ok"* ]]
}

@test "GitLab: a good, a bad and a hostile merge request" {
	other_grid --ci gitlab
	request good
	run -0 gitlab validate
	[[ "$output" == *"The request is in order"* ]]
	[ ! -e "$OUT/ws/tasks/unapproved/good.json" ]
	request bad_fields
	run -1 gitlab validate
	[[ "$output" == *"bad.json:1:"*"priority"*"scirpt"*"failed with 65"* ]]
	request hostile
	run -1 gitlab validate
	harmless
}

@test "GitLab: maintain promotes, with a token only; the page is written" {
	other_grid --ci gitlab
	task_file "$T/main/tasks/unapproved/merged.json" merged
	push_main 'merge of a request'
	TOKEN='' run -1 gitlab maintain
	[[ "$output" == *"No GIT_TOKEN"* ]]
	run -0 gitlab maintain
	ledger_has queue merged
	TOKEN='' run -1 gitlab audit
	[[ "$output" == *"No GIT_TOKEN"* ]]
	run -0 gitlab audit
	[[ "$output" == *"no violations"* ]]
	git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/audit
	task_file "$T/main/tasks/failed/forged.json" forged
	tgit -C "$T/main" pull -q origin main
	push_main 'forged'
	run -1 gitlab audit
	[[ "$output" == *"place.move"*forged* ]]
	run -0 gitlab pages
	[ -f "$OUT/ws/public/index.html" ]
}

@test "init: whose workflows, by the host's name or as told; none in a folder" {
	written() { git -C "$ORIGIN" ls-tree -r --name-only main | grep -E '^\.git|README'; }
	run -0 "$DGRID" init "$ORIGIN"
	[ "$(written)" = README.md ]
	for url in https://github.com/you/grid.git git@github.com:you/grid.git https://git.gitlab.example/you/grid.git ssh://git@plain.example/grid.git; do
		rm -rf "$ORIGIN"
		git init -q --bare -b main "$ORIGIN"
		git config --global "url.$ORIGIN.insteadOf" "$url"
		run -0 "$DGRID" --repo "$url" init
		case $url in
		*github*) [ "$(written)" = "$(printf '%s\n' .github/workflows/{maintain,process-task-pr,update-gh-pages}.yml README.md)" ] ;;
		*gitlab*) [ "$(written)" = "$(printf '%s\n' .gitlab-ci.yml README.md)" ] ;;
		*) [ "$(written)" = README.md ] ;;
		esac
		run -0 "$DGRID" --repo "$url" init
		[ "$output" = 'already a grid' ]
		rm -rf "$ORIGIN"
		git init -q --bare -b main "$ORIGIN"
		run -0 "$DGRID" --repo "$url" init --no-workflows
		[ "$(written)" = README.md ]
		git config --global --unset "url.$ORIGIN.insteadOf"
	done
	run -0 "$DGRID" init --ci gitlab "$ORIGIN"
	[[ "$output" == *"wrote .gitlab-ci.yml"*"grid completed"* ]]
	for args in '--ci travis' '--source x;y' '--source-ref -x' '--source' "$ORIGIN $ORIGIN"; do
		# shellcheck disable=SC2086 # several arguments
		run -64 "$DGRID" init $args
	done
}

@test "init leaves alone what is there, and says so" {
	tgit clone -q "$ORIGIN" "$T/main" 2>/dev/null
	mkdir -p "$T/main/.github/workflows"
	echo mine | tee "$T/main/README.md" >"$T/main/.github/workflows/maintain.yml"
	push_main 'my own'
	run -0 "$DGRID" init --ci github "$ORIGIN"
	[[ "$output" == *"left alone, because it is there already: README.md"* ]]
	[[ "$output" == *"left alone, because it is there already: .github/workflows/maintain.yml"* ]]
	[[ "$output" == *"wrote .github/workflows/process-task-pr.yml"* ]]
	[ "$(git -C "$ORIGIN" show main:README.md)$(git -C "$ORIGIN" show main:.github/workflows/maintain.yml)" = minemine ]
	git -C "$ORIGIN" show main:.github/workflows/process-task-pr.yml |
		cmp - <(sed 's|^  DGRID_SOURCE: .*|  DGRID_SOURCE: https://github.com/you/dgrid|' "$REPO_ROOT/.github/workflows/process-task-pr.yml")
}

@test "init with a token that may not write workflows says what it lacks; nothing is half done" {
	# The host's own words, as git prints them.
	cat >"$T/bin/git" <<-SH
		#!/bin/sh
		for arg; do
			if [ "\$arg" = push ]; then
				printf 'To https://github.com/you/grid.git\n!\tHEAD:refs/heads/main\t[remote rejected] (refusing to allow a Personal Access Token to create or update workflow \`.github/workflows/maintain.yml\` without \`workflow\` scope)\nDone\n'
				echo "error: failed to push some refs to 'https://github.com/you/grid.git'" >&2
				exit 1
			fi
		done
		exec $(command -v git) "\$@"
	SH
	chmod +x "$T/bin/git"
	run -77 "$DGRID" init --ci github "$ORIGIN"
	[[ "$output" == *'scope "workflow"'*'dgrid init --no-workflows'* ]]
	rm "$T/bin/git"
	[ -z "$(git -C "$ORIGIN" for-each-ref)" ]
	run -0 "$DGRID" init --no-workflows "$ORIGIN"
}

@test "the workflows that build say it in one way, and name the version there is" {
	cd "$REPO_ROOT"
	version=$(sed -n 's/.*DGRID_VERSION "\(.*\)"/\1/p' base/version.h)
	for file in process-task-pr maintain update-gh-pages; do
		sed -n '/- name: Build dgrid/,/GITHUB_PATH/p' ".github/workflows/$file.yml" >"$T/$file.build"
		[ -s "$T/$file.build" ]
		cmp "$T/$file.build" "$T/process-task-pr.build"
		grep -qx "  DGRID_REF: v$version" ".github/workflows/$file.yml"
	done
	grep -qx "  DGRID_REF: v$version" assets/templates/gitlab-ci.yml
}
