/* summary.c -- one object on one line, its numbers with a point in every locale: the program sets
 * none. Texts of failures are UTF-8 without control characters, so that quotes and backslashes are
 * all there is to escape. */
#include "summary.h"

#include "block.h"

#include <inttypes.h>

enum { CLASSES = 8 };

static void put_string(FILE *to, const char *name, const char *text)
{
    fprintf(to, ",\"%s\":\"", name);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void put_counts(FILE *to, const char *type, const snapshot *s, double rate)
{
    const errand_jobs_stats *n = &s->stats;
    fprintf(to, "{\"type\":\"%s\",\"seconds\":%.3f,\"done\":%" PRIu64 ",\"total\":", type,
            s->seconds, n->total_processed);
    if (s->total) fprintf(to, "%" PRIu64, s->total);
    else fputs("null", to);
    fprintf(to,
            ",\"ok\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cancelled\":%" PRIu64
            ",\"bad_lines\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"retrying\":%" PRIu64
            ",\"retries\":%" PRIu64 ",\"pauses\":%" PRIu64 ",\"skipped\":%" PRIu64
            ",\"unknown\":%" PRIu64 ",\"rate\":%.3f,\"p50_ms\":%" PRId64 ",\"p99_ms\":%" PRId64,
            n->successful, n->failed, n->cancelled, n->bad_lines, n->in_flight, n->retrying,
            n->retries, n->pauses, n->skipped, n->unknown, rate, n->p50_ms, n->p99_ms);
    if (s->tokens)
        fprintf(to, ",\"tokens_used\":%" PRIu64 ",\"tokens_reserved\":%" PRIu64, n->tokens_used,
                n->tokens_reserved);
}

void summary_progress(FILE *to, const snapshot *s)
{
    double eta = snapshot_eta(s);
    put_counts(to, "progress", s, s->rate);
    if (eta < 0) fputs(",\"eta_s\":null}\n", to);
    else fprintf(to, ",\"eta_s\":%.1f}\n", eta);
}

void summary_json(FILE *to, const snapshot *s, int exit_status)
{
    char code[64];
    put_counts(to, "summary", s, snapshot_average(s));
    fprintf(to, ",\"stopped\":%s,\"exit_status\":%d,\"failures\":[",
            s->stats.stopped ? "true" : "false", exit_status);
    for (size_t i = 0; i < s->n_failures; i++) {
        const errand_jobs_failure *f = &s->failures[i];
        fprintf(to, "%s{\"count\":%" PRIu64, i ? "," : "", f->count);
        put_string(to, "kind", errand_kind_name(f->kind));
        put_string(to, "code", snapshot_code(f, code, sizeof code));
        put_string(to, "file", f->file);
        fprintf(to, ",\"line\":%" PRIu64, f->line);
        put_string(to, "id", f->id);
        put_string(to, "message", f->message);
        fputc('}', to);
    }
    fputs("]}\n", to);
}

static void put_duration(FILE *to, double seconds)
{
    char text[24];
    if (seconds < 60) {
        fprintf(to, "%.1f s", seconds);
        return;
    }
    block_time(seconds, text);
    fputs(text, to);
}

static void put_ms(FILE *to, const char *name, int64_t ms)
{
    if (ms < 1000) fprintf(to, ", %s %" PRId64 " ms", name, ms);
    else fprintf(to, ", %s %.1f s", name, (double)ms / 1000);
}

void summary_words(FILE *to, const snapshot *s)
{
    const errand_jobs_stats *n = &s->stats;
    uint64_t rest = 0;
    fprintf(to, "%" PRIu64 " %s in ", n->total_processed, n->total_processed == 1 ? "job" : "jobs");
    put_duration(to, s->seconds);
    fprintf(to, ": %" PRIu64 " ok, %" PRIu64 " failed", n->successful, n->failed);
    if (n->retries) fprintf(to, ", %" PRIu64 " attempts more", n->retries);
    if (s->tokens) fprintf(to, ", %" PRIu64 " tokens", n->tokens_used);
    if (n->total_processed) {
        fprintf(to, " (%.1f/s", snapshot_average(s));
        put_ms(to, "p50", n->p50_ms);
        put_ms(to, "p99", n->p99_ms);
        fputc(')', to);
    }
    fputc('\n', to);
    for (size_t i = 0; i < s->n_failures; i++) {
        const errand_jobs_failure *f = &s->failures[i];
        char code[64];
        if (i >= CLASSES) {
            rest += f->count;
            continue;
        }
        fprintf(to, "%7" PRIu64 "  %s %s, first %s:%" PRIu64, f->count,
                snapshot_code(f, code, sizeof code), errand_kind_name(f->kind), f->file, f->line);
        if (*f->id) fprintf(to, " (id %s)", f->id);
        fprintf(to, ":\n         %s\n", f->message);
    }
    if (rest) fprintf(to, "%7" PRIu64 "  in %zu further classes\n", rest, s->n_failures - CLASSES);
}
