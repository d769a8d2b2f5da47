/* base/net.h -- the seam to the network: waiting for many descriptors, sockets, names. */
#ifndef ER_NET_H
#define ER_NET_H

#include "base/os.h"

/* ---- poller: one thread waits for many descriptors (Linux: epoll), level-triggered ---- */
typedef struct er_poller {
    int fd, bell; /* bell: what wakes it (eventfd) */
} er_poller;
enum { ER_CAN_READ = 1, ER_CAN_WRITE = 2, ER_FAULT = 4 };
typedef struct er_event {
    int fd; /* -1: it was woken */
    unsigned what;
} er_event;
ER_SHARED int er_poller_open(er_poller *poller);
ER_SHARED void er_poller_close(er_poller *poller);
/* Sets the events to wait for at fd; was: those so far, 0: none. A fault is always reported unless
 * `what` is 0. */
ER_SHARED int er_poller_set(er_poller *poller, int fd, unsigned was, unsigned what);
/* Returns how many events there are, 0 after ms (-1: no limit) or when it was interrupted. */
ER_SHARED int er_poller_wait(er_poller *poller, er_event *events, int most, int ms);
/* any thread: wait returns soon, or at once when it is called next */
ER_SHARED void er_poller_wake(er_poller *poller);

/* ---- sockets and names ---- */
ER_SHARED int er_socket(int family, int type, int protocol); /* close-on-exec; -1: errno */
ER_SHARED void er_socket_shut(int fd);                       /* both ways; fd stays */
ER_SHARED bool er_socket_stands(int fd);                     /* it is connected */
/* no other socket that is open has it; 0: fd is not open */
ER_SHARED uint64_t er_socket_identity(int fd);

/* "1.2.3.4", "::1", "[::1]": nothing to look up */
ER_SHARED bool er_is_address(const char *host);

typedef struct er_addresses {
    int error;       /* getaddrinfo's: 0, or EAI_... */
    int system;      /* errno, for EAI_SYSTEM */
    char text[1000]; /* "1.2.3.4,[2001:db8::1]": as many as fit, in the order of preference */
} er_addresses;
/* blocks for as long as the system likes */
ER_SHARED void er_look_up(const char *name, er_addresses *out);
ER_SHARED const char *er_look_up_error(const er_addresses *addresses);

#endif
