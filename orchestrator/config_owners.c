/* Whose bugs are: CODEOWNERS of the source tree, as rules for the store. */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "triage/codeowners.h"

struct rules {
    const char *root, *name; /* borrowed */
    struct owner_rule *v;
    size_t n;
    struct strv texts; /* which they borrow: pattern, owners, origin of each */
};

static void
rules_clear(struct rules *rules)
{
    mem_free(rules->v);
    strv_clear(&rules->texts);
}
AUTO_DEFINE_CLEAR(struct rules, rules_clear)

static int
add_rule(void *user, int line, const char *pattern, const char *owners, struct err *err)
{
    struct rules *rules = user;
    AUTO(mem_free) char *shown = str_name_dup(owners);
    AUTO(mem_free) char *name = str_name_dup(rules->name);

    (void)err;
    strv_add(&rules->texts, pattern);
    strv_add(&rules->texts, shown); /* they are printed as they are kept */
    strv_addf(&rules->texts, "%s:%d", name, line);
    rules->n++;
    return 0;
}

/* Once all texts are there. */
static void
borrow_texts(struct rules *rules)
{
    rules->v = mem_array(rules->n + 1, sizeof(*rules->v));
    for (size_t i = 0; i < rules->n; i++) {
        char **texts = rules->texts.v + 3 * i;
        rules->v[i] = (struct owner_rule){.pattern = texts[0],
                                          .owners = texts[1],
                                          .origin = texts[2],
                                          .root = rules->root};
    }
}

/* The folder of nightjar.yaml; new. */
static char *
folder_of(const struct config *config)
{
    AUTO(mem_free) char *path = fs_absolute(config->path == NULL ? "x" : config->path);

    return mem_dup(path, (size_t)(fs_base(path) - path));
}

/* The file; new, NULL: there is none. */
static char *
find_file(const struct config *config, const char *folder)
{
    static const char *const places[] = {"CODEOWNERS", ".github/CODEOWNERS",
                                         "docs/CODEOWNERS"};

    if (config->owners.file != NULL) {
        return mem_strdup(config->owners.file);
    }
    for (size_t i = 0; i < COUNT(places); i++) {
        AUTO(mem_free) char *path = fs_join(folder, places[i]);
        if (fs_exists(path) && !fs_is_folder(path)) {
            return STEAL(path);
        }
    }
    return NULL;
}

int
config_put_owners(const struct config *config, struct store *store, struct err *err)
{
    AUTO(mem_free) char *folder = folder_of(config);
    AUTO(mem_free) char *path = find_file(config, folder);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf root = BUF_INIT;
    AUTO(rules_clear) struct rules rules = {.name = path == NULL ? "" : fs_base(path)};

    for (size_t i = 0; i < config->owners.roots.n; i++) {
        buf_addf(&root, "%s\n", config->owners.roots.v[i]);
    }
    buf_adds(&root, folder);
    rules.root = buf_str(&root);
    int rc = path == NULL ? 0 : fs_read(path, CODEOWNERS_MAX, &text, err);
    rc = rc < 0 ? rc : codeowners_read(buf_str(&text), add_rule, &rules, err);
    if (rc < 0) {
        return err_wrap(err, rc, "owners");
    }
    borrow_texts(&rules);
    return store_put_owner_rules(store, rules.v, rules.n, err);
}
