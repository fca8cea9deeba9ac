/*
** Query plans; see plan.h.
**
** idxStr looks like this:
**
**   id in list: domain = ?, rank_absolute <= ?, cid IS NULL; by rank_absolute desc;
**   columns 1f
**
** in one line. Where it starts with "everything stored" there is no id. "columns" is
** sqlite3_index_info.colUsed, in hexadecimal.
*/
#include <stdlib.h>
#include <string.h>
#include "plan.h"

/* Estimates, in rows read from a stored table. A task that is not stored costs a request,
** worth many rows; a list is asked for at once, and has to be cheaper than two tasks, or
** SQLite would look up `id = a OR id = b` one by one. Reading everything stored leaves out
** what is not: it is no substitute for asking where the query speaks of the id (in an OR,
** say), and the last resort where it gives one that this plan cannot use. */
#define COST_TASK        3000.0
#define COST_STORED      50.0 /* Mode 'cache' */
#define COST_LIST        4000.0
#define COST_ID_USED     1000000.0
#define COST_LAST_RESORT 1e15
#define COST_SEARCH      20.0 /* Of finding a place in an index */
#define LIST_TASKS       100  /* Ids in a list */
#define EQUAL_INDEXED    5000 /* One row in so many has a value of an indexed column, */
#define EQUAL            10   /* ... of another one, */
#define IN_LIST          4    /* ... one of a list of values */
#define RANGE            3    /* ... is in a range */

#define MAX_IN      1000 /* Values of an IN that the SELECT checks */
#define VALUES_STEP 16   /* Places for values are made so many at a time */

/* ---- From constraints to terms ---------------------------------------------------- */

typedef struct Candidate {
  int i_id;   /* Constraint that gives the id, or -1 */
  bool list;  /* ... all of an IN at once */
  int i_mode; /* Constraint, or -1 */
  int i_on_error;
  bool late_id; /* An id depends on a table that comes later in this plan, */
  bool late;    /* ... or mode or on_error does */
} Candidate;

static bool is_equality(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS;
}

/* Looks for the parameters. A list beats a single id (one batch instead of one request a
** row), the parameter beats the column of the same meaning. */
static void consider(const TableKind *kind, sqlite3_index_info *info, int i,
                     Candidate *plan) {
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  bool id = c->iColumn == kind->i_parameter || c->iColumn == kind->i_id;
  if (!is_equality(c->op) ||
      (!id && c->iColumn != kind->i_mode && c->iColumn != kind->i_on_error))
    return;
  if (id && sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY"))
    return;
  if (!c->usable && id) {
    plan->late_id = true;
  } else if (!c->usable) {
    plan->late = true;
  } else if (id) {
    bool list = sqlite3_vtab_in(info, i, -1) != 0;
    if (plan->i_id < 0 || (list && !plan->list)) {
      plan->i_id = i;
      plan->list = list;
    }
  } else if (c->iColumn == kind->i_mode) {
    plan->i_mode = i;
  } else {
    plan->i_on_error = i;
  }
}

/* How an operator is written in a term; NULL for one that makes none. LIKE, GLOB, <> and
** IS NOT NULL are not to be trusted: SQLite (seen in 3.40) offers those of the ON clause of
** a LEFT JOIN to its left table, whose rows they must not take away. Of a GLOB or LIKE with
** a prefix it also offers the range. */
static const char *operator_text(int op) {
  switch (op) {
  case SQLITE_INDEX_CONSTRAINT_EQ:
    return "= ?";
  case SQLITE_INDEX_CONSTRAINT_IS:
    return "IS ?";
  case SQLITE_INDEX_CONSTRAINT_LT:
    return "< ?";
  case SQLITE_INDEX_CONSTRAINT_LE:
    return "<= ?";
  case SQLITE_INDEX_CONSTRAINT_GT:
    return "> ?";
  case SQLITE_INDEX_CONSTRAINT_GE:
    return ">= ?";
  case SQLITE_INDEX_CONSTRAINT_ISNULL:
    return "IS NULL";
  default:
    return NULL;
  }
}

/* True for a collation whose name does not disturb the reading of idxStr. */
static bool is_plain_name(const char *z) {
  return *z && z[strspn(z,
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
                        "0123456789")] == 0;
}

/* Text or blob: compared in a way that is known; see plan.h. */
static bool is_comparable(const Column *column, const char *op, sqlite3_value *value) {
  int type = sqlite3_value_type(value);
  const char *z;
  if (column->type == COLUMN_INTEGER || column->type == COLUMN_NUMERIC)
    return true;
  if (type == SQLITE_NULL || type == SQLITE_BLOB)
    return true;
  if (type != SQLITE_TEXT)
    return false;
  z = (const char *)sqlite3_value_text(value);
  return *op != '<' || (z && (unsigned char)*z > '9');
}

/* True if the term says exactly what the constraint says. Known only of literals: they
** have no affinity, and they are no part of a row value, whose parts SQLite offers one by
** one but means together. */
static bool is_exact(sqlite3_index_info *info, int i, const Column *column,
                     const char *op) {
  sqlite3_value *value = NULL;
  if (sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK || value == NULL)
    return false;
  return column->type == COLUMN_INTEGER || column->type == COLUMN_NUMERIC ||
         (sqlite3_value_type(value) == SQLITE_TEXT && is_comparable(column, op, value));
}

/* Claims a constraint as the next of xFilter's arguments. */
static void claim(sqlite3_index_info *info, int i, bool omit, int *n_arg) {
  info->aConstraintUsage[i].argvIndex = ++*n_arg;
  info->aConstraintUsage[i].omit = omit;
}

/* The collation that a term has to name, "BINARY" for none; NULL if it can be no term. */
static const char *term_collation(sqlite3_index_info *info, int i, const char *op) {
  const char *name;
  if (strcmp(op, "IS NULL") == 0)
    return "BINARY";
  name = sqlite3_vtab_collation(info, i);
  if (sqlite3_stricmp(name, "BINARY") == 0 || sqlite3_stricmp(name, "NOCASE") == 0 ||
      (is_equality(info->aConstraint[i].op) && is_plain_name(name)))
    return name;
  return NULL;
}

/* Makes a constraint a term, if it can be one: appends it to the plan and adds to the
** query what costs depend on. */
static void add_term(const TableKind *kind, sqlite3_index_info *info, int i,
                     RowQuery *query, sqlite3_str *text, int *n_arg) {
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  const char *op = operator_text(c->op);
  const char *collation;
  const Column *column;
  bool list;
  if (!c->usable || op == NULL || c->iColumn < 0 || query->n_term == MAX_TERM ||
      info->aConstraintUsage[i].argvIndex)
    return;
  column = &kind->columns[c->iColumn];
  collation = term_collation(info, i, op);
  if (column->source == NULL || collation == NULL)
    return;
  list = sqlite3_vtab_in(info, i, -1) != 0;
  sqlite3_str_appendf(text, "%s%s ", query->n_term ? ", " : ": ", column->name);
  if (sqlite3_stricmp(collation, "BINARY"))
    sqlite3_str_appendf(text, "COLLATE \"%s\" ", collation);
  sqlite3_str_appendall(text, list ? "IN ?" : op);
  query->terms[query->n_term].column = c->iColumn;
  query->terms[query->n_term].op = list ? "IN ?" : op;
  query->n_term++;
  claim(info, i, kind->items && !list && is_exact(info, i, column, op), n_arg);
  if (list)
    sqlite3_vtab_in(info, i, 1);
}

/* ---- Order ------------------------------------------------------------------------- */

/* True if the order of a column's index is better than sorting: where a LIMIT ends it early,
** or a term searches that index. Else every row would be looked up in a place of its own.
** (The LIMIT is only a hint: it is not consumed, since SQLite 3.38 to 3.45 offer it where
** it is not theirs to give.) */
static bool pays(const TableKind *kind, const Store *store,
                 const sqlite3_index_info *info, const RowQuery *query, int k) {
  int i;
  if (!store_is_indexed(store, kind->items, kind->columns[k].name))
    return false;
  for (i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT)
      return true;
  }
  for (i = 0; i < query->n_term; i++) {
    if (query->terms[i].column == k && query->terms[i].op[1] != 'N') /* No IN */
      return true;
  }
  return false;
}

/* Takes over ORDER BY (or GROUP BY) where the SELECT gives it for less than sorting: of one
** task, whose rows are few, and of everything by an index. */
static void add_order(const TableKind *kind, const Store *store,
                      sqlite3_index_info *info, RowQuery *query, sqlite3_str *text) {
  int i;
  if (info->nOrderBy == 0 || info->nOrderBy > MAX_ORDER ||
      (query->by_id ? !kind->items || !(info->idxNum & PLAN_ID) : info->nOrderBy != 1))
    return;
  for (i = 0; i < info->nOrderBy; i++) {
    int k = info->aOrderBy[i].iColumn;
    if (k < 0 || kind->columns[k].source == NULL ||
        (!query->by_id && !pays(kind, store, info, query, k)))
      return;
  }
  sqlite3_str_appendall(text, "; by ");
  for (i = 0; i < info->nOrderBy; i++)
    sqlite3_str_appendf(text, "%s%s%s", i ? ", " : "",
                        kind->columns[info->aOrderBy[i].iColumn].name,
                        info->aOrderBy[i].desc ? " desc" : "");
  info->orderByConsumed = 1;
}

/* ---- Costs ------------------------------------------------------------------------- */

/* One row in how many passes a term. */
static double share(const char *op, bool indexed) {
  double equal = indexed ? EQUAL_INDEXED : EQUAL;
  if (op[0] == '=' || (op[0] == 'I' && op[1] == 'S'))
    return equal;
  return op[0] == 'I' ? equal / IN_LIST + 1 : RANGE;
}

/* As bits of colUsed. */
static sqlite3_uint64 id_columns(const TableKind *kind) {
  return (sqlite3_uint64)1 << kind->i_id | (sqlite3_uint64)1 << kind->i_parameter;
}

/* One row in how many passes all terms; *best is what the best index does of that. */
static double shares(const TableKind *kind, const Store *store, const RowQuery *query,
                     double *best) {
  double all = 1;
  int i;
  *best = 1;
  for (i = 0; i < query->n_term; i++) {
    const Column *column = &kind->columns[query->terms[i].column];
    bool indexed = !query->by_id && store_is_indexed(store, kind->items, column->name);
    bool of_task =
        kind->items && column->source[0] == 't'; /* Finds the items of a task */
    double one_in = share(query->terms[i].op, indexed);
    all *= one_in;
    if ((indexed || of_task) && one_in > *best)
      *best = one_in;
  }
  return all;
}

/* Sets the estimates of a plan whose terms are known. */
static void estimate(const TableKind *kind, Store *store, const Candidate *plan,
                     const RowQuery *query, bool cached, sqlite3_index_info *info) {
  StoreSize size;
  double rows, cost, best, all = shares(kind, store, query, &best);
  store_size(store, &size);
  if (query->by_id) {
    rows = kind->items ? size.items_per_task : 1;
    cost = rows + (plan->list ? COST_LIST : cached ? COST_STORED : COST_TASK);
    rows *= plan->list ? LIST_TASKS : 1;
  } else {
    rows = kind->items ? (double)size.n_item : (double)size.n_task;
    cost = best > 1 ? COST_SEARCH + rows * 2 / best : rows;
    if (info->colUsed & id_columns(kind))
      cost += plan->late_id ? COST_LAST_RESORT : COST_ID_USED;
  }
  info->estimatedCost = cost + 1;
  info->estimatedRows = (sqlite3_int64)(rows / all) + 1;
}

static bool is_mode_cache(sqlite3_index_info *info, int i) {
  sqlite3_value *value = NULL;
  return i >= 0 && sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK && value &&
         sqlite3_value_type(value) == SQLITE_TEXT &&
         strcmp((const char *)sqlite3_value_text(value), "cache") == 0;
}

int plan_best_index(const TableKind *kind, Store *store, sqlite3_index_info *info) {
  Candidate plan = {-1, false, -1, -1, false, false};
  RowQuery query = {0};
  sqlite3_str *text = sqlite3_str_new(NULL);
  int n_arg = 0;
  int i;
  for (i = 0; i < info->nConstraint; i++)
    consider(kind, info, i, &plan);
  if (plan.late) { /* Never another mode than the one given */
    sqlite3_free(sqlite3_str_finish(text));
    return SQLITE_CONSTRAINT;
  }
  query.by_id = plan.i_id >= 0;
  sqlite3_str_appendall(text, !query.by_id ? "everything stored"
                              : plan.list  ? "id in list"
                                           : "id = ?");
  if (query.by_id) {
    claim(info, plan.i_id, true, &n_arg);
    info->idxNum |= plan.list ? PLAN_IDS : PLAN_ID;
    if (plan.list)
      sqlite3_vtab_in(info, plan.i_id, 1);
  }
  if (plan.i_mode >= 0) {
    claim(info, plan.i_mode, true, &n_arg);
    info->idxNum |= PLAN_MODE;
    sqlite3_str_appendall(text, ", mode = ?");
  }
  if (plan.i_on_error >= 0) {
    claim(info, plan.i_on_error, true, &n_arg);
    info->idxNum |= PLAN_ON_ERROR;
    sqlite3_str_appendall(text, ", on_error = ?");
  }
  for (i = 0; i < info->nConstraint; i++)
    add_term(kind, info, i, &query, text, &n_arg);
  add_order(kind, store, info, &query, text);
  estimate(kind, store, &plan, &query, is_mode_cache(info, plan.i_mode), info);
  sqlite3_str_appendf(text, "; columns %llx", (sqlite3_uint64)info->colUsed);
  info->idxStr = sqlite3_str_finish(text);
  info->needToFreeIdxStr = 1;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- xFilter ----------------------------------------------------------------------- */

/* The column whose name starts at z, which has n bytes. */
static int find_column(const TableKind *kind, const char *z, size_t n) {
  int k;
  for (k = 0; k < kind->n_column; k++) {
    if (strlen(kind->columns[k].name) == n && memcmp(kind->columns[k].name, z, n) == 0)
      return k;
  }
  return 0; /* Never: plan_best_index() wrote the name */
}

/* Reads "name operator, name operator" up to ";"; returns where that is. */
static const char *read_terms(const TableKind *kind, const char *z, RowQuery *query) {
  do {
    RowTerm *term = &query->terms[query->n_term++];
    size_t n = strcspn(z, " ");
    term->column = find_column(kind, z, n);
    term->op = z + n + 1;
    term->n_op = (int)strcspn(term->op, ",;");
    z = term->op + term->n_op;
  } while (*z == ',' && (z += 2));
  return z;
}

static void read_order(const TableKind *kind, const char *z, RowQuery *query) {
  do {
    size_t n = strcspn(z, " ,;");
    query->order[query->n_order].column = find_column(kind, z, n);
    z += n;
    query->order[query->n_order].desc = strncmp(z, " desc", 5) == 0;
    query->n_order++;
    z += strcspn(z, ",;");
  } while (*z == ',' && (z += 2));
}

void plan_read(const TableKind *kind, int idxNum, const char *idxStr, RowQuery *query) {
  const char *z = idxStr + strcspn(idxStr, ":;");
  memset(query, 0, sizeof(*query));
  query->columns = kind->columns;
  query->n_column = kind->n_column;
  query->items = kind->items;
  query->by_id = (idxNum & (PLAN_ID | PLAN_IDS)) != 0;
  query->used = strtoull(strrchr(idxStr, ' '), NULL, 16);
  if (*z == ':')
    z = read_terms(kind, z + 2, query);
  if (strncmp(z, "; by ", 5) == 0)
    read_order(kind, z + 5, query);
}

/* The operator of a term, behind its collation. */
static const char *operator_of(const RowTerm *term) {
  const char *op = term->op;
  return strncmp(op, "COLLATE ", 8) == 0 ? strchr(op + 8, ' ') + 1 : op;
}

static int add_value(RowQuery *query, RowTerm *term, sqlite3_value *value,
                     Error *error) {
  int n = query->n_value;
  if (n % VALUES_STEP == 0) {
    sqlite3_value **values = sqlite3_realloc64(
        query->values, (sqlite3_uint64)(n + VALUES_STEP) * sizeof(*values));
    if (values == NULL)
      return error_nomem(error);
    query->values = values;
  }
  query->values[n] = sqlite3_value_dup(value);
  if (query->values[n] == NULL)
    return error_nomem(error);
  query->n_value++;
  term->n_value++;
  return SQLITE_OK;
}

/* Takes back a term's values, which were the last: the SELECT does not check it. */
static void leave_out(RowQuery *query, RowTerm *term) {
  while (term->n_value > 0) {
    sqlite3_value_free(query->values[--query->n_value]);
    term->n_value--;
  }
  term->is_used = false;
}

/* The values of an IN. */
static int take_list(sqlite3 *db, RowQuery *query, RowTerm *term, sqlite3_value *list,
                     Error *error) {
  int room = sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, -1) - MAX_TERM - 1;
  const Column *column = &query->columns[term->column];
  sqlite3_value *value;
  int rc;
  for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK && value;
       rc = sqlite3_vtab_in_next(list, &value)) {
    if (term->n_value == MAX_IN || query->n_value >= room ||
        !is_comparable(column, "=", value)) {
      leave_out(query, term);
      return SQLITE_OK;
    }
    if (add_value(query, term, value, error) != SQLITE_OK)
      return error->rc;
  }
  if (rc != SQLITE_OK && rc != SQLITE_DONE)
    return error_set(error, rc, "cannot read a list of values");
  return SQLITE_OK;
}

int plan_take_values(sqlite3 *db, RowQuery *query, sqlite3_value **argv, Error *error) {
  int i;
  for (i = 0; i < query->n_term && error->rc == SQLITE_OK; i++) {
    RowTerm *term = &query->terms[i];
    const char *op = operator_of(term);
    term->is_used = true;
    term->n_value = 0;
    if (memchr(term->op, '?', (size_t)term->n_op) == NULL)
      ; /* IS NULL: its value says nothing */
    else if (strncmp(op, "IN", 2) == 0)
      take_list(db, query, term, *argv, error);
    else if (is_comparable(&query->columns[term->column], op, *argv))
      add_value(query, term, *argv, error);
    else
      term->is_used = false;
    argv++;
  }
  return error->rc;
}

void plan_free_values(RowQuery *query) {
  while (query->n_value > 0)
    sqlite3_value_free(query->values[--query->n_value]);
  sqlite3_free(query->values);
  query->values = NULL;
}
