/*
** SQL over the store's tables; see store.h for the contract and sql/store.sql for the
** tables.
*/
#include <string.h>
#include "store.h"
#include "store_sql.h" /* STORE_SQL, made from sql/store.sql by the build */

typedef enum Statement {
  ST_FIND,
  ST_BODY,
  ST_COUNT_UNPARSED,
  ST_UNPARSED,
  ST_UNUSABLE,
  ST_PUT_BODY,
  ST_DROP_TASKS,
  ST_NEXT_TASK,
  ST_DROP_ITEMS,
  ST_PUT_ITEM,
  ST_PUT_TASK,
  ST_PUT_PARSED,
  ST_SIZE,
  ST_NEXT_POST,
  ST_PUT_POST,
  ST_DOUBT_POST,
  ST_SET_POST,
  ST_DROP_POST,
  N_STATEMENT
} Statement;

/* %w is the schema's name. ST_PUT_ITEM and ST_PUT_TASK are built from column lists. */
static const char *const aSql[N_STATEMENT] = {
    "SELECT c.id, t.state, t.status_code, t.status_message, c.parsed <> 0,"
    " substr(c.origin, 1, 8) = 'sandbox.'"
    " FROM \"%w\".naver_serp_cache c LEFT JOIN \"%w\".naver_serp_tasks t ON t.id = "
    "c.id AND t.stamp = c.parsed"
    " WHERE c.id = ?1",
    "SELECT body FROM \"%w\".naver_serp_cache WHERE id = ?1",
    "SELECT count(*) FROM \"%w\".naver_serp_cache WHERE parsed = 0",
    "SELECT id FROM \"%w\".naver_serp_cache WHERE parsed = 0 AND id > ?1"
    " ORDER BY id LIMIT 1",
    "SELECT id, state, status_code, status_message, 1, 0 FROM \"%w\".naver_serp_tasks"
    " WHERE state IN ('pending', 'refused', 'unreachable') AND id > ?1"
    " ORDER BY id LIMIT 1",
    "INSERT OR REPLACE INTO \"%w\".naver_serp_cache(id, body, origin, parsed)"
    " VALUES(?1, ?2, ?3, ?4)",
    "DELETE FROM \"%w\".naver_serp_tasks WHERE id = ?1",
    "SELECT coalesce(max(task), 0) + 1 FROM \"%w\".naver_serp_tasks",
    "DELETE FROM \"%w\".naver_serp_items WHERE item BETWEEN ?1 AND ?2",
    NULL,
    NULL,
    "UPDATE \"%w\".naver_serp_cache SET parsed = ?2 WHERE id = ?1",
    "SELECT coalesce((SELECT max(task) FROM \"%w\".naver_serp_tasks), 0),"
    " coalesce(avg(last_item - first_item + 1), 0) FROM (SELECT first_item, last_item"
    " FROM \"%w\".naver_serp_tasks ORDER BY task DESC LIMIT ?1)",
    "SELECT coalesce(max(post), 0) + 1 FROM \"%w\".naver_serp_posts",
    "INSERT INTO \"%w\".naver_serp_posts(keyword, priority, depth, max_crawl_pages,"
    " device, os, se_domain, search_param, url, tag, options, id, state, status_code,"
    " status_message, cost, posted_at)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, printf('%%36d',"
    " (SELECT coalesce(max(post), 0) + 1 FROM \"%w\".naver_serp_posts)),"
    " 'pending', 100000,"
    " printf('%%-300s', 'not recorded yet: see naver_serp_post'), 0.1,"
    " printf('%%26s', ''))",
    "UPDATE \"%w\".naver_serp_posts SET state = 'unreachable' WHERE post = ?1",
    "UPDATE \"%w\".naver_serp_posts SET id = ?2, state = ?3, status_code = ?4,"
    " status_message = ?5, cost = ?6,"
    " posted_at = strftime('%%Y-%%m-%%d %%H:%%M:%%S +00:00', 'now')"
    " WHERE post = ?1 AND trim(posted_at) = ''",
    "DELETE FROM \"%w\".naver_serp_posts WHERE post = ?1",
};

typedef struct SideState {
  char *schema;                    /* Name of the database, from sqlite3_malloc() */
  bool exists;                     /* The store's tables are there and are ours */
  bool checked;                    /* `exists` was found at schema version `version` */
  bool lost_tables;                /* Some are there, but not all */
  bool shy;                        /* store_glance() looked in vain: no more of it */
  StoreSize size;                  /* As of the last store_measure() */
  sqlite3_uint64 indexed[2];       /* Columns of tasks [0] and of items [1] (bits as in
                                   ** their lists) with which an index starts */
  char *file;                      /* Of the database, from sqlite3_malloc() */
  int version;                     /* PRAGMA schema_version at the last look */
  sqlite3_stmt *stmt_version;      /* Reads it */
  sqlite3_stmt *stmt[N_STATEMENT]; /* Prepared when first used */
} SideState;

struct Store {
  sqlite3 *db;
  SideState side[N_SIDE];
  int shape;                /* Changes when a side, or what it holds, is another */
  const char *half_written; /* Id whose rows are being written, borrowed, or NULL */
  int bind_rc;              /* First failure to bind since the last finish() */
  bool in_savepoint;        /* store_begin() opened one */
  sqlite3_stmt *rollback;   /* ROLLBACK, prepared before there is need of it */
  sqlite3_stmt *guard;      /* Running while tables are made, else NULL */
  bool in_commit;           /* The user's transaction is being committed */
  bool lift_query_only;     /* store_begin() switched PRAGMA query_only off */
  sqlite3_int64 last_rowid; /* sqlite3_last_insert_rowid() before store_begin() */
  StoredTask found;         /* Owner of the texts last handed out */
  sqlite3_int64 stamp;      /* Of the answer being written */
  sqlite3_int64 task;   /* Number of the task being written, 0 before its first row */
  sqlite3_int64 n_item; /* Its items so far */
};

static const char *const aTable[] = {"naver_serp_cache", "naver_serp_tasks",
                                     "naver_serp_items", "naver_serp_posts"};
#define N_TABLE     3 /* The store of answers: all of them or none */
#define POSTS_TABLE 3 /* Of its own: there once something was posted */

static const ColumnList post_list = {post_columns, POST_NCOL, 'p'};

/* True for a column that is in its list's own table. */
static bool is_derived(const ColumnList *list, int k) {
  return list->a[k].source && list->a[k].source[0] == list->letter;
}

Store *store_new(sqlite3 *db, Error *error) {
  Store *store = sqlite3_malloc64(sizeof(*store));
  if (store == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(store, 0, sizeof(*store));
  store->db = db;
  return store;
}

static void forget_statements(SideState *side) {
  int i;
  for (i = 0; i < N_STATEMENT; i++) {
    sqlite3_finalize(side->stmt[i]);
    side->stmt[i] = NULL;
  }
  sqlite3_finalize(side->stmt_version);
  side->stmt_version = NULL;
}

static void forget_side(SideState *side) {
  forget_statements(side);
  sqlite3_free(side->schema);
  sqlite3_free(side->file);
  memset(side, 0, sizeof(*side));
}

void store_forget_statements(Store *store) {
  int i;
  for (i = 0; i < N_SIDE; i++)
    forget_statements(&store->side[i]);
}

static void forget_found(Store *store) {
  sqlite3_free(store->found.id);
  sqlite3_free(store->found.state);
  sqlite3_free(store->found.message);
  memset(&store->found, 0, sizeof(store->found));
}

void store_free(Store *store) {
  int i;
  if (store == NULL)
    return;
  for (i = 0; i < N_SIDE; i++)
    forget_side(&store->side[i]);
  forget_found(store);
  sqlite3_free(store);
}

/* Runs SQL whose %w and %s are filled in by the caller's text, without a result. */
static int run(Store *store, Error *error, const char *format, ...) {
  va_list ap;
  char *sql;
  int rc;
  va_start(ap, format);
  sql = sqlite3_vmprintf(format, ap);
  va_end(ap);
  if (sql == NULL)
    return error_nomem(error);
  rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? rc : error_from_db(error, store->db, "store");
}

/* ---- Statements --------------------------------------------------------------- */

/* "INSERT INTO ...(a, b, ...) VALUES(?1, ?2, ...)" for a column list behind the
** bookkeeping columns, which take the first places. */
static char *insert_sql(const char *schema, bool items) {
  const ColumnList *list = items ? &item_columns : &task_columns;
  sqlite3_str *out = sqlite3_str_new(NULL);
  int n = items ? 3 : 5;
  int k;
  sqlite3_str_appendf(out, "INSERT INTO \"%w\".%s", schema,
                      items
                          ? "naver_serp_items(item, task, odd"
                          : "naver_serp_tasks(task, first_item, last_item, odd, stamp");
  for (k = 0; k < list->n; k++) {
    if (is_derived(list, k)) {
      sqlite3_str_appendf(out, ", %s", list->a[k].name);
      n++;
    }
  }
  sqlite3_str_appendall(out, ") VALUES(?1");
  for (k = 2; k <= n; k++)
    sqlite3_str_appendf(out, ", ?%d", k);
  sqlite3_str_appendchar(out, 1, ')');
  return sqlite3_str_finish(out);
}

/* The statement, prepared and ready to bind, or NULL with the error set. */
static sqlite3_stmt *statement(Store *store, Side side, Statement which, Error *error) {
  SideState *s = &store->side[side];
  sqlite3_stmt **slot = &s->stmt[which];
  char *sql;
  int rc;
  if (*slot)
    return *slot;
  if (which == ST_PUT_ITEM || which == ST_PUT_TASK)
    sql = insert_sql(s->schema, which == ST_PUT_ITEM);
  else
    sql = sqlite3_mprintf(aSql[which], s->schema, s->schema);
  if (sql == NULL) {
    error_nomem(error);
    return NULL;
  }
  rc = sqlite3_prepare_v3(store->db, sql, -1,
                          SQLITE_PREPARE_PERSISTENT | SQLITE_PREPARE_NO_VTAB, slot,
                          NULL);
  sqlite3_free(sql);
  if (rc != SQLITE_OK)
    error_from_db(error, store->db, "store");
  return *slot;
}

/* Makes a statement idle. Bindings are dropped, since they point to borrowed text. */
static void idle(sqlite3_stmt *stmt) {
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
}

/* Notes what a sqlite3_bind_...() returned: a text that is too long, or that there is no
** memory to convert for a file in UTF-16, would else be stored as NULL. */
static void bound(Store *store, int rc) {
  if (store->bind_rc == SQLITE_OK)
    store->bind_rc = rc;
}

/* Steps a statement that gives no row, and makes it idle. */
static int finish(Store *store, sqlite3_stmt *stmt, Error *error) {
  int rc = store->bind_rc;
  store->bind_rc = SQLITE_OK;
  if (rc == SQLITE_NOMEM) {
    error_nomem(error);
  } else if (rc != SQLITE_OK) {
    error_set(error, rc, "store: %s", sqlite3_errstr(rc));
  } else {
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
      error_from_db(error, store->db, "store");
  }
  idle(stmt);
  return error->rc;
}

static int run_with_id(Store *store, Side side, Statement which, const char *id,
                       Error *error) {
  sqlite3_stmt *stmt = statement(store, side, which, error);
  if (stmt == NULL)
    return error->rc;
  bound(store, sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC));
  return finish(store, stmt, error);
}

/* PRAGMA query_only also stops writes to temp, which is private to the connection and
** no file of the user's: it is lifted while temp is written. */
static int lift_query_only(Store *store, Error *error) {
  sqlite3_stmt *stmt = NULL;
  bool on = false;
  if (sqlite3_prepare_v2(store->db, "PRAGMA query_only", -1, &stmt, NULL) != SQLITE_OK)
    return error_from_db(error, store->db, "store");
  if (sqlite3_step(stmt) == SQLITE_ROW)
    on = sqlite3_column_int(stmt, 0) != 0;
  if (sqlite3_finalize(stmt) != SQLITE_OK)
    return error_from_db(error, store->db, "store");
  if (on && run(store, error, "PRAGMA query_only = 0") == SQLITE_OK)
    store->lift_query_only = true;
  return error->rc;
}

/* Under an interrupt this fails, and is tried again when the store is opened next. */
static void restore_query_only(Store *store) {
  if (store->lift_query_only &&
      sqlite3_exec(store->db, "PRAGMA query_only = 1", NULL, NULL, NULL) == SQLITE_OK)
    store->lift_query_only = false;
}

/* ---- What is there ------------------------------------------------------------ */

/* Columns of PRAGMA table_xinfo, index_list and index_xinfo. These, and not the tables
** pragma_..., since the store is also looked at while SQLite closes the connection, and a
** virtual table that is connected then is never freed. */
enum { XINFO_NAME = 1, XINFO_TYPE = 2, XINFO_HIDDEN = 6 };
enum { INDEX_NAME = 1, INDEX_PARTIAL = 4 };
enum { KEY_NAME = 2, KEY_COLLATION = 4 };

/* A PRAGMA about a table or an index of a side; NULL with the error set. */
static sqlite3_stmt *pragma(Store *store, const SideState *side, const char *what,
                            const char *name, Error *error) {
  sqlite3_stmt *stmt = NULL;
  char *sql = sqlite3_mprintf("PRAGMA \"%w\".%s(%Q)", side->schema, what, name);
  if (sql == NULL)
    error_nomem(error);
  else if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  sqlite3_free(sql);
  return stmt;
}

/* True if a table of the store has the column, with its type, as a plain column. */
static bool shape_has(sqlite3_stmt *stmt, const char *name, const char *type) {
  bool found = false;
  sqlite3_reset(stmt);
  while (!found && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *z = (const char *)sqlite3_column_text(stmt, XINFO_NAME);
    const char *t = (const char *)sqlite3_column_text(stmt, XINFO_TYPE);
    found = z && t && strcmp(z, name) == 0 && (type == NULL || strcmp(t, type) == 0) &&
            sqlite3_column_int(stmt, XINFO_HIDDEN) == 0;
  }
  return found;
}

/* The name of a column that one of the tables should have and has not, or NULL. */
static const char *missing_column(int iTable, sqlite3_stmt *stmt) {
  static const char *const aCache[] = {"id", "body", "origin", "fetched_at", "parsed"};
  static const char *const aTaskKey[] = {"task", "first_item", "last_item", "odd",
                                         "stamp"};
  static const char *const aItemKey[] = {"item", "task", "odd"};
  static const char *const aPostKey[] = {"post"};
  static const struct {
    const char *const *key; /* Columns that are in no list */
    int n_key;
    const ColumnList *list; /* The others */
  } aShape[] = {
      {aCache, 5, NULL},
      {aTaskKey, 5, &task_columns},
      {aItemKey, 3, &item_columns},
      {aPostKey, 1, &post_list},
  };
  const ColumnList *list = aShape[iTable].list;
  int k;
  for (k = 0; k < aShape[iTable].n_key; k++) {
    if (!shape_has(stmt, aShape[iTable].key[k], NULL))
      return aShape[iTable].key[k];
  }
  for (k = 0; list && k < list->n; k++) {
    const Column *column = &list->a[k];
    if (is_derived(list, k) && !shape_has(stmt, column->name, column_sql_type(column)))
      return column->name;
  }
  return NULL;
}

/* Checks that an existing table is the store's. */
static int check_table(Store *store, const SideState *side, int iTable, Error *error) {
  const char *missing;
  sqlite3_stmt *stmt = pragma(store, side, "table_xinfo", aTable[iTable], error);
  if (stmt == NULL)
    return error->rc;
  missing = missing_column(iTable, stmt);
  if (sqlite3_reset(stmt) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  else if (missing)
    error_set(
        error, SQLITE_ERROR,
        "table %s.%s is not the one of this version: it has no plain column %s as "
        "in sql/store.sql; rename or drop it (saved answers are in the body "
        "column), or choose another database with naver_serp_config('schema', ...)",
        side->schema, aTable[iTable], missing);
  sqlite3_finalize(stmt);
  return error->rc;
}

/* Looks for n tables from aTable[first] on, and returns how many there are; a name that
** is taken by something else is an error. */
static int count_tables(Store *store, const SideState *side, int first, int n,
                        Error *error) {
  sqlite3_stmt *stmt = NULL;
  int n_found = 0;
  int i;
  char *sql = sqlite3_mprintf(
      "SELECT type = 'table' AND rootpage > 0 FROM"
      " \"%w\".sqlite_%sschema WHERE name = ?1 COLLATE nocase",
      side->schema, sqlite3_stricmp(side->schema, "temp") ? "" : "temp_");
  if (sql == NULL) {
    error_nomem(error);
    return 0;
  }
  if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  sqlite3_free(sql);
  for (i = first; i < first + n && error->rc == SQLITE_OK; i++) {
    sqlite3_bind_text(stmt, 1, aTable[i], -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
      n_found++;
      if (sqlite3_column_int(stmt, 0) == 0)
        error_set(
            error, SQLITE_ERROR,
            "%s.%s is not an ordinary table; the store needs that name: rename or "
            "drop it, or choose another database with "
            "naver_serp_config('schema', ...)",
            side->schema, aTable[i]);
      else
        check_table(store, side, i, error);
    }
    if (sqlite3_reset(stmt) != SQLITE_OK)
      error_from_db(error, store->db, "store");
  }
  sqlite3_finalize(stmt);
  return n_found;
}

/* The bit of the column that an index starts with, if it serves any comparison; else 0. */
static sqlite3_uint64 first_column(Store *store, const SideState *side,
                                   const ColumnList *list, const char *index,
                                   Error *error) {
  sqlite3_stmt *stmt = pragma(store, side, "index_xinfo", index, error);
  sqlite3_uint64 found = 0;
  int k;
  if (sqlite3_step(stmt) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, KEY_NAME);
    const char *collation = (const char *)sqlite3_column_text(stmt, KEY_COLLATION);
    for (k = 0; name && collation && k < list->n; k++) {
      if (strcmp(list->a[k].name, name) == 0 && strcmp(collation, "BINARY") == 0)
        found |= (sqlite3_uint64)1 << k;
    }
  }
  if (sqlite3_finalize(stmt) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  return found;
}

/* Which columns of a table an index starts with, of those that serve any comparison. */
static sqlite3_uint64 find_indexed(Store *store, const SideState *side, bool items,
                                   Error *error) {
  const ColumnList *list = items ? &item_columns : &task_columns;
  sqlite3_stmt *stmt = pragma(store, side, "index_list",
                              items ? "naver_serp_items" : "naver_serp_tasks", error);
  sqlite3_uint64 found = 0;
  while (error->rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, INDEX_NAME);
    if (name && sqlite3_column_int(stmt, INDEX_PARTIAL) == 0)
      found |= first_column(store, side, list, name, error);
  }
  if (sqlite3_finalize(stmt) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  return found;
}

/* Finds out whether the side has the tables. All or none of them is fine. */
static int look_at_tables(Store *store, SideState *side, Error *error) {
  int n = count_tables(store, side, 0, N_TABLE, error);
  store->shape += side->exists != (n == N_TABLE);
  side->exists = n == N_TABLE;
  side->lost_tables = n > 0 && n < N_TABLE;
  if (side->exists && error->rc == SQLITE_OK) {
    side->indexed[0] = find_indexed(store, side, false, error);
    side->indexed[1] = find_indexed(store, side, true, error);
  }
  side->checked = error->rc == SQLITE_OK;
  return error->rc;
}

/* Another file attached under the same name may have the same schema version. */
static void notice_other_file(Store *store, SideState *side) {
  const char *file = side->schema ? sqlite3_db_filename(store->db, side->schema) : NULL;
  char *copy = sqlite3_mprintf("%s", file ? file : "");
  if (copy == NULL || side->file == NULL || strcmp(copy, side->file))
    side->checked = false;
  sqlite3_free(side->file);
  side->file = copy;
}

/* What a failure to read the schema's version says; the usual one is a wrong setting. */
static int error_from_version(Store *store, const char *schema, Error *error) {
  if (strstr(sqlite3_errmsg(store->db), "unknown database"))
    return error_set(
        error, SQLITE_ERROR,
        "setting schema is '%s', and no database of that name is attached: "
        "attach it, or SELECT naver_serp_config('schema', 'main')",
        schema);
  return error_from_db(error, store->db, "store");
}

static int open_side(Store *store, SideState *side, const char *schema, Error *error) {
  int version;
  if (side->schema == NULL || strcmp(side->schema, schema)) {
    forget_side(side);
    store->shape++;
    side->schema = sqlite3_mprintf("%s", schema);
    if (side->schema == NULL)
      return error_nomem(error);
  }
  if (side->stmt_version == NULL) {
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".schema_version", schema);
    int rc;
    if (sql == NULL)
      return error_nomem(error);
    rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                            &side->stmt_version, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
      return error_from_version(store, schema, error);
  }
  if (sqlite3_step(side->stmt_version) != SQLITE_ROW) {
    error_from_version(store, schema, error);
    sqlite3_reset(side->stmt_version);
    return error->rc;
  }
  version = sqlite3_column_int(side->stmt_version, 0);
  sqlite3_reset(side->stmt_version);
  notice_other_file(store, side);
  if (side->checked && side->version == version)
    return SQLITE_OK;
  side->version = version;
  return look_at_tables(store, side, error);
}

/* Tables that were dropped while the bodies stayed are made again, and everything is
** derived anew. */
static int restore_tables(Store *store, Error *error) {
  if (store_begin(store, SIDE_MAIN, error) == SQLITE_OK) {
    run(store, error, "UPDATE \"%w\".naver_serp_cache SET parsed = 0",
        store->side[SIDE_MAIN].schema);
    store_end(store, SIDE_MAIN, error->rc == SQLITE_OK, error);
  }
  return error->rc;
}

int store_open(Store *store, const char *schema, Error *error) {
  restore_query_only(store);
  if (sqlite3_stricmp(schema, "temp") == 0)
    return error_set(error, SQLITE_ERROR,
                     "setting schema is 'temp', which holds only what the chosen "
                     "database cannot take; choose main or an attached database");
  if (open_side(store, &store->side[SIDE_TEMP], "temp", error) == SQLITE_OK)
    open_side(store, &store->side[SIDE_MAIN], schema, error);
  store->side[SIDE_MAIN].shy = false;
  if (error->rc == SQLITE_OK && store->side[SIDE_MAIN].lost_tables)
    restore_tables(store, error);
  return error->rc;
}

void store_glance(Store *store, const char *schema) {
  SideState *side = &store->side[SIDE_MAIN];
  Error ignored = {SQLITE_OK, NULL};
  bool known;
  if (side->shy && side->schema && strcmp(side->schema, schema) == 0)
    return;
  known = side->checked && side->size.n_task > 0;
  side->shy = open_side(store, side, schema, &ignored) != SQLITE_OK;
  if (!side->shy && !known)
    store_measure(store);
  error_clear(&ignored);
}

int store_shape(const Store *store) {
  return store->shape;
}

bool store_has(const Store *store, Side side) {
  return store->side[side].exists;
}

/* ---- Reading ------------------------------------------------------------------ */

/* A column's text in memory of its own, "" for NULL; NULL if there is no memory. */
static char *column_copy(sqlite3_stmt *stmt, int i) {
  const char *z = (const char *)sqlite3_column_text(stmt, i);
  return sqlite3_mprintf("%s", z ? z : "");
}

/* Steps a SELECT of id, state, status_code, status_message, parsed, sandbox, and fills a
** StoredTask from its row. */
static int step_found(Store *store, Side side, sqlite3_stmt *stmt, StoredTask *found,
                      Error *error) {
  int rc = sqlite3_step(stmt);
  forget_found(store);
  if (rc == SQLITE_ROW) {
    StoredTask *f = &store->found;
    f->side = side;
    f->parsed =
        sqlite3_column_int(stmt, 4) == 1 && sqlite3_column_type(stmt, 1) != SQLITE_NULL;
    f->sandbox = sqlite3_column_int(stmt, 5) != 0;
    f->code = sqlite3_column_int(stmt, 2);
    f->id = column_copy(stmt, 0);
    f->state = column_copy(stmt, 1);
    f->message = column_copy(stmt, 3);
    if (!f->id || !f->state || !f->message)
      rc = error_nomem(error);
    *found = *f;
  } else if (rc != SQLITE_DONE) {
    rc = error_from_db(error, store->db, "store");
  }
  idle(stmt);
  return rc;
}

int store_find(Store *store, const char *id, StoredTask *found, Error *error) {
  int side;
  for (side = 0; side < N_SIDE; side++) {
    sqlite3_stmt *stmt;
    int rc;
    if (!store->side[side].exists)
      continue;
    stmt = statement(store, (Side)side, ST_FIND, error);
    if (stmt == NULL)
      return error->rc;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    rc = step_found(store, (Side)side, stmt, found, error);
    if (rc != SQLITE_DONE)
      return rc;
  }
  return SQLITE_DONE;
}

int store_next_unusable(Store *store, Side side, const char *after, StoredTask *found,
                        Error *error) {
  sqlite3_stmt *stmt;
  if (!store->side[side].exists)
    return SQLITE_DONE;
  stmt = statement(store, side, ST_UNUSABLE, error);
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_text(stmt, 1, after ? after : "", -1, SQLITE_TRANSIENT);
  return step_found(store, side, stmt, found, error);
}

int store_body(Store *store, Side side, const char *id, const char **body, size_t *n,
               Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_BODY, error);
  int rc;
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  if (rc != SQLITE_ROW) {
    if (rc != SQLITE_DONE)
      rc = error_from_db(error, store->db, "store");
    idle(stmt);
    return rc;
  }
  /* A BLOB as it is; TEXT in the encoding of the answers, whatever the database's. */
  *body = sqlite3_column_type(stmt, 0) == SQLITE_BLOB
              ? sqlite3_column_blob(stmt, 0)
              : (const char *)sqlite3_column_text(stmt, 0);
  *n = (size_t)sqlite3_column_bytes(stmt, 0);
  if (*body == NULL && *n) {
    idle(stmt);
    return error_nomem(error);
  }
  if (*body == NULL)
    *body = "";
  return SQLITE_ROW;
}

void store_body_done(Store *store, Side side) {
  idle(store->side[side].stmt[ST_BODY]);
}

int store_count_unparsed(Store *store, Side side, Error *error) {
  sqlite3_stmt *stmt;
  int n = 0;
  if (!store->side[side].exists ||
      (stmt = statement(store, side, ST_COUNT_UNPARSED, error)) == NULL)
    return 0;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    n = sqlite3_column_int(stmt, 0);
  else
    error_from_db(error, store->db, "store");
  idle(stmt);
  return n;
}

char *store_next_unparsed(Store *store, Side side, const char *after, Error *error) {
  sqlite3_stmt *stmt;
  char *id = NULL;
  int rc;
  if (!store->side[side].exists ||
      (stmt = statement(store, side, ST_UNPARSED, error)) == NULL)
    return NULL;
  sqlite3_bind_text(stmt, 1, after ? after : "", -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    id = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    if (id == NULL)
      error_nomem(error);
  } else if (rc != SQLITE_DONE) {
    error_from_db(error, store->db, "store");
  }
  idle(stmt);
  return id;
}

/* ---- Writing ------------------------------------------------------------------ */

/* Where in sql/store.sql the answers' tables end and the table of posts begins. */
static const char *posts_sql(void) {
  return strstr(STORE_SQL, "CREATE TABLE IF NOT EXISTS naver_serp_posts");
}

/* Runs statements of sql/store.sql, from z to the end or to `end`, with the schema's name
** put behind each IF NOT EXISTS. */
static int run_ddl(Store *store, const SideState *side, const char *z, const char *end,
                   Error *error) {
  static const char mark[] = "IF NOT EXISTS ";
  sqlite3_str *out = sqlite3_str_new(NULL);
  const char *next;
  char *sql;
  while ((next = strstr(z, mark)) != NULL && next < end) {
    next += sizeof(mark) - 1;
    sqlite3_str_append(out, z, (int)(next - z));
    sqlite3_str_appendf(out, "\"%w\".", side->schema);
    z = next;
  }
  sqlite3_str_append(out, z, (int)(end - z));
  sql = sqlite3_str_finish(out);
  if (sql == NULL)
    return error_nomem(error);
  if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
    error_from_db(error, store->db, "store");
  sqlite3_free(sql);
  return error->rc;
}

/* CREATE INDEX makes SQLite prepare every statement anew before it starts, the ROLLBACK
** of undo() as well; without memory it cannot. One that is running and has read does not
** start: with its next step SQLite finds that there is no memory, and rolls back. */
static void start_guard(Store *store, Error *error) {
  if (sqlite3_prepare_v2(
          store->db, "SELECT 1 FROM (VALUES(1), (2)) LEFT JOIN main.sqlite_schema ON 0",
          -1, &store->guard, NULL) != SQLITE_OK ||
      sqlite3_step(store->guard) != SQLITE_ROW)
    error_from_db(error, store->db, "store");
}

static int create_tables(Store *store, SideState *side, Error *error) {
  const char *index = strstr(STORE_SQL, "CREATE INDEX");
  /* Not before the first write, which would else find its lock half taken. */
  if (run_ddl(store, side, STORE_SQL, index, error) == SQLITE_OK && store->in_savepoint)
    start_guard(store, error);
  if (error->rc == SQLITE_OK &&
      run_ddl(store, side, index, posts_sql(), error) == SQLITE_OK)
    look_at_tables(store, side, error);
  side->checked = false; /* Their schema version is not known, and may be rolled back */
  return error->rc;
}

/* Clears the range of items of the task being written. */
static int drop_items(Store *store, Side side, Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_DROP_ITEMS, error);
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_int64(stmt, 1, store->task * STORE_MAX_ITEMS);
  sqlite3_bind_int64(stmt, 2, store->task * STORE_MAX_ITEMS + STORE_MAX_ITEMS - 1);
  return finish(store, stmt, error);
}

static void forget_way_back(Store *store) {
  sqlite3_finalize(store->rollback);
  sqlite3_finalize(store->guard);
  store->rollback = store->guard = NULL;
}

/* Only where no transaction is open: inside one, a savepoint makes SQLite copy every page
** before its first change (measured: a quarter of the time of storing in a file), and
** under an outer INSERT ... SELECT it is refused. There the order of writes has to do.
** When memory runs out, nothing can be prepared until the user's statement is over, so
** the way back is prepared first. */
static void open_savepoint(Store *store) {
  store->in_savepoint = false;
  if (store->in_commit || !sqlite3_get_autocommit(store->db))
    return;
  forget_way_back(store); /* A new index anywhere makes SQLite prepare it anew */
  sqlite3_prepare_v2(store->db, "ROLLBACK", -1, &store->rollback, NULL);
  store->in_savepoint =
      store->rollback &&
      sqlite3_exec(store->db, "SAVEPOINT naver_serp", NULL, NULL, NULL) == SQLITE_OK;
}

/* Takes back what was written since store_begin(): the transaction that the savepoint
** opened as a whole, since RELEASE after ROLLBACK TO could meet the same lock once more.
** After sqlite3_interrupt() no statement runs any more; but one that writes, when it
** meets the interrupt, makes SQLite roll back everything. In a transaction of the user's
** only the answer that is half written is taken back. */
static void undo(Store *store, Side side) {
  Error ignored = {SQLITE_OK, NULL};
  sqlite3_stmt *write = store->side[side].stmt[ST_DROP_TASKS];
  if (store->in_savepoint) {
    sqlite3_step(store->rollback);
    sqlite3_reset(store->rollback);
    if (!sqlite3_get_autocommit(store->db) && write) {
      sqlite3_step(write);
      sqlite3_reset(write);
    }
    if (!sqlite3_get_autocommit(store->db) && store->guard)
      sqlite3_step(store->guard);
  } else if (store->half_written) {
    if (store->task)
      drop_items(store, side, &ignored);
    run_with_id(store, side, ST_DROP_TASKS, store->half_written, &ignored);
  }
  error_clear(&ignored);
}

/* Makes the tables, committed by themselves where that is possible: taking back a change
** of the schema would end every statement of the user's that is reading. */
static int make_tables(Store *store, Side side, Error *error) {
  if (create_tables(store, &store->side[side], error) == SQLITE_OK &&
      store->in_savepoint) {
    run(store, error, "RELEASE naver_serp");
    if (error->rc == SQLITE_OK)
      open_savepoint(store);
  }
  return error->rc;
}

int store_begin(Store *store, Side side, Error *error) {
  store->last_rowid = sqlite3_last_insert_rowid(store->db);
  if (side == SIDE_TEMP && lift_query_only(store, error) != SQLITE_OK)
    return error->rc;
  open_savepoint(store);
  if (!store->side[side].exists)
    make_tables(store, side, error);
  if (error->rc == SQLITE_OK)
    run_with_id(store, side, ST_DROP_TASKS, "", error); /* So that undo() can run it */
  if (error->rc != SQLITE_OK) {
    Error ignored = {0, NULL};
    store_end(store, side, false, &ignored);
    error_clear(&ignored);
  }
  return error->rc;
}

int store_end(Store *store, Side side, bool keep, Error *error) {
  bool undone = !keep;
  if (keep && store->in_savepoint)
    undone = run(store, error, "RELEASE naver_serp") != SQLITE_OK;
  if (undone) {
    Error ignored = {0, NULL};
    undo(store, side);
    look_at_tables(store, &store->side[side], &ignored); /* They may be gone again */
    error_clear(&ignored);
  }
  forget_way_back(store);
  store->in_savepoint = false;
  store->half_written = NULL;
  restore_query_only(store);
  sqlite3_set_last_insert_rowid(store->db, store->last_rowid);
  return error->rc;
}

/* Before a task's first row: gives it its number, and clears that number's range of
** items of anything a broken write may have left. */
static int start_task(Store *store, Side side, Error *error) {
  sqlite3_stmt *stmt;
  if (store->task)
    return SQLITE_OK;
  stmt = statement(store, side, ST_NEXT_TASK, error);
  if (stmt == NULL)
    return error->rc;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    store->task = sqlite3_column_int64(stmt, 0);
  else
    error_from_db(error, store->db, "store");
  idle(stmt);
  store->n_item = 0;
  return error->rc == SQLITE_OK ? drop_items(store, side, error) : error->rc;
}

int store_put_start(Store *store, Side side, const char *id, Error *error) {
  sqlite3_uint64 r;
  sqlite3_randomness(sizeof(r), &r);
  store->stamp = (sqlite3_int64)(r >> 1) | 1; /* Positive, never 0 */
  store->task = 0;
  store->half_written = id;
  return run_with_id(store, side, ST_DROP_TASKS, id, error);
}

/* Binds cells from parameter `place` on; returns the bits of the odd ones: text where
** the column is a JSON one, JSON where it is not. */
static sqlite3_int64 bind_cells(Store *store, sqlite3_stmt *stmt, int place,
                                const ColumnList *list, const Cell *cells) {
  sqlite3_int64 odd = 0;
  int k;
  for (k = 0; k < list->n; k++) {
    const Cell *cell = &cells[k];
    if (!is_derived(list, k))
      continue;
    switch (cell->kind) {
    case CELL_NULL:
      break;
    case CELL_INTEGER:
      sqlite3_bind_int64(stmt, place, cell->i);
      break;
    case CELL_REAL:
      sqlite3_bind_double(stmt, place, cell->r);
      break;
    case CELL_TEXT:
    case CELL_JSON:
      bound(store, sqlite3_bind_text64(stmt, place, cell->z, cell->n, SQLITE_STATIC,
                                       SQLITE_UTF8));
      if ((cell->kind == CELL_JSON) != (list->a[k].type == COLUMN_JSON))
        odd |= (sqlite3_int64)1 << k;
      break;
    }
    place++;
  }
  return odd;
}

static void bind_odd(sqlite3_stmt *stmt, int place, sqlite3_int64 odd) {
  if (odd)
    sqlite3_bind_int64(stmt, place, odd);
}

int store_put_item(Store *store, Side side, const Cell *cells, Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_PUT_ITEM, error);
  if (stmt == NULL || start_task(store, side, error) != SQLITE_OK)
    return error->rc;
  if (store->n_item >= STORE_MAX_ITEMS)
    return error_set(error, SQLITE_TOOBIG, "more than %d items in one answer",
                     STORE_MAX_ITEMS);
  sqlite3_bind_int64(stmt, 1, store->task * STORE_MAX_ITEMS + store->n_item++);
  sqlite3_bind_int64(stmt, 2, store->task);
  bind_odd(stmt, 3, bind_cells(store, stmt, 4, &item_columns, cells));
  return finish(store, stmt, error);
}

int store_put_task(Store *store, Side side, const char *id, const Cell *cells,
                   Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_PUT_TASK, error);
  Cell copy[TASK_NCOL];
  if (stmt == NULL || start_task(store, side, error) != SQLITE_OK)
    return error->rc;
  memcpy(copy, cells, sizeof(copy));
  copy[TASK_id].kind = CELL_TEXT;
  copy[TASK_id].z = id;
  copy[TASK_id].n = strlen(id);
  sqlite3_bind_int64(stmt, 1, store->task);
  sqlite3_bind_int64(stmt, 2, store->task * STORE_MAX_ITEMS);
  sqlite3_bind_int64(stmt, 3, store->task * STORE_MAX_ITEMS + store->n_item - 1);
  sqlite3_bind_int64(stmt, 5, store->stamp);
  bind_odd(stmt, 4, bind_cells(store, stmt, 6, &task_columns, copy));
  store->task = 0; /* An answer's next result, if there is one, is a task of its own */
  return finish(store, stmt, error);
}

int store_put_body(Store *store, Side side, const char *id, const char *body, size_t n,
                   const char *origin, Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_PUT_BODY, error);
  if (stmt == NULL)
    return error->rc;
  bound(store, sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC));
  bound(store, sqlite3_bind_blob64(stmt, 2, n ? body : "", n, SQLITE_STATIC));
  bound(store, sqlite3_bind_text(stmt, 3, origin, -1, SQLITE_STATIC));
  sqlite3_bind_int64(stmt, 4, store->stamp);
  if (finish(store, stmt, error) == SQLITE_OK)
    store->half_written = NULL;
  return error->rc;
}

int store_put_parsed(Store *store, Side side, const char *id, Error *error) {
  sqlite3_stmt *stmt = statement(store, side, ST_PUT_PARSED, error);
  if (stmt == NULL)
    return error->rc;
  bound(store, sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC));
  sqlite3_bind_int64(stmt, 2, store->stamp);
  if (finish(store, stmt, error) == SQLITE_OK)
    store->half_written = NULL;
  return error->rc;
}

/* ---- Posted tasks ------------------------------------------------------------- */

int store_open_posts(Store *store, const char *schema, bool make, bool *there,
                     Error *error) {
  SideState *side = &store->side[SIDE_MAIN];
  sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(store->db);
  *there = false;
  if (store_open(store, schema, error) != SQLITE_OK)
    return error->rc;
  *there = count_tables(store, side, POSTS_TABLE, 1, error) == 1;
  if (make && !*there && error->rc == SQLITE_OK) {
    const char *z = posts_sql();
    *there = run_ddl(store, side, z, z + strlen(z), error) == SQLITE_OK;
    sqlite3_set_last_insert_rowid(store->db, last_rowid);
  }
  return error->rc;
}

/* Steps a statement that has to change one row: a trigger can make it none. */
static int finish_one(Store *store, sqlite3_stmt *stmt, Error *error) {
  if (finish(store, stmt, error) == SQLITE_OK && sqlite3_changes(store->db) != 1)
    error_set(error, SQLITE_CONSTRAINT,
              "a trigger on naver_serp_posts keeps the record from being written");
  return error->rc;
}

int store_next_post(Store *store, sqlite3_int64 *post, Error *error) {
  sqlite3_stmt *stmt = statement(store, SIDE_MAIN, ST_NEXT_POST, error);
  if (stmt == NULL)
    return error->rc;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    *post = sqlite3_column_int64(stmt, 0);
  else
    error_from_db(error, store->db, "store");
  idle(stmt);
  return error->rc;
}

int store_put_post(Store *store, sqlite3_value *const *fields, sqlite3_int64 *post,
                   Error *error) {
  sqlite3_stmt *stmt = statement(store, SIDE_MAIN, ST_PUT_POST, error);
  sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(store->db);
  int k;
  if (stmt == NULL)
    return error->rc;
  for (k = 0; k < POST_NFIELD; k++)
    bound(store, sqlite3_bind_value(stmt, k + 1, fields[k]));
  if (finish_one(store, stmt, error) == SQLITE_OK)
    *post = sqlite3_last_insert_rowid(store->db);
  sqlite3_set_last_insert_rowid(store->db, last_rowid);
  return error->rc;
}

int store_doubt_post(Store *store, sqlite3_int64 post, Error *error) {
  sqlite3_stmt *stmt = statement(store, SIDE_MAIN, ST_DOUBT_POST, error);
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_int64(stmt, 1, post);
  return finish_one(store, stmt, error);
}

/* True if a commit would still have to ask for the exclusive lock of a database. A file
** in WAL mode has none to ask for, and shows SQLITE_LOCK_SHARED. */
static bool lacks_lock(Store *store, const char *schema) {
  int lock = SQLITE_LOCK_NONE;
  return sqlite3_txn_state(store->db, schema) == SQLITE_TXN_WRITE &&
         sqlite3_file_control(store->db, schema, SQLITE_FCNTL_LOCKSTATE, &lock) ==
             SQLITE_OK &&
         (lock == SQLITE_LOCK_RESERVED || lock == SQLITE_LOCK_PENDING);
}

int store_hold_locks(Store *store, Error *error) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_db_cacheflush(store->db);
  if (rc != SQLITE_OK)
    return error_set(error, rc, "%s", sqlite3_errstr(rc));
  rc = sqlite3_prepare_v2(store->db,
                          "SELECT name FROM pragma_database_list WHERE name <> 'temp'",
                          -1, &stmt, NULL);
  while (rc == SQLITE_OK && error->rc == SQLITE_OK &&
         sqlite3_step(stmt) == SQLITE_ROW) {
    const char *schema = (const char *)sqlite3_column_text(stmt, 0);
    if (schema && lacks_lock(store, schema))
      error_set(
          error, SQLITE_BUSY,
          "database %s can be locked only at the end of the commit, which could fail "
          "after the posting: finish what reads naver_serp_post, leave PRAGMA "
          "cache_spill on, and begin with BEGIN rather than BEGIN IMMEDIATE",
          schema);
  }
  if (sqlite3_finalize(stmt) != SQLITE_OK || stmt == NULL)
    error_from_db(error, store->db, "store");
  return error->rc;
}

int store_set_post(Store *store, sqlite3_int64 post, const StoredPost *is,
                   Error *error) {
  sqlite3_stmt *stmt = statement(store, SIDE_MAIN, ST_SET_POST, error);
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_int64(stmt, 1, post);
  bound(store, sqlite3_bind_text(stmt, 2, is->id, -1, SQLITE_STATIC));
  bound(store, sqlite3_bind_text(stmt, 3, is->state, -1, SQLITE_STATIC));
  if (is->code)
    sqlite3_bind_int(stmt, 4, is->code);
  bound(store, sqlite3_bind_text(stmt, 5, is->message, -1, SQLITE_STATIC));
  if (is->cost >= 0)
    sqlite3_bind_double(stmt, 6, is->cost);
  return finish(store, stmt, error);
}

int store_drop_post(Store *store, sqlite3_int64 post, Error *error) {
  sqlite3_stmt *stmt = statement(store, SIDE_MAIN, ST_DROP_POST, error);
  if (stmt == NULL)
    return error->rc;
  sqlite3_bind_int64(stmt, 1, post);
  return finish(store, stmt, error);
}

void store_in_commit(Store *store, bool in_commit) {
  store->in_commit = in_commit;
}

/* Prepares the SELECT of a cursor, whose text is complete, and frees the text. */
static int prepare_rows(Store *store, sqlite3_str *out, sqlite3_stmt **stmt,
                        Error *error) {
  char *sql = sqlite3_str_finish(out);
  int rc;
  *stmt = NULL;
  if (sql == NULL)
    return error_nomem(error);
  rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_NO_VTAB, stmt, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? rc : error_from_db(error, store->db, "store");
}

int store_post_rows(Store *store, sqlite3_stmt **stmt, Error *error) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  int k;
  sqlite3_str_appendall(out, "SELECT p.post");
  for (k = 0; k < POST_NCOL; k++)
    sqlite3_str_appendf(out, ", %s", post_columns[k].source);
  sqlite3_str_appendf(out, " FROM \"%w\".naver_serp_posts p ORDER BY p.post",
                      store->side[SIDE_MAIN].schema);
  return prepare_rows(store, out, stmt, error);
}

/* ---- Temp --------------------------------------------------------------------- */

static bool temp_has_rows(Store *store, const char *where) {
  sqlite3_stmt *stmt = NULL;
  bool found = false;
  char *sql;
  if (!store->side[SIDE_TEMP].exists)
    return false;
  sql = sqlite3_mprintf("SELECT 1 FROM temp.naver_serp_cache WHERE %s LIMIT 1", where);
  if (sql && sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK)
    found = sqlite3_step(stmt) == SQLITE_ROW;
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return found;
}

bool store_flush_temp(Store *store) {
  Error ignored = {SQLITE_OK, NULL};
  bool moved = false;
  if (temp_has_rows(store, "length(body) > 0") &&
      store_begin(store, SIDE_MAIN, &ignored) == SQLITE_OK) {
    run(store, &ignored,
        "INSERT OR REPLACE INTO \"%w\".naver_serp_cache(id, origin, fetched_at, body)"
        " SELECT id, origin, fetched_at, body FROM temp.naver_serp_cache"
        " WHERE length(body) > 0",
        store->side[SIDE_MAIN].schema);
    if (ignored.rc == SQLITE_OK)
      run(store, &ignored, "DELETE FROM temp.naver_serp_cache");
    moved = store_end(store, SIDE_MAIN, ignored.rc == SQLITE_OK, &ignored) == SQLITE_OK;
  }
  error_clear(&ignored);
  return moved;
}

void store_drop_stand_ins(Store *store) {
  Error ignored = {0, NULL};
  if (temp_has_rows(store, "length(body) = 0") &&
      store_begin(store, SIDE_TEMP, &ignored) == SQLITE_OK) {
    run(store, &ignored, "DELETE FROM temp.naver_serp_cache WHERE length(body) = 0");
    store_end(store, SIDE_TEMP, ignored.rc == SQLITE_OK, &ignored);
  }
  error_clear(&ignored);
}

int store_copy_origin(Store *store, const char *id, Error *error) {
  return run(store, error,
             "UPDATE temp.naver_serp_cache SET (origin, fetched_at) ="
             " (SELECT origin, fetched_at FROM \"%w\".naver_serp_cache WHERE id = %Q)"
             " WHERE id = %Q",
             store->side[SIDE_MAIN].schema, id, id);
}

/* ---- Rows for cursors --------------------------------------------------------- */

static bool is_wanted(const RowQuery *query, int k) {
  int i;
  if (query->columns[k].source == NULL)
    return false;
  for (i = 0; i < query->n_order; i++) {
    if (query->order[i].column == k)
      return true;
  }
  return query->used >> (k < 63 ? k : 63) & 1;
}

/* Which tables a query's columns are in: true for a letter that is among them. */
static bool uses_table(const RowQuery *query, char from) {
  int k;
  for (k = 0; k < query->n_column; k++) {
    if (is_wanted(query, k) && query->columns[k].source[0] == from)
      return true;
  }
  for (k = 0; k < query->n_term; k++) {
    const RowTerm *term = &query->terms[k];
    if (term->is_used && query->columns[term->column].source[0] == from)
      return true;
  }
  return false;
}

/* True if the rows are found by their tasks: a term is about the task, and none is served
** by an index of the items. SQLite, without statistics, would read all items first. */
static bool tasks_first(const Store *store, const RowQuery *query) {
  bool found = false;
  int i;
  for (i = 0; i < query->n_term; i++) {
    const Column *column = &query->columns[query->terms[i].column];
    if (query->terms[i].is_used && column->source[0] == 't')
      found = true;
    else if (query->terms[i].is_used && store_is_indexed(store, true, column->name))
      return false;
  }
  return found;
}

static void append_from(sqlite3_str *out, const Store *store, const char *schema,
                        const RowQuery *query) {
  if (!query->items) {
    sqlite3_str_appendf(out, " FROM \"%w\".naver_serp_tasks t", schema);
    if (uses_table(query, 'c'))
      sqlite3_str_appendf(out, " LEFT JOIN \"%w\".naver_serp_cache c ON c.id = t.id",
                          schema);
  } else if (query->by_id || tasks_first(store, query)) {
    sqlite3_str_appendf(out,
                        " FROM \"%w\".naver_serp_tasks t"
                        " CROSS JOIN \"%w\".naver_serp_items i"
                        " ON i.item BETWEEN t.first_item AND t.last_item",
                        schema, schema);
  } else {
    sqlite3_str_appendf(out, " FROM \"%w\".naver_serp_items i", schema);
    if (uses_table(query, 't'))
      sqlite3_str_appendf(out,
                          " JOIN \"%w\".naver_serp_tasks t ON t.task = i.task"
                          " AND i.item BETWEEN t.first_item AND t.last_item",
                          schema);
  }
}

/* Without an id, leaves out of SIDE_MAIN what temp hides. */
static void append_where(sqlite3_str *out, Store *store, Side side,
                         const RowQuery *query) {
  const char *word = " WHERE ";
  int n = 1;
  int i, k;
  if (query->by_id) {
    sqlite3_str_appendall(out, " WHERE t.id = ?1");
    word = " AND ";
  } else if (side == SIDE_MAIN && store->side[SIDE_TEMP].exists) {
    sqlite3_str_appendf(out,
                        " WHERE %s.task NOT IN (SELECT m.task"
                        " FROM temp.naver_serp_tasks x"
                        " JOIN \"%w\".naver_serp_tasks m ON m.id = x.id)",
                        query->items ? "i" : "t", store->side[side].schema);
    word = " AND ";
  }
  for (i = 0; i < query->n_term; i++) {
    const RowTerm *term = &query->terms[i];
    const char *mark = memchr(term->op, '?', (size_t)term->n_op);
    if (!term->is_used)
      continue;
    sqlite3_str_appendf(out, "%s%s %.*s", word, query->columns[term->column].source,
                        mark ? (int)(mark - term->op) : term->n_op, term->op);
    word = " AND ";
    if (mark && mark[-2] == 'N') { /* IN */
      for (k = 0; k < term->n_value; k++)
        sqlite3_str_appendf(out, "%s?%d", k ? ", " : "(", ++n);
      sqlite3_str_appendall(out, term->n_value ? ")" : "()");
    } else if (mark) {
      sqlite3_str_appendf(out, "?%d", ++n);
    }
  }
}

/* Appends the SELECT of one side, without an order. */
static void append_select(sqlite3_str *out, Store *store, Side side,
                          const RowQuery *query, int *map) {
  const char *alias = query->items ? "i.item, i" : "t.task, t";
  int n = ROW_NKEY;
  int k;
  if (query->used || query->n_order)
    sqlite3_str_appendf(out, "SELECT %s.odd, %d", alias, (int)side);
  else /* Only the number of rows counts: an index is enough for that */
    sqlite3_str_appendf(out, "SELECT %.6s, NULL, %d", alias, (int)side);
  for (k = 0; k < query->n_column; k++) {
    map[k] = -1;
    if (is_wanted(query, k)) {
      sqlite3_str_appendf(out, ", %s", query->columns[k].source);
      map[k] = n++;
    }
  }
  append_from(out, store, store->side[side].schema, query);
  append_where(out, store, side, query);
}

void store_bind_values(sqlite3_stmt *stmt, const RowQuery *query) {
  int i;
  for (i = 0; i < query->n_value; i++)
    sqlite3_bind_value(stmt, 2 + i, query->values[i]);
}

int store_rows(Store *store, Side side, const RowQuery *query, int *map,
               sqlite3_stmt **stmt, Error *error) {
  sqlite3_str *out = sqlite3_str_new(store->db);
  bool both = !query->by_id && store->side[SIDE_TEMP].exists;
  const char *separator = " ORDER BY ";
  int i;
  if (both) {
    append_select(out, store, SIDE_TEMP, query, map);
    if (store->side[SIDE_MAIN].exists)
      sqlite3_str_appendall(out, " UNION ALL ");
  }
  if (!both || store->side[SIDE_MAIN].exists)
    append_select(out, store, query->by_id ? side : SIDE_MAIN, query, map);
  for (i = 0; i < query->n_order; i++) {
    sqlite3_str_appendf(out, "%s%d%s", separator, map[query->order[i].column] + 1,
                        query->order[i].desc ? " DESC" : "");
    separator = ", ";
  }
  /* Among many tasks the order of the rows would keep SQLite from using an index. */
  if (query->by_id || (query->n_term == 0 && query->n_order == 0)) {
    if (both)
      sqlite3_str_appendf(out, "%s%d, %d", separator, ROW_SIDE + 1, ROW_NUMBER + 1);
    else if (query->by_id && query->items) /* Said like this it needs no sorting */
      sqlite3_str_appendf(out, "%st.task, i.item", separator);
    else
      sqlite3_str_appendf(out, "%s%d", separator, ROW_NUMBER + 1);
  }
  if (prepare_rows(store, out, stmt, error) == SQLITE_OK)
    store_bind_values(*stmt, query);
  return error->rc;
}

/* ---- For planning -------------------------------------------------------------- */

#define SAMPLE_TASKS 10 /* Tasks whose items are counted for an average */

void store_measure(Store *store) {
  SideState *side = &store->side[SIDE_MAIN];
  StoreSize *size = &side->size;
  Error ignored = {SQLITE_OK, NULL};
  sqlite3_stmt *stmt;
  memset(size, 0, sizeof(*size));
  if (!side->exists ||
      (stmt = statement(store, SIDE_MAIN, ST_SIZE, &ignored)) == NULL) {
    error_clear(&ignored);
    return;
  }
  sqlite3_bind_int(stmt, 1, SAMPLE_TASKS);
  if (sqlite3_step(stmt) == SQLITE_ROW) {
    size->n_task = sqlite3_column_int64(stmt, 0);
    size->items_per_task = sqlite3_column_double(stmt, 1) + 1;
    size->n_item = (sqlite3_int64)((double)size->n_task * size->items_per_task);
  }
  idle(stmt);
}

void store_size(const Store *store, StoreSize *size) {
  *size = store->side[SIDE_MAIN].size;
}

bool store_is_indexed(const Store *store, bool items, const char *column) {
  const SideState *side = &store->side[SIDE_MAIN];
  const ColumnList *list = items ? &item_columns : &task_columns;
  int k;
  for (k = 0; k < list->n; k++) {
    if (strcmp(list->a[k].name, column) == 0)
      return side->exists && (side->indexed[items] >> k & 1);
  }
  return false;
}
