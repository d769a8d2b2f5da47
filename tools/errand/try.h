/* try.h -- errand try. */
#ifndef TRY_H
#define TRY_H

/* argv begins with "try". Returns the exit status; -1: --version was given. */
int try_main(int argc, char **argv);

#endif
