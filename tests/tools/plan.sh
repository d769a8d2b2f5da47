# errand plan: what a run would do, in words, as JSON, as requests and as commands of curl; nothing is sent.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

plan() { errand plan --base-url https://api.example.com "$@"; }

cat >jobs.jsonl <<'END'
{"url": "/items/1?api_key=hush&x=1", "id": "a7"}
{"url": "http://other:8080/x", "json": {"n": 1.00, "q": "it's"}, "headers": {"Authorization": "Bearer sesame", "X-Own": "o'o"}}

{"url": "http://other:8080/x", "json": {}, "id": "a7", "idempotency_key": true}
{"urll": 1}
{"url": "/items/2", "method": "PUT", "body": "a\u0000b%\\'", "id": 3}
END
plan jobs.jsonl missing.jsonl
check "a bad line and a missing file" is $status 3
cat >wanted <<'END'
jobs.jsonl: 4 jobs, 1 bad line
missing.jsonl: cannot be read
2 files: 4 jobs, 1 bad line
  hosts          api.example.com 2, other:8080 2
  methods        POST 2, GET 1, PUT 1
  not harmless   1 (POST): without a key not repeated after a timeout or 503
  ids twice      1: "a7" in lines 1 and 4
  bodies         32 bytes
  at once        16 (-j)
  time           depends on the service: there is no --rate
END
check "the plan" is "$(cat out)" "$(cat wanted)"
check "the bad line is said as in a run" has err 'errand plan: jobs.jsonl:5: unknown key "urll": did you mean "url"?'
check "the missing file too" has err 'errand plan: missing.jsonl: No such file or directory'
check "a run says the same" \
    is "$("$ERRAND" run -q jobs.jsonl 2>&1 >/dev/null </dev/null | grep -c '^errand run: jobs.jsonl:5: unknown key "urll": did you mean "url"?$')" 1

sed -i 5d jobs.jsonl
plan jobs.jsonl
check "all lines are jobs" is $status 0
check "nothing is said then" empty err
plan - <jobs.jsonl
check "standard input is read" has out 'stdin: 4 jobs'
plan </dev/null
check "no jobs are a plan" is "$status $(cat out)" "0 no jobs"
plan --idempotency-key auto jobs.jsonl
check "with keys all is harmless" test -z "$(grep harmless out)"

# how long
for i in $(seq 100); do echo "{\"url\":\"/$i\"}"; done >many.jsonl
for i in $(seq 50); do echo "{\"url\":\"http://other/$i\"}"; done >>many.jsonl
plan --rate 1/s many.jsonl
check "the host with the most jobs decides" has out '  time           about 2 min at --rate 1/s: 100 for api.example.com'
plan --rate 1/s --rate-total 60/m many.jsonl
check "or all of them together" has out '  time           about 2 min at --rate-total 60/m: 150 in all'
plan --rate 1/s,100 many.jsonl
check "a burst takes no time" has out 'about 0 s at --rate 1/s,100'
for i in 1 2 3 4; do echo '{"url":"/","json":{"max_tokens":1000}}'; done >tokens.jsonl
plan --tokens 60/m --budget-tokens 4k tokens.jsonl
check "tokens are counted" has out '  tokens         4,020 asked for at most, more than --budget-tokens 4k'
check "and take their time" has out '  time           at most 67 min at --tokens 60/m: 4,020, if all that is asked for is used'
plan --tokens 60/m --deadline 3s tokens.jsonl
check "a deadline may come before, if they are used" has out 'is used; --deadline 3s may end it before'
plan --rate 1/s --deadline 3s many.jsonl
check "a deadline that is shorter is said" has out ': 100 for api.example.com; --deadline 3s ends it before'
plan --rate 1/s --deadline 1h --next link many.jsonl
check "what pages add is not known" grep -q '100 for api.example.com, without the pages that follow$' out
plan --rate auto tokens.jsonl
check "a rate that is learned is not known" has out 'depends on the service: --rate auto'
plan --tokens-asked x tokens.jsonl
check "wrong places of tokens are refused" is $status 2
plan --skip 100 --take 10 -j 7 many.jsonl
check "lines that are left out do not count" has out 'many.jsonl: 10 jobs'
check "-j is said" has out '  at once        7 (-j)'
for i in $(seq 30); do echo "{$i"; done >bad.jsonl
plan bad.jsonl
check "20 bad lines are said" is "$(grep -c 'bad.jsonl:' err)" 20
check "the others are counted" has err 'errand plan: and 10 more bad lines'
printf 'name,n\na,1\nb,x\n' >items.csv
plan --template '/{name}' --json '{"n": {n}}' items.csv
check "templates are filled as in a run" has err 'items.csv:3: column "n": "x" is no number'
plan items.csv
check "a wrong format is refused as in a run" is $status 2
check "and said" has err 'items.csv: this is a CSV: there is no column "url"'
check "no plan then" empty out

# as JSON
plan --report json --rate 1/s jobs.jsonl bad.jsonl 2>/dev/null
check "one object" lines out 1
for text in '{"type":"plan","jobs":4,"bad_lines":30,"unreadable_files":0,"not_harmless":1,"with_key":1,"duplicate_ids":1,"body_bytes":32,"tokens":' \
    '"at_once":16,"seconds":1.0,' '{"host":"other:8080","jobs":2,"not_harmless":1}' '{"method":"PUT","jobs":1,"not_harmless":0}' \
    '"first_duplicate_ids":[{"id":"a7","lines":[{"file":"jobs.jsonl","line":1},{"file":"jobs.jsonl","line":4}]}]' \
    '{"file":"bad.jsonl","jobs":0,"bad_lines":30,"unreadable":false}' '"first_errors":[{"file":"bad.jsonl","line":1,"message":"not JSON: '; do
    check "the object has $text" has out "$text"
done
check "20 errors are in it" is "$(grep -o '"message":' out | wc -l)" 20

# requests
plan --show 2 -H 'X-Secret: mum' jobs.jsonl
check "the first requests" is "$(grep -cE '^(GET|POST) ' out)" 2
check "with their urls, without secrets" has out 'GET https://api.example.com/items/1?api_key=*&x=1'
check "with their bodies" has out "{\"n\": 1.00, \"q\": \"it's\"}"
check "where they come from" has out '# jobs.jsonl:2, not harmless to repeat, retries 2'
check "headers of all jobs" has out 'X-Secret: *'
check "no secret is shown" test -z "$(grep -E 'hush|sesame|mum' out)"
check "no plan is shown" test -z "$(grep '4 jobs' out)"
plan --show 2 -H 'X-Secret: mum' --show-secrets jobs.jsonl
check "unless it is asked for" is "$(grep -cE 'api_key=hush|Bearer sesame|X-Secret: mum' out)" 4
printf '{"url":"/"}\n{"x":1}\n{"x":2}\n' >mixed.jsonl
plan --show 1 mixed.jsonl
check "what follows is not read" is "$status $(wc -c <err)" "0 0"

# as commands of curl, against a curl that shows its words
mkdir bin
printf '#!/bin/sh\nfor w; do printf "[%%s]" "$w"; done; echo\ncase "$*" in *@-*) od -An -c;; esac\n' >bin/curl
chmod +x bin/curl
commands() { plan --curl "$@" && mv out commands && PATH="$folder/bin:$PATH" sh commands >out 2>err; status=$?; }
commands jobs.jsonl
check "a command without its secret is refused by the shell" is $status 2
check "which names it" has err SECRET_API_KEY
check "as a line above it does" has commands '# set SECRET_API_KEY first: the parameter api_key of the url'
check "nothing was run" empty out
SECRET_API_KEY='s e' commands jobs.jsonl
check "with it the command runs" has out '[https://api.example.com/items/1?api_key=s e&x=1]'
check "--curl alone is one" is "$(grep -c '^curl' commands)" 1
plan --curl --bearer-env TOKEN jobs.jsonl
check "a variable of --bearer-env must be set" is "$status" 2
echo tok >token
export SECRET_API_KEY=k SECRET_AUTHORIZATION=t
TOKEN=v commands --show 9 --bearer-env TOKEN jobs.jsonl
check "it is taken from there" has out '[Authorization: Bearer v]'
check "a job's own is one to be set" has out '[Authorization: Bearer t]'
check "a quotation mark in a body" has out "[--data-raw][{\"n\": 1.00, \"q\": \"it's\"}]"
check "and in a header" has out "[X-Own: o'o]"
check "a method" has out '[-X][PUT]'
check "a NUL byte comes through a pipe" has out "  a  \\0   b   %   \\   '"
commands --show 1 --bearer-file token jobs.jsonl
check "a file of --bearer-file" has out '[Authorization: Bearer tok]'
commands --show 1 --token-command 'echo made; echo run >>ran' jobs.jsonl
check "a command of --token-command" has out '[Authorization: Bearer made]'
check "errand itself has not run it" lines ran 1
ERRAND_PASSWORD=p commands --show 1 --user u:sesame jobs.jsonl
check "--user" has out '[-u][u:p]'
commands --show 9 --show-secrets jobs.jsonl
check "--show-secrets writes them out" has out '[Authorization: Bearer sesame]'
check "in urls as well" has out 'api_key=hush'
printf '{"url":"http://u:p@other/x"}\n' >user.jsonl
SECRET_URL_USER=me:too commands user.jsonl
check "userinfo of a url is a secret" is "$(grep -c 'u:p' commands) $(grep -c '\[http://other/x\].*\[-u\]\[me:too\]' out)" "0 1"
printf '{"url":"http://%s:x@%s.example/?pwd=1","headers":{"Authorization":"Bearer %s"}}\n' a h j b k j b l m >three.jsonl
SECRET_PWD=w SECRET_URL_USER=one SECRET_URL_USER_2=two SECRET_AUTHORIZATION=j SECRET_AUTHORIZATION_2=m commands --show 3 three.jsonl
check "a variable of the shell's own is never taken for a secret" is "$(grep -c 'pwd=w\]' out)" 3
check "different secrets have different variables, equal ones the same" is \
    "$(sed -n 's/.*\[http:..\([a-z]\).*\[-u\]\[\([a-z]*\)\].*Bearer \([a-z]\)\].*/\1 \2 \3/p' out | paste -sd,)" 'h one j,k two j,l two m'
printf '{"url":"http://h/?%s"}\n' token=a TOKEN=b token_2=c token=b >alike.jsonl
plan --curl --show 5 --proxy http://u:p@x alike.jsonl
check "also where one is called like the number of another" is \
    "$(sed -n "s/^curl.*'\"\${\(.*\):?}.*/\1/p" out | paste -sd' ')" \
    'SECRET_TOKEN SECRET_TOKEN_2 SECRET_TOKEN_2_2 SECRET_TOKEN_2'
check "a proxy with a password is a secret" is "$(grep -c -- '-x "${SECRET_PROXY:?}"' out)" 4
printf '{"url":"http://h/","method":"PUT"}\n' >put.jsonl
commands put.jsonl
check "a PUT without a body has a length" has out '[-H][Content-Type:][--data-raw][]'
status=0
"$ERRAND" plan --base-url "$url" many.jsonl >&- 2>err || status=$?
check "a closed standard output is noticed" is "$status $(cat err)" \
    "4 errand plan: cannot write the results: standard output is closed"
if command -v curl >/dev/null; then
    errand plan --curl --base-url "$url" <<<'{"url":"/generate","json":{"prompt":"it'\''s"}}'
    sh out >answer 2>&1
    errand run --base-url "$url" <<<'{"url":"/generate","json":{"prompt":"it'\''s"}}'
    check "curl gets what errand gets" is "$(grep -o '"status": *[0-9]*' answer | tr -d ' ')" "$(grep -o '"body":.*' out | grep -o '"status":[0-9]*')"
fi

# with results
printf '{"url":"/healthz","id":%d}\n' 1 2 3 >a.jsonl
errand plan --base-url "$url" -o out.jsonl a.jsonl
check "a plan makes no results" test ! -e out.jsonl -a ! -e out.jsonl.journal
for words in "-o nodir/x.jsonl" "-o a.jsonl/x" "--output-dir a.jsonl" "--output-dir a.jsonl/x/y"; do
    errand run -q --base-url "$url" $words a.jsonl
    run="$status $(sed 's/^errand run: //' err)"
    errand plan --base-url "$url" $words a.jsonl
    check "what a run cannot write with $words is said as by it" \
        is "$status $(sed 's/^errand plan: //' err)$(cat out)" "$run"
    check "with its status" is $status 4
done
for words in "-o $PWD/x.jsonl" "--output-dir new/x/" "--output-dir ." "--output-dir ../${PWD##*/}//new"; do
    errand plan --base-url "$url" $words a.jsonl
    check "what it can write with $words is no error" is "$status $(cat err)" "0 "
    check "and is not made" test ! -e x.jsonl -a ! -e x.jsonl.journal -a ! -e new
done
errand run -q --base-url "$url" -o out.jsonl --take 2 a.jsonl
cp out.jsonl before && cp out.jsonl.journal journal
errand plan --base-url "$url" -o out.jsonl a.jsonl
check "a run would refuse the results" is $status 4
check "which is said" has err 'errand plan: out.jsonl: it has results already'
errand plan --base-url "$url" -o out.jsonl --resume a.jsonl
check "what is done is counted apart" is "$status $(sed -n 2p out | tr -s ' ')" "0  done already 2"
check "the rest is the plan" has out 'a.jsonl: 1 job'
check "the results are as they were" cmp before out.jsonl
check "their journal too" cmp journal out.jsonl.journal

errand run --show 3 jobs.jsonl
check "run has no --show" is "$status $(grep -c 'option --show is not one of errand run, but of plan' err)" "2 1"
ERRAND_SHOW=3 errand run -q </dev/null
check "a variable for plan is none for run" is $status 0
plan --show 1 --report json jobs.jsonl
check "--show is no report" is $status 2
"$ERRAND" plan many.jsonl --base-url http://x >/dev/full 2>err
check "a plan that cannot be written" is $? 4
finish
