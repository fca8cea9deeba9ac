/*
** The error at the end of a query; see tally.h.
*/
#include <string.h>
#include "tally.h"

#define CODE_NO_PATH      40400
#define CODE_INVALID_PATH 40402
#define CODE_EXPIRED      40403 /* Asked for after their 30 days */
#define CODE_NOT_VERIFIED 40104

/* An HTTP status stands in for the code where a body has none. */
static const char *refused_hint(int code) {
  if (code / 100 == 402 || code == 402)
    return "look into your DataForSEO account, then ask again";
  if (code == CODE_NOT_VERIFIED)
    return "verify the account at app.dataforseo.com, then ask again";
  if (code)
    return "the API refused DATAFORSEO_LOGIN and DATAFORSEO_PASSWORD: set them as "
           "app.dataforseo.com/api-access shows them";
  return "set DATAFORSEO_LOGIN and DATAFORSEO_PASSWORD in the environment as "
         "app.dataforseo.com/api-access shows them";
}

const char *state_hint(TaskState state, int code) {
  switch (state) {
  case STATE_PENDING:
    return "ask again later, or set wait_seconds";
  case STATE_GONE:
    return code == CODE_EXPIRED ? "answers are kept for 30 days: post the keyword again"
                                : "check the id, or post the keyword again";
  case STATE_FAILED:
    return "post the keyword again";
  case STATE_REFUSED:
    return refused_hint(code);
  case STATE_UNREACHABLE:
    return code == CODE_NO_PATH || code == CODE_INVALID_PATH
               ? "check the setting base_url: it ends before /v3"
               : "try again later";
  case STATE_ABSENT:
    return "check the id; mode 'auto' fetches a task that is not stored";
  case STATE_READY:
  case STATE_EMPTY:
    break;
  }
  return "";
}

/* What is stored although it is no answer was put in by hand. */
static const char *outcome_hint(const Outcome *out) {
  bool from_store = out->source && strcmp(out->source, "store") == 0;
  if (from_store && out->state == STATE_UNREACHABLE)
    return "replace the body that was put in by hand";
  if (from_store && out->state == STATE_GONE && out->code != CODE_EXPIRED)
    return "post the keyword again; mode 'refresh' asks for this one once more";
  if (out->state == STATE_ABSENT && !out->fetchable)
    return "check the id";
  return state_hint(out->state, out->code);
}

char *code_and_message(int code, const char *message) {
  int n = (int)strlen(message);
  if (n > 0 && message[n - 1] == '.')
    n--;
  return code ? sqlite3_mprintf("%d %.*s", code, n, message)
              : sqlite3_mprintf("%.*s", n, message);
}

int tally_add(Tally *tally, const Outcome *out, Error *error) {
  char *what;
  tally->n[out->state]++;
  if (tally->n_named == TALLY_NAMED)
    return SQLITE_OK;
  what = code_and_message(out->code, out->message);
  if (what == NULL)
    return error_nomem(error);
  tally->named[tally->n_named] = sqlite3_mprintf("%s: %s", out->id, what);
  if (tally->n_named == 0)
    tally->only = sqlite3_mprintf("task %s: %s (%s): %s", out->id, what,
                                  state_name(out->state), outcome_hint(out));
  sqlite3_free(what);
  tally->n_named++;
  if (tally->named[tally->n_named - 1] == NULL || tally->only == NULL)
    return error_nomem(error);
  return SQLITE_OK;
}

int tally_error(Tally *tally, Error *error) {
  sqlite3_str *out;
  const char *separator = ": ";
  char *text;
  int total = 0;
  int i;
  for (i = 0; i <= STATE_ABSENT; i++)
    total += tally->n[i];
  if (total == 0)
    return SQLITE_OK;
  if (total == 1)
    return error_set(error, SQLITE_ERROR, "%s", tally->only);
  out = sqlite3_str_new(NULL);
  if (tally->n_asked)
    sqlite3_str_appendf(out, "%d of %d tasks gave no rows", total, tally->n_asked);
  else
    sqlite3_str_appendf(out, "%d stored tasks gave no rows", total);
  for (i = 0; i <= STATE_ABSENT; i++) {
    if (tally->n[i]) {
      sqlite3_str_appendf(out, "%s%d %s", separator, tally->n[i],
                          state_name((TaskState)i));
      separator = ", ";
    }
  }
  for (i = 0; i < tally->n_named; i++)
    sqlite3_str_appendf(out, "; %s", tally->named[i]);
  if (total > tally->n_named)
    sqlite3_str_appendf(out, "; and %d more", total - tally->n_named);
  sqlite3_str_appendall(out,
                        " (naver_serp_task shows each; on_error 'skip' leaves them "
                        "out)");
  text = sqlite3_str_finish(out);
  if (text == NULL)
    return error_nomem(error);
  error_set(error, SQLITE_ERROR, "%s", text);
  sqlite3_free(text);
  return error->rc;
}

void tally_clear(Tally *tally) {
  int i;
  for (i = 0; i < tally->n_named; i++)
    sqlite3_free(tally->named[i]);
  sqlite3_free(tally->only);
  memset(tally, 0, sizeof(*tally));
}
