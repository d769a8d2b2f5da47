/* tests/stress/log.c -- random programs over the whole public interface of the log.
 *
 * A round makes a log with sinks of all kinds: files that rotate and files that do not, a full
 * disk, a system's log that is not there, callbacks that fail, are slow, or log themselves. Makers
 * start one talker after the other; meddlers change levels, add sinks, flush, reopen, rename files,
 * block a rotation, limit the size of files, or close the log under all of them.
 *
 * Every line has a talker and a number. A callback sees each talker's numbers grow; of a file's
 * folder each line is read at most once; what was attempted was written or dropped, and a sink
 * that was there from the beginning counts each line it missed. At the end there are no more
 * rings than threads talked at one time, each argument is freed once, and no descriptor is left.
 *
 * What a round does follows from its seed, which every failure prints; its timing does not, so a
 * failing seed is repeated, round after round, until it fails again. */
#include "log/threads.h"
#include "stress/dice.h"
#include "stress/watchdog.h"

#include <errand/log.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAKERS = 4, TALKERS = 8, CALLBACKS = 3, FILES = 3, MEDDLERS = 2, NUMBERS = 4096 };
/* from OWN on they are the callbacks' own */
enum { OWN = MAKERS * TALKERS, IDS = OWN + CALLBACKS };
enum { LONG_MS = 120000, ROUNDS = 120 };

/* ---- a round's world ---- */

typedef struct callback {
    bool whole; /* there from the beginning, for all levels */
    unsigned fails_one_in, naps_one_in, talks_one_in;
    dice dice;
    unsigned next[IDS];
    uint64_t lines, lost, failed, said;
    unsigned freed; /* atomic */
} callback;

typedef struct file {
    char folder[80], path[96];
    bool whole;
    unsigned moved;
} file;

static struct {
    uint64_t seed;
    errand_log *log;
    char folder[32];
    bool levels_change, sizes_are_limited, closes;
    callback callbacks[CALLBACKS];
    unsigned n_callbacks, n_files;
    file files[FILES];
    uint64_t said;                    /* atomic */
    unsigned adding, stop;            /* atomic */
    int closed;                       /* what close returned; -1: not yet */
    unsigned char read[IDS][NUMBERS]; /* in the folder that is read now */
} here;

/* ---- saying ---- */

static const char *const names[] = { "http", "http.lane", "database" };
static char xs[30000];

static errand_log *some_logger(dice *d)
{
    unsigned which = dice_below(d, 8);
    return which < 3 ? errand_log_named(here.log, names[which]) : here.log;
}

static void say_on_the_spot(errand_log *log, dice *d, unsigned id, unsigned n)
{
    char text[160];
    errand_log_fields *before, *fields;
    switch (dice_below(d, 3)) {
    case 0:
        errand_log_text(
            log, ERRAND_LOG_WARN, NULL, 1, "f", text,
            (size_t)snprintf(text, sizeof text, "%u %u %.*s.", id, n, (int)dice_below(d, 100), xs));
        break;
    case 1: errand_warn(log, "%u %u %a.", id, n, 1.5); break;
    default:
        fields = errand_log_fields_new(NULL, errand_kv("id", "%u"), id);
        before = errand_log_fields_swap(fields);
        errand_warn(log, "%u %u." errand_kv("key", "%s"), id, n, "value");
        errand_log_fields_free(errand_log_fields_swap(before));
    }
}

static bool say(dice *d, unsigned id, unsigned n) /* false: the log did not take its level */
{
    static const errand_log_level levels[] = {
        ERRAND_LOG_DEBUG, ERRAND_LOG_INFO,  ERRAND_LOG_INFO, ERRAND_LOG_INFO,
        ERRAND_LOG_WARN,  ERRAND_LOG_ERROR, ERRAND_LOG_WARN
    };
    errand_log *log = some_logger(d);
    unsigned how = dice_below(d, 7),
             size = dice_one_in(d, 200) ? sizeof xs - 1 : dice_below(d, 120);
    bool on = errand_log_enabled(log, levels[how]);
    if (how == 0) errand_debug(log, "%u %u.", id, n);
    else if (how < 4) errand_info(log, "%u %u %.*s.", id, n, (int)size, xs);
    else if (how == 4) errand_warn(log, "%u %u %.*s.", id, n, (int)size, xs);
    else if (how == 5) errand_error(log, "%u %u %s.", id, n, "an error");
    else say_on_the_spot(log, d, id, n);
    return on;
}

static void *talk(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    dice d = dice_of(here.seed, 100 + id);
    uint64_t said = 0;
    for (unsigned n = 0, lines = dice_below(&d, 200); n < lines; n++) {
        said += say(&d, id, n);
        if (dice_one_in(&d, 100)) sched_yield();
    }
    __atomic_add_fetch(&here.said, said, __ATOMIC_SEQ_CST);
    return NULL;
}

static void start(pthread_t *thread, void *(*fn)(void *), uintptr_t arg)
{
    HOLDS(pthread_create(thread, NULL, fn, (void *)arg) == 0, "no thread");
}

static void *make(void *arg)
{
    for (unsigned i = 0; i < TALKERS; i++) {
        pthread_t talker;
        start(&talker, talk, (uintptr_t)arg * TALKERS + i);
        pthread_join(talker, NULL);
    }
    return NULL;
}

/* ---- the callback sink ---- */

static bool read_line(const char *text, size_t size, unsigned *id, unsigned *n)
{
    return size && text[size - 1] == '.' && sscanf(text, "%u %u", id, n) == 2 && *id < IDS &&
           *n < NUMBERS;
}

static int on_line(void *arg, const errand_log_line *line)
{
    callback *e = arg;
    unsigned id, n;
    if (e->naps_one_in && dice_one_in(&e->dice, e->naps_one_in)) poll(NULL, 0, 1);
    if (line->lost) {
        e->lost += line->lost;
        return 0;
    }
    HOLDS(read_line(line->text, line->size, &id, &n), "a callback was given '%.200s'", line->text);
    HOLDS(n >= e->next[id], "a callback was given line %u of talker %u, and %u is next", n, id,
          e->next[id]);
    e->next[id] = n + 1;
    if (e->fails_one_in && dice_one_in(&e->dice, e->fails_one_in)) {
        e->failed++;
        return EIO;
    }
    e->lines++;
    if (e->talks_one_in && id < OWN && e->said < NUMBERS &&
        dice_one_in(&e->dice, e->talks_one_in)) {
        uint64_t number = e->said++;
        errand_error(here.log, "%u %u %.20s.", OWN + (unsigned)(e - here.callbacks),
                     (unsigned)number, xs);
    }
    return 0;
}
static void forget(void *arg)
{
    __atomic_add_fetch(&((callback *)arg)->freed, 1, __ATOMIC_SEQ_CST);
}

/* ---- sinks ---- */

static void add_callback(dice *d, bool whole)
{
    callback *e = &here.callbacks[here.n_callbacks];
    *e = (callback){ .whole = whole, .dice = dice_of(here.seed, 1000 + here.n_callbacks) };
    if (dice_one_in(d, 3)) e->fails_one_in = 3 + dice_below(d, 100);
    if (dice_one_in(d, 3)) e->naps_one_in = 50 + dice_below(d, 100);
    if (whole && dice_one_in(d, 2)) e->talks_one_in = 5 + dice_below(d, 20);
    errand_log_level level = whole ? ERRAND_LOG_DEFAULT
                                   : (errand_log_level)dice_below(d, ERRAND_LOG_OFF);
    errand_log_sink_opts opts = { .pattern = "{message}", .level = level };
    int error = errand_log_add_callback(here.log, on_line, e, forget, &opts);
    HOLDS(!error || error == EBADF || error == ENOSPC, "add_callback returned %d", error);
    here.n_callbacks += !error;
}

static void add_file(dice *d, bool whole)
{
    file *f = &here.files[here.n_files];
    char folder[sizeof here.folder];
    memcpy(folder, here.folder, sizeof folder);
    *f = (file){ .whole = whole };
    snprintf(f->folder, sizeof f->folder, "%s/%u", folder, here.n_files);
    snprintf(f->path, sizeof f->path, "%s/%u/log", folder, here.n_files);
    HOLDS(mkdir(f->folder, 0755) == 0, "mkdir: %s", strerror(errno));
    errand_log_sink_opts opts = { .pattern = "{message}", .keep = 100000 };
    if (dice_one_in(d, 2)) opts.rotate_bytes = 3000 + dice_below(d, 60000);
    if (dice_one_in(d, 4)) opts.rotate_ms = 5 + dice_below(d, 100);
    int error = errand_log_add_file(here.log, f->path, &opts);
    HOLDS(!error || error == EBADF || error == ENOSPC, "add_file returned %d", error);
    here.n_files += !error;
    if (error) {
        (void)unlink(f->path);
        (void)rmdir(f->folder);
        return;
    }
    error = errand_log_add_file(here.log, f->path, &opts);
    HOLDS(error == EEXIST || error == EBADF, "add_file let the same file in twice: %d", error);
}

static void add_sink(dice *d, bool whole)
{
    if (__atomic_exchange_n(&here.adding, 1, __ATOMIC_SEQ_CST)) return;
    unsigned which = dice_below(d, 6);
    if (which < 2 && here.n_callbacks < CALLBACKS) add_callback(d, whole);
    else if (which < 4 && here.n_files < FILES) add_file(d, whole);
    else if (which == 4) (void)errand_log_add_file(here.log, "/dev/full", NULL);
    else (void)errand_log_add_syslog(here.log, "stress", "/nowhere/at/all", NULL);
    __atomic_store_n(&here.adding, 0, __ATOMIC_SEQ_CST);
}

/* ---- meddling ---- */

static void limit_sizes(dice *d)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = dice_one_in(d, 2) ? limit.rlim_max : 1000 + dice_below(d, 100000);
    if (here.sizes_are_limited) setrlimit(RLIMIT_FSIZE, &limit);
}

static void disturb(dice *d)
{
    char other[128];
    if (__atomic_exchange_n(&here.adding, 1, __ATOMIC_SEQ_CST)) return;
    file *f = here.n_files ? &here.files[dice_below(d, here.n_files)] : NULL;
    if (f && dice_one_in(d, 2)) {
        snprintf(other, sizeof other, "%s/moved.%u", f->folder, f->moved++);
        (void)!rename(f->path, other);
    } else if (f) {
        snprintf(other, sizeof other, "%s.%u", f->path, 1 + dice_below(d, 3));
        if (mkdir(other, 0755) == 0) {
            for (unsigned n = dice_below(d, 4); n; n--) poll(NULL, 0, 1);
            (void)rmdir(other);
        }
    }
    __atomic_store_n(&here.adding, 0, __ATOMIC_SEQ_CST);
}

static void look(void)
{
    errand_log_stats stats;
    HOLDS(errand_log_stats_get(here.log, &stats) == 0, "no stats");
    HOLDS(stats.attempted >= stats.written, "attempted %llu, written %llu",
          (unsigned long long)stats.attempted, (unsigned long long)stats.written);
}

static void answer(int error, const char *what)
{
    bool known = !error || error == EIO || error == ETIMEDOUT || error == EBADF;
    HOLDS(known, "%s returned %d", what, error);
}

static void *meddle(void *arg)
{
    dice d = dice_of(here.seed, 10 + (uintptr_t)arg);
    while (!__atomic_load_n(&here.stop, __ATOMIC_SEQ_CST)) {
        switch (dice_below(&d, 9)) {
        case 0: answer(errand_log_flush(here.log, dice_below(&d, 3)), "flush"); break;
        case 1: answer(errand_log_flush(here.log, LONG_MS), "flush"); break;
        case 2:
            answer(errand_log_reopen(here.log, dice_one_in(&d, 2) ? LONG_MS : 0), "reopen");
            break;
        case 3:
            if (here.levels_change)
                errand_log_set_level(some_logger(&d),
                                     (errand_log_level)dice_below(&d, ERRAND_LOG_OFF + 1));
            break;
        case 4:
            if (dice_one_in(&d, 4)) add_sink(&d, false);
            break;
        case 5: disturb(&d); break;
        case 6: limit_sizes(&d); break;
        case 7: look(); break;
        default: poll(NULL, 0, 1);
        }
    }
    return NULL;
}

static void *close_early(void *arg)
{
    static const int64_t within[] = { 0, 1, 20, LONG_MS };
    dice d = dice_of(here.seed, 2);
    for (unsigned n = dice_below(&d, 30); n; n--) poll(NULL, 0, 1);
    here.closed = errand_log_close(here.log, within[dice_below(&d, 4)]);
    return arg;
}

/* ---- counting ---- */

typedef struct found {
    uint64_t lines, gaps;
} found;

static void count_line(const file *f, const char *line, found *all, unsigned next[IDS])
{
    unsigned id, n;
    size_t size = strlen(line);
    unsigned long long lost;
    if (!size) return;
    if (sscanf(line, "... %llu line", &lost) == 1) {
        all->gaps += lost;
    } else if (read_line(line, size, &id, &n)) {
        HOLDS(!here.read[id][n]++, "%s has line %u of talker %u twice", f->path, n, id);
        HOLDS(n >= next[id], "%s has line %u of talker %u behind line %u", f->path, n, id,
              next[id] - 1);
        next[id] = n + 1;
        all->lines++;
    } else {
        HOLDS(here.sizes_are_limited, "%s has '%.200s'", f->path, line);
    }
}

static found count_files(const file *f)
{
    found all = { 0 };
    char path[400], *line = NULL;
    size_t room = 0;
    DIR *folder = opendir(f->folder);
    HOLDS(folder != NULL, "no folder %s", f->folder);
    memset(here.read, 0, sizeof here.read);
    for (struct dirent *entry; (entry = readdir(folder));) {
        unsigned next[IDS] = { 0 };
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", f->folder, entry->d_name);
        FILE *in = fopen(path, "r");
        for (ssize_t size; in && (size = getline(&line, &room, in)) > 0;) {
            HOLDS(line[size - 1] == '\n' || here.sizes_are_limited, "%s ends within a line", path);
            if (line[size - 1] == '\n') line[size - 1] = '\0';
            count_line(f, line, &all, next);
        }
        HOLDS(in != NULL, "%s cannot be read: %s", path, strerror(errno));
        fclose(in);
        unlink(path);
    }
    free(line);
    closedir(folder);
    rmdir(f->folder);
    return all;
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

static void check_rings(void)
{
    er_voice **all = NULL;
    size_t room = 0, n = 0;
    HOLDS(er_voices_list(here.log->hub, &all, &room, &n) == 0, "no memory");
    er_free(all);
    /* the backend itself is one */
    HOLDS(n <= MAKERS + 1, "%zu rings, and %d threads have talked at one time", n, MAKERS + 1);
}

#define N(n) ((unsigned long long)(n))

/* What callbacks log while the log is being closed is dropped, and no sink counts it: the sums may
 * differ by that number. */
static bool about(uint64_t counted, uint64_t all, uint64_t uncounted)
{
    return counted <= all && counted + uncounted >= all;
}

static void check_callback(const callback *e, const errand_log_stats *stats, uint64_t own)
{
    HOLDS(e->lines + e->failed <= stats->written, "more lines came than were written");
    HOLDS(e->lost <= stats->dropped + e->failed, "more lines were counted as lost than were");
    if (!e->whole || here.closed) return;
    HOLDS(e->lines + e->failed == stats->written, "%llu lines came, %llu were written",
          N(e->lines + e->failed), N(stats->written));
    HOLDS(here.closes || about(e->lost, stats->dropped + e->failed, own),
          "%llu counted as lost, %llu dropped, %llu failed", N(e->lost), N(stats->dropped),
          N(e->failed));
}

static void check_file(const file *f, const errand_log_stats *stats, uint64_t own)
{
    found all = count_files(f);
    HOLDS(all.lines <= stats->written, "more is in a file than was written");
    if (!f->whole || here.closed || here.closes) return;
    /* a line without its newline counts twice */
    bool torn = here.sizes_are_limited && all.lines + all.gaps >= stats->attempted;
    HOLDS(torn || about(all.lines + all.gaps, stats->attempted, own),
          "%s has %llu lines, and gaps of %llu; %llu were attempted, %llu dropped; limited: %d",
          f->path, N(all.lines), N(all.gaps), N(stats->attempted), N(stats->dropped),
          here.sizes_are_limited);
}

static void check_all(void)
{
    errand_log_stats stats;
    uint64_t own = 0;
    HOLDS(errand_log_stats_get(here.log, &stats) == 0, "no stats");
    for (unsigned i = 0; i < here.n_callbacks; i++) own += here.callbacks[i].said;
    HOLDS(here.levels_change || stats.attempted == here.said + own, "said %llu, attempted %llu",
          N(here.said + own), N(stats.attempted));
    HOLDS(stats.attempted == stats.written + stats.dropped,
          "attempted %llu, written %llu, dropped %llu", N(stats.attempted), N(stats.written),
          N(stats.dropped));
    for (unsigned i = 0; i < here.n_callbacks; i++) check_callback(&here.callbacks[i], &stats, own);
    for (unsigned i = 0; i < here.n_files; i++) check_file(&here.files[i], &stats, own);
}

/* ---- a round ---- */

static void open_world(dice *d)
{
    static const size_t rings[] = { 4096, 16384, 0 };
    static const errand_log_level policies[] = { ERRAND_LOG_DEFAULT, ERRAND_LOG_TRACE,
                                                 ERRAND_LOG_OFF };
    here.said = 0;
    here.n_callbacks = here.n_files = here.adding = here.stop = 0;
    here.levels_change = dice_one_in(d, 3);
    here.sizes_are_limited = dice_one_in(d, 4);
    here.closes = dice_one_in(d, 3);
    here.closed = -1;
    snprintf(here.folder, sizeof here.folder, "/tmp/errand-stress-XXXXXX");
    HOLDS(mkdtemp(here.folder) != NULL, "mkdtemp");
    here.log = errand_log_new(&(errand_log_opts){ .ring = rings[dice_below(d, 3)],
                                                  .block_from = policies[dice_below(d, 3)],
                                                  .level = (errand_log_level)dice_below(d, 5) });
    HOLDS(here.log != NULL, "no log");
    add_callback(d, true);
    for (unsigned n = dice_below(d, 4); n; n--) add_sink(d, true);
}

static void end_limits(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void play(uint64_t seed)
{
    dice d = dice_of(seed, 0);
    pthread_t makers[MAKERS], meddlers[MEDDLERS], closer;
    unsigned before = descriptors(), n_makers = 1 + dice_below(&d, MAKERS),
             n_meddlers = dice_below(&d, MEDDLERS + 1);
    here.seed = seed;
    open_world(&d);
    for (unsigned i = 0; i < n_makers; i++) start(&makers[i], make, i);
    for (unsigned i = 0; i < n_meddlers; i++) start(&meddlers[i], meddle, i);
    if (here.closes) start(&closer, close_early, 0);
    for (unsigned i = 0; i < n_makers; i++) pthread_join(makers[i], NULL);
    __atomic_store_n(&here.stop, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < n_meddlers; i++) pthread_join(meddlers[i], NULL);
    end_limits();
    if (here.closes) {
        pthread_join(closer, NULL);
    } else {
        check_rings();
        here.closed = errand_log_close(here.log, LONG_MS);
        HOLDS(here.closed == 0, "close returned %d", here.closed);
    }
    for (unsigned i = 0; i < here.n_callbacks; i++) {
        /* the watchdog limits this */
        while (!__atomic_load_n(&here.callbacks[i].freed, __ATOMIC_SEQ_CST)) poll(NULL, 0, 1);
        HOLDS(here.callbacks[i].freed == 1, "an argument was freed twice");
    }
    while (descriptors() > before) poll(NULL, 0, 1);
    check_all();
    rmdir(here.folder);
}

int main(int argc, char **argv)
{
    memset(xs, 'x', sizeof xs - 1);
    signal(SIGXFSZ, SIG_IGN);
    return stress_main(argc, argv, &(stress){ "stress_log", ROUNDS, play, NULL });
}
