/* Which statuses are errors: 400 and more, none, or as the session's function says. */
#include "harness.h"

#include <unistd.h>

static void say_status(struct raw_conn *conn, void *arg) /* the path's */
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        int status = (int)strtol(strchr(request.text, '/') + 1, NULL, 10);
        raw_request_free(&request);
        raw_say(conn, "HTTP/1.1 %d So\r\nContent-Length: 4\r\n\r\nbody", status);
    }
}

static int only_404_is_well(int status, void *calls) /* and 202 is no success here */
{
    ++*(int *)calls;
    return status == 202 || (status >= 400 && status != 404);
}

static int error_of(struct harness *w, errand_request request)
{
    errand_result r = harness_send(w, request);
    int error = r.error;
    ck_assert_ptr_nonnull(r.value);
    ck_body_eq(&r, "body");
    errand_result_free(&r);
    return error;
}

START_TEST(any_status_of_a_session_holds_for_all_its_requests)
{
    struct harness w;
    harness_open(&w, say_status, NULL, &(errand_http_opts){ .any_status = 1 });
    for (int status = 400; status < 600; status += 37) {
        char path[20];
        snprintf(path, sizeof path, "/%d", status);
        ck_assert_int_eq(error_of(&w, (errand_request){ .url = path }), 0);
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_function_decides_which_statuses_are_errors)
{
    struct harness w;
    int calls = 0;
    harness_open(&w, say_status, NULL,
                 &(errand_http_opts){ .is_error = only_404_is_well, .is_error_arg = &calls });
    ck_assert_int_eq(calls, 800);
    ck_assert_int_eq(error_of(&w, (errand_request){ .url = "/404" }), 0);
    ck_assert_int_eq(error_of(&w, (errand_request){ .url = "/200" }), 0);
    ck_assert_int_eq(error_of(&w, (errand_request){ .url = "/410" }), ERRAND_HTTP + 410);
    ck_assert_int_eq(error_of(&w, (errand_request){ .url = "/503" }), ERRAND_HTTP + 503);
    ck_assert_int_eq(error_of(&w, (errand_request){ .url = "/503", .any_status = 1 }), 0);
    ck_assert_int_eq(calls, 800);
    harness_close(&w);
}
END_TEST

START_TEST(a_2xx_that_is_an_error_has_its_body_and_is_not_saved)
{
    struct harness w;
    int calls = 0;
    char path[] = "/tmp/errand-status-XXXXXX";
    close(mkstemp(path));
    harness_open(&w, say_status, NULL,
                 &(errand_http_opts){ .is_error = only_404_is_well, .is_error_arg = &calls });
    for (int way = 0; way < 3; way++) { /* memory, file, stream */
        errand_result r = harness_send(
            &w, (errand_request){
                    .url = "/202", .save_to = way == 1 ? path : NULL, .stream = way == 2 });
        ck_assert_int_eq(r.error, ERRAND_HTTP + 202);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
        ck_assert(!errand_result_transient(&r));
        ck_message_has(&r, "HTTP 202 So");
        ck_body_eq(&r, "body");
        errand_result_free(&r);
    }
    FILE *file = fopen(path, "r");
    ck_assert_int_eq(fgetc(file), EOF);
    fclose(file);
    unlink(path);
    harness_close(&w);
}
END_TEST

START_TEST(any_status_and_a_function_together_are_EINVAL)
{
    errand_pool *pool = errand_pool_new(NULL);
    int calls = 0;
    errno = 0;
    ck_assert_ptr_null(errand_http_new(
        pool, &(errand_http_opts){
                  .any_status = 1, .is_error = only_404_is_well, .is_error_arg = &calls }));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(errand_pool_close(pool, 30000), 0);
}
END_TEST

Suite *statuses_suite(void)
{
    Suite *suite = suite_create("http statuses");
    TCase *tc = tcase_create("statuses");
    tcase_add_test(tc, any_status_of_a_session_holds_for_all_its_requests);
    tcase_add_test(tc, a_function_decides_which_statuses_are_errors);
    tcase_add_test(tc, a_2xx_that_is_an_error_has_its_body_and_is_not_saved);
    tcase_add_test(tc, any_status_and_a_function_together_are_EINVAL);
    suite_add_tcase(suite, tc);
    return suite;
}
