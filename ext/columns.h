/*
** The columns of a SERP item and of a task, each written once.
**
** These two lists generate the declarations of the virtual tables, the check of
** the stored tables, the look-up from a JSON member to its column and the inner
** SELECTs. Source of names, types and meanings: the API's page "Naver Organic SERP
** Advanced, task_get/advanced" (docs.dataforseo.com/v3/serp/naver/organic).
**
** X(name, type): its type is TEXT, INTEGER, NUMERIC or JSON. The first three are the
** column's affinity; a JSON column has none, and its objects and arrays carry SQLite's
** JSON subtype. A value of another type than documented is kept as it came.
*/
#ifndef NAVER_SERP_COLUMNS_H
#define NAVER_SERP_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include "sqlite.h"

#define ITEM_COLUMNS(X)                                                                \
  X(type, TEXT)                                                                        \
  X(rank_group, INTEGER)                                                               \
  X(rank_absolute, INTEGER)                                                            \
  X(domain, TEXT)                                                                      \
  X(title, TEXT)                                                                       \
  X(url, TEXT)                                                                         \
  X(description, TEXT)                                                                 \
  X(page, INTEGER)                                                                     \
  X(position, TEXT)                                                                    \
  X(breadcrumb, TEXT)                                                                  \
  X(is_image, INTEGER)                                                                 \
  X(is_video, INTEGER)                                                                 \
  X(is_featured_snippet, INTEGER)                                                      \
  X(is_malicious, INTEGER)                                                             \
  X(is_web_story, INTEGER)                                                             \
  X(is_paid, INTEGER)                                                                  \
  X(amp_version, INTEGER)                                                              \
  X(pre_snippet, TEXT)                                                                 \
  X(extended_snippet, TEXT)                                                            \
  X(timestamp, TEXT)                                                                   \
  X(cache_url, TEXT)                                                                   \
  X(phone, TEXT)                                                                       \
  X(cid, TEXT)                                                                         \
  X(xpath, TEXT)                                                                       \
  X(rating, JSON)                                                                      \
  X(highlighted, JSON)                                                                 \
  X(links, JSON)                                                                       \
  X(faq, JSON)                                                                         \
  X(extended_people_also_search, JSON)                                                 \
  X(items, JSON)                                                                       \
  X(extra, JSON)                                                                       \
  X(description_rows, JSON)                                                            \
  X(rectangle, JSON)                                                                   \
  X(unmapped, JSON)

/* The columns of naver_serp_task. Those from `keyword` to `items_count` and `type`
** come from the task's result, or where the result lacks them from the `data` object
** (the request); `cost`, `time`, `path` and `result_count` from the task; `version`
** from the wrapper; `unmapped` holds the result's members that have no column.
** X(name, type, where): where is the stored table it is in, none if the cursor knows.
 */
#define TASK_COLUMNS(X)                                                                \
  X(id, TEXT, task)                                                                    \
  X(state, TEXT, task)                                                                 \
  X(status_code, INTEGER, task)                                                        \
  X(status_message, TEXT, task)                                                        \
  X(source, TEXT, none)                                                                \
  X(keyword, TEXT, task)                                                               \
  X(se_domain, TEXT, task)                                                             \
  X(location_code, INTEGER, task)                                                      \
  X(language_code, TEXT, task)                                                         \
  X(device, TEXT, task)                                                                \
  X(os, TEXT, task)                                                                    \
  X(tag, TEXT, task)                                                                   \
  X(check_url, TEXT, task)                                                             \
  X(datetime, TEXT, task)                                                              \
  X(spell, JSON, task)                                                                 \
  X(refinement_chips, JSON, task)                                                      \
  X(item_types, JSON, task)                                                            \
  X(se_results_count, INTEGER, task)                                                   \
  X(pages_count, INTEGER, task)                                                        \
  X(items_count, INTEGER, task)                                                        \
  X(cost, NUMERIC, task)                                                               \
  X(time, TEXT, task)                                                                  \
  X(data, JSON, task)                                                                  \
  X(path, JSON, task)                                                                  \
  X(version, TEXT, task)                                                               \
  X(fetched_at, TEXT, cache)                                                           \
  X(type, TEXT, task)                                                                  \
  X(result_count, INTEGER, task)                                                       \
  X(origin, TEXT, cache)                                                               \
  X(unmapped, JSON, task)

/* The columns of naver_serp_ready: members of tasks[].result[] of tasks_ready. */
#define READY_COLUMNS(X)                                                               \
  X(id, TEXT)                                                                          \
  X(se, TEXT)                                                                          \
  X(se_type, TEXT)                                                                     \
  X(date_posted, TEXT)                                                                 \
  X(tag, TEXT)                                                                         \
  X(endpoint_regular, TEXT)                                                            \
  X(endpoint_advanced, TEXT)                                                           \
  X(endpoint_html, TEXT)

/* The columns of naver_serp_post and naver_serp_posts: the fields of a task as task_post
** takes them (`options`: a JSON object of any other field), then what came back. */
#define POST_COLUMNS(X)                                                                \
  X(keyword, TEXT)                                                                     \
  X(priority, INTEGER)                                                                 \
  X(depth, INTEGER)                                                                    \
  X(max_crawl_pages, INTEGER)                                                          \
  X(device, TEXT)                                                                      \
  X(os, TEXT)                                                                          \
  X(se_domain, TEXT)                                                                   \
  X(search_param, TEXT)                                                                \
  X(url, TEXT)                                                                         \
  X(tag, TEXT)                                                                         \
  X(options, JSON)                                                                     \
  X(id, TEXT)                                                                          \
  X(state, TEXT)                                                                       \
  X(status_code, INTEGER)                                                              \
  X(status_message, TEXT)                                                              \
  X(cost, NUMERIC)                                                                     \
  X(posted_at, TEXT)

#define COLUMN_ENUM(name, type) ITEM_##name,
enum { ITEM_COLUMNS(COLUMN_ENUM) ITEM_NCOL };
#undef COLUMN_ENUM
#define COLUMN_ENUM(name, type) READY_##name,
enum { READY_COLUMNS(COLUMN_ENUM) READY_NCOL };
#undef COLUMN_ENUM
#define COLUMN_ENUM(name, type) POST_##name,
enum { POST_COLUMNS(COLUMN_ENUM) POST_NCOL };
#undef COLUMN_ENUM
#define POST_NFIELD                    POST_id /* The columns before are the task's own */
#define COLUMN_ENUM(name, type, where) TASK_##name,
enum { TASK_COLUMNS(COLUMN_ENUM) TASK_NCOL };
#undef COLUMN_ENUM

typedef enum { COLUMN_TEXT, COLUMN_INTEGER, COLUMN_NUMERIC, COLUMN_JSON } ColumnType;

typedef struct Column {
  const char *name;
  ColumnType type;
  const char *source; /* Where it is stored: "i.title" of naver_serp_items, "t.id" of
                      ** naver_serp_tasks, "c.origin" of naver_serp_cache; NULL: nowhere */
  bool hidden;        /* Not part of SELECT * */
} Column;

/* The columns of the virtual tables: those of the macros first, then the hidden ones.
 */
enum {
  SERP_id = ITEM_NCOL, /* The parameters, */
  SERP_mode,
  SERP_on_error,
  SERP_keyword, /* ... and what is often wanted of the task */
  SERP_device,
  SERP_tag,
  SERP_datetime,
  SERP_se_results_count,
  SERP_NCOL
};
enum { TASKS_task_id = TASK_NCOL, TASKS_mode, TASKS_NCOL };

extern const Column serp_columns[SERP_NCOL];   /* Indexed by ITEM_... and SERP_... */
extern const Column tasks_columns[TASKS_NCOL]; /* Indexed by TASK_... and TASKS_... */

extern const Column ready_columns[READY_NCOL]; /* Indexed by READY_... */
extern const Column post_columns[POST_NCOL];   /* Indexed by POST_... */

/* What an answer gives for an item and for a task: cells are indexed like these. */
typedef struct ColumnList {
  const Column *a; /* The columns, in the order of their enum */
  int n;           /* How many */
  char letter;     /* Column.source of those that are in the list's own stored table */
} ColumnList;

extern const ColumnList item_columns; /* ITEM_..., stored in naver_serp_items */
extern const ColumnList task_columns; /* TASK_..., stored in naver_serp_tasks */

/* The SQL type name of a column: "TEXT", "INTEGER", "NUMERIC", or "" for JSON. */
const char *column_sql_type(const Column *);

/* The CREATE TABLE statement that declares a virtual table of n columns, from
** sqlite3_malloc(); NULL if there is no memory. */
char *columns_declaration(const Column *, int n);

/* One value on its way from an answer to the store or to a result. The text is
** UTF-8 without terminator counted, borrowed from whoever filled the cell. */
typedef enum { CELL_NULL, CELL_INTEGER, CELL_REAL, CELL_TEXT, CELL_JSON } CellKind;

typedef struct Cell {
  CellKind kind;   /* CELL_JSON: the text of an object or array */
  sqlite3_int64 i; /* CELL_INTEGER */
  double r;        /* CELL_REAL */
  const char *z;   /* CELL_TEXT, CELL_JSON; never NULL there, NUL-terminated */
  size_t n;        /* Bytes in z */
} Cell;

#endif
