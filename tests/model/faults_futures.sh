#!/bin/bash
# Promises, and futures of futures. See faults.bash.
. "$top_srcdir/tests/model/faults.bash"

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
exit $lost
