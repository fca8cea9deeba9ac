/*
** A list of ids being answered; see collect.h.
**
** Ids are looked at one after another: what the store has comes out at once, the rest
** becomes jobs, as many as may be in flight. Where neither helps, the network is waited
** for. So memory follows `concurrency`, not the number of ids.
*/
#include <ctype.h>
#include <string.h>
#include "progress.h"
#include "session.h"

#define STATUS_OK 20000
#define TICK      0.02 /* Seconds for which requests may be left alone between rows */

typedef struct WaitList {
  Wait *first;
  Wait *last;
} WaitList;

struct Collect {
  Session *session;
  Mode mode;
  char **ids; /* In the order of asking */
  int n_id;
  int n_room;       /* Places in ids */
  int i_next;       /* The next id to look at */
  WaitList waiting; /* For jobs that are under way */
  WaitList done;    /* Jobs whose outcome was not handed out yet */
  Job *out;         /* The job whose outcome was handed out last */
  char *unasked;    /* Or the id handed out last, where there is no job */
  Answer *answer;   /* What its cells come from */
  Cell cells[TASK_NCOL];
  StoredTask found; /* Behind the outcome of a stored task */
  bool begun;       /* collect_next() was called */
  Progress progress;
};

static void list_add(WaitList *list, Wait *wait) {
  wait->next = NULL;
  wait->prev = list->last;
  if (list->last)
    list->last->next = wait;
  else
    list->first = wait;
  list->last = wait;
}

static void list_remove(WaitList *list, Wait *wait) {
  if (wait->prev)
    wait->prev->next = wait->next;
  else
    list->first = wait->next;
  if (wait->next)
    wait->next->prev = wait->prev;
  else
    list->last = wait->prev;
}

Collect *collect_new(Session *s, Mode mode, Error *error) {
  Collect *c;
  if (s->offline && mode == MODE_REFRESH) {
    error_set(error, SQLITE_ERROR, "mode 'refresh' is not possible: %s", network_off);
    return NULL;
  }
  c = sqlite3_malloc64(sizeof(*c));
  if (c == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(c, 0, sizeof(*c));
  c->session = s;
  c->mode = s->offline ? MODE_CACHE : mode;
  return c;
}

int collect_add(Collect *c, const char *id, size_t n, Error *error) {
  if (c->n_id == c->n_room) {
    int n_room = c->n_room ? c->n_room * 2 : 4;
    char **ids = sqlite3_realloc64(c->ids, (sqlite3_uint64)n_room * sizeof(*ids));
    if (ids == NULL)
      return error_nomem(error);
    c->ids = ids;
    c->n_room = n_room;
  }
  /* An id with a NUL in it is no C string: it becomes another one that names no task. */
  c->ids[c->n_id] = sqlite3_mprintf(strlen(id) == n ? "%s" : "%s\xef\xbf\xbd", id);
  if (c->ids[c->n_id] == NULL)
    return error_nomem(error);
  c->n_id++;
  return SQLITE_OK;
}

void collect_notice(Collect *c, Wait *wait) {
  list_remove(&c->waiting, wait);
  list_add(&c->done, wait);
}

/* Takes a wait off its job while that is under way. */
static void leave_job(Wait *wait) {
  Wait **link = &wait->job->waits;
  while (*link != wait)
    link = &(*link)->next_of_job;
  *link = wait->next_of_job;
}

/* One user less. A job without any goes where the store remembers its answer, or where
** it never got one because its statement lost interest. */
static void let_go(Session *s, Job *job) {
  job->n_user--;
  if (job->n_user == 0 && (job->phase != JOB_DONE || (job->stored && !job->refresh)))
    job_free(s, job);
}

/* Forgets what was handed out last. */
static void release_outcome(Collect *c) {
  answer_free(c->answer);
  c->answer = NULL;
  sqlite3_free(c->unasked);
  c->unasked = NULL;
  if (c->out) {
    Job *job = c->out;
    c->out = NULL;
    let_go(c->session, job);
  }
}

void collect_free(Collect *c) {
  Wait *wait;
  int i;
  if (c == NULL)
    return;
  progress_end(&c->progress);
  release_outcome(c);
  while ((wait = c->waiting.first) != NULL) {
    list_remove(&c->waiting, wait);
    leave_job(wait);
    let_go(c->session, wait->job);
    sqlite3_free(wait);
  }
  while ((wait = c->done.first) != NULL) {
    list_remove(&c->done, wait);
    let_go(c->session, wait->job);
    sqlite3_free(wait);
  }
  for (i = c->i_next; i < c->n_id; i++)
    sqlite3_free(c->ids[i]);
  sqlite3_free(c->ids);
  sqlite3_free(c);
}

/* Task ids are 8-4-4-4-12 hexadecimal digits, but no RFC 4122 UUIDs. Anything else
 ** would change the call: ".xml", "/", "?" have a meaning in a URL. */
static bool is_task_id(const char *z) {
  int i;
  for (i = 0; z[i]; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (i >= 36 || (dash ? z[i] != '-' : !isxdigit((unsigned char)z[i])))
      return false;
  }
  return i == 36;
}

/* ---- Outcomes ------------------------------------------------------------------- */

static void set_cell(Cell *cell, const char *z) {
  cell->kind = z ? CELL_TEXT : CELL_NULL;
  cell->z = z;
  cell->n = z ? strlen(z) : 0;
}

/* Cells of a task the store does not have: what its answer said, if there was one, and
** what is known without. */
static int fill_cells(Collect *c, const Job *job, Outcome *out, Error *error) {
  Cell *cells = c->cells;
  memset(cells, 0, sizeof(c->cells));
  if (job && job->body) {
    c->answer =
        answer_parse(c->session->reader, job->body, job->n_body, job->status, error);
    if (c->answer == NULL || answer_task(c->answer, 0, cells, error) != SQLITE_OK)
      return error->rc;
  }
  set_cell(&cells[TASK_id], out->id);
  set_cell(&cells[TASK_state], state_name(out->state));
  set_cell(&cells[TASK_status_message], out->message);
  set_cell(&cells[TASK_source], out->source);
  if (out->code) {
    cells[TASK_status_code].kind = CELL_INTEGER;
    cells[TASK_status_code].i = out->code;
  }
  out->cells = cells;
  return SQLITE_ROW;
}

/* The outcome of a job that is done; the collect is one of its users already. */
static int job_outcome(Collect *c, Job *job, Outcome *out, Error *error) {
  c->out = job;
  out->id = job->id;
  out->state = job->state;
  out->code = job->code;
  out->message = job->message ? job->message : "";
  out->source = job->from_network ? "network" : NULL;
  out->stored = job->stored;
  out->side = job->side;
  return job->stored ? SQLITE_ROW : fill_cells(c, job, out, error);
}

/* The outcome of an id that is not asked for at all. */
static int unasked_outcome(Collect *c, const char *id, TaskState state, int code,
                           const char *message, Outcome *out, Error *error) {
  c->unasked = sqlite3_mprintf("%s", id);
  if (c->unasked == NULL)
    return error_nomem(error);
  out->id = c->unasked;
  out->state = state;
  out->code = code;
  out->message = message;
  out->fetchable = state == STATE_ABSENT && !c->session->offline && is_task_id(id);
  return fill_cells(c, NULL, out, error);
}

TaskState collect_state(const char *name) {
  int i;
  for (i = 0; i < STATE_ABSENT; i++) {
    if (strcmp(state_name((TaskState)i), name) == 0)
      return (TaskState)i;
  }
  return STATE_UNREACHABLE;
}

/* True if what is stored is a dummy that gives way to the API's answer, or to a new one. */
static bool is_outdated(const Collect *c, const StoredTask *found) {
  bool to_sandbox = config_is_sandbox(&c->session->config);
  return found->sandbox && c->mode == (to_sandbox ? MODE_REFRESH : MODE_AUTO);
}

/* Looks an id up in the store, deriving it if needed. SQLITE_ROW: that is the outcome;
** SQLITE_DONE: nothing final is stored, or it is outdated. In mode 'cache', for an id the
** API cannot know, and where the body is not even an answer, what is stored is the outcome
** although it is not final. */
static int stored_outcome(Collect *c, const char *id, Outcome *out, Error *error) {
  Session *s = c->session;
  StoredTask *found = &c->found;
  int rc = store_find(s->store, id, found, error);
  if (rc == SQLITE_ROW && is_task_id(id) && is_outdated(c, found))
    return SQLITE_DONE;
  if (rc == SQLITE_ROW && !found->parsed) {
    Side side = found->side;
    if (keep_derive(s, &side, id, error) != SQLITE_OK)
      return error->rc;
    rc = store_find(s->store, id, found, error);
  }
  if (rc != SQLITE_ROW)
    return rc;
  out->state = collect_state(found->state);
  if (!state_is_final(out->state) && found->code && c->mode != MODE_CACHE &&
      is_task_id(id))
    return SQLITE_DONE;
  out->id = found->id;
  out->code = found->code;
  out->message = found->message;
  out->source = "store";
  out->stored = true;
  out->side = found->side;
  return SQLITE_ROW;
}

static int wait_for(Collect *c, Job *job, Error *error) {
  Wait *wait = sqlite3_malloc64(sizeof(*wait));
  if (wait == NULL)
    return error_nomem(error);
  wait->job = job;
  wait->collect = c;
  wait->next_of_job = job->waits;
  job->waits = wait;
  job->n_user++;
  list_add(&c->waiting, wait);
  return SQLITE_DONE;
}

/* Deals with one id: SQLITE_ROW with its outcome, or SQLITE_DONE if it has to be waited
** for. */
static int look_at(Collect *c, const char *id, Outcome *out, Error *error) {
  Session *s = c->session;
  Job *job = job_find(s, id);
  int rc;
  if (job && job->phase == JOB_DONE) {
    job->n_user++;
    return job_outcome(c, job, out, error);
  }
  if (job)
    return wait_for(c, job, error);
  /* The sandbox refreshes what is its own, and nothing else. */
  if (c->mode != MODE_REFRESH || config_is_sandbox(&s->config)) {
    rc = stored_outcome(c, id, out, error);
    if (rc != SQLITE_DONE)
      return rc;
  }
  if (c->mode == MODE_CACHE)
    return unasked_outcome(
        c, id, STATE_ABSENT, 0,
        s->offline ? "not stored, and the network is switched off for this connection"
                   : "not stored",
        out, error);
  if (!is_task_id(id))
    return unasked_outcome(c, id, STATE_ABSENT, 0,
                           "not stored, and no task id (8-4-4-4-12 hexadecimal digits)",
                           out, error);
  if (s->refused)
    return unasked_outcome(c, id, STATE_REFUSED, s->refused_code, s->refused_message,
                           out, error);
  job = job_new(s, id, error);
  if (job == NULL)
    return error->rc;
  job->refresh = c->mode == MODE_REFRESH;
  if (wait_for(c, job, error) == SQLITE_DONE)
    fetch_pump(s, 0, error);
  return error->rc == SQLITE_OK ? SQLITE_DONE : error->rc;
}

int collect_tick(Collect *c, Error *error) {
  Session *s = c->session;
  double now;
  if (c->waiting.first == NULL || (now = http_now()) - s->last_pump < TICK)
    return SQLITE_OK;
  progress_show(&c->progress, now);
  return fetch_pump(s, 0, error);
}

/* Waits for the next outcome, looking at ids and driving requests meanwhile. */
static int wait_for_outcome(Collect *c, Outcome *out, Error *error) {
  Session *s = c->session;
  for (;;) {
    Wait *wait = c->done.first;
    if (wait) {
      Job *job = wait->job;
      list_remove(&c->done, wait);
      sqlite3_free(wait);
      return job_outcome(c, job, out, error);
    }
    while (c->i_next < c->n_id && fetch_wanted(s) > 0) {
      char *id = c->ids[c->i_next++];
      int rc = look_at(c, id, out, error);
      sqlite3_free(id);
      if (rc != SQLITE_DONE)
        return rc;
    }
    if (c->done.first)
      continue;
    if (c->waiting.first == NULL && c->i_next == c->n_id)
      return SQLITE_DONE;
    if (session_interrupted(s))
      return error_set(error, SQLITE_INTERRUPT, "interrupted");
    progress_show(&c->progress, http_now());
    if (fetch_pump(s, WAIT_MS, error) != SQLITE_OK)
      return error->rc;
  }
}

int collect_next(Collect *c, Outcome *out, Error *error) {
  int rc;
  if (!c->begun)
    progress_begin(&c->progress, "", c->n_id, &c->session->config, http_now());
  c->begun = true;
  release_outcome(c);
  memset(out, 0, sizeof(*out));
  rc = wait_for_outcome(c, out, error);
  if (rc == SQLITE_ROW) {
    c->progress.done++;
    c->progress.n_stored += out->source && out->source[0] == 's';
    c->progress.n_failed += out->state != STATE_READY && out->state != STATE_EMPTY;
  } else {
    progress_end(&c->progress);
  }
  return rc;
}

Answer *collect_ready(Session *s, Error *error) {
  bool ignored; /* Asking changes nothing over there */
  Answer *answer =
      fetch_call(s, "/v3/serp/naver/organic/tasks_ready", NULL, &ignored, error);
  AnswerPost part;
  int i;
  if (answer && answer->state != STATE_READY)
    fetch_call_error(answer, "", error);
  for (i = 0; answer && answer->state == STATE_READY && answer_post(answer, i, &part);
       i++) {
    if (part.code && part.code != STATUS_OK) { /* The call's own entry, not a task */
      Answer refusal = {
          .state = part.state, .code = part.code, .message = part.message};
      fetch_call_error(&refusal, "", error);
    }
  }
  if (error->rc != SQLITE_OK) {
    answer_free(answer);
    answer = NULL;
  }
  return answer;
}
