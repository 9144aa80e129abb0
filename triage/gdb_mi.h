/*
 * gdb's machine interface (GDB/MI, "GDB/MI Output Syntax" in its manual): one line of it
 * as a value. A debugger that has read a hostile program's symbols may have been taken
 * over, so every byte is hostile: one pass, nesting and number of values bounded, texts
 * cleaned as a report's are. What a person would read of gdb is never parsed: it changes
 * with version and language.
 */
#ifndef TRIAGE_GDB_MI_H
#define TRIAGE_GDB_MI_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"

enum {
    GDB_MI_DEPTH_MAX = 16,      /* tuples and lists within each other */
    GDB_MI_VALUES_MAX = 65536,  /* values of one line */
    GDB_MI_LINE_MAX = 16 << 20, /* bytes of one line */
    GDB_MI_NAME_MAX = 64,       /* bytes of a variable's name, with its NUL */
};

enum gdb_mi_kind {
    GDB_MI_RESULT, /* ^done ^error: the answer to a command */
    GDB_MI_ASYNC,  /* *stopped =library-loaded +download: what happens meanwhile */
    GDB_MI_STREAM, /* ~"..." &"..." @"...": text for a person */
    GDB_MI_OTHER,  /* the prompt, or what another program printed */
};

struct gdb_mi {
    enum gdb_mi_kind kind;
    int64_t token; /* the number before a result: its command's; -1: none */
    char class_name[GDB_MI_NAME_MAX]; /* "done"; "" for streams and others */
    /* Results and async: an object; a tuple is an object (the last of two equal names
     * counts), a list an array without names. Streams: the text. NULL: other. */
    json_t *value;
};

void gdb_mi_clear(struct gdb_mi *line);
AUTO_DEFINE_CLEAR(struct gdb_mi, gdb_mi_clear)

/* Read one line, without its newline. *out is new. -EBADMSG: it begins as MI does and
 * goes on otherwise, or a bound was passed; the message names the place. */
int gdb_mi_parse(const char *line, size_t len, struct gdb_mi *out, struct err *err);

#endif
