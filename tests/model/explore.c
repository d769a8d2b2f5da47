/* tests/model/explore.c -- all schedules of a scenario, depth first.
 *
 * Where more than one fiber can run, the state is looked up. A known state has been or is being
 * explored. A new one is stored, and each runnable fiber is run from there in turn. The states form
 * a graph. At the end every state must have a way to an end: one without is a deadlock, or a set of
 * threads that spin for each other. With a bound on preemptions (a fiber that could continue is
 * interrupted) their number is part of the state, and ways beyond the bound are not explored. */
#include "fibers.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_WAYS = 3 * MODEL_FIBERS, NOWHERE = 0, LONG_CHAIN = 20000 };

typedef struct option {
    uint8_t fiber, way;
} option;

typedef struct node {
    double paths;    /* from here to an end */
    uint32_t parent; /* NOWHERE: the first */
    option by;       /* the step from the parent */
    bool ends;       /* an end is known to be reached from here */
} node;

typedef struct frame { /* on the path to the current state */
    uint32_t node;
    unsigned n, next, preemptions, steps, last;
    size_t at, end; /* its state, in room */
    option options[MOST_WAYS];
} frame;

typedef struct step {
    const model_site *site;
    uint8_t fiber, way;
} step;

static const model_scenario *scenario;
static void *world;
static unsigned bound; /* UINT_MAX: none */
static node *nodes;
static uint64_t *keys; /* of the table */
static uint32_t *ids;
static size_t n_nodes, nodes_most, table_size;
static struct edge {
    uint32_t from, to;
} * edges; /* to states not known to end */
static size_t n_edges, edges_most;
static frame *frames;
static size_t n_frames, frames_most;
static char *room;
static size_t room_size;
static step *steps;
static size_t n_steps, steps_most;
static uint64_t made, ends;
static char failure[256];
const char *model_failure;

static void *more(void *at, size_t *most, size_t size)
{
    *most = *most ? 2 * *most : 1024;
    at = realloc(at, *most * size);
    if (!at) abort();
    return at;
}

/* ---- reports ---- */

void model_note(unsigned fiber, model_way way, const model_site *site)
{
    if (n_steps == steps_most) steps = more(steps, &steps_most, sizeof *steps);
    steps[n_steps++] = (step){ site, (uint8_t)fiber, (uint8_t)way };
    made++;
}

static void report_schedule(void)
{
    static const char *const ways[] = { "", "  -- time has passed", "  -- spuriously" };
    fprintf(stderr, "%s: %s\nthe schedule:\n", scenario->name, model_failure);
    for (size_t i = 0; i < n_steps; i++) {
        const step *s = &steps[i];
        const char *file = strrchr(s->site->file, '/');
        fprintf(stderr, "%5zu  %-12s %s:%d %s: %s%s\n", i + 1, model_fibers[s->fiber].name,
                file ? file + 1 : s->site->file, s->site->line, s->site->function, s->site->text,
                ways[s->way]);
    }
    for (unsigned i = 1; i < model_n_fibers; i++) {
        const model_fiber *f = &model_fibers[i];
        fprintf(stderr, "       %-12s %s %s:%d %s\n", f->name, f->ended ? "has ended," : "is at",
                f->site->function, f->site->line, f->site->text);
    }
}

static void stop_if_failed(void)
{
    if (!model_failure) return;
    report_schedule();
    ck_abort_msg("%s: %s", scenario->name, model_failure);
}

void model_fail(const char *file, int line, const char *what)
{
    const char *name = strrchr(file, '/');
    snprintf(failure, sizeof failure, "%s:%d: %s", name ? name + 1 : file, line, what);
    model_failure = failure;
    if (model_me) model_leave();
    stop_if_failed();
    abort();
}

static void on_crash(int number)
{
    snprintf(failure, sizeof failure, "signal %d", number);
    model_failure = failure;
    report_schedule();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_crashes(void)
{
    static char stack[65536];
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* ---- possible next steps ---- */

static unsigned look_round(option options[], unsigned last, unsigned preemptions, bool *cut)
{
    unsigned n = 0;
    bool interrupts = last && model_may_go(&model_fibers[last], MODEL_GOES, scenario->time);
    *cut = false;
    for (unsigned k = 0; k < model_n_fibers; k++) { /* the last one to run comes first */
        unsigned i = k == 0 ? last : k <= last ? k - 1 : k;
        if (i == 0) continue;
        for (model_way way = MODEL_GOES; way <= MODEL_DREAMS; way++) {
            if (!model_may_go(&model_fibers[i], way, scenario->time)) continue;
            if (interrupts && i != last && preemptions >= bound) *cut = true;
            else options[n++] = (option){ (uint8_t)i, (uint8_t)way };
        }
    }
    return n;
}

/* All fibers have ended except daemons that wait for an event. */
static bool at_rest(void)
{
    for (unsigned i = 1; i < model_n_fibers; i++) {
        const model_fiber *f = &model_fibers[i];
        if (f->ended) continue;
        if (!f->daemon || f->wait.waits != MODEL_PARKS || model_may_go(f, MODEL_GOES, false))
            return false;
        if (model_may_go(f, MODEL_IS_LATE, scenario->time)) return false;
    }
    return true;
}

static void conclude(void)
{
    ends++;
    scenario->end(world);
    er_free(world);
    model_settle(NULL);
    for (unsigned i = 1; i < model_n_fibers; i++) {
        if (!model_fibers[i].ended)
            model_fail(__FILE__, __LINE__, "a thread of the library is left over");
    }
    model_check_memory();
}

/* ---- the table ---- */

static size_t place_of(uint64_t key)
{
    size_t at = (size_t)key & (table_size - 1);
    while (ids[at] && keys[at] != key) at = (at + 1) & (table_size - 1);
    return at;
}

static void widen_table(void)
{
    uint64_t *old_keys = keys;
    uint32_t *old_ids = ids;
    size_t old_size = table_size;
    table_size = old_size ? 2 * old_size : 1 << 16;
    keys = malloc(table_size * sizeof *keys);
    ids = calloc(table_size, sizeof *ids);
    if (!keys || !ids) abort();
    for (size_t i = 0; i < old_size; i++) {
        if (!old_ids[i]) continue;
        size_t at = place_of(old_keys[i]);
        keys[at] = old_keys[i];
        ids[at] = old_ids[i];
    }
    free(old_keys);
    free(old_ids);
}

/* The node of this state; *new: it was added by this call. */
static uint32_t node_of(uint64_t key, bool *new)
{
    if (2 * n_nodes >= table_size) widen_table();
    size_t at = place_of(key);
    *new = !ids[at];
    if (!*new) return ids[at];
    if (n_nodes + 1 >= nodes_most) nodes = more(nodes, &nodes_most, sizeof *nodes);
    keys[at] = key;
    ids[at] = (uint32_t)++n_nodes; /* 0 is NOWHERE */
    return ids[at];
}

/* ---- the search ---- */

static frame *top(void) { return n_frames ? &frames[n_frames - 1] : NULL; }

static void reach(uint32_t to, double paths, bool end) /* from the top frame */
{
    if (!top()) return;
    node *from = &nodes[top()->node];
    from->paths += paths;
    from->ends = from->ends || end;
    if (end || to == NOWHERE) return;
    if (n_edges == edges_most) edges = more(edges, &edges_most, sizeof *edges);
    edges[n_edges++] = (struct edge){ top()->node, to };
}

/* Goes back to the last state with an untried step; false: there is none. */
static bool back(option *next, unsigned *last, unsigned *preemptions)
{
    for (frame *f; (f = top());) {
        if (f->next < f->n) {
            *next = f->options[f->next++];
            *last = f->last;
            *preemptions = f->preemptions;
            n_steps = f->steps;
            model_restore(room + f->at);
            return true;
        }
        uint32_t done = f->node;
        n_frames--;
        reach(done, nodes[done].paths, nodes[done].ends);
    }
    return false;
}

/* false: stopped after MODEL_STEPS. */
static bool explore(void)
{
    const char *text = getenv("MODEL_STEPS");
    unsigned long long most = text ? strtoull(text, NULL, 10) : ULLONG_MAX;
    unsigned last = 0, preemptions = 0, chain = 0;
    while (made < most) {
        option options[MOST_WAYS], next = { 0, 0 };
        bool cut, gone = false;
        unsigned n = look_round(options, last, preemptions, &cut);
        if (at_rest()) {
            conclude();
            reach(NOWHERE, 1, true);
            gone = true;
        } else if (n == 0) {
            model_fail(__FILE__, __LINE__, "no thread can run");
        } else if (n == 1) {
            if (cut) reach(NOWHERE, 0, true); /* unknown: cut off */
            if (++chain > LONG_CHAIN) model_fail(__FILE__, __LINE__, "one thread runs without end");
            next = options[0];
        } else {
            bool new;
            uint64_t with = bound == UINT_MAX ? 0 : preemptions * 256 + last + 1;
            uint32_t here = node_of(model_hash(with), &new);
            chain = 0;
            if (new) {
                frame *outer = top();
                nodes[here] = (node){ .parent = outer ? outer->node : NOWHERE, .ends = cut };
                if (outer) nodes[here].by = outer->options[outer->next - 1];
                if (n_frames == frames_most) frames = more(frames, &frames_most, sizeof *frames);
                outer = top();
                frame *f = &frames[n_frames++];
                *f = (frame){ .node = here,
                              .n = n,
                              .next = 1,
                              .preemptions = preemptions,
                              .steps = (unsigned)n_steps,
                              .last = last,
                              .at = outer ? outer->end : 0 };
                memcpy(f->options, options, sizeof options);
                f->end = model_save(&room, f->at, &room_size);
                next = options[0];
            } else {
                reach(here, nodes[here].paths, nodes[here].ends);
                gone = true;
            }
        }
        if (gone && !back(&next, &last, &preemptions)) return true;
        if (last && next.fiber != last &&
            model_may_go(&model_fibers[last], MODEL_GOES, scenario->time))
            preemptions++;
        last = next.fiber;
        model_go(next.fiber, (model_way)next.way);
        stop_if_failed();
    }
    return false;
}

/* ---- ways to an end ---- */

static void ends_too(uint32_t at)
{
    for (; at != NOWHERE && !nodes[at].ends; at = nodes[at].parent) nodes[at].ends = true;
}

static void begin(void)
{
    model_clear();
    n_steps = 0;
    world = er_alloc_zero(scenario->world);
    scenario->begin(world);
    for (const model_thread *t = scenario->threads; t->name; t++)
        model_start(t->name, t->run, world, false);
}

/* Replays the path to a state without a way to an end. */
static void walk_to(uint32_t at)
{
    size_t n = 0, most = 0;
    option *way = NULL;
    for (; nodes[at].parent != NOWHERE; at = nodes[at].parent) {
        if (n == most) way = more(way, &most, sizeof *way);
        way[n++] = nodes[at].by;
    }
    begin();
    for (unsigned last = 0;;) {
        option options[MOST_WAYS];
        bool cut;
        unsigned found = look_round(options, last, 0, &cut);
        if (found != 1 && !n) break;
        option next = found == 1 ? options[0] : way[--n];
        last = next.fiber;
        model_go(next.fiber, (model_way)next.way);
    }
    free(way);
}

static void look_for_traps(void)
{
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < n_edges; i++) {
            if (!nodes[edges[i].to].ends || nodes[edges[i].from].ends) continue;
            ends_too(edges[i].from);
            found = true;
        }
    }
    for (uint32_t i = 1; i <= n_nodes; i++) {
        if (nodes[i].ends) continue;
        walk_to(i);
        model_fail(__FILE__, __LINE__, "no schedule from here reaches an end");
    }
}

bool model_gives(void) { return scenario->gives; }

static double scale(void)
{
    const char *text = getenv("ERRAND_TEST_SCALE");
    return text ? strtod(text, NULL) : 1;
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

void model_run(const model_scenario *s)
{
    double began = seconds();
    scenario = s;
    bound = s->preemptions && scale() < 100 ? s->preemptions : UINT_MAX;
    if (scale() < 1 && bound > 2) bound = 2;
    n_nodes = n_edges = n_frames = n_steps = 0;
    made = ends = 0;
    model_failure = NULL;
    if (ids) memset(ids, 0, table_size * sizeof *ids);
    watch_crashes();
    begin();
    if (explore()) look_for_traps();
    char most[32] = "all";
    if (bound != UINT_MAX) snprintf(most, sizeof most, "up to %u preemptions", bound);
    printf("%-45s %s: %.4g schedules, %zu states, %llu steps, %llu ends, %.2f s\n", s->name, most,
           n_nodes ? nodes[1].paths : 1.0, n_nodes, (unsigned long long)made,
           (unsigned long long)ends, seconds() - began);
    fflush(stdout);
}

static void free_value(void *value) { ((model_value *)value)->freed++; }
errand_result model_result(model_value *value) { return errand_ok(value, free_value); }
