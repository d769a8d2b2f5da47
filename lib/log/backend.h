/* log/backend.h -- what the backend thread has for itself. */
#ifndef ER_BACKEND_H
#define ER_BACKEND_H

#include "log/hub.h"

struct er_backend {
    er_voice **voices, **heap; /* as of voices_seen; those with something to say in this pass, least stamp first */
    size_t     voices_room, heap_room, n, heaped;
    uint64_t   voices_seen;
    uint64_t   horizon;  /* of this pass: what was stamped later is left for the next */
    uint64_t   window;   /* in stamps; beyond it a stamp is not believed              */
    uint64_t   bytes;    /* taken in this pass                                        */
    bool       left;     /* something is there that this pass did not take            */
    bool       discard;  /* nothing is written any more, all is told lost             */
    bool       printing; /* a line is on its way to the sinks: this one has it now */
    size_t     sink;
    bool       dying;    /* er_backend_drain is at it: no callback is called, no voice freed, no room given back */
    bool       drained;  /* er_backend_drain has been, on this thread, within a pass: the pass has nothing left to take */
    uint64_t   lines, discarded[ER_LOG_LEVELS];
    er_stamps  stamps;
    int64_t    latest_ns; /* the time of the last line */
    er_text    message, laid_out;
    er_values  values;
    er_line    line, now; /* now: for gaps */
};

/* merge.c: one pass over all voices. True: something was taken. */
bool er_backend_pass(er_hub *hub);

/* print.c */
void er_print(er_hub *hub, const er_voice *voice, const er_record *record);
void er_print_rest(er_hub *hub); /* the line that is on its way, to the sinks that follow; nothing if there is none */
void er_print_lost(er_hub *hub, const uint64_t lost[ER_LOG_LEVELS]);

#endif
