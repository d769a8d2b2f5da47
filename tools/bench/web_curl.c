/* The command `curl -Z`. */
#include "web.h"

#include <stdio.h>

static void line(char *text, size_t size, const web_plan *plan, size_t i)
{
    snprintf(text, size, "url = \"%s?%zu\"\n", plan->url, i);
}

static const char *command(const web_plan *plan, const char *list, const char *out)
{
    static char text[300];
    snprintf(text, sizeof text, "curl -q -s -Z --parallel-max %u -K %s >%s 2>/dev/null",
             plan->in_flight, list, out);
    return text;
}

static const web_side requests = { .line = line, .command = command };
const bench_side bench_curl = { .name = "curl", .web = &requests };
