/* One target as nightjar.yaml and NAME.yaml describe it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"

/* --- rows of their own --- */

static int
read_name(const struct config_reader *reader, const struct config_key *key,
          const struct config_node *node, void *to, struct err *err)
{
    struct target *target = to;
    const char *name = "";
    int rc = config_value(reader, key, node, &name, err);

    if (rc == 0 && strcmp(name, target->name) != 0) {
        return config_node_fail(reader->shown, node, err,
                                "name '%s' is not that of the program beside it, '%s'",
                                name, target->name);
    }
    return rc;
}

/* A program that a key names. */
struct named {
    char *path;
    struct probe probe;
    enum build_kind kind;
};

/* Read its path and, where files are checked, look into it; kind is as it was set
 * otherwise, and for a plain program. */
static int
read_program(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, struct named *out, struct err *err)
{
    struct err why = ERR_INIT;
    int rc = config_read_file(reader, key, node, &out->path, err);

    if (rc < 0 || !reader->check) {
        return rc;
    }
    rc = target_probe(out->path, &out->probe, &why);
    bool plain = rc == 0 && out->kind == BUILD_RELEASE && target_is_plain(&out->probe);
    if (rc < 0 || (!plain && target_build_kind(&out->probe, &out->kind, &why) < 0)) {
        return config_node_fail(reader->shown, node, err, "%s: '%s': %s", key->name,
                                out->path, why.msg);
    }
    return 0;
}

static void
take_program(struct target *target, struct named *named)
{
    mem_free(target->builds[named->kind]);
    target->builds[named->kind] = STEAL(named->path);
    target->in_process |= named->probe.fuzz_entry;
}

static void
named_clear(struct named *named)
{
    mem_free(named->path);
}
AUTO_DEFINE_CLEAR(struct named, named_clear)

static int
read_binary(const struct config_reader *reader, const struct config_key *key,
            const struct config_node *node, void *to, struct err *err)
{
    AUTO(named_clear) struct named named = {.kind = BUILD_AFL};
    int rc = read_program(reader, key, node, &named, err);

    if (rc == 0) {
        take_program(to, &named);
    }
    return rc;
}

/* `builds: {afl: PATH}`: the key says what the program must be. */
static int
read_build(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    enum build_kind wanted = (enum build_kind)key->min;
    AUTO(named_clear) struct named named = {.kind = wanted};
    int rc = read_program(reader, key, node, &named, err);

    if (rc == 0 && named.kind != wanted) {
        return config_node_fail(reader->shown, node, err,
                                "%s: '%s' is a build of kind %s", key->name, named.path,
                                build_kind_name(named.kind));
    }
    if (rc == 0) {
        take_program(to, &named);
    }
    return rc;
}

static const struct config_key build_keys[] = {
    {.name = "afl", .read = read_build, .min = BUILD_AFL},
    {.name = "cmplog", .read = read_build, .min = BUILD_CMPLOG},
    {.name = "sanitizer", .read = read_build, .min = BUILD_SANITIZER},
    {.name = "libfuzzer", .read = read_build, .min = BUILD_LIBFUZZER},
    {.name = "coverage", .read = read_build, .min = BUILD_COVERAGE},
    {.name = "release", .read = read_build, .min = BUILD_RELEASE},
    {.name = NULL},
};

static bool
is_variable(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c != '_' && !isalpha((unsigned char)*c) &&
            (c == name || !isdigit((unsigned char)*c))) {
            return false;
        }
    }
    return name[0] != '\0';
}

static int
read_env(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, void *to, struct err *err)
{
    struct target *target = to;

    if (node->kind != NODE_MAP) {
        return config_wrong_type(reader, key, node, "a map {NAME: value}", err);
    }
    for (size_t i = 0; i < node->n; i += 2) {
        const struct config_node *name = node->items[i];
        const struct config_node *value = node->items[i + 1];
        if (!is_variable(name->text)) {
            return config_node_fail(reader->shown, name, err,
                                    "env: '%s' is no name of a variable", name->text);
        }
        if (value->kind != NODE_VALUE) {
            return config_wrong_type(reader, key, value, "a value", err);
        }
        target_set_env(target, name->text, value->text);
    }
    return 0;
}

static int
read_flags(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    struct strv *flags = to;

    if (node->kind != NODE_MAP) {
        return config_wrong_type(reader, key, node, "a map {max_len: 4096}", err);
    }
    strv_clear(flags);
    for (size_t i = 0; i < node->n; i += 2) {
        const char *name = node->items[i]->text;
        const char *value = "";
        int rc = config_value(reader, key, node->items[i + 1], &value, err);
        if (rc < 0) {
            return rc;
        }
        if (target_flag_is_ours(name)) {
            return config_node_fail(reader->shown, node->items[i], err,
                                    "libfuzzer: nightjar sets '%s' itself", name);
        }
        if (!is_variable(name)) {
            return config_node_fail(reader->shown, node->items[i], err,
                                    "libfuzzer: '%s' is no flag: write max_len: 4096",
                                    name);
        }
        strv_addf(flags, "-%s=%s", name, value);
    }
    return 0;
}

static int
read_patterns(const struct config_reader *reader, const struct config_key *key,
              const struct config_node *node, void *to, struct err *err)
{
    const struct strv *patterns = to;
    int rc = config_read_texts(reader, key, node, to, err);

    for (size_t i = 0; rc == 0 && i < patterns->n; i++) {
        PCRE2_UCHAR why[128] = "";
        PCRE2_SIZE where = 0;
        int code = 0;
        pcre2_code *compiled =
            pcre2_compile((PCRE2_SPTR)patterns->v[i], PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                          &code, &where, NULL);
        if (compiled == NULL) {
            (void)pcre2_get_error_message(code, why, sizeof(why));
            rc =
                config_node_fail(reader->shown, node->items[i], err,
                                 "%s: '%s' is no pattern: %s at its character %zu",
                                 key->name, patterns->v[i], (const char *)why, where + 1);
        }
        pcre2_code_free(compiled);
    }
    return rc;
}

static const struct config_key target_keys[] = {
    {.name = "name", .read = read_name},
    {.name = "binary", .read = read_binary},
    {.name = "builds", .read = config_read_nested, .keys = build_keys},
    {.name = "args", .read = config_read_texts, .offset = offsetof(struct target, args)},
    {.name = "seeds",
     .read = config_read_paths,
     .offset = offsetof(struct target, seeds)},
    {.name = "read", .read = config_read_paths, .offset = offsetof(struct target, read)},
    {.name = "dictionary",
     .read = config_read_file,
     .offset = offsetof(struct target, dictionary)},
    {.name = "env", .read = read_env},
    {.name = "libfuzzer",
     .read = read_flags,
     .offset = offsetof(struct target, libfuzzer)},
    {.name = "timeout",
     .read = config_read_duration,
     .offset = offsetof(struct target, timeout_ms),
     .min = CONFIG_TIMEOUT_MIN_MS,
     .max = CONFIG_TIMEOUT_MAX_MS},
    {.name = "memory",
     .read = config_read_size,
     .offset = offsetof(struct target, memory_bytes),
     .min = CONFIG_MEMORY_MIN_BYTES,
     .max = CONFIG_MEMORY_MAX_BYTES},
    {.name = "ignore_frames",
     .read = read_patterns,
     .offset = offsetof(struct target, ignore_frames)},
    /* where a harness comes from: for its build script and for people */
    {.name = "package", .read = config_read_ignored},
    {.name = "license", .read = config_read_ignored},
    {.name = "origin", .read = config_read_ignored},
    {.name = NULL},
};

int
config_target_name(const struct config_reader *reader, const struct config_node *node,
                   const char **out, struct err *err)
{
    const struct config_key *key = &target_keys[0];

    if (node->kind != NODE_MAP) {
        return config_node_fail(reader->shown, node, err,
                                "targets: wanted an entry such as {name: foo}, not %s",
                                config_node_what(node));
    }
    for (size_t i = 0; i < node->n; i += 2) {
        if (strcmp(node->items[i]->text, key->name) != 0) {
            continue;
        }
        const struct config_node *value = node->items[i + 1];
        int rc = config_value(reader, key, value, out, err);
        if (rc == 0 && !target_name_valid(*out)) {
            return config_node_fail(
                reader->shown, value, err,
                "name '%s': use letters, digits and _-.@, and begin with a "
                "letter, a digit or _@",
                *out);
        }
        return rc;
    }
    return config_node_fail(reader->shown, node, err, "targets: an entry without name:");
}

int
config_read_target(const struct config_reader *reader, const struct config_node *node,
                   struct target *target, struct err *err)
{
    int rc = config_read_map(reader, target_keys, node, target, err);

    if (rc == 0) {
        target_complete(target);
    }
    return rc;
}

/* Whether NAME_seed_corpus with any ending lies beside NAME.yaml. */
static bool
has_archive(const char *folder, const char *name)
{
    static const char *const endings[] = {"",     ".zip",     ".tar",    ".tar.gz",
                                          ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"};

    for (size_t i = 0; i < COUNT(endings); i++) {
        AUTO(mem_free)
        char *path = mem_printf("%s/%s_seed_corpus%s", folder, name, endings[i]);
        if (fs_exists(path)) {
            return true;
        }
    }
    return false;
}

int
config_load_target(const char *path, struct target *target, struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(path);
    AUTO(mem_free)
    char *folder = mem_dup(absolute, (size_t)(fs_base(absolute) - absolute));
    AUTO(config_node_free) struct config_node *root = NULL;
    const struct config_reader reader = {.shown = path,
                                         .folder = folder,
                                         .check = true,
                                         .archive_beside =
                                             has_archive(folder, target->name)};
    int rc = config_node_read(path, path, &root, err);

    return rc < 0 ? rc : config_read_target(&reader, root, target, err);
}
