#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# dashboard: what the site says, that it stays the same, and that nothing of a stranger's gets into it unescaped.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
	S=$T/site
	NOW=2026-11-24T12:00:00Z
}
teardown() { common_teardown; }

# The data in a page, as Python's o; then the expression.
page() { # EXPRESSION
	python3 - "$S/index.html" "$1" <<-'PY'
		import json, re, sys
		text = open(sys.argv[1], encoding="utf-8").read()
		o = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))
		o["tasks"] = [dict(zip(o["columns"], t, strict=True)) for t in o["tasks"]]
		print(eval(sys.argv[2]))
	PY
}
# put FILE TEXT ...: files into the ledger, in one commit; @X@ and @Y@ in them are $X and $Y.
put() {
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	while (($#)); do
		mkdir -p "$T/c/$(dirname "$1")"
		local text=${2//@X@/"${X-}"}
		printf '%s' "${text//@Y@/"${Y-}"}" >"$T/c/$1"
		shift 2
	done
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm files
	tgit -C "$T/c" push -q origin HEAD:main
}
stamp() { (cd "$S" && find . -type f -printf '%p %T@ ' -exec sha256sum {} \; | sort); }

@test "an empty grid makes a site that says what to do first" {
	run -0 "$DGRID" dashboard -o "$S/deep/er"
	[[ "$output" == "$S/deep/er/index.html: ledger at "*"; 3 files written, 0 unchanged, 0 removed" ]]
	S=$S/deep/er
	[ "$(page 'o["counts"]["queue"], o["nodes"], o["tasks"], o["more"], o["advice"]')" = "(0, [], [], 0, [])" ]
	grep -q 'dgrid submit --id hello' "$S/index.html"
	run -64 "$DGRID" dashboard
	[[ "$output" == *"dgrid dashboard -o DIR"* ]]
	run -64 "$DGRID" dashboard -o "$S" --now yesterday
	[[ "$output" == *"2026-11-23T09:00:00Z"* ]]
	run -64 "$DGRID" dashboard -o "$S" extra
	run -69 "$DGRID" --repo "$T/nothing.git" dashboard -o "$S"
}

@test "a real grid: tiles, nodes, history, times, exit in words, output" {
	require_bwrap
	"$DGRID" submit --id good --description 'says hello' -- 'echo hello; echo oops >&2'
	"$DGRID" submit --id bad -- 'no-such-command'
	"$DGRID" submit --id waits --label gpu -- true
	"$DGRID" worker --node-id n1 --slots 2 --engine bwrap --once --work-dir "$T/w" 2>"$T/log"
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(page '[o["counts"][k] for k in ("queue", "in_progress", "completed", "failed", "archived")]')" = "[1, 0, 1, 1, 0]" ]
	[ "$(page 'sorted((t["id"], t["state"], t["status"], t["node"]) for t in o["tasks"])')" = "[('bad', 4, 'failed', 'n1'), ('good', 3, 'success', 'n1'), ('waits', 1, '', '')]" ]
	[ "$(page 'o["nodes"][0]["id"], o["nodes"][0]["state"], o["nodes"][0]["engine"], o["nodes"][0]["done"], o["nodes"][0]["failed"]')" = "('n1', 'left', 'bwrap', 1, 1)" ]
	[ "$(page 'sum(o["day"]["done"]), sum(o["day"]["failed"]), max(o["day"]["depth"]), o["day"]["depth"][-1] >= 1, sum(o["month"]["done"])')" = "(1, 1, 3, True, 1)" ]
	[ "$(page 'o["day"]["all"][1] >= 0, 0 <= o["day"]["all"][3] < 60000, all(t["queued"] > 0 for t in o["tasks"])')" = "(True, True, True)" ]
	[[ "$(page 'o["advice"]')" == *"waits for labels that no live node carries (gpu)"* ]]
	grep -q 'Failed with exit code 127: a command was not found' "$S/t/bad.html"
	grep -q 'Succeeded: exit code 0. It ran for' "$S/t/good.html"
	grep -q '^hello$' "$S/t/good.html"
	grep -q 'Standard error <span class="bytes">5 bytes' "$S/t/good.html"
	grep -q "claimed on <b>n1</b>" "$S/t/good.html"
	[ "$(git -C "$ORIGIN" log --format=%h --abbrev=10 --diff-filter=A -1 -- tasks/completed/good.json)" = "$(sed -n -E 's|.*<dt>Ended in</dt><dd><code class="oid">([0-9a-f]+)<.*|\1|p' "$S/t/good.html")" ]
}

@test "the same ledger and the same --now: the same bytes and the same files; what is gone is removed" {
	put tasks/completed/a.json '{"task_id":"a","script":"x","timeout_seconds":10,"result":{"status":"success","finished_at":"2026-11-24T11:00:00Z"}}' \
		tasks/completed/b.json '{"task_id":"b","script":"x","timeout_seconds":10,"result":{"status":"success","finished_at":"2026-11-24T10:00:00Z"}}' \
		nodes/n.json '{"node_id":"n","status":"active","last_heartbeat":"2026-11-24T11:59:50Z","slots":2,"busy":1}'
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[[ "$output" == *"; 5 files written, 0 unchanged, 0 removed" ]]
	before=$(stamp)
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[[ "$output" == *"; 0 files written, 5 unchanged, 0 removed" ]]
	[ "$(stamp)" = "$before" ]
	run -0 "$DGRID" dashboard -o "$T/other" --now "$NOW"
	diff -r "$S" "$T/other"
	[ "$(page 'o["nodes"][0]["state"], o["now"]')" = "('active', $(date -d "$NOW" +%s))" ]
	# An hour later the node is silent; the pages of finished tasks are what they were.
	run -0 "$DGRID" dashboard -o "$S" --now 2026-11-24T13:00:00Z
	[[ "$output" == *"; 2 files written, 3 unchanged, 0 removed" ]]
	[ "$(page 'o["nodes"][0]["state"]')" = silent ]
	tgit -C "$T/c" rm -q tasks/completed/a.json
	tgit -C "$T/c" commit -qm gone
	tgit -C "$T/c" push -q origin HEAD:main
	echo mine >"$S/t/mine.html"
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[[ "$output" == *"; 2 files written, 2 unchanged, 1 removed" ]]
	[ ! -e "$S/t/a.html" ]
	[ "$(<"$S/t/mine.html")" = mine ]
}

@test "a folder that holds somebody else's pages, one that cannot be written, one that is a file" {
	mkdir -p "$S"
	echo mine >"$S/index.html"
	run -77 "$DGRID" dashboard -o "$S"
	[[ "$output" == *"'$S/index.html' is there and was not written by dgrid"* ]]
	[ "$(<"$S/index.html")" = mine ]
	[ "$(ls -A "$S")" = index.html ]
	mv "$S/index.html" "$S/mine.html"
	# A manifest of somebody else's making leads nowhere.
	echo precious >"$T/precious"
	printf '../precious\n/etc/hostname\nt/../../precious\n.git\nmine.html\n' >"$S/.dgrid-dashboard"
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(<"$T/precious")" = precious ]
	: >"$T/file"
	run -77 "$DGRID" dashboard -o "$T/file"
	[[ "$output" == *"'$T/file' is not a folder"* ]]
	run -77 "$DGRID" dashboard -o "$T/file/below"
	run -77 "$DGRID" dashboard -o /sys/site
	[[ "$output" == *"cannot make the folder '/sys/site'"* ]]
}

@test "dashboard on a full disk ends as other verbs do whose output cannot be written" {
	[ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
	mkdir "$T/full"
	mount -t tmpfs -o size=16k tmpfs "$T/full"
	run "$DGRID" dashboard -o "$T/full"
	umount "$T/full"
	[ "$status" = 74 ]
	[[ "$output" == *"No space left on device"* ]]
}

@test "--at shows the grid as it was, and --title and grid.json name it" {
	"$DGRID" submit --id one -- true
	put tasks/queue/two.json '{"task_id":"two","script":"x","timeout_seconds":10}' \
		grid.json '{"schema":1,"title":"Weather <maps>","links":[{"text":"Run & book","url":"https://example.org/?a=1&b=\u0027"}]}'
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(page 'o["title"], o["past"], o["counts"]["queue"]')" = "('Weather <maps>', 0, 2)" ]
	grep -qF '<title>Weather &lt;maps&gt; – grid</title>' "$S/index.html"
	grep -qF '<a href="https://example.org/?a=1&amp;b=&#39;" rel="noreferrer">Run &amp; book</a>' "$S/index.html"
	run -0 "$DGRID" dashboard -o "$S" --at main~1 --title 'As it was'
	[ "$(page 'o["title"], o["past"], o["counts"]["queue"], o["now"] == o["committed_at"]')" = "('As it was', 1, 1, True)" ]
	[ ! -e "$S/t/two.html" ]
	run -66 "$DGRID" dashboard -o "$S" --at 2001-01-01
	# grid.json's mistakes are told in the page, and named by validate's words.
	for links in '{}' '[{"text":"x"}]' '[{"text":"x","url":"javascript:alert(1)"}]' '[{"text":"x","url":"https://a b"}]' '[{"text":"x","url":"https://a\"b"}]' '[{"text":"","url":"https://a"}]'; do
		put grid.json "{\"links\":$links}"
		run -0 "$DGRID" dashboard -o "$S"
		[[ "$(page 'o["advice"][0][1]')" == "Settings that are not valid are ignored: grid.json:1:"*"links: expected"* ]]
		run -1 grep -q 'javascript:alert' "$S/index.html"
	done
}

@test "hostile text in every field of tasks, results, nodes and settings" {
	X='</script><img src=x onerror=alert(1)>\"\u0027<!--<script>\u2028\u2029\u001b[31m\u009b\u202e\ufffe&amp;{{DATA}}'
	Y='<svg onload=alert(2)>'
	result='"result":{"status":"@X@","reason":"@X@","node":"@X@","exit_code":1e400,"signal":"@X@","attempt":"@X@","started_at":"@X@","finished_at":"9999-99-99T99:99:99Z","duration_ms":-99999999999999999999,"engine":"@X@","image":"@X@","image_digest":"@X@","stdout":"@X@","stderr":"@X@","stdout_bytes":"@X@","stdout_truncated":"@X@"}'
	put tasks/completed/evil.json '{"task_id":"@X@","script":"@X@","timeout_seconds":"@X@","description":"@X@","submitted_by":"@X@","created_at":"@X@","labels":["@X@",1,null,{"a":[]}],"image":"@X@","env":{"@X@":"@X@"},"priority":1e99,"cpus":"@X@","memory_mb":-5,"metadata":{"@X@":["@X@"]},"x-@X@":1,"attempts":[{"node":"@X@","outcome":"@X@","reason":"@X@","claimed_at":"0000-00-00T00:00:00Z","ended_at":"@X@","stderr_tail":"@X@"},{"outcome":"lost","node":"@X@","reason":"@X@"},7,null],'"$result"'}' \
		tasks/failed/evil2.json '{"result":[],"attempts":{"a":1},"labels":"@X@","script":7,"description":{},"created_at":99999999999999999999}' \
		tasks/in_progress/evil3.json '{"claim":{"node":"@X@","claimed_at":"9999-12-31T23:59:59Z","lease_until":"@X@","attempt":[]},"timeout_seconds":9223372036854775807}' \
		tasks/in_progress/evil4.json '{"claim":"@X@","cancel":{"by":"@X@","requested_at":"@X@"}}' \
		tasks/queue/evil5.json '["@X@"]' tasks/queue/evil6.json '{"task_id":' tasks/queue/evil7.json '{"labels":["@X@"],"not_before":"@X@","priority":null}' \
		tasks/queue/evil8.json '7' tasks/unapproved/evil9.json '{}' "tasks/queue/$Y.json" '{}' \
		nodes/evil.json '{"node_id":"@X@","status":"@X@","trouble":"@X@","engine":"@X@","engine_version":"@X@","labels":["@X@",{}],"slots":-9223372036854775808,"busy":"@X@","tasks_completed":9223372036854775807,"tasks_failed":-1e9,"cpu_count":1e400,"memory_mb":"@X@","os":"@X@","arch":"@X@","dgrid_version":"@X@","turns":"@X@","last_heartbeat":"9999-12-31T23:59:59Z","started_at":"@X@"}' \
		tasks/in_progress/evil10.json '{"claim":{"node":"loud","nonce":"aa","claimed_at":"2026-11-24T11:59:00Z"}}' \
		nodes/list.json '[1]' nodes/broken.json '{' \
		tasks/archive.json '{"tasks":99999999999999999999,"completed":"@X@","failed":-7,"days":{"@X@":{"completed":1e400},"2026-11-20":{"completed":9223372036854775807,"failed":-1}}}' \
		grid.json '{"title":"@X@","@X@":1,"links":[{"text":"@X@","url":"https://@Y@/"}]}'
	# What a node says that its tasks print is a stranger's too.
	tail=$(printf '{"tasks":[{"nonce":"aa","stdout":"%s","stdout_from":0,"stdout_bytes":9,"stderr":7}]}' "$X" | tgit -C "$ORIGIN" commit-tree "$(git -C "$ORIGIN" rev-parse 'main^{tree}')")
	git -C "$ORIGIN" update-ref refs/dgrid/tails/loud "$tail"
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[ "$(page 'o["title"].startswith("</script><img")')" = True ]
	[ "$(page 'len(o["tasks"]), len(o["nodes"])')" = "(10, 3)" ]
	[ "$(find "$S/t" -type f | wc -l)" = 10 ]
	grep -q 'Standard output so far <span class="bytes">9 bytes' "$S/t/evil10.html"
	# Nothing of theirs is markup: the tags in the pages are those of the templates.
	python3 - "$S" <<-'PY'
		import glob, html.parser, re, sys
		allowed = set("html head meta title link style script body a header div h1 h2 h3 p nav ul li main noscript section form footer span code kbd pre dl dt dd ol b time details summary".split())
		class Check(html.parser.HTMLParser):
		    def handle_starttag(self, tag, attrs):
		        assert tag in allowed, (self.name, tag, attrs)
		        for k, v in attrs:
		            assert not k.startswith("on") and k != "style", (self.name, tag, k)
		            if k == "href":
		                assert re.match(r"(https://|#|data:|t/|metrics\.json|failures\.atom|\.\./index\.html)", v), (self.name, v)
		for name in glob.glob(sys.argv[1] + "/**/*.html", recursive=True):
		    text = open(name, encoding="utf-8").read()
		    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ufffe]", text), name
		    assert set(re.findall(r"{{[A-Z]+}}", text)) <= {"{{DATA}}"}, name
		    c = Check(convert_charrefs=True); c.name = name; c.feed(text); c.close()
		    if "index" in name:
		        assert text.count("<script") == 5 and text.count("</script>") == 5, "scripts"
		    else:
		        assert text.count("<script") == 2, name
		PY
	grep -q 'not a valid' "$S/index.html" || grep -q 'no valid JSON' "$S/index.html"
}

@test "names and sizes of what tasks left, as text; a link where the host is known; over HTTP names alone, and no contents" {
	require_bwrap
	start_http_git
	listed() { # the table of t/ID.html: NAME BYTES
		sed -n -E 's|^(.*<tbody>)?<tr><td><code>(.*)</code></td><td class="num">([0-9]*)</td></tr>$|\2 \3|p' "$S/t/$1.html"
	}
	"$DGRID" submit --id named -- 'mkdir "/out/a b"; echo 123 >"/out/a b/<img src=x>"; echo -n secret-contents >/out/z'
	"$DGRID" submit --id many -- 'for i in $(seq 205); do : >/out/$i; done'
	"$DGRID" submit --id single -- 'echo 12345 >/out/one'
	"$DGRID" worker --node-id n1 --slots 3 --engine bwrap --once --work-dir "$T/w" 2>"$T/log"
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(listed named)" = $'a b/&lt;img src=x&gt; 4\nz 15' ]
	[ "$(listed many | wc -l)" = 200 ]
	grep -q '<p>and 5 more</p>' "$S/t/many.html"
	run -1 grep -rE 'secret-contents</|<img' "$S/t"
	out=$(git -C "$ORIGIN" rev-parse "$(git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/dgrid/out)")
	git config --global url."$HTTP_URL".insteadOf https://github.com/org/grid
	git -C "$ORIGIN" config uploadpack.allowFilter true
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	for url in "$HTTP_URL" https://github.com/org/grid; do
		rm -rf "$HOME/.cache" "$S"
		run -0 "$DGRID" --repo "$url" dashboard -o "$S"
		[ "$(listed named)" = $'a b/&lt;img src=x&gt; \nz ' ]
		[ "$(listed single)" = "one 6" ]
		run -0 git -C "$HOME"/.cache/dgrid/*-names.git cat-file --batch-all-objects "--batch-check=%(objecttype)"
		run -1 grep -x blob <<<"$output"
	done
	grep -qE "href=\"https://github.com/org/grid/tree/[0-9a-f]{40}/named\"" "$S/t/named.html"
	commit=$(sed -n -E 's|.*org/grid/tree/([0-9a-f]{40})/named".*|\1|p' "$S/t/named.html")
	git -C "$ORIGIN" ls-tree --name-only "$commit" | grep -qx named
	git -C "$ORIGIN" merge-base --is-ancestor "$commit" "$out"
	# What is here is not asked for again; what is gone there is not known, and the page is made.
	: >"$T/http.asked"
	run -0 "$DGRID" --repo "$HTTP_URL" dashboard -o "$S"
	[ "$(listed single)" = "one 6" ]
	for ref in $(git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/dgrid/out); do git -C "$ORIGIN" update-ref -d "$ref"; done
	rm -rf "$HOME/.cache"
	run -0 "$DGRID" --repo "$HTTP_URL" dashboard -o "$S"
	[ -z "$(listed single)" ]
	grep -q '<dt>Files</dt><dd>1' "$S/t/single.html"
}

@test "credentials in the URL reach no page; commits link to a host that is known" {
	"$DGRID" submit --id one -- true
	git config --global url."$ORIGIN".insteadOf https://lovelace:sesame@github.com/org/grid.git
	DGRID_REPO_URL=https://lovelace:sesame@github.com/org/grid.git run -0 "$DGRID" dashboard -o "$S"
	[ "$(page 'o["place"], o["home"], o["commit_url"]')" = "('github.com/org/grid.git', 'https://github.com/org/grid', 'https://github.com/org/grid/commit/')" ]
	[ "$(page 'o["title"]')" = grid ]
	grep -qE '<a class="oid" href="https://github.com/org/grid/commit/[0-9a-f]{40}">' "$S/t/one.html"
	run -1 grep -rE 'sesame|lovelace' "$S" --include=*.html
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(page 'o["place"], o["home"]')" = "('origin.git', '')" ]
	run -1 grep -rF "$T" "$S"
}

@test "more tasks than fit: the newest have pages, the others come from a data file, the first page stays small" {
	python3 - "$ORIGIN" <<-'PY'
		import json, subprocess, sys
		out = ["commit refs/heads/main\ncommitter t <t@e> 1795500000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"]
		for i in range(900):
		    d = json.dumps({"task_id": f"t{i:04}", "script": "x", "timeout_seconds": 10, "description": "<" * 300, "labels": ["&" * 60] * 8,
		                    "result": {"status": "success", "finished_at": "2026-11-%02dT%02d:%02d:00Z" % (1 + i // 60 % 20, i // 60 % 24, i % 60), "duration_ms": i}})
		    out.append(f"M 100644 inline tasks/completed/t{i:04}.json\ndata {len(d)}\n{d}\n")
		for i in range(1500):
		    d = json.dumps({"node_id": f"n{i}", "status": "left", "labels": ["x" * 60] * 8, "engine": "docker", "turns": "free", "trouble": "y" * 300})
		    out.append(f"M 100644 inline nodes/n{i:04}.json\ndata {len(d)}\n{d}\n")
		out.append('M 100644 inline nodes/zz.json\ndata 68\n{"status":"active","last_heartbeat":"2026-11-24T11:59:50Z","busy":1}\n')
		totals = json.dumps({"schema": 1, "tasks": 3, "completed": 2, "failed": 1, "days": {"2026-11-02": {"completed": 500, "failed": 1, "run_ms": 9}}})
		out.append(f"M 100644 inline tasks/archive.json\ndata {len(totals)}\n{totals}\n")
		out.append("commit refs/heads/archive\ncommitter t <t@e> 1795500000 +0000\ndata 1\nx\n")
		for name in ("2026/11/02/old-1.json", "2026/11/02/old-1.2.json", "2026/11/03/old-2.json", "2026/11/03/<b>.json"):
		    out.append(f"M 100644 inline {name}\ndata 2\n{{}}\n")
		subprocess.run(["git", "-C", sys.argv[1], "fast-import", "--quiet", "--date-format=raw"], input="".join(out).encode(), check=True)
	PY
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[ "$(stat -c %s "$S/index.html")" -lt 500000 ]
	[ "$(find "$S/t" -type f | wc -l)" = 500 ]
	[ "$(page 'o["node_count"], 50 < len(o["nodes"]) < 1500, o["nodes"][0]["id"]')" = "(1501, True, 'zz')" ]
	[ "$(page 'o["more"] + len(o["tasks"]), o["archive"], o["counts"]["archived"]')" = "(900, 1, 3)" ]
	python3 - "$S" "$(page 'len(o["tasks"])')" <<-'PY'
		import json, re, sys
		text = open(sys.argv[1] + "/data/tasks.js").read()
		rows = json.loads(re.fullmatch(r'dgrid\("tasks",(.*)\);\n', text, re.S).group(1))
		assert len(rows) == 900 - int(sys.argv[2]) and len({r[0] for r in rows}) == len(rows)
		archive = json.loads(re.fullmatch(r'dgrid\("archive",(.*)\);\n', open(sys.argv[1] + "/data/archive.js").read(), re.S).group(1))
		assert archive == {"2026-11-02": ["old-1", "old-1"], "2026-11-03": ["old-2"]}, archive
	PY
	# Days that the commits do not tell of come from the archive's totals, and those of the tasks on the branch.
	[ "$(page 'o["month"]["done"][7] - 500, o["month"]["failed"][7]')" = "(60, 1)" ]
}

@test "over HTTP: the history comes along, as far as 30 days go" {
	"$DGRID" submit --id one -- true
	"$DGRID" submit --id two -- true
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	run -0 "$DGRID" --repo "$HTTP_URL" dashboard -o "$S"
	[ "$(page 'max(v or 0 for v in o["day"]["depth"]), o["counts"]["queue"], o["limit"]')" = "(2, 2, '')" ]
	"$DGRID" submit --id three -- true
	run -0 "$DGRID" --repo "$HTTP_URL" dashboard -o "$S"
	[ "$(page 'max(v or 0 for v in o["day"]["depth"]), o["counts"]["queue"], all(t["queued"] for t in o["tasks"])')" = "(3, 3, True)" ]
	run -0 "$DGRID" --repo "$HTTP_URL" dashboard -o "$S" --at main~1
	[ "$(page 'max(v or 0 for v in o["day"]["depth"]), o["counts"]["queue"], o["limit"]')" = "(2, 2, '')" ]
	run -1 grep -rlF -- "$GIT_TOKEN" "$HOME" "$S"
}

@test "advice: how many slots are missing, nobody there, orphans; a copy without history says so" {
	local i files=()
	for i in $(seq 40); do
		files+=("tasks/queue/q$i.json" '{"task_id":"q'"$i"'","script":"x","timeout_seconds":60,"created_at":"2026-11-24T11:48:00Z"}')
	done
	put "${files[@]}"
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[ "$(page 'o["advice"]')" = "[['bad', '40 tasks are queued and no node is there to run them: start one with dgrid worker.']]" ]
	# Nothing was run in the last hour, so ten seconds a task: a batch of 40 is through after 400 s, and nobody needs more slots.
	put nodes/n.json '{"node_id":"n","status":"active","last_heartbeat":"2026-11-24T11:59:50Z","slots":1,"busy":1}' \
		tasks/in_progress/lost.json '{"claim":{"node":"gone","claimed_at":"2026-11-24T11:50:00Z"}}'
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	[ "$(page '[a[1] for a in o["advice"]]')" = "['1 running task is orphaned: any idle node gives it back to the queue, or dgrid heal.', 'The queue waits 12 min at the 95th percentile; at the present rate it is empty in about 6 min.']" ]
	[ "$(page '[(t["status"], t["note"]) for t in o["tasks"] if t["state"] == 2]')" = "[('orphaned', 'its node gone is not registered')]" ]
	[ "$(page 'o["limit"]')" = "" ]
	tgit clone -q --bare --depth 1 "file://$ORIGIN" "$T/shallow.git"
	run -0 "$DGRID" --repo "$T/shallow.git" dashboard -o "$T/shallow"
	S=$T/shallow
	[[ "$(page 'o["limit"]')" == "this copy of the repository holds no older commits" ]]
	[ "$(page 'sum(o["day"]["done"]), o["day"]["depth"][0] is None')" = "(0, True)" ]
}

@test "advice: slots are missing where tasks keep coming faster than they are run; one sweep is none of that" {
	queued() { # TASKS at each of the half hours before NOW
		rm -rf "$ORIGIN"
		git init -q --bare -b main "$ORIGIN"
		python3 - "$ORIGIN" "$@" <<-'PY'
			import json, subprocess, sys
			now, n, out = 1795521600, 0, []
			node = json.dumps({"node_id": "n", "status": "active", "last_heartbeat": "2026-11-24T11:59:50Z", "slots": 1, "busy": 1})
			for k, many in enumerate(sys.argv[2:]):
			    at = now - 1800 * (len(sys.argv) - 2 - k) + 60
			    out.append(f"commit refs/heads/main\ncommitter t <t@e> {at} +0000\ndata 1\nx\nM 100644 inline nodes/n.json\ndata {len(node)}\n{node}\n")
			    for _ in range(int(many)):
			        d = json.dumps({"task_id": f"q{n}", "script": "x", "timeout_seconds": 60, "created_at": "2026-11-24T11:48:00Z"})
			        out.append(f"M 100644 inline tasks/queue/q{n}.json\ndata {len(d)}\n{d}\n")
			        n += 1
			subprocess.run(["git", "-C", sys.argv[1], "fast-import", "--quiet"], input="".join(out).encode(), check=True)
		PY
		run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	}
	# Ten seconds a task: 450 in half an hour are 2.5 slots' work.
	queued 450 450 450 450 450 450 450
	[ "$(page 'o["advice"]')" = "[['scale', 'The queue waits 12 min at the 95th percentile, and tasks keep coming faster than they are run: add about 2 slots.']]" ]
	queued 0 0 0 0 0 3150 0
	[ "$(page 'o["advice"]')" = "[['note', 'The queue waits 12 min at the 95th percentile; at the present rate it is empty in about 8 h.']]" ]
}

@test "a cancelled task has not failed: not in the counts, the days, its node's figures" {
	for id in c1 c2; do
		"$DGRID" submit --id "$id" -- true
		"$DGRID" cancel "$id"
	done
	put tasks/failed/f1.json '{"task_id":"f1","script":"x","timeout_seconds":10,"result":{"status":"failed","node":"n","exit_code":1,"finished_at":"2026-11-24T11:00:00Z"}}' \
		tasks/failed/c3.json '{"task_id":"c3","script":"x","timeout_seconds":10,"result":{"status":"cancelled","node":"n","stdout":"ok\\n","finished_at":"2026-11-24T11:00:00Z"}}' \
		nodes/n.json '{"node_id":"n","status":"active","last_heartbeat":"2026-11-24T11:59:50Z"}'
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(page 'o["counts"]["failed"], o["counts"]["cancelled"], sum(o["day"]["failed"]), o["nodes"][0]["failed"]')" = "(4, 3, 1, 1)" ]
}

@test "many queued tasks take no page from what failed or runs, and the feed links to pages that are there" {
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	python3 - "$T/c/tasks" <<-'PY'
		import json, os, sys
		def put(state, name, **more):
		    os.makedirs(f"{sys.argv[1]}/{state}", exist_ok=True)
		    json.dump({"task_id": name, "script": "true", "timeout_seconds": 10, **more}, open(f"{sys.argv[1]}/{state}/{name}.json", "w"))
		for i in range(700):
		    put("queue", f"q{i}", created_at="2026-11-24T11:59:00Z")
		for i in range(60):
		    put("failed", f"f{i}", result={"status": "failed", "exit_code": 1, "finished_at": f"2026-11-20T10:00:{i:02}Z"})
		for i in range(450):
		    put("completed", f"c{i}", result={"status": "success", "finished_at": "2026-11-24T10:00:00Z"})
		put("in_progress", "r", claim={"node": "n", "nonce": "1", "claimed_at": "2026-11-20T09:00:00Z", "lease_until": "2026-11-25T09:00:00Z"})
	PY
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm many
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW" --url https://grid.example/
	[ "$(find "$S/t" -name 'f*' | wc -l) $(find "$S/t" -name 'r*' | wc -l) $(find "$S/t" -type f | wc -l)" = "60 1 500" ]
	[ "$(find "$S/t" -name 'q*' | wc -l)" = 0 ]
	[ "$(grep -c '<entry>' "$S/failures.atom")" = 50 ]
	while IFS= read -r page; do
		[ -e "$S/$page" ]
	done < <(grep -oE 't/[A-Za-z0-9_-]+\.html' "$S/failures.atom")
}

@test "a page stays for as long as its task is on the branch or in the archive, and the page that lists it says so" {
	ended() { # STATUS
		printf '{"task_id":"x","script":"true","timeout_seconds":10,"result":{"status":"%s","node":"n7","finished_at":"2026-11-20T10:00:00Z"}}' "$1"
	}
	put tasks/failed/broke.json "$(ended failed)" tasks/queue/quick.json '{"task_id":"quick","script":"x","timeout_seconds":10}' \
		tasks/completed/old.json "$(ended success)"
	run -0 "$DGRID" dashboard -o "$S" --now "$NOW"
	before=$(sha256sum "$S/t/broke.html")
	# Both go to the archive; one had ended by the last time its page was written, one was still queued.
	git init -q -b archive "$T/a"
	mkdir -p "$T/a/2026/11/20"
	ended failed >"$T/a/2026/11/20/broke.json"
	ended success >"$T/a/2026/11/20/quick.json"
	ended success >"$T/a/2026/11/20/never-had-one.json"
	tgit -C "$T/a" add -A
	tgit -C "$T/a" commit -qm archived
	tgit -C "$T/a" push -q "$ORIGIN" HEAD:archive
	tgit -C "$T/c" rm -q tasks/failed/broke.json tasks/queue/quick.json
	tgit -C "$T/c" commit -qm archived
	tgit -C "$T/c" push -q origin HEAD:main
	put tasks/archive.json '{"schema":1,"tasks":3,"completed":2,"failed":1}'
	run -0 "$DGRID" dashboard -o "$S"
	[ "$(sha256sum "$S/t/broke.html")" = "$before" ]
	grep -q 'Succeeded: exit code 0' "$S/t/quick.html"
	[ "$(sed -n 2p "$S/t/quick.html")" = '<html lang="en" class="no-js">' ]
	grep -q '\]},\["broke","quick"\]);' "$S/data/archive.js"
	[ ! -e "$S/t/never-had-one.html" ]
	# They are kept by every later run, until the archive has them no longer.
	run -0 "$DGRID" dashboard -o "$S"
	[[ "$output" == *" 0 removed" ]]
	[ "$(sha256sum "$S/t/broke.html")" = "$before" ]
	tgit -C "$T/a" rm -q 2026/11/20/broke.json
	tgit -C "$T/a" commit -qm gone
	tgit -C "$T/a" push -q "$ORIGIN" HEAD:archive
	put tasks/archive.json '{"schema":1,"tasks":2,"completed":2,"failed":0}'
	run -0 "$DGRID" dashboard -o "$S"
	[[ "$output" == *" 1 removed" ]]
	[ ! -e "$S/t/broke.html" ]
	[ -e "$S/t/quick.html" ]
}
