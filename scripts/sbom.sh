#!/bin/sh
# What a release is made of, as an SPDX 2.3 document: each file with its checksum, and what other people's code is in it.
# That is little, so it is said here: jsmn's header is compiled in, the static binaries hold musl, a tarball carries jsmn.
#   sbom.sh VERSION COMMIT DATE FOLDER      DATE: of the commit, as 2026-11-25T00:00:00Z; FOLDER: build/dist
# The versions of jsmn and musl are those of Debian's packages, or JSMN_VERSION and MUSL_VERSION. Needs jq.
set -eu
version=${1:?usage: sbom.sh VERSION COMMIT DATE FOLDER} commit=$2 date=$3 folder=$4
installed() { # PACKAGE: the upstream part of its version
	v=$(dpkg-query -W -f '${Version}\n' "$1" 2>/dev/null) || {
		echo "sbom.sh: $1 is not installed, its version is not known (set $2)" >&2
		exit 69
	}
	v=${v%%
*} # of the first architecture
	v=${v#*:}
	v=${v%-*}
	printf '%s\n' "${v%%+*}"
}
jsmn=${JSMN_VERSION:-$(installed libjsmn-dev JSMN_VERSION)}
musl=${MUSL_VERSION:-$(installed musl-dev MUSL_VERSION)}
home=$(sed -n 's/.*DGRID_SOURCE "\(.*\)"/\1/p' "$(dirname "$0")/../base/version.h")
for file in "$folder"/*; do
	case $file in
	*/SHA256SUMS | *.spdx.json | *-licences.txt) continue ;;
	esac
	[ -f "$file" ] || continue
	sum=$(sha256sum "$file")
	jq -n --arg name "${file##*/}" --arg sum "${sum%% *}" '{name: $name, sum: $sum}'
done | jq -s --arg version "$version" --arg commit "$commit" --arg date "$date" --arg home "$home" --arg jsmn "$jsmn" --arg musl "$musl" '
	def id: "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-");
	def package($name; $version; $from; $license; $by): {SPDXID: ($name | id), name: $name, versionInfo: $version, downloadLocation: $from,
		filesAnalyzed: false, licenseConcluded: $license, licenseDeclared: $license, copyrightText: $by, supplier: "NOASSERTION"};
	def related($a; $what; $b): {spdxElementId: $a, relationshipType: $what, relatedSpdxElement: $b};
	if length == 0 then error("there are no files") else . end |
	. as $files |
	{spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "dgrid-\($version)",
	 documentNamespace: "\($home)/releases/download/v\($version)/dgrid-\($version).spdx.json/\($commit)",
	 creationInfo: {created: $date, creators: ["Tool: dgrid-scripts-sbom.sh-\($version)"]},
	 packages: ([
		package("dgrid"; $version; "git+\($home)@\($commit)"; "MIT"; "NOASSERTION") + {primaryPackagePurpose: "APPLICATION"},
		package("jsmn"; $jsmn; "https://github.com/zserge/jsmn"; "MIT"; "Copyright (c) 2010 Serge Zaitsev") + {primaryPackagePurpose: "LIBRARY",
			comment: "Its header is compiled into the program, and carried in the source release."},
		package("musl"; $musl; "https://musl.libc.org"; "MIT"; "Copyright (c) 2005-2020 Rich Felker, et al.") + {primaryPackagePurpose: "LIBRARY",
			comment: "Linked into the static binaries alone."}
	 ] + [$files[] | package(.name; $version; "\($home)/releases/download/v\($version)/\(.name)"; "MIT"; "NOASSERTION") +
		{packageFileName: .name, checksums: [{algorithm: "SHA256", checksumValue: .sum}]}]),
	 relationships: ([related("SPDXRef-DOCUMENT"; "DESCRIBES"; "SPDXRef-dgrid"), related("SPDXRef-dgrid"; "CONTAINS"; "SPDXRef-jsmn")] +
		[$files[].name | related("SPDXRef-DOCUMENT"; "DESCRIBES"; id), related(id; "GENERATED_FROM"; "SPDXRef-dgrid")] +
		[$files[].name | select(test("-linux-")) | related(id; "STATIC_LINK"; "SPDXRef-musl")])}'
