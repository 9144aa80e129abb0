#include "triage/hang.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "triage/parse/span.h"
#include "triage/stack.h"
#include "triage/usage.h"

enum {
    SAMPLE_MAX = 256 << 10, /* bytes of eu-stack's output */
    SAMPLE_MS = 3000,
    SAMPLES_MAX = 32,
};

/* --- taking one --- */

int
hang_sample(pid_t root, struct buf *out, struct err *err)
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char locale[] = "LC_ALL=C";
    char *const env[] = {path, locale, NULL};
    AUTO(usage_clear) struct usage usage = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = SAMPLE_MAX};
    struct proc_spec spec = PROC_SPEC_INIT;

    usage_read(root, &usage);
    pid_t thread = usage_busiest(&usage);
    if (thread == 0) {
        return err_set(err, -ENOENT, "process %d has nothing to look at", (int)root);
    }
    strv_add(&argv, "eu-stack");
    strv_add(&argv, "-1qbm"); /* one thread; no names; build id, offset; module */
    strv_addf(&argv, "--pid=%d", (int)thread);
    spec.argv = argv.v;
    spec.envp = env;
    int rc = proc_run(&spec, SAMPLE_MS, &run, err);
    if (rc < 0) {
        return rc;
    }
    /* 1: some frames were shown */
    if (run.timed_out || !WIFEXITED(run.status) || WEXITSTATUS(run.status) > 1) {
        return err_set(err, -EIO, "eu-stack could not look at process %d", (int)thread);
    }
    buf_add(out, buf_str(&run.output), run.output.len);
    return 0;
}

/* --- reading it --- */

/* "#1  0x000055d0 - /usr/bin/x" and behind it "    [8f6a]@0x55c0+0x10": where a frame is.
 */
static void
read_line(struct span line, struct record *record)
{
    uint64_t number = 0;
    uint64_t address = 0;
    struct span rest = line;

    if (span_eat(&rest, "#") && span_eat_digits(&rest, &number) &&
        span_eat_blanks(&rest) && span_eat_hex(&rest, &address)) {
        struct frame *frame = record_add_frame(record);
        if (frame != NULL) {
            frame->n = (int)(number < INT32_MAX ? number : INT32_MAX);
            frame->address = address;
            frame->module =
                span_eat(&rest, " - ") ? span_dup(rest, RECORD_PATH_MAX) : NULL;
        }
        return;
    }
    struct frame *last =
        record->n_frames == 0 ? NULL : &record->frames[record->n_frames - 1];
    rest = span_trim(line);
    if (last == NULL || last->has_offset || !span_eat(&rest, "[")) {
        return;
    }
    struct span build_id = span_eat_until(&rest, ']');
    if (span_after_last(rest, "+", &rest) && span_eat_hex(&rest, &last->offset)) {
        last->has_offset = true;
        last->build_id = span_dup(build_id, RECORD_PATH_MAX);
    }
}

static struct record *
read_sample(const char *text, struct symbolizer *symbolizer)
{
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));
    struct span rest = span_of(text);

    while (rest.len > 0) {
        read_line(span_eat_until(&rest, '\n'), record);
    }
    if (record->n_frames == 0) {
        return NULL;
    }
    if (symbolizer != NULL) {
        symbolize_record(symbolizer, record);
    }
    return STEAL(record);
}

/* --- what they share --- */

static bool
same_frame(const struct frame *a, const struct frame *b)
{
    AUTO(buf_clear) struct buf left = BUF_INIT;
    AUTO(buf_clear) struct buf right = BUF_INIT;

    stack_frame_key(a, &left);
    stack_frame_key(b, &right);
    return strcmp(buf_str(&left), buf_str(&right)) == 0;
}

/* Of the `most` outermost frames. */
static size_t
shared_by(const struct record *a, const struct record *b, size_t most)
{
    size_t n = 0;

    while (n < most && n < a->n_frames && n < b->n_frames &&
           same_frame(&a->frames[a->n_frames - 1 - n], &b->frames[b->n_frames - 1 - n])) {
        n++;
    }
    return n;
}

/* The other stacks of a report stay behind the new one. */
static void
put_stack(struct record *record, struct record *sample, size_t shared)
{
    AUTO(record_free) struct record *old = mem_alloc(sizeof(*old));

    old->frames = record->frames;
    old->n_frames = record->n_frames;
    record->frames = NULL;
    record->n_frames = 0;
    for (size_t i = sample->n_frames - shared; i < sample->n_frames; i++) {
        struct frame *frame = record_add_frame(record);
        *frame = sample->frames[i];
        frame->n = (int)record->n_frames - 1;
        sample->frames[i] = (struct frame){0};
    }
    for (size_t i = 0; i < old->n_frames; i++) {
        struct frame *frame =
            old->frames[i].stack == STACK_CRASH ? NULL : record_add_frame(record);
        if (frame != NULL) {
            *frame = old->frames[i];
            old->frames[i] = (struct frame){0};
        }
    }
}

bool
hang_frames(const struct strv *samples, struct symbolizer *symbolizer,
            struct record *record)
{
    struct record *read[SAMPLES_MAX] = {NULL};
    size_t n = 0;

    for (size_t i = 0; i < samples->n && n < SAMPLES_MAX; i++) {
        read[n] = read_sample(samples->v[i], symbolizer);
        n += read[n] != NULL ? 1 : 0;
    }
    size_t shared = n == 0 ? 0 : read[0]->n_frames;
    for (size_t i = 1; i < n; i++) {
        shared = shared_by(read[0], read[i], shared);
    }
    if (shared > 0) {
        put_stack(record, read[0], shared);
        record->samples = (int)n;
    }
    for (size_t i = 0; i < n; i++) {
        record_free(read[i]);
    }
    return shared > 0;
}
