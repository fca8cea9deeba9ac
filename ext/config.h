/*
** The settings of a connection: naver_serp_config(key [, value]).
**
** A setting's default comes from the environment variable of the same name in upper
** case behind NAVER_SERP_, else from the table in config.c, which also holds what is
** allowed. Credentials are no settings: they are read from the environment where a
** request is made, and are kept nowhere.
*/
#ifndef NAVER_SERP_CONFIG_H
#define NAVER_SERP_CONFIG_H

#include <stdbool.h>
#include "error.h"

typedef enum Mode { MODE_AUTO, MODE_CACHE, MODE_REFRESH } Mode;
typedef enum OnError { ON_ERROR_FAIL, ON_ERROR_SKIP } OnError;
typedef enum ProgressMode { PROGRESS_AUTO, PROGRESS_ON, PROGRESS_OFF } ProgressMode;

typedef struct Config {
  const char *(*check_url)(
      const char *);                 /* Says what is wrong with a base_url, or NULL */
  char *base_url;                    /* Of the API, from sqlite3_malloc() */
  char *schema;                      /* Database the store is in */
  char *ca_file;                     /* PEM file, "" for the system's authorities */
  sqlite3_int64 mode;                /* A Mode */
  sqlite3_int64 on_error;            /* An OnError */
  sqlite3_int64 progress;            /* A ProgressMode */
  sqlite3_int64 concurrency;         /* Requests in flight at most */
  sqlite3_int64 requests_per_minute; /* Requests in any 60 seconds at most */
  sqlite3_int64 retries;             /* After the first try */
  sqlite3_int64 retry_delay_ms;      /* Before the first retry; doubles from there */
  sqlite3_int64 connect_timeout_ms;  /* For DNS, TCP and TLS */
  sqlite3_int64 timeout_ms;          /* For a whole request */
  sqlite3_int64 wait_seconds;        /* How long pending tasks are polled */
  sqlite3_int64 max_body_bytes;      /* Of a decoded answer */
  sqlite3_int64 max_post_tasks;      /* Tasks one transaction may post */
} Config;

/* Fills in the defaults; what the environment says wrong is an error that names the
** variable. Free with config_free() also after a failure. */
int config_init(Config *, const char *(*check_url)(const char *), Error *);
void config_free(Config *);

/* Sets one setting; a NULL value gives it its default back. */
int config_set(Config *, const char *key, sqlite3_value *value, Error *);

/* True if requests go to the provider's sandbox, which answers any id with one dummy. */
bool config_is_sandbox(const Config *);

/* The setting's value as text (integers in decimal, choices by name), from
** sqlite3_malloc(). *is_integer says which SQL type it has. */
char *config_get(const Config *, const char *key, int *is_integer, Error *);

/* All settings as a JSON object, from sqlite3_malloc(). */
char *config_json(const Config *, Error *);

/* Reads one of the choices "mode" or "on_error" from a query's argument: NULL means the
** connection's setting. */
int config_choice(const Config *, const char *key, sqlite3_value *, int *choice,
                  Error *);

#endif
