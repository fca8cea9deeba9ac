/*
** The virtual table naver_serp_ready: which finished tasks wait to be collected.
*/
#ifndef NAVER_SERP_READY_H
#define NAVER_SERP_READY_H

#include "collect.h"

/* Registers it with the session's connection; the module holds a reference to the
** session. */
int ready_register(Session *, Error *);

#endif
