#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { LINE_FLAGS = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY };

/* A new value; NULL means that memory is out, since the text was made valid before. */
static json_t *
made(json_t *value)
{
    if (value == NULL) {
        abort();
    }
    return value;
}

json_t *
json_text_n(const char *data, size_t len)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, data, len);
    return made(json_stringn(buf_str(&clean), clean.len));
}

json_t *
json_text(const char *text)
{
    return text == NULL ? json_null() : json_text_n(text, strlen(text));
}

json_t *
json_name(const char *name)
{
    AUTO(mem_free) char *shown = name == NULL ? NULL : str_name_dup(name);

    return shown == NULL ? json_null() : made(json_string(shown));
}

json_t *
json_time(int64_t wall_ms)
{
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, wall_ms);
    return made(json_string(at));
}

json_t *
json_strv(const struct strv *list)
{
    json_t *array = made(json_array());

    for (size_t i = 0; i < list->n; i++) {
        if (json_array_append_new(array, json_text(list->v[i])) < 0) {
            abort();
        }
    }
    return array;
}

void
json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0) {
        abort();
    }
}

const char *
json_get_str(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? otherwise : text;
}

int64_t
json_get_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double
json_get_real(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool
json_get_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

void
json_get_strv(const json_t *object, const char *key, struct strv *out)
{
    const json_t *array = json_object_get(object, key);

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text != NULL) {
            strv_add(out, text);
        }
    }
}

char *
json_line(const json_t *value)
{
    char *text = json_dumps(value, LINE_FLAGS);

    if (text == NULL) {
        abort();
    }
    return text;
}

void
json_print(FILE *out, const json_t *value)
{
    AUTO(mem_free) char *line = json_line(value);

    (void)fprintf(out, "%s\n", line);
}

int
json_parse(const char *text, size_t len, json_t **out, struct err *err)
{
    json_error_t why;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

    if (value == NULL) {
        return err_set(err, -EBADMSG, "not JSON at byte %d: %s", why.position, why.text);
    }
    *out = value;
    return 0;
}
