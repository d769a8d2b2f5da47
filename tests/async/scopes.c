/* Scopes: clean-ups in order, whatever fails, in time. */
#include "events.h"
#include "logged.h"

#include "base/os.h"

#include <errno.h>
#include <string.h>

static test_clock now;
static errand_pool *pool;
static errand_scope *scope;

/* What happened, in order: one letter each. */
static char seen[64];
static unsigned n_seen;
static void see(char what)
{
    unsigned at = __atomic_fetch_add(&n_seen, 1, __ATOMIC_SEQ_CST);
    if (at < sizeof seen - 1) seen[at] = what;
}

static void open_scope(void)
{
    test_clock_start(&now);
    memset(seen, 0, sizeof seen);
    n_seen = 0;
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &now.clock });
    scope = errand_scope_new(&(errand_scope_opts){ .name = "app", .pool = pool });
    ck_assert_ptr_nonnull(scope);
}
static void shut_scope(void)
{
    errand_scope_free(scope);
    close_pool(pool);
}

static void free_it(void *resource) { see(*(char *)resource); }
static errand_result do_it(void *resource)
{
    see(*(char *)resource);
    return errand_ok(NULL, NULL);
}
static errand_result fail_it(void *resource)
{
    see(*(char *)resource);
    return errand_failf(EIO, "%s: gone", (const char *)resource);
}
static int close_it(void *resource, int64_t within_ms)
{
    see(*(char *)resource);
    return within_ms > 0 ? 0 : ERANGE;
}

static char *letter(char c)
{
    static char all[256][2];
    all[(unsigned char)c][0] = c;
    return all[(unsigned char)c];
}
static void own(const char *name)
{
    ck_assert_int_eq(errand_scope_own(scope, name, letter(*name), free_it), 0);
}
static void add(errand_scope_when when, errand_fn *fn, char c)
{
    errand_cleanup what = { .resource = letter(c), .fn = fn, .when = when };
    ck_assert_int_eq(errand_scope_push(scope, &what), 0);
}

static int close_well(errand_scope *s)
{
    errand_result r = errand_scope_close(s, errand_ok(NULL, NULL));
    int error = r.error;
    errand_result_free(&r);
    return error;
}

/* ---- order ---- */

START_TEST(what_was_opened_is_closed_last_first)
{
    own("a");
    ck_assert_int_eq(errand_scope_defer(scope, NULL, do_it, letter('b')), 0);
    errand_cleanup what = { .name = "c", .resource = letter('c'), .close = close_it };
    ck_assert_int_eq(errand_scope_push(scope, &what), 0);
    ck_assert_int_eq(errand_scope_adopt(scope, "f", errand_submit(pool, do_it, letter('d'))), 0);
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "dcba");
}
END_TEST

START_TEST(a_resource_is_found_by_name)
{
    own("a");
    ck_assert_ptr_eq(errand_scope_get(scope, "a"), letter('a'));
    ck_assert_ptr_null(errand_scope_get(scope, "b"));
    ck_assert_ptr_null(errand_scope_get(scope, NULL));
    ck_assert_ptr_null(errand_scope_get(NULL, "a"));
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_ptr_null(errand_scope_get(scope, "a"));
}
END_TEST

START_TEST(the_same_name_twice_is_refused_and_loses_neither)
{
    own("a");
    ck_assert_int_eq(errand_scope_own(scope, "a", letter('x'), free_it), EEXIST);
    ck_assert_str_eq(seen, "x"); /* it was handed over: it is freed, not lost */
    ck_assert_ptr_eq(errand_scope_get(scope, "a"), letter('a'));
    ck_assert_int_eq(errand_scope_defer(scope, "a", do_it, NULL), EEXIST);
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "xa");
}
END_TEST

START_TEST(what_needs_another_is_closed_before_it)
{
    errand_cleanup user = { .resource = letter('u'), .close = close_it, .needs = letter('a') };
    errand_cleanup its = { .resource = letter('i'), .close = close_it, .needs = letter('u') };
    ck_assert_int_eq(errand_scope_push(scope, &its), 0);
    ck_assert_int_eq(errand_scope_push(scope, &user), 0);
    own("b");
    own("a");
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "iuab");
}
END_TEST

START_TEST(a_circle_of_needs_is_closed_all_the_same)
{
    errand_cleanup a = { .resource = letter('a'), .close = close_it, .needs = letter('b') };
    errand_cleanup b = { .resource = letter('b'), .close = close_it, .needs = letter('a') };
    ck_assert_int_eq(errand_scope_push(scope, &a), 0);
    ck_assert_int_eq(errand_scope_push(scope, &b), 0);
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_uint_eq(strlen(seen), 2);
}
END_TEST

START_TEST(pool_and_log_are_closed_in_the_order_they_need)
{
    errand_log *log = errand_log_new(NULL);
    errand_pool *mine = errand_pool_new(&(errand_pool_opts){ .name = "mine", .log = log });
    errand_cleanup after = { .resource = letter('l'), .fn = do_it, .needs = log };
    errand_cleanup before = { .resource = letter('p'), .fn = do_it, .needs = mine };
    ck_assert_int_eq(errand_scope_push(scope, &after), 0);
    ck_assert_int_eq(errand_scope_push(scope, &before), 0);
    ck_assert_int_eq(errand_scope_own_pool(scope, "pool", mine), 0);
    ck_assert_int_eq(errand_scope_own_log(scope, "log", log), 0);
    ck_assert_ptr_eq(errand_scope_get(scope, "pool"), mine);
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_uint_eq(strlen(seen), 2); /* both before the log, which stood last */
    ck_assert_int_eq(errand_scope_own_pool(scope, "pool", NULL), EINVAL);
}
END_TEST

/* ---- failures ---- */

START_TEST(every_clean_up_runs_and_every_error_is_kept_in_order)
{
    own("a");
    ck_assert_int_eq(errand_scope_defer(scope, "b", fail_it, letter('b')), 0);
    own("c");
    ck_assert_int_eq(errand_scope_defer(scope, "d", fail_it, letter('d')), 0);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_str_eq(seen, "dcba");
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "app: d: d: gone");
    ck_assert_str_eq(errand_result_message(errand_result_cause(&r, 0)), "app: b: b: gone");
    ck_assert_ptr_null(errand_result_cause(&r, 1));
    errand_result_free(&r);
}
END_TEST

START_TEST(a_failure_of_the_code_stays_the_result)
{
    ck_assert_int_eq(errand_scope_defer(scope, "b", fail_it, letter('b')), 0);
    errand_result r = errand_scope_close(scope, errand_failf(ENOENT, "no such video"));
    ck_assert_int_eq(r.error, ENOENT);
    ck_assert_str_eq(errand_result_message(&r), "no such video");
    ck_assert_str_eq(errand_result_message(errand_result_cause(&r, 0)), "app: b: b: gone");
    errand_result_free(&r);
}
END_TEST

START_TEST(the_value_is_returned_or_freed)
{
    unsigned freed = 0;
    errand_result r = errand_scope_close(scope, errand_ok(&freed, free_counts));
    ck_assert_int_eq(r.error, 0);
    ck_assert_ptr_eq(r.value, &freed);
    errand_result_free(&r);
    errand_scope *other = errand_scope_new(NULL);
    ck_assert_int_eq(errand_scope_defer(other, NULL, fail_it, letter('b')), 0);
    r = errand_scope_close(other, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 2);
    ck_assert_int_eq(r.error, EIO);
    errand_result_free(&r);
    errand_scope_free(other);
}
END_TEST

START_TEST(some_clean_ups_are_for_success_or_for_failure_alone)
{
    add(ERRAND_ON_ERROR, do_it, 'e');
    add(ERRAND_ON_SUCCESS, do_it, 's');
    add(ERRAND_ON_CLOSE, do_it, 'c');
    errand_result r = errand_scope_close(scope, _i ? errand_fail(EIO) : errand_ok(NULL, NULL));
    ck_assert_str_eq(seen, _i ? "ce" : "cs");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_failed_commit_is_rolled_back)
{
    add(ERRAND_ON_ERROR, do_it, 'r');
    add(ERRAND_ON_SUCCESS, fail_it, 'c');
    ck_assert_int_eq(close_well(scope), EIO);
    ck_assert_str_eq(seen, "cr");
}
END_TEST

static errand_result fail_later(void *resource)
{
    return errand_later(errand_submit(pool, fail_it, resource));
}

START_TEST(a_function_may_end_later)
{
    ck_assert_int_eq(errand_scope_defer(scope, NULL, fail_later, letter('l')), 0);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_int_eq(r.error, EIO);
    errand_result_free(&r);
}
END_TEST

/* ---- opening ---- */

static errand_result open_it(void *arg)
{
    see('o');
    return arg ? errand_ok(arg, free_it) : errand_failf(ECONNREFUSED, "no server");
}

START_TEST(opening_and_owning_is_one_step)
{
    errand_result r = errand_scope_open(scope, "db", open_it, letter('d'));
    ck_assert_int_eq(r.error, 0);
    ck_assert_ptr_eq(r.value, letter('d'));
    ck_assert_ptr_eq(errand_scope_get(scope, "db"), letter('d'));
    errand_result_free(&r); /* borrowed: harmless */
    r = errand_scope_open(scope, "db", open_it, letter('x'));
    ck_assert_int_eq(r.error, EEXIST); /* before it was opened */
    r = errand_scope_open(scope, "other", open_it, NULL);
    ck_assert_int_eq(r.error, ECONNREFUSED);
    ck_assert_str_eq(errand_result_message(&r), "no server");
    errand_result_free(&r);
    r = errand_scope_await(scope, "future", errand_submit(pool, open_it, letter('f')));
    ck_assert_ptr_eq(r.value, letter('f'));
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "ooofd");
}
END_TEST

typedef struct opening {
    event began, go;
    errand_result r;
} opening;

static errand_result open_slowly(void *arg)
{
    opening *o = arg;
    happen(&o->began);
    await_event(&o->go);
    return errand_ok(letter('o'), free_it);
}

static errand_result take_cancelled(void *arg)
{
    opening *o = arg;
    o->r = errand_scope_await(scope, "o", errand_submit(pool, open_slowly, o));
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancel_while_it_is_opened_loses_nothing)
{
    opening o = { .r.error = -1 };
    errand_future *f = errand_submit(pool, take_cancelled, &o);
    await_event(&o.began);
    errand_cancel(f);
    happen(&o.go);
    ENDS(f, 0);
    errand_pool_wait_idle(pool, LONG_MS);
    if (!o.r.error) ck_assert_int_eq(close_well(scope), 0); /* it came first */
    else ck_assert_int_eq(o.r.error, ECANCELED);
    errand_result_free(&o.r);
    ck_assert_str_eq(seen, "o");
}
END_TEST

static errand_result open_in_a_task(void *arg)
{
    opening *o = arg;
    o->r = errand_scope_open(scope, "o", open_slowly, o);
    return errand_ok(NULL, NULL);
}

START_TEST(what_is_opened_after_closing_is_freed)
{
    opening o = { .r.error = -1 };
    errand_future *f = errand_submit(pool, open_in_a_task, &o);
    await_event(&o.began);
    ck_assert_int_eq(errand_scope_own(scope, "o", letter('x'), free_it), EEXIST);
    ck_assert_int_eq(close_well(scope), 0);
    happen(&o.go);
    ENDS(f, 0);
    ck_assert_int_eq(o.r.error, ECANCELED);
    ck_assert_str_eq(seen, "xo");
}
END_TEST

/* ---- taking out, handing over, nesting ---- */

START_TEST(what_is_dismissed_is_the_callers_again)
{
    void *resource = NULL;
    own("a");
    own("b");
    ck_assert_int_eq(errand_scope_dismiss(scope, "a", &resource), 0);
    ck_assert_ptr_eq(resource, letter('a'));
    ck_assert_int_eq(errand_scope_dismiss(scope, "a", &resource), ENOENT);
    errand_cleanup both = { .name = "c", .resource = letter('c'), .fn = do_it, .free = free_it };
    ck_assert_int_eq(errand_scope_push(scope, &both), 0);
    ck_assert_int_eq(errand_scope_dismiss(scope, "c", &resource), 0);
    ck_assert_ptr_null(resource);
    ck_assert_str_eq(seen, "c"); /* freed, not run */
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "cb");
}
END_TEST

START_TEST(an_adopted_future_is_the_callers_again)
{
    errand_promise *p;
    errand_future *f;
    void *again = NULL;
    p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_scope_adopt(scope, "f", f), 0);
    ck_assert_int_eq(errand_scope_dismiss(scope, "f", &again), 0);
    ck_assert_ptr_eq(again, f);
    ck_assert_int_eq(close_well(scope), 0);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0);
}
END_TEST

START_TEST(all_is_handed_over_to_another_scope)
{
    errand_scope *outer = errand_scope_new(NULL);
    own("a");
    own("b");
    ck_assert_int_eq(errand_scope_own(outer, "z", letter('z'), free_it), 0);
    ck_assert_int_eq(errand_scope_own(outer, "b", letter('y'), free_it), 0);
    ck_assert_int_eq(errand_scope_move(scope, outer), EEXIST);
    ck_assert_ptr_eq(errand_scope_get(scope, "a"), letter('a')); /* nothing has changed */
    ck_assert_int_eq(errand_scope_dismiss(outer, "b", NULL), 0);
    ck_assert_int_eq(errand_scope_move(scope, outer), 0);
    own("c");
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_str_eq(seen, "c");
    ck_assert_int_eq(close_well(outer), 0);
    ck_assert_str_eq(seen, "cbaz");
    ck_assert_int_eq(errand_scope_move(scope, outer), ECANCELED);
    errand_scope_free(outer);
}
END_TEST

START_TEST(a_scope_closes_those_inside_it)
{
    own("a");
    errand_scope *in = errand_scope_new(&(errand_scope_opts){ .name = "in", .parent = scope });
    ck_assert_int_eq(errand_scope_own(in, "i", letter('i'), free_it), 0);
    ck_assert_int_eq(errand_scope_defer(in, "j", fail_it, letter('j')), 0);
    ck_assert_ptr_eq(errand_scope_get(in, "a"), letter('a'));
    ck_assert_ptr_null(errand_scope_get(scope, "i"));
    ck_assert_int_eq(errand_scope_move(scope, in), EBUSY);
    own("b");
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_str_eq(seen, "bjia");
    ck_assert_str_eq(errand_result_message(&r), "in: j: j: gone");
    errand_result_free(&r);
    ck_assert_int_eq(close_well(in), EALREADY);
    errand_scope_free(in);
}
END_TEST

START_TEST(one_inside_that_is_closed_leaves_the_outer_one)
{
    for (int i = 0; i < 3; i++) {
        errand_scope *in = errand_scope_new(&(errand_scope_opts){ .parent = scope });
        ck_assert_int_eq(errand_scope_own(in, "i", letter('i'), free_it), 0);
        if (i == 1) ck_assert_int_eq(close_well(in), 0);
        errand_scope_free(in); /* open: closes it */
    }
    ck_assert_str_eq(seen, "iii");
    own("a");
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_ptr_null(errand_scope_new(&(errand_scope_opts){ .parent = scope }));
    ck_assert_int_eq(errno, ECANCELED);
}
END_TEST

static int leave_a_block(bool well)
{
    errand_scope *s ERRAND_SCOPED = errand_scope_new(NULL);
    errand_cleanup e = { .resource = letter('e'), .fn = do_it, .when = ERRAND_ON_ERROR };
    ck_assert_int_eq(errand_scope_own(s, "a", letter('a'), free_it), 0);
    ck_assert_int_eq(errand_scope_push(s, &e), 0);
    if (!well) return EIO;
    return close_well(s);
}

START_TEST(leaving_the_block_closes_the_scope)
{
    ck_assert_int_eq(leave_a_block(true), 0);
    ck_assert_str_eq(seen, "a");
    ck_assert_int_eq(leave_a_block(false), EIO);
    ck_assert_str_eq(seen, "aea");
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    errand_cleanup none = { .resource = letter('n') };
    errand_cleanup two = { .fn = do_it, .close = close_it };
    errand_cleanup when = { .fn = do_it, .when = (errand_scope_when)3 };
    errand_cleanup time = { .fn = do_it, .within_ms = -1 };
    ck_assert_int_eq(errand_scope_push(scope, &none), EINVAL);
    ck_assert_int_eq(errand_scope_push(scope, &two), EINVAL);
    ck_assert_int_eq(errand_scope_push(scope, &when), EINVAL);
    ck_assert_int_eq(errand_scope_push(scope, &time), EINVAL);
    ck_assert_int_eq(errand_scope_push(scope, NULL), EINVAL);
    ck_assert_int_eq(errand_scope_push(NULL, &none), EINVAL);
    ck_assert_int_eq(errand_scope_own(scope, NULL, NULL, free_it), EINVAL);
    ck_assert_int_eq(errand_scope_defer(scope, NULL, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_scope_adopt(scope, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_scope_open(scope, NULL, NULL, NULL).error, EINVAL);
    ck_assert_int_eq(errand_scope_await(scope, NULL, NULL).error, EINVAL);
    ck_assert_int_eq(errand_scope_dismiss(scope, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_scope_move(scope, scope), EINVAL);
    ck_assert_ptr_null(errand_scope_new(&(errand_scope_opts){ .within_ms = -1 }));
    ck_assert_int_eq(errno, EINVAL);
    errand_result r = errand_scope_close(NULL, errand_fail(EIO));
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    errand_result_free(&r);
    errand_scope_free(NULL);
}
END_TEST

START_TEST(nothing_is_added_after_closing)
{
    ck_assert_int_eq(close_well(scope), 0);
    ck_assert_int_eq(errand_scope_own(scope, "a", letter('a'), free_it), ECANCELED);
    ck_assert_int_eq(errand_scope_adopt(scope, "f", errand_sleep(pool, ERRAND_FOREVER)), ECANCELED);
    ck_assert_str_eq(seen, "a");
    ck_assert_int_eq(close_well(scope), EALREADY);
}
END_TEST

/* ---- time, cancels ---- */

typedef struct stuck {
    event began, go, over;
    int64_t left_ms;
} stuck;

static void free_stuck(void *arg)
{
    stuck *s = arg;
    s->left_ms = errand_time_left();
    happen(&s->began);
    await_event(&s->go);
    see('s');
    happen(&s->over);
}

typedef struct closing {
    errand_scope *scope;
    errand_result r;
    errand_pool *pool;
} closing;

static errand_result close_in_a_task(void *arg)
{
    closing *c = arg;
    c->r = errand_scope_close(c->scope, errand_ok(NULL, NULL));
    return errand_ok(NULL, NULL);
}

START_TEST(what_is_stuck_is_named_and_the_rest_goes_on)
{
    static logged h;
    logged_open(&h);
    errand_pool *mine =
        errand_pool_new(&(errand_pool_opts){ .workers = 1, .log = h.log, .clock = &now.clock });
    stuck one = { .left_ms = 0 }, two = { .left_ms = 0 };
    errand_scope *s =
        errand_scope_new(&(errand_scope_opts){ .name = "app", .pool = mine, .within_ms = 8000 });
    ck_assert_int_eq(errand_scope_own(s, "a", letter('a'), free_it), 0);
    ck_assert_int_eq(errand_scope_own(s, "two", &two, free_stuck), 0);
    ck_assert_int_eq(errand_scope_own(s, "one", &one, free_stuck), 0);
    closing c = { .scope = s };
    errand_future *f = errand_submit(mine, close_in_a_task, &c);
    await_event(&one.began); /* has half of 8 s */
    turn(&now, mine, 3999);
    ck_assert(!happened(&two.began));
    turn(&now, mine, 1);
    await_event(&two.began); /* has half of 4 s */
    turn(&now, mine, 2000);
    ENDS(f, 0);
    ck_assert_str_eq(seen, "a");
    ck_assert_int_eq(c.r.error, ETIMEDOUT);
    ck_assert_str_eq(errand_result_message(&c.r),
                     "app: one: has not ended within 4000 ms, and is left behind");
    ck_assert_str_eq(errand_result_message(errand_result_cause(&c.r, 0)),
                     "app: two: has not ended within 2000 ms, and is left behind");
    ck_assert(errand_result_may_have_run(&c.r));
    errand_result_free(&c.r);
    happen(&one.go);
    happen(&two.go);
    await_event(&one.over);
    await_event(&two.over);
    errand_scope_free(s);
    close_pool(mine);
    ck_assert_uint_eq(logged_times(&h, "app: one: has not ended within 4000 ms"), 1);
    logged_close(&h);
}
END_TEST

START_TEST(a_clean_up_may_have_a_time_of_its_own)
{
    stuck one = { .left_ms = 0 };
    own("a");
    errand_cleanup what = { .name = "one", .resource = &one, .free = free_stuck, .within_ms = 5 };
    ck_assert_int_eq(errand_scope_push(scope, &what), 0);
    closing c = { .scope = scope };
    errand_future *f = errand_submit(pool, close_in_a_task, &c);
    await_event(&one.began);
    turn(&now, pool, 5);
    ENDS(f, 0);
    ck_assert_int_eq(c.r.error, ETIMEDOUT);
    errand_result_free(&c.r);
    ck_assert_str_eq(seen, "a");
    happen(&one.go);
    await_event(&one.over);
    ck_assert_int_le(one.left_ms, 5);
}
END_TEST

static errand_result close_when_cancelled(void *arg)
{
    stuck *s = arg;
    happen(&s->began);
    await_event(&s->go);
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_CALLER);
    return errand_scope_close(scope, errand_ok(NULL, NULL));
}

static errand_result see_no_cancel(void *resource)
{
    see(*(char *)resource);
    errand_result r = errand_await(errand_ready(pool, errand_ok(NULL, NULL)));
    return errand_cancelled() ? errand_fail(EIO) : r;
}

START_TEST(a_cancel_does_not_reach_clean_ups)
{
    stuck s = { .left_ms = 0 };
    own("a");
    add(ERRAND_ON_CLOSE, see_no_cancel, 'b');
    ck_assert_int_eq(errand_scope_adopt(scope, NULL, errand_submit(pool, do_it, letter('f'))), 0);
    errand_future *f = errand_submit(pool, close_when_cancelled, &s);
    await_event(&s.began);
    errand_cancel(f);
    happen(&s.go);
    ENDS(f, 0);
    ck_assert_str_eq(seen, "fba");
}
END_TEST

START_TEST(an_adopted_future_is_cancelled_after_a_failure)
{
    ck_assert_int_eq(errand_scope_adopt(scope, NULL, errand_sleep(pool, ERRAND_FOREVER)), 0);
    errand_result r = errand_scope_close(scope, errand_fail(EIO));
    ck_assert_int_eq(r.error, EIO);
    ck_assert_ptr_null(errand_result_cause(&r, 0));
    errand_result_free(&r);
}
END_TEST

START_TEST(the_failure_of_an_adopted_future_is_kept_and_cancels_the_others)
{
    errand_future *failed = errand_submit(pool, fail_it, letter('f'));
    ck_assert_int_eq(errand_scope_adopt(scope, "sleeper", errand_sleep(pool, ERRAND_FOREVER)), 0);
    ck_assert_int_eq(errand_scope_adopt(scope, "failed", failed), 0);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "app: failed: f: gone");
    ck_assert_ptr_null(errand_result_cause(&r, 0));
    errand_result_free(&r);
}
END_TEST

START_TEST(a_sleeper_that_takes_too_long_is_an_error)
{
    errand_scope *s =
        errand_scope_new(&(errand_scope_opts){ .name = "s", .pool = pool, .within_ms = 1000 });
    ck_assert_int_eq(errand_scope_adopt(s, "sleeper", errand_sleep(pool, ERRAND_FOREVER)), 0);
    closing c = { .scope = s };
    errand_future *f = errand_submit(pool, close_in_a_task, &c);
    while (!errand_done(f)) turn(&now, pool, 100);
    ENDS(f, 0);
    ck_assert_int_eq(c.r.error, ETIMEDOUT);
    /* within how many ms depends on how far the clock was when closing began */
    ck_assert_ptr_nonnull(strstr(errand_result_message(&c.r), "s: sleeper: has not ended within"));
    ck_assert_ptr_nonnull(strstr(errand_result_message(&c.r), "ms, and was cancelled"));
    errand_result_free(&c.r);
    errand_scope_free(s);
}
END_TEST

static errand_result note_thread(void *arg)
{
    *(long *)arg = er_thread_number();
    return errand_ok(NULL, NULL);
}

START_TEST(without_a_limit_it_runs_on_the_closing_thread)
{
    long on = 0;
    errand_scope *s = errand_scope_new(&(errand_scope_opts){ .within_ms = ERRAND_FOREVER });
    ck_assert_int_eq(errand_scope_defer(s, NULL, note_thread, &on), 0);
    ck_assert_int_eq(close_well(s), 0);
    ck_assert_int_eq(on, er_thread_number());
    errand_scope_free(s);
}
END_TEST

/* ---- at once ---- */

static errand_result add_many(void *arg)
{
    unsigned *freed = arg;
    for (unsigned i = 0; i < 500; i++) {
        static unsigned names;
        char name[32];
        er_format_plain(name, sizeof name, "%u", count_up(&names));
        int error = errand_scope_own(scope, name, freed, free_counts);
        if (error) ck_assert_int_eq(error, ECANCELED);
        if (i % 5 == 0 && errand_scope_dismiss(scope, name, NULL) == 0) free_counts(freed);
    }
    return errand_ok(NULL, NULL);
}

START_TEST(threads_add_while_it_is_closed)
{
    unsigned freed = 0;
    errand_scope *mine = scope;
    scope = errand_scope_new(&(errand_scope_opts){ .within_ms = ERRAND_FOREVER });
    errand_future *fs[2] = { errand_submit(pool, add_many, &freed),
                             errand_submit(pool, add_many, &freed) };
    await_count(&freed, 20);
    ck_assert_int_eq(close_well(scope), 0);
    for (int i = 0; i < 2; i++) ENDS(fs[i], 0);
    ck_assert_uint_eq(freed, 1000);
    errand_scope_free(scope);
    scope = mine;
}
END_TEST

Suite *scopes_suite(void);
Suite *scopes_suite(void)
{
    Suite *s = suite_create("scopes");
    TCase *c = case_of(s, "order");
    tcase_add_checked_fixture(c, open_scope, shut_scope);
    tcase_add_test(c, what_was_opened_is_closed_last_first);
    tcase_add_test(c, a_resource_is_found_by_name);
    tcase_add_test(c, the_same_name_twice_is_refused_and_loses_neither);
    tcase_add_test(c, what_needs_another_is_closed_before_it);
    tcase_add_test(c, a_circle_of_needs_is_closed_all_the_same);
    tcase_add_test(c, pool_and_log_are_closed_in_the_order_they_need);
    c = case_of(s, "failures");
    tcase_add_checked_fixture(c, open_scope, shut_scope);
    tcase_add_test(c, every_clean_up_runs_and_every_error_is_kept_in_order);
    tcase_add_test(c, a_failure_of_the_code_stays_the_result);
    tcase_add_test(c, the_value_is_returned_or_freed);
    tcase_add_loop_test(c, some_clean_ups_are_for_success_or_for_failure_alone, 0, 2);
    tcase_add_test(c, a_failed_commit_is_rolled_back);
    tcase_add_test(c, a_function_may_end_later);
    c = case_of(s, "opening");
    tcase_add_checked_fixture(c, open_scope, shut_scope);
    tcase_add_test(c, opening_and_owning_is_one_step);
    tcase_add_test(c, a_cancel_while_it_is_opened_loses_nothing);
    tcase_add_test(c, what_is_opened_after_closing_is_freed);
    c = case_of(s, "hands");
    tcase_add_checked_fixture(c, open_scope, shut_scope);
    tcase_add_test(c, what_is_dismissed_is_the_callers_again);
    tcase_add_test(c, an_adopted_future_is_the_callers_again);
    tcase_add_test(c, all_is_handed_over_to_another_scope);
    tcase_add_test(c, a_scope_closes_those_inside_it);
    tcase_add_test(c, one_inside_that_is_closed_leaves_the_outer_one);
    tcase_add_test(c, leaving_the_block_closes_the_scope);
    tcase_add_test(c, bad_arguments_are_refused);
    tcase_add_test(c, nothing_is_added_after_closing);
    c = case_of(s, "time");
    tcase_add_checked_fixture(c, open_scope, shut_scope);
    tcase_add_test(c, what_is_stuck_is_named_and_the_rest_goes_on);
    tcase_add_test(c, a_clean_up_may_have_a_time_of_its_own);
    tcase_add_test(c, a_cancel_does_not_reach_clean_ups);
    tcase_add_test(c, an_adopted_future_is_cancelled_after_a_failure);
    tcase_add_test(c, the_failure_of_an_adopted_future_is_kept_and_cancels_the_others);
    tcase_add_test(c, a_sleeper_that_takes_too_long_is_an_error);
    tcase_add_test(c, without_a_limit_it_runs_on_the_closing_thread);
    tcase_add_test(c, threads_add_while_it_is_closed);
    return s;
}
