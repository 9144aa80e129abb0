/* What cluster.c and cluster_input.c share. */
#ifndef TRIAGE_STORE_CLUSTER_PRIVATE_H
#define TRIAGE_STORE_CLUSTER_PRIVATE_H

#include "triage/store/cluster.h"
#include "triage/store/store_private.h"

/* The places of bug ?1 in target ?2. */
#define CLUSTER_PLACES_OF_BUG \
    "SELECT text FROM place WHERE bug = ?1 AND target = ?2 ORDER BY id LIMIT 20"

/* Whether every program has this function: it says nothing about which one it is. */
bool cluster_is_generic(const char *frame, size_t len);

/* Rule 2; out->bug stays 0 where no other target's crash of the same input is this one.
 */
int cluster_same_input(struct db *db, const struct cluster_clue *clue,
                       struct cluster_match *out, struct err *err);

#endif
