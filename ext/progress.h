/*
** A line on standard error that tells how a long batch is getting on:
**
**   naver_serp: 1240 of 5000 (310 stored, 4 failed), 212/s, 18 s left
**
** Shown once a second and only for what takes longer than that; on a terminal only,
** unless the setting says otherwise. The line is wiped at the end.
*/
#ifndef NAVER_SERP_PROGRESS_H
#define NAVER_SERP_PROGRESS_H

#include <stdbool.h>
#include "config.h"

typedef struct Progress {
  const char *what; /* Before the numbers: "" or "parsed " */
  bool on;       /* Wanted: by the setting, or because standard error is a terminal */
  bool terminal; /* The line is overwritten, not repeated */
  bool shown;    /* There is a line to wipe */
  double begun;  /* http_now() seconds */
  double next;   /* Not shown again before this time */
  int total;     /* Of `done`; 0: not known */
  int done;      /* Finished, in whatever way */
  int n_stored;  /* ... and found in the store */
  int n_failed;  /* ... and without an answer */
} Progress;

void progress_begin(Progress *, const char *what, int total, const Config *,
                    double now);

/* Shows the line if it is time to. */
void progress_show(Progress *, double now);

/* Wipes the line. */
void progress_end(Progress *);

#endif
