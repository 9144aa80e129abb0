/*
 * Several runs of one input on one command: which of them stands for the input, and in
 * how many it showed.
 *
 * When it is decided (a sequential rule; the limits stand in repeat.c):
 *  - a broken replay at once, if it is the first: nothing will run the next time either;
 *  - a further duplicate, which config->known knows, by that run;
 *  - a crash after 3 runs that agree in the signature and in all that its severity rests
 *    on: by Wilson's interval (rate.h) it then reproduces in at least 44 % of all runs,
 * and seven runs more would raise that to 72 %, which changes nothing for anybody. A
 * fault at a wild address that moves from run to run wants 5, and all that may be run
 * when in one of them it could not be told whether the program read or wrote: such an
 * input is what shows differently by luck;
 *  - a timeout after one run more with twice the limit: only what is still running then
 *    hangs, all else is slow (hysteresis);
 *  - no crash: after all runs, or after the time of one timeout;
 *  - in all other cases, when all runs are made.
 *
 * Which run stands for the input, when they disagree: of the signatures that a quarter of
 * the crashing runs showed, one that a sanitizer has named before a bare fault, then the
 * worse, then the more frequent. Of that signature's runs the worst, since what one run
 * has shown is possible. Nothing rests on which run came first.
 */
#ifndef TRIAGE_REPEAT_H
#define TRIAGE_REPEAT_H

#include "triage/replay.h"

struct repeat_result {
    struct replay_run best; /* the run that stands for the input */
    int crashed;            /* k: runs that showed best's hash.major */
    int runs;               /* n */
    int other;              /* runs that crashed with another signature */
    bool is_duplicate;      /* one run of several was enough: config->known covers it */
};

void repeat_result_clear(struct repeat_result *result);
AUTO_DEFINE_CLEAR(struct repeat_result, repeat_result_clear)

/*
 * Up to `runs` runs, until that is decided. An input that shows nothing, or not twice the
 * same, is tried with other layouts of memory as well (options_layout()): what all runs
 * of one show then stands for it, with the options in record.replay_options, and k and n
 * are those of that layout.
 */
int repeat(const struct replay_config *config, const void *input, size_t len, int runs,
           struct repeat_result *out, struct err *err);

#endif
