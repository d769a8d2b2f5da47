#!/bin/bash
# The cell. See faults.bash.
. "$top_srcdir/tests/model/faults.bash"

fault "ends without the lock while it is held" async/cell.c cells \
    -e 's/while (!(seen & (ER_LOCKED | ER_WATCHED)) \&\& !er_cas/while (!(seen \& ER_WATCHED) \&\& !er_cas/' \
    -e 's/^    if (seen & (ER_LOCKED | ER_WATCHED)) {/    if (seen \& ER_WATCHED) {/'
fault "does not check again under the lock" async/cell.c cells \
    -e 's/bool ended = er_load(&cell->state) & ER_ENDED;/bool ended = false;/'
fault "drops without checking whether it has ended" async/cell.c cells \
    -e 's/^    if (er_or(&cell->state, ER_DROPPED) & ER_ENDED)/    bool ended = er_cell_ended(cell); er_or(\&cell->state, ER_DROPPED);\n    if (ended)/'
fault "claims by a load and a store" async/cell.c cells \
    -e 's/return !(er_or(&cell->state, ER_CLAIMED) & ER_CLAIMED);.*/if (er_load(\&cell->state) \& ER_CLAIMED) return false; er_or(\&cell->state, ER_CLAIMED); return true;/'
fault "an abandoned cell that has ended stays counted" async/cell.c cells \
    -e 's/er_or(&cell->state, ER_ABANDONED) & (ER_ENDED | ER_ABANDONED)/er_or(\&cell->state, ER_ABANDONED) \& ER_ABANDONED/'
exit $lost
