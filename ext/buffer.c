/*
** A byte buffer with a maximum; see buffer.h.
*/
#include <string.h>
#include "buffer.h"
#include "sqlite.h"

#define FIRST_ROOM 4096 /* Bytes: most small answers fit without growing again */

void buffer_init(Buffer *b, size_t max) {
  memset(b, 0, sizeof(*b));
  b->max = max;
}

BufferResult buffer_reserve(Buffer *b, size_t n) {
  size_t room = b->room ? b->room : FIRST_ROOM;
  char *z;
  if (n > b->max - b->n)
    return BUFFER_FULL;
  if (b->n + n < b->room)
    return BUFFER_OK;
  while (room <= b->n + n)
    room *= 2;
  if (room > b->max)
    room = b->max + 1; /* The terminator needs one byte more than the content */
  z = sqlite3_realloc64(b->z, room);
  if (z == NULL)
    return BUFFER_NOMEM;
  b->z = z;
  b->room = room;
  return BUFFER_OK;
}

BufferResult buffer_add(Buffer *b, const void *data, size_t n) {
  BufferResult result = buffer_reserve(b, n);
  if (result != BUFFER_OK)
    return result;
  if (n)
    memcpy(b->z + b->n, data, n);
  b->n += n;
  b->z[b->n] = 0;
  return BUFFER_OK;
}

void buffer_free(Buffer *b) {
  sqlite3_free(b->z);
  buffer_init(b, b->max);
}
