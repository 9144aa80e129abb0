#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, SRC and OUT come from outside (scripts/build-target). A command-line tool, used as
# it is, so there is no engine to link. It reads character tables at start from a path that is compiled in: they go
# beside the program, where a sandbox that shows only the program's folder has them too.
# shellcheck disable=SC2154
cd "$SRC/catdoc"
./configure --quiet --disable-wordview --prefix="$OUT" --datadir="$OUT" CC="$CC" CFLAGS="$CFLAGS"
make -s -C src LDFLAGS="$CFLAGS" xls2csv
make -s -C charsets install
cp src/xls2csv "$OUT/xls2csv"
