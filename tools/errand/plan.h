/* plan.h -- errand plan. */
#ifndef PLAN_H
#define PLAN_H

/* argv begins with "plan". Returns the exit status; -1: --version was given. */
int plan_main(int argc, char **argv);

#endif
