/* What stands for bugs, read back one after the other. Private to the store. */
#ifndef TRIAGE_STORE_RECORDS_H
#define TRIAGE_STORE_RECORDS_H

#include "triage/store.h"

/* Visit what stands for each bug by number, with its target's name: of one, of those of a
 * target, of all (both 0). What cannot be read back is passed over. visit may change the
 * store; a non-zero result ends it and is returned. */
struct record_range {
    int64_t bug, target;
};
typedef int bug_record_visit(void *user, int64_t bug, const char *target,
                             const struct record *record, struct err *err);
int store_records(struct store *store, const struct record_range *range,
                  bug_record_visit *visit, void *user, struct err *err);

#endif
