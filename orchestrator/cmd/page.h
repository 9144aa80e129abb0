/*
 * What `show` prints, on a terminal or as Markdown for a ticket, from one description: a
 * section says what there is (a heading, facts, sentences, a block of lines), the page
 * says how it looks. Every text given to it may be hostile: what a terminal would obey,
 * what reorders or hides text, and what Markdown or a tracker would act upon (HTML,
 * links, images, @mentions, #references, the end of a block) comes out as text.
 */
#ifndef ORCHESTRATOR_CMD_PAGE_H
#define ORCHESTRATOR_CMD_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum page_style {
    STYLE_PLAIN,
    STYLE_DIM,    /* what matters less */
    STYLE_STRONG, /* what to look at */
    STYLE_BAD,    /* what is wrong */
    STYLE_WHOLE,  /* plain, and never cut: a command to be pasted */
};

enum { PAGE_WIDTH_DEFAULT = 100 }; /* of prose, where no terminal tells its own */

struct page_ops;
struct page {
    const struct page_ops *ops;
    struct buf *out; /* borrowed */
    bool color;
    size_t width;    /* columns that prose is wrapped to */
    bool fits;       /* lines of blocks are cut in the middle to it as well */
    struct buf code; /* Markdown: the block that is open */
};

/* columns 0: not a terminal, nothing is cut. Appends to out, which must outlive it. */
void page_terminal(struct page *page, struct buf *out, size_t columns, bool color);
void page_markdown(struct page *page, struct buf *out);
void page_clear(struct page *page);
AUTO_DEFINE_CLEAR(struct page, page_clear)

void page_title(struct page *page, const char *text);
void page_heading(struct page *page, const char *text);

/* "severity   high (8.6)"; an empty text is left out. */
void page_fact(struct page *page, const char *key, const char *text,
               enum page_style style);

/* A paragraph, and an item of a list. */
void page_text(struct page *page, const char *text);
void page_item(struct page *page, const char *text);

/* Lines as they are, in a block. */
void page_block(struct page *page);
void page_line(struct page *page, const char *text, enum page_style style);
void page_block_end(struct page *page);

/* The columns that a line of a block may have; SIZE_MAX: as many as it likes. */
size_t page_columns(const struct page *page);

/* `text` in at most `columns` characters, "..." in its middle if it is longer: a name's
 * begin and end tell most. Appends. */
void page_cut(struct buf *out, const char *text, size_t columns);

#endif
