#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, SRC and OUT come from outside (scripts/build-target). A command-line tool, used as
# it is, so there is no engine to link.
# shellcheck disable=SC2154
cd "$SRC/exiftags"
make -s CC="$CC" CFLAGS="$CFLAGS" exiftags
cp exiftags "$OUT/exiftags"
