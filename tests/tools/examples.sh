# The examples that need a service.
. "$top_srcdir/tests/tools/asserts.sh"
example() { # NAME ARGUMENT...
    local program=$top_builddir/tools/examples/$1
    [ ! -x "${program%/*}/.libs/$1" ] || program=${program%/*}/.libs/$1 # as asserts.sh does with errand
    shift
    "$program" "$@" >out 2>err
    status=$?
}

start_demo --port 0 --slow-ms 20
example streaming "$url/events"
check "a stream is read to its end" is $status 0
check "every event is printed" is "$(tr '\n' ' ' <out)" " 20%  40%  60%  80%  100% "
example streaming "$url/nowhere"
check "a stream that is not there fails" is $status 1
check "and says why" has err "HTTP 404"

seq 1 1000 >file
example uploads "$url/uploads" file
check "all three are sent" is $status 0
check "the file arrives whole" has out "file: {\"bytes\":$(wc -c <file),\"type\":\"text/plain\"}"
check "the form is multipart" has out '"type":"multipart/form-data'
check "the body that is made arrives whole" has out 'made: {"bytes":100000'
example uploads "$url/uploads" nowhere
check "a file that is not there fails" is $status 1
check "and is named" has out nowhere
finish
