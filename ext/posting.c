/*
** Tasks on their way to task_post; see posting.h.
**
**   BEGIN;
**   INSERT INTO naver_serp_post(keyword) VALUES ('camping chair');  -- waits
**   COMMIT;                                                         -- posted here
**
** What happens at the commit, in this order, and why:
**
**   1. Every task becomes a row of naver_serp_posts. Whatever can stop a write (a lock, a
**      full disk, a read-only file, an index or a trigger of the user's) stops it here,
**      where it costs nothing.
**   2. The pages go to the file, those of every database the transaction has begun to
**      write: only that takes the exclusive lock of a rollback journal, which another
**      reader can refuse, and only that finds out about a full disk.
**   3. The calls, one after another: what one says decides whether there is a next.
**   4. Each row gets what became of its task. The placeholders were as wide.
**
** sqlite3_interrupt() (Ctrl-C) stops no call, since what it did must be known, but there
** is no next one. It also stops every statement until the commit is over: what came back
** is then recorded by the next SELECT on naver_serp_post, or when the connection closes.
**
** A process that is killed between 3 and the end of the commit leaves no record: the rows
** were part of a transaction that never was. naver_serp_ready lists what was created.
*/
#include <string.h>
#include "posting.h"
#include "session.h"

#define POST_PATH  "/v3/serp/naver/organic/task_post"
#define CALL_TASKS 100 /* Tasks in a call at most: the rest would get 40006 */

#define UNANSWERED "no answer; it may have been created: see naver_serp_ready"

typedef struct Waiting {
  sqlite3_value *fields[POST_NFIELD]; /* As inserted; own copies */
  char *json;                         /* The task in the body of the call */
  sqlite3_int64 post;                 /* naver_serp_posts.post, once it is there */
} Waiting;

/* What became of a task, to be recorded later. */
typedef struct Late {
  char *schema; /* Database that its row is in */
  sqlite3_int64 post;
  char *id; /* NULL: none */
  TaskState state;
  int code;
  char *message;
  double cost;
} Late;

struct Posting {
  Session *session;
  Waiting *a; /* Tasks that wait, in the order of inserting */
  int n;      /* How many */
  int n_room; /* Places in a */
  int *marks; /* marks[i]: tasks that waited when savepoint i was opened */
  int n_mark; /* Savepoints that are known */
  int n_mark_room;
  char *schema;    /* Database that naver_serp_posts is in, for this transaction */
  int n_sent;      /* Tasks of this transaction that went out already */
  int n_created;   /* Tasks among them that were accepted */
  char *created;   /* Their ids: "a, b" */
  int n_unknown;   /* Tasks sent that nobody knows about */
  char *why;       /* First reason why a task was not accepted, as an error says it */
  Late *late;      /* What is to be recorded later */
  int n_late;      /* How many, */
  int n_committed; /* ... and of them those whose row is committed */
  int n_late_room; /* Places in late */
};

Posting *posting_new(Session *s, Error *error) {
  Posting *p = sqlite3_malloc64(sizeof(*p));
  if (p == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(p, 0, sizeof(*p));
  p->session = s;
  return p;
}

/* Cuts the waiting list down to n tasks. */
static void cut(Posting *p, int n) {
  while (p->n > n) {
    Waiting *w = &p->a[--p->n];
    int k;
    for (k = 0; k < POST_NFIELD; k++)
      sqlite3_value_free(w->fields[k]);
    sqlite3_free(w->json);
  }
}

/* Forgets everything about a transaction. */
static void forget(Posting *p) {
  cut(p, 0);
  sqlite3_free(p->schema);
  sqlite3_free(p->created);
  sqlite3_free(p->why);
  p->schema = p->created = p->why = NULL;
  p->n_mark = p->n_sent = p->n_created = p->n_unknown = 0;
}

/* ---- Waiting --------------------------------------------------------------------- */

/* Appends a task; takes json over if it returns SQLITE_OK. */
static int append(Posting *p, sqlite3_value **fields, char *json, Error *error) {
  Waiting *w;
  int k;
  if (p->n == p->n_room) {
    int n_room = p->n_room ? p->n_room * 2 : 16;
    Waiting *a = sqlite3_realloc64(p->a, (sqlite3_uint64)n_room * sizeof(*a));
    if (a == NULL)
      return error_nomem(error);
    p->a = a;
    p->n_room = n_room;
  }
  w = &p->a[p->n];
  memset(w, 0, sizeof(*w));
  for (k = 0; k < POST_NFIELD; k++) {
    w->fields[k] = sqlite3_value_dup(fields[k]);
    if (w->fields[k] == NULL) {
      while (k-- > 0)
        sqlite3_value_free(w->fields[k]);
      return error_nomem(error);
    }
  }
  w->json = json;
  p->n++;
  return SQLITE_OK;
}

/* The database of a transaction's posts is the one chosen at its first task. */
static int open_posts(Posting *p, bool make, bool *there, Error *error) {
  Session *s = p->session;
  const char *schema = p->schema ? p->schema : session_config(s)->schema;
  return store_open_posts(session_store(s), schema, make, there, error);
}

int posting_savepoint(Posting *p, int i, Error *error) {
  if (i >= p->n_mark_room) {
    int n_room = i + 8;
    int *marks = sqlite3_realloc64(p->marks, (sqlite3_uint64)n_room * sizeof(*marks));
    if (marks == NULL)
      return error_nomem(error);
    p->marks = marks;
    p->n_mark_room = n_room;
  }
  while (p->n_mark < i) /* Opened before the first task: nothing waited then */
    p->marks[p->n_mark++] = 0;
  p->marks[i] = p->n;
  p->n_mark = i + 1;
  return SQLITE_OK;
}

void posting_release(Posting *p, int i) {
  if (i < 0)
    i = 0;
  if (p->n_mark > i)
    p->n_mark = i;
}

/* Needs no memory. */
static void log_lost(const char *id, int n) {
  sqlite3_log(SQLITE_WARNING,
              "naver_serp_post: posted, not recorded (see naver_serp_ready): %.*s", n,
              id);
}

/* Says in SQLite's error log which tasks were created and are not on record. */
static void log_created(Posting *p) {
  const char *id = p->created;
  while (id) {
    const char *end = strstr(id, ", ");
    log_lost(id, end ? (int)(end - id) : (int)strlen(id));
    id = end ? end + 2 : NULL;
  }
  if (p->n_unknown)
    sqlite3_log(SQLITE_WARNING,
                "naver_serp_post: %d tasks may have been posted, not recorded (see "
                "naver_serp_ready)",
                p->n_unknown);
  sqlite3_free(p->created);
  p->created = NULL;
  p->n_created = p->n_unknown = 0;
}

void posting_rollback_to(Posting *p, int i) {
  log_created(
      p); /* A commit failed after posting; the rows go with what came after i */
  if (i < 0) {
    cut(p, 0);
    p->n_mark = 0;
  } else if (p->n_mark > i) {
    cut(p, p->marks[i]);
    p->n_mark = i + 1;
  }
}

/* ---- Recording ------------------------------------------------------------------- */

/* Steps 1 and 2. After an error no row is left, so that the commit can be tried again. */
static int reserve(Posting *p, Error *error) {
  Store *store = session_store(p->session);
  Error why = {SQLITE_OK, NULL};
  Error ignored = {SQLITE_OK, NULL};
  bool there;
  int n = 0;
  int i;
  if (open_posts(p, false, &there, &why) == SQLITE_OK && !there)
    error_set(&why, SQLITE_ERROR, "table naver_serp_posts was dropped meanwhile");
  while (n < p->n && why.rc == SQLITE_OK) {
    if (store_put_post(store, p->a[n].fields, &p->a[n].post, &why) == SQLITE_OK)
      n++;
  }
  for (i = 0; i < n && why.rc == SQLITE_OK; i++)
    store_doubt_post(store, p->a[i].post, &why);
  if (why.rc == SQLITE_OK && store_hold_locks(store, &why) == SQLITE_OK)
    return SQLITE_OK;
  /* Anything but SQLITE_BUSY rolls the transaction back. */
  while (why.rc == SQLITE_BUSY && n-- > 0)
    store_drop_post(store, p->a[n].post, &ignored);
  error_clear(&ignored);
  error_set(error, why.rc, "nothing was posted: %s",
            why.text ? why.text : sqlite3_errstr(why.rc));
  error_clear(&why);
  return error->rc;
}

/* Notes that a task was created: its id is worth money until it is on record. */
static void note_created(Posting *p, const char *id) {
  char *ids = p->created ? sqlite3_mprintf("%s, %s", p->created, id)
                         : sqlite3_mprintf("%s", id);
  p->n_created++;
  if (ids) {
    sqlite3_free(p->created);
    p->created = ids;
  } else { /* Now, since it cannot be named later */
    log_lost(id, (int)strlen(id));
  }
}

/* Cuts what is to be recorded later down to n. */
static void drop_late(Posting *p, int n) {
  while (p->n_late > n) {
    Late *late = &p->late[--p->n_late];
    sqlite3_free(late->schema);
    sqlite3_free(late->id);
    sqlite3_free(late->message);
  }
}

static int add_late(Posting *p, sqlite3_int64 post, TaskState state,
                    const StoredPost *is, Error *error) {
  Late *late;
  if (p->n_late == p->n_late_room) {
    int n_room = p->n_late_room + CALL_TASKS;
    Late *a = sqlite3_realloc64(p->late, (sqlite3_uint64)n_room * sizeof(*a));
    if (a == NULL)
      return error_nomem(error);
    p->late = a;
    p->n_late_room = n_room;
  }
  late = &p->late[p->n_late++];
  late->schema = sqlite3_mprintf("%s", p->schema);
  late->post = post;
  late->id = is->id ? sqlite3_mprintf("%s", is->id) : NULL;
  late->state = state;
  late->code = is->code;
  late->message = sqlite3_mprintf("%s", is->message);
  late->cost = is->cost;
  return late->schema && late->message && (late->id || !is->id) ? SQLITE_OK
                                                                : error_nomem(error);
}

/* Records one fate, now or later. */
static int record(Posting *p, int i, TaskState state, int code, const char *id,
                  const char *message, double cost, Error *error) {
  StoredPost is = {id, state_name(state), code, message, cost};
  if (session_interrupted(p->session))
    return add_late(p, p->a[i].post, state, &is, error);
  return store_set_post(session_store(p->session), p->a[i].post, &is, error);
}

/* Records what was left for later, outside of transactions, which could be rolled back.
** What cannot be recorded now waits on. */
static void record_late(Posting *p) {
  Store *store = session_store(p->session);
  Error error = {SQLITE_OK, NULL};
  bool there;
  int n = p->n_late;
  if (n == 0 || n > p->n_committed || !sqlite3_get_autocommit(session_db(p->session)))
    return;
  while (n > 0 && error.rc == SQLITE_OK) {
    const Late *late = &p->late[n - 1];
    StoredPost is = {late->id, state_name(late->state), late->code, late->message,
                     late->cost};
    if (store_open_posts(store, late->schema, false, &there, &error) == SQLITE_OK &&
        (!there || store_set_post(store, late->post, &is, &error) == SQLITE_OK))
      n--;
  }
  error_clear(&error);
  drop_late(p, n);
  p->n_committed = n;
}

int posting_add(Posting *p, sqlite3_value **fields, char *json, sqlite3_int64 *post,
                Error *error) {
  sqlite3_int64 max = session_config(p->session)->max_post_tasks;
  bool there;
  record_late(p);
  if (p->n + p->n_sent >= max) {
    error_set(error, SQLITE_ERROR,
              "more than max_post_tasks (%lld) tasks in one transaction; nothing was "
              "posted; raise it with SELECT naver_serp_config('max_post_tasks', N)",
              max);
  } else if (open_posts(p, true, &there, error) == SQLITE_OK &&
             store_next_post(session_store(p->session), post, error) == SQLITE_OK) {
    if (p->schema == NULL)
      p->schema = sqlite3_mprintf("%s", session_config(p->session)->schema);
    *post += p->n;
    if (p->schema == NULL)
      error_nomem(error);
    else if (append(p, fields, json, error) == SQLITE_OK)
      return SQLITE_OK;
  }
  sqlite3_free(json);
  return error->rc;
}

int posting_look(Posting *p, bool *there, Error *error) {
  record_late(p);
  return store_open_posts(session_store(p->session), session_config(p->session)->schema,
                          false, there, error);
}

void posting_end(Posting *p, bool committed) {
  if (!committed)
    log_created(p);
  if (committed)
    p->n_committed = p->n_late;
  else
    drop_late(p, p->n_committed);
  forget(p);
}

void posting_free(Posting *p) {
  int i;
  if (p == NULL)
    return;
  forget(p);
  record_late(p);
  for (i = 0; i < p->n_late; i++) {
    if (p->late[i].id)
      note_created(p, p->late[i].id);
  }
  log_created(p);
  drop_late(p, 0);
  sqlite3_free(p->late);
  sqlite3_free(p->a);
  sqlite3_free(p->marks);
  sqlite3_free(p);
}

/* Records one and the same fate for the tasks from i to the end. */
static int record_rest(Posting *p, int i, int end, TaskState state, int code,
                       const char *message, Error *error) {
  while (i < end && error->rc == SQLITE_OK)
    record(p, i++, state, code, NULL, message, -1, error);
  return error->rc;
}

/* Keeps the first reason, for the error if nothing was accepted. */
static void note_reason(Posting *p, const Error *why) {
  if (p->why == NULL)
    p->why = sqlite3_mprintf("%s", why->text ? why->text : sqlite3_errstr(why->rc));
}

/* ---- Posting --------------------------------------------------------------------- */

/* The body of a call with the tasks from i to the end; NULL if there is no memory. */
static char *body(const Posting *p, int i, int end) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  const char *separator = "[";
  for (; i < end; i++) {
    sqlite3_str_appendall(out, separator);
    sqlite3_str_appendall(out, p->a[i].json);
    separator = ",";
  }
  sqlite3_str_appendchar(out, 1, ']');
  return sqlite3_str_finish(out);
}

/* What the tasks that are not sent any more get to hear. */
typedef struct Stop {
  bool stop; /* No further call */
  TaskState state;
  int code;  /* Status code, 0 if there is none */
  Error why; /* rc is SQLITE_OK if not even that is known */
} Stop;

/* A task that was not accepted: keeps why, and stops if it is for lack of money. */
static void not_accepted(Posting *p, int i, const AnswerPost *post, Stop *stop) {
  Error why = {SQLITE_OK, NULL};
  Answer one = {.state = post->state, .code = post->code, .message = post->message};
  char *prefix = sqlite3_mprintf("keyword '%s': ",
                                 sqlite3_value_text(p->a[i].fields[POST_keyword]));
  fetch_call_error(&one, prefix ? prefix : "", &why);
  sqlite3_free(prefix);
  note_reason(p, &why);
  if (post->state == STATE_REFUSED && !stop->stop) {
    stop->stop = true;
    stop->state = post->state;
    stop->code = post->code;
    stop->why = why;
  } else {
    error_clear(&why);
  }
}

/* Records what an answer says of each task of its call, from i to the end. */
static int record_answer(Posting *p, Answer *answer, int i, int end, Stop *stop,
                         Error *error) {
  AnswerPost post;
  int k;
  /* All ids first, since the recording may fail. */
  for (k = 0; k < end - i; k++) {
    if (answer_post(answer, k, &post) && post.state == STATE_PENDING)
      note_created(p, post.id ? post.id : "no id");
  }
  for (k = 0; k < end - i && error->rc == SQLITE_OK; k++) {
    if (!answer_post(answer, k, &post) || post.state == STATE_UNREACHABLE) {
      p->n_unknown++;
      record_rest(p, i + k, i + k + 1, STATE_UNREACHABLE, 0, UNANSWERED, error);
    } else {
      if (post.state != STATE_PENDING)
        not_accepted(p, i + k, &post, stop);
      record(p, i + k, post.state, post.code, post.id, post.message, post.cost, error);
    }
  }
  return error->rc;
}

/* True for an answer that speaks of single tasks, whatever it says at the top. */
static bool is_of_tasks(const Answer *answer) {
  AnswerPost post;
  int k;
  for (k = 0; answer_post(answer, k, &post); k++) {
    if (post.state == STATE_PENDING)
      return true;
  }
  return answer->state == STATE_READY;
}

/* True for an answer after which tasks may have been created all the same: one that broke
** off, or came from a gateway. A limit (402xx) and a wrong path (404xx) were met before. */
static bool may_have_created(const Answer *answer) {
  int kind = answer->code / 100;
  return answer->state == STATE_UNREACHABLE && kind != 402 && kind != 404;
}

/* Makes one call, of the tasks from *i to the end. *i becomes the first task that was not
** sent: the end, unless nothing went out at all. */
static int call(Posting *p, int *i, int end, Stop *stop, Error *error) {
  char *text = body(p, *i, end);
  bool maybe_sent;
  Answer *answer;
  int first = *i;
  if (text == NULL)
    return error_nomem(error);
  answer = fetch_call(p->session, POST_PATH, text, &maybe_sent, &stop->why);
  if (answer || maybe_sent)
    *i = end;
  if (answer && is_of_tasks(answer)) {
    record_answer(p, answer, first, end, stop, error);
    answer_free(answer);
    return error->rc;
  }
  if (answer)
    fetch_call_error(answer, "", &stop->why);
  note_reason(p, &stop->why);
  stop->stop = true;
  stop->state = answer ? answer->state : STATE_UNREACHABLE;
  stop->code = answer ? answer->code : 0;
  if (answer ? may_have_created(answer) : maybe_sent) {
    p->n_unknown += end - first;
    record_rest(p, first, end, STATE_UNREACHABLE, stop->code, UNANSWERED, error);
  } else if (answer) {
    record_rest(p, first, end, stop->state, stop->code, stop->why.text, error);
  }
  answer_free(answer);
  return error->rc;
}

/* Steps 3 and 4. */
static int post_all(Posting *p, Error *error) {
  Stop stop = {false, STATE_REFUSED, 0, {SQLITE_OK, NULL}};
  int i = 0;
  while (i < p->n && !stop.stop && error->rc == SQLITE_OK) {
    if (session_interrupted(p->session)) {
      error_set(&stop.why, SQLITE_INTERRUPT, "interrupted");
      note_reason(p, &stop.why);
      stop.state = STATE_UNREACHABLE;
      break;
    }
    call(p, &i, i + CALL_TASKS < p->n ? i + CALL_TASKS : p->n, &stop, error);
  }
  if (i < p->n && error->rc == SQLITE_OK) {
    char *message =
        sqlite3_mprintf("not sent, since: %s",
                        stop.why.text ? stop.why.text : sqlite3_errstr(stop.why.rc));
    record_rest(p, i, p->n, stop.state, stop.code, message ? message : "not sent",
                error);
    sqlite3_free(message);
  }
  error_clear(&stop.why);
  return error->rc;
}

/* After the calls: is there something to commit? */
static int judge(Posting *p, Error *error) {
  Error failed = *error;
  if (p->n_created == 0 && p->n_unknown == 0)
    return error_set(error, SQLITE_ERROR, "nothing was posted: %s",
                     p->why ? p->why : "out of memory");
  if (failed.rc == SQLITE_OK)
    return SQLITE_OK;
  error->rc = SQLITE_OK;
  error->text = NULL;
  /* SQLITE_BUSY would invite another COMMIT, which would keep the placeholders. */
  error_set(error, failed.rc == SQLITE_BUSY ? SQLITE_ERROR : failed.rc,
            "%d tasks were created (%s), %d more may have been, and cannot be recorded "
            "(%s): naver_serp_ready lists them once they are done",
            p->n_created, p->created ? p->created : "?", p->n_unknown,
            failed.text ? failed.text : sqlite3_errstr(failed.rc));
  error_clear(&failed);
  return error->rc;
}

int posting_sync(Posting *p, Error *error) {
  Session *s = p->session;
  int i;
  if (p->n == 0)
    return SQLITE_OK;
  session_enter(s);
  store_in_commit(session_store(s), true);
  if (reserve(p, error) == SQLITE_OK) {
    post_all(p, error);
    /* Whatever comes now, these are never sent again. */
    p->n_sent += p->n;
    cut(p, 0);
    for (i = 0; i < p->n_mark; i++)
      p->marks[i] = 0;
    judge(p, error);
  }
  store_in_commit(session_store(s), false);
  session_leave(s);
  return error->rc;
}
