/* block.h -- a snapshot as the lines that stand on a terminal. */
#ifndef BLOCK_H
#define BLOCK_H

#include "row.h"
#include "snapshot.h"

#define BLOCK_ROWS    8
#define BLOCK_COLUMNS 30 /* a terminal that is narrower, or has fewer lines, gets one line */
#define BLOCK_LINES   10

/* Returns how many rows were filled, each at most `most` columns wide. */
size_t block_compose(row rows[BLOCK_ROWS], const snapshot *s, int most, bool colour);

/* All in one line, as much as fits from left to right. */
void block_line(row *r, const snapshot *s, int most, bool colour);

/* "1:05", "2:00:00" */
void block_time(double seconds, char text[24]);

#endif
