/*
 * Text that comes from outside and text that a person reads: cleaning, escaping, units,
 * suggestions. See "Output is UTF-8 always" in the design: report text and names are two
 * kinds.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

/* Whether all of it is UTF-8 (RFC 3629). *bad (may be NULL) receives where it is not. */
bool str_is_utf8(const char *data, size_t len, size_t *bad);

/* Report text as valid UTF-8: an invalid byte becomes U+FFFD, control bytes other than
 * newline and tab are dropped. Appends to out; its bound never cuts within a character.
 * Linear. */
void str_clean(struct buf *out, const char *data, size_t len);

/* A file name or path as printable UTF-8 that round-trips: a backslash becomes `\\`, a
 * byte of a control character, of an invalid sequence, or of a character that reorders or
 * hides text, `\xNN`. Appends to out, cut as above. */
void str_name(struct buf *out, const char *data, size_t len);

/* Text for a person's eyes, one line: the same, but a backslash stays as it is. */
void str_visible(struct buf *out, const char *data, size_t len);

/* The same as a new string. */
char *str_name_dup(const char *name);

/* The bytes that str_name() was given, as a new string; -EINVAL on a malformed escape or
 * a NUL. */
int str_unname(const char *escaped, char **out, struct err *err);

/* A word as one argument of any POSIX shell, on one printable line: unchanged if
 * harmless, else in single quotes; with control or invalid bytes as what printf(1) makes
 * of their octal numbers. Only a word that ends in a newline, which that would drop,
 * needs a shell that knows $'...' (POSIX 2024; dash 0.5 does not). Appends. */
void str_shell(struct buf *out, const char *word);

/* Split as a POSIX shell would: blanks, quotes, backslashes; ends at an unquoted newline.
 * Appends. -EINVAL: a quote is not closed. */
int str_shell_split(const char *text, struct strv *out, struct err *err);

/* "90s" "10m" "8h" "2d" "250ms", or a bare number of seconds -> milliseconds, 0 to 10
 * years. Whatever is wrong with a value is -EINVAL, here and below. */
int str_duration(const char *text, int64_t *out_ms, struct err *err);

/* "512M" "2560M" "1G" "64k" or a bare number of bytes -> bytes, 0 to 2^60. */
int str_size(const char *text, int64_t *out_bytes, struct err *err);

/* A decimal number within [min, max], digits with at most a minus before them; the
 * message names `what`. */
int str_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out,
               struct err *err);

/* Milliseconds for a person: "850 ms", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
void str_duration_show(char *out, size_t size, int64_t ms);

/* Bytes for a person: "812 B", "1.2 KiB", "3.4 MiB". */
void str_bytes_show(char *out, size_t size, int64_t bytes);

/* The word of a NULL-terminated list that is nearest to `word` by edit distance, else the
 * first that `word` begins (three letters at least); NULL when none is near enough to be
 * a likely typing error. Borrowed from the list. */
const char *str_suggest(const char *word, const char *const *list);

#endif
