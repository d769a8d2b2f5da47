/* The headers Link of a reply, and a parameter that is put into a url. */
#include "harness.h"

#include "fixture/memory.h"
#include "http/link.h"
#include "http/response.h"
#include "http/url.h"

#define OWN "https://api.example.com/v1/items?page=2"

static errand_response *reply(const char *const *links)
{
    errand_response *response = er_response_new();
    ck_assert_int_eq(er_response_line(response, "HTTP/1.1 200 OK\r\n", 17), 0);
    for (; *links; links++) {
        er_bytes line = { 0 };
        er_bytes_format(&line, "%s\r\n", *links);
        ck_assert_int_eq(er_response_line(response, line.at, line.size), 0);
        er_bytes_free(&line);
    }
    ck_assert_int_eq(er_response_line(response, "\r\n", 2), 0);
    response->url = er_copy_text(OWN);
    return response;
}

static const struct row {
    const char *headers[4]; /* ..., NULL */
    const char *next;       /* NULL: there is none */
} rows[] = {
    { { NULL }, NULL },
    { { "Link: </a>; rel=next" }, "https://api.example.com/a" },
    { { "link: <b?x=1>; rel=\"next\"" }, "https://api.example.com/v1/b?x=1" },
    { { "LINK: <?page=3>; REL=NEXT" }, "https://api.example.com/v1/items?page=3" },
    { { "Link: <//other.example/x>;rel=next" }, "https://other.example/x" },
    { { "Link: <http://h:81/x#f>;rel=next" }, "http://h:81/x" },
    { { "Link: <>; rel=next" }, OWN },
    { { "Link: </a>; rel=prev, </b>; rel=next" }, "https://api.example.com/b" },
    { { "Link: </a>; rel=prev", "X: y", "Link: </b>; rel=next" }, "https://api.example.com/b" },
    { { "Link: </a>; rel=next, </b>; rel=next" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=\"last next\"" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=\"last\tNeXT  x\"" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=\"nextpage next-page anext\"" }, NULL },
    { { "Link: </a>; rel=\"ne\\xt\"" }, "https://api.example.com/a" },
    /* the first rel counts */
    { { "Link: </a>; rel=prev; rel=next" }, NULL },
    { { "Link: </a>; rel=; rel=next" }, NULL },
    { { "Link: </a>; rel; rel=next" }, NULL },
    { { "Link: </a>; rel=next; rel=prev" }, "https://api.example.com/a" },
    /* what separates stands within <> and quotation marks */
    { { "Link: </a,b;c>; rel=next" }, "https://api.example.com/a,b;c" },
    { { "Link: </a>; title=\"x, </b>; rel=next\"; rel=prev, </c>; rel=next" },
      "https://api.example.com/c" },
    { { "Link: </a>; title=\"x\\\", </b>; rel=next\"; rel=next" }, "https://api.example.com/a" },
    { { "Link: </a>;rel=next;title*=UTF-8'de'n%c3%a4chste" }, "https://api.example.com/a" },
    { { "Link:   </a>  ;  rel = \"next\"  ;x=y" }, "https://api.example.com/a" },
    { { "Link: ,, , </a>; rel=prev,,</b>;rel=next,," }, "https://api.example.com/b" },
    { { "Link: </a>;;rel=next" }, "https://api.example.com/a" },
    /* other resources */
    { { "Link: </a>; rel=next; anchor=\"/other\"" }, NULL },
    { { "Link: </a>; anchor=\"/other\"; rel=next, </b>; rel=next" }, "https://api.example.com/b" },
    { { "Link: </a>; rel=next; anchor=\"\"" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=next; anchor=\"#here\"" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=next; anchor=\"?page=2\"" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=next; anchor=\"mailto:x\"" }, NULL },
    /* what is no link */
    { { "Link:" }, NULL },
    { { "Link: next" }, NULL },
    { { "Link: </a" }, NULL },
    { { "Link: /a; rel=next" }, NULL },
    { { "Link: x </a>; rel=next" }, NULL },
    { { "Link: </a> rel=next, </b>; rel=next" }, "https://api.example.com/b" },
    { { "Link: junk \", </a>; rel=next\", </b>; rel=next" }, "https://api.example.com/b" },
    { { "Link: </a>; rel=\"next" }, "https://api.example.com/a" },
    { { "Link: </a>; rel=\"\\" }, NULL },
    { { "Link: <</a>; rel=next" }, NULL },
    { { "Links: </a>; rel=next" }, NULL },
};
#define ROWS (int)(sizeof rows / sizeof *rows)

START_TEST(the_first_link_of_a_relation_is_found)
{
    errand_response *response = reply(rows[_i].headers);
    errno = 0;
    char *url = errand_response_link(response, "next");
    if (rows[_i].next)
        ck_assert_msg(url && !strcmp(url, rows[_i].next), "%s: %s", rows[_i].headers[0], url);
    else ck_assert_msg(!url && errno == ENOENT, "%s: %s", rows[_i].headers[0], url);
    free(url);
    er_response_free(response);
}
END_TEST

START_TEST(a_link_that_is_no_url_is_EPROTO)
{
    const char *const headers[] = { "Link: <ftp://h/x>; rel=next, <http:///x>; rel=UP", NULL };
    errand_response *response = reply(headers);
    ck_assert(!errand_response_link(response, "next") && errno == EPROTO);
    ck_assert(!errand_response_link(response, "up") && errno == EPROTO);
    ck_assert(!errand_response_link(response, "prev") && errno == ENOENT);
    ck_assert(!errand_response_link(response, "") && errno == EINVAL);
    ck_assert(!errand_response_link(response, NULL) && errno == EINVAL);
    ck_assert(!errand_response_link(NULL, "next") && errno == EINVAL);
    char *target;
    ck_assert_int_eq(er_link_find(response, "next", &target), 0);
    ck_assert_str_eq(target, "ftp://h/x");
    er_free(target);
    er_response_free(response);
}
END_TEST

/* Any header that the syntax's own characters make; what is found is in it. */
START_TEST(hostile_links_are_read_to_their_end)
{
    static const char *const pieces[] = { "<",    ">",    ";",    ",",       "\"",  "\\", "=", " ",
                                          "rel=", "</a>", "next", "anchor=", "rel", "\t", "x" };
    uint64_t dice = 11 + (uint64_t)_i;
    for (unsigned round = 0; round < 2000; round++) {
        er_bytes line = { 0 };
        er_bytes_text(&line, "Link: ");
        for (uint64_t n = er_random_next(&dice) % 40; n; n--)
            er_bytes_text(&line, pieces[er_random_next(&dice) % (sizeof pieces / sizeof *pieces)]);
        const char *const headers[] = { line.at, line.at, NULL };
        errand_response *response = reply(headers);
        char *target = NULL;
        ck_assert_int_eq(er_link_find(response, "next", &target), 0);
        if (target) ck_assert_ptr_nonnull(strstr(line.at, target));
        er_free(target);
        er_response_free(response);
        er_bytes_free(&line);
    }
}
END_TEST

/* Each of these would take minutes if what is read were read again. */
START_TEST(long_headers_are_read_once)
{
    static const char *const repeated[] = { "<,",           "<",          "\",", "<a>;",
                                            "<a>;rel=\"x ", "<a>;rel=x,", ";,",  "<a>;anchor=" };
    er_bytes line = { 0 };
    er_bytes_text(&line, "Link: ");
    while (line.size < 200000) er_bytes_text(&line, repeated[_i]);
    const char *const headers[] = { line.at, NULL };
    errand_response *response = reply(headers);
    ck_assert_ptr_null(errand_response_link(response, "next"));
    er_response_free(response);
    er_bytes_free(&line);
    response = reply((const char *const[]){ NULL });
    while (response->headers.size < 200000) er_bytes_add(&response->headers, "Link\0x", 7);
    ck_assert_ptr_null(errand_response_link(response, "next"));
    er_response_free(response);
}
END_TEST

START_TEST(a_link_without_memory_is_ENOMEM)
{
    const char *const headers[] = { "Link: </a>; rel=next; anchor=\"?page=2\"", NULL };
    errand_response *response = reply(headers);
    char *url = NULL;
    unsigned n = 0;
    while (!url && n++ < 1000) {
        memory_fails_at(n);
        url = errand_response_link(response, "next");
        int error = errno;
        bool failed = memory_fails_at(0);
        ck_assert(url || (failed && error == ENOMEM));
    }
    ck_assert_uint_gt(n, 5);
    ck_assert_str_eq(url, "https://api.example.com/a");
    free(url);
    er_response_free(response);
}
END_TEST

static const struct put {
    const char *url, *name, *value, *whole;
} puts_[] = {
    { "http://h/x", "c", "1", "http://h/x?c=1" },
    { "http://h/x?", "c", "1", "http://h/x?c=1" },
    { "http://h/x?a=1#f", "c", "a b&=", "http://h/x?a=1&c=a%20b%26%3D#f" },
    { "http://h/x?c=1", "c", "2", "http://h/x?c=2" },
    { "http://h/x?c=1&a=b&c=2&c&d", "c", "3", "http://h/x?a=b&d&c=3" },
    { "http://h/x?cc=1&a=c&C=2", "c", "3", "http://h/x?cc=1&a=c&C=2&c=3" },
    { "http://h/x?%63=1&a%5Bb%5d=2", "c", "3", "http://h/x?a%5Bb%5d=2&c=3" },
    { "http://h/x?a%5Bb%5d=2&a[b]=1", "a[b]", "3", "http://h/x?a%5Bb%5D=3" },
    { "http://h/x?a+b=2&a%20b=1&a%2bb=3", "a b", "4", "http://h/x?a%2bb=3&a%20b=4" },
    { "http://h/x?a%=2&%zz=1&%6=3", "c", "4", "http://h/x?a%=2&%zz=1&%6=3&c=4" },
    { "http://h/x?&&a", "c", "1", "http://h/x?a&c=1" },
    { "http://h/x?c=1?c=2", "c", "3", "http://h/x?c=3" },
};

START_TEST(a_parameter_takes_the_place_of_those_with_its_name)
{
    const struct put *row = &puts_[_i];
    er_bytes url = { 0 };
    er_url_set_param(&url, row->url, &(errand_param){ row->name, row->value });
    ck_assert_str_eq(url.at, row->whole);
    er_bytes_free(&url);
    memory_fails_at(1);
    er_url_set_param(&url, row->url, &(errand_param){ row->name, row->value });
    memory_fails_at(0);
    ck_assert_int_eq(url.error, ENOMEM);
    er_bytes_free(&url);
}
END_TEST

Suite *links_suite(void)
{
    Suite *suite = suite_create("links");
    TCase *tc = tcase_create("links");
    tcase_add_loop_test(tc, the_first_link_of_a_relation_is_found, 0, ROWS);
    tcase_add_test(tc, a_link_that_is_no_url_is_EPROTO);
    tcase_add_loop_test(tc, hostile_links_are_read_to_their_end, 0, 4);
    tcase_add_loop_test(tc, long_headers_are_read_once, 0, 8);
    tcase_add_test(tc, a_link_without_memory_is_ENOMEM);
    tcase_add_loop_test(tc, a_parameter_takes_the_place_of_those_with_its_name, 0,
                        (int)(sizeof puts_ / sizeof *puts_));
    suite_add_tcase(suite, tc);
    return suite;
}
