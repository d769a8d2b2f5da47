/* Prints size and alignment of every public type that errand-http.h adds, and offset and size of its members: what a program that was
 * compiled earlier relies on. The list is compared with sizes-http.txt; `make golden` writes it anew. */
#include <errand-http.h>
#include <stdio.h>

#define TYPE(type)           printf(#type " %zu align %zu\n", sizeof(type), _Alignof(type))
#define MEMBER(type, member) printf("    " #member " @%zu %zu\n", offsetof(type, member), sizeof(((type *)0)->member))

int main(void)
{
    TYPE(errand_bytes);
    MEMBER(errand_bytes, at);
    MEMBER(errand_bytes, size);
    TYPE(errand_http_opts);
    MEMBER(errand_http_opts, lanes);
    MEMBER(errand_http_opts, limit);
    MEMBER(errand_http_opts, keepalive_ms);
    MEMBER(errand_http_opts, total_ms);
    MEMBER(errand_http_opts, connect_ms);
    MEMBER(errand_http_opts, max_body);
    MEMBER(errand_http_opts, base_url);
    MEMBER(errand_http_opts, user_agent);
    MEMBER(errand_http_opts, headers);
    MEMBER(errand_http_opts, policy);
    MEMBER(errand_http_opts, log);
    TYPE(errand_request);
    MEMBER(errand_request, method);
    MEMBER(errand_request, url);
    MEMBER(errand_request, headers);
    MEMBER(errand_request, body);
    MEMBER(errand_request, json);
    MEMBER(errand_request, save_to);
    MEMBER(errand_request, idempotency_key);
    MEMBER(errand_request, repeat);
    MEMBER(errand_request, any_status);
    MEMBER(errand_request, total_ms);
    MEMBER(errand_request, connect_ms);
    MEMBER(errand_request, policy);
    TYPE(errand_timings);
    MEMBER(errand_timings, queue);
    MEMBER(errand_timings, resolve);
    MEMBER(errand_timings, connect);
    MEMBER(errand_timings, tls);
    MEMBER(errand_timings, first_byte);
    MEMBER(errand_timings, total);
    TYPE(errand_batch_opts);
    MEMBER(errand_batch_opts, at_once);
    MEMBER(errand_batch_opts, window);
    MEMBER(errand_batch_opts, ordered);
    TYPE(errand_tally);
    MEMBER(errand_tally, successful);
    MEMBER(errand_tally, failed);
    MEMBER(errand_tally, cancelled);
    MEMBER(errand_tally, total_processed);
    TYPE(errand_jobs_opts);
    MEMBER(errand_jobs_opts, files);
    MEMBER(errand_jobs_opts, out);
    MEMBER(errand_jobs_opts, at_once);
    MEMBER(errand_jobs_opts, ordered);
    MEMBER(errand_jobs_opts, verbose);
    MEMBER(errand_jobs_opts, retries);
    MEMBER(errand_jobs_opts, total_ms);
    MEMBER(errand_jobs_opts, rate);
    MEMBER(errand_jobs_opts, log);
    MEMBER(errand_jobs_opts, complain);
    MEMBER(errand_jobs_opts, arg);
    TYPE(errand_jobs_stats);
    MEMBER(errand_jobs_stats, successful);
    MEMBER(errand_jobs_stats, failed);
    MEMBER(errand_jobs_stats, cancelled);
    MEMBER(errand_jobs_stats, bad_lines);
    MEMBER(errand_jobs_stats, total_processed);
    MEMBER(errand_jobs_stats, in_flight);
    MEMBER(errand_jobs_stats, retrying);
    MEMBER(errand_jobs_stats, retries);
    MEMBER(errand_jobs_stats, known_total);
    MEMBER(errand_jobs_stats, p50_ms);
    MEMBER(errand_jobs_stats, p99_ms);
    MEMBER(errand_jobs_stats, read_error);
    MEMBER(errand_jobs_stats, write_error);
    MEMBER(errand_jobs_stats, stopped);
    return 0;
}
