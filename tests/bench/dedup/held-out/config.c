/* Lines of "key value": tables of handlers, includes that nest, one parser of numbers. */
#include "../dedup.h"

struct settings {
    int limits[8];
    char *name;
    char **paths;
    unsigned n_paths;
    unsigned level;
};

static const char *const levels[] = {"low", "mid", "high"};

static int
number(const char **at)
{
    int n = 0;

    while (**at >= '0' && **at <= '9') {
        n = n * 10 + *(*at)++ - '0';
        n %= 1000;
    }
    return n;
}

static void
set_limit(struct settings *s, const char *text)
{
    int which = number(&text) % 16;

    text += *text == ' ';
    int value = number(&text);
    if (which >= 8 && value % 2 == 0) {
        return;
    }
    BUG("limit", which >= 8);
    s->limits[which] = value;
}

static void
set_level(struct settings *s, const char *text)
{
    s->level = (unsigned)number(&text) % 5;
}

static void
show_level(struct settings *s, const char *text)
{
    (void)text;
    BUG("level", s->level >= 3);
    sink += (unsigned)levels[s->level][0];
}

static void
set_name(struct settings *s, const char *text)
{
    size_t n = strcspn(text, "\n");
    char *name = malloc(n + 1);

    for (size_t i = 0; i <= n; i++) {
        name[i] = text[i];
    }
    free(s->name);
    s->name = name;
}

static void
quote_name(struct settings *s, const char *text)
{
    char quoted[12];

    (void)text;
    BUG("quote-unset", s->name == NULL);
    BUG("quote", strcspn(s->name, "\n") + 3 > 12);
    size_t n = strcspn(s->name, "\n");
    quoted[0] = '"';
    memcpy(quoted + 1, s->name, n);
    quoted[n + 1] = '"';
    sink += (unsigned)quoted[n];
}

static void
add_path(struct settings *s, const char *text)
{
    if (s->paths == NULL) {
        s->paths = calloc(4, sizeof(*s->paths));
    }
    BUG("paths", s->n_paths >= 4);
    s->paths[s->n_paths++] = (char *)(uintptr_t)text;
}

static void
show_path(struct settings *s, const char *text)
{
    unsigned i = (unsigned)number(&text) % 6;

    if (s->paths != NULL && i < 4) {
        BUG("unset-path", i >= s->n_paths);
        sink += (unsigned)s->paths[i][0];
    }
}

static const struct {
    char key;
    void (*set)(struct settings *, const char *);
} handlers[] = {{'l', set_limit},  {'v', set_level}, {'V', show_level}, {'n', set_name},
                {'q', quote_name}, {'p', add_path},  {'P', show_path}};

static void lines(struct settings *s, const char *text, unsigned depth);

static void
include(struct settings *s, const char *text, unsigned depth)
{
    if (*text == '@') {
        BUG("include", 1);
        volatile char room[400];
        room[depth % 400] = 1;
        lines(s, text - 1, depth + 1);
        sink += (unsigned)room[depth % 400];
    }
}

static void
lines(struct settings *s, const char *text, unsigned depth)
{
    while (*text != '\0') {
        for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
            if (*text == handlers[i].key) {
                handlers[i].set(s, text + 1);
                break;
            }
        }
        if (*text == 'i') {
            include(s, text + 1, depth);
        }
        text++;
    }
}

void
run(const uint8_t *data, size_t size)
{
    static const char alphabet[] = "lvVnqpPi@0123456789  \nxyz";
    struct settings s = {.name = NULL};
    char *text = malloc(size + 1);

    for (size_t i = 0; i < size; i++) {
        text[i] = alphabet[data[i] % (sizeof(alphabet) - 1)];
    }
    text[size] = '\0';
    lines(&s, text, 0);
    free(text);
    free(s.paths);
    free(s.name);
}
