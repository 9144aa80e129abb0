/* Undefined behaviour to crash with in C, one for each word: undefined WORD. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

enum color { RED = 1, GREEN = 2 };
struct point {
    int x;
    int y;
};

static volatile int one = 1;
static volatile int big = INT_MAX;
static struct point *volatile nowhere;
static int table[4] = {1, 2, 3, 4};

NOINLINE static int
overflow(void)
{
    return big + one;
}

NOINLINE static int
negate(void)
{
    volatile int least = INT_MIN;

    return -least;
}

NOINLINE static int
unsigned_overflow(void)
{
    volatile unsigned most = UINT_MAX;

    return (int)(most + (unsigned)one);
}

NOINLINE static int
shift(void)
{
    return one << (31 + one);
}

NOINLINE static int
shift_negative(void)
{
    return (one - 5) << 1;
}

NOINLINE static int
divide(void)
{
    return big / (one - 1);
}

NOINLINE static int
divide_float(void)
{
    volatile double huge = 1e30;

    return (int)huge;
}

NOINLINE static int
index_bounds(void)
{
    return table[one + 6];
}

NOINLINE static int
member_null(void)
{
    return nowhere->y;
}

NOINLINE static int
store_null(void)
{
    int *volatile none = NULL;

    *none = 1;
    return 0;
}

NOINLINE static int
load_null(void)
{
    const int *volatile none = NULL;

    return *none;
}

NOINLINE static int
misaligned(void)
{
    char bytes[16] = {0};

    return *(int *)(void *)(bytes + one);
}

NOINLINE static int
invalid_bool(void)
{
    bool flag;
    memset(&flag, 3 * one, 1);
    return flag ? 2 : 3;
}

NOINLINE static int
vla(void)
{
    int list[one - 2];

    list[0] = one;
    return list[0];
}

NOINLINE static int
unreachable(void)
{
    if (one == 1) {
        __builtin_unreachable();
    }
    return 1;
}

NOINLINE __attribute__((nonnull)) static size_t
wants_text(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

NOINLINE static int
null_argument(void)
{
    const char *volatile none = NULL;

    return (int)wants_text(none);
}

NOINLINE __attribute__((returns_nonnull)) static char *
gives_text(void)
{
    char *volatile none = NULL;

    return none;
}

NOINLINE static int
null_return(void)
{
    return gives_text() == NULL;
}

NOINLINE static int
pointer_overflow(void)
{
    char *volatile base = (char *)8;
    volatile size_t back = 100;

    return base - back == NULL;
}

NOINLINE static int
pointer_from_null(void)
{
    char *volatile base = NULL;

    return base + 8 * one == NULL;
}

NOINLINE static int
count_zeros(void)
{
    volatile unsigned zero = 0;

    return __builtin_ctz(zero);
}

NOINLINE static int
object_size(void)
{
    char bytes[2] = {0};
    struct point *point = (struct point *)(void *)bytes;

    return point->y;
}

NOINLINE static int
implicit(void)
{
    volatile int wide = 300;
    volatile uint8_t narrow = 0;

    narrow = (uint8_t)one;
    narrow += wide;
    return narrow;
}

NOINLINE static int
shift_by_negative(void)
{
    volatile int by = -3;

    return one << by;
}

NOINLINE static int
assume_aligned(void)
{
    char bytes[32] = "";
    volatile int at = 1;
    const int *numbers = __builtin_assume_aligned(bytes + at, 16);

    return numbers[0];
}

#ifdef __clang__
NOINLINE static int
count(const char *_Nonnull text)
{
    return text == NULL;
}

NOINLINE static int
nullability_argument(void)
{
    const char *volatile nothing = NULL;

    return count(nothing);
}

NOINLINE static const char *_Nonnull promised(void)
{
    const char *volatile nothing = NULL;

    return nothing;
}

NOINLINE static int
nullability_return(void)
{
    return promised() == NULL;
}
#endif

static const struct {
    const char *word;
    int (*run)(void);
} errors[] = {
    {"shift-by-negative", shift_by_negative},
    {"assume-aligned", assume_aligned},
#ifdef __clang__
    {"nullability-argument", nullability_argument},
    {"nullability-return", nullability_return},
#endif
    {"overflow", overflow},
    {"negate", negate},
    {"unsigned-overflow", unsigned_overflow},
    {"shift", shift},
    {"shift-negative", shift_negative},
    {"divide", divide},
    {"divide-float", divide_float},
    {"index-bounds", index_bounds},
    {"member-null", member_null},
    {"store-null", store_null},
    {"load-null", load_null},
    {"misaligned", misaligned},
    {"invalid-bool", invalid_bool},
    {"vla", vla},
    {"unreachable", unreachable},
    {"null-argument", null_argument},
    {"null-return", null_return},
    {"pointer-overflow", pointer_overflow},
    {"pointer-from-null", pointer_from_null},
    {"count-zeros", count_zeros},
    {"object-size", object_size},
    {"implicit", implicit},
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
    int value = argc == 2 ? dispatch(argv[1]) : 64;

    (void)printf("%d\n", value);
    return 0;
}
