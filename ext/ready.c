/*
** naver_serp_ready: the finished tasks of the account that were not collected yet.
**
**   SELECT id, tag, date_posted FROM naver_serp_ready;
**   SELECT s.* FROM naver_serp s WHERE s.id IN (SELECT id FROM naver_serp_ready);
**
** Virtual schema: READY_COLUMNS in columns.h. A cursor makes one call of tasks_ready, which
** the API allows 20 times a minute and which gives at most 1000 tasks of the last 3 days
** (so a correlated subquery makes one for each of its rows: use a join or IN);
** collecting a task takes it off that list. Nothing is stored, there are no parameters
** and no constraint is pushed down: the call has none.
**
** Eponymous (no CREATE VIRTUAL TABLE), read-only, and not usable from the views and
** triggers of a file (SQLITE_VTAB_DIRECTONLY): a query reaches the network.
*/
#include <string.h>
#include "ready.h"
#include "vtab.h"

/* One call, whatever is asked; SQLite had better not make it once per row of a join. */
#define COST_CALL 1000000.0
#define ROWS_CALL 1000

typedef struct ReadyCursor {
  sqlite3_vtab_cursor base;
  Answer *answer;         /* What the call gave, NULL before the first xFilter */
  Cell cells[READY_NCOL]; /* The current row, borrowed from the answer */
  sqlite3_int64 rowid;    /* Its place, from 1 */
  bool eof;
} ReadyCursor;

static int xConnect(sqlite3 *db, void *session, int argc, const char *const *argv,
                    sqlite3_vtab **vtab, char **message) {
  (void)argc;
  return vtab_connect(db, session, "naver_serp_ready", argv, message, ready_columns,
                      READY_NCOL, sizeof(Vtab), vtab);
}

/* The plan contract: there is one plan, without arguments. */
static int xBestIndex(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  (void)vtab;
  info->estimatedCost = COST_CALL;
  info->estimatedRows = ROWS_CALL;
  info->idxStr = (char *)"one call of tasks_ready";
  return SQLITE_OK;
}

static int xOpen(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
  return vtab_open(vtab, sizeof(ReadyCursor), out);
}

static int xClose(sqlite3_vtab_cursor *base) {
  answer_free(((ReadyCursor *)base)->answer);
  return vtab_close(base);
}

static int xNext(sqlite3_vtab_cursor *base) {
  ReadyCursor *cur = (ReadyCursor *)base;
  Error error = {SQLITE_OK, NULL};
  int rc = answer_next_ready(cur->answer, cur->cells, &error);
  cur->rowid++;
  cur->eof = rc != SQLITE_ROW;
  return vtab_result(base->pVtab, &error);
}

static int xFilter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                   sqlite3_value **argv) {
  ReadyCursor *cur = (ReadyCursor *)base;
  Error error = {SQLITE_OK, NULL};
  (void)plan, (void)text, (void)argc, (void)argv;
  cur->rowid = 0;
  cur->eof = true;
  if (cur->answer) /* The inner loop of a join: the same statement asks once */
    answer_first_ready(cur->answer);
  else
    cur->answer = collect_ready(((Vtab *)base->pVtab)->session, &error);
  return cur->answer ? xNext(base) : vtab_result(base->pVtab, &error);
}

static int xEof(sqlite3_vtab_cursor *base) {
  return ((ReadyCursor *)base)->eof;
}

/* All columns are TEXT: a number, which the API does not send, becomes its text. */
static int xColumn(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int k) {
  const Cell *cell = &((ReadyCursor *)base)->cells[k];
  char digits[32];
  switch (cell->kind) {
  case CELL_NULL:
    break;
  case CELL_INTEGER:
    sqlite3_snprintf(sizeof(digits), digits, "%lld", cell->i);
    sqlite3_result_text(ctx, digits, -1, SQLITE_TRANSIENT);
    break;
  case CELL_REAL:
    sqlite3_snprintf(sizeof(digits), digits, "%!.15g", cell->r);
    sqlite3_result_text(ctx, digits, -1, SQLITE_TRANSIENT);
    break;
  case CELL_TEXT:
  case CELL_JSON:
    sqlite3_result_text64(ctx, cell->z, cell->n, SQLITE_TRANSIENT, SQLITE_UTF8);
    if (cell->kind == CELL_JSON)
      sqlite3_result_subtype(ctx, JSON_SUBTYPE);
    break;
  }
  return SQLITE_OK;
}

static int xRowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((ReadyCursor *)base)->rowid;
  return SQLITE_OK;
}

int ready_register(Session *session, Error *error) {
  static const sqlite3_module module = {
      .iVersion = 0,
      .xCreate = NULL, /* Eponymous only */
      .xConnect = xConnect,
      .xBestIndex = xBestIndex,
      .xDisconnect = vtab_disconnect,
      .xDestroy = vtab_disconnect,
      .xOpen = xOpen,
      .xClose = xClose,
      .xFilter = xFilter,
      .xNext = xNext,
      .xEof = xEof,
      .xColumn = xColumn,
      .xRowid = xRowid,
  };
  return vtab_register(session, "naver_serp_ready", &module, error);
}
