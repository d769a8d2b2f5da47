// spdlog: its async logger to a file, as its documentation sets it up, with errand's pattern.
#include "side.h"

#include <memory>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

namespace {

using logger = std::shared_ptr<spdlog::logger>;

void *open_log(const char *path)
{
    spdlog::init_thread_pool(8192, 1);
    auto made = spdlog::basic_logger_mt<spdlog::async_factory>("bench", path);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e - %n - %l - [%!:%#] - %v");
    return new logger(std::move(made));
}

template <spdlog::level::level_enum level> void say(void *log, size_t n)
{
    auto &to = **static_cast<logger *>(log);
    for (size_t i = 0; i < n; i++)
        to.log(spdlog::source_loc{ __FILE__, __LINE__, "say" }, level,
               "call {} took {:f} ms for {} with {}", static_cast<int>(i),
               static_cast<double>(i) * 1.5, "customer-7", static_cast<int>(n));
}

void close_log(void *log)
{
    auto *mine = static_cast<logger *>(log);
    (*mine)->flush();
    delete mine;
    spdlog::shutdown(); // joins its thread when all is written
}

bench_side side()
{
    bench_side s{};
    s.name = "spdlog";
    s.log_open = open_log;
    s.log_say = say<spdlog::level::info>;
    s.log_say_below = say<spdlog::level::debug>;
    s.log_close = close_log;
    return s;
}

} // namespace

extern "C" const bench_side bench_spdlog = side();
