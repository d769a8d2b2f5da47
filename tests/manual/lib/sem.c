/* What the functions of sem.h may return: the lint compares it with their comments. */
#include <errand/sem.h>
#include <errno.h>

static int elsewhere(void) { return EIO; }

errand_sem *errand_sem_new_sized(const errand_sem_opts *opts, size_t size)
{
    if (!opts || !size) {
        errno = EINVAL;
        return NULL;
    }
    errno = ENOMEM; /* return EBUSY; */
    return NULL;
}

int errand_sem_wait(errand_sem *sem, const char *key, unsigned n, int64_t ms, errand_permit **permit)
{
    int error = elsewhere();
    if (!n) return EINVAL;
    return error == EIO ? ETIMEDOUT : ERRAND_EFULL;
}

int errand_sem_stats_sized(errand_sem *sem, errand_sem_stats *out, size_t size) { return sem && out ? 0 : EINVAL; }
