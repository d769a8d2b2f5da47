# The video agent against a service with faults: every video is reported, none is made twice, and
# nothing waits for the clock.
. "$top_srcdir/tests/tools/asserts.sh"
agent=$top_builddir/tools/examples/video_agent
[ ! -x "${agent%/*}/.libs/video_agent" ] || agent=${agent%/*}/.libs/video_agent # as asserts.sh does with errand

stats() { # what the service has counted, in all: received=N ...
    echo "{\"url\":\"$url/stats\"}" | "$ERRAND" run -q 2>/dev/null | sed 's/.*"totals":{\([^}]*\)}.*/\1/'
}

began=$SECONDS
start_demo --port 0 --seed 3 --delay-ms 5
"$agent" "$url" --turn >out 2>err
check "all go well where nothing fails" is $? 0
check "all are reported" has out '"total_processed":5'
check "the log has the success" has err "video_5 generated"
check "and the end" has err "batch complete: 5 successful, 0 failed"
stop_demo

for seed in 3 4 5; do
    start_demo --port 0 --seed $seed --delay-ms 5 --fail-503 0.2 --fail-429 0.1 --drop-before 0.2 --drop-middle 0.1 --retry-after 7
    "$agent" "$url" --turn >out 2>err
    status=$?
    good=$(count out '"success":true') bad=$(count out '"success":false')
    check "good and bad are all" is $((good + bad)) 5
    check "the exit status reports failures" is $status $((bad > 0))
    check "the log counts the same" has err "batch complete: $good successful, $bad failed"
    check "there were retries" has err "[generate-retry] attempt 1 failed: POST $url/generate: "
    check "a wait is of 4 s at least" test "$(sed -n 's/.*again in \([0-9]*\)\..*/\1/p' err | sort -n | head -n 1)" -ge 4
    check "and of 30 s at most" test "$(sed -n 's/.*again in \([0-9]*\)\..*/\1/p' err | sort -n | tail -n 1)" -le 30
    check "no prompt is in the log" is "$(count err "Dancing robot")" 0
    totals=$(stats)
    check "each request has a key" is "${totals#*\"unkeyed_repeats\":}" '0,"unkeyed_work_repeats":0'
    check "nothing is made twice" test "$(sed 's/.*"processed":\([0-9]*\).*/\1/' <<<"$totals")" -le 5
    stop_demo
done
check "nothing waited for the clock" test $((SECONDS - began)) -lt 60

"$agent" ftp://nowhere >out 2>err
check "a wrong address ends it" is $? 1
check "and is reported" has err "only http and https"
finish
