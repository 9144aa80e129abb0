/*
 * The triage worker: a sandboxed process without database and network that runs
 * reproducers and parses hostile text. JSON lines on standard input, JSON lines on
 * standard output, one answer per job, in order, each at most WORKER_LINE_MAX bytes. It
 * is non-dumpable, and the targets that it runs live in sandboxes of their own and never
 * see its pipes.
 *
 * job:    {"job":7, "op":"triage",   "input":"/abs/path", "command":{...},
 * "options":{...}, "runs":3}
 *         with, where the target has several builds, "build":"sanitizer", the kind of
 *         "command", and "builds":[{"kind":"afl","command":{...}},...], the others in the
 *         order in which they are tried (route.h)
 *         and "known":[...], what other workers say in their answers' "known" (known.h)
 *         {"job":8, "op":"minimize", "input":"/abs/path", "command":{...},
 * "options":{...}, "major":"<hash>", "wall_ms":20000, "output":"/abs/path"}
 *         with, where wanted, "keep":"exact"|"major"|"loose" (keep.h; major), "lanes":2
 *         (runs at a time; 1), "journal":"/abs/path" (verdicts.h), "trim":true (options
 *         that the bug does not need are taken away), "brief":true (an early end,
 *         shrink.h); without "major" what it shows first
 *         is kept
 *         {"job":13, "op":"release", "input":"/abs/path", "command":{...},
 * "options":{...}, "runs":3} whether the release build crashes, however; the answer has
 * outcome, k, n, "other":0 and one of "replays", but no record and no report
 *         {"job":9, "op":"report",   "input":"/abs/path", "options":{...}}     parse a
 * report's text alone
 *         {"job":11, "op":"core",    "input":"/abs/core", "command":{...},
 *         "options":{...}} what gdb sees in a core file, not read into memory, which the
 *         command may read
 *         {"job":0,  "op":"prepare", "input":"/abs/path", "options":{}, "command":{...}}
 * begin what the command will need, if there is one; the file is read, and all that is
 * answered is {"job":0, "ready":true}
 * options: {"fuzz_target":...,
 * "ooms_and_hangs":bool, "asserts_are_security":bool, "checks_are_security":bool,
 * "ignore_frames":[...]} answer:
 * {"job":7, "outcome":"crash"|"clean"|"timeout"|"broken"|"unparsed", "k":3, "n":3,
 * "other":0, "record":{...}|null, "report":"text, cleaned, at most WORKER_REPORT_MAX",
 * "reason":null|"...", "wall_ms":41}. triage adds "replays":[{"kind":null|"release",
 * "outcome":..., "major":null|"<hash>", "k":3, "n":3}], what it did on each build, and
 * "known", signatures that need no further runs; minimize adds "bytes", "execs",
 * "finished" and more (worker_minimize.c): "need" and "of", what a candidate had to show;
 * "dropped" and "command", without what was not needed;
 * "found":[{"file":"/abs/output.found-0","bytes":9,"record":{...}}], other crashes on the
 * way; "steps":[[bytes, runs, ms],...]. The bytes themselves stand in the file "output",
 * from the first success on.
 *         {"job":12, "same":7, "wall_ms":3} in place of all that: a further duplicate, of
 * which all that is filed is what this worker has answered to job 7, a triage of the same
 * command, builds, options and "source" (where the input comes from). A job with
 * "whole":true is always answered in full, for who has forgotten job 7.
 *         {"job":8, "error":"..."} when the machine failed, not the target, or the job
 * makes no sense (then "job" is null when there is no number in it). The next job is
 * served all the same. "unparsed": it crashed (or the text says so) but no parser knows
 * the report; kept, never dropped. A minimization whose input does not show the signature
 * answers with what the input did instead (k 0, finished true) and writes no file.
 * SIGUSR1 asks the minimization at work to end with what it has.
 */
#ifndef TRIAGE_WORKER_H
#define TRIAGE_WORKER_H

#include "base/err.h"
#include "triage/sandbox.h"

enum {
    WORKER_LINE_MAX = 8 << 20,
    WORKER_REPORT_MAX =
        300 << 10, /* ClusterFuzz's bound; the tail is kept beside the head */
    WORKER_TEXT_MAX =
        4 << 20, /* read of a report's file; of a longer one head and tail */
    WORKER_INPUT_MAX = 128 << 20, /* bytes of an input; a longer one is an error */
    WORKER_RUNS_MAX = 100,
    WORKER_PATTERNS_MAX = 256, /* ignore_frames of a job */
};

struct worker_config {
    enum sandbox_rung rung;   /* for the targets */
    const struct strv *hide;  /* folders that targets must not see */
    const struct strv *roots; /* where modules to symbolize may lie; NULL: anywhere that
                                 the worker sees */
};

/* Serve jobs until standard input ends. Returns the process's exit status: 0, or 3 with a
 * line on standard error when it cannot begin or its standard output is gone. */
int worker_main(const struct worker_config *config);

#endif
