/* Which release this is, in one place: the Makefile reads it here for the manual page. */
#ifndef ORCHESTRATOR_VERSION_H
#define ORCHESTRATOR_VERSION_H

#define NIGHTJAR_VERSION "0.1.0"

#endif
