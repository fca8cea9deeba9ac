/*
** What collect.c, fetch.c and keep.c share: the state of one connection. Not for the
** tables, which see collect.h.
*/
#ifndef NAVER_SERP_SESSION_H
#define NAVER_SERP_SESSION_H

#include "collect.h"
#include "http.h"

typedef enum JobPhase {
  JOB_QUEUED, /* Waits for its time, a free place, or the rate limit */
  JOB_FLYING, /* Its request is under way */
  JOB_LANDED, /* Its answer is here and being dealt with */
  JOB_DONE    /* state, code and message say what became of it */
} JobPhase;

typedef struct Wait Wait;

/* One id that a statement asks the API for, or a plain call. An id's job stays until the
** statement ends, so that nobody asks again; only an answer that the store has is let go
** at once, since there the store remembers. */
typedef struct Job {
  char *id;   /* A task id; of a plain call its path, which starts with / */
  char *post; /* Plain call: what is POSTed, or NULL for a GET */
  JobPhase phase;
  bool refresh;    /* Asked in mode 'refresh': what is stored does not count */
  int n_failed;    /* Tries that ended in something worth another try */
  int n_poll;      /* Times it was found pending */
  bool polling;    /* JOB_QUEUED because it was found pending */
  double due;      /* JOB_QUEUED: not before this time (http_now() seconds) */
  double give_up;  /* Pending tasks are polled until then */
  TaskState state; /* JOB_DONE from here on */
  int code;
  char *message;     /* From sqlite3_malloc() */
  bool from_network; /* The API said so; else the request was never made */
  bool stored;       /* The store has it, on `side` */
  Side side;
  int status;      /* HTTP status the body came with */
  bool maybe_sent; /* Plain call without an answer: the API may have seen it */
  char *body;      /* Not stored: what the API sent, to show what is known */
  size_t n_body;
  Wait *waits;      /* Collects that want to know */
  int n_user;       /* Collects that wait for it, have it in their list, or show it */
  struct Job *next; /* In Session.jobs */
  struct Job *prev;
} Job;

/* A Collect's interest in a Job. */
struct Wait {
  Job *job;
  Collect *collect;
  Wait *next_of_job; /* Others that wait for the same job */
  Wait *next;        /* In Collect.waiting or Collect.done */
  Wait *prev;
};

struct Session {
  sqlite3 *db;
  Session *next_session; /* In the list of all, of every connection */
  bool offline;          /* Make no request, for good */
  int n_ref;
  int n_connected;      /* Virtual tables connected */
  int n_cursor;         /* Cursors open */
  bool prepared;        /* What temp holds was looked at since the statement began */
  bool main_unwritable; /* A write failed in a way that the next would, too */
  Config config;
  Store *store;
  AnswerReader *reader;
  Http *http;              /* Made for the first request */
  sqlite3_stmt *interrupt; /* SELECT 1: notices an interrupt before SQLite 3.41 */
  void *tree;              /* Job by id, for tsearch() */
  Job *jobs;               /* All of them */
  int n_queued;            /* Jobs in JOB_QUEUED, */
  int n_polling;           /* ... and among them those that wait to be polled */
  double next_due;         /* No queued job is due before this */
  bool refused;            /* Credentials or money: ask nothing more */
  int refused_code;
  char *refused_message; /* From sqlite3_malloc() */
  double *sent;          /* Times of the last requests, a ring */
  int n_sent_room;       /* Places in the ring: requests_per_minute */
  int i_sent;            /* Place of the oldest */
  double last_pump;      /* When requests were last driven (http_now() seconds) */
  double pause_until;    /* The API said it was asked too often */
};

/* Milliseconds between two looks for an interrupt: half of the promised 100. */
#define WAIT_MS 50

/* True once the user has asked to stop (Ctrl-C, sqlite3_interrupt()). */
bool session_interrupted(Session *);

/* ---- fetch.c: requests ---- */

/* Finds the statement's job for an id, or NULL. */
Job *job_find(Session *, const char *id);

/* Adds one, queued for now; the caller knows that there is none yet. */
Job *job_new(Session *, const char *id, Error *);

/* Forgets a job that nobody waits for, cancelling its request. */
void job_free(Session *, Job *);
void job_free_all(Session *);

/* Ends a job and tells those who wait. Takes over the message, which is from
** sqlite3_malloc(); NULL means that there was no memory for it. */
int job_finish(Session *, Job *, TaskState, int code, char *message, Error *);

/* How many jobs more are of use: as many as may be in flight, and once more as many that
** are ready to follow. While this is not above 0, making more would only take memory. */
int fetch_wanted(const Session *);

/* Sends what is due, waits up to ms for something to happen, and deals with what came.
** Some jobs may be done afterwards. */
int fetch_pump(Session *, int ms, Error *);

/* Makes a plain call: path starts with /, post (taken over, from sqlite3_malloc()) is
** NULL for a GET. Blocks until there is an answer, which the caller frees. A GET is tried
** again like any other and ends with sqlite3_interrupt(); a POST is sent at most once and
** waited for, since what it did must be known. Without an answer (NULL) *maybe_sent says
** whether the API may have seen the call, and the error is set. */
Answer *fetch_call(Session *, const char *path, char *post, bool *maybe_sent, Error *);

/* The error for a call that was answered with a refusal: "40202 ... (unreachable): hint",
** behind `prefix`. Returns its code. */
int fetch_call_error(const Answer *, const char *prefix, Error *);

/* ---- keep.c: what goes into the store ---- */

/* Stores the final answers among n replies, in as few commits as possible; sets the
** jobs' `stored` and `side`, or their state where nothing could take an answer. */
typedef struct Arrival {
  Job *job;
  HttpReply reply;
  Answer *answer; /* What the reply's body says, once that is known */
  bool keep;      /* Final: to be stored */
} Arrival;
int keep_arrivals(Session *, Arrival *, int n, Error *);

/* True if what is stored under the id must not give way to this answer: rows are only
** ever replaced by rows, unless they are the sandbox's dummies. */
bool keep_must_stay(Session *, const char *id, const Answer *, Error *);

/* Derives one stored body. *side becomes where its rows are now. */
int keep_derive(Session *, Side *side, const char *id, Error *);

/* Tells a Collect that one of its jobs is done. */
void collect_notice(Collect *, Wait *);

#endif
