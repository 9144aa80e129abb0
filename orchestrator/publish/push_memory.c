#include "orchestrator/publish/push_memory.h"

#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

enum { MEMORY_MAX = 64 << 20, NAME_DIGITS = 16 };

void
push_memory_clear(struct push_memory *memory)
{
    strv_clear(&memory->series);
    *memory = (struct push_memory){0};
}

char *
push_memory_path(const char *state, const char *sink, const char *to,
                 const char *instance)
{
    AUTO(mem_free) char *address = mem_printf("%s\n%s", to, instance);
    char hash[HASH_HEX_MAX];

    hash_sha256(address, strlen(address), hash);
    return mem_printf("%s/push/%s-%.*s.json", state, sink, NAME_DIGITS, hash);
}

void
push_memory_read(const char *path, struct push_memory *out)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(json_decref) json_t *object = NULL;
    struct err err = ERR_INIT;

    *out = (struct push_memory){0};
    if (fs_read(path, MEMORY_MAX, &text, &err) == 0 &&
        json_parse(buf_str(&text), text.len, &object, &err) == 0) {
        out->not_before_ms = json_get_int(object, "not_before_ms", 0);
        json_get_strv(object, "series", &out->series);
    }
}

int
push_memory_write(const char *path, const struct push_memory *memory, struct err *err)
{
    AUTO(json_decref) json_t *object = json_object();
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));
    int rc = fs_mkdirs(folder, 0700, err);

    if (rc < 0) {
        return rc;
    }
    json_put(object, "not_before_ms", json_integer(memory->not_before_ms));
    json_put(object, "series", json_strv(&memory->series));
    AUTO(mem_free) char *text = json_line(object);
    return fs_write(path, text, strlen(text), 0600, err);
}
