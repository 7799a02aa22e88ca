/* A reading command of the QEMU guest agent's protocol, run on a fixture tree. */
#ifndef VMV_TESTS_QGA_ASK_H
#define VMV_TESTS_QGA_ASK_H

struct fixture;
struct vmv_request;

/* Runs it. Returns the JSON of "return" (NULL: {}), or "error: " and the description; the caller
 * frees it. Fails the test when there is not exactly one answer. */
char *qga_ask(struct fixture *fx, void (*run)(struct vmv_request *req));

/* The same without a reading: the agent stops. */
char *qga_ask_abandoned(void (*run)(struct vmv_request *req));

#endif
