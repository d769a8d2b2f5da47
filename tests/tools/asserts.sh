# What the shell tests share. Sourced by bash; needs ERRAND and, for start_demo, ERRAND_DEMO_SERVER.
#
#   check NAME COMMAND...   runs the command; the test fails if that does
#   finish                  prints the totals and ends the test
set -u
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
folder=$(mktemp -d "${TMPDIR:-/tmp}/errand-test-XXXXXX") || exit 1
checks=0 failures=0 demo=
cleanup() {
    [ -z "$demo" ] || kill "$demo" 2>/dev/null
    rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder" || exit 1

# libtool's wrapper takes ten times as long as errand itself; this is what it does in the end.
if [ -x "${ERRAND%/*}/.libs/errand" ] && [ -e "$top_builddir/lib/.libs/liberrand.so" ]; then
    ERRAND=${ERRAND%/*}/.libs/errand
    export LD_LIBRARY_PATH=$top_builddir/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

check() {
    local name=$1
    shift
    checks=$((checks + 1))
    if "$@"; then return; fi
    failures=$((failures + 1))
    echo "FAILED: $name: $*" | head -c 1000
    for file in out err; do [ ! -s $file ] || printf '\n--- %s\n%s' $file "$(head -c 1000 $file)"; done
    echo
}

finish() {
    echo "$((checks - failures)) of $checks checks passed"
    [ $failures -eq 0 ]
    exit
}

# Runs errand with these arguments; its streams are in out and err, its exit status in status.
errand() {
    "$ERRAND" "$@" >out 2>err
    status=$?
}

is() { [ "$1" = "$2" ]; }                    # is ACTUAL WANTED
has() { grep -qF -- "$2" "$1"; }             # has FILE TEXT
lines() { is "$(wc -l <"$1")" "$2"; }        # lines FILE N
empty() { [ ! -s "$1" ]; }
count() { grep -cF -- "$2" "$1"; }           # how many lines have it

# The number behind "name": in the last tally on err.
tally() { tail -n 1 err | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

# No video in the demo server's /stats, which are in out, was made twice for requests with keys.
keyed_once() {
    ! sed 's/.*"videos":{//' out | grep -qE '"processed":([2-9]|[1-9][0-9]+),"keyed":[1-9]'
}

# One result line for every seq from 1 to n.
whole() {
    local seqs
    seqs=$(sed -n 's/^{"seq":\([0-9]*\),"id":.*}$/\1/p' out | sort -n)
    is "$seqs" "$(seq 1 "$1")" && lines out "$1"
}

start_demo() { # with these flags; its address is in url
    [ -x "${ERRAND_DEMO_SERVER-}" ] || { echo "no demo server: skipped"; exit 77; }
    exec {from_demo}< <(exec "$ERRAND_DEMO_SERVER" --with-parent --quiet "$@")
    demo=$!
    read -r _ _ url <&"$from_demo" || { echo "the demo server did not start"; exit 1; }
}

stop_demo() {
    kill "$demo" && demo=
    exec {from_demo}<&-
}
