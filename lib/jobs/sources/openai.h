/* jobs/sources/openai.h -- requests for OpenAI's batch API. */
#ifndef ER_SOURCE_OPENAI_H
#define ER_SOURCE_OPENAI_H

#include "jobs/source.h"

extern const er_source_kind er_source_openai;

#endif
