/* A measure may give several lines, of the same runs. */
#include "measures.h"
#ifdef BENCH_WEB
#include "web.h"
#endif

#define BURST(workers_, name_, goal_)                                                              \
    {                                                                                              \
        .load = load_burst, .size = { .workers = workers_, .n = 1000000 }, .lines = {              \
            { "pool/burst-" name_, "ns/task", COST, RATIO_AT_MOST, goal_ }                         \
        }                                                                                          \
    }
#define RAMP(workers_, name_)                                                                      \
    {                                                                                              \
        .load = load_ramp, .size = { .workers = workers_, .n = workers_ }, .lines = {              \
            { "pool/ramp-" name_, "ms", COST, RATIO_AT_MOST, 1.1 }                                 \
        }                                                                                          \
    }

#define LOG(threads_, name_)                                                                       \
    { .load = load_log_latency,                                                                    \
      .size = { .producers = threads_, .n = 4000 },                                                \
      .lines = { { "log/latency-" name_, "ns/call", COST, RATIO_AT_MOST, 0.07 },                   \
                 { "log/latency-" name_ "-ns", "ns/call", COST, FIGURE_AT_MOST, 20 },              \
                 { "log/latency-" name_ "-p99", "ns", P99, FIGURE_AT_MOST, 100 },                  \
                 { "log/latency-" name_ "-p999", "ns", P999, NO_GOAL, 0 } } },                     \
    {                                                                                              \
        .load = load_log_throughput, .size = { .producers = threads_, .n = 1000000 }, .lines = {   \
            { "log/throughput-" name_, "ns/line", COST, RATIO_AT_MOST, 0.25 },                     \
            { "log/cpu-throughput-" name_, "ms", CPU, NO_GOAL, 0 }                                 \
        }                                                                                          \
    }

const measure bench_measures[] = {
    BURST(2, "2", 1.0),
    { .load = load_burst,
      .size = { .workers = 8, .n = 1000000 },
      .lines = { { "pool/burst-8", "ns/task", COST, RATIO_AT_MOST, 0.7 },
                 { "pool/cpu-burst-8", "ms", CPU, RATIO_AT_MOST, 1.2 } } },
    BURST(64, "64", 0.3),
    BURST(256, "256", 0.3),
    { .load = load_burst,
      .size = { .workers = 256, .n = 1000000 },
      .other = { .workers = 8, .n = 1000000 },
      .lines = { { "pool/flat", "ns/task", COST, RATIO_AT_MOST, 1.25 } } },
    RAMP(64, "64"),
    RAMP(256, "256"),
    { .load = load_burst,
      .size = { .workers = 8, .producers = 4, .n = 1000000 },
      .lines = { { "pool/producers", "ns/task", COST, RATIO_AT_MOST, 0.7 } } },
    { .load = load_trips,
      .size = { .workers = 8, .n = 20000 },
      .lines = { { "pool/round-trip-hot", "us", COST, RATIO_AT_MOST, 0.2 },
                 { "pool/round-trip-hot-p99", "us", P99, NO_GOAL, 0 },
                 { "pool/cpu-hot", "ms", CPU, RATIO_AT_MOST, 1.2 } } },
    { .load = load_trips_idle,
      .size = { .workers = 8, .n = 1000 },
      .lines = { { "pool/round-trip-parked", "us", COST, RATIO_AT_MOST, 1.1 },
                 { "pool/round-trip-parked-p99", "us", P99, NO_GOAL, 0 },
                 { "pool/cpu-parked", "ms", CPU, RATIO_AT_MOST, 1.2 } } },
    { .load = load_idle,
      .size = { .workers = 8, .n = 100000 },
      .lines = { { "pool/idle-cpu", "ms", COST, FIGURE_AT_MOST, 1 } } },

    { .load = load_timers,
      .size = { .n = 1000000 },
      .lines = { { "timer/arm+cancel", "ns/timer", COST, RATIO_AT_MOST, 0.5 },
                 { "timer/arm", "ns/timer", ARM, NO_GOAL, 0 },
                 { "timer/cancel", "ns/timer", CANCEL, NO_GOAL, 0 } } },
    { .load = load_timer_size,
      .size = { .n = 1000000 },
      .lines = { { "timer/bytes", "bytes", COST, FIGURE_AT_MOST, 96 } } },
    { .load = load_late,
      .size = { .n = 200 },
      .lines = { { "timer/late", "ms (p99)", COST, FIGURE_AT_MOST, 2 } } },

    { .load = load_memory,
      .size = { .n = 1000000 },
      .alone = true,
      .lines = { { "future/sleeping", "bytes", COST, FIGURE_AT_MOST, 320 } } },
    { .load = load_chain,
      .size = { .workers = 2, .n = 1000 },
      .alone = true,
      .lines = { { "future/chain", "ns/link", COST, NO_GOAL, 0 } } },
    { .load = load_all,
      .size = { .workers = 2, .n = 1000 },
      .alone = true,
      .lines = { { "future/all", "ns/future", COST, NO_GOAL, 0 } } },

    { .load = load_gate,
      .size = { .n = 5000000 },
      .lines = { { "sem/try+give", "ns", COST, RATIO_AT_MOST, 1.5 } } },
    { .load = load_line,
      .size = { .workers = 1000, .n = 200000 },
      .other = { .workers = 10, .n = 200000 },
      .lines = { { "sem/contended", "ns/grant", COST, RATIO_AT_MOST, 2 } } },
    { .load = load_turns,
      .size = { .n = 500000 },
      .alone = true,
      .lines = { { "rate/grant", "ns/turn", COST, NO_GOAL, 0 } } },

    { .load = load_lease,
      .size = { .n = 2000000 },
      .lines = { { "lease/idle", "ns", COST, RATIO_AT_MOST, 1.5 } } },
    { .load = load_permit,
      .size = { .n = 500000 },
      .alone = true,
      .lines = { { "lease/permit", "ns", COST, NO_GOAL, 0 } } },
    { .load = load_fair,
      .size = { .producers = 64, .n = 64 * 64 },
      .alone = true,
      .lines = { { "lease/fair", "ratio", COST, FIGURE_AT_MOST, 3 } } },

    { .load = load_policy,
      .size = { .workers = 8, .n = 100000 },
      .alone = true,
      .lines = { { "policy/empty", "ratio", COST, FIGURE_AT_MOST, 1.3 } } },
    { .load = load_asleep,
      .size = { .workers = 4, .n = 1000000 },
      .alone = true,
      .lines = { { "retry/sleeping", "bytes", COST, FIGURE_AT_MOST, 400 },
                 { "retry/cpu-asleep", "ms", CPU, FIGURE_AT_MOST, 1 } } },

    LOG(1, "1"),
    LOG(4, "4"),
    { .load = load_log_disabled,
      .size = { .n = 100000000 },
      .lines = { { "log/disabled", "ns/call", COST, FIGURE_AT_MOST, 1.5 } } },
    { .load = load_log_idle,
      .size = { .n = 100000 },
      .lines = { { "log/idle", "wake-ups in 2 s", COST, FIGURE_AT_MOST, 0 },
                 { "log/idle-cpu", "ms", CPU, FIGURE_AT_MOST, 1 } } },

#ifdef BENCH_WEB
    { .load = load_web,
      .size = { .lanes = 8, .in_flight = 64, .n = 40000 },
      .against = "curl-multi",
      .lines = { { "http/small-64", "us/request", COST, RATIO_AT_MOST, 0.95 },
                 { "http/cpu-small-64", "us/request", EACH, RATIO_AT_MOST, 1.2 } } },
    { .load = load_web,
      .size = { .lanes = 64, .in_flight = 64, .n = 40000 },
      .against = "curl-easy",
      .lines = { { "http/classic-64", "us/request", COST, RATIO_AT_MOST, 1.1 },
                 { "http/cpu-classic-64", "us/request", EACH, NO_GOAL, 0 } } },
    { .load = load_web_slow,
      .size = { .lanes = 8, .in_flight = 1000, .n = 5000 },
      .against = "curl-multi",
      .lines = { { "http/slow", "ms", COST, RATIO_AT_MOST, 1.05 },
                 { "http/memory-slow", "MiB (peak)", PEAK, RATIO_AT_MOST, 1.2 } } },
    { .load = load_web_cancel,
      .size = { .lanes = 8, .in_flight = 1000, .n = 1000 },
      .alone = true,
      .lines = { { "http/cancel", "ms (p99)", COST, FIGURE_AT_MOST, 5 } } },
    { .load = load_web_batch,
      .size = { .in_flight = 64, .n = 20000 },
      .against = "curl",
      .lines = { { "http/batch", "ms", COST, RATIO_AT_MOST, 0.75 },
                 { "http/cpu-batch", "ms", CPU, NO_GOAL, 0 } } },
    { .load = load_web_journal,
      .size = { .in_flight = 64, .n = 20000 },
      .against = "curl",
      .lines = { { "http/batch-journal", "ms", COST, RATIO_AT_MOST, 0.85 },
                 { "http/cpu-batch-journal", "ms", CPU, NO_GOAL, 0 } } },
    { .load = load_web_posts,
      .size = { .in_flight = 64, .n = 10000 },
      .against = "errand-no-journal",
      .lines = { { "http/posts-journal", "ms", COST, RATIO_AT_MOST, 1.15 },
                 { "http/cpu-posts-journal", "ms", CPU, NO_GOAL, 0 } } },
#endif
};
const size_t bench_measures_n = sizeof bench_measures / sizeof *bench_measures;
