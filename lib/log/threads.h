/* log/threads.h -- which threads log in which hubs. */
#ifndef ER_THREADS_H
#define ER_THREADS_H

#include "log/hub.h"

typedef struct er_speaker { /* a thread; what it used last is found at once */
    uint64_t id;            /* 0: nothing yet */
    er_voice *voice;
    er_voice *all;
    /* the hub of which this thread is the backend; NULL: none. Such a thread never waits for
     * room */
    const er_hub *serves;
} er_speaker;
extern __thread er_speaker er_speaker_of_thread __attribute__((visibility("hidden")));

/* the thread's voice; NULL: none, the log is closed, or there is no memory */
er_voice *er_voice_find(errand_log *log);
void er_voice_call_all(er_hub *hub); /* wakes threads that wait for room */
void er_hub_stats(er_hub *hub, errand_log_stats *stats);

/* The backend's: the voices there are, into an array that has room (grown if
 * need be: 0 or ENOMEM). */
int er_voices_list(er_hub *hub, er_voice ***array, size_t *room, size_t *n);
/* frees it if its thread is gone, no other has it, and it is empty */
bool er_voice_reap(er_voice *v);

void er_voices_drop(er_hub *hub); /* in a child: all of them */
/* its voices are their threads' from now on; what has ended long ago is freed */
void er_hub_bury(er_hub *hub);

#endif
