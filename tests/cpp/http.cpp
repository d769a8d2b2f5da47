/* errand-http.hpp against a server that counts. */
#include "checks.hpp"

#include <errand-http.hpp>

#include <cstring>

extern "C" {
#include "raw_server.h"
}

using namespace std::chrono_literals;

static void serve(raw_conn *conn, void *)
{
    raw_request request;
    while (raw_read_request(conn, &request)) {
        bool bad = std::strstr(request.text, "/bad"), events = std::strstr(request.text, "/events");
        raw_request_free(&request);
        if (events) {
            raw_say(conn, "HTTP/1.1 200 OK\r\n\r\nhello, ");
            raw_say(conn, "world");
            return;
        }
        raw_reply(conn, bad ? 404 : 200, "text/plain", bad ? "no such" : "good");
    }
}

TEST(replies_are_values)
{
    raw_server *server;
    CHECK(raw_server_start(&server, serve, nullptr) == 0);
    std::string base = raw_server_url(server);
    {
        errand::pool pool;
        errand::http http(pool);
        errand::response page = http.get(base + "/x").get();
        CHECK(errand::status(page) == 200);
        CHECK(errand::body(page) == "good");
        CHECK(errand::url(page) == base + "/x");
        CHECK(errand::header(page, "content-type").value() == "text/plain");
        CHECK(!errand::header(page, "content-type", 1));
        CHECK(errand::charset(page).value() == "utf-8");
        CHECK(errand::text(page) == "good");
        CHECK(!http.forget_names());
        CHECK(http.forget_cookies().value() == ENOENT); /* it keeps none */
        auto length =
            http.get(base + "/x").then([](errand::response r) { return errand::body(r).size(); });
        CHECK(length.get() == 4);
        CHECK(http.stats().open == 1);
        CHECK(!http.close(5s));
    }
    CHECK(raw_server_connections(server) == 1);
    raw_server_stop(server);
}

static errand_result token(void *calls)
{
    ++*static_cast<int *>(calls);
    return errand_ok(const_cast<char *>("token"), nullptr);
}

TEST(a_bearer_is_a_middleware)
{
    raw_server *server;
    int calls = 0;
    CHECK(raw_server_start(&server, serve, nullptr) == 0);
    {
        errand::pool pool;
        errand_bearer_opts how{};
        how.token = token;
        how.arg = &calls;
        errand::bearer bearer(pool, how);
        const errand_middleware row[] = { bearer.middleware(), {} };
        errand_http_opts opts{};
        opts.base_url = raw_server_url(server);
        opts.middleware = row;
        errand::http http(pool, opts);
        CHECK(errand::status(http.get("/x").get()) == 200);
        CHECK(errand::status(http.get("/x").get()) == 200);
    }
    CHECK(calls == 1);
    raw_server_stop(server);
}

TEST(errors_carry_the_response)
{
    raw_server *server;
    CHECK(raw_server_start(&server, serve, nullptr) == 0);
    errand::pool pool;
    errand_http_opts opts{};
    opts.base_url = raw_server_url(server);
    errand::http http(pool, opts);
    bool thrown = false;
    try {
        http.get("/bad").get();
    } catch (const errand::error &e) {
        thrown = true;
        CHECK(e.number() == ERRAND_HTTP + 404);
        CHECK(e.kind() == ERRAND_KIND_HTTP_CLIENT);
        CHECK(
            std::strcmp(static_cast<const char *>(errand_response_body(errand::response_of(e)).at),
                        "no such") == 0);
    }
    CHECK(thrown);
    thrown = false;
    try {
        errand_request request{};
        request.url = "ftp://nowhere/";
        http.send(request).get();
    } catch (const errand::error &e) {
        thrown = true;
        CHECK(e.code() == std::errc::invalid_argument);
        CHECK(!errand::response_of(e));
    }
    CHECK(thrown);
    CHECK(!http.close(5s));
    raw_server_stop(server);
}

TEST(a_body_can_be_streamed)
{
    raw_server *server;
    CHECK(raw_server_start(&server, serve, nullptr) == 0);
    errand::pool pool;
    errand_http_opts opts{};
    opts.base_url = raw_server_url(server);
    {
        errand::http http(pool, opts);
        errand_request request{};
        request.url = "/events";
        request.stream = 1;
        errand::response events = http.send(request).get();
        std::string all;
        char bytes[5];
        while (size_t got = errand::read(events, bytes, sizeof bytes, 30s)) all.append(bytes, got);
        CHECK(all == "hello, world");
    }
    raw_server_stop(server);
}
