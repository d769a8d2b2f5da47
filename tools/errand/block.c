/* block.c -- at 80 columns:
 *
 *     [################----------------------------]  120/300  40%  41.3/s  ETA 0:04
 *     16 in flight  117 ok  3 failed  2 retrying  p50 210 ms  p99 1.9 s  0:03
 *       2  HTTP 503 http_server  jobs.jsonl:17: POST http://127.0.0.1:8080/generate: HTTP...
 *       1  ETIMEDOUT timeout  jobs.jsonl:31: GET http://127.0.0.1:8080/slow: no reply wit...
 *
 * The bar takes the room that is left. The counts go on in a second and third line where they do
 * not fit into one. Up to three classes of failures; what else asks for a line has the eighth. */
#include "block.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COUNT_ROWS = 3, FAILURE_ROWS = 3, BAR_LEAST = 8, BAR_MOST = 60, NARROW = 60 };

#define GREEN "\033[32m"
#define RED   "\033[31m"

void block_time(double seconds, char text[24])
{
    long s = seconds < 1e7 ? (long)(seconds + 0.5) : 9999999;
    if (s < 3600) snprintf(text, 24, "%ld:%02ld", s / 60, s % 60);
    else snprintf(text, 24, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static bool put_percentile(row *r, const errand_jobs_stats *n, const char *name, int64_t ms)
{
    if (!n->total_processed) return true; /* there is none yet */
    if (ms < 1000) return row_part(r, NULL, "%s %" PRId64 " ms", name, ms);
    return row_part(r, NULL, "%s %.1f s", name, (double)ms / 1000);
}

static bool put_done(row *r, const snapshot *s)
{
    uint64_t done = s->stats.total_processed;
    if (s->total) return row_part(r, NULL, "%" PRIu64 "/%" PRIu64, done, s->total);
    return row_part(r, NULL, "%" PRIu64 " done", done);
}

static bool put_pages(row *r, const snapshot *s)
{
    uint64_t n = s->stats.pages;
    return !n || row_part(r, NULL, "%" PRIu64 " %s", n, n == 1 ? "page" : "pages");
}

static bool put_eta(row *r, const snapshot *s)
{
    char text[24];
    double eta = snapshot_eta(s);
    if (eta < 0) return true;
    block_time(eta, text);
    return row_part(r, NULL, "ETA %s", text);
}

static bool put_tokens(row *r, const snapshot *s)
{
    uint64_t n = s->stats.tokens_used;
    if (!s->tokens) return true;
    if (n < 10000) return row_part(r, NULL, "%" PRIu64 " tokens", n);
    if (n < 10000000) return row_part(r, NULL, "%.1fk tokens", (double)n / 1e3);
    return row_part(r, NULL, "%.1fM tokens", (double)n / 1e6);
}

void block_line(row *r, const snapshot *s, int most, bool colour)
{
    const errand_jobs_stats *n = &s->stats;
    row_begin(r, most);
    /* the first part that does not fit is the last */
    (void)(put_done(r, s) && put_pages(r, s) &&
           row_part(r, colour && n->successful ? GREEN : NULL, "%" PRIu64 " ok", n->successful) &&
           row_part(r, colour && n->failed ? RED : NULL, "%" PRIu64 " failed", n->failed) &&
           row_part(r, NULL, "%" PRIu64 " retrying", n->retrying) &&
           row_part(r, NULL, "%.1f/s", s->rate) && put_percentile(r, n, "p50", n->p50_ms) &&
           put_percentile(r, n, "p99", n->p99_ms) && put_eta(r, s) && put_tokens(r, s));
}

static void put_head(row *r, const snapshot *s, int most)
{
    row words;
    uint64_t done = s->stats.total_processed;
    row_begin(&words, most);
    bool room = put_done(&words, s);
    if (room && s->total && most >= NARROW)
        room = row_part(&words, NULL, "%d%%", (int)(100.0 * (double)done / (double)s->total));
    (void)(room && row_part(&words, NULL, "%.1f/s", s->rate) && put_eta(&words, s));
    row_begin(r, most);
    int size = most - words.columns - 4; /* brackets and blanks */
    if (size > BAR_MOST) size = BAR_MOST;
    if (s->total && size >= BAR_LEAST) {
        char bar[BAR_MOST + 1];
        int full = (int)((double)size * (double)done / (double)s->total);
        if (full > size) full = size;
        memset(bar, '#', (size_t)full);
        memset(bar + full, '-', (size_t)(size - full));
        bar[size] = '\0';
        row_part(r, NULL, "[%s]", bar);
        row_text(r, "  ");
    }
    row_text(r, words.at);
}

/* Jobs; with -j auto requests, and how many that may be. */
static bool put_in_flight(row *r, const errand_jobs_stats *n)
{
    uint64_t now = n->in_flight - n->waiting;
    if (!n->limit) return row_part(r, NULL, "%" PRIu64 " in flight", now);
    return row_part(r, NULL, "%" PRIu64 " of %" PRIu64 " in flight", now, n->limit);
}

/* Part `i` of the counts. False: it does not fit. */
static bool put_count(row *r, const snapshot *s, int i, bool colour)
{
    const errand_jobs_stats *n = &s->stats;
    char text[24];
    switch (i) {
    case 0: return put_in_flight(r, n);
    case 1:
        return row_part(r, colour && n->successful ? GREEN : NULL, "%" PRIu64 " ok", n->successful);
    case 2: return row_part(r, colour && n->failed ? RED : NULL, "%" PRIu64 " failed", n->failed);
    case 3: return row_part(r, NULL, "%" PRIu64 " retrying", n->retrying);
    case 4: return put_pages(r, s);
    case 5: return put_percentile(r, n, "p50", n->p50_ms);
    case 6: return put_percentile(r, n, "p99", n->p99_ms);
    case 7: return put_tokens(r, s);
    default: block_time(s->seconds, text); return row_part(r, NULL, "%s", text);
    }
}

static size_t put_counts(row *rows, const snapshot *s, int most, bool colour)
{
    size_t n = 0;
    row_begin(&rows[n++], most);
    for (int i = 0; i < 9; i++) {
        if (put_count(&rows[n - 1], s, i, colour)) continue;
        if (n == COUNT_ROWS) break;
        row_begin(&rows[n++], most);
        put_count(&rows[n - 1], s, i, colour);
    }
    return n;
}

static void put_failure(row *r, const errand_jobs_failure *f, int most)
{
    char code[64], text[1024];
    snapshot_code(f, code, sizeof code);
    row_begin(r, most);
    row_part(r, NULL, "%5" PRIu64, f->count);
    if (most < NARROW) row_part(r, NULL, "%s", code);
    else row_part(r, NULL, "%s %s", code, errand_kind_name(f->kind));
    snprintf(text, sizeof text, "  %s:%" PRIu64 ": %s", f->file, f->line, f->message);
    row_text(r, text);
}

size_t block_compose(row rows[BLOCK_ROWS], const snapshot *s, int most, bool colour)
{
    put_head(&rows[0], s, most);
    size_t n = 1 + put_counts(&rows[1], s, most, colour);
    for (size_t i = 0; i < s->n_failures && i < FAILURE_ROWS; i++)
        put_failure(&rows[n++], &s->failures[i], most);
    return n;
}
