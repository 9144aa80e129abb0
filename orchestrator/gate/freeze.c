#include "orchestrator/gate/freeze.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/git.h"

#define HOUR_MS INT64_C(3600000)

bool
freeze_is_due(const struct slo *slo)
{
    return slo->budget > 0 && slo_exhausted(slo);
}

struct asking {
    const struct freeze *freeze;
    struct store *store;
    char *why;        /* it is exempt; owned */
    struct strv vain; /* what was claimed, and why that does not do */
};

static void
asking_clear(struct asking *asking)
{
    mem_free(asking->why);
    strv_clear(&asking->vain);
}
AUTO_DEFINE_CLEAR(struct asking, asking_clear)

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
fixes(struct asking *asking, struct err *err)
{
    const struct freeze *freeze = asking->freeze;
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
            strv_addf(&asking->vain,
                      "it says that it fixes %.80s, which was not open or is not clean",
                      names.v[i]);
            return 0;
        }
        mem_free(asking->why);
        asking->why = mem_printf("it fixes NJ-%lld: clean in %d runs",
                                 (long long)seen->bug, seen->n);
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
reverts(struct asking *asking, struct err *err)
{
    const struct freeze *freeze = asking->freeze;
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
            asking->why =
                mem_printf("it takes all that it touches back to %.12s", commits.v[i]);
            return 1;
        }
    }
    return 0;
}

/* --- overrides --- */

/* The change's last commit: HEAD, or what HEAD merges into the base, as CI systems check
 * a change out. Only where it is the merge that git makes: whoever makes one by hand may
 * put anything into it. */
static int
last_commit(const struct freeze *freeze, char **out, struct err *err)
{
    AUTO(mem_free) char *base = mem_printf("%s^{commit}", freeze->base);
    const char *const parents[] = {"rev-parse", base, "HEAD^1", "HEAD^2", "HEAD^{tree}"};
    const char *const merge[] = {"merge-tree", "--write-tree", "HEAD^1", "HEAD^2"};
    const char *const head[] = {"rev-parse", "HEAD"};
    AUTO(buf_clear) struct buf said = {.max = GIT_OUTPUT_MAX};
    AUTO(buf_clear) struct buf made = {.max = GIT_OUTPUT_MAX};
    AUTO(buf_clear) struct buf own = {.max = GIT_OUTPUT_MAX};
    AUTO(strv_clear) struct strv names = {0};
    AUTO(strv_clear) struct strv trees = {0};
    bool merges = false;
    int rc = git_run(NULL, parents, COUNT(parents), &said, &merges, err);

    split(&said, '\n', &names);
    merges = merges && names.n == 4 && strcmp(names.v[0], names.v[1]) == 0;
    if (rc == 0 && merges) {
        rc = git_run(NULL, merge, COUNT(merge), &made, &merges, err);
        split(&made, '\n', &trees);
        merges = merges && trees.n == 1 && strcmp(trees.v[0], names.v[3]) == 0;
    }
    rc = rc < 0 ? rc : git_ask(head, COUNT(head), &own, err);
    if (rc == 0) {
        size_t len = strcspn(buf_str(&own), "\n");
        *out = merges ? mem_strdup(names.v[2]) : mem_dup(buf_str(&own), len);
    }
    return rc;
}

struct override {
    char *commit;
    char *reason, *who;
    const char *by; /* "signature", "token" */
    int64_t at;     /* wall ms: when it was committed */
};

static void
override_clear(struct override *override)
{
    mem_free(override->commit);
    mem_free(override->reason);
    mem_free(override->who);
}
AUTO_DEFINE_CLEAR(struct override, override_clear)

/* A line each: time, reason. No reason: it overrides nothing. */
static int
read_override(const struct freeze *freeze, struct override *override, struct err *err)
{
    const char *const words[] = {
        "log", "-1", "--format=%ct%n%(trailers:key=Nightjar-Override,valueonly,unfold)",
        override->commit, "--"};
    AUTO(buf_clear) struct buf said = {.max = GIT_OUTPUT_MAX};
    AUTO(strv_clear) struct strv lines = {0};
    int64_t at = 0;
    int rc = git_ask(words, COUNT(words), &said, err);

    split(&said, '\n', &lines);
    if (rc == 0 && (lines.n == 0 ||
                    /* one of the future would last for ever; clocks differ a little */
                    str_number("time", lines.v[0], 0, (freeze->now + HOUR_MS) / 1000, &at,
                               NULL) < 0)) {
        return err_set(err, -EINVAL, "the commit %.12s is of no time, or of the future",
                       override->commit);
    }
    override->at = at * 1000;
    if (rc == 0 && lines.n > 1) {
        mem_free(override->reason);
        override->reason = mem_strdup(lines.v[1]);
    }
    return rc;
}

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

/* Whose signature git takes for good; NULL: nobody's. */
static int
read_signer(const char *commit, const char *signers, char **who, struct err *err)
{
    AUTO(mem_free) char *config = mem_printf("gpg.ssh.allowedSignersFile=%s", signers);
    const char *const verify[] = {"-c",   "gpg.format=ssh", "-c",
                                  config, "verify-commit",  commit};
    const char *const name[] = {"-c", "gpg.format=ssh", "-c",   config, "log",
                                "-1", "--format=%GS",   commit, "--"};
    AUTO(buf_clear) struct buf nothing = BUF_INIT;
    AUTO(buf_clear) struct buf said = BUF_INIT;
    bool good = false;
    int rc = git_run(NULL, verify, COUNT(verify), &nothing, &good, err);

    rc = rc < 0 || !good ? rc : git_ask(name, COUNT(name), &said, err);
    if (rc == 0 && good) {
        *who = mem_dup(buf_str(&said), strcspn(buf_str(&said), "\n"));
    }
    return rc;
}

static int
by_signature(struct asking *asking, struct override *override, struct err *err)
{
    AUTO(mem_free) char *work = fs_join(store_folder(asking->store), "work");
    AUTO(mem_free) char *path = NULL;
    struct err absent = ERR_INIT;

    if (asking->freeze->signers == NULL ||
        write_signers(asking->freeze, work, &path, &absent) < 0) {
        strv_add(&asking->vain, "its commit would override, but the base branch has no "
                                "file of allowed signers");
        return 0;
    }
    int rc = read_signer(override->commit, path, &override->who, err);
    (void)unlink(path);
    if (rc == 0 && override->who == NULL) {
        strv_add(&asking->vain, "its commit would override, but is not signed by anybody "
                                "whom the base branch allows to");
    }
    override->by = "signature";
    return rc;
}

/* The policy holds hashes alone: a token is random and long. */
static void
by_token(struct asking *asking, struct override *override)
{
    const struct gate_tokens *known = asking->freeze->tokens;
    const char *token = asking->freeze->token;
    char hash[HASH_HEX_MAX];

    hash_sha256(token, strlen(token), hash);
    for (size_t i = 0; i < known->n; i++) {
        if (strcmp(known->v[i].sha256, hash) == 0) {
            override->who = mem_strdup(known->v[i].owner);
        }
    }
    override->by = "token";
    if (override->who == NULL) {
        strv_add(&asking->vain,
                 "the token to override with is none of gate: budget: override_tokens:");
    }
}

struct looking {
    const struct override *override;
    int64_t first; /* wall ms */
};

static int
look_at(void *user, const struct event_row *event, struct err *err)
{
    struct looking *looking = user;
    const struct override *own = looking->override;
    AUTO(mem_free) char *actor = str_name_dup(own->who);

    (void)err;
    if (strcmp(event->kind, "gate.override") == 0 && strcmp(event->actor, actor) == 0 &&
        strcmp(json_get_str(event->detail, "by", ""), own->by) == 0 &&
        strcmp(json_get_str(event->detail, "commit", ""), own->commit) == 0 &&
        event->at < looking->first) {
        looking->first = event->at;
    }
    return 0;
}

/* A token says nothing of time: its override begins when it was first used for a commit.
 */
static int
begin_override(const struct asking *asking, struct override *override, struct err *err)
{
    struct event_range range = {.subject = "gate", .limit = BASELINE_RUNS};
    struct looking looking = {override, asking->freeze->now};
    int rc = store_events(asking->store, &range, look_at, &looking, err);

    override->at = looking.first;
    return rc;
}

static int
leave_override(struct store *store, const struct override *override, int64_t until,
               struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(mem_free) char *actor = str_name_dup(override->who);

    json_put(detail, "commit", json_text(override->commit));
    json_put(detail, "reason", json_text(override->reason));
    json_put(detail, "by", json_string(override->by));
    json_put(detail, "expires", json_time(until));
    const struct event event = {.kind = "gate.override",
                                .subject = "gate",
                                .to = "override",
                                .detail = detail,
                                .actor = actor};
    return store_event(store, &event, err);
}

static int
overrides(struct asking *asking, struct err *err)
{
    const struct freeze *freeze = asking->freeze;
    AUTO(override_clear) struct override override = {0};
    int rc = last_commit(freeze, &override.commit, err);

    override.reason = freeze->reason == NULL ? NULL : mem_strdup(freeze->reason);
    rc = rc < 0 || freeze->token != NULL ? rc : read_override(freeze, &override, err);
    if (rc < 0 || override.reason == NULL) {
        return rc;
    }
    if (freeze->token != NULL) {
        by_token(asking, &override);
        rc = override.who == NULL ? 0 : begin_override(asking, &override, err);
    } else {
        rc = by_signature(asking, &override, err);
    }
    int64_t until = override.at + FREEZE_OVERRIDE_HOURS * HOUR_MS;
    if (rc < 0 || override.who == NULL) {
        return rc;
    }
    if (freeze->now >= until) {
        strv_addf(&asking->vain, "the override of %s is older than %d hours",
                  override.who, FREEZE_OVERRIDE_HOURS);
        return 0;
    }
    asking->why = mem_printf("%s overrides: %s", override.who, override.reason);
    rc = leave_override(asking->store, &override, until, err);
    return rc < 0 ? rc : 1;
}

static char *
join(const struct strv *list)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (size_t i = 0; i < list->n; i++) {
        buf_addf(&out, "%s%s", i == 0 ? "" : "; ", list->v[i]);
    }
    return list->n == 0 ? NULL : buf_steal(&out);
}

int
freeze_exempts(const struct freeze *freeze, struct store *store, char **why,
               struct err *err)
{
    static int (*const ways[])(struct asking *, struct err *) = {fixes, reverts,
                                                                 overrides};
    AUTO(asking_clear) struct asking asking = {.freeze = freeze, .store = store};
    int rc = 0;

    for (size_t i = 0; i < COUNT(ways) && rc == 0; i++) {
        mem_free(STEAL(asking.why));
        rc = ways[i](&asking, err);
    }
    *why = rc == 1 ? STEAL(asking.why) : rc == 0 ? join(&asking.vain) : NULL;
    return rc;
}
