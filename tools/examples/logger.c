/* One log, two sinks: text that rotates at 64 KiB, and JSON for machines. The calling thread
 * only copies its arguments. */
#include <errand.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char folder[] = "/tmp/errand-logger.XXXXXX", text[64], json[64];
    if (!mkdtemp(folder)) return 1;
    snprintf(text, sizeof text, "%s/app.log", folder);
    snprintf(json, sizeof json, "%s/app.jsonl", folder);

    errand_log *log =
        errand_log_new(&(errand_log_opts){ .name = "app", .level = ERRAND_LOG_DEBUG });
    errand_log_add_file(log, text, &(errand_log_sink_opts){ .rotate_bytes = 65536, .keep = 3 });
    errand_log_add_file(
        log, json, &(errand_log_sink_opts){ .form = ERRAND_LOG_JSON, .level = ERRAND_LOG_INFO });
    errand_log *db = errand_log_named(log, "db"); /* the same sinks, a level of its own */
    errand_log_set_level(db, ERRAND_LOG_WARN);

    errand_log_fields *request = errand_log_fields_new(NULL, errand_kv("request", "%d"), 17);
    /* from here on in every line of this thread */
    errand_log_fields *before = errand_log_fields_swap(request);
    for (int i = 0; i < 2000; i++)
        errand_info(log, "step" errand_kv("n", "%d") errand_kv("took", "%.1f"), i, i / 10.0);
    errand_info(db, "not taken: below db's level");
    errand_warn(db, "slow query" errand_kv("ms", "%d"), 1200);
    errand_log_fields_free(errand_log_fields_swap(before));

    int error = errand_log_flush(log, 10000);
    errand_log_stats s;
    errand_log_stats_get(log, &s);
    printf("%llu lines written, %llu dropped; see %s\n", (unsigned long long)s.written,
           (unsigned long long)s.dropped, folder);
    int closed = errand_log_close(log, 10000);
    const char *const made[] = { "app.log", "app.log.1", "app.log.2", "app.log.3", "app.jsonl" };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) { /* a real program keeps them */
        snprintf(text, sizeof text, "%s/%s", folder, made[i]);
        remove(text);
    }
    return error || closed || s.attempted != 2001 || remove(folder);
}
