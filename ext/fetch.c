/*
** Requests for task answers: what is sent when, what is tried again, and what an answer
** means for the statement.
**
** Sent at most `concurrency` at a time and `requests_per_minute` in any 60 seconds. The
** latter is counted exactly, by the times of the last requests, so a burst is free
** until the limit is met. Tried again with growing, jittered pauses: only what can
** succeed (transport faults, HTTP 429 and 5xx, 40202, 40209, 5xxxx, half an answer).
** Pending tasks are polled while wait_seconds lasts. Credentials and money stop
** everything at once.
*/
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "session.h"
#include "tally.h"

#define TASK_PATH         "/v3/serp/naver/organic/task_get/advanced/"
#define MAX_BACKOFF       60.0  /* Seconds between two tries at most */
#define MAX_RETRY_AFTER   300.0 /* Seconds; a server that asks for more gets this */
#define RATE_LIMIT_FACTOR 10    /* 40202 and 429 count by the minute: pause longer */
#define FIRST_POLL        5.0   /* Seconds before a pending task is asked again, */
#define POLL_GROWTH       1.5   /* ... growing by this each time, */
#define MAX_POLL          60.0  /* ... up to this */
/* Answers dealt with at a time: bounds the memory of parsed ones, and is enough to share
** the cost of a commit. */
#define MAX_ARRIVALS    6
#define KEEP_BODY       65536 /* Bytes of an answer without rows that are kept */
#define CODE_RATE_LIMIT 40202 /* Too many requests a minute */
#define HTTP_TOO_MANY   429

static int compare_jobs(const void *a, const void *b) {
  return strcmp(((const Job *)a)->id, ((const Job *)b)->id);
}

Job *job_find(Session *s, const char *id) {
  Job key;
  void *node;
  key.id = (char *)id;
  node = tfind(&key, &s->tree, compare_jobs);
  return node ? *(Job **)node : NULL;
}

Job *job_new(Session *s, const char *id, Error *error) {
  Job *job = sqlite3_malloc64(sizeof(*job));
  if (job == NULL ||
      (memset(job, 0, sizeof(*job)), job->id = sqlite3_mprintf("%s", id)) == NULL ||
      tsearch(job, &s->tree, compare_jobs) == NULL) {
    if (job)
      sqlite3_free(job->id);
    sqlite3_free(job);
    error_nomem(error);
    return NULL;
  }
  job->give_up = http_now() + (double)s->config.wait_seconds;
  job->next = s->jobs;
  if (s->jobs)
    s->jobs->prev = job;
  s->jobs = job;
  s->n_queued++;
  s->next_due = 0;
  return job;
}

/* Keeps the counts right when a job is about to leave JOB_QUEUED. */
static void unqueue(Session *s, Job *job) {
  s->n_queued--;
  s->n_polling -= job->polling;
  job->polling = false;
}

void job_free(Session *s, Job *job) {
  if (job->phase == JOB_FLYING)
    http_cancel(s->http, job);
  if (job->phase == JOB_QUEUED)
    unqueue(s, job);
  tdelete(job, &s->tree, compare_jobs);
  if (job->prev)
    job->prev->next = job->next;
  else
    s->jobs = job->next;
  if (job->next)
    job->next->prev = job->prev;
  sqlite3_free(job->id);
  sqlite3_free(job->message);
  sqlite3_free(job->body);
  sqlite3_free(job->post);
  sqlite3_free(job);
}

void job_free_all(Session *s) {
  while (s->jobs)
    job_free(s, s->jobs);
  sqlite3_free(s->refused_message);
  s->refused_message = NULL;
  s->refused = false;
}

int job_finish(Session *s, Job *job, TaskState state, int code, char *message,
               Error *error) {
  Wait *wait;
  if (job->phase == JOB_QUEUED)
    unqueue(s, job);
  job->phase = JOB_DONE;
  job->state = state;
  job->code = code;
  sqlite3_free(job->message);
  job->message = message;
  if (message == NULL)
    error_nomem(error);
  while ((wait = job->waits) != NULL) {
    job->waits = wait->next_of_job;
    collect_notice(wait->collect, wait);
  }
  return error->rc;
}

/* ---- When ---------------------------------------------------------------------- */

static void queue_again(Session *s, Job *job, double due, bool polling) {
  s->n_queued++;
  s->n_polling += polling;
  job->phase = JOB_QUEUED;
  job->polling = polling;
  job->due = due;
  if (due < s->next_due || s->n_queued == 1)
    s->next_due = due;
}

/* Half to three halves of a span, so that many clients do not come back together. */
static double jitter(double span) {
  unsigned int r;
  sqlite3_randomness(sizeof(r), &r);
  return span * (0.5 + (double)(r % 1024) / 1024.0);
}

/* Seconds until the n-th next try (n = 1 for the first). */
static double backoff(const Session *s, int n, double retry_after, bool rate_limited) {
  double span = (double)s->config.retry_delay_ms / 1000.0;
  if (rate_limited)
    span *= RATE_LIMIT_FACTOR;
  while (--n > 0 && span < MAX_BACKOFF)
    span *= 2;
  span = jitter(span < MAX_BACKOFF ? span : MAX_BACKOFF);
  if (retry_after > MAX_RETRY_AFTER)
    retry_after = MAX_RETRY_AFTER;
  return span > retry_after ? span : retry_after;
}

static double poll_pause(int n) {
  double span = FIRST_POLL;
  while (--n > 0 && span < MAX_POLL)
    span *= POLL_GROWTH;
  return span < MAX_POLL ? span : MAX_POLL;
}

/* Seconds until one more request is within requests_per_minute; 0: now. */
static double rate_pause(Session *s, double now, Error *error) {
  int room = (int)s->config.requests_per_minute;
  if (s->n_sent_room != room) { /* First use, or the setting changed: start anew */
    double *sent = sqlite3_realloc64(s->sent, (sqlite3_uint64)room * sizeof(double));
    int i;
    if (sent == NULL) {
      error_nomem(error);
      return 0;
    }
    for (i = 0; i < room; i++)
      sent[i] = now - 60;
    s->sent = sent;
    s->n_sent_room = room;
    s->i_sent = 0;
  }
  if (s->pause_until > now)
    return s->pause_until - now;
  return s->sent[s->i_sent] + 60 > now ? s->sent[s->i_sent] + 60 - now : 0;
}

static void rate_count(Session *s, double now) {
  s->sent[s->i_sent] = now;
  s->i_sent = (s->i_sent + 1) % s->n_sent_room;
}

static int room(const Session *s) {
  int flying = s->http ? http_in_flight(s->http) : 0;
  return (int)s->config.concurrency - flying;
}

int fetch_wanted(const Session *s) {
  return room(s) + (int)s->config.concurrency - s->n_queued + s->n_polling;
}

/* ---- Sending -------------------------------------------------------------------- */

/* The user's credentials, or NULL. The alias is what other clients of the API use. */
static const char *login(void) {
  const char *z = getenv("DATAFORSEO_LOGIN");
  if (z == NULL || z[0] == 0)
    z = getenv("DATAFORSEO_USERNAME");
  return z && z[0] ? z : NULL;
}

/* Nothing more is asked in this statement: every queued or flying job ends here. */
static int refuse_all(Session *s, int code, const char *message, Error *error) {
  Job *job;
  s->refused = true;
  s->refused_code = code;
  sqlite3_free(s->refused_message);
  s->refused_message = sqlite3_mprintf("%s", message);
  if (s->refused_message == NULL)
    return error_nomem(error);
  for (job = s->jobs; job && error->rc == SQLITE_OK; job = job->next) {
    if (job->phase == JOB_FLYING)
      http_cancel(s->http, job);
    else if (job->phase != JOB_QUEUED)
      continue;
    job_finish(s, job, STATE_REFUSED, code, sqlite3_mprintf("%s", message), error);
  }
  return error->rc;
}

static bool is_plain(const Job *job) {
  return job->id[0] == '/';
}

static int send_job(Session *s, Job *job, Error *error) {
  HttpOptions options;
  const char *password = getenv("DATAFORSEO_PASSWORD");
  char *path;
  if (s->offline)
    return error_set(error, SQLITE_ERROR, "%s", network_off);
  if (login() == NULL || password == NULL || password[0] == 0)
    return refuse_all(s, 0, "no credentials", error);
  if (s->http == NULL && (s->http = http_new(error)) == NULL)
    return error->rc;
  options.base_url = s->config.base_url;
  options.ca_file = s->config.ca_file[0] ? s->config.ca_file : NULL;
  options.user = login();
  options.password = password;
  options.connect_timeout_ms = (long)s->config.connect_timeout_ms;
  options.timeout_ms = (long)s->config.timeout_ms;
  options.max_body_bytes = (size_t)s->config.max_body_bytes;
  path = sqlite3_mprintf("%s%s", is_plain(job) ? "" : TASK_PATH, job->id);
  if (path == NULL)
    return error_nomem(error);
  if (http_start(s->http, &options, path, job->post, job, error) == SQLITE_OK) {
    unqueue(s, job);
    job->phase = JOB_FLYING;
    rate_count(s, http_now());
  }
  sqlite3_free(path);
  return error->rc;
}

/* Sends the queued jobs that are due, as far as there is room. *pause becomes the
 ** seconds until the next could be sent; where only room is missing it stays. */
static int send_due(Session *s, double *pause, Error *error) {
  double now = http_now();
  double next_due = now + 3600;
  Job *job, *next;
  if (s->n_queued == 0)
    return SQLITE_OK;
  if (s->next_due > now) {
    if (s->next_due - now < *pause)
      *pause = s->next_due - now;
    return SQLITE_OK;
  }
  for (job = s->jobs; job && error->rc == SQLITE_OK && !s->refused; job = next) {
    double wait;
    next = job->next;
    if (job->phase != JOB_QUEUED)
      continue;
    wait = job->due - now;
    if (wait <= 0)
      wait = rate_pause(s, now, error);
    if (error->rc != SQLITE_OK)
      break;
    if (wait <= 0 && room(s) > 0) {
      send_job(s, job, error);
      continue;
    }
    if (wait < 0)
      wait = 0;
    if (now + wait < next_due)
      next_due = now + wait;
    if (wait > 0 && wait < *pause)
      *pause = wait;
  }
  s->next_due = next_due;
  return error->rc;
}

/* ---- What came ------------------------------------------------------------------ */

/* One more try, if any is left. */
static bool try_again(Session *s, Job *job, double retry_after, bool rate_limited) {
  double pause;
  if (s->refused || job->n_failed >= s->config.retries)
    return false;
  pause = backoff(s, ++job->n_failed, retry_after, rate_limited);
  if (rate_limited && s->pause_until < http_now() + pause)
    s->pause_until = http_now() + pause;
  queue_again(s, job, http_now() + pause, false);
  return true;
}

/* One more try for an answer that asks for it. */
static bool try_answer_again(Session *s, const Arrival *a) {
  bool rate_limited =
      a->answer->code == CODE_RATE_LIMIT || a->reply.status == HTTP_TOO_MANY;
  return a->answer->ask_again &&
         try_again(s, a->job, a->reply.retry_after, rate_limited);
}

/* A pending task is polled while its time lasts. */
static bool poll_again(Session *s, Job *job) {
  double now = http_now();
  double due = now + poll_pause(++job->n_poll);
  if (s->refused || now >= job->give_up)
    return false;
  queue_again(s, job, due < job->give_up ? due : job->give_up, true);
  return true;
}

/* Takes over a body: of a plain call, or a small one, so that naver_serp_task can show
** what the API said. */
static void keep_body(Job *job, HttpReply *reply) {
  sqlite3_free(job->body);
  job->body = NULL;
  if (is_plain(job) || reply->n_body <= KEEP_BODY) {
    job->body = reply->body;
    job->n_body = reply->n_body;
    job->status = reply->status;
    reply->body = NULL;
  }
}

/* Ends a job with the state, code and message it was given already. */
static int finish_judged(Session *s, Job *job, Error *error) {
  char *message = job->message;
  job->message = NULL;
  return job_finish(s, job, job->state, job->code, message, error);
}

/* A final answer stays for good, so it has to be the right one. Only the sandbox answers
** every id with the same task. */
static bool is_of_another_task(const Session *s, const Job *job, const Answer *answer) {
  return answer->id && sqlite3_stricmp(answer->id, job->id) != 0 &&
         !config_is_sandbox(&s->config);
}

/* Decides about a body: the job is queued again, or done, or (Arrival.keep) to be
 ** stored and done after that. */
static int judge_answer(Session *s, Arrival *a, Error *error) {
  Job *job = a->job;
  HttpReply *reply = &a->reply;
  const char *note = "";
  Answer *answer;
  answer = answer_parse(s->reader, reply->body ? reply->body : "", reply->n_body,
                        reply->status, error);
  if (answer == NULL)
    return error->rc;
  a->answer = answer;
  job->from_network = true;
  if (try_answer_again(s, a) || (answer->state == STATE_PENDING && poll_again(s, job)))
    return SQLITE_OK;
  a->keep = answer->is_final;
  if (a->keep && is_of_another_task(s, job, answer)) {
    char *text = sqlite3_mprintf("the answer is of another task, %s", answer->id);
    a->keep = false;
    return job_finish(s, job, STATE_UNREACHABLE, 0, text, error);
  }
  if (job->refresh && keep_must_stay(s, job->id, answer, error)) {
    a->keep = false;
    note = "; the stored answer was kept, mode 'cache' reads it";
  }
  job->state = answer->state;
  job->code = answer->code;
  sqlite3_free(job->message);
  job->message = sqlite3_mprintf("%s%s", answer->message, note);
  if (!a->keep) {
    keep_body(job, reply);
    finish_judged(s, job, error);
    if (job->state == STATE_REFUSED && error->rc == SQLITE_OK)
      refuse_all(s, job->code, job->message, error);
  }
  return error->rc;
}

/* A plain call's answer is its caller's to read, unless it is worth another try. */
static int judge_plain(Session *s, Arrival *a, Error *error) {
  Job *job = a->job;
  HttpReply *reply = &a->reply;
  a->answer = answer_parse_call(s->reader, reply->body ? reply->body : "",
                                reply->n_body, reply->status, error);
  if (a->answer == NULL || (job->post == NULL && try_answer_again(s, a)))
    return error->rc;
  job->from_network = true;
  keep_body(job, reply);
  return job_finish(s, job, a->answer->state, a->answer->code,
                    sqlite3_mprintf("%s", a->answer->message), error);
}

static int judge(Session *s, Arrival *a, Error *error) {
  char *transport = a->reply.transport;
  if (transport == NULL)
    return is_plain(a->job) ? judge_plain(s, a, error) : judge_answer(s, a, error);
  if (a->job->post || !a->reply.ask_again || !try_again(s, a->job, 0, false)) {
    a->job->maybe_sent = a->reply.maybe_sent;
    a->reply.transport = NULL;
    job_finish(s, a->job, STATE_UNREACHABLE, 0, transport, error);
  }
  return error->rc;
}

/* Deals with n answers that are here: judges each, stores what is final in one go.
 ** Every job is queued again or done afterwards, also after an error. */
static int settle(Session *s, Arrival *arrivals, int n, Error *error) {
  double pause = 0; /* Not of interest here */
  int i;
  for (i = 0; i < n && error->rc == SQLITE_OK; i++)
    judge(s, &arrivals[i], error);
  /* The places that became free are taken before the long work of storing, but not before
  ** it is known that nobody refuses. */
  if (error->rc == SQLITE_OK && send_due(s, &pause, error) == SQLITE_OK)
    http_wait(s->http, 0, error);
  if (error->rc == SQLITE_OK)
    keep_arrivals(s, arrivals, n, error);
  for (i = 0; i < n; i++) {
    Job *job = arrivals[i].job;
    if (job->phase != JOB_LANDED)
      continue;
    job->maybe_sent = true; /* It was answered, whatever the answer says */
    if (error->rc == SQLITE_OK)
      finish_judged(s, job, error);
    else
      job_finish(s, job, STATE_UNREACHABLE, 0,
                 sqlite3_mprintf("%s", error->text ? error->text : "out of memory"),
                 error);
  }
  return error->rc;
}

int fetch_pump(Session *s, int ms, Error *error) {
  Arrival arrivals[MAX_ARRIVALS];
  double pause = (double)ms / 1000.0;
  int n = 0;
  int i;
  s->last_pump = http_now();
  if (send_due(s, &pause, error) != SQLITE_OK || s->http == NULL)
    return error->rc;
  if (http_wait(s->http, (int)(pause * 1000.0 + 0.999), error) != SQLITE_OK)
    return error->rc;
  while (n < MAX_ARRIVALS && http_take(s->http, &arrivals[n].reply)) {
    arrivals[n].job = arrivals[n].reply.tag;
    arrivals[n].job->phase = JOB_LANDED;
    arrivals[n].answer = NULL;
    arrivals[n].keep = false;
    n++;
  }
  if (n)
    settle(s, arrivals, n, error);
  for (i = 0; i < n; i++) {
    answer_free(arrivals[i].answer);
    http_reply_free(&arrivals[i].reply);
  }
  return error->rc;
}

/* state_hint() speaks of a task where a call was not refused and was answered. */
static const char *call_hint(TaskState state, int code) {
  return state == STATE_UNREACHABLE || state == STATE_REFUSED
             ? state_hint(state, code)
             : "see the status code in the API's documentation";
}

int fetch_call_error(const Answer *answer, const char *prefix, Error *error) {
  char *what = code_and_message(answer->code, answer->message);
  if (what == NULL)
    return error_nomem(error);
  error_set(error, SQLITE_ERROR, "%s%s (%s): %s", prefix, what,
            state_name(answer->state), call_hint(answer->state, answer->code));
  sqlite3_free(what);
  return error->rc;
}

Answer *fetch_call(Session *s, const char *path, char *post, bool *maybe_sent,
                   Error *error) {
  Answer *answer = NULL;
  Job *job = s->refused ? NULL : job_new(s, path, error);
  *maybe_sent = false;
  if (job == NULL) {
    sqlite3_free(post);
    error_set(error, SQLITE_ERROR, "%d %s (refused): %s", s->refused_code,
              s->refused_message, state_hint(STATE_REFUSED, s->refused_code));
    return NULL;
  }
  job->post = post;
  while (job->phase != JOB_DONE && error->rc == SQLITE_OK) {
    if (post == NULL && session_interrupted(s))
      error_set(error, SQLITE_INTERRUPT, "interrupted");
    else
      fetch_pump(s, WAIT_MS, error);
  }
  if (error->rc == SQLITE_OK && job->from_network)
    answer = answer_parse_call(s->reader, job->body ? job->body : "", job->n_body,
                               job->status, error);
  else if (error->rc == SQLITE_OK)
    error_set(error, SQLITE_ERROR, "%s (%s): %s", job->message, state_name(job->state),
              call_hint(job->state, job->code));
  /* Also where it was answered, but there is no memory to read the answer. */
  *maybe_sent =
      post && (job->maybe_sent || job->from_network || job->phase == JOB_FLYING);
  job_free(s, job);
  return answer;
}
