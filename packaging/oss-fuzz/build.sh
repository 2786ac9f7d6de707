#!/bin/bash -eu
# SPDX-License-Identifier: MIT
# Builds the fuzz targets as OSS-Fuzz wants them: with its compiler, flags and engine ($CC, $CXX,
# $CFLAGS, $CXXFLAGS, $LIB_FUZZING_ENGINE) from $SRC/lowport (or $LOWPORT_SOURCE), by way of $WORK,
# into $OUT, each with its corpus as TARGET_seed_corpus.zip.
source=${LOWPORT_SOURCE:-$SRC/lowport}
build=$WORK/lowport

# Their flags bring the sanitizers; Debug adds neither optimisation nor _FORTIFY_SOURCE.
cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Debug -DLOWPORT_FUZZ=ON \
        -DLOWPORT_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" -DLOWPORT_TESTS=OFF -DLOWPORT_MAN=OFF \
        -DLOWPORT_UNITS=OFF -DLOWPORT_SYSTEMD=OFF -DLOWPORT_LIBCAP=OFF -DLOWPORT_STATIC_BINDER=OFF
cmake --build "$build" --parallel "$(nproc)" --target fuzz-targets

for corpus in "$source"/tests/fuzz/corpus/*; do
        target=fuzz-${corpus##*/}
        cp "$build/bin/$target" "$OUT/"
        (cd "$corpus" && python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" ./*)
done
