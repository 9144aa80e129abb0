#include "orchestrator/cmd/show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { PER_LINE = 16 };

/* --- bytes --- */

static void
hex_line(const unsigned char *data, size_t at, size_t n, struct strv *out)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;

    buf_addf(&line, "%08zx ", at);
    for (size_t i = 0; i < PER_LINE; i++) {
        buf_adds(&line, i == PER_LINE / 2 ? " " : "");
        if (i < n) {
            buf_addf(&line, " %02x", data[at + i]);
        } else {
            buf_adds(&line, "   ");
        }
    }
    buf_adds(&line, "  |");
    for (size_t i = 0; i < n; i++) {
        char shown = '.';
        if (data[at + i] >= 0x20 && data[at + i] < 0x7f) {
            shown = (char)data[at + i];
        }
        buf_addc(&line, shown);
    }
    buf_addc(&line, '|');
    strv_add(out, buf_str(&line));
}

void
show_hex_lines(const unsigned char *data, size_t len, size_t max, struct strv *out)
{
    size_t n = len < max ? len : max;

    for (size_t at = 0; at < n; at += PER_LINE) {
        hex_line(data, at, n - at < PER_LINE ? n - at : PER_LINE, out);
    }
}

/* Bytes that went, are damaged or may not be read are said to be so: the rest of the page
 * is worth as much without them. */
void
show_hex(struct page *page, const struct show *show)
{
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(strv_clear) struct strv lines = {0};
    struct err why = ERR_INIT;

    if (show->bug.is_report) {
        return; /* the page tells the text in better words */
    }
    int rc = store_blob(show->store, show->bug.reproducer, &input, &why);
    AUTO(mem_free)
    char *title =
        mem_printf("Reproducer (%" PRId64 " byte%s%s)", show->bug.reproducer_bytes,
                   show->bug.reproducer_bytes == 1 ? "" : "s",
                   show->bug.minimized ? ", minimized" : "");
    page_heading(page, title);
    if (rc < 0) {
        page_text(page, why.msg);
        return;
    }
    show_hex_lines((const unsigned char *)buf_str(&input), input.len,
                   (size_t)show->hex_bytes, &lines);
    page_block(page);
    for (size_t i = 0; i < lines.n; i++) {
        page_line(page, lines.v[i], STYLE_PLAIN);
    }
    page_block_end(page);
    if (input.len > (size_t)show->hex_bytes) {
        AUTO(mem_free)
        char *more =
            mem_printf("%zu further bytes: nightjar show %s --hex %zu shows all.",
                       input.len - (size_t)show->hex_bytes, show->bug.name, input.len);
        page_text(page, more);
    }
}

/* --- how to run it --- */

void
show_commands(struct page *page, const struct show *show)
{
    const char *name = show->bug.name;

    if (show->bug.is_report || show->command.argv.n == 0) {
        page_heading(page, "The report");
        page_block(page);
        AUTO(mem_free) char *report = mem_printf("nightjar show %s --report", name);
        page_line(page, report, STYLE_PLAIN);
        page_block_end(page);
        return;
    }
    AUTO(mem_free) char *runs = mem_printf("nightjar repro %s", name);
    AUTO(mem_free) char *gdb = mem_printf("nightjar repro %s --gdb", name);
    AUTO(mem_free)
    char *exports = mem_printf("nightjar repro %s --export %s", name, name);
    AUTO(mem_free) char *input = mem_printf("%s/input", name);
    AUTO(mem_free) char *line = command_shell(&show->command, input);
    page_heading(page, "Reproduce");
    page_block(page);
    page_line(page, runs, STYLE_WHOLE);
    page_line(page, gdb, STYLE_WHOLE);
    page_line(page, exports, STYLE_WHOLE);
    page_line(page, line, STYLE_WHOLE);
    page_block_end(page);
}
