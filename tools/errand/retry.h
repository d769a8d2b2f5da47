/* retry.h -- errand retry. */
#ifndef RETRY_H
#define RETRY_H

/* argv begins with "retry". Returns the exit status; -1: --version was given. */
int retry_main(int argc, char **argv);

#endif
