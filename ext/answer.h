/*
** An answer of the API, read once: bytes in, states and cells out.
**
** This is the only room that knows JSON (through cJSON) and the API's status codes. It
** knows neither the network nor the store.
**
** Before cJSON sees a body, scan.c checks it against RFC 8259 and rewrites in a copy
** what cJSON would lose; see scan.h for each decision.
*/
#ifndef NAVER_SERP_ANSWER_H
#define NAVER_SERP_ANSWER_H

#include <stdbool.h>
#include "columns.h"
#include "error.h"

typedef enum TaskState {
  STATE_READY,       /* 20000 with at least one item */
  STATE_EMPTY,       /* 40102, or 20000 without an item: Naver found nothing */
  STATE_PENDING,     /* 20100, 40601, 40602: in the queue, not "not ranked" */
  STATE_GONE,        /* 40401, 40403-40408, 40000-40005: never asked again */
  STATE_FAILED,      /* 40101, 40103: post the keyword again */
  STATE_REFUSED,     /* Credentials or money must mend it */
  STATE_UNREACHABLE, /* No usable answer: transport, server side, not an answer */
  STATE_ABSENT       /* Not stored, and the network was not to be asked */
} TaskState;

/* The state's name as the SQL surface shows it: "ready", "empty", ... */
const char *state_name(TaskState);

/* True for the states that can never change for an id and are therefore stored:
** ready, empty, gone, failed. */
bool state_is_final(TaskState);

typedef struct Answer {
  TaskState state;
  int code;            /* The status code that decided, 0 where the body has none */
  const char *message; /* Its text, or why the body is no answer; never NULL; owned */
  const char *id;      /* tasks[0].id, or NULL; owned */
  bool is_final;  /* The body itself says that this cannot change any more: the answer
                       ** may be stored */
  bool ask_again; /* Asking again soon can help: 40202, 40209, 5xxxx, HTTP 429 and
                       ** 5xx, or a body that is not a whole answer */
  int n_task;     /* Elements of `tasks`: 1 in every good answer */
  int n_result;   /* Rows of naver_serp_task it makes: at least 1 */
  void *priv;     /* The parsed document */
} Answer;

/* What reading needs again and again, kept from one answer to the next. Not shared
** between threads; it has to outlive its answers. */
typedef struct AnswerReader AnswerReader;

AnswerReader *answer_reader_new(Error *);
void answer_reader_free(AnswerReader *);

/* Reads a body. http_status is the status it came with, 200 for one from the store.
** Always gives an Answer unless memory runs out (NULL, error set): a body that is not
** an answer is one whose state is STATE_UNREACHABLE, or what http_status alone says
** (401, 402: refused), with a message that says what is wrong and at
** which byte. The body must stay as it is until answer_free(). */
Answer *answer_parse(AnswerReader *, const char *body, size_t n_body, int http_status,
                     Error *);

/* Frees the answer and everything its cells point to. NULL is allowed. */
void answer_free(Answer *);

/* Fills cells[TASK_NCOL] for result number iResult (0 .. n_result-1). TASK_source,
** TASK_fetched_at and TASK_origin are CELL_NULL: they are the caller's to know.
** TASK_id is tasks[0].id; TASK_state, _status_code and _status_message repeat the
** members of Answer (for result 1 and up too). The cells stay valid until the next
** answer_task() or answer_next_item() or answer_free() on this answer. */
int answer_task(Answer *, int iResult, Cell *cells, Error *);

/* Starts over with the items of result number iResult; returns how many there are: 0
** in every state but ready. */
int answer_first_item(Answer *, int iResult);

/* Fills cells[ITEM_NCOL] with the next item, in the order of the answer. Returns
** SQLITE_ROW, SQLITE_DONE after the last, or SQLITE_NOMEM with the error set. The
** cells stay valid until the next answer_task() or answer_next_item() or
** answer_free() on this answer.
**   - A member named like a column goes there: string -> CELL_TEXT, number ->
**     CELL_INTEGER if its literal has neither fraction nor exponent (CELL_TEXT if it does
**     not fit 64 bits), else CELL_REAL; true/false -> CELL_INTEGER 1/0; null ->
**     CELL_NULL; object or array -> CELL_JSON with its compact text, in any column.
**   - Any other member, a repeated one after its first, and one named "unmapped" goes
**     into the object in ITEM_unmapped; CELL_NULL where there is none.
**   - An item that is no object: every cell NULL, and ITEM_unmapped holds the value
**     itself (a null item: the JSON text null as CELL_JSON; a string: its JSON text).
 */
int answer_next_item(Answer *, Cell *cells, Error *);

/* Reads the answer of another call, tasks_ready or task_post: STATE_READY if the call as
** such went well (20000 at the top), whatever its tasks say; else as answer_parse(). */
Answer *answer_parse_call(AnswerReader *, const char *body, size_t n_body,
                          int http_status, Error *);

/* Fills cells[READY_NCOL] with the next object of any tasks[].result[]. SQLITE_ROW,
** SQLITE_DONE, or SQLITE_NOMEM with the error set. Cells as in answer_next_item(). */
int answer_next_ready(Answer *, Cell *cells, Error *);

/* Starts over with the first of them. */
void answer_first_ready(Answer *);

/* What task_post says of one task. */
typedef struct AnswerPost {
  const char *id;      /* Of the task, or NULL; valid as long as the answer */
  TaskState state;     /* STATE_PENDING: created; STATE_REFUSED, STATE_FAILED: certainly
                       ** not; STATE_UNREACHABLE: nobody knows */
  int code;            /* Its status_code, 0 if there is none */
  const char *message; /* Never NULL */
  double cost;         /* USD */
} AnswerPost;

/* Reads tasks[i]; false if there is none. */
bool answer_post(const Answer *, int i, AnswerPost *);

/* cJSON's version at run time, such as "1.7.15". */
const char *answer_json_version(void);

#endif
