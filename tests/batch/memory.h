/* Memory that runs out now and then. The program is linked with --wrap=malloc,--wrap=calloc,--wrap=realloc. */
#ifndef MEMORY_H
#define MEMORY_H

/* From here on about one allocation in `every` fails, at random, on all threads but the calling one. 0: none. */
void memory_fails(unsigned every);

/* So many have failed. */
unsigned memory_failed(void);

#endif
