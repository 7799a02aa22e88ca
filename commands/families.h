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

/* Places of arguments in vmv_request.args. */
enum { VMV_PING_NEW_SESSION };
enum { VMV_DESCRIBE_WHAT };
enum { VMV_GET_SAMPLES_GROUPS };
enum { VMV_PROCESS_LIST_LIMIT };
enum { VMV_PROCESS_TOP_LIMIT, VMV_PROCESS_TOP_SORT_BY };
enum { VMV_SORT_CPU, VMV_SORT_MEMORY, VMV_SORT_MEM };

#endif
