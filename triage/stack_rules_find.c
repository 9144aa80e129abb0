/*
 * Looking a frame up in the table of stack_rules.c.
 */
#include "triage/stack_rules.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/str.h"
#include "triage/parse/words.h"

enum {
    TEXT_MAX = 1100,
    RULES_MAX = 1024, /* that the table may have */
};

/* Rules about names by their first byte, so that a frame is compared with a few of them
 * only. */
static uint16_t first_by_byte[256]; /* index + 1; 0: none */
static uint16_t next_rule[RULES_MAX];
static struct words *paths;   /* one bit for each RULE_PATH, in the table's order */
static struct words *modules; /* the same for RULE_MODULE */
static pthread_once_t ready_once = PTHREAD_ONCE_INIT;

static struct words *
make_words(enum rule_how how)
{
    struct word list[64];
    size_t count = 0;

    for (size_t i = 0; i < stack_rules_n; i++) {
        if (stack_rules[i].how == how) {
            assert(count < COUNT(list));
            list[count] = (struct word){stack_rules[i].text, UINT64_C(1) << count};
            count++;
        }
    }
    return words_new(list, count);
}

static void
make_ready(void)
{
    assert(stack_rules_n <= RULES_MAX);
    for (size_t i = stack_rules_n; i > 0; i--) {
        unsigned char byte = (unsigned char)stack_rules[i - 1].text[0];
        if (stack_rules[i - 1].how != RULE_PATH &&
            stack_rules[i - 1].how != RULE_MODULE) {
            next_rule[i - 1] = first_by_byte[byte];
            first_by_byte[byte] = (uint16_t)i;
        }
    }
    paths = make_words(RULE_PATH);
    modules = make_words(RULE_MODULE);
}

static const struct stack_rule *
nth_rule(enum rule_how how, uint64_t bits)
{
    size_t n = (size_t)__builtin_ctzll(bits);

    for (size_t i = 0; i < stack_rules_n; i++) {
        if (stack_rules[i].how == how && n-- == 0) {
            return &stack_rules[i];
        }
    }
    return NULL;
}

/* "/" and the text with forward slashes: a bare "libc.so.6" then has the slash of
 * "/libc.so". */
static struct span
slashed(const char *text, char out[TEXT_MAX])
{
    size_t len = 0;

    out[len++] = '/';
    for (; *text != '\0' && len < TEXT_MAX; text++) {
        out[len] = *text;
        if (*text == '\\') {
            out[len] = '/';
        }
        len++;
    }
    return (struct span){out, len};
}

/* glibc's folders, as its debug information has them below its own top, which it does not
 * name: "./libio/fileops.c", "../sysdeps/x86_64/start.S". */
static const struct {
    const char *folder;
    bool only_there; /* nobody else has a folder of this name */
} glibc[] = {
    {"libio/", true},   {"nptl/", true},   {"stdio-common/", true}, {"sysdeps/", true},
    {"csu/", true},     {"wcsmbs/", true}, {"malloc/", false},      {"string/", false},
    {"stdlib/", false}, {"posix/", false}, {"elf/", false},         {"debug/", false},
    {"signal/", false}, {"iconv/", false}, {"math/", false},        {"misc/", false},
    {"time/", false},   {"io/", false},    {"setjmp/", false},      {"dirent/", false},
    {"locale/", false},
};

enum glibc { GLIBC_NO, GLIBC_MAYBE, GLIBC_YES };

static enum glibc
in_glibc(const struct frame *frame)
{
    const char *file = frame->file == NULL ? "" : frame->file;

    file += strncmp(file, "./", 2) == 0 ? 2 : strncmp(file, "../", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < COUNT(glibc); i++) {
        if (str_starts(file, glibc[i].folder)) {
            return glibc[i].only_there ? GLIBC_YES : GLIBC_MAYBE;
        }
    }
    return GLIBC_NO;
}

/* Where others have such a folder too, a name that is reserved to the C library tells. */
static bool
is_glibc(const struct frame *frame, const char *name)
{
    static const char *const reserved[] = {"__",   "_IO_",  "_dl_",
                                           "_nl_", "_int_", "_quicksort"};
    enum glibc where = in_glibc(frame);

    for (size_t i = 0; i < COUNT(reserved) && where == GLIBC_MAYBE; i++) {
        if (str_starts(name, reserved[i])) {
            return true;
        }
    }
    return where == GLIBC_YES;
}

static const struct stack_rule *
find_place(const struct frame *frame, const char *name)
{
    static const struct stack_rule of_glibc = {
        RULE_PATH, LANGUAGE_NATIVE, "", stack_reason_library, NULL, SOURCE_ANY};
    const char *path = frame->file != NULL ? frame->file : frame->module;
    const char *module = frame->module != NULL ? frame->module : frame->function;
    char text[TEXT_MAX];

    if (path != NULL) {
        uint64_t bits = words_scan(paths, slashed(path, text));
        if (bits != 0) {
            return nth_rule(RULE_PATH, bits);
        }
    }
    if (frame->file == NULL && module != NULL) {
        uint64_t bits = words_scan(modules, slashed(module, text));
        if (bits != 0) {
            return nth_rule(RULE_MODULE, bits);
        }
    }
    return frame->language == LANGUAGE_NATIVE && is_glibc(frame, name) ? &of_glibc : NULL;
}

/* How the C library names the variants of a function behind its name. */
static bool
eat_variant(struct span *s)
{
    static const char *const variants[] = {
        "_sse2",  "_sse3",    "_sse4_1",        "_sse4_2",  "_sse42",
        "_ssse3", "_avx2",    "_avx512",        "_avx",     "_evex",
        "_erms",  "_rtm",     "_unaligned",     "_aligned", "_ifunc",
        "_chk",   "_generic", "_no_vzeroupper", "_back"};

    for (size_t i = 0; i < COUNT(variants); i++) {
        struct span rest = *s;
        if (span_eat(&rest, variants[i]) && (rest.len == 0 || rest.at[0] == '_')) {
            *s = rest;
            return true;
        }
    }
    return false;
}

/* "__memcpy_avx_unaligned_erms" -> "memcpy", "__free_generic_list" -> itself. */
static struct span
without_variants(struct span s)
{
    for (size_t at = 0; at < s.len; at++) {
        struct span rest = span_from(s, at);
        while (rest.len > 0 && rest.at[0] == '_' && eat_variant(&rest)) {
        }
        if (rest.len == 0) {
            return span_to(s, at);
        }
    }
    return s;
}

/* How libraries name a function: "__interceptor_free", "_free", "free@plt",
 * "__memcpy_avx_unaligned_erms". */
static struct span
libc_stem(const char *name)
{
    static const char *const before[] = {"__GI_", "__interceptor_", "__isoc99_"};
    struct span s = span_of(name);

    for (size_t i = 0; i < COUNT(before); i++) {
        (void)span_eat(&s, before[i]);
    }
    bool reserved = s.at != name || span_starts(s, "__");
    while (span_eat(&s, "_")) {
    }
    s = span_to(s, span_find_char(s, '@'));
    return reserved ? without_variants(s) : s;
}

/* A program may have a function of the library's own name for it; not of the plain one.
 */
static bool
is_libc(const struct frame *frame, const struct stack_rule *rule, const char *name,
        struct span stem)
{
    return span_is(stem, rule->text) &&
           (strcmp(name, rule->text) == 0 || str_starts(name, "__") ||
            frame->file == NULL || in_glibc(frame) != GLIBC_NO);
}

static bool
name_matches(const struct frame *frame, const struct stack_rule *rule, const char *name,
             struct span stem, const char *last)
{
    switch (rule->how) {
    case RULE_EXACT:
        return strcmp(name, rule->text) == 0;
    case RULE_PREFIX:
        return str_starts(name, rule->text);
    case RULE_LAST:
        return strcmp(last, rule->text) == 0;
    case RULE_LIBC:
        return is_libc(frame, rule, name, stem);
    case RULE_PATH:
    case RULE_MODULE:
        break;
    }
    return false;
}

static const char *
last_component(const char *name)
{
    const char *last = name;

    for (const char *at = strstr(name, "::"); at != NULL; at = strstr(at + 2, "::")) {
        last = at + 2;
    }
    return last;
}

static bool
is_kernels(const struct frame *frame)
{
    static const char *const folders[] = {"/mm/", "/kernel/", "/arch/",
                                          "/lib/dump_stack.", "/lib/ubsan."};
    char text[TEXT_MAX];

    if (frame->file == NULL) {
        return frame->module == NULL;
    }
    struct span file = slashed(frame->file, text);
    for (size_t i = 0; i < COUNT(folders); i++) {
        if (span_find(file, folders[i]) != SPAN_NONE) {
            return true;
        }
    }
    return false;
}

static bool
source_fits(const struct stack_rule *rule, const struct frame *frame)
{
    if (rule->path != NULL && frame->file != NULL &&
        strstr(frame->file, rule->path) != NULL) {
        return true;
    }
    switch (rule->source) {
    case SOURCE_ANY:
        break;
    case SOURCE_NONE:
        return frame->file == NULL || in_glibc(frame) != GLIBC_NO;
    case SOURCE_KERNEL:
        return is_kernels(frame);
    }
    return rule->path == NULL;
}

static const struct stack_rule *
find_name(const struct frame *frame, const char *name, char first, struct span stem,
          const char *last)
{
    for (size_t i = first_by_byte[(unsigned char)first]; i != 0; i = next_rule[i - 1]) {
        const struct stack_rule *rule = &stack_rules[i - 1];
        if (rule->language == frame->language &&
            name_matches(frame, rule, name, stem, last) && source_fits(rule, frame)) {
            return rule;
        }
    }
    return NULL;
}

const struct stack_rule *
stack_rules_find(const struct frame *frame, const char *name)
{
    struct span stem = libc_stem(name);
    const char *last = last_component(name);
    const struct stack_rule *rule = NULL;

    (void)pthread_once(&ready_once, make_ready);
    if (name[0] != '\0') {
        rule = find_name(frame, name, name[0], stem, last);
    }
    if (rule == NULL && stem.len > 0 && stem.at[0] != name[0]) {
        rule = find_name(frame, name, stem.at[0], stem, last);
    }
    if (rule == NULL && last != name && last[0] != '\0') {
        rule = find_name(frame, name, last[0], stem, last);
    }
    return rule != NULL ? rule : find_place(frame, name);
}

const char *
stack_rules_reason(const char *text)
{
    for (size_t i = 0; i < stack_rules_n; i++) {
        if (strcmp(stack_rules[i].reason, text) == 0) {
            return stack_rules[i].reason;
        }
    }
    return NULL;
}

bool
stack_rules_is_driver(const char *file)
{
    static const char *const drivers[] = {
        "FuzzerMain.cpp",         "afl_driver.cpp",
        "aflpp_driver.c",         "StandaloneFuzzTargetMain.c",
        "standalone_fuzz_main.c", "standalone.c",
        "FuzzerDriver.cpp",       "honggfuzz_main.c"};
    struct span base = span_base(span_of(file));

    for (size_t i = 0; i < COUNT(drivers); i++) {
        if (span_is(base, drivers[i])) {
            return true;
        }
    }
    return false;
}
