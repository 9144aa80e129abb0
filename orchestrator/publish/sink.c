#include "orchestrator/publish/sink.h"

#include <string.h>

static const struct sink_ops *const sinks[] = {&sink_pushgateway};

const struct sink_ops *
sink_find(const char *name)
{
    for (size_t i = 0; i < COUNT(sinks); i++) {
        if (strcmp(sinks[i]->name, name) == 0) {
            return sinks[i];
        }
    }
    return NULL;
}
