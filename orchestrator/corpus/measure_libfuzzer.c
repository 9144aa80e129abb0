/*
 * Coverage by libFuzzer's own merge: inputs as files, one -merge=1 over all of a batch,
 * and what its control file says of each. libFuzzer starts itself again behind an input
 * that crashed or took too long; where even its outer process does not go on, it is
 * killed here and resumes by the control file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/libfuzzer_control.h"
#include "orchestrator/corpus/measure_private.h"

enum {
    CONTROL_MAX = 96 << 20, /* bytes of a control file that are read */
    CONTROL_AIM = 16 << 20, /* so large it should become */
    WATCH_MS = 200,         /* how often it is looked whether the file grows */
    STALL_MS = 10000,       /* beyond a run's limits: then nothing will come any more */
    TRUSTED_MAX = 16,       /* files of a first batch, of which nothing is known */
};

struct merging {
    const struct measure_place *place; /* borrowed */
    char *in, *out, *found, *control;  /* folders, and a file */
    struct strv argv, env;
    size_t line_bytes;  /* of the control file, for each input; 0: unknown */
    unsigned char *ran; /* by shot: ANSWERED ... */
    size_t last;        /* shot that began last */
};

enum { NOT_YET, BEGUN, ANSWERED };

static bool
takes(const struct command *command)
{
    return command->mode == INPUT_LIBFUZZER;
}

static void
end(void *state)
{
    struct merging *merging = state;

    strv_clear(&merging->argv);
    strv_clear(&merging->env);
    mem_free(merging->in);
    mem_free(merging->out);
    mem_free(merging->found);
    mem_free(merging->control);
    mem_free(merging->ran);
    mem_free(merging);
}

static int
begin(const struct measure_place *place, void **state, struct err *err)
{
    struct merging *merging = mem_alloc(sizeof(*merging));
    AUTO(strv_clear) struct strv base = {0};

    (void)err;
    merging->place = place;
    merging->in = fs_join(place->work, "in");
    merging->out = fs_join(place->work, "out");
    merging->found = fs_join(place->work, "found");
    merging->control = fs_join(place->work, "control");
    merging->ran = mem_alloc(MEASURE_BATCH_MAX);
    command_arguments(&place->command, merging->out, &base);
    strv_add(&merging->argv, base.v[0]);
    strv_add(&merging->argv, "-merge=1");
    strv_add(&merging->argv, "-set_cover_merge=1");
    strv_add(&merging->argv, "-detect_leaks=0");
    strv_addf(&merging->argv, "-merge_control_file=%s", merging->control);
    strv_addf(&merging->argv, "-artifact_prefix=%s/", merging->found);
    for (size_t i = 1; i < base.n; i++) {
        strv_add(&merging->argv, base.v[i]);
        if (strcmp(base.v[i], merging->out) == 0) {
            strv_add(&merging->argv, merging->in);
        }
    }
    command_environment(&place->command, false, &merging->env);
    strv_add(&merging->env, "TMPDIR=/tmp");
    *state = merging;
    return 0;
}

/* --- the folders --- */

static int
make_folders(const struct merging *merging, struct err *err)
{
    const char *const folders[] = {merging->in, merging->out, merging->found};
    int rc = fs_remove(merging->control, err);

    for (size_t i = 0; i < COUNT(folders) && rc == 0; i++) {
        rc = fs_remove(folders[i], err);
        rc = rc < 0 ? rc : fs_mkdirs(folders[i], 0700, err);
    }
    return rc;
}

static int
write_inputs(const struct merging *merging, const struct measure_shot *shots, size_t n,
             struct err *err)
{
    int rc = make_folders(merging, err);

    for (size_t i = 0; i < n && rc == 0; i++) {
        AUTO(mem_free) char *name = mem_printf("%s/%zu", merging->in, i);
        rc = fs_write(name, shots[i].data, shots[i].len, 0600, err);
    }
    return rc;
}

/* --- libFuzzer at work --- */

static int64_t
control_size(const struct merging *merging)
{
    struct stat st;

    return lstat(merging->control, &st) < 0 ? 0 : st.st_size;
}

/* Whatever it started goes with it, also where nobody else would see to that. */
static void
end_all(const struct merging *merging, struct proc *proc)
{
    proc_clear(proc);
    *proc = (struct proc)PROC_INIT;
    if (measure_place_is_ours(merging->place)) {
        (void)kill(-1, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
}

/* Until it ends, or stalls: then all is killed. */
static int
merge_once(const struct merging *merging, bool *stalled, struct err *err)
{
    struct proc_spec spec = {.envp = merging->env.v,
                             .in_fd = -1,
                             .out_fd = -1,
                             .err_fd = -1,
                             .limits = {.file_bytes = 256 << 20}};
    AUTO(proc_clear) struct proc proc = PROC_INIT;
    int64_t stall_ms = 2 * merging->place->command.timeout_ms + STALL_MS;
    int64_t since = clock_mono_ms();
    int64_t size = 0;
    int status;
    int rc = measure_start(merging->place, &merging->argv, &spec, &proc, err);

    *stalled = false;
    if (rc < 0) {
        return err_set(err, -ENOEXEC, "the target cannot be started");
    }
    while (proc_wait(&proc, WATCH_MS, &status, NULL) == -ETIMEDOUT) {
        int64_t now = control_size(merging);
        since = now == size ? since : clock_mono_ms();
        size = now;
        if (clock_mono_ms() - since > stall_ms) {
            *stalled = true;
            break;
        }
    }
    end_all(merging, &proc);
    return 0;
}

/* --- what the control file says --- */

static void
take_features(struct measure_shot *shot, const struct control_line *line)
{
    const char *at = line->text;
    int64_t last = -1;

    shot->kind = MEASURE_TRACE;
    for (;;) {
        long long feature = control_number(&at, line->end);
        if (feature < 0) {
            return;
        }
        /* what is out of order is not libFuzzer's */
        if (feature > last && feature < (long long)MEASURE_MAP_MAX * MEASURE_BUCKETS) {
            measure_put_tuple(shot, &last, (uint32_t)feature);
        }
    }
}

/* The shot of a name of ours, ".../in/17"; n: there is none. */
static size_t
shot_of(const struct control_line *line, size_t n)
{
    const char *slash = memrchr(line->text, '/', (size_t)(line->end - line->text));
    const char *at = slash == NULL ? line->end : slash + 1;
    long long number = control_number(&at, line->end);

    return number >= 0 && at == line->end && (size_t)number < n ? (size_t)number : n;
}

/* A kill may have cut the last line, with which libFuzzer would not resume. */
static int
cut_control(const struct merging *merging, const struct buf *text, struct err *err)
{
    const char *newline = text->len == 0 ? NULL : memrchr(text->data, '\n', text->len);
    off_t whole = newline == NULL ? 0 : newline + 1 - text->data;
    AUTO(fd_close)
    int fd = whole == 0
                 ? -1
                 : open(merging->control, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return whole > 0 && (fd < 0 || ftruncate(fd, whole) < 0)
               ? err_sys(err, "cut '%s'", merging->control)
               : 0;
}

/* How many inputs have begun so far. */
static size_t
read_control(struct merging *merging, struct measure_shot *shots, size_t n)
{
    AUTO(buf_clear) struct buf text = {.max = CONTROL_MAX + 1};
    AUTO(mem_free) size_t *order = mem_array(n, sizeof(*order));
    struct control control;
    struct control_line line;
    size_t named = 0;
    size_t begun = 0;

    if (fs_read(merging->control, CONTROL_MAX, &text, NULL) < 0 ||
        cut_control(merging, &text, NULL) < 0) {
        return 0;
    }
    size_t files = control_begin(&control, buf_str(&text), text.len, n);
    if (files != n) {
        return 0;
    }
    for (control_next(&control, n, &line); line.word != CONTROL_END;
         control_next(&control, n, &line)) {
        if (line.word == CONTROL_NAME) {
            if (named < n) {
                order[named++] = shot_of(&line, n);
            }
            continue;
        }
        size_t i = line.index < named ? order[line.index] : n;
        if (i == n || merging->ran[i] == ANSWERED) {
            continue;
        }
        merging->ran[i] = BEGUN;
        merging->last = i;
        if (line.word == CONTROL_FEATURES) {
            take_features(&shots[i], &line);
            merging->ran[i] = ANSWERED;
        }
    }
    for (size_t i = 0; i < n; i++) {
        begun += merging->ran[i] != NOT_YET;
    }
    merging->line_bytes = text.len / n + 1;
    return begun;
}

/* --- those that did not come to their end --- */

struct search { /* for artifacts that hold an input */
    const struct merging *merging;
    struct measure_shot *shots;
    size_t n;
};

static int
on_artifact(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct search *search = user;
    AUTO(buf_clear) struct buf bytes = {.max = MEASURE_INPUT_MAX + 1};

    (void)err;
    if (st == NULL || !str_starts(fs_base(path), "timeout-") ||
        fs_read(path, MEASURE_INPUT_MAX, &bytes, NULL) < 0) {
        return 0;
    }
    for (size_t i = 0; i < search->n; i++) {
        struct measure_shot *shot = &search->shots[i];
        if (search->merging->ran[i] == BEGUN && shot->len == bytes.len &&
            memcmp(shot->data, buf_str(&bytes), bytes.len) == 0) {
            shot->kind = MEASURE_HANG;
        }
    }
    return 0;
}

static void
name_offenders(const struct merging *merging, struct measure_shot *shots, size_t n)
{
    struct search search = {merging, shots, n};

    for (size_t i = 0; i < n; i++) {
        if (merging->ran[i] == BEGUN && shots[i].kind != MEASURE_HANG) {
            shots[i].kind = MEASURE_CRASH;
        }
    }
    (void)fs_walk(merging->found, on_artifact, &search, NULL);
}

static size_t
how_many(const struct merging *merging, size_t n)
{
    size_t most =
        merging->line_bytes == 0 ? TRUSTED_MAX : CONTROL_AIM / merging->line_bytes + 1;

    return n < most ? n : most;
}

static int
run(void *state, struct measure_shot *shots, size_t n_all, size_t *done, struct err *err)
{
    struct merging *merging = state;
    size_t n = how_many(merging, n_all);
    size_t begun = 0;
    int rc = write_inputs(merging, shots, n, err);

    memset(merging->ran, NOT_YET, n);
    merging->last = 0;
    while (rc == 0 && begun < n) {
        bool stalled = false;
        size_t before = begun;
        rc = merge_once(merging, &stalled, err);
        begun = rc < 0 ? 0 : read_control(merging, shots, n);
        if (stalled && merging->ran[merging->last] == BEGUN) {
            shots[merging->last].kind = MEASURE_HANG; /* whatever its own alarm did */
        }
        if (rc == 0 && begun <= before) {
            return err_set(err, -ENOEXEC,
                           "the target's libFuzzer merges nothing: does it start at all, "
                           "and does it know -set_cover_merge (LLVM 12)?");
        }
    }
    name_offenders(merging, shots, n);
    *done = n;
    return rc;
}

const struct measure_ops measure_libfuzzer = {
    .name = "libFuzzer's merge",
    .batch_max = MEASURE_BATCH_MAX,
    .aim_us = 4000000,
    .ahead = false,
    .takes = takes,
    .open = begin,
    .run = run,
    .close = end,
};
