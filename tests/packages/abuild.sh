#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs build() and package() of packaging/alpine/APKBUILD with musl on a Debian machine. check() is
# left out: there is no cmocka for musl here.
set -eu

builddir=$(cd "$(dirname "$0")/../.." && pwd)
pkgdir=$HOME/apk
musl=$HOME/musl

mkdir -p "$musl/include/sys" "$musl/lib"
for folder in linux asm-generic "$(gcc -print-multiarch)/asm"; do
        ln -s "/usr/include/$folder" "$musl/include/${folder##*/}"
done
ln -s /usr/include/sys/capability.h "$musl/include/sys/"
ln -s "$(gcc -print-file-name=libcap.a)" "$musl/lib/"
cat >"$musl/libcap.pc" <<END_OF_FILE
Name: libcap
Description: capabilities
Version: 2.66
Libs: -L$musl/lib -lcap
Cflags: -isystem $musl/include
END_OF_FILE
# Its user is a program that runs here, at build time.
cp "$(pkg-config --variable=pcfiledir libseccomp)/libseccomp.pc" "$musl/"
export PKG_CONFIG_LIBDIR="$musl" CMAKE_LIBRARY_PATH="$musl/lib"
export CC=musl-gcc CFLAGS="-Os -isystem $musl/include"

want_check() {
        false
}

# shellcheck source=/dev/null
. "$builddir/packaging/alpine/APKBUILD"
cd "$builddir"
rm -rf build
build
cd "$builddir"
package
