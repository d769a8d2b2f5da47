/* log/rotate.c -- files that make way: path becomes path.1, path.1 becomes path.2,
 * up to the number kept.
 *
 * By size: before the line that would make the file longer than asked. By time: at
 * multiples of the period of local time; a file that was last written in an earlier period
 * makes way to the first line.
 *
 * Follow. The path names the file. Whenever the buffer begins to fill, the path is checked: if
 * another program has removed or renamed the file, has rotated it, or has truncated it, the file
 * that the path names now is opened, or made.
 *
 * Several processes. A rotation holds the lock of the file that the path names, and checks under it
 * that the path still names it: so each file is rotated once. The new file is made after all the
 * moving, so the next lock cannot be taken too early. No process waits for the lock: without it, it
 * writes on and finds the new file at the next check.
 *
 * Failing. No step depends on the ones before: only the files below the first free number move up,
 * and the one too many is removed last. So a rotation that fails is tried again from where it
 * stopped, and loses nothing. It is tried again after a second, or by errand_log_reopen. Meanwhile
 * lines go into the present file; if that one has no name any more, they are counted as lost. */
#include "base/atomic.h"
#include "base/clock.h"
#include "log/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define AGAIN_NS (1000 * ER_MS)
#define SOON_NS  (10 * ER_MS)
/* lines of one moment may be in any order; beyond this the clock was set back */
#define SET_BACK (1000 * ER_MS)

static int64_t local_of(int64_t wall_ns) { return wall_ns + er_wall_offset(wall_ns) * 1000000000; }

/* The next multiple on the local clock may be nearer or further than a period: the zone's offset
 * may change meanwhile. */
static void note_turn(er_sink *sink, int64_t wall_ns)
{
    int64_t period = sink->period_ns, local = local_of(wall_ns), past = local % period;
    if (past < 0) past += period;
    sink->begun_ns = wall_ns - past;
    sink->turn_ns = INT64_MAX;
    if (wall_ns > INT64_MAX - period) return;
    int64_t turn = wall_ns - past + period,
            other = turn + (local - wall_ns) - (local_of(turn) - turn);
    bool moved = local_of(turn) % period != 0 && other > wall_ns &&
                 local_of(other) == local - past + period;
    sink->turn_ns = moved ? other : turn;
}

static void failed(er_sink *sink, int error)
{
    sink->again_ns = er_coarse_ns() + AGAIN_NS;
    sink->failures++;
    sink->error = error;
}

static bool may_try(const er_sink *sink)
{
    return !sink->again_ns || er_coarse_ns() >= sink->again_ns;
}

void er_sink_note_file(er_sink *sink)
{
    er_file_about about;
    bool regular = er_file_look(sink->fd, &about) == 0 && about.regular;
    /* relaxed: only compared when a sink is added */
    er_store_relaxed(&sink->device, regular ? about.device : 0);
    er_store_relaxed(&sink->node, regular ? about.node : 0);
    sink->written = regular ? about.size : 0;
    if (!regular || !sink->period_ns) return;
    /* a file from the future is of today: the clock was wrong, then or since */
    int64_t now = er_wall_ns();
    note_turn(sink, about.size && about.changed_ns < now ? about.changed_ns : now);
}

int er_sink_reopen(er_sink *sink)
{
    int fd;
    if (!sink->path || sink->each) return 0;
    sink->again_ns = 0;
    int error = er_file_open(sink->path, O_WRONLY | O_APPEND | O_CREAT, &fd);
    if (error) return error;
    int before = sink->fd;
    uint64_t device = sink->device, node = sink->node;
    sink->fd = fd; /* first: a child forked now must not close another file */
    er_file_close(before);
    er_sink_note_file(sink);
    /* the same file */
    sink->torn = sink->torn && node && node == sink->node && device == sink->device &&
                 sink->written;
    return 0;
}

/* The file that comes after one which is full, or gone. It is no more open to
 * others than that one was. */
static int open_next(er_sink *sink, const er_file_about *before, int64_t wall_ns)
{
    int error = er_sink_reopen(sink);
    if (error || sink->written || !sink->node) return error;
    er_file_mode(sink->fd, before->mode);
    if (sink->period_ns) note_turn(sink, wall_ns);
    return 0;
}

/* ---- following ---- */

static bool is_ours(const er_sink *sink, const er_file_about *about)
{
    return about->device == sink->device && about->node == sink->node;
}

int er_sink_follow(er_sink *sink, int64_t wall_ns)
{
    er_file_about there, here;
    int error = er_file_look_at(sink->path, &there);
    if (!error && is_ours(sink, &there)) {
        sink->written = there.size;
        bool set_back = sink->period_ns && wall_ns < sink->begun_ns - SET_BACK;
        if (sink->period_ns && (set_back || (wall_ns >= sink->begun_ns && wall_ns < sink->turn_ns)))
            note_turn(sink, wall_ns);
        return 0;
    }
    if (error && error != ENOENT && error != ENOTDIR) return 0; /* it cannot be known */
    if (er_file_look(sink->fd, &here)) return 0;
    if (here.named && !may_try(sink)) return 0;
    if (!error && !there.regular) error = EEXIST; /* opening it may block */
    else error = open_next(sink, &here, wall_ns);
    if (!error || !here.named) return error;
    failed(sink, error);
    return 0;
}

/* ---- rotating ---- */

bool er_sink_rotates(const er_sink *sink, int64_t wall_ns, size_t more)
{
    uint64_t there = sink->written + sink->size;
    if (!there) return false;
    return ((sink->most && there + more > sink->most) ||
            (sink->period_ns && wall_ns >= sink->turn_ns)) &&
           may_try(sink);
}

static char *name_of(char *name, size_t room, const char *path, uint64_t number)
{
    if (number) snprintf(name, room, "%s.%llu", path, (unsigned long long)number);
    else snprintf(name, room, "%s", path);
    return name;
}

static int move_up(const char *path, unsigned keep)
{
    size_t room = strlen(path) + 24;
    char *from = er_alloc(2 * room), *to = from ? from + room : NULL;
    if (!from) return ENOMEM;
    uint64_t free = 0, most = (uint64_t)keep + 1;
    int error;
    do error = er_file_there(name_of(to, room, path, ++free));
    while (!error && free < most);
    if (error == ENOENT) error = 0;
    for (uint64_t i = free; i && !error; i--)
        error = er_file_move(name_of(from, room, path, i - 1), name_of(to, room, path, i));
    if (!error && free == most) er_file_remove(name_of(to, room, path, most));
    er_free(from);
    return error;
}

void er_sink_rotate(er_sink *sink, int64_t wall_ns)
{
    er_file_about here, there;
    if (er_file_lock(sink->fd)) { /* another process is about to do it */
        sink->again_ns = er_coarse_ns() + SOON_NS;
        return;
    }
    char *real = NULL;
    int error = er_file_look(sink->fd, &here);
    if (!error) error = er_file_look_at(sink->path, &there);
    if (!error && is_ours(sink, &there)) {
        if (!(error = er_file_real(sink->path, &real))) error = move_up(real, sink->keep);
        er_free(real);
    } else if (error == ENOENT) {
        error = 0; /* another program has removed it, or rotated first */
    } else if (!error && !there.regular) {
        error = EEXIST;
    }
    /* before the new file is there: a child of this process may have a copy of the descriptor */
    er_file_unlock(sink->fd);
    if (!error) error = open_next(sink, &here, wall_ns);
    if (error) failed(sink, error);
}
