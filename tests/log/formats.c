/* The formatter prints as printf does, and leaves unknown formats to printf. */
#include "log/format.h"
#include "log/pack.h"
#include "locales.h"
#include "logs.h"

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

typedef struct trial { /* a random format, its packed arguments, and printf's output */
    uint64_t state;
    char format[512], expected[16384], args[2048];
    size_t format_size, expected_size, args_size;
} trial;

static unsigned below(trial *t, unsigned n) { return (unsigned)(er_random_next(&t->state) % n); }
static char one_of(trial *t, const char *letters)
{
    return letters[below(t, (unsigned)strlen(letters))];
}

static void pack(trial *t, int64_t whole)
{
    memcpy(t->args + t->args_size, &whole, 8);
    t->args_size += 8;
}

static double some_double(trial *t)
{
    static const double odd[] = { 0,       -0.0,    0.5,     1.5,    2.5,         9.5,  0.05,
                                  99999.5, DBL_MAX, DBL_MIN, 5e-324, DBL_EPSILON, 1e22, 1e23 };
    double d;
    uint64_t bits = er_random_next(&t->state);
    switch (below(t, 7)) {
    case 0: memcpy(&d, &bits, 8); return d; /* any bits: NaN and infinity, too */
    case 1: return (double)(int64_t)bits;
    case 2: return (double)below(t, 2000001) / 8 - 100000; /* halves to be rounded */
    case 3: return odd[below(t, sizeof odd / sizeof *odd)];
    case 4: return (double)bits * 1e-25;
    case 5: return below(t, 2) ? 1 / 0.0 : -1 / 0.0;
    default: return (double)below(t, 1000000) * 1e-6;
    }
}

typedef struct conversion {
    char text[64], what;
    int width, precision; /* the arguments of the stars */
    bool star_width, star_precision, long_integer;
    size_t most; /* length of a text */
} conversion;

static conversion some_conversion(trial *t)
{
    conversion c = { .what = one_of(t, "ddiuoxXcsspmfffFeEgG"), .most = SIZE_MAX };
    bool integer = strchr("diuoxX", c.what), real = strchr("fFeEgG", c.what);
    /* %#g has a test of its own: glibc prints too few zeros where rounding carries into a new
     * digit (%#.5g of 99999.9) */
    const char *flags =
        strchr("gG", c.what)             ? "-+ 0"
        : real                           ? "-+ #0"
        : c.what == 'd' || c.what == 'i' ? "-+ 0"
        : c.what == 'u'                  ? "-0"
        : integer                        ? "-#0"
                                         : "-";
    size_t n = 0;
    c.text[n++] = '%';
    for (unsigned i = c.what == 'm' ? 0 : below(t, 3); i; i--) c.text[n++] = one_of(t, flags);
    if (c.what != 'm' && below(t, 3) == 0) {
        c.star_width = below(t, 3) == 0;
        c.width = (int)below(t, 60) - 30;
        n += (size_t)(c.star_width ? snprintf(c.text + n, 2, "*")
                                   : snprintf(c.text + n, 8, "%u", 1 + below(t, 40)));
    }
    if ((integer || real || c.what == 's') && below(t, 2)) {
        c.star_precision = below(t, 3) == 0;
        c.precision = c.star_precision ? (int)below(t, 25) - 3
                                       : (int)below(t, below(t, 10) ? 20 : 330);
        bool bare = !c.star_precision && below(t, 9) == 0; /* "." is 0 */
        if (bare) c.precision = 0;
        n += (size_t)(c.star_precision ? snprintf(c.text + n, 3, ".*")
                      : bare           ? snprintf(c.text + n, 2, ".")
                                       : snprintf(c.text + n, 8, ".%d", c.precision));
        if (c.precision >= 0) c.most = (size_t)c.precision;
    }
    static const char *const lengths[] = { "", "h", "hh", "l", "ll", "z", "j", "t" };
    unsigned length = integer ? below(t, 8) : real && below(t, 5) == 0 ? 3 : 0;
    c.long_integer = length >= 3;
    snprintf(c.text + n, sizeof c.text - n, "%s%c", lengths[length], c.what);
    return c;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#define PRINT(value)                                                                               \
    (c->star_width                                                                                 \
         ? c->star_precision ? snprintf(to, room, c->text, c->width, c->precision, value)          \
                             : snprintf(to, room, c->text, c->width, value)                        \
     : c->star_precision ? snprintf(to, room, c->text, c->precision, value)                        \
                         : snprintf(to, room, c->text, value))

static int add_value(trial *t, const conversion *c)
{
    static const char *const texts[] = { "",  "x", "hello", "Zürich 東京", "several words in a row",
                                         NULL };
    char *to = t->expected + t->expected_size;
    size_t room = sizeof t->expected - t->expected_size;
    uint64_t bits = er_random_next(&t->state) >> below(t, 64);
    if (below(t, 10) == 0) bits = 0;
    if (below(t, 4) == 0) bits = -bits;
    if (strchr("diuoxX", c->what) && c->long_integer) {
        pack(t, (int64_t)bits);
        return PRINT((long)bits);
    }
    if (strchr("fFeEgG", c->what)) {
        double d = some_double(t);
        int64_t whole;
        memcpy(&whole, &d, 8);
        pack(t, whole);
        return PRINT(d);
    }
    if (c->what == 'p') {
        void *p = below(t, 4) ? (void *)(uintptr_t)bits : NULL;
        pack(t, (int64_t)(uintptr_t)p);
        return PRINT(p);
    }
    if (c->what == 'm') {
        errno = (int)below(t, 140);
        pack(t, errno);
        return snprintf(to, room, "%s", strerror(errno));
    }
    if (c->what == 's') {
        const char *s = texts[below(t, sizeof texts / sizeof *texts)];
        size_t size = s ? strnlen(s, c->most) : 0;
        pack(t, s ? (int64_t)size : (int64_t)ER_TEXT_NULL);
        if (s) memcpy(t->args + t->args_size, s, size);
        t->args_size += er_round8(size);
        return PRINT(s);
    }
    int i = c->what == 'c' ? 1 + (int)below(t, 255) : (int)bits;
    pack(t, i);
    return PRINT(i);
}
#pragma GCC diagnostic pop

static void add_conversion(trial *t)
{
    static const char *const between[] = { "", "a ", "%%", " [", "ß" };
    const char *text = between[below(t, 5)];
    t->format_size += (size_t)snprintf(t->format + t->format_size, 8, "%s", text);
    t->expected_size +=
        (size_t)snprintf(t->expected + t->expected_size, 8, "%s", *text == '%' ? "%" : text);
    conversion c = some_conversion(t);
    t->format_size += (size_t)snprintf(t->format + t->format_size, sizeof c.text, "%s", c.text);
    if (c.star_width) pack(t, c.width);
    if (c.star_precision) pack(t, c.precision);
    t->expected_size += (size_t)add_value(t, &c);
}

START_TEST(known_formats_print_as_printf_does)
{
    static trial t;
    er_text out;
    ck_assert_int_eq(er_text_open(&out, 4096, 1 << 22), 0);
    unsigned many = scaled(10000);
    for (unsigned i = 0; i < many; i++) {
        t.state = i;
        t.format_size = t.expected_size = t.args_size = 0;
        for (unsigned n = 1 + below(&t, 4); n; n--) add_conversion(&t);
        er_plan *plan = er_plan_new(NULL, t.format);
        er_values values;
        if (!plan || !plan->known) ck_abort_msg("'%s' is not known", t.format);
        er_text_clear(&out);
        er_format(&out, plan, t.args, &values);
        if (out.size != t.expected_size || memcmp(out.at, t.expected, out.size) != 0)
            ck_abort_msg("%u: '%s': '%.*s' instead of '%s'", i, t.format, (int)out.size, out.at,
                         t.expected);
        er_free(plan);
    }
    er_text_close(&out);
}
END_TEST

START_TEST(an_alternative_g_keeps_its_zeros)
{
    static const struct {
        const char *format;
        double value;
        const char *expected;
    } cases[] = {
        { "%#g", 1.5, "1.50000" },
        { "%#.3g", 100.0, "100." },
        { "%#.5g", 99999.9, "1.0000e+05" },
        { "%#.5G", 1e-7, "1.0000E-07" },
        { "%#.0g", 7.0, "7." },
        { "%#g", 0.0, "0.00000" },
        { "%g", 100000.0, "100000" },
        { "%g", 1e6, "1e+06" },
    };
    er_text out;
    ck_assert_int_eq(er_text_open(&out, 4096, 4096), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        er_plan *plan = er_plan_new(NULL, cases[i].format);
        er_values values;
        char args[8];
        memcpy(args, &cases[i].value, 8);
        er_text_clear(&out);
        er_format(&out, plan, args, &values);
        er_text_put(&out, '\0');
        ck_assert_str_eq(out.at, cases[i].expected);
        er_free(plan);
    }
    er_text_close(&out);
}
END_TEST

START_TEST(known_formats_match_the_list)
{
    static const char *const known[] = {
        "plain",
        "%d %i %u %o %x %X %c %s %p %m %%",
        "%hhd %hd %ld %lld %jd %zd %td %lu",
        "%-+ #08.3d",
        "%*.*d",
        "%f %F %e %E %g %G %lf %.17f",
        "%-10s %.3s %*.*s %-5c %-9p",
        "x\x1fkey=%d\x1fother=%s"
    };
    static const char *const unknown[] = {
        "%'d",      "%Id",     "%1$d", "%a",  "%A",
        "%Lf",      "%lc",     "%ls",  "%S",  "%C",
        "%n",       "%5%",     "%y",   "%",   "%.3c",
        "%ld %La",  "%+s",     "%lls", "%hf", "%99999999999d",
        "x\x1f=%d", "x\x1fkey"
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        er_plan *plan = er_plan_new(NULL, known[i]);
        ck_assert_msg(plan && plan->known, "%s", known[i]);
        er_free(plan);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        er_plan *plan = er_plan_new(NULL, unknown[i]);
        ck_assert_msg(plan && !plan->known, "%s", unknown[i]);
        er_free(plan);
    }
}
END_TEST

START_TEST(every_kind_of_argument_is_carried)
{
    place to = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    char expected[8][512];
    const char *null = NULL, *const volatile hidden = null;
    void *pointer = &to;
    unsigned n = 0;
#define BOTH(...)                                                                                  \
    do {                                                                                           \
        errno = ENOENT;                                                                            \
        errand_info(log, __VA_ARGS__);                                                             \
        errno = ENOENT;                                                                            \
        snprintf(expected[n++], sizeof expected[0], __VA_ARGS__);                                  \
    } while (0)
    BOTH("%d %ld %lld %zu %hhd %hd %c|", -1, -2L, -3LL, (size_t)4, (signed char)5, (short)6, 'x');
    BOTH("%f %s %d %s %e %m %p|", 1.25, "a", 2, "bcdefghijklmnop", 1e100, pointer);
    BOTH("%*d %-*d %.*f %.*s %.3s|", 7, 1, 7, 2, 3, 1.23456, 2, "abcdef", "ghijkl");
    BOTH("%a %Lf %ls|", 1.5, 2.5L, L"wide");
    BOTH("%1$s %1$s %2$d|", "again", 3);
    BOTH("%.*s|", -1, "the whole");
    BOTH("%d%d%d%d%d%d%d%d%f%f%f%f%f%f%f%f%f%f|", 1, 2, 3, 4, 5, 6, 7, 8, .1, .2, .3, .4, .5, .6,
         .7, .8, .9, 1.0);
    BOTH("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d|", 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1,
         2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6); /* more than a plan has room for */
    errand_info(log, "%s|", hidden);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    for (unsigned i = 0; i < n; i++) {
        char *line = line_of(&at);
        ck_assert_ptr_nonnull(line);
        ck_assert_str_eq(strstr(line, "] - ") + 4, expected[i]);
    }
    ck_assert(has(line_of(&at), "] - (null)|"));
    free(text);
}
END_TEST

START_TEST(lines_ignore_the_programs_locale)
{
    char probe[8];
    if (!comma_locale()) return; /* no such locale */
    snprintf(probe, sizeof probe, "%.1f", 1.5);
    ck_assert_str_eq(probe, "1,5");
    place to = a_file(), json = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_add_file(log, to.path,
                                         &(errand_log_sink_opts){ .pattern = "{message}{fields}" }),
                     0);
    ck_assert_int_eq(
        errand_log_add_file(log, json.path, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON }), 0);
    errno = ENOENT;
    errand_info(log, "%.1f %.1Lf %.1a %'.1f %m" errand_kv("v", "%.2Lf"), 1.5, 1.5L, 1.5, 1234.5,
                2.5L);
    snprintf(probe, sizeof probe, "%.1f", 1.5);
    ck_assert_str_eq(probe, "1,5"); /* the program's locale is unchanged */
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *object = text_of(&json);
    ck_assert_str_eq(text, "1.5 1.5 0x1.8p+0 1234.5 No such file or directory v=2.50\n");
    ck_assert(has(object, "0x1.8p+0 1234.5 No such file or directory\",\"v\":2.50}\n"));
    free(text);
    free(object);
}
END_TEST

static void say(errand_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(errand_log *log, const char *format, ...)
{
    static errand_log_site site = { ERRAND_LOG_INFO, 1, "f.c", "say", NULL };
    va_list args;
    va_start(args, format);
    errand_log_vput(log, &site, format, args);
    va_end(args);
}

START_TEST(a_call_site_may_change_its_format)
{
    place to = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    say(log, "first %d", 1);
    say(log, "second %s", "2");
    say(log, "first %d", 3);
    char longer[700];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    say(log, "third %s", longer);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    ck_assert(has(line_of(&at), "[say:1] - first 1"));
    ck_assert(has(line_of(&at), "[say:1] - second 2"));
    ck_assert(has(line_of(&at), "[say:1] - first 3"));
    ck_assert(has(line_of(&at), longer));
    free(text);
}
END_TEST

Suite *formats_suite(void)
{
    Suite *suite = suite_create("formats");
    TCase *tests = tcase_create("formats");
    tcase_add_test(tests, known_formats_print_as_printf_does);
    tcase_add_test(tests, an_alternative_g_keeps_its_zeros);
    tcase_add_test(tests, known_formats_match_the_list);
    tcase_add_test(tests, every_kind_of_argument_is_carried);
    tcase_add_test(tests, lines_ignore_the_programs_locale);
    tcase_add_test(tests, a_call_site_may_change_its_format);
    suite_add_tcase(suite, tests);
    return suite;
}
