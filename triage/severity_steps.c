#include "triage/severity_steps.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    LARGE_ACCESS = 16,     /* bytes; what ClusterFuzz shows as {*} */
    LARGE_SIZE = 64 << 10, /* bytes; a size that a program does not use by itself */
    POINTER_BYTES = 8,
};

/* What the steps look at besides the record. */
struct evidence {
    const struct record *record;
    const struct severity_rule *rule;
    bool wild; /* a fault at an address that belongs to nothing */
    /* in words; "": nothing */
    char from_input[128]; /* what of it stands in the input */
    char shipped[96];     /* what the build that is shipped did */
};

/* --- numbers of the input --- */

static int64_t
find_bytes(const unsigned char *bytes, size_t n, int least, const void *input, size_t len)
{
    int telling = 0;

    for (size_t i = 0; i < n; i++) {
        telling += bytes[i] != 0x00 && bytes[i] != 0xff ? 1 : 0;
    }
    if (telling < least || len < n) {
        return -1;
    }
    const char *at = memmem(input, len, bytes, n);
    return at == NULL ? -1 : at - (const char *)input;
}

int64_t
severity_find_number(uint64_t number, int least, bool near, const void *input, size_t len)
{
    unsigned char little[sizeof(number)];
    unsigned char big[sizeof(number)];
    size_t n = 0;

    for (; number != 0; number >>= 8) {
        little[n++] = (unsigned char)(number & 0xff);
    }
    for (size_t i = 0; i < n; i++) {
        big[n - 1 - i] = little[i];
    }
    size_t drop = near && n > 0 ? 1 : 0;
    int64_t at = find_bytes(little + drop, n - drop, least, input, len);
    return at >= 0 ? at - (int64_t)drop : find_bytes(big, n - drop, least, input, len);
}

/* What the program was about to access, but for the lowest three bits. */
static uint64_t
address_of(const struct record *record)
{
    const uint64_t shadow = 0x7fff8000;
    uint64_t address = strtoull(record->crash_address, NULL, 16);

    return (record->facts & FACT_IN_CHECK) != 0 && address > shadow
               ? (address - shadow) << 3
               : address;
}

/* Only the input that this very crash came of can tell. */
static void
look_into_input(struct evidence *e, const struct record_options *options)
{
    const struct record *record = e->record;
    bool pointer = (e->wild || (record->facts & FACT_PC_IS_ADDRESS) != 0) &&
                   !record->near_null && record->crash_address != NULL;
    uint64_t address = pointer ? address_of(record) : 0;
    int64_t at = -1;

    if (options->input == NULL) {
        return;
    }
    if (pointer) {
        at = severity_find_number(address, 4, false, options->input, options->input_len);
        at = at >= 0 ? at
                     : severity_find_number(address, 4, true, options->input,
                                            options->input_len);
        if (at >= 0) {
            (void)snprintf(e->from_input, sizeof(e->from_input),
                           "the address %#llx consists of bytes of the input, at offset "
                           "%lld",
                           (unsigned long long)address, (long long)at);
        }
        return;
    }
    if (e->rule->write_score > 0 && record->access_bytes >= LARGE_SIZE) {
        at = severity_find_number((uint64_t)record->access_bytes, 3, false,
                                  options->input, options->input_len);
    }
    if (at >= 0) {
        (void)snprintf(e->from_input, sizeof(e->from_input),
                       "the size %lld stands in the input, at offset %lld",
                       (long long)record->access_bytes, (long long)at);
    }
}

/* --- the steps --- */

static bool
has(const struct evidence *e, unsigned facts)
{
    return (e->record->facts & facts) != 0;
}

static bool
returned(const struct evidence *e)
{
    return has(e, FACT_AT_RETURN);
}

static bool
jumped(const struct evidence *e)
{
    return has(e, FACT_AT_CALL | FACT_AT_BRANCH) && !e->record->near_null;
}

static bool
pc_is_address(const struct evidence *e)
{
    return has(e, FACT_PC_IS_ADDRESS) && !e->record->near_null;
}

static bool
pc_is_input(const struct evidence *e)
{
    return (jumped(e) || pc_is_address(e)) && e->from_input[0] != '\0';
}

static bool
jumped_to_null(const struct evidence *e)
{
    return has(e, FACT_PC_NULL) ||
           (e->record->near_null && has(e, FACT_AT_CALL | FACT_AT_BRANCH));
}

static bool
near_null(const struct evidence *e)
{
    return e->wild && e->record->near_null && !jumped_to_null(e) && !returned(e);
}

static bool
writes_where_told(const struct evidence *e)
{
    return e->wild && e->from_input[0] != '\0' && e->record->access == ACCESS_WRITE;
}

static bool
goes_where_told(const struct evidence *e)
{
    return e->wild && e->from_input[0] != '\0';
}

static bool
size_is_input(const struct evidence *e)
{
    return !e->wild && e->rule->write_score > 0 && e->from_input[0] != '\0';
}

static bool
is_large(const struct evidence *e)
{
    return e->record->access_bytes > LARGE_ACCESS && e->rule->write_score > 0;
}

static bool
reads_freed_pointer(const struct evidence *e)
{
    return strcmp(e->rule->class_name, "heap-use-after-free") == 0 &&
           e->record->access == ACCESS_READ && e->record->access_bytes == POINTER_BYTES;
}

static bool
guard_broken(const struct evidence *e)
{
    return has(e, FACT_STACK_GUARD);
}

static bool
heap_damaged(const struct evidence *e)
{
    return has(e, FACT_HEAP_CHECK);
}

static bool
fortified(const struct evidence *e)
{
    return has(e, FACT_FORTIFY);
}

static bool
marked(const struct evidence *e)
{
    return has(e, FACT_FUZZER_ISSUE);
}

static bool
crashes_shipped(const struct evidence *e)
{
    return e->record->shipped_k > 0;
}

static bool
spares_shipped(const struct evidence *e)
{
    return e->record->shipped_k == 0 && e->record->shipped_n > 0;
}

static bool protected(const struct evidence *e)
{
    return has(e, FACT_MIRACLE_PTR);
}

/* Reasons with figures, which stand in the evidence. */
static const char from_input[] = "what of it stands in the input";
static const char shipped[] = "what the shipped build did";

enum step_how {
    AT_LEAST, /* said only when it changes something, as AT_MOST */
    AT_MOST,
    MORE,
};

/* In this order. */
static const struct step {
    bool (*holds)(const struct evidence *e);
    enum step_how how;
    double score;
    const char *reason;
} steps[] = {
    {returned, AT_LEAST, 9.4, "it returned to a wild address: the stack was overwritten"},
    {jumped, AT_LEAST, 9.4, "it jumped through a wild pointer"},
    {pc_is_address, AT_LEAST, 9.4,
     "the program counter is the address that faulted: the program jumped to it"},
    {pc_is_input, AT_LEAST, 9.8, from_input},
    {jumped_to_null, AT_LEAST, 5.0,
     "the program jumped to null: a function pointer was wrong"},
    {near_null, AT_MOST, 3.9, "the address is near null: rarely more than a crash"},
    {writes_where_told, AT_LEAST, 9.2, from_input},
    {goes_where_told, AT_LEAST, 7.0, from_input},
    {guard_broken, AT_LEAST, 7.4,
     "the stack guard was overwritten: a buffer on the stack overflowed"},
    {heap_damaged, AT_LEAST, 7.0, "malloc found its heap damaged"},
    {fortified, AT_LEAST, 4.4,
     "a fortified function stopped an overflow that it knew the size of"},
    {marked, AT_LEAST, 7.0, "the fuzzer marked it as a security issue"},
    {is_large, MORE, 0.2, "more than 16 bytes at once: the size may come from the input"},
    {size_is_input, MORE, 0.4, from_input},
    {reads_freed_pointer, MORE, 0.4,
     "what it read has the size of a pointer: whoever gets the freed block chooses it"},
    {crashes_shipped, MORE, 1.5, shipped},
    {spares_shipped, MORE, 0.0, shipped},
    {protected, AT_MOST, 3.9, "MiraclePtr protects this pointer"},
};

static void
apply(struct record *record, const struct evidence *e, const struct step *step)
{
    double before = record->severity_score;
    double after = step->how == MORE       ? before + step->score
                   : step->how == AT_LEAST ? (before < step->score ? step->score : before)
                   : before > step->score  ? step->score
                                           : before;

    record->severity_score = after > 10.0 ? 10.0 : after;
    if (step->how != MORE && after == before) {
        return;
    }
    strv_add(&record->reasons, step->reason == from_input ? e->from_input
                               : step->reason == shipped  ? e->shipped
                                                          : step->reason);
}

void
severity_steps(struct record *record, const struct severity_rule *rule,
               const struct record_options *options)
{
    struct evidence e = {.record = record,
                         .rule = rule,
                         .wild = strcmp(rule->class_name, "AccessViolation") == 0};

    look_into_input(&e, options);
    (void)snprintf(e.shipped, sizeof(e.shipped), "%s: %d of %d runs",
                   record->shipped_k > 0 ? "crashes what we ship"
                                         : "does not crash what we ship",
                   record->shipped_k, record->shipped_n);
    for (size_t i = 0; i < COUNT(steps); i++) {
        if (steps[i].holds(&e)) {
            apply(record, &e, &steps[i]);
        }
    }
}
