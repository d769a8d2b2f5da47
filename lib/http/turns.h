/* http/turns.h -- giving turns, and carrying them out: who may go out goes. */
#ifndef ER_TURNS_H
#define ER_TURNS_H

#include "http/perform.h"

typedef struct er_turns { /* on their way */
    er_list exchanges, performs;
} er_turns;

/* Gives all turns that can be given: those of lane `here` into mine (both may be NULL), the others into *out. Under the session's
 * lock. True: *out is to be carried out when the lock has been given back. */
bool er_turns_give(errand_http *http, er_lane *here, er_list *mine, er_turns *out);
void er_turns_carry_out(errand_http *http, er_turns *out); /* and gives what turns come of it */

#endif
