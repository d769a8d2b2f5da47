# errand run -o, killed at random moments and resumed each time: every job has exactly one result, and
# nothing that may have been done is done again.
. "$top_srcdir/tests/tools/asserts.sh"

kills=$(awk "BEGIN { print int(12 * ${ERRAND_TEST_SCALE:-1}) + 3 }") n=$((kills * 50))
# a third harmless, a third POSTs without a key, a third with a key that errand makes; every fourth
# has no id
for ((i = 0; i < n; i++)); do
    id= key=
    ((i % 4)) && id="\"id\":\"j$i\","
    ((i % 3 == 2)) && key=',"idempotency_key":true'
    if ((i % 3)); then
        echo "{$id\"url\":\"/generate\",\"json\":{\"video_id\":\"v$i\",\"prompt\":\"p\"}$key}"
    else
        echo "{$id\"url\":\"/healthz?$i\"}"
    fi
done >jobs.jsonl

touch out.jsonl
results() { wc -l <out.jsonl; }

start_demo --faults 0.3 --delay-ms 20 --slow-ms 20 --retry-after 0
run=("$ERRAND" run -j 32 --base-url "$url" -o out.jsonl --resume --retries 2 --timeout 20 jobs.jsonl)
for ((i = 0; i < kills; i++)); do
    enough=$(($(results) + RANDOM % 60))
    "${run[@]}" >out 2>err &
    while [ "$(results)" -lt $enough ] && kill -0 $! 2>/dev/null; do sleep 0.005; done
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    status=$?
    check "run $i was killed, or ended as a run does" \
        eval '[ $status = 137 ] || [ $status -le 1 ]'
done
"${run[@]}" >out 2>err
check "the last run ends by itself" test $? -le 1
check "nothing on standard output" empty out
"${run[@]}" >out 2>err
check "then all is done" is "$(tail -n 1 err)" '{"successful":0,"failed":0,"total_processed":0}'
check "and says so" has err "$n jobs with a result of an earlier run"

sed -n 's/^{"seq":\([0-9]*\),.*,"run":[0-9]*}$/\1/p' out.jsonl | sort -n >seqs
check "every job has exactly one result" is "$(cat seqs)" "$(seq "$n")"
sed -n 's/^{"seq":[0-9]*,"id":"\(j[0-9]*\)".*/\1/p' out.jsonl | sort >ids
check "every id is there" is "$(cat ids)" "$(grep -o '"id":"j[0-9]*' jobs.jsonl | cut -d'"' -f4 | sort)"
check "some were under way" has out.jsonl '"kind":"unknown","code":"EINPROGRESS"'
errand run -q --base-url "$url" <<<'{"url":"/stats"}'
check "no POST without a key was done twice" has out '"unkeyed_work_repeats":0'
check "one key for each keyed job" keyed_once
finish
