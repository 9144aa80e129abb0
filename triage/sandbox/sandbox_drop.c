#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "triage/sandbox/sandbox_private.h"

enum { CAPABILITIES_MAX = 64 }; /* bits that capset() knows */

/* Needs CAP_SETPCAP, which a container may lack; with no_new_privs the bounding set
 * cannot help anybody back to a capability anyway. */
static void
drop_bounding_set(void)
{
    for (unsigned long cap = 0; cap < CAPABILITIES_MAX; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno == EINVAL) {
            return; /* beyond the kernel's last */
        }
    }
}

int
drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    drop_bounding_set();
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    memset(none, 0, sizeof(none));
    if (syscall(SYS_capset, &header, none) < 0) {
        return -1;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
drop_root(const struct sandbox_identity *who)
{
    if (!who->drop) {
        return drop_capabilities();
    }
    if (setgroups(0, NULL) < 0 || setresgid(who->gid, who->gid, who->gid) < 0) {
        return -1;
    }
    drop_bounding_set(); /* while we may */
    if (setresuid(who->uid, who->uid, who->uid) < 0) {
        return -1;
    }
    if (setresuid((uid_t)-1, 0, (uid_t)-1) ==
        0) { /* the one check that a lost error cannot fool */
        errno = EPERM;
        return -1;
    }
    return drop_capabilities();
}
