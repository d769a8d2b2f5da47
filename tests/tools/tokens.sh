# errand run --tokens and --budget-tokens against the demo service, whose replies have a usage object.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

# Each reserves 100 tokens, for a body of 62 bytes and what it asks for, and uses 21.
job() { # ID
    printf '{"url":"/generate","json":{"prompt":"p","video_id":"v%03d","duration":10,"max_tokens":84}}\n' "$1"
}
jobs() { for i in $(seq "$1"); do job "$i"; done; }

errand run --base-url "$url" --tokens 100k/m < <(jobs 20)
check "tokens that suffice change nothing" is "$status $(tally successful)" "0 20"
check "each result has what its job has used" is "$(count out ',"tokens":21,"headers":')" 20
errand run --base-url "$url" < <(jobs 1)
check "but not without such an option" is "$(count out '"tokens":')" 0
errand run --base-url "$url" --tokens-used /usage/input_tokens+/usage/output_tokens,/x < <(jobs 1)
check "tokens can be counted and not limited" has out ',"tokens":21,'
errand run --base-url "$url" --tokens-used /nowhere < <(jobs 1)
check "where no reply says what it used they are null" has out ',"tokens":null,'

# A hundred an hour: the second job would wait for the better part of one.
errand run --base-url "$url" --tokens 100/h,100 --tokens-used /nowhere --max-time 5s -j 1 < <(jobs 2)
check "a job does not wait for tokens beyond its time" has out '"code":"ELATE"'
check "which is a failure" is "$status $(tally successful)" "1 1"

errand run --base-url "$url" --budget-tokens 200 -j 4 --progress json < <(jobs 50)
check "a budget ends the run" is $status 5
check "when what is left is less than an estimate" is "$(tally successful)" 5
check "which is explained" has err \
    'halted: the token budget of 200 does not suffice for the next job: 105 used; '
check "also by the jobs that were not sent" grep -q '"code":"EBUDGET".*"message":"the budget of 200 tokens does not suffice: 105 are used' out
check "programs get the count" grep -q '^{"type":"summary".*"tokens_used":105,"tokens_reserved":0,' err
errand run --base-url "$url" --budget-tokens 200 --halt never -j 1 --progress always < <(jobs 50)
check "whatever --halt says" is "$status $(tally successful)" "5 5"
check "and people do" has err ', 105 tokens ('

jobs 12 >a.jsonl
for run in 1 2 3; do
    errand run --base-url "$url" --budget-tokens 200 -j 3 -o kept.jsonl --resume a.jsonl
    check "run $run does what its budget allows" is "$status $(count kept.jsonl '"ok":true')" "$((run < 3 ? 5 : 0)) $((run < 3 ? 5 * run : 12))"
done
check "and leaves no other result" lines kept.jsonl 12

errand run --tokens-asked max_tokens --budget-tokens 1 a.jsonl
check "a wrong pointer ends the run" is $status 2
check "and is named" has err 'tokens_asked "max_tokens": "max_tokens" is no JSON pointer'
for wrong in 0/m 90k 90k/d k/m 1e3/m 90kk/m 90k/m, 90k/m,0 90k/m,x -1/m 99999999M/s; do
    errand run --tokens "$wrong" a.jsonl
    check "--tokens $wrong is refused" is $status 2
    check "and said" has err "--tokens $wrong: tokens a minute, second or hour are wanted"
done
for wrong in 0 -1 x 1.5 1k5 9999999999M 90k/m ''; do
    errand run --budget-tokens "$wrong" a.jsonl
    check "--budget-tokens '$wrong' is refused" is $status 2
    check "and said" has err "--budget-tokens $wrong: a whole number of tokens is wanted"
done
for right in 1/h 0.5k/s 2M/m 1.5M/h,10k; do
    errand run --base-url "$url" --tokens $right --budget-tokens 1.5M </dev/null
    check "--tokens $right is taken" is $status 0
done
finish
