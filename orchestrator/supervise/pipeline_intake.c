#include "orchestrator/supervise/pipeline_intake.h"

#include <errno.h>

#include "base/mem.h"

struct list {
    struct submission *head, **tail;
    size_t n;
};

struct intake {
    intake_filed *filed;
    void *user;
    struct list waiting; /* not given to the scribe */
    struct list taken;   /* given; answers come in this order */
};

static void
submission_free(struct submission *submission)
{
    if (submission != NULL) {
        mem_free(submission->target);
        mem_free(submission->path);
        mem_free(submission);
    }
}
AUTO_DEFINE(struct submission *, submission_free)

static void
list_push(struct list *list, struct submission *submission)
{
    submission->next = NULL;
    *list->tail = submission;
    list->tail = &submission->next;
    list->n++;
}

static struct submission *
list_pop(struct list *list)
{
    struct submission *submission = list->head;

    if (submission != NULL) {
        list->head = submission->next;
        list->tail = list->head == NULL ? &list->head : list->tail;
        list->n--;
    }
    return submission;
}

static void
list_clear(struct list *list)
{
    for (struct submission *next; (next = list_pop(list)) != NULL;) {
        submission_free(next);
    }
}

struct intake *
intake_new(intake_filed *filed, void *user)
{
    struct intake *intake = mem_alloc(sizeof(*intake));

    *intake = (struct intake){.filed = filed, .user = user};
    intake->waiting.tail = &intake->waiting.head;
    intake->taken.tail = &intake->taken.head;
    return intake;
}

void
intake_free(struct intake *intake)
{
    if (intake != NULL) {
        list_clear(&intake->waiting);
        list_clear(&intake->taken);
        mem_free(intake);
    }
}

void
intake_add(struct intake *intake, const struct submission *submission)
{
    struct submission *copy = mem_alloc(sizeof(*copy));

    *copy = *submission;
    copy->target = mem_strdup(submission->target);
    copy->path = mem_strdup(submission->path);
    list_push(&intake->waiting, copy);
}

static void
on_filed(void *user, const json_t *answer)
{
    struct intake *intake = user;
    AUTO(submission_free) struct submission *submission = list_pop(&intake->taken);
    int code = (int)json_get_int(answer, "code", -EPROTO);
    bool is_new = json_get_bool(answer, "fresh", false);

    intake->filed(intake->user, code, is_new,
                  json_get_str(answer, "reason", "a file was refused"));
    if (submission->done != NULL) {
        submission->done(submission->user, submission->path, code, is_new);
    }
}

void
intake_pump(struct intake *intake, struct scribe_link *link)
{
    while (intake->taken.n < INTAKE_WINDOW && intake->waiting.n > 0) {
        struct submission *submission = list_pop(&intake->waiting);
        json_t *request = json_object();
        json_put(request, "op", json_string("intake"));
        json_put(request, "target", json_text(submission->target));
        json_put(request, "path", json_name(submission->path));
        json_put(request, "source", json_text(submission->source));
        json_put(request, "report", json_boolean(submission->is_report));
        json_put(request, "backlog", json_boolean(submission->backlog));
        json_put(request, "written", json_integer(submission->written));
        json_put(request, "from", json_integer(submission->from));
        json_put(request, "bytes", json_integer(submission->bytes));
        list_push(&intake->taken, submission);
        scribe_link_send(link, request, on_filed, intake);
    }
}

size_t
intake_cancel(struct intake *intake)
{
    size_t n = intake->waiting.n;

    for (struct submission *next; (next = list_pop(&intake->waiting)) != NULL;) {
        AUTO(submission_free) struct submission *submission = next;
        if (submission->done != NULL) {
            submission->done(submission->user, submission->path, -ECANCELED, false);
        }
    }
    return n;
}

size_t
intake_waiting(const struct intake *intake)
{
    return intake->waiting.n;
}
