#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, LIB_FUZZING_ENGINE, SRC and OUT come from outside (scripts/build-target). nightjar's
# own Makefile compiles the parsers, so that the files, the flags and the banned functions are those of the program.
# Archives, so that what stands beside a parser is only linked if the parser needs it.
# shellcheck disable=SC2046,SC2086,SC2154
cd "$SRC/nightjar"
B=$WORK/build/debug
objects=$(printf '%s\n' orchestrator/{config,discover,probe,target}*.c orchestrator/{engine,gate,publish}/*.c orchestrator/corpus/{afl_tree,dictionary,go_corpus,libfuzzer_control}.c |
    sed -n "s,^\([^*]*\)\.c\$,$B/obj/\1.o,p")
make -s -j2 O="$WORK/build" BUILD=debug CC="$CC" CFLAGS="$CFLAGS" $objects "$B/libtriage.a" "$B/libbase.a"
ar rcs "$WORK/orchestrator.a" $objects
libs="$(pkg-config --libs sqlite3 jansson zlib yaml-0.1 libarchive libsodium libseccomp libpcre2-8) -lZydis -lm"
$CC $CFLAGS -std=gnu11 -D_GNU_SOURCE -iquote . -iquote triage -iquote "$B/gen" -c "$SRC/harness.c" -o "$WORK/harness.o"
$CXX $CXXFLAGS "$WORK/harness.o" "$WORK/orchestrator.a" "$B/libtriage.a" "$B/libbase.a" $LIB_FUZZING_ENGINE $libs \
    -o "$OUT/nightjar-inputs"
