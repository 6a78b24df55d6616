#!/bin/sh
# Prints what CHANGELOG.md says of one version: the notes of its release. 65 when it says nothing.
#   changelog.sh VERSION [FILE]
version=${1:?usage: changelog.sh VERSION [FILE]}
file=${2:-$(dirname "$0")/../CHANGELOG.md}
notes=$(awk -v version="$version" '
	/^## / { on = index($0, "## [" version "]") == 1; next }
	/^\[[^]]*\]: / { next }
	on' "$file") || exit 66
# Text besides headings there must be.
if ! printf '%s\n' "$notes" | grep -v '^#' | grep -q '[^[:space:]]'; then
	echo "changelog.sh: $file says nothing of version $version (expected a section '## [$version] - YYYY-MM-DD')" >&2
	exit 65
fi
# Without empty lines before the first and after the last.
printf '%s\n' "$notes" | sed '/./,$!d'
