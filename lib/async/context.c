/* async/context.c -- makes as few contexts as possible: what a task submits shares the task's own,
 * as long as neither the key nor the thread's log fields differ. */
#include "async/context.h"

#include "async/current.h"

#include "log/fields.h"

#include <errno.h>
#include <string.h>

void er_context_drop(er_context *context)
{
    if (!context || er_sub(&context->count, 1) != 1) return;
    er_fields_release(context->fields);
    er_free(context);
}

er_context *er_context_for(const errand_task *task, int *error)
{
    er_task *me = task->detached ? NULL : er_task_here();
    er_context *mine = me ? me->context : NULL;
    errand_log_fields *fields = task->detached ? NULL : er_fields_here();
    if (mine && !task->key && mine->fields == fields) return er_context_keep(mine);
    const char *key = task->key ? task->key : er_context_key(mine);
    if (!key && !fields) return NULL;
    size_t size = key ? strlen(key) + 1 : 0;
    er_context *context = er_alloc(sizeof *context + size);
    if (!context) {
        *error = ENOMEM;
        return NULL;
    }
    *context = (er_context){ .count = 1, .keyed = key, .fields = er_fields_keep(fields) };
    if (key) memcpy(context->key, key, size);
    return context;
}

const char *errand_key(void)
{
    er_task *task = er_task_here();
    return task ? er_context_key(task->context) : NULL;
}
