# The examples of errand(1), as they stand there, against the demo service.
. "$top_srcdir/tests/tools/asserts.sh"
command -v jq >/dev/null || { echo "no jq: the examples of errand(1) are not run"; exit 77; }
start_demo --delay-ms 1
errand() { "$ERRAND" "$@" 2>>err; }

# Each example in a file of its own, example1 and so on, with the service's address instead of one on the net.
awk '/^\.Sh EXAMPLES/ { on = 1 } /^\.Sh SEE/ { on = 0 } !on { next }
    /^\.Bd/ { n++; inside = 1; next } /^\.Ed/ { inside = 0 } inside { print >("example" n) }' "$top_srcdir/tools/errand/errand.1.in"
sed -i "s/\\\\e/\\\\/g; s|https://api.example.com|$url|" example?
check "there are nine" is "$(ls example? | wc -l)" 9
run_example() { eval "$(sed '/^[${ ]/!d; /^{/d; s/^\$ //' "example$1")"; } # without what the commands print

sed -n 's/^{/&/p' example1 >jobs.jsonl
sed -i '/^\$ cat/d' example1
check "the jobs of the first are three" lines jobs.jsonl 3
run_example 1
check "each has a result" is "$(jq -r .id results.jsonl | sort | paste -sd,)" a,b,c

for id in 1 2 3 4 5; do
    echo "{\"id\":$id,\"prompt\":\"Sunset\",\"video_id\":\"v$id\",\"quality\":\"high\",\"duration\":3}"
done >orders.jsonl
echo '{"id":6,"prompt":6}' >>orders.jsonl
sed -i 's|600/m|60000/m|' example2 # with its unit: the address may have a 600 of its own
run_example 2
check "the orders are sent" is "$(jq -r 'select(.ok) | .id' results.jsonl | sort | paste -sd,)" 1,2,3,4,5
check "each with its key" is "$(jq -r 'select(.id == 4) | .body.idempotency_key' results.jsonl)" order-4
check "the log is there" test -s errand.log

run_example 3 >out
check "the failed one and why" grep -q "^6	HTTP 422	POST $url/videos: HTTP 422" out
check "no other one" lines out 1

sed -i '2i\\' jobs.jsonl # a blank line is no job
run_example 4
check "the failed one once more" is "$(jq -c 'select(.ok | not) | [.id, .status, .run]' out.jsonl | paste -sd' ')" \
    '[6,422,1] [6,422,2]'

printf '%s\n' "$url/healthz" "$url/nowhere" "$url/healthz" >urls
run_example 5 >out
check "the list with its results" is "$(cut -f1 out | paste -sd,)" 200,404,200
check "in its order" diff <(cut -f2 out) urls

printf 'sku;name;price\r\na 1;"Big ""X""";5\r\nb;Y;1.5\r\nc;Z;cheap\r\n' >items.csv
run_example 6
check "each row has a request" is "$(jq -r .id results.jsonl | sort | paste -sd,)" 'a 1,b,c'
check "of its own method and url" is "$(jq -r 'select(.id == "a 1") | .error.message | split(": ")[0]' results.jsonl)" \
    "PUT $url/items/a%201"
check "one has no number where one must be" is "$(jq -r 'select(.attempts == 0) | .id' results.jsonl)" c

printf '%s\n' '{"custom_id":"r1","method":"GET","url":"/healthz"}' >batch.jsonl
KEY=secret run_example 7
check "the batch's output" is "$(jq -r '[.custom_id, .response.status_code, .error] | @csv' output.jsonl)" '"r1",200,'

printf '{"url":"/generate","json":{"prompt":"Sunset","video_id":"p%d","max_tokens":50}}\n' 1 2 >prompts.jsonl
run_example 8
check "each prompt says what it used" is "$(jq -r .tokens answers.jsonl | paste -sd,)" 52,52

run_example 9 >items
check "the items of all pages" is "$(cat items)" "$(seq 12)"
finish
