#!/bin/sh
# The loop most bots that share a branch are made of: fetch, take the first file, move it, commit, push; again until the
# push is taken; then the same for the result. One worker; started once a worker by bench.py.
#   naive.sh REMOTE DIR ID        ends when the queue is empty, or on SIGTERM
set -u
remote=$1 dir=$2 id=$3
git clone -q --depth 1 --no-local "$remote" "$dir" || exit 1
cd "$dir" || exit 1
git config user.name "$id"
git config user.email "$id@example.invalid"
pushes=0 rejected=0 done=0
trap 'echo "$pushes $rejected $done" >"../$id.count"; exit 0' TERM
push() {
	pushes=$((pushes + 1))
	git push -q origin HEAD:main 2>/dev/null && return 0
	rejected=$((rejected + 1))
	return 1
}
refresh() { git fetch -q origin main && git reset -q --hard FETCH_HEAD; }
while :; do
	refresh || continue
	task=$(find tasks/queue -name '*.json' | sort | head -n 1)
	[ -n "$task" ] || break
	name=${task##*/}
	mkdir -p tasks/in_progress tasks/completed
	{ git mv "$task" "tasks/in_progress/$id-$name" && git commit -qm "claim $name by $id" && push; } || continue
	sh -c true
	while :; do
		mkdir -p tasks/completed
		git mv "tasks/in_progress/$id-$name" "tasks/completed/$name" && git commit -qm "done $name by $id" && push && break
		refresh
	done
	done=$((done + 1))
done
echo "$pushes $rejected $done" >"../$id.count"
