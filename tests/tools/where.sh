# errand run's options for authentication and connections: headers and tokens, proxies, certificates, addresses;
# options from files and the environment; and that no secret is shown.
. "$top_srcdir/tests/tools/asserts.sh"

mkfifo keep ready
"$MIRROR" "$folder" <keep >ready &
exec 8>keep
http='' https='' ca='' good='' hashed='' pin=''
while read -r -a words; do
    [ "${words[0]}" != ready=yes ] || break
    for word in "${words[@]}"; do printf -v "${word%%=*}" %s "${word#*=}"; done
done <ready
port=${http##*:}
[ -n "$http" ] || { echo "the mirror did not start"; exit 1; }

wrong() { # what the message must have, then the options
    local text=$1
    shift
    errand run "$@" </dev/null
    check "exit status of: $*" is $status 2
    check "message of: $*" has err "errand run: $text"
    check "one line after: $*" lines err 1
    check "no secret after: $*" test -z "$(grep s3same err)"
}
ask() { # the job's path and query, then the options; the request that came is in out
    local path=$1
    shift
    errand run --base-url "$http" -q "$@" < <(printf '{"url":"%s"}\n' "$path")
}

# ---- headers ----
printf 'X-One: 1\r\n\n  \nX-Two: two words\n' >headers
ask / -H @headers -H 'X-Three: 3'
check "headers of a file" has out 'X-One: 1\r\n'
check "and behind it" has out 'X-Two: two words\r\nX-Three: 3\r\n'
printf 'X-One: 1\ns3same\n' >bad
wrong 'bad:2: "Name: value" is wanted' -H @bad
printf 'X-One: 1\n\nConnection: close s3same\n' >bad
wrong 'bad:3 Connection: that one is set' -H @bad
wrong '--header @missing: No such file' -H @missing
wrong '--header @.: Is a directory' -H @.

# ---- expand ----
export KEY=s3same-key
job='{"url":"/quote","headers":{"X-Key":"${KEY}"}}'
errand run --base-url "$http" --expand --log log -v --retries 0 <<<"$job"
check "a variable is sent" has out 'the key ********** is wrong'
check "and is in no message, nor the log" test -z "$(sed 's/"body":.*//' out | cat - err log | grep s3same)"
errand run --base-url "$http" --log log2 -v --retries 0 --expand -H 'X-Key: ${KEY}' <<<'{"url":"/quote"}'
check "from the options as well" has out 'the key ********** is wrong'
check "without traces" test -z "$(sed 's/"body":.*//' out | cat - err log2 | grep s3same)"
errand run --base-url "$http" -q <<<"$job"
check "only if asked for" has out 'the key ${KEY} is wrong'
errand run --base-url "$http" --expand <<<'{"url":"/","headers":{"X-Key":"a${NOT_SET}"}}'
check "an unset variable is bad input" is $status 3
check "which is named" has err 'stdin:1: key "headers": the variable NOT_SET of "X-Key" is not set'
wrong '--expand: the variable NOT_SET of header X is not set' --expand -H 'X: ${KEY} ${NOT_SET}'
wrong '--expand: "${" without a name' --expand -H 'X: ${'
LINES_IN="a
b" wrong '--expand: a variable in header X has a line break' --expand -H 'X: ${LINES_IN}'

# ---- tokens and passwords ----
printf '\n s3same-token \n' >token
ask / --bearer-file token
check "a token of a file" has out 'Authorization: Bearer s3same-token\r\n'
TOKEN=s3same-2 ask / --bearer-env TOKEN
check "a token of a variable" has out 'Authorization: Bearer s3same-2\r\n'
: >empty
wrong '--bearer-file empty: it is empty' --bearer-file empty
wrong '--bearer-file missing: No such file' --bearer-file missing
printf 's3same\ntwo\n' >two
wrong '--bearer-file two: a line break or control character' --bearer-file two
wrong '--bearer-env NOT_SET: the variable is not set' --bearer-env NOT_SET
EMPTY='' wrong '--bearer-env EMPTY: it is empty' --bearer-env EMPTY
ask / -u anna:sesame:x
check "user and password" has out 'Authorization: Basic YW5uYTpzZXNhbWU6eA=='
ERRAND_PASSWORD=sesame:x ask / -u anna
check "a password of the environment" has out 'Authorization: Basic YW5uYTpzZXNhbWU6eA=='
wrong '--user anna: there is no password' -u anna
wrong '--user: USER or USER:PASSWORD' -u :s3same
wrong '--user and --bearer-file are both given' -u anna:s3same --bearer-file token
ERRAND_BEARER_ENV=NOT_SET ask / -u anna:sesame:x
check "the command line goes before the environment" has out 'Authorization: Basic'
printf 'machine 127.0.0.1 login anna password sesame:x\n' >.netrc
HOME=$folder ask / --netrc
check "netrc" has out 'Authorization: Basic YW5uYTpzZXNhbWU6eA=='
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    printf '{"url":"/"}\n' >one.jsonl
    : >out
    : >err
    {
        until [ -s err ]; do sleep 0.02; done
        printf 'sesamX\177e:x\n'
        until [ -s out ] || [ "$(wc -l <err)" -gt 1 ]; do sleep 0.02; done
    } |
        script -qec "exec '$ERRAND' run -q --base-url $http -u anna one.jsonl >out 2>err" typed >/dev/null
    check "a password is asked for" has err 'Password of anna:'
    check "and sent" has out 'Authorization: Basic YW5uYTpzZXNhbWU6eA=='
fi

# ---- a command for tokens ----
for i in 1 2 3 4 5 6 7 8; do echo '{"url":"/token"}'; done >paid.jsonl
token_run() { # the command, then other options
    local command=$1
    shift
    : >calls
    errand run --base-url "$http" --log log3 -v --retries 0 --token-command "$command" "$@" paid.jsonl
}
echo s3same-1 >valid
token_run 'echo >>calls; echo s3same-1; echo more'
check "a token of a command" is $status 0
check "which runs once" lines calls 1
token_run 'echo >>calls; echo s3same-$(($(wc -l <calls) - 1))'
check "a new token after a 401" is $status 0
check "once for all" lines calls 2
check "without traces" test -z "$(cat out err log3 | grep s3same-)"
token_run 'echo >>calls; echo >&2 "no luck"; [ $(wc -l <calls) = 1 ] && echo s3same-0; exit $(($(wc -l <calls) * 3 - 3))'
check "a command that fails later: the jobs fail, and no more are begun" is $status 5
check "and say why" is "$(count out 'HTTP 401 Said so; no new token: the token command ended with status 3')" 8
check "not once for each" test "$(wc -l <calls)" -lt 9
refused() { # the message, the command
    token_run "$2"
    check "exit status after: $2" is $status 1
    check "message after: $2" has err "errand run: --token-command: the token command $1"
    check "nothing is sent after: $2" empty out
}
refused 'ended with status 3' 'echo s3same; exit 3'
refused 'ended with status 127' 'exec no-such-command'
refused 'printed nothing' true
refused 'printed nothing' 'printf "\n s3same"'
refused 'was ended by a signal: Killed' 'kill -9 $$'
refused 'printed a line that is too long' 'head -c 70000 /dev/zero | tr "\0" x'
token_run 'printf "a\001b\n"'
check "a token that cannot be sent" has err '--token-command: the token cannot be sent'
token_run 'echo s3same-1; sleep 100 &'
check "something in its background is not waited for" is $status 0
wrong '--token-command: a command is wanted' --token-command ''
wrong '--user and --token-command are both given' -u a:b --token-command true
echo 'echo $$ >pid; exec sleep 100' >hang
"$ERRAND" run --base-url "$http" --token-command '. ./hang' paid.jsonl >out 2>err &
waits=$!
until [ -s pid ]; do sleep 0.02; done
kill -TERM $waits
wait $waits
check "a signal ends the wait for a token" is $? 130
check "and the command" test ! -e "/proc/$(cat pid)"
check "nothing was sent" empty out

# ---- ways ----
ask /x -x "$http" --base-url http://far.invalid
check "a proxy" has out '"body":"GET http://far.invalid/x HTTP/1.1'
http_proxy=$http ask /x --base-url http://far.invalid
check "the environment's proxy" has out '"body":"GET http://far.invalid/x HTTP/1.1'
http_proxy=http://127.0.0.1:9 ask /x -x ''
check "no proxy" has out '"body":"GET /x HTTP/1.1'
http_proxy=http://127.0.0.1:9 ask /x --noproxy 127.0.0.1
check "a host without a proxy" has out '"body":"GET /x HTTP/1.1'
wrong '--proxy is not SCHEME://HOST:PORT' -x ftp://host
wrong '--proxy and --unix-socket are both given' -x http://host --unix-socket socket
http_proxy=http://127.0.0.1:9 ask /x --unix-socket socket --base-url http://far.invalid
check "a unix socket" has out 'GET /x HTTP/1.1\r\nHost: far.invalid\r\n'
ask /x --base-url "http://far.invalid:$port" --resolve "other.invalid:$port:127.0.0.9" \
    --resolve "far.invalid:$port:127.0.0.77,127.0.0.1"
check "the second of two fixed addresses" has out "Host: far.invalid:$port"
wrong '--resolve "a:1:b" is not HOST:PORT:ADDRESS' --resolve a:1:b
wrong '--resolve host: HOST:PORT:ADDRESS' --resolve host
ask / --no-decompress
check "no compression is asked for" test -z "$(grep -i accept-encoding out)"
ask / --max-body 1k
check "a limit of the body that suffices" is $status 0
ask / --max-body 10
check "one that does not" has out 'the body is larger than max_body, 10 bytes'
for value in 0 x -1 1t 1kk 1.5M 99999999999G ''; do wrong "--max-body $value: a size" --max-body "$value"; done
wrong '--limit-per-host 0: a whole number' --limit-per-host 0
seq 40 | sed "s|.*|{\"url\":\"$http/&\"}|" >many.jsonl
errand run -q -j 40 --limit-per-host 1 many.jsonl
check "one connection to a host" is $status 0
wrong 'there is no --insecure: trust' --insecure
wrong 'there is no -k: trust' -k

# ---- TLS ----
if [ -n "$https" ]; then
    ask / --base-url "$https" --retries 0
    check "an unknown authority is not trusted" has out '"error":{"kind":"auth","code":"curl 60"'
    ask / --base-url "$https" --cacert "$ca"
    check "cacert" has out '"status":200'
    ask / --base-url "$https" --capath "$hashed"
    check "capath" has out '"status":200'
    ask / --base-url "$https" --cacert "$ca" --pinned-pubkey "$pin" --cert "$good" --key "$good" --http2
    check "a pinned key, a certificate of the client" has out '"status":200'
    ask / --base-url "$https" --cacert "$ca" --pinned-pubkey "sha256//$(printf '%043d' 0)="
    check "another pinned key" has out '"code":"curl 90"'
    wrong '--key '"$good"': there is no --cert' --key "$good"
    wrong "--key $ca: there is no \"-----BEGIN PRIVATE KEY\"" --key "$ca" --cert "$good"
fi
for option in cacert cert key; do
    wrong "--$option missing: No such file" --$option missing
    wrong "--$option empty: there is no \"-----BEGIN " --$option empty
    wrong "--$option .: Is a directory" --$option .
done
wrong '--capath missing: No such file' --capath missing
wrong '--capath empty: Not a directory' --capath empty
wrong '--pinned-pubkey missing: No such file' --pinned-pubkey missing
wrong '--pinned-pubkey are not sha256//' --pinned-pubkey sha256//x

# ---- options from files and the environment ----
cat >config <<END
# a comment
--base-url = "$http"
header: "X-Quoted: a \"b\" #c"  # another
header = X-Plain: some words
quiet

ordered = false
retries 0
END
ERRAND_HEADER='X-Env: 1
X-Env2: 2' ERRAND_JOBS=3 errand run -K config -H 'X-Last: 4' <<<'{"url":"/"}'
check "options of all places" is $status 0
check "are put together" has out 'X-Env: 1\r\nX-Env2: 2\r\nX-Quoted: a \"b\" #c\r\nX-Plain: some words\r\nX-Last: 4\r\n'
check "quiet" empty err
printf 'jobs = 0\n' >zero
ERRAND_JOBS=x errand run -K zero -j 1 </dev/null
check "the command line goes before files and the environment" is $status 0
wrong 'zero:1: jobs 0: a whole number' -K zero
ERRAND_JOBS=x wrong 'zero:1: jobs 0: a whole number' -K zero
ERRAND_JOBS=x wrong 'ERRAND_JOBS x: a whole number'
ERRAND_ORDERED=maybe wrong 'ERRAND_ORDERED: true or false is wanted'
ERRAND_CONFIG=zero wrong 'zero:1: jobs 0: a whole number'
ERRAND_VERSION=1 ERRAND_JBOS=1 ERRAND_RATE='' errand run </dev/null
check "what is no option of the environment is left alone" is $status 0
line() { # a line of a file, and the message
    printf '\n%s\n' "$1" >line
    wrong "line:2: $2" -K line
}
line 'jbos = s3same' 'unknown option "jbos": did you mean jobs?'
line 'jobs' 'jobs wants a value, N'
line 'jobs =' 'jobs : a whole number'
line 'user = "anna' 'user: the quotation mark does not end the value'
line 'user = "anna" s3same' 'user: the quotation mark does not end the value'
line 'ordered = perhaps' 'ordered: true or false is wanted'
line 'config = other' 'config: a file of options cannot name another'
line 'help' 'unknown option "help"'
wrong '--config missing: No such file' -K missing
wrong '--config .: Is a directory' -K .

exec 8>&-
wait
finish
