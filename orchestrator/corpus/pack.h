/*
 * Writing an archive of inputs, such as OSS-Fuzz's T_seed_corpus.zip: the same inputs
 * give the same bytes (fixed times, modes and owners; the order is the caller's).
 */
#ifndef ORCHESTRATOR_CORPUS_PACK_H
#define ORCHESTRATOR_CORPUS_PACK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/err.h"

struct pack;

/* Whether the name ends as an archive that can be written: .zip .tar .tar.gz .tgz .tar.xz
 * .tar.zst */
bool pack_is_name(const char *path);

/* Begin the archive; path appears when pack_finish() succeeds. */
int pack_open(const char *path, struct pack **out, struct err *err);
void pack_close(struct pack *pack); /* what is not finished leaves nothing; NULL: no-op */
AUTO_DEFINE(struct pack *, pack_close)

/* Add a regular file under a name of the caller's. */
int pack_add(struct pack *pack, const char *name, const char *path, struct err *err);
int pack_finish(struct pack *pack, struct err *err);

#endif
