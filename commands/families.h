/* The handlers of each family, for the table; for commands/ only. */
#ifndef VMV_COMMANDS_FAMILIES_H
#define VMV_COMMANDS_FAMILIES_H

struct vmv_request;

/* link.c: the agent and its host link */
void vmv_run_ping(struct vmv_request *req);
void vmv_run_get_metrics(struct vmv_request *req);
void vmv_run_get_state(struct vmv_request *req);

/* describe.c */
void vmv_run_describe(struct vmv_request *req);

/* health.c */
void vmv_run_get_health(struct vmv_request *req);

/* samples.c */
void vmv_run_get_samples(struct vmv_request *req);

/* system.c: the system */
void vmv_run_system_info(struct vmv_request *req);
void vmv_run_os_info(struct vmv_request *req);
void vmv_run_process_list(struct vmv_request *req);
void vmv_run_process_top(struct vmv_request *req);

/* services.c: units, by the helper */
void vmv_run_service_list(struct vmv_request *req);
void vmv_run_service_status(struct vmv_request *req);

/* packages.c: what is installed, and what could be, by the helper */
void vmv_run_package_list(struct vmv_request *req);
void vmv_run_package_search(struct vmv_request *req);
void vmv_run_applications(struct vmv_request *req);
void vmv_run_application_details(struct vmv_request *req);

/* updates.c, by the helper */
void vmv_run_updates(struct vmv_request *req);
void vmv_run_security_updates(struct vmv_request *req);
void vmv_run_applications_updates(struct vmv_request *req);
void vmv_run_applications_security_updates(struct vmv_request *req);
void vmv_run_application_update(struct vmv_request *req);

/* users.c, disks.c, advice.c, freeze.c */
void vmv_run_user_list(struct vmv_request *req);
void vmv_run_disk_space(struct vmv_request *req);
void vmv_run_optimization(struct vmv_request *req);
void vmv_run_freeze_status(struct vmv_request *req);

/* health.c */
void vmv_run_health_check(struct vmv_request *req);
void vmv_run_all_health_checks(struct vmv_request *req);

/* jobs.c: what the executor does */
void vmv_run_job_status(struct vmv_request *req);
void vmv_run_job_cancel(struct vmv_request *req);

#endif
