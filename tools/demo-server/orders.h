/* Orders: what a client asks for, read from the body of a POST. */
#ifndef DEMO_ORDERS_H
#define DEMO_ORDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "replies.h"

enum { VIDEO_ID_MOST = 64, PROMPT_MOST = 4000, DURATION_MOST = 600, TOKENS_MOST = 1000000 };

struct order {
    char video_id[VIDEO_ID_MOST + 1];
    const char *quality; /* static */
    int duration;        /* seconds */
    int max_tokens;      /* that a reply may use; 0: not given */
    char *prompt;        /* owned */
};

/* True, or false with a problem document in `refusal`. */
bool order_read(struct order *order, const char *content_type, const char *body, size_t length,
                struct reply *refusal);

void order_free(struct order *order);

/* A letter, digit, '_', '-' or '.', 1 to VIDEO_ID_MOST of them. */
bool video_id_is_good(const char *id);

#endif
