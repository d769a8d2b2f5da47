// oneTBB: a task_arena with `workers` threads; a promise for each future, enqueued from outside.
#include "side.h"

#include <future>
#include <memory>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <vector>

namespace {

struct pool {
    tbb::global_control allowed;
    tbb::task_arena arena;
    explicit pool(unsigned workers)
        : allowed(tbb::global_control::max_allowed_parallelism, workers + 1),
          arena(static_cast<int>(workers), 0)
    {
        arena.initialize();
    }
};

struct work {
    bench_task *task;
    mutable std::promise<void> promise; // the arena calls a const functor
    void operator()() const
    {
        task();
        promise.set_value();
    }
};

void *open_pool(unsigned workers, size_t) { return new pool(workers); }

void run(void *at, size_t n, bench_task *task)
{
    auto &mine = *static_cast<pool *>(at);
    std::vector<std::future<void>> futures;
    futures.reserve(n);
    for (size_t i = 0; i < n; i++) {
        std::promise<void> promise;
        futures.push_back(promise.get_future());
        mine.arena.enqueue(work{ task, std::move(promise) });
    }
    for (auto &future : futures) future.get();
}

} // namespace

extern "C" const bench_side bench_tbb = {
    "tbb",   false,   open_pool, run,     nullptr, nullptr, nullptr, nullptr,
    nullptr, nullptr, nullptr,   nullptr, nullptr, nullptr, nullptr
};
