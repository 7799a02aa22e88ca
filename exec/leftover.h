/* What is left of a job whose runner is gone. */
#ifndef VMV_EXEC_LEFTOVER_H
#define VMV_EXEC_LEFTOVER_H

/* group: as in struct vmv_job_spec. Kills all that is in its control group; nothing when there is
 * none. May take a moment, but does not wait for their end. */
void vmv_leftover_kill(const char *group);

#endif
