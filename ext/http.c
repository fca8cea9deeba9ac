/*
** HTTPS through libcurl's multi interface; see http.h for what callers may rely on.
**
** A request goes through lists of its Http:
**
**     idle -> active (in the multi handle) -> finished -> idle
**             http_start()   http_wait()      http_take() or http_cancel()
**
** Idle requests keep their easy handle, reset: no option, credential or body of one
** request is left when the next one starts. Connections belong to the multi handle.
**
** Three things are done here because libcurl leaves them to its user:
**
**   A request is sent again by libcurl itself when a kept connection turns out dead.
**   That is right for GET and wrong for POST, which may spend money; so a POST always
**   opens a connection of its own.
**
**   With CURLOPT_NOSIGNAL libcurl no longer ignores SIGPIPE, and some TLS libraries
**   write to closed sockets with write(2). Every call that may touch a socket is made
**   with SIGPIPE blocked in this thread, and a signal that it raised is swallowed; the
**   process's own handling is neither seen nor changed.
**
**   After fork() the child shares the parent's sockets. It never touches the parent's
**   handles, not even to free them: closing a TLS connection sends an alert, in the
**   middle of the parent's stream.
**
** HTTP/1.1, not HTTP/2: an answer takes the server seconds, so what multiplexing saves
** is small; in return one lost connection fails one request and not thirty, nothing
** waits to learn whether a connection can be shared, and libcurl never re-sends a
** refused stream. Connections are kept, so thirty of them cost thirty handshakes.
*/
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "buffer.h"
#include "curl_compat.h"
#include "http.h"

#ifndef NAVER_SERP_VERSION
#define NAVER_SERP_VERSION "0"
#endif

/* Idle connections kept. libcurl's default follows the number of handles at work, so
** it would close nearly all at the end of a statement. The most that `concurrency` may
** be. */
#define MAX_CONNECTIONS 1000L

/* Bytes of a transport text with its terminator: libcurl's own text and a hint. */
#define TEXT_ROOM (CURL_ERROR_SIZE + 128)

/* Status of a proxy that wants other credentials; asking again changes nothing. */
#define PROXY_AUTHENTICATION_REQUIRED 407L

typedef struct Request {
  struct Request *next;    /* In the list it is in */
  CURL *easy;              /* Reset while idle; NULL before the first use */
  void *tag;               /* The caller's name for it */
  bool https;              /* Else plain http */
  long connect_timeout_ms; /* For the text of a time-out */
  long timeout_ms;         /* Likewise */
  Buffer body;             /* Decoded bytes so far, of at most max_body_bytes */
  BufferResult stored;     /* BUFFER_OK until the write callback had to give up */
  HttpReply reply;         /* Filled when finished; its body is still in `body` */
  char *text;              /* TEXT_ROOM bytes for reply.transport, allocated before the
                           ** request starts: a failure can be told without memory */
  char curl_text[CURL_ERROR_SIZE]; /* What libcurl says of a failure */
} Request;

/* A queue: added at the tail, taken at the head or from within. */
typedef struct List {
  Request *head; /* NULL if empty */
  Request *tail; /* NULL if empty */
  int n;         /* Requests in it */
} List;

struct Http {
  CURLM *multi;                    /* NULL until it is needed */
  pid_t pid;                       /* Process that made the curl handles */
  struct curl_slist *post_headers; /* NULL until the first POST */
  List idle;                       /* Ready for use */
  List active;                     /* In the multi handle */
  List finished;                   /* Reply filled, not yet taken */
};

/* A base URL, read. */
typedef struct Place {
  bool https;    /* Else plain http */
  bool loopback; /* The host is this machine, by its name or address alone */
  char *host;    /* As given, [] around an IPv6 address; curl_free() */
  char *port;    /* NULL if it is the scheme's own; curl_free() */
} Place;

/* ---------------------------------------------------------------- small things --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_rc;     /* Of curl_global_init() */
static bool has_gzip;          /* libcurl was built with zlib */
static char version_text[128]; /* For http_version() */

/* Never undone: the extension and libcurl stay loaded, and other users of libcurl in
** the process may be at work. */
static void global_start(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  has_gzip = (info->features & CURL_VERSION_LIBZ) != 0;
  sqlite3_snprintf((int)sizeof(version_text), version_text, "%s %s", info->version,
                   info->ssl_version ? info->ssl_version : "without TLS");
  global_rc = curl_global_init(CURL_GLOBAL_DEFAULT);
}

const char *http_version(void) {
  pthread_once(&once, global_start);
  return version_text;
}

double http_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What pipe_guard() found and pipe_release() restores. */
typedef struct PipeGuard {
  sigset_t old_mask; /* Of this thread */
  bool pending;      /* A SIGPIPE was waiting already: it is not ours to swallow */
} PipeGuard;

static void pipe_guard(PipeGuard *guard) {
  sigset_t pipe_only, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigemptyset(&pending);
  sigpending(&pending);
  guard->pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_only, &guard->old_mask);
}

static void pipe_release(const PipeGuard *guard) {
  if (!guard->pending) {
    sigset_t pipe_only, pending;
    int sig;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) == 1)
      sigwait(&pipe_only, &sig); /* Returns at once: it is pending */
  }
  pthread_sigmask(SIG_SETMASK, &guard->old_mask, NULL);
}

static void list_add(List *list, Request *r) {
  r->next = NULL;
  if (list->head)
    list->tail->next = r;
  else
    list->head = r;
  list->tail = r;
  list->n++;
}

/* Takes the request out that follows `prev`, or the first one if prev is NULL. */
static Request *list_take_after(List *list, Request *prev) {
  Request *r = prev ? prev->next : list->head;
  if (r == NULL)
    return NULL;
  if (prev)
    prev->next = r->next;
  else
    list->head = r->next;
  if (list->tail == r)
    list->tail = prev;
  list->n--;
  return r;
}

static void list_remove(List *list, const Request *r) {
  Request *prev = NULL, *p;
  for (p = list->head; p != r; p = p->next)
    prev = p;
  list_take_after(list, prev);
}

/* ------------------------------------------------------------------- base URLs --- */

static const char NOT_HTTP[] =
    "it must start with https:// (or with http:// where the host is this machine)";
static const char BAD_CHARACTER[] =
    "it holds a space, a control character, a backslash or one that is not ASCII";
static const char TOO_MUCH[] = "it must have no user name, query or fragment";
static const char BAD_HOST[] = "its host or port is not valid";
static const char BAD_URL[] = "it is not a valid URL";
static const char NOT_LOOPBACK[] =
    "plain http is only for localhost, 127.x.x.x and [::1]; use https";
static const char NO_MEMORY[] = "out of memory";

/* Only what needs no DNS to be known: a name such as 127.0.0.1.example.com is not. */
static bool is_loopback(const char *host) {
  struct in_addr v4;
  return sqlite3_stricmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
         (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

/* The strict part, on the text itself: libcurl forgives one slash or three, blanks, an
** empty user or query. Rules that it shares are left to it. */
static const char *check_text(const char *url) {
  const char *authority, *end;
  size_t i;
  for (i = 0; url[i]; i++) {
    unsigned char c = (unsigned char)url[i];
    if (c <= ' ' || c >= 0x7f || c == '\\')
      return BAD_CHARACTER;
    if (c == '?' || c == '#')
      return TOO_MUCH;
  }
  if (sqlite3_strnicmp(url, "https://", 8) == 0)
    authority = url + 8;
  else if (sqlite3_strnicmp(url, "http://", 7) == 0)
    authority = url + 7;
  else
    return NOT_HTTP;
  end = authority + strcspn(authority, "/");
  for (i = 0; authority + i < end; i++) {
    if (authority[i] == '@')
      return TOO_MUCH;
    if (authority[i] == '%')
      return BAD_HOST;
  }
  return end == authority || end[-1] == ':' ? BAD_HOST : NULL;
}

static void place_free(Place *place) {
  curl_free(place->host);
  curl_free(place->port);
  memset(place, 0, sizeof(*place));
}

/* Reads a base URL. NULL, or a static text that says what is wrong. The caller frees
** the place in either case. */
static const char *place_read(Place *place /* OUT */, const char *url) {
  const char *wrong = check_text(url);
  CURLU *u;
  CURLUcode rc;
  memset(place, 0, sizeof(*place));
  if (wrong)
    return wrong;
  place->https = sqlite3_strnicmp(url, "https", 5) == 0;
  u = curl_url();
  if (u == NULL)
    return NO_MEMORY;
  rc = curl_url_set(u, CURLUPART_URL, url, 0);
  if (rc == CURLUE_OK)
    rc = curl_url_get(u, CURLUPART_HOST, &place->host, 0);
  if (rc == CURLUE_OK)
    rc = curl_url_get(u, CURLUPART_PORT, &place->port, CURLU_NO_DEFAULT_PORT);
  if (rc == CURLUE_NO_PORT)
    rc = CURLUE_OK;
  curl_url_cleanup(u);
  if (rc == CURLUE_OUT_OF_MEMORY)
    return NO_MEMORY;
  if (rc == CURLUE_BAD_PORT_NUMBER || rc == CURLUE_NO_HOST ||
      (rc == CURLUE_OK && place->host == NULL))
    return BAD_HOST;
  if (rc != CURLUE_OK)
    return BAD_URL;
  place->loopback = is_loopback(place->host);
  return place->https || place->loopback ? NULL : NOT_LOOPBACK;
}

const char *http_check_base_url(const char *url) {
  Place place;
  const char *wrong = place_read(&place, url);
  place_free(&place);
  return wrong;
}

char *http_origin(const char *base_url) {
  Place place;
  const char *wrong = place_read(&place, base_url);
  char *origin = NULL;
  if (wrong == NULL) {
    char *p;
    origin = sqlite3_mprintf("%s%s%s", place.host, place.port ? ":" : "",
                             place.port ? place.port : "");
    for (p = origin; p && *p; p++)
      if (*p >= 'A' && *p <= 'Z')
        *p = (char)(*p - 'A' + 'a');
  } else if (wrong != NO_MEMORY) {
    origin = sqlite3_mprintf("%s", "");
  }
  place_free(&place);
  return origin;
}

/* ------------------------------------------------------------ starting requests --- */

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
  Request *r = arg;
  r->stored = buffer_add(&r->body, data, size * n);
  return r->stored == BUFFER_OK ? size * n : size * n + 1; /* Other than given: stop */
}

/* The first failure stays in rc. */
#define SET(option, value)                                                             \
  do {                                                                                 \
    if (rc == CURLE_OK)                                                                \
      rc = curl_easy_setopt(easy, option, value);                                      \
  } while (0)

/* How to reach and trust the host. */
static CURLcode set_connection(CURL *easy, const HttpOptions *o, const Place *place) {
  CURLcode rc = CURLE_OK;
  if (place->https)
    SET(CURL_OPT_PROTOCOLS, CURL_ONLY_HTTPS);
  else
    SET(CURL_OPT_PROTOCOLS, CURL_ONLY_HTTP);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  /* Without memory to add to that cache, 7.88 frees a host's name twice. Connections are
  ** kept, so it would save little. */
  SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  if (o->ca_file && o->ca_file[0]) {
    SET(CURLOPT_CAINFO, o->ca_file);
    SET(CURLOPT_CAPATH, NULL); /* Else the system's authorities are trusted as well */
  }
  if (place->loopback)
    SET(CURLOPT_PROXY, ""); /* Else libcurl looks at https_proxy, no_proxy, ... */
  SET(CURLOPT_CONNECTTIMEOUT_MS, o->connect_timeout_ms);
  SET(CURLOPT_TIMEOUT_MS, o->timeout_ms);
  SET(CURLOPT_TCP_KEEPALIVE, 1L); /* Routers forget connections that wait a minute */
  SET(CURLOPT_NOSIGNAL, 1L);
#if CURL_HAS_QUICK_EXIT
  if (rc == CURLE_OK)
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  return rc;
}

/* What is asked, as whom, and where the answer goes. */
static CURLcode set_request(Request *r, const HttpOptions *o, const char *url,
                            const char *post, struct curl_slist *post_headers) {
  CURL *easy = r->easy;
  CURLcode rc = CURLE_OK;
  SET(CURLOPT_URL, url);
  SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_USERAGENT, "naver_serp/" NAVER_SERP_VERSION);
  SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
  SET(CURLOPT_USERNAME, o->user);
  SET(CURLOPT_PASSWORD, o->password);
  if (has_gzip)
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, r);
  SET(CURLOPT_ERRORBUFFER, r->curl_text);
  SET(CURLOPT_PRIVATE, r);
  if (post) {
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(post));
    SET(CURLOPT_COPYPOSTFIELDS, post);
    SET(CURLOPT_HTTPHEADER, post_headers);
    SET(CURLOPT_FRESH_CONNECT, 1L); /* See the head of this file */
  }
  return rc;
}

#undef SET

/* Both headers or none. "Expect:" takes the header away that would make libcurl wait a
** second for a permission to send the body. */
static bool make_post_headers(Http *h) {
  struct curl_slist *list, *longer;
  if (h->post_headers)
    return true;
  list = curl_slist_append(NULL, "Content-Type: application/json");
  longer = list ? curl_slist_append(list, "Expect:") : NULL;
  if (longer == NULL)
    curl_slist_free_all(list);
  h->post_headers = longer;
  return longer != NULL;
}

/* Frees what the last use left and makes the request idle. */
static void recycle(Http *h, Request *r) {
  if (r->easy)
    curl_easy_reset(r->easy);
  buffer_free(&r->body);
  memset(&r->reply, 0, sizeof(r->reply));
  list_add(&h->idle, r);
}

static void request_free(Request *r) {
  if (r->easy)
    curl_easy_cleanup(r->easy);
  buffer_free(&r->body);
  sqlite3_free(r->text);
  sqlite3_free(r);
}

/* A request that is in no list, with all memory that it can need to finish. NULL when
** memory runs out. */
static Request *request_get(Http *h) {
  Request *r = list_take_after(&h->idle, NULL);
  if (r == NULL) {
    r = sqlite3_malloc64(sizeof(*r));
    if (r == NULL)
      return NULL;
    memset(r, 0, sizeof(*r));
  }
  if (r->easy == NULL)
    r->easy = curl_easy_init();
  if (r->text == NULL)
    r->text = sqlite3_malloc64(TEXT_ROOM);
  if (r->easy == NULL || r->text == NULL) {
    request_free(r);
    return NULL;
  }
  return r;
}

static void leave_parent(Http *h);

/* Makes the multi handle where there is none. To be called before anything else that
** touches a curl handle. */
static int ready(Http *h, Error *error) {
  leave_parent(h);
  if (h->multi)
    return SQLITE_OK;
  pthread_once(&once, global_start);
  if (global_rc != CURLE_OK)
    return error_set(error, SQLITE_ERROR, "libcurl cannot start: %s",
                     curl_easy_strerror(global_rc));
  h->multi = curl_multi_init();
  if (h->multi == NULL)
    return error_nomem(error);
  (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
#if CURL_HAS_MULTI_QUICK_EXIT
  (void)curl_multi_setopt(h->multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
  return SQLITE_OK;
}

static int multi_error(Error *error, CURLMcode rc) {
  if (rc == CURLM_OUT_OF_MEMORY)
    return error_nomem(error);
  return error_set(error, SQLITE_ERROR, "libcurl: %s", curl_multi_strerror(rc));
}

/* Sets every option of the request and gives it to the multi handle. */
static int launch(Http *h, Request *r, const HttpOptions *o, const Place *place,
                  const char *path, const char *post, Error *error) {
  size_t n = strlen(o->base_url);
  char *url;
  CURLcode rc;
  CURLMcode mrc;
  while (n && o->base_url[n - 1] == '/')
    n--;
  url = sqlite3_mprintf("%.*s%s", (int)n, o->base_url, path);
  if (url == NULL)
    return error_nomem(error);
  rc = set_connection(r->easy, o, place);
  if (rc == CURLE_OK)
    rc = set_request(r, o, url, post, h->post_headers);
  sqlite3_free(url);
  if (rc == CURLE_OUT_OF_MEMORY)
    return error_nomem(error);
  if (rc != CURLE_OK)
    return error_set(error, SQLITE_ERROR, "libcurl refused an option: %s",
                     curl_easy_strerror(rc));
  r->https = place->https;
  r->connect_timeout_ms = o->connect_timeout_ms;
  r->timeout_ms = o->timeout_ms;
  r->stored = BUFFER_OK;
  r->curl_text[0] = 0;
  buffer_init(&r->body, o->max_body_bytes);
  mrc = curl_multi_add_handle(h->multi, r->easy);
  return mrc == CURLM_OK ? SQLITE_OK : multi_error(error, mrc);
}

int http_start(Http *h, const HttpOptions *o, const char *path, const char *post,
               void *tag, Error *error) {
  Request *r;
  Place place;
  const char *wrong;
  int rc = ready(h, error);
  assert(path[0] == '/');
  if (rc != SQLITE_OK)
    return rc;
  wrong = place_read(&place, o->base_url);
  if (wrong) {
    place_free(&place);
    return wrong == NO_MEMORY ? error_nomem(error)
                              : error_set(error, SQLITE_ERROR, "base_url: %s", wrong);
  }
  r = post && !make_post_headers(h) ? NULL : request_get(h);
  if (r == NULL) {
    rc = error_nomem(error);
  } else {
    rc = launch(h, r, o, &place, path, post, error);
    r->tag = tag;
    if (rc == SQLITE_OK)
      list_add(&h->active, r);
    else
      recycle(h, r);
  }
  place_free(&place);
  return rc;
}

int http_in_flight(const Http *h) {
  return h->active.n + h->finished.n;
}

/* ----------------------------------------------------------- finishing requests --- */

/* Whether the same request can succeed later. Codes that are not listed can: libcurl
** invents new ones, and the number of retries has a limit. */
static bool can_mend(CURLcode code) {
  switch ((int)code) {
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_FAILED_INIT:
  case CURLE_URL_MALFORMAT:
  case CURLE_NOT_BUILT_IN:
  case CURLE_REMOTE_ACCESS_DENIED:
  case CURLE_OUT_OF_MEMORY:
  case CURLE_BAD_FUNCTION_ARGUMENT:
  case CURLE_UNKNOWN_OPTION:
  case CURLE_SSL_ENGINE_NOTFOUND:
  case CURLE_SSL_ENGINE_SETFAILED:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CRL_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_LOGIN_DENIED:
  case CURLE_AUTH_ERROR:
  case CURL_E_TOO_LARGE:
    return false;
  default:
    return true;
  }
}

/* Status of a proxy that did not open a tunnel, else 0. */
static long proxy_refusal(const Request *r) {
  long status = 0;
  (void)curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  return status / 100 == 2 ? 0 : status;
}

/* False only where no byte of the request can have left: the connection (with TLS: the
** handshake) was never completed and libcurl counts no byte of it sent. The
** pre-transfer time is no witness: 7.88 takes it after the first send, 8.20 also where
** nothing was connected. */
static bool may_be_sent(const Request *r) {
  curl_off_t connected_us = 0;
  long sent = 0; /* Bytes of requests; one to a proxy counts as well */
  if (proxy_refusal(r))
    return false;
  if (curl_easy_getinfo(r->easy,
                        r->https ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T,
                        &connected_us) != CURLE_OK ||
      curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK)
    return true;
  return connected_us > 0 || sent > 0;
}

/* Names the limit that was met, and the setting that moves it. libcurl's code and times
** do not say which; the time that passed is near one or the other. */
static void timeout_text(Request *r) {
  curl_off_t total_us = 0;
  (void)curl_easy_getinfo(r->easy, CURLINFO_TOTAL_TIME_T, &total_us);
  if (r->connect_timeout_ms < r->timeout_ms &&
      total_us / 500 < (curl_off_t)r->connect_timeout_ms + r->timeout_ms)
    sqlite3_snprintf(TEXT_ROOM, r->text,
                     "no connection within connect_timeout_ms (%ld)",
                     r->connect_timeout_ms);
  else
    sqlite3_snprintf(TEXT_ROOM, r->text, "no answer within timeout_ms (%ld)",
                     r->timeout_ms);
}

/* libcurl's words, on one line. A text with an @ may quote a proxy's URL from the
** environment with the password in it, so the general text stands in for it. */
static void curl_failure_text(Request *r, CURLcode code) {
  const char *hint = "";
  const char *text = r->curl_text;
  char *p;
  if (text[0] == 0 || strchr(text, '@'))
    text = curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION && !strstr(text, "subject name") &&
      !strstr(text, "expired"))
    hint = " (set ca_file for a private authority)";
  else if (code == CURLE_SSL_CACERT_BADFILE)
    hint = " (see the setting ca_file)";
  sqlite3_snprintf(TEXT_ROOM, r->text, "%s%s", text, hint);
  for (p = r->text; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f)
      *p = ' ';
}

static void finish_without_answer(Request *r, CURLcode code) {
  HttpReply *reply = &r->reply;
  if (r->stored == BUFFER_FULL) {
    sqlite3_snprintf(TEXT_ROOM, r->text,
                     "the answer is larger than max_body_bytes (%llu)",
                     (unsigned long long)r->body.max);
  } else if (r->stored == BUFFER_NOMEM || code == CURLE_OUT_OF_MEMORY) {
    sqlite3_snprintf(TEXT_ROOM, r->text, "%s", NO_MEMORY);
  } else if (code == CURLE_OPERATION_TIMEDOUT) {
    timeout_text(r);
    reply->ask_again = true;
  } else {
    curl_failure_text(r, code);
    reply->ask_again =
        can_mend(code) && proxy_refusal(r) != PROXY_AUTHENTICATION_REQUIRED;
  }
  reply->maybe_sent = may_be_sent(r);
  reply->transport = r->text;
  r->text = NULL;
  buffer_free(&r->body);
}

/* Fills the reply of a request that libcurl has done with. */
static void finish(Request *r, CURLcode code) {
  HttpReply *reply = &r->reply;
  curl_off_t retry_after = 0;
  long status = 0;
  memset(reply, 0, sizeof(*reply));
  reply->tag = r->tag;
  if (code == CURLE_OK)
    code = curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK && status == 0)
    code = CURLE_WEIRD_SERVER_REPLY;
  if (code != CURLE_OK) {
    finish_without_answer(r, code);
    return;
  }
  reply->status = (int)status;
  if (curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
    reply->retry_after = (double)retry_after;
}

/* A request that was under way when the process forked: the parent may get the answer,
** the child does not. */
static void finish_in_child(Request *r) {
  HttpReply *reply = &r->reply;
  memset(reply, 0, sizeof(*reply));
  reply->tag = r->tag;
  reply->ask_again = true;
  reply->maybe_sent = true;
  sqlite3_snprintf(TEXT_ROOM, r->text, "%s",
                   "the request was under way in the parent process");
  reply->transport = r->text;
  r->text = NULL;
  buffer_free(&r->body);
}

/* In a child after fork(): forgets all curl handles. They leak, see the head of this
** file. Each request still gets a reply, so that a caller who counts is not stuck. */
static void leave_parent(Http *h) {
  Request *r;
  if (h->pid == getpid())
    return;
  while ((r = list_take_after(&h->active, NULL)) != NULL) {
    finish_in_child(r);
    list_add(&h->finished, r);
  }
  for (r = h->finished.head; r; r = r->next)
    r->easy = NULL;
  for (r = h->idle.head; r; r = r->next)
    r->easy = NULL;
  h->multi = NULL;
  h->pid = getpid();
}

/* Lets libcurl work, then moves what is over to the finished list. */
static CURLMcode perform(Http *h) {
  CURLMcode rc;
  CURLMsg *msg;
  int n;
  rc = curl_multi_perform(h->multi, &n);
  while ((msg = curl_multi_info_read(h->multi, &n)) != NULL) {
    CURL *easy = msg->easy_handle;
    CURLcode code = msg->data.result; /* msg is gone with the next call */
    char *private = NULL;
    Request *r;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    r = (Request *)private;
    finish(r, code);
    curl_multi_remove_handle(h->multi, easy);
    list_remove(&h->active, r);
    list_add(&h->finished, r);
  }
  return rc;
}

int http_wait(Http *h, int ms, Error *error) {
  double end = http_now() + ms / 1e3;
  PipeGuard guard;
  CURLMcode mrc;
  int rc = ready(h, error);
  if (rc != SQLITE_OK)
    return rc;
  pipe_guard(&guard);
  mrc = perform(h);
  /* Most events bring a part of an answer, so one look is not enough. With nothing
  ** under way, curl_multi_poll() sleeps. */
  while (mrc == CURLM_OK && h->finished.n == 0) {
    double left_ms = (end - http_now()) * 1e3;
    if (left_ms <= 0)
      break;
    /* Not 0 in the last millisecond, which would spin */
    mrc = curl_multi_poll(h->multi, NULL, 0, (int)left_ms + (left_ms < 1), NULL);
    if (mrc == CURLM_OK)
      mrc = perform(h);
  }
  pipe_release(&guard);
  return mrc == CURLM_OK ? SQLITE_OK : multi_error(error, mrc);
}

bool http_take(Http *h, HttpReply *reply) {
  Request *r;
  leave_parent(h);
  r = list_take_after(&h->finished, NULL);
  if (r == NULL)
    return false;
  *reply = r->reply;
  reply->body = r->body.z;
  reply->n_body = r->body.n;
  buffer_init(&r->body, 0); /* The bytes are the caller's now */
  recycle(h, r);
  return true;
}

void http_reply_free(HttpReply *reply) {
  sqlite3_free(reply->transport);
  sqlite3_free(reply->body);
  memset(reply, 0, sizeof(*reply));
}

/* --------------------------------------------------------- stopping and ending --- */

/* Makes every request of a list idle that has this tag; with `multi`, takes it out of
** there first, which closes its connection. */
static void cancel_in(Http *h, List *list, CURLM *multi, const void *tag) {
  Request *prev = NULL;
  Request *r = list->head;
  while (r) {
    Request *next = r->next;
    if (r->tag == tag) {
      list_take_after(list, prev);
      if (multi)
        curl_multi_remove_handle(multi, r->easy);
      sqlite3_free(r->reply.transport);
      recycle(h, r);
    } else {
      prev = r;
    }
    r = next;
  }
}

void http_cancel(Http *h, void *tag) {
  PipeGuard guard;
  leave_parent(h);
  pipe_guard(&guard);
  cancel_in(h, &h->active, h->multi, tag);
  cancel_in(h, &h->finished, NULL, tag);
  pipe_release(&guard);
}

Http *http_new(Error *error) {
  Http *h = sqlite3_malloc64(sizeof(*h));
  if (h == NULL) {
    (void)error_nomem(error);
    return NULL;
  }
  memset(h, 0, sizeof(*h));
  h->pid = getpid();
  return h;
}

/* `multi` as for cancel_in(). */
static void list_free(List *list, CURLM *multi) {
  Request *r;
  while ((r = list_take_after(list, NULL)) != NULL) {
    if (multi)
      curl_multi_remove_handle(multi, r->easy);
    sqlite3_free(r->reply.transport);
    request_free(r);
  }
}

void http_free(Http *h) {
  PipeGuard guard;
  if (h == NULL)
    return;
  leave_parent(h);
  pipe_guard(&guard);
  list_free(&h->active, h->multi);
  list_free(&h->finished, NULL);
  list_free(&h->idle, NULL);
  if (h->multi)
    curl_multi_cleanup(h->multi);
  pipe_release(&guard);
  curl_slist_free_all(h->post_headers);
  sqlite3_free(h);
}
