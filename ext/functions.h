/*
** The scalar functions naver_serp_import, naver_serp_config and naver_serp_version.
*/
#ifndef NAVER_SERP_FUNCTIONS_H
#define NAVER_SERP_FUNCTIONS_H

#include "collect.h"

/* Registers them with the session's connection; each holds a reference to the session.
 */
int functions_register(Session *, Error *);

#endif
