/* The ring of bytes: order, integrity, room. Sizes are those of the bodies. */
#include "log/ring.h"
#include "logs.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static er_ring ring_of(size_t size)
{
    er_ring ring;
    void *memory = NULL;
    ck_assert_int_eq(posix_memalign(&memory, ER_LINE, size), 0);
    er_ring_init(&ring, memory, size);
    return ring;
}

static size_t span_of(size_t body) { return sizeof(er_record) + ((body + 7) & ~(size_t)7); }

/* An assertion of Check costs a write: these checks are cheap. */
static bool put(er_ring *ring, uint64_t number, size_t body)
{
    size_t room;
    char *at = er_ring_here(ring, &room);
    if (room < span_of(body)) at = er_ring_reserve(ring, span_of(body));
    if (!at) return false;
    if ((uintptr_t)at % 8) ck_abort_msg("a misaligned record at %p", (void *)at);
    memset(at + sizeof(er_record), (int)(number & 0xff), body);
    er_ring_commit(ring, at, span_of(body), (uint32_t)number & 0xffff, number % 2);
    return true;
}

static bool more(er_ring *ring) { return ring->read != er_ring_look(ring); }

static void take(er_ring *ring, uint64_t number, size_t body)
{
    if (!more(ring)) ck_abort_msg("record %lu is missing", (unsigned long)number);
    const er_record *r = er_ring_front(ring);
    if (r->size != span_of(body) || r->tag != (number & 0xffff))
        ck_abort_msg("record %lu has %u bytes instead of %zu, tag %u", (unsigned long)number,
                     r->size, span_of(body), r->tag);
    const unsigned char *at = (const unsigned char *)(r + 1);
    for (size_t i = 0; i < body; i++) {
        if (at[i] != (number & 0xff))
            ck_abort_msg("record %lu is damaged at byte %zu", (unsigned long)number, i);
    }
    er_ring_pass(ring, r);
}

START_TEST(sizes_are_rounded_up_to_a_power_of_two)
{
    static const size_t asked[] = { 1, 4096, 4097, 100000, SIZE_MAX },
                        got[] = { 4096, 4096, 8192, 131072, 0 };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        ck_assert_uint_eq(er_ring_size(asked[i]), got[i]);
}
END_TEST

START_TEST(the_longest_record_fits_an_empty_ring_at_any_offset)
{
    er_ring ring = ring_of(4096);
    size_t longest = er_ring_longest(&ring) - sizeof(er_record);
    ck_assert_ptr_null(er_ring_reserve(&ring, er_ring_longest(&ring) + 8));
    for (uint64_t turn = 0; turn < 2000; turn++) {
        ck_assert(put(&ring, turn, longest));
        take(&ring, turn, longest);
        er_ring_release(&ring);
        ck_assert(put(&ring, turn, turn % 3 * 8)); /* to another offset */
        take(&ring, turn, turn % 3 * 8);
        er_ring_release(&ring);
        ck_assert_uint_eq(er_ring_used(&ring), 0);
    }
    free(ring.at);
}
END_TEST

START_TEST(a_full_ring_refuses_until_the_reader_releases)
{
    er_ring ring = ring_of(4096);
    size_t n = 0;
    while (put(&ring, n, 100)) n++;
    ck_assert_uint_eq(n, 4096 / 112);
    take(&ring, 0, 100);
    ck_assert(!put(&ring, n, 100)); /* read but not released */
    er_ring_release(&ring);
    ck_assert(put(&ring, n, 100));
    free(ring.at);
}
END_TEST

START_TEST(a_record_is_visible_once_committed)
{
    er_ring ring = ring_of(4096);
    char *at = er_ring_reserve(&ring, 24);
    ck_assert_ptr_nonnull(at);
    ck_assert(!more(&ring));
    er_ring_commit(&ring, at, 24, 7, false);
    ck_assert(more(&ring));
    ck_assert_uint_eq(er_ring_front(&ring)->size, 24);
    free(ring.at);
}
END_TEST

START_TEST(a_quiet_producer_touches_little_memory)
{
    er_ring ring = ring_of(1 << 20);
    uintptr_t most = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert(put(&ring, i, 100));
        most = ring.next - ring.origin > most ? ring.next - ring.origin : most;
        take(&ring, i, 100);
        er_ring_release(&ring);
    }
    ck_assert_uint_le(most, 32768);
    free(ring.at);
}
END_TEST

START_TEST(an_empty_ring_has_all_its_room)
{
    for (size_t before = 0; before < 200; before++) {
        er_ring ring = ring_of(65536);
        for (size_t i = 0; i < before; i++) {
            ck_assert(put(&ring, i, 500));
            take(&ring, i, 500);
            er_ring_release(&ring);
        }
        size_t n = 0;
        while (put(&ring, n, 1000)) n++;
        if (n < 63) ck_abort_msg("after %zu there was room for %zu", before, n);
        for (size_t i = 0; i < n; i++) take(&ring, i, 1000);
        free(ring.at);
    }
}
END_TEST

static size_t size_of(uint64_t number)
{
    uint64_t state = number;
    return (size_t)(er_random_next(&state) % 300);
}

static void *write_many(void *arg)
{
    er_ring *ring = arg;
    uint64_t many = scaled(200000);
    for (uint64_t i = 0; i < many; i++) {
        unsigned turns = 0;
        while (!put(ring, i, size_of(i))) er_relax(&turns);
    }
    return NULL;
}

static void cross(size_t size)
{
    er_ring ring = ring_of(size);
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_many, &ring), 0);
    uint64_t many = scaled(200000);
    for (uint64_t i = 0; i < many; i++) {
        unsigned turns = 0;
        while (!more(&ring)) er_relax(&turns);
        take(&ring, i, size_of(i));
        if (i % 3 == 0 || !more(&ring)) er_ring_release(&ring);
    }
    pthread_join(writer, NULL);
    ck_assert(!more(&ring));
    free(ring.at);
}

START_TEST(records_cross_threads_intact_and_in_order)
{
    cross(4096);
    cross(65536); /* this ring goes back to its start when empty */
}
END_TEST

Suite *ring_suite(void)
{
    Suite *suite = suite_create("ring");
    TCase *tests = tcase_create("ring");
    tcase_add_test(tests, sizes_are_rounded_up_to_a_power_of_two);
    tcase_add_test(tests, the_longest_record_fits_an_empty_ring_at_any_offset);
    tcase_add_test(tests, a_full_ring_refuses_until_the_reader_releases);
    tcase_add_test(tests, a_record_is_visible_once_committed);
    tcase_add_test(tests, a_quiet_producer_touches_little_memory);
    tcase_add_test(tests, an_empty_ring_has_all_its_room);
    tcase_add_test(tests, records_cross_threads_intact_and_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
