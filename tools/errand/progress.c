/* progress.c -- parts from left to right, as many as the terminal is wide:
 *
 *     120/300  117 ok  3 failed  2 retrying  41.3/s  p50 210 ms  p99 1.9 s  ETA 0:04
 *
 * On a terminal the line is rewritten in place, padded with blanks, at most ten times a second;
 * elsewhere ("always"), and on one that calls itself dumb, it is a line of its own once a
 * second. A message takes it away, and the next drawing brings it back. */
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct text {
    char at[512];
    size_t size;
    int columns, most; /* colour codes take none */
    bool full;         /* a part did not fit, so none behind it is shown either */
} text;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_begin(progress *p, when wanted, bool quiet)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    /* one that can go back in a line */
    bool terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    *p = (progress){
        .on = !quiet && (wanted == WHEN_ALWAYS ||
                         (wanted == WHEN_AUTO && terminal && !isatty(STDOUT_FILENO))),
        .in_place = terminal,
        .colour = terminal && !(no_colour && *no_colour),
        .began = now(),
    };
    p->drawn = p->looked = p->began;
    pthread_mutex_init(&p->lock, NULL);
}

static void part(text *t, const char *colour, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void part(text *t, const char *colour, const char *fmt, ...)
{
    char words[64];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    int gap = t->columns ? 2 : 0;
    if (t->full || n < 0 || n >= (int)sizeof words || t->columns + gap + n > t->most) {
        t->full = true;
        return;
    }
    int put = snprintf(t->at + t->size, sizeof t->at - t->size, "%*s%s%s%s", gap, "",
                       colour ? colour : "", words, colour ? "\033[0m" : "");
    t->size += (size_t)put; /* 8 parts of at most 64 and their colours fit */
    t->columns += gap + n;
}

static void put_ms(text *t, const char *name, int64_t ms)
{
    if (ms < 1000) part(t, NULL, "%s %lld ms", name, (long long)ms);
    else part(t, NULL, "%s %.1f s", name, (double)ms / 1000);
}

static void put_eta(text *t, double seconds)
{
    long s = seconds < 1e7 ? (long)(seconds + 0.5) : 9999999;
    if (s < 3600) part(t, NULL, "ETA %ld:%02ld", s / 60, s % 60);
    else part(t, NULL, "ETA %ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static int width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* The rate of the last seconds: each look is weighed by how long ago it was. */
static void look(progress *p, uint64_t done, double at)
{
    double passed = at - p->looked;
    if (passed < 0.2) return;
    double here = (double)(done - p->seen) / passed, all = at - p->began;
    double weight = all < 5 ? passed / all : passed / (passed + 5);
    p->rate += weight * (here - p->rate);
    p->seen = done;
    p->looked = at;
}

static void compose(progress *p, const errand_jobs_stats *s, uint64_t total, text *t)
{
    const char *green = p->colour ? "\033[32m" : NULL, *red = p->colour ? "\033[31m" : NULL;
    if (total) part(t, NULL, "%" PRIu64 "/%" PRIu64, s->total_processed, total);
    else part(t, NULL, "%" PRIu64 " done", s->total_processed);
    part(t, s->successful ? green : NULL, "%" PRIu64 " ok", s->successful);
    part(t, s->failed ? red : NULL, "%" PRIu64 " failed", s->failed);
    part(t, NULL, "%" PRIu64 " retrying", s->retrying);
    part(t, NULL, "%.1f/s", p->rate);
    put_ms(t, "p50", s->p50_ms);
    put_ms(t, "p99", s->p99_ms);
    if (total > s->total_processed && p->rate > 0.01)
        put_eta(t, (double)(total - s->total_processed) / p->rate);
}

static void clear(progress *p)
{
    if (p->shown) fprintf(stderr, "\r%*s\r", p->shown, "");
    p->shown = 0;
}

void progress_show(progress *p, const errand_jobs_stats *stats, uint64_t total)
{
    if (!p->on) return;
    pthread_mutex_lock(&p->lock);
    double at = now();
    look(p, stats->total_processed, at);
    if (at - p->drawn >= (p->in_place ? 0.09 : 1)) {
        p->drawn = at;
        text t = { .most = p->in_place ? width() - 1 : 200 };
        compose(p, stats, total, &t);
        if (p->in_place)
            fprintf(stderr, "\r%s%*s", t.at, p->shown > t.columns ? p->shown - t.columns : 0, "");
        else fprintf(stderr, "%s\n", t.at);
        p->shown = p->in_place ? t.columns : 0;
        fflush(stderr);
    }
    pthread_mutex_unlock(&p->lock);
}

void progress_say(progress *p, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0) return;
    if (n >= (int)sizeof line) memcpy(line + sizeof line - 4, "...", 4);
    for (char *c = line; *c; c++) { /* what came from an input file must not drive the terminal */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    pthread_mutex_lock(&p->lock);
    clear(p);
    fprintf(stderr, "errand run: %s\n", line);
    pthread_mutex_unlock(&p->lock);
}

void progress_end(progress *p)
{
    pthread_mutex_lock(&p->lock);
    clear(p);
    fflush(stderr);
    p->on = false;
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_destroy(&p->lock);
}
