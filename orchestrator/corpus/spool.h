/*
 * A file of traces: what was measured of each input, one record behind another. It is
 * journal (a killed run goes on where it stood) and memory (a million traces are mapped,
 * not loaded) in one. A record that a kill cut, and what is behind it, is dropped.
 *
 * The file lies in a folder that no target sees; its checksums guard against kills and
 * disks, not against malice.
 */
#ifndef ORCHESTRATOR_CORPUS_SPOOL_H
#define ORCHESTRATOR_CORPUS_SPOOL_H

#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "orchestrator/corpus/measure.h"

struct spool;

/* Open or make it. `subject` is a hash of what was measured by what means: a file with
 * another one is emptied. *known receives how many records there are. */
int spool_open(const char *path, uint64_t subject, struct spool **out, int64_t *known,
               struct err *err);
void spool_close(struct spool *spool); /* NULL is a no-op */
AUTO_DEFINE(struct spool *, spool_close)

/* Whether the file at path, as it is, has a record. */
bool spool_has(const struct spool *spool, const char *path, const struct stat *st);

int spool_add(struct spool *spool, const struct measured *input, struct err *err);

/* Map all that was added. To be called before spool_read(), and after the last add. */
int spool_map(struct spool *spool, struct err *err);

/* The record at *at (first 0), borrowed until the next spool_add(); moves *at behind it.
 * Of st only size, time of change and number are set. False: there is no more. */
bool spool_read(const struct spool *spool, int64_t *at, struct measured *out);

#endif
