# errand run with the files that people have: lists, spreadsheets, OpenAI batches, packed ones; templates, and what is said of a
# wrong format.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

refused() { # TEXT ARGUMENTS...: said once, nothing sent
    local text=$1
    shift
    errand run --base-url "$url" "$@"
    check "exit status of: $*" is $status 2
    check "message of: $*" has err "$text"
    check "once: $*" lines err 2
    check "nothing is written: $*" empty out
    check "nothing is counted: $*" is "$(tally total_processed)" 0
}

statuses() { sed 's/.*"status":\([0-9a-z]*\),.*/\1/' out | paste -sd,; }

printf '# what curl read\n%s/healthz\n\n"%s/nowhere"\r\n%s/healthz' "$url" "$url" "$url" >list.txt
errand run --ordered list.txt
check "a list of urls" is "$(statuses)" 200,404,200
check "is said to be one" has err 'errand run: list.txt: a list of 3 urls'
errand run -q --ordered list.txt
check "quiet does not say it" empty err
errand run --ordered <list.txt
check "from standard input" is "$(statuses)" 200,404,200
check "without its number" has err 'errand run: stdin: a list of urls'
errand run --ordered --skip 1 --take 1 list.txt
check "one of them" is "$(statuses)" 404
check "with its own number" has out '{"seq":2,'
{ echo '# many'; for n in $(seq 1 200); do echo "$url/healthz?$n"; done; } >many.txt
errand run --progress always --rate 150/s --skip 10 --take 180 many.txt
check "the total is that of the urls taken" grep -q '^[0-9]*/180  ' err

printf '\xef\xbb\xbfName;Path;Count\r\n"Zo\xc3\xab ""the cat""";healthz;1\r\nb;nowhere;2\r\n' >sheet.csv
errand run --ordered --base-url "$url" --template '/{Path}?n={Name}' --id Name sheet.csv
check "a spreadsheet with semicolons" is "$(statuses)" 200,404
check "its ids" has out '"id":"Zoë \"the cat\""'
check "is said to be one" has err 'errand run: sheet.csv: a CSV of 2 records with the columns Name, Path, Count, between ";"'
errand run --ordered --base-url "$url" --template /videos --json '{"prompt":"{Name}","video_id":"{Path}","quality":"high","duration":{Count}}' sheet.csv
check "a body for each record, which the service takes" is "$(statuses)" 202,202
check "with what is in it" has out '"video_id":"healthz"'
tr ';' '|' <sheet.csv >bars.csv
errand run -q --ordered --base-url "$url" --format csv --delimiter '|' --template '/{Path}' bars.csv
check "another delimiter" is "$(statuses)" 200,404
{ echo n; seq 1 200; } >many.csv
errand run --progress always --base-url "$url" --rate 150/s --template '/healthz?{n}' many.csv
check "no total is made up for a CSV" grep -q '^[0-9]* done' err

refused 'errand run: sheet.csv: this is a CSV: there is no column "url"; there is Name, Path, Count; --template URL makes urls' list.txt sheet.csv
refused 'errand run: sheet.csv: --template: there is no column "Pathh": did you mean "Path"?' --template '/{Pathh}' sheet.csv
refused 'errand run: sheet.csv: --id: there is no column "id"' --template /x --id id sheet.csv
refused 'errand run: list.txt: this looks like a list of urls: give --format urls' --format jsonl list.txt
refused 'errand run: stdin: this looks like an array in JSON; jq' < <(echo '[{"url":"/healthz"}]')

printf '%s\n' '{"custom_id": "request-1", "method": "GET", "url": "/healthz"}' \
    '{"custom_id": "request-2", "method": "POST", "url": "/nowhere", "body": {"model": "m"}}' >batch.jsonl
errand run --ordered --openai --base-url "$url" batch.jsonl
check "a batch for OpenAI" grep -q '^{"id":"batch_req_1","custom_id":"request-1","response":{"status_code":200,"request_id":"","body":' out
check "a refusal is a response there" grep -q '"custom_id":"request-2","response":{"status_code":404,.*"error":null}$' out
check "is said to be one" has err "errand run: batch.jsonl: 2 requests for OpenAI's batch API"

seq 1 300 | sed 's/.*/{"url":"\/healthz","id":&}/' >many.jsonl
{ head -n 100 many.jsonl | gzip; tail -n +101 many.jsonl | gzip; } >many.gz
errand run -j 32 --base-url "$url" many.gz
check "gzip'd, in two members" whole 300
check "all well" is $status 0
errand run -j 32 --base-url "$url" < <(head -c $(($(wc -c <many.gz) - 9)) many.gz)
check "a file cut short is bad input" is $status 3
check "and named" has err 'errand run: stdin: the gzip data breaks off; what came before was read'
check "its jobs are done" test "$(tally successful)" -ge 100
errand run --progress always --base-url "$url" --rate 200/s many.gz
check "no total is made up for it" grep -q '^[0-9]* done' err

echo '{"headers":{"Content-Type":"text/plain"},"retries":0}' >defaults.json
errand run --base-url "$url" --defaults defaults.json -X POST \
    <<<'{"url":"/videos","body":"{\"prompt\":\"p\",\"video_id\":\"d\",\"quality\":\"high\",\"duration\":1}"}'
check "defaults are used" has out '"status":415'
echo '{"retires":0}' >defaults.json
errand run --base-url "$url" --defaults defaults.json many.jsonl
check "wrong defaults" is $status 2
check "and why" is "$(cat err)" 'errand run: --defaults: unknown key "retires": did you mean "retries"?'
printf 'url,id\r%s/healthz,7\r' "$url" >cr.csv
errand run cr.csv
check "lines that end with CR alone" is $status 2
check "are named" has err 'cr.csv: its lines end with CR alone'
finish
