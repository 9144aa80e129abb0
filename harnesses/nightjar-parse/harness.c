/*
 * nightjar's own report parser, the way a triage worker uses it: text of a target ->
 * record -> JSON line -> record at the other end of the pipe. Any bytes must do; besides
 * what sanitizers see, two promises are checked: a record always has a JSON form, and the
 * far end takes it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "triage/parse/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct record *record)
{
    AUTO(record_free) struct record *copy = NULL;
    struct err err = ERR_INIT;
    json_t *object = record_to_json(record);

    if (object == NULL || record_from_json(object, &copy, &err) != 0) {
        (void)fprintf(stderr, "record does not survive JSON: %s\n", err.msg);
        abort();
    }
    json_decref(object);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_options options = RECORD_OPTIONS_INIT;
    AUTO(record_free) struct record *record = NULL;
    struct err err = ERR_INIT;

    options.fuzz_target = "nightjar-parse";
    options.ooms_and_hangs = true; /* so that reports of timeouts count as well */
    if (parse_report((const char *)data, size, &options, &record, &err) != 0) {
        return 0;
    }
    if (record_finish(record, &options, &err) != 0) {
        (void)fprintf(stderr, "record cannot be finished: %s\n", err.msg);
        abort();
    }
    check_round_trip(record);
    return 0;
}
