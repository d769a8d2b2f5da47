/* tests/stress/http.c -- random programs over HTTP sessions, with servers that do anything.
 *
 * A round of round.c with requests as leaves: sent through sessions of the round's pools (web.c),
 * answered in any way (answer.c), and checked when they end (ask.c). So they are composed, awaited,
 * dropped, cancelled, run late, out of memory, or with their session closed, as all futures there.
 * At the end no file, descriptor or thread is left that was not there before. */
#include "stress/round.h"
#include "stress/scarcity.h"
#include "stress/web.h"

#include <dirent.h>

enum { ROUNDS = 120 };

static errand_future *leaf(scene *s)
{
    ask *a;
    if (dice_one_in(&s->d, 12)) return ask_lane(s);
    errand_future *f = ask_some(s, &a);
    if (!f || dice_one_in(&s->d, 3)) return f; /* its result is not checked */
    return errand_then(f, ask_then, ledger_add(ENTRY_THEN, a->number));
}

/* Sends, awaits and checks a request. */
static void ask_and_look(scene *s)
{
    ask *a;
    errand_frame frame;
    errand_future *f = ask_some(s, &a);
    if (!f) return;
    if (dice_one_in(&s->d, 4)) hand_out_canceller(&s->d, f);
    if (dice_one_in(&s->d, 8)) errand_cancel(f);
    bool framed = frame_begin(s, &frame);
    if (s->waits && dice_one_in(&s->d, 4) && errand_wait(f, dice_below(&s->d, 5))) errand_cancel(f);
    errand_result r = errand_await(f);
    if (framed) errand_leave(&frame);
    ask_look(a, &r, s);
    errand_result_free(&r);
}

static void act_on_web(scene *s)
{
    if (dice_one_in(&s->d, 6) || !s->waits) web_act(s);
    else ask_and_look(s);
}

/* ---- leftovers of a round ---- */

static unsigned entries_of(const char *path)
{
    unsigned n = 0;
    DIR *folder = opendir(path);
    HOLDS(folder, "no %s", path);
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

static void play(uint64_t seed)
{
    unsigned descriptors = entries_of("/proc/self/fd"), threads = entries_of("/proc/self/task");
    round_play(seed);
    while (entries_of("/proc/self/fd") > descriptors || entries_of("/proc/self/task") > threads)
        nap(); /* the watchdog limits this */
}

int main(int argc, char **argv)
{
    static const guest sessions = { web_open, act_on_web, leaf, web_close, web_let_go, web_check };
    world_guest = &sessions;
    scarcity_spare(true);
    return stress_main(argc, argv, &(stress){ "stress_http", ROUNDS, play, round_dump });
}
