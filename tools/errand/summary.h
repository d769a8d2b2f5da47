/* summary.h -- a snapshot for a program, and the end of a run for a program and for a person. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "snapshot.h"

#include <stdio.h>

/* {"type":"progress", ...} on a line */
void summary_progress(FILE *to, const snapshot *s);

/* {"type":"summary", ...} on a line */
void summary_json(FILE *to, const snapshot *s, int exit_status);

/* How many, how long, and failures by class, the most frequent first. */
void summary_words(FILE *to, const snapshot *s);

#endif
