/* What the tests of the parser share: one text, its record. */
#ifndef TESTS_UNIT_PARSE_FIXTURE_H
#define TESTS_UNIT_PARSE_FIXTURE_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "triage/parse/parse.h"

struct fixture {
    struct record *record;
    struct record_options options;
    struct err err;
};

static inline int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->options.asserts_are_security = true;
    *state = fix;
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *fix = *state;

    record_free(fix->record);
    mem_free(fix);
    return 0;
}

static inline const struct record *
parse_n(struct fixture *fix, const char *text, size_t len)
{
    record_free(fix->record);
    fix->record = NULL;
    if (parse_report(text, len, &fix->options, &fix->record, &fix->err) != 0 ||
        fix->record == NULL) {
        (void)fputs(fix->err.msg, stderr);
        abort();
    }
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    return fix->record;
}

static inline const struct record *
parse(struct fixture *fix, const char *text)
{
    return parse_n(fix, text, strlen(text));
}

static inline void
assert_no_crash(struct fixture *fix, const char *text)
{
    struct record *record = NULL;

    assert_int_equal(parse_report(text, strlen(text), &fix->options, &record, &fix->err),
                     -ENODATA);
    assert_null(record);
}

#endif
