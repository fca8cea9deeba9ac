/*
** The store: answers and what is derived from them, in three ordinary tables, and the
** posted tasks in a fourth. This is the only room with SQL text of those tables (their
** DDL is sql/store.sql).
**
** There are two sides with the same tables: the schema the connection has chosen
** (SIDE_MAIN, whatever its name) and `temp` (SIDE_TEMP), which takes answers that
** SIDE_MAIN could not take and hides what SIDE_MAIN holds under the same id.
**
** An answer is written in an order that makes half of it harmless: items, task row, and
** last the body, whose `parsed` has the stamp of its task rows. A body without such rows
** counts as not parsed, and is derived again; rows without a body are cleared away by the
** next write.
**
** Every call that can fail returns an SQLite code and sets the Error. Nested statements
** leave sqlite3_last_insert_rowid() as it was.
*/
#ifndef NAVER_SERP_STORE_H
#define NAVER_SERP_STORE_H

#include <stdbool.h>
#include "columns.h"
#include "error.h"

/* Rows of one answer at most: a row's number is task * 2^24 + place. */
#define STORE_MAX_ITEMS (1 << 24)

typedef enum Side { SIDE_TEMP, SIDE_MAIN } Side;
#define N_SIDE 2

typedef struct Store Store;

Store *store_new(sqlite3 *db, Error *);
void store_free(Store *);

/* Finalizes every prepared statement; they are prepared again when needed. */
void store_forget_statements(Store *);

/* Looks at the store as it is now: to be called before anything else in a statement of
** the user's. Tables that exist but are not the store's are an error. */
int store_open(Store *, const char *schema, Error *);

/* The same for planning: looks at SIDE_MAIN only, and neither changes nor reports anything.
** After a look that had to wait for a lock, in vain, there is no other before store_open(). */
void store_glance(Store *, const char *schema);

/* A number that changes when SELECTs made by store_rows() are no longer right: there are
** tables where there were none, or another database is chosen. */
int store_shape(const Store *);

/* True if the side has the store's tables. */
bool store_has(const Store *, Side);

typedef struct StoredTask {
  Side side;     /* Where it is */
  bool sandbox;  /* A dummy of the sandbox, by its origin */
  bool parsed;   /* False: the body has to be derived first; nothing below is set */
  int code;      /* status_code, 0 if there is none */
  char *id;      /* The texts are valid until the next call that fills one; */
  char *state;   /* ... never NULL. naver_serp_tasks.state */
  char *message; /* ... status_message */
} StoredTask;

/* Looks an id up, in temp first. SQLITE_ROW: found, SQLITE_DONE: not stored. */
int store_find(Store *, const char *id, StoredTask *found /* OUT */, Error *);

/* Hands over the body of an id (SQLITE_ROW), or SQLITE_DONE. Valid until
** store_body_done(), which has to be called after SQLITE_ROW. */
int store_body(Store *, Side, const char *id, const char **body, size_t *n, Error *);
void store_body_done(Store *, Side);

/* How many bodies of a side have to be derived; 0 also on an error. */
int store_count_unparsed(Store *, Side, Error *);

/* The first id behind `after` (NULL: of all) whose body has to be derived, from
** sqlite3_malloc(); NULL at the end or on an error. */
char *store_next_unparsed(Store *, Side, const char *after, Error *);

/* Brackets writes to one side: makes the tables where missing, and opens a savepoint, if
** no transaction is open, which makes one commit of many answers. Each begin that returned
** SQLITE_OK is followed by one store_end(); with keep = false, or where it fails, what was
** written since begin is undone; inside a transaction of the user's only the answer that
** is half written, since whole ones do no harm. */
int store_begin(Store *, Side, Error *);
int store_end(Store *, Side, bool keep, Error *);

/* Writes one answer, between begin and end:
**   store_put_start       drops what was derived from the id's body before
**   per result: store_put_item for each item, then store_put_task
**   store_put_body        the body with its origin, or, where it is stored already,
**   store_put_parsed      nothing but the mark that it is parsed
*/
int store_put_start(Store *, Side, const char *id, Error *);
int store_put_item(Store *, Side, const Cell *cells, Error *);
int store_put_task(Store *, Side, const char *id, const Cell *cells, Error *);
int store_put_body(Store *, Side, const char *id, const char *body, size_t n,
                   const char *origin, Error *);
int store_put_parsed(Store *, Side, const char *id, Error *);

/* Moves the answers that temp holds to SIDE_MAIN, if that can be written now; they are
** derived there again when asked for. True if some were moved; failing changes nothing. */
bool store_flush_temp(Store *);

/* Where SIDE_MAIN cannot be written, its unparsed bodies are derived into temp under a
** body of no bytes (store_put_body() with n = 0). They hold for one statement of the
** user's, since nothing tells when the real body changes: this drops them. */
void store_drop_stand_ins(Store *);

/* Gives a stand-in the origin and fetched_at of the body it stands for. */
int store_copy_origin(Store *, const char *id, Error *);

#define MAX_TERM  24
#define MAX_ORDER 4

/* A condition of the WHERE clause: a column, and what stands behind it. */
typedef struct RowTerm {
  int column;
  const char
      *op;      /* "= ?", "COLLATE \"x\" = ?", "IN ?", "IS NULL", ...; not terminated */
  int n_op;     /* Bytes of op */
  bool is_used; /* False: the SELECT does not check it */
  int n_value;  /* Values that stand for the ? */
} RowTerm;

typedef struct RowOrder {
  int column;
  bool desc;
} RowOrder;

typedef struct RowQuery {
  const Column *columns; /* Of the virtual table */
  int n_column;
  sqlite3_uint64 used; /* Bit k: column k is wanted; bit 63: and all from there on */
  bool items;          /* Rows are items; else rows are tasks */
  bool by_id;          /* One task, its id bound to ?1; else everything stored */
  RowTerm terms[MAX_TERM];
  int n_term;
  RowOrder order[MAX_ORDER]; /* Before the order of the answers */
  int n_order;
  sqlite3_value **values; /* Of the terms, in their order */
  int n_value;
} RowQuery;

/* The first columns of the SELECT behind a cursor: the row's number, its `odd` bits and
** its Side. */
enum { ROW_NUMBER, ROW_ODD, ROW_SIDE, ROW_NKEY };

/* Prepares the SELECT behind a cursor, with the values of the terms bound: the rows of one
** task from one side, or those of everything stored, from both (`side` is ignored). Behind
** the columns above, map[k] is set to the place of the wanted column k, or -1. Rows come in
** the order asked for, and else in that of the answer; of everything stored with terms, in
** any. The caller finalizes it. */
int store_rows(Store *, Side, const RowQuery *, int *map, sqlite3_stmt **, Error *);

/* Binds other values of the same terms. */
void store_bind_values(sqlite3_stmt *, const RowQuery *);

/* About how much SIDE_MAIN holds, as it was when that was last measured; 0 where nothing
** is known. */
typedef struct StoreSize {
  sqlite3_int64 n_task;
  sqlite3_int64 n_item;
  double items_per_task;
} StoreSize;
void store_size(const Store *, StoreSize * /* OUT */);
void store_measure(Store *);

/* True if the table of items (or of tasks) of SIDE_MAIN has an index that starts with the
** column. As of the last look at the tables. */
bool store_is_indexed(const Store *, bool items, const char *column);

/* ---- Posted tasks: naver_serp_posts of SIDE_MAIN ---- */

/* Looks at the store as store_open() does, and for the table of posts, which is made
** where it is missing and `make` is set. *there: whether it is there now. */
int store_open_posts(Store *, const char *schema, bool make, bool *there /* OUT */,
                     Error *);

/* The number that the next post will have, if nobody else writes. */
int store_next_post(Store *, sqlite3_int64 *post /* OUT */, Error *);

/* What became of a post. */
typedef struct StoredPost {
  const char *id;      /* NULL: none */
  const char *state;   /* Never NULL */
  int code;            /* 0: none */
  const char *message; /* Never NULL */
  double cost;         /* USD; negative: not known */
} StoredPost;

/* A post goes in before it is sent, as what it is hoped to become, so that an index or a
** trigger of the user's that forbids it does so now: 'pending', with placeholders as wide
** as what will replace them, so that store_set_post() needs no room that is not there.
** fields: POST_NFIELD values. store_doubt_post() makes it 'unreachable' until it is known
** better. store_set_post() says what became of it, once; a row that has been told or is
** gone stays as it is. store_drop_post() takes it out again. */
int store_put_post(Store *, sqlite3_value *const *fields, sqlite3_int64 *post /* OUT */,
                   Error *);
int store_doubt_post(Store *, sqlite3_int64 post, Error *);
int store_set_post(Store *, sqlite3_int64 post, const StoredPost *, Error *);
int store_drop_post(Store *, sqlite3_int64 post, Error *);

/* Takes the locks that the commit of the open transaction is going to need, so that no
** reader can make it fail any more. A rollback journal asks for the exclusive lock of each
** database that was begun to be written; writing a page takes it before. Where none can
** be written (nothing was changed, or a cursor stands on all that was) this is an error. */
int store_hold_locks(Store *, Error *);

/* While the user's transaction is being committed no savepoint may be opened: it would
** be taken for a transaction of its own. */
void store_in_commit(Store *, bool);

/* Prepares the SELECT behind naver_serp_post: column 0 is the row's number, column 1 + k
** is POST column k; in the order of posting. The caller finalizes it. */
int store_post_rows(Store *, sqlite3_stmt **, Error *);

/* The first stored answer behind id `after` (NULL: of all) that is no final answer: put
** in by hand although pending, refused or unreadable. SQLITE_ROW (found->id is set
** too), SQLITE_DONE, or an error. */
int store_next_unusable(Store *, Side, const char *after, StoredTask *, Error *);

#endif
