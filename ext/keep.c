/*
** What goes into the store, and where it goes when it cannot be written.
**
** A fetched answer is never thrown away because of the store: what SIDE_MAIN does not
** take (read-only file, query_only, disk full, lock held, a snapshot that is too old)
** goes to temp and is served from there.
*/
#include <string.h>
#include "progress.h"
#include "session.h"

#define DERIVE_BATCH                                                                   \
  100 /* Answers derived in one commit: bounds the lost work of a                      \
      ** crash, and amortises the sync to disk */

/* True if the next write to SIDE_MAIN would fail like this one. */
static bool lasts(int rc) {
  switch (rc & 0xff) {
  case SQLITE_READONLY:
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
  case SQLITE_FULL:
  case SQLITE_IOERR:
  case SQLITE_CANTOPEN:
  case SQLITE_PERM:
  case SQLITE_AUTH:
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return true;
  default:
    return false;
  }
}

/* True if trying temp instead makes sense. */
static bool temp_can_help(int rc) {
  return rc != SQLITE_OK && (rc & 0xff) != SQLITE_NOMEM &&
         (rc & 0xff) != SQLITE_INTERRUPT;
}

/* Writes what is derived from an answer. Its body, or the mark on it, has to follow. */
static int write_derived(Session *s, Side side, const char *id, Answer *answer,
                         Error *error) {
  Cell items[ITEM_NCOL];
  Cell task[TASK_NCOL];
  int i;
  store_put_start(s->store, side, id, error);
  for (i = 0; i < answer->n_result && error->rc == SQLITE_OK; i++) {
    answer_first_item(answer, i);
    while (answer_next_item(answer, items, error) == SQLITE_ROW) {
      if (store_put_item(s->store, side, items, error) != SQLITE_OK)
        return error->rc;
    }
    if (error->rc == SQLITE_OK && answer_task(answer, i, task, error) == SQLITE_OK)
      store_put_task(s->store, side, id, task, error);
  }
  return error->rc;
}

/* Writes an answer with its body. */
static int write_answer(Session *s, Side side, const char *id, Answer *answer,
                        const char *body, size_t n, const char *origin, Error *error) {
  if (write_derived(s, side, id, answer, error) == SQLITE_OK)
    store_put_body(s->store, side, id, body, n, origin, error);
  return error->rc;
}

/* Writes one fetched answer, between store_begin() and store_end(). */
static int write_arrival(Session *s, Side side, const Arrival *a, Error *error) {
  char *origin = http_origin(s->config.base_url);
  if (origin == NULL)
    return error_nomem(error);
  write_answer(s, side, a->job->id, a->answer, a->reply.body, a->reply.n_body, origin,
               error);
  sqlite3_free(origin);
  return error->rc;
}

/* Writes arrivals [0, n) that are to be kept in one commit. */
static int write_batch(Session *s, Side side, Arrival *a, int n, Error *error) {
  int i;
  if (store_begin(s->store, side, error) != SQLITE_OK)
    return error->rc;
  for (i = 0; i < n && error->rc == SQLITE_OK; i++) {
    if (a[i].keep)
      write_arrival(s, side, &a[i], error);
  }
  store_end(s->store, side, error->rc == SQLITE_OK, error);
  for (i = 0; i < n && error->rc == SQLITE_OK; i++) {
    if (a[i].keep) {
      a[i].job->stored = true;
      a[i].job->side = side;
    }
  }
  return error->rc;
}

/* One answer, to wherever it can go. */
static int write_alone(Session *s, Arrival *a, Error *error) {
  Error first = {SQLITE_OK, NULL};
  if (!s->main_unwritable && write_batch(s, SIDE_MAIN, a, 1, &first) == SQLITE_OK)
    return SQLITE_OK;
  if (first.rc == SQLITE_OK || temp_can_help(first.rc)) {
    s->main_unwritable = s->main_unwritable || lasts(first.rc);
    error_clear(&first);
    if (write_batch(s, SIDE_TEMP, a, 1, &first) == SQLITE_OK)
      return SQLITE_OK;
  }
  if (temp_can_help(first.rc)) {
    job_finish(s, a->job, STATE_UNREACHABLE, 0, first.text, error);
  } else {
    *error = first;
  }
  return error->rc;
}

int keep_arrivals(Session *s, Arrival *a, int n, Error *error) {
  Error first = {SQLITE_OK, NULL};
  int n_keep = 0;
  int i;
  for (i = 0; i < n; i++)
    n_keep += a[i].keep;
  if (n_keep == 0)
    return SQLITE_OK;
  if (!s->main_unwritable) {
    if (write_batch(s, SIDE_MAIN, a, n, &first) == SQLITE_OK)
      return SQLITE_OK;
    if (!temp_can_help(first.rc)) {
      *error = first;
      return error->rc;
    }
    s->main_unwritable = lasts(first.rc);
    error_clear(&first);
  }
  if (s->main_unwritable && write_batch(s, SIDE_TEMP, a, n, &first) == SQLITE_OK)
    return SQLITE_OK;
  error_clear(&first);
  for (i = 0; i < n && error->rc == SQLITE_OK; i++) {
    if (a[i].keep)
      write_alone(s, &a[i], error);
  }
  return error->rc;
}

/* Parses a stored body, which stays open until close_stored(). */
static Answer *read_stored(Session *s, Side side, const char *id, Error *error) {
  Answer *answer = NULL;
  const char *body;
  size_t n;
  int rc = store_body(s->store, side, id, &body, &n, error);
  if (rc == SQLITE_ROW) {
    answer = answer_parse(s->reader, body, n, 200, error);
    if (answer == NULL)
      store_body_done(s->store, side);
  } else if (rc == SQLITE_DONE) {
    error_set(error, SQLITE_ERROR, "task %s vanished from the store", id);
  }
  return answer;
}

static void close_stored(Session *s, Side side, Answer *answer) {
  if (answer) {
    answer_free(answer);
    store_body_done(s->store, side);
  }
}

/* Derives into temp what SIDE_MAIN cannot hold, for the length of the statement. */
static int derive_to_temp(Session *s, const char *id, Error *error) {
  Answer *answer = read_stored(s, SIDE_MAIN, id, error);
  if (answer && store_begin(s->store, SIDE_TEMP, error) == SQLITE_OK) {
    if (write_answer(s, SIDE_TEMP, id, answer, "", 0, NULL, error) == SQLITE_OK)
      store_copy_origin(s->store, id, error);
    store_end(s->store, SIDE_TEMP, error->rc == SQLITE_OK, error);
  }
  close_stored(s, SIDE_MAIN, answer);
  return error->rc;
}

/* Derives in place, between store_begin() and store_end(). */
static int derive_in_place(Session *s, Side side, const char *id, Error *error) {
  Answer *answer = read_stored(s, side, id, error);
  if (answer && write_derived(s, side, id, answer, error) == SQLITE_OK)
    store_put_parsed(s->store, side, id, error);
  close_stored(s, side, answer);
  return error->rc;
}

int keep_derive(Session *s, Side *side, const char *id, Error *error) {
  Error first = {SQLITE_OK, NULL};
  if (*side == SIDE_TEMP || !s->main_unwritable) {
    if (store_begin(s->store, *side, &first) == SQLITE_OK) {
      derive_in_place(s, *side, id, &first);
      store_end(s->store, *side, first.rc == SQLITE_OK, &first);
    }
    if (first.rc == SQLITE_OK)
      return SQLITE_OK;
    if (*side == SIDE_TEMP || !temp_can_help(first.rc)) {
      *error = first;
      return error->rc;
    }
    s->main_unwritable = lasts(first.rc);
    error_clear(&first);
  }
  *side = SIDE_TEMP;
  return derive_to_temp(s, id, error);
}

/* Derives up to DERIVE_BATCH bodies of SIDE_MAIN behind *after in one commit. *after
** moves on only if they are committed. Returns SQLITE_DONE when none is left. */
static int derive_batch(Session *s, char **after, Progress *progress, Error *error) {
  char *last = NULL;
  int i = 0;
  if (store_begin(s->store, SIDE_MAIN, error) != SQLITE_OK)
    return error->rc;
  while (i < DERIVE_BATCH && error->rc == SQLITE_OK) {
    char *id = store_next_unparsed(s->store, SIDE_MAIN, last ? last : *after, error);
    if (id == NULL)
      break;
    sqlite3_free(last);
    last = id;
    derive_in_place(s, SIDE_MAIN, id, error);
    progress->done++;
    progress_show(progress, http_now());
    i++;
  }
  store_end(s->store, SIDE_MAIN, error->rc == SQLITE_OK, error);
  if (error->rc == SQLITE_OK && last) {
    sqlite3_free(*after);
    *after = last;
  } else {
    progress->done -= i;
    sqlite3_free(last);
  }
  return error->rc != SQLITE_OK ? error->rc
         : i < DERIVE_BATCH     ? SQLITE_DONE
                                : SQLITE_OK;
}

/* Derives what is left one by one, to wherever its rows can go. */
static int derive_singly(Session *s, char **after, Progress *progress, Error *error) {
  while (error->rc == SQLITE_OK) {
    StoredTask found;
    Side side = SIDE_MAIN;
    char *id = store_next_unparsed(s->store, SIDE_MAIN, *after, error);
    if (id == NULL)
      break;
    sqlite3_free(*after);
    *after = id;
    if (store_find(s->store, id, &found, error) == SQLITE_ROW && !found.parsed)
      keep_derive(s, &side, id, error);
    progress->done++;
    progress_show(progress, http_now());
    if (error->rc == SQLITE_OK && session_interrupted(s))
      error_set(error, SQLITE_INTERRUPT, "interrupted");
  }
  return error->rc;
}

int collect_derive_all(Session *s, Error *error) {
  Error first = {SQLITE_OK, NULL};
  Progress progress;
  char *after = NULL;
  int n = store_count_unparsed(s->store, SIDE_MAIN, error);
  int rc = n ? SQLITE_OK : SQLITE_DONE;
  if (n == 0)
    return error->rc;
  progress_begin(&progress, "parsed ", n, &s->config, http_now());
  while (rc == SQLITE_OK && !s->main_unwritable)
    rc = derive_batch(s, &after, &progress, &first);
  if (rc != SQLITE_OK && rc != SQLITE_DONE && !temp_can_help(first.rc)) {
    *error = first;
  } else if (rc != SQLITE_DONE) {
    s->main_unwritable = s->main_unwritable || lasts(first.rc);
    error_clear(&first);
    derive_singly(s, &after, &progress, error);
  }
  progress_end(&progress);
  sqlite3_free(after);
  return error->rc;
}

bool keep_must_stay(Session *s, const char *id, const Answer *answer, Error *error) {
  StoredTask found;
  if (answer->state == STATE_READY ||
      store_find(s->store, id, &found, error) != SQLITE_ROW)
    return false;
  if (!found.parsed) {
    Side side = found.side;
    if (keep_derive(s, &side, id, error) != SQLITE_OK ||
        store_find(s->store, id, &found, error) != SQLITE_ROW)
      return false;
  }
  return !found.sandbox && strcmp(found.state, state_name(STATE_READY)) == 0;
}

int collect_import(Session *s, const char *body, size_t n, char **id, Error *error) {
  Answer *answer = answer_parse(s->reader, body, n, 200, error);
  *id = NULL;
  if (answer == NULL)
    return error->rc;
  if (!answer->is_final)
    error_set(error, SQLITE_ERROR,
              "%s%s%s%s (%s): not a final answer, nothing was stored",
              answer->id ? "task " : "", answer->id ? answer->id : "",
              answer->id ? ": " : "", answer->message, state_name(answer->state));
  else if (answer->id == NULL)
    error_set(
        error, SQLITE_ERROR,
        "the answer names no task (tasks[0].id); store it under an id of your own "
        "with INSERT INTO naver_serp_cache(id, body)");
  else if (keep_must_stay(s, answer->id, answer, error))
    error_set(
        error, SQLITE_ERROR,
        "task %s: an answer with rows is stored, and this one is '%s': nothing was "
        "changed; DELETE it from naver_serp_cache first to replace it",
        answer->id, state_name(answer->state));
  if (error->rc == SQLITE_OK && store_begin(s->store, SIDE_MAIN, error) == SQLITE_OK) {
    write_answer(s, SIDE_MAIN, answer->id, answer, body, n, NULL, error);
    store_end(s->store, SIDE_MAIN, error->rc == SQLITE_OK, error);
  }
  if (error->rc == SQLITE_OK && (*id = sqlite3_mprintf("%s", answer->id)) == NULL)
    error_nomem(error);
  answer_free(answer);
  return error->rc;
}
