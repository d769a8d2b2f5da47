#!/bin/bash
# `make lint`: holds that all C and C++ is as clang-format has it, and runs two analysers on
# lib/ and tools/ (except the bench, which needs its peers' headers): clang-tidy with the checks of
# .clang-tidy, and gcc's -fanalyzer. All must be silent. What is not installed is skipped and
# reported; with LINT_ALL=yes that is a failure. `make format` (--format) formats instead.
#
# gcc 12's analyser follows neither list nodes back to their structs nor reference counts. Its
# warnings about NULL and uninitialised values are wrong for such code, so they are off; those about
# memory, files and signal handlers are on. In the demo service it reports values owned by json-c as
# leaked.
set -u
cd "$top_srcdir" || exit 1
export FLAGS CC
folder=$(mktemp -d "${TMPDIR:-/tmp}/errand-lint-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
export folder failed=0 done=0
sources=$(find lib tools -name '*.c' ! -path 'tools/bench/*' | sort)
[ "${WITH_HTTP:-yes}" = yes ] || sources=$(find lib/base lib/log lib/async lib/policy -name '*.c' | sort)

tidy() { clang-tidy --quiet "$1" -- $FLAGS 2>/dev/null; } # stderr has its count of suppressed warnings
analyse() {
    $CC $FLAGS -O1 -fanalyzer -Wno-analyzer-null-dereference -Wno-analyzer-null-argument \
        -Wno-analyzer-use-of-uninitialized-value -Werror -S -o /dev/null "$1"
}
try() { # TOOL FILE: prints its warnings
    "$1" "$2" >"$folder/$BASHPID" 2>&1 || { cat "$folder/$BASHPID"; return 1; }
}
export -f tidy analyse try

left_out() { # WHY
    echo "lint: $1: left out"
    [ "${LINT_ALL-no}" = no ] || failed=1
}

each() { # TOOL FILE...: several at a time
    local tool=$1 began=$SECONDS
    shift
    if printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 bash -c 'try "$0" "$1"' "$tool"; then :; else failed=1; fi
    echo "lint: $tool: $# files in $((SECONDS - began)) s"
    done=$((done + 1))
}

clang_format() { # ARGUMENT...: on all files except those that try the manual's generator
    find lib tools include tests \( -name '*.[ch]' -o -name '*.[ch]pp' \) ! -path 'tests/manual/*' \
        -print0 | xargs -0 clang-format "$@"
}

# Releases differ in how they break lines.
right_release() { clang-format --version 2>/dev/null | grep -q 'version 14\.'; }

if [ "${1-}" = --format ]; then
    right_release || { echo "format: clang-format 14 is not installed"; exit 1; }
    clang_format -i
    exit
fi
if right_release; then
    clang_format --dry-run --Werror --ferror-limit=3 || failed=1
    done=$((done + 1))
else
    left_out "clang-format 14 is not installed"
fi
# shellcheck disable=SC2086 # words
if command -v clang-tidy >/dev/null; then
    each tidy $sources
else
    left_out "clang-tidy is not installed"
fi
# shellcheck disable=SC2086
if echo 'int i;' | $CC -fanalyzer -x c -S -o /dev/null - 2>/dev/null; then
    each analyse $(grep -v '^tools/demo-server/' <<<"$sources")
else
    left_out "$CC has no -fanalyzer"
fi
[ "$done" -gt 0 ] || { echo "lint: no analyser is installed"; exit 1; }
exit "$failed"
