#include "triage/build.h"

#include <errno.h>
#include <string.h>

#include "triage/record.h"

void
build_list_clear(struct build_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        command_clear(&list->v[i].command);
    }
    *list = (struct build_list){0};
}

void
build_list_add(struct build_list *list, const char *kind, const struct command *command)
{
    if (list->n < BUILDS_MAX) {
        struct build *build = &list->v[list->n++];
        build->kind = record_build_kind(kind);
        command_copy(&build->command, command);
    }
}

const struct build *
build_list_find(const struct build_list *list, const char *kind)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i].kind, kind) == 0) {
            return &list->v[i];
        }
    }
    return NULL;
}

json_t *
build_list_to_json(const struct build_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        json_t *object = json_object();
        json_put(object, "kind", json_string(list->v[i].kind));
        json_put(object, "command", command_to_json(&list->v[i].command));
        (void)json_array_append_new(array, object);
    }
    return array;
}

int
build_list_from_json(const json_t *array, struct build_list *out, struct err *err)
{
    size_t n = json_array_size(array);

    if (array != NULL && !json_is_null(array) && !json_is_array(array)) {
        return err_set(err, -EINVAL, "'builds' is not a list");
    }
    if (n > BUILDS_MAX) {
        return err_set(err, -EINVAL, "'builds' has more than %d of them", BUILDS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_array_get(array, i);
        const char *kind = record_build_kind(json_get_str(object, "kind", ""));
        AUTO(command_clear) struct command command = {0};
        if (kind == NULL) {
            return err_set(err, -EINVAL, "builds[%zu] is of no kind that is known", i);
        }
        int rc = command_from_json(json_object_get(object, "command"), &command, err);
        if (rc < 0) {
            return err_wrap(err, rc, "builds[%zu]", i);
        }
        build_list_add(out, kind, &command);
    }
    return 0;
}
