/* Two threads, one mistake for each word: threads WORD. For ThreadSanitizer. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

NOINLINE static void
read_block(const int *block)
{
    shared += block[1];
}

static void *
freer(void *block)
{
    free(block);
    return NULL;
}

static void *
idle(void *unused)
{
    return unused;
}

static void *volatile kept;

NOINLINE static void
interrupted(int signal)
{
    (void)signal;
    kept = malloc(10);
}

NOINLINE static void
misuse(const char *word)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    int *block = calloc(4, sizeof(int));

    if (strcmp(word, "use-after-free") == 0) {
        freer(block);
        read_block(block);
    } else if (strcmp(word, "race-on-free") == 0) {
        pthread_create(&thread, NULL, freer, block);
        read_block(block);
        pthread_join(thread, NULL);
    } else if (strcmp(word, "thread-leak") == 0) {
        pthread_create(&thread, NULL, idle, NULL);
        usleep(100000);
    } else if (strcmp(word, "unlock") == 0) {
        pthread_mutex_unlock(&mutex);
    } else if (strcmp(word, "destroy") == 0) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_destroy(&mutex);
    } else if (strcmp(word, "signal") == 0) {
        signal(SIGUSR1, interrupted);
        raise(SIGUSR1);
    } else if (strcmp(word, "null") == 0) {
        *(volatile int *)NULL = 1;
    }
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
    if (argc == 2) {
        misuse(argv[1]);
    }
    return printf("%d\n", shared) < 0;
}
