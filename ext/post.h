/*
** The virtual table naver_serp_post: INSERT posts tasks.
*/
#ifndef NAVER_SERP_POST_H
#define NAVER_SERP_POST_H

#include "collect.h"

/* Registers it with the session's connection; the module holds a reference to the
** session. */
int post_register(Session *, Error *);

#endif
