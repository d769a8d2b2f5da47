/* jobs/sources/urls.h -- a list, one url a line, or one line for templates. */
#ifndef ER_SOURCE_URLS_H
#define ER_SOURCE_URLS_H

#include "jobs/source.h"

extern const er_source_kind er_source_urls;

#endif
