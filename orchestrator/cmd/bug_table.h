/* The table of bugs as `triage`, `fuzz` and `bugs` print it, and its JSON form. */
#ifndef ORCHESTRATOR_CMD_BUG_TABLE_H
#define ORCHESTRATOR_CMD_BUG_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/publish/bug.h"
#include "triage/store.h"

/* Print the bugs that filter lets through, worst first: JSON Lines with --json, else a
 * table as wide as COLUMNS or the terminal (80 columns elsewhere). *rows (may be NULL)
 * receives their number, *worst (may be NULL) the id of the first, 0 when there is none.
 * Nothing is printed for an empty list. */
int bug_table_print(const struct cmd_context *context, struct store *store,
                    const struct bug_filter *filter, int64_t *rows, int64_t *worst,
                    struct err *err);

/* `text` cut to `columns` characters with "~" as the last one, padded to them; appends to
 * out. */
void bug_table_cell(struct buf *out, const char *text, size_t columns);

/* The colour of a severity: an SGR code such as "31;1". */
/* " until 2027-01-31T00:00:00Z, 100 crashes": the end of what is ignored or accepted,
 * nothing where there is none. Appends. */
void bug_add_until(const struct bug *bug, struct buf *out);

/* "due in 3 d 4 h", "overdue for 2 h"; nothing without a date. Appends. */
void bug_add_due(const struct bug *bug, struct buf *out);

const char *bug_severity_color(enum severity severity);

#endif
