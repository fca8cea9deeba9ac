/*
** What the fuzzers share: the extension in a connection of SQLite's, and how to complain.
**
** The extension's objects are linked into the fuzzer; sqlite3_auto_extension() hands them
** the same table of routines that a host hands to a library it loads. There are no
** credentials in the environment, so nothing is ever sent.
*/
#ifndef NAVER_SERP_FUZZ_H
#define NAVER_SERP_FUZZ_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store_sql.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int sqlite3_naverserp_init(sqlite3 *, char **, const struct sqlite3_api_routines *);

static sqlite3 *db;

/* What must never happen: says so, and lets the fuzzer keep the input. */
static void complain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("FOUND: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

#define must(what)                                                                     \
  do {                                                                                 \
    if (!(what))                                                                       \
      complain("%s:%d: %s (%s)", __FILE__, __LINE__, #what, sqlite3_errmsg(db));       \
  } while (0)

static int load(sqlite3 *to, char **message, const struct sqlite3_api_routines *api) {
  int rc = sqlite3_naverserp_init(to, message, api);
  return rc == SQLITE_OK_LOAD_PERMANENTLY ? SQLITE_OK : rc;
}

static void run(const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
    complain("%s: %s", sql, message);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
    complain("%s: %s", sql, sqlite3_errmsg(db));
  return stmt;
}

/* The only value of a query without parameters. */
static sqlite3_int64 number(const char *sql) {
  sqlite3_stmt *stmt = prepare(sql);
  sqlite3_int64 n;
  must(sqlite3_step(stmt) == SQLITE_ROW);
  n = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return n;
}

/* Opens `db` with the extension, an empty store and the mode 'cache'. */
static void open_db(void) {
  unsetenv("DATAFORSEO_LOGIN");
  unsetenv("DATAFORSEO_USERNAME");
  unsetenv("DATAFORSEO_PASSWORD");
  setenv("NAVER_SERP_MODE", "cache", 1);
  setenv("NAVER_SERP_PROGRESS", "off", 1);
  sqlite3_auto_extension((void (*)(void))load);
  must(sqlite3_open(":memory:", &db) == SQLITE_OK);
  run(STORE_SQL);
}

/* Names of a table's columns that are not in `without` (",a,b,"), as "a, b, c". */
static char *columns(const char *table, const char *without) {
  sqlite3_str *list = sqlite3_str_new(NULL);
  sqlite3_stmt *stmt = prepare(
      "SELECT name FROM pragma_table_xinfo(?1)"
      " WHERE instr(?2, ',' || name || ',') = 0");
  sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, without, -1, SQLITE_STATIC);
  while (sqlite3_step(stmt) == SQLITE_ROW)
    sqlite3_str_appendf(list, "%s%s", sqlite3_str_length(list) ? ", " : "",
                        sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return sqlite3_str_finish(list);
}

/* FNV-1a, to tell rows apart. */
static uint64_t hash(uint64_t h, const void *p, size_t n) {
  const unsigned char *z = p;
  while (n-- > 0)
    h = (h ^ *z++) * 1099511628211u;
  return h;
}

/* Adds a value to a hash. Numbers that SQLite takes for equal count as equal. */
static uint64_t hash_value(uint64_t h, sqlite3_value *v) {
  int type = sqlite3_value_type(v);
  sqlite3_int64 i = 0;
  double r = 0;
  if (type == SQLITE_FLOAT) {
    r = sqlite3_value_double(v);
    if (r >= -9e18 && r <= 9e18 && (double)(sqlite3_int64)r == r) {
      type = SQLITE_INTEGER;
      i = (sqlite3_int64)r;
    }
  } else if (type == SQLITE_INTEGER) {
    i = sqlite3_value_int64(v);
  }
  h = hash(h, &type, sizeof(type));
  if (type == SQLITE_INTEGER)
    return hash(h, &i, sizeof(i));
  if (type == SQLITE_FLOAT)
    return hash(h, &r, sizeof(r));
  if (type == SQLITE_NULL)
    return h;
  i = sqlite3_value_bytes(v);
  h = hash(h, &i, sizeof(i));
  return hash(h, sqlite3_value_blob(v), (size_t)i);
}

#endif
