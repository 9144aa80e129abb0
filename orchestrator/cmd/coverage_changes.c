#include "orchestrator/cmd/coverage_changes.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/corpus/coverage_lines.h"

struct changes {
    const struct cmd_context *context;
    bool quiet; /* only count */
    size_t lost, gained, lost_functions, gained_functions, edited;
};

static json_t *
numbers_json(const uint32_t *numbers, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, json_integer(numbers[i]));
    }
    return list;
}

static json_t *
names_json(const char *const *names, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, json_text(names[i]));
    }
    return list;
}

static void
print_json(const struct coverage_change *change)
{
    AUTO(json_decref) json_t *o = json_object();

    json_put(o, "file", json_text(change->name));
    json_put(o, "lines_lost", numbers_json(change->lost, change->n_lost));
    json_put(o, "lines_gained", numbers_json(change->gained, change->n_gained));
    json_put(o, "functions_lost",
             names_json(change->lost_functions, change->n_lost_functions));
    json_put(o, "functions_gained",
             names_json(change->gained_functions, change->n_gained_functions));
    json_put(o, "functions_edited", json_integer((json_int_t)change->edited));
    json_print(stdout, o);
}

/* "3-5, 9" */
static void
print_numbers(const char *what, const uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end + 1 < n && numbers[end + 1] == numbers[end] + 1) {
            end++;
        }
        (void)printf("%s%u", i == 0 ? what : ", ", numbers[i]);
        if (end > i) {
            (void)printf("-%u", numbers[end]);
        }
        i = end + 1;
    }
    (void)printf("%s", n > 0 ? "\n" : "");
}

static void
print_names(const char *what, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)printf("%s%s", i == 0 ? what : ", ", names[i]);
    }
    (void)printf("%s", n > 0 ? "\n" : "");
}

static int
print_change(void *user, const struct coverage_change *change, struct err *err)
{
    struct changes *changes = user;

    (void)err;
    changes->lost += change->n_lost;
    changes->gained += change->n_gained;
    changes->lost_functions += change->n_lost_functions;
    changes->gained_functions += change->n_gained_functions;
    changes->edited += change->edited;
    if (changes->quiet) {
        return 0;
    }
    if (changes->context->json) {
        print_json(change);
        return 0;
    }
    (void)printf("%s\n", change->name);
    print_numbers("  lines no longer reached: ", change->lost, change->n_lost);
    print_numbers("  lines newly reached: ", change->gained, change->n_gained);
    print_names("  functions no longer reached: ", change->lost_functions,
                change->n_lost_functions);
    print_names("  functions newly reached: ", change->gained_functions,
                change->n_gained_functions);
    if (change->edited > 0) {
        (void)printf("  functions edited, whose lines are not compared: %zu\n",
                     change->edited);
    }
    return 0;
}

static void
print_sum(const struct changes *changes, const char *target,
          const struct coverage_lines *before, const struct coverage_lines *now)
{
    bool same = strcmp(before->corpus, now->corpus) == 0;

    if (changes->context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "target", json_text(target));
        json_put(o, "build_before", json_text(before->build_id));
        json_put(o, "build", json_text(now->build_id));
        json_put(o, "same_corpus", json_boolean(same));
        json_put(o, "inputs_before", json_integer(before->inputs));
        json_put(o, "inputs", json_integer(now->inputs));
        json_put(o, "lines_lost", json_integer((json_int_t)changes->lost));
        json_put(o, "lines_gained", json_integer((json_int_t)changes->gained));
        json_put(o, "functions_lost", json_integer((json_int_t)changes->lost_functions));
        json_put(o, "functions_gained",
                 json_integer((json_int_t)changes->gained_functions));
        json_put(o, "functions_edited", json_integer((json_int_t)changes->edited));
        json_print(stdout, o);
        return;
    }
    (void)printf("since build %.12s: %zu lines and %zu functions no longer reached, %zu "
                 "lines and %zu functions newly; ",
                 before->build_id, changes->lost, changes->lost_functions,
                 changes->gained, changes->gained_functions);
    if (same) {
        (void)printf("by the same corpus\n");
    } else {
        (void)printf("by %lld inputs, then %lld\n", (long long)now->inputs,
                     (long long)before->inputs);
    }
}

static int
compare(struct changes *changes, const char *target, struct coverage_lines *before,
        struct coverage_lines *now, struct err *err)
{
    AUTO(mem_free) char *state = fs_absolute(changes->context->state);
    int rc = coverage_lines_load(state, target, before, now, err);

    return rc < 0 ? rc : coverage_lines_compare(before, now, print_change, changes, err);
}

int
coverage_changes_print(const struct cmd_context *context, const char *target)
{
    AUTO(coverage_lines_clear) struct coverage_lines before = {0};
    AUTO(coverage_lines_clear) struct coverage_lines now = {0};
    struct changes changes = {.context = context};
    struct err err = ERR_INIT;
    int rc = compare(&changes, target, &before, &now, &err);

    if (rc < 0) {
        return rc == -ENODATA ? cmd_fail(EXIT_USAGE, "%s", err.msg) : cmd_fail_err(&err);
    }
    print_sum(&changes, target, &before, &now);
    return EXIT_DONE;
}

void
coverage_changes_hint(const struct cmd_context *context, const char *target)
{
    AUTO(coverage_lines_clear) struct coverage_lines before = {0};
    AUTO(coverage_lines_clear) struct coverage_lines now = {0};
    struct changes changes = {.context = context, .quiet = true};

    if (compare(&changes, target, &before, &now, NULL) == 0 &&
        changes.lost + changes.gained + changes.lost_functions +
                changes.gained_functions >
            0) {
        print_sum(&changes, target, &before, &now);
        cmd_next(context, "nightjar coverage %s --changes", target);
    }
}
