/*
 * The Linux kernel's reports, of a serial console, dmesg, syzkaller or Android's log:
 *   [   43.1] BUG: KASAN: slab-out-of-bounds in f+0x12/0x34 fs/x.c:12 at addr ffff8800
 *   [   43.1] Read of size 4 at addr ffff8800 by task syz/12
 *   [   43.1]  [<ffffffff81b3>] f+0x12/0x34
 *   [   43.1]  g fs/x.c:40 [inline]
 * The forms are those of mm/kasan/report.c, lib/ubsan.c, mm/kmsan/report.c,
 * kernel/kcsan/report.c, kernel/panic.c and arch/.../fault.c. The first report of a boot
 * is the bug; what the kernel says once it is hurt is a consequence.
 */
#include <stdio.h>

#include "triage/parse/parser.h"

static const char failure[] = "Kernel failure";

bool
parser_is_kernel(const struct parser *p)
{
    return strncmp(p->type, failure, sizeof(failure) - 1) == 0 ||
           (p->kernel && strcmp(p->type, "BUG") == 0);
}

/* --- the front of a line --- */

/* "<4>", "[   12.345678]", "[  T123]", "[ C0]", "c0   1234": who logged it and when. */
static struct span
behind_clock(struct span s)
{
    uint64_t level;

    for (int part = 0; part < 3; part++) {
        struct span t = s;
        (void)span_eat_blanks(&t);
        if (span_eat(&t, "<") && span_eat_digits(&t, &level) && span_eat(&t, ">")) {
            s = t;
            continue;
        }
        t = s;
        size_t close = span_find_char(span_to(t, 24), ']');
        if (t.len == 0 || t.at[0] != '[' || close == SPAN_NONE || close < 2 ||
            !span_digit(t.at[close - 1])) {
            break;
        }
        s = span_from(t, close + 1);
    }
    return s;
}

/* --- headlines --- */

static void
begin_failure(struct parser *p, struct span line, const char *kind)
{
    size_t len = sizeof(failure) - 1;

    parser_begin(p, line, failure);
    (void)snprintf(p->type + len, sizeof(p->type) - len, "\n%s", kind);
    if (p->sanitizer == NULL) {
        p->sanitizer = "none";
    }
}

/* Blanks become '-', and a number above 16 varies with the input ("{*}"): ClusterFuzz's
 * way to write a type. */
static void
begin(struct parser *p, struct span line, struct span kind, bool capitalize)
{
    char text[PARSER_TYPE_MAX - 32];
    char shown[PARSER_TYPE_MAX - 16];
    uint64_t number = 0;

    span_copy(span_trim(kind), text, sizeof(text));
    if (capitalize) {
        span_capitalize(text);
    }
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at, ' ')) {
        *at = '-';
    }
    size_t digits = strcspn(text, "0123456789");
    struct span rest = span_from(span_of(text), digits);
    bool large = span_eat_digits(&rest, &number) && number > 16;
    (void)snprintf(shown, sizeof(shown), "%.*s%s%s", (int)digits, text,
                   large ? "{*}" : "", large ? rest.at : text + digits);
    begin_failure(p, line, shown);
}

/* "ffff8800b" or "0xffff8800b" */
static void
set_address(struct parser *p, struct span s)
{
    char text[PARSER_ADDRESS_MAX];
    size_t n = 0;

    if (parser_set_address(p, s)) {
        return;
    }
    while (n < s.len && n < 16 && span_hex_digit(s.at[n]) >= 0) {
        n++;
    }
    if (n > 0) {
        (void)snprintf(text, sizeof(text), "0x%.*s", (int)n, s.at);
        (void)parser_set_address(p, span_of(text));
    }
}

static struct span
until(struct span s, const char *stop)
{
    size_t at = span_find(s, stop);

    return at == SPAN_NONE ? s : span_to(s, at);
}

/* "BUG: KASAN: use-after-free in f+0x1/0x2 at addr ffff8800", and behind a general
 * protection fault "KASAN: null-ptr-deref in range [0x0-0x7]" */
static bool
kasan(struct parser *p, struct span line, struct span s)
{
    struct span rest;

    if (!span_eat(&s, "BUG: KASAN: ") && !span_eat(&s, "KASAN: ") &&
        !span_eat(&s, "BUG: KFENCE: ")) {
        return false;
    }
    size_t in = span_find(s, " in ");
    size_t on = span_find(s, " on ");
    size_t end = in < on ? in : on;
    if (end == SPAN_NONE) {
        return false;
    }
    begin(p, line, span_to(s, end), true);
    p->sanitizer = "address";
    p->kasan = true;
    rest = span_from(s, end);
    if (span_after(rest, " range [", &rest) || span_after_last(rest, " addr ", &rest) ||
        span_after_last(rest, " address ", &rest)) {
        set_address(p, rest);
    }
    return true;
}

/* ARM's fault status register: what the processor says of an access. */
static void
arm_fault(struct parser *p, struct span line, struct span code)
{
    static const char *const status[16] = {
        [1] = "Alignment Fault",
        [3] = "Access Flag Fault, Section",
        [4] = "Instruction Cache Maintenance Fault",
        [5] = "Translation Fault, Section",
        [6] = "Access Flag Fault, Page",
        [7] = "Translation Fault, Page",
        [9] = "Domain Fault, Section",
        [11] = "Domain Fault, Page",
        [12] = "L1 Translation",
        [13] = "Permission Fault, Section",
        [14] = "L2 Translation",
        [15] = "Permissions Fault, Page",
    };
    char text[64] = "0x";
    char kind[64];
    uint64_t value = 0;
    size_t digits = 0;

    while (digits < code.len && digits < 16 && span_hex_digit(code.at[digits]) >= 0) {
        digits++;
    }
    (void)snprintf(text, sizeof(text), "0x%.*s", (int)digits, code.at);
    struct span s = span_of(text);
    if (span_starts(code, "BUG") || !span_eat_hex(&s, &value)) {
        parser_begin(p, line, "BUG");
        return;
    }
    const char *name = status[value & 15] == NULL ? "Unknown" : status[value & 15];
    (void)snprintf(kind, sizeof(kind), value > 16 ? "%s %s ({*})" : "%s %s (%d)",
                   (value & 0x800) == 0 ? "READ" : "WRITE", name, (int)(value & 31));
    begin_failure(p, line, kind);
    p->access = (value & 0x800) == 0 ? ACCESS_READ : ACCESS_WRITE;
}

/* "Internal error: Oops: 5 [#1]", "Internal error: Oops - BUG: 0 [#1]", "Internal error:
 * : 96000045 [#1]" */
static bool
internal_error(struct parser *p, struct span line, struct span s)
{
    if (!span_after(s, "Internal error: ", &s)) {
        return false;
    }
    (void)span_eat(&s, "Oops");
    if (!span_eat(&s, " - ") && !span_eat(&s, ": ")) {
        return false;
    }
    if (!p->kasan) {
        arm_fault(p, line, s);
    }
    return true;
}

/* What ClusterFuzz has no word for. `stop` ends the kind, which may go on behind `text`
 * (NULL: text is the kind). */
static const struct {
    const char *text;
    const char *kind;
    const char *stop;
    const char *sanitizer;
    bool registers; /* the stack is the one of the fault: its RIP is the first frame */
} others[] = {
    {"BUG: KMSAN: ", NULL, " in ", "memory", false},
    {"BUG: KCSAN: ", NULL, " in ", "thread", false},
    {"UBSAN: ", NULL, " in ", "undefined", false},
    {"UBSAN: Undefined behaviour in ", "undefined-behaviour", NULL, "undefined", false},
    {"BUG: unable to handle kernel NULL pointer dereference", "null-ptr-deref", NULL,
     NULL, true},
    {"BUG: kernel NULL pointer dereference", "null-ptr-deref", NULL, NULL, true},
    {"BUG: unable to handle ", "page-fault", NULL, NULL, true},
    {"Unable to handle kernel NULL pointer dereference", "null-ptr-deref", NULL, NULL,
     true},
    {"Unable to handle kernel ", "page-fault", NULL, NULL, true},
    {"general protection fault", "general-protection-fault", NULL, NULL, true},
    {"divide error: ", "divide-error", NULL, NULL, true},
    {"invalid opcode: ", "invalid-opcode", NULL, NULL, true},
    {"kernel stack overflow", "stack-overflow", NULL, NULL, true},
    {"BUG: stack guard page was hit", "stack-overflow", NULL, NULL, true},
    {"BUG: sleeping function called from invalid context", "sleep-in-atomic", NULL, NULL,
     false},
    {"BUG: scheduling while atomic", "sleep-in-atomic", NULL, NULL, false},
    {"watchdog: BUG: soft lockup", "soft-lockup", NULL, NULL, true},
    {"BUG: soft lockup", "soft-lockup", NULL, NULL, true},
    {"INFO: task ", "hung-task", NULL, NULL, false},
    {"INFO: rcu_", "rcu-stall", NULL, NULL, false},
    {"rcu: INFO: rcu_", "rcu-stall", NULL, NULL, false},
    {"WARNING: possible circular locking dependency", "possible-deadlock", NULL, NULL,
     false},
    {"WARNING: possible recursive locking", "possible-deadlock", NULL, NULL, false},
    {"WARNING: suspicious RCU usage", "suspicious-rcu-usage", NULL, NULL, false},
    {"WARNING: CPU: ", "warning", NULL, NULL, true},
    {"BUG: memory leak", "memory-leak", NULL, NULL, false},
};

static bool
other(struct parser *p, struct span line, struct span s)
{
    struct span kind;
    struct span address;

    for (size_t i = 0; i < COUNT(others); i++) {
        kind = s;
        if (!span_eat(&kind, others[i].text)) {
            continue;
        }
        if (others[i].stop != NULL && !span_has(kind, others[i].stop)) {
            continue;
        }
        kind = others[i].kind != NULL ? span_of(others[i].kind)
                                      : until(kind, others[i].stop);
        begin(p, line, kind, true);
        p->sanitizer = others[i].sanitizer == NULL ? p->sanitizer : others[i].sanitizer;
        p->kernel_registers = others[i].registers;
        if (span_after(s, " address: ", &address) ||
            span_after(s, " address ", &address) || span_after(s, " at ", &address)) {
            set_address(p, address);
        }
        return true;
    }
    return false;
}

static bool
headline(struct parser *p, struct span line, struct span s)
{
    struct span rest = s;

    if (kasan(p, line, s) || internal_error(p, line, s)) {
        return true;
    }
    if (span_eat(&rest, "kernel BUG at ")) {
        begin(p, line, rest, true);
        p->kernel_registers = true;
        return true;
    }
    if (span_eat(&rest, "Kernel panic - not syncing: ")) {
        if (!p->kasan) {
            begin(p, line, rest, false);
        }
        return true;
    }
    if (span_starts(s, "general protection fault") && span_has(s, "KASAN")) {
        begin(p, line, span_of("General-protection-fault"), false);
        p->sanitizer = "address";
        p->kasan = true;
        p->kernel_registers = true;
        return true;
    }
    /* what follows the first word is a consequence */
    return !parser_is_kernel(p) && other(p, line, s);
}

/* "Read of size 4 at addr ffff8800 by task syz/12" */
static bool
access_line(struct parser *p, struct span s)
{
    uint64_t size = 0;
    bool read = span_eat(&s, "Read of size ");

    if (!read && !span_eat(&s, "Write of size ")) {
        return false;
    }
    if (!parser_is_kernel(p) || !span_eat_digits(&s, &size)) {
        return false;
    }
    if (p->access != ACCESS_UNKNOWN) {
        return true;
    }
    p->access = read ? ACCESS_READ : ACCESS_WRITE;
    p->access_bytes = size > INT64_MAX ? INT64_MAX : (int64_t)size;
    size_t len = strlen(p->type);
    bool named = strpbrk(p->type + sizeof(failure), "0123456789") != NULL;
    (void)snprintf(p->type + len, sizeof(p->type) - len,
                   size > 16 && !named ? "\n%s {*}" : "\n%s %d", read ? "READ" : "WRITE",
                   (int)(size > INT32_MAX ? INT32_MAX : size));
    if (p->address[0] == '\0' &&
        (span_eat(&s, " at addr ") || span_eat(&s, " at address "))) {
        set_address(p, s);
    }
    return true;
}

static void
section(struct parser *p, struct span s)
{
    if (p->n_frames == 0) {
        return;
    }
    s = span_trim(s);
    if (span_starts(s, "Allocated by task") || span_is(s, "Allocated:")) {
        p->stack = STACK_ALLOCATED;
    } else if (span_starts(s, "Freed by task") || span_is(s, "Freed:")) {
        p->stack = STACK_FREED;
    } else if (span_starts(s, "Uninit was created at")) {
        p->stack = STACK_ORIGIN;
    } else if (span_starts(s, "Uninit was stored to memory at")) {
        p->stack = STACK_STORED;
    } else if (span_starts(s, "---[ end trace") || span_starts(s, "Kernel panic")) {
        p->stack = STACK_OTHER;
    }
}

static enum line_verdict
kernel_line(struct parser *p, struct span line)
{
    struct span s = behind_clock(line);

    (void)span_eat_blanks(&s);
    if (parser_is_kernel(p) && p->n_frames > 0) {
        section(p, s);
        return access_line(p, s) || p->kasan ? LINE_DONE : LINE_GO_ON;
    }
    if (headline(p, line, s)) {
        p->kernel = true;
        return LINE_DONE;
    }
    return access_line(p, s) ? LINE_DONE : LINE_GO_ON;
}

/* --- frames --- */

static size_t
name_length(struct span s)
{
    size_t n = 0;

    while (n < s.len && (span_letter(s.at[n]) || span_digit(s.at[n]) || s.at[n] == '_' ||
                         s.at[n] == '.' || s.at[n] == '$')) {
        n++;
    }
    return n;
}

static bool
eat_size(struct span *s)
{
    uint64_t value;

    return span_eat_hex(s, &value) || span_eat_digits(s, &value);
}

/* "f+0x12/0x34", and behind it perhaps ")", " [inline]", " fs/x.c:12" */
static bool
parse_call(struct span s, bool inlined, struct raw_frame *frame)
{
    (void)span_eat(&s, "(");
    size_t len = name_length(s);
    struct span rest = span_from(s, len);
    if (len == 0) {
        return false;
    }
    frame->function = span_to(s, len);
    if (span_eat(&rest, "+")) {
        if (!eat_size(&rest) || !span_eat(&rest, "/") || !eat_size(&rest)) {
            return false;
        }
    } else if (rest.len == 0 || !span_blank(rest.at[0]) ||
               (!inlined && !span_ends(rest, " [inline]"))) {
        return false;
    }
    (void)span_eat(&rest, ")");
    if (span_eat_blanks(&rest)) {
        (void)parser_location(span_eat_word(&rest), frame);
    }
    return true;
}

/* "[<ffffffff81b3>] " before the name, "[<     inline     >] " before one that was
 * inlined (true); newer kernels print none. */
static bool
eat_pc(struct span *s, struct raw_frame *frame)
{
    struct span t = *s;
    uint64_t value = 0;
    int digit;

    if (!span_eat(&t, "[<")) {
        return false;
    }
    bool inlined = span_has(span_to(t, 24), "inline");
    (void)span_eat(&t, "0x");
    for (size_t n = 0; n < 16 && t.len > 0 && (digit = span_hex_digit(t.at[0])) >= 0;
         n++) {
        value = value << 4 | (uint64_t)digit;
        t = span_from(t, 1);
    }
    size_t close = span_find(span_to(t, 24), ">]");
    if (close != SPAN_NONE) {
        *s = span_from(t, close + 2);
        (void)span_eat_blanks(s);
        frame->address = value;
    }
    return inlined;
}

/* How a report gets printed: none of these is where it happened. */
static bool
reports(struct span function)
{
    return span_starts(function, "dump_") || span_is(function, "show_stack") ||
           span_is(function, "panic");
}

/* "RIP: 0010:f+0x12/0x34", "RIP: 0010:[<ffff>]  [<ffff>] f+..", "IP: f+..", "pc : f+..":
 * where it happened, above the call trace of a fault. False: a frame that does not count.
 */
static bool
eat_register(const struct parser *p, struct span *s)
{
    struct span twice;

    if (!span_eat(s, "RIP: ") && !span_eat(s, "IP: ") && !span_eat(s, "pc : ")) {
        return true;
    }
    (void)span_eat(s, "0010:");
    if (span_starts(*s, "[<") && span_after(*s, ">]  [<", &twice)) {
        *s = (struct span){twice.at - 2, twice.len + 2};
    }
    return p->kernel_registers && p->n_frames == 0;
}

static bool
kernel_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    struct span s;

    if (!p->kernel) {
        return false;
    }
    s = behind_clock(line);
    (void)span_eat_blanks(&s);
    if (!eat_register(p, &s)) {
        return false;
    }
    bool inlined = eat_pc(&s, &parsed);
    if (!parse_call(s, inlined, &parsed)) {
        return false;
    }
    parser_add_next(p, &parsed);
    if (!p->kasan && p->address[0] == '\0' && parsed.address != 0 &&
        !reports(parsed.function)) {
        (void)snprintf(p->address, sizeof(p->address), "0x%llx",
                       (unsigned long long)parsed.address);
    }
    return true;
}

const struct parser_ops parser_kernel = {
    .name = "kernel",
    .words = (const char *const[]){"KASAN: ",
                                   "BUG: ",
                                   "UBSAN: ",
                                   "kernel BUG at ",
                                   "Kernel panic - not",
                                   "Internal error: ",
                                   "general protection fault",
                                   "Unable to handle kernel",
                                   "divide error: ",
                                   "invalid opcode: ",
                                   "kernel stack overflow",
                                   "INFO: task ",
                                   "INFO: rcu_",
                                   "WARNING: possible ",
                                   "WARNING: suspicious",
                                   "WARNING: CPU: ",
                                   "read of size ",
                                   "write of size ",
                                   "Allocated by task",
                                   "Freed by task",
                                   "Allocated:",
                                   "Freed:",
                                   "Uninit was ",
                                   "[ end trace",
                                   NULL},
    .line = kernel_line,
    .frame = kernel_frame,
};
