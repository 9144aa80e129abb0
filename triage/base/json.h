/*
 * jansson with the two habits of this project: text from outside is made valid UTF-8
 * before it becomes a string (jansson answers NULL to anything else, and a crash must not
 * vanish for that), and reading a field never crashes on a missing or wrongly typed one.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

AUTO_DEFINE(json_t *, json_decref)

/* New string values: report text (str_clean) and names or paths (str_name). NULL gives
 * null. Text beyond BUF_MAX_DEFAULT bytes is cut between two characters. Never NULL: no
 * crash may vanish. */
json_t *json_text(const char *text);
json_t *json_text_n(const char *data, size_t len);
json_t *json_name(const char *name);

json_t *json_time(int64_t wall_ms); /* "2026-11-23T17:55:54Z" */

/* A new array of report-text strings. */
json_t *json_strv(const struct strv *list);

/* object[key] = value; steals value, aborts when memory is out. Key is ours, never
 * hostile. */
void json_put(json_t *object, const char *key, json_t *value);

/* Fields with a default: what is missing or of another type reads as `otherwise`. */
const char *json_get_str(const json_t *object, const char *key, const char *otherwise);
int64_t json_get_int(const json_t *object, const char *key, int64_t otherwise);
double json_get_real(const json_t *object, const char *key, double otherwise);
bool json_get_bool(const json_t *object, const char *key, bool otherwise);

/* Adds the strings of an array field to out; anything else in it is skipped. */
void json_get_strv(const json_t *object, const char *key, struct strv *out);

/* One line: compact, keys in insertion order, without the newline. New string. */
char *json_line(const json_t *value);

/* Print one line with its newline (JSON Lines). */
void json_print(FILE *out, const json_t *value);

/* Parse one value from text[0..len); the error says where. *out is a new reference. */
int json_parse(const char *text, size_t len, json_t **out, struct err *err);

#endif
