#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, LIB_FUZZING_ENGINE, SRC and OUT come from outside (scripts/build-target). nightjar's
# own Makefile compiles the parser, so that the files, the flags and the banned functions are those of the program.
# shellcheck disable=SC2086,SC2154
cd "$SRC/nightjar"
B=$WORK/build/debug
make -s -j2 O="$WORK/build" BUILD=debug CC="$CC" CFLAGS="$CFLAGS" "$B/libtriage.a" "$B/libbase.a"
libs="$(pkg-config --libs sqlite3 jansson zlib libsodium libseccomp libpcre2-8) -lZydis -lm"
$CC $CFLAGS -std=gnu11 -D_GNU_SOURCE -iquote . -iquote triage -c "$SRC/harness.c" -o "$WORK/harness.o"
$CXX $CXXFLAGS "$WORK/harness.o" "$B/libtriage.a" "$B/libbase.a" $LIB_FUZZING_ENGINE $libs -o "$OUT/nightjar-parse"
