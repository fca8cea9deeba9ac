/*
** From task ids to stored answers: the policy between the tables, the network and the
** store. What is final and therefore kept, what is asked again and when, how many at
** once, what a statement may ask twice (nothing), what stops everything.
**
** A Session belongs to one SQLite connection. A Collect is one list of ids being
** answered for one cursor; several may run at a time and share what is in flight.
*/
#ifndef NAVER_SERP_COLLECT_H
#define NAVER_SERP_COLLECT_H

#include "answer.h"
#include "config.h"
#include "store.h"

typedef struct Session Session;
typedef struct Collect Collect;

/* Made for each load into a connection with one reference; the last session_unref()
** frees it. The network of a connection into which one session was made offline is off
** for all its sessions, those before and those after. */
Session *session_new(sqlite3 *db, bool offline, Error *);
void session_ref(Session *);
void session_unref(Session *);

sqlite3 *session_db(Session *);
Config *session_config(Session *);
Store *session_store(Session *);

/* True where no request is made, whatever is asked, and the text that says so. */
bool session_is_offline(const Session *);
extern const char network_off[];

/* "naver_serp 1.2.3, SQLite ..., libcurl ..., cJSON ...", and whether the network is
** switched off; from sqlite3_malloc(). */
char *session_versions(const Session *);

/* A virtual table connects and disconnects. Prepared statements are kept only while one
** is connected, since SQLite closes no connection that has statements open, and only
** tables are told of the closing in time. */
void session_connect(Session *);
void session_disconnect(Session *);
bool session_is_connected(const Session *);
void session_forget_statements(Session *);

/* A cursor opens and closes. From the first open to the last close is one "statement"
** for the rule that nothing is asked twice. */
void session_enter(Session *);
void session_leave(Session *);

/* Before a function or a cursor uses the store: looks at it as it is now. */
int session_prepare(Session *, Error *);

/* While planning: looks at the store, changing and reporting nothing. */
void session_glance(Session *);

/* What became of one id. Texts and cells are valid until the next collect_next(). */
typedef struct Outcome {
  const char *id;
  TaskState state;
  int code;            /* status_code, 0 if there was none */
  const char *message; /* Never NULL */
  const char *source;  /* "store", "network", or NULL if nobody answered */
  bool stored;         /* The rows are in the store, on `side` */
  bool fetchable;      /* Absent, and mode 'auto' would ask the API */
  Side side;
  const Cell *cells; /* Where not stored: TASK_NCOL cells of what is known */
} Outcome;

/* Starts an empty list. Ids are added one by one (copied), then collect_next() gives an
** outcome for each: stored ones as they come, fetched ones as they finish. It may block
** until something is finished, and stops within 100 ms of sqlite3_interrupt().
** SQLITE_ROW, SQLITE_DONE, or an error. collect_free() cancels what is under way. */
Collect *collect_new(Session *, Mode, Error *);
int collect_add(Collect *, const char *id, size_t n, Error *);
int collect_next(Collect *, Outcome *, Error *);
void collect_free(Collect *);

/* Between rows: keeps what is in flight moving. Never blocks; cheap to call often. */
int collect_tick(Collect *, Error *);

/* The state behind naver_serp_tasks.state. */
TaskState collect_state(const char *name);

/* Derives every stored body that was not parsed yet. */
int collect_derive_all(Session *, Error *);

/* Asks for the finished tasks (tasks_ready): an answer whose state is STATE_READY, for
** answer_next_ready(), or NULL with the error set. The caller frees it. Blocks. */
Answer *collect_ready(Session *, Error *);

/* Stores a saved answer. On SQLITE_OK *id is its task id, from sqlite3_malloc(). */
int collect_import(Session *, const char *body, size_t n, char **id, Error *);

#endif
