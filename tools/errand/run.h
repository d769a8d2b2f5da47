/* run.h -- errand run. */
#ifndef RUN_H
#define RUN_H

/* argv begins with "run". The exit status; -1: --version is asked for. */
int run_main(int argc, char **argv);

#endif
