#include "tools/client.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct demo demo;

void start_demo(const char *const *flags) { ck_assert_int_eq(demo_start(&demo, flags), 0); }

void stop_demo(void) { ck_assert_int_eq(demo_stop(&demo), 0); }

static size_t take_body(char *bytes, size_t one, size_t length, void *arg)
{
    struct answer *answer = arg;
    (void)one;
    if (answer->length + length >= sizeof answer->body) {
        return 0;
    }
    memcpy(answer->body + answer->length, bytes, length);
    answer->length += length;
    answer->body[answer->length] = '\0';
    answer->pieces++;
    return length;
}

static size_t take_head(char *bytes, size_t one, size_t length, void *arg)
{
    struct answer *answer = arg;
    size_t at = strlen(answer->head);
    (void)one;
    if (at + length < sizeof answer->head) {
        memcpy(answer->head + at, bytes, length);
        answer->head[at + length] = '\0';
    }
    return length;
}

static CURL *prepare(const struct call *call, struct answer *answer, struct curl_slist **headers)
{
    CURL *curl = curl_easy_init();
    char line[400];
    ck_assert_ptr_nonnull(curl);
    memset(answer, 0, sizeof *answer);
    *headers = NULL;
    snprintf(line, sizeof line, "%s%s", strncmp(call->path, "http:", 5) ? demo.url : "",
             call->path);
    curl_easy_setopt(curl, CURLOPT_URL, line);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (call->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body));
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, call->body);
        snprintf(line, sizeof line, "Content-Type: %s",
                 call->type ? call->type : "application/json");
        *headers = curl_slist_append(*headers, line);
    }
    if (call->key) {
        snprintf(line, sizeof line, *call->key ? "Idempotency-Key: %s" : "Idempotency-Key;%s",
                 call->key);
        *headers = curl_slist_append(*headers, line);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
    if (call->method && !strcmp(call->method, "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (call->method) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    }
    return curl;
}

void ask(const struct call *call, struct answer *answer)
{
    struct curl_slist *headers;
    double first = 0;
    CURL *curl = prepare(call, answer, &headers);
    answer->code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME, &first);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &answer->seconds);
    answer->body_seconds = answer->seconds - first;
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
}

void ask_for(const char *path, struct answer *answer)
{
    ask(&(struct call){ .path = path }, answer);
}

const char *order_for(const char *video_id)
{
    static char order[200];
    snprintf(order, sizeof order,
             "{\"prompt\":\"A cat playing "
             "piano\",\"video_id\":\"%s\",\"quality\":\"low\",\"duration\":2}",
             video_id);
    return order;
}

void generate(const char *video_id, const char *key, struct answer *answer)
{
    ask(&(struct call){ .path = "/generate", .body = order_for(video_id), .key = key }, answer);
}

const char *behind(const char *in, const char *what)
{
    static char text[200];
    const char *at = strstr(in, what);
    ck_assert_msg(at, "no '%s' in: %s", what, in);
    at += strlen(what);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\r\n\""), at);
    return text;
}

void assert_has(const char *in, const char *what)
{
    ck_assert_msg(strstr(in, what), "no '%s' in: %s", what, in);
}

long count_of_v(const char *name) { return demo_count(&demo, "/stats/v", name); }

/* Moves transfers on, waiting for something to happen to them. False: all have ended. */
static bool transfers_run(CURLM *multi)
{
    int running;
    ck_assert_int_eq(curl_multi_perform(multi, &running), CURLM_OK);
    if (running) {
        ck_assert_int_eq(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
    }
    return running;
}

void ask_together(const struct call *calls, struct answer *answers, size_t n, int signal)
{
    CURLM *multi = curl_multi_init();
    CURL **curls = calloc(n, sizeof *curls);
    struct curl_slist **headers = calloc(n, sizeof *headers);
    int left, running, status;
    for (size_t i = 0; i < n; i++) {
        curls[i] = prepare(&calls[i], &answers[i], &headers[i]);
        curl_easy_setopt(curls[i], CURLOPT_PRIVATE, &answers[i]);
        curl_multi_add_handle(multi, curls[i]);
    }
    if (signal) {
        do {
            ck_assert_int_eq(curl_multi_perform(multi, &running), CURLM_OK);
            curl_multi_poll(multi, NULL, 0, 5, NULL);
        } while (demo_count(&demo, "/stats", "received") != (long)n);
        kill(demo.pid, signal);
        ck_assert_int_eq(waitpid(demo.pid, &status, 0), demo.pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close(demo.life);
    }
    while (transfers_run(multi)) {}
    for (CURLMsg *msg; (msg = curl_multi_info_read(multi, &left));) {
        struct answer *answer;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &answer);
        answer->code = msg->data.result;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    for (size_t i = 0; i < n; i++) {
        curl_multi_remove_handle(multi, curls[i]);
        curl_easy_cleanup(curls[i]);
        curl_slist_free_all(headers[i]);
    }
    curl_multi_cleanup(multi);
    free(headers);
    free(curls);
}
