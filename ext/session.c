/*
** The state of one connection: who uses it, and when its parts come and go.
*/
#include <pthread.h>
#include <string.h>
#include "session.h"

const char network_off[] = "the network is switched off for this connection";

/* Each load into a connection makes a session, which takes the place of the one before;
** but cursors and transactions of that one may still be at work. SQLite before 3.44 cannot
** keep anything with a connection, so this list tells which sessions belong together. A
** session leaves it before its connection is gone. */
static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER;
static Session *all;

static void enlist(Session *s) {
  Session *p;
  pthread_mutex_lock(&all_mutex);
  for (p = all; p; p = p->next_session) {
    if (p->db == s->db && p->offline)
      s->offline = true;
  }
  for (p = all; p && s->offline; p = p->next_session) {
    if (p->db == s->db)
      p->offline = true;
  }
  s->next_session = all;
  all = s;
  pthread_mutex_unlock(&all_mutex);
}

static void delist(const Session *s) {
  Session **link;
  pthread_mutex_lock(&all_mutex);
  for (link = &all; *link; link = &(*link)->next_session) {
    if (*link == s) {
      *link = s->next_session;
      break;
    }
  }
  pthread_mutex_unlock(&all_mutex);
}

bool session_is_offline(const Session *s) {
  return s->offline;
}

Session *session_new(sqlite3 *db, bool offline, Error *error) {
  Session *s = sqlite3_malloc64(sizeof(*s));
  if (s == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(s, 0, sizeof(*s));
  s->db = db;
  s->offline = offline;
  s->n_ref = 1;
  enlist(s);
  config_init(&s->config, http_check_base_url, error);
  if (error->rc == SQLITE_OK)
    s->store = store_new(db, error);
  if (error->rc == SQLITE_OK)
    s->reader = answer_reader_new(error);
  if (error->rc != SQLITE_OK) {
    session_unref(s);
    return NULL;
  }
  return s;
}

void session_ref(Session *s) {
  s->n_ref++;
}

void session_unref(Session *s) {
  if (--s->n_ref > 0)
    return;
  delist(s);
  job_free_all(s);
  http_free(s->http);
  store_free(s->store);
  answer_reader_free(s->reader);
  sqlite3_finalize(s->interrupt);
  config_free(&s->config);
  sqlite3_free(s->sent);
  sqlite3_free(s);
}

sqlite3 *session_db(Session *s) {
  return s->db;
}

Config *session_config(Session *s) {
  return &s->config;
}

Store *session_store(Session *s) {
  return s->store;
}

char *session_versions(const Session *s) {
  return sqlite3_mprintf("naver_serp %s, SQLite %s, libcurl %s, cJSON %s%s%s",
                         NAVER_SERP_VERSION, sqlite3_libversion(), http_version(),
                         answer_json_version(), s->offline ? "; " : "",
                         s->offline ? network_off : "");
}

void session_connect(Session *s) {
  session_ref(s);
  s->n_connected++;
}

/* The last chance: answers that could not be written while a statement was running, which
** often is why, since it holds a snapshot or a lock. */
static void keep_what_temp_holds(Session *s) {
  Error ignored = {SQLITE_OK, NULL};
  if (store_flush_temp(s->store))
    collect_derive_all(s, &ignored);
  error_clear(&ignored);
}

void session_disconnect(Session *s) {
  if (--s->n_connected == 0) {
    keep_what_temp_holds(s);
    session_forget_statements(s);
  }
  session_unref(s);
}

void session_forget_statements(Session *s) {
  store_forget_statements(s->store);
  sqlite3_finalize(s->interrupt);
  s->interrupt = NULL;
}

bool session_is_connected(const Session *s) {
  return s->n_connected > 0;
}

void session_enter(Session *s) {
  s->n_cursor++;
}

void session_leave(Session *s) {
  if (--s->n_cursor > 0)
    return;
  job_free_all(s);
  s->prepared = false;
  s->main_unwritable = false;
}

int session_prepare(Session *s, Error *error) {
  if (store_open(s->store, s->config.schema, error) != SQLITE_OK || s->prepared)
    return error->rc;
  store_drop_stand_ins(s->store);
  store_flush_temp(s->store);
  store_measure(s->store);
  s->prepared = s->n_cursor > 0;
  return error->rc;
}

void session_glance(Session *s) {
  store_glance(s->store, s->config.schema);
}

bool session_interrupted(Session *s) {
  bool interrupted = false;
#if SQLITE_VERSION_NUMBER >= 3041000
  if (HAVE_IS_INTERRUPTED)
    return sqlite3_is_interrupted(s->db) != 0;
#endif
  /* A statement that is stepped inside an interrupted one fails at once. */
  if (s->interrupt == NULL)
    sqlite3_prepare_v3(s->db, "SELECT 1", -1, SQLITE_PREPARE_PERSISTENT, &s->interrupt,
                       NULL);
  if (s->interrupt) {
    interrupted = sqlite3_step(s->interrupt) == SQLITE_INTERRUPT;
    sqlite3_reset(s->interrupt);
  }
  return interrupted;
}
