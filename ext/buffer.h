/*
** A growing byte buffer whose maximum is set at birth, so that no input from outside
** decides how much memory is taken.
*/
#ifndef NAVER_SERP_BUFFER_H
#define NAVER_SERP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Buffer {
  char *z;     /* The bytes, or NULL while nothing was added; no terminator counted */
  size_t n;    /* Bytes in use */
  size_t room; /* Bytes allocated */
  size_t max;  /* Bytes at most; one more is refused */
} Buffer;

typedef enum { BUFFER_OK, BUFFER_NOMEM, BUFFER_FULL } BufferResult;

/* An empty buffer; allocates nothing. */
void buffer_init(Buffer *, size_t max);

/* Appends n bytes. On failure the buffer is as it was. The byte after the last one is
** always 0, so z can be read as a C string. */
BufferResult buffer_add(Buffer *, const void *, size_t n);

/* Makes room for n bytes more without adding them, for callers that write in place and
** then raise Buffer.n themselves. */
BufferResult buffer_reserve(Buffer *, size_t n);

/* Frees the bytes; the buffer is empty and may be used again. */
void buffer_free(Buffer *);

#endif
