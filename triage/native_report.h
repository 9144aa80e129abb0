/*
 * What a debugger saw of a crash, as a report: text that a person reads, that travels
 * without its core file, and that parse/native.c reads back into the same record, so that
 * `parse` and `triage` agree on it.
 *
 *   nightjar: killed by SIGSEGV at address 0x000041414141, executing 'mov byte ptr [rdi],
 *   0x01'
 *   nightjar: signal 11, code 1, address 0x41414141, bytes c60701
 *       #0 0x555555555139 in store /src/a.c:6
 *       #1 0x7ffff7df9d90 in free (/usr/lib/x86_64-linux-gnu/libc.so.6+0x27d8f)
 *   nightjar: registers rax=0x1 rbx=0x0 ...
 */
#ifndef TRIAGE_NATIVE_REPORT_H
#define TRIAGE_NATIVE_REPORT_H

#include "base/buf.h"
#include "triage/native_rules.h"
#include "triage/record.h"

/* The record has been through native_rules() with this fault. Appends, on lines of its
 * own. */
void native_report(const struct record *record, const struct native_fault *fault,
                   struct buf *out);

/* The same of the stack and the registers alone, behind a sanitizer's report whose own
 * stack lacks the function that jumped:
 *
 *   nightjar: its stack, as gdb sees it
 *       #0 0x004242424242
 *       #1 0x55555556413c in dispatch /src/a.c:29:5
 *   nightjar: registers rax=0x1 rbx=0x0 ...
 */
void native_report_stack(const struct record *record, struct buf *out);

#endif
