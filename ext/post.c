/*
** naver_serp_post: INSERT a keyword and its task is posted when the transaction commits.
**
**   INSERT INTO naver_serp_post(keyword, device, tag)
**     SELECT keyword, device, tag FROM my_keywords;
**   SELECT rank_absolute, domain FROM naver_serp
**    WHERE id IN (SELECT id FROM naver_serp_post WHERE state = 'pending');
**
** Virtual schema: POST_COLUMNS in columns.h. The columns up to `options` are given, the
** others (id, state, status_code, status_message, cost, posted_at) come back. Posting
** spends money, so it is an INSERT and no function: SQLite may call a function any number
** of times, and inserts a row once.
**
** Fields are checked when they are inserted; the rules are those of the API's page
** "Setting Naver Organic SERP Tasks". Rows wait in the transaction (posting.h) and are
** not seen by a SELECT until they were posted. SELECT reads the ordinary table
** naver_serp_posts. UPDATE and DELETE are refused: what was paid for cannot be undone;
** the record itself is changed in naver_serp_posts.
**
** A commit of which nothing was accepted fails, and like any commit that fails otherwise
** than with SQLITE_BUSY it rolls the whole transaction back.
**
** Eponymous (no CREATE VIRTUAL TABLE), and not usable from the views and triggers of a
** file (SQLITE_VTAB_DIRECTONLY).
*/
#include <string.h>
#include "post.h"
#include "posting.h"
#include "scan.h"
#include "vtab.h"

#define MAX_KEYWORD     700
#define MAX_TAG         255
#define ANY_LENGTH      0x7fffffff
#define ESTIMATED_ROWS  1000
#define FIRST_FIELD_ARG 2 /* xUpdate's argv: two rowids, then the columns */

typedef struct Post {
  Vtab vtab;
  Posting *posting;
} Post;

typedef struct PostCursor {
  sqlite3_vtab_cursor base;
  sqlite3_stmt *stmt; /* SELECT over naver_serp_posts; NULL where that is missing */
  bool eof;
} PostCursor;

/* ---- Fields ---------------------------------------------------------------------- */

typedef enum RuleKind { RULE_TEXT, RULE_INTEGER, RULE_CHOICE } RuleKind;

/* What a field may hold; NULL is allowed in all but the keyword. */
typedef struct Rule {
  int column; /* POST_... */
  RuleKind kind;
  int min; /* Of an integer, or characters of a text; 1: and not all of them blanks */
  int max;
  const char *choices[3]; /* RULE_CHOICE, up to the first NULL */
  const char *allowed;    /* The same for people */
} Rule;

static const Rule aRule[] = {
    {POST_keyword, RULE_TEXT, 1, MAX_KEYWORD, {0}, "text of 1 to 700 characters"},
    {POST_priority, RULE_INTEGER, 1, 2, {0}, "1 or 2"},
    {POST_depth, RULE_INTEGER, 1, 700, {0}, "an integer from 1 to 700"},
    {POST_max_crawl_pages, RULE_INTEGER, 1, 100, {0}, "an integer from 1 to 100"},
    {POST_device, RULE_CHOICE, 0, 0, {"desktop", "mobile"}, "'desktop' or 'mobile'"},
    {POST_se_domain, RULE_TEXT, 1, ANY_LENGTH, {0}, "text"},
    {POST_search_param, RULE_TEXT, 1, ANY_LENGTH, {0}, "text"},
    {POST_url, RULE_TEXT, 1, ANY_LENGTH, {0}, "text"},
    {POST_tag, RULE_TEXT, 0, MAX_TAG, {0}, "text of at most 255 characters"},
};

/* The API takes 'desktop' where there is no device. */
static const Rule desktop_os = {
    POST_os,
    RULE_CHOICE,
    0,
    0,
    {"windows", "macos"},
    "'windows' or 'macos' for device 'desktop' (the default)"};
static const Rule mobile_os = {
    POST_os, RULE_CHOICE,        0,
    0,       {"android", "ios"}, "'android' or 'ios' for device 'mobile'"};

/* A value as SQLite's TEXT affinity makes it (a number becomes its digits), or NULL for
** one that is no text: bytes, or something with a NUL in it or that is not UTF-8, which
** would spoil the call for the tasks beside it. */
static const char *plain_text(sqlite3_value *value) {
  const char *z;
  if (sqlite3_value_type(value) == SQLITE_BLOB)
    return NULL;
  z = (const char *)sqlite3_value_text(value);
  return z && strlen(z) == (size_t)sqlite3_value_bytes(value) && scan_is_utf8(z) ? z
                                                                                 : NULL;
}

static int count_characters(const char *z) {
  int n = 0;
  for (; *z; z++)
    n += (*z & 0xc0) != 0x80;
  return n;
}

static bool obeys(const Rule *rule, sqlite3_value *value) {
  const char *z;
  sqlite3_int64 i;
  int k;
  switch (rule->kind) {
  case RULE_INTEGER:
    if (sqlite3_value_type(value) == SQLITE_BLOB ||
        (sqlite3_value_numeric_type(value) != SQLITE_INTEGER &&
         sqlite3_value_numeric_type(value) != SQLITE_FLOAT))
      return false;
    i = sqlite3_value_int64(value);
    return i >= rule->min && i <= rule->max && sqlite3_value_double(value) == (double)i;
  case RULE_TEXT:
    z = plain_text(value);
    return z && count_characters(z) <= rule->max &&
           (rule->min == 0 || z[strspn(z, " \t\r\n")]);
  case RULE_CHOICE:
    z = plain_text(value);
    for (k = 0; z && rule->choices[k]; k++) {
      if (strcmp(rule->choices[k], z) == 0)
        return true;
    }
  }
  return false;
}

/* "must be ..., not ...", naming the keyword, by which people find the row. */
static int wrong(sqlite3_value **fields, int k, const char *allowed, Error *error) {
  bool bytes = sqlite3_value_type(fields[k]) == SQLITE_BLOB;
  const char *z = bytes ? NULL : (const char *)sqlite3_value_text(fields[k]);
  const char *keyword = plain_text(fields[POST_keyword]);
  char *is =
      bytes                   ? sqlite3_mprintf("a BLOB")
      : z && !scan_is_utf8(z) ? sqlite3_mprintf("bytes that are not UTF-8")
      : z ? sqlite3_mprintf("'%!.40s'%s", z, count_characters(z) > 40 ? "..." : "")
          : sqlite3_mprintf("NULL");
  if (is == NULL)
    return error_nomem(error);
  if (k == POST_keyword || keyword == NULL)
    error_set(error, SQLITE_CONSTRAINT, "%s must be %s, not %s", post_columns[k].name,
              allowed, is);
  else
    error_set(error, SQLITE_CONSTRAINT, "%s must be %s, not %s (keyword '%!.40s')",
              post_columns[k].name, allowed, is, keyword);
  sqlite3_free(is);
  return error->rc;
}

/* The text that a one-row SELECT of one value gives with n values bound, or NULL: from
** sqlite3_malloc(). */
static char *select_text(sqlite3 *db, const char *sql, sqlite3_value **values, int n,
                         Error *error) {
  sqlite3_stmt *stmt = NULL;
  char *text = NULL;
  int i;
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
    for (i = 0; i < n; i++)
      sqlite3_bind_value(stmt, i + 1, values[i]);
    if (sqlite3_step(stmt) == SQLITE_ROW &&
        sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
      text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
      if (text == NULL)
        error_nomem(error);
    }
  }
  if (sqlite3_finalize(stmt) != SQLITE_OK || stmt == NULL)
    error_from_db(error, db, "checking the fields");
  return text;
}

/* options: a JSON object, of fields that have no column (which would not be checked). */
static int check_options(sqlite3 *db, sqlite3_value **fields, Error *error) {
  sqlite3_value **options = &fields[POST_options];
  char *type, *name;
  if (plain_text(*options) == NULL)
    return wrong(fields, POST_options, "a JSON object", error);
  type = select_text(db, "SELECT CASE WHEN json_valid(?1) THEN json_type(?1) END",
                     options, 1, error);
  if (error->rc == SQLITE_OK && (type == NULL || strcmp(type, "object")))
    wrong(fields, POST_options, "a JSON object", error);
  sqlite3_free(type);
  if (error->rc != SQLITE_OK)
    return error->rc;
  name = select_text(db,
                     "SELECT key FROM json_each(?1) WHERE key IN ('keyword', "
                     "'priority', 'depth', 'max_crawl_pages', 'device', 'os', "
                     "'se_domain', 'search_param', 'url', 'tag')",
                     options, 1, error);
  if (name)
    wrong(fields, POST_options,
          "a JSON object of other fields than those that have a column", error);
  sqlite3_free(name);
  return error->rc;
}

static int check_fields(sqlite3 *db, sqlite3_value **fields, Error *error) {
  const char *device = plain_text(fields[POST_device]);
  const Rule *os = device && strcmp(device, "mobile") == 0 ? &mobile_os : &desktop_os;
  size_t i;
  int k;
  for (i = 0; i < sizeof(aRule) / sizeof(aRule[0]); i++) {
    const Rule *rule = &aRule[i];
    bool null = sqlite3_value_type(fields[rule->column]) == SQLITE_NULL;
    if (null ? rule->column == POST_keyword : !obeys(rule, fields[rule->column]))
      return wrong(fields, rule->column, rule->allowed, error);
  }
  if (sqlite3_value_type(fields[POST_os]) != SQLITE_NULL && !obeys(os, fields[POST_os]))
    return wrong(fields, POST_os, os->allowed, error);
  if (sqlite3_value_type(fields[POST_options]) != SQLITE_NULL &&
      check_options(db, fields, error) != SQLITE_OK)
    return error->rc;
  for (k = POST_NFIELD; k < POST_NCOL; k++) {
    if (sqlite3_value_type(fields[k]) != SQLITE_NULL)
      return wrong(fields, k, "left out: it comes back from the API", error);
  }
  return SQLITE_OK;
}

/* The task as task_post takes it. The API decodes %## in a keyword, and + as a space:
** both are encoded, so that a keyword means what it says, and the keyword of the result
** is the one that was inserted. json_patch() drops what is NULL. ?n is POST column n-1. */
static char *task_json(sqlite3 *db, sqlite3_value **fields, Error *error) {
  char *json = select_text(
      db,
      "SELECT json_patch(coalesce(?11, '{}'), json_patch('{}', json_object("
      " 'keyword', replace(replace(CAST(?1 AS TEXT), '%', '%25'), '+', '%2B'),"
      " 'priority', CAST(?2 AS INTEGER),"
      " 'depth', CAST(?3 AS INTEGER),"
      " 'max_crawl_pages', CAST(?4 AS INTEGER),"
      " 'device', ?5,"
      " 'os', ?6,"
      " 'se_domain', CAST(?7 AS TEXT),"
      " 'search_param', CAST(?8 AS TEXT),"
      " 'url', CAST(?9 AS TEXT),"
      " 'tag', CAST(?10 AS TEXT))))",
      fields, POST_NFIELD, error);
  if (json == NULL)
    error_nomem(error);
  return json;
}

/* ---- Writing --------------------------------------------------------------------- */

static int insert(Post *post, sqlite3_value **fields, sqlite3_int64 *rowid,
                  Error *error) {
  sqlite3 *db = session_db(post->vtab.session);
  char *json;
  if (session_is_offline(post->vtab.session))
    return error_set(error, SQLITE_ERROR, "nothing can be posted: %s", network_off);
  if (check_fields(db, fields, error) != SQLITE_OK ||
      (json = task_json(db, fields, error)) == NULL)
    return error->rc;
  return posting_add(post->posting, fields, json, rowid, error);
}

static int xUpdate(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                   sqlite3_int64 *rowid) {
  Post *post = (Post *)vtab;
  Error error = {SQLITE_OK, NULL};
  if (argc == 1 || sqlite3_value_type(argv[0]) != SQLITE_NULL)
    error_set(
        &error, SQLITE_READONLY,
        "%s is not possible: a task that was posted stays posted; its record is in "
        "the table naver_serp_posts",
        argc == 1 ? "DELETE" : "UPDATE");
  else if (sqlite3_value_type(argv[1]) != SQLITE_NULL)
    error_set(&error, SQLITE_CONSTRAINT, "rowid must be left out");
  else
    insert(post, argv + FIRST_FIELD_ARG, rowid, &error);
  return vtab_result(vtab, &error);
}

/* SQLite tells only tables that have it of the end of a transaction. */
static int xBegin(sqlite3_vtab *vtab) {
  (void)vtab;
  return SQLITE_OK;
}

static int xSync(sqlite3_vtab *vtab) {
  Error error = {SQLITE_OK, NULL};
  posting_sync(((Post *)vtab)->posting, &error);
  return vtab_result(vtab, &error);
}

static int xCommit(sqlite3_vtab *vtab) {
  posting_end(((Post *)vtab)->posting, true);
  return SQLITE_OK;
}

static int xRollback(sqlite3_vtab *vtab) {
  posting_end(((Post *)vtab)->posting, false);
  return SQLITE_OK;
}

static int xSavepoint(sqlite3_vtab *vtab, int i) {
  Error error = {SQLITE_OK, NULL};
  posting_savepoint(((Post *)vtab)->posting, i, &error);
  return vtab_result(vtab, &error);
}

static int xRelease(sqlite3_vtab *vtab, int i) {
  posting_release(((Post *)vtab)->posting, i);
  return SQLITE_OK;
}

static int xRollbackTo(sqlite3_vtab *vtab, int i) {
  posting_rollback_to(((Post *)vtab)->posting, i);
  return SQLITE_OK;
}

/* ---- Reading --------------------------------------------------------------------- */

static int xDisconnect(sqlite3_vtab *vtab) {
  posting_free(((Post *)vtab)->posting);
  return vtab_disconnect(vtab);
}

static int xConnect(sqlite3 *db, void *session, int argc, const char *const *argv,
                    sqlite3_vtab **vtab, char **message) {
  Error error = {SQLITE_OK, NULL};
  int rc = vtab_connect(db, session, "naver_serp_post", argv, message, post_columns,
                        POST_NCOL, sizeof(Post), vtab);
  (void)argc;
  if (rc == SQLITE_OK) /* OR ROLLBACK, OR IGNORE and so on are SQLite's to heed */
    rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  if (rc == SQLITE_OK &&
      (((Post *)*vtab)->posting = posting_new(session, &error)) == NULL) {
    rc = error.rc;
    error_clear(&error);
    vtab_disconnect(*vtab);
  }
  return rc;
}

/* The plan contract: there is one plan, without arguments: all posts, in their order. */
static int xBestIndex(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  (void)vtab;
  info->estimatedCost = ESTIMATED_ROWS;
  info->estimatedRows = ESTIMATED_ROWS;
  info->idxStr = (char *)"naver_serp_posts";
  return SQLITE_OK;
}

static int xOpen(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
  return vtab_open(vtab, sizeof(PostCursor), out);
}

static int xClose(sqlite3_vtab_cursor *base) {
  sqlite3_finalize(((PostCursor *)base)->stmt);
  return vtab_close(base);
}

static int xNext(sqlite3_vtab_cursor *base) {
  PostCursor *cur = (PostCursor *)base;
  Error error = {SQLITE_OK, NULL};
  int rc = sqlite3_step(cur->stmt);
  cur->eof = rc != SQLITE_ROW;
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    error_from_db(&error, session_db(((Vtab *)base->pVtab)->session), "store");
  return vtab_result(base->pVtab, &error);
}

static int xFilter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                   sqlite3_value **argv) {
  PostCursor *cur = (PostCursor *)base;
  Post *post = (Post *)base->pVtab;
  Error error = {SQLITE_OK, NULL};
  bool there;
  (void)plan, (void)text, (void)argc, (void)argv;
  sqlite3_finalize(cur->stmt);
  cur->stmt = NULL;
  cur->eof = true;
  if (posting_look(post->posting, &there, &error) == SQLITE_OK && there &&
      store_post_rows(session_store(post->vtab.session), &cur->stmt, &error) ==
          SQLITE_OK)
    return xNext(base);
  return vtab_result(base->pVtab, &error);
}

static int xEof(sqlite3_vtab_cursor *base) {
  return ((PostCursor *)base)->eof;
}

static int xColumn(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int k) {
  sqlite3_value *value = sqlite3_column_value(((PostCursor *)base)->stmt, 1 + k);
  sqlite3_result_value(ctx, value);
  if (post_columns[k].type == COLUMN_JSON && sqlite3_value_type(value) == SQLITE_TEXT)
    sqlite3_result_subtype(ctx, JSON_SUBTYPE);
  return SQLITE_OK;
}

static int xRowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = sqlite3_column_int64(((PostCursor *)base)->stmt, 0);
  return SQLITE_OK;
}

int post_register(Session *session, Error *error) {
  static const sqlite3_module module = {
      .iVersion = 2,
      .xCreate = NULL, /* Eponymous only */
      .xConnect = xConnect,
      .xBestIndex = xBestIndex,
      .xDisconnect = xDisconnect,
      .xDestroy = xDisconnect,
      .xOpen = xOpen,
      .xClose = xClose,
      .xFilter = xFilter,
      .xNext = xNext,
      .xEof = xEof,
      .xColumn = xColumn,
      .xRowid = xRowid,
      .xUpdate = xUpdate,
      .xBegin = xBegin,
      .xSync = xSync,
      .xCommit = xCommit,
      .xRollback = xRollback,
      .xSavepoint = xSavepoint,
      .xRelease = xRelease,
      .xRollbackTo = xRollbackTo,
  };
  return vtab_register(session, "naver_serp_post", &module, error);
}
