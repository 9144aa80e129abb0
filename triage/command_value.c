#include "triage/command.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    ARGUMENTS_MAX = 4096,
    TEXT_MAX = 128 << 10, /* bytes of one argument or variable, as the kernel has it */
};

static const char *const mode_names[] = {[INPUT_ARGUMENT] = "argument",
                                         [INPUT_STDIN] = "stdin",
                                         [INPUT_LIBFUZZER] = "libfuzzer"};

void
command_clear(struct command *command)
{
    strv_clear(&command->argv);
    strv_clear(&command->env);
    strv_clear(&command->read);
    *command = (struct command){0};
}

void
command_copy(struct command *to, const struct command *from)
{
    command_clear(to);
    strv_add_all(&to->argv, &from->argv);
    strv_add_all(&to->env, &from->env);
    strv_add_all(&to->read, &from->read);
    to->mode = from->mode;
    to->timeout_ms = from->timeout_ms;
    to->memory_bytes = from->memory_bytes;
    to->asan = from->asan;
}

static bool
same_list(const struct strv *a, const struct strv *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++) {
        same = strcmp(a->v[i], b->v[i]) == 0;
    }
    return same;
}

bool
command_same(const struct command *a, const struct command *b)
{
    return a->mode == b->mode && a->timeout_ms == b->timeout_ms &&
           a->memory_bytes == b->memory_bytes && a->asan == b->asan &&
           same_list(&a->argv, &b->argv) && same_list(&a->env, &b->env) &&
           same_list(&a->read, &b->read);
}

/* --- JSON --- */

static json_t *
names_to_json(const struct strv *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        (void)json_array_append_new(array, json_name(list->v[i]));
    }
    return array;
}

json_t *
command_to_json(const struct command *command)
{
    json_t *object = json_object();

    json_put(object, "argv", names_to_json(&command->argv));
    json_put(object, "env", names_to_json(&command->env));
    json_put(object, "mode", json_string(mode_names[command->mode]));
    json_put(object, "timeout_ms", json_integer(command->timeout_ms));
    json_put(object, "memory_bytes", json_integer(command->memory_bytes));
    json_put(object, "read", names_to_json(&command->read));
    json_put(object, "asan", json_boolean(command->asan));
    return object;
}

static int
names_from_json(const json_t *object, const char *key, struct strv *out, struct err *err)
{
    const json_t *array = json_object_get(object, key);

    if (!json_is_array(array) || json_array_size(array) > ARGUMENTS_MAX) {
        return err_set(err, -EINVAL, "command: '%s' is not a list of at most %d texts",
                       key, ARGUMENTS_MAX);
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        AUTO(mem_free) char *text = NULL;
        if (!json_is_string(item) || json_string_length(item) > TEXT_MAX) {
            return err_set(err, -EINVAL,
                           "command: %s[%zu] is not a text of at most %d bytes", key, i,
                           TEXT_MAX);
        }
        int rc = str_unname(json_string_value(item), &text, err);
        if (rc < 0) {
            return err_wrap(err, rc, "command: %s[%zu]", key, i);
        }
        strv_add(out, text);
    }
    return 0;
}

static int
number_from_json(const json_t *object, const char *key, int64_t max, int64_t *out,
                 struct err *err)
{
    int64_t value = json_get_int(object, key, -1);

    if (value < 0 || value > max) {
        return err_set(err, -EINVAL, "command: '%s' is not a number from 0 to %lld", key,
                       (long long)max);
    }
    *out = value;
    return 0;
}

static int
mode_from_json(const json_t *object, enum input_mode *out, struct err *err)
{
    const char *name = json_get_str(object, "mode", "");

    for (size_t i = 0; i < COUNT(mode_names); i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *out = (enum input_mode)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL,
                   "command: 'mode' is '%.40s', not argument, stdin or libfuzzer", name);
}

int
command_from_json(const json_t *object, struct command *out, struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    int rc = json_is_object(object) ? 0 : err_set(err, -EINVAL, "command: not an object");

    rc = rc < 0 ? rc : names_from_json(object, "argv", &command.argv, err);
    rc = rc < 0 ? rc : names_from_json(object, "env", &command.env, err);
    rc = rc < 0 ? rc : names_from_json(object, "read", &command.read, err);
    rc = rc < 0 ? rc : mode_from_json(object, &command.mode, err);
    rc = rc < 0 ? rc
                : number_from_json(object, "timeout_ms", COMMAND_TIMEOUT_MAX_MS,
                                   &command.timeout_ms, err);
    rc = rc < 0 ? rc
                : number_from_json(object, "memory_bytes", INT64_C(1) << 50,
                                   &command.memory_bytes, err);
    if (rc < 0) {
        return rc;
    }
    if (command.argv.n == 0 || command.argv.v[0][0] != '/') {
        return err_set(err, -EINVAL, "command: argv[0] is not an absolute path");
    }
    if (command.timeout_ms == 0) {
        return err_set(err, -EINVAL,
                       "command: 'timeout_ms' is 0; every run needs a limit");
    }
    for (size_t i = 0; i < command.env.n; i++) {
        if (strchr(command.env.v[i], '=') == NULL) {
            return err_set(err, -EINVAL, "command: env[%zu] is not NAME=value", i);
        }
    }
    command.asan = json_get_bool(object, "asan", false);
    command_clear(out);
    *out = command;
    memset(&command, 0, sizeof(command)); /* out owns it now */
    return 0;
}
