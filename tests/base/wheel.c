/* The list, and the timing wheel against a model that checks every timer. */
#include "bases.h"

#include "base/clock.h"
#include "base/wheel.h"

#include <stdlib.h>
#include <string.h>

typedef struct item {
    er_node node;
    int number;
} item;

static void holds(const er_list *list, const int *numbers, size_t n)
{
    size_t i = 0;
    for (const er_node *at = list->head.next; at != &list->head; at = at->next, i++) {
        ck_assert_uint_lt(i, n);
        ck_assert_int_eq(((const item *)(const void *)at)->number, numbers[i]);
        ck_assert_ptr_eq(at->next->prev, at);
    }
    ck_assert_uint_eq(i, n);
    ck_assert_int_eq(er_list_empty(list), n == 0);
}

START_TEST(a_list_keeps_its_order)
{
    er_list list, other;
    item items[5];
    er_list_init(&list);
    holds(&list, NULL, 0);
    ck_assert_ptr_null(er_list_first(&list));
    ck_assert_ptr_null(er_list_pop(&list));
    for (int i = 0; i < 5; i++) items[i] = (item){ .number = i };
    for (int i = 0; i < 4; i++) er_list_push(&list, &items[i].node);
    er_list_push_front(&list, &items[4].node);
    holds(&list, (int[]){ 4, 0, 1, 2, 3 }, 5);
    ck_assert(er_listed(&items[1].node));
    er_list_remove(&items[1].node);
    ck_assert(!er_listed(&items[1].node));
    holds(&list, (int[]){ 4, 0, 2, 3 }, 4);
    ck_assert_ptr_eq(er_list_pop(&list), &items[4].node);
    ck_assert(!er_listed(&items[4].node));
    ck_assert_ptr_eq(er_list_first(&list), &items[0].node);
    er_list_take_all(&other, &list);
    holds(&list, NULL, 0);
    holds(&other, (int[]){ 0, 2, 3 }, 3);
    er_list_take_all(&other, &list); /* an empty list: no effect */
    holds(&other, NULL, 0);
    ck_assert_ptr_eq(er_of(&items[2].node, item, node), &items[2]);
}
END_TEST

Suite *list_suite(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");
    tcase_add_test(tc, a_list_keeps_its_order);
    suite_add_tcase(suite, tc);
    return suite;
}

/* ---- the wheel ---- */

enum { TIMERS = 300 };
static const int64_t tick_ns = INT64_C(1) << ER_WHEEL_SHIFT;

typedef struct timer {
    er_wheel_node node;
    int64_t at_ns, tick; /* a late timer is due at the next tick */
    bool armed;
} timer;

typedef struct model {
    er_wheel wheel;
    timer timers[TIMERS];
    int64_t now;
    uint64_t seed;
} model;

static int64_t some_time(model *m)
{
    uint64_t bits = er_random_next(&m->seed) % 62; /* all magnitudes equally likely */
    int64_t far = (int64_t)(er_random_next(&m->seed) & ((UINT64_C(1) << bits) - 1));
    return far > INT64_MAX - m->now ? INT64_MAX : m->now + far;
}

static void arm(model *m)
{
    timer *t = &m->timers[er_random_next(&m->seed) % TIMERS];
    if (t->armed) return;
    t->at_ns = er_random_next(&m->seed) % 16 ? some_time(m)
                                             : m->now - (int64_t)(er_random_next(&m->seed) % 1000);
    t->armed = true;
    t->tick = (t->at_ns > m->now ? t->at_ns : m->now) / tick_ns + 1;
    er_wheel_add(&m->wheel, &t->node, t->at_ns);
}

static void disarm(model *m)
{
    timer *t = &m->timers[er_random_next(&m->seed) % TIMERS];
    if (!t->armed) return;
    t->armed = false;
    er_wheel_remove(&m->wheel, &t->node);
    ck_assert(!er_listed(&t->node.node));
}

/* Never early, at most two ticks late, in order of their ticks, and none lost. */
static void advance(model *m, int64_t to)
{
    er_list due;
    er_list_init(&due);
    m->now = to;
    er_wheel_advance(&m->wheel, to, &due);
    int64_t before = INT64_MIN;
    for (er_node *n; (n = er_list_pop(&due));) {
        timer *t = er_of(n, timer, node.node);
        ck_assert(t->armed);
        ck_assert_msg(t->at_ns <= to, "early by %ld ns", (long)(t->at_ns - to));
        ck_assert_msg(t->tick >= before, "out of order");
        before = t->tick;
        t->armed = false;
    }
    size_t armed = 0;
    int64_t first = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        const timer *t = &m->timers[i];
        if (!t->armed) continue;
        armed++;
        ck_assert_msg(t->at_ns > to - 2 * tick_ns, "late by %ld ns", (long)(to - t->at_ns));
        if (t->at_ns < first) first = t->at_ns;
    }
    ck_assert_uint_eq(m->wheel.armed, armed);
    int64_t next = er_wheel_next_ns(&m->wheel);
    if (!armed) ck_assert_int_eq(next, INT64_MAX);
    else
        ck_assert_msg(first > INT64_MAX - 2 * tick_ns || next <= first + 2 * tick_ns,
                      "the next wake-up is too late");
    ck_assert_msg(next > to, "the next wake-up is not in the future");
}

static void live(uint64_t seed, int64_t start, unsigned steps)
{
    model *m = calloc(1, sizeof *m);
    ck_assert_ptr_nonnull(m);
    m->seed = seed;
    m->now = start;
    er_wheel_init(&m->wheel, start);
    for (unsigned i = 0; i < steps; i++) {
        switch (er_random_next(&m->seed) % 8) {
        case 0: {
            int64_t next = er_wheel_next_ns(&m->wheel);
            /* as the timer thread does */
            if (next != INT64_MAX && next < INT64_C(1) << 61) advance(m, next);
            break;
        }
        case 1: {
            int64_t to = some_time(m);
            if (to < INT64_C(1) << 61) advance(m, to - m->now < INT64_C(1) << 55 ? to : m->now + 1);
            break;
        }
        case 2:
        case 3: disarm(m); break;
        default: arm(m); break;
        }
    }
    for (int64_t next; (next = er_wheel_next_ns(&m->wheel)) < INT64_MAX - 4 * tick_ns;)
        advance(m, next);
    free(m);
}

START_TEST(the_wheel_behaves_like_its_model)
{
    unsigned rounds = scaled(60);
    for (unsigned i = 0; i < rounds; i++) live(i, (int64_t)i * 123456789, 3000);
}
END_TEST

START_TEST(the_wheel_may_start_at_any_time)
{
    unsigned rounds = scaled(20);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t seed = i;
        int64_t start = (int64_t)(er_random_next(&seed) >> (3 + er_random_next(&seed) % 60));
        if (start > INT64_C(1) << 60) start >>= 1;
        live(1000 + i, start, 1000);
        /* where its levels wrap */
        live(2000 + i, (INT64_C(256) << ER_WHEEL_SHIFT) * (i + 1) - 1, 1000);
        live(3000 + i, (INT64_C(65536) << ER_WHEEL_SHIFT) * i, 1000);
    }
}
END_TEST

START_TEST(the_end_of_time_empties_the_wheel)
{
    er_wheel *w = malloc(sizeof *w);
    er_list due;
    er_wheel_init(w, 5000000000);
    er_list_init(&due);
    timer t[5] = { 0 };
    const int64_t at[5] = { 0, 5000000001, INT64_C(1) << 62, INT64_MAX - 1, INT64_MAX };
    for (int i = 0; i < 5; i++) er_wheel_add(w, &t[i].node, at[i]);
    er_wheel_advance(w, INT64_MAX, &due);
    for (int i = 0; i < 5; i++) ck_assert_ptr_eq(er_list_pop(&due), &t[i].node.node);
    ck_assert(er_list_empty(&due));
    ck_assert_uint_eq(w->armed, 0);
    ck_assert_int_eq(er_wheel_next_ns(w), INT64_MAX);
    er_wheel_advance(w, INT64_MAX, &due); /* again, and back in time: no effect */
    er_wheel_advance(w, 0, &due);
    ck_assert(er_list_empty(&due));
    free(w);
}
END_TEST

START_TEST(a_due_timer_can_still_be_removed)
{
    er_wheel *w = malloc(sizeof *w);
    er_list due;
    er_wheel_init(w, 0);
    er_list_init(&due);
    timer t[3] = { 0 };
    for (int i = 0; i < 3; i++) er_wheel_add(w, &t[i].node, ER_MS);
    er_wheel_advance(w, 3 * ER_MS, &due);
    ck_assert_uint_eq(w->armed, 0);
    er_wheel_remove(w, &t[1].node);
    ck_assert_uint_eq(w->armed, 0);
    ck_assert_ptr_eq(er_list_pop(&due), &t[0].node.node);
    ck_assert_ptr_eq(er_list_pop(&due), &t[2].node.node);
    ck_assert(er_list_empty(&due));
    free(w);
}
END_TEST

Suite *wheel_suite(void)
{
    Suite *suite = suite_create("wheel");
    TCase *tc = tcase_create("wheel");
    tcase_add_test(tc, the_wheel_behaves_like_its_model);
    tcase_add_test(tc, the_wheel_may_start_at_any_time);
    tcase_add_test(tc, the_end_of_time_empties_the_wheel);
    tcase_add_test(tc, a_due_timer_can_still_be_removed);
    suite_add_tcase(suite, tc);
    return suite;
}
