#include "orchestrator/cmd/rung.h"

int
rung_choose(const struct cmd_context *context, const struct config *config,
            const char *name, enum sandbox_rung *out, struct err *err)
{
    enum sandbox_rung wanted = config == NULL ? SANDBOX_AUTO : config->sandbox;
    AUTO(buf_clear) struct buf why = BUF_INIT;
    int rc = name == NULL ? 0 : sandbox_rung_parse(name, &wanted, err);

    rc = rc < 0 ? rc : sandbox_choose(wanted, out, &why, err);
    if (rc == 0 && why.len > 0 && !context->json) {
        (void)cmd_fail(0, "targets are confined by %s: %s", sandbox_rung_name(*out),
                       buf_str(&why));
    }
    return rc;
}
