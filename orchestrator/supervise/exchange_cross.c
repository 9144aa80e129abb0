/* Inputs of the other targets of a campaign: a bounded sample, the smallest first. */
#include "orchestrator/supervise/exchange_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"

enum { FANS = 256 }; /* folders of a library (corpus/library.h) */

struct small_input {
    int64_t bytes;
    char *root, *folder, *name; /* root/folder/name */
    const char *target;         /* borrowed */
};

struct sample {
    struct small_input v[EXCHANGE_CROSS_FILES + 1]; /* by size */
    size_t n;
    const struct engine_ops *ops; /* whose names are read; NULL: a library */
    const char *root, *folder;    /* that is listed */
    const char *target;           /* whose they are */
};

static void
small_input_clear(struct small_input *input)
{
    mem_free(input->root);
    mem_free(input->folder);
    mem_free(input->name);
}

static void
sample_clear(struct sample *sample)
{
    for (size_t i = 0; i < sample->n; i++) {
        small_input_clear(&sample->v[i]);
    }
}
AUTO_DEFINE_CLEAR(struct sample, sample_clear)

/* Among AFL++'s own finds those with new edges say so; the others of it found only
 * another count of hits. */
static bool
is_wanted(const struct sample *sample, const char *name)
{
    const char *peer = NULL;

    if (sample->ops == NULL) {
        return name[0] != '.';
    }
    return sample->ops->input(name, &peer) == ENGINE_INPUT_OWN &&
           (!str_starts(name, "id:") || strstr(name, "+cov") != NULL);
}

static int
weigh(void *user, int dir, const char *name, unsigned char type)
{
    struct sample *sample = user;
    struct stat st;

    (void)type;
    if (!is_wanted(sample, name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > EXCHANGE_INPUT_MAX) {
        return 0;
    }
    size_t at = sample->n;
    if (at == EXCHANGE_CROSS_FILES && sample->v[at - 1].bytes <= st.st_size) {
        return 0;
    }
    for (; at > 0 && sample->v[at - 1].bytes > st.st_size; at--) {
        sample->v[at] = sample->v[at - 1];
    }
    sample->v[at] = (struct small_input){st.st_size, mem_strdup(sample->root),
                                         mem_strdup(sample->folder), mem_strdup(name),
                                         sample->target};
    sample->n++;
    if (sample->n > EXCHANGE_CROSS_FILES) {
        small_input_clear(&sample->v[--sample->n]);
    }
    return 0;
}

static void
weigh_folder(void *user, const char *folder, bool consume)
{
    struct sample *sample = user;

    (void)consume;
    sample->folder = folder;
    (void)folder_list(sample->root, folder, weigh, sample, NULL);
}

static void
weigh_target(const struct exchange *exchange, const char *target, struct sample *sample)
{
    AUTO(mem_free) char *library = library_inputs_path(exchange->config.state, target);

    sample->target = target;
    for (size_t e = 0; engine_table[e] != NULL; e++) {
        AUTO(mem_free)
        char *folder = mem_printf("%s/fuzz/%s/%s", exchange->config.state, target,
                                  engine_table[e]->name);
        sample->ops = engine_table[e];
        sample->root = folder;
        engine_table[e]->inputs(folder, weigh_folder, sample);
    }
    sample->ops = NULL;
    sample->root = library;
    for (int fan = 0; fan < FANS; fan++) {
        AUTO(mem_free) char *name = mem_printf("%02x", (unsigned)fan);
        weigh_folder(sample, name, false);
    }
}

static void
offer_small(const struct exchange *exchange, struct meeting *meeting,
            const struct small_input *input)
{
    AUTO(buf_clear) struct buf bytes = {.max = EXCHANGE_INPUT_MAX};
    AUTO(fd_close) int dir = -1;
    struct offer offer = {.fd = -1, .bytes = &bytes, .target = input->target};

    if (folder_open(input->root, input->folder, &dir, NULL) == 0 &&
        exchange_read(dir, input->name, &offer) == 1) {
        /* another target's worker must not be able to change it: a copy */
        fd_close(FD_STEAL(offer.fd));
        exchange_offer(exchange, meeting, NULL, EXCHANGE_CROSS, &offer);
    }
}

void
exchange_cross(const struct exchange *exchange, size_t target)
{
    AUTO(sample_clear) struct sample sample = {.n = 0};

    for (size_t t = 0; t < exchange->n; t++) {
        if (t != target) {
            weigh_target(exchange, exchange->meetings[t].target->name, &sample);
        }
    }
    for (size_t i = 0; i < sample.n; i++) {
        if (exchange_room(&exchange->meetings[target], NULL, EXCHANGE_CROSS)) {
            offer_small(exchange, &exchange->meetings[target], &sample.v[i]);
        }
    }
}
