/* base/save.h -- a file that takes a path's place when it is complete, and is not visible
 * before. */
#ifndef ER_SAVE_H
#define ER_SAVE_H

#include "base/os.h"

typedef struct er_save {
    int fd;        /* to write to; -1: not open */
    char *target;  /* the path it replaces: `path`, symbolic links followed; NULL: not open */
    char name[32]; /* beside it, while it has one; "": it has none */
    bool unsynced; /* set after er_save_open: er_save_keep does not sync */
    /* er_save_keep's, of a success: the file is in place, but its folder could not be synced */
    int folder_error;
} er_save;

#define ER_SAVE_NONE ((er_save){ .fd = -1 })

/* Opens an empty file for path. A file that is there must be regular, and its owner, group and
 * mode go over to the new one; else the mode is 0644 less umask. 0; EISDIR, ENXIO (a device,
 * FIFO or socket is there), EPERM (its owner cannot be kept), ... */
ER_SHARED int er_save_open(er_save *save, const char *path);
/* The same; where there was no file, the mode is this one less umask. */
int er_save_open_as(er_save *save, const char *path, unsigned mode);

/* Syncs what was written to fd, then puts it under its path and syncs its folder; on an error
 * nothing has changed. Not open afterwards. */
ER_SHARED int er_save_keep(er_save *save);

ER_SHARED void er_save_drop(er_save *save); /* leaves nothing; harmless if it is not open */

#endif
