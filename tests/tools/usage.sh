# errand's messages: help, version, and every wrong option reported by its name, with exit status 2.
. "$top_srcdir/tests/tools/asserts.sh"

wrong() { # what the message must have, then the arguments
    local text=$1
    shift
    errand "$@" </dev/null
    check "exit status of: $*" is $status 2
    check "message of: $*" has err "$text"
    check "a hint after: $*" grep -q '; see "errand' err
    check "one line after: $*" lines err 1
    check "nothing on standard output of: $*" empty out
}

for words in --help -h help; do
    errand $words
    check "$words" is $status 0
    check "$words names the command" has out "  run  "
    check "$words is quiet elsewhere" empty err
done
for words in "run --help" "run -h" "help run"; do
    errand $words
    check "$words" is $status 0
    check "$words shows the usage" has out "Usage: errand run [OPTION]... [FILE]..."
    check "$words is quiet elsewhere" empty err
done
check "help says when a POST is not repeated" \
    grep -q 'POST without an idempotency key is not repeated after a timeout or 503' <(tr -s ' \n' ' ' <out)
head -n 23 out >first
for text in --jobs --rate --retries --timeout --connect-timeout 'idempotency key' --base-url --header; do
    check "the first screen has $text" has first "$text"
done
for words in --help "run --help" "retry --help" "plan --help" "try --help"; do
    errand $words
    check "$words fits 80 columns" test "$(awk '{ if (length > most) most = length } END { print most }' out)" -lt 80
done
for words in --version "run --version"; do
    errand $words
    check "$words" is $status 0
    check "$words says the version" grep -q '^errand [0-9]*\.[0-9]*\.[0-9]*$' out
    check "$words says what is in it" has out "libcurl/"
    case ${SANITIZER-no} in *address*) check "$words names the sanitizer" has out "futex asan" ;; esac
done

wrong 'a command is wanted'
wrong 'unknown command "rn"' rn
wrong 'unknown command "rn"' help rn
wrong 'option --jobs goes after the command: errand run --jobs' --jobs 3 run
wrong 'unknown command "rnu": did you mean run?' rnu
wrong 'option -j goes after the command: errand run -j' -j 3 run
wrong 'unknown option --hlep: did you mean --help?' --hlep
wrong 'unknown option --zzz; see' --zzz
wrong 'unknown option --jbos: did you mean --jobs?' run --jbos 3
wrong 'unknown option --conect-timeuot: did you mean --connect-timeout?' run --conect-timeuot=3
wrong 'unknown option --quite: did you mean --quiet?' run --quite
wrong 'unknown option --frobnicate; see' run --frobnicate
wrong 'ambiguous option --r: --rate, ' run --r 3
wrong 'ambiguous option --ver: --verbose, --version; see' run --ver
wrong 'unknown option -y; see' run -y
wrong 'unknown option -y; see' run -vy
wrong 'unknown option -J: did you mean -j, --jobs?' run -J 3
wrong 'unknown option -retries: did you mean --retries?' run -retries 3
wrong 'unknown option -rate: did you mean --rate?' run -rate=3/s
wrong 'unknown option: it is no letter' run -$'\303\251'
wrong 'option --jobs wants a value, N' run --jobs
wrong 'option -j wants a value, N' run -vj
wrong 'option --ordered takes no value' run --ordered=yes
check "an option may be cut short" grep -q '"total_processed":0' <("$ERRAND" run --conn 1 --ord 2>&1 </dev/null)
for value in 0 -1 x 1x '' 1.5 10001 99999999999999999999; do wrong "--jobs $value: " run -j "$value"; done
for value in auto: auto:x auto:5 auto:0-5 auto:3-0 auto:1-2x auto:1-10001 auto:99999999999999999999- autos; do
    wrong "--jobs $value: auto, or auto:MIN-MAX with whole numbers from 1 to 10000 is wanted" run -j "$value"
done
wrong '--jobs auto:9-3: 9 at least is more than 3 at most' run -j auto:9-3
wrong '--jobs auto:200-: 200 at least is more than 128 at most' run -j auto:200-
for value in auto auto:1-10000 auto:-5 auto:4- auto:7-7; do
    errand run -j "$value" </dev/null
    check "-j $value" is $status 0
done
for value in -1 x 1001 ' 1'; do wrong "--retries $value: " run "--retries=$value"; done
for value in 0 -1 x 1d '' 1.2.3 1e13 1e99 inf 0x10 . 1,5; do wrong "--timeout $value: " run --timeout "$value"; done
for value in 1 1.5 .5 1e3 200ms 1.5s 2m 1h; do
    errand run --timeout "$value" --connect-timeout "$value" </dev/null
    check "the time $value" is $status 0
done
wrong '--connect-timeout soon: ' run --connect-timeout soon
for value in 10 0/s auto,3 Auto x/s 10/d -1/s /s 1e9/s; do wrong "--rate $value: " run --rate "$value"; done
for value in 10/s, 10/s,0 10/s,x 10/s,-1 10/s,1.5 10/s5 10/s,99999999; do
    wrong "--rate $value: " run --rate "$value"
    wrong "--rate-total $value: " run --rate-total "$value"
done
for value in 0 x 1d; do
    wrong "--max-time $value: " run --max-time "$value"
    wrong "--deadline $value: " run --deadline "$value"
    wrong "--retry-max-time $value: " run --retry-max-time "$value"
done
wrong 'unknown word "tiemout": did you mean timeout?' run --retry-on network,tiemout
wrong 'unknown word "http-server": did you mean http_server?' run --retry-on http-server
for value in '' , network, 99 399 1000 5xx ok cancelled; do wrong "--retry-on $value: " run --retry-on "$value"; done
for value in '' fatal soon soon,never later,fatal now,fail soon,fail= soon,fail=0 soon,fail=-1 soon,fail=101% soon,fail=1%% soon,fail=x now,fail=1.5; do
    wrong "--halt $value: never, or now or soon with a reason" run --halt "$value"
done
for value in never soon,fatal now,fatal soon,fail=1 now,fail=2.5%; do
    errand run --halt "$value" --retry-on network,500,timeout --rate 9/h,3 </dev/null
    check "--halt $value" is $status 0
done
wrong '--idempotency-key mine: auto is wanted' run --idempotency-key mine
for value in nonsense ': x' 'A B: c' ''; do wrong '--header "' run -H "$value"; done
wrong '--header "Authorization...": ' run -H 'Authorization Bearer: secret'
wrong '--header Connection: that one is set' run -H 'connection: close'
wrong '--header Idempotency-Key: it would be the same for all jobs' run -H 'Idempotency-Key: secret'
check "a secret is not printed" test -z "$(grep secret err)"
for value in /path host ftp://host http:// http:///x; do wrong '--base-url: an absolute url is wanted' run --base-url "$value"; done
wrong '--format xml: auto, jsonl, urls, csv or openai is wanted' run --format xml
for value in '' ab '"'; do wrong "--delimiter " run --delimiter "$value"; done
wrong '--request G T: a method is wanted' run -X 'G T'
wrong '--template: a url is wanted' run --template ''
for value in x =x ''; do wrong "--params $value: NAME=TEXT is wanted" run --params "$value"; done
for value in -1 x 2000000001; do wrong "--skip $value: " run --skip "$value"; done
for value in 0 x; do wrong "--take $value: " run --take "$value"; done
wrong '--defaults missing: No such file' run --defaults missing
wrong '--defaults /dev/zero: an object in JSON' run --defaults /dev/zero
wrong '--progress sometimes: auto, always, never or json is wanted' run --progress sometimes
wrong '--headers few: none, some or all is wanted' run --headers few
wrong '--body most: keep, drop or failed is wanted' run --body most
for value in a a/b /~ /~2 '#/a'; do wrong "--select $value: a JSON pointer is wanted" run --select "$value"; done
wrong '--output-dir: the name of a folder is wanted' run --output-dir ''
wrong '--select and --output-dir cannot be combined' run --select /a --output-dir x
for value in '' next a/b /~2 cursor= cursor=/a cursor=/a, cursor=a,b; do
    wrong "--next $value: link, a JSON pointer (/paging/next) or cursor=POINTER,PARAM" run --next "$value"
done
for value in 0 -1 x 1000000001; do wrong "--max-pages $value: " run --next link --max-pages "$value"; done
wrong '--max-pages goes with --next' run --max-pages 3
wrong '--next and --openai cannot be combined' run --next link --openai
wrong '--next /a and --output-dir cannot be combined' run --next /a --output-dir x

"$ERRAND" --help >/dev/full 2>err
check "help that cannot be written is reported" is $? 4
"$ERRAND" run --version >/dev/full 2>err
check "a version that cannot be written is reported" is $? 4
finish
