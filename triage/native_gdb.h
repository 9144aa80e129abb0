/*
 * gdb, run without a person on a program that crashes, or on its core file: what it is
 * told, and what it answers. It is told everything on its command line and asked in its
 * machine interface (gdb_mi.h), so that one run with bounded output is all there is, as
 * for the program itself.
 *
 * Threat: gdb reads symbols, debug information and memory that are hostile, and may be
 * taken over; it belongs into the sandbox of the program, and what it prints is as
 * hostile as what the program prints. It reads no initialization file, loads no script
 * that a program carries or that lies beside it, opens no source file, asks no server for
 * debug information, and prints no value but registers and siginfo.
 */
#ifndef TRIAGE_NATIVE_GDB_H
#define TRIAGE_NATIVE_GDB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/buf.h"
#include "triage/command.h"
#include "triage/native_rules.h"
#include "triage/record.h"

/* What gdb said. */
struct native_state {
    struct native_fault fault; /* signal 0: it did not stop at one */
    /* frames with module and offset where something is mapped, gdb's names beside them,
     * inlined frames marked; registers; nothing else is set */
    struct record *seen;
    char *
        program; /* the file that is mapped lowest, which is the program; NULL: unknown */
    uint64_t program_start;
    bool truncated; /* a stack of more than RECORD_FRAMES_MAX frames */
};

void native_state_clear(struct native_state *state);
AUTO_DEFINE_CLEAR(struct native_state, native_state_clear)

/* The argument vector that runs the command on the file `input` under gdb until the
 * signal; appends. With `moving` the program's addresses differ from run to run, as they
 * do without gdb. */
void native_gdb_run(const char *gdb, const struct command *command, const char *input,
                    int signal, bool moving, struct strv *argv);

/* The same for a core file. */
void native_gdb_core(const char *gdb, const char *program, const char *core,
                     struct strv *argv);

/* gdb's own environment: not the program's, which could change what gdb loads. */
void native_gdb_environment(struct strv *env);

/* Read what it printed; lines that are no MI are passed over, answers that are damaged or
 * missing leave their part of the state empty. Linear in len. *out is cleared first. */
void native_gdb_read(const char *text, size_t len, struct native_state *out);

#endif
