#!/bin/sh
# Writes the table that asset.c looks into: every file named on the command line, by its path (without assets/), as an array of bytes.
#   embed.sh FILE... >build/asset_data.c
printf '#include "base/asset.h"\n'
n=0
for f in "$@"; do
	printf 'static const unsigned char bytes_%d[] = {\n' "$n"
	od -An -v -tx1 "$f" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
	printf '0};\n' # so that text can be used as a string
	n=$((n + 1))
done
printf 'const struct asset assets[] = {\n'
n=0
for f in "$@"; do
	printf '{"%s", (const char *)bytes_%d, sizeof bytes_%d - 1},\n' "${f#assets/}" "$n" "$n"
	n=$((n + 1))
done
printf '{0}};\n'
