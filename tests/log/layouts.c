/* Patterns, colour, JSON, key/values and fields. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static errand_log *log_to(place *to, const errand_log_sink_opts *opts)
{
    errand_log *log = errand_log_new(&(errand_log_opts){ .name = "agent" });
    *to = a_file();
    ck_assert_int_eq(errand_log_add_file(log, to->path, opts), 0);
    return log;
}

static char *said(errand_log *log, place *to)
{
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    return text_of(to);
}

START_TEST(a_pattern_lays_out_the_line)
{
    place to;
    char expected[200];
    errand_log *log = log_to(
        &to, &(errand_log_sink_opts){
                 .pattern = "{{{level}}|{name}|{function}|{line}|{pid}|{message}|{fields}" });
    int line = __LINE__ + 1;
    errand_warn(log, "hello %d" errand_kv("a", "%d"), 1, 2);
    char *text = said(log, &to);
    snprintf(expected, sizeof expected,
             "{WARN}|agent|a_pattern_lays_out_the_line%s|%d|%ld|hello 1| a=2\n",
             strstr(text, "_fn|") ? "_fn" : "", line, (long)getpid());
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

START_TEST(a_pattern_with_an_unknown_word_is_refused)
{
    static const char *const bad[] = { "{mesage}", "{", "{time", "x{}" };
    errand_log *log = errand_log_new(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(
            errand_log_add_file(log, "/dev/null", &(errand_log_sink_opts){ .pattern = bad[i] }),
            EINVAL);
    ck_assert_int_eq(errand_log_add_file(log, "/dev/null",
                                         &(errand_log_sink_opts){ .form = (errand_log_form)7 }),
                     EINVAL);
    ck_assert_int_eq(errand_log_add_file(log, "/dev/null",
                                         &(errand_log_sink_opts){ .colour = (errand_log_colour)7 }),
                     EINVAL);
    ck_assert_int_eq(
        errand_log_add_file(log, "/dev/null", &(errand_log_sink_opts){ .rotate_ms = -1 }), EINVAL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(colour_is_used_if_requested)
{
    place to, other;
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .colour = ERRAND_LOG_COLOUR_ALWAYS,
                                                           .pattern = "{level} {message}" });
    other = a_file();
    ck_assert_int_eq(errand_log_add_file(log, other.path,
                                         &(errand_log_sink_opts){ .pattern = "{level} {message}" }),
                     0);
    errand_error(log, "red");
    errand_info(log, "green");
    char *text = said(log, &to), *plain = text_of(&other);
    ck_assert_str_eq(text, "\x1b[31mERROR\x1b[0m red\n\x1b[32mINFO\x1b[0m green\n");
    ck_assert_str_eq(plain, "ERROR red\nINFO green\n"); /* a file is not a terminal */
    free(text);
    free(plain);
}
END_TEST

START_TEST(ambiguous_values_are_quoted)
{
    place to;
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .pattern = "{message}{fields}" });
    errand_info(log,
                "m" errand_kv("a", "%s") errand_kv("b", "%s") errand_kv("c", "%s")
                    errand_kv("d", "%s") errand_kv("e", "<%d>"),
                "plain", "two words", "say \"so\" \\", "", 5);
    errand_info(log, "forged%s",
                "\x1f"
                "b=1");
    char *text = said(log, &to);
    ck_assert_str_eq(
        text, "m a=plain b=\"two words\" c=\"say \\\"so\\\" \\\\\" d=\"\" e=<5>\nforged\\x1fb=1\n");
    free(text);
}
END_TEST

START_TEST(json_is_one_object_per_line)
{
    place to;
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON });
    errand_info(log, "%s",
                "quote \" back \\ newline \n tab \t bell \a del \x7f csi \xc2\x9b Zürich 🚀");
    errand_info(log, "%s", "bad \xff \xc0\x80 \xed\xa0\x80 \xf5 \xe2\x82 end");
    errand_info(log,
                "n" errand_kv("i", "%d") errand_kv("f", "%.2f") errand_kv("s", "%s")
                    errand_kv("nan", "%f") errand_kv("w", "%3d"),
                -3, 0.5, "x\"y", 0.0 / 0.0, 7);
    char *text = said(log, &to), *at = text;
    static const char *const expected[] = {
        "\"message\":\"quote \\\" back \\\\ newline \\n tab \\t bell \\u0007 del \\u007f csi "
        "\\u009b Zürich 🚀\"}",
        "\"message\":\"bad \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd end\"}",
        "\"message\":\"n\",\"i\":-3,\"f\":0.50,\"s\":\"x\\\"y\",\"nan\":\"",
    };
    for (size_t i = 0; i < 3; i++) {
        char *line = line_of(&at);
        ck_assert_ptr_nonnull(line);
        ck_assert_int_eq(strncmp(line, "{\"time\":\"20", 11), 0);
        ck_assert(has(line, "Z\",\"level\":\"INFO\",\"logger\":\"agent\",\"file\":\""));
        ck_assert_msg(has(line, expected[i]), "%s", line);
        if (i == 2) ck_assert(has(line, "nan\",\"w\":\"  7\"}"));
    }
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

START_TEST(a_gap_line_in_json_is_an_object)
{
    place to = a_pipe();
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(
        errand_log_add_file(log, to.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }), 0);
    errand_log_stats stats = { 0 };
    while (!stats.dropped) {
        errand_info(log, "fill");
        errand_log_stats_get(log, &stats);
    }
    reader *r = read_in_background(&to);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r);
    ck_assert(has(
        text,
        "\"level\":\"WARN\",\"logger\":\"errand\",\"lost\":1,\"message\":\"1 line lost here\"}\n"));
    free(text);
}
END_TEST

START_TEST(a_value_is_a_json_number_only_if_it_looks_like_one)
{
    place to;
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON });
    errand_info(log,
                "m" errand_kv("a", "%.3d") errand_kv("b", "%.8u") errand_kv("c", "%+d")
                    errand_kv("d", "%x") errand_kv("e", "%05d"),
                7, 42u, 5, 10u, 12345);
    errand_info(log,
                "m" errand_kv("a", "%.*d") errand_kv("b", "%f") errand_kv("c", "%g")
                    errand_kv("d", "%.0e") errand_kv("e", "%hhd"),
                4, 1, 1 / 0.0, -0.0, 2e300, (signed char)3);
    errand_info(log,
                "m" errand_kv("a", "%.4d") errand_kv("b", "%Lf") errand_kv("c", "%a")
                    errand_kv("d", "%.0Lf") errand_kv("e", "%i"),
                12345, 2.5L, 1.0, 1e20L, -9);
    char *text = said(log, &to);
    ck_assert(has(text, "\"message\":\"m\",\"a\":\"007\",\"b\":\"00000042\",\"c\":\"+5\",\"d\":"
                        "\"a\",\"e\":\"12345\"}\n"));
    ck_assert(has(
        text, "\"message\":\"m\",\"a\":\"0001\",\"b\":\"inf\",\"c\":-0,\"d\":2e+300,\"e\":3}\n"));
    ck_assert(has(text, "\"message\":\"m\",\"a\":\"12345\",\"b\":2.500000,\"c\":\"0x1p+0\",\"d\":"
                        "100000000000000000000,\"e\":-9}\n"));
    free(text);
}
END_TEST

static void say_with(errand_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say_with(errand_log *log, const char *format, ...)
{
    static errand_log_site site = { ERRAND_LOG_INFO, 1, "f.c", "say", NULL };
    va_list args;
    va_start(args, format);
    errand_log_vput(log, &site, format, args);
    va_end(args);
}

START_TEST(fields_follow_text_formatted_at_the_call)
{
    place to, json = a_file();
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .pattern = "{message}|{fields}" });
    ck_assert_int_eq(
        errand_log_add_file(log, json.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }), 0);
    errand_info(log, "%a" errand_kv("n", "%d") errand_kv("s", "%s") errand_kv("none", "%s"), 1.0, 7,
                "two\x1fn=8 \"words\"", "");
    errand_info(log, "%2$s %1$d" errand_kv("one", "%1$d") errand_kv("two", "%2$s"), 1, "b");
    errand_info(log, "%Lf%s" errand_kv("n", "%d"), 1.5L, longer, 3);
    say_with(log, "first" errand_kv("a", "%d"), 1);
    /* the site has another format */
    say_with(log, "second" errand_kv("b", "%s") errand_kv("c", "%d"), "x", 2);
    char *text = said(log, &to), *objects = text_of(&json), *at = text;
    ck_assert_str_eq(line_of(&at), "0x1p+0| n=7 s=\"two\\x1fn=8 \\\"words\\\"\" none=\"\"");
    ck_assert_str_eq(line_of(&at), "b 1| one=1 two=b");
    char *line = line_of(&at);
    ck_assert(!strncmp(line, "1.500000xxx", 11) && has(line, longer) && has(line, "x| n=3"));
    ck_assert_str_eq(line_of(&at), "first| a=1");
    ck_assert_str_eq(line_of(&at), "second| b=x c=2");
    ck_assert(has(
        objects,
        "\"message\":\"0x1p+0\",\"n\":7,\"s\":\"two\\u001fn=8 \\\"words\\\"\",\"none\":\"\"}\n"));
    ck_assert(has(objects, "\"message\":\"b 1\",\"one\":\"1\",\"two\":\"b\"}\n"));
    ck_assert(has(objects, "\"message\":\"second\",\"b\":\"x\",\"c\":2}\n"));
    free(text);
    free(objects);
}
END_TEST

START_TEST(a_long_message_formatted_at_the_call_is_cut_between_its_parts)
{
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    /* cuts within the value, its mark and the message */
    for (size_t size = 700; size < 1100; size++) {
        place to;
        errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
        to = a_file();
        ck_assert_int_eq(
            errand_log_add_file(log, to.path,
                                &(errand_log_sink_opts){ .pattern = "{message}|{fields}" }),
            0);
        longer[size] = '\0';
        errand_info(log, "%a%s" errand_kv("n", "%d") errand_kv("s", "%s"), 0.0, longer, 7, "value");
        longer[size] = 'x';
        char *text = said(log, &to);
        const char *end = strchr(text, '|');
        ck_assert_ptr_nonnull(end);
        ck_assert(!has(text, "\\x1f"));
        bool whole = has(end, " s=value\n"), cut = has(text, "...[cut ");
        ck_assert_msg(whole != cut, "%zu: %s", size, end);
        free(text);
        close(to.fd);
    }
}
END_TEST

START_TEST(a_character_split_across_arguments_is_checked_as_a_whole)
{
    place to, json = a_file(), other = a_file();
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .pattern = "{message}" });
    ck_assert_int_eq(
        errand_log_add_file(log, json.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }), 0);
    ck_assert_int_eq(errand_log_add_file(log, other.path,
                                         &(errand_log_sink_opts){ .pattern = "{message}{name}" }),
                     0);
    errand_log *named = errand_log_named(log, "\x9b"
                                              "31m");
    errand_info(log, "%s%s", "caf\xc2",
                "\x9b"
                "31m");
    errand_info(log, "%.4s%s", "caf\xc2\xa9",
                "\x9b"
                "2J");
    errand_info(log, "%c%c", '\xc2', '\x9b');
    errand_info(log, "caf\xc2%s",
                "\x9b"
                "1m");
    errand_info(log,
                "%s%d"
                "\x9b",
                "\xc2", 1);
    errand_info(log, "%s%s", "caf\xc3", "\xa9"); /* a valid character */
    for (int i = 0; i < 2; i++) errand_info(named, "%s", i ? "caf\xc2" : "plain");
    char *text = said(log, &to), *at = text, *objects = text_of(&json), *parts = text_of(&other);
    ck_assert_str_eq(line_of(&at), "caf\\xc2\\x9b31m");
    ck_assert_str_eq(line_of(&at), "caf\\xc2\\x9b2J");
    ck_assert_str_eq(line_of(&at), "\\xc2\\x9b");
    ck_assert_str_eq(line_of(&at), "caf\\xc2\\x9b1m");
    ck_assert_str_eq(line_of(&at), "\xc2"
                                   "1\x9b");
    ck_assert_str_eq(line_of(&at), "caf\xc3\xa9");
    ck_assert(!has(parts, "\xc2\x9b"));
    ck_assert(has(objects, "\"message\":\"caf\xc3\xa9\"") &&
              has(objects, "\"message\":\"caf\\u009b31m\""));
    free(text);
    free(objects);
    free(parts);
}
END_TEST

static void *say_plain(void *log)
{
    errand_info((errand_log *)log, "elsewhere");
    return NULL;
}

START_TEST(fields_are_in_every_line_of_their_thread)
{
    place to, json = a_file();
    errand_log *log = log_to(&to, &(errand_log_sink_opts){ .pattern = "{message}{fields}" });
    ck_assert_int_eq(
        errand_log_add_file(log, json.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }), 0);
    errand_log_fields *request =
        errand_log_fields_new(NULL, errand_kv("request", "%d") errand_kv("user", "%s"), 7, "A B");
    errand_log_fields *both = errand_log_fields_new(request, errand_kv("try", "%d"), 2);
    ck_assert_ptr_null(errand_log_fields_swap(errand_log_fields_keep(request)));
    ck_assert_ptr_eq(errand_log_fields_current(), request);
    errand_info(log, "one" errand_kv("own", "%d"), 1);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, say_plain, log), 0);
    pthread_join(thread, NULL);
    errand_log_fields_free(errand_log_fields_swap(both));
    errand_info(log, "two %s", "x");
    errand_info(log, "three %a", 0.0);
    errand_log_fields_free(errand_log_fields_swap(NULL)); /* the lines keep their fields */
    errand_info(log, "four");
    errand_log_fields_free(request);
    char *text = said(log, &to), *objects = text_of(&json);
    ck_assert_str_eq(
        text, "one own=1 request=7 user=\"A B\"\nelsewhere\ntwo x request=7 user=\"A B\" try=2\n"
              "three 0x0p+0 request=7 user=\"A B\" try=2\nfour\n");
    ck_assert(has(objects, "\"message\":\"two x\",\"request\":7,\"user\":\"A B\",\"try\":2}\n"));
    free(text);
    free(objects);
    errno = 0;
    ck_assert_ptr_null(errand_log_fields_new(NULL, errand_kv("x", "%a"), 1.0));
    ck_assert_int_eq(errno, ENOTSUP);
    errand_log_fields_free(NULL);
}
END_TEST

START_TEST(log_text_needs_no_call_site)
{
    place to;
    errand_log *log = log_to(
        &to, &(errand_log_sink_opts){ .pattern = "{level} {file} {function} {line} {message}" });
    char file[] = "agent.py", function[] = "run";
    errand_log_text(log, ERRAND_LOG_WARN, file, 12, function, "100% \n", 6);
    memset(file, 'x', sizeof file - 1); /* it was copied */
    errand_log_text(log, ERRAND_LOG_INFO, NULL, 0, NULL, "part of it", 4);
    errand_log_text(log, ERRAND_LOG_DEBUG, NULL, 0, NULL, "no", 2);
    errand_log_text(NULL, ERRAND_LOG_WARN, NULL, 0, NULL, "no", 2);
    char *text = said(log, &to);
    ck_assert_str_eq(text, "WARN agent.py run 12 100% \\x0a\nINFO ? ? 0 part\n");
    free(text);
}
END_TEST

Suite *layouts_suite(void)
{
    Suite *suite = suite_create("layouts");
    TCase *tests = tcase_create("forms");
    tcase_add_test(tests, a_pattern_lays_out_the_line);
    tcase_add_test(tests, a_pattern_with_an_unknown_word_is_refused);
    tcase_add_test(tests, colour_is_used_if_requested);
    tcase_add_test(tests, ambiguous_values_are_quoted);
    tcase_add_test(tests, json_is_one_object_per_line);
    tcase_add_test(tests, a_value_is_a_json_number_only_if_it_looks_like_one);
    tcase_add_test(tests, fields_follow_text_formatted_at_the_call);
    tcase_add_test(tests, a_long_message_formatted_at_the_call_is_cut_between_its_parts);
    tcase_add_test(tests, a_character_split_across_arguments_is_checked_as_a_whole);
    tcase_add_test(tests, a_gap_line_in_json_is_an_object);
    tcase_add_test(tests, fields_are_in_every_line_of_their_thread);
    tcase_add_test(tests, log_text_needs_no_call_site);
    suite_add_tcase(suite, tests);
    return suite;
}
