/*
 * What candidates of a minimization showed, by the hash of their bytes; in a file as
 * well, the journal, so that whoever goes on after a kill -9 asks nothing twice. The
 * search is deterministic (shrink.h): with the same input and the same answers it comes
 * to where it was without a run.
 *
 * The journal begins with the identity of what was asked: another command, program or
 * rule makes it begin anew. A record that was cut off ends it. Its bytes may be hostile:
 * a wrong verdict makes a result larger or is found out by the last run, no more.
 */
#ifndef TRIAGE_VERDICTS_H
#define TRIAGE_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

enum { VERDICTS_MAX = 1 << 20 /* a journal has 17 bytes for each; no more are kept */ };

struct verdicts;

/* `path`: the journal, made when it is not there; NULL: none. `identity`: any text. */
int verdicts_open(const char *path, const char *identity, struct verdicts **out,
                  struct err *err);
void verdicts_free(struct verdicts *verdicts); /* NULL is a no-op */
AUTO_DEFINE(struct verdicts *, verdicts_free)

/* Copy a journal, whatever it holds, to another place, and give it to whom the folder
 * there belongs, a worker perhaps. No link is followed; of a longer one the beginning. 0
 * also when there is none, then there is none there either. */
int verdicts_copy(const char *from, const char *to, struct err *err);

/* So many bytes of a journal stand for so many candidates. */
size_t verdicts_in(size_t journal_bytes);

/* 1 or 0: what the bytes showed; -1: not known. */
int verdicts_find(const struct verdicts *verdicts, const void *bytes, size_t len);

/* In the file when it returns, though not yet on the disk: a kill does not undo it. What
 * cannot be written is remembered here all the same. */
void verdicts_add(struct verdicts *verdicts, const void *bytes, size_t len, bool shows);

/* Those that came from the journal. */
size_t verdicts_known(const struct verdicts *verdicts);

/* Begin anew: what is known was wrong. */
void verdicts_forget(struct verdicts *verdicts);

#endif
