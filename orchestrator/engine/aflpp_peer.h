/*
 * Exchange with AFL++: a peer beside its instances that never runs, as FOLDER/hub is one,
 * and the names of queue files. Part of aflpp.c; engine.h says what each function is.
 */
#ifndef ORCHESTRATOR_ENGINE_AFLPP_PEER_H
#define ORCHESTRATOR_ENGINE_AFLPP_PEER_H

#include "orchestrator/engine/engine.h"

enum { AFLPP_PEER_ROOM = 4096 }; /* an instance lists a peer's whole queue at each sync */

void aflpp_inputs(const char *folder, engine_folder_visit *visit, void *user);
enum engine_input aflpp_input(const char *name, const char **peer);
char *aflpp_inlet(const char *peer, int64_t n, const char *sha256);
void aflpp_pruned(const char *folder);

#endif
