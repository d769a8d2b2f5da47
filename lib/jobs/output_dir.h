/* jobs/output_dir.h -- a folder with a file for each body, under names that are safe. */
#ifndef ER_OUTPUT_DIR_H
#define ER_OUTPUT_DIR_H

#include "jobs/job_parse.h"

#include <errand/response.h>

typedef struct er_output_dir {
    const char *path; /* NULL: none */
    int fd;           /* to sync it; -1: none */
    uint64_t run;     /* in the names of parts */
    er_lock lock;     /* guards the rest */
    uint64_t *taken;  /* names of this run, hashed; 0: a free place */
    size_t n, room;   /* a power of two */
    bool keeps;       /* what is in the folder keeps its name; set before names are given */
} er_output_dir;

/* Makes the folder if it is missing, and checks that files can be made in it. 0 or an errno. */
int er_output_dir_open(er_output_dir *dir, const char *path);
void er_output_dir_close(er_output_dir *dir);

/* Where the body of a job is saved at first; the caller owns it. NULL: no memory. */
char *er_output_dir_part(const er_output_dir *dir, uint64_t seq);

/* Gives that file its name; *path is the caller's. 0, or an errno: the file is gone. Any thread. */
int er_output_dir_name(er_output_dir *dir, const er_line_job *job, const errand_response *response,
                       char **path);

#endif
