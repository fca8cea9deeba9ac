/*
** Tasks on their way to task_post: they wait in the user's transaction and are posted
** when it commits. Posting spends money, so this is written around three promises:
**
**   - Nothing is sent that the user can still take back: ROLLBACK, ROLLBACK TO and a
**     failing statement make waiting tasks go away.
**   - Nothing is sent before it can be recorded: each task is a row of naver_serp_posts,
**     and the locks and the room for the commit are held, before the first call. Only a
**     process that is killed during the commit, or a commit that fails for a reason that
**     comes later (a commit hook, another virtual table), spends without a record.
**   - Nothing is sent twice: a call whose answer is lost is not repeated.
**
** A Posting belongs to one connected naver_serp_post; its functions are that table's
** transaction methods, called in SQLite's order.
*/
#ifndef NAVER_SERP_POSTING_H
#define NAVER_SERP_POSTING_H

#include "collect.h"

typedef struct Posting Posting;

/* NULL with the error set if there is no memory. */
Posting *posting_new(Session *, Error *);
void posting_free(Posting *);

/* Puts a task on the waiting list. fields: POST_NFIELD values (copied); json: the task as
** task_post takes it (taken over, from sqlite3_malloc(), also on an error). *post becomes
** the number that its row is going to have. Makes the table of posts where it is missing. */
int posting_add(Posting *, sqlite3_value **fields, char *json, sqlite3_int64 *post,
                Error *);

/* A savepoint is opened, released, gone back to. Numbers are SQLite's, from 0. */
int posting_savepoint(Posting *, int i, Error *);
void posting_release(Posting *, int i);
void posting_rollback_to(Posting *, int i);

/* The transaction is about to commit: records, posts, records what came back. May block.
** An error makes the commit fail; SQLITE_BUSY leaves the transaction open, to be committed
** again. Tasks that may have been created are never part of a later call. */
int posting_sync(Posting *, Error *);

/* The transaction is over. If it was rolled back after tasks were created, their ids go
** to SQLite's error log, since no table has them. */
void posting_end(Posting *, bool committed);

/* For SELECT: records what could not be recorded at the commit (an interrupt stops every
** statement, and the ids of created tasks must not be lost to it), and looks whether the
** table of posts is there. posting_free() tries to record, too. */
int posting_look(Posting *, bool *there /* OUT */, Error *);

#endif
