/*
 * The scribe: the process that writes the database while a supervisor runs, so that no
 * fsync stands on the supervisor's loop. A child of the supervisor, trusted, not
 * sandboxed; it never runs a target.
 *
 * Requests come as JSON lines on standard input, answers go as JSON lines to standard
 * output, one for each request, in order. A request may be repeated after the scribe was
 * killed: all of them are idempotent. Request (>) and answer (<), without their "seq":
 *
 *   > {"op":"target","name":N,"builds":[{"kind":K,"command":{...}}],"settings":{...}}
 *   < {"target":3}
 *   > {"op":"intake","target":N,"path":P,"source":S,"report":false,
 *      "backlog":false,"written":0,"from":0,"bytes":0}
 *   < {"code":0,"crash":7,"fresh":true}   or   {"code":-2,"reason":"..."}
 *   > {"op":"next","folder":P,"input":"input","runs":3,"minimize_ms":20000,"ahead":false}
 *   < {"job":{...}}   or   {"job":null}: nothing to do now
 *   > {"op":"return","job":{...}}
 *   < {}
 *   > {"op":"finish","job":{...},"body":true}
 *     and on a line of its own, uninterpreted, what the worker answered
 *   < {"outcome":{...}}
 *   > {"op":"fail","job":{...},"reason":R}
 *   < {"outcome":{...}}
 *   > {"op":"campaign","begin":{...}}
 *   < {"campaign":2}
 *   > {"op":"campaign","campaign":2,"end":"finished"}
 *   < {}
 *   > {"op":"worker","campaign":2,"name":N,"target":N,...}
 *   < {}
 *   > {"op":"event","kind":K,"subject":S,"subject_id":1,"from":A,"to":B,"detail":{...}}
 *   < {}
 *   > {"op":"counts"}
 *   < {"counts":{"queued":9,"bugs":3,"minimize_waiting":1}}
 *   < {"error":{"code":-28,"message":"..."}} to any: the store failed, nothing was done;
 *     with "seq":0 the store could not even be opened
 *
 * Names and paths are escaped by str_name(). A target's name must have been registered by
 * "target" in the life of this scribe. "worker" takes the fields of struct worker_row by
 * their names. "campaign" may be left out: the last one begun. A job is handed back as it
 * came: {"kind":"triage"|"minimize"|"report"|"release","id","crash","bug","attempt",
 * "handed","request"}. "ahead" asks for a crash alone, which may have to wait for the job
 * before it; "return" gives such a one back that was not begun.
 * "outcome" is struct job_outcome: {"kind","crash","bug","new","state","name","title",
 * "severity"}, with "reason" why the replay is broken, or why the worker's answer counts
 * as its death ("died":true).
 *
 * Files are taken into the ledger in batches: all "intake" lines that wait on standard
 * input, at most SCRIBE_BATCH_MAX, become one store_intake(). What arrives while it runs
 * is the next batch, so that batches grow with the load by themselves. "next", "finish"
 * and "fail" lines are committed in groups for the same reason, at most SCRIBE_GROUP_MAX;
 * a worker's answer and its next request always stand one behind the other. Nothing is
 * answered before it is committed.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SCRIBE_H
#define ORCHESTRATOR_SUPERVISE_SCRIBE_H

#include "base/err.h"
#include "triage/worker.h"

enum {
    SCRIBE_BATCH_MAX = 256,
    SCRIBE_GROUP_MAX = 64,
    SCRIBE_LINE_MAX = WORKER_LINE_MAX, /* of a request and of its body */
};

/* Serve requests on standard input until it ends. Returns the process's exit status. */
int scribe_main(const char *state);

#endif
