#include "base/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int
late_load(const char *library, const struct late_symbol *symbols, size_t n,
          struct err *err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        return err_set(err, -ENOENT, "%s cannot be loaded: %s; install its package",
                       library, dlerror());
    }
    for (size_t i = 0; i < n; i++) {
        void *found = dlsym(handle, symbols[i].name);
        if (found == NULL) {
            return err_set(err, -ENOENT, "%s has no %s: another version of it is needed",
                           library, symbols[i].name);
        }
        memcpy(symbols[i].function, &found, sizeof(found));
    }
    return 0;
}
