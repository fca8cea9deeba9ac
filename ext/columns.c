/*
** The column lists as data; see columns.h.
*/
#include "columns.h"

#define SOURCE_task(name)      "t." #name
#define SOURCE_cache(name)     "c." #name
#define SOURCE_none(name)      NULL
#define ITEM_ENTRY(name, type) {#name, COLUMN_##type, "i." #name, false},
#define TASK_ENTRY(name, type, where)                                                  \
  {#name, COLUMN_##type, SOURCE_##where(name), false},

const Column serp_columns[SERP_NCOL] = {
    ITEM_COLUMNS(ITEM_ENTRY) /* */
    {"id", COLUMN_TEXT, "t.id", true},
    {"mode", COLUMN_TEXT, NULL, true},
    {"on_error", COLUMN_TEXT, NULL, true},
    {"keyword", COLUMN_TEXT, "t.keyword", true},
    {"device", COLUMN_TEXT, "t.device", true},
    {"tag", COLUMN_TEXT, "t.tag", true},
    {"datetime", COLUMN_TEXT, "t.datetime", true},
    {"se_results_count", COLUMN_INTEGER, "t.se_results_count", true},
};

const Column tasks_columns[TASKS_NCOL] = {
    TASK_COLUMNS(TASK_ENTRY) /* */
    {"task_id", COLUMN_TEXT, "t.id", true},
    {"mode", COLUMN_TEXT, NULL, true},
};

#define CALL_ENTRY(name, type) {#name, COLUMN_##type, NULL, false},
const Column ready_columns[READY_NCOL] = {READY_COLUMNS(CALL_ENTRY)};

#define POST_ENTRY(name, type) {#name, COLUMN_##type, "p." #name, false},
const Column post_columns[POST_NCOL] = {POST_COLUMNS(POST_ENTRY)};

const ColumnList item_columns = {serp_columns, ITEM_NCOL, 'i'};
const ColumnList task_columns = {tasks_columns, TASK_NCOL, 't'};

const char *column_sql_type(const Column *column) {
  switch (column->type) {
  case COLUMN_TEXT:
    return "TEXT";
  case COLUMN_INTEGER:
    return "INTEGER";
  case COLUMN_NUMERIC:
    return "NUMERIC";
  case COLUMN_JSON:
    break;
  }
  return "";
}

char *columns_declaration(const Column *columns, int n) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  int k;
  sqlite3_str_appendall(out, "CREATE TABLE x(");
  for (k = 0; k < n; k++)
    sqlite3_str_appendf(out, "%s%s %s%s", k ? ", " : "", columns[k].name,
                        column_sql_type(&columns[k]),
                        columns[k].hidden ? " HIDDEN" : "");
  sqlite3_str_appendchar(out, 1, ')');
  return sqlite3_str_finish(out);
}
