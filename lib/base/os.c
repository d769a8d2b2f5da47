/* base/os.c -- Linux behind os.h.
 *
 * Lock. word: 0 free, 1 held, 2 held and a thread may sleep on it (Ulrich Drepper, "Futexes Are
 * Tricky", 2011, mutex 2). A taker spins a little first: the library holds locks for tens of
 * nanoseconds.
 *
 * Parker. word: bits set by others, and ER_PARKED set by the waiter just before it sleeps. The
 * waiter leaves as soon as a bit it waits for is there; er_unpark sets bits in one step and
 * calls the kernel only when it saw ER_PARKED in that step. The kernel gets the address alone:
 * if the waiter has gone and another futex is there by now, that one wakes spuriously, which
 * every futex user must handle anyway. Each parker has one waiter, so no wake-up can go to the
 * wrong thread (a condition variable shared by several can lose one in glibc before 2.41, bug
 * 25847).
 *
 * Fork. One hook in the child bumps the generation; the owner of a thread stores the generation and
 * compares. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- memory ---- */

void *er_alloc(size_t size) { return malloc(size); }
void *er_alloc_zero(size_t size) { return calloc(1, size); }
void *er_alloc_aligned(size_t to, size_t size)
{
    void *at = NULL;
    return posix_memalign(&at, to, size) ? NULL : at;
}

void *er_resize(void *at, size_t size) { return realloc(at, size); }
void er_free(void *at) { free(at); }

char *er_copy_bytes(const void *at, size_t size)
{
    char *copy = size < SIZE_MAX ? malloc(size + 1) : NULL;
    if (!copy) return NULL;
    if (size) memcpy(copy, at, size);
    copy[size] = '\0';
    return copy;
}

char *er_copy_text(const char *text) { return er_copy_bytes(text, strlen(text)); }

/* ---- lock and parker ---- */

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(uint32_t *word, uint32_t seen, int64_t deadline_ns)
{
    struct timespec at = { (time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000) };
    /* FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC: nothing to recompute after a
     * spurious wake-up */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline_ns == INT64_MAX ? NULL : &at,
            NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake(uint32_t *word)
{
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = kept;
}

void er_lock_slow(er_lock *lock)
{
    for (int turn = 0; turn < 40; turn++) {
        uint32_t free = 0; /* relaxed look first: spinning must not bounce the line */
        if (er_load_relaxed(&lock->word) == 0 && er_cas_acquire(&lock->word, &free, 1)) return;
        pause_cpu();
    }
    /* acquire: see er_lock_take */
    while (er_swap_acquire(&lock->word, 2) != 0) futex_wait(&lock->word, 2, INT64_MAX);
}

void er_unlock_slow(er_lock *lock) { futex_wake(&lock->word); }

uint32_t er_park(er_parker *parker, uint32_t mask, int64_t deadline_ns)
{
    uint32_t seen = er_load(&parker->word);
    while (!(seen & mask)) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= deadline_ns) return seen & ~ER_PARKED;
        if (!er_cas(&parker->word, &seen, seen | ER_PARKED)) continue;
        futex_wait(&parker->word, seen | ER_PARKED, deadline_ns);
        seen = er_and(&parker->word, ~ER_PARKED) & ~ER_PARKED;
    }
    return seen & ~ER_PARKED;
}

void er_unpark(er_parker *parker, uint32_t bits)
{
    if (er_or(&parker->word, bits) & ER_PARKED) futex_wake(&parker->word);
}

void er_parker_clear(er_parker *parker, uint32_t bits) { er_and(&parker->word, ~bits); }

void er_relax(unsigned *turns)
{
    if (++*turns % 64) pause_cpu();
    else sched_yield();
}

/* ---- barrier ---- */

bool er_barrier_ready(void)
{
    int kept = errno;
    bool ready = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    errno = kept;
    return ready;
}

void er_barrier(void) { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

/* ---- threads ---- */

typedef struct start {
    void (*fn)(void *);
    void *arg;
    sigset_t before; /* the signals that a child of this thread is to have blocked */
    char name[16];   /* the kernel's limit, NUL included */
} start;

static _Thread_local struct {
    const sigset_t *before;  /* NULL: not a thread of ours */
    const char *top, *floor; /* of its stack; floor NULL: not read yet, or unknown */
} own;

static void *run_thread(void *arg)
{
    start s = *(start *)arg;
    free(arg);
    own.before = &s.before;
    own.top = __builtin_frame_address(0);
    if (s.name[0]) pthread_setname_np(pthread_self(), s.name);
    s.fn(s.arg);
    return NULL;
}

#define LEAST_STACK 65536 /* what the library itself may need on a thread */

/* The system takes a thread's copy of the program's thread-local variables out of its stack. */
static int add_tls(struct dl_phdr_info *object, size_t size, void *sum)
{
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)sum += object->dlpi_phdr[i].p_memsz + object->dlpi_phdr[i].p_align;
    }
    return 0;
}

static size_t stack_for(size_t wanted)
{
    size_t least =
        (size_t)PTHREAD_STACK_MIN > LEAST_STACK ? (size_t)PTHREAD_STACK_MIN : LEAST_STACK;
    size_t tls = 4096; /* the system's own, about */
    dl_iterate_phdr(add_tls, &tls);
    if (wanted < least) wanted = least;
    return wanted < SIZE_MAX - tls ? wanted + tls : wanted;
}

bool er_stack_is_ample(void)
{
    pthread_attr_t attr;
    void *floor;
    size_t size;
    if (own.top && !own.floor && pthread_getattr_np(pthread_self(), &attr) == 0) {
        if (pthread_attr_getstack(&attr, &floor, &size) == 0) own.floor = floor;
        pthread_attr_destroy(&attr);
    }
    if (!own.floor) return false;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), top = (uintptr_t)own.top,
              floor_at = (uintptr_t)own.floor;
    /* else perhaps on a stack of the program's own making */
    return here <= top && here >= floor_at + (top - floor_at) / 4 * 3;
}

int er_thread_start(er_thread *thread, void (*fn)(void *), void *arg, const char *name,
                    size_t stack)
{
    start *s = calloc(1, sizeof *s);
    if (!s) return ENOMEM;
    s->fn = fn;
    s->arg = arg;
    if (name) snprintf(s->name, sizeof s->name, "%s", name);

    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error) {
        free(s);
        return error;
    }
    if (stack) error = pthread_attr_setstacksize(&attr, stack_for(stack));

    sigset_t blocked, before;
    sigfillset(&blocked);
    static const int open[] = {
        SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) sigdelset(&blocked, open[i]);

    pthread_t id;
    if (!error) {
        pthread_sigmask(SIG_SETMASK, &blocked, &before);
        s->before = own.before ? *own.before : before;
        error = pthread_create(&id, &attr, run_thread, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    if (error) free(s);
    else thread->id = (unsigned long)id;
    return error;
}

void er_thread_join(er_thread *thread) { pthread_join((pthread_t)thread->id, NULL); }
void er_thread_detach(er_thread *thread) { pthread_detach((pthread_t)thread->id); }

bool er_thread_is_me(const er_thread *thread)
{
    return pthread_equal((pthread_t)thread->id, pthread_self()) != 0;
}
long er_thread_number(void) { return (long)syscall(SYS_gettid); }

static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static void (*end_fn)(void *);
static int end_error;

static void at_end(void *arg) { er_load_relaxed (&end_fn)(arg); } /* relaxed: all store the same */
static void make_end_key(void) { end_error = pthread_key_create(&end_key, at_end); }

int er_thread_at_end(void (*fn)(void *), void *arg)
{
    er_store_relaxed(&end_fn, fn);
    pthread_once(&end_once, make_end_key);
    return end_error ? ENOMEM : pthread_setspecific(end_key, arg);
}

static unsigned count_cores(void)
{
    cpu_set_t set; /* what this process may use, not what the machine has */
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return (unsigned)n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

unsigned er_cores(void)
{
    static unsigned cores; /* relaxed: each thread that finds 0 counts, with the same result */
    unsigned n = er_load_relaxed(&cores);
    if (!n) er_store_relaxed(&cores, n = count_cores());
    return n;
}

/* ---- faults ---- */

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT };
enum { FAULTS = sizeof faults / sizeof *faults };
static struct sigaction before_fault[FAULTS];
static int spent[FAULTS]; /* atomic: that handler was to be called once, and was */
static void (*fault_fn)(void);
static long saver; /* atomic: the thread that runs fault_fn; 0: none */

void er_pause(int64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void save(void)
{
    long me = er_thread_number(), seen = 0;
    for (int i = 0; i < 3000; i++, seen = 0) {
        if (er_cas_strong(&saver, &seen, me)) {
            fault_fn();
            er_store(&saver, 0);
            return;
        }
        if (seen == me) return; /* fault_fn itself has died */
        er_pause(1000000);
    }
}

static void call_before(const struct sigaction *before, int number, siginfo_t *info, void *context)
{
    sigset_t mask;
    sigorset(&mask, &((const ucontext_t *)context)->uc_sigmask, &before->sa_mask);
    if (!(before->sa_flags & SA_NODEFER)) sigaddset(&mask, number);
    /* what was blocked comes back when on_fault returns */
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (before->sa_flags & SA_SIGINFO) before->sa_sigaction(number, info, context);
    else before->sa_handler(number);
}

static void pass_on(size_t i, int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = &before_fault[i];
    bool default_action = !(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_DFL;
    bool ignored = !(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_IGN;
    /* sent by a process; a thread cannot ignore a fault of its own */
    if (ignored && info->si_code <= 0) return;
    if ((unsigned)before->sa_flags & SA_RESETHAND && !default_action && !ignored)
        default_action = er_swap(&spent[i], 1) != 0;
    if (!default_action && !ignored) {
        call_before(before, number, info, context);
        return;
    }
    const struct sigaction none = { .sa_handler = SIG_DFL };
    sigaction(number, &none, NULL);
    raise(number); /* comes when this returns */
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    save();
    errno = kept;
    for (size_t i = 0; i < FAULTS; i++) {
        if (faults[i] == number) pass_on(i, number, info, context);
    }
    errno = kept;
}

int er_on_fault(void (*fn)(void))
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    void (*none)(void) = NULL;
    if (!er_cas_strong(&fault_fn, &none, fn)) return 0;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULTS; i++) {
        if (sigaction(faults[i], NULL, &before_fault[i]) || sigaction(faults[i], &action, NULL))
            return errno;
    }
    return 0;
}

/* ---- code ---- */

typedef struct object { /* a program or a shared library */
    uintptr_t address;  /* in it */
    uintptr_t base;
    char path[1024]; /* "": the program */
} object;

static int has_address(struct dl_phdr_info *info, size_t size, void *to)
{
    object *o = to;
    uintptr_t offset = o->address - info->dlpi_addr;
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || offset - part->p_vaddr >= part->p_memsz) continue;
        o->base = info->dlpi_addr;
        snprintf(o->path, sizeof o->path, "%s", info->dlpi_name);
        return 1;
    }
    return 0;
}

/* dladdr's strings belong to the loader and vanish when another thread unloads the library, so it
 * is held meanwhile. */
char *er_symbol(const void *address, char *buffer, size_t size)
{
    object o = { .address = (uintptr_t)address };
    Dl_info info = { .dli_sname = NULL };
    bool found = address && dl_iterate_phdr(has_address, &o);
    void *held = found && *o.path ? dlopen(o.path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    bool named = found && (held || !*o.path) && dladdr(address, &info);
    if (!address) snprintf(buffer, size, "an unknown place");
    else if (named && info.dli_sname)
        snprintf(buffer, size, "%s+%#zx", info.dli_sname,
                 (size_t)((const char *)address - (const char *)info.dli_saddr));
    else if (found) /* a static function: addr2line -e FILE OFFSET finds it */
        snprintf(buffer, size, "%s(+%#zx)", *o.path ? o.path : program_invocation_name,
                 (size_t)(o.address - o.base));
    else snprintf(buffer, size, "%p", address);
    if (held) dlclose(held);
    return buffer;
}

/* ---- text ---- */

static locale_t plain_locale; /* atomic; made once and kept */

static locale_t make_plain(void)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", NULL),
             utf_8 = plain ? newlocale(LC_CTYPE_MASK, "C.UTF-8", plain) : NULL;
    if (utf_8) return utf_8;
    locale_t theirs = duplocale(LC_GLOBAL_LOCALE); /* its encoding, and all else as in C */
    locale_t mixed = theirs ? newlocale(LC_ALL_MASK & ~LC_CTYPE_MASK, "C", theirs) : NULL;
    if (mixed && plain) freelocale(plain);
    if (!mixed && theirs) freelocale(theirs);
    return mixed ? mixed : plain;
}

static locale_t plain(void) /* NULL: no memory */
{
    locale_t seen = er_load_acquire(&plain_locale), made; /* acquire: it is seen whole */
    if (seen || !(made = make_plain())) return seen;
    if (er_cas_strong(&plain_locale, &seen, made)) return made;
    freelocale(made);
    return seen;
}

int er_vformat(char *to, size_t room, const char *format, va_list args)
{
    int error = errno;
    locale_t c = plain(), before = c ? uselocale(c) : NULL;
    errno = error; /* %m prints it */
    int n = vsnprintf(to, room, format, args);
    if (before) uselocale(before);
    return n;
}

int er_format_plain(char *to, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = er_vformat(to, room, format, args);
    va_end(args);
    return n;
}

const char *er_error_text(int error)
{
    static _Thread_local char text[40];
    const char *known = strerrordesc_np(error);
    if (known) return known;
    snprintf(text, sizeof text, "Unknown error %d", error);
    return text;
}

/* ---- fork ---- */

static unsigned fork_generation;

static void in_child(void)
{
    er_add_relaxed(&fork_generation, 1); /* relaxed: a child begins with one thread */
    if (own.before) pthread_sigmask(SIG_SETMASK, own.before, NULL);
}

void er_exit_child(void) { _exit(127); }

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

int er_fork_hooks(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    return pthread_atfork(before, parent, child);
}

unsigned er_fork_generation(void)
{
    return er_load_relaxed(&fork_generation); /* only a child's first thread changes it */
}

/* ---- randomness ---- */

uint64_t er_random(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value) return value;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t state = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^
                     (uint64_t)(uintptr_t)&now ^ ((uint64_t)getpid() << 48);
    return er_random_next(&state);
}

/* ---- files ---- */

/* Where the program was started with 0, 1 or 2 closed, the lowest free number is one of these,
 * and what the program, or another library, prints would land in a file of ours. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > 2) return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), error = errno;
    close(fd);
    errno = error;
    return higher;
}

int er_file_open_as(const char *path, int flags, unsigned mode, int *fd)
{
    do *fd = above_standard(open(path, flags | O_CLOEXEC, (mode_t)mode));
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? errno : 0;
}

int er_file_open(const char *path, int flags, int *fd)
{
    return er_file_open_as(path, flags, 0644, fd);
}

int er_file_read(int fd, void *at, size_t size, size_t *got)
{
    ssize_t n;
    do n = read(fd, at, size);
    while (n < 0 && errno == EINTR);
    *got = n < 0 ? 0 : (size_t)n;
    return n < 0 ? errno : 0;
}

int er_file_write(int fd, const void *at, size_t size, size_t *put)
{
    size_t done = 0;
    int error = 0;
    while (done < size && !error) {
        ssize_t n = write(fd, (const char *)at + done, size - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd p = { fd, POLLOUT, 0 }; /* other code made it non-blocking */
            if (poll(&p, 1, -1) < 0 && errno != EINTR) error = errno;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (put) *put = done;
    return error;
}

/* A pipe without O_NONBLOCK blocks a write that is longer than the room that poll has seen, which
 * is at least PIPE_BUF. */
static size_t piece_for(int fd, size_t size)
{
    struct stat st;
    if (size <= PIPE_BUF || fstat(fd, &st) < 0 || S_ISREG(st.st_mode)) return size;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) ? size : PIPE_BUF;
}

int er_file_put(int fd, const void *at, size_t size, size_t *put)
{
    static const struct timespec at_once = { 0 };
    static const int sent[] = { SIGPIPE, SIGXFSZ };
    sigset_t signals, before;
    sigemptyset(&signals);
    for (int i = 0; i < 2; i++) sigaddset(&signals, sent[i]);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    ssize_t n;
    do {
        n = send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK) n = write(fd, at, piece_for(fd, size));
    } while (n < 0 && errno == EINTR);
    int error = n < 0 ? errno : 0;
    for (int i = 0; i < 2; i++) { /* the caller blocks it: it may stay pending */
        if (sigismember(&before, sent[i])) sigdelset(&signals, sent[i]);
    }
    if (error == EPIPE || error == EFBIG) sigtimedwait(&signals, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *put = n < 0 ? 0 : (size_t)n;
    return error == EWOULDBLOCK ? EAGAIN : error;
}

static int wait_until(int fd, short events, int wake_fd, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = INT64_MAX;
        int timeout = -1;
        if (deadline_ns != INT64_MAX) {
            struct timespec now;
            clock_gettime(CLOCK_MONOTONIC, &now);
            left = deadline_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
            if (left < 0) left = 0;
            timeout = left > INT64_C(1000000000000) ? 1000000 : (int)((left + 999999) / 1000000);
        }
        struct pollfd p[2] = { { fd, events, 0 }, { wake_fd, POLLIN, 0 } };
        int n = poll(p, wake_fd < 0 ? 1 : 2, timeout);
        if (n < 0 && errno != EINTR) return errno;
        if (n == 0 && !left) return ETIMEDOUT;
        if (n > 0 && wake_fd >= 0 && p[1].revents) return ECANCELED;
        if (n > 0) return 0;
    }
}

int er_file_wait(int fd, int wake_fd, int64_t deadline_ns)
{
    return wait_until(fd, POLLIN, wake_fd, deadline_ns);
}

int er_file_wait_room(int fd, int wake_fd, int64_t deadline_ns)
{
    return wait_until(fd, POLLOUT, wake_fd, deadline_ns);
}

int er_file_sync(int fd)
{
    int rc;
    do rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

int er_file_sync_data(int fd)
{
    int rc;
    do rc = fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

int er_file_rewind(int fd) { return lseek(fd, 0, SEEK_SET) < 0 ? errno : 0; }

int er_file_cut(int fd, uint64_t size)
{
    int rc;
    do rc = ftruncate(fd, (off_t)size);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

int er_file_move(const char *from, const char *to) { return rename(from, to) < 0 ? errno : 0; }

static void fill_about(er_file_about *about, const struct stat *st)
{
    *about = (er_file_about){
        .device = st->st_dev,
        .node = st->st_ino,
        .size = (uint64_t)st->st_size,
        .changed_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .mode = st->st_mode & 07777,
        .regular = S_ISREG(st->st_mode),
        .folder = S_ISDIR(st->st_mode),
        .named = st->st_nlink > 0
    };
}

int er_file_look(int fd, er_file_about *about)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return errno;
    fill_about(about, &st);
    about->terminal = S_ISCHR(st.st_mode) && isatty(fd);
    return 0;
}

int er_file_look_at(const char *path, er_file_about *about)
{
    struct stat st;
    if (stat(path, &st) < 0) return errno;
    fill_about(about, &st);
    return 0;
}

int er_file_there(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0) return errno;
    return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

int er_file_absolute(const char *path, char **absolute)
{
    char here[PATH_MAX];
    if (*path != '/' && !getcwd(here, sizeof here)) return errno;
    size_t size = *path == '/' ? 0 : strlen(here), rest = strlen(path) + 1;
    if (!(*absolute = malloc(size + 1 + rest))) return ENOMEM;
    if (size) {
        memcpy(*absolute, here, size);
        (*absolute)[size++] = '/';
    }
    memcpy(*absolute + size, path, rest);
    return 0;
}

int er_file_real(const char *path, char **real)
{
    return (*real = realpath(path, NULL)) ? 0 : errno;
}

int er_file_mode(int fd, unsigned mode) { return fchmod(fd, (mode_t)mode) < 0 ? errno : 0; }

int er_folder_make(const char *path)
{
    char *part = er_copy_text(path);
    int error = part ? 0 : ENOMEM;
    for (char *slash = part; slash && !error;) {
        slash += strspn(slash, "/");
        slash += strcspn(slash, "/");
        bool last = !*slash;
        *slash = '\0';
        struct stat st; /* asked first: on a read-only file system mkdir has another error */
        if (stat(part, &st) && mkdir(part, 0777) && errno != EEXIST) error = errno;
        if (last) break;
        *slash = '/';
    }
    er_free(part);
    struct stat st;
    if (!error && stat(path, &st)) error = errno;
    if (!error && !S_ISDIR(st.st_mode)) error = ENOTDIR;
    return error;
}

int er_folder_sync(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0) return errno == EACCES ? 0 : errno;
    int error = er_file_sync(again);
    er_file_close(again);
    return error == EINVAL || error == ENOTSUP ? 0 : error;
}

int er_file_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    return errno == EWOULDBLOCK ? EBUSY : 0;
}

bool er_file_lock_shared(int fd) { return flock(fd, LOCK_SH | LOCK_NB) == 0; }

bool er_file_unappend(int fd, size_t size)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) return false;
    off_t end = lseek(fd, 0, SEEK_CUR), begin = end - (off_t)size;
    return begin >= 0 && fstat(fd, &st) == 0 && st.st_size == end && ftruncate(fd, begin) == 0;
}

void er_file_unlock(int fd) { flock(fd, LOCK_UN); }

int er_datagram_open(const char *path, int *fd)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof to.sun_path) return ENAMETOOLONG;
    memcpy(to.sun_path, path, strlen(path));
    *fd = above_standard(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (*fd < 0) return errno;
    struct timeval second = { .tv_sec = 1 };
    if (setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) == 0 &&
        connect(*fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return 0;
    int error = errno;
    close(*fd);
    *fd = -1;
    return error;
}

int er_datagram_send(int fd, const void *at, size_t size)
{
    ssize_t n;
    do n = send(fd, at, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? errno : 0;
}

int er_file_remove(const char *path) { return unlink(path) < 0 ? errno : 0; }
int er_file_length(const char *path, uint64_t *length)
{
    struct stat about;
    if (stat(path, &about) < 0) return errno;
    *length = (uint64_t)about.st_size;
    if (S_ISDIR(about.st_mode)) return EISDIR;
    return S_ISREG(about.st_mode) ? 0 : ESPIPE;
}

int er_file_close(int fd) { return close(fd) < 0 && errno != EINTR ? errno : 0; }
int er_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return errno;
    for (int i = 0; i < 2; i++) {
        if ((fds[i] = above_standard(fds[i])) >= 0) continue;
        int error = errno;
        close(fds[!i]);
        return error;
    }
    return 0;
}
