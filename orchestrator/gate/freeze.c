#include "orchestrator/gate/freeze.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/git.h"

#define HOUR_MS INT64_C(3600000)

bool
freeze_is_due(const struct slo *slo)
{
    return slo->budget > 0 && slo->spent >= slo->budget;
}

/* Lines of a buffer. */
static void
split(const struct buf *text, char separator, struct strv *out)
{
    const char *at = buf_str(text);
    const char *end = at + text->len;

    while (at < end) {
        const char *stop = memchr(at, separator, (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        AUTO(mem_free) char *line = mem_dup(at, (size_t)(stop - at));
        if (line[0] != '\0') {
            strv_add(out, line);
        }
        at = stop + 1;
    }
}

/* --- fixes --- */

/* NULL: it does not. A bug that was fixed before is clean whatever the change does. */
static const struct sighting *
proves_fix(const struct freeze *freeze, const char *name)
{
    int64_t bug = 0;

    if (bug_parse_id(name, &bug, NULL) < 0) {
        return NULL;
    }
    const struct baseline_bug *before = baseline_find(freeze->baseline, bug);
    const struct sighting *seen = sightings_find(freeze->on_head, bug);
    bool was_open = before != NULL && bug_is_open(before->state);
    return was_open && seen != NULL && seen->as == VERIFIED_CLEAN ? seen : NULL;
}

static int
fixes(const struct freeze *freeze, char **why, struct err *err)
{
    AUTO(mem_free) char *range = mem_printf("%s..HEAD", freeze->base);
    const char *const words[] = {
        "log", "--format=%(trailers:key=Nightjar-Fixes,valueonly)", range, "--"};
    AUTO(buf_clear) struct buf said = {.max = GIT_OUTPUT_MAX};
    AUTO(strv_clear) struct strv names = {0};
    int rc = git_ask(words, COUNT(words), &said, err);

    if (rc < 0) {
        return rc;
    }
    split(&said, '\n', &names);
    for (size_t i = 0; i < names.n; i++) {
        const struct sighting *seen = proves_fix(freeze, names.v[i]);
        if (seen == NULL) {
            return 0;
        }
        mem_free(*why);
        *why = mem_printf("it fixes NJ-%lld: clean in %d runs", (long long)seen->bug,
                          seen->n);
    }
    return names.n > 0;
}

/* --- reverts --- */

static int
same_as(const char *commit, const struct strv *files, bool *same, struct err *err)
{
    AUTO(mem_free) const char **words = mem_array(files->n + 6, sizeof(*words));
    AUTO(buf_clear) struct buf nothing = BUF_INIT;
    size_t n = 0;

    words[n++] = "--literal-pathspecs";
    words[n++] = "diff";
    words[n++] = "--quiet";
    words[n++] = commit;
    words[n++] = "HEAD";
    words[n++] = "--";
    for (size_t i = 0; i < files->n; i++) {
        words[n++] = files->v[i];
    }
    return git_run(NULL, words, n, &nothing, same, err);
}

static int
reverts(const struct freeze *freeze, char **why, struct err *err)
{
    AUTO(mem_free) char *limit = mem_printf("--max-count=%d", FREEZE_COMMITS);
    const char *const touched[] = {
        "diff", "--name-only", "--no-renames", "-z", freeze->base, "HEAD", "--"};
    const char *const earlier[] = {"rev-list", limit, "--skip=1", freeze->base, "--"};
    AUTO(buf_clear) struct buf names = {.max = GIT_OUTPUT_MAX};
    AUTO(buf_clear) struct buf list = {.max = GIT_OUTPUT_MAX};
    AUTO(strv_clear) struct strv files = {0};
    AUTO(strv_clear) struct strv commits = {0};
    int rc = git_ask(touched, COUNT(touched), &names, err);

    rc = rc < 0 ? rc : git_ask(earlier, COUNT(earlier), &list, err);
    split(&names, '\0', &files);
    split(&list, '\n', &commits);
    if (rc < 0 || files.n == 0 || files.n > FREEZE_FILES_MAX) {
        return rc;
    }
    for (size_t i = 0; i < commits.n; i++) {
        bool same = false;
        rc = same_as(commits.v[i], &files, &same, err);
        if (rc < 0) {
            return rc;
        }
        if (same) {
            *why = mem_printf("it takes all that it touches back to %.12s", commits.v[i]);
            return 1;
        }
    }
    return 0;
}

/* --- overrides --- */

/* git wants a file of the disk: that of the base branch, not the change's. */
static int
write_signers(const struct freeze *freeze, const char *folder, char **path,
              struct err *err)
{
    AUTO(mem_free) char *name = mem_printf("%s:%s", freeze->base, freeze->signers);
    const char *const words[] = {"show", name};
    AUTO(buf_clear) struct buf text = {.max = GIT_OUTPUT_MAX};
    AUTO(mem_free) char *to = fs_join(folder, "allowed-signers");
    int rc = git_ask(words, COUNT(words), &text, err);

    rc = rc < 0 ? rc : fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_write(to, buf_str(&text), text.len, 0600, err);
    *path = rc < 0 ? NULL : STEAL(to);
    return rc;
}

static int
leave_override(struct store *store, const char *commit, const char *who,
               const char *reason, int64_t until, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(mem_free) char *actor = str_name_dup(who);
    char expires[CLOCK_TEXT_MAX];

    clock_iso(expires, until);
    json_put(detail, "commit", json_text(commit));
    json_put(detail, "reason", json_text(reason));
    json_put(detail, "expires", json_string(expires));
    const struct event event = {.kind = "gate.override",
                                .subject = "gate",
                                .to = "override",
                                .detail = detail,
                                .actor = actor};
    return store_event(store, &event, err);
}

/* A line each: commit, time, reason, signer. */
static int
read_override(const char *config, struct strv *out, struct err *err)
{
    const char *const words[] = {
        "-c",
        "gpg.format=ssh",
        "-c",
        config,
        "log",
        "-1",
        "--format=%H%n%ct%n%(trailers:key=Nightjar-Override,valueonly)%n%GS",
        "HEAD"};
    AUTO(buf_clear) struct buf said = {.max = GIT_OUTPUT_MAX};
    int rc = git_ask(words, COUNT(words), &said, err);

    split(&said, '\n', out);
    return rc;
}

static int
overrides(const struct freeze *freeze, struct store *store, char **why, struct err *err)
{
    AUTO(mem_free) char *work = fs_join(store_folder(store), "work");
    AUTO(mem_free) char *path = NULL;
    AUTO(strv_clear) struct strv said = {0};
    AUTO(buf_clear) struct buf nothing = BUF_INIT;
    struct err absent = ERR_INIT;
    bool good = false;
    int64_t at = 0;

    if (freeze->signers == NULL || write_signers(freeze, work, &path, &absent) < 0) {
        return 0; /* the base branch names nobody */
    }
    AUTO(mem_free) char *config = mem_printf("gpg.ssh.allowedSignersFile=%s", path);
    const char *const verify[] = {"-c",   "gpg.format=ssh", "-c",
                                  config, "verify-commit",  "HEAD"};
    int rc = git_run(NULL, verify, COUNT(verify), &nothing, &good, err);
    rc = rc < 0 || !good ? rc : read_override(config, &said, err);
    (void)unlink(path);
    if (rc < 0 || !good || said.n != 4 ||
        /* one of the future would last for ever; clocks differ a little */
        str_number("time", said.v[1], 0, (clock_wall_ms() + HOUR_MS) / 1000, &at, NULL) <
            0) {
        return rc;
    }
    int64_t until = at * 1000 + FREEZE_OVERRIDE_HOURS * HOUR_MS;
    if (clock_wall_ms() >= until) {
        return 0;
    }
    *why = mem_printf("%s overrides: %s", said.v[3], said.v[2]);
    rc = leave_override(store, said.v[0], said.v[3], said.v[2], until, err);
    return rc < 0 ? rc : 1;
}

int
freeze_exempts(const struct freeze *freeze, struct store *store, char **why,
               struct err *err)
{
    AUTO(mem_free) char *reason = NULL;
    int rc = fixes(freeze, &reason, err);

    if (rc == 0) {
        mem_free(STEAL(reason));
        rc = reverts(freeze, &reason, err);
    }
    rc = rc == 0 ? overrides(freeze, store, &reason, err) : rc;
    *why = rc == 1 ? STEAL(reason) : NULL;
    return rc;
}
