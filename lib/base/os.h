/* base/os.h -- the one seam to the machine: memory, locks, parking, threads,
 * files, randomness, fork.
 *
 * Everything in lib/ gets them here, so that one file is ported, simulated, or made to fail. Errors
 * are errno values, returned. Nothing here logs, nothing aborts. */
#ifndef ER_OS_H
#define ER_OS_H

#include "base/atomic.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Private, but used by the other library of this very version. */
#define ER_SHARED __attribute__((visibility("default")))

/* ---- memory: NULL when there is none ---- */
ER_SHARED void *er_alloc(size_t size) __attribute__((malloc));
ER_SHARED void *er_alloc_zero(size_t size) __attribute__((malloc));
/* to: a power of two, from 8 */
ER_SHARED void *er_alloc_aligned(size_t to, size_t size) __attribute__((malloc));
ER_SHARED void *er_resize(void *at, size_t size);
ER_SHARED void er_free(void *at); /* NULL is harmless */
ER_SHARED char *er_copy_text(const char *text) __attribute__((malloc));
/* a NUL is put behind */
ER_SHARED char *er_copy_bytes(const void *at, size_t size) __attribute__((malloc));

/* ---- lock ----
 * Four bytes, zero is unlocked. Never held across a blocking call; no thread holds two. */
typedef struct er_lock {
    uint32_t word;
} er_lock;
ER_SHARED void er_lock_slow(er_lock *lock);
ER_SHARED void er_unlock_slow(er_lock *lock);
#ifdef ER_WORDS_LOCK /* the simulation's own lock: one step */
void er_lock_take(er_lock *lock);
void er_lock_give(er_lock *lock);
#else
static inline void er_lock_take(er_lock *lock)
{
    uint32_t free = 0; /* acquire: what the last holder wrote is seen */
    if (!er_cas_acquire(&lock->word, &free, 1)) er_lock_slow(lock);
}
static inline bool er_lock_try(er_lock *lock)
{
    uint32_t free = 0; /* acquire: as above */
    return er_cas_acquire(&lock->word, &free, 1);
}
static inline void er_lock_give(er_lock *lock)
{
    /* release: what this holder wrote is seen by the next; 2: a thread may sleep on it */
    if (er_swap_release(&lock->word, 0) == 2) er_unlock_slow(lock);
}
#endif

/* ---- parker: a word of bits that one thread waits on and any thread sets ----
 * er_unpark touches *parker exactly once, in one atomic step; after that step it uses the
 * address alone, never what is there. So a waiter may free its parker as soon as it has seen the
 * bit: a parker can live on the waiter's stack. */
typedef struct er_parker {
    uint32_t word;
} er_parker;
#define ER_PARKED 0x80000000u /* the waiter's own bit; bits for er_unpark are below it */
/* Returns the bits that are set, as soon as any of mask is, or at deadline_ns
 * (er_now_ns; INT64_MAX: none). */
ER_SHARED uint32_t er_park(er_parker *parker, uint32_t mask, int64_t deadline_ns);
ER_SHARED void er_unpark(er_parker *parker, uint32_t bits);
/* by the waiter, while it does not wait */
ER_SHARED void er_parker_clear(er_parker *parker, uint32_t bits);
/* For loops that wait for another thread's few next instructions: pauses, after a while
 * yields. *turns starts at 0. */
void er_relax(unsigned *turns);

/* ask before the first er_barrier of an object, and again after fork */
/* ---- barrier: a full fence on all threads of the process at once, paid for by the caller (some
 * microseconds, an interrupt for each running thread), so that a path taken often needs none.
 * False: not available here. ---- */
bool er_barrier_ready(void);
void er_barrier(void);

/* ---- threads: all signals blocked but those of a fault. A child forked by one of them unblocks
 * the signals that were open in the thread that started it. The stack has the requested size beside
 * the program's thread-local storage. ---- */
typedef struct er_thread {
    unsigned long id;
} er_thread;
ER_SHARED int er_thread_start(er_thread *thread, void (*fn)(void *), void *arg, const char *name,
                              size_t stack);
ER_SHARED void er_thread_join(er_thread *thread);
ER_SHARED void er_thread_detach(er_thread *thread);
bool er_thread_is_me(const er_thread *thread);
long er_thread_number(void); /* the calling thread's, as the kernel counts */
/* Calls fn(arg) when the calling thread ends; one arg for the whole library, NULL removes it. 0 or
 * ENOMEM. */
int er_thread_at_end(void (*fn)(void *), void *arg);
bool er_stack_is_ample(void);      /* three quarters of the stack of this thread of ours are free */
ER_SHARED unsigned er_cores(void); /* that this process may run on; read once */

/* ---- faults ----
 * fn on the thread that a fault or an abort stops, with nothing but calls that are safe in
 * signal handlers; then the previous handler gets the signal, with its own mask and flags. This
 * holds for each fault, as the previous handler may repair one. Faults of other threads wait. 0
 * or an errno; a second call does nothing. */
int er_on_fault(void (*fn)(void));
void er_pause(int64_t ns); /* safe there */

/* ---- code: where an address lies, for people: "main+0x1f (0x5581...)"; buffer is returned ---- */
char *er_symbol(const void *address, char *buffer, size_t size);

/* ---- text as in the C locale, whatever the program has set ---- */
/* vsnprintf; wide characters come out as UTF-8 where the system knows such a locale, else in the
 * program's own encoding. */
ER_SHARED int er_vformat(char *to, size_t room, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
ER_SHARED int er_format_plain(char *to, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* what strerror says there; lives until the thread's next call */
const char *er_error_text(int error);

/* ---- fork ----
 * How often this process is a child of the one that loaded the library. Compare it later. */
ER_SHARED unsigned er_fork_generation(void);
/* Ends a child process when its only thread is one of ours and has nothing to do: at once, status
 * 127, nothing flushed. */
_Noreturn void er_exit_child(void);
/* Before fork, after it in the parent, after it in the child: for a lock that must
 * be free in the child. */
int er_fork_hooks(void (*before)(void), void (*parent)(void), void (*child)(void));

/* ---- randomness ----
 * From the system, reseeded after fork; never fails (falls back to clock and address). */
ER_SHARED uint64_t er_random(void);
/* The next of a seeded sequence (splitmix64, Steele et al., 2014). */
static inline uint64_t er_random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* The same as a fraction in [0, 1). */
static inline double er_random_fraction(uint64_t *state)
{
    return (double)(er_random_next(state) >> 11) * 0x1p-53;
}

/* ---- files: descriptors are close-on-exec and never 0, 1 or 2; interrupted calls go on ---- */
/* O_* flags; made with 0644 */
ER_SHARED int er_file_open(const char *path, int flags, int *fd);
/* The same; made with mode. */
int er_file_open_as(const char *path, int flags, unsigned mode, int *fd);
/* *got 0: the end */
ER_SHARED int er_file_read(int fd, void *at, size_t size, size_t *got);
/* all of it, or an error; *put says how far it came */
ER_SHARED int er_file_write(int fd, const void *at, size_t size, size_t *put);
/* One write, of a part perhaps. What fd has room for is written without blocking, unless another
 * writer takes that room. EAGAIN: there is none; EPIPE: its reader is gone. No signal is sent. */
int er_file_put(int fd, const void *at, size_t size, size_t *put);
/* until fd is readable or at its end: 0; wake_fd is readable: ECANCELED;
 * ETIMEDOUT. wake_fd -1: none */
ER_SHARED int er_file_wait(int fd, int wake_fd, int64_t deadline_ns);
/* The same, until fd has room, or its reader is gone. */
int er_file_wait_room(int fd, int wake_fd, int64_t deadline_ns);
ER_SHARED int er_file_sync(int fd);
/* its bytes and its size, not its times */
ER_SHARED int er_file_sync_data(int fd);
ER_SHARED int er_file_rewind(int fd);
ER_SHARED int er_file_cut(int fd, uint64_t size);             /* takes away what is behind size */
ER_SHARED int er_file_move(const char *from, const char *to); /* the folder is not synced */
typedef struct er_file_about {
    uint64_t device, node, size;
    int64_t changed_ns; /* since 1970 */
    unsigned mode;      /* permissions */
    bool regular, folder, terminal;
    bool named; /* it has a name somewhere */
} er_file_about;
ER_SHARED int er_file_look(int fd, er_file_about *about);
/* follows links; terminal is not looked up */
ER_SHARED int er_file_look_at(const char *path, er_file_about *about);
/* 0: a file or a link has this name; EISDIR, ENOENT ... */
ER_SHARED int er_file_there(const char *path);
/* with the working directory of now; free absolute */
ER_SHARED int er_file_absolute(const char *path, char **absolute);
/* of what exists: absolute, without links; free real */
int er_file_real(const char *path, char **real);
ER_SHARED int er_file_mode(int fd, unsigned mode);
/* Makes a folder and those above it that are missing; 0 also if it is there already. */
ER_SHARED int er_folder_make(const char *path);
/* fd: of a folder, O_PATH or not. 0 also where it may not be read, or its file system cannot. */
int er_folder_sync(int fd);
/* against other processes that ask; at once: 0 or EBUSY. 0 also where files cannot be locked */
ER_SHARED int er_file_lock(int fd);
/* Beside others that share it, and not beside er_file_lock: false if there is one, or files cannot
 * be locked. er_file_lock turns it into a lock against all, or may lose it. */
bool er_file_lock_shared(int fd);
/* Takes away the last size bytes, which this descriptor has appended in its latest write, under its
 * shared lock. False: others share the lock or have appended since, so they stay. */
bool er_file_unappend(int fd, size_t size);
void er_file_unlock(int fd);
/* A socket that sends datagrams to a path, each waiting at most a second. */
int er_datagram_open(const char *path, int *fd);
int er_datagram_send(int fd, const void *at, size_t size);
ER_SHARED int er_file_remove(const char *path);
/* of a regular file; ESPIPE: it is none */
ER_SHARED int er_file_length(const char *path, uint64_t *length);
ER_SHARED int er_file_close(int fd);
ER_SHARED int er_pipe(int fds[2]); /* neither end blocks */

#endif
