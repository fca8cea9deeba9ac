/*
** The progress line; see progress.h.
*/
#include <unistd.h>
#include "progress.h"

#define DELAY 1.0 /* Seconds before the first line, and between two */

void progress_begin(Progress *p, const char *what, int total, const Config *config,
                    double now) {
  memset(p, 0, sizeof(*p));
  p->terminal = isatty(STDERR_FILENO) != 0;
  p->on = config->progress == PROGRESS_ON ||
          (config->progress == PROGRESS_AUTO && p->terminal);
  p->what = what;
  p->begun = now;
  p->next = now + DELAY;
  p->total = total;
}

void progress_show(Progress *p, double now) {
  double rate;
  if (!p->on || now < p->next)
    return;
  p->next = now + DELAY;
  p->shown = true;
  rate = p->done / (now - p->begun);
  fprintf(stderr, "%snaver_serp: %s%d", p->terminal ? "\r" : "", p->what, p->done);
  if (p->total)
    fprintf(stderr, " of %d", p->total);
  if (p->n_stored || p->n_failed)
    fprintf(stderr, " (%d stored, %d failed)", p->n_stored, p->n_failed);
  fprintf(stderr, ", %.0f/s", rate);
  if (p->total && rate > 0)
    fprintf(stderr, ", %.0f s left", (p->total - p->done) / rate);
  fputs(p->terminal ? "\033[K" : "\n", stderr);
  fflush(stderr);
}

void progress_end(Progress *p) {
  if (p->shown && p->terminal) {
    fputs("\r\033[K", stderr);
    fflush(stderr);
  }
  p->shown = false;
}
