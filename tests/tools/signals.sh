# SIGINT and SIGTERM once, twice and three times, while errand waits for input or for a server.
. "$top_srcdir/tests/tools/asserts.sh"

start_demo --delay-ms 60000
slow='{"url":"/generate","json":{"prompt":"p","video_id":"v","quality":"high","duration":1}}'
mkfifo in

# Starts errand with all its streams on pipes, so that the test waits for its output and never for
# time. Jobs go to &8.
start() {
    : >err
    : >out
    mkfifo said written
    # a shell has SIGINT ignored in what it runs in the background
    env --default-signal=INT "$ERRAND" run --retries 0 --base-url "$url" <in >written 2>said &
    errand=$!
    exec 8>in 7<written 9<said # in the order in which it opens them
    rm said written
}
prints() { # reads on until a line has this text
    local line
    while read -r line <&9; do
        echo "$line" >>err
        case $line in *"$1"*) return 0 ;; esac
    done
    return 1
}
written() { # reads one result line
    local line
    read -r line <&7 && echo "$line" >>out
}
ended() { # the exit status in status; the rest of its messages and results in err and out
    cat <&7 >>out
    cat <&9 >>err
    wait $errand
    status=$?
    exec 7<&- 8>&- 9<&-
}
# One of the server's counters. Each query is a process, thousands here, so none checks for leaks at
# its end.
counter() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "$ERRAND" run -q --base-url "$url" <<<'{"url":"/stats"}' |
        sed "s/.*\"$1\":\([0-9]*\).*/\1/"
}
in_flight() { # until the server has seen n requests for /generate
    while [ "$(counter 'totals":{"received')" -lt "$1" ]; do :; done
}

for signal in INT TERM; do
    start
    echo '{"url":"/healthz"}' >&8
    written
    kill -$signal $errand
    check "$signal while it waits for input is answered" \
        prints "stopping: 0 in flight; again to cancel"
    ended
    check "$signal while it waits for input ends it" is $status 130
    check "$signal: the line that came is there" whole 1
    check "$signal: and the tally" is "$(tally successful)" 1
done

start
echo "$slow" >&8
echo "$slow" >&8
in_flight 2
kill -INT $errand
check "the first lets what is in flight go on" prints "stopping: 2 in flight; again to cancel"
check "it has not ended" kill -0 $errand
kill -INT $errand
check "the second cancels" prints "cancelling 2 in flight"
ended
check "cancelled: exit status" is $status 130
check "cancelled: their lines are written" whole 2
check "cancelled: they say so" is "$(count out '"kind":"cancelled","code":"ECANCELED"')" 2
check "cancelled: the tally" is "$(tail -n 1 err)" '{"successful":0,"failed":2,"total_processed":2}'

served() { # BEFORE N: until the server has answered n more requests, without these queries
    local asked=1
    while [ $(($(counter requests) - $1 - asked)) -lt "$2" ]; do asked=$((asked + 1)); done
}

# The third: the results are not read, and those of 250 jobs are more than a pipe holds, so the
# second cannot end it.
before=$(counter requests)
start
yes '{"url":"/healthz"}' | head -n 10000 >&8 & # more than the pipes hold
feeder=$!
served "$before" 250
kill -INT $errand
check "the first is answered" prints "stopping"
kill -INT $errand
check "the second is answered" prints "cancelling"
kill -INT $errand
wait $errand
check "the third ends it there and then" is $? 130
kill $feeder 2>/dev/null
exec 7<&- 8>&- 9<&-
finish
