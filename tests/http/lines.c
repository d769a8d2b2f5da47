/* The scheduler alone: which request may start, on which lane, and which connection is
 * reclaimed. */
#include "harness.h"

#include "http/scheduler.h"

enum { LANES = 3, MANY = 40 };

struct lines {
    errand_pool *pool;
    er_scheduler scheduler;
    er_berth berths[LANES];
    er_slot_turn turns[MANY];
};

static void lines_open(struct lines *l, unsigned limit, unsigned per_host, unsigned per_lane)
{
    er_berth *berths[LANES];
    memset(l, 0, sizeof *l);
    for (unsigned i = 0; i < LANES; i++) berths[i] = &l->berths[i];
    l->pool = errand_pool_new(NULL);
    l->scheduler.limit = limit;
    l->scheduler.per_host = per_host;
    l->scheduler.per_lane = per_lane;
    ck_assert_int_eq(er_scheduler_init(&l->scheduler, berths, LANES), 0);
}

static void lines_close(struct lines *l)
{
    er_scheduler_free(&l->scheduler);
    ck_assert_int_eq(errand_pool_close(l->pool, 1000), 0);
}

static er_route *join(struct lines *l, unsigned i, const char *key)
{
    l->turns[i].route = er_scheduler_route(&l->scheduler, key, NULL, 80);
    er_scheduler_join(&l->scheduler, &l->turns[i], false);
    return l->turns[i].route;
}

static int next(struct lines *l) /* the index of the next turn; -1: none */
{
    er_slot_turn *turn = er_scheduler_next(&l->scheduler, l->pool);
    return turn ? (int)(turn - l->turns) : -1;
}

static void done(struct lines *l, unsigned i)
{
    er_scheduler_done(&l->scheduler, &l->turns[i]);
    er_scheduler_leave(&l->scheduler, l->turns[i].route);
}

START_TEST(one_origin_is_served_fifo_up_to_its_limit)
{
    struct lines l;
    lines_open(&l, 10, 3, 10);
    for (unsigned i = 0; i < 6; i++) join(&l, i, "http://a:80");
    for (int i = 0; i < 3; i++) ck_assert_int_eq(next(&l), i);
    ck_assert_int_eq(next(&l), -1);
    done(&l, 1);
    ck_assert_int_eq(next(&l), 3);
    ck_assert_int_eq(next(&l), -1);
    er_scheduler_quit(&l.scheduler, &l.turns[4]); /* cancelled in the line */
    er_scheduler_leave(&l.scheduler, l.turns[4].route);
    done(&l, 0);
    ck_assert_int_eq(next(&l), 5);
    ck_assert_uint_eq(l.scheduler.waiting, 0);
    done(&l, 2), done(&l, 3), done(&l, 5);
    ck_assert_uint_eq(l.scheduler.charge, 0);
    lines_close(&l);
}
END_TEST

START_TEST(a_busy_host_delays_no_other_host)
{
    struct lines l;
    lines_open(&l, 2, 2, 2);
    for (unsigned i = 0; i < 20; i++) join(&l, i, "http://busy:80");
    ck_assert_int_eq(next(&l), 0);
    ck_assert_int_eq(next(&l), 1);
    ck_assert_int_eq(next(&l), -1);
    join(&l, 20, "http://other:80");
    join(&l, 21, "http://third:80");
    done(&l, 0);
    int first = next(&l);
    done(&l, 1);
    int second = next(&l);
    ck_assert_int_eq(next(&l), -1);
    ck_assert(first == 20 || second == 20); /* the busy host's other eighteen had waited longer */
    done(&l, (unsigned)first);
    int third = next(&l);
    ck_assert(first == 21 || second == 21 || third == 21);
    lines_close(&l);
}
END_TEST

START_TEST(a_full_host_does_not_block_others)
{
    struct lines l;
    lines_open(&l, 10, 1, 10);
    for (unsigned i = 0; i < 5; i++) join(&l, i, "http://a:80");
    join(&l, 5, "http://b:80");
    ck_assert_int_eq(next(&l), 0);
    ck_assert_int_eq(next(&l), 5);
    ck_assert_int_eq(next(&l), -1);
    lines_close(&l);
}
END_TEST

START_TEST(new_connections_go_to_the_least_loaded_lane)
{
    struct lines l;
    lines_open(&l, 30, 30, 2);
    for (unsigned i = 0; i < 7; i++) join(&l, i, "http://a:80");
    for (int i = 0; i < 6; i++) ck_assert_int_eq(next(&l), i);
    for (unsigned i = 0; i < LANES; i++) ck_assert_uint_eq(l.berths[i].load, 2);
    ck_assert_int_eq(next(&l), -1); /* no room on any lane, though the limit is far */
    er_berth *freed = l.turns[4].spot->berth;
    done(&l, 4);
    ck_assert_int_eq(next(&l), 6);
    ck_assert_ptr_eq(l.turns[6].spot->berth, freed);
    lines_close(&l);
}
END_TEST

START_TEST(an_idle_connection_is_reused_on_its_lane_without_charge)
{
    struct lines l;
    lines_open(&l, 2, 2, 5);
    join(&l, 0, "http://a:80");
    ck_assert_int_eq(next(&l), 0);
    er_spot *spot = l.turns[0].spot;
    er_scheduler_opened(&l.scheduler, spot);
    done(&l, 0);
    ck_assert_uint_eq(l.scheduler.charge, 1); /* idle, but there */
    ck_assert_uint_eq(l.scheduler.idle, 1);
    join(&l, 1, "http://a:80"), join(&l, 2, "http://a:80"), join(&l, 3, "http://a:80");
    ck_assert_int_eq(next(&l), 1);
    ck_assert_ptr_eq(l.turns[1].spot, spot);
    ck_assert_uint_eq(l.scheduler.idle, 0);
    ck_assert_int_eq(next(&l), 2);
    ck_assert_int_eq(next(&l), -1);
    ck_assert_uint_eq(l.scheduler.charge, 2);
    /* it broke during its transfer, which may open another */
    er_scheduler_closed(&l.scheduler, spot, false);
    ck_assert_uint_eq(l.scheduler.charge, 2);
    done(&l, 1);
    ck_assert_int_eq(next(&l), 3);
    lines_close(&l);
}
END_TEST

START_TEST(idle_connections_are_reclaimed_for_other_origins)
{
    struct lines l;
    lines_open(&l, 2, 2, 5);
    for (unsigned i = 0; i < 2; i++) {
        join(&l, i, "http://a:80");
        ck_assert_int_eq(next(&l), (int)i);
        er_scheduler_opened(&l.scheduler, l.turns[i].spot);
    }
    er_spot *spots[] = { l.turns[0].spot, l.turns[1].spot };
    done(&l, 0), done(&l, 1);
    join(&l, 2, "http://b:80");
    ck_assert_int_eq(next(&l), -1);
    er_berth *berth = er_scheduler_crowded(&l.scheduler);
    ck_assert_ptr_eq(berth, spots[0]->berth); /* idle for longest */
    ck_assert_ptr_null(er_scheduler_crowded(&l.scheduler));
    ck_assert_int_eq(next(&l), -1); /* one per waiter */
    ck_assert_ptr_null(er_scheduler_crowded(&l.scheduler));
    unsigned n = 0;
    ck_assert_ptr_eq(er_scheduler_asked(&l.scheduler, berth, &n), spots[0]);
    ck_assert_uint_eq(n, 1);
    er_scheduler_closed(&l.scheduler, spots[0], true);
    ck_assert_int_eq(next(&l), 2);
    ck_assert_uint_eq(l.scheduler.charge, 2);
    done(&l, 2);
    lines_close(&l);
}
END_TEST

START_TEST(a_reclaim_that_finds_no_idle_connection_is_repeated)
{
    struct lines l;
    lines_open(&l, 1, 1, 5);
    join(&l, 0, "http://a:80");
    ck_assert_int_eq(next(&l), 0);
    er_spot *spot = l.turns[0].spot;
    er_scheduler_opened(&l.scheduler, spot);
    done(&l, 0);
    join(&l, 1, "http://b:80");
    ck_assert_int_eq(next(&l), -1);
    unsigned n;
    ck_assert_ptr_eq(er_scheduler_asked(&l.scheduler, er_scheduler_crowded(&l.scheduler), &n),
                     spot);
    er_scheduler_kept(&l.scheduler, spot, n); /* the lane had none to close */
    ck_assert_int_eq(next(&l), -1);
    ck_assert_ptr_eq(er_scheduler_crowded(&l.scheduler), spot->berth); /* requested again */
    er_scheduler_closed(&l.scheduler, spot, true);
    ck_assert_int_eq(next(&l), 1);
    lines_close(&l);
}
END_TEST

START_TEST(shared_connections_count_requests)
{
    struct lines l;
    lines_open(&l, 4, 2, 5);
    l.scheduler.shared = true;
    for (unsigned i = 0; i < 3; i++) join(&l, i, "https://a:443");
    ck_assert_int_eq(next(&l), 0);
    er_scheduler_opened(&l.scheduler, l.turns[0].spot);
    ck_assert_int_eq(next(&l), 1);
    ck_assert_ptr_eq(l.turns[1].spot, l.turns[0].spot); /* on the same connection */
    ck_assert_int_eq(next(&l), -1);
    done(&l, 0);
    ck_assert_int_eq(next(&l), 2);
    done(&l, 1), done(&l, 2);
    ck_assert_uint_eq(l.scheduler.charge, 0); /* idle ones do not count */
    lines_close(&l);
}
END_TEST

START_TEST(a_shared_connection_is_joined_while_it_opens)
{
    struct lines l;
    lines_open(&l, 10, 10, 2);
    l.scheduler.shared = true;
    for (unsigned i = 0; i < 3; i++) join(&l, i, "https://a:443");
    for (int i = 0; i < 3; i++) ck_assert_int_eq(next(&l), i);
    ck_assert_ptr_eq(l.turns[1].spot, l.turns[0].spot);
    ck_assert_ptr_ne(l.turns[2].spot, l.turns[0].spot); /* that lane has no room */
    lines_close(&l);
}
END_TEST

/* A reclaim would free nothing and be repeated. */
START_TEST(shared_connections_are_not_reclaimed)
{
    struct lines l;
    lines_open(&l, 2, _i ? 1 : 2, 5);
    l.scheduler.shared = true;
    join(&l, 0, "https://idle:443");
    ck_assert_int_eq(next(&l), 0);
    er_scheduler_opened(&l.scheduler, l.turns[0].spot);
    done(&l, 0);
    for (unsigned i = 1; i < 4; i++) join(&l, i, "https://a:443");
    ck_assert_int_eq(next(&l), 1);
    er_scheduler_opened(&l.scheduler, l.turns[1].spot);
    ck_assert_int_eq(next(&l), _i ? -1 : 2);
    ck_assert_int_eq(next(&l), -1);
    ck_assert_ptr_null(er_scheduler_crowded(&l.scheduler));
    ck_assert_uint_eq(l.scheduler.asked, 0);
    lines_close(&l);
}
END_TEST

START_TEST(unused_origins_are_evicted)
{
    struct lines l;
    lines_open(&l, 2, 2, 5);
    for (unsigned i = 0; i < 3 * ER_SCHEDULER_ROUTES; i++) {
        char key[40];
        snprintf(key, sizeof key, "http://host-%u:80", i);
        er_scheduler_leave(&l.scheduler, er_scheduler_route(&l.scheduler, key, NULL, 80));
    }
    ck_assert_uint_le(l.scheduler.routes.count, ER_SCHEDULER_ROUTES);
    lines_close(&l);
}
END_TEST

START_TEST(routes_are_evicted_in_the_order_they_were_left)
{
    struct lines l;
    char key[40];
    lines_open(&l, 2, 2, 5);
    er_route *used = join(&l, 0, "http://used:80");
    for (unsigned i = 0; i < 3 * ER_SCHEDULER_ROUTES; i++) {
        snprintf(key, sizeof key, "http://host-%u:80", i);
        er_scheduler_leave(&l.scheduler, er_scheduler_route(&l.scheduler, key, NULL, 80));
    }
    ck_assert_ptr_eq(er_scheduler_route(&l.scheduler, "http://used:80", NULL, 80), used);
    er_scheduler_leave(&l.scheduler, used);
    er_scheduler_quit(&l.scheduler, &l.turns[0]);
    er_scheduler_leave(&l.scheduler, used);
    for (unsigned i = 0; i < ER_SCHEDULER_ROUTES - 1; i++) { /* those evicted were left earlier */
        snprintf(key, sizeof key, "http://another-%u:80", i);
        er_scheduler_leave(&l.scheduler, er_scheduler_route(&l.scheduler, key, NULL, 80));
    }
    ck_assert_ptr_eq(er_scheduler_route(&l.scheduler, "http://used:80", NULL, 80), used);
    er_scheduler_leave(&l.scheduler, used);
    ck_assert_uint_le(l.scheduler.routes.count, ER_SCHEDULER_ROUTES);
    lines_close(&l);
}
END_TEST

Suite *lines_suite(void)
{
    Suite *suite = suite_create("http lines");
    TCase *tc = tcase_create("lines");
    tcase_add_test(tc, one_origin_is_served_fifo_up_to_its_limit);
    tcase_add_test(tc, a_busy_host_delays_no_other_host);
    tcase_add_test(tc, a_full_host_does_not_block_others);
    tcase_add_test(tc, new_connections_go_to_the_least_loaded_lane);
    tcase_add_test(tc, an_idle_connection_is_reused_on_its_lane_without_charge);
    tcase_add_test(tc, idle_connections_are_reclaimed_for_other_origins);
    tcase_add_test(tc, a_reclaim_that_finds_no_idle_connection_is_repeated);
    tcase_add_test(tc, shared_connections_count_requests);
    tcase_add_test(tc, a_shared_connection_is_joined_while_it_opens);
    tcase_add_loop_test(tc, shared_connections_are_not_reclaimed, 0, 2);
    tcase_add_test(tc, unused_origins_are_evicted);
    tcase_add_test(tc, routes_are_evicted_in_the_order_they_were_left);
    suite_add_tcase(suite, tc);
    return suite;
}
