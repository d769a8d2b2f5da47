#!/bin/bash
# Every public header compiles alone, as C11, C++17 and C++20, without a warning, with each compiler there is.
set -u
include=${top_srcdir:-$(dirname "$0")/..}/include
headers=$(cd "$include" && ls errand.h errand-http.h errand/*.h)
[ "${WITH_HTTP:-yes}" = yes ] || headers=$(grep -vE '^errand(-http|/http|/request|/response|/middleware|/batch|/jobs)\.h$' <<<"$headers")
failed=0 done=0
plus=errand.hpp # in C++ only
[ "${WITH_HTTP:-yes}" != yes ] || plus+=" errand-http.hpp"
try() { # LANGUAGE COMPILER...: all headers, one at a time
    local language=$1 header
    shift
    command -v "$1" >/dev/null || { echo "no $1"; return; }
    for header in $headers $([ "$language" = c ] || echo $plus); do
        if printf '#include <%s>\n' "$header" |
            "$@" -x "$language" -Wall -Wextra -Wshadow -Wconversion -pedantic -Werror -I"$include" -fsyntax-only -; then
            done=$((done + 1))
        else
            echo "$header does not compile alone with $*"
            failed=1
        fi
    done
}
# shellcheck disable=SC2086 # CC and CXX may hold options
{
    try c ${CC:-cc} -std=c11 -Wstrict-prototypes
    try c++ ${CXX:-c++} -std=c++17
    try c++ ${CXX:-c++} -std=c++20
}
try c clang -std=c11 -Wstrict-prototypes
try c++ clang++ -std=c++17
try c++ clang++ -std=c++20
echo "$done compilations"
[ "$done" -gt 0 ] && exit "$failed"
