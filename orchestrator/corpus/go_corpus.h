/*
 * Inputs of Go's native fuzzing (go.dev/security/fuzz: testdata/fuzz/FuzzX/...): a text
 * whose first line is "go test fuzz v1", then one Go expression for each argument.
 *
 * Threat: any bytes. Linear time; the value is never longer than the text.
 * Harness: harnesses/nightjar-inputs.
 */
#ifndef ORCHESTRATOR_CORPUS_GO_CORPUS_H
#define ORCHESTRATOR_CORPUS_GO_CORPUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Whether it begins as one. */
bool go_corpus_is(const char *text, size_t len);

/* Append the bytes of its only argument, []byte("...") or string("..."), to out.
 * -ENOTSUP: it has several arguments, or one of another type: a fuzz target that takes
 * bytes has no use for it. -EINVAL: it is malformed. out is then as it was. */
int go_corpus_decode(const char *text, size_t len, struct buf *out);

#endif
