/* jobs/sources/csv.h -- a CSV (RFC 4180) with a header. */
#ifndef ER_SOURCE_CSV_H
#define ER_SOURCE_CSV_H

#include "jobs/source.h"

extern const er_source_kind er_source_csv;

#endif
