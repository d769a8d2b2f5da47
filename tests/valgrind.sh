#!/bin/bash
# Uninitialised reads and leaks, by valgrind: `make check-valgrind`, in the build directory. Each
# suite is one process that does not fork, so that leaks are checked once. Only definite leaks
# count: list nodes are inside their structs. Suites that fork, or take too long under valgrind, are
# left to the sanitizers.
set -eu
export CK_FORK=no CK_VERBOSITY=normal ERRAND_TEST_SCALE=0.01
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 1; }
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
under_way=0 lost=0

run() { # PROGRAM [SUITE]: beside others, one for each processor
    if [ $under_way -ge "$(nproc)" ]; then wait_for_one; fi
    try "$@" &
    under_way=$((under_way + 1))
}

wait_for_one() {
    wait -n || lost=1
    under_way=$((under_way - 1))
}

try() {
    local began=$SECONDS log=$logs/$BASHPID
    [ -x "$1" ] || { echo "  without $1: not built here"; return 0; }
    if [ $# = 2 ]; then export CK_RUN_SUITE=$2; fi
    timeout 1000 valgrind -q --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        --error-exitcode=99 --fair-sched=yes "$1" >"$log" 2>&1 || { cat "$log"; echo "FAILED: $1 ${2-}"; return 1; }
    if grep -q 'Checks: 0,' "$log" && ! grep -q SKIPPED "$log"; then
        echo "FAILED: $1 has no suite \"$2\""
        return 1
    fi
    printf '%4d s  %-45s %s\n' $((SECONDS - began)) "$(basename "$1") ${2-}" "$(grep -o 'Checks: [0-9]*' "$log")"
}

run tests/patterns/check_patterns
run tests/patterns/check_patterns_http
for suite in bodies '2 streams' cancels tls 2 hostile retries middleware storms classify refusals replies failures lines limits files json decoder redirects; do
    run tests/http/check_http "http $suite"
done
while [ $under_way -gt 0 ]; do wait_for_one; done
exit $lost
