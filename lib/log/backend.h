/* log/backend.h -- the thread that writes, and its own state. */
#ifndef ER_BACKEND_H
#define ER_BACKEND_H

#include "log/hub.h"

struct er_backend {
    /* as of voices_seen; those with something to say in this pass, least stamp first */
    er_voice **voices, **heap;
    size_t voices_room, heap_room, n, heaped;
    uint64_t voices_seen;
    uint64_t horizon; /* of this pass: what was stamped later is left for the next */
    uint64_t window;  /* in stamps; beyond it a stamp is not believed              */
    uint64_t bytes;   /* taken in this pass                                        */
    bool left;        /* something is there that this pass did not take            */
    bool blind;       /* ... or this pass had no memory to look at all voices       */
    bool more;        /* something has come meanwhile: the next pass begins at once */
    bool discard;     /* nothing is written any more, all counts as dropped        */
    bool printing;    /* a line is on its way to the sinks: this one has it now */
    size_t sink;
    /* within er_backend_drain: no callback is called, no voice freed, no room given back */
    bool dying;
    /* er_backend_drain ran on this thread, within a pass: the pass has nothing left to take */
    bool drained;
    uint64_t pending, pending_stamp; /* the flush that is answered next, and when it was seen */
    uint64_t lines, discarded[ER_LOG_LEVELS];
    er_stamps stamps;
    int64_t latest_ns; /* the time of the last line */
    er_text message, laid_out;
    er_values values;
    er_line line, now; /* now: for gaps */
};

int er_backend_new(er_hub *hub); /* 0 or ENOMEM */
void er_backend_free(er_hub *hub);
int er_backend_start(er_hub *hub); /* 0: it runs; or an errno */
/* on the backend's own thread, when it dies: all there is, at once */
void er_backend_drain(er_hub *hub);
void er_backend_end(er_hub *hub); /* sinks and backend freed, then the hub is buried */

#endif
