/* run.h -- errand run. */
#ifndef RUN_H
#define RUN_H

/* argv begins with "run". Returns the exit status; -1: --version was given. */
int run_main(int argc, char **argv);

#endif
