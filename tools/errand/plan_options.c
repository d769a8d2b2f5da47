/* plan_options.c -- what errand plan shows, and of errand try whether it shows secrets. */
#include "plan_options.h"

#include "complain.h"
#include "option_values.h"

#define SHOWN_MOST 1000000000

bool plan_show(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 1, SHOWN_MOST, &o->show);
}

bool plan_curl(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->curl = true;
}

bool plan_show_secrets(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->show_secrets = true;
}

bool plan_form(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = { "text", "json" };
    int i = value_word(text, words, 2);
    if (i < 0) return complain("%s %s: text or json is wanted", name, text);
    o->report_json = i;
    return true;
}

bool plan_complete(run_options *o)
{
    if (o->curl && !o->show) o->show = 1;
    if (o->show && o->report_json)
        return complain("--%s and --report json cannot be combined", o->curl ? "curl" : "show");
    return true;
}
