/*
 * What a target must not be able to do while it is measured, by the first byte of the
 * input: 'w' writes beside itself, to the state folder, the home folder and /tmp; 'r'
 * reads the state folder; 'c' connects to a port and to a socket of this machine; 'k'
 * kills a process outside. What it can read, or connect to, makes it crash; what it wrote
 * or killed is looked for outside.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef ROOM /* the test says where, whom and by what name */
#define ROOM     "/nonexistent"
#define STATE    ROOM
#define HOME_DIR ROOM
#define MARK     "nightjar-hacked"
#define PORT     1
#define VICTIM   getpid()
#endif

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
write_all(void)
{
    static const char *const places[] = {ROOM "/hacked",     STATE "/hacked",
                                         HOME_DIR "/hacked", "/tmp/" MARK,
                                         "/dev/shm/" MARK,   "/var/tmp/" MARK};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int fd = open(places[i], O_WRONLY | O_CREAT, 0666);
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    (void)chmod(ROOM, 0777);
    (void)rename(STATE "/secret", STATE "/hacked");
    (void)unlink(STATE "/secret");
    (void)truncate(STATE "/secret", 0);
}

static void
read_state(void)
{
    if (open(STATE "/secret", O_RDONLY) >= 0) {
        abort();
    }
}

static void
connect_out(void)
{
    struct sockaddr_in port = {.sin_family = AF_INET,
                               .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = ROOM "/socket"};
    int a = socket(AF_INET, SOCK_STREAM, 0);
    int b = socket(AF_UNIX, SOCK_STREAM, 0);

    if ((a >= 0 && connect(a, (struct sockaddr *)&port, sizeof(port)) == 0) ||
        (b >= 0 && connect(b, (struct sockaddr *)&path, sizeof(path)) == 0)) {
        abort();
    }
    (void)close(a);
    (void)close(b);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    switch (size == 0 ? 0 : data[0]) {
    case 'w':
        write_all();
        break;
    case 'r':
        read_state();
        break;
    case 'c':
        connect_out();
        break;
    case 'k':
        (void)kill(VICTIM, SIGKILL);
        break;
    default:
        break;
    }
    return 0;
}
