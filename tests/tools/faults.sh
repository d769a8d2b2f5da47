# The example jobs against a service with faults of every sort: every job accounted for, and no POST that may have been
# done already sent a second time without a key.
. "$top_srcdir/tests/tools/asserts.sh"

jobs=$top_srcdir/tools/examples/videos.jsonl
n=$(grep -c . "$jobs")
for seed in 1 2; do
    start_demo --faults 0.3 --seed $seed --delay-ms 1 --slow-ms 50 --retry-after 1
    errand run -j 64 --base-url "$url" --retries 4 --timeout 5 -v "$jobs"
    check "seed $seed: ended by itself" test $status -le 1
    check "seed $seed: one line for each job" whole "$n"
    sed 's/^{"seq":[0-9]*,"id":\([^,]*\).*/\1/' out | sort >ids
    check "seed $seed: every id came back" cmp ids <(sed 's/.*"id": \([^,}]*\).*/\1/' "$jobs" | sort)
    good=$(count out '"ok":true') bad=$(count out '"ok":false')
    check "seed $seed: the tally is right" is "$(tail -n 1 err)" \
        "{\"successful\":$good,\"failed\":$bad,\"total_processed\":$n}"
    check "seed $seed: there were faults" test "$bad" -gt 0
    check "seed $seed: there were retries" grep -q '"attempts":[2-9],.*"why_waited":"retry-after"' out
    check "seed $seed: keyed jobs outlast most faults" test "$good" -gt $((n / 2))
    cp out results
    errand run -q --base-url "$url" <<<'{"url":"/stats"}'
    check "seed $seed: no unkeyed POST was sent again" has out '"unkeyed_work_repeats":0'
    check "seed $seed: keyed work was done once" keyed_once
    stop_demo
done
finish
