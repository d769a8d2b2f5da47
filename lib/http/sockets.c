/* http/sockets.c -- the descriptors of a lane's curl. The lane's thread alone.
 *
 *   opened --curl waits on it--> in use --transfer is over--> idle --next transfer--> in use ...
 *                                   |                          | due, asked back, server closed
 *                                   +--curl closes it--> gone  +--> shut down, not counted --> gone
 *
 * curl keeps idle connections, and has no call to find or close one. But it checks whether a
 * connection is alive before it uses it, so the next transfer's check drops one that was shut down
 * here.
 *
 * The poller keeps watching an idle connection for reading: that costs nothing between two
 * transfers of a kept one, and an idle one that becomes readable was closed by the server (or sent
 * data without a request): it is shut down at once, and no request is sent on it. Not so in a
 * session for HTTP/2: there a server may send at any time, which curl reads at its next check; and
 * a connection that curl does not wait on may serve a transfer that is paused. The watched events
 * change lazily: only when curl wants more, or when an unwanted event comes. */
#include "http/sockets.h"

#include "base/clock.h"
#include <errno.h>

enum { SHARED_MS = 200 }; /* a shared connection that is due is checked again after this */

typedef struct er_connection {
    int fd;
    unsigned watched, wanted; /* ER_CAN_...: what the poller reports, what curl waits for */
    er_spot *spot;            /* it counts there; NULL: not counted, or not any more */
    er_handle *user;          /* it serves its transfer; NULL: idle */
    er_node node;             /* in the user's list, or that of the idle */
    int64_t born_ns;          /* er_now_ns, as due_ns */
    int64_t due_ns;           /* of an idle one: when it is closed */
    uint64_t unproven;        /* er_socket_identity; 0: curl will call close_socket for it */
    bool foreign;             /* curl's own pipe, or opened by a handle that setup has changed */
} er_connection;

int er_sockets_open(er_sockets *s)
{
    er_list_init(&s->idle);
    er_list_init(&s->dialling);
    return er_poller_open(&s->poller);
}

void er_sockets_close(er_sockets *s)
{
    for (size_t fd = 0; fd < s->room; fd++) er_free(s->by_fd[fd]);
    er_free(s->by_fd);
    s->by_fd = NULL;
    s->room = 0;
    er_poller_close(&s->poller);
}

static er_connection *find(er_sockets *s, int fd)
{
    return fd >= 0 && (size_t)fd < s->room ? s->by_fd[fd] : NULL;
}

static void use(er_connection *socket, er_handle *handle)
{
    if (er_listed(&socket->node)) er_list_remove(&socket->node);
    socket->user = handle;
    er_list_push(&handle->used, &socket->node);
}

/* Into the list of the idle ones, by the time when they are due. */
static void rest(er_sockets *s, er_connection *socket, int64_t due_ns)
{
    er_node *before = s->idle.head.prev;
    socket->due_ns = due_ns;
    while (before != &s->idle.head && er_of(before, er_connection, node)->due_ns > due_ns)
        before = before->prev;
    er_list_insert(before, &socket->node);
}

static int64_t old_at(const er_sockets *s, const er_connection *socket)
{
    return er_deadline(socket->born_ns, s->connection_ms);
}

static void watch(er_sockets *s, er_connection *socket, unsigned what)
{
    if (socket->watched == what) return;
    if (!er_poller_set(&s->poller, socket->fd, socket->watched, what)) socket->watched = what;
}

static void forget(er_sockets *s, er_connection *socket)
{
    if (er_listed(&socket->node)) er_list_remove(&socket->node);
    s->by_fd[socket->fd] = NULL;
    er_free(socket);
}

static void uncount(er_sockets *s, er_connection *socket, bool asked)
{
    if (!socket->spot) return;
    er_lock_take(&s->scheduler->lock);
    er_scheduler_closed(s->scheduler, socket->spot, asked);
    er_lock_give(&s->scheduler->lock);
    socket->spot = NULL;
    s->closed = true;
}

static void shut(er_sockets *s, er_connection *socket, bool asked) /* an idle one */
{
    watch(s, socket, 0);
    er_socket_shut(socket->fd);
    er_list_remove(&socket->node);
    uncount(s, socket, asked);
}

/* More than more_than transfers of its spot run, perhaps on it: curl does not report paused ones.
 * */
static bool may_be_used(er_sockets *s, const er_spot *spot, unsigned more_than)
{
    if (!s->scheduler->shared || !spot) return false;
    er_lock_take(&s->scheduler->lock);
    bool used = spot->running > more_than;
    er_lock_give(&s->scheduler->lock);
    return used;
}

/* HTTP/2: a transfer was broken off, and its stream is reset; curl 7.88 sends RST_STREAM only with
 * its next data on this connection. If no other transfer is on it, closing it ends the stream. */
static void cut(er_sockets *s, const er_spot *spot)
{
    if (may_be_used(s, spot, 1)) return; /* it is counted still */
    for (er_node *at = s->idle.head.next, *next; at != &s->idle.head; at = next) {
        er_connection *socket = er_of(at, er_connection, node);
        next = at->next;
        if (socket->spot == spot && !socket->wanted) shut(s, socket, false);
    }
}

static er_connection *add(er_sockets *s, int fd)
{
    if ((size_t)fd >= s->room) {
        size_t room = s->room ? s->room : 32;
        while (room <= (size_t)fd) room *= 2;
        er_connection **longer = er_resize(s->by_fd, room * sizeof *longer);
        if (!longer) return NULL;
        for (size_t i = s->room; i < room; i++) longer[i] = NULL;
        s->by_fd = longer;
        s->room = room;
    }
    er_connection *socket = s->by_fd[fd];
    if (socket) { /* closed without close_socket */
        uncount(s, socket, false);
        forget(s, socket);
    }
    socket = er_alloc_zero(sizeof *socket);
    if (!socket) return NULL;
    socket->fd = fd;
    s->by_fd[fd] = socket;
    return socket;
}

/* curl 7.88 closes a connection that was never established (refused, cancelled, slower than the one
 * of the other address family) without close_socket. False: it has done so. */
static bool still_there(er_sockets *s, er_connection *socket)
{
    if (!socket->unproven || er_socket_identity(socket->fd) == socket->unproven) return true;
    uncount(s, socket, false);
    forget(s, socket);
    return false;
}

/* handle has begun to try an address, or has given one up: lists it for er_sockets_nudge. */
static void dials(er_sockets *s, er_handle *handle)
{
    if (handle->several && er_exchange_dials(handle->x) && !er_listed(&handle->dialling)) {
        er_list_push(&s->dialling, &handle->dialling);
    }
}

void er_sockets_nudge(er_sockets *s)
{
    er_node *node;
    er_list now; /* not those that are listed meanwhile */
    er_list_take_all(&now, &s->dialling);
    while ((node = er_list_pop(&now))) {
        er_handle *handle = er_of(node, er_handle, dialling);
        if (!er_exchange_dials(handle->x)) continue;   /* it may really be paused */
        curl_easy_pause(handle->easy, CURLPAUSE_RECV); /* the change makes curl run it at once */
        curl_easy_pause(handle->easy, CURLPAUSE_CONT);
    }
}

/* ---- what curl calls ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    er_handle *handle = arg;
    er_sockets *s = handle->sockets;
    (void)purpose;
    if (!er_peer_allowed(handle->x, &address->addr, handle->refused)) return CURL_SOCKET_BAD;
    handle->opened = true;
    int fd = er_socket(address->family, address->socktype, address->protocol);
    int error = fd < 0 ? errno : 0;
    er_connection *socket = error ? NULL : add(s, fd);
    if (!error && !socket) {
        er_file_close(fd);
        error = ENOMEM;
    }
    if (error) {
        handle->x->no_socket = error;
        return CURL_SOCKET_BAD;
    }
    use(socket, handle);
    if (handle->x->sent && !handle->x->redial_ns) {
        handle->x->redial_ns = er_pool_now(handle->x->pool);
        er_exchange_rearm(handle->x);
    }
    dials(s, handle);
    socket->unproven = er_socket_identity(fd);
    socket->born_ns = er_now_ns();
    socket->spot = handle->x->turn.spot;
    er_lock_take(&s->scheduler->lock);
    er_scheduler_opened(s->scheduler, socket->spot);
    er_lock_give(&s->scheduler->lock);
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    er_sockets *s = arg;
    er_connection *socket = find(s, fd);
    if (socket) {
        uncount(s, socket, false);
        watch(s, socket, 0);
        forget(s, socket);
    }
    er_file_close(fd);
    return 0;
}

static int want(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    er_sockets *s = arg;
    er_connection *socket = find(s, fd);
    (void)of_socket;
    if (what == CURL_POLL_REMOVE) {
        if (!socket) return 0;
        if (socket->user) dials(s, socket->user);
        if (!still_there(s, socket)) return 0;
        socket->wanted = 0;
        if (!socket->foreign) return 0;
        watch(s, socket, 0);
        forget(s, socket);
        return 0;
    }
    if (!socket) {
        if (!(socket = add(s, fd))) return -1;
        socket->foreign = true;
    }
    if (!socket->foreign) {
        char *at = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &at);
        if (socket->user != (er_handle *)(void *)at) use(socket, (er_handle *)(void *)at);
    }
    socket->wanted = (what & CURL_POLL_IN ? (unsigned)ER_CAN_READ : 0) |
                     (what & CURL_POLL_OUT ? (unsigned)ER_CAN_WRITE : 0);
    watch(s, socket, socket->wanted);
    return 0;
}

void er_sockets_serve(er_sockets *s, CURLM *multi)
{
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
}

static bool stands(const er_handle *handle)
{
    for (const er_node *at = handle->used.head.next; at != &handle->used.head; at = at->next) {
        const er_connection *socket = er_of(at, er_connection, node);
        if (socket->unproven && er_socket_identity(socket->fd) != socket->unproven) continue;
        if (er_socket_stands(socket->fd)) return true;
    }
    return false;
}

int er_sockets_count(er_sockets *s, er_handle *handle)
{
    CURL *easy = handle->easy;
    handle->sockets = s;
    handle->stands = stands;
    int bad = (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    /* a connection outlives the handle that made it */
    bad |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
    return bad ? ENOMEM : 0;
}

/* ---- what the lane calls ---- */

int er_sockets_event(er_sockets *s, er_event event)
{
    er_connection *socket = find(s, event.fd);
    if (!socket) return 0; /* closed while others of the same batch were worked off */
    if (!socket->wanted) {
        bool idle = !socket->user && er_listed(&socket->node);
        if (idle && !s->scheduler->shared) shut(s, socket, false);
        else watch(s, socket, 0);
        return 0;
    }
    /* a fault may come before the end that it belongs to; given that alone, curl would only report
     * that sending failed */
    return (event.what & (ER_CAN_READ | ER_FAULT) ? CURL_CSELECT_IN : 0) |
           (event.what & ER_CAN_WRITE ? CURL_CSELECT_OUT : 0) |
           (event.what & ER_FAULT ? CURL_CSELECT_ERR : 0);
}

void er_sockets_release(er_sockets *s, er_handle *handle)
{
    int64_t now = 0;
    while (!er_list_empty(&handle->used)) {
        er_connection *socket = er_of(er_list_pop(&handle->used), er_connection, node);
        if (!still_there(s, socket)) continue;
        if (!now) now = er_now_ns();
        socket->unproven = 0; /* what stands when its transfer is over is kept by curl */
        socket->user = NULL;
        int64_t idle = er_deadline(now, s->keepalive_ms), old = old_at(s, socket);
        rest(s, socket, idle < old ? idle : old);
        watch(s, socket, socket->wanted | ER_CAN_READ); /* another transfer may share it */
        if (old <= now && !s->scheduler->shared) shut(s, socket, false);
    }
    const er_exchange *x = handle->x;
    if (s->scheduler->shared && (x->broken_off || x->broken || x->too_large)) cut(s, x->turn.spot);
}

int64_t er_sockets_reap(er_sockets *s)
{
    er_node *node;
    int64_t now = 0;
    while ((node = er_list_first(&s->idle))) {
        er_connection *socket = er_of(node, er_connection, node);
        if (socket->due_ns == INT64_MAX) return INT64_MAX;
        if (!now) now = er_now_ns();
        if (socket->due_ns > now) return socket->due_ns;
        if (!socket->wanted && !may_be_used(s, socket->spot, 0)) {
            shut(s, socket, false);
            continue;
        }
        er_list_remove(node); /* another transfer still shares it */
        rest(s, socket, er_deadline(now, SHARED_MS));
    }
    return INT64_MAX;
}

void er_sockets_give_back(er_sockets *s, er_berth *berth)
{
    for (;;) {
        unsigned n = 0;
        er_lock_take(&s->scheduler->lock);
        er_spot *spot = er_scheduler_asked(s->scheduler, berth, &n);
        er_lock_give(&s->scheduler->lock);
        if (!spot) return;
        for (er_node *at = s->idle.head.next, *next; at != &s->idle.head && n; at = next) {
            er_connection *socket = er_of(at, er_connection, node);
            next = at->next;
            if (socket->spot != spot || socket->wanted) continue;
            shut(s, socket, true);
            n--;
        }
        if (!n) continue;
        er_lock_take(&s->scheduler->lock);
        er_scheduler_kept(s->scheduler, spot, n);
        er_lock_give(&s->scheduler->lock);
        s->closed = true;
    }
}
