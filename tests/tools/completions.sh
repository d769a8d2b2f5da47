# The completions for bash, and for zsh and fish where these are installed: loaded by the shell, and
# queried.
. "$top_srcdir/tests/tools/asserts.sh"
export LC_ALL=C # the order of sort
completions=$top_builddir/tools/errand/completions
[ -e "$completions/errand" ] || completions=$top_srcdir/tools/errand/completions
for form in bash:errand zsh:_errand fish:errand.fish; do
    check "${form#*:} was made from this table" cmp <("$OPTIONS_DOC" "${form%:*}") "$completions/${form#*:}"
done
touch jobs1.jsonl jobs2.jsonl 'jobs 3.jsonl'
long_of() { "$OPTIONS_DOC" list | grep -E " ([a-z]+,)*$1(,|\$)" | awk '{ print "--" $1 }' | sort; }
long=$(long_of run)

# ---- bash ----
check "bash reads it" bash -n "$completions/errand"
cat >ask.bash <<'END'
set -u
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
[[ $(complete -p errand) = *"-F _errand errand" ]] || exit 1
_errand errand "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}" | sort
END
asked() { # WANTED WORD...: what bash offers for the last word
    local wanted=$1 got
    shift
    got=$(bash --norc ask.bash "$completions/errand" "$@" | paste -sd,)
    check "bash completes: $*" is "$got" "$wanted"
}
asked --request errand run --req
asked --request errand run -j 4 --req
asked '--help,--version,-h,help,plan,retry,run,try' errand ''
asked run errand ru
asked plan,retry,run,try errand help ''
asked '' errand help run ''
asked '' errand run --jobs ''
asked '' errand run --jobs -
asked 'always,auto' errand run --progress a
asked 'always,auto,json,never' errand run --progress = # --progress=
asked never errand run --progress = n
asked '' errand run --progress x
asked 'jobs 3.jsonl,jobs1.jsonl,jobs2.jsonl' errand run job
asked jobs2.jsonl errand run --log jobs2
asked jobs2.jsonl errand run --log = jobs2
asked 'jobs1.jsonl' errand run -- jobs1
asked '' errand run -- --re
asked '' errand --help ''
for command in run retry plan try; do
    check "bash knows every long option of $command" \
        is "$(bash --norc ask.bash "$completions/errand" errand $command -- | sort)" "$(long_of $command)"
done
asked --show,--show-secrets errand plan --sho
asked --show-secrets errand try --sho
asked '' errand run --sho
asked json errand plan --report j

# ---- fish ----
asked_fish() { # WANTED LINE
    local got
    got=$(fish --no-config -c "source $completions/errand.fish; complete -C '$2'" </dev/null | cut -f1 | sort | paste -sd,)
    check "fish completes: $2" is "$got" "$1"
}
if command -v fish >/dev/null; then
    export HOME=$folder # fish keeps files of its own there
    check "fish reads it" fish --no-config -n "$completions/errand.fish"
    asked_fish --request 'errand run --req'
    asked_fish help,plan,retry,run,try 'errand '
    asked_fish plan,retry,run,try 'errand help '
    asked_fish always,auto,json,never 'errand run --progress '
    asked_fish --progress=always,--progress=auto 'errand run --progress=a'
    asked_fish '' 'errand run --jobs '
    asked_fish jobs1.jsonl 'errand run jobs1'
    asked_fish jobs1.jsonl 'errand run --log jobs1'
    asked_fish --show,--show-secrets 'errand plan --sho'
    asked_fish --show-secrets 'errand try --sho'
    check "fish knows every long option" \
        is "$(fish --no-config -c "source $completions/errand.fish; complete -C 'errand run --'" </dev/null | cut -f1 | sort)" "$long"
else
    echo "no fish: its completions are not tried"
fi

# ---- zsh: only an interactive one completes, so it gets a terminal of its own ----
cat >ask.zsh <<'END'
zmodload zsh/zpty
zpty shell TERM=dumb zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; stty cols 200 rows 200; LISTMAX=500; echo 'rea''dy'"
zpty -r shell output '*ready*' || exit 1
zpty -w -n shell "$2"$'\t\t'
zpty -r shell output "*$3*"
END
asked_zsh() { # WANTED LINE: within what is on the terminal then
    check "zsh completes: $2" timeout 60 zsh -f ask.zsh "$completions" "$2" "$1"
}
if command -v zsh >/dev/null; then
    check "zsh reads it" zsh -f -n "$completions/_errand"
    asked_zsh '--request' 'errand run --req'
    asked_zsh 'explain a command*send requests' 'errand '
    asked_zsh '--show-secrets' 'errand try --sho'
    asked_zsh 'help run' 'errand help ru'
    asked_zsh 'always*auto*never' 'errand run --progress='
    asked_zsh 'jobs1.jsonl' 'errand run jobs1'
    asked_zsh 'jobs2.jsonl' 'errand run --log jobs2'
    asked_zsh 'run at most N jobs*show the version' 'errand run -'
else
    echo "no zsh: its completions are not tried"
fi
finish
