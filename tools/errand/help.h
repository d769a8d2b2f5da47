/* help.h -- what --help shows, on standard output. */
#ifndef HELP_H
#define HELP_H

void help_overview(void); /* errand --help */
void help_run(void);      /* errand run --help */
void help_retry(void);    /* errand retry --help */

#endif
