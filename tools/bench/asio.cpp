// Boost.Asio, or Asio by itself: thread_pool with a packaged_task for each future, steady_timer.
#include "side.h"

#ifdef BENCH_BOOST_ASIO
#include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#include <asio.hpp>
#endif
#include <chrono>
#include <future>
#include <new>
#include <vector>

namespace {

void *open_pool(unsigned workers, size_t) { return new asio::thread_pool(workers); }

void run(void *at, size_t n, bench_task *task)
{
    auto &pool = *static_cast<asio::thread_pool *>(at);
    std::vector<std::future<void>> futures;
    futures.reserve(n);
    for (size_t i = 0; i < n; i++)
        futures.push_back(asio::post(pool, std::packaged_task<void()>(task)));
    for (auto &future : futures) future.get();
}

struct timers {
    asio::io_context context{ 1 };
    std::vector<asio::steady_timer> all;
};

void *open_timers(size_t n)
{
    auto *made = new timers;
    made->all.reserve(n);
    return made;
}

void arm(void *at, const int64_t *ms, size_t n)
{
    auto &mine = *static_cast<timers *>(at);
    for (size_t i = 0; i < n; i++) {
        auto &timer = mine.all.emplace_back(mine.context);
        timer.expires_after(std::chrono::milliseconds(ms[i]));
        timer.async_wait([](const auto &) {});
    }
}

void cancel(void *at, size_t)
{
    auto &mine = *static_cast<timers *>(at);
    for (auto &timer : mine.all) timer.cancel();
    mine.context.restart();
    mine.context.poll(); // the handlers of what was cancelled
    mine.all.clear();
}

void one_sleep(void *at, int64_t ms)
{
    auto &mine = *static_cast<timers *>(at);
    asio::steady_timer timer(mine.context, std::chrono::milliseconds(ms));
    timer.async_wait([](const auto &) {});
    mine.context.restart();
    mine.context.run();
}

} // namespace

extern "C" const bench_side bench_asio = {
    "asio",  false,   open_pool, run,     open_timers, arm,     cancel, one_sleep,
    nullptr, nullptr, nullptr,   nullptr, nullptr,     nullptr, nullptr
};
