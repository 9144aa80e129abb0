/* Memory errors to crash with, one for each word: memory WORD. The stacks are the point:
 * each error lies in a function of its own name, called by another, and some through a
 * library function. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

/* what the optimizer must not see through */
static volatile int one = 1;
static volatile int four = 4;
static char *volatile kept;
static char global_table[16];
static char padding[64];

NOINLINE static char
read_at(const char *data, int at)
{
    return data[at];
}

NOINLINE static void
write_at(char *data, int at)
{
    data[at] = 'x';
}

static inline int
sum_inlined(const int *data, int count)
{
    int sum = 0;

    for (int i = 0; i <= count; i++) {
        sum += data[i];
    }
    return sum;
}

NOINLINE static int
heap_read(void)
{
    char *data = malloc(10 * (size_t)one);
    int value = read_at(data, 10 * one);

    free(data);
    return value;
}

NOINLINE static int
heap_write(void)
{
    char *data = malloc(10 * (size_t)one);

    write_at(data, 12 * one);
    free(data);
    return 0;
}

NOINLINE static int
heap_inlined(void)
{
    int *data = calloc((size_t)four, sizeof(int));
    int value = sum_inlined(data, four);

    free(data);
    return value;
}

NOINLINE static int
heap_memcpy(void)
{
    char *from = calloc(64, 1);
    char *to = malloc(16 * (size_t)one);

    memcpy(to, from, 16 * (size_t)four);
    kept = to;
    return to[0];
}

NOINLINE static int
heap_strcpy(void)
{
    char *to = malloc(4 * (size_t)one);

    strcpy(to, "much longer than four");
    kept = to;
    return to[0];
}

NOINLINE static int
stack_write(void)
{
    char local[8];

    write_at(local, 8 * one + 1);
    return read_at(local, 0);
}

NOINLINE static int
stack_read(void)
{
    char local[8] = "abcdefg";

    return read_at(local, 8 * one + 2);
}

NOINLINE static int
stack_under(void)
{
    char local[32];

    local[one] = 1;
    return read_at(local, -3 * one);
}

NOINLINE static int
vla_write(void)
{
    char local[10 * one];

    write_at(local, 12 * one);
    return read_at(local, 0);
}

NOINLINE static int
global_read(void)
{
    return read_at(global_table, 16 * one + 2) + padding[0];
}

NOINLINE static int
global_write(void)
{
    write_at(global_table, 16 * one + 1);
    return padding[0];
}

NOINLINE static void
release(char *data)
{
    free(data);
}

NOINLINE static int
use_after_free(void)
{
    char *data = calloc(32, 1);

    release(data);
    return read_at(data, 5 * one);
}

NOINLINE static int
use_after_free_write(void)
{
    char *data = calloc(32, 1);

    release(data);
    write_at(data, 5 * one);
    return 0;
}

NOINLINE static int
double_free(void)
{
    char *data = calloc(32, 1);

    release(data);
    release(data);
    return 0;
}

NOINLINE static int
free_middle(void)
{
    char *data = calloc(32, 1);

    kept = data;
    release(data + 8 * one);
    return 0;
}

NOINLINE static int
free_stack(void)
{
    char local[32];

    kept = local;
    release(kept);
    return 0;
}

NOINLINE static char *
escape(void)
{
    char local[32];

    kept = local;
    local[one] = 1;
    return kept;
}

NOINLINE static int
use_after_return(void)
{
    return read_at(escape(), 3 * one);
}

NOINLINE static int
use_after_scope(void)
{
    for (int i = 0; i < one; i++) {
        char local[32];
        kept = local;
        local[i] = 1;
    }
    return read_at(kept, 3 * one);
}

NOINLINE static int
overlap(void)
{
    char local[32] = "abcdefghijklmnop";

    memcpy(local + one, local, 16 * (size_t)one);
    return local[4];
}

NOINLINE static int
negative_size(void)
{
    char local[32] = {0};

    memmove(local, local + 4, (size_t)(one - 5));
    return local[4];
}

NOINLINE static int
null_read(void)
{
    const char *none = kept;

    return read_at(none, 8 * one);
}

NOINLINE static int
null_write(void)
{
    write_at(kept, 0x178 * one);
    return 0;
}

NOINLINE static int
wild_read(void)
{
    return read_at((const char *)(uintptr_t)0x123456789000, one);
}

NOINLINE static int
wild_write(void)
{
    write_at((char *)(uintptr_t)0x123456789000, one);
    return 0;
}

NOINLINE static int
wild_noncanonical(void)
{
    return read_at((const char *)(uintptr_t)0x4141414141414141, one);
}

/* where its shadow would be there is none: ASan's check faults before the write does */
NOINLINE static int
wild_in_check(void)
{
    write_at((char *)(uintptr_t)0x4141414148, one);
    return 0;
}

NOINLINE static int
call_wild(void)
{
    int (*volatile call)(void) = (int (*)(void))(uintptr_t)0x123456789000;

    return call() + 1;
}

NOINLINE static int
call_null(void)
{
    int (*volatile call)(void) = NULL;

    return call() + 1;
}

NOINLINE static int
deep(int depth)
{
    volatile char local[256];

    local[0] = (char)depth;
    return depth < 0 ? 0 : deep(depth + 1) + local[0];
}

static int ping(int depth);

NOINLINE static int
pang(int depth)
{
    volatile char local[128];

    local[0] = (char)depth;
    return ping(depth + 1) + local[0];
}

NOINLINE static int
pong(int depth)
{
    return depth < 0 ? 0 : pang(depth + 1) + one;
}

NOINLINE static int
ping(int depth)
{
    return depth < 0 ? 0 : pong(depth + 1) + one;
}

NOINLINE static int
recurse(void)
{
    return deep(0);
}

NOINLINE static int
recurse_three(void)
{
    return ping(0);
}

NOINLINE static int
divide(void)
{
    volatile int zero = one - 1;

    return one / zero;
}

NOINLINE static int
aborts(void)
{
    abort();
}

NOINLINE static int
invalid_opcode(void)
{
    __asm__ volatile("ud2");
    return 0;
}

NOINLINE static int
traps(void)
{
    __asm__ volatile("int3");
    return 0;
}

NOINLINE static int
bus(void)
{
    raise(SIGBUS);
    return 0;
}

NOINLINE static int
allocate_too_much(void)
{
    kept = malloc((size_t)-1 / 2 * (size_t)one);
    return 0;
}

/* More memory than a limit allows, held until whoever watches it has looked. */
NOINLINE static int
hoard(void)
{
    enum { BYTES = 400 << 20, LONG_ENOUGH_S = 30 };

    kept = malloc(BYTES);
    memset(kept, 1, BYTES);
    sleep(LONG_ENOUGH_S);
    return 0;
}

NOINLINE static int
calloc_overflow(void)
{
    kept = calloc((size_t)-1 * (size_t)one, (size_t)four);
    return 0;
}

NOINLINE static char *
allocate(size_t bytes)
{
    return malloc(bytes);
}

NOINLINE static int
leak(void)
{
    char **list = (char **)(void *)allocate(sizeof(char *) * 2);

    list[0] = allocate(11);
    list[1] = NULL;
    list = NULL;
    kept = NULL;
    return list != NULL;
}

/* the names of the user's functions that a careless rule would drop */
NOINLINE static int
free_node(char *node)
{
    return node[4 * one];
}

NOINLINE static int
new_session(char *node)
{
    return free_node(node) + 1;
}

NOINLINE static int
assertion_parser(char *node)
{
    return new_session(node) + 1;
}

NOINLINE static int
own_names(void)
{
    char *node = malloc(4 * (size_t)one);
    int value = assertion_parser(node);

    free(node);
    return value;
}

static const struct {
    const char *word;
    int (*run)(void);
} errors[] = {
    {"heap-read", heap_read},
    {"heap-write", heap_write},
    {"heap-inlined", heap_inlined},
    {"heap-memcpy", heap_memcpy},
    {"heap-strcpy", heap_strcpy},
    {"stack-write", stack_write},
    {"stack-read", stack_read},
    {"stack-under", stack_under},
    {"vla-write", vla_write},
    {"global-read", global_read},
    {"global-write", global_write},
    {"use-after-free", use_after_free},
    {"use-after-free-write", use_after_free_write},
    {"double-free", double_free},
    {"free-middle", free_middle},
    {"free-stack", free_stack},
    {"use-after-return", use_after_return},
    {"use-after-scope", use_after_scope},
    {"overlap", overlap},
    {"negative-size", negative_size},
    {"null-read", null_read},
    {"null-write", null_write},
    {"wild-read", wild_read},
    {"wild-write", wild_write},
    {"wild-noncanonical", wild_noncanonical},
    {"wild-in-check", wild_in_check},
    {"call-wild", call_wild},
    {"call-null", call_null},
    {"recurse", recurse},
    {"recurse-three", recurse_three},
    {"divide", divide},
    {"abort", aborts},
    {"invalid-opcode", invalid_opcode},
    {"trap", traps},
    {"bus", bus},
    {"allocate-too-much", allocate_too_much},
    {"calloc-overflow", calloc_overflow},
    {"hoard", hoard},
    {"leak", leak},
    {"own-names", own_names},
};

NOINLINE static int
dispatch(const char *word)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(errors[i].word, word) == 0) {
            return errors[i].run();
        }
    }
    return 64;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "in-main") == 0) {
        char *data = malloc(4 * (size_t)one);
        data[4 * one] = 1;
        kept = data;
        return 0;
    }
    int value = argc == 2 ? dispatch(argv[1]) : 64;
    (void)printf("%d\n", value);
    return 0;
}
