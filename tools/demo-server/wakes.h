/*
 * Wakes: what to wake at which time; a binary heap by time. A wake is part of its owner and belongs
 * to at most one heap.
 */
#ifndef DEMO_WAKES_H
#define DEMO_WAKES_H

#include <stddef.h>
#include <stdint.h>

struct wake {
    int64_t at;   /* monotonic nanoseconds */
    size_t place; /* in the heap, from 1; 0: in none */
};

struct wakes {
    struct wake **heap;
    size_t count, room;
};

int64_t wakes_now(void);

/* 0, or ENOMEM: then the wake is in no heap. */
int wakes_add(struct wakes *wakes, struct wake *wake, int64_t at);

/* Does nothing when the wake is in no heap. */
void wakes_remove(struct wakes *wakes, struct wake *wake);

/* Takes out the earliest wake if it is due at `now`, else NULL. */
struct wake *wakes_pop(struct wakes *wakes, int64_t now);

/* Milliseconds until the earliest wake, rounded up; -1 when there is none. */
int wakes_timeout(const struct wakes *wakes, int64_t now);

void wakes_free(struct wakes *wakes);

#endif
