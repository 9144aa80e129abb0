#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"

struct merge {
    struct cover *cover;
    char *final, *made; /* the result, and what becomes it */
    char *quarantine;
    char *spool;
};

static void
merge_clear(struct merge *merge)
{
    cover_close(merge->cover);
    mem_free(merge->final);
    mem_free(merge->made);
    mem_free(merge->quarantine);
    mem_free(merge->spool);
}
AUTO_DEFINE_CLEAR(struct merge, merge_clear)

static int
add_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    return st == NULL || st->st_size == 0 ? 0 : cover_add(user, path, st, err);
}

static int
add_all(struct merge *merge, const struct strv *args, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < args->n && rc == 0; i++) {
        AUTO(mem_free) char *path = fs_absolute(args->v[i]);
        rc = fs_walk(path, add_file, merge->cover, err);
    }
    return rc;
}

static void
hex_of(const struct measured *input, char out[2 * MEASURE_KEY_BYTES + 1])
{
    for (size_t i = 0; i < MEASURE_KEY_BYTES; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", input->key[i]);
    }
}

static int
copy_to(const char *folder, const struct measured *input, struct err *err)
{
    char hex[2 * MEASURE_KEY_BYTES + 1];

    hex_of(input, hex);
    AUTO(mem_free) char *to = fs_join(folder, hex);
    int rc = fs_copy(input->path, to, 0644, NULL, err);
    return rc == -EEXIST ? 0 : rc;
}

/* Into a folder of another name, which becomes the result in one step. */
static int
write_result(const struct merge *merge, struct err *err)
{
    struct measured input;
    size_t at = 0;
    uint32_t alone;
    int rc = fs_remove(merge->made, err);

    rc = rc < 0 ? rc : fs_mkdirs(merge->made, 0755, err);
    while (rc == 0 && cover_next(merge->cover, &at, &input, &alone)) {
        rc = copy_to(merge->made, &input, err);
    }
    rc = rc < 0 ? rc : fs_sync_folder(merge->made, err);
    if (rc == 0 && rename(merge->made, merge->final) < 0) {
        return err_sys(err, "make '%s'", merge->final);
    }
    return rc;
}

/* What crashed or hung. */
static int
write_offenders(const struct merge *merge, const struct cover_sum *sum, struct err *err)
{
    struct measured input;
    int64_t from = 0;
    int rc = 0;

    if (sum->kinds[MEASURE_CRASH] + sum->kinds[MEASURE_HANG] == 0) {
        return 0;
    }
    rc = fs_mkdirs(merge->quarantine, 0755, err);
    while (rc == 0 && cover_each(merge->cover, &from, &input)) {
        if (input.kind == MEASURE_CRASH || input.kind == MEASURE_HANG) {
            rc = copy_to(merge->quarantine, &input, err);
            rc = rc == -ENOENT ? 0 : rc;
        }
    }
    return rc;
}

static int
prepare(struct merge *merge, const struct corpus_options *options, struct err *err)
{
    if (options->output == NULL) {
        return err_set(err, -EINVAL, "into which folder? -o DIR");
    }
    merge->final = fs_absolute(options->output);
    merge->made = mem_printf("%s.new", merge->final);
    merge->quarantine = mem_printf("%s.quarantine", merge->final);
    merge->spool = mem_printf("%s.traces", merge->final);
    AUTO(mem_free) char *name = str_name_dup(options->output);
    /* an empty folder is replaced by rename() itself */
    return fs_exists(merge->final) && rmdir(merge->final) < 0
               ? err_set(err, -EINVAL, "'%s' is no empty folder: choose another with -o",
                         name)
               : 0;
}

static char *
describe(const struct strv *args)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < args->n; i++) {
        AUTO(mem_free) char *path = fs_absolute(args->v[i]);
        buf_adds(&text, path);
        buf_addc(&text, '\n');
    }
    return mem_strdup(buf_str(&text));
}

int
corpus_merge(const struct cmd_context *context, const struct corpus_options *options,
             const struct strv *args, const struct strv *argv)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(mem_free) char *what = describe(args);
    AUTO(merge_clear) struct merge merge = {0};
    struct cmd_context copy = *context;
    struct cover_sum sum;
    struct err err = ERR_INIT;
    enum sandbox_rung rung = SANDBOX_AUTO;
    int jobs = 0;

    if (args->n == 0) {
        return cmd_fail(EXIT_USAGE, "which inputs? nightjar corpus merge -o OUT IN... -- "
                                    "./target @@");
    }
    int rc = prepare(&merge, options, &err);
    rc = rc < 0 ? rc : corpus_command(options, argv, &command, &err);
    rc = rc < 0 ? rc : corpus_jobs(options, &jobs, &err);
    rc = rc < 0 ? rc : corpus_sandbox(context, options, &rung, &err);
    const struct cover_config config = {.command = &command,
                                        .rung = rung,
                                        .hide = context->state,
                                        .jobs = jobs,
                                        .spool = merge.spool,
                                        .what = what,
                                        .progress = corpus_progress,
                                        .user = &copy};
    rc = rc < 0 ? rc : cover_open(&config, &merge.cover, &err);
    rc = rc < 0 ? rc : add_all(&merge, args, &err);
    rc = rc < 0 ? rc : cover_solve(merge.cover, &sum, &err);
    rc = rc < 0 ? rc : write_offenders(&merge, &sum, &err);
    rc = rc < 0 ? rc : write_result(&merge, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    (void)unlink(merge.spool);
    corpus_print_sum(context, "merged", &sum);
    if (fs_is_folder(merge.quarantine)) {
        cmd_next(context, "nightjar triage %s -- ...", merge.quarantine);
    }
    return EXIT_DONE;
}
