/* Functions of futures: then, flattening, timeouts, all and any, cancels, promises, limits. */
#include "checks.hpp"

#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;

TEST(a_then_runs_on_the_pool_with_the_value)
{
    errand::pool pool;
    auto here = std::this_thread::get_id();
    auto f = pool.submit([] { return 20; }).then([here](int n) {
        CHECK(std::this_thread::get_id() != here);
        return n + 1;
    });
    CHECK(f.then([](auto n) { return std::to_string(n * 2); }).get() == "42");
}

TEST(an_error_skips_thens_that_take_values)
{
    errand::pool pool;
    bool called = false;
    int seen = 0;
    auto f = pool.submit([] { return errand::result<int>::fail(EIO); })
                 .then([&called](int n) {
                     called = true;
                     return n;
                 })
                 .then([&seen](errand::result<int> r) {
                     seen = r.error();
                     return 5;
                 });
    CHECK(f.get() == 5 && seen == EIO && !called);
}

TEST(a_then_of_void_takes_no_argument)
{
    errand::pool pool;
    int calls = 0;
    auto f = pool.submit([] {}).then([&calls] { calls++; });
    f.then([&calls](errand::result<void> r) { calls += r ? 10 : 0; }).get();
    CHECK(calls == 11);
}

TEST(a_lambda_may_return_a_future)
{
    errand::pool pool(1); /* one worker: no thread waits for the inner futures */
    errand::future<int> f = pool.submit([&pool] {
        return pool.submit([&pool] { return pool.sleep(1ms).then([] { return 9; }); });
    });
    CHECK(f.get() == 9);
    CHECK(pool.submit([] { return 1; })
              .then([&pool](int n) { return pool.submit([n] { return n + 1; }); })
              .get() == 2);
}

static errand::future<int> count_down(errand::pool &pool, int n)
{
    return pool.submit([&pool, n] {
        return n ? count_down(pool, n - 1) : pool.submit([] { return 0; });
    });
}

TEST(a_long_recursion_of_returned_futures_ends)
{
    errand::pool pool(2);
    CHECK(count_down(pool, static_cast<int>(20000 * test_scale())).get() == 0);
}

static errand::future<int> fib(errand::pool &pool, int n)
{
    return pool.submit([&pool, n] {
        if (n < 2) return n;
        auto a = fib(pool, n - 1), b = fib(pool, n - 2);
        return a.get() + b.get();
    });
}

TEST(one_worker_may_await_its_own_tasks)
{
    errand::pool pool(1);
    CHECK(fib(pool, 12).get() == 144);
}

TEST(wait_for_does_not_consume_the_future)
{
    blocked_pool b;
    auto f = b.pool.submit([] { return 1; });
    CHECK(!f.done() && !f.wait_for(0s) && !f.wait_for(1us));
    b.go_on.open();
    CHECK(f.wait_for(errand::forever) && f.done());
    CHECK(f.get() == 1);
}

TEST(wait_for_in_a_cancelled_task_throws)
{
    errand::pool pool;
    gate begun;
    auto never = pool.sleep(errand::forever);
    auto f = pool.submit([&] {
        begun.open();
        CHECK_THROWS(errand::error, never.wait_for(errand::forever));
    });
    begun.wait();
    f.cancel();
    CHECK(f.await()); /* it caught the exception: a late success stands */
}

TEST(a_timeout_ends_a_late_future)
{
    errand::pool pool;
    auto r = pool.sleep(errand::forever).timeout(1ms).await();
    CHECK(r.error() == ETIMEDOUT && r.code() == std::errc::timed_out &&
          r.reason() == ERRAND_BY_TOTAL);
    CHECK(pool.submit([] { return 1; }).timeout(1h).get() == 1);
}

TEST(a_task_has_its_deadline)
{
    errand::pool pool;
    errand::task_options options;
    options.name = "late";
    options.within = 5ms;
    auto r = pool.submit(options,
                         [&pool] {
                             CHECK(errand::time_left() <= 5ms);
                             pool.sleep(errand::forever).get();
                         })
                 .await();
    CHECK(r.error() == ETIMEDOUT && r.reason() == ERRAND_BY_TOTAL);
    CHECK(errand::time_left() == errand::forever && errand::cancelled() == ERRAND_BY_NONE);
}

TEST(a_cancelled_task_cancels_the_future_it_awaits)
{
    errand::pool pool;
    gate begun;
    auto f = pool.submit([&] {
        begun.open();
        pool.sleep(errand::forever).get();
    });
    begun.wait();
    f.cancel();
    auto r = f.await();
    CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER);
    try {
        r.get();
    } catch (const errand::error &e) {
        CHECK(e.code() == std::errc::operation_canceled && e.reason() == ERRAND_BY_CALLER);
    }
}

TEST(an_exception_in_a_cancelled_task_is_the_cause)
{
    errand::pool pool;
    gate begun;
    auto f = pool.submit([&begun] {
        begun.open();
        while (!errand::cancelled()) std::this_thread::yield();
        throw std::runtime_error("in the middle of it");
    });
    begun.wait();
    f.cancel();
    auto r = f.await();
    CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER);
    const errand_result *cause = errand_result_cause(&r.raw(), 0);
    CHECK(cause && cause->error == errand::threw &&
          errand_result_message(cause) == std::string("in the middle of it"));
}

TEST(all_returns_values_in_order)
{
    errand::pool pool(4);
    std::vector<errand::future<std::unique_ptr<int>>> fs;
    for (int i = 0; i < 50; i++)
        fs.push_back(pool.submit([i] { return std::make_unique<int>(i); }));
    auto values = errand::all(std::move(fs)).get();
    CHECK(values.size() == 50);
    for (int i = 0; i < static_cast<int>(values.size()); i++)
        CHECK(*values[static_cast<size_t>(i)] == i);
    CHECK(errand::all(std::vector<errand::future<bool>>()).get().empty());
    std::vector<errand::future<void>> nothings;
    nothings.push_back(pool.submit([] {}));
    errand::all(std::move(nothings)).get();
}

TEST(the_first_failure_ends_all_and_cancels_the_rest)
{
    errand::pool pool;
    std::vector<errand::future<void>> fs;
    fs.push_back(pool.sleep(errand::forever));
    fs.push_back(pool.submit([] { throw std::domain_error("first"); }));
    CHECK_THROWS(std::domain_error, errand::all(std::move(fs)).get());
}

TEST(settle_returns_each_result)
{
    errand::pool pool;
    std::vector<errand::future<int>> fs;
    fs.push_back(pool.submit([] { return 1; }));
    fs.push_back(pool.submit([]() -> int { throw std::domain_error("second"); }));
    fs.emplace_back(); /* an empty future: settle itself fails */
    CHECK(errand::settle(std::move(fs)).await().error() == EINVAL);
    fs.clear();
    fs.push_back(pool.submit([] { return 1; }));
    fs.push_back(pool.submit([]() -> int { throw std::domain_error("second"); }));
    auto ends = errand::settle(std::move(fs)).get();
    CHECK(ends.size() == 2 && ends[0] && *ends[0] == 1 && ends[1].error() == errand::threw);
    CHECK_THROWS(std::domain_error, ends[1].get());
}

TEST(any_returns_a_success_and_race_the_first_end)
{
    errand::pool pool;
    auto two = [&pool] {
        std::vector<errand::future<int>> fs;
        fs.push_back(pool.submit([]() -> int { throw std::domain_error("first"); }));
        fs.push_back(pool.sleep(5ms).then([] { return 2; }));
        return fs;
    };
    CHECK(errand::any(two()).get() == 2);
    std::vector<errand::future<void>> fs;
    fs.push_back(pool.sleep(errand::forever));
    fs.push_back(pool.submit([] { throw std::domain_error("at once"); }));
    CHECK_THROWS(std::domain_error, errand::race(std::move(fs)).get());
}

TEST(a_cancel_stops_at_a_shield)
{
    blocked_pool b;
    auto f = b.pool.submit([] { return 1; }).shield();
    f.cancel();
    b.go_on.open();
    CHECK(f.get() == 1);
}

TEST(cancelling_all_cancels_each_input)
{
    errand::pool pool;
    std::vector<errand::future<void>> fs;
    for (int i = 0; i < 5; i++) fs.push_back(pool.sleep(errand::forever));
    auto f = errand::settle(std::move(fs));
    f.cancel();
    for (auto &r : f.get()) CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER);
}

TEST(a_promise_ends_its_future)
{
    errand::pool pool;
    errand::promise<std::string> set(pool), failed(pool), threw(pool);
    errand::promise<void> done(pool);
    set.set(3u, 'x');
    CHECK(set.get_future().get() == "xxx");
    set.set("twice"); /* no effect */
    failed.fail(EBUSY, "the line is busy");
    CHECK(failed.get_future().await().message() == std::string("the line is busy"));
    threw.fail(std::make_exception_ptr(std::range_error("out")));
    CHECK_THROWS(std::range_error, threw.get_future().get());
    done.set();
    done.get_future().get();
    errand::future<int> orphan = errand::promise<int>(pool).get_future();
    CHECK(orphan.await().error() == ERRAND_EABANDONED);
}

TEST(waiting_for_a_promise_blocks_until_it_ends)
{
    errand::pool pool;
    errand::promise<int> p(pool);
    auto f = p.get_future();
    std::thread writer([p = std::move(p)]() mutable { p.set(6); });
    CHECK(f.get() == 6);
    writer.join();
}

TEST(a_cancel_calls_the_hook_and_resolve_ends_the_promise)
{
    errand::pool pool;
    errand::promise<int> p(pool);
    auto f = p.get_future();
    int cancels = 0, replaced = 0;
    p.on_cancel([&replaced] { replaced++; });
    p.on_cancel([&cancels] { cancels++; });
    f.cancel();
    f.cancel();
    CHECK(cancels == 1 && replaced == 0 && !f.done());
    p.set(8);
    CHECK(f.get() == 8);
}

TEST(a_hook_set_after_the_cancel_is_called_at_once)
{
    errand::pool pool;
    errand::promise<int> p(pool);
    auto f = p.get_future();
    int cancels = 0;
    p.on_cancel([] {}); /* with a hook the cancel does not end it */
    f.cancel();
    p.on_cancel([&cancels] { cancels++; });
    CHECK(cancels == 1);
    p.fail(ECANCELED);
    CHECK(f.await().error() == ECANCELED);
}

TEST(a_hook_called_at_once_may_resolve_a_dropped_promise)
{
    errand::pool pool;
    errand::promise<int> p(pool);
    auto f = p.get_future();
    p.on_cancel([] {});
    f.cancel();
    f.drop();
    bool called = false;
    p.on_cancel([&] {
        called = true;
        p.set(1);
    });
    CHECK(called);
}

TEST(permits_are_released_by_their_destructor)
{
    errand::pool pool;
    errand::semaphore sem(pool, 2, "two");
    errand::permit both = sem.acquire(2).get();
    auto next = sem.acquire();
    CHECK(!next.done() && !sem.try_acquire());
    both.reset();
    {
        errand::permit one = next.get();
        CHECK(one && sem.try_acquire());
        CHECK(sem.release_permits() == 0 && sem.release_permits() == EOVERFLOW);
    }
    sem.acquire(2).drop(); /* an unclaimed permit is returned */
    CHECK(sem.try_acquire(2) && sem.release_permits(2) == 0);
    CHECK(sem.acquire(3).await().error() == EINVAL);
}

TEST(a_lease_pool_lends_and_runs)
{
    errand::pool pool;
    int opened = 0;
    errand_resource_ops ops{};
    ops.open = [](const char *, void *arg) {
        return errand_ok(new int(++*static_cast<int *>(arg)), nullptr);
    };
    ops.close = [](void *resource, void *) { delete static_cast<int *>(resource); };
    ops.arg = &opened;
    errand::lease_pool leases(pool, ops);
    {
        errand::lease one = leases.acquire().get();
        CHECK(errand::resource_of<int>(one) == 1);
        CHECK(leases.run<int>([](int &n) { return n * 10; }).get() == 20);
    }
    errand::policy once{ errand::policy_options{} };
    CHECK(leases
              .run<int>(
                  once.raw(), [](int &n) { return n; }, "k")
              .get() == 3);
    CHECK(!leases.close(1min));
    CHECK(opened == 3);
}

TEST(limits_are_kept_per_key)
{
    errand::pool pool;
    errand_sem_opts opts{};
    opts.permits = 1;
    opts.max_waiters = 1;
    errand::semaphore sem(pool, opts);
    errand::permit a = sem.acquire("a").get(), b = sem.acquire("b").get();
    auto waits = sem.acquire("a");
    CHECK(sem.acquire("a").await().error() == ERRAND_EFULL);
    CHECK(!waits.done() && !sem.resize(2) && waits.done());
    errand::rate rate(pool, 1e-3);
    CHECK(!rate.pause(1h, "a"));
    rate.acquire("b").get();
    CHECK(!rate.acquire("a").wait_for(0ms));
}

TEST(a_breaker_admits_calls_and_takes_reports)
{
    errand::pool pool;
    errand_breaker_opts opts{};
    opts.min_calls = 2;
    errand::breaker breaker(pool, opts);
    errand::budget budget(pool);
    for (int i = 0; i < 2; i++) {
        errand::breaker::call call(breaker, "host");
        CHECK(!call.refused);
        call.report(std::error_code(ETIMEDOUT, std::generic_category()));
    }
    CHECK(breaker.state("host") == ERRAND_BREAKER_OPEN && breaker.state() == ERRAND_BREAKER_CLOSED);
    errand::breaker::call refused(breaker, "host");
    CHECK(refused.refused.value() == ERRAND_EOPEN);
    CHECK(!breaker.reset("host") && !breaker.force(ERRAND_BREAKER_OPEN));
    CHECK(breaker.force(ERRAND_BREAKER_HALF_OPEN).value() == EINVAL);
    {
        errand::breaker::call cancelled(breaker, "host");
    }
    CHECK(breaker.state("host") == ERRAND_BREAKER_CLOSED);
}

TEST(a_rate_grants_its_burst_and_then_single_turns)
{
    errand::pool pool;
    errand::rate rate(pool, 1e-3, 2, "slow");
    rate.acquire().get();
    rate.acquire().get();
    auto third = rate.acquire();
    CHECK(!third.wait_for(1ms));
    third.cancel();
    CHECK(third.await().error() == ECANCELED);
}

TEST(a_rate_can_be_resized_while_turns_are_pending)
{
    errand::pool pool;
    errand::rate rate(pool, 1e-3);
    rate.acquire().get();
    auto waits = rate.acquire();
    CHECK(rate.resize(-1.0).value() == EINVAL && !waits.wait_for(0ms));
    CHECK(!rate.resize(1e-3, 2));
    waits.get();
    CHECK(!rate.acquire().wait_for(0ms));
}

TEST(a_policy_retries_in_the_callers_thread)
{
    errand_policy_opts options{};
    options.attempts = 3;
    options.backoff = errand_backoff_none();
    options.retry_if = errand_retry_if_failed();
    errand::policy policy(std::move(options));
    int calls = 0;
    auto r = policy.loop([&]() -> int {
        if (++calls < 3) throw std::runtime_error("not yet");
        return calls;
    });
    CHECK(r && *r == 3 && errand_result_attempts(&r.raw()) == 3 && !r.degraded());
    CHECK(policy.stats().runs == 1 && policy.stats().attempts == 3 &&
          policy.stats().succeeded == 1);
    options.fallback = [](errand_result failure, void *) {
        errand_result_free(&failure);
        return errand_ok(nullptr, nullptr);
    };
    try {
        errand::policy twice(options); /* its specs are owned by the first policy */
        FAIL("the policy was made");
    } catch (const errand::error &e) {
        CHECK(e.number() == EINVAL &&
              std::string(e.what()).find("was given before") != std::string::npos);
    }
    options.backoff = errand_backoff_none();
    options.retry_if = errand_retry_if_failed();
    auto failed = errand::policy(options).loop([] { throw std::runtime_error("never"); });
    CHECK(failed && failed.degraded());
}

TEST(specs_are_composable_values)
{
    errand::policy_options options;
    options.backoff = errand::backoff::exponential(100ms, 10s) +
                      errand::backoff::fixed(5ms).capped(3ms);
    options.stop = errand::stop::after_attempt(4) || errand::stop::after_delay(1h);
    options.retry_if = errand::retry_if::status({ 404 }).negated() && errand::retry_if::failed();
    errand::policy policy(std::move(options));
    CHECK(!options.backoff && !options.stop && !options.retry_if);
    CHECK(policy.wait(1, 1) == 103ms && policy.wait(3, 1) == 403ms && policy.wait(4, 1) < 0ms);
    errand::policy_options wrong;
    wrong.stop = errand::stop::after_attempt(0);
    try {
        errand::policy refused(std::move(wrong));
        FAIL("the policy was made");
    } catch (const errand::error &e) {
        CHECK(e.number() == EINVAL &&
              std::string(e.what()).find("stop: after_attempt") != std::string::npos);
    }
}

TEST(a_policy_reports_its_waits)
{
    errand::policy_options options;
    options.attempts = 4;
    options.initial = 100ms;
    options.jitter = ERRAND_JITTER_NONE;
    errand::policy policy(std::move(options));
    CHECK(policy.wait(1, 1) == 100ms && policy.wait(2, 1) == 200ms && policy.wait(4, 1) < 0ms);
}

static int note_level(void *levels, const errand_log_line *line)
{
    *static_cast<std::string *>(levels) += std::to_string(static_cast<int>(line->level));
    return 0;
}

TEST(a_line_may_take_its_level_at_run_time)
{
    std::string levels;
    errand_log_sink_opts opts{};
    {
        errand::log log;
        CHECK(errand_log_add_callback(log, note_level, &levels, nullptr, &opts) == 0);
        for (errand_log_level level : { ERRAND_LOG_INFO, ERRAND_LOG_ERROR, ERRAND_LOG_OFF,
                                        ERRAND_LOG_WARN, ERRAND_LOG_DEFAULT })
            errand_log_at(log, level, "as %d", static_cast<int>(level));
        CHECK(!log.close(errand::forever));
    }
    CHECK(levels == "3543");
}

static int note_text(void *text, const errand_log_line *line)
{
    *static_cast<std::string *>(text) += line->text + std::string("|");
    return 0;
}

TEST(an_error_is_logged_as_a_key)
{
    std::string text;
    errand_log_sink_opts opts{};
    opts.pattern = "{message}{fields}";
    opts.name = "text";
    errand::log log;
    CHECK(errand_log_add_callback(log, note_text, &text, nullptr, &opts) == 0);
    try {
        throw errand::error(ETIMEDOUT, "no answer");
    } catch (const errand::error &e) {
        errand_warn(log, "failed" errand_kv_result("error") errand_kv("n", "%d"),
                    errand_kv_result_arg(&e.raw()), 7);
    }
    CHECK(!log.flush(errand::forever));
    log.sink_level("text", ERRAND_LOG_ERROR);
    CHECK_THROWS(errand::error, log.sink_level("none", ERRAND_LOG_ERROR));
    errand_warn(log, "%s", "below");
    CHECK(!log.close(errand::forever));
    CHECK(text == "failed error=ETIMEDOUT error.kind=timeout error.message=\"no answer\" n=7|");
}

TEST(a_pool_logs_its_failures)
{
    errand_log_opts opts{};
    opts.name = "cpp";
    errand::log log(opts);
    CHECK_THROWS(errand::error, log.to_file("/nowhere/at/all/cpp.log"));
    errand_pool_opts with_log{};
    with_log.log = log;
    {
        errand::pool pool(with_log);
        pool.submit([] { throw std::runtime_error("discarded"); }).drop();
        errand_info(log, "%d lines", 1);
    }
    CHECK(!log.flush(errand::forever));
    errand_log_stats stats{};
    CHECK(errand_log_stats_get(log, &stats) == 0 && stats.attempted >= 1);
    CHECK(!log.close(errand::forever));
}

TEST(a_pool_is_closed_once)
{
    errand::pool pool;
    auto in_it = pool.submit([&pool] { return pool.close(0s); });
    CHECK(in_it.get() == std::errc::resource_deadlock_would_occur && pool);
    CHECK(!pool.close(errand::forever) && !pool);
    CHECK(pool.close(0s) == std::errc::invalid_argument);
}

TEST(wait_some_waits_for_n_futures)
{
    errand::pool pool;
    errand::promise<int> first(pool), second(pool);
    std::vector<errand::future<int>> fs;
    fs.push_back(first.get_future());
    fs.push_back(second.get_future());
    CHECK(errand::wait_some(fs, 0) && !errand::wait_some(fs, 1, 0s) &&
          !errand::wait_some(fs, 1, 1us));
    second.set(2);
    CHECK(errand::wait_some(fs, 1) && !fs[0].done() && fs[1].done());
    CHECK(fs[1].get() == 2 && errand::wait_some(fs, 1, 0s)); /* an empty future has ended */
    CHECK_THROWS(errand::error, errand::wait_some(fs, 3));
    first.set(1);
    CHECK(errand::wait_some(fs, 2, errand::forever) && fs[0].get() == 1);
}

TEST(wait_some_in_a_cancelled_task_throws)
{
    errand::pool pool;
    gate begun;
    std::vector<errand::future<void>> fs;
    fs.push_back(pool.sleep(errand::forever));
    auto f = pool.submit([&] {
        begun.open();
        CHECK_THROWS(errand::error, errand::wait_some(fs, 1));
    });
    begun.wait();
    f.cancel();
    CHECK(f.await());
}

TEST(a_quorum_returns_the_successful_results)
{
    errand::pool pool;
    errand::promise<int> never(pool);
    std::vector<errand::future<int>> fs;
    fs.push_back(pool.ready(1));
    fs.push_back(never.get_future());
    fs.push_back(pool.ready(errand::result<int>::fail(EIO)));
    fs.push_back(pool.ready(4));
    auto results = errand::quorum(std::move(fs), 2).get();
    CHECK(results.size() == 4 && *results[0] == 1 && *results[3] == 4);
    CHECK(results[1].error() == ECANCELED && results[1].reason() == ERRAND_BY_SIBLING &&
          results[2].error() == EIO);
    CHECK(never.cancelled() == ERRAND_BY_SIBLING);
    CHECK(errand::quorum(std::vector<errand::future<int>>{}, 1).await().error() == EINVAL);
}

TEST(a_ready_future_has_ended)
{
    errand::pool pool;
    auto f = pool.ready(std::string("here"));
    CHECK(f.done() && f.get() == "here");
    CHECK(pool.ready(errand::result<int>::fail(EIO)).await().error() == EIO);
    int here = 3;
    CHECK(pool.ready(here).then([](int n) { return n + 1; }).get() == 4);
}

TEST(a_timeout_scope_reports_its_own_expiry)
{
    errand::pool pool;
    errand::timeout_scope outer(1h);
    {
        errand::timeout_scope inner(1ms);
        CHECK(pool.sleep(errand::forever).await().error() == ETIMEDOUT);
        CHECK(inner.expired() && !outer.expired() && errand::cancelled() == ERRAND_BY_TOTAL);
        CHECK(inner.reschedule(2h) && !inner.expired() && errand::time_left() > 59min);
        inner.leave();
        CHECK(!inner.reschedule(1s));
    }
    CHECK(outer.reschedule(errand::forever) && errand::time_left() == errand::forever);
}

TEST(a_full_queue_refuses_or_runs_the_task_in_the_caller)
{
    errand_pool_opts opts{};
    opts.workers = 1;
    opts.queue = 1;
    opts.when_full = ERRAND_WHEN_FULL_CALLER_RUNS;
    errand::pool pool(opts);
    gate begun, go_on;
    auto held = pool.submit([&] {
        begun.open();
        go_on.wait();
    });
    begun.wait();
    auto queued = pool.submit([] {});
    CHECK(pool.try_submit([] { return 1; }).await().error() == ERRAND_EFULL);
    auto guest = pool.submit([]() -> int { throw std::out_of_range("in the caller"); });
    CHECK(guest.done());
    CHECK_THROWS(std::out_of_range, guest.get());
    go_on.open();
    held.get();
    queued.get();
    CHECK(pool.try_submit([] { return 1; }).get() == 1);
}
