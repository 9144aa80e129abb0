#include "triage/severity.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/harness.h"
#include "triage/parse/span.h"
#include "triage/severity_rules.h"
#include "triage/severity_steps.h"

/* --- the security flag --- */

static bool
raised_on_purpose(const struct record *record)
{
    static const char *const raisers[] = {
        "gsignal", "raise", "__pthread_kill_implementation", "__pthread_kill_internal"};
    const char *top = record->n_frames > 0 ? record->frames[0].function : NULL;

    for (size_t i = 0; i < COUNT(raisers) && top != NULL; i++) {
        if (strcmp(top, raisers[i]) == 0) {
            return true;
        }
    }
    return (record->facts & FACT_HARMLESS_SIGNAL) != 0;
}

static bool
is_security(const struct record *record, const struct severity_rule *rule, bool asserts,
            bool checks)
{
    if ((record->facts & FACT_MIRACLE_PTR) != 0) {
        return false;
    }
    if ((record->facts & (FACT_FUZZER_ISSUE | FACT_PC_NULL | FACT_JNI_MISUSE)) != 0) {
        return true;
    }
    switch (rule->flag) {
    case FLAG_NO:
        return false;
    case FLAG_YES:
        return true;
    case FLAG_ASSERTS:
        return asserts;
    case FLAG_CHECKS:
        return checks;
    case FLAG_DEFAULT:
        return !raised_on_purpose(record);
    case FLAG_ADDRESS:
        break;
    }
    /* an address that the hardware does not tell is no canonical one: as wild as can be
     */
    bool wild =
        record->no_address || (record->crash_address != NULL &&
                               strtoull(record->crash_address, NULL, 16) >= 0x1000);
    return wild && !raised_on_purpose(record);
}

bool
severity_default_security(const struct record *record)
{
    return is_security(record, severity_rules_find(record->crash_type), true, false);
}

/* --- class --- */

/* "AccessViolation" with what is known of the access, by CASR's rules. */
static const char *
violation(const struct record *record)
{
    if ((record->facts & FACT_AT_RETURN) != 0) {
        return "ReturnAv";
    }
    if ((record->facts & FACT_AT_CALL) != 0) {
        return record->near_null ? "CallAvNearNull" : "CallAv";
    }
    if ((record->facts & FACT_AT_BRANCH) != 0) {
        return record->near_null ? "BranchAvNearNull" : "BranchAv";
    }
    if ((record->facts & FACT_PC_IS_ADDRESS) != 0) {
        return record->near_null ? "SegFaultOnPcNearNull" : "SegFaultOnPc";
    }
    if ((record->facts & FACT_PC_NULL) != 0) {
        return "SegFaultOnPcNearNull";
    }
    if (record->access == ACCESS_READ) {
        return record->near_null ? "SourceAvNearNull" : "SourceAv";
    }
    if (record->access == ACCESS_WRITE) {
        return record->near_null ? "DestAvNearNull" : "DestAv";
    }
    return "AccessViolation";
}

static const char *
class_of(const struct record *record, const struct severity_rule *rule)
{
    char with_access[64];

    if ((record->facts & FACT_STACK_GUARD) != 0) {
        return "StackGuard";
    }
    if ((record->facts & FACT_HEAP_CHECK) != 0) {
        return "HeapError";
    }
    if ((record->facts & FACT_FORTIFY) != 0) {
        return "SafeFunctionCheck";
    }
    if (strcmp(rule->class_name, "AccessViolation") == 0) {
        bool checked = strcmp(record->sanitizer, "undefined") == 0 &&
                       record->crash_address == NULL && !record->no_address;
        return checked ? "undefined-behavior" : violation(record);
    }
    (void)snprintf(with_access, sizeof(with_access), "%s(%s)", rule->class_name,
                   record->access == ACCESS_WRITE ? "write" : "read");
    const char *name =
        record->access == ACCESS_UNKNOWN ? NULL : severity_find_class(with_access);
    return name != NULL ? name : severity_find_class(rule->class_name);
}

/* --- score --- */

static const char *
cwe_of(const struct record *record, const struct severity_rule *rule)
{
    bool overflow =
        strcmp(rule->cwe, "CWE-125") == 0 || strcmp(rule->cwe, "CWE-127") == 0;

    if (record->access != ACCESS_WRITE || !overflow) {
        return rule->cwe;
    }
    if (strcmp(rule->cwe, "CWE-127") == 0) {
        return "CWE-124";
    }
    return strstr(rule->type, "tack") != NULL   ? "CWE-121"
           : strstr(rule->type, "Heap") != NULL ? "CWE-122"
                                                : "CWE-787";
}

static enum severity
band(double score)
{
    return score >= 9.0   ? SEVERITY_CRITICAL
           : score >= 7.0 ? SEVERITY_HIGH
           : score >= 4.0 ? SEVERITY_MEDIUM
           : score > 0.0  ? SEVERITY_LOW
                          : SEVERITY_INFO;
}

static void
explain_access(struct record *record, const struct severity_rule *rule)
{
    if (rule->write_score == 0) {
        return;
    }
    if (record->access == ACCESS_WRITE) {
        strv_add(&record->reasons, "it writes, which damages memory: worse than reading");
    } else if (record->access == ACCESS_READ) {
        strv_add(&record->reasons, "it reads: memory may leak or the program may crash");
    } else if ((record->facts & FACT_IN_CHECK) != 0) {
        strv_add(&record->reasons,
                 "the sanitizer's check before the access is what faulted: "
                 "whether it would read or write is not told, held for "
                 "a read");
    } else {
        strv_add(&record->reasons,
                 "whether it read or wrote is not known: held for a read");
    }
}

/* The program is not to blame: what counts is said, and what it would be otherwise. */
static void
blame_harness(struct record *record, const struct frame *frame)
{
    const char *slash = strrchr(frame->file, '/');

    strv_addf(&record->reasons, "as a crash of the program: %s %.1f, %s",
              severity_name(record->severity), record->severity_score,
              record->class_name);
    strv_addf(&record->reasons, "but it lies in the fuzz harness itself: %s in %s",
              frame->function, slash == NULL ? frame->file : slash + 1);
    if (strcmp(record->class_name, "AbortSignal") == 0 ||
        strcmp(record->class_name, "TrapSignal") == 0) {
        strv_add(&record->reasons, "if the harness checks there what the program did, it "
                                   "may be the program that is wrong");
    }
    record->class_name = severity_find_class("harness");
    record->exploitability = severity_rules_exploitability(record->class_name);
    record->severity_score = 0.0;
    record->severity = SEVERITY_INFO;
    record->security = false;
}

void
severity_decide(struct record *record, const struct record_options *options)
{
    const struct severity_rule *rule = severity_rules_find(record->crash_type);
    const struct frame *harness = harness_frame(record);
    bool writes = record->access == ACCESS_WRITE && rule->write_score > 0;

    strv_clear(&record->reasons);
    record->security = is_security(record, rule, options->asserts_are_security,
                                   options->checks_are_security);
    record->class_name = class_of(record, rule);
    record->exploitability = severity_rules_exploitability(record->class_name);
    record->cwe = cwe_of(record, rule);
    record->severity_score = writes ? rule->write_score : rule->score;
    strv_add(&record->reasons, rule->reason);
    explain_access(record, rule);
    severity_steps(record, rule, options);
    record->severity = band(record->severity_score);
    if (record->security) {
        strv_add(&record->reasons, "this kind of crash is held for a security problem");
    }
    record->in_harness = harness != NULL;
    if (record->in_harness && options->judge_harness) {
        blame_harness(record, harness);
    }
}
