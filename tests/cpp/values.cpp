/* Values of any movable type, exceptions as they were thrown, errors with their details. */
#include "checks.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <random>
#include <unistd.h>

using namespace std::chrono_literals;

TEST(a_value_is_returned_as_its_type)
{
    errand::pool pool;
    CHECK(pool.submit([] { return std::string("words"); }).get() == "words");
    int n = 3;
    /* a reference is returned as a copy */
    errand::future<int> copied = pool.submit([&n]() -> int & { return n; });
    CHECK(copied.get() == 3);
    pool.submit([&n] { n = 4; }).get();
    CHECK(n == 4);
}

TEST(move_only_values_and_lambdas_are_moved)
{
    errand::pool pool;
    auto f = pool.submit([p = std::make_unique<int>(7)]() mutable { return std::move(p); });
    std::unique_ptr<int> p = f.then([q = std::make_unique<int>(1)](std::unique_ptr<int> seven) {
                                  *seven += *q;
                                  return seven;
                              }).get();
    CHECK(p && *p == 8);
    CHECK(!f.valid());
}

TEST(files_are_read_and_written_as_strings)
{
    auto folder = std::filesystem::temp_directory_path() /
                  ("errand-cpp-" + std::to_string(std::random_device()()));
    std::filesystem::create_directory(folder);
    std::string path = folder / "file", copy = folder / "copy";
    errand::pool pool;
    pool.file_replace(path, std::string(100000, 'x')).get();
    errand_file_opts secret{};
    secret.mode = 0600;
    pool.file_append(path, "end", secret).get();
    errand::file_content content = pool.file_read(path).get();
    CHECK(std::string(content->data, content->size) == std::string(100000, 'x') + "end");
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(pool.file_copy_from(copy, fd).get()->size == 100003);
    close(fd);
    fd = open(copy.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK(pool.file_copy_to(path, fd).get()->size == 100003);
    close(fd);
    auto none = pool.file_read(folder / "none").await();
    CHECK(none.error() == ENOENT);
    CHECK(std::string(none.message()).find("none: open: No such file") != std::string::npos);
    std::filesystem::remove_all(folder);
}

TEST(a_value_keeps_its_alignment)
{
    struct alignas(128) wide {
        std::array<char, 256> bytes;
    };
    errand::pool pool;
    auto r = pool.submit([] { return wide{}; }).await();
    CHECK(r && reinterpret_cast<std::uintptr_t>(&*r) % 128 == 0);
}

TEST(a_lambda_may_return_a_result_instead_of_throwing)
{
    errand::pool pool;
    auto half = [](int n) {
        return n % 2 ? errand::result<int>::fail(EDOM, "an odd number")
                     : errand::result<int>(n / 2);
    };
    CHECK(pool.submit([&] { return half(8); }).get() == 4);
    auto r = pool.submit([&] { return half(7); }).await();
    CHECK(r.error() == EDOM && r.kind() == ERRAND_KIND_VALIDATION &&
          r.message() == std::string("an odd number"));
    CHECK(r.code() == std::errc::argument_out_of_domain);
    CHECK(!r.exception());
}

TEST(get_throws_an_error_with_all_details)
{
    errand::pool pool;
    auto f = pool.submit([] { return errand::result<void>::fail(ECONNRESET, "the line is dead"); });
    try {
        f.get();
        FAIL("get has returned");
    } catch (const std::system_error &caught) {
        auto &e = dynamic_cast<const errand::error &>(caught);
        errand::error copy = e; /* copies share the details */
        CHECK(copy.code() == std::errc::connection_reset && copy.number() == ECONNRESET);
        CHECK(copy.kind() == ERRAND_KIND_NETWORK && copy.reason() == ERRAND_BY_NONE);
        CHECK(copy.what() == std::string("the line is dead"));
        CHECK(errand_result_transient(&copy.raw()));
    }
}

TEST(errors_beyond_errno_have_their_own_category)
{
    std::error_code late = errand::make_code(ERRAND_ELATE),
                    http = errand::make_code(ERRAND_HTTP + 503);
    CHECK(late.category() == errand::category() && late.category().name() == std::string("errand"));
    CHECK(http.message() == "HTTP 503");
    CHECK(errand::make_code(ENOENT) == std::errc::no_such_file_or_directory);
    CHECK(!errand::make_code(0));
}

struct mishap : std::exception {
    int where;
    char padding[40] = "";
    explicit mishap(int at) : where(at) {}
    const char *what() const noexcept override { return "a mishap"; }
};

TEST(get_rethrows_the_same_exception)
{
    errand::pool pool;
    const void *thrown = nullptr;
    auto f = pool.submit([&thrown]() -> int {
        try {
            throw mishap(12);
        } catch (mishap &m) {
            thrown = &m;
            throw;
        }
    });
    try {
        f.get();
        FAIL("get has returned");
    } catch (const mishap &m) {
        CHECK(m.where == 12 && &m == thrown);
    }
}

TEST(await_returns_an_exception_as_a_result)
{
    errand::pool pool;
    auto r = pool.submit([] { throw mishap(1); }).await();
    CHECK(!r && r.error() == errand::threw && r.message() == std::string("a mishap"));
    CHECK(r.exception() != nullptr);
    CHECK_THROWS(mishap, r.get());
    CHECK_THROWS(mishap, r.get()); /* repeatable */
}

TEST(an_exception_is_mapped_to_an_error_code)
{
    errand::pool pool;
    auto number_of = [&pool](auto exception) {
        auto r = pool.submit([exception] { throw exception; }).await();
        CHECK_THROWS(decltype(exception), r.get());
        return r.error();
    };
    CHECK(number_of(std::system_error(EPIPE, std::generic_category())) == EPIPE);
    CHECK(number_of(std::system_error(EACCES, std::system_category())) == EACCES);
    CHECK(number_of(std::filesystem::filesystem_error(
              "f", std::make_error_code(std::errc::file_exists))) == EEXIST);
    /* never a success */
    CHECK(number_of(std::system_error(0, std::generic_category())) == errand::threw);
    CHECK(number_of(std::system_error(std::make_error_code(std::future_errc::no_state))) ==
          errand::threw);
    CHECK(number_of(std::bad_alloc()) == ENOMEM);
    CHECK(number_of(errand::error(ERRAND_HTTP + 404, "no such page")) == ERRAND_HTTP + 404);
    CHECK(number_of(std::out_of_range("far")) == errand::threw);
    CHECK(number_of(42) == errand::threw);
}

TEST(a_rethrown_error_keeps_kind_and_retry_after)
{
    errand::pool pool;
    auto outer = pool.submit([&pool] {
        auto fn = [](void *) {
            return errand_fail_as(ERRAND_HTTP + 429, ERRAND_KIND_RATE_LIMITED, 250, true, "slowly");
        };
        errand::future<void>(errand_submit(pool.raw(), fn, nullptr)).get();
    });
    auto r = outer.await();
    CHECK(r.error() == ERRAND_HTTP + 429 && r.kind() == ERRAND_KIND_RATE_LIMITED);
    CHECK(r.message() == std::string("slowly"));
    CHECK(errand_result_retry_after(&r.raw()) == 250 && errand_result_may_have_run(&r.raw()));
}

TEST(an_exception_passes_through_a_chain)
{
    errand::pool pool;
    auto f = pool.submit([]() -> int { throw mishap(3); })
                 .then([](int n) { return n + 1; })
                 .then([&pool](int n) { return pool.submit([n] { return n; }); })
                 .timeout(1h);
    CHECK_THROWS(mishap, f.get());
    auto nested =
        pool.submit([&pool] { return pool.submit([]() -> int { throw mishap(4); }).get(); });
    CHECK_THROWS(mishap, nested.get());
}

TEST(any_duration_is_rounded_up_to_milliseconds)
{
    auto ms = [](errand::duration d) { return d.ms; };
    CHECK(ms(1ns) == 1 && ms(1ms) == 1 && ms(1001us) == 2 && ms(2s) == 2000);
    CHECK(ms(0s) == 0 && ms(-5s) == 0 && ms(errand::zero) == 0);
    CHECK(ms(errand::forever) == ERRAND_FOREVER && ms(std::chrono::hours::max()) == ERRAND_FOREVER);
    CHECK(ms(std::chrono::hours::min()) == 0);
    CHECK(ms(std::chrono::duration<double>(0.0101)) == 11);
    CHECK(ms(std::chrono::duration<double>(1e300)) == ERRAND_FOREVER);
}

TEST(an_empty_future_is_a_failed_future)
{
    errand::future<int> none;
    CHECK(none.done() && none.wait_for(0s));
    none.cancel();
    CHECK(none.await().error() == EINVAL);
    CHECK_THROWS(errand::error, none.get());
    CHECK(none.timeout(1s).await().error() == EINVAL);
    errand::pool pool;
    auto later = pool.submit([] { return errand::future<int>(); });
    CHECK(later.await().error() == EINVAL);
}

TEST(a_failed_constructor_throws_the_error)
{
    errand::pool pool;
    CHECK_THROWS(errand::error, errand::semaphore(pool, 0));
    CHECK_THROWS(errand::error, errand::rate(pool, -1.0));
    CHECK_THROWS(errand::error, errand::pool(10000000));
    errand::policy_options wrong;
    wrong.multiplier = 0.5;
    try {
        errand::policy policy(std::move(wrong));
        FAIL("the policy was made");
    } catch (const errand::error &e) {
        CHECK(e.code() == std::errc::invalid_argument &&
              std::string(e.what()).find("multiplier") != std::string::npos);
    }
}
