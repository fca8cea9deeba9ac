/*
** What all virtual tables of the extension have in common: they are eponymous (no CREATE
** VIRTUAL TABLE, no xCreate), belong to a session, name themselves in their errors, and do
** not work from the views and triggers of a file (SQLITE_VTAB_DIRECTONLY).
*/
#ifndef NAVER_SERP_VTAB_H
#define NAVER_SERP_VTAB_H

#include "collect.h"

/* The first member of every table's struct. */
typedef struct Vtab {
  sqlite3_vtab base;
  Session *session;
  const char *name; /* Static */
} Vtab;

/* Registers a module whose pAux is the session; it holds a reference to it. */
int vtab_register(Session *, const char *name, const sqlite3_module *, Error *);

/* xConnect, with its argv and message: declares the columns and makes a table of `size`
** bytes, zero behind its Vtab. Refuses a table that goes by another name than its module's:
** it comes from a file into which somebody wrote CREATE VIRTUAL TABLE by hand. DIRECTONLY
** does not stop what its name hides, and a user who reads or fills it would make requests,
** and spend money, without knowing. */
int vtab_connect(sqlite3 *, Session *, const char *name, const char *const *argv,
                 char **message, const Column *, int n_column, size_t size,
                 sqlite3_vtab **);
int vtab_disconnect(sqlite3_vtab *);

/* xOpen: makes a cursor of `size` bytes, zero. vtab_close() frees it. */
int vtab_open(sqlite3_vtab *, size_t size, sqlite3_vtab_cursor **);
int vtab_close(sqlite3_vtab_cursor *);

/* Hands an error, if there is one, to SQLite under the table's name; returns its code. */
int vtab_result(sqlite3_vtab *, Error *);

#endif
