#include "triage/instruction_private.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static const struct instruction_machine *const machines[] = {&instruction_x86,
                                                             &instruction_arm64};

bool
instruction_register(const struct record *record, const char *name, uint64_t *value)
{
    for (size_t i = 0; i < record->n_registers; i++) {
        if (strcmp(record->registers[i].name, name) == 0) {
            *value = record->registers[i].value;
            return true;
        }
    }
    return false;
}

static bool
first_of(const struct record *record, const char *const *names, uint64_t *value)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (instruction_register(record, names[i], value)) {
            return true;
        }
    }
    return false;
}

bool
instruction_pc(const struct record *record, uint64_t *value)
{
    static const char *const names[] = {"rip", "pc", "eip", NULL};

    return first_of(record, names, value);
}

bool
instruction_sp(const struct record *record, uint64_t *value)
{
    static const char *const names[] = {"rsp", "sp", "esp", NULL};

    return first_of(record, names, value);
}

int
instruction_decode(const struct record *record, const uint8_t *bytes, size_t len,
                   struct instruction *out, struct err *err)
{
    for (size_t i = 0; i < COUNT(machines); i++) {
        struct instruction read = {.kind = INSTRUCTION_OTHER};
        if (!machines[i]->is(record)) {
            continue;
        }
        if (!machines[i]->decode(record, bytes, len, &read)) {
            return err_set(err, -EBADMSG,
                           "the bytes at the program counter are no instruction");
        }
        *out = read;
        return 0;
    }
    return err_set(err, -ENOTSUP, "no decoder for this machine's instructions");
}
