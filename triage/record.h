/*
 * A record: one report, parsed. The words are ClusterFuzz's where it has one, CASR's for
 * `class` and `exploitability`. A parser fills in the facts; symbolize_record() names the
 * frames; record_finish() decides what counts: kept frames, crash state, signature,
 * severity. Every string stems from hostile text: printable UTF-8 by construction,
 * bounded, but never to be trusted as a path, as HTML or as a command.
 */
#ifndef TRIAGE_RECORD_H
#define TRIAGE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"

enum {
    RECORD_FRAMES_MAX = 512,      /* frames kept of one stack: the first ones */
    RECORD_FUNCTION_MAX = 512,    /* bytes of a function name, cut beyond */
    RECORD_PATH_MAX = 1024,       /* bytes of a file or module path */
    RECORD_LINE_MAX = 1024,       /* bytes of the crash line and of message texts */
    RECORD_HASH_MAX = 41,         /* 40 hex digits and a NUL */
    RECORD_PLACE_MAX = 4096,      /* bytes of a place */
    RECORD_REGISTERS_MAX = 64,    /* registers kept of one processor */
    RECORD_REGISTER_NAME = 12,    /* bytes of a register's name, with its NUL */
    RECORD_INSTRUCTION_MAX = 256, /* bytes of an instruction's text */
    RECORD_RUNS_MAX = 10000,      /* runs that shipped_n may count */
};

/* The version of signature and place: what record_finish() computes. Raised when a rule
 * changes a key. 2: a missing pointer is a place of its own, hangs have their caller,
 * freed memory whose free is unknown is where it was made. */
enum { SIGNATURE_VERSION = 2 };

enum severity {
    SEVERITY_INFO,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL
};

enum access_kind { ACCESS_UNKNOWN, ACCESS_READ, ACCESS_WRITE };

/*
 * Which of a report's stacks a frame belongs to. Only STACK_CRASH is the crash itself:
 * hash.minor, crash_line and "the top frame" look at nothing else. The others are kept
 * since ClusterFuzz fills a state of fewer than three frames up from them, and since a
 * person wants to see them.
 */
enum stack_kind {
    STACK_CRASH,
    STACK_FREED,     /* where the memory was freed */
    STACK_ALLOCATED, /* where it was allocated */
    STACK_THREAD,    /* where the thread was made */
    STACK_ORIGIN,    /* where an uninitialized value came from */
    STACK_STORED,    /* where it was copied on its way */
    STACK_OBJECT,    /* the frame that holds the stack object */
    STACK_LEAK,      /* a further leak of the same report */
    STACK_OTHER,     /* any later stack, e.g. the other access of a race */
};

/* Whose trace a frame stands in; frames of native code are named alike whatever they were
 * written in. */
enum frame_language {
    LANGUAGE_NATIVE,
    LANGUAGE_GO,
    LANGUAGE_JVM,
    LANGUAGE_PYTHON,
    LANGUAGE_JAVASCRIPT
};

struct frame {
    int n; /* its number in the report */
    enum stack_kind
        stack; /* frames of one stack are neighbours; whoever inserts a frame copies it */
    enum frame_language language;
    uint64_t address; /* 0: not given */
    char *function;   /* NULL: unknown; demangled; without arguments where the report has
                         none */
    char *file;       /* NULL: unknown; as the report or the debug info spells it */
    int line, column; /* 0: unknown */
    int start_line;  /* where the debug info says that the function begins; 0: unknown, as
                        in  every text that somebody else symbolized */
    char *module;    /* NULL: unknown */
    uint64_t offset; /* into module */
    char *build_id;  /* NULL: not given; hex */
    bool has_offset;
    bool inlined;
    bool kept; /* counts for the crash state and the signature; set by record_finish() */
    bool counts; /* no rule drops it, be it among the three or below them; also set there
                  */
    const char *rule; /* why it was dropped, a constant text; NULL when kept */
};

/* What a text says besides its type, address and stack; bits of record.facts. */
enum record_fact {
    FACT_PC_NULL = 1 << 0,       /* the program counter is 0 */
    FACT_PC_IS_ADDRESS = 1 << 1, /* it executed the address that faulted: a wild jump */
    FACT_HARMLESS_SIGNAL =
        1 << 2, /* a signal that programs raise on purpose: ABRT, FPE, ILL, ... */
    FACT_FUZZER_ISSUE = 1 << 3, /* FuzzerSecurityIssueCritical... (Jazzer) */
    FACT_MIRACLE_PTR = 1 << 4,  /* "MiraclePtr Status: PROTECTED" */
    FACT_STACK_GUARD = 1 << 5,  /* glibc: stack smashing detected */
    FACT_HEAP_CHECK = 1 << 6,   /* glibc: malloc found its heap damaged */
    FACT_FORTIFY = 1 << 7,      /* glibc: buffer overflow detected */
    FACT_HIT_LIMIT = 1 << 8,    /* killed at a limit, not by its own doing */
    FACT_AT_RETURN = 1 << 9,    /* the instruction that faulted is a return, */
    FACT_AT_CALL = 1 << 10,     /* a call through a register or memory, */
    FACT_AT_BRANCH = 1 << 11,   /* or a jump through one */
    FACT_JNI_MISUSE = 1 << 12,  /* Android: a wrong reference was given to the JNI */
    /* ASan's check before an access faulted, not the access: the address is that of
     * shadow memory, and whether the program read or wrote is not told */
    FACT_IN_CHECK = 1 << 13,
    FACT_HEARSAY = 1 << 14, /* no tool's report: words of a program, a shell, a runtime */
    FACT_ALL = (1 << 15) - 1,
};

/* A register when it crashed. */
struct record_register {
    char name[RECORD_REGISTER_NAME]; /* lower case: "rip" */
    uint64_t value;
};

/* What a sanitizer says of the memory at the address: what lies there, or next to it. */
enum memory_kind { MEMORY_UNKNOWN, MEMORY_HEAP, MEMORY_STACK, MEMORY_GLOBAL };
enum memory_side { SIDE_INSIDE, SIDE_BEFORE, SIDE_AFTER };

struct memory {
    enum memory_kind kind;
    enum memory_side side; /* of the object, as seen from the address */
    int64_t distance;      /* bytes from its near end; SIDE_INSIDE: from its first byte */
    int64_t size;          /* bytes of the object; 0: not told */
    char *name;            /* of a variable; NULL: heap memory, or not told */
    char *place; /* where the variable is defined: "a.c:12:3" or "line 12"; NULL:
                    not told */
};

struct record {
    char *
        sanitizer; /* "address" "undefined" "leak" "memory" "thread" "libfuzzer" "none" */
    char *crash_type;    /* e.g. "Heap-buffer-overflow\nREAD 4" */
    char *crash_address; /* "0x602000000011" or NULL */
    char *
        crash_state; /* kept frames, each followed by a newline; set by record_finish() */
    char *crash_line; /* "file:line:column" or "module+0x12" of the first kept frame, or
                         NULL */
    char *message;    /* the line that says what happened, or NULL */
    char *last_words; /* of a program that called abort(): the last line that it printed
                         before; or NULL */
    char *state_override; /* parser: text that is the state in place of, or before, the
                             frames; or NULL */
    bool state_only_override; /* no frames follow state_override */
    int override_frames; /* how many of the state's three frames state_override stands for
                          */
    unsigned
        facts; /* enum record_fact: what the whole text says, for the security flag */
    enum access_kind access;
    int64_t access_bytes; /* 0: unknown */
    struct memory memory; /* the object that was missed */
    bool near_null;       /* the address is below 64 KiB (CASR's bound) */
    bool no_address; /* the report says that it does not know it (hardware hint absent) */
    bool recursive;  /* stack overflow: the state is the recursion's cycle */
    struct frame
        *frames; /* the stack of the crash itself first, then the report's other stacks */
    size_t n_frames;
    char *instruction; /* what faulted, as a disassembler spells it; or NULL */
    struct record_register *registers; /* in the processor's order; none where unknown */
    size_t n_registers;
    const char *build; /* kind of the build that showed it (record_build_kind()); NULL:
                          the one that it was to run on */
    int samples; /* of a hang: so often its stack was taken, and the frames are those that
                    all samples share, so that the first one has the loop; 0: the stack is
                    of one moment */
    const char
        *replay_options;      /* of options_layout(): shows only with them; NULL: none */
    int shipped_k, shipped_n; /* runs of the `release` build, what is shipped, and how
                                 many of them crashed; 0 of 0: there is no such build */
    /* set by record_finish() */
    int cycle_frames; /* length of the recursion's cycle; 0: none seen */
    bool in_harness;  /* see harness.h; its class is "harness" where the options say so */
    bool security;
    enum severity severity;
    double severity_score;      /* 0.0 to 10.0, SARIF's security-severity scale */
    const char *exploitability; /* CASR's word, a constant: EXPLOITABLE,
                                   PROBABLY_EXPLOITABLE, ... */
    const char *class_name; /* CASR's class, a constant: "heap-buffer-overflow(read)" */
    const char *cwe;        /* "CWE-125", a constant */
    struct strv reasons;    /* why this severity, sentences for a person */
    struct strv grouping;   /* what went into the signature, sentences for a person */
    char *place;            /* triage/place.h; NULL: unknown */
    char hash_major[RECORD_HASH_MAX];
    char hash_minor[RECORD_HASH_MAX];
};

struct record_options {
    const char *fuzz_target; /* NULL: unknown */
    bool ooms_and_hangs;     /* timeouts and out-of-memory are crashes (default no for
                                `parse`) */
    bool asserts_are_security;
    bool checks_are_security;
    /* A crash in the harness is class "harness" and severity info. `parse` leaves it off:
     * a bare report keeps CASR's class. */
    bool judge_harness;
    const void *input; /* that made it crash, for the severity; NULL: not known */
    size_t input_len;
    /* PCRE2 patterns, tried from the start of a frame's text "function file:line" as
     * ClusterFuzz's stack_frame_ignore_regexes are (".*x" for any place); or NULL */
    const struct strv *ignore_frames;
};

#define RECORD_OPTIONS_INIT          \
    {                                \
        .asserts_are_security = true \
    }

void record_free(struct record *record); /* NULL is a no-op */
AUTO_DEFINE(struct record *, record_free)

/*
 * Records without a report, for whoever ran the program; new, to be given to
 * record_finish(). A fatal signal reads as ClusterFuzz's words: SEGV UNKNOWN, ABRT Abrt,
 * FPE Floating-point-exception, ILL Illegal-instruction, BUS Bus, TRAP Trap, SYS
 * Bad-system-call; others "Fatal-signal". record_timeout(): killed after limit_ms.
 * record_out_of_memory(): killed at limit_bytes.
 */
struct record *record_from_signal(int signal_number) __attribute__((returns_nonnull));
struct record *record_timeout(int64_t limit_ms) __attribute__((returns_nonnull));
struct record *record_out_of_memory(int64_t limit_bytes) __attribute__((returns_nonnull));

/* Append a zeroed frame and return it; NULL once RECORD_FRAMES_MAX are there. Borrowed.
 */
struct frame *record_add_frame(struct record *record);

/* Drop all frames: a better stack follows. */
void record_forget_frames(struct record *record);

/* Append a register; what is beyond RECORD_REGISTERS_MAX, or has a name that is empty,
 * too long or of other characters than lower case letters and digits, is left out. */
void record_add_register(struct record *record, const char *name, uint64_t value);

/* The constant that reads like this among the kinds of builds: afl cmplog sanitizer
 * libfuzzer coverage release given; NULL when there is no such kind. `given`: a command
 * that a person wrote. */
const char *record_build_kind(const char *word);

/* Decide kept frames and the reason of each dropped one, crash state, crash line,
 * security, class, severity with its reasons, both hashes. Idempotent. -EINVAL: a bad
 * ignore pattern. */
int record_finish(struct record *record, const struct record_options *options,
                  struct err *err);

/* Append the design's object for `nightjar parse --json`; "file" comes first unless it is
 * NULL. */
void record_write_json(const struct record *record, const char *file, struct buf *out);

/* The same without "file" as a value; new reference. */
json_t *record_to_json(const struct record *record);

/* The reverse, for the triage worker's protocol: strict about types and lengths, since
 * the other side may be taken over; constants are looked up, never stored as given. New
 * record. */
int record_from_json(const json_t *object, struct record **out, struct err *err);

const char *severity_name(enum severity severity); /* "critical" ... "info" */
int severity_parse(const char *name, enum severity *out, struct err *err);

/* "Heap-buffer-overflow READ 4": a crash type on one line; new string. */
char *record_type_line(const char *crash_type);

/* The first frame of a crash state, "-" when it has none; new string. The state of a
 * failed assertion or check begins with its text, which tells nobody where it stands: its
 * second line is taken. A frame that has only a module reads as that's name, without the
 * folder. */
char *record_top_frame(const char *crash_type, const char *crash_state);

#endif
