/*
 * The draw: FNV-1a over what names the request, then splitmix64: its output passes the usual tests
 * even for inputs that differ in one bit. No state is kept: the same request has the same fate in
 * every run.
 */
#include "fates.h"

const char *fate_name(enum fate fate)
{
    static const char *const names[] = {
        [FATE_FAIL_503] = "503",
        [FATE_FAIL_429] = "429",
        [FATE_DROP_UNPROCESSED] = "drop_unprocessed",
        [FATE_DROP_BEFORE] = "drop_before",
        [FATE_DROP_MIDDLE] = "drop_middle",
        [FATE_SLOW_BODY] = "slow_body",
        [FATE_WRONG_TYPE] = "wrong_type",
        [FATE_NONE] = "none",
    };
    return names[fate];
}

uint64_t next_bits(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        hash = (hash ^ (value >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t lot_bits(const struct lot *lot, enum draw draw)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), lot->seed);
    hash = mix(hash, (uint64_t)lot->endpoint);
    hash = mix(hash, (uint64_t)draw);
    hash = mix(hash, lot->n);
    for (const char *p = lot->video_id; *p; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return next_bits(&hash);
}

double lot_share(const struct lot *lot, enum draw draw)
{
    return (double)(lot_bits(lot, draw) >> 11) * 0x1p-53;
}

enum fate lot_fate(const struct lot *lot, const double shares[FATES])
{
    double drawn = lot_share(lot, DRAW_FATE), upto = 0;
    for (int fate = 0; fate < FATES; fate++) {
        upto += shares[fate];
        if (drawn < upto) {
            return (enum fate)fate;
        }
    }
    return FATE_NONE;
}
