/*
 * Dictionaries of AFL++ and libFuzzer: lines of `name="value"`, `name@level="value"` or
 * `"value"`, with \xNN, \\ and \" in the value, and comments behind a '#' that begins a
 * line. Both engines refuse a file for one bad line (AFL++ 4.04c: src/afl-fuzz-extras.c;
 * LLVM 14: FuzzerUtil.cpp, ParseOneDictionaryEntry), so what is meant is made of it here.
 *
 * Threat: any bytes. Linear time. Harness: harnesses/nightjar-inputs.
 */
#ifndef ORCHESTRATOR_CORPUS_DICTIONARY_H
#define ORCHESTRATOR_CORPUS_DICTIONARY_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    DICTIONARY_BYTES_MAX = 16 << 20, /* of a file */
    DICTIONARY_VALUE_MAX = 128,      /* bytes of a value: AFL++'s MAX_DICT_FILE */
    DICTIONARY_NOTES_MAX = 100,      /* lines that are told of; the rest is counted */
};

/*
 * Write what both engines read: each entry on a line of its own, without comments.
 * *entries receives their number. One note for each line that was not as it should be,
 * "FILE:LINE: what was done", in words that are safe to show; `name` stands for FILE.
 */
void dictionary_repair(const char *name, const char *text, size_t len, struct buf *out,
                       size_t *entries, struct strv *notes);

/* The same of a file. -EFBIG and what fs_read() says. */
int dictionary_read(const char *path, struct buf *out, size_t *entries,
                    struct strv *notes, struct err *err);

#endif
