/*
** Fuzzes what a server or a file may hold: any bytes, stored in three ways and read back.
**
** The input is a body. It goes through naver_serp_import(), and by hand into
** naver_serp_cache as a BLOB or TEXT. What must hold, besides that nothing crashes:
**   - a body that is taken for JSON is JSON to SQLite too, and one that is not is refused
**     with a message that says where;
**   - every value of every row is NULL, a number or text that is UTF-8 without NUL, and
**     what carries the subtype of JSON is an object or array by json_valid();
**   - both ways give the same rows, and so does a third: the body with "items" spelt with an
**     escape, where the items are not left out of the document (ext/scan.h);
**   - there are as many rows as json_each() counts, as the tables say, and as many again
**     once the body is parsed anew;
**   - when the bodies are deleted, nothing derived stays.
*/
#include "fuzz.h"

#define JSON_SUBTYPE 74
#define SERP_COLUMNS ",id,mode,on_error,"
#define TASK_COLUMNS ",id,task_id,mode,source,fetched_at,origin,"
#define CONNECTION_FOR                                                                 \
  20000 /* Inputs, then a new one: what grows there would be seen */

static struct {
  sqlite3_stmt *import, *insert, *serp, *task, *state, *valid, *count, *tables;
} q;                         /* Statements of the fuzzer's */
static uint64_t fingerprint; /* Of the values that checked() saw */

static int is_valid_json(const void *z, int n) {
  int valid;
  sqlite3_bind_text(q.valid, 1, z, n, SQLITE_STATIC);
  must(sqlite3_step(q.valid) == SQLITE_ROW);
  valid = sqlite3_column_int(q.valid, 0);
  sqlite3_reset(q.valid);
  return valid;
}

/* True if the text is UTF-8 in its shortest form, without surrogates. */
static int is_utf8(const unsigned char *z, int n) {
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char *end = z + n;
  while (z < end) {
    int more = *z < 0x80 ? 0 : *z < 0xc0 ? -1 : *z < 0xe0 ? 1 : *z < 0xf0 ? 2 : 3;
    uint32_t c;
    int i;
    if (more < 0 || *z > 0xf4 || end - z <= more)
      return 0;
    c = more ? *z & (0x3f >> more) : *z;
    for (i = 1; i <= more; i++) {
      if ((z[i] & 0xc0) != 0x80)
        return 0;
      c = c << 6 | (z[i] & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
      return 0;
    z += more + 1;
  }
  return 1;
}

/* The SQL function checked(values...): looks at each and adds it to the fingerprint. */
static void checked(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  int i;
  (void)ctx;
  for (i = 0; i < argc; i++) {
    int type = sqlite3_value_type(argv[i]);
    unsigned json = sqlite3_value_subtype(argv[i]) == JSON_SUBTYPE;
    const char *z;
    int n;
    fingerprint = hash(hash_value(fingerprint, argv[i]), &json, sizeof(json));
    if (type == SQLITE_BLOB)
      complain("column %d is a BLOB", i);
    if (type != SQLITE_TEXT) {
      if (json)
        complain("column %d is JSON and no text", i);
      continue;
    }
    z = (const char *)sqlite3_value_text(argv[i]);
    n = sqlite3_value_bytes(argv[i]);
    if (strlen(z) != (size_t)n)
      complain("column %d holds a NUL: %.*s", i, n, z);
    if (!is_utf8((const unsigned char *)z, n))
      complain("column %d is not UTF-8: %.*s", i, n, z);
    if (json && !is_valid_json(z, n))
      complain("column %d is not JSON: %.*s", i, n, z);
  }
}

static sqlite3_stmt *prepare_checked(const char *table, const char *arguments,
                                     const char *without) {
  char *names = columns(table, without);
  char *sql =
      sqlite3_mprintf("SELECT checked(%s) FROM %s(%s)", names, table, arguments);
  sqlite3_stmt *stmt = prepare(sql);
  sqlite3_free(names);
  sqlite3_free(sql);
  return stmt;
}

static void connect(void) {
  open_db();
  sqlite3_create_function(db, "checked", -1, SQLITE_UTF8 | SQLITE_SUBTYPE, NULL,
                          checked, NULL, NULL);
  q.import = prepare("SELECT naver_serp_import(?1)");
  q.insert =
      prepare("INSERT OR REPLACE INTO naver_serp_cache(id, body) VALUES (?1, ?2)");
  q.serp = prepare_checked("naver_serp", "?1, 'cache', 'skip'", SERP_COLUMNS);
  q.task = prepare_checked("naver_serp_task", "?1, 'cache'", TASK_COLUMNS);
  q.state = prepare("SELECT state, status_message FROM naver_serp_task(?1, 'cache')");
  q.valid = prepare("SELECT json_valid(?1)");
  q.count = prepare(
      "SELECT total(CASE coalesce(json_type(r.value, '$.items'), 'null')"
      "        WHEN 'null' THEN 0"
      "        WHEN 'array' THEN json_array_length(r.value, '$.items') ELSE 1 END)"
      "  FROM json_each(?1, '$.tasks[0].result') AS r"
      " WHERE json_array_length(?1, '$.tasks') = 1"
      "   AND json_type(?1, '$.tasks[0].result') = 'array'"
      " HAVING count(*) > 0 AND min(r.type = 'object')");
  q.tables = prepare(
      "SELECT total(last_item - first_item + 1), (SELECT count(*)"
      "  FROM naver_serp_items i JOIN naver_serp_tasks t USING (task)"
      "  WHERE t.id = ?1) FROM naver_serp_tasks WHERE id = ?1");
}

static void disconnect(void) {
  sqlite3_stmt *own[] = {q.import, q.insert, q.serp,  q.task,
                         q.state,  q.valid,  q.count, q.tables};
  size_t i;
  for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
    sqlite3_finalize(own[i]);
  must(sqlite3_close(db) == SQLITE_OK);
}

/* Steps to the end; the number of rows. No error may come: they are skipped or rows. */
static sqlite3_int64 step_all(sqlite3_stmt *stmt, const char *id) {
  sqlite3_int64 n = 0;
  int rc;
  fingerprint = 14695981039346656037u;
  sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
    n++;
  if (rc != SQLITE_DONE)
    complain("reading '%s': %s", id, sqlite3_errmsg(db));
  sqlite3_reset(stmt);
  return n;
}

/* What one stored body gives. */
typedef struct Seen {
  char state[16];
  char message[200];
  sqlite3_int64 n_serp, n_task;
  uint64_t serp, task; /* Fingerprints */
} Seen;

static Seen look(const char *id) {
  Seen s;
  sqlite3_bind_text(q.state, 1, id, -1, SQLITE_STATIC);
  must(sqlite3_step(q.state) == SQLITE_ROW);
  sqlite3_snprintf(sizeof(s.state), s.state, "%s", sqlite3_column_text(q.state, 0));
  sqlite3_snprintf(sizeof(s.message), s.message, "%s", sqlite3_column_text(q.state, 1));
  sqlite3_reset(q.state);
  s.n_task = step_all(q.task, id);
  s.task = fingerprint;
  s.n_serp = step_all(q.serp, id);
  s.serp = fingerprint;
  sqlite3_bind_text(q.tables, 1, id, -1, SQLITE_STATIC);
  must(sqlite3_step(q.tables) == SQLITE_ROW);
  must(sqlite3_column_int64(q.tables, 0) == s.n_serp);
  must(sqlite3_column_int64(q.tables, 1) == s.n_serp);
  sqlite3_reset(q.tables);
  must(s.n_serp == 0 || strcmp(s.state, "ready") == 0);
  return s;
}

static void insert(const char *id, const void *body, size_t n, int as_text) {
  sqlite3_bind_text(q.insert, 1, id, -1, SQLITE_STATIC);
  if (as_text)
    sqlite3_bind_text(q.insert, 2, body, (int)n, SQLITE_STATIC);
  else
    sqlite3_bind_blob(q.insert, 2, n ? body : "", (int)n, SQLITE_STATIC);
  must(sqlite3_step(q.insert) == SQLITE_DONE);
  sqlite3_reset(q.insert);
}

/* The id that the import gave, or NULL with its reason checked. */
static char *import(const char *body, size_t n) {
  char *id = NULL;
  int rc;
  sqlite3_bind_blob(q.import, 1, body, (int)n, SQLITE_STATIC);
  rc = sqlite3_step(q.import);
  if (rc == SQLITE_ROW)
    id = sqlite3_mprintf("%s", sqlite3_column_text(q.import, 0));
  else
    must(rc == SQLITE_ERROR &&
         strncmp(sqlite3_errmsg(db), "naver_serp_import: ", 19) == 0);
  sqlite3_reset(q.import);
  if (id == NULL)
    must(number("SELECT count(*) FROM naver_serp_cache") == 0);
  return id;
}

/* Compares with what SQLite makes of the same JSON, where both read it alike: names are
** as they are documented, written without escapes, and there is one of each. */
static void compare_with_json_each(const char *body, size_t n, const Seen *s) {
  static const char *const names[] = {"tasks", "result", "status_code"};
  char *lower = sqlite3_malloc64(n + 1);
  size_t i;
  int alike = 1;
  for (i = 0; i < n; i++) {
    lower[i] = body[i] >= 'A' && body[i] <= 'Z' ? body[i] + 32 : body[i];
    alike &= body[i] != '\\' || body[i + 1 < n ? i + 1 : i] != 'u';
  }
  lower[n] = 0;
  for (i = 0; i < 3; i++) {
    char *plain = sqlite3_mprintf("\"%s\"", names[i]);
    const char *at = strstr(lower, plain);
    alike &= at && memcmp(body + (at - lower), plain, strlen(plain)) == 0;
    alike &= at && (i == 2 || strstr(at + 1, plain) == NULL);
    sqlite3_free(plain);
  }
  sqlite3_free(lower);
  for (i = 0; i + 7 <= n; i++)
    alike &=
        sqlite3_strnicmp(body + i, "\"items\"", 7) || !memcmp(body + i, "\"items\"", 7);
  if (!alike)
    return;
  sqlite3_bind_text(q.count, 1, body, (int)n, SQLITE_STATIC);
  if (sqlite3_step(q.count) == SQLITE_ROW)
    must(sqlite3_column_int64(q.count, 0) == s->n_serp);
  sqlite3_reset(q.count);
}

/* The same body with "items" spelt with an escape has the same rows. */
static void compare_with_escaped(const char *body, size_t n, const Seen *s) {
  sqlite3_str *other = sqlite3_str_new(NULL);
  size_t i;
  Seen t;
  char *z;
  int length;
  for (i = 0; i < n; i++)
    if (n - i >= 7 && memcmp(body + i, "\"items\"", 7) == 0) {
      sqlite3_str_appendall(other, "\"\\u0069tems\"");
      i += 6;
    } else {
      sqlite3_str_append(other, body + i, 1);
    }
  length = sqlite3_str_length(other);
  z = sqlite3_str_finish(other);
  insert("escaped", z, (size_t)length, 0);
  t = look("escaped");
  sqlite3_free(z);
  must(strcmp(s->state, t.state) == 0);
  must(s->n_serp == t.n_serp && s->serp == t.serp);
  must(s->n_task == t.n_task && s->task == t.task);
}

static int begins(const char *z, const char *with) {
  return strncmp(z, with, strlen(with)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static int inputs;
  const char *body = (const char *)data;
  int bom = n >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  char *id;
  Seen s, imported;
  if (inputs++ % CONNECTION_FOR == 0) {
    if (inputs > 1)
      disconnect();
    connect();
  }
  id = import(body, n);
  if (id)
    imported = look(id);
  insert("by hand", body, n, n & 1);
  s = look("by hand");
  if (begins(s.message, "not JSON")) {
    must(strstr(s.message, " at byte ") != NULL);
    must(id == NULL);
  } else if (!begins(s.message, "empty body") && !begins(s.message, "HTML")) {
    must(is_valid_json(body + bom, (int)n - bom));
    if (bom == 0 && strcmp(s.state, "ready") == 0)
      compare_with_json_each(body, n, &s);
    compare_with_escaped(body, n, &s);
  }
  if (id) {
    must(strcmp(s.state, imported.state) == 0);
    must(s.n_serp == imported.n_serp && s.serp == imported.serp);
    must(s.n_task == imported.n_task && s.task == imported.task);
  }
  run("UPDATE naver_serp_cache SET parsed = 0 WHERE id = 'by hand'");
  must(step_all(q.serp, "by hand") == s.n_serp && fingerprint == s.serp);
  sqlite3_free(id);
  run("DELETE FROM naver_serp_cache");
  must(number("SELECT (SELECT count(*) FROM naver_serp_items)"
              " + (SELECT count(*) FROM naver_serp_tasks)") == 0);
  return 0;
}
