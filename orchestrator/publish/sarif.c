/*
 * SARIF 2.1.0 (OASIS), for GitHub code scanning first. All open bugs are in it, not what
 * this run found: what is missing from an upload is closed as fixed there, and not to
 * find a bug again is no fix.
 *
 * One run, category "nightjar/": a file of one run for each target would be refused from
 * 21 targets on, and a target whose last bug went could not close it. Jobs that each look
 * at some targets give upload-sarif a `category` of their own.
 *
 * GitHub takes the severity from the rule, so there is one for each class (which holds
 * the kind of access) and severity; the number of rules is bounded by the table of
 * classes. It shows the stack from codeFlows, whose last location is the crash, and knows
 * an alert by partialFingerprints.primaryLocationLineHash, rule and path. `stacks`,
 * `baselineState` and `suppressions` are for other viewers.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"
#include "orchestrator/version.h"

enum {
    RULE_ID_MAX = 128,
    TEXT_MAX = 1000,    /* bytes of a message; GitHub takes 1024 of a rule's */
    FRAMES_SHOWN = 64,  /* of one stack */
    FRAMES_MAX = 20000, /* in the file, the worst findings first: keeps it below GitHub's
                           10 MB, compressed */
};

static const struct {
    const char *level, *score; /* security-severity: a number in GitHub's band */
} severities[] = {[SEVERITY_CRITICAL] = {"error", "9.5"},
                  [SEVERITY_HIGH] = {"error", "8.0"},
                  [SEVERITY_MEDIUM] = {"warning", "5.5"},
                  [SEVERITY_LOW] = {"note", "2.5"},
                  [SEVERITY_INFO] = {"note", NULL}};

static const char *const baselines[FINDING_CLASSES] = {
    [FINDING_NEW] = "new",
    [FINDING_REGRESSED] = "new",
    [FINDING_CHANGED] = "updated",
    [FINDING_UNATTRIBUTED] = "new",
    [FINDING_FLAKY] = "unchanged",
    [FINDING_UNREPRODUCIBLE] = "unchanged",
    [FINDING_PRE_EXISTING] = "unchanged",
};

struct sarif {
    json_t *rules, *results;
    json_t *index; /* rule id -> its place in rules */
    struct report_sources sources;
    size_t frames;
};

static json_t *
message_json(const char *text)
{
    return json_pack("{s:o}", "text", report_line(text));
}

/* --- rules --- */

static const char *
class_of(const struct bug *bug)
{
    return bug->class_name[0] == '\0' ? "crash" : bug->class_name;
}

/* "heap-buffer-overflow(write)" and high: "heap-buffer-overflow-write-high". */
static void
rule_id(const struct bug *bug, char out[RULE_ID_MAX])
{
    const char *class = class_of(bug);
    const char *severity = severity_name(bug->severity);
    size_t room = RULE_ID_MAX - strlen(severity) - 2;
    size_t n = 0;

    for (; *class != '\0' && n < room; class ++) {
        if (isalnum((unsigned char)*class)) {
            out[n++] = (char)tolower((unsigned char)*class);
        } else if (n > 0 && out[n - 1] != '-') {
            out[n++] = '-';
        }
    }
    n -= n > 0 && out[n - 1] == '-' ? 1 : 0;
    (void)snprintf(out + n, RULE_ID_MAX - n, "-%s", severity);
}

/* "heap-buffer-overflow-write-high": "HeapBufferOverflowWriteHigh". */
static json_t *
rule_name(const char *id)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    bool begins = true;

    for (; *id != '\0'; id++) {
        if (begins) {
            buf_addc(&out, (char)toupper((unsigned char)*id));
        } else if (*id != '-') {
            buf_addc(&out, *id);
        }
        begins = *id == '-';
    }
    return json_text(buf_str(&out));
}

/* The number in "CWE-122"; -1: there is none. */
static int
cwe_number(const struct bug *bug)
{
    int64_t number = -1;

    return str_starts(bug->cwe, "CWE-") && str_number("CWE", bug->cwe + strlen("CWE-"), 1,
                                                      99999, &number, NULL) == 0
               ? (int)number
               : -1;
}

static json_t *
rule_properties(const struct bug *bug)
{
    json_t *tags = json_pack("[s, s]", "security", "fuzzing");
    json_t *o = json_object();

    if (cwe_number(bug) > 0) {
        AUTO(mem_free) char *tag = mem_printf("external/cwe/cwe-%d", cwe_number(bug));
        (void)json_array_append_new(tags, json_text(tag));
    }
    json_put(o, "tags", tags);
    json_put(o, "precision", json_string("very-high"));
    json_put(o, "problem.severity",
             json_string(bug->severity >= SEVERITY_HIGH     ? "error"
                         : bug->severity == SEVERITY_MEDIUM ? "warning"
                                                            : "recommendation"));
    if (severities[bug->severity].score != NULL) {
        json_put(o, "security-severity", json_string(severities[bug->severity].score));
    }
    return o;
}

static json_t *
rule_json(const char *id, const struct bug *bug)
{
    json_t *o = json_object();
    AUTO(mem_free)
    char *brief =
        mem_printf("Fuzzing found %s (%s).", class_of(bug), severity_name(bug->severity));
    AUTO(mem_free)
    char *full = mem_printf("An input was found on which the program fails with %s; "
                            "nightjar rates it %s%s%s.",
                            class_of(bug), severity_name(bug->severity),
                            bug->cwe[0] == '\0' ? "" : ", ", bug->cwe);
    AUTO(mem_free)
    char *help =
        mem_printf("%s Each alert names its bug: nightjar show and nightjar repro "
                   "explain and reproduce it.",
                   full);

    json_put(o, "id", json_text(id));
    json_put(o, "name", rule_name(id));
    json_put(o, "shortDescription", message_json(brief));
    json_put(o, "fullDescription", message_json(full));
    json_put(o, "help", message_json(help));
    if (cwe_number(bug) > 0) {
        AUTO(mem_free)
        char *uri =
            mem_printf("https://cwe.mitre.org/data/definitions/%d.html", cwe_number(bug));
        json_put(o, "helpUri", json_text(uri));
    }
    json_put(o, "defaultConfiguration",
             json_pack("{s:s}", "level", severities[bug->severity].level));
    json_put(o, "properties", rule_properties(bug));
    return o;
}

static json_int_t
rule_of(struct sarif *sarif, const char *id, const struct bug *bug)
{
    const json_t *known = json_object_get(sarif->index, id);

    if (known == NULL) {
        size_t n = json_array_size(sarif->rules);
        json_put(sarif->index, id, json_integer((json_int_t)n));
        (void)json_array_append_new(sarif->rules, rule_json(id, bug));
        return (json_int_t)n;
    }
    return json_integer_value(known);
}

/* --- locations --- */

/* A relative path as a URI reference (RFC 3986): all that is not unreserved is %XX. */
static json_t *
uri_json(const char *path)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if (isalnum(c) || strchr("-._~/", c) != NULL) {
            buf_addc(&out, (char)c);
        } else {
            buf_addf(&out, "%%%02X", c);
        }
    }
    return json_text(buf_str(&out));
}

static json_t *
physical_json(const char *path, int line, int column)
{
    json_t *region = json_pack("{s:i}", "startLine", line > 0 ? line : 1);

    if (column > 0) {
        json_put(region, "startColumn", json_integer(column));
    }
    return json_pack("{s:{s:o, s:s}, s:o}", "artifactLocation", "uri", uri_json(path),
                     "uriBaseId", "%SRCROOT%", "region", region);
}

/* "parse at parse.c:12"; what is unknown is left out. */
static json_t *
frame_message(const struct frame *frame)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_adds(&text, frame->function == NULL ? "an unknown function" : frame->function);
    if (frame->file != NULL) {
        buf_addf(&text, " at %s:%d", frame->file, frame->line);
    } else if (frame->module != NULL) {
        buf_addf(&text, " in %s", frame->module);
    }
    return message_json(buf_str(&text));
}

/* A frame outside of our sources has a message and no place. */
static json_t *
frame_location(struct sarif *sarif, const struct frame *frame)
{
    const char *path = report_source(&sarif->sources, frame->file);
    json_t *o = json_object();

    json_put(o, "message", frame_message(frame));
    if (path != NULL) {
        json_put(o, "physicalLocation", physical_json(path, frame->line, frame->column));
    }
    if (frame->function != NULL) {
        json_put(o, "logicalLocations",
                 json_pack("[{s:o, s:s}]", "fullyQualifiedName",
                           report_line(frame->function), "kind", "function"));
    }
    return o;
}

static const char *
stack_words(enum stack_kind kind)
{
    static const char *const words[] = {
        [STACK_CRASH] = "where it crashes",
        [STACK_FREED] = "where the memory was freed",
        [STACK_ALLOCATED] = "where the memory was allocated",
        [STACK_THREAD] = "where the thread was made",
        [STACK_ORIGIN] = "where the uninitialized value came from",
        [STACK_STORED] = "where the uninitialized value was copied",
        [STACK_OBJECT] = "the frame that holds the object",
        [STACK_LEAK] = "a further leak",
        [STACK_OTHER] = "a further stack",
    };
    return words[kind];
}

/* One stack: as `stacks` has it (the crash first), and as a flow (the crash last, and
 * only what has a place: GitHub wants one). */
static void
add_stack(struct sarif *sarif, const struct frame *frames, size_t n, json_t *stacks,
          json_t *flows)
{
    json_t *list = json_array();
    json_t *flow = json_array();

    n = n > FRAMES_SHOWN ? FRAMES_SHOWN : n;
    sarif->frames += n;
    for (size_t i = 0; i < n; i++) {
        json_t *location = frame_location(sarif, &frames[i]);
        if (json_object_get(location, "physicalLocation") != NULL) {
            (void)json_array_insert_new(flow, 0,
                                        json_pack("{s:O}", "location", location));
        }
        (void)json_array_append_new(list, json_pack("{s:o}", "location", location));
    }
    (void)json_array_append_new(
        stacks, json_pack("{s:o, s:o}", "message",
                          message_json(stack_words(frames[0].stack)), "frames", list));
    if (frames[0].stack == STACK_CRASH && json_array_size(flow) > 0) {
        (void)json_array_append_new(
            flows, json_pack("{s:[{s:o}]}", "threadFlows", "locations", flow));
    } else {
        json_decref(flow);
    }
}

/* Where the memory was made and freed, of the top frame that is ours. */
static void
add_related(struct sarif *sarif, const struct frame *frames, size_t n, json_t *related)
{
    for (size_t i = 0; i < n && frames[0].stack != STACK_CRASH; i++) {
        const char *path = report_source(&sarif->sources, frames[i].file);
        if (path != NULL) {
            (void)json_array_append_new(
                related,
                json_pack("{s:i, s:o, s:o}", "id", (int)json_array_size(related) + 1,
                          "message", message_json(stack_words(frames[0].stack)),
                          "physicalLocation",
                          physical_json(path, frames[i].line, frames[i].column)));
            return;
        }
    }
}

static void
add_stacks(struct sarif *sarif, const struct record *record, json_t *result)
{
    json_t *stacks = json_array();
    json_t *flows = json_array();
    json_t *related = json_array();
    size_t n;

    for (size_t i = 0; i < record->n_frames && sarif->frames < FRAMES_MAX; i += n) {
        const struct frame *frames = &record->frames[i];
        for (n = 1; i + n < record->n_frames && frames[n].stack == frames[0].stack;) {
            n++;
        }
        add_stack(sarif, frames, n, stacks, flows);
        add_related(sarif, frames, n, related);
    }
    if (json_array_size(stacks) > 0) {
        json_put(result, "stacks", json_incref(stacks));
    }
    if (json_array_size(flows) > 0) {
        json_put(result, "codeFlows", json_incref(flows));
    }
    if (json_array_size(related) > 0) {
        json_put(result, "relatedLocations", json_incref(related));
    }
    json_decref(stacks);
    json_decref(flows);
    json_decref(related);
}

/* --- results --- */

static json_t *
result_message(const struct finding *finding)
{
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);
    AUTO(mem_free)
    char *text = mem_printf("%.*s (%s, %s): %.*s. Reproduce it with: nightjar repro %s",
                            TEXT_MAX / 2, title, severity_name(finding->bug.severity),
                            finding_class_name(finding->class), TEXT_MAX / 4, why,
                            finding->bug.name);

    return message_json(text);
}

static json_t *
result_properties(const struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    json_t *o = json_object();

    json_put(o, "bug", json_string(bug->name));
    json_put(o, "severity", json_string(severity_name(bug->severity)));
    json_put(o, "finding", json_string(finding_class_name(finding->class)));
    json_put(o, "blocking", json_boolean(finding->blocking));
    if (!finding->withheld) {
        json_put(o, "target", report_line(bug->target));
        json_put(o, "state", json_string(bug->state));
        json_put(o, "severityScore", json_real(bug->severity_score));
        json_put(o, "reproducibility", json_string(bug->reproducibility));
    }
    return o;
}

static json_t *
fingerprints_json(const struct finding *finding)
{
    AUTO(mem_free) char *line = mem_printf("%.16s:1", finding->fingerprint);

    return json_pack("{s:s, s:s}", "primaryLocationLineHash", line, "nightjar/v1",
                     finding->fingerprint);
}

static void
add_result(struct sarif *sarif, const struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    json_t *result = json_object();
    char id[RULE_ID_MAX];

    rule_id(bug, id);
    json_put(result, "ruleId", json_text(id));
    json_put(result, "ruleIndex", json_integer(rule_of(sarif, id, bug)));
    json_put(result, "level", json_string(severities[bug->severity].level));
    json_put(result, "message", result_message(finding));
    json_put(result, "locations",
             json_pack("[{s:o}]", "physicalLocation",
                       physical_json(finding->place.path, finding->place.line,
                                     finding->place.column)));
    json_put(result, "partialFingerprints", fingerprints_json(finding));
    json_put(result, "baselineState", json_string(baselines[finding->class]));
    if (finding->waiver != NULL) {
        json_put(result, "suppressions",
                 json_pack("[{s:s, s:s, s:o}]", "kind", "external", "status", "accepted",
                           "justification", report_line(finding->waiver)));
    }
    if (bug->record != NULL) {
        add_stacks(sarif, bug->record, result);
    }
    json_put(result, "properties", result_properties(finding));
    (void)json_array_append_new(sarif->results, result);
}

/* --- the file --- */

static json_t *
invocation_json(const struct findings *findings)
{
    char from[CLOCK_TEXT_MAX];
    char to[CLOCK_TEXT_MAX];

    clock_iso(from, findings->started);
    clock_iso(to, findings->ended);
    return json_pack("{s:b, s:i, s:s, s:s}", "executionSuccessful",
                     findings->verdict != VERDICT_INCONCLUSIVE, "exitCode",
                     verdict_exit(findings->verdict), "startTimeUtc", from, "endTimeUtc",
                     to);
}

static json_t *
run_json(const struct findings *findings, const struct sarif *sarif)
{
    json_t *driver = json_object();
    json_t *run = json_object();

    json_put(driver, "name", json_string("nightjar"));
    json_put(driver, "version", json_string(NIGHTJAR_VERSION));
    json_put(driver, "semanticVersion", json_string(NIGHTJAR_VERSION));
    json_put(driver, "rules", json_incref(sarif->rules));
    json_put(run, "tool", json_pack("{s:o}", "driver", driver));
    json_put(run, "automationDetails", json_pack("{s:s}", "id", "nightjar/"));
    json_put(run, "originalUriBaseIds",
             json_pack("{s:{s:{s:s}}}", "%SRCROOT%", "description", "text",
                       "The root of the sources."));
    json_put(run, "invocations", json_pack("[o]", invocation_json(findings)));
    json_put(run, "columnKind", json_string("utf16CodeUnits"));
    json_put(run, "results", json_incref(sarif->results));
    return run;
}

static int
write_sarif(const struct findings *findings, struct buf *out, struct err *err)
{
    struct sarif sarif = {.rules = json_array(),
                          .results = json_array(),
                          .index = json_object(),
                          .sources = {.root = findings->source_root}};
    json_t *log = json_object();

    (void)err;
    for (size_t i = 0; i < findings->n; i++) {
        add_result(&sarif, &findings->v[i]);
    }
    json_put(log, "$schema",
             json_string("https://json.schemastore.org/sarif-2.1.0.json"));
    json_put(log, "version", json_string("2.1.0"));
    json_put(log, "runs", json_pack("[o]", run_json(findings, &sarif)));
    AUTO(mem_free) char *text = json_line(log);
    buf_adds(out, text);
    buf_addc(out, '\n');
    json_decref(log);
    json_decref(sarif.rules);
    json_decref(sarif.results);
    json_decref(sarif.index);
    report_sources_clear(&sarif.sources);
    return 0;
}

const struct report_ops report_sarif = {
    .name = "sarif", .file = "nightjar.sarif", .write = write_sarif};
