# errand run --next: jobs with pages, through kills as well, where each page has one line and each job one last line.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo

numbers() { sed -n 's/.*"selected":{"\/items":\([^}]*\)}.*/\1/p' out | tr -d '\n'; } # of all pages, as they came

for form in link /next cursor=/next_cursor,cursor; do
    errand run --base-url "$url" --next $form --select /items <<<'{"id":"a","url":"/pages?n=4"}'
    check "$form leads through all pages" is "$status $(numbers)" '0 [1,2,3][4,5,6][7,8,9][10,11,12]'
    check "each has a line of the job" is "$(count out '{"seq":1,"id":"a","method":"GET",')" 4
    check "the last one has no next" is "$(grep -c '"page":4,"next":null,' out)" 1
    check "a job is one job" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'
done
errand run --base-url "$url" --next link --max-pages 2 --progress json <<<'{"url":"/pages?n=4"}'
check "--max-pages ends a job well" is "$status $(wc -l <out)" '0 2'
check "and its last line says that there are more" has out "\"page\":2,\"next\":\"$url/pages?n=4&page=3\","
check "a summary counts pages" grep -q '"type":"summary",.*"done":1,"total":1,"pages":2,"ok":1,' err
errand run --base-url "$url" --next link --progress always <<<'{"url":"/pages?n=4"}'
check "also in words" has err '1 job, 4 pages, in '
errand run --base-url "$url" --progress json <<<'{"url":"/pages?n=4"}'
check "without --next there are none" eval 'has out "\"saved_to\":null,\"meta\"" && ! has err "\"pages\":"'
errand run --base-url "$url" --ordered --next link < <(echo '{"url":"/pages?n=3"}'; echo '{"url":"/pages?n=2"}')
check "in order the pages of a job stand together" \
    is "$(sed 's/{"seq":\([0-9]*\),.*"page":\([0-9]*\),.*/\1.\2/' out | tr '\n' ' ')" '1.1 1.2 1.3 2.1 2.2 '
errand run --base-url "$url" --next link --output-dir bodies <<<'{"id":"a","url":"/pages?n=3"}'
check "each page has a file of its own" is "$(ls bodies | tr '\n' ' ')" 'a-p2.json a-p3.json a.json '
ERRAND_NEXT=link errand run --base-url "$url" --next /items/0 <<<'{"url":"/pages?n=3"}'
check "what is no url is a failure of its job" is "$status $(wc -l <out)" '1 2'
check "which says where it stands" has out 'the reply has a number at \"/items/0\", not a url'

# ---- results that survive kills ----
jobs=12 pages=30
for ((i = 1; i <= jobs; i++)); do
    ((i % 3)) && id="\"id\":\"j$i\"," || id=
    echo "{$id\"url\":\"/pages?n=$pages&of=$i\"}"
done >jobs.jsonl
touch out.jsonl
results() { wc -l <out.jsonl; }
run=("$ERRAND" run -j 4 --base-url "$url" --next cursor=/next_cursor,cursor -o out.jsonl --resume)
kills=$(awk "BEGIN { print int(8 * ${ERRAND_TEST_SCALE:-1}) + 3 }")
for ((i = 0; i < kills; i++)); do
    enough=$(($(results) + RANDOM % 30))
    "${run[@]}" jobs.jsonl >out 2>err &
    while [ "$(results)" -lt $enough ] && kill -0 $! 2>/dev/null; do sleep 0.002; done
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    status=$?
    check "run $i was killed, or has ended" eval '[ $status = 137 ] || [ $status = 0 ]'
done
"${run[@]}" jobs.jsonl >out 2>err
check "the last run ends well" is $? 0
sed 's/{"seq":\([0-9]*\),.*"page":\([0-9]*\),.*/\1 \2/' out.jsonl | sort -n -k 1,1 -k 2,2 >seen
for ((i = 1; i <= jobs; i++)); do for ((p = 1; p <= pages; p++)); do echo "$i $p"; done; done >wanted
check "every page of every job has one line" cmp seen wanted
check "every job has one last line" is "$(count out.jsonl '"next":null')" $jobs
"${run[@]}" jobs.jsonl >out 2>err
check "then all is done" has err "$jobs jobs with a result of an earlier run"

# ---- what a stop leaves, and a token in the url ----
errand run --base-url "$url" --next link --max-pages 2 -o stopped.jsonl <<<'{"url":"/pages?n=4"}'
errand run --base-url "$url" --next link --resume -o stopped.jsonl <<<'{"url":"/pages?n=4"}'
check "more pages are taken behind those that have a line" is "$status $(wc -l <stopped.jsonl)" '0 4'
"$ERRAND" run --base-url "$url" --next link --max-pages 1000000 <<<'{"url":"/pages?n=1000000"}' >out 2>err &
until [ -s out ] || ! kill -0 $! 2>/dev/null; do sleep 0.002; done
kill -TERM $!
wait $!
check "a job between two pages is not done when the run is stopped" has err '1 job stopped before its last page'
check "and counts as failed" is "$(tail -n 1 err)" '{"successful":0,"failed":1,"total_processed":1}'
check "its last line says where it goes on" grep -q '"next":"http' <(tail -n 1 out)
job='{"url":"/pages?n=3"}'
errand run --base-url "$url" --next cursor=/next_cursor,page_token --max-pages 1 -o position.jsonl <<<"$job"
check "the token of a page is shown" eval 'grep -q "\"next\":\"$url/pages?n=3&page_token=[^*]" position.jsonl'
job='{"url":"/pages?n=3&api_key=s3cret"}'
errand run --base-url "$url" --next cursor=/next_cursor,cursor --max-pages 1 -o secret.jsonl <<<"$job"
check "a url is shown without its secrets" has secret.jsonl "\"next\":\"$url/pages?n=3&api_key=*&cursor="
errand run --base-url "$url" --next cursor=/next_cursor,cursor --resume -o secret.jsonl <<<"$job"
check "which no file keeps, so the job begins again, and says so" has err 'begins at page 1 again: the url of page 2 has'
check "no file has one" eval '! grep -q s3cret secret.jsonl.journal'
finish
