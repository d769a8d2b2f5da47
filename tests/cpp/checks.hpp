/* Shared by the tests of errand.hpp: registered tests, objects that count their ends, a gate. */
#ifndef CHECKS_HPP
#define CHECKS_HPP

#include <errand.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>

/* TEST(a_name_that_states_the_behaviour) { CHECK(condition); } */
struct test {
    const char *name;
    void (*run)();
    test *next;
    test(const char *called, void (*fn)());
};
#define TEST(name)                                                                                 \
    static void name();                                                                            \
    static test registered_##name(#name, name);                                                    \
    static void name()
#define CHECK(what) check(static_cast<bool>(what), #what, __FILE__, __LINE__)
#define FAIL(what)  check(false, what, __FILE__, __LINE__)
void check(bool holds, const char *what, const char *file, int line);

/* `work` must throw an E. */
#define CHECK_THROWS(E, work)                                                                      \
    do {                                                                                           \
        bool thrown_ = false;                                                                      \
        try {                                                                                      \
            (void)(work);                                                                          \
        } catch (const E &) {                                                                      \
            thrown_ = true;                                                                        \
        }                                                                                          \
        if (!thrown_) FAIL(#work " did not throw " #E);                                            \
    } while (0)

double test_scale(); /* ERRAND_TEST_SCALE */

/* A mark is moved, never copied, and ends once. The counter counts ended marks and live objects,
 * moved-from ones included. */
struct counter {
    std::atomic<int> ended{ 0 }, objects{ 0 };
    bool all_ended(int n) const { return ended == n && objects == 0; }
};
class mark {
    counter *of_, *home_; /* of_: NULL when moved from */

public:
    explicit mark(counter &of) : of_(&of), home_(&of) { of.objects++; }
    mark(mark &&from) noexcept : of_(std::exchange(from.of_, nullptr)), home_(from.home_)
    {
        home_->objects++;
    }
    mark &operator=(mark &&) = delete;
    ~mark()
    {
        if (of_) of_->ended++;
        home_->objects--;
    }
};

/* Shut until it is opened. */
class gate {
    std::mutex lock_;
    std::condition_variable opened_;
    bool open_ = false;

public:
    void open()
    {
        std::lock_guard<std::mutex> held(lock_);
        open_ = true;
        opened_.notify_all();
    }
    void wait()
    {
        std::unique_lock<std::mutex> held(lock_);
        opened_.wait(held, [this] { return open_; });
    }
};

/* Keeps a pool's only worker busy until the gate is opened, so that later
 * tasks stay in the queue. */
struct blocked_pool {
    gate begun, go_on;
    errand::pool pool{ 1 };
    errand::future<void> blocker = pool.submit([this] {
        begun.open();
        go_on.wait();
    });
    blocked_pool() { begun.wait(); }
    ~blocked_pool()
    {
        go_on.open();
        blocker.drop();
    }
};

#endif
