/*
** Query plans of naver_serp and naver_serp_task: what xBestIndex decides and xFilter is
** told, and which constraints the SELECT over the stored tables may check.
**
** Constraints on columns become terms of that SELECT, so that its indexes serve them. A
** term must never leave out a row that SQLite would have taken; where it may let others
** pass, SQLite checks again (no `omit`). What is known of a constraint is its column, the
** operator and, when it runs, the value; not known is whether the other side is a column
** with an affinity of its own, which decides how SQLite compares. So, per column:
**
**   INTEGER, NUMERIC   SQLite applies numeric affinity whatever the other side is, and so
**                      does the term: exact.
**   TEXT, JSON         exact or wider for a text or a blob. A number is compared as text,
**                      as a number or not at all, depending on the other side: no term.
**                      Where a column of numeric affinity holds a text that is no number,
**                      stored texts that read as numbers are less than it, whatever their
**                      bytes are: "<" and "<=" are terms only for texts that start behind
**                      all of those, that is, behind '9'.
*/
#ifndef NAVER_SERP_PLAN_H
#define NAVER_SERP_PLAN_H

#include "store.h"

typedef struct TableKind {
  const char *name;
  const Column *columns;
  int n_column;
  bool items;      /* Rows are items, not tasks */
  int i_parameter; /* The id as a parameter: the first hidden column */
  int i_id;        /* The id as a column; may be the same */
  int i_mode;      /* Hidden column of the parameter */
  int i_on_error;  /* Likewise, or -1 */
} TableKind;

/* idxNum is a set of these, and xFilter's argv has, in this order and only where the bit
** is set: the id (or the list of ids), mode, on_error; then the values of the terms.
** idxStr says the same for people, as EXPLAIN QUERY PLAN shows it, and has the terms. */
#define PLAN_ID       1 /* id = argv: one task */
#define PLAN_IDS      2 /* id IN argv: a list, through sqlite3_vtab_in() */
#define PLAN_MODE     4 /* argv: mode */
#define PLAN_ON_ERROR 8 /* argv: on_error */

/* xBestIndex. The store is only asked for its size and its indexes. */
int plan_best_index(const TableKind *, Store *, sqlite3_index_info *);

/* Makes a query from what xFilter is given. The texts of the terms point into idxStr. */
void plan_read(const TableKind *, int idxNum, const char *idxStr, RowQuery * /* OUT */);

/* Gives the terms their values (argv has one for each; copied), and
** decides with them which terms the SELECT must not check. */
int plan_take_values(sqlite3 *, RowQuery *, sqlite3_value **argv, Error *);
void plan_free_values(RowQuery *);

#endif
