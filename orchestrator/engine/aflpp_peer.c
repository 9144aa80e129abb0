#include "orchestrator/engine/aflpp_peer.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"

struct queues {
    engine_folder_visit *visit;
    void *user;
};

static bool
is_instance(const char *name)
{
    return name[0] == 'w' && name[1] >= '1' && name[1] <= '9';
}

static int
visit_queue(void *user, int dir, const char *name, unsigned char type)
{
    const struct queues *queues = user;
    AUTO(mem_free) char *queue = mem_printf("%s/queue", name);

    (void)dir;
    (void)type;
    if (is_instance(name)) {
        queues->visit(queues->user, queue, false);
    }
    return 0;
}

void
aflpp_inputs(const char *folder, engine_folder_visit *visit, void *user)
{
    struct queues queues = {visit, user};

    (void)folder_list(folder, "", visit_queue, &queues, NULL);
}

static int
forget_sibling(void *user, int dir, const char *name, unsigned char type)
{
    (void)user;
    (void)type;
    if (is_instance(name)) {
        (void)unlinkat(dir, name, 0);
    }
    return 0;
}

static int
forget_siblings(void *user, int dir, const char *name, unsigned char type)
{
    const char *folder = user;
    AUTO(mem_free) char *marks = mem_printf("%s/.synced", name);

    (void)dir;
    (void)type;
    if (is_instance(name)) {
        (void)folder_list(folder, marks, forget_sibling, NULL, NULL);
    }
    return 0;
}

/* An instance knows by number how far it has read its siblings, whose numbers begin anew
 * when they are resumed with fewer inputs. */
void
aflpp_pruned(const char *folder)
{
    AUTO(mem_free) char *copy = mem_strdup(folder);

    (void)folder_list(folder, "", forget_siblings, copy, NULL);
}

/* A resumed session shuffles its corpus and names most entries anew, as
 * "id:000002,time:0,execs:0,orig:" and their old name. */
static const char *
first_name(const char *name)
{
    static const char mark[] = ",orig:id:";

    for (const char *at = strstr(name, mark); at != NULL; at = strstr(name, mark)) {
        name = at + strlen(",orig:");
    }
    return name;
}

/* "id:000007,sync:from-libfuzzer-17-0,src:000002,time:..,+cov" came from a peer, whose
 * name it bears for good; "sync:w1" is a sibling's, "orig:" a seed. */
enum engine_input
aflpp_input(const char *name, const char **peer)
{
    static const char mark[] = ",sync:";
    const char *first = first_name(name);
    const char *sync = strstr(first, mark);
    const char *from = sync == NULL ? "" : sync + strlen(mark);

    if (first == name && str_starts(name, "id:") &&
        str_starts(from, ENGINE_INLET_PREFIX)) {
        *peer = from + strlen(ENGINE_INLET_PREFIX);
        return ENGINE_INPUT_TAKEN;
    }
    return str_starts(name, "id:") && sync == NULL && strstr(first, ",orig:") == NULL
               ? ENGINE_INPUT_OWN
               : ENGINE_INPUT_OTHER;
}

/* An instance asks for the entry behind the last one that it read by its number, so that
 * none may be missing. */
char *
aflpp_inlet(const char *peer, int64_t n, const char *sha256)
{
    return mem_printf("%s%s/queue/id:%06lld,orig:%s", ENGINE_INLET_PREFIX, peer,
                      (long long)n, sha256);
}
