#include "orchestrator/gate/cifuzz.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { SECONDS_MAX = 7 * 24 * 3600, SECONDS_DEFAULT = 600 };

struct variable {
    const char *name;
    int (*read)(const struct variable *variable, const char *text, struct cifuzz *out,
                struct err *err);
    size_t offset; /* of what it sets in struct cifuzz */
};

static int
refuse(const struct variable *variable, const char *text, const char *wanted,
       struct err *err)
{
    AUTO(mem_free) char *shown = str_name_dup(text);

    return err_set(err, -EINVAL, "the environment's %s='%.200s': %s", variable->name,
                   shown, wanted);
}

/* CIFuzz's own reading: "true" in any case is true, what else is false. Here a word that
 * is neither is refused, since a typing error would change what fails. */
static int
read_flag(const struct variable *variable, const char *text, struct cifuzz *out,
          struct err *err)
{
    static const char *const words[2][3] = {{"false", "0", "no"}, {"true", "1", "yes"}};

    for (size_t value = 0; value < 2; value++) {
        for (size_t i = 0; i < COUNT(words[value]); i++) {
            if (strcasecmp(text, words[value][i]) == 0) {
                *(bool *)((char *)out + variable->offset) = value == 1;
                return 0;
            }
        }
    }
    return refuse(variable, text, "wanted true or false", err);
}

static int
read_seconds(const struct variable *variable, const char *text, struct cifuzz *out,
             struct err *err)
{
    int64_t seconds = 0;

    if (str_number(variable->name, text, 1, SECONDS_MAX, &seconds, NULL) < 0) {
        return refuse(variable, text, "wanted seconds, 1 to a week", err);
    }
    *(int64_t *)((char *)out + variable->offset) = seconds * 1000;
    return 0;
}

static int
read_mode(const struct variable *variable, const char *text, struct cifuzz *out,
          struct err *err)
{
    static const struct {
        const char *mode, *instead; /* NULL: it is this verb */
        bool batch;
    } modes[] = {
        {"code-change", NULL, false},
        {"batch", NULL, true},
        {"prune", "use `nightjar corpus merge` to prune a corpus", false},
        {"coverage", "use `nightjar coverage` for a report of coverage", false},
    };

    for (size_t i = 0; i < COUNT(modes); i++) {
        if (strcmp(modes[i].mode, text) == 0) {
            out->batch = modes[i].batch;
            return modes[i].instead == NULL
                       ? 0
                       : refuse(variable, text, modes[i].instead, err);
        }
    }
    return refuse(variable, text, "wanted code-change or batch", err);
}

static int
read_folder(const struct variable *variable, const char *text, struct cifuzz *out,
            struct err *err)
{
    char **folder = (char **)((char *)out + variable->offset);

    if (!fs_is_folder(text)) {
        return refuse(variable, text, "there is no such folder", err);
    }
    mem_free(*folder);
    *folder = fs_absolute(text);
    return 0;
}

/* What it asks for is done anyway, or is not of this world: told, not obeyed. */
static int
ignore(const struct variable *variable, const char *text, struct cifuzz *out,
       struct err *err)
{
    (void)text;
    (void)err;
    strv_add(&out->ignored, variable->name);
    return 0;
}

#define FIELD(name) offsetof(struct cifuzz, name)

static const struct variable variables[] = {
    {"WORKSPACE", read_folder, FIELD(workspace)},
    {"OUT", read_folder, FIELD(out)},
    {"MODE", read_mode, 0},
    {"FUZZ_SECONDS", read_seconds, FIELD(for_ms)},
    {"DRY_RUN", read_flag, FIELD(dry_run)},
    {"PARALLEL_FUZZING", read_flag, FIELD(parallel)},
    {"MINIMIZE_CRASHES", read_flag, FIELD(minimize)},
    {"REPORT_TIMEOUTS", read_flag, FIELD(timeouts)},
    {"REPORT_OOMS", read_flag, FIELD(ooms)},
    {"REPORT_UNREPRODUCIBLE_CRASHES", read_flag, FIELD(unreproducible)},
    {"OUTPUT_SARIF", read_flag, FIELD(wants_sarif)},
    {"KEEP_UNAFFECTED_FUZZ_TARGETS", read_flag, FIELD(all_targets)},
    /* builds are made before this step, by whatever sanitizer they were made with */
    {"SANITIZER", ignore, 0},
    {"LANGUAGE", ignore, 0},
    {"ARCHITECTURE", ignore, 0},
    {"BAD_BUILD_CHECK", ignore, 0},
    {"ALLOWED_BROKEN_TARGETS_PERCENTAGE", ignore, 0},
    /* a state folder takes their place: --state-from, --state-to */
    {"GIT_STORE_REPO", ignore, 0},
    {"GIT_STORE_BRANCH", ignore, 0},
    {"GIT_STORE_BRANCH_COVERAGE", ignore, 0},
    {"CLOUD_BUCKET", ignore, 0},
    {"UPLOAD_BUILD", ignore, 0},
    {"UPLOAD_ALL_CRASHES", ignore, 0},
    {"LOW_DISK_SPACE", ignore, 0},
};

/* A folder below another if it is there, else NULL; new. */
static char *
folder_in(const char *folder, const char *name)
{
    AUTO(mem_free) char *path = folder == NULL ? NULL : fs_join(folder, name);

    return path != NULL && fs_is_folder(path) ? STEAL(path) : NULL;
}

/* What follows from the folders that are there. */
static void
find_folders(struct cifuzz *cifuzz)
{
    if (cifuzz->out == NULL) {
        cifuzz->out = folder_in(cifuzz->workspace, "build-out");
    }
    if (!cifuzz->batch) {
        cifuzz->base = folder_in(cifuzz->workspace, "cifuzz-prev-build");
    }
    if (cifuzz->out != NULL) {
        cifuzz->artifacts = fs_join(cifuzz->out, "artifacts");
    }
    if (cifuzz->wants_sarif && cifuzz->workspace != NULL) {
        cifuzz->sarif = fs_join(cifuzz->workspace, "cifuzz-sarif/results.sarif");
    }
}

int
cifuzz_read(struct cifuzz *out, struct err *err)
{
    AUTO(cifuzz_clear)
    struct cifuzz cifuzz = {.for_ms = SECONDS_DEFAULT * INT64_C(1000)};

    for (size_t i = 0; i < COUNT(variables); i++) {
        const char *text = getenv(variables[i].name);
        int rc = text == NULL || text[0] == '\0'
                     ? 0
                     : variables[i].read(&variables[i], text, &cifuzz, err);
        if (rc < 0) {
            return rc;
        }
    }
    find_folders(&cifuzz);
    *out = cifuzz;
    cifuzz = (struct cifuzz){0};
    return 0;
}

void
cifuzz_clear(struct cifuzz *cifuzz)
{
    char *const texts[] = {cifuzz->workspace, cifuzz->out, cifuzz->base,
                           cifuzz->artifacts, cifuzz->sarif};

    for (size_t i = 0; i < COUNT(texts); i++) {
        mem_free(texts[i]);
    }
    strv_clear(&cifuzz->ignored);
    *cifuzz = (struct cifuzz){0};
}

int
cifuzz_exit(enum verdict verdict, bool dry_run)
{
    if (verdict == VERDICT_PASS) {
        return 0;
    }
    if (verdict == VERDICT_INCONCLUSIVE) {
        return 1;
    }
    return dry_run ? 0 : 2;
}
