/* The table of what earlier runs did, against plain arrays. */
#include "jobs/job_states.h"

#include "base/hash.h"
#include "jobs/suites.h"

#include <errno.h>
#include <stdlib.h>

static er_job_ref ref_of(uint64_t i)
{
    uint64_t seed = i;
    return (er_job_ref){ er_random_next(&seed), i + 1 };
}

/* Even jobs are done, others are under way. */
static er_job_fate judge(const er_job_state *state, void *arg)
{
    (void)arg;
    if (state->under_way) return ER_JOB_UNKNOWN_OR_RUN;
    return state->may_have_run ? ER_JOB_RUN_IF_SAFE : ER_JOB_SKIP;
}

START_TEST(a_job_is_found_as_it_was_left)
{
    enum { N = 5000 };
    er_job_states states;
    uint64_t seed = 7;
    er_job_state *left = calloc(N, sizeof *left);
    ck_assert_int_eq(er_job_states_init(&states, _i ? N : 0), 0); /* grows, or need not */
    for (int i = 0; i < 3 * N; i++) {
        uint64_t dice = er_random_next(&seed), job = dice % N;
        if (dice >> 60 == 0) {
            er_job_states_forget(&states, ref_of(job));
            left[job].run = 0;
            continue;
        }
        left[job] = (er_job_state){ .run = (unsigned)(dice >> 16 & ER_JOB_RUNS_MOST) | 1,
                                    .kind = (errand_kind)(dice >> 32 & 7),
                                    .under_way = dice >> 40 & 1,
                                    .may_have_run = dice >> 41 & 1 };
        ck_assert_int_eq(er_job_states_set(&states, ref_of(job), &left[job]), 0);
    }
    for (uint64_t job = 0; job < N; job++) {
        er_job_state state;
        ck_assert_int_eq(er_job_states_get(&states, ref_of(job), &state), left[job].run != 0);
        if (!left[job].run) continue;
        ck_assert_uint_eq(state.run, left[job].run);
        ck_assert_int_eq(state.kind, left[job].kind);
        ck_assert_int_eq(state.under_way, left[job].under_way);
        ck_assert_int_eq(state.may_have_run, left[job].may_have_run);
    }
    free(left);
    er_job_states_free(&states);
}
END_TEST

START_TEST(a_known_number_of_jobs_takes_24_bytes_each)
{
    enum { N = 1000000 };
    er_job_states states;
    ck_assert_int_eq(er_job_states_init(&states, N), 0);
    size_t room = states.room;
    int error = 0;
    for (uint64_t i = 0; !error && i < N; i++)
        error = er_job_states_set(&states, ref_of(i), &(er_job_state){ .run = 1 });
    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(states.room, room);
    ck_assert_uint_le(room * 16, 24 * (size_t)N);
    er_job_states_free(&states);
}
END_TEST

START_TEST(equal_jobs_are_kept_apart_by_place)
{
    enum { N = 100000 };
    er_job_states states;
    er_job_state state = { .run = 1 };
    ck_assert_int_eq(er_job_states_init(&states, N), 0);
    int wrong = 0;
    for (uint64_t i = 0; i < N; i += 2)
        wrong += er_job_states_set(&states, (er_job_ref){ 5, i }, &state) != 0;
    for (uint64_t i = 0; i < N; i++)
        wrong += er_job_states_get(&states, (er_job_ref){ 5, i }, &state) != (i % 2 == 0);
    ck_assert_int_eq(wrong, 0);
    er_job_states_free(&states);
}
END_TEST

START_TEST(by_content_each_result_is_used_once)
{
    static const er_job_state done = { .run = 1 }, under_way = { .run = 1, .under_way = true },
                              failed = { .run = 2, .may_have_run = true };
    er_job_states states;
    ck_assert_int_eq(er_job_states_init(&states, 0), 0);
    for (uint64_t seq = 1; seq <= 3; seq++)
        ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 8, seq }, &done), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 8, 4 }, &under_way), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 8, 5 }, &failed), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 12, 6 }, &under_way), 0);
    er_job_states_forget(&states, (er_job_ref){ 12, 6 });
    ck_assert_int_eq(er_job_states_match_content(&states, judge, NULL), 0);
    static const er_job_fate fates[] = { ER_JOB_SKIP,           ER_JOB_SKIP,        ER_JOB_SKIP,
                                         ER_JOB_UNKNOWN_OR_RUN, ER_JOB_RUN_IF_SAFE, ER_JOB_RUN };
    for (uint64_t i = 0; i < 6; i++) {
        er_job_ref other = { 8, 100 - i };
        ck_assert_int_eq(er_job_states_next(&states, other, judge, NULL), fates[i]);
    }
    ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 12, 6 }, judge, NULL), ER_JOB_RUN);
    ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 1, 1 }, judge, NULL), ER_JOB_RUN);
    er_job_states_free(&states);
}
END_TEST

START_TEST(by_content_the_last_run_counts_of_an_id)
{
    static const er_job_state under_way = { .run = 1, .under_way = true }, done = { .run = 2 },
                              again = { .run = 3, .under_way = true };
    er_job_states states;
    ck_assert_int_eq(er_job_states_init(&states, 0), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 7, 4 }, &done), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 7, 9 }, &under_way), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 11, 5 }, &done), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 11, 6 }, &again), 0);
    ck_assert_int_eq(er_job_states_match_content(&states, judge, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 7, 1 }, judge, NULL),
                         ER_JOB_SKIP);
    ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 11, 1 }, judge, NULL),
                     ER_JOB_UNKNOWN_OR_RUN);
    er_job_states_free(&states);
}
END_TEST

START_TEST(by_content_a_result_unknown_ends_what_was_under_way)
{
    static const er_job_state under_way = { .run = 1, .under_way = true },
                              unknown = { .run = 2, .kind = ERRAND_KIND_UNKNOWN };
    er_job_states states;
    ck_assert_int_eq(er_job_states_init(&states, 0), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 8, 4 }, &under_way), 0);
    ck_assert_int_eq(er_job_states_set(&states, (er_job_ref){ 8, 5 }, &unknown), 0);
    ck_assert_int_eq(er_job_states_match_content(&states, judge, NULL), 0);
    ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 8, 1 }, judge, NULL), ER_JOB_SKIP);
    ck_assert_int_eq(er_job_states_next(&states, (er_job_ref){ 8, 2 }, judge, NULL), ER_JOB_RUN);
    er_job_states_free(&states);
}
END_TEST

Suite *job_states_suite(void)
{
    Suite *suite = suite_create("job states");
    TCase *tc = tcase_create("job states");
    tcase_add_loop_test(tc, a_job_is_found_as_it_was_left, 0, 2);
    tcase_add_test(tc, a_known_number_of_jobs_takes_24_bytes_each);
    tcase_add_test(tc, equal_jobs_are_kept_apart_by_place);
    tcase_add_test(tc, by_content_each_result_is_used_once);
    tcase_add_test(tc, by_content_the_last_run_counts_of_an_id);
    tcase_add_test(tc, by_content_a_result_unknown_ends_what_was_under_way);
    suite_add_tcase(suite, tc);
    return suite;
}
