#include "orchestrator/cmd/artifacts.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/repro.h"

static const char name[] = "artifacts";

static bool
is_wanted(const struct finding *finding)
{
    return finding->blocking || finding->class == FINDING_NEW ||
           finding->class == FINDING_REGRESSED || finding->class == FINDING_CHANGED ||
           finding->class == FINDING_UNATTRIBUTED;
}

/* "NJ-12" and nothing else: the folder may be somebody else's, too. */
static bool
is_ours(const char *entry)
{
    return str_starts(entry, "NJ-") && entry[3] != '\0' &&
           strspn(entry + 3, "0123456789") == strlen(entry + 3);
}

static int
remove_old(const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return errno == ENOENT ? 0 : err_sys(err, "%s", folder);
    }
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (is_ours(entry->d_name)) {
            AUTO(mem_free) char *path = fs_join(folder, entry->d_name);
            rc = fs_remove(path, err);
        }
    }
    (void)closedir(dir);
    return rc;
}

static int
write_one(struct store *store, struct finding *finding, const char *folder,
          struct err *err)
{
    AUTO(repro_clear) struct subject subject = {0};
    AUTO(strv_clear) struct strv written = {0};
    AUTO(mem_free) char *own = fs_join(folder, finding->bug.name);
    const struct strv known = {0};
    int rc = repro_load(store, finding->bug.id, &known, &subject, err);

    if (rc == -ENODATA || rc == -ENOENT) {
        return 0;
    }
    rc = rc < 0 ? rc : repro_export(&subject, own, &written, err);
    if (rc == 0) {
        mem_free(finding->artifacts);
        finding->artifacts = mem_printf("%s/%s", name, finding->bug.name);
    }
    return rc;
}

int
artifacts_write(struct store *store, struct findings *findings, const char *folder,
                struct err *err)
{
    AUTO(mem_free) char *root = fs_join(folder, name);
    int rc = remove_old(root, err);
    int written = 0;

    for (size_t i = 0;
         rc == 0 && !findings->untrusted && i < findings->n && written < ARTIFACTS_MAX;
         i++) {
        if (is_wanted(&findings->v[i])) {
            rc = write_one(store, &findings->v[i], root, err);
            written += findings->v[i].artifacts != NULL;
        }
    }
    return rc < 0 ? err_wrap(err, rc, "write the artifacts") : 0;
}
