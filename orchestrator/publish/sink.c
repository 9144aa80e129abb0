#include "orchestrator/publish/sink.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

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

int
sink_accepted(const struct sink_target *to, const struct http_answer *answer,
              struct err *err)
{
    int rc = http_accepted(answer, err);
    int64_t pause = answer->retry_after_ms;

    if (rc == 0 || pause == 0) {
        return rc;
    }
    pause = pause < SINK_PAUSE_MAX_MS ? pause : SINK_PAUSE_MAX_MS;
    to->memory->not_before_ms = clock_wall_ms() + pause;
    struct err why = *err;
    return err_set(err, rc, "%s (it wants to be left alone for %lld s)", why.msg,
                   (long long)(pause / 1000));
}
