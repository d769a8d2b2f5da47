/* C++20: co_await on futures, tasks that are coroutines, std::stop_token. */
#include "checks.hpp"

#include <thread>

using namespace std::chrono_literals;

#ifdef ERRAND_HAS_STOP_TOKEN
TEST(a_stop_request_cancels_queued_work)
{
    counter lambdas;
    blocked_pool b;
    std::stop_source stop;
    auto f = b.pool.submit(stop.get_token(), [m = mark(lambdas)] { return 1; });
    stop.request_stop();
    CHECK(lambdas.all_ended(1));
    b.go_on.open();
    auto r = f.await();
    CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER);
}

TEST(a_stop_request_cancels_running_work)
{
    errand::pool pool;
    gate begun;
    std::stop_source stop;
    auto f = pool.submit(stop.get_token(), [&begun] {
        begun.open();
        while (!errand::cancelled()) std::this_thread::yield();
        return 2;
    });
    begun.wait();
    stop.request_stop();
    CHECK(f.get() == 2);
}

TEST(a_stop_requested_before_skips_the_lambda)
{
    counter lambdas;
    errand::pool pool;
    std::stop_source stop;
    stop.request_stop();
    bool called = false;
    auto r = pool.submit(stop.get_token(), [m = mark(lambdas), &called] { called = true; }).await();
    CHECK(r.error() == ECANCELED && !called);
    CHECK(pool.wait_idle(errand::forever) && lambdas.all_ended(1));
}

TEST(a_stop_reaches_a_future_that_was_passed_on)
{
    errand::pool pool;
    std::stop_source stop;
    auto f = pool.submit([&pool] { return pool.sleep(errand::forever); })
                 .stop_on(stop.get_token())
                 .then([] { return 1; });
    stop.request_stop();
    CHECK(f.await().error() == ECANCELED);
}

TEST(a_stop_request_after_the_end_has_no_effect)
{
    std::stop_source stop;
    {
        errand::pool pool;
        CHECK(pool.submit(stop.get_token(), [] { return 3; }).get() == 3);
        CHECK(pool.submit([] { return 4; }).stop_on(std::stop_token()).get() == 4);
    }
    CHECK(stop.request_stop());
}

TEST(stops_that_race_with_the_end_are_harmless)
{
    counter lambdas;
    const int rounds = static_cast<int>(2000 * test_scale());
    int ended = 0;
    {
        errand::pool pool(2);
        for (int i = 0; i < rounds; i++) {
            std::stop_source stop;
            auto f = pool.submit(stop.get_token(), [m = mark(lambdas)] {});
            std::thread stopper;
            if (i % 16 == 0) stopper = std::thread([&stop] { stop.request_stop(); });
            else if (i % 2) stop.request_stop();
            auto r = f.await();
            ended += r || r.error() == ECANCELED;
            if (stopper.joinable()) stopper.join();
        }
    }
    CHECK(ended == rounds && lambdas.all_ended(rounds));
}
#endif

/* clang 14's -fsanitize=function, a part of undefined, cannot compile any coroutine (LLVM 49689) */
#if defined(__clang__) && __clang_major__ < 15
#if __has_feature(undefined_behavior_sanitizer) && !defined(ERRAND_TEST_COROUTINES)
#undef ERRAND_HAS_COROUTINES
#endif
#endif

#ifdef ERRAND_HAS_COROUTINES
/* The plainest coroutine: it begins at once and has no owner. */
struct loose {
    struct promise_type {
        loose get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

static loose await_into(errand::future<int> f, int &value, std::thread::id &where, gate &done)
{
    try {
        value = co_await std::move(f);
    } catch (const errand::error &e) {
        value = -e.number();
    }
    where = std::this_thread::get_id();
    done.open();
}

TEST(a_coroutine_resumes_on_the_futures_pool)
{
    blocked_pool b;
    int value = 0;
    std::thread::id where;
    gate done;
    await_into(b.pool.submit([] { return 5; }), value, where, done);
    CHECK(value == 0);
    b.go_on.open();
    done.wait();
    CHECK(value == 5 && where != std::this_thread::get_id());
}

TEST(a_coroutine_does_not_suspend_for_an_ended_future)
{
    errand::pool pool;
    auto f = pool.submit([] { return 6; });
    CHECK(f.wait_for(errand::forever));
    int value = 0;
    std::thread::id where;
    gate done;
    await_into(std::move(f), value, where, done);
    CHECK(value == 6 && where == std::this_thread::get_id());
    await_into(errand::future<int>(), value, where, done);
    CHECK(value == -EINVAL);
}

TEST(a_coroutine_gets_the_error_of_a_cancelled_future)
{
    errand::pool pool;
    errand::promise<int> p(pool);
    int value = 0;
    std::thread::id where;
    gate done;
    await_into(p.get_future(), value, where, done);
    p.abandon();
    done.wait();
    CHECK(value == -ERRAND_EABANDONED);
}

struct owned { /* a coroutine that its owner can destroy while it waits */
    struct promise_type {
        owned get_return_object()
        {
            return { std::coroutine_handle<promise_type>::from_promise(*this) };
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> h;
};

static owned wait_in_vain(errand::future<int> f, bool &went_on)
{
    co_await std::move(f);
    went_on = true;
}

TEST(a_coroutine_destroyed_while_it_waits_cancels_and_is_not_resumed)
{
    counter lambdas;
    bool went_on = false;
    {
        blocked_pool b;
        owned o = wait_in_vain(b.pool.submit([m = mark(lambdas)] { return 1; }), went_on);
        o.h.destroy();
        CHECK(lambdas.all_ended(1));
    }
    CHECK(!went_on);
}

static errand::task<int> add(errand::pool &pool, int a, int b)
{
    int x = co_await pool.submit([a] { return a; });
    co_await pool.sleep(1ms);
    co_return x + co_await pool.submit([b] { return b; });
}

static errand::task<std::unique_ptr<int>> sum(errand::pool &pool, int n)
{
    auto total = std::make_unique<int>(0);
    for (int i = 1; i <= n; i++) *total = co_await add(pool, *total, i);
    co_return total;
}

TEST(awaiting_tasks_hold_no_worker)
{
    errand::pool pool(1);
    CHECK(*pool.submit(sum(pool, 10)).get() == 55);
    std::vector<errand::future<int>> many; /* more sleepers than workers */
    for (int i = 0; i < 100; i++) many.push_back(pool.submit(add(pool, i, 1)));
    int total = 0;
    for (int n : errand::all(std::move(many)).get()) total += n;
    CHECK(total == 5050);
}

TEST(a_task_is_lazy_and_runs_on_the_pool)
{
    errand::pool pool;
    bool begun = false;
    auto work = [&begun]() -> errand::task<std::thread::id> {
        begun = true;
        co_return std::this_thread::get_id();
    };
    auto t = work();
    CHECK(!begun);
    CHECK(pool.submit(std::move(t)).get() != std::this_thread::get_id() && begun);
}

TEST(a_task_never_begun_frees_its_frame)
{
    counter args;
    auto work = [](mark) -> errand::task<void> { co_return; };
    {
        auto never = work(mark(args));
        auto moved = std::move(never);
    }
    CHECK(args.all_ended(1));
    {
        blocked_pool b;
        b.pool.submit(work(mark(args))).cancel();
        CHECK(args.all_ended(2));
    }
}

TEST(an_exception_passes_through_tasks)
{
    errand::pool pool;
    auto inner = [&pool]() -> errand::task<int> {
        co_await pool.sleep(0ms);
        throw std::underflow_error("deep");
    };
    auto outer = [&inner]() -> errand::task<int> { co_return co_await inner() + 1; };
    CHECK_THROWS(std::underflow_error, pool.submit(outer()).get());
    auto catching = [&inner]() -> errand::task<std::string> {
        try {
            co_await inner();
        } catch (const std::underflow_error &e) {
            co_return e.what();
        }
        co_return "";
    };
    CHECK(pool.submit(catching()).get() == "deep");
}

TEST(a_coroutine_lambda_is_kept_until_its_task_has_ended)
{
    counter lambdas;
    errand::pool pool;
    std::string words = "long enough to be on the heap";
    auto f =
        pool.submit([&pool, m = mark(lambdas), text = std::move(words)]() -> errand::task<size_t> {
            co_await pool.sleep(1ms);
            co_await pool.submit([] {});
            co_return text.size();
        });
    CHECK(f.get() == 29);
    CHECK(lambdas.all_ended(1));
    counter sequels;
    auto g =
        pool.submit([] { return 4; }).then([&pool, m = mark(sequels)](int n) -> errand::task<int> {
            co_await pool.sleep(1ms);
            co_return n + 1;
        });
    CHECK(g.get() == 5);
    pool.close(errand::forever);
    CHECK(sequels.all_ended(1));
}

TEST(a_cancelled_coroutine_cancels_the_future_it_awaits)
{
    counter frames;
    errand::pool pool;
    gate begun;
    bool cleaned_up = false;
    auto work = [&](mark) -> errand::task<void> {
        begun.open();
        try {
            co_await pool.sleep(errand::forever);
        } catch (const errand::error &e) {
            cleaned_up = e.code() == std::errc::operation_canceled &&
                         errand::cancelled() == ERRAND_BY_CALLER;
            throw;
        }
    };
    auto f = pool.submit(work(mark(frames)));
    begun.wait();
    f.cancel();
    auto r = f.await();
    CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER && cleaned_up);
    pool.close(errand::forever);
    CHECK(frames.all_ended(1));
}

TEST(closing_the_pool_waits_for_a_dropped_task)
{
    counter frames;
    std::atomic<int> steps{ 0 };
    {
        errand::pool pool;
        auto work = [&](mark) -> errand::task<int> {
            for (int i = 0; i < 5; i++) {
                co_await pool.sleep(1ms);
                steps++;
            }
            co_return 1;
        };
        pool.submit(work(mark(frames))).drop();
    }
    CHECK(steps == 5 && frames.all_ended(1));
}

TEST(an_empty_task_is_a_failed_task)
{
    errand::pool pool;
    auto t = add(pool, 1, 2);
    auto taken = std::move(t);
    CHECK(pool.submit(std::move(t)).await().error() == EINVAL);
    CHECK(pool.submit(std::move(taken)).get() == 3);
}

TEST(a_long_loop_of_awaits_ends)
{
    errand::pool pool(2);
    const int steps = static_cast<int>(10000 * test_scale());
    auto work = [&]() -> errand::task<int> {
        int n = 0;
        for (int i = 0; i < steps; i++) n += co_await pool.submit([] { return 1; });
        co_return n;
    };
    CHECK(pool.submit(work()).get() == steps);
}

static errand::task<int> one_at_once(int i) { co_return i; }

TEST(awaiting_ended_tasks_in_a_loop_takes_no_stack)
{
    errand::pool pool(1);
    auto work = []() -> errand::task<int> {
        int n = 0;
        for (int i = 0; i < 300000; i++) n += co_await one_at_once(i & 1);
        co_return n;
    };
    CHECK(pool.submit(work()).get() == 150000);
}

TEST(cancels_that_race_with_tasks_leak_nothing)
{
    counter frames;
    const int rounds = static_cast<int>(2000 * test_scale());
    {
        errand::pool pool(3);
        auto work = [&pool](mark) -> errand::task<int> {
            int n = co_await pool.submit([] { return 1; });
            co_await pool.submit([] {});
            co_return n;
        };
        for (int i = 0; i < rounds; i++) {
            auto f = pool.submit(work(mark(frames)));
            if (i % 4 == 1) f.cancel();
            if (i % 4 == 2) f.drop();
            if (i % 4 == 3) std::this_thread::yield();
        }
    }
    CHECK(frames.all_ended(rounds));
}
#endif
