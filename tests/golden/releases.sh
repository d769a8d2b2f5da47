#!/bin/bash
# liberrand and liberrand-http of two releases do not run together: the loader refuses, and its
# message names the version. The other release consists of the same objects, linked as version
# 9.9.9.
set -u
. "$top_srcdir/tests/tools/asserts.sh"
[ "${WITH_HTTP:-yes}" = yes ] || { echo "without http there is one library only"; exit 77; }
libs=$top_builddir/lib
[ -e "$libs/.libs/liberrand-http.so" ] || { echo "no shared libraries here"; exit 77; }
node=$(sed -n 's/^\(ERRAND_PRIVATE_[0-9_]*\) {$/\1/p' "$libs/errand.map")

liberrand() { # FOLDER MAP: links liberrand there, and puts the liberrand-http of this build beside it
    mkdir "$1"
    # shellcheck disable=SC2086 # CC and SANITIZER_FLAGS hold words
    $CC $SANITIZER_FLAGS -pthread -shared -o "$1/liberrand.so.0" -Wl,-soname,liberrand.so.0 "-Wl,--version-script=$2" \
        -Wl,--whole-archive "$libs"/{policy/.libs/libpolicy,async/.libs/libasync,log/.libs/liblog,base/.libs/libbase}.a \
        -Wl,--no-whole-archive
    cp "$libs/.libs/liberrand-http.so.0" "$1/"
}

run() { LC_ALL=C LD_LIBRARY_PATH=$1 ./program >out 2>err; } # FOLDER

sed "s/^$node {/ERRAND_PRIVATE_9_9_9 {/" "$libs/errand.map" >other.map
check "the private node has the version in its name" is "$node" "ERRAND_PRIVATE_$("$ERRAND" --version | head -n 1 | tr -dc '0-9.' | tr . _)"
check "the other release has another node" grep -q '^ERRAND_PRIVATE_9_9_9 {$' other.map
check "this release links" liberrand same "$libs/errand.map"
check "the other release links" liberrand other other.map

printf '#include <errand-http.h>\n#include <stdio.h>\nint main(void) { return puts(errand_http_features()) == EOF; }\n' >program.c
# shellcheck disable=SC2086
check "a program links" $CC $SANITIZER_FLAGS -I"$top_srcdir/include" -o program program.c \
    "$libs/.libs/liberrand-http.so" "$libs/.libs/liberrand.so" "-Wl,-rpath-link,$libs/.libs"
check "two of a release run" run same
run other
check "two of different releases do not" test $? -ne 0
check "the message names the version" has err "version \`$node' not found (required by"
check "the message names the library that wants it" has err liberrand-http.so.0
finish
