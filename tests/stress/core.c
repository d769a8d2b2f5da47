/* tests/stress/core.c -- random programs over the whole public interface of
 * the core: see round.c. */
#include "stress/round.h"
#include "stress/scarcity.h"
#include "stress/watchdog.h"

enum { ROUNDS = 400 };

int main(int argc, char **argv)
{
    scarcity_spare(true);
    return stress_main(argc, argv, &(stress){ "stress_core", ROUNDS, round_play, round_dump });
}
