#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/target.h"

enum {
    FILES_MAX = 200000, /* looked at below one folder */
    NOTES_MAX = 1000,   /* refused programs that are remembered */
    NOTES_SHOWN = 6,    /* of them in one message */
};

/* Programs that lie in an $OUT folder beside the targets. */
static const char *const tools[] = {"llvm-",        "afl-",      "jazzer_driver",
                                    "jazzer_agent", "jazzerjs",  "clang",
                                    "honggfuzz",    "centipede", "sancov"};

struct discovery {
    const char *folder; /* absolute */
    struct target_list *list;
    struct strv *notes;
    struct strv described; /* targets whose T.yaml and T.options were read */
    size_t n_files, n_programs, n_found, n_refused;
};

/* A path below the folder without the folder; any other as it is. */
static const char *
below(const struct discovery *d, const char *path)
{
    size_t len = strlen(d->folder);

    if (strncmp(path, d->folder, len) != 0) {
        return path;
    }
    return path[len] == '/' ? path + len + 1 : path + len;
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct discovery *d, const char *path, const char *fmt, ...)
{
    AUTO(mem_free) char *name = str_name_dup(below(d, path));
    va_list args;

    d->n_refused++;
    if (d->notes->n >= NOTES_MAX) {
        return;
    }
    va_start(args, fmt);
    AUTO(mem_free) char *why = mem_vprintf(fmt, args);
    va_end(args);
    strv_addf(d->notes, "%s: %s", name, why);
}

/* --- names --- */

/* The part of a file's name before its extension; the extension, with its dot, in
 * *extension. */
static char *
stem_of(const char *name, const char **extension)
{
    const char *dot = strrchr(name, '.');

    *extension = dot == NULL || dot == name ? name + strlen(name) : dot;
    return mem_dup(name, (size_t)(*extension - name));
}

static bool
is_tool(const char *name)
{
    for (size_t i = 0; i < COUNT(tools); i++) {
        if (str_starts(name, tools[i])) {
            return true;
        }
    }
    /* not nightjar-parse, which is a target */
    return strcmp(name, "nightjar") == 0;
}

/* Litter of builds, which nobody takes for a target. */
static bool
is_litter(const char *name)
{
    static const char *const endings[] = {".so", ".o",   ".a",  ".lo",
                                          ".la", ".pyc", ".sh", ".py"};

    for (size_t i = 0; i < COUNT(endings); i++) {
        if (str_ends(name, endings[i])) {
            return true;
        }
    }
    return strstr(name, ".so.") != NULL;
}

/* Below a hidden folder, or one that OSS-Fuzz does not look into. */
static bool
is_aside(const char *relative)
{
    for (const char *part = relative; part != NULL;) {
        if (part[0] == '.' || str_starts(part, "__extra_build/")) {
            return true;
        }
        part = strchr(part, '/');
        part = part == NULL ? NULL : part + 1;
    }
    return false;
}

/* OSS-Fuzz takes a program of such a name for a target without looking into it. */
static bool
named_as_target(const char *stem)
{
    return str_ends(stem, "_fuzzer") || str_ends(stem, "_fuzztest") ||
           str_ends(stem, "_fuzz_test");
}

/* --- what lies beside a program --- */

static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* folder/NAME followed by ending, if that is there; new string or NULL. */
static char *
beside(const char *folder, const char *name, const char *ending)
{
    AUTO(mem_free) char *file = mem_printf("%s%s", name, ending);
    AUTO(mem_free) char *path = fs_join(folder, file);

    return fs_exists(path) ? STEAL(path) : NULL;
}

static void
add_archives(const char *folder, struct target *target)
{
    static const char *const endings[] = {".zip",     ".tar",    ".tar.gz",  ".tgz",
                                          ".tar.bz2", ".tar.xz", ".tar.zst", ""};

    for (size_t i = 0; i < COUNT(endings); i++) {
        AUTO(mem_free) char *ending = mem_printf("_seed_corpus%s", endings[i]);
        AUTO(mem_free) char *path = beside(folder, target->name, ending);
        if (path != NULL) {
            strv_add(&target->seeds, path);
            return;
        }
    }
}

/* T.yaml first, since it is the most exact; T.options may fill in what that left open. */
static int
describe(struct discovery *d, const char *folder, struct target *target, struct err *err)
{
    AUTO(mem_free) char *yaml = beside(folder, target->name, ".yaml");
    AUTO(mem_free) char *options = beside(folder, target->name, ".options");
    struct err why = ERR_INIT;
    int rc = yaml == NULL ? 0 : config_load_target(yaml, target, err);

    if (rc < 0) {
        return rc;
    }
    /* as ClusterFuzz does: options that nobody can read stop no fuzzing */
    if (options != NULL && target_read_options(options, target, &why) < 0) {
        log_line(LOG_WARN, "target", "%s; the whole file is passed over", why.msg);
    }
    if (yaml != NULL || options != NULL) {
        strv_add(&d->described, target->name);
    }
    return 0;
}

static int
add_companions(struct discovery *d, const char *path, struct target *target,
               struct err *err)
{
    AUTO(mem_free) char *folder = folder_of(path);
    AUTO(mem_free) char *dictionary = beside(folder, target->name, ".dict");
    AUTO(mem_free) char *common = beside(folder, "afl++", ".dict");

    if (target->dictionary == NULL) {
        target->dictionary = dictionary != NULL ? STEAL(dictionary) : NULL;
    }
    int rc = strv_has(&d->described, target->name) ? 0 : describe(d, folder, target, err);
    if (rc < 0) {
        return rc;
    }
    if (target->dictionary == NULL && target->builds[BUILD_AFL] != NULL) {
        target->dictionary = STEAL(common);
    }
    if (target->seeds.n == 0) {
        add_archives(folder, target);
    }
    return 0;
}

/* --- one program --- */

static void
take_build(struct discovery *d, const char *path, enum build_kind kind,
           const struct probe *probe, struct target *target)
{
    char **place = &target->builds[kind];
    struct probe old;

    if (*place != NULL && strcmp(*place, path) == 0) {
        return;
    }
    /* a CMPLOG build only stood in for one */
    bool stand_in = kind == BUILD_AFL && *place != NULL &&
                    target->builds[BUILD_CMPLOG] != NULL &&
                    strcmp(*place, target->builds[BUILD_CMPLOG]) == 0;
    if (*place != NULL && !stand_in) {
        bool better = probe->asan && target_probe(*place, &old, NULL) == 0 && !old.asan;
        refuse(d, better ? *place : path, "'%s' has another %s build, %s", target->name,
               build_kind_name(kind), better ? path : *place);
        if (!better) {
            return;
        }
    }
    mem_free(*place);
    *place = mem_strdup(path);
}

/* A note of OSS-Fuzz's AFL++ builds: the program itself holds CMPLOG too. */
static void
take_cmplog_note(const char *path, struct target *target)
{
    AUTO(mem_free) char *folder = folder_of(path);
    AUTO(mem_free) char *note = beside(folder, "afl_cmplog", ".txt");

    if (note != NULL && target->builds[BUILD_CMPLOG] == NULL) {
        target->builds[BUILD_CMPLOG] = mem_strdup(path);
    }
}

/* A plain program in a folder `release` is what is shipped. */
static bool
is_shipped(const char *path)
{
    AUTO(mem_free) char *folder = folder_of(path);

    return strcmp(fs_base(folder), "release") == 0;
}

/* A program that passed all rules. */
static int
accept(struct discovery *d, const char *path, const char *stem, const struct probe *probe,
       struct err *err)
{
    enum build_kind kind;
    struct err why = ERR_INIT;

    if (target_is_plain(probe) && is_shipped(path)) {
        kind = BUILD_RELEASE;
    } else if (target_build_kind(probe, &kind, &why) < 0) {
        refuse(d, path, "%s", why.msg);
        return 0;
    }
    struct target *target = target_list_find(d->list, stem);
    if (target == NULL) {
        target = target_list_add(d->list, stem);
    }
    d->n_found++;
    take_build(d, path, kind, probe, target);
    if (kind == BUILD_AFL) {
        take_cmplog_note(path, target);
    }
    int rc = add_companions(d, path, target, err);
    target->in_process |= probe->fuzz_entry;
    return rc;
}

static int
consider(struct discovery *d, const char *path, const char *name, struct err *err)
{
    const char *extension;
    AUTO(mem_free) char *stem = stem_of(name, &extension);
    AUTO(mem_free) char *folder = folder_of(path);
    AUTO(mem_free) char *yaml = beside(folder, stem, ".yaml");
    struct probe probe;
    struct err why = ERR_INIT;

    if (is_tool(name)) {
        refuse(d, path, "a tool, by its name");
        return 0;
    }
    if (*extension != '\0' && strcmp(extension, ".exe") != 0 &&
        strcmp(extension, ".par") != 0) {
        refuse(d, path, "targets have no extension such as '%s'", extension);
        return 0;
    }
    if (!target_name_valid(stem)) {
        refuse(d, path, "names of targets are letters, digits and _-.@");
        return 0;
    }
    if (target_probe(path, &probe, &why) < 0) {
        refuse(d, path, "%s", why.msg);
        return 0;
    }
    bool wanted = probe.fuzz_entry || named_as_target(stem) || yaml != NULL ||
                  target_list_find(d->list, stem) != NULL;
    if (!wanted && !probe.executable) {
        refuse(d, path, "%s", probe.flaw);
        return 0;
    }
    if (!wanted) {
        refuse(d, path,
               "no LLVMFuzzerTestOneInput in it; to fuzz it as a command-line program "
               "give it "
               "a %s.yaml with args: [\"@@\"]",
               stem);
        return 0;
    }
    return accept(d, path, stem, &probe, err);
}

/* An ELF file, or a script that may be run: what could be a target at all. */
static bool
is_candidate(const char *path, const struct stat *st)
{
    AUTO(fd_close) int fd = -1;
    char magic[4] = "";

    if (st->st_size < 4 || fs_open(path, &fd, NULL, NULL) < 0 ||
        fd_read(fd, magic, sizeof(magic)) != (ssize_t)sizeof(magic)) {
        return false;
    }
    bool runs = (st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
    return memcmp(magic, "\177ELF", 4) == 0 || (runs && memcmp(magic, "#!", 2) == 0);
}

static int
visit(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct discovery *d = user;
    const char *relative = below(d, path);
    const char *name = fs_base(path);

    if (++d->n_files > FILES_MAX) {
        return err_set(
            err, -E2BIG,
            "more than %d files below '%s': name the folder that holds the programs",
            FILES_MAX, d->folder);
    }
    if (is_aside(relative) || is_litter(name)) {
        return 0;
    }
    if (st == NULL) {
        refuse(d, path, "cannot be read");
        return 0;
    }
    if (!is_candidate(path, st)) {
        return 0;
    }
    d->n_programs++;
    return consider(d, path, name, err);
}

/* --- the folder --- */

static int
found_nothing(const struct discovery *d, struct err *err)
{
    AUTO(buf_clear) struct buf why = BUF_INIT;
    AUTO(mem_free) char *name = str_name_dup(d->folder);

    for (size_t i = 0; i < d->notes->n && i < NOTES_SHOWN; i++) {
        buf_addf(&why, "; %s", d->notes->v[i]);
    }
    if (d->n_refused > NOTES_SHOWN) {
        buf_addf(&why, "; and %zu more", d->n_refused - NOTES_SHOWN);
    }
    return err_set(err, -ENOENT, "no fuzz target below '%s' (%zu files, %zu programs)%s",
                   name, d->n_files, d->n_programs, buf_str(&why));
}

int
target_discover_notes(const char *folder, struct target_list *list, struct strv *notes,
                      struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(folder);
    struct discovery d = {.folder = absolute, .list = list, .notes = notes};

    if (!fs_is_folder(absolute)) {
        AUTO(mem_free) char *name = str_name_dup(absolute);
        return err_set(err, -ENOENT, "'%s' is not a folder of fuzz targets: %s", name,
                       fs_exists(absolute) ? "it is a file" : "it does not exist");
    }
    int rc = fs_walk_links(absolute, visit, &d, err);
    strv_clear(&d.described);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < list->n; i++) {
        target_complete(list->v[i]);
    }
    return d.n_found == 0 ? found_nothing(&d, err) : 0;
}

int
target_discover(const char *folder, struct target_list *list, struct err *err)
{
    AUTO(strv_clear) struct strv notes = {NULL, 0};

    return target_discover_notes(folder, list, &notes, err);
}

/* --- one binary by itself --- */

static int
not_for_fuzzing(const char *path, const struct probe *probe, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);

    if (!probe->executable) {
        return err_set(err, -ENOEXEC, "'%s' cannot be fuzzed: %s", name, probe->flaw);
    }
    return err_set(
        err, -ENOEXEC,
        "'%s' is not instrumented for fuzzing (%s): build it with afl-clang-fast "
        "(CC=afl-clang-fast AFL_USE_ASAN=1), or a fuzz target with clang "
        "-fsanitize=fuzzer,address",
        name,
        probe->asan || probe->ubsan || probe->msan || probe->tsan
            ? "it has a sanitizer and no engine"
        : probe->coverage ? "it is a coverage build"
                          : "it was built by a plain compiler");
}

/* A target's name for a file of any name: what is not allowed becomes "_". */
static char *
name_for(const char *path)
{
    const char *extension;
    AUTO(mem_free) char *stem = stem_of(fs_base(path), &extension);
    bool known = strcmp(extension, ".exe") == 0 || strcmp(extension, ".par") == 0;
    const char *whole = known ? stem : fs_base(path);
    char *name = mem_dup(whole, strnlen(whole, TARGET_NAME_MAX));

    for (char *c = name; *c != '\0'; c++) {
        bool mark = strchr("_-.@", *c) != NULL;
        if (!mark && !isalnum((unsigned char)*c)) {
            *c = '_';
        }
    }
    if (name[0] == '.' || name[0] == '-') {
        name[0] = '_';
    }
    return name;
}

static int
add_given(const struct strv *args, const struct strv *seeds, bool libfuzzer,
          struct target *target, struct err *err)
{
    if (seeds->n > 0) {
        strv_clear(&target->seeds);
    }
    for (size_t i = 0; i < seeds->n; i++) {
        if (!fs_exists(seeds->v[i])) {
            AUTO(mem_free) char *name = str_name_dup(seeds->v[i]);
            return err_set(err, -EINVAL,
                           "there are no seeds '%s': name a folder, a file or an "
                           "archive, or leave it out",
                           name);
        }
        AUTO(mem_free) char *path = fs_absolute(seeds->v[i]);
        strv_add(&target->seeds, path);
    }
    if (args->n > 0 && !libfuzzer) {
        strv_clear(&target->args);
        strv_add_all(&target->args, args);
    } else {
        strv_add_all(&target->libfuzzer, args);
    }
    return 0;
}

int
target_from_binary(const char *path, const struct strv *args, const struct strv *seeds,
                   struct target_list *list, struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(path);
    AUTO(mem_free) char *name = name_for(absolute);
    AUTO(mem_free) char *folder = folder_of(absolute);
    AUTO(strv_clear) struct strv notes = {NULL, 0};
    enum build_kind kind = BUILD_COVERAGE;
    struct discovery d = {.folder = folder, .list = list, .notes = &notes};
    struct probe probe;
    int rc = target_probe(absolute, &probe, err);

    if (rc < 0) {
        return rc;
    }
    if (target_build_kind(&probe, &kind, NULL) < 0 || kind == BUILD_SANITIZER ||
        kind == BUILD_COVERAGE) {
        return not_for_fuzzing(path, &probe, err);
    }
    struct target *target = target_list_find(list, name);
    if (target != NULL && target->builds[kind] != NULL) {
        return err_set(err, -EINVAL, "'%s' and '%s' are both the %s build of '%s'",
                       target->builds[kind], absolute, build_kind_name(kind), name);
    }
    if (target == NULL) {
        target = target_list_add(list, name);
    }
    take_build(&d, absolute, kind, &probe, target);
    rc = add_companions(&d, absolute, target, err);
    strv_clear(&d.described);
    if (rc < 0) {
        return rc;
    }
    rc = add_given(args, seeds, kind == BUILD_LIBFUZZER, target, err);
    target->in_process |= probe.fuzz_entry;
    target_complete(target);
    return rc;
}
