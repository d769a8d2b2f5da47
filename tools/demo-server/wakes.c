/*
 * heap[0] is the earliest; a wake knows its place, so that it can be taken out of the middle when
 * its owner goes away.
 */
#include "wakes.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

int64_t wakes_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void put(struct wakes *wakes, size_t place, struct wake *wake)
{
    wakes->heap[place - 1] = wake;
    wake->place = place;
}

static void rise(struct wakes *wakes, struct wake *wake)
{
    size_t place = wake->place;
    while (place > 1 && wakes->heap[place / 2 - 1]->at > wake->at) {
        put(wakes, place, wakes->heap[place / 2 - 1]);
        place /= 2;
    }
    put(wakes, place, wake);
}

static void sink(struct wakes *wakes, struct wake *wake)
{
    size_t place = wake->place;
    for (size_t child; (child = 2 * place) <= wakes->count; place = child) {
        if (child < wakes->count && wakes->heap[child]->at < wakes->heap[child - 1]->at) {
            child++;
        }
        if (wakes->heap[child - 1]->at >= wake->at) {
            break;
        }
        put(wakes, place, wakes->heap[child - 1]);
    }
    put(wakes, place, wake);
}

int wakes_add(struct wakes *wakes, struct wake *wake, int64_t at)
{
    if (wakes->count == wakes->room) {
        size_t room = wakes->room ? 2 * wakes->room : 64;
        struct wake **heap = realloc(wakes->heap, room * sizeof *heap);
        if (!heap) {
            return ENOMEM;
        }
        wakes->heap = heap;
        wakes->room = room;
    }
    wake->at = at;
    put(wakes, ++wakes->count, wake);
    rise(wakes, wake);
    return 0;
}

void wakes_remove(struct wakes *wakes, struct wake *wake)
{
    if (!wake->place) {
        return;
    }
    struct wake *last = wakes->heap[--wakes->count];
    if (last != wake) {
        put(wakes, wake->place, last);
        rise(wakes, last);
        sink(wakes, last);
    }
    wake->place = 0;
}

struct wake *wakes_pop(struct wakes *wakes, int64_t now)
{
    if (!wakes->count || wakes->heap[0]->at > now) {
        return NULL;
    }
    struct wake *first = wakes->heap[0];
    wakes_remove(wakes, first);
    return first;
}

int wakes_timeout(const struct wakes *wakes, int64_t now)
{
    if (!wakes->count) {
        return -1;
    }
    int64_t left = wakes->heap[0]->at - now;
    if (left <= 0) {
        return 0;
    }
    int64_t ms = (left + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void wakes_free(struct wakes *wakes)
{
    free(wakes->heap);
    *wakes = (struct wakes){ 0 };
}
