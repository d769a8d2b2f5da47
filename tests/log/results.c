/* Results as keys of a line. */
#include "logs.h"

#include "base/result.h"
#include "fixture/memory.h"

#include <errand/log.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct both { /* a log that writes text and JSON */
    errand_log *log;
    place text, json;
    char *said, *objects, *at, *next;
} both;

static both open_both(size_t ring)
{
    both b = { .text = a_file(), .json = a_file() };
    b.log = errand_log_new(&(errand_log_opts){ .ring = ring, .block_from = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_add_file(b.log, b.text.path,
                                         &(errand_log_sink_opts){ .pattern = "{message}{fields}" }),
                     0);
    ck_assert_int_eq(
        errand_log_add_file(b.log, b.json.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }),
        0);
    return b;
}

static void close_both(both *b)
{
    ck_assert_int_eq(errand_log_close(b->log, LONG_MS), 0);
    b->at = b->said = text_of(&b->text);
    b->next = b->objects = text_of(&b->json);
}

static void free_both(both *b)
{
    ck_assert_ptr_null(line_of(&b->at));
    ck_assert_ptr_null(line_of(&b->next));
    free(b->said);
    free(b->objects);
}

/* The next line in both forms; JSON from the message on. */
static void next_is(both *b, const char *text, const char *json)
{
    ck_assert_str_eq(line_of(&b->at), text);
    ck_assert_str_eq(strstr(line_of(&b->next), ",\"message\":"), json);
}

static void say_result(errand_log *log, errand_result r) /* freed before it can be written */
{
    errand_warn(log, "upload failed" errand_kv_result("error"), errand_kv_result_arg(&r));
    errand_result_free(&r);
}

START_TEST(a_result_is_logged_with_all_its_keys)
{
    both b = open_both(0);
    errand_result r =
        errand_fail_as(ETIMEDOUT, ERRAND_KIND_TIMEOUT, -1, true, "no answer from %s", "here");
    er_detail(&r)->reason = ERRAND_BY_TOTAL;
    er_detail(&r)->phase = "first byte";
    er_history *history = NULL;
    for (unsigned i = 1; i <= 3; i++)
        er_history_add(&history, &(errand_attempt){ .number = i, .error = ETIMEDOUT });
    er_result_attempted(&r, history);
    er_result_because(&r, errand_failf(ECONNRESET, "it said \"no\""));
    er_result_because(&r, errand_fail(ERRAND_HTTP + 503));
    say_result(b.log, r);
    close_both(&b);
    next_is(
        &b,
        "upload failed error=ETIMEDOUT error.kind=timeout error.reason=total error.phase=\"first "
        "byte\" error.attempts=3 "
        "error.may_have_run=true error.message=\"no answer from here\" "
        "error.causes=\"ECONNRESET: it said \\\"no\\\"; HTTP 503: HTTP 503\"",
        ",\"message\":\"upload "
        "failed\",\"error\":{\"code\":\"ETIMEDOUT\",\"kind\":\"timeout\",\"reason\":\"total\","
        "\"phase\":\"first "
        "byte\",\"attempts\":3,\"may_have_run\":true,\"message\":\"no answer from "
        "here\",\"causes\":[{\"code\":\"ECONNRESET\","
        "\"message\":\"it said \\\"no\\\"\"},{\"code\":\"HTTP 503\",\"message\":\"HTTP 503\"}]}}");
    free_both(&b);
}
END_TEST

START_TEST(missing_parts_of_a_result_are_left_out)
{
    both b = open_both(0);
    say_result(b.log, errand_fail(ECONNREFUSED));
    say_result(b.log, errand_ok(NULL, NULL));
    errand_warn(b.log, "x" errand_kv_result("why") errand_kv("n", "%d"), errand_kv_result_arg(NULL),
                7);
    close_both(&b);
    next_is(
        &b,
        "upload failed error=ECONNREFUSED error.kind=network error.message=\"Connection refused\"",
        ",\"message\":\"upload "
        "failed\",\"error\":{\"code\":\"ECONNREFUSED\",\"kind\":\"network\",\"message\":"
        "\"Connection refused\"}}");
    next_is(&b, "upload failed error=OK error.kind=ok",
            ",\"message\":\"upload failed\",\"error\":{\"code\":\"OK\",\"kind\":\"ok\"}}");
    next_is(&b, "x why=(null) n=7", ",\"message\":\"x\",\"why\":null,\"n\":7}");
    free_both(&b);
}
END_TEST

START_TEST(a_result_cannot_forge_a_key_or_a_line)
{
    both b = open_both(0);
    errand_result r = errand_failf(EIO, "a\nb error.kind=ok \"\\\xff");
    er_result_because(&r, errand_failf(EIO, "\x1b[2J; EPERM: \x1f=\xc2\x9b"));
    say_result(b.log, r);
    close_both(&b);
    next_is(&b,
            "upload failed error=EIO error.kind=unknown error.message=\"a\\x0ab error.kind=ok "
            "\\\"\\\\\xff\" "
            "error.causes=\"EIO: \\x1b[2J; EPERM: \\x1f=\\xc2\\x9b\"",
            ",\"message\":\"upload "
            "failed\",\"error\":{\"code\":\"EIO\",\"kind\":\"unknown\",\"message\":\"a\\nb "
            "error.kind=ok "
            "\\\"\\\\\xef\xbf\xbd\",\"causes\":[{\"code\":\"EIO\",\"message\":\"\\u001b[2J; EPERM: "
            "\\u001f=\\u009b\"}]}}");
    free_both(&b);
}
END_TEST

START_TEST(causes_are_logged_up_to_a_depth)
{
    both b = open_both(0);
    errand_result r = errand_fail(EIO), chain = errand_failf(5, "5");
    for (int i = 4; i; i--) {
        errand_result next = errand_failf(i, "%d", i);
        er_result_because(&next, chain);
        chain = next;
    }
    er_result_because(&r, chain); /* 1 to 5; 4 levels are logged */
    for (int i = 0; i < 20; i++) er_result_because(&r, errand_failf(EPERM, "more"));
    say_result(b.log, r);
    close_both(&b);
    char *text = line_of(&b.at), *json = line_of(&b.next);
    ck_assert(has(
        text, "error.causes=\"EPERM: 1; ENOENT: 2; ESRCH: 3; EINTR: 4; EPERM: more; EPERM: more;"));
    ck_assert_uint_eq(count_of(text, "EPERM: more"), 12);
    ck_assert(has(text, "EPERM: more\" error.more_causes=9"));
    ck_assert_uint_eq(count_of(json, "{\"code\":\"EPERM\",\"message\":\"more\"}"), 12);
    ck_assert(has(json, "\"more\"}],\"more_causes\":9}}"));
    free_both(&b);
}
END_TEST

START_TEST(a_disabled_line_evaluates_no_result)
{
    both b = open_both(0);
    int evaluated = 0;
    errand_debug(b.log, "x" errand_kv_result("error"), (evaluated++, errand_kv_result_arg(NULL)));
    close_both(&b);
    ck_assert_int_eq(evaluated, 0);
    free_both(&b);
}
END_TEST

START_TEST(a_result_longer_than_the_ring_is_marked_as_cut)
{
    both b = open_both(4096);
    char *longer = malloc(100001);
    memset(longer, 'y', 100000);
    longer[100000] = '\0';
    for (size_t size = 1; size <= 100000;
         size = size < 1900 || size > 2000 ? size * 3 / 2 + 1 : size + 1) {
        errand_result r = errand_failf(EIO, "%.*s", (int)(size < 2000 ? 1 : size), longer);
        er_result_because(&r, errand_failf(EPERM, "%.*s\xe2\x82\xac", (int)size, longer));
        er_result_because(&r, errand_fail(ENOENT));
        errand_warn(b.log, "%s" errand_kv_result("error"), "up", errand_kv_result_arg(&r));
        errand_result_free(&r);
    }
    errand_warn(b.log, "last");
    close_both(&b);
    size_t whole = 0, cut = 0;
    for (char *text, *json; (text = line_of(&b.at)) && (json = line_of(&b.next));) {
        if (!strcmp(text, "last")) break;
        bool is_cut = has(text, "...[cut ");
        whole += !is_cut;
        cut += is_cut;
        ck_assert(has(text, "up error=EIO error.kind=unknown error.message="));
        ck_assert_msg(text[strlen(text) - 1] == '"' || (is_cut && text[strlen(text) - 1] == ']'),
                      "%s", text);
        ck_assert_int_eq(is_cut, has(json, "...[cut "));
        ck_assert_msg(has(json, "\"error\":{\"code\":\"EIO\",\"kind\":\"unknown\",\"message\":\"y"),
                      "%s", json);
        ck_assert_msg(!strcmp(json + strlen(json) - 3, "\"}}") ||
                          !strcmp(json + strlen(json) - 4, "}]}}"),
                      "%s", json);
        ck_assert(!has(json, "\xef\xbf\xbd")); /* not within a character */
    }
    ck_assert(whole > 5 && cut > 5);
    line_of(&b.next);
    free_both(&b);
    free(longer);
}
END_TEST

START_TEST(a_result_follows_text_formatted_at_the_call)
{
    both b = open_both(0);
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    errand_result r = errand_failf(EIO, "short"), l = errand_failf(EIO, "%s", longer);
    errand_warn(b.log,
                "%a" errand_kv_result("r") errand_kv("n", "%x") errand_kv_result("s")
                    errand_kv_result("none"),
                1.0, errand_kv_result_arg(&r), 0xabcu, errand_kv_result_arg(&r),
                errand_kv_result_arg(NULL));
    errand_warn(b.log, "%a" errand_kv_result("r") errand_kv_result("l") errand_kv("n", "%d"), 1.0,
                errand_kv_result_arg(&r), errand_kv_result_arg(&l), 7);
    errand_result_free(&r);
    errand_result_free(&l);
    close_both(&b);
    next_is(&b,
            "0x1p+0 r=EIO r.kind=unknown r.message=short n=abc s=EIO s.kind=unknown "
            "s.message=short none=(null)",
            ",\"message\":\"0x1p+0\",\"r\":{\"code\":\"EIO\",\"kind\":\"unknown\",\"message\":"
            "\"short\"},\"n\":\"abc\",\"s\":{\"code\":"
            "\"EIO\",\"kind\":\"unknown\",\"message\":\"short\"},\"none\":null}");
    char *text = line_of(&b.at), *json = line_of(&b.next);
    ck_assert(!strncmp(
        text, "0x1p+0 r=EIO r.kind=unknown r.message=short l=EIO l.kind=unknown l.message=xxx",
        77));
    ck_assert(has(text, longer) && has(text, "xxx n=7"));
    ck_assert(has(json, longer) && has(json, "xxx\"},\"n\":7}"));
    free_both(&b);
}
END_TEST

START_TEST(a_long_line_formatted_at_the_call_cuts_its_results)
{
    both b = open_both(4096); /* 1,024 bytes and less are formatted at the call */
    char *longer = malloc(5001);
    memset(longer, 'x', 5000);
    longer[5000] = '\0';
    errand_result r = errand_failf(EIO, "%s", longer);
    for (int size = 700; size < 1100; size++) {
        errand_warn(b.log, "%a %.*s" errand_kv_result("r"), 1.0, size, longer,
                    errand_kv_result_arg(&r));
        errand_warn(b.log, "%a %.*s" errand_kv_result("r") errand_kv_result("s"), 1.0, size / 2,
                    longer, errand_kv_result_arg(&r), errand_kv_result_arg(&r));
    }
    errand_result_free(&r);
    close_both(&b);
    for (char *text, *json; (text = line_of(&b.at)) && (json = line_of(&b.next));) {
        ck_assert_msg(has(text, "...[cut ") && has(json, "...[cut "), "%s", text);
        ck_assert_msg(json[strlen(json) - 1] == '}' &&
                          !strncmp(strstr(json, "\"message\":"), "\"message\":\"0x1p+0 xxx", 20),
                      "%s", json);
        if (has(text, " r=E"))
            ck_assert_msg(has(text, " r=EIO r.kind=unknown r.message=\"xxx"), "%s", text);
    }
    free_both(&b);
    free(longer);
}
END_TEST

START_TEST(a_threads_fields_may_have_a_result)
{
    both b = open_both(0);
    errand_result r = errand_failf(EIO, "broken");
    errand_log_fields *f = errand_log_fields_new(
        NULL, errand_kv_result("last") errand_kv("n", "%d"), errand_kv_result_arg(&r), 1);
    errand_result_free(&r);
    ck_assert_ptr_nonnull(f);
    errand_log_fields_swap(f);
    errand_info(b.log, "x");
    errand_log_fields_free(errand_log_fields_swap(NULL));
    close_both(&b);
    next_is(&b, "x last=EIO last.kind=unknown last.message=broken n=1",
            ",\"message\":\"x\",\"last\":{\"code\":\"EIO\",\"kind\":\"unknown\",\"message\":"
            "\"broken\"},\"n\":1}");
    free_both(&b);
}
END_TEST

static void say_v(errand_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say_v(errand_log *log, const char *format, ...)
{
    static errand_log_site site = ERRAND_LOG_SITE_(ERRAND_LOG_WARN);
    va_list args;
    va_start(args, format);
    errand_log_vput(log, &site, format, args);
    va_end(args);
}

START_TEST(a_result_before_other_text_prints_nothing_in_place)
{
    both b = open_both(0);
    say_v(b.log, "one" errand_kv_result("error"), errand_kv_result_arg(NULL));
    /* another format at the site */
    say_v(b.log, "two" errand_kv_result("error") " more", errand_kv_result_arg(NULL));
    errand_warn(b.log, "three" errand_kv_result("error") " more", errand_kv_result_arg(NULL));
    close_both(&b);
    next_is(&b, "one error=(null)", ",\"message\":\"one\",\"error\":null}");
    next_is(&b, "two error=\" more\"", ",\"message\":\"two\",\"error\":\" more\"}");
    next_is(&b, "three error=\" more\"", ",\"message\":\"three\",\"error\":\" more\"}");
    free_both(&b);
}
END_TEST

START_TEST(logging_a_result_preserves_errno)
{
    both b = open_both(0);
    for (int i = 0; i < 3; i++) {
        errand_result r = errand_fail(ERRAND_USER + 4711 + i); /* its text is made by this call */
        errno = EPIPE;
        errand_warn(b.log, "%m" errand_kv_result("error") errand_kv("m", "%m"),
                    errand_kv_result_arg(&r));
        ck_assert_int_eq(errno, EPIPE);
        errand_result_free(&r);
    }
    close_both(&b);
    for (int i = 0; i < 3; i++) {
        char *line = line_of(&b.at);
        ck_assert(has(line, "Broken pipe error=\"user 47") && has(line, " m=\"Broken pipe\""));
        line_of(&b.next);
    }
    free_both(&b);
}
END_TEST

typedef struct poor {
    errand_log *log;
    pthread_barrier_t ready, scarce;
} poor;

static void *speak_without_memory(void *arg)
{
    poor *p = arg;
    errand_info(p->log, "with memory");
    errand_result none = errand_fail(ENOMEM);
    char longer[600];
    memset(longer, 'z', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    errand_result r = errand_failf(EIO, "%s", longer);
    pthread_barrier_wait(&p->ready);
    pthread_barrier_wait(&p->scarce);
    errand_warn(p->log, "first" errand_kv_result("error") errand_kv("n", "%d"),
                errand_kv_result_arg(&none), 7);
    errand_warn(p->log, "%a" errand_kv_result("error") errand_kv("n", "%d"), 1.0,
                errand_kv_result_arg(&r), 7);
    pthread_barrier_wait(&p->ready);
    errand_result_free(&r);
    return NULL;
}

START_TEST(without_memory_a_result_is_cut)
{
    both b = open_both(0);
    poor p = { .log = b.log };
    pthread_t thread;
    pthread_barrier_init(&p.ready, NULL, 2);
    pthread_barrier_init(&p.scarce, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, speak_without_memory, &p), 0);
    pthread_barrier_wait(&p.ready);
    ck_assert_int_eq(errand_log_flush(b.log, LONG_MS), 0);
    memory_fails(1);
    pthread_barrier_wait(&p.scarce);
    pthread_barrier_wait(&p.ready);
    memory_fails(0);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(memory_failed(), 0);
    close_both(&b);
    next_is(&b, "with memory", ",\"message\":\"with memory\"}");
    next_is(&b,
            "first error=ENOMEM error.kind=resource error.message=\"Cannot allocate memory\" n=7",
            ",\"message\":\"first\",\"error\":{\"code\":\"ENOMEM\",\"kind\":\"resource\","
            "\"message\":\"Cannot allocate memory\"},\"n\":7}");
    char *line = line_of(&b.at);
    ck_assert_msg(!strncmp(line, "0x1p+0 error=EIO error.kind=unknown error.message=\"zzz", 54),
                  "%s", line);
    ck_assert_msg(has(line, "z...[cut 5") && has(line, " bytes]\" n=7"), "%s", line);
    line_of(&b.next);
    free_both(&b);
}
END_TEST

Suite *results_suite(void)
{
    Suite *suite = suite_create("results");
    TCase *tests = tcase_create("results");
    tcase_add_test(tests, a_result_is_logged_with_all_its_keys);
    tcase_add_test(tests, missing_parts_of_a_result_are_left_out);
    tcase_add_test(tests, a_result_cannot_forge_a_key_or_a_line);
    tcase_add_test(tests, causes_are_logged_up_to_a_depth);
    tcase_add_test(tests, a_disabled_line_evaluates_no_result);
    tcase_add_test(tests, a_result_longer_than_the_ring_is_marked_as_cut);
    tcase_add_test(tests, a_result_follows_text_formatted_at_the_call);
    tcase_add_test(tests, a_long_line_formatted_at_the_call_cuts_its_results);
    tcase_add_test(tests, a_threads_fields_may_have_a_result);
    tcase_add_test(tests, a_result_before_other_text_prints_nothing_in_place);
    tcase_add_test(tests, logging_a_result_preserves_errno);
    tcase_add_test(tests, without_memory_a_result_is_cut);
    suite_add_tcase(suite, tests);
    return suite;
}
