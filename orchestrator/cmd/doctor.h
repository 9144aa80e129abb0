/*
 * doctor: what of this machine would break or slow a campaign, and how to cure it.
 * Nothing is changed: files of the kernel are read, programs are asked for their version,
 * and one small program is compiled in a temporary folder and run. A check is one
 * function and one row of the table in doctor.c.
 */
#ifndef ORCHESTRATOR_CMD_DOCTOR_H
#define ORCHESTRATOR_CMD_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum doctor_status {
    DOCTOR_OK,
    DOCTOR_WARN, /* slows a campaign, or loses something */
    DOCTOR_FAIL, /* breaks it */
};

/* What is examined. */
struct doctor_host {
    const char *proc, *sys; /* "/proc" and "/sys"; tests show folders of their own */
    const char *state;      /* the state folder; need not exist */
    const char *config;     /* as config_load() takes it */
    int64_t jobs;           /* workers at a time that are to be expected */
};

struct doctor_result {
    enum doctor_status status;
    struct buf seen; /* one line */
    struct buf cure; /* of this very case; empty: the check's own */
};

void doctor_result_clear(struct doctor_result *result);
AUTO_DEFINE_CLEAR(struct doctor_result, doctor_result_clear)

/* Set status and what was seen, in one line for one case. */
void doctor_say(struct doctor_result *result, enum doctor_status status, const char *fmt,
                ...) __attribute__((format(printf, 3, 4)));

/* Another cure than the row's. */
void doctor_cure(struct doctor_result *result, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct doctor_check {
    const char *name;
    void (*run)(const struct doctor_host *host, struct doctor_result *result);
    const char *
        cure; /* in one line, what to type where that is possible; NULL: none is needed */
};

extern const struct doctor_check doctor_checks[]; /* ends with a NULL name */

const char *doctor_status_name(enum doctor_status status); /* ok warn fail */

/* --- for the checks --- */

/* The text of base/name without blanks at its end; false when it cannot be read. out is
 * emptied. */
bool doctor_read(const char *base, const char *name, struct buf *out);

/* The same as a number; numbers beyond int64_t read as INT64_MAX. */
bool doctor_read_number(const char *base, const char *name, int64_t *out);

/* Run a program to its end (10 s) and keep its output, at most 64 KiB. False when it
 * cannot be started or does not end. argv is NULL-terminated. */
bool doctor_run(const char *const *argv, int *status, struct buf *output);

/* The first line of text, cut at 60 bytes. */
const char *doctor_first_line(const char *text, char out[64]);

/* doctor_kernel.c */
void doctor_core_pattern(const struct doctor_host *host, struct doctor_result *result);
void doctor_aslr(const struct doctor_host *host, struct doctor_result *result);
void doctor_shm(const struct doctor_host *host, struct doctor_result *result);
void doctor_shm_leftovers(const struct doctor_host *host, struct doctor_result *result);
void doctor_user_namespaces(const struct doctor_host *host, struct doctor_result *result);
void doctor_landlock(const struct doctor_host *host, struct doctor_result *result);
void doctor_proc(const struct doctor_host *host, struct doctor_result *result);
void doctor_limits(const struct doctor_host *host, struct doctor_result *result);

/* doctor_machine.c */
void doctor_cores(const struct doctor_host *host, struct doctor_result *result);
void doctor_memory(const struct doctor_host *host, struct doctor_result *result);
void doctor_governor(const struct doctor_host *host, struct doctor_result *result);
void doctor_container(const struct doctor_host *host, struct doctor_result *result);
void doctor_state(const struct doctor_host *host, struct doctor_result *result);
void doctor_disk(const struct doctor_host *host, struct doctor_result *result);
void doctor_clock(const struct doctor_host *host, struct doctor_result *result);

/* doctor_tools.c */
void doctor_config(const struct doctor_host *host, struct doctor_result *result);
void doctor_afl(const struct doctor_host *host, struct doctor_result *result);
void doctor_libfuzzer(const struct doctor_host *host, struct doctor_result *result);
void doctor_sanitizer(const struct doctor_host *host, struct doctor_result *result);
void doctor_symbolizer(const struct doctor_host *host, struct doctor_result *result);
void doctor_debugger(const struct doctor_host *host, struct doctor_result *result);
void doctor_sandbox(const struct doctor_host *host, struct doctor_result *result);
void doctor_sampler(const struct doctor_host *host, struct doctor_result *result);
void doctor_bubblewrap(const struct doctor_host *host, struct doctor_result *result);

#endif
