/*
 * JUnit's XML, which has no norm: what GitLab and Jenkins both read is one `testsuite` a
 * target, with a `testcase` for each bug (`failure` where it blocks, else `skipped` with
 * the reason), one for each target that was looked at (`error` where it did not run) and
 * one for the verdict. GitLab takes `file` of a testcase for its link, which the schema
 * of Jenkins' xUnit plugin refuses: that is all in which the two differ.
 *
 * XML 1.0 cannot hold control characters, surrogates and U+FFFE/F, not even escaped.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

enum { FRAMES_SHOWN = 32, ATTRIBUTE_MAX = 1024 };

struct junit {
    struct buf *out;                      /* borrowed */
    bool has_file;                        /* GitLab's flavour */
    int tests, failures, errors, skipped; /* of the suite that is written */
};

static void
add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const char *named = *text == '&'    ? "&amp;"
                            : *text == '<'  ? "&lt;"
                            : *text == '>'  ? "&gt;"
                            : *text == '"'  ? "&quot;"
                            : *text == '\'' ? "&apos;"
                                            : NULL;
        if (named != NULL) {
            buf_adds(out, named);
        } else if (str_starts(text, "\xef\xbf\xbe") || str_starts(text, "\xef\xbf\xbf")) {
            buf_adds(out, "\xef\xbf\xbd");
            text += 2;
        } else {
            buf_addc(out, *text);
        }
    }
}

/* One printable line, cut. */
static void
add_line(struct buf *out, const char *text)
{
    AUTO(buf_clear) struct buf line = {.max = ATTRIBUTE_MAX};

    str_visible(&line, text, strlen(text));
    add_escaped(out, buf_str(&line));
}

static void
attribute(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, " %s=\"", name);
    add_line(out, value);
    buf_addc(out, '"');
}

/* --- test cases --- */

static void
begin_case(struct junit *junit, const char *name, const char *class_name)
{
    buf_adds(junit->out, "    <testcase");
    attribute(junit->out, "name", name);
    attribute(junit->out, "classname", class_name);
    junit->tests++;
}

/* `element`: failure, error or skipped; a skipped one has no type. */
static void
add_result(struct junit *junit, const char *element, const char *type,
           const char *message)
{
    buf_addf(junit->out, "      <%s", element);
    attribute(junit->out, "message", message);
    if (type != NULL) {
        attribute(junit->out, "type", type);
    }
}

static void
add_details(struct buf *out, const struct finding *finding)
{
    const struct record *record = finding->bug.record;
    AUTO(mem_free)
    char *repro = mem_printf("reproduce it with: nightjar repro %s", finding->bug.name);

    add_line(out, repro);
    buf_addc(out, '\n');
    if (finding->artifacts != NULL) {
        AUTO(mem_free)
        char *where = mem_printf("input and repro.sh: %s", finding->artifacts);
        add_line(out, where);
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < report_stack(record, FRAMES_SHOWN); i++) {
        AUTO(mem_free) char *line = report_frame(&record->frames[i], i);
        add_line(out, line);
        buf_addc(out, '\n');
    }
}

static void
add_finding(struct junit *junit, const struct finding *finding, const char *class_name)
{
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);
    AUTO(mem_free)
    char *message = mem_printf("%s, %s: %s", finding_class_name(finding->class),
                               severity_name(finding->bug.severity), why);

    begin_case(junit, title, class_name);
    if (junit->has_file) {
        attribute(junit->out, "file", finding->place.path);
    }
    buf_adds(junit->out, ">\n");
    if (finding->blocking) {
        junit->failures++;
        add_result(junit, "failure", finding_class_name(finding->class), message);
        buf_adds(junit->out, ">");
        add_details(junit->out, finding);
        buf_adds(junit->out, "</failure>\n");
    } else {
        junit->skipped++;
        add_result(junit, "skipped", NULL, message);
        buf_adds(junit->out, "/>\n");
    }
    buf_adds(junit->out, "    </testcase>\n");
}

/* A case that is not about a bug; failure NULL: it passed. */
static void
add_plain(struct junit *junit, const char *name, const char *class_name,
          const char *failure, const char *message)
{
    begin_case(junit, name, class_name);
    if (failure == NULL) {
        buf_adds(junit->out, "/>\n");
        return;
    }
    buf_adds(junit->out, ">\n");
    add_result(junit, failure, "nightjar", message);
    buf_adds(junit->out, "/>\n    </testcase>\n");
}

/* --- suites --- */

/* What was written of a suite goes behind its head, which counts it. */
static void
put_suite(struct junit *junit, struct buf *out, const char *name,
          const struct findings *findings)
{
    char at[CLOCK_TEXT_MAX];
    double seconds = (double)(findings->ended - findings->started) / 1000.0;

    clock_iso(at, findings->started);
    at[strcspn(at, ".Z")] = '\0'; /* yyyy-mm-ddThh:mm:ss is what the schemas take */
    buf_adds(out, "  <testsuite");
    attribute(out, "name", name);
    buf_addf(out,
             " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\" "
             "timestamp=\"%s\">\n",
             junit->tests, junit->failures, junit->errors, junit->skipped,
             seconds > 0 ? seconds : 0, at);
    buf_add(out, buf_str(junit->out), junit->out->len);
    buf_adds(out, "  </testsuite>\n");
    buf_cut(junit->out, 0);
    junit->tests = junit->failures = junit->errors = junit->skipped = 0;
}

static void
write_verdict(struct junit *junit, const struct findings *findings)
{
    bool fails = findings->verdict != VERDICT_PASS;
    bool undecided = findings->verdict == VERDICT_INCONCLUSIVE;
    const char *reason = findings->reasons.n > 0 ? findings->reasons.v[0] : "";

    junit->errors += fails && undecided;
    junit->failures += fails && !undecided;
    add_plain(junit, "verdict", "nightjar.gate",
              !fails      ? NULL
              : undecided ? "error"
                          : "failure",
              reason);
}

static const char *
suite_of(const struct finding *finding)
{
    return finding->bug.target[0] == '\0' ? "withheld" : finding->bug.target;
}

static void
write_suite(struct junit *junit, const struct findings *findings, const char *name)
{
    AUTO(mem_free) char *class_name = mem_printf("nightjar.%s", name);

    for (size_t i = 0; i < findings->n_targets; i++) {
        const struct finding_target *target = &findings->targets[i];
        if (strcmp(target->name, name) == 0) {
            junit->errors += !target->ran;
            add_plain(junit, "it was looked at", class_name, target->ran ? NULL : "error",
                      target->why == NULL ? "it did not run" : target->why);
        }
    }
    for (size_t i = 0; i < findings->n; i++) {
        if (strcmp(suite_of(&findings->v[i]), name) == 0) {
            add_finding(junit, &findings->v[i], class_name);
        }
    }
}

/* The names of the suites in the order of findings, then targets without any. Their
 * number is that of the targets of a configuration. */
static void
suites(const struct findings *findings, struct strv *out)
{
    for (size_t i = 0; i < findings->n; i++) {
        if (!strv_has(out, suite_of(&findings->v[i]))) {
            strv_add(out, suite_of(&findings->v[i]));
        }
    }
    for (size_t i = 0; i < findings->n_targets; i++) {
        if (!strv_has(out, findings->targets[i].name)) {
            strv_add(out, findings->targets[i].name);
        }
    }
}

static int
write_junit(const struct findings *findings, bool has_file, struct buf *out)
{
    AUTO(strv_clear) struct strv names = {0};
    AUTO(buf_clear) struct buf cases = {.max = REPORT_BYTES_MAX};
    struct junit junit = {.out = &cases, .has_file = has_file};

    suites(findings, &names);
    buf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    write_verdict(&junit, findings);
    put_suite(&junit, out, "gate", findings);
    for (size_t i = 0; i < names.n; i++) {
        write_suite(&junit, findings, names.v[i]);
        put_suite(&junit, out, names.v[i], findings);
    }
    buf_adds(out, "</testsuites>\n");
    return 0;
}

static int
write_gitlab(const struct findings *findings, struct buf *out, struct err *err)
{
    (void)err;
    return write_junit(findings, true, out);
}

static int
write_jenkins(const struct findings *findings, struct buf *out, struct err *err)
{
    (void)err;
    return write_junit(findings, false, out);
}

const struct report_ops report_junit_gitlab = {
    .name = "junit-gitlab", .file = "junit-gitlab.xml", .write = write_gitlab};
const struct report_ops report_junit_jenkins = {
    .name = "junit-jenkins", .file = "junit-jenkins.xml", .write = write_jenkins};
