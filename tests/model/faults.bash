#!/bin/bash
# Checks that the model finds faults. Each fault is a plausible mistake in one file of the library.
# The model is linked with a faulty copy of that file, and the named suite must fail with a
# schedule. Sourced by faults_*.sh, one for each group of suites. What finds a fault is the model, not
# a sanitizer, so this runs in builds without one and with storms of full size.
set -eu
cd "$top_builddir"
[ "${SANITIZER-no}" = no ] || { echo "left out with a sanitizer"; exit 77; }
case ${ERRAND_TEST_SCALE-1} in 0*) echo "left out where the storms are small"; exit 77 ;; esac
scratch=$(mktemp -d "${TMPDIR:-/tmp}/errand-faults.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export ERRAND_TEST_SCALE=0.1 CK_VERBOSITY=normal # two preemptions are enough for all but one
export MODEL_STEPS=2000000 # steps of each scenario; a count, so that the load of the machine plays no role
lost=0

fault() { # NAME FILE SUITE SED-ARGUMENT...
    local name=$1 file=$2 suite=$3 source kept said
    shift 3
    mkdir -p "$scratch/$(dirname "$file")"
    sed "$@" "$top_srcdir/lib/$file" >"$scratch/$file"
    if cmp -s "$top_srcdir/lib/$file" "$scratch/$file"; then
        echo "the fault no longer applies: $name"
        lost=1
        return
    fi
    source=$scratch/$file
    kept=$(basename "$file" .c)
    if [ "$file" = base/os.c ]; then source=$top_srcdir/tests/model/real.c kept=real; fi
    # shellcheck disable=SC2086,SC2046 # several flags
    ${CC:-cc} -std=gnu11 -O1 -pthread -D_GNU_SOURCE -DER_WORDS='"model/words.h"' -I"$scratch" \
        -I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/tests" ${CHECK_CFLAGS-} -o "$scratch/check_model" "$source" \
        $(tr ' ' '\n' <<<"$MODEL_OBJECTS" | grep -v "check_model-$kept\.o") \
        -Wl,--wrap=clock_gettime,--wrap=syscall ${CHECK_LIBS-}
    said=$(CK_DEFAULT_TIMEOUT=0 CK_RUN_SUITE=$suite "$scratch/check_model" 2>&1) && said=
    if grep -q "^the schedule:" <<<"$said"; then
        printf 'found: %-45s %s\n' "$name" "$(grep -m 1 -B 1 "^the schedule:" <<<"$said" | head -1)"
    else
        echo "not found: $name"
        lost=1
    fi
}
