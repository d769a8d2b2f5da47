/* log/log.h -- what a log is made of; for the files of this folder. */
#ifndef ER_LOG_H
#define ER_LOG_H

#include "base/list.h"
#include "base/os.h"
#include "log/line.h"
#include "log/ring.h"
#include "log/sink.h"

#include <errand/log.h>

#define ER_LOG_LEVELS ((size_t)ERRAND_LOG_OFF)
#define ER_LOG_SINKS  ((size_t)8)
#define ER_LOG_BATCH  ((size_t)512) /* lines the backend writes between two looks at the lock */
#define ER_LOG_CALLED 1u            /* the bit of all parkers here                            */

typedef struct er_log_counts { /* lines lost, by level */
    bool     any;
    uint64_t of[ER_LOG_LEVELS];
} er_log_counts;

typedef struct er_log_record { /* then the counts of those lost before it, if there are any, then the message */
    const errand_log_site *site;
    int64_t                wall_ns;
    int                    level;
    bool                   lost_before;
} er_log_record;

typedef struct er_log_waiter { /* for room, or in flush; on the waiter's stack */
    er_node   node;
    er_parker parker;
    uint64_t  target; /* is called when so many lines are told             */
    bool      called; /* taken from its list: its bit is set or will be    */
} er_log_waiter;

typedef enum er_log_state { ER_LOG_NONE, ER_LOG_STARTING, ER_LOG_RUNNING } er_log_state;  /* the backend thread */
typedef enum er_log_sleep { ER_LOG_AWAKE, ER_LOG_NAPPING, ER_LOG_ASLEEP } er_log_sleep;

struct errand_log {
    struct errand_log_head head;
    unsigned generation;
    char    *name;
    uint64_t attempted, written, dropped, failed, failures; /* atomic                          */
    size_t   sinks_open;                                    /* atomic; the sinks below are ready */

    er_lock        lock; /* guards from here ... */
    er_ring        ring; /* its writer's side    */
    uint64_t       said, told;
    er_log_counts  lost; /* after the last record */
    er_list        for_room, for_told;
    er_log_waiter *first;   /* passed over too often: nobody else gets room before it */
    unsigned       blocked; /* writers that wait for room                             */
    er_log_state   state;
    er_log_sleep   sleep;
    int64_t        start_again_ns;
    uint64_t       failures_heard;
    bool           closing, abandoned, finished; /* ... to here */

    er_thread thread;
    er_parker parker; /* the backend's */
    er_parker closer;

    er_sink sinks[ER_LOG_SINKS]; /* the backend's, but for the next to be opened */
    er_line line;
    bool    line_failed[ER_LOG_BATCH];
};

/* ---- backend.c ---- */

/* Without the lock; the caller has set STARTING. 0 or an errno; then whoever waits is called to see that. */
int er_log_start(errand_log *log);
/* Frees everything; writes nothing. */
void er_log_destroy(errand_log *log);

/* Under the lock: takes out of a list who waits for no more than told. wake: afterwards, without the lock. */
void er_log_call(er_list *ready, er_list *waiting, uint64_t told);
void er_log_wake(er_list *ready);

/* Under the lock. True: the caller unparks the backend. Only the first who finds it asleep does. */
static inline bool er_log_rouse(errand_log *log, er_log_sleep from)
{
    if (log->sleep < from) return false;
    log->sleep = ER_LOG_AWAKE;
    return true;
}

/* A child process has no backend, and a lock that was held at fork stays held in it for ever. */
static inline bool er_log_forked(const errand_log *log) { return log->generation != er_fork_generation(); }

#endif
