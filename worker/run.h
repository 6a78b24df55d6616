/* run: what a slot holds is run: its inputs are brought, its script is started, what it left is taken in, and the
 * outcome goes to the outbox. Then the slot is free, and its slots are told (freed). run_pin_image where the image
 * matters -> run_begin ... run_stop to end it early
 */
#ifndef RUN_H
#define RUN_H
#include "worker/slot.h"

/* Settles by which digest the image is run. False: it is not the one that its secrets are for, or cannot be had. */
bool run_pin_image(struct slot *s);
void run_begin(struct slot *s);
void run_refuse(struct slot *s, const char *why); /* it is not begun: this node cannot give now what it asks for */
void run_stop(struct slot *s); /* its claim goes, or it is no longer wanted; also of one that has not begun */
void slot_free(struct slot *s);
#endif
