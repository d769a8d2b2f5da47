# errand's words: help, version, and every wrong option told by its name, with exit status 2.
. "$top_srcdir/tests/tools/asserts.sh"

wrong() { # what the message must have, then the arguments
    local text=$1
    shift
    errand "$@" </dev/null
    check "exit status of: $*" is $status 2
    check "message of: $*" has err "$text"
    check "a hint after: $*" grep -q '^Try "errand' err
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
check "help tells which POST is not repeated" grep -q 'POST without an idempotency key is not repeated.*429 or 503' out
check "help is not wider than a terminal may be" test "$(awk '{ if (length > most) most = length } END { print most }' out)" -le 110
for option in -j --jobs --rate --retries --timeout --connect-timeout --base-url -H --header --ordered --progress --log -v \
    --verbose -q --quiet -h --help --version; do
    check "help has $option" has out " $option"
done
for words in --version "run --version"; do
    errand $words
    check "$words" is $status 0
    check "$words says the version" grep -q '^errand [0-9]*\.[0-9]*\.[0-9]*$' out
    check "$words says what is in it" has out "libcurl/"
done

wrong 'a command is wanted'
wrong 'unknown command "rn"' rn
wrong 'unknown command "rn"' help rn
wrong 'unknown option --jobs' --jobs 3 run
wrong 'unknown or ambiguous option --jbos' run --jbos 3
wrong 'unknown or ambiguous option --r' run --r 3
wrong 'unknown option -x' run -x
wrong 'unknown option -x' run -vx
wrong 'option --jobs wants a value' run --jobs
wrong 'option -j wants a value' run -j
wrong 'option --ordered takes no value' run --ordered=yes
for value in 0 -1 x 1x '' 1.5 10001 99999999999999999999; do wrong "--jobs $value: " run -j "$value"; done
for value in -1 x 1001 ' 1'; do wrong "--retries $value: " run "--retries=$value"; done
for value in 0 -1 x 1h '' 1.2.3 1e3 inf 0x10 .; do wrong "--timeout $value: " run --timeout "$value"; done
wrong '--connect-timeout soon: ' run --connect-timeout soon
for value in 10 0/s x/s 10/d -1/s /s 1e9/s; do wrong "--rate $value: " run --rate "$value"; done
for value in nonsense ': x' 'A B: c' ''; do wrong '--header "' run -H "$value"; done
wrong '--header "Authorization...": ' run -H 'Authorization Bearer: secret'
wrong '--header Connection: that one is set' run -H 'connection: close'
wrong '--header Idempotency-Key: it would be the same for all jobs' run -H 'Idempotency-Key: secret'
check "a secret is not told" test -z "$(grep secret err)"
for value in /path host ftp://host http:// http:///x; do wrong '--base-url: an absolute url is wanted' run --base-url "$value"; done
wrong '--progress sometimes: ' run --progress sometimes

"$ERRAND" --help >/dev/full 2>err
check "help that cannot be written is told" is $? 4
"$ERRAND" run --version >/dev/full 2>err
check "a version that cannot be written is told" is $? 4
finish
