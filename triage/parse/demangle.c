#include "triage/parse/demangle.h"

#include <stdio.h>

#include "base/mem.h"

enum { DEPTH_MAX = 24, PARTS_MAX = 48, MANGLED_MAX = 1024 };

struct text {
    char v[DEMANGLE_MAX];
    size_t len;
};

struct demangler {
    struct span s;
    int depth;
    size_t n; /* of parts: what "S_", "S0_", ... stand for */
    struct text parts[PARTS_MAX];
};

static bool parse_type(struct demangler *d, struct text *out);
static bool parse_name(struct demangler *d, struct text *out, bool *plain);

/* --- texts --- */

static bool
add_n(struct text *out, const char *text, size_t len)
{
    if (len >= sizeof(out->v) - out->len) {
        return false;
    }
    memcpy(out->v + out->len, text, len);
    out->len += len;
    out->v[out->len] = '\0';
    return true;
}

static bool
add(struct text *out, const char *text)
{
    return add_n(out, text, strlen(text));
}

static bool
keep_part(struct demangler *d, const struct text *text)
{
    if (d->n == PARTS_MAX) {
        return false;
    }
    d->parts[d->n++] = *text;
    return true;
}

static bool
next_is(const struct demangler *d, char c)
{
    return d->s.len > 0 && d->s.at[0] == c;
}

static bool
eat(struct demangler *d, const char *text)
{
    return span_eat(&d->s, text);
}

/* --- names --- */

/* Names stand within names: as deep as DEPTH_MAX. */
/* NOLINTBEGIN(misc-no-recursion) */

/* "3foo"; the compilers' name for what has none in the source becomes what c++filt says.
 */
static bool
source_name(struct demangler *d, struct text *out)
{
    uint64_t len = 0;

    if (!span_eat_digits(&d->s, &len) || len == 0 || len > d->s.len) {
        return false;
    }
    struct span name = span_to(d->s, (size_t)len);
    d->s = span_from(d->s, (size_t)len);
    if (span_starts(name, "_GLOBAL__N")) {
        return add(out, "(anonymous namespace)");
    }
    return add_n(out, name.at, name.len);
}

/* The last component, without template arguments: what a constructor is called. */
static bool
add_class_name(struct text *out)
{
    struct text name = {.len = 0};
    size_t depth = 0;
    size_t end = out->len;
    size_t from = 0;

    for (size_t i = out->len; i > 0; i--) {
        char c = out->v[i - 1];
        depth += c == '>';
        if (c == '<' && depth > 0 && --depth == 0) {
            end = i - 1;
        } else if (c == ':' && depth == 0) {
            from = i;
            break;
        }
    }
    return end > from && add_n(&name, out->v + from, end - from) && add(out, "::") &&
           add_n(out, name.v, name.len);
}

static bool
add_destructor(struct text *out)
{
    size_t before = out->len;

    if (!add_class_name(out) || !add(out, "~")) {
        return false;
    }
    /* "C::C~" -> "C::~C" */
    memmove(out->v + before + 3, out->v + before + 2, out->len - before - 3);
    out->v[before + 2] = '~';
    return true;
}

static bool
operator_name(struct demangler *d, struct text *out)
{
    static const char *const codes[] = {
        "nw new", "na new[]", "dl delete", "da delete[]", "ps+",  "ng-",  "ad&",
        "de*",    "co~",      "pl+",       "mi-",         "ml*",  "dv/",  "rm%",
        "an&",    "or|",      "eo^",       "aS=",         "pL+=", "mI-=", "mL*=",
        "dV/=",   "rM%=",     "aN&=",      "oR|=",        "eO^=", "ls<<", "rs>>",
        "lS<<=",  "rS>>=",    "eq==",      "ne!=",        "lt<",  "gt>",  "le<=",
        "ge>=",   "ss<=>",    "nt!",       "aa&&",        "oo||", "pp++", "mm--",
        "cm,",    "pm->*",    "pt->",      "cl()",        "ix[]", "qu?"};

    if (eat(d, "cv")) {
        return add(out, "operator ") && parse_type(d, out);
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        if (d->s.len >= 2 && memcmp(d->s.at, codes[i], 2) == 0) {
            d->s = span_from(d->s, 2);
            return add(out, "operator") && add(out, codes[i] + 2);
        }
    }
    return false;
}

/* "UlvE0_": a lambda and its parameters; "Ut_": a type without a name. */
static bool
unnamed(struct demangler *d, struct text *out)
{
    bool lambda = eat(d, "Ul");
    struct text ignored = {.len = 0};
    uint64_t number = 0;
    char text[32];

    if (!lambda && !eat(d, "Ut")) {
        return false;
    }
    while (lambda && !eat(d, "E")) {
        if (!parse_type(d, &ignored)) {
            return false;
        }
        ignored.len = 0;
    }
    number = span_eat_digits(&d->s, &number) ? number + 2 : 1;
    (void)snprintf(text, sizeof(text), lambda ? "{lambda()#%llu}" : "{unnamed type#%llu}",
                   (unsigned long long)number);
    return eat(d, "_") && add(out, text);
}

static bool
unqualified(struct demangler *d, struct text *out)
{
    (void)eat(d, "L"); /* of this file alone */
    if (d->s.len == 0) {
        return false;
    }
    bool named = span_digit(d->s.at[0]) ? source_name(d, out)
                 : d->s.at[0] == 'U'    ? unnamed(d, out)
                                        : operator_name(d, out);
    struct text tag = {.len = 0};
    while (named && eat(d, "B")) { /* "[abi:cxx11]": a state is cut there */
        named = source_name(d, &tag);
    }
    return named;
}

/* "St", "Ss", "S_", "S0_": the standard's names and what was said before. */
static bool
substitution(struct demangler *d, struct text *out)
{
    static const char *const names[] = {
        "Ststd",          "Sastd::allocator", "Sbstd::basic_string", "Ssstd::string",
        "Sistd::istream", "Sostd::ostream",   "Sdstd::iostream"};
    size_t index = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (d->s.len >= 2 && memcmp(d->s.at, names[i], 2) == 0) {
            d->s = span_from(d->s, 2);
            return add(out, names[i] + 2);
        }
    }
    if (!eat(d, "S")) {
        return false;
    }
    for (; !eat(d, "_"); index++) {
        if (d->s.len == 0) {
            return false;
        }
        const char c = d->s.at[0];
        bool digit = span_digit(c);
        if ((!digit && !(c >= 'A' && c <= 'Z')) || index > PARTS_MAX) {
            return false;
        }
        /* base 36, one more than the number; two digits exceed PARTS_MAX soon enough */
        size_t value = digit ? (size_t)(c - '0') : (size_t)(c - 'A') + 10;
        index = index * 36 + value;
        d->s = span_from(d->s, 1);
    }
    return index < d->n && add_n(out, d->parts[index].v, d->parts[index].len);
}

/* --- template arguments --- */

/* Behind a number of this type; "" for an int, NULL where its name stands before. */
static const char *
suffix(const struct demangler *d)
{
    switch (d->s.len > 0 ? d->s.at[0] : '\0') {
    case 'i':
    case 'b':
        return "";
    case 'j':
        return "u";
    case 'l':
        return "l";
    case 'm':
        return "ul";
    case 'x':
        return "ll";
    case 'y':
        return "ull";
    default:
        return NULL;
    }
}

/* "Lb1E", "Lj12E", "Lin3E" */
static bool
literal(struct demangler *d, struct text *out)
{
    uint64_t value;
    struct text type = {.len = 0};
    const char *behind = suffix(d);
    bool is_bool = next_is(d, 'b');

    if (!parse_type(d, &type)) {
        return false;
    }
    bool minus = eat(d, "n");
    struct span digits = d->s;
    if (!span_eat_digits(&d->s, &value) || !eat(d, "E")) {
        return false;
    }
    if (is_bool) {
        return add(out, value == 0 ? "false" : "true");
    }
    if (behind == NULL &&
        (!add(out, "(") || !add_n(out, type.v, type.len) || !add(out, ")"))) {
        return false;
    }
    return (!minus || add(out, "-")) &&
           add_n(out, digits.at, digits.len - d->s.len - 1) &&
           add(out, behind == NULL ? "" : behind);
}

/* Up to the 'E' that ends them; a pack ("J...E") is no list of its own. */
static bool
arguments(struct demangler *d, struct text *out, bool *any)
{
    if (++d->depth > DEPTH_MAX) {
        return false;
    }
    while (!eat(d, "E")) {
        bool pack = eat(d, "J");
        if (!pack && *any && !add(out, ", ")) {
            return false;
        }
        bool good = pack          ? arguments(d, out, any)
                    : eat(d, "L") ? literal(d, out)
                                  : parse_type(d, out);
        if (!good) {
            return false;
        }
        *any = *any || !pack;
    }
    d->depth--;
    return true;
}

static bool
template_arguments(struct demangler *d, struct text *out)
{
    bool any = false;

    return add(out, "<") && arguments(d, out, &any) &&
           (out->v[out->len - 1] != '>' || add(out, " ")) && add(out, ">");
}

/* --- prefixes --- */

static bool
component(struct demangler *d, struct text *out)
{
    if (next_is(d, 'I')) {
        return out->len > 0 && eat(d, "I") && template_arguments(d, out);
    }
    if (next_is(d, 'C') || next_is(d, 'D')) {
        bool destructor = next_is(d, 'D');
        if (d->s.len < 2 || !span_digit(d->s.at[1])) {
            return false;
        }
        d->s = span_from(d->s, 2);
        return destructor ? add_destructor(out) : add_class_name(out);
    }
    if (next_is(d, 'S')) {
        return out->len == 0 && substitution(d, out);
    }
    return (out->len == 0 || add(out, "::")) && unqualified(d, out);
}

/* Behind 'N', up to its 'E'. */
static bool
nested(struct demangler *d, struct text *out)
{
    struct text name = {.len = 0};

    while (next_is(d, 'r') || next_is(d, 'V') || next_is(d, 'K') || next_is(d, 'R') ||
           next_is(d, 'O')) {
        d->s = span_from(d->s, 1);
    }
    while (!eat(d, "E")) {
        bool known = next_is(d, 'S');
        if (!component(d, &name)) {
            return false;
        }
        if (!known && !next_is(d, 'E') && !keep_part(d, &name)) {
            return false;
        }
    }
    return name.len > 0 && add_n(out, name.v, name.len);
}

/* "Z<function>E<name>": something within a function. */
static bool
local(struct demangler *d, struct text *out)
{
    struct text ignored = {.len = 0};
    uint64_t number;
    bool plain;

    if (!parse_name(d, out, &plain)) {
        return false;
    }
    while (!eat(d, "E")) {
        ignored.len = 0;
        if (!parse_type(d, &ignored)) {
            return false;
        }
    }
    if (eat(d, "s")) { /* a string of it */
        return true;
    }
    bool good = add(out, "::") && parse_name(d, out, &plain);
    if (good && eat(d, "_")) { /* the n-th of that name */
        (void)span_eat_digits(&d->s, &number);
    }
    return good;
}

/* *plain: nothing but a substitution, which is no part again. */
static bool
parse_name(struct demangler *d, struct text *out, bool *plain)
{
    struct text name = {.len = 0};
    bool good;

    *plain = false;
    if (++d->depth > DEPTH_MAX) {
        return false;
    }
    if (eat(d, "N")) {
        good = nested(d, &name);
    } else if (eat(d, "Z")) {
        good = local(d, &name);
    } else if (eat(d, "St")) {
        good = add(&name, "std::") && unqualified(d, &name);
    } else if (next_is(d, 'S')) {
        good = substitution(d, &name);
        *plain = true;
    } else {
        good = unqualified(d, &name);
    }
    if (good && next_is(d, 'I')) {
        good = (*plain || keep_part(d, &name)) && eat(d, "I") &&
               template_arguments(d, &name);
        *plain = false;
    }
    d->depth--;
    return good && add_n(out, name.v, name.len);
}

/* --- types, as far as template arguments have them --- */

static bool
builtin(struct demangler *d, struct text *out)
{
    static const char *const codes[] = {"vvoid",        "wwchar_t",
                                        "bbool",        "cchar",
                                        "asigned char", "hunsigned char",
                                        "sshort",       "tunsigned short",
                                        "iint",         "junsigned int",
                                        "llong",        "munsigned long",
                                        "xlong long",   "yunsigned long long",
                                        "n__int128",    "ounsigned __int128",
                                        "ffloat",       "ddouble",
                                        "elong double", "g__float128",
                                        "z..."};
    static const char *const wide[] = {"Dndecltype(nullptr)", "Dichar32_t", "Dschar16_t",
                                       "Duchar8_t", "Daauto"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        if (next_is(d, codes[i][0])) {
            d->s = span_from(d->s, 1);
            return add(out, codes[i] + 1);
        }
    }
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++) {
        if (d->s.len >= 2 && memcmp(d->s.at, wide[i], 2) == 0) {
            d->s = span_from(d->s, 2);
            return add(out, wide[i] + 2);
        }
    }
    return false;
}

static bool
parse_type(struct demangler *d, struct text *out)
{
    static const char *const derived[] = {"P*", "R&", "O&&", "K const", "V volatile"};
    struct text type = {.len = 0};
    bool plain = false;
    bool good = false;

    if (++d->depth > DEPTH_MAX) {
        return false;
    }
    if (eat(d, "Dp") || builtin(d, &type)) {
        good = type.len > 0 || parse_type(d, &type);
        d->depth--;
        return good && add_n(out, type.v, type.len);
    }
    for (size_t i = 0; i < sizeof(derived) / sizeof(*derived) && !good; i++) {
        if (next_is(d, derived[i][0])) {
            d->s = span_from(d->s, 1);
            good = parse_type(d, &type) && add(&type, derived[i] + 1);
            if (!good) {
                return false;
            }
        }
    }
    bool class_like = !good && d->s.len > 0 &&
                      (span_digit(d->s.at[0]) || strchr("NSZ", d->s.at[0]) != NULL);
    if (class_like) {
        good = parse_name(d, &type, &plain);
    }
    d->depth--;
    return good && (plain || keep_part(d, &type)) && add_n(out, type.v, type.len);
}

/* NOLINTEND(misc-no-recursion) */

bool
demangle(struct span mangled, char out[DEMANGLE_MAX])
{
    struct text name = {.len = 0};
    uint64_t offset;
    bool plain;

    if ((!span_eat(&mangled, "_Z") && !span_eat(&mangled, "__Z")) ||
        mangled.len > MANGLED_MAX) {
        return false;
    }
    AUTO(mem_free) struct demangler *d = mem_resize(NULL, sizeof(*d));
    d->s = mangled;
    d->depth = 0;
    d->n = 0;
    if (eat(d, "Th")) { /* a thunk, with its offset: the function it leads to */
        (void)eat(d, "n");
        if (!span_eat_digits(&d->s, &offset) || !eat(d, "_")) {
            return false;
        }
    }
    if (!parse_name(d, &name, &plain) || name.len == 0) {
        return false;
    }
    memcpy(out, name.v, name.len + 1);
    return true;
}
