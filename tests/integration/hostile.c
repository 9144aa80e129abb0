/*
 * The program that a sandbox is for. Each attempt is one word on the command line; it
 * exits with 0 when the attempt SUCCEEDED, 1 when it was stopped, 2 when it was not asked
 * rightly. The same word run without a sandbox shows that the test can fail. A '+' before
 * the argument keeps a sandbox from taking it for a file that the program is meant to
 * read.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIFE_S = 60, BOMB = 1500, CHUNK = 1 << 20 };

static int
verdict(int succeeded)
{
    return succeeded ? 0 : 1;
}

static int
try_read(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);

    return verdict(fd >= 0 && read(fd, &byte, 1) == 1);
}

static int
try_list(const char *path)
{
    return verdict(open(path, O_RDONLY | O_DIRECTORY) >= 0);
}

static int
try_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);

    return verdict(fd >= 0 && write(fd, "x", 1) == 1);
}

static int
try_unlink(const char *path)
{
    return verdict(unlink(path) == 0);
}

/* Every way to change a file that is not one's own to change. */
static int
try_change(const char *path)
{
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    int fd = open(path, O_RDONLY | O_TRUNC);

    return verdict(fd >= 0 || truncate(path, 0) == 0 || chmod(path, 0777) == 0 ||
                   syscall(452 /* fchmodat2 */, AT_FDCWD, path, 0777, 0) == 0 ||
                   utimensat(AT_FDCWD, path, times, 0) == 0 ||
                   rename(path, "stolen") == 0 || link(path, "linked") == 0);
}

/* A disk, by its node or by a node of one's own making. */
static int
try_disk(const char *unused)
{
    static const char *const nodes[] = {"/dev/sda", "/dev/vda", "/dev/nvme0n1",
                                        "/dev/mem", "/dev/kmsg"};

    (void)unused;
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        if (open(nodes[i], O_RDONLY | O_NONBLOCK) >= 0) {
            return 0;
        }
    }
    return verdict(mknod("node", S_IFBLK | 0600, makedev(254, 0)) == 0 &&
                   open("node", O_RDONLY) >= 0);
}

static int
try_tcp(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    return verdict(fd >= 0 &&
                   connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

/* A datagram to the same port number: succeeds without an answer, so the listener tells.
 */
static int
try_udp(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char answer;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const struct timeval second = {1, 0};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    return verdict(fd >= 0 &&
                   connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   send(fd, "x", 1, 0) == 1 && recv(fd, &answer, 1, 0) == 1);
}

static socklen_t
unix_address(const char *name, struct sockaddr_un *out)
{
    int abstract = name[0] == '@';

    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    (void)snprintf(out->sun_path + abstract, sizeof(out->sun_path) - 1, "%s",
                   name + abstract);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) +
                       (size_t)!abstract);
}

static int
try_unix(const char *name)
{
    struct sockaddr_un address;
    socklen_t len = unix_address(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    return verdict(fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0);
}

/* Families that no network namespace holds back, or that have seldom been looked at. */
static int
try_families(const char *unused)
{
    (void)unused;
    return verdict(socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 ||
                   socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 ||
                   socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static int
opens(const char *pid, const char *name, int flags)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    return open(path, flags) >= 0;
}

static int
try_peek(const char *pid_text)
{
    pid_t pid = (pid_t)strtol(pid_text, NULL, 10);
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {&byte, 1};

    return verdict(
        opens(pid_text, "mem", O_RDWR) || opens(pid_text, "environ", O_RDONLY) ||
        opens(pid_text, "maps", O_RDONLY) || ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ||
        process_vm_readv(pid, &here, 1, &there, 1, 0) == 1);
}

static int
try_forge(const char *pid)
{
    return verdict(opens(pid, "fd/1", O_WRONLY | O_NONBLOCK));
}

static int
try_kill(const char *pid)
{
    return verdict(kill((pid_t)strtol(pid, NULL, 10), SIGUSR2) == 0);
}

/* The indirect ways: a limit that kills, a descriptor that signals. */
static int
try_kill_sideways(const char *pid_text)
{
    pid_t pid = (pid_t)strtol(pid_text, NULL, 10);
    const struct rlimit same = {RLIM_INFINITY, RLIM_INFINITY};
    int fds[2];

    if (syscall(SYS_prlimit64, pid, RLIMIT_CPU, &same, NULL) == 0) {
        return 0;
    }
    if (pipe(fds) < 0 || fcntl(fds[0], F_SETOWN, pid) < 0 ||
        fcntl(fds[0], F_SETSIG, SIGUSR2) < 0 || fcntl(fds[0], F_SETFL, O_ASYNC) < 0) {
        return 1;
    }
    return verdict(write(fds[1], "x", 1) == 1);
}

static int
try_root(const char *unused)
{
    (void)unused;
    return verdict(geteuid() == 0 || setuid(0) == 0 || setresuid(0, 0, 0) == 0 ||
                   setgroups(0, NULL) == 0);
}

static int
try_namespace(const char *unused)
{
    (void)unused;
    return verdict(unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0);
}

/* A grandchild in a session of its own, deaf to all that can be ignored, and stopped. It
 * holds a lock, so that it can be seen from outside whatever number it has there. */
static int
try_outlive(const char *lock)
{
    int fd = open(lock, O_RDWR | O_CREAT, 0666);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return 2;
    }
    if (fork() == 0) {
        (void)setsid();
        if (fork() == 0) {
            for (int sig = 1; sig < NSIG; sig++) {
                (void)signal(sig, SIG_IGN);
            }
            (void)raise(SIGSTOP);
            (void)sleep(LIFE_S);
            _exit(0);
        }
        _exit(0);
    }
    (void)wait(NULL);
    return 0;
}

/* As outlive, but the parent stays, to be killed. */
static int
try_stay(const char *lock)
{
    (void)try_outlive(lock);
    (void)sleep(LIFE_S);
    return 0;
}

/* A segment of an odd size that nobody removes: from the command itself and from a
 * grandchild. */
static int
try_segment(const char *bytes)
{
    size_t size = (size_t)strtol(bytes, NULL, 10);

    if (shmget(IPC_PRIVATE, size, IPC_CREAT | 0600) < 0) {
        return 1;
    }
    (void)usleep(400000); /* long enough to have been seen */
    return 0;
}

/* Fill the working folder: with a big file, then with many. */
static int
try_fill(const char *megabytes)
{
    static char chunk[CHUNK];
    long most = strtol(megabytes, NULL, 10);
    long done = 0;

    memset(chunk, 'x', sizeof(chunk));
    (void)signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 100 && done < most; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "fill-%d", i);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        while (fd >= 0 && done < most && write(fd, chunk, sizeof(chunk)) == CHUNK) {
            done++;
        }
        (void)close(fd);
        (void)usleep(
            20000); /* a limit that is looked at now and then may be late by this */
    }
    return verdict(done >= most);
}

static int
try_bomb(const char *unused)
{
    (void)unused;
    for (int i = 0; i < BOMB; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)setsid();
            (void)sleep(LIFE_S);
            _exit(0);
        }
        if (pid < 0) {
            break; /* the kernel's limit; what is there stays */
        }
    }
    (void)sleep(LIFE_S);
    return 0;
}

static int
try_segv(const char *unused)
{
    (void)unused;
    (void)raise(SIGSEGV);
    return 2;
}

/* --- helpers outside
 * -------------------------------------------------------------------------------- */

static int
listener(int family, int type, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(family, type, 0);

    if (fd < 0 || bind(fd, address, len) < 0 ||
        (type == SOCK_STREAM && listen(fd, 8) < 0)) {
        perror("listen");
        exit(2);
    }
    return fd;
}

/* Listens by TCP, UDP, an abstract and a named socket; prints the port; answers
 * datagrams. */
static int
serve(const char *name)
{
    struct sockaddr_in inet = {.sin_family = AF_INET};
    struct sockaddr_un local;
    char abstract[120];
    socklen_t len = sizeof(inet);
    char byte;

    inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tcp = listener(AF_INET, SOCK_STREAM, (struct sockaddr *)&inet, sizeof(inet));
    (void)getsockname(tcp, (struct sockaddr *)&inet, &len);
    int udp = listener(AF_INET, SOCK_DGRAM, (struct sockaddr *)&inet, sizeof(inet));
    (void)snprintf(abstract, sizeof(abstract), "@%s", name);
    socklen_t local_len = unix_address(abstract, &local);
    (void)listener(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&local, local_len);
    local_len = unix_address(name, &local);
    (void)listener(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&local, local_len);
    (void)chmod(name, 0777);
    (void)printf("%d\n", ntohs(inet.sin_port));
    (void)fflush(stdout);
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    while (recvfrom(udp, &byte, 1, 0, (struct sockaddr *)&from, &from_len) == 1) {
        (void)sendto(udp, &byte, 1, 0, (struct sockaddr *)&from, from_len);
    }
    return 1;
}

/* Stands for a supervisor or a triage worker: keeps to itself, and says so when it was
 * signalled. */
static int
stand(const char *unused)
{
    sigset_t set;

    (void)unused;
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigwaitinfo(&set, NULL);
    (void)printf("signalled\n");
    return 0;
}

/* Run the rest of the command line where the kernel knows no Landlock. */
static int
without_landlock(char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("seccomp");
        return 2;
    }
    (void)execvp(argv[0], argv);
    perror(argv[0]);
    return 2;
}

static int
put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        perror(path);
        return -1;
    }
    return close(fd);
}

/* Run the rest of the command line, as root, in a user namespace that has all uids, but
 * may have no further namespace below it. The setting is that namespace's own, not the
 * machine's. */
static int
without_namespaces(char **argv)
{
    char path[64];
    char byte = 0;
    int unshared[2];
    int mapped[2];
    int status = 0;

    if (pipe(unshared) < 0 || pipe(mapped) < 0) {
        return 2;
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWUSER) < 0 || write(unshared[1], &byte, 1) != 1 ||
            read(mapped[0], &byte, 1) != 1 ||
            put("/proc/sys/user/max_user_namespaces", "0") < 0 ||
            setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
            perror("namespace");
            _exit(2);
        }
        (void)execvp(argv[0], argv);
        perror(argv[0]);
        _exit(2);
    }
    (void)!read(unshared[0], &byte, 1);
    (void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    if (put(path, "0 0 65536") < 0) {
        return 2;
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
    if (put(path, "0 0 65536") < 0 || write(mapped[1], &byte, 1) != 1) {
        return 2;
    }
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static const struct {
    const char *name;
    int (*run)(const char *argument);
} attempts[] = {
    {"read", try_read},       {"list", try_list},
    {"write", try_write},     {"unlink", try_unlink},
    {"change", try_change},   {"disk", try_disk},
    {"tcp", try_tcp},         {"udp", try_udp},
    {"unix", try_unix},       {"families", try_families},
    {"peek", try_peek},       {"forge", try_forge},
    {"kill", try_kill},       {"kill-sideways", try_kill_sideways},
    {"root", try_root},       {"namespace", try_namespace},
    {"outlive", try_outlive}, {"stay", try_stay},
    {"segment", try_segment}, {"fill", try_fill},
    {"bomb", try_bomb},       {"segv", try_segv},
    {"serve", serve},         {"stand", stand},
};

int
main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "without-landlock") == 0) {
        return without_landlock(argv + 2);
    }
    if (argc > 2 && strcmp(argv[1], "without-namespaces") == 0) {
        return without_namespaces(argv + 2);
    }
    for (size_t i = 0; argc > 1 && i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (strcmp(argv[1], attempts[i].name) == 0) {
            return attempts[i].run(argc > 2 ? argv[2] + (argv[2][0] == '+') : "");
        }
    }
    (void)fprintf(stderr, "usage: hostile ATTEMPT [ARGUMENT]\n");
    return 2;
}
