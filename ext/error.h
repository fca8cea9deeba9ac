/*
** One error value: an SQLite result code and the text a person reads. It is filled
** where the fact is known and carried up unchanged. The first error wins: setting an
** error that is set already changes nothing, so a chain of calls needs one check.
**
** Texts never hold a credential.
*/
#ifndef NAVER_SERP_ERROR_H
#define NAVER_SERP_ERROR_H

#include "sqlite.h"

typedef struct Error {
  int rc;     /* SQLITE_OK while there is none */
  char *text; /* From sqlite3_malloc(), or NULL: then the code speaks for itself */
} Error;

/* Sets rc and a text in the style of sqlite3_mprintf(). Returns rc. A failing
** allocation turns the error into SQLITE_NOMEM. */
int error_set(Error *, int rc, const char *format, ...);

/* Sets SQLITE_NOMEM. Returns it. */
int error_nomem(Error *);

/* Takes code and message of the last failure on a connection. Returns the code. */
int error_from_db(Error *, sqlite3 *db, const char *doing);

/* Back to "no error"; frees the text. */
void error_clear(Error *);

/* Hands the error to a scalar function's caller, prefixed with the function's name. */
void error_result(Error *, sqlite3_context *, const char *function);

#endif
