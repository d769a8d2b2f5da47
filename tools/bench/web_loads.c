/* What a side is made to do with the server. */
#include "web.h"
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UPS = 2 };

static web_plan plan; /* of this process, which does one trial */
static char url[100];

static bool make_plan(const bench_side *side, const load_size *size, const char *path,
                      unsigned ahead)
{
    const char *server = web_server();
    if (side->web == NULL || server == NULL) return false;
    snprintf(url, sizeof url, "%s%s", server, path);
    plan = (web_plan){ .url = url,
                       .lanes = size->lanes,
                       .in_flight = size->in_flight,
                       .most = size->in_flight + ahead };
    return true;
}

static double peak(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_maxrss / 1024; /* MiB */
}

/* Of rounds of n each, the last is measured: wall and processor in ns. */
static bool rounds(const bench_side *side, size_t warm_up, size_t n, double *wall, double *cpu)
{
    void *web = side->web->get != NULL ? side->web->open(&plan) : NULL;
    if (web == NULL) return false;
    for (int i = 0; i < WARM_UPS; i++) side->web->get(web, warm_up);
    const int64_t began = figures_now(), used = figures_cpu();
    side->web->get(web, n);
    *wall = (double)(figures_now() - began);
    *cpu = (double)(figures_cpu() - used);
    return true;
}

bool load_web(const bench_side *side, const load_size *size, load_run *run)
{
    double wall, cpu;
    if (!make_plan(side, size, "/small", 448) || !rounds(side, size->n / 4, size->n, &wall, &cpu))
        return false;
    run->cost = wall / (double)size->n / 1e3;
    run->each = cpu / (double)size->n / 1e3;
    run->cpu = cpu / 1e6;
    run->peak = peak();
    return true;
}

bool load_web_slow(const bench_side *side, const load_size *size, load_run *run)
{
    double wall, cpu;
    if (!make_plan(side, size, "/slow", 64) || !rounds(side, size->in_flight, size->n, &wall, &cpu))
        return false;
    run->cost = wall / 1e6;
    run->cpu = cpu / 1e6;
    run->peak = peak();
    return true;
}

static void pause_us(int64_t us)
{
    const struct timespec t = { us / 1000000, us % 1000000 * 1000 };
    nanosleep(&t, NULL);
}

bool load_web_cancel(const bench_side *side, const load_size *size, load_run *run)
{
    if (!make_plan(side, size, "/drip", 0) || side->web->hang == NULL) return false;
    void *web = side->web->open(&plan);
    double *ms = calloc(size->n, sizeof *ms);
    if (web == NULL || ms == NULL) return false;
    side->web->hang(web, size->n);
    pause_us(2000000); /* all have their headers, and some drips */
    const int64_t used = figures_cpu();
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < size->n; i++) {
        state ^= state << 13; /* xorshift64, Marsaglia, 2003 */
        state ^= state >> 7;
        state ^= state << 17;
        pause_us((int64_t)(state % 2000));
        const int64_t began = figures_now();
        side->web->cancel(web, i);
        ms[i] = (double)(figures_now() - began) / 1e6;
    }
    run->cpu = (double)(figures_cpu() - used) / 1e6;
    run->cost = run->p99 = figures_at(ms, size->n, 0.99);
    free(ms);
    return true;
}

static bool write_list(const bench_side *side, const load_size *size, int fd)
{
    char text[300];
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (size_t i = 0; f != NULL && i < size->n; i++) {
        side->web->line(text, sizeof text, &plan, i);
        fputs(text, f);
    }
    return f != NULL && fclose(f) == 0;
}

static bool run_batch(const bench_side *side, const load_size *size, load_run *run)
{
    char list[40] = "/tmp/errand-bench-list-XXXXXX", out[40] = "/tmp/errand-bench-out-XXXXXX",
         journal[60];
    const int fd = mkstemp(out);
    bool well = fd >= 0 && close(fd) == 0 && write_list(side, size, mkstemp(list));
    snprintf(journal, sizeof journal, "%s.journal", out);
    const int64_t began = figures_now();
    well = well && system(side->web->command(&plan, list, out)) == 0;
    run->cost = (double)(figures_now() - began) / 1e6;
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    run->cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
    run->peak = (double)used.ru_maxrss / 1024;
    unlink(list);
    unlink(out);
    unlink(journal);
    return well;
}

bool load_web_batch(const bench_side *side, const load_size *size, load_run *run)
{
    if (!make_plan(side, size, "/small", 0) || side->web->command == NULL) return false;
    return run_batch(side, size, run);
}

bool load_web_journal(const bench_side *side, const load_size *size, load_run *run)
{
    if (!make_plan(side, size, "/small", 0) || side->web->command == NULL) return false;
    plan.journal = true;
    return run_batch(side, size, run);
}

bool load_web_posts(const bench_side *side, const load_size *size, load_run *run)
{
    if (!make_plan(side, size, "/wait", 0) || side->web->command == NULL) return false;
    plan.journal = plan.posts = true;
    return run_batch(side, size, run);
}
