/*
** A host in C, to be run under sanitizers and valgrind: threads with a connection each.
**
**   host EXTENSION DATABASE THREADS ROUNDS ROWS ID...
**
** Each thread opens DATABASE and loads EXTENSION anew in every second round. In a round it
** puts an answer in by hand, imports another, fetches all of the IDs (of ROWS rows each)
** over the network, posts a task, reads everything that is stored, opens a cursor that it does
** not read to its end, and makes some mistakes. What the environment says of credentials and
** server is the caller's. Prints how many rows were read; says what went wrong and exits
** with 1.
*/
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 60000

static struct {
  const char *extension, *database;
  int rounds, rows, n_id;
  char **ids;
} plan;

typedef struct Thread {
  pthread_t thread;
  int number;
  sqlite3 *db;
  long rows; /* Read so far */
} Thread;

static void complain(Thread *t, const char *what) {
  fprintf(stderr, "host: thread %d: %s: %s\n", t->number, what,
          t->db ? sqlite3_errmsg(t->db) : "");
  exit(1);
}

/* Reads up to `most` rows of a statement and counts them; -1: an error ended it. */
static long query(Thread *t, long most, const char *format, ...) {
  va_list args;
  sqlite3_stmt *stmt = NULL;
  long n = 0;
  int rc, c;
  char *sql;
  va_start(args, format);
  sql = sqlite3_vmprintf(format, args);
  va_end(args);
  rc = sqlite3_prepare_v2(t->db, sql, -1, &stmt, NULL);
  while (rc == SQLITE_OK && n < most && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    for (c = 0; c < sqlite3_column_count(stmt); c++)
      sqlite3_column_text(stmt, c);
    n++;
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  t->rows += n;
  return rc == SQLITE_OK || rc == SQLITE_DONE ? n : -1;
}

static void expect(Thread *t, const char *what, long got, long want) {
  if (got != want) {
    fprintf(stderr, "host: %ld instead of %ld\n", got, want);
    complain(t, what);
  }
}

static void connect(Thread *t) {
  char *message = NULL;
  if (sqlite3_open(plan.database, &t->db) != SQLITE_OK)
    complain(t, "open");
  sqlite3_busy_timeout(t->db, BUSY_MS);
  sqlite3_enable_load_extension(t->db, 1);
  if (sqlite3_load_extension(t->db, plan.extension, NULL, &message) != SQLITE_OK)
    complain(t, message ? message : "load");
  query(t, 1, "SELECT naver_serp_config('progress', 'off')");
}

static void disconnect(Thread *t) {
  if (sqlite3_close(t->db) != SQLITE_OK)
    complain(t, "close");
  t->db = NULL;
}

/* An answer of two items. */
static char *answer(Thread *t, int round, const char *way) {
  return sqlite3_mprintf(
      "{\"status_code\":20000,\"tasks\":[{\"id\":\"%s %d %d\",\"status_code\":20000,"
      "\"result\":[{\"keyword\":\"\\ud83d\\u0000\",\"items\":[{\"title\":\"a\","
      "\"rating\":{\"value\":4.50}},{\"new\":[1e3,\"\\ude00\"]}]}]}]}",
      way, t->number, round);
}

static char *list_of_ids(void) {
  sqlite3_str *list = sqlite3_str_new(NULL);
  int i;
  for (i = 0; i < plan.n_id; i++)
    sqlite3_str_appendf(list, "%s%Q", i ? ", " : "", plan.ids[i]);
  return sqlite3_str_finish(list);
}

static void store_and_read(Thread *t, int round) {
  char *body = answer(t, round, "import");
  expect(t, "import", query(t, 9, "SELECT naver_serp_import(%Q)", body), 1);
  sqlite3_free(body);
  body = answer(t, round, "hand");
  expect(t, "insert",
         query(t, 9, "INSERT INTO naver_serp_cache(id, body) VALUES ('hand %d %d', %Q)",
               t->number, round, body),
         0);
  sqlite3_free(body);
  expect(t, "read by hand",
         query(t, 9, "SELECT * FROM naver_serp('hand %d %d')", t->number, round), 2);
  if (query(t, 1L << 40, "SELECT * FROM naver_serp WHERE on_error = 'skip'") < 4)
    complain(t, "read all");
  if (query(t, 1L << 40, "SELECT * FROM naver_serp_task ORDER BY id DESC") < 2)
    complain(t, "read all tasks");
  expect(t, "delete",
         query(t, 9, "DELETE FROM naver_serp_cache WHERE id = 'hand %d %d'", t->number,
               round),
         0);
}

static void fetch(Thread *t, int round) {
  char *ids = list_of_ids();
  long all = (long)plan.n_id * plan.rows;
  expect(t, "fetch",
         query(t, 1L << 40, "SELECT * FROM naver_serp WHERE id IN (%s)", ids), all);
  expect(t, "refresh",
         query(t, 1L << 40, "SELECT * FROM naver_serp(%Q, 'refresh')",
               plan.ids[round % plan.n_id]),
         plan.rows);
  expect(t, "the first row of many",
         query(t, 1, "SELECT * FROM naver_serp WHERE id IN (%s) AND mode = 'refresh'",
               ids),
         1);
  expect(t, "post",
         query(t, 9,
               "INSERT INTO naver_serp_post(keyword, device) VALUES ('k', 'mobile')"),
         0);
  if (query(t, 1L << 40, "SELECT * FROM naver_serp_ready") < 0)
    complain(t, "ready");
  sqlite3_free(ids);
}

static void err(Thread *t) {
  expect(t, "bad body", query(t, 9, "SELECT naver_serp_import('[1,')"), -1);
  expect(t, "bad key", query(t, 9, "SELECT naver_serp_config('none')"), -1);
  expect(t, "bad id", query(t, 9, "SELECT * FROM naver_serp('none')"), -1);
  expect(t, "unknown task",
         query(t, 9,
               "SELECT * FROM naver_serp_task('03020115-1535-0066-0000-"
               "0000000000ff', 'refresh')"),
         1);
  expect(t, "bad field",
         query(t, 9, "INSERT INTO naver_serp_post(keyword, depth) VALUES ('k', 'x')"),
         -1);
}

static void *work(void *arg) {
  Thread *t = arg;
  int round;
  for (round = 0; round < plan.rounds; round++) {
    if (t->db == NULL)
      connect(t);
    store_and_read(t, round);
    fetch(t, round);
    err(t);
    if (round & 1)
      disconnect(t);
  }
  if (t->db)
    disconnect(t);
  return NULL;
}

int main(int argc, char **argv) {
  Thread threads[16];
  int i, n;
  long rows = 0;
  if (argc < 7 || (n = (int)strtol(argv[3], NULL, 10)) < 1 || n > 16) {
    fputs("usage: host EXTENSION DATABASE THREADS ROUNDS ROWS ID...\n", stderr);
    return 2;
  }
  plan.extension = argv[1];
  plan.database = argv[2];
  plan.rounds = (int)strtol(argv[4], NULL, 10);
  plan.rows = (int)strtol(argv[5], NULL, 10);
  plan.ids = argv + 6;
  plan.n_id = argc - 6;
  memset(threads, 0, sizeof(threads));
  for (i = 0; i < n; i++) {
    threads[i].number = i;
    if (pthread_create(&threads[i].thread, NULL, work, &threads[i]) != 0)
      complain(&threads[i], "no thread");
  }
  for (i = 0; i < n; i++) {
    pthread_join(threads[i].thread, NULL);
    rows += threads[i].rows;
  }
  printf("%ld rows\n", rows);
  return 0;
}
