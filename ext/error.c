/*
** One error value; see error.h.
*/
#include <stdarg.h>
#include <stddef.h>
#include "error.h"

int error_set(Error *error, int rc, const char *format, ...) {
  if (error->rc == SQLITE_OK) {
    va_list ap;
    va_start(ap, format);
    error->text = sqlite3_vmprintf(format, ap);
    va_end(ap);
    error->rc = error->text ? rc : SQLITE_NOMEM;
  }
  return error->rc;
}

int error_nomem(Error *error) {
  if (error->rc == SQLITE_OK)
    error->rc = SQLITE_NOMEM;
  return error->rc;
}

int error_from_db(Error *error, sqlite3 *db, const char *doing) {
  int rc = sqlite3_extended_errcode(db);
  if ((rc & 0xff) == SQLITE_NOMEM)
    return error_nomem(error);
  return error_set(error, rc, "%s: %s", doing, sqlite3_errmsg(db));
}

void error_clear(Error *error) {
  sqlite3_free(error->text);
  error->text = NULL;
  error->rc = SQLITE_OK;
}

void error_result(Error *error, sqlite3_context *ctx, const char *function) {
  if (error->rc == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(ctx);
  } else {
    char *text = sqlite3_mprintf("%s: %s", function, error->text);
    if (text)
      sqlite3_result_error(ctx, text, -1);
    else
      sqlite3_result_error_nomem(ctx);
    if (text)
      sqlite3_result_error_code(ctx, error->rc);
    sqlite3_free(text);
  }
  error_clear(error);
}
