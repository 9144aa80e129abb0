/*
 * The rules of severity.c as data: one row for each kind of crash, one for each of CASR's
 * classes.
 */
#ifndef TRIAGE_SEVERITY_RULES_H
#define TRIAGE_SEVERITY_RULES_H

#include "triage/record.h"

/* How ClusterFuzz decides the security flag of a kind (crash_analyzer.is_security_issue).
 */
enum severity_flag {
    FLAG_NO,
    FLAG_YES,
    FLAG_ASSERTS, /* --asserts-are-security */
    FLAG_CHECKS,  /* --checks-are-security */
    FLAG_DEFAULT, /* yes, unless the text shows a signal that programs raise on purpose */
    FLAG_ADDRESS, /* as FLAG_DEFAULT, and the address is not near null */
};

struct severity_rule {
    const char
        *type; /* the first line of crash_type, without a wild access' READ or WRITE */
    const char *class_name; /* CASR's, without "(read)" and "(write)" */
    const char *cwe;        /* of a read */
    enum severity_flag flag;
    double score;       /* as it stands, and for a read */
    double write_score; /* for a write; 0: the same */
    const char *reason;
};

/* The row of a kind of crash; never NULL: the last row is for kinds that nobody knows. */
const struct severity_rule *severity_rules_find(const char *crash_type)
    __attribute__((returns_nonnull));

/* CASR's word for how exploitable a class is. Constant. */
const char *severity_rules_exploitability(const char *class_name);

#endif
