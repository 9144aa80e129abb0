/*
 * A mangled C++ name (Itanium ABI) as its qualified name: "_ZN2ns1CIiE1fEi" ->
 * "ns::C<int>::f". What a crash state does not need is left out: parameters, return
 * types, qualifiers of members. The name is hostile: a few bytes can stand for megabytes
 * of substitutions within each other, so the text and its parts are bounded, and the cost
 * with them. What lies beyond (expressions, function and array types within template
 * arguments) stays mangled.
 */
#ifndef TRIAGE_PARSE_DEMANGLE_H
#define TRIAGE_PARSE_DEMANGLE_H

#include "triage/parse/span.h"

enum { DEMANGLE_MAX = 512 }; /* bytes of a name, with its NUL */

/* False, leaving out alone: not such a name, or one that stays as it is. */
bool demangle(struct span mangled, char out[DEMANGLE_MAX]);

#endif
