/* http/peer.c -- which addresses are private, and which the session's caller allows.
 *
 * Of IPv4 all that IANA's registry of special-purpose addresses lists (RFC 6890 and its updates) is
 * private, and multicast. Of IPv6 all that is not global unicast (2000::/3, RFC 4291), and what the
 * registry lists in there. An IPv6 address that contains an IPv4 address (mapped, NAT64, 6to4) is
 * as private as that one; Teredo hides it, so all of its addresses are.
 *
 * Pure functions, but for the caller's own, which is called on the lane's thread. A socket is
 * opened only after its address was allowed, so nothing that is decided earlier (a cached name, an
 * address in another notation, a redirect) leads around the check. */
#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

typedef struct block {
    unsigned char bits; /* how many of the first bits count */
    unsigned char at[16];
} block;

static const block private4[] = {
    { 8, { 0 } },             /* "this network", unspecified */
    { 8, { 10 } },            /* private */
    { 10, { 100, 64 } },      /* shared, behind a carrier's NAT */
    { 8, { 127 } },           /* loopback */
    { 16, { 169, 254 } },     /* link-local */
    { 12, { 172, 16 } },      /* private */
    { 24, { 192, 0, 0 } },    /* protocol assignments */
    { 24, { 192, 0, 2 } },    /* documentation, as the next two after it */
    { 16, { 192, 168 } },     /* private */
    { 15, { 198, 18 } },      /* benchmarks */
    { 24, { 198, 51, 100 } }, /* documentation */
    { 24, { 203, 0, 113 } },  /* documentation */
    { 4, { 224 } },           /* multicast */
    { 4, { 240 } },           /* reserved, broadcast */
};

static const block private6[] = {
    /* within 2000::/3 */
    { 32, { 0x20, 1 } },             /* Teredo */
    { 28, { 0x20, 1, 0, 0x10 } },    /* ORCHID, deprecated */
    { 48, { 0x20, 1, 0, 2 } },       /* benchmarks */
    { 32, { 0x20, 1, 0x0d, 0xb8 } }, /* documentation */
    { 20, { 0x3f, 0xff } },          /* documentation */
};

static const struct inside { /* the IPv4 address stands at byte `at` */
    block prefix;
    unsigned at;
} insides[] = {
    { { 96, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } }, 12 }, /* mapped */
    { { 96, { 0, 0x64, 0xff, 0x9b } }, 12 },                      /* NAT64 */
    { { 16, { 0x20, 2 } }, 2 },                                   /* 6to4 */
};

static bool is_in(const unsigned char *address, const block *b)
{
    unsigned whole = b->bits / 8, rest = b->bits % 8;
    if (memcmp(address, b->at, whole) != 0) return false;
    return !rest || !((address[whole] ^ b->at[whole]) >> (8 - rest));
}

static bool is_private4(const unsigned char *address)
{
    for (size_t i = 0; i < sizeof private4 / sizeof *private4; i++) {
        if (is_in(address, &private4[i])) return true;
    }
    return false;
}

static bool is_private6(const unsigned char *address)
{
    for (size_t i = 0; i < sizeof insides / sizeof *insides; i++) {
        if (is_in(address, &insides[i].prefix)) return is_private4(address + insides[i].at);
    }
    if (address[0] >> 5 != 1) return true; /* loopback, link-local, multicast ... */
    for (size_t i = 0; i < sizeof private6 / sizeof *private6; i++) {
        if (is_in(address, &private6[i])) return true;
    }
    return false;
}

bool er_peer_is_private(const struct sockaddr *address)
{
    const void *at = address;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = at;
        return is_private4((const unsigned char *)&four->sin_addr);
    }
    const struct sockaddr_in6 *six = at;
    return address->sa_family != AF_INET6 || is_private6(six->sin6_addr.s6_addr);
}

const char *er_peer_host(const er_exchange *x, char to[ER_PEER_HOST])
{
    const char *key = strstr(x->turn.route->item.key, "://"), *host = key ? key + 3 : "";
    const char *port = strrchr(host, ':');
    size_t size = port ? (size_t)(port - host) : strlen(host);
    if (size >= ER_PEER_HOST) size = ER_PEER_HOST - 1;
    memcpy(to, host, size);
    to[size] = '\0';
    return to;
}

bool er_peer_allowed(const er_exchange *x, const struct sockaddr *address, char *refused)
{
    const er_defaults *defaults = x->request->defaults;
    const void *at = address;
    if (!defaults->allow && !defaults->refuse_private) return true;
    char text[ER_ADDRESS_TEXT] = "", host[ER_PEER_HOST];
    errand_peer peer = { .address = text, .is_private = er_peer_is_private(address) };
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = at;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        peer.port = ntohs(four->sin_port);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = at;
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        peer.port = ntohs(six->sin6_port);
    }
    bool allowed = !(defaults->refuse_private && peer.is_private);
    if (allowed && defaults->allow) {
        peer.host = er_peer_host(x, host);
        allowed = defaults->allow(&peer, defaults->allow_arg) != 0;
    }
    if (!allowed) memcpy(refused, *text ? text : "(unknown)", *text ? sizeof text : 10);
    return allowed;
}
