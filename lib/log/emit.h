/* log/emit.h -- from a record to the sinks. */
#ifndef ER_EMIT_H
#define ER_EMIT_H

#include "log/backend.h"

void er_emit(er_hub *hub, const er_voice *voice, const er_record *record);
/* the line that is on its way, to the sinks that follow; nothing if there is none */
void er_emit_rest(er_hub *hub);
/* a gap line: how many are missing here */
void er_emit_lost(er_hub *hub, const uint64_t lost[ER_LOG_LEVELS]);

#endif
