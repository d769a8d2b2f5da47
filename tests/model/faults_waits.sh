#!/bin/bash
# Waiting, timers, locks. See faults.bash.
. "$top_srcdir/tests/model/faults.bash"

fault "a wait is published after checking for a cancel" async/park.c waits \
    -e 's/= task ? er_block(task, wait) : NULL;/= NULL;/' \
    -e 's/^    mask |= ER_LATE;$/& if (task) outer = er_block(task, wait);/'
fault "the stack is left while the wake-up is on its way" async/future.c waits \
    -e '/^    if (er_cell_unwatch(f, &w.waiter)) return bits;$/{n;d}'
fault "a timer is armed without waking its thread" async/timer.c waits \
    -e 's/^    if (wake) er_unpark(&t->parker, WAKE);$//'
fault "a disarmed timer is still called" async/timer.c waits \
    -e '/^bool er_timer_disarm/,/^}/{s/er_wheel_remove(&t->wheel, &timer->node);//}'
fault "setting a parker's bit overwrites others" base/os.c parking \
    -e 's/if (!er_cas(&parker->word, &seen, seen | ER_PARKED)) continue;/er_store(\&parker->word, seen | ER_PARKED);/'
fault "a woken thread forgets the lock's other sleepers" base/os.c parking \
    -e 's/er_swap_acquire(&lock->word, 2)/er_swap_acquire(\&lock->word, 1)/'
fault "a wait set is not woken by a future that has just ended" async/waitset.c waits \
    -e 's/if (!er_cell_watch(fs\[i\], &set->members\[i\].waiter)) member_ended/if (false) member_ended/'
fault "a wait set leaves a waiter linked" async/waitset.c waits \
    -e 's/if (er_cell_unwatch(fs\[i\], &set->members\[i\].waiter)) er_cell_release/if (true) er_cell_release/'
exit $lost
