/* http/stream.h -- bodies that are not plain memory: a sink takes a reply's as it comes, a source
 * gives a request's as it is sent.
 *
 * Both belong to one exchange, and their functions are called on its lane, so none of them waits: a
 * task does what is slow, and meanwhile they return ER_FLOW_WAIT. An exchange makes one
 * (body_save.h, body_upload.h), calls begin, and ends it with drop, exactly once. resume may be
 * called a moment after that: a valve is counted. */
#ifndef ER_STREAM_H
#define ER_STREAM_H

#include "base/bytes.h"

#include <errand/http.h>

enum { ER_FLOW_WAIT = -1 }; /* what else is returned is 0 or an errno */

/* In the exchange: what its sink and source call. Any thread, no lock held. */
typedef struct er_valve {
    void (*resume)(struct er_valve *self); /* may come before WAIT was returned, and twice */
    void (*end)(struct er_valve *self);    /* cancels the transfer, as by the caller */
    void (*finished)(struct er_valve *self, int error); /* after finish returned WAIT: once */
    void (*keep)(struct er_valve *self);
    void (*drop)(struct er_valve *self);
    bool (*discarded)(struct er_valve *self); /* the exchange is cancelled; for the writer */
} er_valve;

typedef struct er_body_sink {
    /* before the request goes out */
    int (*begin)(struct er_body_sink *self, er_valve *valve);
    /* those of the final, good reply, before its body */
    int (*headers)(struct er_body_sink *self, errand_response *response);
    /* 0: all is taken; WAIT: nothing, bring it again */
    int (*take)(struct er_body_sink *self, const char *at, size_t size);
    /* All of the body has come: completes response, which is the sink's until then. WAIT:
     * valve->finished follows. */
    int (*finish)(struct er_body_sink *self, errand_response *response);
    /* a stream, instead of finish; owns how. NULL: no stream */
    void (*ended)(struct er_body_sink *self, errand_result how);
    /* words about the error it returned; returns that error. NULL: none */
    int (*why)(struct er_body_sink *self, er_bytes *words);
    /* nothing more comes */
    void (*drop)(struct er_body_sink *self);
} er_body_sink;

typedef struct er_body_source {
    int64_t size; /* -1: not known, sent chunked */
    int (*begin)(struct er_body_source *self, er_valve *valve);
    /* *got 0: the end */
    int (*read)(struct er_body_source *self, char *to, size_t room, size_t *got);
    /* to the first byte, for a repeat; false: impossible */
    bool (*rewind)(struct er_body_source *self);
    int (*why)(struct er_body_source *self, er_bytes *words);
    void (*drop)(struct er_body_source *self);
} er_body_source;

#endif
