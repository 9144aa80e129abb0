/*
 * A target that speaks AFL's fork server protocol, made by hand, so that a test knows
 * every edge: each byte of the input counts one, but for these as the first:
 *   '!' aborts   '~' waits for ever   '$' kills the server   '?' reaches an edge by
 * chance and '.', which counts nothing. Of -DSTEPS=n bytes only. For "@17" the server
 * itself says that the run is process 17, and nothing more.
 */
#ifndef TESTS_UNIT_FORK_SERVER_H
#define TESTS_UNIT_FORK_SERVER_H

#include "tests/unit/victim.h"

#include "orchestrator/corpus/measure.h"

static const char fork_server_source[] =
    "#include <fcntl.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <sys/shm.h>\n"
    "#include <sys/wait.h>\n#include <time.h>\n#include <unistd.h>\n"
    "#ifndef STEPS\n#define STEPS 256\n#endif\n"
    "static void run(const char *path, unsigned char *map) {\n"
    "  unsigned char b[256]; struct timespec t; int fd = open(path, O_RDONLY);\n"
    "  long n = read(fd, b, sizeof b);\n"
    "  if (n > STEPS) n = STEPS;\n"
    "  if (n > 0 && b[0] == '!') abort();\n"
    "  if (n > 0 && b[0] == '~') for (;;) pause();\n"
    "  if (n > 0 && b[0] == '$') kill(getppid(), SIGKILL);\n"
    "  clock_gettime(CLOCK_MONOTONIC, &t);\n"
    "  if (n > 0 && b[0] == '?') map[1024 + t.tv_nsec % 1021]++;\n"
    "  for (long i = 0; i < n; i++) map[b[i]] += b[i] != '.';\n"
    "  _exit(0);\n}\n"
    "int main(int c, char **v) {\n"
    "  unsigned word = 0; int status; const char *id = getenv(\"__AFL_SHM_ID\");\n"
    "  unsigned char *map = id == NULL ? NULL : shmat(atoi(id), 0, 0);\n"
    "  if (c < 2 || map == NULL || write(199, &word, 4) != 4) return 1;\n"
    "  while (read(198, &word, 4) == 4) {\n"
    "    char b[16] = \"\"; int p, in = open(v[1], O_RDONLY);\n"
    "    if (read(in, b, 15) > 0 && b[0] == '@') {\n"
    "      p = atoi(b + 1); if (write(199, &p, 4) == 4) for (;;) pause();\n"
    "    }\n"
    "    close(in); p = fork(); if (p == 0) run(v[1], map);\n"
    "    if (write(199, &p, 4) != 4 || waitpid(p, &status, 0) != p ||\n"
    "        write(199, &status, 4) != 4) return 1;\n"
    "  }\n"
    "  return 0;\n}\n";

/* A test that measures is what runs in its sandboxes as well. */
static inline __attribute__((constructor)) void
fork_server_be_inside(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], MEASURE_VERB) == 0) {
        _exit(measure_inside_main());
    }
}

/* The target and its command, for all tests of a program; a group's setup and teardown.
 */
static struct {
    char *folder;
    struct command command;
} fork_server;

static inline int
fork_server_build(void **state)
{
    const char *const flags[] = {"cc", "-O1", NULL};
    struct command *command = &fork_server.command;

    (void)state;
    fork_server.folder = victim_folder();
    AUTO(mem_free)
    char *program = victim_build(fork_server.folder, "target", fork_server_source, flags);
    strv_add(&command->argv, program);
    strv_add(&command->argv, "@@");
    command->mode = INPUT_ARGUMENT;
    command->timeout_ms = 300;
    command->memory_bytes = (int64_t)512 << 20;
    return 0;
}

static inline int
fork_server_unbuild(void **state)
{
    (void)state;
    assert_int_equal(fs_remove(fork_server.folder, NULL), 0);
    mem_free(fork_server.folder);
    command_clear(&fork_server.command);
    return 0;
}

#endif
