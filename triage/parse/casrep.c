#include "triage/parse/casrep.h"

#include <string.h>

#include "base/json.h"
#include "triage/parse/span.h"

static bool
add_lines(const json_t *object, const char *key, struct buf *out)
{
    AUTO(strv_clear) struct strv lines = {0};

    json_get_strv(object, key, &lines);
    for (size_t i = 0; i < lines.n; i++) {
        buf_adds(out, lines.v[i]);
        buf_addc(out, '\n');
    }
    return lines.n > 0;
}

/* casr-gdb and casr-core keep the stack alone, and the signal in the class that it leads
 * to: gdb's own line is put before it. */
static void
add_gdb(const json_t *object, struct buf *out)
{
    static const struct {
        const char *class_name, *signal;
    } classes[] = {{"AbortSignal", "SIGABRT, Aborted."},
                   {"TrapSignal", "SIGTRAP, Trace/breakpoint trap."},
                   {"BadInstruction", "SIGILL, Illegal instruction."},
                   {"FPE", "SIGFPE, Arithmetic exception."},
                   {"SafeFunctionCheck", "SIGABRT, Aborted."},
                   {"StackGuard", "SIGABRT, Aborted."},
                   {"HeapError", "SIGABRT, Aborted."}};
    const char *class_name =
        json_get_str(json_object_get(object, "CrashSeverity"), "ShortDescription", "");
    const char *name = "SIGSEGV, Segmentation fault.";

    for (size_t i = 0; i < COUNT(classes); i++) {
        if (strcmp(classes[i].class_name, class_name) == 0) {
            name = classes[i].signal;
        }
    }
    buf_addf(out, "Program received signal %s\n", name);
    (void)add_lines(object, "Stacktrace", out);
}

bool
casrep_text(const char *text, size_t len, struct buf *out)
{
    static const char *const reports[] = {"AsanReport", "UbsanReport",  "PythonReport",
                                          "GoReport",   "JavaReport",   "RustReport",
                                          "JsReport",   "CSharpReport", "LuaReport"};
    struct span s = {text, len};
    AUTO(json_decref) json_t *object = NULL;

    while (s.len > 0 && (span_blank(s.at[0]) || s.at[0] == '\n' || s.at[0] == '\r')) {
        s = span_from(s, 1);
    }
    if (s.len > CASREP_MAX || !span_starts(s, "{") || !span_has(s, "\"CrashSeverity\"") ||
        json_parse(s.at, s.len, &object, NULL) < 0) {
        return false;
    }
    for (size_t i = 0; i < COUNT(reports); i++) {
        if (add_lines(object, reports[i], out)) {
            return true;
        }
    }
    if (json_array_size(json_object_get(object, "Stacktrace")) == 0) {
        return false;
    }
    add_gdb(object, out);
    return true;
}
