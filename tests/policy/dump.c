/* What a pool's dump tells of runs. */
#include "runs.h"

#include "async/dumped.h"
#include "async/heard.h"

#include <errno.h>
#include <string.h>

static errand_result unreachable(void *arg) { return (void)arg, errand_fail(ENETUNREACH); }

START_TEST(a_dump_shows_runs_that_are_asleep)
{
    heard log;
    heard_open(&log);
    errand_pool *pool = heard_pool(&log, "bees", 2, 0);
    errand_policy *patient = policy_of(
        (errand_policy_opts){ .attempts = 2, .initial_ms = LONG_MS, .jitter = ERRAND_JITTER_NONE, .name = "patient" });
    errand_future *f = errand_run_task(pool, patient, &(errand_task){ .fn = unreachable, .key = "hive:1" });
    ck_assert_msg(dump_has_soon(pool, "patient: asleep after attempt 1, again in "), "%s", dump_text);
    ck_assert(strstr(dump_line(pool, "patient:"), ", key hive:1, submitted at ") != NULL);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert(!dump_has(pool, "patient"));
    errand_policy_free(patient);
    close_pool(pool);
    heard_close(&log);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *suite = suite_create("dump");
    TCase *tc = case_of(suite, "dump");
    tcase_add_test(tc, a_dump_shows_runs_that_are_asleep);
    return suite;
}
