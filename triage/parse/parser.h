/*
 * What the report families share: one pass over the lines of a text, in the way of
 * ClusterFuzz's stack parser (reference: clusterfuzz/stacktraces, Apache-2.0; rules
 * retold, none of its code).
 *
 *  1. parse.c cuts the text into lines and finds, with one automaton, which families know
 * a word of the line.
 *  2. Those families see the line in the order of the table (parse.c). A family that
 * recognises a headline calls parser_begin(): the last report of a text wins.
 *  3. Once there is a type, lines that look like stack frames are collected, as spans
 * into the text.
 *  4. At the end what survived becomes a record; record_finish() decides what counts.
 *
 * A new family is one file with a `const struct parser_ops` and one row in the table of
 * parse.c. Every byte of a line is hostile; spans are only valid while parse_report()
 * runs.
 */
#ifndef TRIAGE_PARSE_PARSER_H
#define TRIAGE_PARSE_PARSER_H

#include "triage/native_rules.h"
#include "triage/parse/span.h"
#include "triage/record.h"

enum {
    PARSER_TYPE_MAX = 256,
    PARSER_ADDRESS_MAX = 128,  /* two ranges of a param-overlap */
    PARSER_STATE_MAX = 2048,   /* bytes of an assertion's text that are kept */
    PARSER_LINE_MAX = 1 << 16, /* bytes of one line that are looked at */
    PARSER_STATE_FRAMES = 3,   /* ClusterFuzz's MAX_CRASH_STATE_FRAMES */
};

/* A frame as the text has it. Empty spans: not given. */
struct raw_frame {
    int n;
    int line;
    int column;
    enum stack_kind stack;
    enum frame_language language;
    uint64_t address;
    uint64_t offset;
    bool has_offset;
    bool mangled; /* the format prints C++ names as the linker knows them */
    struct span function;
    struct span file;
    struct span module;
    struct span build_id;
};

/* What the report says of the memory at the address; see struct memory. */
struct raw_memory {
    enum memory_kind kind;
    enum memory_side side;
    int64_t distance;
    int64_t size;
    int64_t offset; /* MEMORY_STACK: of the access, in the frame that is listed next */
    struct span name;
    struct span place;
};

/* What a family may ask of the whole text; looked for once, since a line that asks may
 * stand in it ten thousand times. */
enum text_word {
    TEXT_SANITIZER,
    TEXT_LIBFUZZER,
    TEXT_PYTHON,    /* a line of a Python traceback */
    TEXT_SCARINESS, /* ASan's measure, with its kinds */
    TEXT_SIGNAL,    /* the kind of a signal */
    TEXT_WORDS,
};

struct parser {
    const struct record_options *options;
    struct span text;            /* the whole report */
    signed char has[TEXT_WORDS]; /* 0: not looked for yet; 1: it has it; -1: not */

    /* the report that wins so far */
    char type[PARSER_TYPE_MAX]; /* "" until a headline was seen */
    char address[PARSER_ADDRESS_MAX];
    char state[PARSER_STATE_MAX]; /* see record.state_override */
    int state_frames;             /* of the three, how many `state` stands for */
    const char *sanitizer;        /* a constant; NULL: none seen */
    enum access_kind access;
    int64_t access_bytes;
    uint64_t fault;  /* the address as a number */
    bool no_address; /* the report says that it does not know it */
    unsigned facts;  /* enum record_fact */
    struct raw_memory memory;
    struct span message;
    struct span
        last_words; /* the last line that was not empty before the first headline */
    struct raw_frame *frames; /* RECORD_FRAMES_MAX of them */
    size_t n_frames;
    enum stack_kind stack; /* which stack the next frame belongs to */
    struct raw_frame
        place; /* where it happened, for a report that turns out to have no stack */

    /* what earlier lines said about how to read the next ones */
    bool golang;      /* the text has Go source lines: its frame format is looked for */
    bool interpreter; /* a Go or Python crash was read: the signal report behind it adds
                         nothing */
    bool python;      /* frames come innermost last */
    bool java;        /* "at a.b.C(...)" lines are frames */
    bool javascript;
    struct span exception; /* the last line that looks like one: frames may follow */
    bool bare_stack;       /* nothing but a stack tells of a crash so far */
    bool hearsay;          /* the type is what a program or a shell said of itself */
    bool bad_cast_open;    /* the line that names the source type is still to come */
    bool fatal_error;      /* V8: "# ..." lines explain the error */
    int explained;         /* how many of them were read */
    bool recursion;        /* a runtime says that its stack is used up */
    bool rust;             /* its own backtrace is looked for */
    bool rust_panic;       /* the next line is the panic's message */
    bool kernel;           /* the kernel's frames are looked for */
    bool kernel_registers; /* the program counter of its registers is the first frame */
    bool kasan;            /* KASAN's report beats what else the kernel says */
    bool gwp_asan;         /* its errors and frames are looked for */
    bool valgrind;         /* the same of Valgrind */
    bool lldb;             /* the same of lldb */
    bool at_frames;        /* "@ 0x5555 f()" is a frame */
    bool apple;            /* a crash report of macOS */
    bool cxx_exception;    /* the thrown object's what() is still to come */
    char process[64];      /* Android: names a report without functions */
    struct native_fault native; /* what gdb saw of a bare signal; signal 0: nothing */
    struct span registers;      /* the text of their values */
    bool native_begins;         /* the text says nothing else of what failed */
    char source[128];           /* V8: the file of the fatal error */
    bool nothing;               /* this is not a crash under these options */
    bool done;                  /* what follows does not count */
};

/* Whether later families and the frame readers still see the line. */
enum line_verdict { LINE_GO_ON, LINE_DONE };

struct parser_ops {
    const char *name;
    /* The line is shown when it has one of these (ASCII case ignored); NULL-terminated.
     */
    const char *const *words;
    enum line_verdict (*line)(struct parser *p, struct span line);
    /* Once there is a type: true when the line is a frame of this family; NULL: has none.
     */
    bool (*frame)(struct parser *p, struct span line);
};

extern const struct parser_ops parser_noise, parser_oom, parser_kernel, parser_assert,
    parser_glibc, parser_cxx, parser_valgrind, parser_fatal, parser_apple, parser_rust,
    parser_go, parser_gdb, parser_windows, parser_msan, parser_tsan, parser_lsan,
    parser_ubsan, parser_signal, parser_asan, parser_gwpasan, parser_android,
    parser_extra, parser_libfuzzer, parser_jvm, parser_javascript, parser_python,
    parser_log, parser_v8, parser_loader, parser_native, parser_registers,
    parser_sections, parser_memory, parser_frames;

/* The registers that the report has, the first RECORD_REGISTERS_MAX, into the record. */
void parser_registers_finish(const struct parser *p, struct record *record);

/* What follows from parser_native's lines, into a record that has its frames and
 * registers. */
void parser_native_finish(const struct parser *p, struct record *record);

/* A headline: the report that starts here replaces the one before: its address, state and
 * frames are forgotten. The type itself stays when the earlier one ranks higher (a
 * timeout). */
void parser_begin(struct parser *p, struct span line, const char *type);

/* The same without forgetting: only the type (and the line as the message). */
void parser_set_type(struct parser *p, struct span line, const char *type);
/* The type as ClusterFuzz spells a sanitizer's: lower case, '_' -> '-', first letter
 * upper case. */
void parser_sanitizer_type(struct span kind, char out[PARSER_TYPE_MAX]);

/* A tool has named the crash. False for hearsay as well, so that any report replaces it.
 */
static inline bool
parser_has_type(const struct parser *p)
{
    return p->type[0] != '\0' && !p->hearsay;
}

/* The program's or the shell's own last words ("Segmentation fault", "terminate called"):
 * type and, unless text is empty, the first line of the state, until a tool says more.
 * Does nothing once one has. */
bool parser_hearsay(struct parser *p, struct span line, const char *type,
                    struct span text);

bool parser_text_has(struct parser *p, enum text_word word);

/* Drop what was collected of the stack so far. */
void parser_forget_frames(struct parser *p);

/* "0x..." at the start of s: stored as the address as it stands, without trailing text.
 */
bool parser_set_address(struct parser *p, struct span s);

/* Text that stands for the first `frames` of the state's three; a newline is put behind
 * it. */
void parser_set_state(struct parser *p, struct span text, int frames);
void parser_set_state_f(struct parser *p, int frames, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* An assertion: type ASSERT and its text as the state, the stack stays. */
void parser_assertion(struct parser *p, struct span line, struct span text);

/* "<expression> in <file>": values and punctuation are taken off. */
void parser_check_failure(struct parser *p, struct span line, const char *type,
                          struct span expression, struct span file);

/* The expression and the file name alone, cleaned in the same way. */
struct span parser_clean_expression(struct span expression);
struct span parser_clean_file(struct span file);

/* A zeroed frame to fill in, or NULL when there are enough. Its stack is set; a number
 * that is not above the last one's starts another stack. */
struct raw_frame *parser_add_frame(struct parser *p, int n);

/* Append a frame that was read into `parsed` (its stack aside) as number n; the second
 * with the number behind the last frame's, for formats that do not number. Beyond the
 * limit it is dropped. */
void parser_add_parsed(struct parser *p, int n, const struct raw_frame *parsed);
void parser_add_next(struct parser *p, const struct raw_frame *parsed);

/* Whether the kernel's report is being read: what a program's log would mean means
 * nothing there. */
bool parser_is_kernel(const struct parser *p);

/* "file:line:column" or "file:line" -> file, line, column; false when s is neither. */
bool parser_location(struct span s, struct raw_frame *frame);

#endif
