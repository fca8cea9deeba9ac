/*
** Functions that are a compile error in this project: they write without a bound, parse
** without an error, or keep state between calls. The build includes this file before
** every other one.
*/
#ifndef NAVER_SERP_BANNED_H
#define NAVER_SERP_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gets
#pragma GCC poison atoi atol atof localtime gmtime ctime asctime

#endif
