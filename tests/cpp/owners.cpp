/* Ownership: a lambda, a value and a hook are destroyed exactly once, however work ends. */
#include "checks.hpp"

#include <random>
#include <thread>

using namespace std::chrono_literals;

TEST(a_lambda_that_has_returned_is_destroyed_once)
{
    counter lambdas;
    errand::pool pool;
    CHECK(pool.submit([m = mark(lambdas)] { return 7; }).get() == 7);
    CHECK(lambdas.all_ended(1));
}

TEST(a_lambda_that_has_thrown_is_destroyed_once)
{
    counter lambdas;
    errand::pool pool;
    auto f = pool.submit([m = mark(lambdas)] { throw std::runtime_error("no"); });
    CHECK(!f.await());
    CHECK(lambdas.all_ended(1));
}

TEST(a_lambda_cancelled_in_the_queue_is_destroyed_once_and_never_called)
{
    counter lambdas;
    std::atomic<bool> called{ false };
    blocked_pool b;
    auto f = b.pool.submit([m = mark(lambdas), &called] { called = true; });
    f.cancel();
    CHECK(lambdas.all_ended(1));
    auto r = f.await();
    CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_CALLER && !called);
}

TEST(destroying_a_future_cancels_its_queued_work)
{
    counter lambdas;
    std::atomic<bool> called{ false };
    {
        blocked_pool b;
        {
            auto f = b.pool.submit([m = mark(lambdas), &called] { called = true; });
        }
        CHECK(lambdas.all_ended(1));
    }
    CHECK(!called);
}

TEST(assigning_to_a_future_cancels_its_old_work)
{
    counter lambdas;
    blocked_pool b;
    auto f = b.pool.submit([m = mark(lambdas)] {});
    f = b.pool.submit([] {});
    CHECK(lambdas.all_ended(1));
    auto &same = f;
    f = std::move(same); /* self-assignment: no effect */
    CHECK(f.valid());
    f.drop();
}

TEST(destroying_a_future_cancels_its_running_work)
{
    counter lambdas;
    gate begun;
    errand::pool pool;
    {
        auto f = pool.submit([m = mark(lambdas), &begun] {
            begun.open();
            while (!errand::cancelled()) std::this_thread::yield();
        });
        begun.wait();
    }
    pool.close(errand::forever); /* would not end otherwise */
    CHECK(lambdas.all_ended(1));
}

TEST(a_dropped_futures_work_continues_and_its_value_is_freed)
{
    counter lambdas, values;
    {
        errand::pool pool;
        pool.submit([m = mark(lambdas), &values] { return mark(values); }).drop();
    }
    CHECK(lambdas.all_ended(1));
    CHECK(values.all_ended(1));
}

TEST(a_lambda_refused_for_its_options_is_destroyed_once)
{
    counter lambdas;
    errand::pool pool;
    errand::task_options wrong;
    wrong.within = -1s;
    auto r = pool.submit(wrong, [m = mark(lambdas)] {}).await();
    CHECK(r.error() == EINVAL && r.kind() == ERRAND_KIND_VALIDATION);
    CHECK(lambdas.all_ended(1));
}

TEST(a_lambda_without_a_pool_is_destroyed_once)
{
    counter lambdas;
    errand::pool none(errand::adopt, nullptr);
    CHECK(none.submit([m = mark(lambdas)] {}).await().error() == EINVAL);
    CHECK(lambdas.all_ended(1));
}

TEST(lambdas_refused_by_a_closing_pool_are_destroyed_once)
{
    counter lambdas;
    std::atomic<int> called{ 0 };
    int submitted = 0;
    blocked_pool b;
    errand_pool *raw = b.pool.raw();
    std::thread closer([&b] { CHECK(!b.pool.close(errand::forever)); });
    std::vector<errand::future<void>> fs;
    for (bool refused = false; !refused; submitted++) { /* raw is valid while the blocker runs */
        errand_task t{};
        auto *f = new auto([m = mark(lambdas), &called] { called++; });
        using lambda = std::remove_pointer_t<decltype(f)>;
        t.fn = [](void *arg) {
            (*static_cast<lambda *>(arg))();
            return errand_ok(nullptr, nullptr);
        };
        t.arg = f;
        t.free = errand::detail::free_value<lambda>;
        errand::future<void> one(errand_submit_task(raw, &t));
        refused = one.done();
        if (refused) CHECK(one.await().error() == EINVAL);
        else fs.push_back(std::move(one));
        std::this_thread::yield();
    }
    b.go_on.open();
    closer.join();
    for (auto &f : fs) CHECK(f.await());
    CHECK(called == submitted - 1);
    CHECK(lambdas.all_ended(submitted));
}

TEST(closing_a_pool_destroys_queued_lambdas_once)
{
    counter lambdas;
    std::vector<errand::future<void>> fs;
    gate begun, ended;
    {
        errand::pool pool(1);
        fs.push_back(pool.submit([m = mark(lambdas), &pool, &begun, &ended] {
            begun.open();
            auto r = pool.sleep(errand::forever).await(); /* until the pool is closed */
            CHECK(r.error() == ECANCELED && r.reason() == ERRAND_BY_SHUTDOWN);
            ended.open();
        }));
        begun.wait();
        for (int i = 0; i < 10; i++) fs.push_back(pool.submit([m = mark(lambdas)] {}));
        pool.close(2ms);
    }
    ended.wait();
    CHECK(fs.front().await());
    for (size_t i = 1; i < fs.size(); i++) {
        auto r = fs[i].await();
        CHECK(r || (r.error() == ECANCELED && r.reason() == ERRAND_BY_SHUTDOWN));
    }
    CHECK(lambdas.all_ended(11));
}

TEST(the_late_value_of_work_that_timed_out_is_freed_once)
{
    counter lambdas, values;
    {
        gate begun, go_on;
        errand::pool pool;
        auto work = pool.submit([&, m = mark(lambdas)] {
            begun.open();
            go_on.wait();
            return mark(values);
        });
        begun.wait();
        auto r = work.timeout(1ms).await();
        CHECK(r.error() == ETIMEDOUT && r.reason() == ERRAND_BY_TOTAL);
        CHECK(lambdas.ended == 0);
        go_on.open();
        pool.close(errand::forever);
    }
    CHECK(lambdas.all_ended(1));
    CHECK(values.all_ended(1));
}

TEST(a_then_is_destroyed_once_if_called_skipped_or_cancelled)
{
    counter sequels;
    std::atomic<int> called{ 0 };
    blocked_pool b;
    errand::pool other;
    CHECK(other.submit([] { return 1; })
              .then([m = mark(sequels), &called](int) { called++; })
              .await());
    CHECK(sequels.all_ended(1) && called == 1);
    CHECK(!other.submit([] { throw 1; }).then([m = mark(sequels), &called] { called++; }).await());
    CHECK(sequels.all_ended(2) && called == 1);
    auto queued = b.pool.submit([] {}).then([m = mark(sequels), &called](errand::result<void> r) {
        called += r.error() == ECANCELED ? 10 : 100;
    });
    queued.cancel();
    b.go_on.open();
    (void)queued.await();
    CHECK(sequels.all_ended(3) && called == 11);
}

TEST(a_then_of_a_closed_pool_is_called_and_destroyed_once)
{
    counter sequels;
    errand::future<int> f;
    {
        errand::pool pool;
        f = pool.submit([] { return 3; });
    }
    CHECK(f.then([m = mark(sequels)](int three) { return three + 1; }).get() == 4);
    CHECK(sequels.all_ended(1));
}

TEST(a_then_of_an_empty_future_is_destroyed_once)
{
    counter sequels;
    errand::future<int> none;
    CHECK(none.then([m = mark(sequels)](int) {}).await().error() == EINVAL);
    CHECK(sequels.all_ended(1));
}

TEST(a_lambda_whose_move_throws_is_not_submitted)
{
    struct stubborn {
        stubborn() = default;
        stubborn(const stubborn &) { throw std::length_error("it stays"); }
        void operator()() const {}
    } f;
    errand::pool pool;
    CHECK_THROWS(std::length_error, pool.submit(f));
    CHECK(pool.wait_idle(errand::forever));
}

TEST(a_retried_lambda_is_destroyed_once)
{
    counter lambdas, values;
    errand::pool pool;
    errand::policy_options options;
    options.attempts = 3;
    options.initial = 1ms;
    errand::policy policy(std::move(options));
    int calls = 0;
    auto f = pool.run(policy, [&, m = mark(lambdas)] {
        if (++calls < 3) throw std::system_error(ECONNRESET, std::generic_category());
        return mark(values);
    });
    {
        auto r = f.await();
        CHECK(r && calls == 3 && errand_result_attempts(&r.raw()) == 3);
    }
    CHECK(lambdas.all_ended(1));
    CHECK(values.all_ended(1));
}

TEST(the_value_of_a_promise_that_was_cancelled_is_freed_once)
{
    counter values;
    errand::pool pool;
    errand::promise<mark> p(pool);
    auto f = p.get_future();
    f.cancel();
    CHECK(p.cancelled() == ERRAND_BY_CALLER);
    p.set(values);
    CHECK(values.all_ended(1));
    CHECK(f.await().error() == ECANCELED);
}

TEST(a_hook_outlives_its_own_resolve_and_is_destroyed_once)
{
    counter hooks;
    errand::pool pool;
    errand::promise<int> p(pool);
    auto f = p.get_future();
    auto m = std::make_shared<mark>(hooks);
    p.on_cancel([m = std::move(m), &p, &hooks] {
        p.set(5);
        CHECK(hooks.ended == 0); /* this lambda still exists */
    });
    f.cancel();
    CHECK(f.get() == 5);
    CHECK(hooks.all_ended(1));
}

TEST(c_values_are_freed_by_their_own_free_function)
{
    static std::atomic<int> freed;
    freed = 0;
    errand::pool pool;
    auto make = [] {
        return errand::handle<int>(new int(4), [](void *p) {
            delete static_cast<int *>(p);
            freed++;
        });
    };
    {
        errand::future<errand::handle<int>> f = pool.submit(make);
        errand::handle<int> four = f.get();
        CHECK(four && *four.get() == 4 && freed == 0);
        four = pool.submit(make).get();
        CHECK(freed == 1);
    }
    CHECK(freed == 2);
    pool.submit(make).drop();
    CHECK(pool.wait_idle(errand::forever));
    pool.close(errand::forever);
    CHECK(freed == 3);
}

TEST(c_futures_can_be_adopted_and_released)
{
    errand::pool pool;
    errand::future<void> f(errand_sleep(pool.raw(), 0));
    errand_future *raw = f.release();
    CHECK(!f.valid() && raw);
    errand::future<int> g = errand::future<void>(raw).then([] { return 2; });
    errand_result r = errand_await(g.release()); /* in C the value is a pointer */
    CHECK(!r.error && *static_cast<int *>(r.value) == 2);
    errand_result_free(&r);
    /* it holds no int */
    CHECK(errand::future<int>(errand_sleep(pool.raw(), 0)).await().error() == EINVAL);
}

TEST(lambda_and_value_are_destroyed_once_however_work_ends)
{
    counter lambdas, values;
    const int rounds = static_cast<int>(4000 * test_scale()), threads = 4;
    std::atomic<int> called{ 0 };
    {
        errand::pool pool(3);
        std::vector<std::thread> all;
        for (int t = 0; t < threads; t++) {
            all.emplace_back([&, t] {
                std::minstd_rand random(static_cast<unsigned>(t + 1));
                for (int i = 0; i < rounds; i++) {
                    auto f = pool.submit([m = mark(lambdas), &called, &values,
                                          fails = random() % 4 == 0] {
                        called++;
                        if (fails) throw std::runtime_error("as planned");
                        return mark(values);
                    });
                    switch (random() % 7) {
                    case 0: (void)f.await(); break;
                    case 1: f.drop(); break;
                    case 2: f.cancel(); break;
                    case 3: (void)f.timeout(0ms).await(); break;
                    case 4: f.then([](errand::result<mark> r) { return r; }).drop(); break;
                    case 5: f.then([](mark m) { return m; }).cancel(); break;
                    default: break; /* destroyed */
                    }
                }
            });
        }
        for (auto &t : all) t.join();
    }
    CHECK(lambdas.all_ended(threads * rounds));
    CHECK(values.objects == 0);
    CHECK(called <= threads * rounds && values.ended <= called);
}
