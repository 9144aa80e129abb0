#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, LIB_FUZZING_ENGINE, SRC and OUT come from outside (scripts/build-target). nightjar's
# own Makefile compiles the parser, so that the files, the flags and the banned functions are those of the program.
# shellcheck disable=SC2046,SC2086,SC2154
cd "$SRC/nightjar"
B=$WORK/build/debug
objects=$(printf '%s\n' triage/parse/*.c triage/record*.c triage/stack*.c triage/signature*.c triage/severity*.c triage/{harness,options}*.c triage/base/*.c |
    sed -n "s,^\([^*]*\)\.c\$,$B/obj/\1.o,p")
make -s O="$WORK/build" BUILD=debug CC="$CC" CFLAGS="$CFLAGS" $objects
libs=$(pkg-config --libs sqlite3 jansson zlib libsodium libpcre2-8)
$CC $CFLAGS -std=gnu11 -D_GNU_SOURCE -iquote . -iquote triage -c "$SRC/harness.c" -o "$WORK/harness.o"
$CXX $CXXFLAGS "$WORK/harness.o" $objects $LIB_FUZZING_ENGINE $libs -o "$OUT/nightjar-parse"
