#include "orchestrator/corpus/library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/pack.h"

enum {
    GROWN_PERCENT = 110, /* of what the last prune left */
    DROP_PERCENT = 90,   /* of the edges that it saw */
};

struct library {
    char *folder, *inputs, *index, *quarantine, *traces, *made;
    char *target;
    int lock, pruning;
    struct buf lines; /* for the index */
};

char *
library_inputs_path(const char *state, const char *target)
{
    return mem_printf("%s/corpus/%s/inputs", state, target);
}

char *
library_input_path(const char *state, const char *target, const char *sha256)
{
    AUTO(mem_free) char *inputs = library_inputs_path(state, target);

    return mem_printf("%s/%.2s/%s", inputs, sha256, sha256);
}

char *
library_index_path(const char *state, const char *target)
{
    return mem_printf("%s/corpus/%s/index", state, target);
}

/* how: LOCK_NB, then -EBUSY says that somebody else has it, or 0. */
static int
take_lock(const struct library *library, const char *name, int how, int *held,
          struct err *err)
{
    AUTO(mem_free) char *path = fs_join(library->folder, name);

    if (*held >= 0) {
        return 0;
    }
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_sys(err, "open '%s'", path);
    }
    if (flock(fd, LOCK_EX | how) < 0) {
        return errno == EWOULDBLOCK
                   ? err_set(err, -EBUSY, "the corpus of %s is being changed",
                             library->target)
                   : err_sys(err, "lock '%s'", path);
    }
    *held = FD_STEAL(fd);
    return 0;
}

int
library_open(const char *state, const char *target, bool create, struct library **out,
             struct err *err)
{
    AUTO(library_close) struct library *library = mem_alloc(sizeof(*library));
    AUTO(mem_free) char *shown = str_name_dup(target);

    library->lock = -1;
    library->pruning = -1;
    if (!target_name_valid(target)) {
        return err_set(err, -EINVAL, "'%s' is no target's name", shown);
    }
    AUTO(mem_free) char *root = fs_absolute(state);
    library->target = mem_strdup(target);
    library->folder = mem_printf("%s/corpus/%s", root, target);
    library->inputs = library_inputs_path(root, target);
    library->index = library_index_path(root, target);
    library->quarantine = fs_join(library->folder, "quarantine");
    library->traces = fs_join(library->folder, "traces");
    library->made = fs_join(library->folder, "new");
    if (!create && !fs_is_folder(library->inputs)) {
        return err_set(err, -ENOENT,
                       "there is no corpus of %s: nightjar corpus import %s PATH...",
                       shown, shown);
    }
    int rc = create ? fs_mkdirs(library->inputs, 0700, err) : 0;
    if (rc == 0) {
        *out = STEAL(library);
    }
    return rc;
}

void
library_close(struct library *library)
{
    if (library == NULL) {
        return;
    }
    fd_close(library->lock);
    fd_close(library->pruning);
    buf_clear(&library->lines);
    mem_free(library->folder);
    mem_free(library->inputs);
    mem_free(library->index);
    mem_free(library->quarantine);
    mem_free(library->traces);
    mem_free(library->made);
    mem_free(library->target);
    mem_free(library);
}

int
library_walk(const struct library *library, fs_visit *visit, void *user, struct err *err)
{
    return fs_walk(library->inputs, visit, user, err);
}

int
library_index(const struct library *library, struct index **out, struct err *err)
{
    return index_open(library->index, out, err);
}

const char *
library_quarantine(const struct library *library)
{
    return library->quarantine;
}

/* folder/ab/abcd..., its folder made. */
static int
place_of(const char *folder, const char *name, char **out, struct err *err)
{
    AUTO(mem_free) char *fan = mem_printf("%s/%.2s", folder, name);
    int rc = fs_mkdirs(fan, 0700, err);

    if (rc < 0) {
        return rc;
    }
    *out = fs_join(fan, name);
    return 0;
}

/* --- import --- */

struct arrival {
    const struct library *library;
    struct index *index;
    const char *origin; /* NULL: by the name */
    const struct seed_limits *limits;
    int64_t added;
};

static void
note_origin(void *user, const char *sha256, const char *path)
{
    struct arrival *arrival = user;
    char origin[INDEX_ORIGIN_MAX];
    struct index_entry entry;
    AUTO(mem_free)
    char *known = mem_printf("%s/%.2s/%s", arrival->library->inputs, sha256, sha256);

    if (fs_exists(known)) {
        return;
    }
    (void)index_get(arrival->index, sha256, &entry);
    index_origin_of(path, origin);
    entry.added_s = clock_wall_ms() / 1000;
    entry.origin = arrival->origin != NULL ? arrival->origin : origin;
    index_put(arrival->index, sha256, &entry);
}

static int
settle(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct arrival *arrival = user;
    AUTO(mem_free) char *to = NULL;

    if (st == NULL) {
        return err_set(err, -EIO, "what was unpacked cannot be read");
    }
    int rc = place_of(arrival->library->inputs, fs_base(path), &to, err);
    if (rc < 0) {
        return rc;
    }
    bool known = fs_exists(to);
    if (rename(path, to) < 0) {
        return err_sys(err, "move an input to '%s'", to);
    }
    arrival->added += !known;
    return 0;
}

/* A project's folder stands for the corpus of this target in it. */
static char *
source_of(const struct library *library, const char *path)
{
    static const char *const layouts[] = {"fuzz/corpus", "testdata/fuzz"};

    for (size_t i = 0; i < COUNT(layouts); i++) {
        AUTO(mem_free)
        char *within = mem_printf("%s/%s/%s", path, layouts[i], library->target);
        if (fs_is_folder(within)) {
            return STEAL(within);
        }
    }
    return mem_strdup(path);
}

static int
import_one(struct arrival *arrival, const char *path, struct err *err)
{
    const struct library *library = arrival->library;
    struct target source = {.name = library->target, .limits = *arrival->limits};
    AUTO(strv_clear) struct strv one = {0};
    AUTO(mem_free) char *from = source_of(library, path);
    int64_t count = 0;

    strv_add(&one, from);
    source.seeds = one;
    int rc = fs_remove(library->made, err);
    rc = rc < 0 ? rc
                : target_unpack_inputs(&source, library->made, note_origin, arrival,
                                       &count, err);
    return rc < 0 ? rc : fs_walk(library->made, settle, arrival, err);
}

int
library_import(struct library *library, const struct strv *paths, const char *origin,
               const struct seed_limits *limits, int64_t *added, struct err *err)
{
    AUTO(index_free) struct index *index = NULL;
    int rc = take_lock(library, "lock", LOCK_NB, &library->lock, err);

    rc = rc < 0 ? rc : index_open(library->index, &index, err);
    struct arrival arrival = {library, index, origin, limits, 0};
    for (size_t i = 0; i < paths->n && rc == 0; i++) {
        rc = import_one(&arrival, paths->v[i], err);
    }
    int gone = fs_remove(library->made, rc < 0 ? NULL : err);
    rc = rc < 0 ? rc : gone;
    rc = rc < 0 || arrival.added == 0 ? rc : index_save(index, NULL, NULL, err);
    if (rc == 0) {
        *added = arrival.added;
    }
    return rc;
}

/* --- one at a time --- */

int
library_begin(struct library *library, struct err *err)
{
    return take_lock(library, "lock", LOCK_NB, &library->lock, err);
}

int
library_add(struct library *library, const void *data, size_t len, const char *sha256,
            const char *origin, struct err *err)
{
    AUTO(mem_free) char *to = NULL;
    int rc = library->lock < 0 ? -EBUSY : place_of(library->inputs, sha256, &to, err);

    if (rc < 0 || fs_exists(to)) {
        return rc;
    }
    rc = fs_write(to, data, len, 0600, err);
    if (rc == 0) {
        index_line(&library->lines, sha256, clock_wall_ms() / 1000, origin);
    }
    return rc < 0 ? rc : 1;
}

int
library_end(struct library *library, struct err *err)
{
    AUTO(fd_close)
    int fd = library->lines.len == 0
                 ? -1
                 : open(library->index,
                        O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = 0;

    if (library->lines.len > 0) {
        rc = fd < 0 ? err_sys(err, "open '%s'", library->index)
                    : fd_write(fd, buf_str(&library->lines), library->lines.len, err);
    }
    buf_cut(&library->lines, 0);
    fd_close(FD_STEAL(library->lock));
    return rc;
}

/* --- export --- */

struct departure {
    const char *folder;
    int64_t count;
};

static int
copy_out(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct departure *departure = user;
    AUTO(mem_free) char *to = fs_join(departure->folder, fs_base(path));

    departure->count++;
    return st == NULL ? err_set(err, -EIO, "'%s' cannot be read", path)
                      : fs_copy(path, to, 0644, NULL, err);
}

static int
pack_one(void *user, const char *path, const struct stat *st, struct err *err)
{
    return st == NULL ? err_set(err, -EIO, "'%s' cannot be read", path)
                      : pack_add(user, fs_base(path), path, err);
}

static int
count_one(void *user, const char *path, const struct stat *st, struct err *err)
{
    int64_t *count = user;

    (void)path;
    (void)err;
    *count += st != NULL;
    return 0;
}

static int
export_archive(const struct library *library, const char *path, int64_t *count,
               struct err *err)
{
    AUTO(pack_close) struct pack *pack = NULL;
    int64_t n = 0;
    int rc = pack_open(path, &pack, err);

    rc = rc < 0 ? rc : library_walk(library, pack_one, pack, err);
    rc = rc < 0 ? rc : pack_finish(pack, err);
    rc = rc < 0 ? rc : library_walk(library, count_one, &n, err);
    if (rc == 0) {
        *count = n;
    }
    return rc;
}

int
library_export(const struct library *library, const char *folder, int64_t *count,
               struct err *err)
{
    struct departure departure = {folder, 0};
    AUTO(mem_free) char *shown = str_name_dup(folder);

    if (pack_is_name(folder)) {
        return export_archive(library, folder, count, err);
    }
    if (fs_exists(folder) && rmdir(folder) < 0) {
        return err_set(err, -EEXIST, "'%s' is no empty folder", shown);
    }
    int rc = fs_mkdirs(folder, 0755, err);
    rc = rc < 0 ? rc : library_walk(library, copy_out, &departure, err);
    if (rc == 0) {
        *count = departure.count;
    }
    return rc;
}

/* --- prune --- */

int
library_grew(const struct library *library, bool *out, struct err *err)
{
    AUTO(index_free) struct index *index = NULL;
    int64_t now = 0;
    size_t n = 0;
    int rc = library_walk(library, count_one, &now, err);

    rc = rc < 0 ? rc : library_index(library, &index, err);
    if (rc < 0) {
        return rc;
    }
    const struct index_prune *prunes = index_prunes(index, &n);
    *out = now * 100 > (n == 0 ? 0 : prunes[n - 1].inputs) * GROWN_PERCENT;
    return 0;
}

static int
offer(void *user, const char *path, const struct stat *st, struct err *err)
{
    return st == NULL ? err_set(err, -EIO, "'%s' cannot be read", path)
                      : cover_add(user, path, st, err);
}

static int
link_input(const char *path, const char *to, struct err *err)
{
    return link(path, to) < 0 && errno != EEXIST ? err_sys(err, "link '%s'", to) : 0;
}

static int
keep_input(const struct library *library, const char *path, struct err *err)
{
    AUTO(mem_free) char *to = NULL;
    int rc = place_of(library->made, fs_base(path), &to, err);

    return rc < 0 ? rc : link_input(path, to, err);
}

static int64_t
edges_of(const struct measured *input)
{
    size_t at = 0;
    int64_t tuple = -1;
    int64_t last = -1;
    int64_t n = 0;

    while (trace_next(input->trace, input->trace_bytes, &at, &tuple)) {
        n += tuple / MEASURE_BUCKETS != last;
        last = tuple / MEASURE_BUCKETS;
    }
    return n;
}

static void
note_coverage(struct index *index, const struct measured *input, uint32_t alone)
{
    struct index_entry entry;
    const char *name = fs_base(input->path);

    if (!index_get(index, name, &entry)) {
        entry.added_s = input->st.st_mtim.tv_sec;
    }
    entry.edges = edges_of(input);
    entry.alone = alone;
    entry.run_us = input->run_us;
    index_put(index, name, &entry);
}

/* The chosen, and what was not run; offenders wait for triage. */
static int
sort_inputs(const struct library *library, struct cover *cover, struct index *index,
            struct err *err)
{
    struct measured input;
    size_t at = 0;
    int64_t from = 0;
    uint32_t alone;
    int rc = fs_remove(library->made, err);

    rc = rc < 0 ? rc : fs_mkdirs(library->made, 0700, err);
    rc = rc < 0 ? rc : fs_mkdirs(library->quarantine, 0700, err);
    while (rc == 0 && cover_next(cover, &at, &input, &alone)) {
        note_coverage(index, &input, alone);
        rc = keep_input(library, input.path, err);
    }
    while (rc == 0 && cover_each(cover, &from, &input)) {
        AUTO(mem_free) char *aside = fs_join(library->quarantine, fs_base(input.path));
        if (!fs_exists(input.path) || input.kind == MEASURE_TRACE) {
            continue;
        }
        rc = input.kind == MEASURE_REFUSED ? keep_input(library, input.path, err)
                                           : link_input(input.path, aside, err);
    }
    return rc;
}

struct late {
    const struct library *library;
    const struct cover *cover;
};

/* What came while the others were measured. */
static int
keep_late(void *user, const char *path, const struct stat *st, struct err *err)
{
    const struct late *late = user;

    return st == NULL || cover_knows(late->cover, path, st)
               ? 0
               : keep_input(late->library, path, err);
}

static bool
is_input(void *user, const char *sha256)
{
    const struct library *library = user;
    AUTO(mem_free) char *path = mem_printf("%s/%.2s/%s", library->inputs, sha256, sha256);

    return fs_exists(path);
}

/* Of the newest that can be compared. */
static int64_t
edges_before(const struct index *index, const struct cover_sum *sum, bool libfuzzer)
{
    size_t n;
    const struct index_prune *prunes = index_prunes(index, &n);

    while (n > 0 &&
           (prunes[n - 1].libfuzzer != libfuzzer || prunes[n - 1].inputs > sum->inputs)) {
        n--;
    }
    return n == 0 ? 0 : prunes[n - 1].edges;
}

static int
look_for_drop(const struct library *library, const struct index *index,
              struct library_prune *prune, struct err *err)
{
    const struct cover_sum *sum = &prune->sum;

    prune->edges_before =
        edges_before(index, sum, prune->config->command->mode == INPUT_LIBFUZZER);
    if (sum->edges == 0 && sum->kinds[MEASURE_TRACE] > 0) {
        return err_set(err, -EUCLEAN,
                       "the corpus of %s reaches no edge at all on this build: nothing "
                       "was changed",
                       library->target);
    }
    if (prune->accept || sum->edges * 100 >= prune->edges_before * DROP_PERCENT) {
        return 0;
    }
    return err_set(err, -EUCLEAN,
                   "the corpus of %s reaches %lld edges on this build, and reached %lld: "
                   "is the harness broken? Nothing was changed (--accept prunes it by "
                   "this build)",
                   library->target, (long long)sum->edges,
                   (long long)prune->edges_before);
}

static int
save_index(struct library *library, struct index *index, const struct cover_sum *sum,
           bool libfuzzer, struct err *err)
{
    const struct index_prune prune = {.libfuzzer = libfuzzer,
                                      .at_s = clock_wall_ms() / 1000,
                                      .inputs = sum->kept + sum->kinds[MEASURE_REFUSED],
                                      .bytes = sum->kept_bytes,
                                      .edges = sum->edges,
                                      .tuples = sum->tuples};

    index_add_prune(index, &prune);
    return index_save(index, is_input, library, err);
}

int
library_prune(struct library *library, struct library_prune *prune, struct err *err)
{
    AUTO(cover_close) struct cover *cover = NULL;
    AUTO(index_free) struct index *index = NULL;
    struct cover_config own = *prune->config;
    bool libfuzzer = own.command->mode == INPUT_LIBFUZZER;

    own.spool = library->traces;
    own.what = library->inputs;
    int rc = take_lock(library, "pruning", LOCK_NB, &library->pruning, err);
    rc = rc < 0 ? rc : cover_open(&own, &cover, err);
    rc = rc < 0 ? rc : library_walk(library, offer, cover, err);
    rc = rc < 0 ? rc : cover_solve(cover, &prune->sum, err);
    rc = rc < 0 ? rc : take_lock(library, "lock", 0, &library->lock, err);
    rc = rc < 0 ? rc : index_open(library->index, &index, err);
    rc = rc < 0 ? rc : look_for_drop(library, index, prune, err);
    rc = rc < 0 ? rc : sort_inputs(library, cover, index, err);
    struct late late = {library, cover};
    rc = rc < 0 ? rc : library_walk(library, keep_late, &late, err);
    if (rc < 0) {
        return rc;
    }
    if (renameat2(AT_FDCWD, library->made, AT_FDCWD, library->inputs, RENAME_EXCHANGE) <
        0) {
        return err_sys(err, "exchange '%s' and '%s'", library->made, library->inputs);
    }
    rc = fs_sync_folder(library->folder, err);
    rc = rc < 0 ? rc : fs_remove(library->made, err);
    rc = rc < 0 ? rc : save_index(library, index, &prune->sum, libfuzzer, err);
    (void)unlink(library->traces);
    return rc;
}
