/*
** The virtual tables naver_serp and naver_serp_task: plan, cursor, columns. One
** implementation, driven by a description of each table.
*/
#ifndef NAVER_SERP_TABLES_H
#define NAVER_SERP_TABLES_H

#include "collect.h"

/* Registers both with the session's connection; each holds a reference to the session.
 */
int tables_register(Session *, Error *);

#endif
