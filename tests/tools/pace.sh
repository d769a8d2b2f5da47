# errand run against the demo service: hosts that ask for a wait, what is tried again, and when no more jobs are begun.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1 --fail-429 1 --retry-after 1

video() { # ID KEYS: a POST without a key
    printf '{"url":"/generate","json":{"prompt":"p","video_id":"%s","quality":"high","duration":1}%s}\n' "$1" "${2:-}"
}

host=${url#http://}
errand run --base-url "$url" --retries 0 -j 1 < <(video a)
check "a 429 is a failure" is $status 1
check "the first one of a host is explained" \
    grep -qE "^errand run: $host answered 429 and asks to wait (0\\.[0-9]+|1) s: all jobs for it wait\$" err
errand run --base-url "$url" --retries 1 -j 1 < <(video b; echo '{"url":"/healthz"}')
check "a POST without a key is repeated after a 429" grep -q '"seq":1,.*"attempts":2,' out
check "which is explained once" is "$(count err 'answered 429')" 1
check "and other jobs succeed" is "$(tally successful)" 1
errand run --base-url "$url" --retries 1 -j 1 --refused-may-have-run < <(video c)
check "not so if such a request may have been done" has out '"attempts":1,'
errand run --base-url "$url" --retries 9 --max-time 200ms < <(video d)
check "nor if the wait takes longer than the job may" has out '"attempts":1,'
stop_demo

start_demo --delay-ms 1 --fail-503 1
errand run --base-url "$url" --retries 1 < <(video a)
check "a POST without a key is not repeated after a 503" has out '"attempts":1,'
errand run --base-url "$url" --retries 1 --idempotent < <(video b)
check "but if all jobs are harmless" has out '"attempts":2,'
errand run --base-url "$url" --retries 1 --idempotency-key auto < <(video c)
check "or have keys" has out '"attempts":2,'
errand run --base-url "$url" --retries 3 --idempotent --retry-on network,500 < <(video d)
check "--retry-on leaves out what it does not name" has out '"attempts":1,'
errand run --base-url "$url" --retries 1 --idempotent --retry-on 503 < <(video e)
check "and repeats what it names" has out '"attempts":2,'
stop_demo

start_demo --delay-ms 1
for i in $(seq 500); do echo '{"url":"/nowhere"}'; done >fails.jsonl
errand run --base-url "$url" -j 2 --halt soon,fail=5 fails.jsonl
check "too many failures halt a run" is $status 5
check "which is explained" has err 'halted: too many jobs have failed (--halt), the last with HTTP 404'
check "some jobs were not begun" test "$(tally total_processed)" -lt 500
check "the others have a result" whole "$(tally total_processed)"
errand run --base-url "$url" --halt now,fail=50% fails.jsonl
check "so does a share of failures" is $status 5
errand run --base-url "$url" fails.jsonl
check "other failures than refusals do not halt by default" is "$status $(tally failed)" "1 500"
stop_demo

start_demo --quota 20/600
for i in $(seq 40); do echo '{"url":"/healthz"}'; done >quota.jsonl
errand run --base-url "$url" --retries 0 -j 20 quota.jsonl
check "a quota is used up without --rate" is "$(tally successful) $(count out '"status":429')" "20 20"
stop_demo

start_demo --quota 20/2
errand run --base-url "$url" --retries 0 -j 8 --rate auto quota.jsonl
check "with --rate auto jobs wait for the next window" test "$(count out '"status":429')" -lt 10
check "which is explained once" is "$(count err 'requests left for')" 1
check "with the host and the quota" \
    grep -qE "^errand run: ${url#http://}: (10|[1-9]) of 20 requests left for [12] s: its jobs are spread\$" err
errand run --base-url "$url" --rate-total auto quota.jsonl
check "--rate-total has no auto" is $status 2
stop_demo

start_demo --delay-ms 60000
errand run --base-url "$url" --deadline 100ms -j 2 < <(for i in 1 2 3 4; do video $i; done)
check "a run ends at its deadline" is $status 5
check "which is explained" has err 'halted: the time of --deadline is over'
check "what was in flight is cancelled" is "$(count out '"kind":"cancelled"')" "$(tally total_processed)"
finish
