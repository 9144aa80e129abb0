#include "triage/symbolize_answer.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/record.h"

/* Text of an ELF file is hostile: printable, on one line, bounded. NULL for nothing. */
static char *
clean_text(const char *text, size_t max)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    str_clean(&out, text, strlen(text));
    for (size_t i = 0; i < out.len; i++) {
        if (out.data[i] == '\n' || out.data[i] == '\t') {
            out.data[i] = ' ';
        }
    }
    if (out.len > max) { /* not within a character */
        while (max > 0 && ((unsigned char)out.data[max] & 0xc0) == 0x80) {
            max--;
        }
        out.len = max;
        out.data[max] = '\0';
    }
    return out.len == 0 || strcmp(out.data, "??") == 0 ? NULL : buf_steal(&out);
}

static int
bounded_int(const json_t *object, const char *key)
{
    int64_t value = json_get_int(object, key, 0);

    return value < 0 || value > INT32_MAX ? 0 : (int)value;
}

void
symbol_names_clear(struct symbol_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        mem_free(names->v[i].function);
        mem_free(names->v[i].file);
    }
    mem_free(names->v);
    *names = (struct symbol_names){0};
}

void
symbol_names_read(const json_t *reply, struct symbol_names *out)
{
    const json_t *list = json_object_get(reply, "Symbol");
    size_t n = json_array_size(list);

    n = n > SYMBOL_NAMES_MAX ? SYMBOL_NAMES_MAX : n;
    out->v = mem_array(n, sizeof(*out->v));
    for (out->n = 0; out->n < n; out->n++) {
        const json_t *item = json_array_get(list, out->n);
        struct symbol_name *name = &out->v[out->n];
        name->function =
            clean_text(json_get_str(item, "FunctionName", ""), RECORD_FUNCTION_MAX);
        if (name->function == NULL) {
            break; /* nothing is known from here on */
        }
        name->file = clean_text(json_get_str(item, "FileName", ""), RECORD_PATH_MAX);
        name->line = bounded_int(item, "Line");
        name->column = bounded_int(item, "Column");
        name->start_line = bounded_int(item, "StartLine");
        if (name->file != NULL && name->line == 0 && strchr(name->file, '/') == NULL) {
            mem_free(STEAL(name->file)); /* the symbol table's name of an object file */
        }
    }
}

void
symbol_names_one(const char *function, struct symbol_names *out)
{
    AUTO(mem_free) char *name = clean_text(function, RECORD_FUNCTION_MAX);

    if (name != NULL) {
        out->v = mem_array(1, sizeof(*out->v));
        out->n = 1;
        out->v[0].function = STEAL(name);
    }
}
