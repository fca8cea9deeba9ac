/*
** Tasks that gave no rows, counted while a query goes on, and the one error that tells
** of them at its end.
*/
#ifndef NAVER_SERP_TALLY_H
#define NAVER_SERP_TALLY_H

#include "collect.h"

#define TALLY_NAMED 3 /* Ids named in the error; the rest is counted */

typedef struct Tally {
  int n_asked; /* Tasks looked at, good ones included; 0: all that are stored */
  int n[STATE_ABSENT + 1];  /* Tasks without rows, by state */
  char *named[TALLY_NAMED]; /* "id: code message", from sqlite3_malloc() */
  int n_named;
  char *only; /* The whole error if it stays the only one */
} Tally;

/* Counts a task that gave no rows. */
int tally_add(Tally *, const Outcome *, Error *);

/* The error for what was counted; SQLITE_OK if nothing was. */
int tally_error(Tally *, Error *);

void tally_clear(Tally *);

/* "40602 Task In Queue", or the message alone where there is no code, from
** sqlite3_malloc(). The full stop of the API's texts goes, since more follows. */
char *code_and_message(int code, const char *message);

/* What a person can do about a state the API told of: "ask again later, or set
** wait_seconds". */
const char *state_hint(TaskState, int code);

#endif
