/* log/hub.c -- what all files of this folder need of a hub. */
#include "log/hub.h"

#include "base/atomic.h"

uint64_t er_hub_new_id(void)
{
    static uint64_t last;
    return er_add_relaxed(&last, 1) + 1; /* relaxed: only different */
}

bool er_hub_rouse(er_hub *hub, er_hub_sleep from)
{
    int seen = er_load(&hub->sleep);
    if (seen == ER_HUB_ABSENT) return hub->start(hub);
    if (seen >= (int)from && er_cas_strong(&hub->sleep, &seen, (int)ER_HUB_AWAKE))
        er_unpark(&hub->parker, ER_LOG_CALLED);
    return true;
}
