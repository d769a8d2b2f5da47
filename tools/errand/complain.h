/* complain.h -- messages about wrong options. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include <stdbool.h>

/* the command: "run" */
extern const char *complain_command;

/* Writes "errand run: ...; see ..." to standard error, as one line. Returns false. */
bool complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
