/*
 * Three tables: videos by id, idempotency keys, operations by id. Work is counted when it begins,
 * because a client that hangs up meanwhile does not undo it. A key keeps the whole first answer and
 * the time at which it is ready: a repeat that comes while the work still runs waits for that time
 * and begins nothing. A key that comes again with another order is refused.
 *
 * An operation is queued for a number of polls, then running for a number of polls, both drawn
 * by seed, so that its life does not depend on how fast the client is. */
#include "videos.h"

#include <inttypes.h>
#include <json-c/linkhash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wakes.h"

enum { BYTES_A_SECOND = 1024 };

struct key {
    char *text;
    char *order; /* what it was first used for */
    bool done;
    struct reply answer;
    int64_t ready_at;
};

struct operation {
    char id[24];
    struct video *video;
    uint64_t queued, running; /* polls left */
    int64_t not_before;
};

struct videos {
    const struct options *options;
    char base[32];
    struct lh_table *videos, *keys, *operations;
};

static void free_video(struct lh_entry *entry)
{
    struct video *video = lh_entry_v(entry);
    free(video->id);
    free(video);
}

static void free_key(struct lh_entry *entry)
{
    struct key *key = lh_entry_v(entry);
    reply_free(&key->answer);
    free(key->text);
    free(key->order);
    free(key);
}

static void free_operation(struct lh_entry *entry) { free(lh_entry_v(entry)); }

struct videos *videos_new(const struct options *options, uint16_t port)
{
    struct videos *videos = calloc(1, sizeof *videos);
    if (!videos) {
        return NULL;
    }
    videos->options = options;
    snprintf(videos->base, sizeof videos->base, "http://127.0.0.1:%u", port);
    videos->videos = lh_kchar_table_new(256, free_video);
    videos->keys = lh_kchar_table_new(256, free_key);
    videos->operations = lh_kchar_table_new(256, free_operation);
    if (!videos->videos || !videos->keys || !videos->operations) {
        videos_free(videos);
        return NULL;
    }
    return videos;
}

void videos_free(struct videos *videos)
{
    struct lh_table *const tables[] = { videos->videos, videos->keys, videos->operations };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (tables[i]) {
            lh_table_free(tables[i]);
        }
    }
    free(videos);
}

static void *find(struct lh_table *table, const char *text)
{
    void *found = NULL;
    return lh_table_lookup_ex(table, text, &found) ? found : NULL;
}

struct video *videos_find(struct videos *videos, const char *id)
{
    return find(videos->videos, id);
}

struct operation *operations_find(struct videos *videos, const char *id)
{
    return find(videos->operations, id);
}

struct video *operation_video(struct operation *operation) { return operation->video; }

static struct video *new_video(struct videos *videos, const struct order *order)
{
    struct video *video = calloc(1, sizeof *video);
    if (video && (video->id = strdup(order->video_id)) &&
        !lh_table_insert(videos->videos, video->id, video)) {
        return video;
    }
    if (video) {
        free(video->id);
        free(video);
    }
    return NULL;
}

/* Takes `order` over. */
static struct key *new_key(struct videos *videos, const char *text, char *order)
{
    struct key *key = calloc(1, sizeof *key);
    if (key && (key->text = strdup(text)) && !lh_table_insert(videos->keys, key->text, key)) {
        key->order = order;
        return key;
    }
    if (key) {
        free(key->text);
        free(key);
    }
    free(order);
    return NULL;
}

/* What must be the same when a key comes again. */
static char *describe(enum endpoint endpoint, const struct order *order)
{
    static const char format[] = "%d %s %s %d %s";
    size_t room = sizeof format + VIDEO_ID_MOST + 32 + strlen(order->prompt);
    char *text = malloc(room);
    if (text) {
        snprintf(text, room, format, endpoint, order->video_id, order->quality, order->duration,
                 order->prompt);
    }
    return text;
}

bool videos_arrive(struct videos *videos, struct arrival *arrival, const char *text,
                   struct reply *refusal)
{
    bool first_use = false;
    struct key *key = NULL;
    if (text) {
        char *described = describe(arrival->endpoint, arrival->order);
        key = described ? find(videos->keys, text) : NULL;
        if (key) {
            bool same = !strcmp(key->order, described);
            free(described);
            if (!same) {
                reply_problem(refusal, 422, "Idempotency-Key",
                              "this key was used for another request");
                return false;
            }
        } else if (!described || !(key = new_key(videos, text, described))) {
            reply_problem(refusal, 500, NULL, "no memory");
            return false;
        } else {
            first_use = true;
        }
    }
    struct video *video = videos_find(videos, arrival->order->video_id);
    if (!video && !(video = new_video(videos, arrival->order))) {
        reply_problem(refusal, 500, NULL, "no memory");
        return false;
    }
    video->asked[arrival->endpoint]++;
    video->keyed += key != NULL;
    video->keys += first_use;
    arrival->video = video;
    arrival->key = key;
    return true;
}

static struct lot lot_of(const struct videos *videos, const struct video *video,
                         enum endpoint endpoint, uint64_t n)
{
    return (struct lot){
        .seed = videos->options->seed, .endpoint = endpoint, .video_id = video->id, .n = n
    };
}

static struct json_object *text_object(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

static struct json_object *url_object(const struct videos *videos, const struct video *video)
{
    char url[sizeof videos->base + VIDEO_ID_MOST + 24];
    snprintf(url, sizeof url, "%s/videos/%s/content", videos->base, video->id);
    return json_object_new_string(url);
}

/* As a service that counts tokens would: of the prompt, and two for each second of the video, at
 * most max_tokens. */
static struct json_object *usage_object(const struct order *order)
{
    int prompt = (int)(strlen(order->prompt) + 3) / 4, made = 2 * order->duration;
    struct json_object *usage = json_object_new_object();
    if (order->max_tokens && made > order->max_tokens) {
        made = order->max_tokens;
    }
    json_object_object_add(usage, "input_tokens", json_object_new_int(prompt));
    json_object_object_add(usage, "output_tokens", json_object_new_int(made));
    json_object_object_add(usage, "total_tokens", json_object_new_int(prompt + made));
    return usage;
}

static void generate(const struct videos *videos, const struct order *order,
                     const struct video *video, const struct key *key, struct reply *reply,
                     int64_t *ready_at)
{
    struct lot lot = lot_of(videos, video, ENDPOINT_GENERATE, video->processed);
    double spread = lot_share(&lot, DRAW_DELAY) * (double)videos->options->delay_spread_ms;
    *ready_at = wakes_now() + videos->options->delay_ms * 1000000 + (int64_t)(spread * 1e6);
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "video_id", json_object_new_string(video->id));
    json_object_object_add(answer, "status", json_object_new_string("succeeded"));
    json_object_object_add(answer, "url", url_object(videos, video));
    json_object_object_add(answer, "prompt", json_object_new_string(order->prompt));
    json_object_object_add(answer, "quality", json_object_new_string(order->quality));
    json_object_object_add(answer, "duration", json_object_new_int(order->duration));
    json_object_object_add(answer, "made", json_object_new_int64((int64_t)video->processed));
    json_object_object_add(answer, "idempotency_key", text_object(key ? key->text : NULL));
    json_object_object_add(answer, "usage", usage_object(order));
    reply_json(reply, 200, answer);
}

static struct operation *new_operation(struct videos *videos, struct video *video)
{
    struct operation *operation = calloc(1, sizeof *operation);
    if (!operation) {
        return NULL;
    }
    const struct options *options = videos->options;
    struct lot lot = lot_of(videos, video, ENDPOINT_SUBMIT, video->operations + 1);
    snprintf(operation->id, sizeof operation->id, "op-%016" PRIx64, lot_bits(&lot, DRAW_OPERATION));
    operation->video = video;
    operation->not_before = wakes_now() + options->operation_ms * 1000000;
    if (options->polls) {
        operation->queued = 1 + lot_bits(&lot, DRAW_QUEUED) % (uint64_t)options->polls;
        operation->running = 1 + lot_bits(&lot, DRAW_RUNNING) % (uint64_t)options->polls;
    }
    if (lh_table_insert(videos->operations, operation->id, operation)) {
        free(operation);
        return NULL;
    }
    video->operations++;
    return operation;
}

static void submit(struct videos *videos, struct video *video, const struct key *key,
                   struct reply *reply)
{
    struct operation *operation = new_operation(videos, video);
    if (!operation) {
        reply_problem(reply, 500, NULL, "no memory");
        return;
    }
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "operation_id", json_object_new_string(operation->id));
    json_object_object_add(answer, "video_id", json_object_new_string(video->id));
    json_object_object_add(answer, "status", json_object_new_string("queued"));
    json_object_object_add(answer, "idempotency_key", text_object(key ? key->text : NULL));
    reply_json(reply, 202, answer);
    reply->retry_after = RETRY_SECONDS;
    snprintf(reply->operation_location, sizeof reply->operation_location, "%s/operations/%s",
             videos->base, operation->id);
}

/* A copy; its body is NULL when there was no memory for it: such a reply is not sent. */
static void copy_reply(struct reply *to, const struct reply *from)
{
    *to = *from;
    to->body = from->body ? strdup(from->body) : NULL;
}

void videos_process(struct videos *videos, const struct arrival *arrival, struct reply *reply,
                    int64_t *ready_at)
{
    struct video *video = arrival->video;
    struct key *key = arrival->key;
    *ready_at = 0;
    if (key && key->done) {
        video->replayed++;
        copy_reply(reply, &key->answer);
        *ready_at = key->ready_at;
        return;
    }
    video->processed++;
    video->unkeyed_work += !key;
    video->duration = arrival->order->duration;
    if (arrival->endpoint == ENDPOINT_GENERATE) {
        generate(videos, arrival->order, video, key, reply, ready_at);
    } else {
        submit(videos, video, key, reply);
    }
    if (key) {
        key->done = true;
        key->ready_at = *ready_at;
        copy_reply(&key->answer, reply);
    }
}

void operation_poll(struct videos *videos, struct operation *operation, struct reply *reply)
{
    const char *status = "succeeded";
    if (operation->queued) {
        operation->queued--;
        status = "queued";
    } else if (operation->running) {
        operation->running--;
        status = "running";
    } else if (wakes_now() < operation->not_before) {
        status = "running";
    }
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "operation_id", json_object_new_string(operation->id));
    json_object_object_add(answer, "video_id", json_object_new_string(operation->video->id));
    json_object_object_add(answer, "status", json_object_new_string(status));
    if (*status == 's') {
        json_object_object_add(answer, "url", url_object(videos, operation->video));
    } else {
        reply->retry_after = RETRY_SECONDS;
    }
    reply_json(reply, 200, answer);
}

void video_content(const struct videos *videos, const struct video *video, struct reply *reply)
{
    struct lot lot = lot_of(videos, video, ENDPOINT_CONTENT, 0);
    uint64_t state = lot_bits(&lot, DRAW_CONTENT);
    reply->status = 200;
    reply->type = "application/octet-stream";
    reply->length = (size_t)video->duration * BYTES_A_SECOND;
    reply->body = malloc(reply->length);
    for (size_t i = 0; reply->body && i < reply->length; i += sizeof state) {
        uint64_t bits = next_bits(&state);
        memcpy(reply->body + i, &bits, sizeof bits);
    }
}

static void add_count(struct json_object *into, const char *name, uint64_t count)
{
    json_object_object_add(into, name, json_object_new_uint64(count));
}

static uint64_t orders_of(const struct video *video)
{
    return video->asked[ENDPOINT_GENERATE] + video->asked[ENDPOINT_SUBMIT];
}

struct json_object *video_stats(const struct video *video)
{
    struct json_object *stats = json_object_new_object();
    add_count(stats, "received", orders_of(video));
    add_count(stats, "processed", video->processed);
    add_count(stats, "keyed", video->keyed);
    add_count(stats, "keys", video->keys);
    add_count(stats, "replayed", video->replayed);
    add_count(stats, "polls", video->asked[ENDPOINT_POLL]);
    add_count(stats, "fetches", video->asked[ENDPOINT_CONTENT]);
    return stats;
}

void videos_stats(const struct videos *videos, struct json_object *into, bool each)
{
    struct video sum = { 0 };
    uint64_t repeats = 0, work_repeats = 0, count = 0;
    struct json_object *list = json_object_new_object();
    const struct lh_entry *entry;
    lh_foreach(videos->videos, entry)
    {
        const struct video *video = lh_entry_v(entry);
        uint64_t unkeyed = orders_of(video) - video->keyed;
        repeats += unkeyed ? unkeyed - 1 : 0;
        work_repeats += video->unkeyed_work ? video->unkeyed_work - 1 : 0;
        for (int endpoint = 0; endpoint < ENDPOINTS; endpoint++) {
            sum.asked[endpoint] += video->asked[endpoint];
        }
        sum.processed += video->processed;
        sum.keyed += video->keyed;
        sum.keys += video->keys;
        sum.replayed += video->replayed;
        count++;
        if (each) {
            json_object_object_add(list, video->id, video_stats(video));
        }
    }
    struct json_object *totals = video_stats(&sum);
    add_count(totals, "videos", count);
    add_count(totals, "unkeyed_repeats", repeats);
    add_count(totals, "unkeyed_work_repeats", work_repeats);
    json_object_object_add(into, "totals", totals);
    json_object_object_add(into, "videos", list);
}
