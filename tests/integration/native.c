/* Ways to die without a sanitizer; the first byte of the input says which. What a class
 * rests on is written in assembly where compilers differ. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

typedef void function(void);
extern void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);

static volatile int sink;
static char *volatile nowhere = (char *)0x41414140;            /* not mapped */
static char *volatile impossible = (char *)0x4141414141414140; /* not canonical */

APART void
read_at(volatile int *p)
{
    sink = p[3];
}
APART void
write_at(volatile int *p)
{
    p[3] = 7;
}
APART void
call_of(function *f)
{
    f();
    sink++;
}
APART void
call_through(char *p)
{
    __asm__ volatile("call *(%0)" : : "r"(p) : "memory");
}
APART void
jump_through(char *p)
{
    __asm__ volatile("jmp *(%0)" : : "r"(p) : "memory");
}
APART int
recurse(int n)
{
    volatile char room[200];

    room[n % 200] = 1;
    return recurse(n + 1) + room[3];
}

APART __attribute__((no_stack_protector)) void
smash(size_t n)
{
    char room[16];
    volatile char *p = room;

    for (size_t i = 0; i < n; i++) {
        p[i] = 'A';
    }
    sink = room[2];
}

APART void
guard(size_t n)
{
    char room[16];
    volatile char *p = room;

    for (size_t i = 0; i < n; i++) {
        p[i] = 'A';
    }
    sink = room[2];
}

APART void
twice(void)
{
    char *volatile p = malloc(5000);
    char *volatile q = malloc(16);

    free(p);
    free(p);
    sink = *q;
}

APART void
copy(size_t n)
{
    char room[8];
    char *volatile from = calloc(1, 64);

    __memcpy_chk(room, from, n, sizeof(room));
    sink = room[1];
}

APART int
divide(int by)
{
    return 10 / by;
}
APART void
illegal(void)
{
    __asm__ volatile("ud2");
}
APART void
trap(void)
{
    __asm__ volatile("int3");
}
APART void
give_up(void)
{
    abort();
}
APART void
check(int n)
{
    assert(n == 3);
}

static void
die(char how)
{
    volatile int zero = 0;

    switch (how) {
    case 'r':
        read_at(NULL);
        break;
    case 'w':
        write_at(NULL);
        break;
    case 'R':
        read_at((int *)nowhere);
        break;
    case 'W':
        write_at((int *)nowhere);
        break;
    case 'N':
        write_at((int *)impossible);
        break;
    case 'c':
        call_of((function *)nowhere);
        break;
    case '0':
        call_of(NULL);
        break;
    case 'p':
        call_through(nowhere);
        break;
    case 'P':
        call_through((char *)24);
        break;
    case 'j':
        jump_through(nowhere);
        break;
    case 'J':
        jump_through((char *)24);
        break;
    case 's':
        smash(200);
        break;
    case 'd':
        sink = recurse(1);
        break;
    case 'a':
        give_up();
        break;
    case 'A':
        check(zero);
        break;
    case 'h':
        twice();
        break;
    case 'f':
        copy(32);
        break;
    case 'g':
        guard(200);
        break;
    case 'z':
        sink = divide(zero);
        break;
    case 'u':
        illegal();
        break;
    case '3':
        trap();
        break;
    }
}

int
main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
    int c = file == NULL ? EOF : fgetc(file);

    printf("1^done,value=\"6\"\n");
    die((char)c);
    return 0;
}
