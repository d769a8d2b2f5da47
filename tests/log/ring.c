/* The ring of bytes: order, wholeness, room. */
#include "log/ring.h"
#include "logs.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* An assertion of Check costs a write: these are for the many. */
static bool put(er_ring *ring, uint64_t number, size_t size)
{
    unsigned char *at = er_ring_reserve(ring, size);
    if (!at) return false;
    if ((uintptr_t)at % 8) ck_abort_msg("a record at %p", (void *)at);
    memset(at, (int)(number & 0xff), size);
    er_ring_commit(ring);
    return true;
}

static void take(er_ring *ring, uint64_t number, size_t size)
{
    size_t got = 0;
    const unsigned char *at = er_ring_next(ring, &got);
    if (!at || got != size) ck_abort_msg("record %lu has %zu bytes instead of %zu", (unsigned long)number, got, size);
    for (size_t i = 0; i < size; i++) {
        if (at[i] != (number & 0xff)) ck_abort_msg("record %lu is damaged at byte %zu", (unsigned long)number, i);
    }
}

START_TEST(sizes_are_rounded_up_to_a_power_of_two)
{
    static const size_t asked[] = { 1, 4096, 4097, 100000 }, got[] = { 4096, 4096, 8192, 131072 };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        er_ring ring;
        ck_assert_int_eq(er_ring_open(&ring, asked[i]), 0);
        ck_assert_uint_eq(ring.size, got[i]);
        er_ring_close(&ring);
    }
    er_ring ring;
    ck_assert_int_eq(er_ring_open(&ring, SIZE_MAX), EINVAL);
    er_ring_close(&ring);
}
END_TEST

START_TEST(the_longest_record_fits_an_empty_ring_wherever_it_stands)
{
    er_ring ring;
    ck_assert_int_eq(er_ring_open(&ring, 4096), 0);
    size_t longest = er_ring_longest(&ring);
    ck_assert_ptr_null(er_ring_reserve(&ring, longest + 1));
    for (uint64_t turn = 0; turn < 2000; turn++) {
        ck_assert(put(&ring, turn, longest));
        take(&ring, turn, longest);
        er_ring_release(&ring);
        ck_assert(put(&ring, turn, turn % 3 * 8)); /* moves on by some */
        take(&ring, turn, turn % 3 * 8);
        er_ring_release(&ring);
        ck_assert_uint_eq(er_ring_used(&ring), 0);
    }
    er_ring_close(&ring);
}
END_TEST

START_TEST(a_full_ring_refuses_until_the_reader_gives_room_back)
{
    er_ring ring;
    size_t size, n = 0;
    ck_assert_int_eq(er_ring_open(&ring, 4096), 0);
    while (er_ring_reserve(&ring, 100)) {
        er_ring_commit(&ring);
        n++;
    }
    ck_assert_uint_eq(n, 4096 / 112);
    ck_assert_ptr_nonnull(er_ring_next(&ring, &size));
    ck_assert_ptr_null(er_ring_reserve(&ring, 100)); /* seen is not given back */
    er_ring_release(&ring);
    ck_assert_ptr_nonnull(er_ring_reserve(&ring, 100));
    er_ring_close(&ring);
}
END_TEST

START_TEST(what_is_reserved_is_seen_when_committed)
{
    er_ring ring;
    size_t size;
    ck_assert_int_eq(er_ring_open(&ring, 4096), 0);
    ck_assert_ptr_nonnull(er_ring_reserve(&ring, 10));
    ck_assert(!er_ring_more(&ring));
    ck_assert_ptr_null(er_ring_next(&ring, &size));
    er_ring_commit(&ring);
    ck_assert(er_ring_more(&ring));
    ck_assert_ptr_nonnull(er_ring_next(&ring, &size));
    ck_assert_uint_eq(size, 10);
    er_ring_close(&ring);
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

START_TEST(records_cross_threads_in_order_and_whole)
{
    er_ring ring;
    ck_assert_int_eq(er_ring_open(&ring, 4096), 0);
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_many, &ring), 0);
    uint64_t many = scaled(200000);
    for (uint64_t i = 0; i < many; i++) {
        unsigned turns = 0;
        while (!er_ring_more(&ring)) er_relax(&turns);
        take(&ring, i, size_of(i));
        if (i % 3 == 0 || !er_ring_more(&ring)) er_ring_release(&ring);
    }
    pthread_join(writer, NULL);
    ck_assert(!er_ring_more(&ring));
    er_ring_close(&ring);
}
END_TEST

Suite *ring_suite(void)
{
    Suite *suite = suite_create("ring");
    TCase *tests = tcase_create("ring");
    tcase_add_test(tests, sizes_are_rounded_up_to_a_power_of_two);
    tcase_add_test(tests, the_longest_record_fits_an_empty_ring_wherever_it_stands);
    tcase_add_test(tests, a_full_ring_refuses_until_the_reader_gives_room_back);
    tcase_add_test(tests, what_is_reserved_is_seen_when_committed);
    tcase_add_test(tests, records_cross_threads_in_order_and_whole);
    suite_add_tcase(suite, tests);
    return suite;
}
