/*
** One pass over a body: RFC 8259 or not, and a rewritten copy where cJSON would lose
** something. What is decided and why is in scan.h; here is how.
**
** The scanner is iterative: which kind of container each open level is fits in one bit,
** so a hostile body costs no stack. It is complete: what passes here is something that
** cJSON accepts, so when cJSON then gives nothing, memory ran out.
**
** Its time is added to every answer that is taken in, so the long parts of an answer
** are read eight bytes at a time: text in strings, and the white space of an indented
** body. Nothing is copied before the first rewrite; from then on the stretches between
** two rewrites are copied whole.
**
** A bad stretch of UTF-8 becomes one U+FFFD for each "maximal subpart", which is what
** Python's decode(errors="replace") and browsers do.
*/
#include <locale.h>
#include <stdint.h>
#include <string.h>
#include "scan.h"
#include "sqlite.h"

typedef unsigned char Byte;

#define WORD_BITS      64
#define DEPTH_WORDS    ((SCAN_MAX_DEPTH + WORD_BITS - 1) / WORD_BITS)
#define EACH_BYTE(b)   (UINT64_C(0x0101010101010101) * (b))
#define EXACT_DIGITS   15 /* Decimal digits that a double always gives back */
#define PLAIN_ZEROS    4  /* From here on, 0.0000x, printing uses an exponent */
#define WORST_GROWTH   5  /* "{}," -> a place of 13 bytes; a bad byte -> U+FFFD */
#define COPY_SLACK     256 /* Bytes spare in a new copy: a few rewrites need no growing */
#define PLACE_ROOM     32 /* Bytes for a place, whatever the offset */
#define ESCAPED_U      6  /* Bytes of \uXXXX */
#define ITEM_DEPTH     6  /* Containers open around an item */
#define LEAD_SURROGATE 0xd800
#define TAIL_SURROGATE 0xdc00
#define SURROGATE_MASK 0xfc00

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
static const char end_reason[] = "unexpected end";
static const char byte_reason[] = "unexpected character";

typedef struct Scanner {
  const Byte *start;             /* First byte of the body */
  const Byte *end;               /* After its last one */
  const Byte *kept;              /* What is before this is in the copy already */
  Scan *out;                     /* Where the findings go */
  bool point_is_dot;             /* The locale writes 0.5 as JSON does */
  bool nomem;                    /* A copy could not be made */
  int depth;                     /* Open containers */
  bool outline;                  /* Items are replaced by places */
  int on_path;                   /* The outermost levels that lead to items */
  bool leads_on;                 /* The value that comes next does, too */
  bool items_met;                /* The open result has had its items */
  bool in_item;                  /* Nothing is copied for now, */
  bool item_rewritten;           /* ... although it would have been */
  uint64_t objects[DEPTH_WORDS]; /* Bit set: that level is an object, not an array */
} Scanner;

/* Every scan_...() below takes the byte to look at and returns the one after what it
** took, or NULL when the body is refused or memory ran out. */

static const Byte *fail(Scanner *s, const Byte *at, const char *reason) {
  s->out->reason = reason;
  s->out->offset = (size_t)(at - s->start);
  return NULL;
}

static const Byte *fail_byte(Scanner *s, const Byte *at) {
  return fail(s, at, at < s->end ? byte_reason : end_reason);
}

/* Copies what is not copied yet, up to `upto`. */
static bool keep(Scanner *s, const Byte *upto) {
  Buffer *copy = s->out->copy;
  size_t n = (size_t)(upto - s->kept);
  if (copy->n == 0 && !s->outline) {
    size_t whole = (size_t)(s->end - s->kept) + COPY_SLACK;
    if (buffer_reserve(copy, whole < copy->max ? whole : copy->max) != BUFFER_OK)
      return false;
  }
  s->kept = upto;
  return buffer_add(copy, upto - n, n) == BUFFER_OK;
}

/* Puts U+FFFD where the body has the bytes from..to. */
static const Byte *replace(Scanner *s, const Byte *from, const Byte *to) {
  if (s->in_item) {
    s->item_rewritten = true;
    return to;
  }
  if (!keep(s, from) || buffer_add(s->out->copy, replacement, 3) != BUFFER_OK) {
    s->nomem = true;
    return NULL;
  }
  s->kept = to;
  return to;
}

/* Makes the number from..to a string that keeps its literal; see SCAN_NUMBER. */
static const Byte *quote_number(Scanner *s, const Byte *from, const Byte *to) {
  static const char opening[] = {'"', SCAN_NUMBER};
  if (s->in_item) {
    s->item_rewritten = true;
    return to;
  }
  if (!keep(s, from) || buffer_add(s->out->copy, opening, 2) != BUFFER_OK ||
      !keep(s, to) || buffer_add(s->out->copy, "\"", 1) != BUFFER_OK) {
    s->nomem = true;
    return NULL;
  }
  s->out->has_numbers = true;
  return to;
}

/* Eight bytes, the first one lowest, whatever the machine's order is. */
static inline uint64_t load8(const Byte *p) {
  uint64_t w;
  memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  w = __builtin_bswap64(w);
#endif
  return w;
}

/* The high bit of each byte that is a control character, a quote, a backslash or not
** ASCII. A borrow can mark a wrong byte, but only after a right one: the lowest mark
** is exact, and no other is looked at. */
static inline uint64_t special_bytes(uint64_t w) {
  uint64_t control = w - EACH_BYTE(0x20);
  uint64_t quote = (w ^ EACH_BYTE('"')) - EACH_BYTE(1);
  uint64_t backslash = (w ^ EACH_BYTE('\\')) - EACH_BYTE(1);
  return (control | quote | backslash | w) & EACH_BYTE(0x80);
}

/* To the next byte in a string that needs a closer look, or the end. */
static inline const Byte *skip_plain(const Byte *p, const Byte *end) {
  while (end - p >= 8) {
    uint64_t special = special_bytes(load8(p));
    if (special)
      return p + (__builtin_ctzll(special) >> 3);
    p += 8;
  }
  while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
    p++;
  return p;
}

static inline const Byte *skip_space(const Byte *p, const Byte *end) {
  while (p < end && *p <= ' ' &&
         (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
    p++;
    while (end - p >= 8 && load8(p) == EACH_BYTE(' '))
      p += 8;
  }
  return p;
}

static inline bool is_digit(const Byte *p, const Byte *end) {
  return p < end && *p >= '0' && *p <= '9';
}

/* How many bytes at p are the beginning of a UTF-8 sequence; *whole says if they are
** all of it. At least 1, so that a bad byte is stepped over. The ranges of the second
** byte (Unicode, table 3-7) keep out overlong forms, surrogates and what is beyond
** U+10FFFF. */
static size_t utf8_part(const Byte *p, const Byte *end, bool *whole) {
  size_t room = (size_t)(end - p), need, n;
  Byte low = 0x80, high = 0xbf;
  *whole = false;
  if (*p < 0xc2 || *p > 0xf4)
    return 1;
  need = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
  if (*p == 0xe0)
    low = 0xa0;
  else if (*p == 0xed)
    high = 0x9f;
  else if (*p == 0xf0)
    low = 0x90;
  else if (*p == 0xf4)
    high = 0x8f;
  for (n = 1; n < need; n++) {
    if (n >= room || p[n] < low || p[n] > high)
      return n;
    low = 0x80;
    high = 0xbf;
  }
  *whole = true;
  return n;
}

/* Takes the bytes up to the next ASCII one. Korean is three bytes a letter, so those
** are tested at once: the shape, then the two leads whose second byte is limited (E0
** overlong, ED surrogates). */
static const Byte *scan_multibyte(Scanner *s, const Byte *p) {
  const Byte *end = s->end;
  while (p < end && *p >= 0x80) {
    bool whole;
    size_t n;
    if (end - p >= 3) {
      uint32_t w = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
      uint32_t limited = w & 0x200f;
      if ((w & 0xc0c0f0) == 0x8080e0 && limited != 0x0000 && limited != 0x200d) {
        p += 3;
        continue;
      }
    }
    n = utf8_part(p, end, &whole);
    if (!whole && replace(s, p, p + n) == NULL)
      return NULL;
    p += n;
  }
  return p;
}

/* The value of the four hexadecimal digits at p, or -1 with *bad on the first byte that
** is none (or on the end). */
static int hex4(const Byte *p, const Byte *end, const Byte **bad) {
  int i, value = 0;
  for (i = 0; i < 4; i++, p++) {
    int digit;
    *bad = p;
    if (is_digit(p, end))
      digit = *p - '0';
    else if (p < end && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
      digit = (*p | 0x20) - 'a' + 10;
    else
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Takes \uXXXX, or two of them that are a surrogate pair. p is on the backslash. */
static const Byte *scan_unicode_escape(Scanner *s, const Byte *p) {
  const Byte *bad, *next = p + ESCAPED_U;
  int code = hex4(p + 2, s->end, &bad);
  if (code < 0)
    return fail(s, bad, bad < s->end ? "invalid \\u escape" : end_reason);
  if ((code & SURROGATE_MASK) == LEAD_SURROGATE && s->end - next >= ESCAPED_U &&
      next[0] == '\\' && next[1] == 'u') {
    int tail = hex4(next + 2, s->end, &bad);
    if (tail >= 0 && (tail & SURROGATE_MASK) == TAIL_SURROGATE)
      return next + ESCAPED_U;
  }
  if (code == 0 || (code & SURROGATE_MASK) == LEAD_SURROGATE ||
      (code & SURROGATE_MASK) == TAIL_SURROGATE)
    return replace(s, p, next);
  return next;
}

static const Byte *scan_escape(Scanner *s, const Byte *p) {
  if (s->end - p < 2)
    return fail(s, s->end, end_reason);
  switch (p[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return p + 2;
  case 'u':
    return scan_unicode_escape(s, p);
  default:
    return fail(s, p + 1, "invalid escape in a string");
  }
}

/* p is after the opening quote. */
static const Byte *scan_string(Scanner *s, const Byte *p) {
  while (p) {
    p = skip_plain(p, s->end);
    if (p == s->end)
      return fail(s, p, end_reason);
    if (*p == '"')
      return p + 1;
    if (*p >= 0x80)
      p = scan_multibyte(s, p);
    else if (*p == '\\')
      p = scan_escape(s, p);
    else
      return fail(s, p, "control character in a string");
  }
  return NULL;
}

/* True if a double made of the literal and printed with as many digits as it needs is
** the same literal again. Only its shape is looked at, so some good ones are doubted,
** which costs a copy and nothing else. */
static bool survives_double(const Scanner *s, const Byte *whole, size_t n_whole,
                            const Byte *fraction, size_t n_fraction) {
  if (n_whole + n_fraction > EXACT_DIGITS)
    return false;
  if (n_fraction == 0) /* -0 would lose its sign */
    return *whole != '0' || whole == s->start || whole[-1] != '-';
  if (fraction[n_fraction - 1] == '0')
    return false;
  if (n_fraction >= PLAIN_ZEROS && *whole == '0' &&
      memcmp(fraction, "0000", PLAIN_ZEROS) == 0)
    return false;
  /* Under a locale that writes 0,5 cJSON cannot be trusted with the point: whether it
  ** asks the locale is a choice of whoever built it. */
  return s->point_is_dot;
}

/* Takes one digit or more; `what` says what the number lacks if there is none. */
static const Byte *scan_digits(Scanner *s, const Byte *p, const char *what) {
  if (!is_digit(p, s->end))
    return fail(s, p, p < s->end ? what : end_reason);
  while (is_digit(p, s->end))
    p++;
  return p;
}

static const Byte *scan_exponent(Scanner *s, const Byte *p) {
  if (p < s->end && (*p == '+' || *p == '-'))
    p++;
  return scan_digits(s, p, "number without a digit in its exponent");
}

static const Byte *scan_number(Scanner *s, const Byte *from) {
  const Byte *whole = *from == '-' ? from + 1 : from;
  const Byte *p = scan_digits(s, whole, "minus sign without a number");
  const Byte *fraction = p;
  size_t n_whole, n_fraction = 0;
  if (p == NULL)
    return NULL;
  n_whole = (size_t)(p - whole);
  if (n_whole > 1 && *whole == '0')
    return fail(s, whole + 1, "number with a leading zero");
  if (p < s->end && *p == '.') {
    fraction = p + 1;
    p = scan_digits(s, fraction, "number without a digit after its point");
    if (p == NULL)
      return NULL;
    n_fraction = (size_t)(p - fraction);
  }
  if (p < s->end && (*p | 0x20) == 'e') {
    p = scan_exponent(s, p + 1);
    return p ? quote_number(s, from, p) : NULL;
  }
  if (!survives_double(s, whole, n_whole, fraction, n_fraction))
    return quote_number(s, from, p);
  return p;
}

static const Byte *scan_word(Scanner *s, const Byte *p, const char *word) {
  while (*word) {
    if (p == s->end || *p != (Byte)*word)
      return fail_byte(s, p);
    p++;
    word++;
  }
  return p;
}

static const Byte *scan_scalar(Scanner *s, const Byte *p) {
  switch (*p) {
  case '"':
    return scan_string(s, p + 1);
  case 'n':
    return scan_word(s, p, "null");
  case 't':
    return scan_word(s, p, "true");
  case 'f':
    return scan_word(s, p, "false");
  default:
    if (*p == '-' || is_digit(p, s->end))
      return scan_number(s, p);
    return fail_byte(s, p);
  }
}

static bool in_object(const Scanner *s) {
  unsigned level = (unsigned)s->depth - 1;
  return s->objects[level / WORD_BITS] >> (level % WORD_BITS) & 1;
}

static bool open_container(Scanner *s, bool object) {
  unsigned level = (unsigned)s->depth;
  uint64_t bit = UINT64_C(1) << (level % WORD_BITS);
  if (s->depth == SCAN_MAX_DEPTH)
    return false;
  if (object)
    s->objects[level / WORD_BITS] |= bit;
  else
    s->objects[level / WORD_BITS] &= ~bit;
  s->depth++;
  return true;
}

/* Looks at the name of a member: s->leads_on says if its value is on the way to the items
** of a SERP, tasks[].result[].items[]. Only a result's first "items" has them; where an
** escape could spell that name, whatever comes later is a member like others. */
static void follow_name(Scanner *s, const Byte *name, size_t n) {
  static const char *const path[] = {"tasks", "result", "items"};
  const char *wanted;
  s->leads_on = false;
  if (s->on_path != s->depth || s->depth >= ITEM_DEPTH)
    return;
  wanted = path[s->depth / 2];
  s->leads_on = n == strlen(wanted) && memcmp(name, wanted, n) == 0;
  if (s->depth == ITEM_DEPTH - 1) {
    s->leads_on = s->leads_on && !s->items_met;
    s->items_met = s->items_met || s->leads_on || memchr(name, '\\', n);
  }
}

/* Looks at a container that was opened: arrays of that way are at even depths, objects at
** odd ones. */
static void follow_container(Scanner *s, bool object) {
  if (s->on_path != s->depth - 1 || s->depth > ITEM_DEPTH ||
      (s->depth % 2 ? !object : object || !s->leads_on))
    return;
  s->on_path = s->depth;
  if (s->depth == ITEM_DEPTH - 1)
    s->items_met = false;
}

/* Takes a member's name and the colon, to where its value may start. */
static const Byte *scan_name(Scanner *s, const Byte *p) {
  const Byte *name, *end;
  p = skip_space(p, s->end);
  if (p == s->end || *p != '"')
    return fail_byte(s, p);
  name = p + 1;
  end = p = scan_string(s, name);
  if (p == NULL)
    return NULL;
  p = skip_space(p, s->end);
  if (p == s->end || *p != ':')
    return fail_byte(s, p);
  if (s->outline)
    follow_name(s, name, (size_t)(end - 1 - name));
  return p + 1;
}

/* After a value: closes what ends here down to depth `base`, to where the next value may
** start. When the value at that depth is complete the depth is `base`. */
static const Byte *scan_after_value(Scanner *s, const Byte *p, int base) {
  while (s->depth > base) {
    bool object = in_object(s);
    p = skip_space(p, s->end);
    if (p < s->end && *p == ',')
      return object ? scan_name(s, p + 1) : p + 1;
    if (p == s->end || *p != (object ? '}' : ']'))
      return fail_byte(s, p);
    s->depth--;
    if (s->on_path > s->depth)
      s->on_path = s->depth;
    p++;
  }
  return p;
}

static const Byte *scan_item(Scanner *s, const Byte *p);

/* Takes the opening of a container, to its first value or, where it is empty, to where the
** next value may start. */
static const Byte *scan_container(Scanner *s, const Byte *p, int base) {
  bool object = *p == '{';
  if (!open_container(s, object))
    return fail(s, p, "nested deeper than 1000");
  if (s->outline)
    follow_container(s, object);
  p = skip_space(p + 1, s->end);
  if (p < s->end && *p == (object ? '}' : ']'))
    return scan_after_value(s, p, base);
  return object ? scan_name(s, p) : p;
}

/* Takes one value, from its first byte, whose containers are deeper than `base`. */
static const Byte *scan_value(Scanner *s, const Byte *p, int base) {
  do {
    bool at_items = s->outline && s->on_path == ITEM_DEPTH && s->depth == ITEM_DEPTH;
    p = skip_space(p, s->end);
    if (p == s->end)
      return fail_byte(s, p);
    if ((*p == '{' || *p == '[') && !(at_items && *p == '{')) {
      p = scan_container(s, p, base);
    } else {
      p = *p == '{' ? scan_item(s, p) : scan_scalar(s, p);
      if (p)
        p = scan_after_value(s, p, base);
    }
  } while (p && s->depth > base);
  return p;
}

/* Takes an item, and puts its place where the body has it. */
static const Byte *scan_item(Scanner *s, const Byte *from) {
  char place[PLACE_ROOM];
  const Byte *p;
  s->outline = false;
  s->in_item = true;
  s->item_rewritten = false;
  p = scan_value(s, from, s->depth);
  s->outline = true;
  s->in_item = false;
  if (p == NULL)
    return NULL;
  sqlite3_snprintf((int)sizeof(place), place, "\" %lld\"",
                   (sqlite3_int64)(from - s->start));
  place[1] = s->item_rewritten ? SCAN_ITEM_REWRITTEN : SCAN_ITEM;
  if (!keep(s, from) || buffer_add(s->out->copy, place, strlen(place)) != BUFFER_OK) {
    s->nomem = true;
    return NULL;
  }
  s->kept = p;
  return p;
}

static const Byte *scan_text(Scanner *s, const Byte *p) {
  p = skip_space(p, s->end);
  if (p == s->end)
    return fail(s, p, "empty body");
  p = scan_value(s, p, 0);
  if (p == NULL)
    return NULL;
  p = skip_space(p, s->end);
  if (p < s->end)
    return fail(s, p, "text after the value");
  return p;
}

bool scan_is_utf8(const char *z) {
  const Byte *p = (const Byte *)z;
  const Byte *end = p + strlen(z);
  bool whole = true;
  while (p < end && whole)
    p += *p < 0x80 ? 1 : utf8_part(p, end, &whole);
  return whole;
}

static void start_scan(Scanner *s, Scan *scan, Buffer *copy, const char *body,
                       size_t n) {
  memset(scan, 0, sizeof(*scan));
  memset(s, 0, sizeof(*s));
  scan->copy = copy;
  copy->n = 0;
  copy->max = n < SIZE_MAX / 8 ? n * WORST_GROWTH : SIZE_MAX / 2;
  s->start = (const Byte *)(n ? body : "");
  s->end = s->start + n;
  s->kept = s->start;
  s->out = scan;
  s->point_is_dot = strcmp(localeconv()->decimal_point, ".") == 0;
}

/* Ends a scan that got to `last`, or to nowhere. */
static int end_scan(Scanner *s, const Byte *from, const Byte *last, Error *error) {
  Scan *scan = s->out;
  if (last && scan->copy->n && !keep(s, last))
    s->nomem = true;
  if (s->nomem)
    return error_nomem(error);
  scan->z = scan->copy->n ? scan->copy->z : (const char *)from;
  scan->n = scan->copy->n ? scan->copy->n : last ? (size_t)(last - from) : 0;
  return SQLITE_OK;
}

int scan_outline(Scan *scan, Buffer *copy, const char *body, size_t n, Error *error) {
  Scanner s;
  start_scan(&s, scan, copy, body, n);
  s.outline = true;
  if (n >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0)
    s.kept += 3;
  return end_scan(&s, s.kept, scan_text(&s, s.kept), error);
}

int scan_value_at(Scan *scan, Buffer *copy, const char *z, size_t n, Error *error) {
  Scanner s;
  start_scan(&s, scan, copy, z, n);
  return end_scan(&s, s.start, scan_value(&s, s.start, 0), error);
}
