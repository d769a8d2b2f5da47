# errand run against the demo service: what goes in, what comes out, and the exit status of each end.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

good='{"url":"/healthz"}'

errand run --base-url "$url" < <(echo "$good")
check "standard input, all well" is $status 0
check "one line" whole 1
check "the tally is the last line" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'

errand run </dev/null
check "no jobs at all" is $status 0
check "no lines" empty out
check "an empty tally" is "$(cat err)" '{"successful":0,"failed":0,"total_processed":0}'

errand run -q --base-url "$url" - < <(echo "$good")
check "-: standard input" is $status 0
check "quiet" empty err

errand run --base-url "$url" < <(echo "$good"; echo '{"url":"/nowhere"}')
check "some failed" is $status 1
check "both have a result" whole 2

printf '%s\r\n\r\n%s' "$good" "$good" >a.jsonl
printf '\xef\xbb\xbf%s\n{"urll":1,"id":"x"}\n' "$good" >b.jsonl
errand run --base-url "$url" a.jsonl b.jsonl
check "a bad line" is $status 3
check "bad lines have results too" whole 4
check "file, line and key" has err 'errand run: b.jsonl:2: unknown key "urll"'
check "its id is known" has out '"id":"x","method":null,"url":null,"began":null,"ok":false'
check "the tally counts it" is "$(tally failed)" 1

errand run --base-url "$url" a.jsonl missing.jsonl .
check "unreadable files" is $status 3
check "the others run" whole 2
check "the missing one is reported" has err 'errand run: missing.jsonl: No such file or directory'
check "so is a folder" has err 'errand run: .: Is a directory'
errand run -q missing.jsonl
check "quiet still reports errors" \
    is "$(cat err)" 'errand run: missing.jsonl: No such file or directory'

errand run < <(echo "$good")
check "a relative url without --base-url is bad input" is $status 3
check "and says so" has err 'stdin:1: '
errand run --base-url "$url" < <(echo '{"url":"/x\u001b[31m"}'; printf '{"\\u001b[31m":1}\n')
check "no control characters on the terminal" test -z "$(tr -d '[:print:]\n' <err)"

errand run --base-url "$url" < <(echo '{"url":"/healthz?api_key=k1","id":"a/../b"}')
check "a result has the request, without secrets" has out '"method":"GET","url":"'"$url"'/healthz?api_key=*","began":"20'
check "and some of the headers" grep -q '"headers":{.*"content-type":"application/json"' out
errand run --headers none --base-url "$url" < <(echo "$good")
check "no headers" has out '"headers":null'
errand run --headers all --base-url "$url" < <(echo "$good")
check "all headers" grep -qi '"headers":{.*"date":' out
errand run --body failed --base-url "$url" < <(echo "$good"; echo '{"url":"/nowhere"}')
check "no body of a success" grep -q '"ok":true.*"body":null' out
check "but of a failure" grep -q '"ok":false.*"body":[^n]' out
errand run --body drop --base-url "$url" < <(echo '{"url":"/nowhere"}')
check "no body at all" has out '"body":null'
errand run --select /status --select /no/where --select /status --base-url "$url" < <(echo "$good")
check "selected values" has out '"selected":{"/status":"ok","/no/where":null},"saved_to":null'

errand run --output-dir made/here --base-url "$url" < <(echo '{"url":"/healthz","id":"../a/b"}'; echo "$good")
check "a file for each body" is "$(ls -A made/here | paste -sd,)" "2.json,_._a_b.json"
check "which is named in the result" has out '"body":null,"saved_to":"made/here/_._a_b.json"'
check "and whole" grep -q '"status": *"ok"' made/here/2.json
echo >file
errand run --output-dir file --base-url "$url" many.jsonl </dev/null
check "a folder that cannot be written" is $status 4
check "is reported by name" is "$(cat err)" 'errand run: output_dir "file": Not a directory'
check "before anything is sent" empty out

seq 1 300 | sed 's/.*/{"url":"\/healthz","id":&}/' >many.jsonl
errand run --ordered -j 32 --base-url "$url" many.jsonl
check "ordered" is "$(sed 's/^{"seq":\([0-9]*\),"id":\([0-9]*\),.*/\1 \2/' out)" "$(paste -d' ' <(seq 300) <(seq 300))"

"$ERRAND" run --base-url "$url" many.jsonl >/dev/full 2>err
check "a full disk" is $? 4
check "is reported once" is "$(count err 'cannot write the results: No space left on device')" 1
"$ERRAND" run --base-url "$url" many.jsonl 2>err >&-
check "closed standard output" is $? 4
check "is reported" has err 'standard output is closed'
{ "$ERRAND" run --base-url "$url" 2>err; echo $? >status; } < <(yes "$good") | head -n 3 >out
check "a reader that leaves" is "$(cat status)" 4
check "had its lines" lines out 3
check "an endless pipe ends with it" has err 'Broken pipe'
"$ERRAND" run --base-url "$url" <&- >out 2>err
check "closed standard input is an unreadable file" is $? 3
check "and reported" has err 'errand run: stdin: '
errand run --base-url "$url" --log /no/such/folder/log a.jsonl
check "a log that cannot be written" is $status 4

errand run -v --base-url "$url" a.jsonl
check "verbose" has out '"attempt_log":['
errand run --base-url "$url" --log errand.log --retries 1 < <(echo '{"url":"http://127.0.0.1:1/"}')
check "the log has the retries" grep -q 'job-retry' errand.log
for i in 1 2 3; do echo '{"url":"http://127.0.0.1:1/"}'; done >dead.jsonl
errand run --base-url "$url" --log /dev/full --retries 1 dead.jsonl a.jsonl
check "without room for its log the jobs continue" is $status 1
check "and that is reported once" is "$(count err '/dev/full: the log cannot be written')" 1
check "retries" has out '"attempts":2'
errand run --retries 0 < <(echo '{"url":"http://127.0.0.1:1/"}')
check "none" has out '"attempts":1'

errand run -H 'X-One: 1' --header 'Content-Type: text/plain' --base-url "$url" \
    <<<'{"url":"/videos","json":{"prompt":"p","video_id":"headers","quality":"high","duration":1}}'
check "headers are sent" has out '"status":415'

began=$(date +%s%N)
errand run --rate 20/s --base-url "$url" < <(for _ in 1 2 3 4 5; do echo "$good"; done)
check "a rate is kept" test $((($(date +%s%N) - began) / 1000000)) -ge 200
began=$(date +%s%N)
errand run --rate-total 20/s < <(for _ in 1 2 3; do printf '{"url":"%s/healthz"}\n' "$url" "${url/127.0.0.1/localhost}"; done)
check "a total rate is kept by all hosts together" test $((($(date +%s%N) - began) / 1000000)) -ge 250
check "which were two" is "$(tally successful)" 6

errand run --progress always --base-url "$url" --rate 2/s < <(for _ in 1 2 3 4; do echo "$good"; done)
check "progress where there is no terminal: lines" grep -q '^[0-9]*/4  [0-9]* ok  0 failed  0 retrying  [0-9.]*/s  p50 [0-9]* ms' err
check "the tally comes last all the same" is "$(tally successful)" 4
check "and the summary before it" grep -q '^4 jobs in [0-9.]* s: 4 ok, 0 failed' err
errand run --base-url "$url" many.jsonl
check "no progress of a short run without a terminal" lines err 1
errand run --progress json --base-url "$url" many.jsonl missing.jsonl <<<'{"urll":"a\"b","id":"x\"y"}' -
check "for programs: a summary" grep -q '^{"type":"summary","seconds":[0-9.]*,"done":301,"total":301,"ok":300,"failed":1,.*,"exit_status":3,"failures":\[{"count":1,"kind":"validation","code":"EINVAL","file":"stdin","line":1,"id":"x\\"y","message":"unknown key \\"urll\\": did you mean \\"url\\"?"}\]}$' err
check "before the tally" is "$(tally failed)" 1

{ printf '\xef\xbb\xbf\n \r\n\n'; cat many.jsonl; echo; printf '%s' "$good"; } >blanks.jsonl
errand run --progress always --rate 150/s --base-url "$url" blanks.jsonl a.jsonl missing.jsonl .
check "the total is known from files" grep -q "^[0-9]*/303  .*  ETA 0:0[0-9]$" err
errand run -q --progress always --base-url "$url" many.jsonl
check "quiet has no progress" empty err

(
    ulimit -n 64
    errand run -j 1000 --retries 0 --base-url "$url" many.jsonl
    echo $status >status
)
check "few open files: fewer jobs at once, and all go well" is "$(cat status)" 0
check "which is reported" has err '16 jobs at once, not 1000: no more than 64 files may be open'

if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # it makes a terminal, where there are any
    # COLUMNS [LINES]: what errand prints is in `typed`; in `drawn` without escape sequences, a line for each drawing
    on_terminal() {
        script -qec "stty cols $1 rows ${2-24}; exec '$ERRAND' run --base-url $url --rate 50/s few.jsonl >out" typed </dev/null >/dev/null
        status=$?
        tr '\r' '\n' <typed | grep -v '^Script ' | sed "s/$(printf '\033')\[[?0-9;]*[A-Za-z]//g" >drawn
    }
    head -n 40 many.jsonl >few.jsonl
    NO_COLOR=1 on_terminal 100
    check "on a terminal there is a block" grep -q '^\[#*-*\]  [0-9]*/40  [0-9]*%  [0-9.]*/s  ETA 0:0' drawn
    check "with counts" grep -q '^[0-9]* in flight  [0-9]* ok  0 failed  0 retrying  p50 .* ms  p99 .* ms  0:0' drawn
    check "without colour if so wished" test -z "$(grep "$(printf '\033\\[3')" typed)"
    check "taken away in the end" grep -q "$(printf '\r\033\\[1A\033\\[J')" typed
    check "then there is a summary" grep -q '^40 jobs in [0-9.]* s: 40 ok, 0 failed (.*/s, p50 .*, p99 .*)$' drawn
    check "and the tally" grep -q '^{"successful":40,"failed":0,"total_processed":40}$' drawn
    NO_COLOR='' on_terminal 100
    check "else with colour" grep -q "$(printf '\033\\[32m')[0-9]* ok" typed
    TERM=dumb NO_COLOR='' on_terminal 100
    check "a terminal that says it is dumb gets neither escape sequences nor a line that moves" \
        test -z "$(grep -e "$(printf '\033')" -e '/40' typed)"
    NO_COLOR=1 on_terminal 40
    check "never wider than the terminal" test "$(awk '{ if (length > most) most = length } END { print most }' \
        <(grep -e '/40' -e 'in flight' -e '^p50' drawn))" -lt 40
    check "with what fits" grep -q '^[0-9]* in flight  [0-9]* ok  0 failed$' drawn
    NO_COLOR=1 on_terminal 80 8
    check "a small terminal has one line" grep -q '^[0-9]*/40  [0-9]* ok  0 failed  0 retrying  .*/s  p50 .* ms  p99 .* ms  ETA 0:0' drawn
    check "and not the block" test -z "$(grep 'in flight' drawn)"
fi

stop_demo
start_demo --delay-ms 60000
errand run --base-url "$url" --timeout 50ms --retries 1 \
    <<<'{"url":"/generate","json":{"prompt":"p","video_id":"slow","quality":"high","duration":1}}'
check "a timeout is that of an attempt" has out '"error":{"kind":"timeout","code":"ETIMEDOUT"'
check "and is not repeated without a key" has out '"attempts":1,'
errand run --base-url "$url" --timeout 50ms --retries 1 \
    <<<'{"url":"/generate","json":{"prompt":"p","video_id":"slow","quality":"high","duration":1},"idempotency_key":true}'
check "but is with one" has out '"attempts":2,'
finish
