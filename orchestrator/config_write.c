/* The nightjar.yaml that `nightjar init` leaves: what was found, and every key with its
 * default. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"

static const char head[] =
    "# nightjar.yaml, read by every verb of nightjar that starts in this folder.\n"
    "# Every key has a default, an unknown one is an error. Paths are relative to this "
    "file.\n"
    "\n"
    "# Folders that hold fuzz targets, by OSS-Fuzz's rules; a program of one name in "
    "several\n"
    "# folders is one target in several builds. NAME.yaml, NAME.options, NAME.dict and\n"
    "# NAME_seed_corpus.zip beside a program describe it.";

static const char rest[] =
    "\n"
    "# What is said here of a target wins over the files beside it. A command-line "
    "program\n"
    "# without LLVMFuzzerTestOneInput needs an entry (or a NAME.yaml).\n"
    "#targets:\n"
    "#  - name: example\n"
    "#    binary: out/example         # or builds: {afl: PATH, sanitizer: PATH, ...}\n"
    "#    args: [-a, \"@@\"]            # @@ is the input; without it, standard input "
    "is\n"
    "#    seeds: [corpora/example]    # folders, files, archives\n"
    "#    dictionary: example.dict\n"
    "#    read: [/usr/share/example]  # what it reads besides; it sees nothing else of "
    "the disk\n"
    "#    env: {ASAN_OPTIONS: detect_leaks=0}\n"
    "#    libfuzzer: {max_len: 4096}\n"
    "#    timeout: 25s                # of one run\n"
    "#    memory: 2560M               # of one run; 0: no limit\n"
    "#    ignore_frames:              # functions that say nothing about a bug, here: "
    "Perl\n"
    "#      - my_assert(_fail)?\\b      # patterns, from the start of \"function "
    "file:line\"\n"
    "#      - .*/third_party/log/     # all of a folder; then: nightjar db regroup\n"
    "\n"
    "#state: .nightjar      # database, inputs, reports\n"
    "#jobs: 2               # fuzzing workers at a time; default: as many as cores\n"
    "#sandbox: auto         # auto, bwrap, landlock, none\n"
    "\n"
    "#triage:\n"
    "#  jobs: 1             # triage workers beside the fuzzing\n"
    "#  runs: 3             # replays of what stands for a bug\n"
    "#  minimize: 20s       # time for each bug's reproducer; 0: none\n"
    "#  keep: major         # what it must still show: exact, major or loose\n"
    "#  timeout: 25s        # of one run, 10ms to 1h, where a target has none\n"
    "#  memory: 2560M       # of one run, 16M to 16T, where a target has none\n"
    "#  ooms_and_hangs: yes # out-of-memory and timeouts are bugs\n"
    "#  asserts_are_security: yes\n"
    "#  checks_are_security: no\n"
    "\n"
    "#exchange:\n"
    "#  cross: no           # start, daily: offer each target the others' smallest "
    "inputs\n"
    "\n"
    "#builds:               # which commit is it? nightjar build --help\n"
    "#  watch: [builds]     # each sub-folder is a build, as nightjar build add has it\n"
    "#  keep: 3             # newest builds of a branch whose programs are copied\n"
    "#  max: 10G            # of all copies; those of open bugs stay\n"
    "\n"
    "#owners:               # of bugs, by path: CODEOWNERS here, in .github/ or docs/; "
    "or "
    "file: PATH\n"
    "#  roots: [/src/example] # where its paths begin in builds made elsewhere\n"
    "\n"
    "#gate:\n"
    "#  fail_on: high       # critical, high, medium, low, info\n"
    "\n"
    "#metrics:\n"
    "#  pushgateway: http://localhost:9091\n"
    "#  remote_write: http://localhost:9090/api/v1/write\n"
    "#  otlp: http://localhost:4318/v1/metrics\n"
    "#  textfile: nightjar.prom # for node_exporter\n"
    "\n"
    "#notify:\n"
    "#  - name: chat\n"
    "#    kind: slack         # or webhook\n"
    "#    url_env: NIGHTJAR_CHAT_URL\n"
    "#    severity: high\n";

/* Whether YAML reads a text back as it is: no word that could be a truth value, a number
 * or nothing. */
static bool
is_plain(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_./-";
    static const char *const words[] = {"yes", "no",   "true", "false", "on",
                                        "off", "null", "y",    "n"};

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return false;
        }
    }
    return text[0] != '\0' && text[strspn(text, safe)] == '\0' && text[0] != '-' &&
           (text[0] < '0' || text[0] > '9');
}

/* A text as YAML reads it back: as it is where that is safe, else in double quotes. */
static void
add_quoted(struct buf *out, const char *text)
{
    if (is_plain(text)) {
        buf_adds(out, text);
        return;
    }
    buf_addc(out, '"');
    for (const char *c = text; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            buf_addf(out, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            buf_addf(out, "\\x%02x", byte);
        } else if (byte == 0xc2 && (unsigned char)c[1] < 0xa0) {
            buf_addf(out, "\\x%02x",
                     (unsigned char)*++c); /* C1 controls, a lead byte each */
        } else {
            buf_addc(out, (char)byte);
        }
    }
    buf_addc(out, '"');
}

static int
add_out(struct buf *text, const struct strv *out, struct err *err)
{
    buf_adds(text, out->n > 0 ? "out:\n" : "#out: [build/targets]\n");
    for (size_t i = 0; i < out->n; i++) {
        if (!str_is_utf8(out->v[i], strlen(out->v[i]), NULL)) {
            AUTO(mem_free) char *name = str_name_dup(out->v[i]);
            return err_set(err, -EINVAL,
                           "'%s' is not UTF-8, which YAML cannot hold: rename the folder",
                           name);
        }
        buf_adds(text, "  - ");
        add_quoted(text, out->v[i]);
        buf_addc(text, '\n');
    }
    return 0;
}

static void
add_target(struct buf *text, const struct target *target)
{
    const char *between = " ";

    buf_addf(text, "#   %-28s", target->name);
    for (int i = 0; i < BUILD_KINDS; i++) {
        if (target->builds[i] != NULL) {
            buf_addf(text, "%s%s", between, build_kind_name((enum build_kind)i));
            between = ", ";
        }
    }
    buf_addc(text, '\n');
}

int
config_write(const char *path, const struct target_list *targets, const struct strv *out,
             struct err *err)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(mem_free) char *name = str_name_dup(path);

    buf_adds(&text, head);
    buf_adds(&text, targets->n > 0 ? " Found by init:\n" : "\n");
    for (size_t i = 0; i < targets->n; i++) {
        add_target(&text, targets->v[i]);
    }
    int rc = add_out(&text, out, err);
    if (rc < 0) {
        return rc;
    }
    buf_adds(&text, rest);

    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) {
        return err_set(err, -EEXIST, "'%s' is there already: edit it, or remove it first",
                       name);
    }
    if (fd < 0) {
        return err_sys(err, "create '%s'", name);
    }
    rc = fd_write(fd, text.data, text.len, err);
    if (rc < 0) {
        (void)unlink(path);
        return err_wrap(err, rc, "'%s'", name);
    }
    return 0;
}
