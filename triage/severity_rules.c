#include "triage/severity_rules.h"

#include "triage/parse/span.h"
#include "triage/severity.h"

static const char exploitable[] = "EXPLOITABLE";
static const char probably[] = "PROBABLY_EXPLOITABLE";
static const char not_exploitable[] = "NOT_EXPLOITABLE";
static const char undefined[] = "UNDEFINED";

/* --- classes: CASR's words, and for what it has no word the sanitizer's own --- */

static const struct class_info {
    const char *name;
    const char *exploitability;
} classes[] = {
    {"SegFaultOnPc", exploitable},
    {"ReturnAv", exploitable},
    {"BranchAv", exploitable},
    {"CallAv", exploitable},
    {"DestAv", exploitable},
    {"BranchAvTainted", exploitable},
    {"CallAvTainted", exploitable},
    {"DestAvTainted", exploitable},
    {"param-overlap", exploitable},
    {"heap-buffer-overflow(write)", exploitable},
    {"stack-buffer-overflow(write)", exploitable},
    {"global-buffer-overflow(write)", exploitable},
    {"dynamic-stack-buffer-overflow(write)", exploitable},
    {"stack-buffer-underflow(write)", exploitable},
    {"heap-use-after-free(write)", exploitable},
    {"stack-use-after-scope(write)", exploitable},
    {"stack-use-after-return(write)", exploitable},
    {"container-overflow(write)", exploitable},
    {"BadInstruction", probably},
    {"SegFaultOnPcNearNull", probably},
    {"BranchAvNearNull", probably},
    {"CallAvNearNull", probably},
    {"DestAvNearNull", probably},
    {"StackGuard", probably},
    {"HeapError", probably},
    {"heap-buffer-overflow", probably},
    {"stack-buffer-overflow", probably},
    {"global-buffer-overflow", probably},
    {"dynamic-stack-buffer-overflow", probably},
    {"stack-buffer-underflow", probably},
    {"heap-use-after-free", probably},
    {"stack-use-after-scope", probably},
    {"stack-use-after-return", probably},
    {"container-overflow", probably},
    {"use-after-poison", probably},
    {"negative-size-param", probably},
    {"calloc-overflow", probably},
    {"reallocarray-overflow", probably},
    {"pvalloc-overflow", probably},
    {"overwrites-const-input", probably},
    {"AbortSignal", not_exploitable},
    {"TrapSignal", not_exploitable},
    {"AccessViolation", not_exploitable},
    {"SourceAv", not_exploitable},
    {"SourceAvNearNull", not_exploitable},
    {"SafeFunctionCheck", not_exploitable},
    {"FPE", not_exploitable},
    {"StackOverflow", not_exploitable},
    {"double-free", not_exploitable},
    {"bad-free", not_exploitable},
    {"alloc-dealloc-mismatch", not_exploitable},
    {"unknown-crash", not_exploitable},
    {"heap-buffer-overflow(read)", not_exploitable},
    {"stack-buffer-overflow(read)", not_exploitable},
    {"global-buffer-overflow(read)", not_exploitable},
    {"dynamic-stack-buffer-overflow(read)", not_exploitable},
    {"stack-buffer-underflow(read)", not_exploitable},
    {"heap-use-after-free(read)", not_exploitable},
    {"stack-use-after-scope(read)", not_exploitable},
    {"stack-use-after-return(read)", not_exploitable},
    {"container-overflow(read)", not_exploitable},
    {"initialization-order-fiasco", not_exploitable},
    {"new-delete-type-mismatch", not_exploitable},
    {"bad-malloc_usable_size", not_exploitable},
    {"odr-violation", not_exploitable},
    {"memory-leaks", not_exploitable},
    {"invalid-allocation-alignment", not_exploitable},
    {"invalid-aligned-alloc-alignment", not_exploitable},
    {"invalid-posix-memalign-alignment", not_exploitable},
    {"allocation-size-too-big", not_exploitable},
    {"out-of-memory", not_exploitable},
    {"fuzz target exited", not_exploitable},
    {"timeout", not_exploitable},
    {"use-of-uninitialized-value", not_exploitable},
    {"Undefined", undefined},
    /* what casr-ubsan takes from UBSan's summary, always NOT_EXPLOITABLE */
    {"undefined-behavior", not_exploitable},
    /* CASR names these after the exception; a constant has to do here */
    {"uncaught-exception", not_exploitable},
    /* no crash of the program at all, see harness.h */
    {"harness", not_exploitable},
};

/* --- rules: one row for each kind of crash --- */

static const struct severity_rule rules[] = {
    /* memory errors */
    {"Heap-buffer-overflow", "heap-buffer-overflow", "CWE-125", FLAG_DEFAULT, 5.8, 8.6,
     "heap memory outside of the allocated block was accessed"},
    {"Stack-buffer-overflow", "stack-buffer-overflow", "CWE-125", FLAG_DEFAULT, 5.8, 8.8,
     "stack memory outside of a variable was accessed"},
    {"Stack-buffer-underflow", "stack-buffer-underflow", "CWE-127", FLAG_DEFAULT, 5.8,
     8.8, "stack memory before a variable was accessed"},
    {"Dynamic-stack-buffer-overflow", "dynamic-stack-buffer-overflow", "CWE-125",
     FLAG_DEFAULT, 5.8, 8.6, "memory outside of a variable length array was accessed"},
    {"Global-buffer-overflow", "global-buffer-overflow", "CWE-125", FLAG_DEFAULT, 5.6,
     8.2, "memory outside of a global variable was accessed"},
    {"Container-overflow", "container-overflow", "CWE-125", FLAG_DEFAULT, 5.2, 7.6,
     "memory behind a container's last element was accessed"},
    {"Intra-object-overflow", "Undefined", "CWE-787", FLAG_DEFAULT, 5.0, 7.2,
     "a member's bounds within its object were passed"},
    {"Heap-use-after-free", "heap-use-after-free", "CWE-416", FLAG_DEFAULT, 7.6, 8.8,
     "heap memory was used after it was freed"},
    {"Stack-use-after-return", "stack-use-after-return", "CWE-562", FLAG_DEFAULT, 7.2,
     8.4, "a local variable was used after its function had returned"},
    {"Stack-use-after-scope", "stack-use-after-scope", "CWE-825", FLAG_DEFAULT, 7.0, 8.2,
     "a local variable was used after its scope had ended"},
    {"Use-after-poison", "use-after-poison", "CWE-416", FLAG_DEFAULT, 7.2, 8.4,
     "memory was used that the program had marked as not to be used"},
    {"Heap-double-free", "double-free", "CWE-415", FLAG_DEFAULT, 7.6, 0,
     "a block was freed twice: without the sanitizer the allocator's lists are damaged"},
    {"Invalid-free", "bad-free", "CWE-590", FLAG_DEFAULT, 7.2, 0,
     "an address was freed that no allocation returned: without the sanitizer the "
     "allocator's "
     "lists are damaged"},
    {"Alloc-dealloc-mismatch", "alloc-dealloc-mismatch", "CWE-762", FLAG_DEFAULT, 3.5, 0,
     "a block was freed by another family of functions than it was allocated by"},
    {"New-delete-type-mismatch", "new-delete-type-mismatch", "CWE-762", FLAG_DEFAULT, 3.5,
     0, "an object was deleted as another type than it was made as"},
    {"Negative-size-param", "negative-size-param", "CWE-195", FLAG_DEFAULT, 6.8, 0,
     "a negative size was given to a memory function: it is a huge one"},
    {"Memcpy-param-overlap", "param-overlap", "CWE-475", FLAG_DEFAULT, 5.0, 0,
     "source and target of a copy overlap"},
    {"Bad-malloc-usable-size", "bad-malloc_usable_size", "CWE-763", FLAG_DEFAULT, 3.0, 0,
     "the size of a block was asked for that the allocator does not know"},
    {"Reallocarray-overflow", "reallocarray-overflow", "CWE-190", FLAG_DEFAULT, 5.0, 0,
     "the size of an allocation overflowed"},
    {"Pvalloc-overflow", "pvalloc-overflow", "CWE-190", FLAG_DEFAULT, 5.0, 0,
     "the size of an allocation overflowed"},
    {"Invalid-allocation-alignment", "invalid-allocation-alignment", "CWE-628", FLAG_NO,
     1.5, 0, "an impossible alignment was asked for"},
    {"Invalid-aligned-alloc-alignment", "invalid-aligned-alloc-alignment", "CWE-628",
     FLAG_NO, 1.5, 0, "an impossible alignment was asked for"},
    {"Invalid-posix-memalign-alignment", "invalid-posix-memalign-alignment", "CWE-628",
     FLAG_NO, 1.5, 0, "an impossible alignment was asked for"},
    {"Initialization-order-fiasco", "initialization-order-fiasco", "CWE-456", FLAG_NO,
     2.0, 0, "a global was used before its initializer had run"},
    {"Odr-violation", "odr-violation", "CWE-758", FLAG_NO, 1.0, 0,
     "two definitions of one global are linked together"},
    {"Invalid-pointer-pair", "Undefined", "CWE-469", FLAG_NO, 2.0, 0,
     "pointers into different objects were compared or subtracted"},
    {"Tag-mismatch", "Undefined", "CWE-119", FLAG_DEFAULT, 5.8, 8.4,
     "memory was accessed through a pointer with another tag"},
    {"Allocation-tail-overwritten", "Undefined", "CWE-122", FLAG_DEFAULT, 8.0, 0,
     "bytes behind a heap block were overwritten"},
    {"Use-of-uninitialized-value", "use-of-uninitialized-value", "CWE-457", FLAG_DEFAULT,
     5.0, 0, "a value was used that was never set"},
    {"Bad-cast", "undefined-behavior", "CWE-843", FLAG_YES, 7.6, 0,
     "an object was used as a type that it is not"},

    /* wild accesses and signals */
    {"UNKNOWN", "AccessViolation", "CWE-119", FLAG_ADDRESS, 5.4, 7.4,
     "a wild address was accessed"},
    {"Null-dereference", "AccessViolation", "CWE-476", FLAG_NO, 3.0, 3.4,
     "an address near null was accessed"},
    {"Stack-overflow", "StackOverflow", "CWE-674", FLAG_NO, 3.2, 0,
     "the stack was used up"},
    {"Fatal-signal", "Undefined", "CWE-119", FLAG_NO, 3.8, 0,
     "a fatal signal that the report does not name"},
    {"Floating-point-exception", "FPE", "CWE-369", FLAG_NO, 3.0, 0,
     "an integer was divided by zero or out of its range"},
    {"Abrt", "AbortSignal", "CWE-617", FLAG_DEFAULT, 2.8, 0,
     "the program aborted itself"},
    {"Trap", "TrapSignal", "CWE-617", FLAG_NO, 2.8, 0, "the program trapped itself"},
    {"Breakpoint", "TrapSignal", "CWE-617", FLAG_NO, 2.8, 0,
     "the program trapped itself"},
    {"Ill", "BadInstruction", "CWE-119", FLAG_DEFAULT, 3.6, 0,
     "an invalid instruction was executed"},
    {"Illegal-instruction", "BadInstruction", "CWE-119", FLAG_NO, 3.6, 0,
     "an invalid instruction was executed"},
    {"Bus", "AccessViolation", "CWE-119", FLAG_DEFAULT, 4.4, 5.0,
     "memory was accessed that is not there, or misaligned"},
    {"Bad-system-call", "BadInstruction", "CWE-758", FLAG_NO, 2.0, 0,
     "a system call was made that a filter forbids"},

    {"READ", "AccessViolation", "CWE-119", FLAG_ADDRESS, 5.4, 7.4,
     "a wild address was read"},
    {"WRITE", "AccessViolation", "CWE-119", FLAG_ADDRESS, 5.4, 7.4,
     "a wild address was written"},
    {"EXECUTE", "AccessViolation", "CWE-119", FLAG_DEFAULT, 5.4, 7.4,
     "a wild address was executed"},
    {"Abort", "AbortSignal", "CWE-617", FLAG_DEFAULT, 2.8, 0,
     "the program aborted itself"},
    {"SIGSEGV", "AccessViolation", "CWE-119", FLAG_DEFAULT, 5.4, 7.4,
     "a wild address was accessed"},
    {"SIGBUS", "AccessViolation", "CWE-119", FLAG_DEFAULT, 4.4, 5.0,
     "memory was accessed that is not there, or misaligned"},
    {"SIGABRT", "AbortSignal", "CWE-617", FLAG_DEFAULT, 2.8, 0,
     "the program aborted itself"},
    {"SIGTRAP", "TrapSignal", "CWE-617", FLAG_NO, 2.8, 0, "the program trapped itself"},
    {"SIGILL", "BadInstruction", "CWE-119", FLAG_DEFAULT, 3.6, 0,
     "an invalid instruction was executed"},
    {"SIGSYS", "BadInstruction", "CWE-758", FLAG_DEFAULT, 2.0, 0,
     "a system call was made that a filter forbids"},
    {"SIGFPE", "FPE", "CWE-369", FLAG_DEFAULT, 3.0, 0,
     "an integer was divided by zero or out of its range"},
    {"Kernel failure", "Undefined", "CWE-119", FLAG_YES, 5.8, 7.8,
     "the kernel failed: whoever can cause it stops or takes over the machine"},
    {"Trusted app crash", "Undefined", "CWE-119", FLAG_DEFAULT, 5.8, 0,
     "an application of the trusted world crashed"},

    /* leaks, limits, exits */
    {"Direct-leak", "memory-leaks", "CWE-401", FLAG_NO, 2.0, 0, "memory was never freed"},
    {"Indirect-leak", "memory-leaks", "CWE-401", FLAG_NO, 2.0, 0,
     "memory was never freed"},
    {"Timeout", "timeout", "CWE-834", FLAG_NO, 2.4, 0,
     "it ran longer than the limit: an input can stop the program"},
    {"Out-of-memory", "out-of-memory", "CWE-789", FLAG_NO, 2.2, 0,
     "it wanted more memory than the limit: an input can stop the program"},
    {"Unexpected-exit", "fuzz target exited", "CWE-382", FLAG_NO, 0.0, 0,
     "the program ended itself; libFuzzer wants it to return"},
    {"Overwrites-const-input", "overwrites-const-input", "CWE-374", FLAG_NO, 3.0, 0,
     "the target wrote to its input"},
    {"Missing-library", "Undefined", "CWE-1104", FLAG_NO, 0.0, 0,
     "the program never ran"},

    /* assertions */
    {"ASSERT", "AbortSignal", "CWE-617", FLAG_ASSERTS, 3.4, 0, "an assertion failed"},
    {"ASSERT_NOT_REACHED", "AbortSignal", "CWE-617", FLAG_NO, 3.0, 0,
     "code was reached that must not be"},
    {"CHECK failure", "AbortSignal", "CWE-617", FLAG_CHECKS, 3.0, 0, "a check failed"},
    {"DCHECK failure", "AbortSignal", "CWE-617", FLAG_YES, 3.8, 0,
     "a debug check failed: the release goes on beyond this point"},
    {"Security CHECK failure", "AbortSignal", "CWE-617", FLAG_NO, 3.0, 0,
     "a check failed"},
    {"Security DCHECK failure", "AbortSignal", "CWE-617", FLAG_YES, 7.0, 0,
     "a debug check of a security property failed: the release goes on beyond this "
     "point"},
    {"Sanitizer CHECK failure", "AbortSignal", "CWE-617", FLAG_NO, 2.0, 0,
     "the sanitizer's own check failed"},
    {"Fatal error", "AbortSignal", "CWE-617", FLAG_NO, 2.8, 0, "the program gave up"},
    {"Unreachable code", "AbortSignal", "CWE-617", FLAG_NO, 3.0, 0,
     "code was reached that must not be"},
    {"RUNTIME_ASSERT", "AbortSignal", "CWE-617", FLAG_NO, 2.0, 0,
     "a runtime assertion failed"},
    {"V8 API error", "AbortSignal", "CWE-617", FLAG_DEFAULT, 2.8, 0,
     "V8's interface was misused"},
    {"V8 correctness failure", "Undefined", "CWE-682", FLAG_NO, 2.0, 0,
     "two configurations computed different results"},
    {"GPU failure", "Undefined", "CWE-119", FLAG_DEFAULT, 4.0, 0,
     "Chromium's GPU process died; it left no report"},
    {"V8 sandbox violation", "Undefined", "CWE-693", FLAG_YES, 3.9, 0,
     "memory outside of V8's sandbox was accessed"},

    /* undefined behaviour */
    {"Divide-by-zero", "undefined-behavior", "CWE-369", FLAG_NO, 3.0, 0,
     "division by zero"},
    {"Integer-overflow", "undefined-behavior", "CWE-190", FLAG_NO, 3.0, 0,
     "a signed number overflowed"},
    {"Unsigned-integer-overflow", "undefined-behavior", "CWE-190", FLAG_NO, 1.5, 0,
     "an unsigned number wrapped around"},
    {"Float-cast-overflow", "undefined-behavior", "CWE-681", FLAG_NO, 2.0, 0,
     "a floating point number does not fit its integer type"},
    {"Implicit-conversion", "undefined-behavior", "CWE-197", FLAG_NO, 1.5, 0,
     "a conversion changed a value"},
    {"Undefined-shift", "undefined-behavior", "CWE-1335", FLAG_NO, 2.0, 0,
     "a shift beyond the width or of a negative number"},
    {"Misaligned-address", "undefined-behavior", "CWE-704", FLAG_NO, 1.5, 0,
     "an address is not aligned for its type"},
    {"Pointer-overflow", "undefined-behavior", "CWE-823", FLAG_NO, 3.0, 0,
     "a pointer computation overflowed or began at null"},
    {"Invalid-bool-value", "undefined-behavior", "CWE-908", FLAG_NO, 2.0, 0,
     "a bool is neither true nor false"},
    {"Invalid-enum-value", "undefined-behavior", "CWE-908", FLAG_NO, 2.0, 0,
     "an enumeration has a value that it does not know"},
    {"Invalid-builtin-use", "undefined-behavior", "CWE-628", FLAG_NO, 2.0, 0,
     "a builtin function was given an argument that it forbids"},
    {"Invalid-null-argument", "undefined-behavior", "CWE-476", FLAG_NO, 2.0, 0,
     "null was passed where it is forbidden"},
    {"Invalid-null-return", "undefined-behavior", "CWE-476", FLAG_NO, 2.0, 0,
     "null was returned where it is forbidden"},
    {"Potential-null-reference", "undefined-behavior", "CWE-476", FLAG_NO, 2.0, 0,
     "a reference may be null"},
    {"Upcast-of-null-pointer", "undefined-behavior", "CWE-476", FLAG_NO, 2.0, 0,
     "a null pointer was converted to its base class"},
    {"No-return-value", "undefined-behavior", "CWE-758", FLAG_NO, 2.5, 0,
     "a function that must return a value did not"},
    {"Assumption-violation", "undefined-behavior", "CWE-758", FLAG_NO, 2.0, 0,
     "what the compiler was told to assume does not hold"},
    {"Index-out-of-bounds", "undefined-behavior", "CWE-129", FLAG_YES, 5.4, 0,
     "an array index is out of bounds"},
    {"Object-size", "undefined-behavior", "CWE-119", FLAG_YES, 5.2, 0,
     "an object does not fit the memory that it was accessed in"},
    {"Incorrect-function-pointer-type", "undefined-behavior", "CWE-843", FLAG_YES, 5.0, 0,
     "a function was called through a pointer of another type"},
    {"Non-positive-vla-bound-value", "undefined-behavior", "CWE-131", FLAG_YES, 5.0, 0,
     "the length of an array is not positive"},

    /* threads */
    {"Data race", "Undefined", "CWE-362", FLAG_NO, 3.5, 0,
     "two threads raced for memory"},
    {"Data race on vptr", "Undefined", "CWE-362", FLAG_NO, 3.8, 0,
     "two threads raced for an object's virtual table"},
    {"Lock-order-inversion", "Undefined", "CWE-833", FLAG_NO, 2.0, 0,
     "locks are taken in different orders: a deadlock is possible"},
    {"Thread leak", "Undefined", "CWE-772", FLAG_NO, 1.0, 0, "a thread was never joined"},
    {"Signal-unsafe call inside of a signal", "Undefined", "CWE-479", FLAG_DEFAULT, 3.5,
     0, "a signal handler calls what the interrupted code may be in the middle of"},

    /* other languages */
    {"Uncaught exception", "uncaught-exception", "CWE-248", FLAG_ADDRESS, 2.6, 0,
     "an exception that nobody caught"},
    {"Security exception", "uncaught-exception", "CWE-248", FLAG_DEFAULT, 7.0, 0,
     "the fuzzer's own security check raised an exception"},
    {"Fatal Exception", "uncaught-exception", "CWE-248", FLAG_NO, 2.6, 0,
     "an exception that nobody caught"},
    {"Wycheproof error", "uncaught-exception", "CWE-310", FLAG_YES, 6.0, 0,
     "a known attack on a cryptographic library works"},
    {"Index out of range", "uncaught-exception", "CWE-129", FLAG_NO, 2.6, 0,
     "an index is out of range; the runtime caught it"},
    {"Integer divide by zero", "uncaught-exception", "CWE-369", FLAG_NO, 2.6, 0,
     "division by zero"},
    {"Invalid memory address", "uncaught-exception", "CWE-476", FLAG_DEFAULT, 3.0, 0,
     "a nil pointer was dereferenced; the runtime caught it"},
    {"Makeslice: len out of range", "uncaught-exception", "CWE-789", FLAG_NO, 2.6, 0,
     "an allocation's length is out of range; the runtime caught it"},
    {"Slice bounds out of range", "uncaught-exception", "CWE-129", FLAG_NO, 2.6, 0,
     "an index is out of range; the runtime caught it"},
    {"Stack overflow", "StackOverflow", "CWE-674", FLAG_NO, 3.2, 0,
     "the stack was used up"},

    /* extra sanitizers */
    {"Command injection", "Undefined", "CWE-78", FLAG_YES, 9.4, 0,
     "the input reached a shell as a command"},
    {"Arbitrary file open", "Undefined", "CWE-22", FLAG_YES, 7.8, 0,
     "the input chose the file that was opened"},
    {"Arbitrary DNS resolution", "Undefined", "CWE-918", FLAG_YES, 6.0, 0,
     "the input chose the host that was looked up"},
    {"PySecSan", "Undefined", "CWE-20", FLAG_YES, 6.0, 0,
     "PySecSan found a dangerous call"},

    /* ours: a failure whose report is kept as it is */
    {"Unparsed", "Undefined", "CWE-703", FLAG_DEFAULT, 4.0, 0,
     "it failed, and no parser knows what it printed"},
};

/* A kind that nobody knows: ClusterFuzz holds it for a security problem, and so do we. */
static const struct severity_rule other_rule = {NULL,
                                                "Undefined",
                                                "CWE-119",
                                                FLAG_DEFAULT,
                                                4.0,
                                                6.0,
                                                "a kind of crash without a rule"};

const struct severity_rule *
severity_rules_find(const char *crash_type)
{
    struct span type = span_of(crash_type);

    type = span_to(type, span_find_char(type, '\n'));
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (span_is(type, rules[i].type)) {
            return &rules[i];
        }
    }
    /* "UNKNOWN READ", "Null-dereference WRITE" */
    type = span_to(type, span_find_char(type, ' '));
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (span_is(type, rules[i].type)) {
            return &rules[i];
        }
    }
    return &other_rule;
}

const char *
severity_find_class(const char *name)
{
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (strcmp(classes[i].name, name) == 0) {
            return classes[i].name;
        }
    }
    return NULL;
}

const char *
severity_find_exploitability(const char *name)
{
    static const char *const words[] = {exploitable, probably, not_exploitable,
                                        undefined};

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(words[i], name) == 0) {
            return words[i];
        }
    }
    return NULL;
}

const char *
severity_find_cwe(const char *name)
{
    static const char *const writes[] = {"CWE-121", "CWE-122", "CWE-787", "CWE-124"};

    for (size_t i = 0; i < COUNT(rules); i++) {
        if (strcmp(rules[i].cwe, name) == 0) {
            return rules[i].cwe;
        }
    }
    for (size_t i = 0; i < COUNT(writes); i++) {
        if (strcmp(writes[i], name) == 0) {
            return writes[i];
        }
    }
    return NULL;
}

const char *
severity_rules_exploitability(const char *class_name)
{
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (strcmp(classes[i].name, class_name) == 0) {
            return classes[i].exploitability;
        }
    }
    return undefined;
}
