/*
 * What `nightjar repro` knows of a bug before anything is run, and the two things that it
 * does besides running it: writing all of it out, and starting a debugger.
 */
#ifndef ORCHESTRATOR_CMD_REPRO_H
#define ORCHESTRATOR_CMD_REPRO_H

#include "orchestrator/cmd/cmd.h"
#include "triage/store.h"

struct subject {
    struct bug bug;
    struct buf input;       /* the reproducer */
    struct buf original;    /* empty: the same, or gone */
    struct buf report;      /* empty: the target printed nothing */
    struct command command; /* argv.n 0: there is none */
    struct record_settings settings;
    bool stored; /* settings are the target's; else defaults are taken */
};

void repro_clear(struct subject *subject);
AUTO_DEFINE_CLEAR(struct subject, repro_clear)

/* What is known of a bug; a command that is not empty stands in for the one that is
 * known. Fills in *out, which is empty. -ENODATA: no such bug, or nothing of it can be
 * run. */
int repro_load(struct store *store, int64_t bug, const struct strv *command,
               struct subject *out, struct err *err);

enum { REPRO_INLINE_MAX = 2048 }; /* bytes of an input that repro.sh itself holds */

/*
 * Write input, original, repro.sh, BUILD, report.txt and README into a folder, which is
 * made (repro_export.c). A file that is there already is kept if it has these bytes; else
 * -EEXIST, and nothing is written. The names are added to `written`.
 */
int repro_export(const struct subject *subject, const char *folder, struct strv *written,
                 struct err *err);

/* The text of repro.sh: POSIX sh that needs the target alone. Appends. */
void repro_script(const struct subject *subject, struct buf *out);

/*
 * gdb on the target, which runs without a sandbox and is stopped where it crashes: a
 * signal, or the abort that a sanitizer is told to make of its report (repro_gdb.c).
 * `more` are commands for gdb behind that. Standard input that is no terminal makes it a
 * batch, which ends by itself. *status is gdb's, as waitpid's.
 */
int repro_gdb(const struct subject *subject, const struct strv *more, int *status,
              struct err *err);

#endif
