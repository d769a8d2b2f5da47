# errand run -o: what is refused, what is resumed, and what a run leaves behind.
. "$top_srcdir/tests/tools/asserts.sh"
start_demo --delay-ms 1

run() { errand run --base-url "$url" -o out.jsonl "$@"; }
results() { sed -n 's/^{"seq":\([0-9]*\),.*"job":"[0-9a-f]\{16\}","run":\([0-9]*\)}$/\1:\2/p' out.jsonl | tr '\n' ' '; }

printf '{"url":"/healthz","id":%d}\n' 1 2 3 >a.jsonl
run -j 1 a.jsonl
check "all well" is $status 0
check "nothing on standard output" empty out
check "results are in the file" is "$(results)" "1:1 2:1 3:1 "
check "the journal is beside it" has out.jsonl.journal '{"journal":1,"run":1,'
check "a GET needs no intent" lines out.jsonl.journal 1
run a.jsonl
check "results are not overwritten" is $status 4
check "which is said" has err 'errand run: out.jsonl: it has results already'
check "with the way out" has err -- '--resume goes on with them, --fresh discards them'
check "nothing was added" lines out.jsonl 3
run --fresh -j 1 a.jsonl
check "--fresh" is "$(results)" "1:1 2:1 3:1 "

printf '{"url":"/healthz","id":%d}\n' 4 >>a.jsonl
run --resume a.jsonl
check "what is done is skipped" is "$(results)" "1:1 2:1 3:1 4:2 "
check "the tally is this run's" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'
check "the others are counted" has err 'errand run: 3 jobs with a result of an earlier run'
check "a changed input is noticed" has err 'out.jsonl: the input is not the same as in the runs before'
run --fresh a.jsonl
run --resume a.jsonl
check "an input that is the same is not" is "$(grep -c 'not the same' err)" 0

# without ids: by request, each result once
rm out.jsonl*
printf '{"url":"/healthz"}\n{"url":"/healthz"}\n{"url":"/healthz?x"}\n' >b.jsonl
run b.jsonl
printf '{"url":"/healthz?new"}\n{"url": "/healthz", "timeout":3}\n{"url":"/healthz"}\n{"url":"/healthz"}\n' >b.jsonl
run --resume b.jsonl
check "a new line and a third of two equal ones are run" is "$(tail -n 1 err)" \
    '{"successful":2,"failed":0,"total_processed":2}'
errand run --base-url "$url" -o s.jsonl <<<'{"url":"/healthz"}'
errand run --base-url "$url" -o s.jsonl --resume < <(printf '{"url":"/stats"}\n{"url":"/healthz"}\n')
check "standard input is matched by request" is "$(tail -n 1 err)" \
    '{"successful":1,"failed":0,"total_processed":1}'

# bad lines and failures are results as well
rm out.jsonl*
printf '{"urll":1}\n{"url":"/nowhere"}\n' >c.jsonl
run c.jsonl
check "bad input" is $status 3
run --resume c.jsonl
check "is not sent again" is "$(tail -n 1 err)" '{"successful":0,"failed":0,"total_processed":0}'
check "but has failed" is $status 1
check "and that is said" has err '2 jobs with a result of an earlier run, 2 of them failures'
printf '{"url":"/healthz"}\n{"url":"/nowhere"}\n' >c.jsonl
run --resume c.jsonl
check "a line that was mended is a new job" is "$(tail -n 1 err)" \
    '{"successful":1,"failed":0,"total_processed":1}'

# a crash leaves half a line, and an intent without a result
post='{"url":"/generate","json":{"video_id":"v","prompt":"p"}}'
rm out.jsonl*
echo "$post" >d.jsonl
run d.jsonl
check "an intent came before the POST" is "$(sed -n '2s/^{"sent":"[0-9a-f]*","seq":1}$/sent/p' out.jsonl.journal)" sent
head -c 100 out.jsonl >torn && mv torn out.jsonl
printf '{"sent":"0123' >>out.jsonl.journal
run --resume d.jsonl
check "what was under way is unknown" is $status 1
check "as a result" has out.jsonl '"error":{"kind":"unknown","code":"EINPROGRESS"'
check "the torn lines are gone" lines out.jsonl 1
check "the way out is said" has err '1 job may have been done before: "unknown"; --resume --repeat-unknown sends them'
run --resume d.jsonl
check "an unknown result stays" is "$(tail -n 1 err)" '{"successful":0,"failed":0,"total_processed":0}'
run --resume --repeat-unknown d.jsonl
check "or is sent" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'
check "the last result counts" is "$(results)" "1:2 1:4 "

# a key that errand made is used again
rm out.jsonl*
sed 's/}$/,"idempotency_key":true}/' d.jsonl >k.jsonl
run k.jsonl
key=$(sed -n '2s/^{"key":"\([0-9a-f-]*\)","job":.*/\1/p' out.jsonl.journal)
check "the key is in the journal" is ${#key} 36
: >out.jsonl
printf '{"seq":1,"torn' >out.jsonl
run --resume k.jsonl
check "a keyed job is sent again" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'
check "with no new key" is "$(grep -c '"key"' out.jsonl.journal)" 1

# results in the shape of OpenAI's batches resume as well
rm -f out.jsonl*
for ((i = 0; i < 3; i++)); do
    echo "{\"custom_id\":\"o$i\",\"method\":\"POST\",\"url\":\"/generate\",\"body\":{\"video_id\":\"o$i\"$([ $i = 2 ] || echo ',"prompt":"p"')}}"
done >o.jsonl
run --format openai --openai o.jsonl
check "one failed" is $status 1
check "in that shape" has out.jsonl '"custom_id":"o1","response":{"status_code":200,'
run --format openai --openai --resume o.jsonl
check "all have a result" has err '3 jobs with a result of an earlier run, 1 of them failures'
run --format openai --openai --resume --retry-failed http_client o.jsonl
check "failures are known" is "$(tally total_processed)" 1

# keys for all
rm -f out.jsonl*
run --idempotency-key auto d.jsonl
check "keys that an option makes are in the journal" is "$(grep -c '"key"' out.jsonl.journal)" 1

# an input that changes, twice: ids keep their results, and keys stay
rm -f out.jsonl*
for i in 1 2 3; do echo "{\"id\":\"q$i\",\"url\":\"/generate\",\"json\":{\"video_id\":\"q$i\",\"prompt\":\"p\"}}"; done >q.jsonl
run q.jsonl
tac q.jsonl >q2.jsonl
for i in 1 2 3; do run --resume q2.jsonl; done
check "another order sends nothing again" is "$(tail -n 1 err)" '{"successful":0,"failed":0,"total_processed":0}'
echo '{"id":"q0","url":"/healthz"}' | cat - q.jsonl >q3.jsonl
for i in 1 2; do run --resume q3.jsonl; done
check "nor does a new line" is "$(wc -l <out.jsonl)" 4

# a key that was made by an option is used without it, and one that comes later does not help
rm -f out.jsonl*
echo "$post" | sed 's/"v"/"auto"/' >d.jsonl
run --idempotency-key auto d.jsonl
: >out.jsonl
run --resume d.jsonl
check "the key is sent without the option" is "$(grep -c '"key"' out.jsonl.journal)" 1
check "and no intent" is "$(grep -c '"sent"' out.jsonl.journal)" 0
rm out.jsonl*
run d.jsonl
: >out.jsonl
run --resume --idempotency-key auto d.jsonl
check "a key that comes later does not help" has out.jsonl '"kind":"unknown"'

# bodies in files keep their names
mkdir bodies
printf '{"id":"a/1","url":"/healthz"}\n{"id":"a:1","url":"/nowhere"}\n' >f.jsonl
errand run --base-url "$url" -o f.out --output-dir bodies f.jsonl
cp bodies/a_1.json first
sed -i 's/nowhere/stats/' f.jsonl
errand run --base-url "$url" -o f.out --output-dir bodies --resume --retry-failed all f.jsonl
check "a later run does not replace them" cmp first bodies/a_1.json
check "and names its own" has f.out '"saved_to":"bodies/a_1-2.json"'

echo '{"url":"/healthz","save_to":"self.jsonl"}' >h.jsonl
errand run --base-url "$url" -o self.jsonl h.jsonl
check "a body does not replace the results" is $status 3
check "and that is said" has err 'h.jsonl:1: key "save_to": results are written into that file'

# files that go away
mkfifo lines
"$ERRAND" run --base-url "$url" -o gone.jsonl lines 2>err &
exec {to_lines}>lines
while ! [ -s gone.jsonl.journal ]; do sleep 0.01; done
rm gone.jsonl
echo '{"url":"/healthz"}' >&"$to_lines"
exec {to_lines}>&-
wait $!
check "results that were removed" is $? 4
check "are missed" has err 'cannot write gone.jsonl: No such file or directory'
check "the journal is not for all eyes" is "$(stat -c %a gone.jsonl.journal)" 600
run --ordered -o x.jsonl a.jsonl
check "no results wait for others" is $status 2
run --params token=SECRET1 --base-url http://u:SECRET2@127.0.0.1:9/ -o sec.jsonl --fresh b.jsonl
check "secrets are not in the journal" is "$(grep -c SECRET sec.jsonl.journal)" 0

# files that are not ours, or not there
run_to() { errand run --base-url "$url" --resume -o "$1" a.jsonl; }
echo '{"mine":1}' >x.jsonl && echo '{"journal":1,"run":1,"probe":"0"}' >x.jsonl.journal
run_to x.jsonl
check "another file" is $status 4
check "which is said" has err 'x.jsonl: line 1 is not a result of a run with a journal'
check "and left alone" is "$(cat x.jsonl)" '{"mine":1}'
: >x.jsonl
run_to x.jsonl
check "a damaged journal" has err 'x.jsonl: line 1 of its journal is damaged'
run --fresh a.jsonl && rm out.jsonl.journal
run_to out.jsonl
check "no journal" has err 'out.jsonl: it has no journal, out.jsonl.journal; move it away, or name another file'
check "results stay" lines out.jsonl 4
run_to nowhere/out.jsonl
check "no such folder" has err 'nowhere/out.jsonl.journal: No such file or directory'
run_to .
check "a folder" is $status 4
mkfifo pipe
run_to pipe
check "a pipe" has err 'pipe: it is not a regular file'
run_to /dev/full
check "a device" is $status 4
errand run --resume a.jsonl
check "--resume needs a file" is $status 2
errand run -o x --fresh --resume a.jsonl
check "not both" has err 'either --resume or --fresh'

cp a.jsonl mine.jsonl
errand run --base-url "$url" -o mine.jsonl --fresh mine.jsonl
check "the file of jobs" is $status 2
check "is not overwritten" cmp mine.jsonl a.jsonl
check "which is said" has err 'mine.jsonl: it is a file of jobs'
errand run --base-url "$url" -o mine.jsonl --fresh a.jsonl
check "nor any file without a journal" cmp mine.jsonl a.jsonl

# a second run at the same time
mkfifo slow
"$ERRAND" run --base-url "$url" -o two.jsonl --resume <slow 2>first &
exec {to_first}>slow
while ! [ -s two.jsonl.journal ]; do sleep 0.01; done
run_to two.jsonl
check "two runs at once" is $status 4
check "which is said" has err 'two.jsonl: another run uses it'
ln -s two.jsonl other.jsonl
run_to other.jsonl
check "also by another name" has err 'other.jsonl: another run uses it'
echo '{"url":"/healthz"}' >&"$to_first"
exec {to_first}>&-
wait $!
check "the first one is not disturbed" is $? 0

# errand retry: what failed, with the options and files of its run
stop_demo
start_demo --fail-503 0.5 --delay-ms 1
rm -f out.jsonl*
for ((i = 0; i < 40; i++)); do echo "{\"url\":\"/generate\",\"json\":{\"video_id\":\"r$i\",\"prompt\":\"p\"},\"idempotency_key\":true}"; done >r.jsonl
run --retries 0 -H 'X-Mine: secret' --connect-timeout 20 r.jsonl
check "some failed" is $status 1
failed=$(tally failed)
check "the options are noted" has out.jsonl.journal '"--retries=0","--connect-timeout=20"]'
check "but no secret" is "$(count out.jsonl.journal secret)" 0
errand retry out.jsonl
check "which must be given again" is $status 3
check "and that is said" has err 'errand retry: out.jsonl: --header of its run may be secret and is not in the journal; give it again'
errand retry out.jsonl --retry-failed timeout -H 'X-Mine: secret'
check "no other kind is sent" is "$(tail -n 1 err)" '{"successful":0,"failed":0,"total_processed":0}'
errand retry out.jsonl --retry-failed http_server,timeout -H 'X-Mine: secret'
check "all that failed is sent" is "$(tally total_processed)" "$failed"
check "once, as --retries says" is "$(sed -n 's/.*"attempts":\([0-9]*\).*"run":[0-9]*}$/\1/p' out.jsonl | sort -u)" 1
errand retry --retries=20 out.jsonl -H 'X-Mine: secret'
check "other options are possible" is $status 0
check "then all is well" is "$(sed -n 's/^{"seq":\([0-9]*\),.*"ok":true.*/\1/p' out.jsonl | sort -n)" "$(seq 40)"
errand run -q --base-url "$url" <<<'{"url":"/stats"}'
check "each key was made once" has out '"keyed":'
check "and the work was done once" keyed_once
(cd / && "$ERRAND" retry "$OLDPWD/out.jsonl" 2>"$OLDPWD/err")
check "in another folder" has err "its run was in $PWD; go there first"
errand retry
check "a file is wanted" is $status 2
errand retry out.jsonl other.jsonl
check "only one" has err 'errand retry: one file of results is wanted; see "errand retry --help"'
errand retry nowhere.jsonl
check "no journal to go by" is $status 3
errand run --base-url "$url" -o s2.jsonl <<<'{"url":"/healthz"}'
errand retry s2.jsonl
check "jobs from a pipe are gone" has err 's2.jsonl: its jobs came from standard input'
errand run -o x --resume --retry-failed timeuot a.jsonl
check "a kind is checked" has err '--retry-failed: "timeuot" is no kind of error: did you mean timeout?'
errand run --retry-failed all a.jsonl
check "--retry-failed needs --resume" is $status 2
stop_demo
start_demo --delay-ms 1

# a full disk: a limit on the size of files has the same effect
rm -f out.jsonl*
for ((i = 0; i < 200; i++)); do echo "{\"url\":\"/healthz\",\"id\":$i}"; done >many.jsonl
(ulimit -f 8; trap '' XFSZ; "$ERRAND" run --base-url "$url" -o out.jsonl many.jsonl >out 2>err)
check "results that cannot be written" is $? 4
check "are said to be" has err 'cannot write out.jsonl: File too large'
check "the file ends with a whole line" is "$(tail -c 1 out.jsonl | od -An -c | tr -d ' ')" '\n'
run --resume many.jsonl
check "the rest is done later" is $status 0
check "each job once" is "$(sed 's/^{"seq":\([0-9]*\).*/\1/' out.jsonl | sort -n)" "$(seq 200)"
rm -f out.jsonl*
echo "$post" | sed 's/"v"/"late"/' >d.jsonl
run d.jsonl
for ((i = 0; i < 200; i++)); do echo '{"unsent":"0123456789abcdef","seq":7}'; done >>out.jsonl.journal
truncate -s +100 out.jsonl.journal # a torn line of zeros, as a crash of the system may leave
echo "$post" | sed 's/"v"/"later"/' >>d.jsonl
(ulimit -f 7; trap '' XFSZ; "$ERRAND" run --base-url "$url" -o out.jsonl --resume d.jsonl >out 2>err)
check "a journal that cannot be written" is $? 4
check "is said to be" has err 'out.jsonl.journal: File too large'
check "no result is made up" lines out.jsonl 1
run --resume d.jsonl
check "nothing is lost" is "$(tail -n 1 err)" '{"successful":1,"failed":0,"total_processed":1}'
errand run -q --base-url "$url" <<<'{"url":"/stats"}'
check "and nothing was sent twice" has out '"unkeyed_work_repeats":0'
finish
