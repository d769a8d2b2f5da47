# errand try: one job, once, as a run would send it; the body on standard output, all else on standard error, and nothing recorded.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

order='{"video_id": "v1", "prompt": "Sunset", "quality": "high", "duration": 3}'
cat >jobs.jsonl <<END
{"url": "/healthz", "id": "h", "headers": {"Authorization": "Bearer sesame", "X-Own": "o"}}

{"url": "/videos", "json": $order, "idempotency_key": "key-1", "save_to": "saved"}
{"url": "/nowhere?token=hush"}
{"bad": 1}
{"url": "/videos", "json": $order}
END
try() { errand try --base-url "$url" "$@" </dev/null; }

try jobs.jsonl:1
check "a job that succeeds" is $status 0
check "the request line" has err "> GET $url/healthz"
check "its headers" has err '> X-Own: o'
check "without secrets" is "$(grep -c sesame err) $(grep -cFx '> Authorization: *' err)" "0 1"
check "the address" has err "* address: ${url#http://}"
check "the connection" has err '* connection: new, HTTP/1.1, '
check "the times" grep -qE '^\* times: queue [0-9.]+ ms, resolve .*, connect [0-9.]+ ms, first byte [0-9.]+ ms, in all [0-9.]+ ms$' err
check "the status line" has err '< HTTP/1.1 200 OK'
check "the headers of the reply" grep -q '^< Content-Type: application/json' err
check "the body alone is on standard output, indented" is "$(head -n 1 out)$(tail -n 1 out)" "{}"
check "nothing is said of a run then" test -z "$(grep 'errand run' err)"
try --show-secrets jobs.jsonl:1
check "--show-secrets shows them" has err '> Authorization: Bearer sesame'

try jobs.jsonl:3
check "a job with a body" is $status 0
check "the body is shown" has err "$order"
check "its key" has err '> Idempotency-Key: key-1'
check "where a run would save the body" has err '* a run would save the body to saved'
check "it is not saved" test ! -e saved
check "but shown" test -s out

try jobs.jsonl:4
check "a job that fails" is $status 1
check "secrets of urls are not shown" is "$(grep -c hush err) $(grep -c 'token=\*' err)" "0 1"
check "how it failed" has err '* failed: HTTP 404, http_client, phase '
check "what a run would do" has err '* errand run would not try it again: it would fail alike'
check "the body of an error is shown" has out '"status": 404'

try jobs.jsonl:5
check "a bad line" is $status 3
check "is said as in a run" is "$(cat err)" 'errand try: jobs.jsonl:5: unknown key "bad"'
try jobs.jsonl:2
check "a blank line has no job" is "$status $(cat err)" "3 errand try: jobs.jsonl:2: there is no job in this line"
try jobs.jsonl:99
check "nor has one behind the end" is $status 3
try missing:1
check "a missing file" is "$status $(cat err)" "3 errand try: missing:1: No such file or directory; a url begins with http:// or https://"
"$ERRAND" try --base-url "$url" -- -:1 <jobs.jsonl >out 2>err
check "a line of standard input" is $? 0
try -:1
check "which stands behind --" is "$status $(cat err)" \
    '2 errand try: -:1: a line of standard input stands behind --: -- -:1; see "errand try --help"'
try -
check "without its number it is no line" is "$status $(grep -c 'of standard input it is -- -:LINE' err)" "2 1"
try --skip 3 --take 1 jobs.jsonl:1
check "a line that is named is not left out" is $status 0
try localhost:8080
check "a host is no file" is "$status $(cat err)" \
    "3 errand try: localhost:8080: No such file or directory: did you mean http://localhost:8080?"
for host in localhost localhost:8080/x 127.0.0.1 127.0.0.1/x example.com:80/x www.example.com '[::1]:x'; do
    try "$host"
    check "$host is a url without its scheme" is "$status $(grep -cF ": did you mean http://$host?" err)" "2 1"
done
printf '{"url":"/healthz"}\n' >localhost
try localhost:1
check "a file may be called so" is $status 0
"$ERRAND" try --base-url "$url" jobs.jsonl:1 >&- 2>err
check "a closed standard output is noticed before anything is sent" is "$? $(cat err)" \
    "4 errand try: cannot write the results: standard output is closed"
gzip -k jobs.jsonl
try jobs.jsonl.gz:1
check "a line of a packed file" is $status 0
printf 'path,n\nhealthz,1\nhealthz,2\n' >items.csv
try --template '/{path}?n={n}' items.csv:3
check "a record of a CSV" has err "> GET $url/healthz?n=2"
printf '# list\n%s\n' "$url/healthz" >urls
try urls:2
check "a line of a list" is $status 0

# a url, with the options of a run
errand try "$url/healthz"
check "a url" is "$status $(grep -c '^< HTTP/1.1 200' err)" "0 1"
errand try -X POST --json "$order" "$url/videos"
check "a url with a body" is "$status $(grep -cF "$order" err)" "0 1"
check "its method" has err "> POST $url/videos"
check "that a POST is not harmless is said" has err '* not harmless to repeat'
try /healthz
check "a url that is relative" is "$status $(grep -c '^> GET '"$url"'/healthz' err)" "0 1"
errand try http://127.0.0.1:1/
check "no connection" is $status 1
check "is a failure with code, kind and phase" has err '* failed: curl 7, network, phase connect: '
check "which a run would repeat" has err '* errand run would try it again, up to 2 times more'
errand try --retry-on 503 http://127.0.0.1:1/
check "unless it must not" has err '* errand run would not try it again: --retry-on does not list it'
ERRAND_RETRIES=5 errand try http://127.0.0.1:1/
check "it is sent once" is "$(grep -c '^\* attempt' err)" 0
check "and the run's retries are said" has err 'up to 5 times more'
errand try --retries 1 http://127.0.0.1:1/
check "then none is left" has err 'its retries are used up'
check "--retries repeats it" is "$(grep -c '^\* attempt' err)" 2
errand try --token-command 'echo made' "$url/healthz"
check "a token of a command" is "$status $(grep -c 'of --token-command' err)" "0 1"

# what the server may have done is not repeated
stop_demo
start_demo --delay-ms 1 --fail-503 1
sed "s|/videos|/generate|" -i jobs.jsonl
try jobs.jsonl:6
check "a 503 to a POST is not repeated" has err 'would not try it again: the server may have done it, and a POST without an idempotency key'
try jobs.jsonl:3
check "one with a key is" is "$status $(grep -c 'errand run would try it again' err)" "1 1"

for option in '-o x' '--resume' '--fresh' '--output-dir x' '--retry-failed all' '--repeat-unknown'; do
    errand try $option "$url/healthz"
    check "$option is refused" is "$status $(grep -c 'is not one of errand try, but of run, retry, plan' err)" "2 1"
done
ERRAND_OUTPUT=x errand try http://127.0.0.1:1/
check "a variable for a run makes no file" test ! -e x
for words in "" "jobs.jsonl" "jobs.jsonl:" "jobs.jsonl:0" "jobs.jsonl:1 jobs.jsonl:2" ":3"; do
    errand try $words
    check "wrong: $words" is "$status $(grep -c 'FILE:LINE or a url is wanted' err)" "2 1"
done
errand try items.csv:2
check "a wrong format is refused" is "$status $(grep -c 'there is no column "url"' err)" "2 1"
finish
