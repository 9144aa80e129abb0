/*
 * `nightjar triage --core FILE BINARY`: a core file becomes a report's text, which is
 * filed as any other. The core itself is not kept: it is large, holds all that the
 * program had in memory, and cannot be replayed. It is hostile: it is unpacked to a
 * private folder within a limit, and gdb reads it in a triage worker's sandbox.
 */
#ifndef ORCHESTRATOR_CMD_TRIAGE_CORE_H
#define ORCHESTRATOR_CMD_TRIAGE_CORE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/command.h"
#include "triage/sandbox.h"

#define TRIAGE_CORE_MAX (INT64_C(4) << 30) /* bytes of a core file, unpacked */

struct triage_core {
    const char *core; /* plain, or compressed as systemd-coredump does: zst xz lz4 gz */
    const char *program;    /* as a person names it: a path, or a name in PATH */
    const char *state;      /* the state folder, which gdb must not see */
    enum sandbox_rung rung; /* as sandbox_choose() answered */
};

/* The text of the report; appends to out. -EINVAL: the file is no core file, or too
 * large; -ENODATA: gdb finds no crash in it; -ENOENT, -ENOEXEC: the program cannot be
 * found. */
int triage_core_report(const struct triage_core *of, struct buf *out, struct err *err);

#endif
