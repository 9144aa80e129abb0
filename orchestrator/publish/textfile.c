/*
 * A file for node_exporter's textfile collector: `*.prom` in the folder that it watches.
 * It is replaced as a whole, so that a scrape never sees half of it, and readable for
 * everybody, since node_exporter runs as a user of its own.
 */
#include "base/buf.h"
#include "base/fs.h"
#include "orchestrator/publish/exposition.h"
#include "orchestrator/publish/sink.h"

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    exposition_print(metrics, EXPOSITION_PROMETHEUS, &text);
    return fs_write_atomic(to->to, buf_str(&text), text.len, 0644, err);
}

const struct sink_ops sink_textfile = {
    .name = "textfile",
    .file = true,
    .about = "a file for node_exporter's textfile collector",
    .push = push,
};
