/*
** A host that lets memory run out: every allocation of a scenario fails, one by one.
**
**   faults EXTENSION FOLDER LAYER MODE SCENARIO TRIES PORT ITEMS ID...
**
** LAYER     whose allocations: sqlite (SQLITE_CONFIG_MALLOC), curl (curl_global_init_mem)
**           or malloc (all else, cJSON and libc included; needs glibc)
** MODE      once: the n-th fails; forever: it and all after it, until the scenario is over
** TRIES     about how many values of n are tried, evenly spread; 0: every one
** PORT      of a double of the API that speaks plain HTTP; its settings and the credentials
**           are in the environment
**
** After each failure: the answer is the right one or an error, the same connection gives
** the right one once there is memory, the file holds whole tasks only, what was posted is
** on record or in an error or in the log, nothing was posted twice, and after the close
** as much memory is in use as before. The blocks of SQLite's allocator have a zone of
** bytes that are not zero in front and behind, and are overwritten when they are freed.
**
** Prints one line, "scenario layer mode: n of n allocations failed, n right, n refused";
** what is wrong goes to standard error, with exit status 1. A crash says where it was.
**
** Other scenarios, without a fault of memory, print what the test compares: "posts" what
** is left of posts that are taken back, "hosts" what a host may do to a connection, "fork"
** the part of it with a child.
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#if defined(__GLIBC__) && !defined(WITHOUT_MALLOC)
#include <execinfo.h>
#endif
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_SECONDS 20
#define NEVER        0x7fffffff /* As the number of the allocation that fails */

/* ---- Allocators ------------------------------------------------------------------ */

typedef enum Layer { SQLITE, LIBCURL, MALLOC, N_LAYER } Layer;

static const char *const layer_names[] = {"sqlite", "curl", "malloc"};

static struct {
  Layer layer;  /* Whose allocations fail */
  bool forever; /* Not only one of them */
  long at;      /* The first to fail, from 1 */
  long n;       /* Allocations since it was armed */
} fault;
static __thread bool armed;       /* Threads of libraries go on undisturbed */
static long outstanding[N_LAYER]; /* Blocks in use */

static bool fails(Layer layer) {
  if (!armed || fault.layer != layer)
    return false;
  fault.n++;
  return fault.forever ? fault.n >= fault.at : fault.n == fault.at;
}

static void count(Layer layer, int change) {
  __atomic_add_fetch(&outstanding[layer], change, __ATOMIC_RELAXED);
}

#if defined(__GLIBC__) && !defined(WITHOUT_MALLOC)
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
#define base_malloc  __libc_malloc
#define base_calloc  __libc_calloc
#define base_realloc __libc_realloc
#define base_free    __libc_free

void *malloc(size_t n) {
  void *p = fails(MALLOC) ? NULL : __libc_malloc(n);
  count(MALLOC, p != NULL);
  return p;
}

void *calloc(size_t n, size_t size) {
  void *p = fails(MALLOC) ? NULL : __libc_calloc(n, size);
  count(MALLOC, p != NULL);
  return p;
}

void *realloc(void *old, size_t n) {
  void *p = fails(MALLOC) ? NULL : __libc_realloc(old, n);
  count(MALLOC, old == NULL && p != NULL);
  count(MALLOC, -(old != NULL && n == 0 && p == NULL));
  return p;
}

void free(void *p) {
  count(MALLOC, -(p != NULL));
  __libc_free(p);
}
#else
#define base_malloc  malloc
#define base_calloc  calloc
#define base_realloc realloc
#define base_free    free
#endif

/* ---- SQLite's */

#define ZONE   16   /* Bytes in front and behind */
#define AROUND 0x5a /* What is in there: as an int, greater than any count of tasks */
#define FRESH  0xa5
#define FREED  0xdb

static const char *doing = "start"; /* For what is said of a crash */

static void die(const char *what) {
  char text[200];
  int n =
      snprintf(text, sizeof(text), "%s: %s, %s, failure at %ld of %s\n", what, doing,
               fault.forever ? "forever" : "once", fault.at, layer_names[fault.layer]);
  if (write(2, text, (size_t)n) < 0)
    _exit(4);
#if defined(__GLIBC__) && !defined(WITHOUT_MALLOC)
  {
    void *frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), 2);
  }
#endif
  _exit(3);
}

typedef struct Head {
  int64_t n; /* Bytes of the user's */
  int64_t unused;
  unsigned char zone[ZONE];
} Head;

static void *sqlite_malloc(int n) {
  Head *head = fails(SQLITE) ? NULL : base_malloc(sizeof(*head) + (size_t)n + ZONE);
  char *p;
  if (head == NULL)
    return NULL;
  count(SQLITE, 1);
  head->n = n;
  p = (char *)(head + 1);
  memset(head->zone, AROUND, ZONE);
  memset(p, FRESH, (size_t)n);
  memset(p + n, AROUND, ZONE);
  return p;
}

static int sqlite_size(void *p) {
  return (int)((Head *)p - 1)->n;
}

static void sqlite_free(void *p) {
  static const char zone[] = "ZZZZZZZZZZZZZZZZ"; /* AROUND */
  Head *head = (Head *)p - 1;
  if (memcmp(head->zone, zone, ZONE) || memcmp((char *)p + head->n, zone, ZONE))
    die("a block was overrun, or freed twice");
  count(SQLITE, -1);
  memset(head, FREED, sizeof(*head) + (size_t)head->n + ZONE);
  base_free(head);
}

static void *sqlite_realloc(void *old, int n) {
  int n_old = sqlite_size(old);
  void *p = sqlite_malloc(n); /* Always moves */
  if (p) {
    memcpy(p, old, (size_t)(n < n_old ? n : n_old));
    sqlite_free(old);
  }
  return p;
}

static int sqlite_roundup(int n) {
  return (n + 7) & ~7;
}

static int sqlite_start(void *arg) {
  (void)arg;
  return SQLITE_OK;
}

static void sqlite_end(void *arg) {
  (void)arg;
}

/* ---- libcurl's */

static void *curl_malloc(size_t n) {
  void *p = fails(LIBCURL) ? NULL : base_malloc(n);
  count(LIBCURL, p != NULL);
  return p;
}

static void curl_release(void *p) {
  count(LIBCURL, -(p != NULL));
  base_free(p);
}

static void *curl_realloc(void *old, size_t n) {
  void *p = fails(LIBCURL) ? NULL : base_realloc(old, n);
  count(LIBCURL, old == NULL && p != NULL);
  return p;
}

static void *curl_calloc(size_t n, size_t size) {
  void *p = fails(LIBCURL) ? NULL : base_calloc(n, size);
  count(LIBCURL, p != NULL);
  return p;
}

static char *curl_strdup(const char *z) {
  size_t n = strlen(z) + 1;
  char *p = curl_malloc(n);
  return p ? memcpy(p, z, n) : NULL;
}

/* ---- Arguments and the like ------------------------------------------------------ */

static struct {
  const char *extension;
  const char *folder;
  int port;
  int items; /* Of each task */
  char **ids;
  int n_id;
} args;

static char path[1000];      /* The database */
static char log_text[65536]; /* What SQLite's log said since the last look */
static size_t n_log;
static int n_wrong;

static void wrong(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fprintf(stderr, "%s, %s, failure at %ld of %s: ", doing,
          fault.forever ? "forever" : "once", fault.at, layer_names[fault.layer]);
  vfprintf(stderr, format, ap);
  fputc('\n', stderr);
  va_end(ap);
  if (++n_wrong >= 20)
    exit(1);
}

static void on_log(void *arg, int code, const char *text) {
  size_t n = strlen(text);
  (void)arg, (void)code;
  if (n_log + n + 2 < sizeof(log_text)) {
    memcpy(log_text + n_log, text, n);
    n_log += n;
    log_text[n_log++] = '\n';
    log_text[n_log] = 0;
  }
}

static void on_signal(int sig) {
  die(sig == SIGALRM ? "hang" : "crash");
}

static void start(void) {
  static const sqlite3_mem_methods methods = {
      sqlite_malloc,  sqlite_free,  sqlite_realloc, sqlite_size,
      sqlite_roundup, sqlite_start, sqlite_end,     NULL};
  static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
  size_t i;
  for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
    signal(signals[i], on_signal);
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  sqlite3_config(SQLITE_CONFIG_LOG, on_log, NULL);
  sqlite3_initialize();
  if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release, curl_realloc,
                           curl_strdup, curl_calloc) != CURLE_OK)
    die("libcurl does not start");
  snprintf(path, sizeof(path), "%s/faults.db", args.folder);
}

/* Number of tasks that the double created so far. Its counts are asked for by hand, since
** libcurl is what is tested. */
static int created(void) {
  static const char request[] =
      "GET /_control HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)args.port)};
  char text[8192];
  size_t n = 0;
  ssize_t m;
  const char *at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
      write(fd, request, sizeof(request) - 1) < 0)
    die("the double does not answer");
  while (n < sizeof(text) - 1 && (m = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
    n += (size_t)m;
  close(fd);
  text[n] = 0;
  at = strstr(text, "\"created\":");
  if (at == NULL)
    die("the double's counts cannot be read");
  return atoi(at + 10);
}

/* ---- Running SQL ----------------------------------------------------------------- */

typedef struct Result {
  int rc;          /* SQLITE_OK, or that of the first statement that failed */
  char error[500]; /* Its message */
  char rows[65536];
  size_t n;
} Result;

static void add(Result *r, const char *z) {
  size_t n = strlen(z);
  if (r->n + n + 1 < sizeof(r->rows)) {
    memcpy(r->rows + r->n, z, n + 1);
    r->n += n;
  }
}

/* Runs statements; the rows are put behind those that are there. Stops at an error. */
static void run(sqlite3 *db, const char *sql, Result *r) {
  while (r->rc == SQLITE_OK && *sql) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &sql);
    int k;
    while (rc == SQLITE_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
      for (k = 0; k < sqlite3_column_count(stmt); k++) {
        const char *z = (const char *)sqlite3_column_text(stmt, k);
        add(r, z ? z : "NULL");
        add(r, "|");
      }
      add(r, "\n");
      rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
      r->rc = rc;
      snprintf(r->error, sizeof(r->error), "%s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
  }
}

static void clear(Result *r) {
  r->rc = SQLITE_OK;
  r->n = 0;
  r->rows[0] = r->error[0] = 0;
}

static void load(sqlite3 *db, Result *r) {
  char *message = NULL;
  r->rc =
      sqlite3_load_extension(db, args.extension, "sqlite3_naverserp_init", &message);
  if (r->rc != SQLITE_OK)
    snprintf(r->error, sizeof(r->error), "%s", message ? message : "");
  sqlite3_free(message);
}

static sqlite3 *open_plain(void) {
  static Result r;
  sqlite3 *db;
  if (sqlite3_open(path, &db) != SQLITE_OK)
    die("the file does not open");
  sqlite3_enable_load_extension(db, 1);
  clear(&r);
  run(db, "PRAGMA synchronous = off", &r);
  return db;
}

static sqlite3 *open_loaded(void) {
  static Result r;
  sqlite3 *db = open_plain();
  clear(&r);
  load(db, &r);
  run(db,
      "SELECT naver_serp_config('retry_delay_ms', 1),"
      " naver_serp_config('timeout_ms', 10000)",
      &r);
  if (r.rc != SQLITE_OK)
    die(r.error);
  return db;
}

/* ---- Scenarios ------------------------------------------------------------------- */

typedef struct Scenario {
  const char *name;
  const char *before;  /* SQL run in peace in each new file */
  const char *sql;     /* What is run while memory fails; NULL: loading or closing */
  const char *allowed; /* A row with this text is as good as an error; or NULL */
  bool posts;          /* Money is spent: two tasks */
  bool closes;
  bool locked; /* `before` runs while another connection holds the write lock */
  bool utf16;  /* A file in which every text is converted */
  long last;   /* So many allocations at the end are all tried */
} Scenario;

#define ROWS                                                                           \
  "SELECT type, rank_absolute, domain, title, url, highlighted, rating, unmapped "     \
  "FROM "

/* %1 is the first id, %9 the list of all ids, %a the path of an answer. */
static const Scenario scenarios[] = {
    {.name = "load"},
    {.name = "import", .sql = "SELECT naver_serp_import(readfile('%a'))"},
    {.name = "fetch", .sql = ROWS "naver_serp('%1')"},
    {.name = "bulk",
     .sql = "SELECT id, rank_absolute, url FROM naver_serp WHERE id IN (%9) ORDER BY "
            "1, 2"},
    {.name = "query",
     .before = "SELECT count(*) FROM naver_serp WHERE id IN (%9)",
     .sql =
         ROWS "naver_serp WHERE type IN ('organic', 'paid') AND rank_absolute <= 4"
              " AND url LIKE 'https://%' ORDER BY rank_absolute DESC, domain LIMIT 9;"
              "SELECT domain, count(*), max(keyword) FROM naver_serp GROUP BY 1 ORDER "
              "BY 2 DESC, 1"},
    {.name = "derive",
     .before = "SELECT count(*) FROM naver_serp WHERE id IN (%9);"
               "UPDATE naver_serp_cache SET body = CAST(body AS BLOB)",
     .sql = "SELECT id, rank_absolute, url FROM naver_serp ORDER BY 1, 2"},
    {.name = "task",
     .sql =
         "SELECT id, state, status_code, keyword, item_types, data FROM naver_serp_task"
         " WHERE id IN (%9) ORDER BY 1",
     .allowed = "unreachable"},
    {.name = "ready", .sql = "SELECT * FROM naver_serp_ready"},
    {.name = "post",
     .sql = "BEGIN; INSERT INTO naver_serp_post(keyword, tag, options)"
            " VALUES ('a', 't', '{\"postback_data\":\"advanced\"}'); SAVEPOINT s;"
            "INSERT INTO naver_serp_post(keyword) VALUES ('b'); RELEASE s; COMMIT",
     .posts = true,
     .last = 150},
    {.name = "config",
     .sql = "SELECT naver_serp_config('ca_file', '/some/where'), "
            "naver_serp_config('mode', 'cache'),"
            " naver_serp_config('mode', NULL), naver_serp_config('concurrency', 7);"
            "SELECT naver_serp_config(), naver_serp_version()"},
    {.name = "close",
     .before = "SELECT count(*) FROM naver_serp WHERE id IN (%9)",
     .closes = true,
     .locked = true},
    {.name = "import16",
     .sql = "SELECT naver_serp_import(readfile('%a'))",
     .utf16 = true},
    {.name = "close16",
     .before = "SELECT count(*) FROM naver_serp WHERE id IN (%9)",
     .closes = true,
     .locked = true,
     .utf16 = true,
     .last = 250},
};

/* Puts the arguments into an SQL text. */
static const char *fill(const char *sql, char *out, size_t room) {
  char *end = out + room - 1;
  int i;
  while (sql && *sql && out < end) {
    if (sql[0] == '%' && sql[1] == '1') {
      out += snprintf(out, (size_t)(end - out), "%s", args.ids[0]);
      sql += 2;
    } else if (sql[0] == '%' && sql[1] == '9') {
      for (i = 0; i < args.n_id; i++)
        out += snprintf(out, (size_t)(end - out), "%s'%s'", i ? ", " : "", args.ids[i]);
      sql += 2;
    } else if (sql[0] == '%' && sql[1] == 'a') {
      out += snprintf(out, (size_t)(end - out), "%s/answer.json", args.folder);
      sql += 2;
    } else {
      *out++ = *sql++;
    }
  }
  *out = 0;
  return sql;
}

static void read_file(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  static char text[1 << 20];
  FILE *f = fopen((const char *)sqlite3_value_text(argv[0]), "rb");
  size_t n = f ? fread(text, 1, sizeof(text), f) : 0;
  (void)argc;
  if (f)
    fclose(f);
  sqlite3_result_blob(ctx, text, (int)n, SQLITE_STATIC);
}

/* The file's own word: tables that pass for whole have all their rows, and no more. */
static void check_file(const char *when) {
  static Result r;
  char sql[2000];
  sqlite3 *db = open_plain();
  clear(&r);
  run(db, "PRAGMA integrity_check", &r);
  if (strcmp(r.rows, "ok|\n") != 0)
    wrong("%s: integrity_check: %s%s", when, r.rows, r.error);
  clear(&r);
  run(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'naver_serp_cache'", &r);
  if (strcmp(r.rows, "1|\n") == 0) {
    clear(&r);
    snprintf(
        sql, sizeof(sql),
        "SELECT id FROM naver_serp_cache c WHERE parsed <> 0 AND %d <> (SELECT count(*)"
        " FROM naver_serp_tasks t JOIN naver_serp_items i ON i.task = t.task"
        " WHERE t.id = c.id AND t.stamp = c.parsed AND i.type || i.xpath <> '')",
        args.items);
    run(db, sql, &r);
    if (r.rc != SQLITE_OK || r.n)
      wrong("%s: half of a task: %s%s", when, r.rows, r.error);
    clear(&r);
    run(db,
        "SELECT task FROM naver_serp_items EXCEPT SELECT task FROM naver_serp_tasks;"
        "SELECT task FROM naver_serp_tasks t"
        " WHERE NOT EXISTS (SELECT 1 FROM naver_serp_cache WHERE id = t.id);"
        "SELECT id FROM naver_serp_tasks GROUP BY id HAVING count(*) > 1",
        &r);
    if (r.rc != SQLITE_OK || r.n)
      wrong("%s: rows without a task: %s%s", when, r.rows, r.error);
  }
  sqlite3_close(db);
}

/* How many of the posts are on record, as created or perhaps created. */
static int recorded(bool *doubt /* OUT */) {
  static Result r;
  sqlite3 *db = open_plain();
  clear(&r);
  run(db,
      "SELECT count(DISTINCT keyword) * iif(max(state) > 'pending', -1, 1) FROM "
      "naver_serp_posts"
      " WHERE keyword || ifnull(tag, '') || ifnull(options, '')"
      "       IN ('at{\"postback_data\":\"advanced\"}', 'b')"
      "   AND ((state = 'pending' AND length(id) = 36)"
      "     OR (state = 'unreachable' AND status_message LIKE '%may have been "
      "created%'))",
      &r);
  sqlite3_close(db);
  *doubt = strchr(r.rows, '-') != NULL;
  return r.rc == SQLITE_OK ? abs(atoi(r.rows)) : 0;
}

/* Ids that the log names as lost. */
static int logged(void) {
  const char *at = log_text;
  int n = 0;
  while ((at = strstr(at, "posted, not recorded")) != NULL) {
    n++;
    at++;
  }
  return n;
}

/* Two tasks may have been created since `before`. */
static void check_posts(int before, const Result *r) {
  int n = created() - before;
  bool doubt;
  int on_record = recorded(&doubt);
  bool told = strstr(r->error, "may have been") ||
              strstr(log_text, "2 tasks may have been posted");
  if (n != 0 && n != 2)
    wrong("%d tasks were created instead of 2", n);
  if (r->rc == SQLITE_OK && ((n != 2 && !doubt) || on_record != 2))
    wrong("COMMIT worked: %d created, %d recorded", n, on_record);
  if (r->rc != SQLITE_OK && n && !on_record && !told && logged() != n)
    wrong("%d created, %d recorded, %d in the log, error %d: %s", n, on_record,
          logged(), r->rc, r->error);
  if (n && strstr(r->error, "nothing was posted"))
    wrong("%d created, but: %s", n, r->error);
}

/* ---- The loop -------------------------------------------------------------------- */

static struct { long right, refused; } tally;

static char sql_before[4096], sql_text[4096];
static Result expected, got;

static void arm(const Scenario *s, long at) {
  doing = s->name;
  fault.at = at;
  fault.n = 0;
  n_log = 0;
  log_text[0] = 0;
  alarm(HANG_SECONDS);
  armed = true;
}

/* Number of allocations there were. */
static long disarm(void) {
  armed = false;
  return fault.n;
}

static void remove_files(void) {
  char other[1100];
  unlink(path);
  snprintf(other, sizeof(other), "%s-journal", path);
  unlink(other);
}

/* What was got while memory failed, and what is got now that it does not. */
static void check_answers(const Scenario *s, sqlite3 *db) {
  static Result again, ignored;
  if (got.rc == SQLITE_OK && strcmp(got.rows, expected.rows) == 0)
    tally.right++;
  else if (got.rc != SQLITE_OK || (s->allowed && strstr(got.rows, s->allowed)))
    tally.refused++;
  else
    wrong("wrong answer:\n%s", got.rows);
  /* SQLite calls whatever stops a loading SQLITE_ERROR. */
  if (s->sql && got.rc != SQLITE_OK && got.rc != SQLITE_NOMEM && got.error[0] == 0)
    wrong("error %d without a text", got.rc);
  if (!sqlite3_get_autocommit(db)) {
    if (!s->posts)
      wrong("a transaction is open");
    clear(&ignored);
    run(db, "ROLLBACK", &ignored);
  }
  clear(&again);
  if (s->sql) {
    run(db, sql_text, &again);
  } else {
    load(db, &again);
    run(db, "SELECT naver_serp_version() IS NULL", &again);
  }
  if (again.rc != SQLITE_OK || strcmp(again.rows, expected.rows) != 0)
    wrong("with memory again: %d %s\n%s", again.rc, again.error, again.rows);
}

static long leaked; /* Blocks of malloc's, by the last attempt */

/* A new file and a connection to it, as the scenario wants them. */
static sqlite3 *prepare_file(const Scenario *s) {
  static Result r;
  sqlite3 *db, *other = NULL;
  remove_files();
  db = s->sql || s->closes ? open_loaded() : open_plain();
  sqlite3_create_function(db, "readfile", 1, SQLITE_UTF8, NULL, read_file, NULL, NULL);
  clear(&r);
  if (s->utf16)
    run(db, "PRAGMA encoding = 'UTF-16'", &r);
  if (s->locked) {
    run(db, "CREATE TABLE t(x)", &r);
    other = open_plain();
    run(other, "BEGIN IMMEDIATE", &r);
  }
  run(db, sql_before, &r);
  if (r.rc != SQLITE_OK)
    die(r.error);
  sqlite3_close(other);
  return db;
}

/* The scenario itself, with its allocation `at` failing. Number of allocations. */
static long act(const Scenario *s, sqlite3 *db, long at) {
  long n;
  clear(&got);
  arm(s, at);
  if (s->closes)
    got.rc = sqlite3_close(db);
  else if (s->sql)
    run(db, sql_text, &got);
  else
    load(db, &got);
  n = disarm();
  if (!s->closes && !s->sql && got.rc == SQLITE_OK)
    run(db, "SELECT naver_serp_version() IS NULL", &got);
  if (at == NEVER) {
    expected = got;
    if (got.rc != SQLITE_OK || (!s->closes && !s->posts && !got.n))
      die(got.error);
  }
  return n;
}

/* After a close: at best everything is stored, and it is where memory did not fail. */
static void check_close(long at) {
  static Result r;
  sqlite3 *db = open_plain();
  clear(&r);
  run(db, "SELECT count(*) FROM naver_serp_cache", &r);
  sqlite3_close(db);
  if (got.rc == SQLITE_OK)
    tally.right++;
  else
    wrong("close: %d", got.rc);
  if (at == NEVER && atoi(r.rows) != args.n_id)
    wrong("stored at the close: %s%s", r.rows, r.error);
}

/* One run of a scenario, with its allocation `at` failing. Number of allocations. */
static long attempt(const Scenario *s, long at) {
  int posted = s->posts ? created() : 0;
  long before[N_LAYER];
  long n;
  sqlite3 *db;
  doing = s->name;
  memcpy(before, outstanding, sizeof(before));
  db = prepare_file(s);
  n = act(s, db, at);
  check_file("at once");
  if (s->posts) {
    check_posts(posted, &got);
    posted = created();
  }
  if (s->closes) {
    check_close(at);
  } else {
    check_answers(s, db);
    if (s->posts && created() - posted != 2)
      wrong("%d posted with memory again", created() - posted);
    if (sqlite3_close(db) != SQLITE_OK)
      wrong("close: a statement is left");
    check_file("after the close");
  }
  if (outstanding[SQLITE] != before[SQLITE])
    wrong("%ld blocks of SQLite's leaked", outstanding[SQLITE] - before[SQLITE]);
  if (outstanding[LIBCURL] != before[LIBCURL])
    wrong("%ld blocks of libcurl's leaked", outstanding[LIBCURL] - before[LIBCURL]);
  leaked = outstanding[MALLOC] - before[MALLOC];
  return n;
}

/* The same in a process of its own, where the library was not loaded yet. Its exit status
** says how it went; what it counted comes through a pipe. */
static long attempt_forked(const Scenario *s, long at) {
  long said[3] = {0, 0, 0};
  int ends[2], status;
  pid_t pid;
  if (pipe(ends) != 0 || (pid = fork()) < 0)
    die("fork");
  if (pid == 0) {
    tally.right = tally.refused = 0;
    said[0] = attempt(s, at);
    said[1] = tally.right;
    said[2] = tally.refused;
    _exit(write(ends[1], said, sizeof(said)) != sizeof(said) || n_wrong);
  }
  close(ends[1]);
  if (read(ends[0], said, sizeof(said)) != sizeof(said))
    said[0] = 0;
  close(ends[0]);
  waitpid(pid, &status, 0);
  if (status != 0) {
    fault.at = at;
    wrong("status %d", status);
  }
  tally.right += said[1];
  tally.refused += said[2];
  return said[0];
}

/* The next allocation to fail: in steps up to `dense`, then one by one. */
static long next(long at, long step, long dense) {
  if (at <= dense && at + step > dense)
    return dense + 1;
  return at > dense ? at + 1 : at + step;
}

static void loop(const Scenario *s, long tries) {
  long (*one)(const Scenario *, long) = s->sql || s->closes ? attempt : attempt_forked;
  long total, step, at, n = 0;
  strcpy(expected.rows, "0|\n"); /* Of loading; else that of the run in peace */
  fill(s->before, sql_before, sizeof(sql_before));
  fill(s->sql, sql_text, sizeof(sql_text));
  total = one(s, NEVER);
  if (one == attempt) /* Again, since libraries keep some things for good */
    total = one(s, NEVER);
  tally.right = 0;
  step = tries && total > tries ? total / tries : 1;
  for (at = 1; at <= total; at = next(at, step, total - s->last), n++) {
    one(s, at);
    if (leaked && one == attempt) {
      long right = tally.right, refused = tally.refused;
      one(s, at); /* What libraries keep for good, they make once */
      tally.right = right;
      tally.refused = refused;
      if (leaked)
        wrong("%ld blocks of malloc's leaked", leaked);
    }
  }
  printf("%s %s %s: %ld of %ld allocations failed, %ld right, %ld refused\n", s->name,
         layer_names[fault.layer], fault.forever ? "forever" : "once", n, total,
         tally.right, tally.refused);
}

/* ---- Posts that are taken back --------------------------------------------------- */

static void show(const char *name, const Result *r) {
  printf("%s: %d %s\n%s", name, r->rc, r->error, r->rows);
}

static int refuse(void *arg) {
  (void)arg;
  return 1;
}

static void posts(void) {
  static const struct {
    const char *name, *sql;
  } a[] = {
      {"savepoint in autocommit mode",
       "INSERT INTO naver_serp_post(keyword) VALUES ('a'); SAVEPOINT one;"
       "INSERT INTO naver_serp_post(keyword) VALUES ('b'); ROLLBACK TO one; RELEASE "
       "one"},
      {"savepoint in a transaction",
       "BEGIN; INSERT INTO naver_serp_post(keyword) VALUES ('a'); SAVEPOINT one;"
       "INSERT INTO naver_serp_post(keyword) VALUES ('b'); ROLLBACK TO one; RELEASE "
       "one; COMMIT"},
      {"savepoint twice",
       "BEGIN; SAVEPOINT one; INSERT INTO naver_serp_post(keyword) VALUES ('b');"
       "ROLLBACK TO one; INSERT INTO naver_serp_post(keyword) VALUES ('a'); SAVEPOINT "
       "two;"
       "INSERT INTO naver_serp_post(keyword) VALUES ('b'); ROLLBACK TO two; RELEASE "
       "one; COMMIT"},
  };
  static Result r;
  size_t i;
  sqlite3 *db;
  for (i = 0; i < sizeof(a) / sizeof(a[0]); i++) {
    remove_files();
    db = open_loaded();
    clear(&r);
    run(db, a[i].sql, &r);
    run(db, "SELECT keyword, state FROM naver_serp_post", &r);
    show(a[i].name, &r);
    sqlite3_close(db);
  }
  remove_files();
  db = open_loaded();
  clear(&r);
  run(db, "CREATE TABLE t(x)", &r);
  sqlite3_commit_hook(db, refuse, NULL);
  n_log = 0;
  run(db,
      "BEGIN; INSERT INTO naver_serp_post(keyword) VALUES ('c'), ('d'), ('e'); COMMIT",
      &r);
  show("hook", &r);
  printf("log:\n%s", log_text);
  sqlite3_commit_hook(db, NULL, NULL);
  clear(&r);
  run(db, "SELECT count(*) FROM naver_serp_post", &r);
  show("recorded", &r);
  n_log = 0;
  log_text[0] = 0;
  sqlite3_close(db);
  printf("log at the close:\n%s", log_text);
}

/* ---- What a host may do ---------------------------------------------------------- */

#define BULK "SELECT id, rank_absolute FROM naver_serp WHERE id IN (%9)"

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  fill(sql, sql_text, sizeof(sql_text));
  if (sqlite3_prepare_v2(db, sql_text, -1, &stmt, NULL) != SQLITE_OK)
    die(sqlite3_errmsg(db));
  return stmt;
}

/* Steps to the end; number of rows, or minus the error's code. */
static int drain(sqlite3_stmt *stmt) {
  int n = 0;
  int rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
    n++;
  return rc == SQLITE_DONE ? n : -rc;
}

static int query(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = prepare(db, sql);
  int n = drain(stmt);
  sqlite3_finalize(stmt);
  return n;
}

static sqlite3 *open_in_memory(void) {
  static Result r;
  sqlite3 *db;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  clear(&r);
  load(db, &r);
  if (r.rc != SQLITE_OK)
    die(r.error);
  return db;
}

static void load_twice(void) {
  static Result r;
  sqlite3 *db = open_in_memory();
  sqlite3_stmt *stmt = prepare(db, BULK);
  int first = sqlite3_step(stmt) == SQLITE_ROW;
  clear(&r);
  load(db, &r);
  printf("loaded while a query runs: %d, its rows: %d\n", r.rc, first + drain(stmt));
  sqlite3_finalize(stmt);
  query(db, "SELECT naver_serp_config('mode', 'cache')");
  query(db, "DELETE FROM naver_serp_cache");
  printf("its setting holds: %d\n", query(db, BULK) < 0);
  load(db, &r);
  printf("loaded again: %d, rows: %d\n", r.rc, query(db, BULK));
  printf("closed: %d\n", sqlite3_close(db));
}

static void close_other(void) {
  sqlite3 *a = open_in_memory(), *b = open_in_memory();
  sqlite3_stmt *stmt = prepare(a, BULK);
  int n = sqlite3_step(stmt) == SQLITE_ROW;
  printf("rows of the other: %d", query(b, BULK));
  printf(", closed: %d", sqlite3_close(b));
  printf(", rows: %d", n + drain(stmt));
  sqlite3_finalize(stmt);
  printf(", closed: %d\n", sqlite3_close(a));
}

static void close_busy(void) {
  sqlite3 *db = open_in_memory();
  sqlite3_stmt *stmt = prepare(db, BULK);
  int n = sqlite3_step(stmt) == SQLITE_ROW;
  printf("closed under a query: %d", sqlite3_close(db));
  printf(", closed_v2: %d", sqlite3_close_v2(db));
  printf(", rows: %d\n", n + drain(stmt));
  sqlite3_finalize(stmt);
  db = open_in_memory();
  stmt = prepare(db, BULK); /* In the middle of fetching, and never read on */
  sqlite3_step(stmt);
  printf("closed_v2: %d", sqlite3_close_v2(db));
  printf(", finalized: %d\n", sqlite3_finalize(stmt));
}

/* What a child says through its exit status. */
static int in_child(sqlite3 *db, sqlite3_stmt *stmt) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    int stored, fetched;
    alarm(HANG_SECONDS);
    if (stmt)
      drain(stmt); /* An answer or an error, and no harm to the parent's requests */
    stored = query(db, "SELECT * FROM naver_serp('%1')");
    sqlite3_exec(db, "DELETE FROM naver_serp_cache", NULL, NULL, NULL);
    fetched = query(db, BULK);
    _exit(stored == args.items && (fetched == args.items * args.n_id || fetched < 0)
              ? 0
              : 1);
  }
  waitpid(pid, &status, 0);
  return status;
}

static void fork_open(void) {
  sqlite3 *db = open_in_memory();
  sqlite3_stmt *stmt;
  int n;
  query(db, "SELECT * FROM naver_serp('%1')");
  printf("child with idle connections: %d", in_child(db, NULL));
  stmt = prepare(db, BULK);
  n = sqlite3_step(stmt) == SQLITE_ROW;
  printf(", with requests under way: %d", in_child(db, stmt));
  printf(", rows of the parent: %d\n", n + drain(stmt));
  sqlite3_finalize(stmt);
  printf("closed: %d\n", sqlite3_close(db));
}

static void stays_loaded(void) {
  char file[1100];
  sqlite3_close(open_in_memory());
  snprintf(file, sizeof(file), "%s.so", args.extension);
  printf("after the last close: %s\n",
         dlopen(file, RTLD_NOLOAD | RTLD_LAZY) ? "loaded" : "unloaded");
}

static void hosts(void) {
  static void (*const a[])(void) = {load_twice, close_other, close_busy, fork_open,
                                    stays_loaded};
  long before[N_LAYER];
  size_t i;
  for (i = 0; i < sizeof(a) / sizeof(a[0]); i++) {
    a[i]();
    memcpy(before, outstanding, sizeof(before));
    printf("again: ");
    fflush(stdout);
    a[i]();
    printf("leaked: %ld %ld %ld\n", outstanding[SQLITE] - before[SQLITE],
           outstanding[LIBCURL] - before[LIBCURL],
           outstanding[MALLOC] - before[MALLOC]);
    fflush(stdout); /* Else a child would print it too */
  }
}

int main(int argc, char **argv) {
  size_t i;
  if (argc < 10)
    return 2;
  args.extension = argv[1];
  args.folder = argv[2];
  args.port = atoi(argv[7]);
  args.items = atoi(argv[8]);
  args.ids = argv + 9;
  args.n_id = argc - 9;
  for (fault.layer = SQLITE; fault.layer < MALLOC; fault.layer++)
    if (strcmp(argv[3], layer_names[fault.layer]) == 0)
      break;
  fault.forever = strcmp(argv[4], "forever") == 0;
  start();
  for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
    if (strcmp(argv[5], scenarios[i].name) == 0)
      loop(&scenarios[i], atol(argv[6]));
  if (strcmp(argv[5], "posts") == 0)
    posts();
  if (strcmp(argv[5], "hosts") == 0)
    hosts();
  if (strcmp(argv[5], "fork") == 0)
    fork_open();
  return n_wrong != 0;
}
