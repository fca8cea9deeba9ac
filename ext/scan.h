/*
** The pass over a body that comes before cJSON: says whether it is JSON by RFC 8259 and
** where it is not, and keeps cJSON from losing what it would lose.
**
** What is decided, and why:
**   refused, with the offset of the byte and a reason:
**     - anything RFC 8259 does not allow, so also what cJSON lets pass: raw control
**       characters in strings, 01, 1., +1, .5, other bytes than white space after the
**       value, control characters as white space. What is stored then satisfies
**       SQLite's json_valid().
**     - nesting deeper than 1000, which is where cJSON stops too (1000 itself is good)
**   accepted, although unusual:
**     - a UTF-8 byte order mark at the very start (skipped: editors add it to files)
**   rewritten in the copy that cJSON reads (the stored body stays as it came):
**     - \u0000, which would cut the text short for C and for SQLite: to U+FFFD
**     - half a surrogate pair (\ud800), for which cJSON refuses the whole body: to U+FFFD
**     - bytes that are not UTF-8, on which hosts such as Python refuse the row: to U+FFFD
**     - numbers that a double or cJSON's printing would change (more than 15 significant
**       digits, an exponent, a fraction of zeros such as 4.0, a value that prints
**       differently): written as a string that starts with SCAN_NUMBER, so that the
**       literal survives; no other string can start with that byte, since it is never
**       valid UTF-8
**   left out of that copy: the items of the SERP (the objects that are elements of
**     tasks[].result[].items[]), nine tenths of an answer. In place of each is a string
**     that starts with SCAN_ITEM, or SCAN_ITEM_REWRITTEN if it needs a copy of its own,
**     and goes on with the offset in the body. So an answer in memory is little more than
**     its body, and each item is parsed, used and freed before the next.
*/
#ifndef NAVER_SERP_SCAN_H
#define NAVER_SERP_SCAN_H

#include "buffer.h"
#include "error.h"

/* First byte of a string that stands for a number literal. */
#define SCAN_NUMBER         '\xff'
#define SCAN_ITEM           '\xfe' /* ... and of one that stands for an item, */
#define SCAN_ITEM_REWRITTEN '\xfd' /* ... which scan_value_at() has to rewrite first */
#define SCAN_MAX_DEPTH      1000

typedef struct Scan {
  const char *z;      /* The text for cJSON: the body itself, or Scan.copy */
  size_t n;           /* Bytes in z */
  bool has_numbers;   /* Some strings stand for number literals (SCAN_NUMBER) */
  const char *reason; /* Why it is not JSON, a static text, or NULL if it is */
  size_t offset;      /* Byte of the body where that was seen, counted from 0 */
  Buffer *copy;       /* The rewritten text, empty if nothing needed it */
} Scan;

/* Checks a body of n bytes, and makes the text without its items. Returns SQLITE_OK (look
** at Scan.reason) or SQLITE_NOMEM with the error set. `copy` is the caller's, to be used
** again from body to body; it and the body must outlive the Scan. */
int scan_outline(Scan *, Buffer *copy, const char *body, size_t n, Error *);

/* The same for one value at z, of which it is known that it is good JSON; what follows it
** is not looked at. */
int scan_value_at(Scan *, Buffer *copy, const char *z, size_t n, Error *);

/* True if the text, up to its NUL, is valid UTF-8. */
bool scan_is_utf8(const char *z);

#endif
