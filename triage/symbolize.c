#include "triage/symbolize.h"

#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "triage/program.h"
#include "triage/symbol_table.h"
#include "triage/symbolize_answer.h"

enum {
    ANSWER_MS =
        20000, /* the first answer of a module includes reading its debug information */
    ANSWER_MAX = 1 << 20, /* bytes of one answer */
    MODULES_MAX = 256,
    TABLES_MAX = 2,        /* of SYMBOL_TABLE_MAX each */
    CACHE_SLOTS = 1 << 16, /* a power of two */
    CACHE_MAX = CACHE_SLOTS / 2,
    START_FAILURES_MAX = 3, /* in a row, then it is not tried again */
    SYMBOLIZER_GIB = 4,     /* of address space: programs are mapped whole */
};

struct answer {
    uint64_t offset;
    size_t module; /* index + 1; 0: an empty slot */
    struct symbol_names names;
};

/* A file that was named as a module, and what it was then: a rebuilt one is another
 * module. */
struct module {
    char *path;                 /* as the report spells it */
    char *real;                 /* resolved; NULL: never to be opened */
    char *build_id;             /* NULL: it has none */
    struct symbol_table *table; /* answers in the symbolizer's place; NULL: it does */
    struct stat st;
    bool dead; /* the symbolizer did not survive it */
};

struct symbolizer {
    char *program;
    struct strv roots;
    bool anywhere;
    int64_t answer_ms;
    struct proc proc;
    int fd; /* both directions; -1: not running */
    struct buf pending;
    int start_failures;
    struct module modules[MODULES_MAX];
    size_t n_modules;
    struct answer *cache;
    size_t cached;
};

/* --- the cache --- */

static void
cache_clear(struct symbolizer *s)
{
    for (size_t i = 0; i < CACHE_SLOTS && s->cached > 0; i++) {
        struct answer *answer = &s->cache[i];
        symbol_names_clear(&answer->names);
        *answer = (struct answer){0};
    }
    s->cached = 0;
    for (size_t i = 0; i < s->n_modules; i++) {
        mem_free(s->modules[i].path);
        mem_free(s->modules[i].real);
        mem_free(s->modules[i].build_id);
        symbol_table_free(s->modules[i].table);
    }
    s->n_modules = 0;
}

/* The slot of an address: its answer, or the empty one that it belongs into. */
static struct answer *
cache_slot(struct symbolizer *s, size_t module, uint64_t offset)
{
    uint64_t hash = (offset * 31 + module) * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = hash >> 48;; i++) {
        struct answer *slot = &s->cache[i & (CACHE_SLOTS - 1)];
        if (slot->module == 0 || (slot->module == module && slot->offset == offset)) {
            return slot;
        }
    }
}

/* --- the process --- */

static void
stop(struct symbolizer *s)
{
    proc_clear(&s->proc);
    fd_close(FD_STEAL(s->fd));
    buf_clear(&s->pending);
}

static int
start(struct symbolizer *s, struct err *err)
{
    char program[] = "--output-style=JSON";
    char demangle[] = "--demangle";
    char *argv[] = {s->program, program, demangle, NULL};
    /* no DEBUGINFOD_URLS: a report must not make us fetch anything */
    char path[] = "PATH=/usr/bin:/bin";
    char *envp[] = {path, NULL};
    int ends[2];

    if (s->start_failures >= START_FAILURES_MAX) {
        return -ECANCELED;
    }
    /* a socket, since writing to a dead pipe would raise SIGPIPE */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return err_sys(err, "make a socket pair");
    }
    AUTO(fd_close) int ours = ends[0];
    AUTO(fd_close) int theirs = ends[1];
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.argv = argv;
    spec.envp = envp;
    spec.cwd = "/";
    spec.in_fd = theirs;
    spec.out_fd = theirs;
    spec.limits.address_bytes = (int64_t)SYMBOLIZER_GIB << 30;
    int rc = proc_spawn(&spec, &s->proc, err);
    if (rc < 0) {
        s->start_failures++;
        return rc;
    }
    s->fd = FD_STEAL(ours);
    return 0;
}

static int
ask(struct symbolizer *s, const char *question, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = send(s->fd, question, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_sys(err, "write");
        }
        question += n;
        len -= (size_t)n;
    }
    return 0;
}

/* One line of the answer is in s->pending when this returns 0; *line is its length. */
static int
await(struct symbolizer *s, size_t *line, struct err *err)
{
    int64_t end = clock_mono_ms() + s->answer_ms;

    for (;;) {
        const char *newline =
            s->pending.len == 0 ? NULL : memchr(s->pending.data, '\n', s->pending.len);
        if (newline != NULL) {
            *line = (size_t)(newline - s->pending.data);
            return 0;
        }
        if (s->pending.len >= ANSWER_MAX) {
            return err_set(err, -EMSGSIZE, "its answer has more than %d bytes",
                           ANSWER_MAX);
        }
        int64_t left = end - clock_mono_ms();
        struct pollfd poll_fd = {s->fd, POLLIN, 0};
        int n = left <= 0 ? 0 : poll(&poll_fd, 1, (int)left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return err_set(err, -ETIMEDOUT, "no answer within %lld ms",
                           (long long)s->answer_ms);
        }
        int rc = fd_read_some(s->fd, &s->pending, ANSWER_MAX, err);
        if (rc == 0) {
            return err_set(err, -EPIPE, "it ended");
        }
        if (rc < 0) {
            return rc;
        }
    }
}

/* --- answers --- */

static int
ask_symbolizer(struct symbolizer *s, const struct module *module, struct answer *answer,
               struct err *err)
{
    AUTO(buf_clear) struct buf question = BUF_INIT;
    AUTO(json_decref) json_t *reply = NULL;
    size_t len = 0;
    char quote = strchr(module->real, '"') == NULL ? '"' : '\'';
    int rc = s->fd < 0 ? start(s, err) : 0;

    if (rc < 0) {
        return rc;
    }
    buf_addf(&question, "CODE %c%s%c 0x%llx\n", quote, module->real, quote,
             (unsigned long long)answer->offset);
    rc = ask(s, buf_str(&question), question.len, err);
    rc = rc < 0 ? rc : await(s, &len, err);
    rc = rc < 0 ? rc : json_parse(s->pending.data, len, &reply, err);
    if (rc < 0) {
        return rc;
    }
    buf_drop(&s->pending, len + 1);
    symbol_names_read(reply, &answer->names);
    s->start_failures = 0;
    return 0;
}

static int
look_up(struct symbolizer *s, const struct module *module, struct answer *answer,
        struct err *err)
{
    if (module->table == NULL) {
        return ask_symbolizer(s, module, answer, err);
    }
    const char *name = symbol_table_find(module->table, answer->offset);
    symbol_names_one(name == NULL ? "" : name, &answer->names);
    return 0;
}

/* --- modules --- */

static bool
is_below(const char *path, const char *root)
{
    size_t len = strlen(root);

    return strncmp(path, root, len) == 0 &&
           (path[len] == '/' || path[len] == '\0' || (len > 0 && root[len - 1] == '/'));
}

static bool
is_allowed(const struct symbolizer *s, const char *real)
{
    for (size_t i = 0; i < s->roots.n; i++) {
        if (is_below(real, s->roots.v[i])) {
            return true;
        }
    }
    return s->anywhere;
}

/* What a loader could have mapped: an executable, or a library by its name (libraries
 * need not be executable). A crashing input that is an ELF file is neither. */
static bool
is_loadable(const char *real, const struct stat *st)
{
    return (st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0 ||
           strstr(fs_base(real), ".so") != NULL;
}

/* The symbolizer's own language has no escapes: such names cannot be said in it. */
static bool
is_sayable(const char *real)
{
    return strpbrk(real, "\n\r\\") == NULL &&
           (strchr(real, '"') == NULL || strchr(real, '\'') == NULL);
}

/* The resolved path of a module that may be opened, or NULL. New string. */
static char *
resolve_module(const struct symbolizer *s, const char *path, struct stat *st)
{
    AUTO(mem_free) char *real = NULL;
    AUTO(fd_close) int fd = -1;
    char magic[SELFMAG];

    if (path[0] != '/' || fs_real(path, &real, NULL) < 0 || !is_allowed(s, real) ||
        !is_sayable(real) || fs_open(real, &fd, st, NULL) < 0 || !is_loadable(real, st) ||
        fd_read(fd, magic, SELFMAG) != SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0) {
        return NULL;
    }
    return STEAL(real);
}

/* None of its frames counts (stack_rules.c), and to read its debug information, where
 * that is installed, costs more than all else that a symbolizer does in its life. */
static bool
is_libc(const char *path)
{
    const char *base = fs_base(path);

    return str_starts(base, "libc.so") || str_starts(base, "libc-2.");
}

/* A process has one; a report that names more of them gets no more memory. */
static struct symbol_table *
read_libc(const struct symbolizer *s, const char *path, const char *real)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_modules; i++) {
        n += s->modules[i].table != NULL;
    }
    return is_libc(path) && n < TABLES_MAX ? symbol_table_read(real) : NULL;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Index of the module; MODULES_MAX when it must not be opened. A file that changed since
 * it was read makes everything known obsolete, for the process as well. */
static size_t
find_module(struct symbolizer *s, const char *path)
{
    struct stat st = {0};

    for (size_t i = 0; i < s->n_modules; i++) {
        if (strcmp(s->modules[i].path, path) != 0) {
            continue;
        }
        if (s->modules[i].real == NULL) {
            return MODULES_MAX;
        }
        if (stat(s->modules[i].real, &st) == 0 && same_file(&st, &s->modules[i].st)) {
            return s->modules[i].dead ? MODULES_MAX : i;
        }
        stop(s);
        cache_clear(s);
        break;
    }
    if (s->n_modules == MODULES_MAX) {
        cache_clear(s);
    }
    struct module *module = &s->modules[s->n_modules];
    *module = (struct module){.path = mem_strdup(path)};
    module->real = resolve_module(s, path, &module->st);
    if (module->real != NULL) {
        module->build_id = program_build_id(module->real);
        module->table = read_libc(s, path, module->real);
    }
    s->n_modules++;
    return module->real == NULL ? MODULES_MAX : s->n_modules - 1;
}

/* What is known of a frame's address; NULL when nothing is. Borrowed until the next call.
 */
static const struct answer *
answer_of(struct symbolizer *s, size_t index, const struct frame *frame)
{
    struct err err = ERR_INIT;

    struct answer *answer = cache_slot(s, index + 1, frame->offset);
    if (answer->module != 0) {
        return answer;
    }
    answer->offset = frame->offset;
    int rc = look_up(s, &s->modules[index], answer, &err);
    if (rc < 0) {
        stop(s);
        s->modules[index].dead = rc != -ECANCELED;
        log_line(LOG_WARN, "symbolize", "module=\"%s\" offset=0x%llx msg=\"%s\"",
                 s->modules[index].real, (unsigned long long)frame->offset, err.msg);
        *answer = (struct answer){0};
        return NULL;
    }
    answer->module = index + 1;
    s->cached++;
    return answer;
}

/* --- records --- */

static void
move_frame(struct record *record, struct frame *frame)
{
    struct frame *added = record_add_frame(record);

    if (added != NULL) {
        *added = *frame;
        return;
    }
    mem_free(frame->function);
    mem_free(frame->file);
    mem_free(frame->module);
    mem_free(frame->build_id);
}

/* One frame of the report becomes one for each function at its address. */
static void
expand_frame(struct record *record, struct frame *frame, const struct answer *answer)
{
    for (size_t i = 0; i < answer->names.n; i++) {
        const struct symbol_name *name = &answer->names.v[i];
        struct frame copy = *frame;
        copy.inlined = i + 1 < answer->names.n;
        if (copy.inlined) {
            copy.module = mem_strdup(frame->module);
            copy.build_id = mem_strdup(frame->build_id);
        }
        copy.function = mem_strdup(name->function);
        copy.file = mem_strdup(name->file);
        copy.line = name->line;
        copy.column = name->column;
        copy.start_line = name->start_line;
        move_frame(record, &copy);
    }
}

static bool
is_main(const struct frame *frame)
{
    return frame->function != NULL && strcmp(frame->function, "main") == 0;
}

/* The names of a frame that has none, and the build id of its module, which not every
 * report tells; NULL when nothing is known. libc's part of the start of any program stays
 * bare. */
static const struct answer *
find_names(struct symbolizer *s, struct frame *frame, bool below_main)
{
    if (frame->function != NULL || frame->module == NULL || !frame->has_offset) {
        return NULL;
    }
    if (s->cached >= CACHE_MAX) {
        cache_clear(s);
    }
    size_t index = find_module(s, frame->module);
    if (index == MODULES_MAX) {
        return NULL;
    }
    if (frame->build_id == NULL) {
        frame->build_id = mem_strdup(s->modules[index].build_id);
    }
    return below_main && is_libc(frame->module) ? NULL : answer_of(s, index, frame);
}

void
symbolize_record(struct symbolizer *symbolizer, struct record *record)
{
    AUTO(mem_free) struct frame *frames = STEAL(record->frames);
    size_t n = record->n_frames;
    int inserted = 0;
    bool below_main = false;

    record->n_frames = 0;
    for (size_t i = 0; i < n; i++) {
        struct frame *frame = &frames[i];
        /* numbers go on within a stack as a symbolized report counts; each stack begins
         * anew */
        if (i > 0 &&
            (frame->stack != frames[i - 1].stack || frame->n <= frames[i - 1].n)) {
            inserted = 0;
            below_main = false;
        }
        const struct answer *answer = find_names(symbolizer, frame, below_main);
        size_t first = record->n_frames;
        int number = frame->n;
        if (answer != NULL && answer->names.n > 0) {
            expand_frame(record, frame, answer);
        } else {
            move_frame(record, frame);
        }
        for (size_t k = first; k < record->n_frames; k++) {
            record->frames[k].n = number + inserted + (int)(k - first);
            below_main = below_main || is_main(&record->frames[k]);
        }
        inserted += record->n_frames > first ? (int)(record->n_frames - first) - 1 : 0;
    }
}

/* --- construction --- */

void
symbolizer_prepare(struct symbolizer *symbolizer)
{
    struct err ignored = ERR_INIT;

    if (symbolizer->fd < 0) {
        (void)start(symbolizer, &ignored); /* a lookup tries again and says why */
    }
}

static int
find_program(const char *wanted, char **out, struct err *err)
{
    AUTO(mem_free) char *path = NULL;

    if (wanted != NULL) {
        path = strchr(wanted, '/') == NULL ? program_find(wanted) : mem_strdup(wanted);
        if (path == NULL || access(path, X_OK) < 0) {
            return err_set(err, -ENOENT, "there is no symbolizer '%s': apt install llvm",
                           wanted);
        }
    }
    for (int version = 25; path == NULL && version >= 13; version--) {
        AUTO(mem_free) char *name = mem_printf("llvm-symbolizer-%d", version);
        path = program_find(name);
    }
    path = path == NULL ? program_find("llvm-symbolizer") : path;
    if (path == NULL) {
        return err_set(err, -ENOENT,
                       "there is no llvm-symbolizer in PATH, stacks stay without names: "
                       "apt install llvm");
    }
    *out = STEAL(path);
    return 0;
}

int
symbolizer_new(const char *program, const struct strv *roots, struct symbolizer **out,
               struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    int rc = find_program(program, &path, err);

    if (rc < 0) {
        return rc;
    }
    struct symbolizer *s = mem_alloc(sizeof(*s));
    s->program = STEAL(path);
    s->anywhere = roots == NULL;
    for (size_t i = 0; roots != NULL && i < roots->n; i++) {
        AUTO(mem_free) char *real = NULL;
        if (fs_real(roots->v[i], &real, NULL) == 0) {
            strv_add(&s->roots, real);
        }
    }
    s->answer_ms = ANSWER_MS;
    s->fd = -1;
    s->proc = (struct proc)PROC_INIT;
    s->cache = mem_array(CACHE_SLOTS, sizeof(*s->cache));
    *out = s;
    return 0;
}

void
symbolizer_set_timeout(struct symbolizer *symbolizer, int64_t answer_ms)
{
    symbolizer->answer_ms = answer_ms;
}

void
symbolizer_free(struct symbolizer *symbolizer)
{
    if (symbolizer == NULL) {
        return;
    }
    stop(symbolizer);
    cache_clear(symbolizer);
    mem_free(symbolizer->cache);
    strv_clear(&symbolizer->roots);
    mem_free(symbolizer->program);
    mem_free(symbolizer);
}

int
symbolizer_version(const char *program, char **out, struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    char option[] = "--version";
    char *argv[] = {NULL, option, NULL};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 4096};
    struct proc_spec spec = PROC_SPEC_INIT;
    int rc = find_program(program, &path, err);

    if (rc < 0) {
        return rc;
    }
    argv[0] = path;
    spec.argv = argv;
    rc = proc_run(&spec, 10000, &run, err);
    if (rc < 0) {
        return rc;
    }
    const char *at = strstr(buf_str(&run.output), "LLVM version ");
    if (at == NULL) {
        return err_set(err, -EBADMSG, "'%s' does not say its LLVM version", path);
    }
    AUTO(mem_free) char *version = mem_dup(at, strcspn(at, "\n"));
    AUTO(buf_clear) struct buf line = BUF_INIT;
    str_clean(&line, version, strlen(version));
    buf_addf(&line, " (%s)", path);
    *out = buf_steal(&line);
    return 0;
}
