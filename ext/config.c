/*
** Settings, their defaults and what is allowed; see config.h.
*/
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

typedef enum { KIND_TEXT, KIND_INTEGER, KIND_CHOICE } Kind;

typedef struct Setting {
  const char *name;
  Kind kind;
  const char *fallback; /* Default where the environment is silent, as text */
  sqlite3_int64 min;    /* KIND_INTEGER: least value */
  sqlite3_int64 max;    /* KIND_INTEGER: greatest value */
  const char *allowed;  /* KIND_CHOICE: names in the order of their enum, | between;
                        ** KIND_TEXT: what is allowed, in words */
  size_t offset;        /* Of the member in Config */
} Setting;

#define AT(member) offsetof(Config, member)

/* The greatest values keep arithmetic in milliseconds within 31 bits (libcurl's long on
** some systems), a body within SQLite's own limit of a value, and the log of request
** times (8 bytes each) below a megabyte. */
static const Setting aSetting[] = {
    {"base_url", KIND_TEXT, "https://api.dataforseo.com", 0, 0,
     "https://host[:port] (http only to loopback)", AT(base_url)},
    {"mode", KIND_CHOICE, "auto", 0, 0, "auto|cache|refresh", AT(mode)},
    {"on_error", KIND_CHOICE, "fail", 0, 0, "fail|skip", AT(on_error)},
    {"schema", KIND_TEXT, "main", 0, 0, "the name of an attached database", AT(schema)},
    {"concurrency", KIND_INTEGER, "30", 1, 1000, NULL, AT(concurrency)},
    {"requests_per_minute", KIND_INTEGER, "2000", 1, 100000, NULL,
     AT(requests_per_minute)},
    {"retries", KIND_INTEGER, "4", 0, 20, NULL, AT(retries)},
    {"retry_delay_ms", KIND_INTEGER, "500", 1, 60000, NULL, AT(retry_delay_ms)},
    {"connect_timeout_ms", KIND_INTEGER, "10000", 1, 2000000, NULL,
     AT(connect_timeout_ms)},
    {"timeout_ms", KIND_INTEGER, "120000", 1, 2000000, NULL, AT(timeout_ms)},
    {"wait_seconds", KIND_INTEGER, "0", 0, 2592000, NULL, AT(wait_seconds)},
    {"max_body_bytes", KIND_INTEGER, "67108864", 1, 1000000000, NULL,
     AT(max_body_bytes)},
    {"max_post_tasks", KIND_INTEGER, "100", 0, 1000000, NULL, AT(max_post_tasks)},
    {"ca_file", KIND_TEXT, "", 0, 0, "the path of a PEM file, or '' for the system's",
     AT(ca_file)},
    {"progress", KIND_CHOICE, "auto", 0, 0, "auto|on|off", AT(progress)},
};
#define N_SETTING ((int)(sizeof(aSetting) / sizeof(aSetting[0])))

static char **text_of(const Config *config, const Setting *s) {
  return (char **)((char *)config + s->offset);
}

static sqlite3_int64 *integer_of(const Config *config, const Setting *s) {
  return (sqlite3_int64 *)((char *)config + s->offset);
}

/* Place of a word in "a|b|c", or -1. */
static int choice_index(const char *allowed, const char *word) {
  size_t n = strlen(word);
  int i;
  for (i = 0;; i++) {
    size_t m = strcspn(allowed, "|");
    if (m == n && memcmp(allowed, word, n) == 0)
      return i;
    if (allowed[m] == 0)
      return -1;
    allowed += m + 1;
  }
}

/* The i-th word of "a|b|c", from sqlite3_malloc(). */
static char *choice_name(const char *allowed, sqlite3_int64 i) {
  while (i-- > 0)
    allowed += strcspn(allowed, "|") + 1;
  return sqlite3_mprintf("%.*s", (int)strcspn(allowed, "|"), allowed);
}

static int refuse(const Setting *s, const char *where, const char *value,
                  Error *error) {
  if (s->kind == KIND_INTEGER)
    return error_set(error, SQLITE_ERROR, "%s '%s' for %s: allowed is %lld to %lld",
                     where, value, s->name, s->min, s->max);
  return error_set(error, SQLITE_ERROR, "%s '%s' for %s: allowed is %s", where, value,
                   s->name, s->allowed);
}

/* Gives a setting a value that is written as text. `where` starts the error. */
static int set_text(Config *config, const Setting *s, const char *value,
                    const char *where, Error *error) {
  if (s->kind == KIND_TEXT) {
    char *copy;
    if (s->offset == AT(base_url)) {
      const char *wrong = config->check_url(value);
      if (wrong) /* The URL is not repeated: it may hold a password */
        return error_set(error, SQLITE_ERROR, "%s for base_url: %s", where, wrong);
    }
    if (value[0] == 0 && s->fallback[0] != 0)
      return refuse(s, where, value, error);
    copy = sqlite3_mprintf("%s", value);
    if (copy == NULL)
      return error_nomem(error);
    sqlite3_free(*text_of(config, s));
    *text_of(config, s) = copy;
  } else if (s->kind == KIND_CHOICE) {
    int i = choice_index(s->allowed, value);
    if (i < 0)
      return refuse(s, where, value, error);
    *integer_of(config, s) = i;
  } else {
    char *end;
    sqlite3_int64 i = strtoll(value, &end, 10);
    if (end == value || *end || isspace((unsigned char)value[0]) || i < s->min ||
        i > s->max)
      return refuse(s, where, value, error);
    *integer_of(config, s) = i;
  }
  return SQLITE_OK;
}

/* Gives a setting its default: from the environment, else from the table. */
static int set_default(Config *config, const Setting *s, Error *error) {
  char variable[64];
  const char *value;
  size_t i;
  int rc;
  sqlite3_snprintf(sizeof(variable), variable, "NAVER_SERP_%s", s->name);
  for (i = 0; variable[i]; i++)
    variable[i] = (char)toupper((unsigned char)variable[i]);
  value = getenv(variable);
  if (value && value[0]) {
    char *where = sqlite3_mprintf("environment variable %s: bad value", variable);
    if (where == NULL)
      return error_nomem(error);
    rc = set_text(config, s, value, where, error);
    sqlite3_free(where);
    return rc;
  }
  return set_text(config, s, s->fallback, "bad value", error);
}

int config_init(Config *config, const char *(*check_url)(const char *), Error *error) {
  int i;
  memset(config, 0, sizeof(*config));
  config->check_url = check_url;
  for (i = 0; i < N_SETTING && error->rc == SQLITE_OK; i++)
    set_default(config, &aSetting[i], error);
  return error->rc;
}

void config_free(Config *config) {
  int i;
  for (i = 0; i < N_SETTING; i++) {
    if (aSetting[i].kind == KIND_TEXT)
      sqlite3_free(*text_of(config, &aSetting[i]));
  }
  memset(config, 0, sizeof(*config));
}

static const Setting *find(const char *key, Error *error) {
  sqlite3_str *names;
  char *z;
  int i;
  for (i = 0; i < N_SETTING; i++) {
    if (key && strcmp(aSetting[i].name, key) == 0)
      return &aSetting[i];
  }
  names = sqlite3_str_new(NULL);
  for (i = 0; i < N_SETTING; i++)
    sqlite3_str_appendf(names, "%s%s", i ? ", " : "", aSetting[i].name);
  z = sqlite3_str_finish(names);
  if (z == NULL)
    error_nomem(error);
  else
    error_set(error, SQLITE_ERROR, "no setting '%s'; there are: %s", key ? key : "NULL",
              z);
  sqlite3_free(z);
  return NULL;
}

int config_set(Config *config, const char *key, sqlite3_value *value, Error *error) {
  const Setting *s = find(key, error);
  const char *text;
  if (s == NULL)
    return error->rc;
  if (sqlite3_value_type(value) == SQLITE_NULL)
    return set_default(config, s, error);
  if (sqlite3_value_type(value) == SQLITE_BLOB)
    return refuse(s, "bad value", "(bytes)", error);
  text = (const char *)sqlite3_value_text(value);
  if (text == NULL)
    return error_nomem(error);
  if (strlen(text) != (size_t)sqlite3_value_bytes(value))
    return refuse(s, "bad value", "(bytes)", error);
  return set_text(config, s, text, "bad value", error);
}

/* A setting's value as text, from sqlite3_malloc(). */
static char *as_text(const Config *config, const Setting *s) {
  switch (s->kind) {
  case KIND_TEXT:
    return sqlite3_mprintf("%s", *text_of(config, s));
  case KIND_CHOICE:
    return choice_name(s->allowed, *integer_of(config, s));
  case KIND_INTEGER:
    break;
  }
  return sqlite3_mprintf("%lld", *integer_of(config, s));
}

bool config_is_sandbox(const Config *config) {
  return strstr(config->base_url, "://sandbox.") != NULL;
}

char *config_get(const Config *config, const char *key, int *is_integer, Error *error) {
  const Setting *s = find(key, error);
  char *z;
  if (s == NULL)
    return NULL;
  *is_integer = s->kind == KIND_INTEGER;
  z = as_text(config, s);
  if (z == NULL)
    error_nomem(error);
  return z;
}

/* Appends a JSON string. */
static void append_json(sqlite3_str *out, const char *z) {
  sqlite3_str_appendchar(out, 1, '"');
  for (; *z; z++) {
    unsigned char c = (unsigned char)*z;
    if (c == '"' || c == '\\')
      sqlite3_str_appendf(out, "\\%c", c);
    else if (c < 0x20)
      sqlite3_str_appendf(out, "\\u%04x", c);
    else
      sqlite3_str_appendchar(out, 1, *z);
  }
  sqlite3_str_appendchar(out, 1, '"');
}

char *config_json(const Config *config, Error *error) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  char *z;
  int i;
  for (i = 0; i < N_SETTING; i++) {
    sqlite3_str_appendf(out, "%s\"%s\":", i ? "," : "{", aSetting[i].name);
    z = as_text(config, &aSetting[i]);
    if (z == NULL) {
      sqlite3_free(sqlite3_str_finish(out));
      error_nomem(error);
      return NULL;
    }
    if (aSetting[i].kind == KIND_INTEGER)
      sqlite3_str_appendall(out, z);
    else
      append_json(out, z);
    sqlite3_free(z);
  }
  sqlite3_str_appendchar(out, 1, '}');
  z = sqlite3_str_finish(out);
  if (z == NULL)
    error_nomem(error);
  return z;
}

int config_choice(const Config *config, const char *key, sqlite3_value *value,
                  int *choice, Error *error) {
  const Setting *s = find(key, error);
  const char *text;
  if (s == NULL)
    return error->rc;
  if (value == NULL || sqlite3_value_type(value) == SQLITE_NULL) {
    *choice = (int)*integer_of(config, s);
    return SQLITE_OK;
  }
  text = (const char *)sqlite3_value_text(value);
  if (text == NULL)
    return error_nomem(error);
  *choice = choice_index(s->allowed, text);
  if (*choice < 0)
    return refuse(s, "bad value", text, error);
  return SQLITE_OK;
}
