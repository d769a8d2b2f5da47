# The table of options, the command line, --help and errand(1) say the same: no option is missing in one of them, and none has too many.
. "$top_srcdir/tests/tools/asserts.sh"
export LC_ALL=C # the order of sort

made() { # the path of a file that the build has made, or that came with the distribution
    [ -e "$top_builddir/tools/errand/$1" ] && echo "$top_builddir/tools/errand/$1" || echo "$top_srcdir/tools/errand/$1"
}

"$OPTIONS_DOC" list >table
check "there are options" test "$(wc -l <table)" -ge 14
errand run --help
cp out help
page=$(made errand.1)
sed -n '/^\.Sh OPTIONS/,/^\.Sh INPUT/p' "$page" >options

"$OPTIONS_DOC" list | grep -E ' ([a-z]+,)*run(,|$)' | cut -d' ' -f1 | sort >of_run
for command in retry plan try; do
    errand $command --help
    check "$command --help" is $status 0
    check "$command --help names no option that it has not" \
        is "$(grep -oE -- '--[a-z][a-z0-9-]+' out | sed 's/^--//' | sort -u | grep -vx help |
            comm -23 - <(grep -E " ([a-z]+,)*$command(,|\$)" table | cut -d' ' -f1 | sort))" ""
done
while read -r name letter value commands; do
    [ "$value" != - ] || value=
    [ "$letter" = - ] && letter= || letter="-$letter"
    case ,$commands, in
    *,run,*) ;;
    *)
        check "errand(1) has --$name" \
            grep -qFx -- ".It ${letter:+Fl $letter${value:+ Ar $value} , }Fl -$name${value:+ Ar $value}" options
        check "help of ${commands%%,*} has --$name" \
            grep -qE -- "^ +--$name${value:+ $value}( |\$)" <("$ERRAND" "${commands%%,*}" --help)
        errand "${commands%%,*}" "--$name${value:-=x}"
        check "errand ${commands%%,*} knows --$name" is $status 2
        errand run "--$name"
        check "errand run says where --$name belongs" has err "option --$name is not one of errand run, but of ${commands//,/, }"
        continue
        ;;
    esac
    check "help has --$name" grep -qE -- "^  ${letter:+$letter,} +--$name${value:+ $value}( |\$)" help
    check "errand(1) has --$name" \
        grep -qFx -- ".It ${letter:+Fl ${letter#-}${value:+ Ar $value} , }Fl -$name${value:+ Ar $value}" options
    case $name in
    help | version) continue ;;
    esac
    if [ -n "$value" ]; then
        errand run "--$name"
        check "the command line knows --$name and its value" has err "option --$name wants a value, $value"
        [ -z "$letter" ] || errand run "$letter"
        [ -z "$letter" ] || check "the command line knows $letter and its value" has err "option $letter wants a value, $value"
    else
        errand run "--$name=x"
        check "the command line knows --$name, which takes no value" has err "option --$name takes no value"
        [ -z "$letter" ] || errand run -q "$letter" </dev/null
        [ -z "$letter" ] || check "the command line knows $letter" is $status 0
    fi
done <table

check "help has no other option" is "$(sed -nE 's/^  (-., |    )--([a-z0-9-]+).*/\2/p' help | sort)" "$(cat of_run)"
check "errand(1) has no other option" is "$(sed -nE 's/^\.It .*Fl -([a-z0-9-]+).*/\1/p' options | sort)" "$(cut -d' ' -f1 table | sort)"
check "errand(1) names no option that is not there" \
    is "$(grep -oE '(Fl -|--)[a-z][a-z0-9-]+' "$page" | sed -E 's/^(Fl -|--)//' | sort -u | comm -23 - <(cut -d' ' -f1 table | sort))" ""
check "help names no option that is not there" \
    is "$(grep -oE -- '--[a-z][a-z0-9-]+' help | sed 's/^--//' | sort -u | comm -23 - <(cut -d' ' -f1 table | sort))" ""
check "errand(1) has its sections in order" is "$(sed -n 's/^\.Sh //p' "$page" | paste -sd,)" \
    "NAME,SYNOPSIS,DESCRIPTION,OPTIONS,INPUT,OUTPUT,RETRIES,RESUMING,PLANS AND TRIES,ENVIRONMENT,FILES,EXIT STATUS,SIGNALS,EXAMPLES,SEE ALSO"

check "errand(1) was made from this table" is "$("$OPTIONS_DOC" man)" "$(sed -n '/^\.Ss Limits/,/^\.Sh INPUT/p' "$page" | sed '$d')"
"$OPTIONS_DOC" nonsense 2>err
check "options-doc refuses a form that it does not know" is $? 2
"$OPTIONS_DOC" man >/dev/full 2>err
check "options-doc reports that it cannot write" is $? 4

# Pages of curl, jq and the jobs need not be installed where this one is checked.
if command -v mandoc >/dev/null; then
    mandoc -T lint "$page" 2>&1 | grep -vE 'referenced manual not found|outdated mandoc.db' >out
    check "mandoc finds nothing in errand(1)" empty out
else
    echo "no mandoc: errand(1) is not checked by it"
fi
finish
