/* Assertions and fatal errors: all end in the same function, or in none of their own. */
#include <assert.h>

#include "../dedup.h"

static void
die(const char *text, int number)
{
    fprintf(stderr, "fatal: %s (%d)\n", text, number);
    abort();
}

static void
check_size(unsigned n)
{
    BUG("size", n > 200);
    if (n > 200) {
        die("size", (int)n);
    }
}

static void
check_order(unsigned a, unsigned b)
{
    BUG("order", a == b + 1);
    if (a == b + 1) {
        die("order", (int)a);
    }
    BUG("order-far", a == b + 77);
    assert(a != b + 77);
}

static unsigned
state_after(unsigned state, unsigned event)
{
    BUG("state", state == 3 && event == 9);
    assert(state != 3 || event != 9);
    BUG("event", event == 14);
    assert(event != 14);
    return (state + event) % 5;
}

static void
abandon(unsigned a)
{
    if (a % 32 == 7) {
        BUG("abandon", 1);
        abort();
    }
}

void
run(const uint8_t *data, size_t size)
{
    unsigned state = 0;

    for (; size >= 3; data += 3, size -= 3) {
        switch (data[0] % 4) {
        case 0:
            check_size(data[1]);
            break;
        case 1:
            check_order(data[1], data[2]);
            break;
        case 2:
            state = state_after(state, data[1] % 16);
            break;
        default:
            abandon(data[1]);
            break;
        }
    }
    sink += state;
}
