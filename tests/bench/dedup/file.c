/*
 * Crashes that were replayed once, filed again by the rules of this build: store_intake,
 * store_next_job, record_finish() on the record that the worker answered then, with the
 * input as the worker has it, store_finish_job. Nothing is run.
 *
 * usage: file STATE <answers; a line is {"target":..., "argv":[...], "path":...,
 * "answer":{...}}, see triage/worker.h. They are filed in their order.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/store.h"

enum { BATCH = 256, INPUT_MAX = 1 << 20 };

struct filer {
    struct store *store;
    char *work;
    json_t *lines[BATCH];
    int64_t crash[BATCH];
    size_t n;
};

static void
need(int rc, const struct err *err)
{
    if (rc < 0) {
        (void)fprintf(stderr, "file: %s\n", err->msg);
        exit(1);
    }
}

static int64_t
put_target(struct filer *filer, const json_t *line)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};
    const struct record_settings settings = {.ooms_and_hangs = true,
                                             .asserts_are_security = true};
    struct err err = ERR_INIT;
    int64_t id = 0;

    json_get_strv(line, "argv", &command.argv);
    need(store_put_target(filer->store, json_get_str(line, "target", ""), &command,
                          &settings, &id, &err),
         &err);
    return id;
}

static void
take(struct filer *filer)
{
    struct intake_item items[BATCH] = {{0}};
    struct intake_result results[BATCH];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < filer->n; i++) {
        items[i] = (struct intake_item){.path = json_get_str(filer->lines[i], "path", ""),
                                        .target = put_target(filer, filer->lines[i]),
                                        .source = "triage"};
    }
    need(store_intake(filer->store, items, filer->n, results, &err), &err);
    for (size_t i = 0; i < filer->n; i++) {
        filer->crash[i] = results[i].crash;
    }
}

/* The record by the rules of this build. */
static json_t *
sign(const json_t *line, const json_t *record)
{
    AUTO(record_free) struct record *read = NULL;
    AUTO(buf_clear) struct buf input = BUF_INIT;
    struct err err = ERR_INIT;

    need(fs_read(json_get_str(line, "path", ""), INPUT_MAX, &input, &err), &err);
    const struct record_options options = {.fuzz_target =
                                               json_get_str(line, "target", ""),
                                           .ooms_and_hangs = true,
                                           .asserts_are_security = true,
                                           .judge_harness = true,
                                           .input = buf_str(&input),
                                           .input_len = input.len};
    need(record_from_json(record, &read, &err), &err);
    need(record_finish(read, &options, &err), &err);
    return record_to_json(read);
}

static void
answer(struct filer *filer, const struct job *job)
{
    struct job_outcome outcome;
    struct err err = ERR_INIT;
    size_t i = 0;

    while (i < filer->n && filer->crash[i] != job->crash) {
        i++;
    }
    json_t *given = i < filer->n ? json_object_get(filer->lines[i], "answer") : NULL;
    json_t *record = json_object_get(given, "record");
    if (json_is_object(record)) {
        json_put(given, "record", sign(filer->lines[i], record));
    }
    json_put(given, "job", json_integer(job->id));
    need(store_finish_job(filer->store, job, given, &outcome, &err), &err);
}

static void
file_batch(struct filer *filer)
{
    const struct job_options options = {.folder = filer->work, .runs = 1};
    struct err err = ERR_INIT;
    int rc = 1;

    take(filer);
    while (rc == 1) {
        AUTO(job_clear) struct job job = {0};
        rc = store_next_job(filer->store, &options, &job, &err);
        need(rc, &err);
        if (rc == 1) {
            answer(filer, &job);
        }
    }
    for (size_t i = 0; i < filer->n; i++) {
        json_decref(filer->lines[i]);
    }
    filer->n = 0;
}

static void
file_all(struct filer *filer)
{
    char *text = NULL;
    size_t size = 0;
    ssize_t len = 0;
    struct err err = ERR_INIT;

    while ((len = getline(&text, &size, stdin)) > 0) {
        need(json_parse(text, (size_t)len, &filer->lines[filer->n], &err), &err);
        filer->n++;
        if (filer->n == BATCH) {
            file_batch(filer);
        }
    }
    file_batch(filer);
    free(text);
}

int
main(int argc, char **argv)
{
    struct filer filer = {.n = 0};
    struct err err = ERR_INIT;

    if (argc != 2) {
        (void)fputs("usage: file STATE <answers\n", stderr);
        return 2;
    }
    filer.work = fs_join(argv[1], "work/triage-0");
    need(store_open(argv[1], DB_CREATE, &filer.store, &err), &err);
    need(fs_mkdirs(filer.work, 0755, &err), &err);
    file_all(&filer);
    store_close(filer.store);
    mem_free(filer.work);
    return 0;
}
