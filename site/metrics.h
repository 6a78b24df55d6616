/* metrics: the grid's figures for machines, from a snapshot whose documents are loaded. Names are stable;
 * docs/METRICS.md has them. */
#ifndef METRICS_H
#define METRICS_H
#include "store/snapshot.h"

void metrics_text(const struct snapshot *s, struct buf *out); /* Prometheus' text format */
/* The same as one document: {"schema", "commit", "at", "metrics": [{"name", "type", "help", "samples": [{"labels",
 * "value"}]}]} */
void metrics_json(const struct snapshot *s, struct buf *out);
#endif
