/* complain.c -- what comes from a file or the environment must not drive the terminal, so control
 * characters become '?'. */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *complain_command = "run";

bool complain(const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n >= (int)sizeof line) memcpy(line + sizeof line - 4, "...", 4);
    for (char *c = line; n > 0 && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    fprintf(stderr, "errand %s: %s; see \"errand %s --help\"\n", complain_command,
            n < 0 ? "wrong usage" : line, complain_command);
    return false;
}
