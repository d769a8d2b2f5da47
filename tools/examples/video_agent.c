/* A video generation agent: many slow, paid requests; three at once, each tried three times,
 * none paid for twice.
 *
 *     video_agent http://127.0.0.1:8080            against the demo service
 *     video_agent http://127.0.0.1:8080 --turn     the same, without waiting (for tests)
 *
 * One session for all requests, so connections are used again. The permit of the semaphore is
 * held while a request runs, and not while it sleeps before its next attempt. A generation may
 * be silent for minutes: only its total is limited. Every video has a key of its own, sent with
 * each attempt, so the service can distinguish a repeat from a second order; without one, a POST
 * that may have arrived would not be repeated. What is lasting (a bad prompt, a wrong address)
 * is not tried again. Prints what became of all of them as JSON, the failed ones by name and
 * with the reason; the log goes to stderr, and nothing waits for it. */
#include <errand-http.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct agent {
    errand_pool *pool;
    errand_http *http;
    errand_policy *policy;
    errand_sem *three;
    errand_log *log;
} agent;

typedef struct order {
    const char *video_id, *prompt;
} order;

static int agent_open(agent *a, const char *url, const errand_clock *clock)
{
    *a = (agent){ .log = errand_log_new(&(errand_log_opts){ .name = "video_agent" }) };
    errand_log_to_stderr(a->log, ERRAND_LOG_DEFAULT);
    a->pool = errand_pool_new(&(errand_pool_opts){ .log = a->log, .clock = clock });
    a->three = errand_sem_new(a->pool, &(errand_sem_opts){ .permits = 3, .name = "generations" });
    const char *why = "";
    /* waits of 4 to 8 s, then of 8 to 16 s */
    a->policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 3,
                               .initial_ms = 8000,
                               .max_ms = 30000,
                               .jitter = ERRAND_JITTER_EQUAL,
                               .sem = a->three,
                               .name = "generate" },
        &why);
    if (!a->policy) errand_error(a->log, "the policy: %s", why);
    a->http = errand_http_new(
        a->pool, &(errand_http_opts){ .base_url = url,
                                      .limit = 20,
                                      /* 5 minutes for a generation */
                                      .total_ms = 300000,
                                      .connect_ms = 10000,
                                      .policy = a->policy,
                                      .log = a->log });
    if (!a->http) errand_error(a->log, "no session with %s: %m", url);
    return a->policy && a->http ? 0 : EINVAL;
}

static void agent_close(agent *a)
{
    errand_http_close(a->http, 5000);
    errand_policy_free(a->policy);
    errand_sem_free(a->three);
    errand_pool_close(a->pool, 5000);
    errand_log_close(a->log, 1000);
}

static errand_future *generate(agent *a, const order *video)
{
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "prompt", json_object_new_string(video->prompt));
    json_object_object_add(body, "video_id", json_object_new_string(video->video_id));
    json_object_object_add(body, "quality", json_object_new_string("high"));
    json_object_object_add(body, "duration", json_object_new_int(30));
    errand_request request = {
        .method = "POST", .url = "/generate", .json = body, .idempotency_key = video->video_id
    };
    errand_future *f = errand_send(a->http, &request);
    json_object_put(body);
    return f;
}

/* What became of one, as JSON; the reply's own document is its data. */
static struct json_object *outcome(agent *a, const order *video, const errand_result *r)
{
    struct json_object *data = NULL;
    const char *why;
    if (!r->error && errand_response_json(r->value, &data, &why)) {
        errand_result bad = errand_failf(EBADMSG, "%s", why);
        struct json_object *all = outcome(a, video, &bad);
        errand_result_free(&bad);
        return all;
    }
    if (r->error) errand_error(a->log, "%s failed: %s", video->video_id, errand_result_message(r));
    else errand_info(a->log, "%s generated", video->video_id);
    struct json_object *all = errand_result_json(r, data);
    json_object_object_add(all, "video_id", json_object_new_string(video->video_id));
    return all;
}

static struct json_object *process_batch(agent *a, const order *videos, size_t n,
                                         void (*meanwhile)(agent *, errand_future *))
{
    errand_future *fs[n];
    for (size_t i = 0; i < n; i++) fs[i] = generate(a, &videos[i]);
    errand_future *all = errand_settle(fs, n); /* good or bad, each keeps its place */
    meanwhile(a, all);
    errand_result r = errand_await(all);
    struct json_object *tally = json_object_new_object();
    struct json_object *lists[2] = { json_object_new_array(), json_object_new_array() };
    const errand_results *results = r.value;
    for (size_t i = 0; !r.error && i < results->n; i++) {
        struct json_object *one = outcome(a, &videos[i], &results->at[i]);
        json_object_array_add(
            lists[!json_object_get_boolean(json_object_object_get(one, "success"))], one);
    }
    if (r.error) errand_error(a->log, "the batch: %s", errand_result_message(&r));
    errand_info(a->log, "batch complete: %zu successful, %zu failed",
                json_object_array_length(lists[0]), json_object_array_length(lists[1]));
    json_object_object_add(tally, "successful", lists[0]);
    json_object_object_add(tally, "failed", lists[1]);
    json_object_object_add(tally, "total_processed", json_object_new_int64((int64_t)n));
    errand_result_free(&r);
    return tally;
}

/* ---- time, and a test's own ---- */

static atomic_llong turned_ns;

static int64_t turned(void *arg)
{
    (void)arg;
    return atomic_load(&turned_ns);
}

static void only_wait(agent *a, errand_future *f) { (void)a, errand_wait(f, ERRAND_FOREVER); }

static void turn_the_clock(agent *a, errand_future *f)
{
    while (errand_wait(f, 0) == ETIMEDOUT) { /* a second every 20 ms */
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
        atomic_fetch_add(&turned_ns, 1000000000);
        errand_pool_tick(a->pool);
    }
}

int main(int argc, char **argv)
{
    static const order videos[] = { { "video_1", "A cat playing piano" },
                                    { "video_2", "Sunset over mountains" },
                                    { "video_3", "Dancing robot" },
                                    { "video_4", "Rain on a window" },
                                    { "video_5", "A train at night" } };
    if (argc < 2) {
        fprintf(stderr, "usage: video_agent URL [--turn]\n");
        return 2;
    }
    bool turns = argc > 2 && !strcmp(argv[2], "--turn");
    const errand_clock clock = { turned, NULL };
    agent a;
    int failed = agent_open(&a, argv[1], turns ? &clock : NULL);
    if (!failed) {
        struct json_object *tally = process_batch(&a, videos, sizeof videos / sizeof *videos,
                                                  turns ? turn_the_clock : only_wait);
        puts(json_object_to_json_string_ext(tally, JSON_C_TO_STRING_PRETTY));
        failed = json_object_array_length(json_object_object_get(tally, "failed")) > 0;
        json_object_put(tally);
    }
    agent_close(&a);
    return failed ? 1 : 0;
}
