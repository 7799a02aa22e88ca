/* Random numbers and random names. */
#ifndef VMV_BASE_UUID_H
#define VMV_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define VMV_UUID_SIZE 37 /* with NUL */
#define VMV_UUID_NIL  "00000000-0000-0000-0000-000000000000"

/* A fresh random uuid, version 4, lower case. Never waits. Returns 0, or negative errno
 * when the system has no random numbers. */
int vmv_uuid_random(char buf[VMV_UUID_SIZE]);

/* 32 hex digits (a machine id) written as a uuid, lower case. False when it is no such. */
bool vmv_uuid_from_hex(const char *hex, char buf[VMV_UUID_SIZE]);

/* Uniform enough for jitter: 0 to bound - 1; 0 when bound is 0. Not for secrets. */
uint32_t vmv_random_below(uint32_t bound);

#endif
