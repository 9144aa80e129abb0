#include "triage/sandbox.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

static const char *const rung_names[] = {
    [SANDBOX_AUTO] = "auto",
    [SANDBOX_BWRAP] = "bwrap",
    [SANDBOX_LANDLOCK] = "landlock",
    [SANDBOX_NONE] = "none",
    NULL,
};

int
sandbox_rung_parse(const char *name, enum sandbox_rung *out, struct err *err)
{
    for (size_t i = 0; rung_names[i] != NULL; i++) {
        if (strcmp(rung_names[i], name) == 0) {
            *out = (enum sandbox_rung)i;
            return 0;
        }
    }
    AUTO(mem_free) char *shown = str_name_dup(name);
    return err_set(err, -EINVAL, "unknown sandbox '%s': auto, bwrap, landlock or none",
                   shown);
}

const char *
sandbox_rung_name(enum sandbox_rung rung)
{
    return rung_names[rung];
}

void
sandbox_policy_clear(struct sandbox_policy *policy)
{
    strv_clear(&policy->read);
    strv_clear(&policy->write);
    strv_clear(&policy->hide);
}

char *
sandbox_home(void)
{
    const char *home = getenv("HOME");
    struct passwd user;
    struct passwd *found = NULL;
    char text[4096];
    char *real = NULL;

    if (home == NULL || home[0] != '/') {
        (void)getpwuid_r(geteuid(), &user, text, sizeof(text), &found);
        home = found == NULL ? NULL : found->pw_dir;
    }
    return home == NULL || fs_real(home, &real, NULL) < 0 ? NULL : real;
}

/* What a sandbox never shows as a whole, and why; NULL when the (real) path is harmless.
 */
static const char *
forbidden(const char *real)
{
    static const char *const never[] = {"/proc", "/sys", "/dev", "/tmp"};
    AUTO(mem_free) char *home = sandbox_home();

    if (strcmp(real, "/") == 0) {
        return "everything";
    }
    if (home != NULL && path_within(home, real)) {
        return "the home folder";
    }
    for (size_t i = 0; i < COUNT(never); i++) {
        if (strcmp(real, never[i]) == 0) {
            return "what the sandbox has a private one of";
        }
    }
    if ((path_within(real, "/proc") || path_within(real, "/sys") ||
         path_within(real, "/dev")) &&
        (!path_within(real, "/dev/shm") || strcmp(real, "/dev/shm") == 0)) {
        return "what the sandbox has a private one of";
    }
    return NULL;
}

static int
check_entry(const char *path, bool folder, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(mem_free) char *real = NULL;

    if (path[0] != '/') {
        return err_set(err, -EINVAL, "'%s' is not absolute: a sandbox needs whole paths",
                       name);
    }
    int rc = fs_real(path, &real, err);
    if (rc < 0) {
        return rc;
    }
    const char *what = forbidden(real);
    if (what != NULL) {
        return err_set(err, -EINVAL,
                       "'%s' holds %s, which a sandbox never shows: name the target's "
                       "own folder or file below it",
                       name, what);
    }
    if (folder && !fs_is_folder(real)) {
        return err_set(
            err, -ENOTDIR,
            "'%s' is not a folder: a sandboxed program is given folders to write in",
            name);
    }
    return 0;
}

static int
check_policy(const struct sandbox_policy *policy, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < policy->read.n && rc == 0; i++) {
        bool missing = policy->read.v[i][0] == '/' && !fs_exists(policy->read.v[i]);
        rc = missing ? 0 : check_entry(policy->read.v[i], false, err);
    }
    for (size_t i = 0; i < policy->write.n && rc == 0; i++) {
        rc = check_entry(policy->write.v[i], true, err);
    }
    return rc;
}

static int
check_cwd(const struct sandbox_policy *policy, struct err *err)
{
    bool inside = policy->cwd == NULL;

    for (size_t i = 0; i < policy->write.n && !inside; i++) {
        inside = path_within(policy->cwd, policy->write.v[i]);
    }
    if (inside) {
        return 0;
    }
    AUTO(mem_free) char *name = str_name_dup(policy->cwd);
    return err_set(err, -EINVAL,
                   "the working folder '%s' is none of the writable folders", name);
}

/* Root's dropped self must reach whatever the policy shows. */
static int
check_reach(const struct plan *plan, const struct sandbox_policy *policy, struct err *err)
{
    bool all_the_way = plan->rung == SANDBOX_LANDLOCK;
    int rc = 0;

    for (size_t i = 0; i < policy->read.n && rc == 0; i++) {
        const char *path = policy->read.v[i];
        int want = fs_is_folder(path) ? R_OK | X_OK : R_OK;
        rc =
            fs_exists(path) ? sandbox_reach(&plan->who, path, want, all_the_way, err) : 0;
    }
    for (size_t i = 0; i < policy->write.n && rc == 0; i++) {
        rc = sandbox_reach(&plan->who, policy->write.v[i], R_OK | W_OK | X_OK,
                           all_the_way, err);
    }
    return rc < 0 ? rc
                  : sandbox_reach(&plan->who, plan->command.v[0], R_OK | X_OK,
                                  all_the_way, err);
}

/* Whether the command will find a file at path. */
static bool
is_visible(const struct view *view, const char *path)
{
    AUTO(mem_free) char *real = NULL;

    if (fs_real(path, &real, NULL) < 0) {
        return false;
    }
    const struct view_entry *entry = view_find(view, real);
    return entry != NULL && (entry->kind == VIEW_READ || entry->kind == VIEW_WRITE);
}

/* The program that the kernel starts in a file's place: of a script, or an ELF file's
 * loader. "" if none. */
static void
interpreter(const char *head, size_t len, struct buf *out)
{
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr;

    if (len > 2 && memcmp(head, "#!", 2) == 0) {
        size_t at = 2 + strspn(head + 2, " \t");
        buf_add(out, head + at, strcspn(head + at, " \t\r\n"));
        return;
    }
    if (len < sizeof(ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
        head[EI_CLASS] != ELFCLASS64) {
        return;
    }
    memcpy(&ehdr, head, sizeof(ehdr));
    for (size_t i = 0; i < ehdr.e_phnum; i++) {
        if (ehdr.e_phoff > len || (i + 1) * sizeof(phdr) > len - ehdr.e_phoff) {
            return;
        }
        memcpy(&phdr, head + ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));
        if (phdr.p_type == PT_INTERP && phdr.p_offset < len) {
            buf_add(out, head + phdr.p_offset,
                    strnlen(head + phdr.p_offset, len - phdr.p_offset));
            return;
        }
    }
}

static int
check_program(const struct view *view, const char *program, struct err *err)
{
    char head[4096] = "";
    AUTO(mem_free) char *name = str_name_dup(program);
    AUTO(buf_clear) struct buf loader = BUF_INIT;
    AUTO(fd_close) int fd = -1;

    if (program[0] != '/') {
        return err_set(err, -EINVAL, "'%s' is not absolute: a sandbox needs whole paths",
                       name);
    }
    if (!is_visible(view, program)) {
        return err_set(err, -EINVAL, "the program '%s' is not visible in its own sandbox",
                       name);
    }
    if (fs_open(program, &fd, NULL, NULL) < 0) {
        return 0; /* it may still be executable */
    }
    ssize_t len = fd_read(fd, head, sizeof(head) - 1);
    interpreter(head, len < 0 ? 0 : (size_t)len, &loader);
    if (loader.len > 0 && !is_visible(view, buf_str(&loader))) {
        AUTO(mem_free) char *loader_name = str_name_dup(buf_str(&loader));
        return err_set(err, -ENOEXEC,
                       "'%s' is run by '%s', which is not there, or not visible in the "
                       "sandbox: let the target read it",
                       name, loader_name);
    }
    return 0;
}

const char *
sandbox_tmp(void)
{
    const char *folder = getenv("TMPDIR");

    return folder != NULL && folder[0] == '/' && fs_is_folder(folder) ? folder : "/tmp";
}

static int
make_plan(const struct sandbox_policy *policy, struct plan *plan, struct err *err)
{
    AUTO(view_clear) struct view view = {NULL, 0};
    int rc = check_policy(policy, err);

    rc = rc < 0 ? rc : check_cwd(policy, err);
    rc = rc < 0 ? rc : view_make(policy, &view, err);
    rc = rc < 0 ? rc : check_program(&view, plan->command.v[0], err);
    rc = rc < 0 ? rc : check_reach(plan, policy, err);
    if (rc < 0) {
        return rc;
    }
    return plan->rung == SANDBOX_BWRAP ? plan_bwrap(policy, &view, plan, err)
                                       : plan_grants(&view, plan, err);
}

int
sandbox_wrap(enum sandbox_rung rung, const struct sandbox_policy *policy,
             const struct strv *command, struct strv *argv, struct err *err)
{
    AUTO(plan_clear)
    struct plan plan = {
        .rung = rung,
        .nested = policy->nested,
        .lasting = policy->lasting,
        .tmp_bytes = policy->tmp_bytes > 0 ? policy->tmp_bytes : SANDBOX_TMP_BYTES,
        .processes = policy->processes > 0 ? policy->processes : SANDBOX_PROCESSES,
        .abi = landlock_abi(),
        .tmp = mem_strdup(sandbox_tmp()),
        .cwd = mem_strdup(policy->cwd),
    };
    int rc = 0;

    if (rung == SANDBOX_AUTO || command->n == 0) {
        return err_set(err, -EINVAL,
                       command->n == 0 ? "no command to run in a sandbox"
                                       : "a sandbox must be chosen before it is used");
    }
    if (policy->lasting && rung != SANDBOX_BWRAP) {
        return err_set(err, -EINVAL, "only bubblewrap makes a sandbox for many runs");
    }
    strv_add_all(&plan.command, command);
    if (rung == SANDBOX_NONE) {
        plan.who = (struct sandbox_identity){false, false, geteuid(), getegid()};
    } else {
        rc = sandbox_identity(&plan.who, err);
        rc = rc < 0 ? rc : make_plan(policy, &plan, err);
    }
    if (rc < 0) {
        return rc;
    }
    plan_words(&plan, argv);
    proc_set_verb(SANDBOX_VERB, sandbox_run);
    return 0;
}

int
sandbox_refuse_output(const char *path, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(mem_free) char *absolute = fs_absolute(path);
    AUTO(mem_free) char *real = NULL;
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        const char *kind = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? "a device"
                           : S_ISFIFO(st.st_mode)                     ? "a pipe"
                                                                      : "a socket";
        return err_set(err, -EINVAL,
                       "'%s' is %s: a target may overwrite or unlink what it is given, "
                       "name a regular file",
                       name, kind);
    }
    const char *where = fs_real(path, &real, NULL) < 0 ? absolute : real;
    if (path_within(where, "/proc") || path_within(where, "/sys") ||
        (path_within(where, "/dev") && !path_within(where, "/dev/shm"))) {
        return err_set(err, -EINVAL,
                       "'%s' lies in the system's own folders: name a file elsewhere",
                       name);
    }
    return 0;
}
