/*
 * Forced into every file by the Makefile (-include): what must not be called does not
 * compile. The system's headers come first, since poisoning their declarations would
 * break them.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison strtok atoi atol atoll system popen tmpnam tempnam mktemp
#pragma GCC poison localtime gmtime ctime asctime

#endif
