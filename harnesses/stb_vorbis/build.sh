#!/bin/bash -eu
# OSS-Fuzz convention: CC, CFLAGS, LIB_FUZZING_ENGINE, SRC and OUT come from outside (scripts/build-target).
# The library is one header of Debian's libstb-dev, compiled into the harness.
# shellcheck disable=SC2046,SC2086,SC2154
$CC $CFLAGS $(pkg-config --cflags stb) -c "$SRC/harness.c" -o "$WORK/harness.o"
$CXX $CXXFLAGS "$WORK/harness.o" $LIB_FUZZING_ENGINE -lm -o "$OUT/stb_vorbis"
