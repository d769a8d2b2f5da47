/* The demo server: every fault, its counters, and idempotency keys. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tools/client.h"
#include "tools/demo_process.h"

enum { STORM = 1000 };

START_TEST(generate_returns_the_video)
{
    struct answer answer;
    start_demo(FLAGS("--delay-ms", "30"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.code, CURLE_OK);
    ck_assert_int_eq(answer.status, 200);
    assert_has(answer.head, "Content-Type: application/json\r\n");
    assert_has(answer.body, "\"video_id\":\"v\"");
    assert_has(answer.body, "\"status\":\"succeeded\"");
    assert_has(answer.body, "\"idempotency_key\":null");
    assert_has(answer.body,
               "\"usage\":{\"input_tokens\":5,\"output_tokens\":4,\"total_tokens\":9}");
    char url[200];
    snprintf(url, sizeof url, "%s", behind(answer.body, "\"url\":\""));
    ask_for(url, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.length, 2 * 1024);
    ck_assert_int_eq(count_of_v("received"), 1);
    ck_assert_int_eq(count_of_v("processed"), 1);
    ck_assert_int_eq(count_of_v("keyed"), 0);
    ck_assert_int_eq(count_of_v("fetches"), 1);
    stop_demo();
}
END_TEST

START_TEST(max_tokens_limits_the_usage)
{
    struct answer answer;
    struct call call = { .path = "/generate",
                         .body = "{\"prompt\":\"p\",\"video_id\":\"v\",\"duration\":10,"
                                 "\"max_tokens\":3}" };
    start_demo(FLAGS("--delay-ms", "0"));
    ask(&call, &answer);
    ck_assert_int_eq(answer.status, 200);
    assert_has(answer.body,
               "\"usage\":{\"input_tokens\":1,\"output_tokens\":3,\"total_tokens\":4}");
    call.body = "{\"prompt\":\"p\",\"video_id\":\"v\",\"max_tokens\":0}";
    ask(&call, &answer);
    ck_assert_int_eq(answer.status, 422);
    assert_has(answer.body, "\"field\":\"max_tokens\"");
    stop_demo();
}
END_TEST

START_TEST(generate_takes_delay_ms)
{
    struct answer answer;
    start_demo(FLAGS("--delay-ms", "150"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_double_ge(answer.seconds, 0.14);
    stop_demo();
}
END_TEST

START_TEST(a_503_was_not_processed)
{
    struct answer answer;
    start_demo(FLAGS("--fail-503", "1"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.status, 503);
    assert_has(answer.head, "application/problem+json");
    assert_has(answer.body, "\"status\":503");
    ck_assert_int_eq(count_of_v("received"), 1);
    ck_assert_int_eq(count_of_v("processed"), 0);
    ck_assert_int_eq(demo_count(&demo, "/stats", "503"), 1);
    stop_demo();
}
END_TEST

START_TEST(a_429_has_retry_after_in_seconds_or_as_a_date)
{
    struct answer answer;
    int in_seconds = 0, as_date = 0;
    start_demo(FLAGS("--fail-429", "1", "--retry-after", "7"));
    for (int i = 0; i < 20; i++) {
        generate("v", NULL, &answer);
        ck_assert_int_eq(answer.status, 429);
        const char *after = behind(answer.head, "Retry-After: ");
        if (strstr(after, "GMT")) {
            time_t at = curl_getdate(after, NULL),
                   now = curl_getdate(behind(answer.head, "Date: "), NULL);
            ck_assert_int_ge(at - now, 6); /* Date is read from the clock a moment later */
            ck_assert_int_le(at - now, 7);
            as_date++;
        } else {
            ck_assert_str_eq(after, "7");
            in_seconds++;
        }
    }
    ck_assert_int_gt(in_seconds, 3);
    ck_assert_int_gt(as_date, 3);
    ck_assert_int_eq(count_of_v("received"), 20);
    ck_assert_int_eq(count_of_v("processed"), 0);
    ck_assert_int_eq(demo_count(&demo, "/stats", "429"), 20);
    stop_demo();
}
END_TEST

START_TEST(a_dropped_request_is_processed_or_not_as_set)
{
    static const char *const flags[] = { "--drop-unprocessed", "--drop-before" };
    static const char *const names[] = { "drop_unprocessed", "drop_before" };
    struct answer answer;
    start_demo(FLAGS(flags[_i], "1", "--delay-ms", "1"));
    generate("v", NULL, &answer);
    ck_assert(answer.code == CURLE_GOT_NOTHING || answer.code == CURLE_RECV_ERROR);
    ck_assert_str_eq(answer.head, "");
    ck_assert_int_eq(count_of_v("received"), 1);
    ck_assert_int_eq(count_of_v("processed"), _i);
    ck_assert_int_eq(demo_count(&demo, "/stats", names[_i]), 1);
    stop_demo();
}
END_TEST

START_TEST(a_reply_dropped_in_the_middle_has_half_its_body)
{
    struct answer answer;
    start_demo(FLAGS("--drop-middle", "1", "--delay-ms", "1"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.code, CURLE_PARTIAL_FILE);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.length,
                      strtoul(behind(answer.head, "Content-Length: "), NULL, 10) / 2);
    ck_assert_int_eq(count_of_v("processed"), 1);
    ck_assert_int_eq(demo_count(&demo, "/stats", "drop_middle"), 1);
    stop_demo();
}
END_TEST

START_TEST(a_slow_body_arrives_whole_and_in_pieces)
{
    struct answer answer;
    start_demo(FLAGS("--slow-body", "1", "--slow-ms", "320", "--delay-ms", "1"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.code, CURLE_OK);
    assert_has(answer.body, "\"status\":\"succeeded\"");
    ck_assert_uint_eq(answer.length, strtoul(behind(answer.head, "Content-Length: "), NULL, 10));
    ck_assert_uint_gt(answer.pieces, 1);
    ck_assert_double_ge(answer.body_seconds, 0.1);
    ck_assert_int_eq(count_of_v("processed"), 1);
    ck_assert_int_eq(demo_count(&demo, "/stats", "slow_body"), 1);
    stop_demo();
}
END_TEST

START_TEST(a_wrong_type_is_an_html_page)
{
    struct answer answer;
    start_demo(FLAGS("--wrong-type", "1", "--delay-ms", "1"));
    generate("v", NULL, &answer);
    ck_assert_int_eq(answer.status, 200);
    assert_has(answer.head, "Content-Type: text/html\r\n");
    assert_has(answer.body, "<title>");
    ck_assert_int_eq(count_of_v("processed"), 1);
    ck_assert_int_eq(demo_count(&demo, "/stats", "wrong_type"), 1);
    stop_demo();
}
END_TEST

START_TEST(faults_affect_only_work)
{
    struct answer answer;
    start_demo(FLAGS("--faults", "1"));
    for (int i = 0; i < 30; i++) {
        ask_for("/healthz", &answer);
        ck_assert_int_eq(answer.status, 200);
        ask_for("/stats", &answer);
        ck_assert_int_eq(answer.status, 200);
    }
    assert_has(answer.body, "\"requests\":60");
    stop_demo();
}
END_TEST

enum { IDS = 30, TIMES = 3 };

/* How each request ended, with the IDS in this or the reverse order. */
static void outcomes(const char *seed, bool backwards, int ended[IDS][TIMES])
{
    struct answer answer;
    start_demo(FLAGS("--faults", "0.9", "--slow-body", "0", "--delay-ms", "0", "--seed", seed));
    for (int n = 0; n < TIMES; n++) {
        for (int i = 0; i < IDS; i++) {
            int which = backwards ? IDS - 1 - i : i;
            char id[16];
            snprintf(id, sizeof id, "v%d", which);
            generate(id, NULL, &answer);
            ended[which][n] = (int)answer.code * 1000 + (int)answer.status +
                              (strstr(answer.head, "html") ? 1 : 0);
        }
    }
    stop_demo();
}

START_TEST(a_seed_gives_the_same_faults_in_any_order)
{
    int one[IDS][TIMES], two[IDS][TIMES], other[IDS][TIMES];
    outcomes("11", false, one);
    outcomes("11", true, two);
    outcomes("12", false, other);
    ck_assert_mem_eq(one, two, sizeof one);
    ck_assert_mem_ne(one, other, sizeof one);
    int differ = 0;
    for (int i = 0; i < IDS; i++) {
        differ += one[i][0] != one[i][1];
    }
    ck_assert_int_gt(differ, 3); /* the next request has an outcome of its own */
}
END_TEST

START_TEST(faults_are_of_all_kinds)
{
    static const char *const names[] = {
        "503", "429", "drop_unprocessed", "drop_before", "drop_middle", "slow_body", "wrong_type"
    };
    struct answer answer;
    long sum = 0;
    start_demo(FLAGS("--faults", "0.7", "--delay-ms", "0", "--slow-ms", "0"));
    for (int i = 0; i < 400; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%d", i);
        generate(id, NULL, &answer);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        long met = demo_count(&demo, "/stats", names[i]);
        ck_assert_int_ge(met, 20);
        ck_assert_int_le(met, 60);
        sum += met;
    }
    ck_assert_int_ge(sum, 240);
    ck_assert_int_le(sum, 320);
    stop_demo();
}
END_TEST

START_TEST(work_with_a_key_is_done_once)
{
    struct answer answer;
    char first[REPLY_MOST] = "";
    int good = 0, tries = 0;
    start_demo(FLAGS("--drop-before", "0.4", "--drop-middle", "0.2", "--delay-ms", "1"));
    while (good < 5) {
        generate("v", "k-1", &answer);
        ck_assert_int_lt(++tries, 100);
        if (answer.code != CURLE_OK) {
            continue;
        }
        if (!good++) {
            memcpy(first, answer.body, answer.length + 1);
        }
        ck_assert_str_eq(answer.body, first);
    }
    ck_assert_int_gt(tries, good);
    assert_has(first, "\"idempotency_key\":\"k-1\"");
    ck_assert_int_eq(count_of_v("received"), tries);
    ck_assert_int_eq(count_of_v("keyed"), tries);
    ck_assert_int_eq(count_of_v("replayed"), tries - 1);
    ck_assert_int_eq(count_of_v("processed"), 1);
    ck_assert_int_eq(count_of_v("keys"), 1);
    ck_assert_int_eq(demo_count(&demo, "/stats", "unkeyed_repeats"), 0);
    stop_demo();
}
END_TEST

START_TEST(work_without_a_key_is_done_again)
{
    struct answer one, two;
    start_demo(FLAGS("--delay-ms", "1"));
    generate("v", NULL, &one);
    generate("v", NULL, &two);
    ck_assert_str_ne(one.body, two.body);
    ck_assert_int_eq(count_of_v("processed"), 2);
    ck_assert_int_eq(demo_count(&demo, "/stats", "unkeyed_repeats"), 1);
    ck_assert_int_eq(demo_count(&demo, "/stats", "unkeyed_work_repeats"), 1);
    stop_demo();
}
END_TEST

START_TEST(a_key_is_refused_for_another_request)
{
    struct answer answer;
    start_demo(FLAGS("--delay-ms", "1"));
    generate("v", "k", &answer);
    ck_assert_int_eq(answer.status, 200);
    generate("w", "k", &answer);
    ck_assert_int_eq(answer.status, 422);
    assert_has(answer.body, "\"field\":\"Idempotency-Key\"");
    ask(&(struct call){ .path = "/videos", .body = order_for("v"), .key = "k" }, &answer);
    ck_assert_int_eq(answer.status, 422);
    ck_assert_int_eq(demo_count(&demo, "/stats", "processed"), 1);
    stop_demo();
}
END_TEST

START_TEST(concurrent_requests_with_one_key_are_done_once)
{
    static struct answer answers[2];
    start_demo(FLAGS("--delay-ms", "100"));
    struct call call = { .path = "/generate", .body = order_for("v"), .key = "k" };
    ask_together((struct call[]){ call, call }, answers, 2, 0);
    ck_assert_int_eq(answers[0].status, 200);
    ck_assert_int_eq(answers[1].status, 200);
    ck_assert_str_eq(answers[0].body, answers[1].body);
    ck_assert_int_eq(count_of_v("received"), 2);
    ck_assert_int_eq(count_of_v("processed"), 1);
    stop_demo();
}
END_TEST

START_TEST(a_repeat_does_not_overtake_the_work)
{
    static struct answer answers[2];
    struct call call = { .path = "/generate", .body = order_for("v"), .key = "k" };
    start_demo(FLAGS("--delay-ms", "3600000"));
    ask_together((struct call[]){ call, call }, answers, 2, SIGTERM);
    ck_assert_str_eq(answers[0].head, "");
    ck_assert_str_eq(answers[1].head, "");
}
END_TEST

START_TEST(many_connections_can_wait_at_once)
{
    const char *text = getenv("ERRAND_TEST_SCALE");
    double scale = text ? strtod(text, NULL) : 1;
    size_t n = (size_t)((scale < 1 ? scale : 1) * STORM) + 1;
    struct answer *answers = calloc(n, sizeof *answers);
    struct call *calls = calloc(n, sizeof *calls);
    char(*bodies)[200] = calloc(n, sizeof *bodies);
    ck_assert(answers && calls && bodies);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    start_demo(FLAGS("--delay-ms", "200", "--delay-spread-ms", "200"));
    for (size_t i = 0; i < n; i++) {
        char id[24];
        snprintf(id, sizeof id, "v%zu", i);
        snprintf(bodies[i], sizeof bodies[i], "%s", order_for(id));
        calls[i] = (struct call){ .path = "/generate", .body = bodies[i] };
    }
    ask_together(calls, answers, n, 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(answers[i].code, CURLE_OK);
        ck_assert_int_eq(answers[i].status, 200);
    }
    ck_assert_int_eq(demo_count(&demo, "/stats", "processed"), (long)n);
    stop_demo();
    free(bodies);
    free(calls);
    free(answers);
}
END_TEST

START_TEST(an_operation_is_queued_then_running_then_succeeded)
{
    struct answer answer;
    char url[200], stage = 'q';
    int polls = 0;
    start_demo(FLAGS("--retry-after", "3", "--polls", "3"));
    ask_for("/videos/v/content", &answer);
    ck_assert_int_eq(answer.status, 404);
    ask(&(struct call){ .path = "/videos", .body = order_for("v"), .key = "k" }, &answer);
    ck_assert_int_eq(answer.status, 202);
    assert_has(answer.head, "Retry-After: 3\r\n");
    assert_has(answer.body, "\"status\":\"queued\"");
    snprintf(url, sizeof url, "%s", behind(answer.head, "Operation-Location: "));
    ask(&(struct call){ .path = "/videos", .body = order_for("v"), .key = "k" }, &answer);
    ck_assert_str_eq(behind(answer.head, "Operation-Location: "), url);
    ck_assert_int_eq(count_of_v("processed"), 1);
    for (; stage != 's'; polls++) {
        ck_assert_int_lt(polls, 7);
        ask_for(url, &answer);
        ck_assert_int_eq(answer.status, 200);
        char now = *behind(answer.body, "\"status\":\"");
        ck_assert(now == stage || (stage == 'q' && now == 'r') || (stage == 'r' && now == 's'));
        ck_assert((now == 's') == !strstr(answer.head, "Retry-After"));
        stage = now;
    }
    ck_assert_int_ge(polls, 3);
    ck_assert_int_eq(count_of_v("polls"), polls);
    snprintf(url, sizeof url, "%s", behind(answer.body, "\"url\":\""));
    ask_for(url, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.length, 2 * 1024);
    ask_for("/operations/op-0", &answer);
    ck_assert_int_eq(answer.status, 404);
    stop_demo();
}
END_TEST

START_TEST(bad_input_is_refused_by_name)
{
    static const struct {
        const char *body, *type, *key;
        int status;
        const char *field;
    } cases[] = {
        { "{}", "text/plain", NULL, 415, "Content-Type" },
        { "", NULL, NULL, 400, "body" },
        { "{\"prompt\":", NULL, NULL, 400, "body" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\"} x", NULL, NULL, 400, "body" },
        { "{\"prompt\":\"\xff\",\"video_id\":\"v\"}", NULL, NULL, 400, "body" },
        { "[]", NULL, NULL, 422, "body" },
        { "null", NULL, NULL, 422, "body" },
        { "{\"video_id\":\"v\"}", NULL, NULL, 422, "prompt" },
        { "{\"prompt\":\"\",\"video_id\":\"v\"}", NULL, NULL, 422, "prompt" },
        { "{\"prompt\":5,\"video_id\":\"v\"}", NULL, NULL, 422, "prompt" },
        { "{\"prompt\":\"x\"}", NULL, NULL, 422, "video_id" },
        { "{\"prompt\":\"x\",\"video_id\":\"a/b\"}", NULL, NULL, 422, "video_id" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\\u0000\"}", NULL, NULL, 422, "video_id" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\",\"quality\":\"best\"}", NULL, NULL, 422,
          "quality" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\",\"duration\":1.5}", NULL, NULL, 422, "duration" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\",\"duration\":601}", NULL, NULL, 422, "duration" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\",\"colour\":1}", NULL, NULL, 422, "colour" },
        { "{\"prompt\":\"x\",\"video_id\":\"v\"}", NULL, "", 400, "Idempotency-Key" },
    };
    const size_t n = sizeof cases / sizeof *cases;
    struct answer answer;
    start_demo(FLAGS("--faults", "1"));
    for (size_t i = 0; i < n; i++) {
        ask(&(struct call){ .path = i % 2 ? "/generate" : "/videos",
                            .body = cases[i].body,
                            .type = cases[i].type,
                            .key = cases[i].key },
            &answer);
        char field[60];
        snprintf(field, sizeof field, "\"field\":\"%s\"", cases[i].field);
        ck_assert_msg(answer.status == cases[i].status, "%s: %ld, not %d", cases[i].body,
                      answer.status, cases[i].status);
        assert_has(answer.head, "Content-Type: application/problem+json\r\n");
        assert_has(answer.body, field);
    }
    ck_assert_int_eq(demo_count(&demo, "/stats", "rejected"), (long)n);
    ck_assert_int_eq(demo_count(&demo, "/stats", "received"), 0);
    stop_demo();
}
END_TEST

START_TEST(an_oversized_body_is_refused)
{
    struct answer answer;
    size_t length = 3 << 20;
    char *body = malloc(length + 1);
    start_demo(NULL);
    memset(body, ' ', length);
    body[length] = '\0';
    ask(&(struct call){ .path = "/generate", .body = body }, &answer);
    ck_assert_int_eq(answer.status, 413);
    free(body);
    stop_demo();
}
END_TEST

START_TEST(wrong_methods_and_paths_are_reported)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *allow;
    } cases[] = {
        { "GET", "/generate", 405, "POST" },
        { "PUT", "/videos", 405, "POST" },
        { "DELETE", "/operations/x", 405, "GET, HEAD" },
        { "POST", "/healthz", 405, "GET, HEAD" },
        { "POST", "/stats/v", 405, "GET, HEAD" },
        { "POST", "/videos/v/content", 405, "GET, HEAD" },
        { "GET", "/", 404, NULL },
        { "GET", "/generate/", 404, NULL },
        { "GET", "/videos//content", 404, NULL },
        { "GET", "/stats/nobody", 404, NULL },
        { "GET", "/operations/", 404, NULL },
        { "HEAD", "/healthz", 200, NULL },
    };
    struct answer answer;
    start_demo(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(&(struct call){ .method = cases[i].method, .path = cases[i].path }, &answer);
        ck_assert_msg(answer.status == cases[i].status, "%s %s: %ld", cases[i].method,
                      cases[i].path, answer.status);
        if (cases[i].allow) {
            ck_assert_str_eq(behind(answer.head, "Allow: "), cases[i].allow);
        }
        assert_has(answer.head,
                   cases[i].status >= 400 ? "application/problem+json" : "application/json");
    }
    stop_demo();
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    Suite *suite = suite_create("demo server");
    TCase *service = add_case(suite, "service");
    tcase_add_test(service, generate_returns_the_video);
    tcase_add_test(service, max_tokens_limits_the_usage);
    tcase_add_test(service, generate_takes_delay_ms);
    tcase_add_test(service, work_with_a_key_is_done_once);
    tcase_add_test(service, work_without_a_key_is_done_again);
    tcase_add_test(service, a_key_is_refused_for_another_request);
    tcase_add_test(service, concurrent_requests_with_one_key_are_done_once);
    tcase_add_test(service, a_repeat_does_not_overtake_the_work);
    tcase_add_test(service, many_connections_can_wait_at_once);
    tcase_add_test(service, an_operation_is_queued_then_running_then_succeeded);
    TCase *faults = add_case(suite, "faults");
    tcase_add_test(faults, a_503_was_not_processed);
    tcase_add_test(faults, a_429_has_retry_after_in_seconds_or_as_a_date);
    tcase_add_loop_test(faults, a_dropped_request_is_processed_or_not_as_set, 0, 2);
    tcase_add_test(faults, a_reply_dropped_in_the_middle_has_half_its_body);
    tcase_add_test(faults, a_slow_body_arrives_whole_and_in_pieces);
    tcase_add_test(faults, a_wrong_type_is_an_html_page);
    tcase_add_test(faults, faults_affect_only_work);
    tcase_add_test(faults, a_seed_gives_the_same_faults_in_any_order);
    tcase_add_test(faults, faults_are_of_all_kinds);
    TCase *bad = add_case(suite, "bad input");
    tcase_add_test(bad, bad_input_is_refused_by_name);
    tcase_add_test(bad, an_oversized_body_is_refused);
    tcase_add_test(bad, wrong_methods_and_paths_are_reported);
    add_process_tests(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    curl_global_cleanup();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
