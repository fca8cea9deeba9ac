/*
** HTTPS through libcurl: requests are started, driven together, and taken when they are
** over. This is the only room that includes <curl/curl.h>. It knows URLs, credentials
** and time limits; it knows nothing of tasks, JSON or the store, and never retries.
**
** One Http belongs to one SQLite connection and lives as long: its curl multi handle
** keeps connections alive between statements. No threads of our own. In a child after
** fork() the parent's handle is left alone (it leaks) and a new one is made; requests
** that were under way are answered there with a transport text.
**
** Fixed for every request: Basic authentication through USERNAME/PASSWORD options,
** gzip when the server has it, TLS verified always, https only (plain http only where
** the host is loopback), no redirects, no signals.
*/
#ifndef NAVER_SERP_HTTP_H
#define NAVER_SERP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include "error.h"

typedef struct Http Http;

typedef struct HttpOptions {
  const char *base_url;    /* "https://api.dataforseo.com", no trailing slash needed */
  const char *ca_file;     /* PEM file of the authorities that are trusted, and no
                           ** others; NULL or "": the system's */
  const char *user;        /* Never NULL */
  const char *password;    /* Never NULL */
  long connect_timeout_ms; /* For DNS, TCP and TLS together */
  long timeout_ms;         /* For the whole request */
  size_t max_body_bytes;   /* Of the decoded body */
} HttpOptions;

typedef struct HttpReply {
  void *tag;          /* As given to http_start() */
  char *transport;    /* Why there is no answer ("Could not resolve host ..."), from
                      ** sqlite3_malloc(), or NULL: status and body are the server's */
  bool ask_again;     /* With transport: trying again can help (not for TLS
                      ** verification, unknown CA, body over the cap, ...) */
  bool maybe_sent;    /* With transport: a byte of the request may have left, so a
                      ** POST must not be sent again */
  int status;         /* HTTP status, 0 with transport */
  double retry_after; /* Seconds the server asked to wait, 0 if it did not */
  char *body;    /* From sqlite3_malloc(), NUL-terminated, may be NULL when empty */
  size_t n_body; /* Bytes in body, the terminator not counted */
} HttpReply;

/* A new, idle Http. NULL when memory runs out (error set). libcurl itself starts with
** the first request or wait, so that who needs no network pays nothing. */
Http *http_new(Error *);

/* Stops what is under way and frees everything. NULL is ignored. Neither this nor
** http_cancel() waits for a resolver, except with libcurl before 7.87. */
void http_free(Http *);

/* Checks a base URL: https://host[:port][/path], or http:// where the host is
** localhost, 127.0.0.0/8 or [::1]; no user, query or fragment. Returns NULL if it is
** good, else a static text that says what is wrong. */
const char *http_check_base_url(const char *);

/* The host (with port, if given) of a base URL, from sqlite3_malloc(): the `origin` of
** stored answers, in lower case and without the scheme's own port. "" for a base URL
** that is not good. NULL when memory runs out. */
char *http_origin(const char *base_url);

/* Starts GET base_url + path, or POST of `post` as application/json where post is not
** NULL (it is copied). Never blocks. The options are copied as needed. Returns
** SQLITE_OK or sets the error (out of memory, bad base URL). */
int http_start(Http *, const HttpOptions *, const char *path, const char *post,
               void *tag, Error *);

/* Requests that were started and not yet taken or cancelled. */
int http_in_flight(const Http *);

/* Drives all requests until at least one is over or ms have passed (0: does not wait).
** With nothing in flight it sleeps for ms, which is what a retry that is not due needs.
** SQLITE_OK, or the error is set. */
int http_wait(Http *, int ms, Error *);

/* Takes one finished request: true and the reply filled (the caller frees it with
** http_reply_free()), or false if none is finished. */
bool http_take(Http *, HttpReply *reply /* OUT */);

/* Forgets every request with this tag; its connection is closed, since an answer may
** be half read. */
void http_cancel(Http *, void *tag);

/* Frees what a reply holds. */
void http_reply_free(HttpReply *);

/* libcurl's version at run time, such as "7.88.1 OpenSSL/3.0.19". Static. */
const char *http_version(void);

/* Seconds on a clock that only goes forward. */
double http_now(void);

#endif
