/* Results: their details and owners, and the names of errors. */
#include "bases.h"

#include "base/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned freed;
static void count_free(void *owner)
{
    free(owner);
    freed++;
}

START_TEST(a_success_frees_its_value_once)
{
    errand_result r = errand_ok(malloc(1), count_free);
    ck_assert_int_eq(r.error, 0);
    ck_assert_ptr_eq(r.owner, r.value);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_OK);
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 1);
    ck_assert_ptr_null(r.value);
    ck_assert_ptr_null(r.free);
    errand_result_free(&r); /* harmless */
    errand_result_free(NULL);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(nested_results_are_copied_and_freed_without_recursion)
{
    errand_result in_results = errand_ok(malloc(1), count_free),
                  behind = errand_ok(malloc(1), count_free);
    freed = 0;
    enum { DEPTH = 300000 }; /* frames of a recursion would not fit on a stack */
    for (int i = 0; i < DEPTH; i++) {
        errand_results *one = er_results_new(1);
        one->at[0] = in_results;
        in_results = errand_ok(one, er_results_free);
        errand_result outer = er_fail_by(EIO, ERRAND_BY_NONE);
        er_result_because(&outer, behind);
        behind = outer;
    }
    errand_result_free(&in_results);
    ck_assert_uint_eq(freed, 1);
    errand_result copy = er_result_copy(&behind);
    errand_result_free(&behind);
    ck_assert_uint_eq(freed, 2);
    size_t depth = 0;
    for (const errand_result *r = &copy; r; r = errand_result_cause(r, 0)) depth++;
    ck_assert_uint_eq(depth, DEPTH + 1);
    errand_result_free(&copy);
}
END_TEST

START_TEST(owner_is_freed_instead_of_the_value)
{
    char *owner = malloc(8);
    errand_result r = { .value = owner + 3, .free = count_free, .owner = owner };
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(the_value_of_a_failure_is_freed)
{
    errand_result r = errand_failf(ERRAND_HTTP + 503, "busy");
    r.value = r.owner = malloc(1);
    r.free = count_free;
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(a_plain_failure_has_no_details)
{
    errand_result r = errand_fail(ECONNREFUSED);
    ck_assert_str_eq(errand_result_message(&r), strerror(ECONNREFUSED));
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_NONE);
    ck_assert_str_eq(errand_result_phase(&r), "");
    ck_assert_int_eq(errand_result_elapsed_ms(&r), -1);
    ck_assert_int_eq(errand_result_retry_after(&r), -1);
    ck_assert(!errand_result_may_have_run(&r));
    ck_assert_ptr_null(errand_result_cause(&r, 0));
    ck_assert_uint_eq(errand_result_attempts(&r), 0);
    errand_attempt a;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &a), ENOENT);
    errand_result_free(&r);
}
END_TEST

START_TEST(a_message_is_formatted_and_copied)
{
    errand_result r = errand_failf(EIO, "disk %d of %s", 3, "raid");
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "disk 3 of raid");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_UNKNOWN);
    errand_result_free(&r);
    ck_assert_ptr_null(r.detail);

    char *big = malloc(100001);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    r = errand_failf(EIO, "%s", big);
    ck_assert_str_eq(errand_result_message(&r), big);
    errand_result_free(&r);
    free(big);
}
END_TEST

START_TEST(a_message_is_never_empty)
{
    errand_result r = errand_failf(ENOENT, "%s", "");
    ck_assert_str_eq(errand_result_message(&r), strerror(ENOENT));
    errand_result_free(&r);
    r = errand_ok(NULL, NULL);
    ck_assert_str_eq(errand_result_message(&r), "Success");
    for (int error = -3; error < 200; error++) {
        r = errand_fail(error);
        ck_assert_str_ne(errand_result_message(&r), "");
    }
    r = errand_fail(0x7fffffff);
    ck_assert_str_ne(errand_result_message(&r), "");
}
END_TEST

START_TEST(a_failure_with_error_0_is_EINVAL)
{
    errand_result r = errand_failf(0, "what");
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    r = errand_fail_as(0, ERRAND_KIND_NETWORK, 5, true, "what");
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
}
END_TEST

START_TEST(fail_as_sets_all_a_retry_needs)
{
    errand_result r = errand_fail_as(EPROTO, ERRAND_KIND_RATE_LIMITED, 1500, true, "slow down");
    ck_assert_int_eq(r.error, EPROTO);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_RATE_LIMITED);
    ck_assert_int_eq(errand_result_retry_after(&r), 1500);
    ck_assert(errand_result_may_have_run(&r));
    ck_assert(errand_result_transient(&r));
    ck_assert_str_eq(errand_result_message(&r), "slow down");
    errand_result_free(&r);
    r = errand_fail_as(EPROTO, ERRAND_KIND_INTERNAL, -7, false, "no hint");
    ck_assert_int_eq(errand_result_retry_after(&r), -1);
    ck_assert(!errand_result_may_have_run(&r));
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
}
END_TEST

START_TEST(causes_keep_their_order_and_are_freed_with_the_failure)
{
    errand_result r = errand_fail(EIO);
    for (int i = 0; i < 100; i++) {
        errand_result cause = errand_failf(ERRAND_USER + i, "cause %d", i);
        cause.value = cause.owner = malloc(1);
        cause.free = count_free;
        er_result_because(&r, cause);
    }
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(errand_result_cause(&r, i)->error, ERRAND_USER + (int)i);
    ck_assert_ptr_null(errand_result_cause(&r, 100));
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 100);
}
END_TEST

START_TEST(a_copy_appends_causes_to_its_own)
{
    for (int had = 0; had < 10; had++) {
        errand_result r = errand_fail(EIO);
        for (int i = 0; i < had; i++) er_result_because(&r, errand_fail(ERRAND_USER + i));
        errand_result copy = er_result_copy(&r);
        for (int i = had; i < had + 10; i++) er_result_because(&copy, errand_fail(ERRAND_USER + i));
        for (int i = 0; i < had + 10; i++)
            ck_assert_int_eq(errand_result_cause(&copy, (size_t)i)->error, ERRAND_USER + i);
        ck_assert_ptr_null(errand_result_cause(&r, (size_t)had));
        errand_result_free(&r);
        errand_result_free(&copy);
    }
}
END_TEST

START_TEST(the_reason_needs_no_memory)
{
    for (int by = ERRAND_BY_NONE; by <= ERRAND_BY_SHUTDOWN; by++) {
        errand_result r = er_fail_by(ECANCELED, (errand_reason)by),
                      twin = er_fail_by(ECANCELED, (errand_reason)by);
        ck_assert_ptr_eq(r.detail, twin.detail);
        ck_assert_int_eq(errand_result_reason(&r), by);
        ck_assert_int_eq(errand_result_elapsed_ms(&r), -1);
        ck_assert_int_eq(errand_result_retry_after(&r), -1);
        er_result_because(&r, errand_fail(EIO)); /* now it has its own detail */
        ck_assert_ptr_ne(r.detail, twin.detail);
        ck_assert_int_eq(errand_result_reason(&r), by);
        ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
        ck_assert_ptr_null(errand_result_cause(&twin, 0));
        errand_result_free(&r);
        errand_result_free(&twin);
    }
}
END_TEST

START_TEST(may_have_run_needs_no_memory)
{
    errand_result r = errand_fail(EIO),
                  as = errand_fail_as(EIO, ERRAND_KIND_NETWORK, 20, false, "lost");
    er_result_may_have_run(&r);
    ck_assert(errand_result_may_have_run(&r) && r.detail->fixed);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_NONE);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_UNKNOWN);
    for (int by = ERRAND_BY_NONE; by <= ERRAND_BY_HEDGE; by++) {
        r = er_fail_by(ETIMEDOUT, (errand_reason)by);
        ck_assert(!errand_result_may_have_run(&r));
        er_result_may_have_run(&r);
        ck_assert(errand_result_may_have_run(&r) && r.detail->fixed);
        ck_assert_int_eq(errand_result_reason(&r), by);
        r = er_fail_by(ETIMEDOUT, (errand_reason)by); /* results of other reasons keep their text */
        ck_assert(!errand_result_may_have_run(&r));
    }
    er_result_may_have_run(&as);
    ck_assert(errand_result_may_have_run(&as));
    ck_assert_int_eq(errand_result_kind(&as), ERRAND_KIND_NETWORK);
    ck_assert_int_eq(errand_result_retry_after(&as), 20);
    ck_assert_str_eq(errand_result_message(&as), "lost");
    errand_result well = errand_ok(NULL, NULL);
    er_result_may_have_run(&well);
    ck_assert_ptr_null(well.detail);
    errand_result outer = er_fail_by(ETIMEDOUT, ERRAND_BY_TOTAL); /* its causes are part of it */
    er_result_because(&outer, as);
    ck_assert(errand_result_may_have_run(&outer));
    errand_result_free(&outer);
}
END_TEST

START_TEST(texts_last_as_long_as_their_results)
{
    static const int codes[] = { ERRAND_HTTP + 404, ERRAND_HTTP + 503, ERRAND_CURL + 7,
                                 ERRAND_CURL + 28,  ERRAND_USER + 1,   0x7fffffff };
    enum { N = sizeof codes / sizeof *codes };
    errand_result r[N];
    const char *texts[N];
    char copies[N][64];
    for (size_t i = 0; i < N; i++) {
        r[i] = errand_fail(codes[i]);
        texts[i] = errand_result_message(&r[i]);
        snprintf(copies[i], sizeof copies[i], "%s", texts[i]);
    }
    for (size_t i = 0; i < N; i++) {
        ck_assert_str_eq(texts[i], copies[i]);
        ck_assert_ptr_eq(errand_result_message(&r[i]), texts[i]); /* each text is made once */
    }
    ck_assert_str_eq(texts[0], "HTTP 404");
    ck_assert_str_eq(texts[1], "HTTP 503");
}
END_TEST

START_TEST(messages_of_cancels_and_timeouts_name_the_reason)
{
    static const struct {
        int error;
        errand_reason reason;
        const char *part;
    } rows[] = {
        { ECANCELED, ERRAND_BY_CALLER, "by its caller" },
        { ECANCELED, ERRAND_BY_SIBLING, "sibling" },
        { ECANCELED, ERRAND_BY_SHUTDOWN, "shutdown" },
        { ECANCELED, ERRAND_BY_TOTAL, "deadline of the whole" },
        { ECANCELED, ERRAND_BY_ATTEMPT, "deadline of the attempt" },
        { ETIMEDOUT, ERRAND_BY_TOTAL, "deadline of the whole" },
        { ETIMEDOUT, ERRAND_BY_ATTEMPT, "deadline of the attempt" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        errand_result r = er_fail_by(rows[i].error, rows[i].reason);
        ck_assert_msg(strstr(errand_result_message(&r), rows[i].part) != NULL, "%s",
                      errand_result_message(&r));
    }
}
END_TEST

START_TEST(kinds_match_the_table_of_the_header)
{
    static const struct {
        int error;
        errand_kind kind;
        bool again;
    } rows[] = {
        { 0, ERRAND_KIND_OK, false },
        { ETIMEDOUT, ERRAND_KIND_TIMEOUT, true },
        { ECONNREFUSED, ERRAND_KIND_NETWORK, true },
        { ECONNRESET, ERRAND_KIND_NETWORK, true },
        { ECONNABORTED, ERRAND_KIND_NETWORK, true },
        { EPIPE, ERRAND_KIND_NETWORK, true },
        { EHOSTUNREACH, ERRAND_KIND_NETWORK, true },
        { ENETUNREACH, ERRAND_KIND_NETWORK, true },
        { ENETDOWN, ERRAND_KIND_NETWORK, true },
        { EAGAIN, ERRAND_KIND_RESOURCE, true },
        { EMFILE, ERRAND_KIND_RESOURCE, true },
        { ENFILE, ERRAND_KIND_RESOURCE, true },
        { ENOBUFS, ERRAND_KIND_RESOURCE, true },
        { ECANCELED, ERRAND_KIND_CANCELLED, false },
        { ENOMEM, ERRAND_KIND_RESOURCE, false },
        { ENOSPC, ERRAND_KIND_RESOURCE, false },
        { EDQUOT, ERRAND_KIND_RESOURCE, false },
        { EINVAL, ERRAND_KIND_VALIDATION, false },
        { EDOM, ERRAND_KIND_VALIDATION, false },
        { ERANGE, ERRAND_KIND_VALIDATION, false },
        { ENOTSUP, ERRAND_KIND_VALIDATION, false },
        { EACCES, ERRAND_KIND_AUTH, false },
        { EPERM, ERRAND_KIND_AUTH, false },
        { EPROTO, ERRAND_KIND_PROTOCOL, false },
        { EBADMSG, ERRAND_KIND_PROTOCOL, false },
        { ERRAND_ELATE, ERRAND_KIND_REJECTED, false },
        { ERRAND_EOPEN, ERRAND_KIND_REJECTED, false },
        { ERRAND_EBUDGET, ERRAND_KIND_REJECTED, false },
        { ERRAND_EFULL, ERRAND_KIND_REJECTED, false },
        { ERRAND_EABANDONED, ERRAND_KIND_INTERNAL, false },
        { ERRAND_EFORKED, ERRAND_KIND_INTERNAL, false },
        { EIO, ERRAND_KIND_UNKNOWN, false },
        { ENOENT, ERRAND_KIND_UNKNOWN, false },
        { ERRAND_USER + 9, ERRAND_KIND_UNKNOWN, false },
        { ERRAND_HTTP + 404, ERRAND_KIND_HTTP_CLIENT, false },
        { ERRAND_HTTP + 408, ERRAND_KIND_HTTP_CLIENT, true },
        { ERRAND_HTTP + 425, ERRAND_KIND_HTTP_CLIENT, true },
        { ERRAND_HTTP + 401, ERRAND_KIND_AUTH, false },
        { ERRAND_HTTP + 403, ERRAND_KIND_AUTH, false },
        { ERRAND_HTTP + 429, ERRAND_KIND_RATE_LIMITED, true },
        { ERRAND_HTTP + 500, ERRAND_KIND_HTTP_SERVER, true },
        { ERRAND_HTTP + 501, ERRAND_KIND_HTTP_SERVER, false },
        { ERRAND_HTTP + 502, ERRAND_KIND_HTTP_SERVER, true },
        { ERRAND_HTTP + 503, ERRAND_KIND_HTTP_SERVER, true },
        { ERRAND_HTTP + 504, ERRAND_KIND_HTTP_SERVER, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        errand_result r = errand_fail(rows[i].error);
        ck_assert_msg(errand_result_kind(&r) == rows[i].kind, "kind of %d: %s", r.error,
                      errand_kind_name(errand_result_kind(&r)));
        ck_assert_msg(errand_result_transient(&r) == rows[i].again, "transient %d", r.error);
    }
}
END_TEST

START_TEST(an_explicit_kind_overrides_the_code)
{
    errand_result r = errand_fail_as(ECONNRESET, ERRAND_KIND_PROTOCOL, -1, false, "cut short");
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
    r = errand_fail_as(EIO, ERRAND_KIND_TIMEOUT, -1, false, "late");
    ck_assert(errand_result_transient(&r));
    errand_result_free(&r);
}
END_TEST

START_TEST(a_copy_has_all_but_the_value)
{
    errand_result r = errand_fail_as(ERRAND_HTTP + 503, ERRAND_KIND_RATE_LIMITED, 700, true,
                                     "busy"),
                  copy;
    er_history *history = NULL;
    errand_attempt at = { .number = 1, .error = EIO }, again;
    r.value = r.owner = malloc(1);
    r.free = count_free;
    er_history_add(&history, &at);
    er_result_attempted(&r, history);
    er_result_because(&r, errand_failf(EIO, "disk"));
    copy = er_result_copy(&r);
    ck_assert_ptr_null(copy.value);
    ck_assert_ptr_null(copy.free);
    errand_result_free(&r); /* they share nothing */
    ck_assert_uint_eq(freed, 1);
    ck_assert_int_eq(copy.error, ERRAND_HTTP + 503);
    ck_assert_str_eq(errand_result_message(&copy), "busy");
    ck_assert_int_eq(errand_result_kind(&copy), ERRAND_KIND_RATE_LIMITED);
    ck_assert_int_eq(errand_result_retry_after(&copy), 700);
    ck_assert(errand_result_may_have_run(&copy));
    ck_assert_str_eq(errand_result_message(errand_result_cause(&copy, 0)), "disk");
    ck_assert_ptr_null(errand_result_cause(&copy, 1));
    ck_assert_int_eq(errand_result_attempt(&copy, 0, &again), 0);
    ck_assert_int_eq(again.error, EIO);
    errand_result_free(&copy);
    ck_assert_uint_eq(freed, 1);
    r = er_fail_by(ECANCELED, ERRAND_BY_SIBLING);
    copy = er_result_copy(&r);
    ck_assert_int_eq(errand_result_reason(&copy), ERRAND_BY_SIBLING);
    errand_result_free(&copy);
    r = errand_fail(EIO);
    copy = er_result_copy(&r);
    ck_assert_int_eq(copy.error, EIO);
    ck_assert_ptr_null(copy.detail);
}
END_TEST

START_TEST(error_codes_have_names)
{
    static const struct {
        int error;
        const char *name;
    } rows[] = {
        { 0, "OK" },
        { ETIMEDOUT, "ETIMEDOUT" },
        { ECANCELED, "ECANCELED" },
        { ERRAND_HTTP + 503, "HTTP 503" },
        { ERRAND_CURL + 28, "curl 28" },
        { ERRAND_ELATE, "ELATE" },
        { ERRAND_EOPEN, "EOPEN" },
        { ERRAND_EBUDGET, "EBUDGET" },
        { ERRAND_EFULL, "EFULL" },
        { ERRAND_EABANDONED, "EABANDONED" },
        { ERRAND_EFORKED, "EFORKED" },
        { ERRAND_USER, "user 0" },
        { ERRAND_USER + 7, "user 7" },
        { ERRAND_USER + 0xffff, "user 65535" },
        { 9999, "error 9999" },
        { -4, "error -4" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buffer[32];
        ck_assert_ptr_eq(errand_error_name(rows[i].error, buffer, sizeof buffer), buffer);
        ck_assert_str_eq(buffer, rows[i].name);
    }
    char small[4] = { 'x', 'x', 'x', 'x' };
    errand_error_name(ETIMEDOUT, small, 3); /* cut to fit */
    ck_assert_str_eq(small, "ET");
    ck_assert_int_eq(small[3], 'x');
}
END_TEST

START_TEST(kinds_and_reasons_have_names)
{
    static const char *const kinds[] = {
        "ok",   "network",  "timeout",    "cancelled", "http_client", "http_server", "rate_limited",
        "auth", "protocol", "validation", "resource",  "rejected",    "internal",    "unknown"
    };
    for (int k = ERRAND_KIND_OK; k <= ERRAND_KIND_UNKNOWN; k++)
        ck_assert_str_eq(errand_kind_name((errand_kind)k), kinds[k]);
    ck_assert_str_eq(errand_kind_name((errand_kind)99), "unknown");
    static const char *const reasons[] = {
        "", "caller", "total", "attempt", "sibling", "shutdown"
    };
    for (int r = ERRAND_BY_NONE; r <= ERRAND_BY_SHUTDOWN; r++)
        ck_assert_str_eq(errand_reason_name((errand_reason)r), reasons[r]);
    ck_assert_str_eq(errand_reason_name((errand_reason)99), "");
}
END_TEST

START_TEST(error_codes_have_texts)
{
    ck_assert_str_eq(errand_strerror(ECONNREFUSED), "Connection refused");
    ck_assert_str_eq(errand_strerror(ERRAND_HTTP + 503), "HTTP 503");
    ck_assert_ptr_nonnull(strstr(errand_strerror(ERRAND_ELATE), "deadline cannot be met"));
    ck_assert_ptr_nonnull(strstr(errand_strerror(ERRAND_CURL + 28), "28"));
    ck_assert_ptr_nonnull(strstr(errand_strerror(ERRAND_USER + 12), "12"));
    ck_assert_ptr_nonnull(strstr(errand_strerror(ERRAND_EOPEN), "breaker"));
    ck_assert_ptr_nonnull(strstr(errand_strerror(ERRAND_EBUDGET), "budget"));
    static const int all[] = {
        ERRAND_EFULL, ERRAND_EABANDONED, ERRAND_EFORKED, ERRAND_HTTP, ERRAND_CURL, -1, 0x7fffffff
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_str_ne(errand_strerror(all[i]), "");
}
END_TEST

START_TEST(the_library_reports_its_version)
{
    int major, minor, patch;
    ck_assert_int_eq(sscanf(errand_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    ck_assert_int_eq(major, ERRAND_VERSION_MAJOR);
    ck_assert_int_eq(minor, ERRAND_VERSION_MINOR);
    ck_assert_int_eq(patch, ERRAND_VERSION_PATCH);
    ck_assert_ptr_nonnull(strstr(errand_features(), "pthreads"));
}
END_TEST

Suite *results_suite(void)
{
    Suite *suite = suite_create("results");
    TCase *tc = tcase_create("results");
    tcase_add_test(tc, a_success_frees_its_value_once);
    tcase_add_test(tc, nested_results_are_copied_and_freed_without_recursion);
    tcase_add_test(tc, owner_is_freed_instead_of_the_value);
    tcase_add_test(tc, the_value_of_a_failure_is_freed);
    tcase_add_test(tc, a_plain_failure_has_no_details);
    tcase_add_test(tc, a_message_is_formatted_and_copied);
    tcase_add_test(tc, a_message_is_never_empty);
    tcase_add_test(tc, a_failure_with_error_0_is_EINVAL);
    tcase_add_test(tc, fail_as_sets_all_a_retry_needs);
    tcase_add_test(tc, causes_keep_their_order_and_are_freed_with_the_failure);
    tcase_add_test(tc, a_copy_appends_causes_to_its_own);
    tcase_add_test(tc, the_reason_needs_no_memory);
    tcase_add_test(tc, may_have_run_needs_no_memory);
    tcase_add_test(tc, texts_last_as_long_as_their_results);
    tcase_add_test(tc, messages_of_cancels_and_timeouts_name_the_reason);
    tcase_add_test(tc, kinds_match_the_table_of_the_header);
    tcase_add_test(tc, an_explicit_kind_overrides_the_code);
    tcase_add_test(tc, a_copy_has_all_but_the_value);
    tcase_add_test(tc, error_codes_have_names);
    tcase_add_test(tc, kinds_and_reasons_have_names);
    tcase_add_test(tc, error_codes_have_texts);
    tcase_add_test(tc, the_library_reports_its_version);
    suite_add_tcase(suite, tc);
    return suite;
}
