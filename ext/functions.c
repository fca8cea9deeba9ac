/*
** naver_serp_import(body): stores a saved answer and returns its task id.
** naver_serp_config(): all settings as a JSON object.
** naver_serp_config(key): a setting's value.
** naver_serp_config(key, value): changes it and returns the new value; NULL gives it
**   its default back.
** naver_serp_version(): the versions of the extension, SQLite, libcurl and cJSON, and
**   whether the network is switched off for this connection.
**
**   SELECT naver_serp_import(readfile('answer.json'));
**   SELECT naver_serp_config('wait_seconds', 600);
**
** All are SQLITE_DIRECTONLY: nothing that is written in a file can call them. They are
** called SQLITE_DETERMINISTIC as well, although they are not, because SQLite (3.40 at
** least) heeds DIRECTONLY in a CHECK constraint for such functions alone: without it a file
** could set base_url, and have the credentials sent there. What it costs is that a call
** with constant arguments is made once in a statement and not once for each of its rows,
** which is the same for all of these.
*/
#include <stdlib.h>
#include <string.h>
#include "functions.h"

/* The store's prepared statements can only be kept while a virtual table is connected
** (see session_connect()): naming one in a statement connects it. */
static void connect_a_table(Session *s) {
  sqlite3_stmt *stmt = NULL;
  if (session_is_connected(s))
    return;
  sqlite3_prepare_v2(session_db(s), "SELECT 1 FROM naver_serp_task", -1, &stmt, NULL);
  sqlite3_finalize(stmt);
}

/* Is this text the name of a JSON file, where its content is wanted? */
static bool is_file_name(sqlite3_value *value) {
  const char *text = sqlite3_value_type(value) == SQLITE_TEXT
                         ? (const char *)sqlite3_value_text(value)
                         : NULL;
  return text && strpbrk(text, "{[\n") == NULL &&
         sqlite3_strlike("%.json", text, 0) == 0;
}

static void import(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  Session *s = sqlite3_user_data(ctx);
  Error error = {SQLITE_OK, NULL};
  const char *body;
  char *id = NULL;
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
    return; /* As readfile() gives for a file that is not there */
  if (is_file_name(argv[0])) {
    error_set(&error, SQLITE_ERROR,
              "this takes an answer, not a file's name: "
              "SELECT naver_serp_import(readfile('%q'))",
              sqlite3_value_text(argv[0]));
    error_result(&error, ctx, "naver_serp_import");
    return;
  }
  body = sqlite3_value_type(argv[0]) == SQLITE_BLOB
             ? sqlite3_value_blob(argv[0])
             : (const char *)sqlite3_value_text(argv[0]);
  if (body == NULL && sqlite3_value_bytes(argv[0]) > 0) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  connect_a_table(s);
  session_enter(s);
  if (session_prepare(s, &error) == SQLITE_OK)
    collect_import(s, body ? body : "", (size_t)sqlite3_value_bytes(argv[0]), &id,
                   &error);
  session_leave(s);
  if (!session_is_connected(s))
    session_forget_statements(s);
  if (error.rc != SQLITE_OK)
    error_result(&error, ctx, "naver_serp_import");
  else
    sqlite3_result_text(ctx, id, -1, sqlite3_free);
}

static void config(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  Session *s = sqlite3_user_data(ctx);
  Error error = {SQLITE_OK, NULL};
  const char *key = argc ? (const char *)sqlite3_value_text(argv[0]) : NULL;
  char *text = NULL;
  int is_integer = 0;
  if (argc == 0)
    text = config_json(session_config(s), &error);
  else if (argc == 1 ||
           config_set(session_config(s), key, argv[1], &error) == SQLITE_OK)
    text = config_get(session_config(s), key, &is_integer, &error);
  if (error.rc != SQLITE_OK) {
    sqlite3_free(text);
    error_result(&error, ctx, "naver_serp_config");
  } else if (is_integer) {
    sqlite3_result_int64(ctx, strtoll(text, NULL, 10));
    sqlite3_free(text);
  } else {
    sqlite3_result_text(ctx, text, -1, sqlite3_free);
    if (argc == 0)
      sqlite3_result_subtype(ctx, JSON_SUBTYPE);
  }
}

static void version(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *text = session_versions(sqlite3_user_data(ctx));
  (void)argc, (void)argv;
  if (text)
    sqlite3_result_text(ctx, text, -1, sqlite3_free);
  else
    sqlite3_result_error_nomem(ctx);
}

int functions_register(Session *s, Error *error) {
  static const struct {
    const char *name;
    int n_arg;
    int flags; /* Besides UTF-8 and DIRECTONLY */
    void (*function)(sqlite3_context *, int, sqlite3_value **);
  } a[] = {
      {"naver_serp_import", 1, 0, import},
      {"naver_serp_config", 0, SQLITE_SUBTYPE, config},
      {"naver_serp_config", 1, 0, config},
      {"naver_serp_config", 2, 0, config},
      {"naver_serp_version", 0, 0, version},
  };
  size_t i;
  for (i = 0; i < sizeof(a) / sizeof(a[0]) && error->rc == SQLITE_OK; i++) {
    session_ref(s);
    /* SQLite calls the destructor also where this fails. */
    if (sqlite3_create_function_v2(
            session_db(s), a[i].name, a[i].n_arg,
            SQLITE_UTF8 | SQLITE_DIRECTONLY | SQLITE_DETERMINISTIC | a[i].flags, s,
            a[i].function, NULL, NULL, (void (*)(void *))session_unref) != SQLITE_OK)
      error_from_db(error, session_db(s), "cannot register a function");
  }
  return error->rc;
}
