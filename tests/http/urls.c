/* Urls where memory runs out, at each allocation in turn. */
#include "harness.h"

#include "fixture/memory.h"
#include "http/url.h"

static const struct row {
    const char *from, *location;
} rows[] = {
    { "http://a.test/x", "" },
    { "http://a.test/x?y#z", "#end" },
    { "http://a.test/x", "../y" },
    { "http://a.test/x", "/caf\xc3\xa9 au lait" },
    { "http://me:secret@a.test/x", "http://a.test/y" },
    { "http://me:secret@a.test/x", "//a.test:80/y" },
    { "http://a.test/x", "http://b\xc3\xbc"
                         "cher.test/" },
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(a_redirect_without_memory_is_ENOMEM_and_leaks_nothing)
{
    const struct row *row = &rows[_i];
    for (unsigned n = 1;; n++) {
        char *out;
        er_origin origin;
        memory_fails_at(n);
        int error = er_url_follow(&out, &origin, row->from, row->location);
        bool failed = memory_fails_at(0);
        ck_assert_int_eq(error, failed ? ENOMEM : 0);
        ck_assert(!out == !!error);
        if (!error) er_origin_free(&origin);
        free(out);
        if (!failed) break;
    }
}
END_TEST

START_TEST(a_url_without_memory_is_ENOMEM_and_leaks_nothing)
{
    const struct row *row = &rows[_i];
    for (unsigned n = 1;; n++) {
        char *out = NULL;
        er_origin origin = { 0 };
        bool https;
        er_bytes why = { 0 };
        memory_fails_at(n);
        int error = er_url_resolve(&out, &origin, &https, *row->location ? row->location : "?",
                                   row->from, &why);
        bool failed = memory_fails_at(0), refused = error == EINVAL; /* for its blank */
        if (!refused) ck_assert_int_eq(error, failed ? ENOMEM : 0);
        er_origin_free(&origin);
        er_bytes_free(&why);
        free(out);
        if (!failed) break;
    }
}
END_TEST

/* ---- parts that curl omits or reads differently ---- */

static const struct empty_query {
    const char *base, *url, *becomes;
} empty_queries[] = {
    { NULL, "http://a.test/?", "http://a.test/?" }, /* read without curl */
    { "http://a.test/x", "/y?", "http://a.test/y?" },
    { NULL, "http://A.test/?", "http://A.test/?" }, /* and by it */
    { NULL, "http://A.test?", "http://A.test/?" },
    { NULL, "http://a.test/?#end", "http://a.test/?#end" },
    { NULL, "http://a.test/x?y#?", "http://a.test/x?y#?" },
    { NULL, "http://a.test/x#?", "http://a.test/x#?" },
    { "http://a.test/x?y", "?", "http://a.test/x?" },
    { "http://a.test/x?", "#end", "http://a.test/x?#end" },
    { "http://a.test/x?y", "z?", "http://a.test/z?" },
};
enum { EMPTY_QUERIES = sizeof empty_queries / sizeof *empty_queries };

START_TEST(an_empty_query_stays_in_its_url)
{
    const struct empty_query *row = &empty_queries[_i];
    char *out;
    er_origin origin = { 0 };
    bool https;
    er_bytes why = { 0 };
    ck_assert_int_eq(er_url_resolve(&out, &origin, &https, row->url, row->base, &why), 0);
    ck_assert_str_eq(out, row->becomes);
    er_origin_free(&origin);
    free(out);
    if (!row->base) return;
    ck_assert_int_eq(er_url_follow(&out, &origin, row->base, row->url), 0);
    char without_fragment[64];
    snprintf(without_fragment, sizeof without_fragment, "%.*s", (int)strcspn(row->becomes, "#"),
             row->becomes);
    ck_assert_str_eq(out, without_fragment);
    er_origin_free(&origin);
    free(out);
}
END_TEST

START_TEST(a_path_with_dot_segments_is_read_by_curl)
{
    static const char *const dotted[] = { "/.",     "/./a",        "/a/..",   "/a/../b", "/%2e",
                                          "/%2E/a", "/a/%2e%2E/b", "/a/.%2e", "/a?/.." };
    static const char *const plain[] = { "/a.", "/a%2e", "/a/b..", "/%2f", "/%", "/%2", "/a?%2e" };
    char url[64];
    for (size_t i = 0; i < sizeof dotted / sizeof *dotted; i++) {
        snprintf(url, sizeof url, "http://a.test%s", dotted[i]);
        ck_assert_msg(!er_origin_plain(url) && !er_origin_plain_path(dotted[i]), "%s", url);
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        snprintf(url, sizeof url, "http://a.test%s", plain[i]);
        size_t authority = strlen("http://a.test");
        ck_assert_msg(er_origin_plain(url) == authority && er_origin_plain_path(plain[i]), "%s",
                      url);
    }
}
END_TEST

Suite *urls_suite(void)
{
    Suite *suite = suite_create("http urls");
    TCase *tc = tcase_create("without memory");
    tcase_add_loop_test(tc, a_redirect_without_memory_is_ENOMEM_and_leaks_nothing, 0, ROWS);
    tcase_add_loop_test(tc, a_url_without_memory_is_ENOMEM_and_leaks_nothing, 0, ROWS);
    suite_add_tcase(suite, tc);
    tc = tcase_create("as they are sent");
    tcase_add_loop_test(tc, an_empty_query_stays_in_its_url, 0, EMPTY_QUERIES);
    tcase_add_test(tc, a_path_with_dot_segments_is_read_by_curl);
    suite_add_tcase(suite, tc);
    return suite;
}
