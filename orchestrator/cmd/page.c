#include "orchestrator/cmd/page.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { KEY_COLUMNS = 16 };

struct page_ops {
    void (*title)(struct page *page, const char *text);
    void (*heading)(struct page *page, const char *text);
    void (*fact)(struct page *page, const char *key, const char *text,
                 enum page_style style);
    void (*text)(struct page *page, const char *text);
    void (*item)(struct page *page, const char *text);
    void (*block)(struct page *page);
    void (*line)(struct page *page, const char *text, enum page_style style);
    void (*block_end)(struct page *page);
};

/* --- text --- */

/* One printable line: new string. */
static char *
visible(const char *text)
{
    AUTO(buf_clear) struct buf spaced = BUF_INIT;
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\t') {
            buf_adds(&spaced, "    ");
        } else {
            buf_addc(&spaced, *c);
        }
    }
    str_visible(&out, buf_str(&spaced), spaced.len);
    return buf_steal(&out);
}

static bool
continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t
characters(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        n += continues(text[i]) ? 0 : 1;
    }
    return n;
}

/* The bytes of the first n characters. */
static size_t
first(const char *text, size_t n)
{
    size_t at = 0;

    while (text[at] != '\0' && n > 0) {
        at++;
        while (continues(text[at])) {
            at++;
        }
        n--;
    }
    return at;
}

void
page_cut(struct buf *out, const char *text, size_t columns)
{
    static const char dots[] = "...";
    size_t len = strlen(text);
    size_t n = characters(text, len);

    if (n <= columns || columns < sizeof(dots)) {
        buf_add(out, text, first(text, columns));
        return;
    }
    size_t left = columns - (sizeof(dots) - 1);
    size_t head = left - left / 2;
    buf_add(out, text, first(text, head));
    buf_adds(out, dots);
    buf_adds(out, text + first(text, n - left / 2));
}

/* How much of a text stands on a line of so many columns: up to the last blank that fits,
 * or all columns of a word that is too long. */
static size_t
line_length(const char *text, size_t columns)
{
    size_t fits = first(text, columns);
    size_t at = fits;

    if (text[fits] == '\0') {
        return fits;
    }
    while (at > 0 && text[at] != ' ') {
        at--;
    }
    return at == 0 ? fits : at;
}

/* Words on lines of the page's width; lines behind the first begin with so many blanks,
 * and `used` columns of the first are taken. */
static void
wrap(struct page *page, const char *text, size_t used, int indent)
{
    size_t room = page->width > used + 20 ? page->width - used : 20;

    for (;;) {
        size_t len = line_length(text, room);
        buf_add(page->out, text, len);
        text += len;
        text += *text == ' ' ? 1 : 0;
        if (*text == '\0') {
            return;
        }
        buf_addf(page->out, "\n%*s", indent, "");
    }
}

/* --- a terminal --- */

static void
color(struct page *page, const char *code)
{
    if (page->color) {
        buf_addf(page->out, "\033[%sm", code);
    }
}

static void
styled(struct page *page, enum page_style style, bool begins)
{
    static const char *const codes[] = {[STYLE_PLAIN] = NULL,
                                        [STYLE_DIM] = "2",
                                        [STYLE_STRONG] = "1",
                                        [STYLE_BAD] = "31;1",
                                        [STYLE_WHOLE] = NULL};

    if (codes[style] != NULL) {
        color(page, begins ? codes[style] : "0");
    }
}

static void
terminal_title(struct page *page, const char *text)
{
    styled(page, STYLE_STRONG, true);
    wrap(page, text, 0, 2);
    styled(page, STYLE_STRONG, false);
    buf_addc(page->out, '\n');
}

static void
terminal_heading(struct page *page, const char *text)
{
    buf_addc(page->out, '\n');
    terminal_title(page, text);
}

static void
terminal_fact(struct page *page, const char *key, const char *text, enum page_style style)
{
    buf_addf(page->out, "  %-*s ", KEY_COLUMNS, key);
    styled(page, style, true);
    wrap(page, text, KEY_COLUMNS + 3, KEY_COLUMNS + 3);
    styled(page, style, false);
    buf_addc(page->out, '\n');
}

static void
terminal_text(struct page *page, const char *text)
{
    buf_adds(page->out, "  ");
    wrap(page, text, 2, 2);
    buf_addc(page->out, '\n');
}

static void
terminal_item(struct page *page, const char *text)
{
    buf_adds(page->out, "  - ");
    wrap(page, text, 4, 4);
    buf_addc(page->out, '\n');
}

static void
terminal_block(struct page *page)
{
    (void)page;
}

static void
terminal_line(struct page *page, const char *text, enum page_style style)
{
    buf_adds(page->out, "  ");
    styled(page, style, true);
    page_cut(page->out, text, style == STYLE_WHOLE ? SIZE_MAX : page_columns(page));
    styled(page, style, false);
    buf_addc(page->out, '\n');
}

static const struct page_ops terminal = {terminal_title, terminal_heading, terminal_fact,
                                         terminal_text,  terminal_item,    terminal_block,
                                         terminal_line,  terminal_block};

/* --- Markdown (CommonMark, and what GitHub and GitLab make of it) --- */

/* Whether a tracker takes the character at text[at] for the begin of a link to a person,
 * an issue, a label, ... when a name follows: @me #12 !12 ~bug %1 $1 &1; or for the
 * middle of an address: http://, www. */
static bool
refers(const char *text, size_t at)
{
    return strchr("@#!~%$&^", text[at]) != NULL ||
           (text[at] == ':' && text[at + 1] == '/') ||
           (text[at] == 'w' && text[at + 1] == '.');
}

/* Plain text that reads as it is: what is markup anywhere is escaped, what is markup at
 * the begin of a line there; and a word joiner (which has no width) stands behind what
 * would refer to something. */
static void
markdown_plain(struct buf *out, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (strchr("\\`*_[]<|~&$@", text[i]) != NULL ||
            (i == 0 && strchr("#+-=>", text[i]) != NULL)) {
            buf_addc(out, '\\');
        }
        buf_addc(out, text[i]);
        if (refers(text, i)) {
            buf_adds(out, "\xe2\x81\xa0");
        }
    }
}

/* Blocks stand apart from what is before them. */
static void
blank_line(struct buf *out)
{
    if (out->len > 0 && !str_ends(buf_str(out), "\n\n")) {
        buf_addc(out, '\n');
    }
}

static void
markdown_put(struct page *page, const char *before, const char *text, const char *behind)
{
    buf_adds(page->out, before);
    markdown_plain(page->out, text);
    buf_adds(page->out, behind);
}

static void
markdown_title(struct page *page, const char *text)
{
    markdown_put(page, "## ", text, "\n\n");
}

static void
markdown_heading(struct page *page, const char *text)
{
    blank_line(page->out);
    markdown_put(page, "### ", text, "\n\n");
}

static void
markdown_fact(struct page *page, const char *key, const char *text, enum page_style style)
{
    (void)style;
    markdown_put(page, "- **", key, "**: ");
    markdown_put(page, "", text, "\n");
}

static void
markdown_text(struct page *page, const char *text)
{
    blank_line(page->out);
    markdown_put(page, "", text, "\n");
}

static void
markdown_item(struct page *page, const char *text)
{
    markdown_put(page, "- ", text, "\n");
}

static void
markdown_block(struct page *page)
{
    buf_clear(&page->code);
}

static void
markdown_line(struct page *page, const char *text, enum page_style style)
{
    (void)style;
    buf_adds(&page->code, text);
    buf_addc(&page->code, '\n');
}

/* A fence longer than any run of backticks in the block cannot be closed by it. */
static void
markdown_block_end(struct page *page)
{
    size_t longest = 2;
    size_t run = 0;

    for (const char *c = buf_str(&page->code); *c != '\0'; c++) {
        run = *c == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    AUTO(mem_free) char *fence = mem_alloc(longest + 2);
    memset(fence, '`', longest + 1);
    blank_line(page->out);
    buf_addf(page->out, "%s\n", fence);
    buf_add(page->out, buf_str(&page->code), page->code.len);
    buf_addf(page->out, "%s\n", fence);
}

static const struct page_ops markdown = {
    markdown_title, markdown_heading, markdown_fact, markdown_text,
    markdown_item,  markdown_block,   markdown_line, markdown_block_end};

/* --- either --- */

void
page_terminal(struct page *page, struct buf *out, size_t columns, bool with_color)
{
    *page = (struct page){.ops = &terminal,
                          .out = out,
                          .color = with_color,
                          .width = columns == 0 ? PAGE_WIDTH_DEFAULT : columns,
                          .fits = columns > 0};
}

void
page_markdown(struct page *page, struct buf *out)
{
    *page = (struct page){.ops = &markdown, .out = out};
}

void
page_clear(struct page *page)
{
    buf_clear(&page->code);
}

size_t
page_columns(const struct page *page)
{
    return page->fits && page->width > 2 ? page->width - 2 : SIZE_MAX;
}

void
page_title(struct page *page, const char *text)
{
    AUTO(mem_free) char *shown = visible(text);

    page->ops->title(page, shown);
}

void
page_heading(struct page *page, const char *text)
{
    AUTO(mem_free) char *shown = visible(text);

    page->ops->heading(page, shown);
}

void
page_fact(struct page *page, const char *key, const char *text, enum page_style style)
{
    AUTO(mem_free) char *shown = visible(text);

    if (shown[0] != '\0') {
        page->ops->fact(page, key, shown, style);
    }
}

void
page_text(struct page *page, const char *text)
{
    AUTO(mem_free) char *shown = visible(text);

    page->ops->text(page, shown);
}

void
page_item(struct page *page, const char *text)
{
    AUTO(mem_free) char *shown = visible(text);

    page->ops->item(page, shown);
}

void
page_block(struct page *page)
{
    page->ops->block(page);
}

void
page_line(struct page *page, const char *text, enum page_style style)
{
    AUTO(mem_free) char *shown = visible(text);

    page->ops->line(page, shown, style);
}

void
page_block_end(struct page *page)
{
    page->ops->block_end(page);
}
