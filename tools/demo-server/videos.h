/* Videos: what was requested, what was done, and what was promised: videos, idempotency keys,
 * operations, counts. */
#ifndef DEMO_VIDEOS_H
#define DEMO_VIDEOS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "fates.h"
#include "options.h"
#include "orders.h"
#include "replies.h"

struct video {
    char *id;
    uint64_t asked[ENDPOINTS]; /* requests that arrived, by endpoint */
    uint64_t processed;        /* times that work was begun for it */
    uint64_t keyed;            /* orders that came with an idempotency key */
    uint64_t keys;             /* different ones of these */
    uint64_t replayed;         /* orders that had a stored answer */
    uint64_t unkeyed_work;     /* times that work was begun without a key */
    uint64_t operations;
    int duration;
};

struct videos;
struct key;
struct operation;

/* NULL: no memory. */
struct videos *videos_new(const struct options *options, uint16_t port);
void videos_free(struct videos *videos);

struct arrival {
    enum endpoint endpoint;
    const struct order *order;
    struct video *video; /* this and the next are noted by videos_arrive */
    struct key *key;     /* NULL: none came */
};

/*
 * An order arrives: it is counted, its video and key (text NULL: none came) are noted. False:
 * the key was used for something else, or no memory; the reply says so and nothing was counted. */
bool videos_arrive(struct videos *videos, struct arrival *arrival, const char *text,
                   struct reply *refusal);

/* The order is processed, once for each key; *ready_at is when its answer may go out. */
void videos_process(struct videos *videos, const struct arrival *arrival, struct reply *reply,
                    int64_t *ready_at);

/* NULL: there is none. */
struct video *videos_find(struct videos *videos, const char *id);
struct operation *operations_find(struct videos *videos, const char *id);
struct video *operation_video(struct operation *operation);

/* One poll: says where the operation stands and moves it on. */
void operation_poll(struct videos *videos, struct operation *operation, struct reply *reply);

/* The bytes of a video that was made. */
void video_content(const struct videos *videos, const struct video *video, struct reply *reply);

struct json_object *video_stats(const struct video *video);

/* The sums over all videos, and each video if `each`. */
void videos_stats(const struct videos *videos, struct json_object *into, bool each);

#endif
