/*
** An answer of the API, read once; see answer.h.
**
**   body -> scan.c (is it JSON; what cJSON would lose) -> cJSON -> state -> cells
**
** The items of the SERP are not part of the document: each is parsed when its row is
** asked for, and freed with the next, so that memory follows the body and what cJSON made
** is still in the processor's cache when the cells are filled.
**
** Cells borrow: strings point into cJSON's values, the JSON text of objects and
** arrays into one buffer that every row uses again. No value is copied or allocated by
** itself.
**
** Where the API promises an array (tasks, result, items), null or nothing is an array
** without elements and any other value an array of that one value, so nothing is lost
** when a promise is broken.
**
** What cJSON is not asked: anything process-wide (hooks, GetErrorPtr), and numbers it
** would round. Those come from scan.c as strings and become cJSON_Raw nodes here, which
** print as their literal.
*/
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cJSON.h>
#include "answer.h"
#include "buffer.h"
#include "scan.h"
#include "sqlite.h"

#define KEEP_COPY      1048576 /* Bytes of room kept for the next answer */
#define CODE_OK        20000
#define CODE_SERVER    50000              /* ... to 59999: their side */
#define CODE_DIGITS    9                  /* A code as text: more digits do not fit */
#define EXACT_INTEGER  9007199254740992.0 /* 2^53: from here doubles skip integers */
#define MAX_EXPONENT   1000000000L        /* Beyond any double, far from overflow */
#define EXPONENT_ROOM  32                 /* Bytes for "e-1000000000" and the end */
#define FIRST_PRINT    512                /* Bytes of room a nested value starts with */
#define HTTP_NOTE_ROOM 32 /* Bytes for " (HTTP 502)", whatever the number is */
#define TEXT_GROWTH    4  /* Row text in bodies: data and its members 2, a literal 1 */
#define TEXT_SLACK     1024               /* Bytes: terminators, cJSON's spare room */
#define SLOTS          128                /* Of a Lookup: a power of 2, 2-4 x columns */
#define CJSON_TYPE(v)  ((v)->type & 0xff) /* Without cJSON's ownership flags */

_Static_assert(ITEM_NCOL <= 64 && TASK_NCOL <= 64, "a ColumnSet has 64 bits");
_Static_assert(ITEM_NCOL < SLOTS / 2 && TASK_NCOL < SLOTS / 2, "look-ups must end");

typedef uint64_t ColumnSet; /* Bit i: column i */

/* From a member's name to its column: open addressing, a handful of probes at most. */
typedef struct Lookup {
  const Column *columns;     /* Names of what the slots hold */
  int unmapped;              /* The column for members that have none */
  unsigned char slot[SLOTS]; /* Column + 1, or 0 where free */
} Lookup;

struct AnswerReader {
  Lookup by_item;   /* Members of an item */
  Lookup by_result; /* Members of a result */
  Buffer copy;      /* What scan.c made of the body or item in hand */
};

/* What Answer.priv points to; the Answer is its first member. */
typedef struct Document {
  Answer answer;        /* What the caller sees */
  AnswerReader *reader; /* Has the look-ups */
  cJSON *root;          /* The body, or NULL: not JSON, or no answer of the API */
  cJSON *task;          /* tasks[0] if that is an object, else NULL */
  cJSON *results;       /* Its result, or NULL */
  cJSON *result;        /* Result number iResult, or NULL; saves walking there again */
  int iResult;          /* Which one `result` is */
  cJSON *items;         /* The items that answer_next_item() walks, or NULL */
  cJSON *item;          /* The next of them, or of a tasks_ready's results, or NULL */
  cJSON *parsed;        /* The item handed out last, where root has only its place */
  const char *body;     /* The caller's */
  size_t n_body;
  cJSON *ready_task; /* Whose results answer_next_ready() is at */
  bool ready_begun;  /* It was called */
  Buffer text;       /* JSON text of the row in hand */
  char *keyword;     /* data.keyword, decoded, once it was asked for */
  char *message;     /* Answer.message where it was put together here, or NULL */
} Document;

/* ---- States and codes ---------------------------------------------------------- */

const char *state_name(TaskState state) {
  static const char *const names[] = {
      [STATE_READY] = "ready",     [STATE_EMPTY] = "empty",
      [STATE_PENDING] = "pending", [STATE_GONE] = "gone",
      [STATE_FAILED] = "failed",   [STATE_REFUSED] = "refused",
      [STATE_ABSENT] = "absent",   [STATE_UNREACHABLE] = "unreachable",
  };
  return names[state];
}

bool state_is_final(TaskState state) {
  return state == STATE_READY || state == STATE_EMPTY || state == STATE_GONE ||
         state == STATE_FAILED;
}

/* One range of status codes. */
typedef struct CodeRange {
  int first;       /* Code */
  int last;        /* Code, included */
  TaskState state; /* What it means for a task id */
  bool ask_again;  /* Asking again soon can help */
} CodeRange;

/* docs.dataforseo.com/v3/appendix/errors. 20000 is not here: it needs a look at the
** result. A code that is not here is unreachable and not worth asking again: it says
** something about the call, as 40400 and 40402 (no such path) do about base_url, and
** nothing about the task. */
static const CodeRange code_ranges[] = {
    {20100, 20100, STATE_PENDING, false}, /* Created */
    {40000, 40005, STATE_GONE, false},    /* Wrong engine, type, device for this id */
    {40100, 40100, STATE_REFUSED, false}, /* Not authorized */
    {40101, 40101, STATE_FAILED, false},  /* Search engine error, retried by them */
    {40102, 40102, STATE_EMPTY, false},   /* No search results: an outcome */
    {40103, 40103, STATE_FAILED, false},  /* Execution failed, retried by them */
    {40104, 40104, STATE_REFUSED, false}, /* Account not verified */
    {40200, 40201, STATE_REFUSED, false}, /* Payment required, account blocked */
    {40202, 40202, STATE_UNREACHABLE, true}, /* Rate limit of a minute */
    {40203, 40204, STATE_REFUSED, false},    /* Cost limit, not in the plan */
    {40207, 40207, STATE_REFUSED, false},    /* Address not on the white list */
    {40209, 40209, STATE_UNREACHABLE, true}, /* Too many at once */
    {40210, 40210, STATE_REFUSED, false},    /* Not enough money */
    {40401, 40401, STATE_GONE, false},       /* No such task */
    {40403, 40408, STATE_GONE, false},       /* Results expired, no data */
    {40601, 40602, STATE_PENDING, false},    /* Handed over, in the queue */
    {50000, 59999, STATE_UNREACHABLE, true}, /* Their side */
};

static bool http_is_good(int http_status) {
  return http_status >= 200 && http_status < 300;
}

static bool http_may_pass(int http_status) {
  return http_status == 429 || http_status >= 500;
}

static void state_from_code(Answer *a, int http_status) {
  size_t i;
  a->state = STATE_UNREACHABLE;
  a->ask_again = http_may_pass(http_status);
  for (i = 0; i < sizeof(code_ranges) / sizeof(code_ranges[0]); i++) {
    const CodeRange *range = &code_ranges[i];
    if (a->code >= range->first && a->code <= range->last) {
      a->state = range->state;
      a->is_final = state_is_final(range->state);
      a->ask_again = range->ask_again;
    }
  }
}

/* What an HTTP status says when the body has no better word. A good one here means that
** the body is damaged, so another may be whole. */
static void state_from_http(Answer *a, int http_status) {
  a->state = STATE_UNREACHABLE;
  a->ask_again = http_is_good(http_status) || http_may_pass(http_status);
  if (http_status == 401 || http_status == 402 || http_status == 403)
    a->state = STATE_REFUSED;
}

/* ---- Values -------------------------------------------------------------------- */

static cJSON *member(const cJSON *object, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The elements of what should be an array; see the top of this file. */
static cJSON *list_first(cJSON *list) {
  if (list == NULL || cJSON_IsNull(list))
    return NULL;
  return cJSON_IsArray(list) ? list->child : list;
}

static cJSON *list_next(const cJSON *list, const cJSON *element) {
  return cJSON_IsArray(list) ? element->next : NULL;
}

static int list_count(cJSON *list) {
  cJSON *element;
  int n = 0;
  for (element = list_first(list); element; element = list_next(list, element))
    n++;
  return n;
}

/* The first element from `element` on that is not null. */
static cJSON *skip_nulls(const cJSON *list, cJSON *element) {
  while (element && cJSON_IsNull(element))
    element = list_next(list, element);
  return element;
}

static void text_cell(Cell *cell, const char *z) {
  cell->kind = CELL_TEXT;
  cell->z = z;
  cell->n = strlen(z);
}

static void integer_cell(Cell *cell, sqlite3_int64 i) {
  cell->kind = CELL_INTEGER;
  cell->i = i;
}

static void real_cell(Cell *cell, double r) {
  cell->kind = CELL_REAL;
  cell->r = r;
}

/* The double of a literal, whatever the decimal separator of the host's locale is:
** strtod() gets 12.5e3 as 125e2, which has none. False if memory ran out. */
static bool literal_to_double(Buffer *scratch, const char *literal, double *value) {
  size_t n = strlen(literal);
  long exponent = 0;
  bool fraction = false;
  char *digits, *to;
  if (buffer_reserve(scratch, n + EXPONENT_ROOM) != BUFFER_OK)
    return false;
  digits = to = scratch->z + scratch->n;
  for (; *literal && *literal != 'e' && *literal != 'E'; literal++) {
    if (*literal == '.') {
      fraction = true;
    } else {
      *to++ = *literal;
      exponent -= fraction;
    }
  }
  if (*literal) {
    long written = strtol(literal + 1, NULL, 10); /* Saturates, which is enough */
    if (written > MAX_EXPONENT)
      written = MAX_EXPONENT;
    if (written < -MAX_EXPONENT)
      written = -MAX_EXPONENT;
    exponent += written;
  }
  sqlite3_snprintf(EXPONENT_ROOM, to, "e%ld", exponent);
  *value = strtod(digits, NULL);
  return true;
}

static bool literal_cell(Buffer *scratch, const char *literal, Cell *cell) {
  if (strpbrk(literal, ".eE") == NULL) {
    long long i;
    errno = 0;
    i = strtoll(literal, NULL, 10);
    if (errno == 0)
      integer_cell(cell, i);
    else
      text_cell(
          cell,
          literal); /* A double would lose digits of what may be a number's name */
    return true;
  }
  cell->kind = CELL_REAL;
  return literal_to_double(scratch, literal, &cell->r);
}

static void number_cell(double value, Cell *cell) {
  if (value > -EXACT_INTEGER && value < EXACT_INTEGER &&
      value == (double)(sqlite3_int64)value)
    integer_cell(cell, (sqlite3_int64)value);
  else
    real_cell(cell, value);
}

/* Appends the compact JSON text of a value. cJSON does not say how much room it needs
** and takes a little more than the text; in a buffer that is given it allocates
** nothing, so "no" only means "no room". */
static bool print_value(Buffer *text, cJSON *value) {
  size_t want = FIRST_PRINT;
  for (;;) {
    size_t left = text->max - text->n, room;
    if (want > left)
      want = left;
    if (buffer_reserve(text, want) != BUFFER_OK)
      return false;
    room = text->room - text->n;
    if (room > INT_MAX)
      room = INT_MAX;
    if (cJSON_PrintPreallocated(value, text->z + text->n, (int)room, 0)) {
      text->n += strlen(text->z + text->n);
      return true;
    }
    if (want == left || room == INT_MAX)
      return false;
    want = room * 2;
  }
}

/* Makes what was appended since `start` a cell. The buffer may still move, so the cell
** holds the offset until place_texts(). */
static bool json_cell(Buffer *text, size_t start, Cell *cell) {
  cell->kind = CELL_JSON;
  cell->i = (sqlite3_int64)start;
  cell->n = text->n - start;
  return buffer_add(text, "", 1) == BUFFER_OK;
}

static void place_texts(const Buffer *text, Cell *cells, int n) {
  int i;
  for (i = 0; i < n; i++) {
    if (cells[i].kind == CELL_JSON) {
      cells[i].z = text->z + cells[i].i;
      cells[i].i = 0;
    }
  }
}

static bool print_cell(Buffer *text, cJSON *value, Cell *cell) {
  size_t start = text->n;
  return print_value(text, value) && json_cell(text, start, cell);
}

/* Fills the cell of a value, which may be NULL. False if memory ran out. */
static bool value_cell(Buffer *text, cJSON *value, Cell *cell) {
  switch (value ? CJSON_TYPE(value) : cJSON_NULL) {
  case cJSON_False:
    integer_cell(cell, 0);
    return true;
  case cJSON_True:
    integer_cell(cell, 1);
    return true;
  case cJSON_Number:
    number_cell(value->valuedouble, cell);
    return true;
  case cJSON_String:
    text_cell(cell, value->valuestring);
    return true;
  case cJSON_Raw:
    return literal_cell(text, value->valuestring, cell);
  case cJSON_Array:
  case cJSON_Object:
    return print_cell(text, value, cell);
  default:
    cell->kind = CELL_NULL;
    return true;
  }
}

/* Turns the strings that stand for numbers into nodes that print as numbers. Recursion
** is bounded by SCAN_MAX_DEPTH. */
static void restore_numbers(cJSON *node) {
  for (; node; node = node->next) {
    if (node->child) {
      restore_numbers(node->child);
    } else if (cJSON_IsString(node) && node->valuestring[0] == SCAN_NUMBER) {
      memmove(node->valuestring, node->valuestring + 1, strlen(node->valuestring));
      node->type = (node->type & ~0xff) | cJSON_Raw;
    }
  }
}

/* ---- From members to columns --------------------------------------------------- */

/* Any mix will do that keeps the columns' names apart well enough. */
static unsigned first_slot(const char *name) {
  size_t n = strlen(name);
  unsigned first = (unsigned char)name[0];
  unsigned middle = (unsigned char)name[n / 2];
  unsigned last = n ? (unsigned char)name[n - 1] : 0;
  return ((unsigned)n * 23 + first * 5 + middle * 11 + last * 3) % SLOTS;
}

static void lookup_add(Lookup *lookup, int column) {
  unsigned slot = first_slot(lookup->columns[column].name);
  while (lookup->slot[slot])
    slot = (slot + 1) % SLOTS;
  lookup->slot[slot] = (unsigned char)(column + 1);
}

static int lookup_find(const Lookup *lookup, const char *name) {
  unsigned slot = first_slot(name);
  for (; lookup->slot[slot]; slot = (slot + 1) % SLOTS) {
    int column = lookup->slot[slot] - 1;
    if (strcmp(lookup->columns[column].name, name) == 0)
      return column;
  }
  return -1;
}

static void make_lookups(AnswerReader *d) {
  static const int result_columns[] = {
      TASK_keyword,       TASK_se_domain,   TASK_location_code,
      TASK_language_code, TASK_device,      TASK_os,
      TASK_tag,           TASK_check_url,   TASK_datetime,
      TASK_spell,         TASK_item_types,  TASK_refinement_chips,
      TASK_pages_count,   TASK_items_count, TASK_se_results_count,
      TASK_type,
  };
  size_t i;
  d->by_item.columns = serp_columns;
  d->by_item.unmapped = ITEM_unmapped;
  for (i = 0; i < ITEM_NCOL; i++) {
    if (i != ITEM_unmapped)
      lookup_add(&d->by_item, (int)i);
  }
  d->by_result.columns = tasks_columns;
  d->by_result.unmapped = TASK_unmapped;
  for (i = 0; i < sizeof(result_columns) / sizeof(result_columns[0]); i++)
    lookup_add(&d->by_result, result_columns[i]);
}

/* The column a member goes to, or -1: it has none, or an earlier member has it. */
static int take_column(const Lookup *lookup, const cJSON *value, ColumnSet *taken) {
  int column = lookup_find(lookup, value->string);
  if (column >= 0) {
    ColumnSet bit = (ColumnSet)1 << column;
    if (*taken & bit)
      return -1;
    *taken |= bit;
  }
  return column;
}

/* Prints the object of the members that have no column. Takes the same decisions as
** fill_members() once more: few rows have such members, so none pays for a list. */
static bool print_unmapped(Buffer *text, const Lookup *lookup, const cJSON *object,
                           const cJSON *rows, Cell *cell) {
  ColumnSet taken = 0;
  size_t start = text->n;
  const char *separator = "{";
  cJSON *value;
  for (value = object->child; value; value = value->next) {
    cJSON name = {0};
    if (value == rows || take_column(lookup, value, &taken) >= 0)
      continue;
    name.type = cJSON_String;
    name.valuestring = value->string;
    if (buffer_add(text, separator, 1) != BUFFER_OK || !print_value(text, &name) ||
        buffer_add(text, ":", 1) != BUFFER_OK || !print_value(text, value))
      return false;
    separator = ",";
  }
  return buffer_add(text, "}", 1) == BUFFER_OK && json_cell(text, start, cell);
}

/* Fills the cells from the members of an object. `rows` is a member that has rows of
** its own and is left out, or NULL. */
static bool fill_members(Buffer *text, const Lookup *lookup, const cJSON *object,
                         const cJSON *rows, Cell *cells) {
  ColumnSet taken = 0;
  bool rest = false;
  cJSON *value;
  for (value = object->child; value; value = value->next) {
    int column;
    if (value == rows)
      continue;
    column = take_column(lookup, value, &taken);
    if (column < 0)
      rest = true;
    else if (!value_cell(text, value, &cells[column]))
      return false;
  }
  return !rest || print_unmapped(text, lookup, object, rows, &cells[lookup->unmapped]);
}

/* ---- Reading an answer --------------------------------------------------------- */

/* A code as text of digits, or as a number literal such as 20000.0; 0 if it is none. */
static int code_of_text(const char *z) {
  size_t n = strspn(z, "0123456789");
  const char *rest = z + n;
  if (n == 0 || n > CODE_DIGITS)
    return 0;
  if (*rest == '.')
    rest += 1 + strspn(rest + 1, "0");
  return *rest ? 0 : (int)strtol(z, NULL, 10);
}

/* The status code of the wrapper or of a task, or 0 where there is none. */
static int status_code(const cJSON *level) {
  const cJSON *value = member(level, "status_code");
  if (cJSON_IsString(value) || cJSON_IsRaw(value))
    return code_of_text(value->valuestring);
  if (!cJSON_IsNumber(value) || value->valuedouble < 0 ||
      value->valuedouble != (double)value->valueint)
    return 0;
  return value->valueint;
}

static const char *status_message(const cJSON *level) {
  const cJSON *value = member(level, "status_message");
  return cJSON_IsString(value) && value->valuestring[0] ? value->valuestring : NULL;
}

/* Makes a message of our own. NULL, so out of memory, is seen by answer_parse(). */
static void set_message(Document *d, char *owned) {
  d->message = owned;
  d->answer.message = owned;
}

static bool has_items(Document *d) {
  cJSON *result = list_first(d->results);
  for (; result; result = list_next(d->results, result)) {
    if (cJSON_IsObject(result) && list_first(member(result, "items")))
      return true;
  }
  return false;
}

static int count_results(Document *d) {
  cJSON *result = skip_nulls(d->results, list_first(d->results));
  int n = 0;
  while (result) {
    n++;
    result = skip_nulls(d->results, list_next(d->results, result));
  }
  return n > 1 ? n : 1;
}

/* 20000: ready or empty. That Naver found nothing is final and will be stored, so only
** a task that itself says Ok is believed. */
static void state_of_good(Document *d, int task_code) {
  Answer *a = &d->answer;
  const cJSON *function = member(member(d->task, "data"), "function");
  a->ask_again = false;
  a->is_final = true;
  if (has_items(d)) {
    a->state = STATE_READY;
  } else if (cJSON_IsString(function) && strcmp(function->valuestring, "task_get")) {
    a->state = STATE_UNREACHABLE;
    a->is_final = false;
    set_message(
        d, sqlite3_mprintf("an answer of %s, not of task_get", function->valuestring));
  } else if (task_code == CODE_OK) {
    a->state = STATE_EMPTY;
  } else {
    a->is_final = false;
    a->state = STATE_UNREACHABLE;
    a->ask_again = true;
    a->message = d->task ? "not a whole answer: its task has no status_code"
                         : "not a whole answer: it holds no task";
  }
}

/* Decides the state: by the task's error, else the request's error, else what HTTP
** says, else the result. */
static void classify(Document *d, int http_status) {
  Answer *a = &d->answer;
  int task_code = status_code(d->task), top_code = status_code(d->root);
  bool top_is_error = top_code != 0 && top_code != CODE_OK;
  bool task_decides = task_code != 0 && !(task_code == CODE_OK && top_is_error);
  const char *said = status_message(task_decides ? d->task : d->root);
  a->code = task_decides ? task_code : top_code;
  a->message = said ? said : "no message";
  if (a->n_task > 1) {
    a->state = STATE_UNREACHABLE;
    set_message(d, sqlite3_mprintf("holds %d tasks, expected one", a->n_task));
  } else if (a->code != 0 && a->code != CODE_OK) {
    state_from_code(a, http_status);
  } else if (!http_is_good(http_status)) {
    state_from_http(a, http_status);
    set_message(d, sqlite3_mprintf("HTTP %d%s%s", http_status, said ? ": " : "",
                                   said ? said : ""));
  } else if (a->code == 0) {
    state_from_http(a, http_status);
    a->message = "not an answer of the API: no status_code";
  } else {
    state_of_good(d, task_code);
  }
}

/* The state of another call: its tasks are not looked at. */
static void classify_call(Document *d, int http_status) {
  Answer *a = &d->answer;
  const char *said = status_message(d->root);
  a->code = status_code(d->root);
  a->message = said ? said : "no message";
  if (a->code == CODE_OK && http_is_good(http_status)) {
    a->state = STATE_READY;
  } else if (a->code != 0 && a->code != CODE_OK) {
    state_from_code(a, http_status);
  } else {
    state_from_http(a, http_status);
    a->message = "not an answer of the API: no status_code";
  }
}

/* Parses what the scan let pass; false if memory ran out. */
static bool read_document(Document *d, const Scan *scan, int http_status, bool call) {
  Answer *a = &d->answer;
  cJSON *tasks, *id;
  d->root = cJSON_ParseWithLengthOpts(scan->z, scan->n, NULL, 0);
  if (d->root == NULL)
    return false;
  if (scan->has_numbers)
    restore_numbers(d->root);
  buffer_init(&d->text, d->n_body * TEXT_GROWTH + TEXT_SLACK);
  tasks = member(d->root, "tasks");
  a->n_task = list_count(tasks);
  d->task = list_first(tasks);
  if (!cJSON_IsObject(d->task))
    d->task = NULL;
  id = member(d->task, "id");
  if (cJSON_IsString(id) && id->valuestring[0])
    a->id = id->valuestring;
  d->results = member(d->task, "result");
  a->n_result = count_results(d);
  if (call)
    classify_call(d, http_status);
  else
    classify(d, http_status);
  return true;
}

/* The message and state of a body that is not JSON. */
static void not_json(Document *d, const char *body, size_t n, const Scan *scan,
                     int http_status) {
  char http[HTTP_NOTE_ROOM] = "";
  size_t i = 0;
  state_from_http(&d->answer, http_status);
  if (http_status != 200)
    sqlite3_snprintf((int)sizeof(http), http, " (HTTP %d)", http_status);
  while (i < n && strchr(" \t\r\n\xef\xbb\xbf", body[i]) && body[i])
    i++;
  if (i == n)
    set_message(d, sqlite3_mprintf("empty body%s", http));
  else if (body[i] == '<')
    set_message(d, sqlite3_mprintf("HTML instead of JSON%s", http));
  else
    set_message(d, sqlite3_mprintf("not JSON (%s at byte %lld)%s", scan->reason,
                                   (sqlite3_int64)scan->offset, http));
}

AnswerReader *answer_reader_new(Error *error) {
  AnswerReader *reader = sqlite3_malloc64(sizeof(*reader));
  if (reader == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(reader, 0, sizeof(*reader));
  make_lookups(reader);
  return reader;
}

void answer_reader_free(AnswerReader *reader) {
  if (reader == NULL)
    return;
  buffer_free(&reader->copy);
  sqlite3_free(reader);
}

static void trim_copy(AnswerReader *reader) {
  if (reader->copy.room > KEEP_COPY)
    buffer_free(&reader->copy);
}

static Answer *parse(AnswerReader *reader, const char *body, size_t n_body,
                     int http_status, bool call, Error *error) {
  Document *d = sqlite3_malloc64(sizeof(*d));
  Scan scan;
  if (d == NULL) {
    error_nomem(error);
    return NULL;
  }
  memset(d, 0, sizeof(*d));
  d->reader = reader;
  d->body = body;
  d->n_body = n_body;
  d->answer.priv = d;
  d->answer.n_result = 1;
  if (scan_outline(&scan, &reader->copy, body, n_body, error) != SQLITE_OK) {
    answer_free(&d->answer);
    return NULL;
  }
  if (scan.reason)
    not_json(d, body, n_body, &scan, http_status);
  else
    read_document(d, &scan, http_status, call);
  trim_copy(reader);
  if (d->answer.message == NULL) {
    error_nomem(error);
    answer_free(&d->answer);
    return NULL;
  }
  return &d->answer;
}

Answer *answer_parse(AnswerReader *reader, const char *body, size_t n_body,
                     int http_status, Error *error) {
  return parse(reader, body, n_body, http_status, false, error);
}

Answer *answer_parse_call(AnswerReader *reader, const char *body, size_t n_body,
                          int http_status, Error *error) {
  return parse(reader, body, n_body, http_status, true, error);
}

void answer_free(Answer *a) {
  Document *d;
  if (a == NULL)
    return;
  d = a->priv;
  cJSON_Delete(d->root);
  cJSON_Delete(d->parsed);
  buffer_free(&d->text);
  sqlite3_free(d->keyword);
  sqlite3_free(d->message);
  sqlite3_free(d);
}

/* ---- Rows ---------------------------------------------------------------------- */

/* Result number iResult, or NULL where there is none. Asked for in order, each costs
** one step. */
static cJSON *find_result(Document *d, int iResult) {
  if (d->result == NULL || d->iResult > iResult) {
    d->result = skip_nulls(d->results, list_first(d->results));
    d->iResult = 0;
  }
  while (d->result && d->iResult < iResult) {
    d->result = skip_nulls(d->results, list_next(d->results, d->result));
    d->iResult++;
  }
  return d->result;
}

/* The value of two hexadecimal digits, or -1. */
static int hex2(const char *z) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *high = z[0] ? strchr(digits, z[0]) : NULL;
  const char *low = high && z[1] ? strchr(digits, z[1]) : NULL;
  return low ? (int)((high - digits) % 16 * 16 + (low - digits) % 16) : -1;
}

/* `data` repeats the keyword as it was posted, and the API decodes it (%## is a byte, + a
** space): the result, where there is one, has it like that. What would be no text then
** stays as it is. False if memory ran out. */
static bool decode_keyword(Document *d, Cell *cell) {
  const char *from = cell->z;
  char *to;
  if (cell->kind != CELL_TEXT || strpbrk(from, "%+") == NULL)
    return true;
  sqlite3_free(d->keyword);
  d->keyword = to = sqlite3_malloc64(cell->n + 1);
  if (to == NULL)
    return false;
  while (*from) {
    int byte = *from == '%' ? hex2(from + 1) : -1;
    if (byte >= 0)
      *(unsigned char *)to = (unsigned char)byte;
    else if (*from == '+')
      *to = ' ';
    else
      *to = *from;
    to++;
    from += byte >= 0 ? 3 : 1;
  }
  *to = 0;
  if (strlen(d->keyword) == (size_t)(to - d->keyword) && scan_is_utf8(d->keyword))
    text_cell(cell, d->keyword);
  return true;
}

/* The cells that the result left empty and `data` knows. */
static bool fill_gaps(Document *d, const cJSON *data, Cell *cells) {
  static const struct {
    int column;       /* TASK_... */
    const char *name; /* The member of data */
  } gaps[] = {
      {TASK_keyword, "keyword"},
      {TASK_type, "se_type"},
      {TASK_se_domain, "se_domain"},
      {TASK_location_code, "location_code"},
      {TASK_language_code, "language_code"},
      {TASK_device, "device"},
      {TASK_os, "os"},
      {TASK_tag, "tag"},
  };
  size_t i;
  for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
    Cell *cell = &cells[gaps[i].column];
    if (cell->kind != CELL_NULL)
      continue;
    if (!value_cell(&d->text, member(data, gaps[i].name), cell) ||
        (gaps[i].column == TASK_keyword && !decode_keyword(d, cell)))
      return false;
  }
  return true;
}

/* The cells of the task, its request and one result. */
static bool fill_task(Document *d, cJSON *result, Cell *cells) {
  Buffer *text = &d->text;
  const cJSON *task = d->task;
  cJSON *data = member(task, "data");
  bool ok = value_cell(text, member(d->root, "version"), &cells[TASK_version]) &&
            value_cell(text, member(task, "cost"), &cells[TASK_cost]) &&
            value_cell(text, member(task, "time"), &cells[TASK_time]) &&
            value_cell(text, member(task, "path"), &cells[TASK_path]) &&
            value_cell(text, member(task, "result_count"), &cells[TASK_result_count]) &&
            value_cell(text, data, &cells[TASK_data]);
  if (ok && cJSON_IsObject(result))
    ok = fill_members(text, &d->reader->by_result, result, member(result, "items"),
                      cells);
  else if (ok && result)
    ok = print_cell(text, result, &cells[TASK_unmapped]);
  return ok && fill_gaps(d, data, cells);
}

int answer_task(Answer *a, int iResult, Cell *cells, Error *error) {
  Document *d = a->priv;
  assert(iResult >= 0 && iResult < a->n_result);
  memset(cells, 0, TASK_NCOL * sizeof(*cells));
  d->text.n = 0;
  if (a->id)
    text_cell(&cells[TASK_id], a->id);
  text_cell(&cells[TASK_state], state_name(a->state));
  text_cell(&cells[TASK_status_message], a->message);
  if (a->code)
    integer_cell(&cells[TASK_status_code], a->code);
  if (d->root && a->code && !fill_task(d, find_result(d, iResult), cells))
    return error_nomem(error);
  place_texts(&d->text, cells, TASK_NCOL);
  return SQLITE_OK;
}

int answer_first_item(Answer *a, int iResult) {
  Document *d = a->priv;
  cJSON *result = a->state == STATE_READY ? find_result(d, iResult) : NULL;
  d->items = cJSON_IsObject(result) ? member(result, "items") : NULL;
  d->item = list_first(d->items);
  return list_count(d->items);
}

/* The item behind an element of the items: itself, or what is parsed from its place in
** the body. NULL if memory ran out. */
static cJSON *open_item(Document *d, cJSON *element, Error *error) {
  const char *place = cJSON_IsString(element) ? element->valuestring : "";
  Scan scan = {0};
  size_t offset;
  if (*place != SCAN_ITEM && *place != SCAN_ITEM_REWRITTEN)
    return element;
  offset = (size_t)strtoll(place + 1, NULL, 10);
  scan.z = d->body + offset;
  scan.n = d->n_body - offset;
  if (*place == SCAN_ITEM_REWRITTEN &&
      scan_value_at(&scan, &d->reader->copy, scan.z, scan.n, error) != SQLITE_OK)
    return NULL;
  cJSON_Delete(d->parsed);
  d->parsed = cJSON_ParseWithLengthOpts(scan.z, scan.n, NULL, 0);
  if (d->parsed == NULL)
    error_nomem(error);
  else if (scan.has_numbers)
    restore_numbers(d->parsed);
  trim_copy(d->reader);
  return d->parsed;
}

int answer_next_item(Answer *a, Cell *cells, Error *error) {
  Document *d = a->priv;
  cJSON *item;
  bool ok;
  if (d->item == NULL)
    return SQLITE_DONE;
  item = open_item(d, d->item, error);
  if (item == NULL)
    return error->rc;
  d->item = list_next(d->items, d->item);
  memset(cells, 0, ITEM_NCOL * sizeof(*cells));
  d->text.n = 0;
  if (cJSON_IsObject(item))
    ok = fill_members(&d->text, &d->reader->by_item, item, NULL, cells);
  else
    ok = print_cell(&d->text, item, &cells[ITEM_unmapped]);
  if (!ok)
    return error_nomem(error);
  place_texts(&d->text, cells, ITEM_NCOL);
  return SQLITE_ROW;
}

/* ---- Other calls --------------------------------------------------------------- */

int answer_next_ready(Answer *a, Cell *cells, Error *error) {
  Document *d = a->priv;
  cJSON *tasks = member(d->root, "tasks");
  int k;
  if (!d->ready_begun) {
    d->ready_task = list_first(tasks);
    d->item = list_first(member(d->ready_task, "result"));
    d->ready_begun = true;
  }
  while (d->ready_task && !cJSON_IsObject(d->item)) {
    if (d->item) {
      d->item = list_next(member(d->ready_task, "result"), d->item);
    } else {
      d->ready_task = list_next(tasks, d->ready_task);
      d->item = list_first(member(d->ready_task, "result"));
    }
  }
  if (d->item == NULL)
    return SQLITE_DONE;
  memset(cells, 0, READY_NCOL * sizeof(*cells));
  d->text.n = 0;
  for (k = 0; k < READY_NCOL; k++) {
    cJSON *value = member(d->item, ready_columns[k].name);
    if (value && !value_cell(&d->text, value, &cells[k]))
      return error_nomem(error);
  }
  place_texts(&d->text, cells, READY_NCOL);
  d->item = list_next(member(d->ready_task, "result"), d->item);
  return SQLITE_ROW;
}

void answer_first_ready(Answer *a) {
  ((Document *)a->priv)->ready_begun = false;
}

bool answer_post(const Answer *a, int i, AnswerPost *post) {
  const Document *d = a->priv;
  cJSON *tasks = member(d->root, "tasks");
  cJSON *task = list_first(tasks);
  const cJSON *id, *cost;
  Answer one;
  while (task && i-- > 0)
    task = list_next(tasks, task);
  if (task == NULL)
    return false;
  memset(&one, 0, sizeof(one));
  one.code = status_code(task);
  state_from_code(&one, 200);
  id = member(task, "id");
  cost = member(task, "cost");
  post->id = cJSON_IsString(id) && id->valuestring[0] ? id->valuestring : NULL;
  post->code = one.code;
  post->message = status_message(task) ? status_message(task) : "no message";
  post->cost = cJSON_IsNumber(cost) ? cost->valuedouble : 0;
  if (one.code / 10000 == CODE_OK / 10000 && post->id)
    post->state = STATE_PENDING;
  else if (one.code == 0 || one.code / 10000 == CODE_OK / 10000 ||
           one.code / 10000 == CODE_SERVER / 10000)
    post->state = STATE_UNREACHABLE;
  else
    post->state = one.state == STATE_REFUSED ? STATE_REFUSED : STATE_FAILED;
  return true;
}

const char *answer_json_version(void) {
  return cJSON_Version();
}
