/*
 * T.options: the INI file beside an OSS-Fuzz target. It is read as Python's configparser
 * reads it for ClusterFuzz (strict: a key or a section twice is an error), and what it
 * says is taken over as ClusterFuzz does.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/target.h"

enum { OPTIONS_BYTES_MAX = 64 << 10, ENTRIES_MAX = 500 };

struct entry {
    char *section;
    char *key; /* lower case */
    char *value;
    int line;
};

struct ini {
    const char *path;
    char *section; /* of the lines that follow; NULL before the first */
    struct strv sections;
    struct entry entries[ENTRIES_MAX];
    size_t n;
    size_t indent; /* of the last key: what stands deeper continues its value */
};

static void
ini_free(struct ini *ini)
{
    for (size_t i = 0; i < ini->n; i++) {
        mem_free(ini->entries[i].section);
        mem_free(ini->entries[i].key);
        mem_free(ini->entries[i].value);
    }
    mem_free(ini->section);
    strv_clear(&ini->sections);
    mem_free(ini);
}
AUTO_DEFINE(struct ini *, ini_free)

static int __attribute__((format(printf, 4, 5)))
fail(const struct ini *ini, int line, struct err *err, const char *fmt, ...)
{
    AUTO(mem_free) char *name = str_name_dup(ini->path);
    va_list args;

    va_start(args, fmt);
    AUTO(mem_free) char *what = mem_vprintf(fmt, args);
    va_end(args);
    AUTO(mem_free) char *shown = str_name_dup(what);
    return err_set(err, -EINVAL, "%s:%d: %s", name, line, shown);
}

/* --- reading --- */

/* A copy of text[0..len) without the blanks at both ends. */
static char *
trimmed(const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[0])) {
        text++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    return mem_dup(text, len);
}

static int
begin_section(struct ini *ini, const char *line, int number, struct err *err)
{
    const char *end = strrchr(line, ']');

    if (end == NULL || end == line + 1) {
        return fail(ini, number, err, "'%s' is no section: write [libfuzzer]", line);
    }
    AUTO(mem_free) char *name = mem_dup(line + 1, (size_t)(end - line) - 1);
    if (strv_has(&ini->sections, name)) {
        return fail(ini, number, err, "section [%s] stands twice", name);
    }
    strv_add(&ini->sections, name);
    mem_free(ini->section);
    ini->section = STEAL(name);
    return 0;
}

static int
add_entry(struct ini *ini, const char *line, int number, struct err *err)
{
    const char *delimiter = strpbrk(line, "=:");

    if (ini->section == NULL) {
        return fail(ini, number, err,
                    "'%s' stands before any section: begin with [libfuzzer]", line);
    }
    if (delimiter == NULL || delimiter == line) {
        return fail(ini, number, err, "'%s' is no setting: write key = value", line);
    }
    AUTO(mem_free) char *key = trimmed(line, (size_t)(delimiter - line));
    for (char *c = key; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    for (size_t i = 0; i < ini->n; i++) {
        if (strcmp(ini->entries[i].section, ini->section) == 0 &&
            strcmp(ini->entries[i].key, key) == 0) {
            return fail(ini, number, err, "'%s' stands twice in [%s], first in line %d",
                        key, ini->section, ini->entries[i].line);
        }
    }
    if (ini->n == ENTRIES_MAX) {
        return fail(ini, number, err, "more than %d settings", ENTRIES_MAX);
    }
    ini->entries[ini->n++] =
        (struct entry){mem_strdup(ini->section), STEAL(key),
                       trimmed(delimiter + 1, strlen(delimiter + 1)), number};
    return 0;
}

/* One line without its newline. */
static int
take_line(struct ini *ini, const char *line, int number, struct err *err)
{
    size_t indent = strspn(line, " \t\v\f\r");
    AUTO(mem_free) char *text = trimmed(line, strlen(line));

    if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
        return 0;
    }
    if (ini->n > 0 && indent > ini->indent) {
        struct entry *last = &ini->entries[ini->n - 1];
        char *longer = mem_printf("%s\n%s", last->value, text);
        mem_free(last->value);
        last->value = longer;
        return 0;
    }
    ini->indent = indent;
    return text[0] == '[' ? begin_section(ini, text, number, err)
                          : add_entry(ini, text, number, err);
}

static int
read_ini(struct ini *ini, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    int rc = fs_read(ini->path, OPTIONS_BYTES_MAX, &bytes, err);
    int number = 0;

    if (rc < 0) {
        return rc;
    }
    if (memchr(buf_str(&bytes), '\0', bytes.len) != NULL) {
        return fail(ini, 1, err, "a zero byte: this is no text");
    }
    const char *end = buf_str(&bytes) + bytes.len;
    for (const char *at = buf_str(&bytes); rc == 0 && at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        newline = newline == NULL ? end : newline;
        AUTO(mem_free) char *line = mem_dup(at, (size_t)(newline - at));
        rc = take_line(ini, line, ++number, err);
        at = newline + 1;
    }
    return rc;
}

/* --- taking over --- */

static const char *const own_env[] = {"AFL_DRIVER_DONT_DEFER", "GODEBUG", NULL};

static bool
listed(const char *const *list, const char *word)
{
    while (*list != NULL && strcmp(*list, word) != 0) {
        list++;
    }
    return *list != NULL;
}

/* "random(a,b)" becomes a number from a to b; 1: it did, 0: the value is something else.
 */
static int
draw(const struct ini *ini, const struct entry *entry, int64_t *out, struct err *err)
{
    const char *value = entry->value;
    const char *comma = strchr(value, ',');
    int64_t low = 0;
    int64_t high = 0;
    uint64_t dice = 0;

    if (!str_starts(value, "random(")) {
        return 0;
    }
    if (comma != NULL && str_ends(comma, ")")) {
        AUTO(mem_free) char *first = trimmed(value + 7, (size_t)(comma - value) - 7);
        AUTO(mem_free) char *second = trimmed(comma + 1, strlen(comma) - 2);
        if (str_number("a", first, 0, INT32_MAX, &low, NULL) == 0 &&
            str_number("b", second, low, INT32_MAX, &high, NULL) == 0 &&
            getrandom(&dice, sizeof(dice), 0) == (ssize_t)sizeof(dice)) {
            *out = low + (int64_t)(dice % (uint64_t)(high - low + 1));
            return 1;
        }
    }
    return fail(ini, entry->line, err, "%s: '%s' is not random(a,b) with 0 <= a <= b",
                entry->key, value);
}

/* A flag that has a place of its own in struct target. 1: it was one. */
static int
take_setting(const struct ini *ini, const struct entry *entry, const char *value,
             struct target *target, struct err *err)
{
    static const struct {
        const char *key;
        size_t offset;
        int64_t scale;
    } settings[] = {
        {"timeout", offsetof(struct target, timeout_ms), 1000},
        {"rss_limit_mb", offsetof(struct target, memory_bytes), 1 << 20},
    };
    struct err why = ERR_INIT;
    int64_t number = 0;

    for (size_t i = 0; i < COUNT(settings); i++) {
        if (strcmp(entry->key, settings[i].key) != 0) {
            continue;
        }
        if (str_number(entry->key, value, 1, 1 << 20, &number, &why) < 0) {
            return fail(ini, entry->line, err, "%s", why.msg);
        }
        *(int64_t *)(void *)((char *)target + settings[i].offset) =
            number * settings[i].scale;
        return 1;
    }
    if (strcmp(entry->key, "dict") != 0) {
        return 0;
    }
    if (target->dictionary == NULL) { /* else T.dict is there, which comes first */
        const char *slash = strrchr(ini->path, '/');
        AUTO(mem_free)
        char *folder = slash == NULL ? mem_strdup(".")
                                     : mem_dup(ini->path, (size_t)(slash - ini->path));
        AUTO(mem_free) char *path = fs_join(folder, value);
        if (!fs_exists(path)) {
            return fail(ini, entry->line, err, "dict: there is no '%s'", path);
        }
        target->dictionary = fs_absolute(path);
    }
    return 1;
}

static int
take_flag(const struct ini *ini, const struct entry *entry, struct target *target,
          struct err *err)
{
    int64_t number = 0;
    int drawn = draw(ini, entry, &number, err);

    if (drawn < 0) {
        return drawn;
    }
    AUTO(mem_free)
    char *value =
        drawn == 1 ? mem_printf("%lld", (long long)number) : mem_strdup(entry->value);
    int rc = take_setting(ini, entry, value, target, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    if (target_flag_is_ours(entry->key)) {
        log_line(LOG_WARN, "target",
                 "%s:%d: '%s' is passed over: nightjar sets it itself", ini->path,
                 entry->line, entry->key);
        return 0;
    }
    strv_addf(&target->libfuzzer, "-%s=%s", entry->key, value);
    return 0;
}

static void
take_env(const struct ini *ini, const struct entry *entry, struct target *target)
{
    AUTO(mem_free) char *name = mem_strdup(entry->key);

    for (char *c = name; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    if (listed(own_env, name)) {
        target_set_env(target, name, entry->value);
        return;
    }
    log_line(LOG_WARN, "target",
             "%s:%d: [env] '%s' is passed over: only %s and %s are allowed", ini->path,
             entry->line, name, own_env[0], own_env[1]);
}

static int
take_entry(const struct ini *ini, const struct entry *entry, struct target *target,
           struct err *err)
{
    static const struct {
        const char *section, *name;
    } sanitizers[] = {{"asan", "ASAN_OPTIONS"},
                      {"msan", "MSAN_OPTIONS"},
                      {"ubsan", "UBSAN_OPTIONS"},
                      {"hwasan", "HWASAN_OPTIONS"}};

    if (strcmp(entry->section, "libfuzzer") == 0) {
        return take_flag(ini, entry, target, err);
    }
    if (strcmp(entry->section, "env") == 0) {
        take_env(ini, entry, target);
        return 0;
    }
    for (size_t i = 0; i < COUNT(sanitizers); i++) {
        if (strcmp(entry->section, sanitizers[i].section) == 0) {
            AUTO(mem_free) char *option = mem_printf("%s=%s", entry->key, entry->value);
            target_set_env(target, sanitizers[i].name, option);
        }
    }
    return 0; /* other sections are for other engines */
}

/* What a failure must not leave half changed. */
static void
adopt(struct target *target, struct target *changed)
{
    strv_clear(&target->env);
    strv_clear(&target->libfuzzer);
    mem_free(target->dictionary);
    target->env = changed->env;
    target->libfuzzer = changed->libfuzzer;
    target->dictionary = STEAL(changed->dictionary);
    target->timeout_ms = changed->timeout_ms;
    target->memory_bytes = changed->memory_bytes;
    changed->env = (struct strv){NULL, 0};
    changed->libfuzzer = (struct strv){NULL, 0};
}

int
target_read_options(const char *path, struct target *target, struct err *err)
{
    AUTO(ini_free) struct ini *ini = mem_alloc(sizeof(*ini));
    AUTO(target_free) struct target *changed = mem_alloc(sizeof(*changed));

    ini->path = path;
    int rc = read_ini(ini, err);
    changed->timeout_ms = target->timeout_ms;
    changed->memory_bytes = target->memory_bytes;
    changed->dictionary = mem_strdup(target->dictionary);
    strv_add_all(&changed->env, &target->env);
    strv_add_all(&changed->libfuzzer, &target->libfuzzer);
    for (size_t i = 0; rc == 0 && i < ini->n; i++) {
        rc = take_entry(ini, &ini->entries[i], changed, err);
    }
    if (rc == 0) {
        adopt(target, changed);
    }
    return rc;
}
