/*
 * Landlock: rights on files by allow-list, no TCP, no signals and no abstract sockets
 * beyond the own domain, as far as the kernel's ABI goes. The numbers are those of
 * linux/landlock.h (Linux 6.12); Debian's header is older than the kernels that this runs
 * on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

#define FS_EXECUTE      (1ULL << 0)
#define FS_WRITE_FILE   (1ULL << 1)
#define FS_READ_FILE    (1ULL << 2)
#define FS_READ_DIR     (1ULL << 3)
#define FS_REMOVE_DIR   (1ULL << 4)
#define FS_REMOVE_FILE  (1ULL << 5)
#define FS_MAKE_CHAR    (1ULL << 6)
#define FS_MAKE_DIR     (1ULL << 7)
#define FS_MAKE_REG     (1ULL << 8)
#define FS_MAKE_SOCK    (1ULL << 9)
#define FS_MAKE_FIFO    (1ULL << 10)
#define FS_MAKE_BLOCK   (1ULL << 11)
#define FS_MAKE_SYM     (1ULL << 12)
#define FS_REFER        (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE     (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV    (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP    (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT  (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL    (1ULL << 1)

enum { VERSION_FLAG = 1, RULE_PATH_BENEATH = 1 };

struct ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

int
landlock_abi(void)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0UL, (unsigned long)VERSION_FLAG);

    return abi < 0 ? 0 : (int)abi;
}

/* All that this kernel can deny. */
static struct ruleset
all_rights(int abi)
{
    struct ruleset all = {.fs = FS_REFER - 1};

    all.fs |= abi >= 2 ? FS_REFER : 0;
    all.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    all.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    all.net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
    all.scoped = abi >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0;
    return all;
}

static uint64_t
rights_of(char what)
{
    const uint64_t on_files = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE;

    switch (what) {
    case GRANT_READ:
        return FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
    case GRANT_WRITE:
        return on_files | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
               FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER;
    case GRANT_LIST:
        return FS_READ_DIR;
    case GRANT_PROC:
        return FS_READ_FILE | FS_READ_DIR;
    default:
        return FS_WRITE_FILE | FS_READ_FILE | FS_IOCTL_DEV;
    }
}

static int
allow(int ruleset, const struct ruleset *all, char what, const char *path,
      struct err *err)
{
    const uint64_t on_files =
        FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    AUTO(fd_close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_rule rule = {.allowed = rights_of(what) & all->fs, .parent_fd = fd};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        if (errno == ENOENT) {
            return 0; /* it went away; so much the less is granted */
        }
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_sys(err, "open '%s'", name);
    }
    rule.allowed &= S_ISDIR(st.st_mode) ? ~0ULL : on_files;
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_sys(err, "grant '%s' by Landlock", name);
    }
    return 0;
}

int
landlock_confine(const struct plan *plan, const char *work, struct err *err)
{
    struct ruleset all = all_rights(landlock_abi());
    AUTO(fd_close)
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0UL);
    int rc = 0;

    if (ruleset < 0) {
        return err_sys(err, "make Landlock rules");
    }
    for (size_t i = 0; i < plan->grants.n && rc == 0; i++) {
        rc = allow(ruleset, &all, plan->grants.v[i][0], plan->grants.v[i] + 1, err);
    }
    rc = rc < 0 || work == NULL ? rc : allow(ruleset, &all, GRANT_WRITE, work, err);
    if (rc < 0) {
        return rc;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0UL) < 0) {
        return err_sys(err, "apply Landlock rules");
    }
    return 0;
}
