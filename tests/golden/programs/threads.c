/* Two threads, one mistake for each word: threads WORD. For ThreadSanitizer. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static int shared;
static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t right = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void
increment(int *value)
{
    (*value)++;
}

static void *
racer(void *unused)
{
    for (int i = 0; i < 100000; i++) {
        increment(&shared);
    }
    return unused;
}

NOINLINE static void
take_both(pthread_mutex_t *first, pthread_mutex_t *second)
{
    pthread_mutex_lock(first);
    pthread_mutex_lock(second);
    pthread_mutex_unlock(second);
    pthread_mutex_unlock(first);
}

static void *
other_order(void *unused)
{
    take_both(&right, &left);
    return unused;
}

int
main(int argc, char **argv)
{
    pthread_t thread;

    if (argc == 2 && strcmp(argv[1], "race") == 0) {
        pthread_create(&thread, NULL, racer, NULL);
        racer(NULL);
        pthread_join(thread, NULL);
    } else if (argc == 2 && strcmp(argv[1], "locks") == 0) {
        take_both(&left, &right);
        pthread_create(&thread, NULL, other_order, NULL);
        pthread_join(thread, NULL);
    }
    return printf("%d\n", shared) < 0;
}
