#include "triage/preload.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"

/* The assembler takes the file over as it is: no step that turns it into C text. */
__asm__(".section .rodata\n"
        ".balign 8\n"
        ".global preload_first, preload_size\n"
        ".hidden preload_first, preload_size\n"
        "preload_size: .quad preload_end - preload_first\n"
        "preload_first: .incbin \"" PRELOAD_FILE "\"\n"
        "preload_end:\n"
        ".previous\n");
extern const uint64_t preload_size;
extern const char preload_first[];

const void *
preload_bytes(size_t *len)
{
    *len = preload_size;
    return preload_first;
}

/* Runtimes that end the program unless they are the first library. The name is the
 * program's own: it may be anything. */
static bool
must_be_first(const char *library)
{
    return strpbrk(library, ": /") == NULL &&
           (str_starts(library, "libasan.so") || str_starts(library, "libclang_rt.asan"));
}

char *
preload_value(const char *program, const char *path)
{
    AUTO(strv_clear) struct strv libraries = {0};
    AUTO(buf_clear) struct buf value = BUF_INIT;
    struct stat st;

    if (strpbrk(path, ": ") != NULL || stat(program, &st) < 0 ||
        (st.st_mode & (S_ISUID | S_ISGID)) != 0 ||
        !program_libraries(program, &libraries)) {
        return NULL;
    }
    for (size_t i = 0; i < libraries.n; i++) {
        if (must_be_first(libraries.v[i])) {
            buf_addf(&value, "%s:", libraries.v[i]);
        }
    }
    buf_adds(&value, path);
    return buf_steal(&value);
}
