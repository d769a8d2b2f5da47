/* Easy handles on threads that take urls from a queue: a mutex and a condition variable. */
#include "web.h"
#include "web_reply.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct job {
    struct job *next;
    const char *url;
} job;

typedef struct web {
    const web_plan *plan;
    pthread_mutex_t lock;
    pthread_cond_t more, done;
    job *first, **last;
    size_t left;
} web;

static void *work(void *at)
{
    web *w = at;
    CURL *easy = web_easy_new();
    for (;;) {
        pthread_mutex_lock(&w->lock);
        while (w->first == NULL) pthread_cond_wait(&w->more, &w->lock);
        job *j = w->first;
        w->first = j->next;
        if (w->first == NULL) w->last = &w->first;
        pthread_mutex_unlock(&w->lock);
        web_reply *reply = calloc(1, sizeof *reply);
        if (reply == NULL) exit(1);
        web_easy_aim(easy, j->url, reply);
        web_reply_look(easy, curl_easy_perform(easy), reply);
        free(j);
        pthread_mutex_lock(&w->lock);
        if (--w->left == 0) pthread_cond_signal(&w->done);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static void *open_web(const web_plan *plan)
{
    web *w = calloc(1, sizeof *w);
    if (w == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return NULL;
    w->plan = plan;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    pthread_cond_init(&w->done, NULL);
    for (unsigned i = 0; i < plan->in_flight; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, w) != 0) return NULL;
        pthread_detach(thread);
    }
    return w;
}

static void get(void *at, size_t n)
{
    web *w = at;
    w->left = n;
    for (size_t i = 0; i < n; i++) {
        job *j = malloc(sizeof *j);
        if (j == NULL) exit(1);
        *j = (job){ NULL, w->plan->url };
        pthread_mutex_lock(&w->lock);
        *w->last = j;
        w->last = &j->next;
        pthread_cond_signal(&w->more);
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_lock(&w->lock);
    while (w->left > 0) pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static const web_side requests = { .open = open_web, .get = get };
const bench_side bench_easy = { .name = "curl-easy", .web = &requests };
