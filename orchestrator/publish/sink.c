#include "orchestrator/publish/sink.h"

#include <assert.h>
#include <string.h>

static const struct sink_ops *const sinks[] = {&sink_pushgateway, &sink_remote_write,
                                               &sink_otlp, &sink_textfile};
static_assert(COUNT(sinks) <= SINKS_MAX, "there is room for all");

const struct sink_ops *
sink_at(size_t i)
{
    return i < COUNT(sinks) ? sinks[i] : NULL;
}

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

void
sink_names(struct buf *out)
{
    for (size_t i = 0; i < COUNT(sinks); i++) {
        buf_addf(out, "%s%s", i == 0 ? "" : ", ", sinks[i]->name);
    }
}
