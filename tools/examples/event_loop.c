/* Futures in a program's own event loop: errand_watch and an eventfd.
 *
 * The watcher runs on a thread of the pool. It puts what has ended on a list and rings; the
 * loop, here a bare epoll, wakes and takes the results on its own thread. This works with any
 * loop that waits for descriptors (libuv, GTK, Qt ...). */
#include <errand.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { JOBS = 5 };

typedef struct job {
    errand_watcher watcher;
    errand_future *future;
    struct job *next;
} job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static job *ended; /* guarded by it */
static int bell;

static void has_ended(errand_watcher *w) /* on a thread of the pool */
{
    job *j = w->arg;
    pthread_mutex_lock(&lock);
    j->next = ended;
    ended = j;
    pthread_mutex_unlock(&lock);
    if (write(bell, &(uint64_t){ 1 }, 8) != 8) perror("eventfd");
}

static errand_result square(void *n)
{
    return errand_ok((void *)((intptr_t)n * (intptr_t)n), NULL);
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    job jobs[JOBS];
    bell = eventfd(0, EFD_CLOEXEC);
    int loop = epoll_create1(EPOLL_CLOEXEC), left = JOBS, sum = 0;
    if (!pool || bell < 0 || loop < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, bell, &(struct epoll_event){ .events = EPOLLIN }))
        return 1;

    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (job){ .watcher = { .fn = has_ended, .arg = &jobs[i] } };
        jobs[i].future = errand_submit(pool, square, (void *)(intptr_t)(i + 1));
        /* it has ended already */
        if (errand_watch(jobs[i].future, &jobs[i].watcher)) has_ended(&jobs[i].watcher);
    }
    while (left) {
        struct epoll_event event;
        uint64_t rings;
        if (epoll_wait(loop, &event, 1, -1) != 1 || read(bell, &rings, 8) != 8) continue;
        pthread_mutex_lock(&lock);
        job *j = ended;
        ended = NULL;
        pthread_mutex_unlock(&lock);
        for (; j; j = j->next, left--) {
            errand_result r = errand_await(j->future); /* is there: does not wait */
            sum += (int)(intptr_t)r.value;
            errand_result_free(&r);
        }
    }
    printf("the squares of 1 to %d make %d\n", JOBS, sum);
    close(loop);
    close(bell);
    return errand_pool_close(pool, 1000) || sum != 55;
}
