/* tests/model/parking.c -- the lock and the parker of base/os.c on futexes. */
#include "model.h"

#include "real.h"

#include "base/clock.h"

typedef struct world {
    er_lock lock;
    bool inside;
    unsigned sum;
    er_parker *parker; /* on the waiter's stack; NULL: not parked */
    uint32_t bits;     /* that ended the wait */
    unsigned set;      /* bits that were set for certain before the wait was over */
} world;

static void begin_nothing(void *arg) { (void)arg; }

/* ---- lock ---- */

static void add_one(void *arg)
{
    world *w = arg;
    real_lock_take(&w->lock);
    holds(!er_load(&w->inside));
    er_store(&w->inside, true);
    w->sum++;
    er_store(&w->inside, false);
    real_lock_give(&w->lock);
}

static void add_two(void *arg)
{
    add_one(arg);
    add_one(arg);
}

static void two_were_added(void *arg)
{
    world *w = arg;
    holds(w->lock.word == 0);
    holds(w->sum == 3);
}

START_TEST(a_lock_excludes_and_wakes_the_next)
{
    model_run(&(model_scenario){
        .name = "lock of os.c, two threads",
        .world = sizeof(world),
        .begin = begin_nothing,
        .threads = { { "first", add_two }, { "second", add_one } },
        .end = two_were_added });
    model_run(&(model_scenario){
        .name = "lock of os.c, three threads",
        .world = sizeof(world),
        .begin = begin_nothing,
        .threads = { { "first", add_one }, { "second", add_one }, { "third", add_one } },
        .end = two_were_added });
}
END_TEST

/* ---- parker ---- */

enum { RED = 1, BLUE = 2, LATER = 4 };

/* The parker's stack frame is left as soon as both bits have come; each is awaited separately or
 * with the other. */
static void wait_for_both(world *w, int64_t deadline_ns)
{
    er_parker here = { 0 };
    er_store(&w->parker, &here);
    uint32_t bits = real_park(&here, RED, deadline_ns);
    holds(bits & RED || deadline_ns != INT64_MAX);
    while (!(real_park(&here, RED, INT64_MAX) & RED)) continue; /* it will come */
    real_parker_clear(&here, RED);
    bits = real_park(&here, BLUE, INT64_MAX);
    holds(bits & BLUE && !(bits & RED));
}

static void wait_long(void *arg) { wait_for_both(arg, INT64_MAX); }
static void wait_shortly(void *arg) { wait_for_both(arg, MODEL_NOW + ER_MS); }

static er_parker *parker_of(world *w)
{
    er_parker *parker;
    unsigned turns = 0;
    while (!(parker = er_load(&w->parker))) er_relax(&turns);
    return parker;
}

static void set_red(void *arg) { real_unpark(parker_of(arg), RED); }
static void set_blue(void *arg) { real_unpark(parker_of(arg), BLUE); }
static void nothing_more(void *arg) { (void)arg; }

START_TEST(a_woken_thread_may_free_its_parkers_stack)
{
    model_run(&(model_scenario){
        .name = "parker of os.c, two bits",
        .world = sizeof(world),
        .begin = begin_nothing,
        .threads = { { "waiter", wait_long }, { "red", set_red }, { "blue", set_blue } },
        .end = nothing_more,
        .time = true });
    model_run(&(model_scenario){
        .name = "parker of os.c, a deadline",
        .world = sizeof(world),
        .begin = begin_nothing,
        .threads = { { "waiter", wait_shortly }, { "red", set_red }, { "blue", set_blue } },
        .end = nothing_more,
        .time = true });
}
END_TEST

/* A bit that came before the deadline had passed is not lost, and without one the
 * deadline ends the wait. */
static void wait_once(void *arg)
{
    world *w = arg;
    er_store(&w->bits, real_park(&(er_parker){ 0 }, RED, MODEL_NOW + ER_MS));
}

static void it_was_late(void *arg) { holds(((world *)arg)->bits == 0); }

START_TEST(a_deadline_ends_parking)
{
    model_run(&(model_scenario){
        .name = "parker of os.c, no wake",
        .world = sizeof(world),
        .begin = begin_nothing,
        .threads = { { "waiter", wait_once } },
        .end = it_was_late,
        .time = true });
}
END_TEST

Suite *parking_suite(void)
{
    Suite *suite = suite_create("parking");
    TCase *tc = tcase_create("parking");
    tcase_add_test(tc, a_lock_excludes_and_wakes_the_next);
    tcase_add_test(tc, a_woken_thread_may_free_its_parkers_stack);
    tcase_add_test(tc, a_deadline_ends_parking);
    suite_add_tcase(suite, tc);
    return suite;
}
