#!/bin/bash
# Promises, and futures of futures. See faults.bash.
. "$top_srcdir/tests/model/faults.bash"

fault "resolve does not wait for the hook" async/promise.c promises \
    -e '/p->hook = NULL;/{n;s/wait_for_calls(p);//}'
fault "a hook that has been called is called again" async/promise.c promises \
    -e 's/p->called = true;/p->called = false;/'
fault "the timeout ends before its input is cancelled" async/timeout.c combined \
    -e '/^static void end_early/,/^}/{s/^    if (f) r = er_cell_leave.*$/    if (!f) er_result_may_have_run(\&r);/;/^    else er_result/d;s/^    if (f) er_cell_release(f);$/    if (f) er_cell_leave(f, reason, (errand_result){ 0 });\n&/;}'
fault "the reference of a disarmed timer is lost" async/timeout.c combined \
    -e 's/if (er_timer_disarm(l->cell.pool, &l->timer)) er_cell_release(&l->cell);/er_timer_disarm(l->cell.pool, \&l->timer);/'
fault "an input is released before its link is reset" async/timeout.c combined \
    -e '/^static void limited_ended/,/^}/{s/^    er_cell_link(&l->cell, &l->input, NULL);$//;s/^    er_cell_release(f);$/&er_cell_link(\&l->cell, \&l->input, NULL);/}'
fault "a quorum takes an input that ended too late" async/gather.c combined \
    -e 's/bool counts = er_load_relaxed(&m->decides) == m->n;.*/bool counts = true;/'
exit $lost
