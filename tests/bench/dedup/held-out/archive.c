/* Tag-length-value, nested; buffers that grow; everything through three helpers. */
#include "../dedup.h"

struct text {
    char *data;
    size_t used, room;
};

struct span {
    const uint8_t *at;
    size_t n;
};

static void
text_grow(struct text *t, size_t by)
{
    size_t room = t->room + by;
    char *data = realloc(t->data, room);

    if (data == NULL) {
        abort();
    }
    t->data = data;
    t->room = room;
}

static void
text_add(struct text *t, char c)
{
    t->data[t->used++] = c;
}

static void
text_trim(struct text *t, size_t n)
{
    t->data[t->used - n] = '\0';
}

static unsigned
span_byte(struct span *s, size_t at)
{
    return s->at[at];
}

static void
entry_name(struct text *t, struct span s)
{
    text_grow(t, s.n / 2 + 1);
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] >= 'a') {
            BUG("name", t->used >= t->room);
            text_add(t, (char)s.at[i]);
        }
    }
}

static void
entry_mode(struct text *t, struct span s)
{
    if (s.n > 1) {
        text_grow(t, 4);
        unsigned n = s.at[0] % 6;
        size_t before = t->used;
        for (unsigned i = 0; i < n; i++) {
            BUG("mode", t->used >= t->room);
            text_add(t, 'r');
        }
        if (t->used > before) {
            t->used = before;
        }
    }
}

static void
entry_trim(struct text *t, struct span s)
{
    if (s.n > 2 && t->data != NULL) {
        size_t n = s.at[0] % 40;
        BUG("trim", n > t->used || t->used - n >= t->room);
        text_trim(t, n);
    }
}

static void
entry_sum(struct span s)
{
    uint8_t *copy = malloc(s.n + 1);
    struct span mine = {copy, s.n};
    unsigned sum = 0;

    memcpy(copy, s.at, s.n);
    copy[s.n] = 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t at = i + copy[i] % 4;
        BUG("sum", at > s.n);
        sum += span_byte(&mine, at);
    }
    sink += sum;
    free(copy);
}

static void
entry_link(struct span s)
{
    char target[20];
    size_t n = 0;

    while (n < s.n && s.at[n] % 8 != 0) {
        BUG("link", n >= sizeof(target));
        target[n] = (char)s.at[n];
        n++;
    }
    sink += n > 0 ? (unsigned)target[0] : 0;
}

static void
entries(struct text *t, struct span s, unsigned depth)
{
    while (s.n >= 2) {
        unsigned tag = s.at[0] % 7;
        size_t n = s.at[1] % 32;
        n = n > s.n - 2 ? s.n - 2 : n;
        struct span inner = {s.at + 2, n};
        switch (tag) {
        case 0:
            entry_name(t, inner);
            break;
        case 1:
            entry_mode(t, inner);
            break;
        case 2:
            entry_trim(t, inner);
            break;
        case 3:
            entry_sum(inner);
            break;
        case 4:
            entry_link(inner);
            break;
        default:
            entries(t, inner, depth + 1);
            sink += depth;
            break;
        }
        s.at += 2 + n;
        s.n -= 2 + n;
    }
}

void
run(const uint8_t *data, size_t size)
{
    struct text t = {NULL, 0, 0};

    entries(&t, (struct span){data, size}, 0);
    free(t.data);
}
