/*
 * Workflows to begin with: `nightjar ci --print github|gitlab`. Each builds the change
 * and what it stems from, fuzzes, compares, and hands on what nightjar writes; a change
 * from a fork is untrusted.
 */
#ifndef ORCHESTRATOR_GATE_WORKFLOW_H
#define ORCHESTRATOR_GATE_WORKFLOW_H

/* The text for "github" or "gitlab", YAML; NULL: it is none of these. */
const char *workflow_text(const char *name);

#endif
