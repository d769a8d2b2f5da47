#!/bin/bash
# Checks the ABI that earlier programs rely on: sizes and offsets of public types, and the exported
# symbols, against the lists beside this script; --renew (make golden) rewrites them. If abidw is
# installed, also types of parameters and fields and values of enumerators, from the debugging
# information (*.abi).
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${top_builddir:-.}
failed=0
private=ERRAND_PRIVATE_$(sed -n 's/^#define ERRAND_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$here/../../include/errand/version.h" | paste -sd_ -)

settle() { # FILE: standard input must be what FILE holds
    local list=$1 now
    now=$(cat)
    if [ "$renew" = yes ]; then
        printf '%s\n' "$now" >"$here/$list"
    elif ! diff -u --label "$list" --label now "$here/$list" <(printf '%s\n' "$now"); then
        echo "$list has changed; if that is intended: make golden"
        failed=1
    fi
}

exported() { "${NM:-nm}" -D --defined-only "$build/lib/.libs/$1.so" | awk '$2 != "A" { print $NF }' | LC_ALL=C sort; }

# The output of other releases of abidw, and for clang's debugging information, differs.
no_abi() {
    case $(abidw --version 2>&1) in *' 2.2.'*) ;; *) echo "no abidw 2.2: the interface is not compared with $1.abi"; return 0 ;; esac
    case $(${CC:-cc} --version) in *'Free Software Foundation'*) ;; *) echo "not built by gcc: not compared with $1.abi"; return 0 ;; esac
    [ "${SANITIZER:-no}" = no ] || { echo "built with a sanitizer: not compared with $1.abi"; return 0; }
    readelf -S "$build/lib/.libs/$1.so" | grep -qF .debug_info || { echo "built without -g: not compared with $1.abi"; return 0; }
    return 1
}

abi() { # NAME: the types of one library
    local list=$here/$1.abi
    if no_abi "$1"; then return; fi
    abidw --suppressions "$here/abi.suppr" --drop-undefined-syms --exported-interfaces-only --no-corpus-path --no-comp-dir-path \
        --no-elf-needed --no-parameter-names --no-show-locs --type-id-style hash --out-file "$folder/$1.abi" "$build/lib/.libs/$1.so" ||
        failed=1
    sed -i "s|path='[^']*/\(lib/[^']*\)'|path='\1'|" "$folder/$1.abi" # independent of the build directory
    if [ "$renew" = yes ]; then
        cp "$folder/$1.abi" "$list"
    elif ! abidiff "$list" "$folder/$1.abi"; then
        echo "$1.abi has changed; if that is intended: make golden"
        failed=1
    fi
}

library() { # NAME SIZES HEADER...: one library
    local name=$1 sizes=$2 type
    shift 2
    settle "$sizes.txt" < <("$build/tests/golden/$sizes")
    for type in $(cd "$here/../../include" && cat "$@" | sed -n 's/^} \(errand_[a-z_]*\);.*/\1/p'); do
        grep -q "^$type " "$here/$sizes.txt" || { echo "$type is missing in tests/golden/$sizes.c"; failed=1; }
    done
    [ -e "$build/lib/.libs/$name.so" ] || { echo "no shared $name: its symbols are not checked"; return; }
    abi "$name"
    settle "$name.symbols" < <(exported "$name" | grep -v "@@$private\$")
    if exported "$name" | grep -v '^errand_[a-z0-9_]*@@ERRAND_0$' | grep -v "^er_[a-z0-9_]*@@$private\$"; then
        echo "$name exports these without a version, or under a foreign name"
        failed=1
    fi
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/errand-golden-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
renew=no
[ "${1:-}" = --renew ] && renew=yes
[ "$(getconf LONG_BIT)" = 64 ] || { echo "the lists apply to 64-bit machines only"; exit 77; }
library liberrand sizes errand/{version,result,pool,task,future,promise,file,group,attempt,backoff,stop,retry_if,policy,limits,sem,rate,breaker,budget,singleflight,log,logger,log_sink,log_fields}.h
[ "${WITH_HTTP:-yes}" = yes ] && library liberrand-http sizes-http errand/{http,request,response,middleware,batch,jobs}.h
exit "$failed"
