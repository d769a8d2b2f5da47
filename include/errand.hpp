/* errand.hpp -- errand in C++17 and later: owners that end what they own, values with types,
 * exceptions that come back.
 *
 *     errand::pool pool;
 *     errand::future<int> f = pool.submit([] { return 6 * 7; });   on a thread of the pool
 *     std::cout << f.get() << '\n';                     42, or throws what the lambda threw
 *
 * Header only: a thin layer over errand.h; the terms, rules and tables of that hold here too; link
 * with liberrand. What follows says what is different. errand-cpp(7) has C and C++ side by side.
 *
 * Owners. Every owner is move-only and owns one thing of the C interface. raw() lends it,
 * release() gives it away, and a constructor takes it over; a promise alone keeps its own. A
 * destructor ends it: *a future's cancels and drops* (future::drop lets the work continue), a
 * promise's abandons, a pool's waits for its tasks, a log's writes what is left, a permit's
 * releases. A lambda is moved into one heap object and destroyed exactly once: when it has
 * returned for the last time, or when it is certain that it will never run; on any thread.
 * Members that return a future consume the one they are called on, as get, await and drop do; an
 * empty future is a failed one (EINVAL), not undefined behaviour.
 *
 * Errors. What returns a future does not throw, except what copying or moving its arguments throws,
 * std::bad_alloc included, before anything is begun; what cannot be started is a failed future.
 * Constructors of owners throw errand::error, except a promise's: its future fails. future::get
 * throws; future::await returns a result<T>, in which the error is a value. An exception that
 * leaves a lambda becomes the error of its future, and get() rethrows that very exception. As a
 * number it is: the errno of a std::system_error (generic or system category), ENOMEM for
 * std::bad_alloc, the number of an errand::error, else errand::threw with what() as message.
 * Policies and C code see that number. An error in a cancelled task comes out as ECANCELED, with
 * the task's own error as its cause (errand_result_cause).
 *
 * Threads. Pools, logs, policies, semaphores and rates: any thread, any time, except construction
 * and destruction. Futures, promises and results: one thread at a time, as with any value. Lambdas
 * run on a pool's threads.
 *
 * Time. Arguments are any std::chrono::duration, rounded up to milliseconds; a negative one has
 * passed: 0. Options are milliseconds as in C: 0 is the option's default, errand::zero really zero,
 * errand::forever no limit.
 *
 * C++20. co_await on futures, errand::task<T>, std::stop_token: at the end of this file. */
#ifndef ERRAND_HPP
#define ERRAND_HPP

#include <errand.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if __cplusplus >= 202002L
#if defined(__cpp_impl_coroutine) && __has_include(<coroutine>)
#include <coroutine>
#define ERRAND_HAS_COROUTINES 1
#endif
#if __has_include(<stop_token>)
#include <stop_token>
#ifdef __cpp_lib_jthread
#define ERRAND_HAS_STOP_TOKEN 1
#endif
#endif
#endif

/* default visibility: an exception thrown in one shared library is known in another */
#pragma GCC visibility push(default)
namespace errand {

template <class T> class future;
template <class T> class result;
template <class T> class task; /* C++20 */

/* ---- time ---- */

inline constexpr std::chrono::milliseconds forever{ ERRAND_FOREVER };
inline constexpr std::chrono::milliseconds zero{ ERRAND_ZERO };

struct duration { /* any std::chrono::duration, as C takes it */
    int64_t ms;
    template <class Rep, class Period> duration(const std::chrono::duration<Rep, Period> &d) : ms(0)
    {
        auto about = std::chrono::duration<long double, std::milli>(d).count();
        if (!(about < 9.2e18L)) ms = ERRAND_FOREVER; /* not a number, too */
        else if (about > 0)
            ms = static_cast<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
    }
};

/* Inside a task: why it was cancelled (ERRAND_BY_NONE: it was not); what is
 * left until its deadline. */
inline errand_reason cancelled() noexcept { return errand_cancelled(); }
inline std::chrono::milliseconds time_left() noexcept
{
    return std::chrono::milliseconds(errand_time_left());
}

/* errand_enter and errand_leave around a scope: blocking calls of the library in it end with
 * ETIMEDOUT when `within` is over, and with shield ignore a cancel of the task. In one thread; not
 * across a co_await. */
class timeout_scope {
    errand_frame frame_{};

public:
    explicit timeout_scope(duration within, bool shield = false) noexcept
    {
        errand_enter(&frame_, within.ms, shield);
    }
    timeout_scope(const timeout_scope &) = delete;
    timeout_scope &operator=(const timeout_scope &) = delete;
    ~timeout_scope() { leave(); }
    void leave() noexcept { errand_leave(&frame_); } /* sooner than at the end of the scope */
    /* false: it was left */
    bool reschedule(duration within) noexcept { return !errand_reschedule(&frame_, within.ms); }
    /* this deadline has ended a call, not an outer one */
    bool expired() const noexcept { return errand_expired(&frame_); }
};

/* ---- errors ---- */

/* the number of an exception that has none of its own */
inline constexpr int threw = ERRAND_USER + 1;

/* The codes beyond errno: HTTP, curl, user, refused. errno values are in
 * std::generic_category(). */
inline const std::error_category &category() noexcept
{
    static const struct : std::error_category {
        const char *name() const noexcept override { return "errand"; }
        std::string message(int error) const override { return errand_strerror(error); }
    } one;
    return one;
}
inline std::error_code make_code(int error) noexcept
{
    return { error, error >= 0 && error < ERRAND_HTTP ? std::generic_category() : category() };
}

namespace detail {
struct held { /* ends an errand_result on the way out */
    errand_result r{};
    explicit held(errand_result in = {}) noexcept : r(in) {}
    held(held &&from) noexcept : r(std::exchange(from.r, errand_result{})) {}
    held &operator=(held &&from) noexcept
    {
        std::swap(r, from.r);
        return *this;
    }
    ~held() { errand_result_free(&r); }
};
struct failure { /* what the copies of an error share */
    held end;
    std::string message;
};
} // namespace detail

/* What get() throws when a future ended with an error that was no exception: a
 * std::system_error, with the whole story. Copies share it. code() ==
 * std::errc::timed_out and the like work. */
class error : public std::system_error {
    std::shared_ptr<const detail::failure> failure_;
    static std::shared_ptr<const detail::failure> share(errand_result r)
    {
        detail::held end(r);
        std::string message = errand_result_message(&r);
        return std::make_shared<const detail::failure>(detail::failure{
            std::move(end), std::move(message) });
    }

public:
    explicit error(errand_result r) /* owns r */
        : std::system_error(make_code(r.error)), failure_(share(r))
    {}
    error(int number, const std::string &message)
        : error(errand_failf(number, "%s", message.c_str()))
    {}

    const char *what() const noexcept override { return failure_->message.c_str(); }
    int number() const noexcept { return failure_->end.r.error; }
    errand_kind kind() const noexcept { return errand_result_kind(&raw()); }
    errand_reason reason() const noexcept { return errand_result_reason(&raw()); }
    /* phase, attempts, causes: errand_result_... */
    const errand_result &raw() const noexcept { return failure_->end.r; }
};

/* ---- owners ---- */

/* pool(errand::adopt, c_pool): takes over what C code made */
inline constexpr struct adopt_t {
} adopt{};

template <class C, void (*End)(C *)> class owner {
    C *at_ = nullptr;

protected:
    /* what a C constructor returned, and what was wrong */
    explicit owner(std::pair<C *, const char *> made) : at_(made.first)
    {
        if (!at_ && made.second) throw error(errno, made.second);
        if (!at_) throw error(errand_fail(errno));
    }

public:
    owner(adopt_t, C *at) noexcept : at_(at) {}
    owner(owner &&from) noexcept : at_(from.release()) {}
    owner &operator=(owner &&from) noexcept
    {
        owner gone(std::move(from));
        std::swap(at_, gone.at_);
        return *this;
    }
    ~owner()
    {
        if (at_) End(at_);
    }
    C *raw() const noexcept { return at_; }
    C *release() noexcept { return std::exchange(at_, nullptr); }
    explicit operator bool() const noexcept { return at_; }
};

/* A value that C code made, with its own free function: what a future<handle<C>> ends with. */
template <class C> class handle {
    errand_result r_{};

public:
    handle() noexcept = default;
    explicit handle(C *at, errand_free_fn *free) noexcept : r_(errand_ok(at, free)) {}
    /* takes the value out of r */
    handle(adopt_t, errand_result &r) noexcept : r_{ 0, r.value, r.free, r.owner, nullptr }
    {
        r.value = r.owner = nullptr;
        r.free = nullptr;
    }
    handle(handle &&from) noexcept : r_(from.release()) {}
    handle &operator=(handle &&from) noexcept
    {
        handle gone(std::move(from));
        std::swap(r_, gone.r_);
        return *this;
    }
    ~handle() { reset(); }
    C *get() const noexcept { return static_cast<C *>(r_.value); }
    C *operator->() const noexcept { return get(); }
    explicit operator bool() const noexcept { return r_.value; }
    void reset() noexcept { errand_result_free(&r_); }
    errand_result release() noexcept { return std::exchange(r_, errand_result{}); }
};
/* of a semaphore; given back by reset() or at the end of its life */
using permit = handle<errand_permit>;
/* of a lease pool; released likewise */
using lease = handle<errand_lease>;
/* what is lent */
template <class R> R &resource_of(const lease &lent) noexcept
{
    return *static_cast<R *>(errand_lease_resource(lent.get()));
}

/* ---- how values and exceptions travel ----
 * A T is made by new and is the `value` of a success; a handle<C> is a C value as it is; void
 * has none. A caught exception is the `value` of a failure, known by its free function. */

namespace detail {
template <class T> void free_value(void *value) noexcept { delete static_cast<T *>(value); }

struct caught {
    std::exception_ptr exception;
    errand_reason reason; /* of an errand::error */
    static void free(void *at) noexcept { delete static_cast<caught *>(at); }
};

inline std::exception_ptr exception_of(const errand_result &r) noexcept
{
    return r.error && r.free == caught::free ? static_cast<caught *>(r.owner)->exception : nullptr;
}
inline errand_reason reason_of(const errand_result &r) noexcept
{
    errand_reason reason = errand_result_reason(&r);
    return !reason && r.error && r.free == caught::free
               ? static_cast<caught *>(r.owner)->reason
               : reason;
}

inline errand_result failure_of(std::exception_ptr exception) noexcept
{
    errand_result r{};
    errand_reason reason = ERRAND_BY_NONE;
    if (!exception) return errand_failf(threw, "an exception was announced and none was given");
    try {
        std::rethrow_exception(exception);
    } catch (const error &e) {
        reason = e.reason();
        r = errand_fail_as(e.number(), e.kind(), errand_result_retry_after(&e.raw()),
                           errand_result_may_have_run(&e.raw()), "%s", e.what());
    } catch (const std::system_error &e) {
        bool known = e.code().category() == std::generic_category() ||
                     e.code().category() == std::system_category();
        int error = known && e.code().value() > 0 && e.code().value() < ERRAND_HTTP
                        ? e.code().value()
                        : threw;
        r = errand_failf(error, "%s", e.what());
    } catch (const std::bad_alloc &) {
        r = errand_fail(ENOMEM);
    } catch (const std::exception &e) {
        r = errand_failf(threw, "%s", e.what());
    } catch (...) {
        r = errand_failf(threw, "an exception that is no std::exception");
    }
    r.owner = r.value = new (std::nothrow) caught{ std::move(exception), reason };
    r.free = r.value ? caught::free : nullptr;
    return r;
}

template <class T> using plain = std::remove_cv_t<std::remove_reference_t<T>>;
template <class T> struct carried {
    using type = T;
};
template <class T> struct carried<future<T>> {
    using type = T;
};
template <class T> struct carried<result<T>> {
    using type = T;
};
template <class T> struct carried<task<T>> {
    using type = T;
};
/* the T of what a lambda returns */
template <class R> using carried_t = typename carried<plain<R>>::type;
template <class T> inline constexpr bool is_future = false;
template <class T> inline constexpr bool is_future<future<T>> = true;
template <class T> inline constexpr bool is_task = false;
template <class T> inline constexpr bool is_task<task<T>> = true;
/* its release() is an errand_result */
template <class T> inline constexpr bool packs_itself = false;
template <class T> inline constexpr bool packs_itself<result<T>> = true;
template <class C> inline constexpr bool packs_itself<handle<C>> = true;
template <class T> inline constexpr bool is_handle = false;
template <class C> inline constexpr bool is_handle<handle<C>> = true;

template <class F, class... A> errand_result begin_task(F f, A... in); /* C++20, below */

/* Calls f and makes its end an errand_result. */
template <class F, class... A> errand_result run(F &&f, A &&...in) noexcept
{
    using R = plain<std::invoke_result_t<F, A...>>;
    try {
        if constexpr (std::is_void_v<R>) {
            std::invoke(std::forward<F>(f), std::forward<A>(in)...);
            return errand_ok(nullptr, nullptr);
        } else if constexpr (is_future<R>) {
            return errand_later(std::invoke(std::forward<F>(f), std::forward<A>(in)...).release());
        } else if constexpr (is_task<R>) {
            return begin_task<plain<F>, plain<A>...>(std::forward<F>(f), std::forward<A>(in)...);
        } else if constexpr (packs_itself<R>) {
            return std::invoke(std::forward<F>(f), std::forward<A>(in)...).release();
        } else {
            return errand_ok(new R(std::invoke(std::forward<F>(f), std::forward<A>(in)...)),
                             free_value<R>);
        }
    } catch (...) {
        return failure_of(std::current_exception());
    }
}

/* A lambda on the heap, as C calls it. */
template <class F> errand_result run_once(void *f) noexcept
{
    return run(std::move(*static_cast<F *>(f)));
}
template <class F> errand_result run_again(void *f) noexcept { return run(*static_cast<F *>(f)); }
} // namespace detail

/* ---- result: how it ended ---- */

/* An error, or a T. Also what a lambda returns to fail without throwing: `return
 * errand::result<int>::fail(EAGAIN)`. */
template <class T> class [[nodiscard]] result {
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
    detail::held end_; /* a failure whole; of a success all but the value */
    std::optional<stored> value_;

public:
    /* Takes r over. Throws only what moving a T throws. */
    explicit result(errand_result r) : end_(r)
    {
        if (r.error) return;
        if constexpr (std::is_void_v<T>) {
            value_.emplace();
        } else if constexpr (detail::is_handle<T>) {
            value_.emplace(adopt, end_.r);
        } else if (!r.value) {
            end_ = detail::held(
                errand_failf(EINVAL, "a future without a value was taken for one with a value"));
            return;
        } else {
            value_.emplace(std::move(*static_cast<T *>(r.value)));
        }
        if (end_.r.free) end_.r.free(end_.r.owner);
        end_.r.value = end_.r.owner = nullptr;
        end_.r.free = nullptr;
    }
    template <class V = stored,
              std::enable_if_t<std::is_constructible_v<stored, V> && !std::is_void_v<T> &&
                                   !std::is_same_v<detail::plain<V>, errand_result>,
                               int> = 0>
    explicit result(V &&value) : value_(std::forward<V>(value))
    {}
    static result fail(int error) { return result(errand_fail(error ? error : EINVAL)); }
    static result fail(int error, const char *message)
    {
        return result(errand_failf(error, "%s", message));
    }

    explicit operator bool() const noexcept { return !error(); }
    int error() const noexcept { return end_.r.error; } /* 0: it went well */
    std::error_code code() const noexcept { return make_code(error()); }
    errand_kind kind() const noexcept { return errand_result_kind(&end_.r); }
    errand_reason reason() const noexcept { return detail::reason_of(end_.r); }
    /* a fallback's value */
    bool degraded() const noexcept { return errand_result_degraded(&end_.r); }
    /* lives as long as this */
    const char *message() const noexcept { return errand_result_message(&end_.r); }
    /* null: it was none */
    std::exception_ptr exception() const noexcept { return detail::exception_of(end_.r); }
    /* for errand_result_attempt and the like; no value */
    const errand_result &raw() const noexcept { return end_.r; }

    /* The value; of a failure, undefined as with std::optional. */
    stored &operator*() noexcept { return *value_; }
    const stored &operator*() const noexcept { return *value_; }
    stored *operator->() noexcept { return &*value_; }
    const stored *operator->() const noexcept { return &*value_; }

    /* Moves the value out, or throws: the exception that the work threw, or errand::error,
     * which takes the story. */
    T get()
    {
        if (auto thrown = exception()) std::rethrow_exception(thrown);
        if (int number = error()) throw errand::error(std::exchange(end_.r, errand_fail(number)));
        if constexpr (!std::is_void_v<T>) return std::move(*value_);
    }

    /* As C has it. May throw std::bad_alloc. */
    errand_result release()
    {
        errand_result r = end_.r;
        if constexpr (detail::is_handle<T>) {
            if (!r.error) {
                errand_result value = value_->release();
                value.detail = r.detail;
                r = value;
            }
        } else if constexpr (!std::is_void_v<T>) {
            if (!r.error) {
                r.value = r.owner = new T(std::move(*value_));
                r.free = detail::free_value<T>;
            }
        }
        end_.r = errand_result{};
        return r;
    }
};

/* ---- future: a result on its way ---- */

namespace detail {
template <class T, class F> inline constexpr bool takes_value = std::is_invocable_v<F, T>;
template <class F> inline constexpr bool takes_value<void, F> = std::is_invocable_v<F>;
template <class T, class F, bool = takes_value<T, F>> struct sequel_of
    : std::invoke_result<F, result<T>> {};
template <class T, class F> struct sequel_of<T, F, true> : std::invoke_result<F, T> {};
template <class F> struct sequel_of<void, F, true> : std::invoke_result<F> {};

template <class T, class F> errand_result run_sequel(errand_result in, void *arg) noexcept
{
    std::unique_ptr<F> f(static_cast<F *>(arg));
    if (takes_value<T, F> && in.error) return in;
    try {
        result<T> r(in);
        if constexpr (!takes_value<T, F>) return run(std::move(*f), std::move(r));
        else if constexpr (std::is_void_v<T>) return run(std::move(*f));
        else return run(std::move(*f), r.get());
    } catch (...) { /* moving a T threw */
        return failure_of(std::current_exception());
    }
}
} // namespace detail

template <class T> class [[nodiscard]] future {
    errand_future *f_ = nullptr;

public:
    using value_type = T;
    future() noexcept = default;
    /* Takes f over. Its value must be of the kind that T says: a T, for handle<C> a C, for
     * void anything (freed). */
    explicit future(errand_future *f) noexcept : f_(f) {}
    future(future &&from) noexcept : f_(from.release()) {}
    future &operator=(future &&from) noexcept
    {
        future gone(std::move(from));
        std::swap(f_, gone.f_);
        return *this;
    }
    /* Cancels and drops it. Does not wait; a running task goes on until it checks. */
    ~future()
    {
        cancel();
        drop();
    }

    bool valid() const noexcept { return f_; }
    errand_future *raw() const noexcept { return f_; }
    errand_future *release() noexcept { return std::exchange(f_, nullptr); }

    T get() { return await().get(); }
    /* throws only what moving a T throws */
    result<T> await() { return result<T>(errand_await(release())); }

    /* True: it has ended. False: not within d. Throws errand::error when the
     * calling task is cancelled. */
    bool wait_for(duration d) const
    {
        int number = f_ ? errand_wait(f_, d.ms) : 0;
        /* also what can never end: get() says why */
        if (number != ETIMEDOUT && number != ECANCELED) return true;
        if (errand::cancelled()) throw error(number, "the waiting task was cancelled");
        return false;
    }
    /* it has ended, or never can: get() does not wait */
    bool done() const noexcept { return errand_done(f_); }

    /* cancels it: the table in errand/future.h */
    void cancel() const noexcept { errand_cancel(f_); }
    /* the work continues; its result is discarded */
    void drop() noexcept { errand_drop(release()); }

    /* Ends as this, or with ETIMEDOUT after d; then this is cancelled and left behind. */
    future timeout(duration d) { return future(errand_timeout(release(), d.ms)); }
    /* Ends as this; a cancel stops here. */
    future shield() { return future(errand_shield(release())); }

    /* Runs f on a worker of this future's pool when this has ended. f takes a T (nothing for
     * void): called with the value, an error skips f. Or it takes a result<T>: called with
     * either, exactly once. f may return what a submitted lambda may. */
    template <class F> auto then(F &&f)
    {
        using G = std::decay_t<F>;
        using R = typename detail::sequel_of<T, G>::type;
        auto g = std::make_unique<G>(std::forward<F>(f));
        return future<detail::carried_t<R>>(
            errand_then(release(), detail::run_sequel<T, G>, g.release()));
    }

#ifdef ERRAND_HAS_STOP_TOKEN
    /* Cancelled when stop is requested, as long as it has not ended, even if it has another owner
     * by then. */
    future stop_on(std::stop_token token);
#endif
};

/* Many at once, index by index; all consumed. all: the first failure cancels the rest, waits for
 * them, and is the end. settle: always succeeds, with every result. */
namespace detail {
template <class T> std::vector<errand_future *> release_all(std::vector<future<T>> &fs)
{
    std::vector<errand_future *> raw;
    raw.reserve(fs.size());
    for (auto &f : fs) raw.push_back(f.release());
    return raw;
}

/* Makes an errand_results a vector of E. */
template <class T, class E> errand_result gather(errand_result in, void *) noexcept
{
    if (in.error) return in;
    held all(in);
    return run([&all] {
        auto *results = static_cast<errand_results *>(all.r.value);
        std::vector<E> values;
        values.reserve(results->n);
        for (size_t i = 0; i < results->n; i++) {
            result<T> one(std::exchange(results->at[i], errand_result{}));
            if constexpr (std::is_same_v<E, result<T>>) values.push_back(std::move(one));
            else values.push_back(one.get());
        }
        return values;
    });
}
} // namespace detail

template <class T> auto all(std::vector<future<T>> fs)
{
    std::vector<errand_future *> raw = detail::release_all(fs);
    errand_future *whole = errand_all(raw.data(), raw.size());
    if constexpr (std::is_void_v<T>) return future<void>(whole);
    else return future<std::vector<T>>(errand_then(whole, detail::gather<T, T>, nullptr));
}
template <class T> future<std::vector<result<T>>> settle(std::vector<future<T>> fs)
{
    std::vector<errand_future *> raw = detail::release_all(fs);
    errand_future *whole = errand_settle(raw.data(), raw.size());
    return future<std::vector<result<T>>>(
        errand_then(whole, detail::gather<T, result<T>>, nullptr));
}

/* The first success, or the last failure if there is none; the first to end. The rest is
 * cancelled and left behind. */
template <class T> future<T> any(std::vector<future<T>> fs)
{
    std::vector<errand_future *> raw = detail::release_all(fs);
    return future<T>(errand_any(raw.data(), raw.size()));
}
template <class T> future<T> race(std::vector<future<T>> fs)
{
    std::vector<errand_future *> raw = detail::release_all(fs);
    return future<T>(errand_race(raw.data(), raw.size()));
}

/* The results of those that were taken, once `wanted` have ended well; the others have failed
 * with their own error, or ECANCELED. */
template <class T> future<std::vector<result<T>>> quorum(std::vector<future<T>> fs, size_t wanted)
{
    std::vector<errand_future *> raw = detail::release_all(fs);
    errand_future *whole = errand_quorum(raw.data(), raw.size(), wanted);
    return future<std::vector<result<T>>>(
        errand_then(whole, detail::gather<T, result<T>>, nullptr));
}

/* Waits until `wanted` of them have ended, for at most d; which have: future::done. False: not
 * within d. An empty one counts as ended. Throws errand::error when the calling task is
 * cancelled, when the wait would never end (EDEADLK), and without memory. */
template <class T>
bool wait_some(const std::vector<future<T>> &fs, size_t wanted, duration d = forever)
{
    std::vector<errand_future *> raw;
    raw.reserve(fs.size());
    for (const auto &f : fs) {
        if (f.valid()) raw.push_back(f.raw());
    }
    size_t ended = fs.size() - raw.size();
    int number = errand_wait_some(raw.data(), raw.size(), wanted > ended ? wanted - ended : 0, d.ms,
                                  nullptr);
    if (number && (number != ETIMEDOUT || errand::cancelled()))
        throw error(number, "the futures cannot be waited for");
    return !number;
}

/* ---- scope: clean-ups, last first ---- */

struct scope_options {
    const char *name = nullptr;  /* a literal */
    errand_pool *pool = nullptr; /* whose clock and log it uses */
    errand_scope *parent = nullptr;
    duration within = std::chrono::seconds(30), each_within = forever;
};

/* errand/scope.h. At the end of its life a scope that is open is closed: as after a success, or,
 * while an exception passes, as after a failure; failures of clean-ups go to the pool's log then.
 * What a clean-up throws is its failure. */
class scope : public owner<errand_scope, errand_scope_free> {
    int passing_ = std::uncaught_exceptions();
    errand_pool *pool_ = nullptr; /* lives as long as the scope */
    bool closed_ = false;

    static errand_scope *make(const scope_options &o)
    {
        errand_scope_opts c{};
        c.name = o.name;
        c.pool = o.pool;
        c.parent = o.parent;
        c.within_ms = o.within.ms ? o.within.ms : ERRAND_ZERO;
        c.each_within_ms = o.each_within.ms ? o.each_within.ms : ERRAND_ZERO;
        return errand_scope_new(&c);
    }
    static void check(int number)
    {
        if (number) throw error(errand_fail(number));
    }
    result<void> end(errand_result how)
    {
        closed_ = true;
        return result<void>(errand_scope_close(raw(), how));
    }
    template <class F> static void free_lambda(void *f) noexcept { delete static_cast<F *>(f); }
    template <class F> void add(errand_scope_when when, const char *name, F &&f)
    {
        using G = std::decay_t<F>;
        auto g = std::make_unique<G>(std::forward<F>(f));
        errand_cleanup c{};
        c.name = name;
        c.resource = g.get();
        c.fn = detail::run_once<G>;
        c.free = free_lambda<G>;
        c.when = when;
        check(errand_scope_push(raw(), &c));
        g.release();
    }

public:
    using owner::owner;
    explicit scope(const scope_options &options = scope_options{})
        : owner({ make(options), nullptr }), pool_(options.pool)
    {}
    scope(scope &&) noexcept = default;
    scope &operator=(scope &&) noexcept = default;
    ~scope()
    {
        if (!raw() || closed_ || std::uncaught_exceptions() > passing_) return;
        errand_result r = errand_scope_close(raw(), errand_ok(nullptr, nullptr));
        if (r.error && pool_) errand_drop(errand_ready(pool_, r)); /* which logs it */
        else errand_result_free(&r);
    }
    operator errand_scope *() const noexcept { return raw(); }

    /* f() when the scope is closed: always, if something has failed, if all is well so far */
    template <class F> void defer(F &&f, const char *name = nullptr)
    {
        add(ERRAND_ON_CLOSE, name, std::forward<F>(f));
    }
    template <class F> void on_error(F &&f, const char *name = nullptr)
    {
        add(ERRAND_ON_ERROR, name, std::forward<F>(f));
    }
    template <class F> void on_success(F &&f, const char *name = nullptr)
    {
        add(ERRAND_ON_SUCCESS, name, std::forward<F>(f));
    }

    /* hands it over; returns it */
    template <class T> T &own(const char *name, std::unique_ptr<T> resource)
    {
        T *at = resource.release();
        check(errand_scope_own(raw(), name, at, detail::free_value<T>));
        return *at;
    }
    template <class C> C *own(const char *name, C *resource, errand_free_fn *free)
    {
        check(errand_scope_own(raw(), name, resource, free));
        return resource;
    }
    /* the value of f, which the scope owns; its failure is thrown */
    template <class T> T &await(const char *name, future<T> f)
    {
        errand_result r = errand_scope_await(raw(), name, f.release());
        if (r.error) result<void>(r).get();
        return *static_cast<T *>(r.value);
    }
    template <class T> void adopt(future<T> f, const char *name = nullptr)
    {
        check(errand_scope_adopt(raw(), name, f.release()));
    }
    template <class T> T *get(const char *name) const noexcept /* nullptr: there is none */
    {
        return static_cast<T *>(errand_scope_get(raw(), name));
    }
    /* undone; what own() took is the caller's again */
    template <class T = void> T *dismiss(const char *name)
    {
        void *resource = nullptr;
        check(errand_scope_dismiss(raw(), name, &resource));
        return static_cast<T *>(resource);
    }
    void move_to(scope &outer) { check(errand_scope_move(raw(), outer.raw())); }

    /* Closes it, as after a success, or as after the exception that `failed` is. The result has the
     * first failure, and the others as its causes. */
    result<void> close() { return end(errand_ok(nullptr, nullptr)); }
    result<void> close(std::exception_ptr failed) { return end(detail::failure_of(failed)); }
};

/* ---- log, pool, policy, limits ---- */

namespace detail {
inline void end_log(errand_log *log) { errand_log_close(log, 1000); }
inline void end_pool(errand_pool *pool) { errand_pool_close(pool, ERRAND_FOREVER); }
} // namespace detail

/* Must outlive the pools, policies and sessions that write to it. The destructor gives the sinks
 * a second. It is an errand_log * where one is wanted: errand_info(log, "%d done", n). A caught
 * errand::error is a key of a line by errand_kv_result("error"), errand_kv_result_arg(&e.raw()). */
class log : public owner<errand_log, detail::end_log> {
public:
    using owner::owner;
    explicit log(const errand_log_opts &opts = errand_log_opts{})
        : owner({ errand_log_new(&opts), nullptr })
    {}
    operator errand_log *() const noexcept { return raw(); }

    void to_stderr(errand_log_level level = ERRAND_LOG_DEFAULT)
    {
        check(errand_log_to_stderr(raw(), level));
    }
    void to_file(const std::string &path, errand_log_level level = ERRAND_LOG_DEFAULT)
    {
        check(errand_log_to_file(raw(), path.c_str(), level));
    }
    void level(errand_log_level level) noexcept { errand_log_set_level(raw(), level); }
    void sink_level(const std::string &sink, errand_log_level level)
    {
        check(errand_log_set_sink_level(raw(), sink.c_str(), level));
    }
    std::error_code flush(duration d) { return make_code(errand_log_flush(raw(), d.ms)); }
    std::error_code close(duration d) { return make_code(errand_log_close(release(), d.ms)); }

private:
    static void check(int number)
    {
        if (number) throw error(errand_fail(number));
    }
};

/* Limits of an open pool, each a family by key (nullptr: the plain one); see errand/limits.h.
 * Counted: they may be destroyed while a caller waits, and after their pool. */
class semaphore : public owner<errand_sem, errand_sem_free> {
    static errand_sem *make(errand_pool *home, unsigned permits, const char *name)
    {
        errand_sem_opts opts{};
        opts.permits = permits;
        opts.name = name;
        return errand_sem_new(home, &opts);
    }

public:
    using owner::owner;
    semaphore(const owner<errand_pool, detail::end_pool> &home, unsigned permits,
              const char *name = nullptr)
        : owner({ make(home.raw(), permits, name), nullptr })
    {}
    semaphore(const owner<errand_pool, detail::end_pool> &home, const errand_sem_opts &opts)
        : owner({ errand_sem_new(home.raw(), &opts), nullptr })
    {}
    future<permit> acquire(unsigned n = 1) { return acquire(nullptr, n); }
    future<permit> acquire(const char *key, unsigned n = 1)
    {
        return future<permit>(errand_sem_acquire(raw(), key, n));
    }
    std::error_code resize(unsigned permits) noexcept
    {
        return make_code(errand_sem_resize(raw(), permits));
    }
    bool try_acquire(unsigned n = 1) noexcept { return errand_sem_try_acquire(raw(), n); }
    /* EOVERFLOW: never acquired */
    int release_permits(unsigned n = 1) noexcept { return errand_sem_release(raw(), n); }
};

/* acquire ends when the caller's turn comes: per_second of them, in bursts of at most `burst`. */
class rate : public owner<errand_rate, errand_rate_free> {
    static errand_rate *make(errand_pool *home, double per_second, unsigned burst, const char *name)
    {
        errand_rate_opts opts{};
        opts.per_second = per_second;
        opts.burst = burst;
        opts.name = name;
        return errand_rate_new(home, &opts);
    }

public:
    using owner::owner;
    rate(const owner<errand_pool, detail::end_pool> &home, double per_second, unsigned burst = 1,
         const char *name = nullptr)
        : owner({ make(home.raw(), per_second, burst, name), nullptr })
    {}
    rate(const owner<errand_pool, detail::end_pool> &home, const errand_rate_opts &opts)
        : owner({ errand_rate_new(home.raw(), &opts), nullptr })
    {}
    future<void> acquire(const char *key = nullptr)
    {
        return future<void>(errand_rate_acquire(raw(), key));
    }
    std::error_code resize(double per_second, unsigned burst = 1)
    {
        return make_code(errand_rate_resize(raw(), per_second, burst));
    }
    std::error_code pause(duration d, const char *key = nullptr)
    {
        return make_code(errand_rate_pause(raw(), key, d.ms));
    }
};

class breaker : public owner<errand_breaker, errand_breaker_free> {
public:
    using owner::owner;
    explicit breaker(const owner<errand_pool, detail::end_pool> &home,
                     const errand_breaker_opts &opts = {})
        : owner({ errand_breaker_new(home.raw(), &opts), nullptr })
    {}

    /* A call that no policy makes: look at `refused`, make the call, report how it ended.
     * Without a report it counts as cancelled. */
    class call {
        errand_breaker_call c_{};

    public:
        call(breaker &b, const char *key = nullptr)
            : refused(make_code(errand_breaker_allow(b.raw(), key, &c_)))
        {}
        call(const call &) = delete;
        call &operator=(const call &) = delete;
        ~call() { errand_breaker_report(&c_, nullptr); }
        void report(std::error_code how) noexcept
        {
            const errand_result r = errand_fail(how.value());
            errand_breaker_report(&c_, &r);
        }
        const std::error_code refused; /* ERRAND_EOPEN: don't */
    };

    /* of an unused key: closed */
    errand_breaker_state state(const char *key = nullptr) const noexcept
    {
        errand_breaker_stats s{};
        errand_breaker_stats_get(raw(), key, &s);
        return s.state;
    }
    std::error_code force(errand_breaker_state state, const char *key = nullptr) noexcept
    {
        return make_code(errand_breaker_force(raw(), key, state));
    }
    std::error_code reset(const char *key = nullptr) noexcept
    {
        return make_code(errand_breaker_reset(raw(), key));
    }
};

class budget : public owner<errand_budget, errand_budget_free> {
public:
    using owner::owner;
    explicit budget(const owner<errand_pool, detail::end_pool> &home,
                    const errand_budget_opts &opts = {})
        : owner({ errand_budget_new(home.raw(), &opts), nullptr })
    {}
};

/* Specs as move-only values: errand::backoff::exponential(100ms, 10s) +
 * errand::backoff::random(0ms, 50ms). Each is consumed by the expression or the
 * policy that takes it. */
class backoff : public owner<errand_backoff, errand_backoff_free> {
public:
    using owner::owner;
    static backoff none() { return { adopt, errand_backoff_none() }; }
    static backoff fixed(duration d) { return { adopt, errand_backoff_fixed(d.ms) }; }
    static backoff random(duration min, duration max)
    {
        return { adopt, errand_backoff_random(min.ms, max.ms) };
    }
    static backoff incrementing(duration start, duration step, duration max)
    {
        return { adopt, errand_backoff_incrementing(start.ms, step.ms, max.ms) };
    }
    static backoff exponential(duration initial, duration max, double multiplier = 2)
    {
        return { adopt, errand_backoff_exponential(initial.ms, max.ms, multiplier, 0) };
    }
    static backoff random_exponential(duration initial, duration max, double multiplier = 2)
    {
        return { adopt, errand_backoff_random_exponential(initial.ms, max.ms, multiplier, 0) };
    }
    static backoff fibonacci(duration initial, duration max)
    {
        return { adopt, errand_backoff_fibonacci(initial.ms, max.ms) };
    }
    static backoff decorrelated(duration initial, duration max)
    {
        return { adopt, errand_backoff_decorrelated(initial.ms, max.ms) };
    }
    backoff with_jitter(errand_jitter jitter) &&
    {
        return { adopt, errand_backoff_jitter(release(), jitter) };
    }
    backoff randomized(double ratio) &&
    {
        return { adopt, errand_backoff_randomized(release(), ratio) };
    }
    backoff capped(duration max) && { return { adopt, errand_backoff_capped(release(), max.ms) }; }
    friend backoff operator+(backoff a, backoff b)
    {
        return { adopt, errand_backoff_sum(a.release(), b.release()) };
    }
};

class stop : public owner<errand_stop, errand_stop_free> {
public:
    using owner::owner;
    static stop never() { return { adopt, errand_stop_never() }; }
    static stop after_attempt(unsigned n) { return { adopt, errand_stop_after_attempt(n) }; }
    static stop after_delay(duration d) { return { adopt, errand_stop_after_delay(d.ms) }; }
    static stop before_delay(duration d) { return { adopt, errand_stop_before_delay(d.ms) }; }
    friend stop operator||(stop a, stop b)
    {
        return { adopt, errand_stop_any(a.release(), b.release()) };
    }
    friend stop operator&&(stop a, stop b)
    {
        return { adopt, errand_stop_all(a.release(), b.release()) };
    }
};

class retry_if : public owner<errand_retry_if, errand_retry_if_free> {
public:
    using owner::owner;
    static retry_if transient() { return { adopt, errand_retry_if_transient() }; }
    static retry_if failed() { return { adopt, errand_retry_if_failed() }; }
    static retry_if kind(unsigned kinds) { return { adopt, errand_retry_if_kind(kinds) }; }
    static retry_if error(std::initializer_list<int> errors)
    {
        return { adopt, errand_retry_if_error_of(errors.size(), errors.begin()) };
    }
    static retry_if status(std::initializer_list<int> statuses)
    {
        return { adopt, errand_retry_if_status_of(statuses.size(), statuses.begin()) };
    }
    static retry_if message(const char *text) { return { adopt, errand_retry_if_message(text) }; }
    static retry_if cause(retry_if of) { return { adopt, errand_retry_if_cause(of.release()) }; }
    retry_if negated() && { return { adopt, errand_retry_if_not(release()) }; }
    friend retry_if operator||(retry_if a, retry_if b)
    {
        return { adopt, errand_retry_if_any(a.release(), b.release()) };
    }
    friend retry_if operator&&(retry_if a, retry_if b)
    {
        return { adopt, errand_retry_if_all(a.release(), b.release()) };
    }
};

struct policy_options { /* field by field errand_policy_opts */
    std::chrono::milliseconds within{ 0 };
    unsigned attempts = 0;
    std::chrono::milliseconds initial{ 0 }, max{ 0 };
    double multiplier = 0;
    errand_jitter jitter = ERRAND_JITTER_FULL;
    std::chrono::milliseconds retry_after_max{ 0 };
    errand_repeat repeat = ERRAND_REPEAT_UNLESS_IT_MAY_HAVE_RUN;
    errand_rate *rate = nullptr; /* kept alive by the policy, as is sem */
    errand_sem *sem = nullptr;
    std::chrono::milliseconds attempt{ 0 };
    const char *name = nullptr;
    errand_log *log = nullptr;
    uint64_t seed = 0;
    /* these three are consumed; empty: the policy's own */
    errand::backoff backoff{ adopt, nullptr };
    errand::stop stop{ adopt, nullptr };
    errand::retry_if retry_if{ adopt, nullptr };
    errand_rate *total_rate = nullptr; /* kept alive by the policy, too */
};

/* How to try; see errand/policy.h. A wrong option throws errand::error EINVAL that names it.
 * Copies are not needed: share it. */
class policy : public owner<errand_policy, errand_policy_free> {
    static std::pair<errand_policy *, const char *> make(policy_options &o)
    {
        errand_policy_opts c{};
        c.within_ms = o.within.count();
        c.attempts = o.attempts;
        c.initial_ms = o.initial.count();
        c.max_ms = o.max.count();
        c.multiplier = o.multiplier;
        c.jitter = o.jitter;
        c.retry_after_max_ms = o.retry_after_max.count();
        c.repeat = o.repeat;
        c.rate = o.rate;
        c.total_rate = o.total_rate;
        c.sem = o.sem;
        c.attempt_ms = o.attempt.count();
        c.name = o.name;
        c.log = o.log;
        c.seed = o.seed;
        c.backoff = o.backoff.release();
        c.stop = o.stop.release();
        c.retry_if = o.retry_if.release();
        return make(c);
    }
    static std::pair<errand_policy *, const char *> make(const errand_policy_opts &o)
    {
        const char *wrong = nullptr;
        errand_policy *made = errand_policy_new(&o, &wrong);
        return { made, wrong };
    }

public:
    using owner::owner;
    explicit policy(policy_options &&options) : owner(make(options)) {}
    /* With all that C offers: hooks, fallback, hedges, limits. Consumes the specs of options. */
    explicit policy(const errand_policy_opts &options) : owner(make(options)) {}

    /* The wait that would follow that failed attempt (from 1) of a run with this
     * seed; negative: none. */
    std::chrono::milliseconds wait(unsigned attempt, uint64_t seed) const noexcept
    {
        return std::chrono::milliseconds(errand_policy_backoff_ms(raw(), attempt, seed));
    }
    errand_policy_stats stats() const noexcept
    {
        errand_policy_stats s{};
        errand_policy_stats_get(raw(), &s);
        return s;
    }

    /* In this very thread: calls f() until it went well or the policy gives up (errand_loop). */
    template <class F> auto loop(F &&f) const
    {
        using G = detail::plain<F>;
        errand_loop l{};
        errand_result r{};
        G own(std::forward<F>(f));
        while (errand_loop_next(&l, raw(), &r)) r = detail::run_again<G>(&own);
        return result<detail::carried_t<std::invoke_result_t<G &>>>(r);
    }
};

/* a file's content: content->data, content->size */
using file_content = handle<errand_file_content>;
using file_copied = handle<errand_file_copied>;

struct task_options {
    const char *name = nullptr;            /* a literal; for logs and reports */
    std::chrono::milliseconds within{ 0 }; /* its deadline, from now. 0: none of its own */
};

/* A place where work is done. The destructor waits for all tasks, however long they take; to
 * bound that, close() first. A pool must not be destroyed on a thread of its own: it could not
 * end there, and stays open. */
class pool : public owner<errand_pool, detail::end_pool> {
    static errand_pool_opts just(unsigned workers)
    {
        errand_pool_opts opts{};
        opts.workers = workers;
        return opts;
    }
    template <class F>
    static errand_task task_of(const task_options &options, errand_fn *fn, std::unique_ptr<F> f)
    {
        errand_task t{};
        t.fn = fn;
        t.arg = f.release();
        t.free = detail::free_value<F>;
        t.name = options.name;
        t.within_ms = options.within.count();
        return t;
    }
    /* freed by the file's task */
    static const std::string &keep(std::string &&data, errand_file_opts &opts)
    {
        auto *held = new std::string(std::move(data));
        opts.free = detail::free_value<std::string>;
        opts.owner = held;
        return *held;
    }

public:
    using owner::owner;
    explicit pool(unsigned workers = 0) : pool(just(workers)) {}
    explicit pool(const errand_pool_opts &opts) : owner({ errand_pool_new(&opts), nullptr }) {}

    /* Refuses new work, lets the old end, cancels it at half of d. ETIMEDOUT: some task would
     * not end and is left behind, safely. The pool is gone then, but for EDEADLK: this was
     * called on a thread of its own. */
    std::error_code close(duration d)
    {
        int number = errand_pool_close(raw(), d.ms);
        if (number != EDEADLK) release();
        return make_code(number);
    }
    bool wait_idle(duration d) { return !errand_pool_wait_idle(raw(), d.ms); }
    void tick() { errand_pool_tick(raw()); }

    /* Runs f() on a worker. The future is of what f returns, by value; of T for a result<T>, a
     * future<T> or, in C++20, a task<T>: then it ends as that ends and no worker waits for it.
     * A full queue blocks. */
    template <class F> auto submit(F &&f) { return submit(task_options{}, std::forward<F>(f)); }
    template <class F> auto submit(const task_options &options, F &&f)
    {
        using G = std::decay_t<F>;
        errand_task t =
            task_of(options, detail::run_once<G>, std::make_unique<G>(std::forward<F>(f)));
        return future<detail::carried_t<std::invoke_result_t<G>>>(errand_submit_task(raw(), &t));
    }

    /* The same, but a full queue is ERRAND_EFULL, whatever the pool's options say. */
    template <class F> auto try_submit(F &&f)
    {
        return try_submit(task_options{}, std::forward<F>(f));
    }
    template <class F> auto try_submit(const task_options &options, F &&f)
    {
        using G = std::decay_t<F>;
        errand_task t =
            task_of(options, detail::run_once<G>, std::make_unique<G>(std::forward<F>(f)));
        return future<detail::carried_t<std::invoke_result_t<G>>>(errand_try_submit(raw(), &t));
    }

    /* A future that has ended: with a value, or as a result<T> says. */
    template <class V> auto ready(V &&value)
    {
        using T = detail::carried_t<V>;
        return future<T>(errand_ready(raw(), result<T>(std::forward<V>(value)).release()));
    }

    /* The same under a policy: f() may be called several times, one after the other. */
    template <class F> auto run(const policy &how, F &&f)
    {
        return run(how, task_options{}, std::forward<F>(f));
    }
    template <class F> auto run(const policy &how, const task_options &options, F &&f)
    {
        using G = std::decay_t<F>;
        errand_task t =
            task_of(options, detail::run_again<G>, std::make_unique<G>(std::forward<F>(f)));
        return future<detail::carried_t<std::invoke_result_t<G &>>>(
            errand_run_task(raw(), how.raw(), &t));
    }

    /* Ends when d has passed, never early; holds no worker. */
    future<void> sleep(duration d) { return future<void>(errand_sleep(raw(), d.ms)); }

    /* Files (errand/file.h). Data is moved in, not copied, so free and owner of the options are
     * replaced. */
    future<file_content> file_read(const std::string &path, const errand_file_opts &opts = {})
    {
        return future<file_content>(errand_file_read(raw(), path.c_str(), &opts));
    }
    future<void> file_append(const std::string &path, std::string data, errand_file_opts opts = {})
    {
        const std::string &held = keep(std::move(data), opts);
        return future<void>(errand_file_append(raw(), path.c_str(), held.data(), held.size(),
                                               &opts));
    }
    future<void> file_replace(const std::string &path, std::string data, errand_file_opts opts = {})
    {
        const std::string &held = keep(std::move(data), opts);
        return future<void>(errand_file_replace(raw(), path.c_str(), held.data(), held.size(),
                                                &opts));
    }
    future<file_copied> file_copy_to(const std::string &path, int fd,
                                     const errand_file_opts &opts = {})
    {
        return future<file_copied>(errand_file_copy_to(raw(), path.c_str(), fd, &opts));
    }
    future<file_copied> file_copy_from(const std::string &path, int fd,
                                       const errand_file_opts &opts = {})
    {
        return future<file_copied>(errand_file_copy_from(raw(), path.c_str(), fd, &opts));
    }

#ifdef ERRAND_HAS_STOP_TOKEN
    /* Cancelled when stop is requested; if that was before f began, f is never called. */
    template <class F> auto submit(std::stop_token token, F &&f)
    {
        using G = std::decay_t<F>;
        auto unless_stopped =
            [token, g = G(std::forward<F>(f))]() mutable -> std::invoke_result_t<G> {
            if (token.stop_requested()) throw error(ECANCELED, "stop was requested");
            return std::invoke(std::move(g));
        };
        return submit(std::move(unless_stopped)).stop_on(std::move(token));
    }
#endif
#ifdef ERRAND_HAS_COROUTINES
    /* Begins the coroutine on a worker. */
    template <class T> future<T> submit(task<T> t)
    {
        return submit([t = std::move(t)]() mutable { return std::move(t); });
    }
#endif
};

namespace detail {
inline void end_leases(errand_lease_pool *leases)
{
    errand_lease_pool_close(leases, ERRAND_FOREVER);
}
template <class R, class G> errand_result run_leased(void *resource, void *g) noexcept
{
    return run([=] { return (*static_cast<G *>(g))(*static_cast<R *>(resource)); });
}
} // namespace detail

/* errand/lease.h. The destructor waits for all leases, however long they take; to bound that,
 * close() first. A lambda of run<R>(f) gets an R &: what errand_resource_ops.open returned. */
class lease_pool : public owner<errand_lease_pool, detail::end_leases> {
public:
    using owner::owner;
    lease_pool(const owner<errand_pool, detail::end_pool> &home, const errand_resource_ops &ops,
               const errand_lease_opts &opts = {})
        : owner({ errand_lease_pool_new(home.raw(), &ops, &opts), nullptr })
    {}
    future<lease> acquire(const char *key = nullptr)
    {
        return future<lease>(errand_lease_acquire(raw(), key));
    }
    /* ETIMEDOUT: a lease was not released, and is left behind */
    std::error_code close(duration d)
    {
        return make_code(errand_lease_pool_close(release(), d.ms));
    }

    /* Under a policy (nullptr: once), with a resource of `key`. */
    template <class R, class F> auto run(F &&f, const char *key = nullptr)
    {
        return run<R>(nullptr, std::forward<F>(f), key);
    }
    template <class R, class F> auto run(const errand_policy *how, F &&f, const char *key = nullptr)
    {
        using G = std::decay_t<F>;
        errand_lease_task t{};
        auto g = std::make_unique<G>(std::forward<F>(f));
        t.fn = detail::run_leased<R, G>;
        t.free = detail::free_value<G>;
        t.arg = g.release();
        t.key = key;
        return future<detail::carried_t<std::invoke_result_t<G &, R &>>>(
            errand_lease_run_task(raw(), how, &t));
    }
};

/* ---- promise: a future that ends when you say so ---- */

template <class T> class promise {
    struct hook : std::enable_shared_from_this<hook> {
        std::function<void()> fn;
        static void call(void *arg) noexcept
        {
            /* it may resolve, which lets go of it */
            auto alive = static_cast<hook *>(arg)->shared_from_this();
            alive->fn();
        }
    };
    errand_promise *p_ = nullptr;
    future<T> f_;
    std::shared_ptr<hook> hook_;

    void end(errand_result r) noexcept
    {
        /* from here on the hook neither runs nor will */
        errand_promise_resolve(std::exchange(p_, nullptr), r);
        hook_.reset();
    }

public:
    /* If this fails, the future is a failed one, and calls on the promise do nothing. home must be
     * open. */
    explicit promise(const pool &home)
    {
        errand_future *f = nullptr;
        p_ = errand_promise_new(home.raw(), &f);
        f_ = future<T>(f);
    }
    promise(promise &&from) noexcept
        : p_(std::exchange(from.p_, nullptr)), f_(std::move(from.f_)), hook_(std::move(from.hook_))
    {}
    promise &operator=(promise &&from) noexcept
    {
        promise gone(std::move(from));
        std::swap(p_, gone.p_);
        std::swap(f_, gone.f_);
        std::swap(hook_, gone.hook_);
        return *this;
    }
    ~promise() { abandon(); }

    future<T> get_future() noexcept { return std::move(f_); } /* once */

    /* Each ends the future and this promise, without effect on one that has ended. set takes what
     * makes a T. */
    template <class... A> void set(A &&...value)
    {
        if constexpr (std::is_void_v<T>) end(errand_ok(nullptr, nullptr));
        else if constexpr (detail::is_handle<T>) end(T(std::forward<A>(value)...).release());
        else end(errand_ok(new T(std::forward<A>(value)...), detail::free_value<T>));
    }
    void fail(int number) { resolve(result<T>::fail(number)); }
    void fail(int number, const char *message) { resolve(result<T>::fail(number, message)); }
    void fail(std::exception_ptr exception) noexcept
    {
        end(detail::failure_of(std::move(exception)));
    }
    void resolve(result<T> r) { end(r.release()); }
    void abandon() noexcept /* ends with ERRAND_EABANDONED, if it has not ended */
    {
        if (p_) end(errand_fail(ERRAND_EABANDONED));
    }

    errand_reason cancelled() const noexcept { return errand_promise_cancelled(p_); }

    /* fn() when the future is cancelled: on the canceller's thread, so be short, do not throw;
     * see errand_promise_on_cancel. Without one a cancel ends the future. fn must not touch this
     * promise while another thread may. */
    void on_cancel(std::function<void()> fn)
    {
        auto next = std::make_shared<hook>();
        next->fn = std::move(fn);
        errand_promise_on_cancel(p_, hook::call, next.get());
        hook_ = std::move(next);
    }
};

#ifdef ERRAND_HAS_STOP_TOKEN
/* ---- C++20: std::stop_token ----
 * The callback lives in a sequel of the future, which is called exactly once when that has
 * ended: so it is there as long as there is something to cancel, and no longer. It may run on
 * any thread and at any time, so it cancels through an errand_canceller. */

namespace detail {
struct stop_link {
    struct cancels {
        std::shared_ptr<errand_canceller> canceller;
        void operator()() const noexcept
        {
            auto alive = canceller; /* the end that this brings about may end the link */
            errand_canceller_cancel(alive.get());
        }
    };
    std::stop_callback<cancels> callback;

    stop_link(std::stop_token token, errand_future *f)
        : callback(std::move(token), cancels{ { errand_canceller_of(f), errand_canceller_free } })
    {}
    static errand_result end(errand_result in, void *link) noexcept
    {
        /* waits for a callback that is just running elsewhere */
        delete static_cast<stop_link *>(link);
        return in;
    }
};
} // namespace detail

template <class T> future<T> future<T>::stop_on(std::stop_token token)
{
    if (!f_ || !token.stop_possible()) return std::move(*this);
    auto link = std::make_unique<detail::stop_link>(std::move(token), f_);
    return future(errand_then(release(), detail::stop_link::end, link.release()));
}
#endif

#ifdef ERRAND_HAS_COROUTINES
/* ---- C++20: co_await ----
 * co_await std::move(f), in any coroutine, is f.get() without a waiting thread: the coroutine
 * goes on on a worker of f's pool, or right away if f has ended. A coroutine that is destroyed
 * while it waits cancels f and is not resumed; destroying it while it is about to be resumed is
 * as wrong as with any other awaitable. */

namespace detail {
template <class T> struct awaiting {
    future<T> f;
    errand_watcher watcher{};
    bool watches = false;

    explicit awaiting(future<T> of) noexcept : f(std::move(of)) {}
    awaiting(const awaiting &) = delete;
    ~awaiting()
    {
        if (watches) errand_unwatch(f.raw(), &watcher);
    }
    bool await_ready() const noexcept { return f.done(); }
    bool await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        watcher.fn = [](errand_watcher *w) {
            std::coroutine_handle<>::from_address(w->arg).resume();
        };
        watcher.arg = waiter.address();
        watches = true;
        /* it may run already: touch nothing */
        if (errand_watch(f.raw(), &watcher) == 0) return true;
        return watches = false;
    }
    T await_resume()
    {
        watches = false;
        return f.get();
    }
};
} // namespace detail

template <class T> auto operator co_await(future<T> &&f) noexcept
{
    return detail::awaiting<T>(std::move(f));
}

/* ---- task: a coroutine that is a task of a pool ----
 *
 *     errand::task<int> both(errand::pool &pool)
 *     {
 *         int a = co_await pool.submit(first);
 *         co_return a + co_await other_task(a);
 *     }
 *     errand::future<int> f = pool.submit(both(pool));
 *
 * Lazy: it begins when it is submitted, or awaited by another task. It awaits futures and tasks,
 * nothing else. Between its steps it holds no worker; to the pool it is one task from beginning
 * to end, so a cancel of its future cancels what it awaits, the error of that is thrown at its
 * co_await, and closing the pool lets it end. A coroutine lambda is kept alive until its task
 * has ended. */

namespace detail {
struct fiber {
    /* a begun task with the tasks it awaits: a C task that goes on by
     * errand_later(errand_then(awaited)) */
    std::coroutine_handle<> root, here; /* what was begun; what is resumed next */
    errand_result *end = nullptr;
    errand_future *awaited = nullptr;
    errand_result came{}; /* how `awaited` ended */

    errand_result step() noexcept
    {
        /* each is resumed from here, not by the one before it: without optimisation that would
         * take some stack each time */
        do std::exchange(here, nullptr).resume();
        while (here && !awaited);
        /* by the time errand_then returns this may be gone */
        if (awaited) return errand_later(errand_then(std::exchange(awaited, nullptr), next, this));
        errand_result r = std::exchange(*end, errand_result{});
        root.destroy(); /* and this with it */
        return r;
    }
    static errand_result next(errand_result in, void *arg) noexcept
    {
        auto *self = static_cast<fiber *>(arg);
        self->came = in;
        return self->step();
    }
};

template <class T> struct awaits_future {
    future<T> f;
    fiber *on;
    bool came = false;

    bool await_ready() const noexcept { return f.done(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        on->here = waiter;
        on->awaited = f.release();
        came = true;
    }
    T await_resume()
    {
        return came ? result<T>(std::exchange(on->came, errand_result{})).get() : f.get();
    }
};

template <class T> struct awaits_task {
    task<T> t;
    fiber *on;

    bool await_ready() const noexcept { return !t.h_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        t.h_.promise().on = on;
        t.h_.promise().waiter = waiter;
        on->here = t.h_;
    }
    T await_resume()
    {
        if (!t.h_) throw error(EINVAL, "an empty task is awaited");
        return result<T>(std::exchange(t.h_.promise().end, errand_result{})).get();
    }
};

struct back_to_waiter {
    bool await_ready() const noexcept { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> ended) const noexcept
    {
        ended.promise().on->here = ended.promise().waiter;
    }
    void await_resume() const noexcept {}
};

struct task_promise {
    fiber *on = nullptr;
    std::coroutine_handle<> waiter; /* the task that awaits this one */
    errand_result end{};
    fiber own; /* of the one that was begun */

    task_promise() noexcept = default;
    task_promise(const task_promise &) = delete;
    ~task_promise() { errand_result_free(&end); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    back_to_waiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { end = failure_of(std::current_exception()); }
    template <class T> auto await_transform(future<T> f) noexcept
    {
        return awaits_future<T>{ std::move(f), on };
    }
    template <class T> auto await_transform(task<T> t) noexcept
    {
        return awaits_task<T>{ std::move(t), on };
    }
};
template <class T> struct task_returns : task_promise {
    template <class V = T> void return_value(V &&value)
    {
        if constexpr (is_handle<T>) end = T(std::forward<V>(value)).release();
        else end = errand_ok(new T(std::forward<V>(value)), free_value<T>);
    }
};
template <> struct task_returns<void> : task_promise {
    void return_void() const noexcept {}
};
} // namespace detail

template <class T> class [[nodiscard]] task {
public:
    struct promise_type : detail::task_returns<T> {
        task get_return_object() noexcept
        {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
    };
    task(task &&from) noexcept : h_(std::exchange(from.h_, nullptr)) {}
    task &operator=(task &&from) noexcept
    {
        task gone(std::move(from));
        std::swap(h_, gone.h_);
        return *this;
    }
    ~task()
    {
        if (h_) h_.destroy();
    }

private:
    std::coroutine_handle<promise_type> h_;
    explicit task(std::coroutine_handle<promise_type> h) noexcept : h_(h) {}
    friend struct detail::awaits_task<T>;
    template <class F, class... A> friend errand_result detail::begin_task(F f, A... in);
};

namespace detail {
/* in its frame, as long as what f makes of them */
template <class R, class F, class... A> R keep(F f, A... in)
{
    co_return co_await std::invoke(std::move(f), std::move(in)...);
}

template <class F, class... A> errand_result begin_task(F f, A... in)
{
    auto t = keep<plain<std::invoke_result_t<F, A...>>>(std::move(f), std::move(in)...);
    auto h = std::exchange(t.h_, nullptr);
    auto &p = h.promise();
    p.on = &p.own;
    p.own.root = p.own.here = h;
    p.own.end = &p.end;
    return p.own.step();
}
} // namespace detail
#endif

} // namespace errand
#pragma GCC visibility pop

#endif
