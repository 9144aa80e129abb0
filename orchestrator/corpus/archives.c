#include "orchestrator/corpus/archives.h"

#include "base/late.h"

struct archives archives;

int
archives_load(struct err *err)
{
    static const struct late_symbol symbols[] = {
#define X(name) {"archive_" #name, &archives.name},
        ARCHIVE_FUNCTIONS(X)
#undef X
    };

    return late_load("libarchive.so.13", symbols, COUNT(symbols), err);
}
