/* http/body.h -- what a request's body is made of: checked and copied once,
 * sent by every attempt. */
#ifndef ER_BODY_H
#define ER_BODY_H

#include "base/bytes.h"
#include "base/list.h"

#include <errand/http.h>

typedef enum er_part_kind { ER_PART_BYTES, ER_PART_FILE, ER_PART_FN } er_part_kind;

typedef struct er_part {
    er_part_kind kind;
    char *at;        /* bytes; or the path of the file */
    size_t size;     /* of the bytes */
    uint64_t length; /* of the file, when it was checked */
} er_part;

typedef struct er_body {
    bool there;
    bool known; /* length is */
    uint64_t length;
    er_part *parts; /* one of bytes: all is in memory */
    size_t n;
    errand_body_fn *fn; /* of a part of kind FN */
    void *fn_arg;
    errand_free_fn *fn_free;
    er_lock lock;    /* guards the next two, of body_upload.c: turns to call fn */
    void *caller;    /* the source that has the turn; NULL: none */
    er_list callers; /* the sources that wait for it */
    char *type;      /* the Content-Type that it brings; NULL: none */
} er_body;

/* Makes the body of a request. Takes over fn_arg, whatever this returns. 0, EINVAL, ENOMEM, or the
 * errno of a file that cannot be sent. */
int er_body_make(er_body *body, const errand_request *given, er_bytes *why);
void er_body_free(er_body *body);

static inline bool er_body_in_memory(const er_body *body)
{
    return !body->n || (body->n == 1 && body->parts[0].kind == ER_PART_BYTES);
}

#endif
