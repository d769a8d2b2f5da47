/* jobs/sources/jsonl.h -- our own JSON Lines. */
#ifndef ER_SOURCE_JSONL_H
#define ER_SOURCE_JSONL_H

#include "jobs/source.h"

extern const er_source_kind er_source_jsonl;

#endif
