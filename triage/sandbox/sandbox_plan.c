/* A plan as words "key=value", and back. Only sandbox_wrap() writes them; a mistake in
 * them is ours. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

void
plan_clear(struct plan *plan)
{
    mem_free(plan->tmp);
    mem_free(plan->cwd);
    strv_clear(&plan->bwrap);
    strv_clear(&plan->grants);
    strv_clear(&plan->inner);
    strv_clear(&plan->command);
    memset(plan, 0, sizeof(*plan));
}

static void
add_list(struct strv *argv, const char *key, const struct strv *list)
{
    for (size_t i = 0; i < list->n; i++) {
        strv_addf(argv, "%s=%s", key, list->v[i]);
    }
}

void
plan_words(const struct plan *plan, struct strv *argv)
{
    strv_add(argv, PROC_SELF);
    strv_add(argv, SANDBOX_VERB);
    strv_add(argv, SANDBOX_PLAN);
    strv_addf(argv, "rung=%s", sandbox_rung_name(plan->rung));
    strv_addf(argv, "uid=%u", (unsigned)plan->who.uid);
    strv_addf(argv, "gid=%u", (unsigned)plan->who.gid);
    strv_addf(argv, "drop=%d", plan->who.drop);
    strv_addf(argv, "alone=%d", plan->who.alone);
    strv_addf(argv, "nested=%d", plan->nested);
    strv_addf(argv, "lasting=%d", plan->lasting);
    strv_addf(argv, "bytes=%lld", (long long)plan->tmp_bytes);
    strv_addf(argv, "processes=%d", plan->processes);
    strv_addf(argv, "abi=%d", plan->abi);
    strv_addf(argv, "tmp=%s", plan->tmp);
    if (plan->cwd != NULL) {
        strv_addf(argv, "cwd=%s", plan->cwd);
    }
    add_list(argv, "bwrap", &plan->bwrap);
    add_list(argv, "grant", &plan->grants);
    add_list(argv, "inner", &plan->inner);
    strv_add(argv, "--");
    strv_add_all(argv, &plan->command);
}

/* The value if the word is of that key, else NULL. */
static const char *
value_of(const char *word, const char *key)
{
    size_t len = strlen(key);

    return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

/* 1: the word was a number of the plan; 0: it is none. */
static int
parse_number(const char *word, struct plan *plan, struct err *err)
{
    static const char *const keys[] = {"uid",   "gid",       "drop", "alone",  "nested",
                                       "bytes", "processes", "abi",  "lasting"};
    int64_t number = 0;

    for (size_t i = 0; i < COUNT(keys); i++) {
        const char *value = value_of(word, keys[i]);
        int rc =
            value == NULL ? 0 : str_number(keys[i], value, 0, INT64_MAX, &number, err);
        if (rc < 0) {
            return rc;
        }
        if (value == NULL) {
            continue;
        }
        switch (i) {
        case 0:
            plan->who.uid = (uid_t)number;
            break;
        case 1:
            plan->who.gid = (gid_t)number;
            break;
        case 2:
            plan->who.drop = number != 0;
            break;
        case 3:
            plan->who.alone = number != 0;
            break;
        case 4:
            plan->nested = number != 0;
            break;
        case 5:
            plan->tmp_bytes = number;
            break;
        case 6:
            plan->processes = (int)number;
            break;
        case 7:
            plan->abi = (int)number;
            break;
        default:
            plan->lasting = number != 0;
            break;
        }
        return 1;
    }
    return 0;
}

static int
parse_text(const char *word, struct plan *plan, struct err *err)
{
    struct {
        const char *key;
        char **text;
        struct strv *list;
    } table[] = {
        {"tmp", &plan->tmp, NULL},     {"cwd", &plan->cwd, NULL},
        {"bwrap", NULL, &plan->bwrap}, {"grant", NULL, &plan->grants},
        {"inner", NULL, &plan->inner},
    };
    const char *rung = value_of(word, "rung");

    if (rung != NULL) {
        return sandbox_rung_parse(rung, &plan->rung, err);
    }
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *value = value_of(word, table[i].key);
        if (value != NULL && table[i].list != NULL) {
            strv_add(table[i].list, value);
            return 0;
        }
        if (value != NULL) {
            mem_free(*table[i].text);
            *table[i].text = mem_strdup(value);
            return 0;
        }
    }
    AUTO(mem_free) char *name = str_name_dup(word);
    return err_set(err, -EINVAL, "unknown word '%s' in a sandbox's plan", name);
}

int
plan_parse(char *const *words, struct plan *out, struct err *err)
{
    AUTO(plan_clear) struct plan plan = {.rung = SANDBOX_AUTO};
    size_t i = 1;

    if (words[0] == NULL || strcmp(words[0], SANDBOX_PLAN) != 0) {
        return err_set(err, -EINVAL, "'%s' is for nightjar itself", SANDBOX_VERB);
    }
    for (; words[i] != NULL && strcmp(words[i], "--") != 0; i++) {
        int rc = parse_number(words[i], &plan, err);
        rc = rc == 0 ? parse_text(words[i], &plan, err) : rc;
        if (rc < 0) {
            return rc;
        }
    }
    for (i += words[i] != NULL; words[i] != NULL; i++) {
        strv_add(&plan.command, words[i]);
    }
    if (plan.command.n == 0 || plan.tmp == NULL || plan.rung == SANDBOX_AUTO) {
        return err_set(err, -EINVAL, "a sandbox's plan without command, folder or kind");
    }
    *out = plan;
    memset(&plan, 0, sizeof(plan));
    return 0;
}
