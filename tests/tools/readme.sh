# README.md is true: its C program is the one that is compiled, it runs, and the command's example comes out as shown.
. "$top_srcdir/tests/tools/asserts.sh"
readme=$top_srcdir/README.md

block() { # the first code block of this language
    awk -v start="\`\`\`$1" '$0 == start && !done { on = 1; next } /^```/ && on { on = 0; done = 1 } on' "$readme"
}

block c >fetch.c
check "the program is tools/examples/fetch.c" cmp fetch.c "$top_srcdir/tools/examples/fetch.c"
check "it has 25 lines at most" test "$(wc -l <fetch.c)" -le 25
check "the two commands stand at the top" is "$(block sh)" "$(printf './bootstrap demo     # build it, start a service with faults, run 300 jobs against it\n./bootstrap check    # build it and run its tests')"

start_demo --port 0
"$top_builddir/tools/examples/fetch" "$url/healthz" "$url/nowhere" "$url/healthz" >out 2>err
check "the exit status reports failures" is $? 1
check "it fetches" is "$(count out "$url/healthz: 16 bytes")" 2
check "it says what failed" has out "GET $url/nowhere: HTTP 404"

# What is new in every run: times, ports, and which connection was free again.
plain() {
    sed -E 's/(("queue"|"resolve"|"connect"|"tls"|"first_byte"|"total"|"sent"|"received"):)([0-9.]+|null)/\1T/g
        s/(("began"|"date"):)"[^"]*"/\1T/g; s/"reused":(true|false)/"reused":T/; s/127\.0\.0\.1:[0-9]+/HOST/g'
}
block console >session
sed -n '/^\$ cat jobs.jsonl/,/^\$ errand/p' session | grep -v '^\$' >jobs.jsonl
sed -n '/^\$ errand run/,$p' session | grep -v '^\$' | plain >wanted
command=$(sed -n 's/^\$ errand //p' session | sed "s|http://[0-9.:]*|$url|")
check "there are jobs" test -s jobs.jsonl
check "there is a command" test -n "$command"
# shellcheck disable=SC2086
"$ERRAND" $command 2>&1 | plain >out
check "the example comes out as shown" diff wanted out
finish
