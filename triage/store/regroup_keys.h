/*
 * What a regrouping decides before it writes anything: which crashes are signed alike now
 * (a key), which bug a key belongs to, and where crashes without a record follow. All of
 * it in memory, sorted, n log n in the number of crashes; nothing here fails.
 */
#ifndef TRIAGE_STORE_REGROUP_KEYS_H
#define TRIAGE_STORE_REGROUP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "triage/record.h"

struct regroup_item { /* a crash whose signature changes */
    int64_t crash, home, target, version, blob, old_place;
    char old_major[RECORD_HASH_MAX], old_minor[RECORD_HASH_MAX];
    char major[RECORD_HASH_MAX], minor[RECORD_HASH_MAX];
    char entry[RECORD_HASH_MAX]; /* what cluster_find() looks up: the place, else major */
    bool is_report;
    char *json;   /* the record, signed anew */
    size_t key;   /* of its first fellow in the list */
    size_t leads; /* the key that most items of its old signature have */
    bool present; /* its bytes */
    bool decided; /* by a hand: it stays */
};

struct regroup_weight { /* of a key: its main bug, and how many of its items that has */
    size_t key;
    int64_t bug, n;
};

/* Sort the items so that fellows (one target, one entry) are neighbours in the order of
 * their crashes, and set each one's key: the index of the first of its fellows. */
void regroup_make_keys(struct regroup_item *v, size_t n);

/* One past the last item of the key. */
size_t regroup_key_end(const struct regroup_item *v, size_t n, size_t key);

/* The bug with most items of the key that no hand decided, the oldest among equals; n is
 * 0 where hands decided all. */
struct regroup_weight regroup_weigh(const struct regroup_item *v, size_t n, size_t key);

/* For qsort() of weights: the heaviest first, then by key. */
int regroup_by_weight(const void *a, const void *b);

/* Set each item's leads: the key that most items of its old place have (of its old
 * signature, where it had no place). */
void regroup_choose_leads(struct regroup_item *v, size_t n);

#endif
