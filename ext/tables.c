/*
** naver_serp(id [, mode [, on_error]]): one row per SERP item.
** naver_serp_task(id [, mode]): one row per task, whatever became of it.
**
**   SELECT type, rank_absolute FROM naver_serp('03171324-...') WHERE type = 'paid';
**   SELECT id, state FROM naver_serp_task WHERE id IN (SELECT id FROM t);
**
** Both are eponymous: no CREATE VIRTUAL TABLE, no xCreate. Rows come from a prepared
** SELECT over the stored tables that the cursor steps; nothing here parses JSON or
** talks to the network. A task that is not stored is a row of naver_serp_task made of
** what collect.h says of it.
**
** Neither table can be written, and neither works from the views and triggers of a file
** (SQLITE_VTAB_DIRECTONLY): a query can fetch.
*/
#include <stdlib.h>
#include <string.h>
#include "plan.h"
#include "tables.h"
#include "tally.h"
#include "vtab.h"

#define MAX_INTEGER          9223372036854775808.0 /* 2^63 */
#define FIRST_UNSTORED_ROWID ((sqlite3_int64)1 << 62)

/* ---- The two tables ------------------------------------------------------------- */

#define MAX_COLUMN 64 /* Both tables have fewer */
#define COUNT(a)   ((int)(sizeof(a) / sizeof((a)[0])))

static const TableKind aKind[] = {
    {"naver_serp", serp_columns, SERP_NCOL, true, SERP_id, SERP_id, SERP_mode,
     SERP_on_error},
    {"naver_serp_task", tasks_columns, TASKS_NCOL, false, TASKS_task_id, TASK_id,
     TASKS_mode, -1},
};

typedef struct Table {
  Vtab vtab;
  const TableKind *kind;
} Table;

typedef struct Cursor {
  sqlite3_vtab_cursor base;
  char *plan;             /* idxStr the statements below were made for */
  RowQuery query;         /* ... and what it means */
  int shape;              /* store_shape() when they were made */
  int made_for[MAX_TERM]; /* Values of each term there, -1 for one that is not used */
  /* SELECTs over the store, prepared when needed: of the side where a task is; that of
  ** everything stored is in stmt[SIDE_MAIN] */
  sqlite3_stmt *stmt[N_SIDE];
  int map[MAX_COLUMN]; /* Place of each column in them, or -1 */
  Collect *collect;    /* The ids asked for; NULL: everything stored */
  Mode mode;
  OnError on_error;
  Tally tally;       /* Tasks that gave no rows */
  Side side;         /* Whose statement gives the current row */
  bool stepping;     /* stmt[side] is in the middle of its rows */
  bool begun;        /* Everything stored: it was started */
  sqlite3_int64 odd; /* `odd` of the current row */
  bool eof;
  Outcome outcome; /* Of the current task, where ids were given */
  char *id;        /* Its id */
} Cursor;

static Table *table_of(Cursor *cur) {
  return (Table *)cur->base.pVtab;
}

static Session *session_of(Cursor *cur) {
  return table_of(cur)->vtab.session;
}

/* ---- Connecting ------------------------------------------------------------------ */

static int xConnect(sqlite3 *db, void *session, int argc, const char *const *argv,
                    sqlite3_vtab **vtab, char **message) {
  const TableKind *kind = &aKind[0];
  int rc;
  (void)argc;
  while (strcmp(kind->name, argv[0])) /* The module's name */
    kind++;
  rc = vtab_connect(db, session, kind->name, argv, message, kind->columns,
                    kind->n_column, sizeof(Table), vtab);
  if (rc == SQLITE_OK)
    ((Table *)*vtab)->kind = kind;
  return rc;
}

static int xBestIndex(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  Table *table = (Table *)vtab;
  session_glance(table->vtab.session);
  return plan_best_index(table->kind, session_store(table->vtab.session), info);
}

/* ---- Cursor ---------------------------------------------------------------------- */

static int xOpen(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
  int rc = vtab_open(vtab, sizeof(Cursor), out);
  if (rc == SQLITE_OK)
    ((Cursor *)*out)->eof = true;
  return rc;
}

/* Makes the cursor ready for another xFilter; statements are kept for the same plan. */
static void rewind_cursor(Cursor *cur) {
  int i;
  for (i = 0; i < N_SIDE; i++)
    sqlite3_reset(cur->stmt[i]);
  collect_free(cur->collect);
  tally_clear(&cur->tally);
  sqlite3_free(cur->id);
  cur->collect = NULL;
  cur->id = NULL;
  plan_free_values(&cur->query);
  cur->stepping = cur->begun = false;
  cur->eof = true;
}

static void forget_statements(Cursor *cur) {
  int i;
  for (i = 0; i < N_SIDE; i++) {
    sqlite3_finalize(cur->stmt[i]);
    cur->stmt[i] = NULL;
  }
}

static void forget_plan(Cursor *cur) {
  forget_statements(cur);
  sqlite3_free(cur->plan);
  cur->plan = NULL;
}

static int xClose(sqlite3_vtab_cursor *base) {
  rewind_cursor((Cursor *)base);
  forget_plan((Cursor *)base);
  return vtab_close(base);
}

/* Starts the rows of one side: of the current task, or of all. */
static int start_rows(Cursor *cur, Side side, Error *error) {
  Store *store = session_store(session_of(cur));
  if (cur->stmt[side] == NULL && store_rows(store, side, &cur->query, cur->map,
                                            &cur->stmt[side], error) != SQLITE_OK)
    return error->rc;
  sqlite3_reset(cur->stmt[side]);
  if (cur->query.by_id)
    sqlite3_bind_text(cur->stmt[side], 1, cur->id, -1, SQLITE_STATIC);
  cur->side = side;
  cur->stepping = true;
  return SQLITE_OK;
}

/* The next row of the rows that were started: SQLITE_ROW or SQLITE_DONE. */
static int step_rows(Cursor *cur, Error *error) {
  sqlite3_stmt *stmt = cur->stmt[cur->side];
  int rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    cur->odd = sqlite3_column_int64(stmt, ROW_ODD);
    return rc;
  }
  cur->stepping = false;
  if (rc != SQLITE_DONE)
    return error_from_db(error, session_db(session_of(cur)), "store");
  sqlite3_reset(stmt);
  return rc;
}

/* The next task of the list. SQLITE_ROW: it is a row itself; SQLITE_OK: go on. */
static int next_task(Cursor *cur, Error *error) {
  bool items = table_of(cur)->kind->items;
  Outcome *out = &cur->outcome;
  int rc = collect_next(cur->collect, out, error);
  if (rc == SQLITE_DONE) {
    cur->eof = true;
    return cur->on_error == ON_ERROR_FAIL ? tally_error(&cur->tally, error) : SQLITE_OK;
  }
  if (rc != SQLITE_ROW)
    return rc;
  cur->tally.n_asked++;
  sqlite3_free(cur->id);
  cur->id = sqlite3_mprintf("%s", out->id);
  if (cur->id == NULL)
    return error_nomem(error);
  if (items && out->state != STATE_READY && out->state != STATE_EMPTY)
    return tally_add(&cur->tally, out, error);
  if (out->stored)
    return start_rows(cur, out->side, error);
  return items ? SQLITE_OK : SQLITE_ROW;
}

/* After everything stored was read: answers put in by hand that are none. */
static int finish_scan(Cursor *cur, Error *error) {
  Session *session = session_of(cur);
  Store *store = session_store(session);
  int side;
  cur->eof = true;
  if (!cur->query.items || cur->on_error == ON_ERROR_SKIP)
    return SQLITE_OK;
  for (side = 0; side < N_SIDE; side++) {
    StoredTask found;
    const char *after = NULL;
    while (store_next_unusable(store, (Side)side, after, &found, error) == SQLITE_ROW) {
      Outcome bad = {.id = found.id,
                     .state = collect_state(found.state),
                     .code = found.code,
                     .message = found.message,
                     .source = "store"};
      if (tally_add(&cur->tally, &bad, error) != SQLITE_OK)
        return error->rc;
      after = found.id;
    }
  }
  return error->rc == SQLITE_OK ? tally_error(&cur->tally, error) : error->rc;
}

/* Reading everything: its beginning or its end. */
static int scan(Cursor *cur, Error *error) {
  Store *store = session_store(session_of(cur));
  if (cur->begun || (!store_has(store, SIDE_MAIN) && !store_has(store, SIDE_TEMP)))
    return finish_scan(cur, error);
  cur->begun = true;
  return start_rows(cur, SIDE_MAIN, error);
}

/* Moves to the next row, from whichever task. */
static int advance(Cursor *cur, Error *error) {
  int rc = SQLITE_OK;
  while (error->rc == SQLITE_OK && !cur->eof) {
    if (cur->stepping)
      rc = step_rows(cur, error);
    else if (cur->collect)
      rc = next_task(cur, error);
    else
      rc = scan(cur, error);
    if (rc == SQLITE_ROW)
      return SQLITE_OK;
  }
  return error->rc;
}

static int xNext(sqlite3_vtab_cursor *base) {
  Cursor *cur = (Cursor *)base;
  Error error = {SQLITE_OK, NULL};
  if (cur->collect)
    collect_tick(cur->collect, &error);
  if (error.rc == SQLITE_OK)
    advance(cur, &error);
  return vtab_result(base->pVtab, &error);
}

static int xEof(sqlite3_vtab_cursor *base) {
  return ((Cursor *)base)->eof;
}

/* Adds one id to the list; NULL and bytes name no task. */
static int add_id(Cursor *cur, sqlite3_value *value, Error *error) {
  const char *id;
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL || type == SQLITE_BLOB)
    return SQLITE_OK;
  id = (const char *)sqlite3_value_text(value);
  return id ? collect_add(cur->collect, id, (size_t)sqlite3_value_bytes(value), error)
            : error_nomem(error);
}

static int add_ids(Cursor *cur, int plan, sqlite3_value *value, Error *error) {
  sqlite3_value *element;
  int rc;
  if (plan & PLAN_ID)
    return add_id(cur, value, error);
  for (rc = sqlite3_vtab_in_first(value, &element); rc == SQLITE_OK && element;
       rc = sqlite3_vtab_in_next(value, &element)) {
    if (add_id(cur, element, error) != SQLITE_OK)
      return error->rc;
  }
  if (rc != SQLITE_OK && rc != SQLITE_DONE)
    error_set(error, rc, "cannot read the list of ids");
  return error->rc;
}

/* Adopts a plan and its values; statements that were made for the same are kept. */
static int adopt_plan(Cursor *cur, int plan, const char *text, sqlite3_value **argv,
                      Error *error) {
  int i;
  if (cur->plan == NULL || strcmp(cur->plan, text)) {
    forget_plan(cur);
    cur->plan = sqlite3_mprintf("%s", text);
    if (cur->plan == NULL)
      return error_nomem(error);
    plan_read(table_of(cur)->kind, plan, cur->plan, &cur->query);
  }
  if (plan_take_values(session_db(session_of(cur)), &cur->query, argv, error) !=
      SQLITE_OK)
    return error->rc;
  if (cur->shape != store_shape(session_store(session_of(cur))))
    forget_statements(cur);
  cur->shape = store_shape(session_store(session_of(cur)));
  for (i = 0; i < cur->query.n_term; i++) {
    const RowTerm *term = &cur->query.terms[i];
    int n = term->is_used ? term->n_value : -1;
    if (cur->made_for[i] != n)
      forget_statements(cur);
    cur->made_for[i] = n;
  }
  for (i = 0; i < N_SIDE; i++) {
    if (cur->stmt[i])
      store_bind_values(cur->stmt[i], &cur->query);
  }
  return SQLITE_OK;
}

static int filter(Cursor *cur, int plan, const char *text, sqlite3_value **argv,
                  Error *error) {
  Session *session = session_of(cur);
  const Config *config = session_config(session);
  int i = (plan & (PLAN_ID | PLAN_IDS)) ? 1 : 0;
  int mode, on_error;
  rewind_cursor(cur);
  if (config_choice(config, "mode", plan & PLAN_MODE ? argv[i++] : NULL, &mode,
                    error) != SQLITE_OK ||
      config_choice(config, "on_error", plan & PLAN_ON_ERROR ? argv[i++] : NULL,
                    &on_error, error) != SQLITE_OK ||
      session_prepare(session, error) != SQLITE_OK ||
      adopt_plan(cur, plan, text, argv + i, error) != SQLITE_OK)
    return error->rc;
  cur->mode = (Mode)mode;
  cur->on_error = (OnError)on_error;
  cur->eof = false;
  if (cur->query.by_id) {
    cur->collect = collect_new(session, cur->mode, error);
    if (cur->collect == NULL || add_ids(cur, plan, argv[0], error) != SQLITE_OK)
      return error->rc;
  } else {
    if (collect_derive_all(session, error) != SQLITE_OK)
      return error->rc;
  }
  return advance(cur, error);
}

static int xFilter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                   sqlite3_value **argv) {
  Cursor *cur = (Cursor *)base;
  Error error = {SQLITE_OK, NULL};
  (void)argc;
  if (filter(cur, plan, text, argv, &error) == SQLITE_OK)
    return SQLITE_OK;
  cur->eof = true;
  return vtab_result(base->pVtab, &error);
}

/* ---- Columns --------------------------------------------------------------------- */

/* A REAL with the column's affinity: SQLite's text of it, or an integer if it is one. */
static void result_real(sqlite3 *db, sqlite3_context *ctx, double r, ColumnType type) {
  bool whole = r >= -MAX_INTEGER && r < MAX_INTEGER && r == (double)(sqlite3_int64)r;
  if (type == COLUMN_TEXT) {
    /* Asked of SQLite: up to 15 digits in older versions, 17 in newer ones (seen: 3.53) */
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "SELECT CAST(?1 AS TEXT)", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_bind_double(stmt, 1, r) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
      sqlite3_result_value(ctx, sqlite3_column_value(stmt, 0));
    else
      sqlite3_result_error_nomem(ctx);
    sqlite3_finalize(stmt);
  } else if (whole && (type == COLUMN_INTEGER || type == COLUMN_NUMERIC)) {
    sqlite3_result_int64(ctx, (sqlite3_int64)r);
  } else {
    sqlite3_result_double(ctx, r);
  }
}

/* Text in a numeric column of a task that is not stored: a number if it reads as one, as
** SQLite's own affinity has it. The value asked is the statement's own, not a copy: a copy
** belongs to no connection, and newer versions of SQLite (seen: 3.53) crash on it. */
static void result_numeric_text(sqlite3 *db, sqlite3_context *ctx, const Cell *cell) {
  sqlite3_stmt *stmt = NULL;
  sqlite3_value *value = NULL;
  if (sqlite3_prepare_v2(db, "SELECT ?1", -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_bind_text64(stmt, 1, cell->z, cell->n, SQLITE_TRANSIENT, SQLITE_UTF8) ==
          SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    value = sqlite3_column_value(stmt, 0);
  if (value == NULL)
    sqlite3_result_error_nomem(ctx);
  else if (sqlite3_value_numeric_type(value) == SQLITE_FLOAT)
    result_real(db, ctx, sqlite3_value_double(value), COLUMN_NUMERIC);
  else
    sqlite3_result_value(ctx, value);
  sqlite3_finalize(stmt);
}

/* A value of a task that is not stored, with the column's affinity. */
static void result_cell(sqlite3 *db, sqlite3_context *ctx, const Cell *cell,
                        ColumnType type) {
  switch (cell->kind) {
  case CELL_NULL:
    break;
  case CELL_INTEGER:
    if (type == COLUMN_TEXT) {
      char digits[24];
      sqlite3_snprintf(sizeof(digits), digits, "%lld", cell->i);
      sqlite3_result_text(ctx, digits, -1, SQLITE_TRANSIENT);
    } else {
      sqlite3_result_int64(ctx, cell->i);
    }
    break;
  case CELL_REAL:
    result_real(db, ctx, cell->r, type);
    break;
  case CELL_TEXT:
    if (type == COLUMN_INTEGER || type == COLUMN_NUMERIC)
      result_numeric_text(db, ctx, cell);
    else
      sqlite3_result_text64(ctx, cell->z, cell->n, SQLITE_TRANSIENT, SQLITE_UTF8);
    break;
  case CELL_JSON:
    sqlite3_result_text64(ctx, cell->z, cell->n, SQLITE_TRANSIENT, SQLITE_UTF8);
    sqlite3_result_subtype(ctx, JSON_SUBTYPE);
    break;
  }
}

/* A stored value. Text in a JSON column is JSON, and elsewhere not, but for the columns
** whose bit in `odd` (cur->odd) is set. */
static void result_stored(Cursor *cur, sqlite3_context *ctx, int k) {
  sqlite3_stmt *stmt = cur->stmt[cur->side];
  sqlite3_value *value = sqlite3_column_value(stmt, cur->map[k]);
  bool json = (cur->query.columns[k].type == COLUMN_JSON) != (cur->odd >> k & 1);
  sqlite3_result_value(ctx, value);
  if (json && sqlite3_value_type(value) == SQLITE_TEXT)
    sqlite3_result_subtype(ctx, JSON_SUBTYPE);
}

static int xColumn(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int k) {
  static const char *const aMode[] = {"auto", "cache", "refresh"};
  static const char *const aOnError[] = {"fail", "skip"};
  Cursor *cur = (Cursor *)base;
  const TableKind *kind = table_of(cur)->kind;
  if (k == kind->i_mode)
    sqlite3_result_text(ctx, aMode[cur->mode], -1, SQLITE_STATIC);
  else if (k == kind->i_on_error)
    sqlite3_result_text(ctx, aOnError[cur->on_error], -1, SQLITE_STATIC);
  else if (cur->collect && (k == kind->i_parameter || k == kind->i_id))
    sqlite3_result_text(ctx, cur->id, -1, SQLITE_TRANSIENT);
  else if (!kind->items && k == TASK_source)
    sqlite3_result_text(ctx, cur->collect ? cur->outcome.source : "store", -1,
                        SQLITE_STATIC);
  else if (!cur->stepping)
    result_cell(session_db(session_of(cur)), ctx, &cur->outcome.cells[k],
                kind->columns[k].type);
  else if (cur->map[k] >= 0)
    result_stored(cur, ctx, k);
  return SQLITE_OK;
}

/* Numbers of rows in temp are negative, those of tasks that are not stored very large:
** SQLite's OR optimisation tells rows apart by them. */
static int xRowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  Cursor *cur = (Cursor *)base;
  if (!cur->stepping) {
    sqlite3_uint64 hash = 14695981039346656037u; /* FNV-1a: the same id, the same row */
    const char *z;
    for (z = cur->id; *z; z++)
      hash = (hash ^ (unsigned char)*z) * 1099511628211u;
    *rowid = FIRST_UNSTORED_ROWID | (sqlite3_int64)(hash >> 3);
  } else {
    sqlite3_stmt *stmt = cur->stmt[cur->side];
    *rowid = sqlite3_column_int64(stmt, ROW_NUMBER);
    if (sqlite3_column_int(stmt, ROW_SIDE) == SIDE_TEMP)
      *rowid = -*rowid;
  }
  return SQLITE_OK;
}

int tables_register(Session *session, Error *error) {
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
  int i;
  for (i = 0; i < COUNT(aKind) && error->rc == SQLITE_OK; i++)
    vtab_register(session, aKind[i].name, &module, error);
  return error->rc;
}
