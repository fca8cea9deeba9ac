/*
** naver_serp: query DataForSEO's Naver Organic SERP answers with SQL.
**
**   .load naver_serp
**   SELECT rank_absolute, domain, title
**     FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8') WHERE type = 'organic';
**
** This is the entry point. Loading registers, with one connection, the table-valued
** functions naver_serp and naver_serp_task (tables.c), the tables naver_serp_ready
** (ready.c) and naver_serp_post (post.c) and the scalar functions naver_serp_import,
** naver_serp_config and naver_serp_version (functions.c). It opens no file, reaches no
** network and makes no table.
**
** A second entry point, sqlite3_naverserp_offline_init, registers the same for a
** connection whose network is switched off for good:
**
**   .load naver_serp sqlite3_naverserp_offline_init
**
** The library stays loaded once it was (SQLITE_OK_LOAD_PERMANENTLY): libcurl may have a
** thread of its own in a name look-up that outlives the connection.
*/
#include <pthread.h>
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1
#include "functions.h"
#include "post.h"
#include "ready.h"
#include "tables.h"

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* SQLite's table of routines is one variable for all connections. It is written only where
** it changes, which is once: another thread's connection may be reading it. */
static void keep_routines(const sqlite3_api_routines *api) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  if (sqlite3_api != api) {
    SQLITE_EXTENSION_INIT2(api)
  }
  pthread_mutex_unlock(&mutex);
}

static int load(sqlite3 *db, bool offline, char **message) {
  Error error = {SQLITE_OK, NULL};
  Session *session;
  if (sqlite3_libversion_number() < SQLITE_FLOOR) {
    *message = sqlite3_mprintf("naver_serp needs SQLite " SQLITE_FLOOR_TEXT
                               " or newer; this is %s",
                               sqlite3_libversion());
    return SQLITE_ERROR;
  }
  session = session_new(db, offline, &error);
  if (session) {
    /* The functions first: where they are there already and a statement runs, SQLite
    ** refuses them. Then nothing has changed yet, and all still share one session. */
    if (functions_register(session, &error) == SQLITE_OK &&
        tables_register(session, &error) == SQLITE_OK &&
        ready_register(session, &error) == SQLITE_OK)
      post_register(session, &error);
    session_unref(session);
  }
  if (error.rc == SQLITE_OK)
    return SQLITE_OK_LOAD_PERMANENTLY;
  if (error.text)
    *message = sqlite3_mprintf("naver_serp: %s", error.text);
  {
    int rc = error.rc;
    error_clear(&error);
    return rc;
  }
}

EXPORT int sqlite3_naverserp_init(sqlite3 *db, char **message,
                                  const sqlite3_api_routines *api) {
  keep_routines(api);
  return load(db, false, message);
}

EXPORT int sqlite3_naverserp_offline_init(sqlite3 *db, char **message,
                                          const sqlite3_api_routines *api) {
  keep_routines(api);
  return load(db, true, message);
}
