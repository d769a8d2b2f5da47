/* The lines. Where a goal is on the ratio, the best peer's figure is that of the pairs, else
 * of the first rounds. */
#include "record.h"
#include "figures.h"

#include <stdio.h>

static double figure(const load_run *run, line_figure which)
{
    switch (which) {
    case COST: return run->cost;
    case P99: return run->p99;
    case P999: return run->p999;
    case CPU: return run->cpu;
    case ARM: return run->arm;
    case CANCEL: return run->cancel;
    case EACH: return run->each;
    case PEAK: return run->peak;
    }
    return 0;
}

double record_median(const load_run *runs, size_t n, line_figure which)
{
    double all[MAX_PAIRS];
    for (size_t i = 0; i < n; i++) all[i] = figure(&runs[i], which);
    return figures_at(all, n, 0.5);
}

static void write_peers(const measure *m, const record *r, const measure_line *line)
{
    const char *between = "";
    printf("\"peers\":{");
    if (m->other.n > 0)
        printf("\"errand-%u\":%.4g", m->other.workers,
               record_median(r->best, r->pairs, line->figure));
    for (int i = 0; i < PEERS; i++) {
        if (!r->tried[i]) continue;
        printf("%s\"%s\":", between, bench_peers[i].name);
        between = ",";
        const bool paired = i == r->best_peer && line->of != FIGURE_AT_MOST;
        if (bench_peers[i].side == NULL) printf("\"missing\"");
        else if (r->done[i] == 0) printf("\"failed\"");
        else if (paired) printf("%.4g", record_median(r->best, r->pairs, line->figure));
        else printf("%.4g", record_median(r->first[i], r->done[i], line->figure));
    }
    printf("},");
}

static void write_line(const measure *m, const record *r, const measure_line *line, tally *t)
{
    const bool compared = (r->best_peer >= 0 && m->lines[0].of != FIGURE_AT_MOST) || m->other.n > 0;
    const double errand = record_median(r->errand, r->pairs, line->figure);
    double against = 0, cpu_against = 0, ratios[MAX_PAIRS];
    if (!compared && r->best_peer >= 0) {
        against = record_median(r->first[r->best_peer], r->done[r->best_peer], line->figure);
        cpu_against = record_median(r->first[r->best_peer], r->done[r->best_peer], CPU);
    } else if (compared) {
        cpu_against = record_median(r->best, r->pairs, CPU);
    }
    for (size_t i = 0; i < r->pairs; i++) {
        double beside = against > 0 ? against : errand;
        if (compared) beside = figure(&r->best[i], line->figure);
        ratios[i] = beside > 0 ? figure(&r->errand[i], line->figure) / beside : 1;
    }
    const double ratio = figures_at(ratios, r->pairs, 0.5);
    const double spread = figures_at(ratios, r->pairs, 0.75) - figures_at(ratios, r->pairs, 0.25);

    printf("{\"bench\":\"%s\",\"unit\":\"%s\",\"errand\":%.4g,", line->name, line->unit, errand);
    write_peers(m, r, line);
    if (m->other.n > 0) printf("\"best_peer\":\"errand-%u\",", m->other.workers);
    else if (r->best_peer >= 0) printf("\"best_peer\":\"%s\",", bench_peers[r->best_peer].name);
    else printf("\"best_peer\":null,");
    if (compared || against > 0) printf("\"ratio\":%.3f,", ratio);
    else printf("\"ratio\":null,");

    if (line->of == NO_GOAL) printf("\"goal\":null,\"goal_on\":null,");
    else
        printf("\"goal\":%g,\"goal_on\":\"%s\",", line->goal,
               line->of == FIGURE_AT_MOST ? "errand" : "ratio");
    if (line->of == NO_GOAL || (line->of == RATIO_AT_MOST && !compared)) {
        printf("\"met\":null,"); /* no peer to compare with */
    } else {
        const bool met = (line->of == FIGURE_AT_MOST ? errand : ratio) <= line->goal;
        printf("\"met\":%s,", met ? "true" : "false");
        if (!met) t->missed++;
    }
    printf("\"n\":%zu,\"iqr\":%.3f,", r->pairs, spread);
    printf("\"cpu_errand\":%.4g,", record_median(r->errand, r->pairs, CPU));
    if (compared || against > 0) printf("\"cpu_peer\":%.4g}\n", cpu_against);
    else printf("\"cpu_peer\":null}\n");
    fflush(stdout);
    t->lines++;
}

void record_write(const measure *m, const record *r, tally *t)
{
    for (const measure_line *line = m->lines; line->name != NULL; line++) write_line(m, r, line, t);
}

void record_write_failure(const measure *m, tally *t)
{
    const measure_line *line = m->lines;
    printf("{\"bench\":\"%s\",\"unit\":\"%s\",\"errand\":\"failed\",\"met\":false}\n", line->name,
           line->unit);
    fflush(stdout);
    t->failed++;
}
