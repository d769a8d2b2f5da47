#!/bin/bash
# Can the model find anything? Each fault here is a plausible mistake in one file of the library. The file is copied with it, the
# model is linked with that copy, and the suite that watches over this file must fail with a schedule.
set -eu
cd "$top_builddir"
case ${SANITIZER-no} in *thread*) exit 77 ;; esac
scratch=$(mktemp -d "${TMPDIR:-/tmp}/errand-faults.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export ERRAND_TEST_SCALE=0.1 CK_VERBOSITY=normal # two preemptions are enough for all but one
lost=0

fault() { # NAME FILE SUITE SED-ARGUMENT...
    local name=$1 file=$2 suite=$3 source kept said
    shift 3
    mkdir -p "$scratch/$(dirname "$file")"
    sed "$@" "$top_srcdir/lib/$file" >"$scratch/$file"
    if cmp -s "$top_srcdir/lib/$file" "$scratch/$file"; then
        echo "the fault fits no more: $name"
        lost=1
        return
    fi
    source=$scratch/$file
    kept=$(basename "$file" .c)
    if [ "$file" = base/os.c ]; then source=$top_srcdir/tests/model/real.c kept=real; fi
    # shellcheck disable=SC2086,SC2046 # several flags
    ${CC:-cc} -std=gnu11 -O1 -pthread -D_GNU_SOURCE -DER_WORDS='"model/words.h"' ${SANITIZER_FLAGS-} -I"$scratch" \
        -I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/tests" ${CHECK_CFLAGS-} -o "$scratch/check_model" "$source" \
        $(ls lib/*/*check_model-*.o tests/model/*check_model-*.o | grep -v "check_model-$kept\.o") \
        -Wl,--wrap=clock_gettime,--wrap=syscall ${CHECK_LIBS-}
    said=$(CK_DEFAULT_TIMEOUT=60 CK_RUN_SUITE=$suite "$scratch/check_model" 2>&1) && said=
    if grep -q "^the schedule:" <<<"$said"; then
        printf 'found: %-45s %s\n' "$name" "$(grep -m 1 -B 1 "^the schedule:" <<<"$said" | head -1)"
    else
        echo "not found: $name"
        lost=1
    fi
}

fault "ends without the lock while it is held" core/cell.c cells \
    -e 's/while (!(seen & (ER_LOCKED | ER_WATCHED)) \&\& !er_cas/while (!(seen \& ER_WATCHED) \&\& !er_cas/' \
    -e 's/^    if (seen & (ER_LOCKED | ER_WATCHED)) {/    if (seen \& ER_WATCHED) {/'
fault "does not look again under the lock" core/cell.c cells \
    -e 's/bool ended = er_load(&cell->state) & ER_ENDED;/bool ended = false;/'
fault "drops without looking whether it has ended" core/cell.c cells \
    -e 's/^    if (er_or(&cell->state, ER_DROPPED) & ER_ENDED)/    bool ended = er_cell_ended(cell); er_or(\&cell->state, ER_DROPPED);\n    if (ended)/'
fault "claims by a load and a store" core/cell.c cells \
    -e 's/return !(er_or(&cell->state, ER_CLAIMED) & ER_CLAIMED);.*/if (er_load(\&cell->state) \& ER_CLAIMED) return false; er_or(\&cell->state, ER_CLAIMED); return true;/'
fault "an abandoned one that has ended stays counted" core/cell.c cells \
    -e 's/er_or(&cell->state, ER_UNHEARD) & (ER_ENDED | ER_UNHEARD)/er_or(\&cell->state, ER_UNHEARD) \& ER_UNHEARD/'
fault "resolve does not wait for the hook" core/promise.c promises \
    -e '/p->hook = NULL;/{n;s/wait_for_calls(p);//}'
fault "a hook that has been called is called again" core/promise.c promises \
    -e 's/p->told = true;/p->told = false;/'
fault "the outer one ends before its input is told" core/combine.c combined \
    -e 's/^    er_cell_end(&l->cell, leave(f, reason, r));$/    er_cell_end(\&l->cell, r); leave(f, reason, (errand_result){ 0 });/'
fault "the count of a timer that was disarmed is lost" core/combine.c combined \
    -e 's/if (er_timer_disarm(l->cell.pool, &l->timer)) er_cell_release(&l->cell);/er_timer_disarm(l->cell.pool, \&l->timer);/'
fault "an input is given up before its link is reset" core/combine.c combined \
    -e '/^static void limited_ended/,/^}/{s/^    er_cell_link(&l->cell, &l->input, NULL);$//;s/^    er_cell_release(f);$/&er_cell_link(\&l->cell, \&l->input, NULL);/}'
fault "nobody looks into the inbox once the gate has changed" core/queue.c pools \
    -e 's/if (!er_inbox_holds(&pool->inbox)) continue;/continue;/'
fault "the gate is looked at before the push" core/queue.c pools \
    -e 's/^    if (!er_inbox_put(/    uint32_t gate = er_load(\&pool->gate);&/' \
    -e 's/^    uint32_t gate = er_load(&pool->gate);$//'
fault "the closer is not told of a task that was taken out" core/queue.c pools \
    -e '/^    if (late && er_at_rest(pool)) er_tell_watchers(pool);/d'
ERRAND_TEST_SCALE=1 fault "a worker of a closed pool takes what slipped in" core/queue.c pools \
    -e 's/bool closed = pool->phase == ER_CLOSED;/bool closed = false;/'
fault "who parks goes on being the searcher" core/worker.c pools \
    -e 's/^        if (w->searching) w->searching = pool->searching = false;$//'
fault "a wait is published after looking whether it is told" core/waiting.c waits \
    -e 's/task->blocked = wait;/(void)0;/' \
    -e 's/^    mask |= ER_LATE;$/& if (task) { er_cell_lock(\&task->cell); task->blocked = wait; er_cell_unlock(\&task->cell); }/'
fault "the stack is left while the wake-up is on its way" core/future.c waits \
    -e '/^    if (er_cell_unwatch(f, &w.waiter)) return bits;$/{n;d}'
fault "a timer is armed without waking its thread" core/timer.c waits \
    -e 's/^    if (wake) er_unpark(&t->parker, WAKE);$//'
fault "a disarmed timer is called all the same" core/timer.c waits \
    -e '/^bool er_timer_disarm/,/^}/{s/er_wheel_remove(&t->wheel, &timer->node);//}'
fault "a parker's bit is set over what has come meanwhile" base/os.c parking \
    -e 's/if (!er_cas(&parker->word, &seen, seen | ER_PARKED)) continue;/er_store(\&parker->word, seen | ER_PARKED);/'
fault "who slept on the lock forgets those who still do" base/os.c parking \
    -e 's/er_swap_acquire(&lock->word, 2)/er_swap_acquire(\&lock->word, 1)/'
exit $lost
