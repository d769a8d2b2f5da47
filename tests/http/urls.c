/* Urls where memory runs out, at each allocation in turn. */
#include "world.h"

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
    { "http://a.test/x", "http://b\xc3\xbc""cher.test/" },
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(a_redirect_without_memory_is_ENOMEM_and_nothing_is_lost)
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

START_TEST(a_url_without_memory_is_ENOMEM_and_nothing_is_lost)
{
    const struct row *row = &rows[_i];
    for (unsigned n = 1;; n++) {
        char *out = NULL;
        er_origin origin = { 0 };
        bool https;
        er_bytes why = { 0 };
        memory_fails_at(n);
        int error = er_url_resolve(&out, &origin, &https, *row->location ? row->location : "?", row->from, &why);
        bool failed = memory_fails_at(0), refused = error == EINVAL; /* for its blank */
        if (!refused) ck_assert_int_eq(error, failed ? ENOMEM : 0);
        er_origin_free(&origin);
        er_bytes_free(&why);
        free(out);
        if (!failed) break;
    }
}
END_TEST

Suite *urls_suite(void)
{
    Suite *suite = suite_create("http urls");
    TCase *tc = tcase_create("without memory");
    tcase_add_loop_test(tc, a_redirect_without_memory_is_ENOMEM_and_nothing_is_lost, 0, ROWS);
    tcase_add_loop_test(tc, a_url_without_memory_is_ENOMEM_and_nothing_is_lost, 0, ROWS);
    suite_add_tcase(suite, tc);
    return suite;
}
