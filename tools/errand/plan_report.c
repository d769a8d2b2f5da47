/* plan_report.c -- at 80 columns:
 *
 *     jobs.jsonl: 10,000 jobs, 3 bad lines
 *       hosts          api.example.com 9,000, other:8080 1,000
 *       methods        GET 6,000, POST 4,000
 *       not harmless   3,000 (POST): without a key not repeated after a timeout or 503
 *       ids twice      2: "a7" in lines 3 and 19, "b" in lines 5 and 7
 *       bodies         12.0 MB
 *       at once        16 (-j)
 *       time           about 15 min at --rate 10/s: 9,000 for api.example.com
 *
 * What is 0 has no line, but for jobs, and nothing is said that is the same for every file. */
#include "plan_report.h"

#include "given.h"

#include <inttypes.h>
#include <string.h>

enum { HOSTS_SHOWN = 6, FILES_SHOWN = 10 };

static void put_number(FILE *to, uint64_t n) /* 10,000 */
{
    if (n >= 1000) {
        put_number(to, n / 1000);
        fprintf(to, ",%03u", (unsigned)(n % 1000));
    } else {
        fprintf(to, "%u", (unsigned)n);
    }
}

static void put_count(FILE *to, uint64_t n, const char *one, const char *many)
{
    put_number(to, n);
    fprintf(to, " %s", n == 1 ? one : many);
}

static void put_name(FILE *to, const char *name) { fprintf(to, "  %-13s  ", name); }

/* A host as a person writes it: "api.example.com:443" is one without its port. */
static void put_host(FILE *to, const char *host)
{
    const char *port = strrchr(host, ':');
    bool usual = port && (!strcmp(port, ":80") || !strcmp(port, ":443"));
    if (!*host) fputs("hosts with long names", to);
    else fprintf(to, "%.*s", (int)(usual ? (size_t)(port - host) : strlen(host)), host);
}

static void put_seconds(FILE *to, double s)
{
    if (s < 90) fprintf(to, "%.0f s", s);
    else if (s < 90 * 60) fprintf(to, "%.0f min", s / 60);
    else if (s < 48 * 3600) fprintf(to, "%.1f h", s / 3600);
    else fprintf(to, "%.1f days", s / 86400);
}

static void put_bytes(FILE *to, uint64_t n)
{
    if (n < 1000) fprintf(to, "%u bytes", (unsigned)n);
    else if (n < 1000000) fprintf(to, "%.1f kB", (double)n / 1e3);
    else if (n < 1000000000) fprintf(to, "%.1f MB", (double)n / 1e6);
    else fprintf(to, "%.1f GB", (double)n / 1e9);
}

/* What a file, or all of them, has. */
static void put_lines(FILE *to, const char *name, const plan_file *file)
{
    fprintf(to, "%s: ", name);
    if (file->unread && !file->jobs && !file->bad) {
        fputs("cannot be read\n", to);
        return;
    }
    put_count(to, file->jobs, "job", "jobs");
    if (file->bad) {
        fputs(", ", to);
        put_count(to, file->bad, "bad line", "bad lines");
    }
    fputs(file->unread ? ", not read to its end\n" : "\n", to);
}

static void put_files(FILE *to, const plan_tally *t)
{
    const plan_file all = { .jobs = t->jobs, .bad = t->bad };
    for (size_t i = 0; i < t->n_files && t->n_files <= FILES_SHOWN; i++)
        put_lines(to, t->files[i].name, &t->files[i]);
    if (!t->n_files) fputs("no jobs\n", to);
    if (t->n_files < 2) return;
    char name[40];
    snprintf(name, sizeof name, "%zu files", t->n_files);
    put_lines(to, name, &all);
}

static void put_counts(FILE *to, const char *title, name_counts *counts, bool hosts)
{
    size_t n;
    name_count *const *names = name_counts_sorted(counts, &n);
    uint64_t more = counts->others.n;
    if (!n) return;
    put_name(to, title);
    for (size_t i = 0; i < n; i++) {
        if (hosts && i >= HOSTS_SHOWN) {
            more += names[i]->n;
            continue;
        }
        if (i) fputs(", ", to);
        if (hosts) put_host(to, names[i]->name);
        else fputs(names[i]->name, to);
        fputc(' ', to);
        put_number(to, names[i]->n);
    }
    if (more) fputs(", others ", to);
    if (more) put_number(to, more);
    fputc('\n', to);
}

static void put_harmful(FILE *to, plan_tally *t)
{
    size_t n, shown = 0;
    name_count *const *names = name_counts_sorted(&t->methods, &n);
    if (!t->harmful) return;
    put_name(to, "not harmless");
    put_number(to, t->harmful);
    for (size_t i = 0; i < n; i++) {
        if (names[i]->marked) fprintf(to, "%s%s", shown++ ? ", " : " (", names[i]->name);
    }
    fputs("): without a key not repeated after a timeout or 503\n", to);
}

static void put_twice(FILE *to, const plan_tally *t)
{
    if (!t->n_twice) return;
    put_name(to, "ids twice");
    put_number(to, t->n_twice);
    for (size_t i = 0; i < PLAN_TWICE && i < t->n_twice; i++) {
        const plan_twice *twice = &t->twice[i];
        const char *first = plan_place_file(t, twice->first),
                   *then = plan_place_file(t, twice->then);
        fprintf(to, "%s%.60s", i ? ", " : ": ", twice->id ? twice->id : "?");
        if (first == then)
            fprintf(to, " in lines %" PRIu64 " and %" PRIu64, plan_place_line(twice->first),
                    plan_place_line(twice->then));
        else
            fprintf(to, " in %s:%" PRIu64 " and %s:%" PRIu64, first, plan_place_line(twice->first),
                    then, plan_place_line(twice->then));
    }
    fputs(t->n_twice > PLAN_TWICE ? ", ...\n" : "\n", to);
}

static void put_done(FILE *to, const plan_tally *t)
{
    uint64_t all = t->done + t->done_failed + t->done_unknown;
    if (!all) return;
    put_name(to, "done already");
    put_number(to, all);
    if (t->done_failed) {
        fputs(", of them failed ", to);
        put_number(to, t->done_failed);
    }
    if (t->done_unknown) {
        fputs(", unknown ", to);
        put_number(to, t->done_unknown);
    }
    fputc('\n', to);
}

static void put_tokens(FILE *to, const plan_tally *t, const run_options *o)
{
    const char *budget = given_text(o->given, OPTION_BUDGET_TOKENS);
    if (o->tokens.per_second <= 0 && !o->token_budget && !o->tokens_asked) return;
    put_name(to, "tokens");
    put_number(to, t->tokens);
    fputs(" asked for at most", to);
    if (o->token_budget && t->tokens > o->token_budget)
        fprintf(to, ", more than --budget-tokens %s: the run may end before", budget ? budget : "");
    fputc('\n', to);
}

/* What makes it longer or shorter than the rate says. */
static void put_time_limits(FILE *to, const plan_time *time, const run_options *o)
{
    const char *deadline = given_text(o->given, OPTION_DEADLINE);
    if (o->next) fputs(", without the pages that follow", to);
    if (o->deadline_ms && time->seconds * 1000 > (double)o->deadline_ms)
        fprintf(to, "; --deadline %s %s it before", deadline ? deadline : "",
                time->by == OPTION_TOKENS ? "may end" : "ends");
}

static void put_time(FILE *to, plan_tally *t, const run_options *o)
{
    plan_time time = plan_time_of(t, o);
    if (!t->jobs) return;
    put_name(to, "time");
    if (time.seconds < 0) {
        bool learns = o->rate.per_second < 0;
        fprintf(to, "depends on the service: %s\n",
                learns ? "--rate auto follows what it says" : "there is no --rate");
        return;
    }
    const char *rate = given_text(o->given, time.by);
    fputs(time.by == OPTION_TOKENS ? "at most " : "about ", to);
    put_seconds(to, time.seconds);
    fprintf(to, " at --%s %s: ", option_rows[time.by].name, rate ? rate : "");
    if (time.by == OPTION_TOKENS) {
        put_number(to, t->tokens);
        fputs(", if all that is asked for is used", to);
    } else {
        put_number(to, time.host ? time.host->n : t->jobs);
        fputs(time.host ? " for " : " in all", to);
        if (time.host) put_host(to, time.host->name);
    }
    put_time_limits(to, &time, o);
    fputc('\n', to);
}

void plan_report(FILE *to, plan_tally *t, const run_options *o)
{
    put_files(to, t);
    put_done(to, t);
    put_counts(to, "hosts", &t->hosts, true);
    put_counts(to, "methods", &t->methods, false);
    put_harmful(to, t);
    put_twice(to, t);
    if (t->ids.full) fputs("  (there was no memory for all ids)\n", to);
    if (t->bytes) {
        put_name(to, "bodies");
        put_bytes(to, t->bytes);
        fputc('\n', to);
    }
    if (t->jobs) {
        put_name(to, "at once");
        if (o->jobs_least)
            fprintf(to, "%u to %u, as each host bears (-j auto)\n", o->jobs_least, o->jobs);
        else fprintf(to, "%u (-j)\n", o->jobs);
    }
    if (o->next) {
        put_name(to, "pages");
        fputs("more requests than jobs (--next)\n", to);
    }
    put_tokens(to, t, o);
    put_time(to, t, o);
}
