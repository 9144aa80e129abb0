#include "orchestrator/publish/report_text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

enum { PARTS_MAX = 64 }; /* folders of a path that are looked at */

static const char *const class_words[FINDING_CLASSES] = {
    [FINDING_NEW] = "it is new",
    [FINDING_REGRESSED] = "it was fixed and crashes again",
    [FINDING_CHANGED] = "it is known and crashes differently now",
    [FINDING_UNATTRIBUTED] = "there is no base to compare it with",
    [FINDING_FLAKY] = "it shows in some runs only",
    [FINDING_UNREPRODUCIBLE] = "it shows in no run any more",
    [FINDING_PRE_EXISTING] = "it was there before",
};

char *
report_title(const struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    AUTO(buf_clear) struct buf out = {.max = REPORT_LINE_MAX};

    if (finding->withheld) {
        buf_addf(&out, "%s: a known bug of severity %s, whose details are withheld",
                 bug->name, severity_name(bug->severity));
        return buf_steal(&out);
    }
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *top = record_top_frame(bug->crash_type, bug->crash_state);
    buf_addf(&out, "%s: ", bug->name);
    str_visible(&out, type, strlen(type));
    buf_adds(&out, " in ");
    str_visible(&out, top, strlen(top));
    return buf_steal(&out);
}

char *
report_why(const struct finding *finding)
{
    AUTO(buf_clear) struct buf out = {.max = REPORT_LINE_MAX};
    const char *reason =
        finding->reason == NULL ? class_words[finding->class] : finding->reason;

    str_visible(&out, reason, strlen(reason));
    if (finding->waiver != NULL) {
        buf_adds(&out, "; waived: ");
        str_visible(&out, finding->waiver, strlen(finding->waiver));
    }
    return buf_steal(&out);
}

char *
report_frame(const struct frame *frame, size_t number)
{
    AUTO(buf_clear) struct buf out = {.max = REPORT_LINE_MAX};
    const char *function = frame->function == NULL ? "?" : frame->function;
    const char *where = frame->file != NULL     ? frame->file
                        : frame->module != NULL ? frame->module
                                                : "?";

    buf_addf(&out, "#%-2zu ", number);
    str_visible(&out, function, strlen(function));
    buf_adds(&out, " at ");
    str_visible(&out, where, strlen(where));
    if (frame->file != NULL && frame->line > 0) {
        buf_addf(&out, ":%d", frame->line);
    }
    return buf_steal(&out);
}

size_t
report_stack(const struct record *record, size_t max)
{
    size_t n = 0;

    while (record != NULL && n < record->n_frames && n < max &&
           record->frames[n].stack == STACK_CRASH) {
        n++;
    }
    return n;
}

json_t *
report_line(const char *text)
{
    AUTO(buf_clear) struct buf out = {.max = REPORT_LINE_MAX};

    str_visible(&out, text, strlen(text));
    return json_text(buf_str(&out));
}

void
report_console(struct buf *out, const char *text)
{
    AUTO(buf_clear) struct buf line = {.max = REPORT_LINE_MAX};

    str_visible(&line, text, strlen(text));
    for (const char *c = buf_str(&line); *c != '\0'; c++) {
        if (c[0] == '#' && c[1] == '#') {
            buf_adds(out, "\\x23");
        } else {
            buf_addc(out, *c);
        }
    }
}

void
report_fingerprint(const struct bug *bug, char out[FINDING_FINGERPRINT_MAX])
{
    AUTO(mem_free) char *key = mem_printf("%s\n%s", bug->target, bug->signature);
    char hex[HASH_HEX_MAX];

    hash_sha256(key, strlen(key), hex);
    memcpy(out, hex, FINDING_FINGERPRINT_MAX - 1);
    out[FINDING_FINGERPRINT_MAX - 1] = '\0';
}

/* --- places --- */

char *
report_source_root(void)
{
    static const char *const variables[] = {"GITHUB_WORKSPACE", "CI_PROJECT_DIR",
                                            "WORKSPACE"};

    for (size_t i = 0; i < COUNT(variables); i++) {
        const char *folder = getenv(variables[i]);
        if (folder != NULL && folder[0] == '/' && fs_is_folder(folder)) {
            return fs_absolute(folder);
        }
    }
    return fs_absolute(".");
}

struct parts {
    struct {
        const char *name;
        size_t len;
    } v[PARTS_MAX];
    size_t n;
};

/* The folders of a path and its name, "." and ".." folded; false: there are too many. */
static bool
split(const char *path, struct parts *out)
{
    out->n = 0;
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        bool up = len == 2 && path[0] == '.' && path[1] == '.';
        if (up) {
            out->n -= out->n > 0 ? 1 : 0;
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            if (out->n == PARTS_MAX) {
                return false;
            }
            out->v[out->n].name = path;
            out->v[out->n++].len = len;
        }
        path += len;
        path += *path == '/' ? 1 : 0;
    }
    return out->n > 0;
}

static char *
join(const struct parts *parts, size_t from)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (size_t i = from; i < parts->n; i++) {
        buf_adds(&out, i == from ? "" : "/");
        buf_add(&out, parts->v[i].name, parts->v[i].len);
    }
    return buf_steal(&out);
}

static bool
is_systems(const char *file)
{
    static const char *const folders[] = {"/usr/", "/lib", "/rustc/", "/opt/"};

    for (size_t i = 0; i < COUNT(folders); i++) {
        if (str_starts(file, folders[i])) {
            return true;
        }
    }
    return false;
}

/* Only its being there matters: nothing is read. */
static bool
is_below(const char *root, const char *path)
{
    AUTO(mem_free) char *whole = fs_join(root, path);
    struct stat st;

    return stat(whole, &st) == 0 && S_ISREG(st.st_mode);
}

static char *
look_up(const char *root, const char *file)
{
    struct parts parts;
    size_t len = strlen(root);

    if (!split(file, &parts)) {
        return NULL;
    }
    if (str_starts(file, root) && file[len] == '/') {
        struct parts own;
        return split(file + len, &own) ? join(&own, 0) : NULL;
    }
    for (size_t i = 0; i < parts.n && !is_systems(file); i++) {
        AUTO(mem_free) char *path = join(&parts, i);
        if (is_below(root, path)) {
            return STEAL(path);
        }
    }
    return NULL;
}

static size_t
slot_of(const char *file)
{
    size_t hash = 5381;

    for (; *file != '\0'; file++) {
        hash = hash * 33 + (unsigned char)*file;
    }
    return hash % REPORT_SOURCES_KEPT;
}

const char *
report_source(struct report_sources *sources, const char *file)
{
    if (sources->root == NULL || file == NULL || file[0] == '\0') {
        return NULL;
    }
    size_t slot = slot_of(file);
    if (sources->kept[slot].file == NULL || strcmp(sources->kept[slot].file, file) != 0) {
        mem_free(sources->kept[slot].file);
        mem_free(sources->kept[slot].path);
        sources->kept[slot].file = mem_strdup(file);
        sources->kept[slot].path = look_up(sources->root, file);
    }
    return sources->kept[slot].path;
}

void
report_sources_clear(struct report_sources *sources)
{
    for (size_t i = 0; i < REPORT_SOURCES_KEPT; i++) {
        mem_free(sources->kept[i].file);
        mem_free(sources->kept[i].path);
    }
    *sources = (struct report_sources){0};
}

/* Of the crash's own stack: 3 ours and kept, 2 ours, 1 kept and has a file, 0 none. */
static int
rank(struct report_sources *sources, const struct frame *frame)
{
    if (frame->stack != STACK_CRASH || frame->file == NULL || frame->line <= 0) {
        return 0;
    }
    bool ours = report_source(sources, frame->file) != NULL;
    return (ours ? 2 : 0) + (frame->kept ? 1 : 0);
}

struct finding_place
report_place(struct report_sources *sources, const struct record *record)
{
    const struct frame *best = NULL;
    int best_rank = 0;

    for (size_t i = 0; record != NULL && i < record->n_frames; i++) {
        int own = rank(sources, &record->frames[i]);
        if (own > best_rank) {
            best = &record->frames[i];
            best_rank = own;
        }
    }
    if (best == NULL) {
        return (struct finding_place){.path = mem_strdup("nightjar.yaml"), .line = 1};
    }
    const char *path = report_source(sources, best->file);
    struct parts parts;
    char *other = path == NULL && split(best->file, &parts) ? join(&parts, 0) : NULL;
    return (struct finding_place){
        .path = path != NULL ? mem_strdup(path)
                             : (other != NULL ? other : mem_strdup("nightjar.yaml")),
        .line = best->line,
        .column = best->column,
        .in_source = path != NULL};
}
