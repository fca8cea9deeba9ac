/*
** What virtual tables have in common; see vtab.h.
*/
#include <string.h>
#include "vtab.h"

int vtab_register(Session *session, const char *name, const sqlite3_module *module,
                  Error *error) {
  session_ref(session);
  /* SQLite calls the destructor also where this fails. */
  if (sqlite3_create_module_v2(session_db(session), name, module, session,
                               (void (*)(void *))session_unref) != SQLITE_OK)
    error_from_db(error, session_db(session), "cannot register a table");
  return error->rc;
}

int vtab_connect(sqlite3 *db, Session *session, const char *name,
                 const char *const *argv, char **message, const Column *columns,
                 int n_column, size_t size, sqlite3_vtab **out) {
  Vtab *table;
  char *sql;
  int rc;
  if (sqlite3_stricmp(argv[0], argv[2])) {
    *message = sqlite3_mprintf(
        "%s has no tables of other names: %s.%s, which the file declares as one, is "
        "refused",
        name, argv[1], argv[2]);
    return SQLITE_ERROR;
  }
  table = sqlite3_malloc64(size);
  sql = columns_declaration(columns, n_column);
  rc = table && sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;
  sqlite3_free(sql);
  if (rc == SQLITE_OK)
    rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  if (rc != SQLITE_OK) {
    sqlite3_free(table);
    return rc;
  }
  memset(table, 0, size);
  table->session = session;
  table->name = name;
  session_connect(session);
  *out = &table->base;
  return SQLITE_OK;
}

int vtab_disconnect(sqlite3_vtab *base) {
  session_disconnect(((Vtab *)base)->session);
  sqlite3_free(base);
  return SQLITE_OK;
}

int vtab_open(sqlite3_vtab *base, size_t size, sqlite3_vtab_cursor **out) {
  *out = sqlite3_malloc64(size);
  if (*out == NULL)
    return SQLITE_NOMEM;
  memset(*out, 0, size);
  session_enter(((Vtab *)base)->session);
  return SQLITE_OK;
}

int vtab_close(sqlite3_vtab_cursor *cursor) {
  Session *session = ((Vtab *)cursor->pVtab)->session;
  sqlite3_free(cursor);
  session_leave(session);
  return SQLITE_OK;
}

int vtab_result(sqlite3_vtab *base, Error *error) {
  int rc = error->rc;
  if (rc != SQLITE_OK) {
    sqlite3_free(base->zErrMsg);
    base->zErrMsg = error->text
                        ? sqlite3_mprintf("%s: %s", ((Vtab *)base)->name, error->text)
                        : NULL;
    error_clear(error);
  }
  return rc;
}
