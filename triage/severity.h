/*
 * How bad a crash is, by a table of rules with reasons in words: security flag
 * (ClusterFuzz's), CASR's class and exploitability, a score on SARIF's security-severity
 * scale from which the severity follows (critical >= 9.0, high >= 7.0, medium >= 4.0, low
 * > 0), and the CWE. Where and why the rules differ from ClusterFuzz and CASR stands in
 * triage/parse/README.md.
 */
#ifndef TRIAGE_SEVERITY_H
#define TRIAGE_SEVERITY_H

#include "triage/record.h"

/* Set security, severity, severity_score, exploitability, class_name, cwe, reasons. After
 * stack_decide(), on a record whose crash_type is set. */
void severity_decide(struct record *record, const struct record_options *options);

/* The security flag under the default options, for the signature. */
bool severity_default_security(const struct record *record);

/* The constants, for reading a record back: NULL when there is no such word. */
const char *severity_find_class(const char *name);
const char *severity_find_exploitability(const char *name);
const char *severity_find_cwe(const char *name);

#endif
