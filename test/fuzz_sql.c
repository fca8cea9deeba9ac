/*
** Fuzzes what somebody may write in SQL: each input is one statement or a few.
**
** The bytes choose what is done (LLVMFuzzerTestOneInput), and then its words:
**   - conditions, an order and a limit on columns of naver_serp and naver_serp_task,
**     compared with a plain table of the same rows;
**   - any id, mode and on_error as arguments;
**   - any key and value of naver_serp_config();
**   - fields of naver_serp_post in transactions and savepoints that are rolled back;
**   - writes that are refused.
** Errors must have a text, and afterwards the store, the settings and the transaction are
** what they were before. `make fuzz` runs it in the project's folder, for the answers in
** data/.
*/
#include "fuzz.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define MAX_COLUMNS 64
#define MAX_VALUES  16

static const char *const files[] = {"data/sample.json", "data/full.json",
                                    "data/odd.json", "data/states/empty_40102.json",
                                    "data/states/gone_40401.json"};

/* JSON values that look alike in some way, for each column of the answer "alike". */
static const char *const alike[] = {"\"\"",
                                    "\"1\"",
                                    "\"01\"",
                                    "\"1.0\"",
                                    "\" 1 \"",
                                    "1",
                                    "1.0",
                                    "1.5",
                                    "\"x\"",
                                    "\"X\"",
                                    "\"x \"",
                                    "null",
                                    "true",
                                    "false",
                                    "{\"a\":1}",
                                    "[1]",
                                    "9007199254740993",
                                    "9223372036854775807",
                                    "\"9223372036854775808\"",
                                    "-1",
                                    "0",
                                    "1e300",
                                    "\"abc\"",
                                    "\"aBc\"",
                                    "\"한국\"",
                                    "\"é\"",
                                    "2",
                                    "12",
                                    "\"12\"",
                                    "4.5"};

typedef struct Table {
  const char *name;
  const char *plain;        /* The table of the same rows */
  char *names[MAX_COLUMNS]; /* Its columns */
  int n;                    /* How many */
  char *all;                /* The same as a list */
} Table;

static Table tables[] = {{"naver_serp", "plain_serp", {NULL}, 0, NULL},
                         {"naver_serp_task", "plain_task", {NULL}, 0, NULL}};
static char *settings;       /* naver_serp_config() as it should be */
static sqlite3_int64 stored; /* Rows in the store */

/* The input, from which everything is chosen; 0 for ever once it is used up. */
static const uint8_t *in, *in_end;

static unsigned next(void) {
  return in < in_end ? *in++ : 0;
}

static unsigned choose(size_t n) {
  return next() % (unsigned)n;
}

#define ONE_OF(a) ((a)[choose(COUNT(a))])

/* The values bound to the parameters ?1, ?2, ... */
static struct {
  enum { V_NULL, V_INTEGER, V_REAL, V_TEXT, V_BLOB } kind;
  sqlite3_int64 i;
  double r;
  const char *z;
  int n;
} values[MAX_VALUES];
static int n_value;

static void any_bytes(const char **z, int *n) {
  *n = (int)choose(24);
  if (*n > in_end - in)
    *n = (int)(in_end - in);
  *z = (const char *)in;
  in += *n;
}

/* Adds a value of any kind; returns its number. The last one repeats when there are many. */
static int any_value(void) {
  static const sqlite3_int64 integers[] = {0,  1,  -1,    2,          12,
                                           20, 12, 20000, 0x7fffffff, 9007199254740993};
  static const double reals[] = {
      0.0, -0.0, 1.0, 1.5, 4.5, 1e300, -1e300, 9007199254740993.0, 9.3e18, 0.0006};
  static const char *const texts[] = {"",
                                      "1",
                                      "01",
                                      "1.0",
                                      " 1",
                                      "x",
                                      "X",
                                      "x ",
                                      "abc",
                                      "a%",
                                      "_bc",
                                      "a[Bb]c",
                                      "*",
                                      "organic",
                                      "paid",
                                      "www.apple.com",
                                      "iphone",
                                      "cache",
                                      "auto",
                                      "refresh",
                                      "skip",
                                      "fail",
                                      "ready",
                                      "alike",
                                      "03020115-1535-0066-0000-0f0110000001",
                                      "03171324-1535-0066-0000-770617fdc9a8",
                                      "03020115-1535-0066-0bbb-0000000000ff",
                                      "main",
                                      "temp",
                                      "12",
                                      "한국",
                                      "null",
                                      "[1]",
                                      "{\"a\":1}",
                                      "https://x.example",
                                      "http://127.0.0.1:1",
                                      "desktop",
                                      "mobile",
                                      "ios"};
  int v = n_value;
  if (v == MAX_VALUES)
    return v;
  memset(&values[v], 0, sizeof(values[v]));
  values[v].kind = V_INTEGER;
  switch (choose(9)) {
  case 0:
    values[v].kind = V_NULL;
    break;
  case 1:
    values[v].i = ONE_OF(integers);
    break;
  case 2:
    values[v].i = (sqlite3_int64)((uint64_t)next() << (next() & 63));
    break;
  case 3:
    values[v].kind = V_REAL;
    values[v].r = ONE_OF(reals);
    break;
  case 4:
    values[v].kind = V_TEXT;
    any_bytes(&values[v].z, &values[v].n);
    break;
  case 5:
    values[v].kind = V_BLOB;
    any_bytes(&values[v].z, &values[v].n);
    break;
  default:
    values[v].kind = V_TEXT;
    values[v].z = ONE_OF(texts);
    values[v].n = (int)strlen(values[v].z);
  }
  return ++n_value;
}

static void bind(sqlite3_stmt *stmt) {
  int i;
  for (i = 0; i < n_value; i++)
    switch (values[i].kind) {
    case V_NULL:
      sqlite3_bind_null(stmt, i + 1);
      break;
    case V_INTEGER:
      sqlite3_bind_int64(stmt, i + 1, values[i].i);
      break;
    case V_REAL:
      sqlite3_bind_double(stmt, i + 1, values[i].r);
      break;
    case V_TEXT:
      sqlite3_bind_text(stmt, i + 1, values[i].z, values[i].n, SQLITE_STATIC);
      break;
    case V_BLOB:
      sqlite3_bind_blob(stmt, i + 1, values[i].n ? values[i].z : "", values[i].n,
                        SQLITE_STATIC);
      break;
    }
}

/* What a statement gave. */
typedef struct Outcome {
  int rc;           /* SQLITE_DONE, or why it ended */
  sqlite3_int64 n;  /* Rows */
  uint64_t in_turn; /* Hash of the rows in their order */
  uint64_t any;     /* ... and in any order */
} Outcome;

/* Runs one statement with the values. An error must be one that a user can have caused,
** and say something. */
static Outcome perform(const char *sql) {
  static const int allowed[] = {SQLITE_ERROR,    SQLITE_CONSTRAINT, SQLITE_MISMATCH,
                                SQLITE_READONLY, SQLITE_TOOBIG,     SQLITE_RANGE};
  Outcome o = {SQLITE_OK, 0, 14695981039346656037u, 0};
  sqlite3_stmt *stmt = NULL;
  size_t i;
  o.rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (o.rc == SQLITE_OK) {
    bind(stmt);
    while ((o.rc = sqlite3_step(stmt)) == SQLITE_ROW) {
      uint64_t row = 14695981039346656037u;
      int c;
      for (c = 0; c < sqlite3_column_count(stmt); c++)
        row = hash_value(row, sqlite3_column_value(stmt, c));
      o.n++;
      o.in_turn = hash(o.in_turn, &row, sizeof(row));
      o.any += row;
    }
  }
  if (o.rc != SQLITE_DONE) {
    for (i = 0; i < COUNT(allowed) && allowed[i] != (o.rc & 0xff); i++)
      ;
    if (i == COUNT(allowed) || strcmp(sqlite3_errmsg(db), "SQL logic error") == 0 ||
        strcmp(sqlite3_errmsg(db), "not an error") == 0)
      complain("%s: %d %s", sql, o.rc, sqlite3_errmsg(db));
  }
  sqlite3_finalize(stmt);
  return o;
}

/* A condition on a column, for both tables. */
static void condition(sqlite3_str *sql, const Table *t) {
  static const char *const binary[] = {"=",    "=",        "<>",      "<",      "<=",
                                       ">",    ">=",       "IS",      "IS NOT", "LIKE",
                                       "GLOB", "NOT LIKE", "NOT GLOB"};
  static const char *const collation[] = {"", "", "", " COLLATE NOCASE",
                                          " COLLATE RTRIM"};
  const char *name = t->names[choose((size_t)t->n)];
  switch (choose(10)) {
  case 0:
    sqlite3_str_appendf(sql, "%s %s", name, next() & 1 ? "IS NULL" : "NOT NULL");
    break;
  case 1:
    sqlite3_str_appendf(sql, "%s %sIN (?%d, ?%d)", name, next() & 1 ? "NOT " : "",
                        any_value(), any_value());
    break;
  case 2:
    sqlite3_str_appendf(sql, "%s BETWEEN ?%d AND ?%d", name, any_value(), any_value());
    break;
  case 3:
    sqlite3_str_appendf(sql, "%s %s %s", name, binary[choose(9)],
                        t->names[choose((size_t)t->n)]);
    break;
  case 4:
    sqlite3_str_appendf(sql, "?%d %s %s", any_value(), ONE_OF(binary), name);
    break;
  case 5:
    sqlite3_str_appendf(sql, "%s %s (SELECT %s FROM %s LIMIT 1 OFFSET %d)", name,
                        binary[choose(9)], t->names[choose((size_t)t->n)], t->plain,
                        (int)next());
    break;
  case 6:
    sqlite3_str_appendf(sql, "%s IN (SELECT %s FROM %s)", name,
                        t->names[choose((size_t)t->n)], t->plain);
    break;
  default:
    sqlite3_str_appendf(sql, "%s %s ?%d%s", name, ONE_OF(binary), any_value(),
                        ONE_OF(collation));
  }
}

static char *conditions(const Table *t) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int n = (int)choose(4), i;
  for (i = 0; i <= n; i++) {
    if (i > 0)
      sqlite3_str_appendall(sql, next() % 3 ? " AND " : " OR ");
    if (next() % 8 == 7)
      sqlite3_str_appendall(sql, "NOT ");
    condition(sql, t);
  }
  return sqlite3_str_finish(sql);
}

/* Text of a query of one table. What it selects is the same whichever of several equal
** rows comes first. `plus` is "" or "+", which keeps SQLite from using what it knows of the
** column. */
static char *query(int form, const Table *t, const char *from, const char *plus,
                   const char *a, const char *where, const char *order) {
  switch (form) {
  case 0:
    return sqlite3_mprintf("SELECT %s FROM %s WHERE %s ORDER BY %s%s %s", a, from,
                           where, plus, a, order);
  case 1:
    return sqlite3_mprintf(
        "SELECT %s, count(*) FROM %s WHERE %s GROUP BY %s%s"
        " ORDER BY %s%s %s",
        a, from, where, plus, a, plus, a, order);
  case 2:
    return sqlite3_mprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s%s)", from,
                           where, strstr(order, " LIMIT"));
  case 3:
    return sqlite3_mprintf("SELECT %s, %s FROM %s WHERE %s", a, a, from, where);
  default:
    return sqlite3_mprintf("SELECT %s FROM %s WHERE %s", t->all, from, where);
  }
}

static int same(const Outcome *x, const Outcome *y, int in_turn) {
  return x->rc == y->rc && x->n == y->n && x->any == y->any &&
         (!in_turn || x->in_turn == y->in_turn);
}

/* One query of both tables. */
static void compare(const Table *t) {
  const char *a = t->names[choose((size_t)t->n)];
  char *where = conditions(t);
  int form = (int)choose(5);
  char *order = sqlite3_mprintf("%s LIMIT %d OFFSET %d", next() & 1 ? "DESC" : "ASC",
                                (int)choose(20), (int)choose(10));
  char *ours = query(form, t, t->name, "", a, where, order);
  char *plain = query(form, t, t->plain, "", a, where, order);
  Outcome got = perform(ours), want = perform(plain);
  if (!same(&got, &want, form < 2)) {
    /* With a condition `a = 1` SQLite takes all values of the TEXT column a for one, '1' and
    ** '01' too, and does not sort by it. Either order is good. */
    sqlite3_free(plain);
    plain = query(form, t, t->plain, "+", a, where, order);
    want = perform(plain);
  }
  if (!same(&got, &want, form < 2))
    complain("%s: %lld rows; %s: %lld", ours, got.n, plain, want.n);
  sqlite3_free(where);
  sqlite3_free(order);
  sqlite3_free(ours);
  sqlite3_free(plain);
}

static void arguments(void) {
  static const char *const forms[] = {
      "SELECT * FROM naver_serp(?1, ?2, ?3)",
      "SELECT * FROM naver_serp_task(?1, ?2)",
      "SELECT * FROM naver_serp WHERE id IN (?1, ?2, ?3)",
      "SELECT count(*) FROM naver_serp WHERE id = ?1 OR id = ?2 AND on_error = ?3",
      "SELECT type FROM naver_serp_task JOIN naver_serp USING (id) WHERE mode = ?1",
      "SELECT t.state FROM naver_serp_task AS t WHERE mode IN (?1, ?2) AND id IS ?3",
      "SELECT * FROM naver_serp(?1) WHERE mode = ?2 AND on_error > ?3",
      "SELECT naver_serp_import(?1)",
      "SELECT * FROM naver_serp_ready(?1)",
      "SELECT * FROM naver_serp_ready WHERE tag = ?1"};
  int i;
  for (i = 0; i < 3; i++)
    any_value();
  run("BEGIN");
  perform(ONE_OF(forms));
  run("ROLLBACK");
}

static void configure(void) {
  static const char *const keys[] = {
      "base_url",       "mode",           "on_error",
      "schema",         "concurrency",    "requests_per_minute",
      "retries",        "retry_delay_ms", "connect_timeout_ms",
      "timeout_ms",     "wait_seconds",   "max_body_bytes",
      "max_post_tasks", "ca_file",        "progress"};
  const char *key = ONE_OF(keys);
  char *sql;
  any_value();
  if (next() % 8 == 7) {
    any_value();
    perform("SELECT naver_serp_config(?1, ?2)");
  } else {
    sql = sqlite3_mprintf("SELECT naver_serp_config('%s', ?1)", key);
    if (perform(sql).rc == SQLITE_DONE) {
      sqlite3_free(sql);
      sql = sqlite3_mprintf("SELECT naver_serp_config('%s')", key);
      must(perform(sql).rc == SQLITE_DONE);
    }
    sqlite3_free(sql);
  }
  must(number("SELECT json_valid(naver_serp_config())") == 1);
  perform(next() & 1 ? "SELECT count(*) FROM naver_serp"
                     : "SELECT state FROM naver_serp_task");
  for (unsigned i = 0; i < COUNT(keys); i++) {
    sql = sqlite3_mprintf("SELECT naver_serp_config('%s', NULL)", keys[i]);
    run(sql);
    sqlite3_free(sql);
  }
}

static void post(void) {
  static const char *const fields[] = {
      "keyword", "priority", "depth",     "max_crawl_pages",
      "device",  "os",       "se_domain", "search_param",
      "url",     "tag",      "options",   "id",
      "cost",    "rowid"};
  unsigned rows = choose(4) + 1;
  run("BEGIN");
  while (rows-- > 0) {
    sqlite3_str *sql = sqlite3_str_new(NULL);
    char *text;
    int n = (int)choose(4), i;
    n_value = 0;
    sqlite3_str_appendall(sql, "INSERT INTO naver_serp_post(keyword");
    for (i = 0; i < n; i++)
      sqlite3_str_appendf(sql, ", %s", ONE_OF(fields));
    sqlite3_str_appendall(sql, ") VALUES (?1");
    any_value();
    for (i = 0; i < n; i++)
      sqlite3_str_appendf(sql, ", ?%d", any_value());
    sqlite3_str_appendall(sql, ")");
    text = sqlite3_str_finish(sql);
    if (next() & 1)
      perform("SAVEPOINT s");
    perform(text);
    if (next() & 1)
      perform("ROLLBACK TO s");
    sqlite3_free(text);
  }
  perform("SELECT * FROM naver_serp_post");
  run("ROLLBACK");
}

static void write_what_is_read_only(void) {
  static const char *const writes[] = {"INSERT INTO naver_serp(id) VALUES (?1)",
                                       "UPDATE naver_serp_task SET state = ?1",
                                       "DELETE FROM naver_serp WHERE id = ?1",
                                       "UPDATE naver_serp_post SET keyword = ?1",
                                       "DELETE FROM naver_serp_post",
                                       "INSERT INTO naver_serp_ready(id) VALUES (?1)",
                                       "SELECT naver_serp_import()",
                                       "SELECT naver_serp_config(?1, ?1, ?1)"};
  any_value();
  perform(ONE_OF(writes));
}

static void learn(Table *t, const char *without) {
  sqlite3_stmt *stmt;
  char *sql;
  t->all = columns(t->name, without);
  sql = sqlite3_mprintf("CREATE TABLE %s AS SELECT %s FROM %s", t->plain, t->all,
                        t->name);
  run(sql);
  sqlite3_free(sql);
  stmt = prepare("SELECT name FROM pragma_table_xinfo(?1)");
  sqlite3_bind_text(stmt, 1, t->plain, -1, SQLITE_STATIC);
  while (t->n < MAX_COLUMNS && sqlite3_step(stmt) == SQLITE_ROW)
    t->names[t->n++] = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
}

static void store_alike(void) {
  char *list = columns("naver_serp",
                       ",id,mode,on_error,keyword,device,tag,datetime,"
                       "se_results_count,unmapped,");
  sqlite3_str *body = sqlite3_str_new(NULL);
  sqlite3_stmt *stmt;
  unsigned i, c;
  sqlite3_str_appendall(body,
                        "{\"status_code\":20000,\"tasks\":[{\"id\":\"alike\","
                        "\"status_code\":20000,\"result\":[{\"items\":[");
  for (i = 0; i < COUNT(alike); i++) {
    char *name = list;
    for (c = 0; *name; c++) {
      size_t length = strcspn(name, ",");
      sqlite3_str_appendf(body, "%s\"%.*s\":%s",
                          c   ? ","
                          : i ? ",{"
                              : "{",
                          (int)length, name,
                          alike[(i * (c % 2 ? 7 : 1) + c * 3) % COUNT(alike)]);
      name += length + (name[length] ? 2 : 0);
    }
    sqlite3_str_appendall(body, "}");
  }
  sqlite3_str_appendall(body, "]}]}]}");
  stmt = prepare("SELECT naver_serp_import(?1)");
  sqlite3_bind_text(stmt, 1, sqlite3_str_value(body), -1, SQLITE_STATIC);
  must(sqlite3_step(stmt) == SQLITE_ROW);
  sqlite3_finalize(stmt);
  sqlite3_free(sqlite3_str_finish(body));
  sqlite3_free(list);
}

static void store_file(const char *name) {
  static char body[1 << 16];
  FILE *file = fopen(name, "rb");
  sqlite3_stmt *stmt =
      prepare("INSERT INTO naver_serp_cache(id, body) VALUES (?1, ?2)");
  if (file == NULL)
    complain("%s: not there; run it in the project's folder", name);
  sqlite3_bind_text(stmt, 1, name + 5, -1, SQLITE_STATIC);
  sqlite3_bind_blob(stmt, 2, body, (int)fread(body, 1, sizeof(body), file),
                    SQLITE_STATIC);
  must(sqlite3_step(stmt) == SQLITE_DONE);
  sqlite3_finalize(stmt);
  fclose(file);
}

static char *read_settings(void) {
  sqlite3_stmt *stmt = prepare("SELECT naver_serp_config()");
  char *text;
  must(sqlite3_step(stmt) == SQLITE_ROW);
  text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return text;
}

static sqlite3_int64 count_stored(void) {
  return number(
      "SELECT (SELECT count(*) FROM naver_serp_cache) * 1000000"
      " + (SELECT count(*) FROM naver_serp_tasks) * 10000"
      " + (SELECT count(*) FROM naver_serp_items)"
      " + (SELECT count(*) FROM naver_serp_posts)");
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  unsigned i;
  (void)argc, (void)argv;
  setenv("NAVER_SERP_ON_ERROR", "skip", 1);
  open_db();
  for (i = 0; i < COUNT(files); i++)
    store_file(files[i]);
  store_alike();
  learn(&tables[0], ",mode,on_error,");
  learn(&tables[1], ",id,task_id,mode,"); /* An id that is not stored has a row there */
  settings = read_settings();
  stored = count_stored();
  must(number("SELECT count(*) FROM plain_serp") > 60);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  char *now;
  in = data;
  in_end = data + n;
  n_value = 0;
  switch (choose(8)) {
  case 0:
    arguments();
    break;
  case 1:
    configure();
    break;
  case 2:
    post();
    break;
  case 3:
    write_what_is_read_only();
    break;
  default:
    compare(&tables[next() % 4 == 3]);
  }
  must(sqlite3_get_autocommit(db));
  must(count_stored() == stored);
  now = read_settings();
  must(strcmp(now, settings) == 0);
  sqlite3_free(now);
  return 0;
}
