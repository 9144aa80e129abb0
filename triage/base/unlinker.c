#include "base/unlinker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/mem.h"

struct unlinker {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* of any of these: */
    struct strv waiting;
    bool busy, ending;
    bool running; /* the thread is */
    pthread_t thread;
};

static void
unlink_all(const struct strv *paths)
{
    for (size_t i = 0; i < paths->n; i++) {
        (void)unlink(paths->v[i]);
    }
}

static void *
work(void *user)
{
    struct unlinker *unlinker = user;

    (void)pthread_mutex_lock(&unlinker->mutex);
    while (unlinker->waiting.n > 0 || !unlinker->ending) {
        AUTO(strv_clear) struct strv paths = unlinker->waiting;
        unlinker->waiting = (struct strv){0};
        unlinker->busy = paths.n > 0;
        if (unlinker->busy) {
            (void)pthread_mutex_unlock(&unlinker->mutex);
            unlink_all(&paths);
            (void)pthread_mutex_lock(&unlinker->mutex);
            unlinker->busy = false;
            (void)pthread_cond_broadcast(&unlinker->changed);
        } else {
            (void)pthread_cond_wait(&unlinker->changed, &unlinker->mutex);
        }
    }
    (void)pthread_mutex_unlock(&unlinker->mutex);
    return NULL;
}

struct unlinker *
unlinker_new(void)
{
    struct unlinker *unlinker = mem_alloc(sizeof(*unlinker));

    (void)pthread_mutex_init(&unlinker->mutex, NULL);
    (void)pthread_cond_init(&unlinker->changed, NULL);
    return unlinker;
}

/* Signals are for the thread that waits for them. */
static bool
start(struct unlinker *unlinker)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    unlinker->running = pthread_create(&unlinker->thread, NULL, work, unlinker) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return unlinker->running;
}

void
unlinker_add(struct unlinker *unlinker, struct strv *paths)
{
    if (paths->n == 0) {
        return;
    }
    if (!unlinker->running && !start(unlinker)) {
        unlink_all(paths);
        strv_clear(paths);
        return;
    }
    (void)pthread_mutex_lock(&unlinker->mutex);
    for (size_t i = 0; i < paths->n; i++) {
        strv_add(&unlinker->waiting, paths->v[i]);
    }
    (void)pthread_cond_broadcast(&unlinker->changed);
    (void)pthread_mutex_unlock(&unlinker->mutex);
    strv_clear(paths);
}

void
unlinker_wait(struct unlinker *unlinker)
{
    (void)pthread_mutex_lock(&unlinker->mutex);
    while (unlinker->running && (unlinker->busy || unlinker->waiting.n > 0)) {
        (void)pthread_cond_wait(&unlinker->changed, &unlinker->mutex);
    }
    (void)pthread_mutex_unlock(&unlinker->mutex);
}

void
unlinker_free(struct unlinker *unlinker)
{
    if (unlinker == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&unlinker->mutex);
    unlinker->ending = true;
    (void)pthread_cond_broadcast(&unlinker->changed);
    (void)pthread_mutex_unlock(&unlinker->mutex);
    if (unlinker->running) {
        (void)pthread_join(unlinker->thread, NULL);
    }
    (void)pthread_cond_destroy(&unlinker->changed);
    (void)pthread_mutex_destroy(&unlinker->mutex);
    mem_free(unlinker);
}
