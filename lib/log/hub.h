/* log/hub.h -- what a log is made of, and how its backend is woken; for the files of this folder.
 *
 *     errand_log (the log itself, each named logger) --> hub <-- voice (a thread's ring in it)
 *                                                         |
 *                                                    backend thread --> sinks
 *
 * Loggers and hub outlive errand_log_close (threads.c), so that a late call can count its line. A
 * thread owns its voice, which lives until the thread ends or next looks for a voice. */
#ifndef ER_HUB_H
#define ER_HUB_H

#include "base/clock.h"
#include "base/list.h"
#include "log/ring.h"
#include "log/sink.h"

#include <errand/log.h>

#define ER_LOG_LEVELS ((size_t)ERRAND_LOG_OFF)
#define ER_LOG_SINKS  ((size_t)8)
#define ER_LOG_CALLED 1u         /* the bit of all parkers here     */
#define ER_LOG_CLOSED UINT64_MAX /* the id of a log that takes nothing */

typedef struct er_hub er_hub;
typedef struct er_backend er_backend;

struct errand_log { /* a logger */
    /* the level that a call reads, atomic: the higher of the logger's and the sinks' */
    struct errand_log_head head;
    /* its own (DEFAULT: as inherited), and the one that counts; under the hub's lock */
    int own_level, level;
    uint64_t id; /* the hub's, or ER_LOG_CLOSED; atomic */
    er_hub *hub;
    er_node node; /* in hub->loggers */
    /* by name, as logger.c has it; under the hub's lock */
    struct errand_log *parent, *child, *sibling;
    /* more loggers by the hash of their names; under the hub's lock */
    struct errand_log *chain[4];
    char name[];
};

/* one thread in one hub, and when it has ended the next that begins to log there */
typedef struct er_voice {
    er_ring ring;
    /* atomic, written by the thread: lines put or lost */
    uint64_t said;
    /* atomic, written by the thread, ever: lines lost, by level */
    uint64_t lost[ER_LOG_LEVELS];
    /* the thread's own: their sum ... */
    uint64_t lost_all;
    uint64_t lost_shown; /* ... and how much of it the ring has */
    /* the thread waits for room */
    er_parker parker;
    /* atomic */
    uint32_t waiting;
    /* the thread's own: the kernel's number of it ... */
    long thread;
    long thread_shown; /* ... and the one that the ring has */
    uint64_t id;       /* the hub's */

    struct er_voice *next_of_thread; /* the thread's own */
    /* under the lock of threads.c: NULL when the hub has no more use for it */
    er_hub *hub;
    /* under the lock of threads.c: in hub->voices */
    er_node node;
    /* under the lock of threads.c: in hub->ended */
    er_node heir;
    /* atomic, written under the lock of threads.c: its thread is gone */
    bool ended;

    /* the backend's own */
    uint64_t logged[ER_LOG_LEVELS]; /* of lost: in gap lines */
    long speaks;                    /* the thread of the lines that come next */
    /* this pass ends here */
    uint64_t stop;
    /* of the record in front */
    uint64_t stamp;
    /* how much of read has been given back */
    uint64_t given;
} er_voice;

/* What stands behind a record's header; then, by kind, fields and arguments or text. */
typedef struct er_saying {
    uint64_t stamp;
    /* NULL: of a place that is only known at run time, or without memory for a plan */
    const er_plan *plan;
    const errand_log *log;
} er_saying;
enum { /* tag: kind, level << 4, and bits */
       ER_SAID_ARGS = 1,
       ER_SAID_TEXT,
       ER_SAID_PLACE,
       ER_SAID_NEWS,
       /* a pointer to fields, counted, comes first */
       ER_SAID_KIND = 0xf,
       ER_SAID_LEVEL = 4,
       ER_SAID_FIELDS = 0x100
};
typedef struct er_said_news {     /* what has changed since the record before */
    uint64_t lost[ER_LOG_LEVELS]; /* the sums so far */
    int64_t thread;
} er_said_news;
/* then file, function, text of these sizes, the first two with a NUL; */
typedef struct er_said_place {
    int32_t line;
    uint32_t file, function, text;
    uint32_t message; /* bytes of the text that are the message */
    /* how many er_said_value follow at the next multiple of 8; then the bytes of all keys */
    uint32_t values;
} er_said_place;
typedef struct er_said_value {
    uint32_t key_size, at, size, kind; /* at: in the text */
} er_said_value;

typedef enum er_hub_sleep {
    ER_HUB_AWAKE,
    ER_HUB_NAPPING,
    ER_HUB_ASLEEP,
    ER_HUB_ABSENT
} er_hub_sleep;

typedef struct er_hub_waiter { /* for flush or reopen; on the waiter's stack */
    er_node node;
    er_parker parker;
    uint64_t target;
    bool called; /* taken from the list: its bit is set or will be */
} er_hub_waiter;

struct er_hub {
    uint64_t id;
    unsigned generation; /* of forks */
    int block_from;
    size_t ring;
    int64_t exit_ns; /* how long the end of the process waits for it */
    /* backend.c's: its thread, unless one is being started. False: not now */
    bool (*start)(er_hub *hub);
    bool strict; /* there is no er_barrier: writers fence for themselves */
    /* atomic er_hub_sleep: written by the backend, and by threads that wake it */
    int sleep;
    bool closing;     /* atomic */
    er_parker parker; /* the backend's */
    er_parker closer;
    char apart[ER_LINE];

    uint64_t late; /* atomic: lines said after close or in a child: attempted and dropped */
    uint64_t written, discarded, failed, failures; /* atomic, written by the backend */
    uint64_t flush_asked, flush_done;              /* atomic */
    uint64_t voices_changed;                       /* atomic: grows when a voice comes */
    size_t sinks_open;                             /* atomic; the sinks below are ready */

    uint64_t seed;     /* of the hash of names */
    er_lock lock;      /* guards from here ... */
    errand_log *names; /* the loggers by name, but for the log itself */
    int sinks_level;   /* what is less no sink takes */
    er_list loggers, flushing;
    bool starting, running;
    int64_t start_again_ns;
    uint64_t failures_reported, reopen_asked; /* reopen_asked: the latest flush that also reopens */
    int reopen_error;
    /* finished: the backend has ended, or never will begin ... to here */
    bool abandoned, finished;
    er_thread thread;

    /* under crash.c's lock: in the list of those that the end of the process flushes */
    er_node alive;
    uint64_t exit_target; /* that end's own */

    er_list voices; /* under the lock of threads.c from here ... */
    er_list ended;  /* those of ended threads */
    size_t n_voices;
    uint64_t gone_said, gone_lost; /* of voices that are no more */
    bool buried;                   /* nothing is read any more: lines not written are lost */
    er_node grave;                 /* ... to here */

    er_sink *sinks; /* ER_LOG_SINKS; the backend's, but for the next to be opened */
    er_backend *backend;
    errand_log *log; /* the log itself */
};

/* A child process has no backend, and a lock that was held at fork stays held in it forever. */
static inline bool er_hub_forked(const er_hub *hub)
{
    return hub->generation != er_fork_generation();
}

uint64_t er_hub_new_id(void);

/* From this degree of sleep up its backend is woken, or started. False: it
 * cannot be started now. */
bool er_hub_rouse(er_hub *hub, er_hub_sleep from);

#endif
