#include "orchestrator/corpus/coverage_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

static void
source_clear(struct coverage_source *source)
{
    for (size_t i = 0; i < source->n_functions; i++) {
        mem_free(source->functions[i].name);
    }
    mem_free(source->functions);
    mem_free(source->lines);
    mem_free(source->name);
}

void
coverage_lines_clear(struct coverage_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        source_clear(&lines->sources[i]);
    }
    mem_free(lines->sources);
    mem_free(lines->build_id);
    mem_free(lines->corpus);
    *lines = (struct coverage_lines){0};
}

/* --- reading --- */

/* "12,rest": 12, and *rest behind the comma; false: it is no such. */
static bool
number_of(const char *text, uint64_t *out, const char **rest)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *out = strtoull(text, &end, 10);
    *rest = end + 1;
    return *end == ',';
}

static bool
line_of(const char *text, uint32_t *out, const char **rest)
{
    uint64_t n = 0;

    if (!number_of(text, &n, rest) || n == 0 || n > COVERAGE_LINE_NUMBER_MAX) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

static struct coverage_source *
add_source(struct coverage_lines *out, const char *name)
{
    if (out->n == COVERAGE_FILES_MAX) {
        return NULL;
    }
    out->sources = mem_grow(out->sources, out->n, sizeof(*out->sources));
    out->sources[out->n] = (struct coverage_source){.name = str_name_dup(name)};
    return &out->sources[out->n++];
}

/* FN:LINE,NAME */
static void
add_function(struct coverage_source *source, const char *text)
{
    const char *name = NULL;
    uint32_t line = 0;

    if (line_of(text, &line, &name)) {
        source->functions =
            mem_grow(source->functions, source->n_functions, sizeof(*source->functions));
        source->functions[source->n_functions++] =
            (struct coverage_function){.name = str_name_dup(name), .line = line};
    }
}

static int
by_name(const void *a, const void *b)
{
    const struct coverage_function *x = a;
    const struct coverage_function *y = b;

    return strcmp(x->name, y->name);
}

static int
by_line(const void *a, const void *b)
{
    const struct coverage_function *x = a;
    const struct coverage_function *y = b;

    return x->line != y->line ? (x->line < y->line ? -1 : 1) : by_name(a, b);
}

/* FNDA:COUNT,NAME; functions are sorted by name. */
static void
mark_function(struct coverage_source *source, const char *text)
{
    const char *name = NULL;
    uint64_t count = 0;

    if (!number_of(text, &count, &name) || count == 0 || source->n_functions == 0) {
        return;
    }
    AUTO(mem_free) char *shown = str_name_dup(name);
    const struct coverage_function key = {.name = shown};
    struct coverage_function *found =
        bsearch(&key, source->functions, source->n_functions, sizeof(key), by_name);
    if (found != NULL) {
        found->reached = true;
    }
}

/* DA:LINE,COUNT */
static void
add_line(struct coverage_source *source, const char *text)
{
    const char *count = NULL;
    uint32_t line = 0;

    if (line_of(text, &line, &count)) {
        source->lines = mem_grow(source->lines, source->n_lines, sizeof(*source->lines));
        source->lines[source->n_lines++] =
            (struct coverage_line){line, count[0] >= '1' && count[0] <= '9'};
    }
}

static int
by_number(const void *a, const void *b)
{
    const struct coverage_line *x = a;
    const struct coverage_line *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void
sort_functions(struct coverage_source *source, int (*order)(const void *, const void *))
{
    if (source->n_functions > 0) {
        qsort(source->functions, source->n_functions, sizeof(*source->functions), order);
    }
}

static void
end_source(struct coverage_source *source)
{
    sort_functions(source, by_line);
    if (source->n_lines > 0) {
        qsort(source->lines, source->n_lines, sizeof(*source->lines), by_number);
    }
}

/* "BUILD-ID CORPUS INPUTS" */
static void
read_title(const char *text, struct coverage_lines *out)
{
    size_t id = strcspn(text, " ");
    size_t corpus = text[id] == ' ' ? strcspn(text + id + 1, " ") : 0;
    const char *inputs = text + id + 1 + corpus;

    if (corpus == 0 || inputs[0] != ' ' || out->build_id != NULL ||
        str_number("inputs", inputs + 1, 0, INT64_MAX, &out->inputs, NULL) < 0) {
        return;
    }
    out->build_id = mem_dup(text, id);
    out->corpus = mem_dup(text + id + 1, corpus);
}

static const char *
behind(const char *line, const char *key)
{
    return str_starts(line, key) ? line + strlen(key) : NULL;
}

/* *source: that is being read; NULL: none. *marking: its functions are sorted by name. */
static void
read_line(const char *line, struct coverage_lines *out, struct coverage_source **source,
          bool *marking)
{
    const char *text;

    if ((text = behind(line, "TN:")) != NULL) {
        read_title(text, out);
    } else if ((text = behind(line, "SF:")) != NULL) {
        *source = add_source(out, text);
        *marking = false;
    } else if (*source == NULL) {
        return;
    } else if ((text = behind(line, "FN:")) != NULL && !*marking) {
        add_function(*source, text);
    } else if ((text = behind(line, "FNDA:")) != NULL) {
        if (!*marking) {
            sort_functions(*source, by_name);
            *marking = true;
        }
        mark_function(*source, text);
    } else if ((text = behind(line, "DA:")) != NULL) {
        add_line(*source, text);
    } else if (behind(line, "end_of_record") != NULL) {
        end_source(*source);
        *source = NULL;
    }
}

static int
by_source(const void *a, const void *b)
{
    const struct coverage_source *x = a;
    const struct coverage_source *y = b;

    return strcmp(x->name, y->name);
}

int
coverage_lines_read(const char *text, size_t len, struct coverage_lines *out,
                    struct err *err)
{
    AUTO(coverage_lines_clear) struct coverage_lines lines = {0};
    AUTO(buf_clear) struct buf line = BUF_INIT;
    struct coverage_source *source = NULL;
    bool marking = false;

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end == NULL ? len - at : (size_t)(end - text) - at;
        buf_cut(&line, 0);
        buf_add(&line, text + at, n);
        read_line(buf_str(&line), &lines, &source, &marking);
        at += n + 1;
    }
    if (source != NULL) {
        end_source(source);
    }
    if (lines.build_id == NULL) {
        return err_set(err, -EBADMSG, "that is no measurement of lines");
    }
    if (lines.n > 0) {
        qsort(lines.sources, lines.n, sizeof(*lines.sources), by_source);
    }
    *out = lines;
    memset(&lines, 0, sizeof(lines)); /* out owns it now */
    return 0;
}

/* --- files --- */

static char *
place_of(const char *state, const char *target, const char *name)
{
    return mem_printf("%s/coverage/%s/%s.info", state, target, name);
}

static int
load(const char *path, struct coverage_lines *out, struct err *err)
{
    AUTO(buf_clear) struct buf text = {.max = COVERAGE_LINES_MAX + 1};
    int rc = fs_read(path, COVERAGE_LINES_MAX, &text, err);

    return rc < 0 ? rc : coverage_lines_read(buf_str(&text), text.len, out, err);
}

int
coverage_lines_keep(const char *state, const char *target,
                    const struct coverage *coverage, const char *text, size_t len,
                    struct err *err)
{
    AUTO(mem_free) char *folder = mem_printf("%s/coverage/%s", state, target);
    AUTO(mem_free) char *now = place_of(state, target, "now");
    AUTO(mem_free) char *before = place_of(state, target, "before");
    AUTO(coverage_lines_clear) struct coverage_lines last = {0};
    AUTO(buf_clear) struct buf whole = BUF_INIT;
    const char *id = coverage->build_id[0] == '\0' ? "-" : coverage->build_id;
    int rc = fs_mkdirs(folder, 0700, err);

    if (rc == 0 && load(now, &last, NULL) == 0 && strcmp(last.build_id, id) != 0 &&
        rename(now, before) < 0) {
        return err_sys(err, "rename '%s'", now);
    }
    buf_addf(&whole, "TN:%s %s %lld\n", id, coverage->corpus,
             (long long)coverage->inputs);
    buf_add(&whole, text, len);
    return rc < 0 ? rc : fs_write(now, buf_str(&whole), whole.len, 0600, err);
}

int
coverage_lines_load(const char *state, const char *target, struct coverage_lines *before,
                    struct coverage_lines *now, struct err *err)
{
    AUTO(mem_free) char *new_path = place_of(state, target, "now");
    AUTO(mem_free) char *old_path = place_of(state, target, "before");
    AUTO(coverage_lines_clear) struct coverage_lines old = {0};

    if (!fs_exists(new_path) || !fs_exists(old_path)) {
        return err_set(err, -ENODATA,
                       "there are not two builds of %s to compare: nightjar coverage %s, "
                       "on each of them",
                       target, target);
    }
    int rc = load(old_path, &old, err);
    rc = rc < 0 ? rc : load(new_path, now, err);
    if (rc == 0) {
        *before = old;
        memset(&old, 0, sizeof(old)); /* the caller owns it now */
    }
    return rc;
}

/* --- what changed --- */

struct group { /* of functions that begin on one line: instances of a template, say */
    const struct coverage_function *first;
    const struct coverage_line *lines; /* up to the next group's */
    size_t n;
    bool reached;
};

struct groups {
    struct group *v; /* by their first function's name */
    size_t n;
};

static void
groups_clear(struct groups *groups)
{
    mem_free(groups->v);
}
AUTO_DEFINE_CLEAR(struct groups, groups_clear)

static int
by_first(const void *a, const void *b)
{
    const struct group *x = a;
    const struct group *y = b;

    return strcmp(x->first->name, y->first->name);
}

static void
find_groups(const struct coverage_source *source, struct groups *out)
{
    size_t line = 0;

    out->v = mem_array(source->n_functions, sizeof(*out->v));
    for (size_t i = 0; i < source->n_functions; i++) {
        const struct coverage_function *function = &source->functions[i];
        if (out->n > 0 && out->v[out->n - 1].first->line == function->line) {
            out->v[out->n - 1].reached |= function->reached;
            continue;
        }
        while (line < source->n_lines && source->lines[line].number < function->line) {
            line++;
        }
        if (out->n > 0) {
            struct group *last = &out->v[out->n - 1];
            last->n = (size_t)(&source->lines[line] - last->lines);
        }
        out->v[out->n++] = (struct group){.first = function,
                                          .lines = &source->lines[line],
                                          .n = source->n_lines - line,
                                          .reached = function->reached};
    }
    if (out->n > 0) {
        qsort(out->v, out->n, sizeof(*out->v), by_first);
    }
}

/* The same lines, wherever they begin. */
static bool
same_lines(const struct group *before, const struct group *now)
{
    bool same = before->n == now->n;

    for (size_t i = 0; i < now->n && same; i++) {
        same = before->lines[i].number - before->first->line ==
               now->lines[i].number - now->first->line;
    }
    return same;
}

static void
change_clear(struct coverage_change *change)
{
    mem_free(change->lost);
    mem_free(change->gained);
    mem_free(change->lost_functions);
    mem_free(change->gained_functions);
}
AUTO_DEFINE_CLEAR(struct coverage_change, change_clear)

static void
add_number(uint32_t **list, size_t *n, uint32_t number)
{
    *list = mem_grow(*list, *n, sizeof(**list));
    (*list)[(*n)++] = number;
}

static void
add_name(const char ***list, size_t *n, const char *name)
{
    *list = mem_grow(*list, *n, sizeof(**list));
    (*list)[(*n)++] = name;
}

/* before NULL: the function is new. */
static void
compare_groups(const struct group *before, const struct group *now,
               struct coverage_change *change)
{
    bool was = before != NULL && before->reached;

    if (now->reached && !was) {
        add_name(&change->gained_functions, &change->n_gained_functions,
                 now->first->name);
    } else if (was && !now->reached) {
        add_name(&change->lost_functions, &change->n_lost_functions, now->first->name);
    }
    if (before == NULL || !same_lines(before, now)) {
        change->edited += before != NULL;
        return;
    }
    for (size_t i = 0; i < now->n; i++) {
        if (before->lines[i].reached && !now->lines[i].reached) {
            add_number(&change->lost, &change->n_lost, now->lines[i].number);
        } else if (!before->lines[i].reached && now->lines[i].reached) {
            add_number(&change->gained, &change->n_gained, now->lines[i].number);
        }
    }
}

static int
by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* before NULL: the source is new. */
static void
compare_sources(const struct coverage_source *before, const struct coverage_source *now,
                struct coverage_change *change)
{
    AUTO(groups_clear) struct groups old = {0};
    AUTO(groups_clear) struct groups new = {0};

    change->name = now->name;
    find_groups(now, &new);
    if (before != NULL) {
        find_groups(before, &old);
    }
    for (size_t i = 0; i < new.n; i++) {
        compare_groups(old.n == 0
                           ? NULL
                           : bsearch(&new.v[i], old.v, old.n, sizeof(*old.v), by_first),
                       &new.v[i], change);
    }
    if (change->n_lost > 0) {
        qsort(change->lost, change->n_lost, sizeof(*change->lost), by_value);
    }
    if (change->n_gained > 0) {
        qsort(change->gained, change->n_gained, sizeof(*change->gained), by_value);
    }
}

int
coverage_lines_compare(const struct coverage_lines *before,
                       const struct coverage_lines *now, coverage_change_visit *visit,
                       void *user, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < now->n && rc == 0; i++) {
        AUTO(change_clear) struct coverage_change change = {0};
        compare_sources(before->n == 0
                            ? NULL
                            : bsearch(&now->sources[i], before->sources, before->n,
                                      sizeof(*before->sources), by_source),
                        &now->sources[i], &change);
        if (change.n_lost + change.n_gained + change.n_lost_functions +
                change.n_gained_functions + change.edited >
            0) {
            rc = visit(user, &change, err);
        }
    }
    return rc;
}
