/*
** How this extension meets SQLite: the one place that includes its headers, and the
** facts about its versions, oldest first.
**
** Every function here is reached through the table of routines that the host hands to
** the entry point, so a slot that is newer than the host must not be called: the floor
** (checked once, in the entry point) is what the unconditional calls need, anything
** later asks host_sqlite() first.
*/
#ifndef NAVER_SERP_SQLITE_H
#define NAVER_SERP_SQLITE_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

/* 3.38.0: sqlite3_vtab_in() and sqlite3_vtab_in_first/next(). */
#define SQLITE_FLOOR      3038000
#define SQLITE_FLOOR_TEXT "3.38.0"

#if SQLITE_VERSION_NUMBER < SQLITE_FLOOR
#error "naver_serp needs the headers of SQLite 3.38.0 or newer"
#endif

/* The subtype by which SQLite's JSON functions know JSON: 'J'. */
#define JSON_SUBTYPE 74

/* 3.41.0: sqlite3_is_interrupted(). */
#define HAVE_IS_INTERRUPTED                                                            \
  (SQLITE_VERSION_NUMBER >= 3041000 && sqlite3_libversion_number() >= 3041000)

#endif
