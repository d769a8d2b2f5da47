#!/bin/bash
# What a program that was compiled earlier relies on: the sizes and offsets of public types, and the symbols that the
# libraries export. Compared with the lists beside this script; --renew (make golden) writes them anew.
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
        echo "$list is no longer true; if that is wanted: make golden"
        failed=1
    fi
}

exported() { "${NM:-nm}" -D --defined-only "$build/lib/.libs/$1.so" | awk '$2 != "A" { print $NF }' | LC_ALL=C sort; }

library() { # NAME SIZES HEADER...: one library
    local name=$1 sizes=$2 type
    shift 2
    settle "$sizes.txt" < <("$build/tests/golden/$sizes")
    for type in $(cd "$here/../../include" && cat "$@" | sed -n 's/^} \(errand_[a-z_]*\);.*/\1/p'); do
        grep -q "^$type " "$here/$sizes.txt" || { echo "$type is missing in tests/golden/$sizes.c"; failed=1; }
    done
    [ -e "$build/lib/.libs/$name.so" ] || { echo "no shared $name: its symbols are not looked at"; return; }
    settle "$name.symbols" < <(exported "$name" | grep -v "@@$private\$")
    if exported "$name" | grep -v '^errand_[a-z0-9_]*@@ERRAND_0$' | grep -v "^er_[a-z0-9_]*@@$private\$"; then
        echo "$name exports these without a version, or under a foreign name"
        failed=1
    fi
}

renew=no
[ "${1:-}" = --renew ] && renew=yes
[ "$(getconf LONG_BIT)" = 64 ] || { echo "the lists are those of 64 bit machines"; exit 77; }
library liberrand sizes errand/{version,result,pool,task,future,promise,group,attempt,backoff,stop,retry_if,policy,limits,sem,rate,breaker,budget,singleflight,log,logger,log_sink,log_fields}.h
[ "${WITH_HTTP:-yes}" = yes ] && library liberrand-http sizes-http errand/{http,request,response,middleware,batch,jobs}.h
exit "$failed"
