/* errand::scope: clean-ups as lambdas and owned objects, with exceptions. */
#include "checks.hpp"

using namespace std::chrono_literals;

TEST(a_scope_runs_its_lambdas_last_first)
{
    std::string seen;
    counter lambdas;
    {
        errand::scope scope;
        scope.defer([&, m = mark(lambdas)] { seen += 'a'; });
        scope.on_error([&, m = mark(lambdas)] { seen += 'e'; });
        scope.on_success([&, m = mark(lambdas)] { seen += 's'; });
        scope.defer([&, m = mark(lambdas)] { seen += 'b'; });
        CHECK(seen.empty());
    }
    CHECK(seen == "bsa");
    CHECK(lambdas.all_ended(4));
}

TEST(an_exception_that_leaves_a_scope_is_a_failure_to_it)
{
    std::string seen;
    try {
        errand::scope scope;
        scope.on_error([&] { seen += 'e'; });
        scope.on_success([&] { seen += 's'; });
        throw std::runtime_error("no");
    } catch (const std::runtime_error &) {
        seen += 'c';
    }
    CHECK(seen == "ec");
}

TEST(what_a_clean_up_throws_is_the_scopes_failure)
{
    bool ran = false;
    errand::scope_options options;
    options.name = "app";
    errand::scope scope(options);
    scope.defer([&] { ran = true; });
    scope.defer([] { throw std::runtime_error("cannot unlock"); }, "lock");
    auto r = scope.close();
    CHECK(ran && !r);
    CHECK(std::string(r.message()).find("app: lock: ") == 0);
    CHECK_THROWS(std::runtime_error, r.get());
    CHECK(!scope.close()); /* closed already */
}

TEST(a_scope_owns_objects_until_they_are_dismissed)
{
    counter objects;
    {
        errand::scope scope;
        mark &a = scope.own("a", std::make_unique<mark>(objects));
        CHECK(scope.get<mark>("a") == &a);
        CHECK(scope.get<mark>("b") == nullptr);
        CHECK_THROWS(errand::error, scope.own("a", std::make_unique<mark>(objects)));
        CHECK(objects.ended == 1);
        scope.own("b", std::make_unique<mark>(objects));
        std::unique_ptr<mark> b(scope.dismiss<mark>("b"));
        CHECK(b && objects.ended == 1);
        CHECK_THROWS(errand::error, scope.dismiss("b"));
    }
    CHECK(objects.all_ended(3));
}

TEST(a_scope_awaits_and_owns_a_value)
{
    counter values;
    errand::pool pool;
    {
        errand::scope_options options;
        options.pool = pool.raw();
        errand::scope scope(options);
        scope.await("v", pool.submit([&] { return mark(values); }));
        CHECK(scope.get<mark>("v") && values.objects >= 1);
        CHECK_THROWS(std::runtime_error, scope.await("w", pool.submit([]() -> int {
            throw std::runtime_error("no");
        })));
        scope.adopt(pool.submit([&] { return 7; }));
    }
    CHECK(values.objects == 0);
}

TEST(a_scope_hands_over_to_another)
{
    std::string seen;
    errand::scope outer;
    {
        errand::scope inner;
        inner.defer([&] { seen += 'i'; });
        inner.move_to(outer);
    }
    CHECK(seen.empty());
    CHECK(outer.close(std::make_exception_ptr(std::runtime_error("no"))).exception());
    CHECK(seen == "i");
}
