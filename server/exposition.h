/* exposition.h - the page of GET /metrics: what was counted, and how things stand now.
 * Threading: any thread; takes one lock after another, never two.
 */
#pragma once

struct service;

/* malloc'ed; NULL when out of memory. */
char *exposition_text(struct service *s);
