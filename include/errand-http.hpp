/* errand-http.hpp -- sessions of errand/http.h for C++17 and later: the same thin layer as
 * errand.hpp, with its rules.
 *
 *     errand::pool pool;
 *     errand::http http(pool);
 *     errand::response page = http.get("https://example.org/").get();   or throws
 *     std::cout << errand::body(page);
 *
 * Header only; link with liberrand-http and liberrand. A status of 400 and more is thrown as an
 * errand::error, of which errand::response_of lends the response. Options and requests are the C
 * structs: value-initialise them (errand_request r{};). */
#ifndef ERRAND_HTTP_HPP
#define ERRAND_HTTP_HPP

#include <errand-http.h>
#include <errand.hpp>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace errand {

using response = handle<errand_response>; /* the functions of http.h take its get() */

inline int status(const response &r) noexcept { return errand_response_status(r.get()); }
inline std::string_view url(const response &r) noexcept { return errand_response_url(r.get()); }
inline std::string_view body(const response &r) noexcept /* lives as long as the response */
{
    errand_bytes bytes = errand_response_body(r.get());
    return { static_cast<const char *>(bytes.at), bytes.size };
}
inline std::optional<std::string_view> header(const response &r, const char *name,
                                              size_t i = 0) noexcept
{
    const char *value = errand_response_header(r.get(), name, i);
    return value ? std::optional<std::string_view>(value) : std::nullopt;
}

/* lives until this thread calls again */
inline std::optional<std::string_view> charset(const response &r) noexcept
{
    const char *name = errand_response_charset(r.get());
    return name ? std::optional<std::string_view>(name) : std::nullopt;
}
inline std::string text(const response &r) /* as UTF-8; throws what errand_response_text reports */
{
    size_t size = 0;
    std::unique_ptr<char, void (*)(void *)> at(errand_response_text(r.get(), &size), std::free);
    if (!at) throw error(errno, errand_strerror(errno));
    return std::string(at.get(), size);
}

/* Of a stream: how many bytes have come, 0 at the end; throws what broke it off,
 * std::errc::timed_out if none came within d. */
inline size_t read(response &r, void *buffer, size_t size, duration d)
{
    int64_t got = errand_body_read(r.get(), buffer, size, d.ms);
    if (got >= 0) return static_cast<size_t>(got);
    const errand_result *failure = errand_body_failure(r.get());
    throw error(static_cast<int>(-got),
                failure ? errand_result_message(failure) : errand_strerror(static_cast<int>(-got)));
}

/* The reply behind an error, lent for as long as that lives; NULL: none came. */
inline const errand_response *response_of(const error &e) noexcept
{
    int number = e.number();
    return number > ERRAND_HTTP && number < ERRAND_HTTP + 1000
               ? static_cast<const errand_response *>(e.raw().value)
               : nullptr;
}

namespace detail {
inline void end_http(errand_http *at) noexcept { errand_http_close(at, ERRAND_FOREVER); }
} // namespace detail

/* The destructor lets what is in flight end, however long that takes; to bound it, close()
 * first. Ends before its pool. */
class http : public owner<errand_http, detail::end_http> {
public:
    using owner::owner;
    explicit http(const pool &home, const errand_http_opts &opts = {})
        : owner({ errand_http_new(home.raw(), &opts), nullptr })
    {}

    future<response> send(const errand_request &request)
    {
        return future<response>(errand_send(raw(), &request));
    }
    future<response> get(const std::string &address)
    {
        return future<response>(errand_get(raw(), address.c_str()));
    }
    /* serialised at once */
    future<response> post_json(const std::string &address, json_object *json)
    {
        return future<response>(errand_post_json(raw(), address.c_str(), json));
    }
    errand_http_stats stats() const
    {
        errand_http_stats s{};
        errand_http_stats_get(raw(), &s);
        return s;
    }
    std::error_code forget_names() { return make_code(errand_http_forget_names(raw())); }
    std::error_code forget_cookies() { return make_code(errand_http_forget_cookies(raw())); }
    std::error_code close(duration d) { return make_code(errand_http_close(release(), d.ms)); }
};

/* Outlives the sessions that have its middleware() in their row. */
class bearer : public owner<errand_bearer, errand_bearer_free> {
public:
    using owner::owner;
    bearer(const pool &home, const errand_bearer_opts &opts)
        : owner({ errand_bearer_new(home.raw(), &opts), nullptr })
    {}
    errand_middleware middleware() const noexcept { return { errand_bearer_send, raw() }; }
};

} // namespace errand
#pragma GCC visibility pop

#endif
