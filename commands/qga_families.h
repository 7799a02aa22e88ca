/* The handlers of the QGA commands, for their table; for commands/ only. */
#ifndef VMV_COMMANDS_QGA_FAMILIES_H
#define VMV_COMMANDS_QGA_FAMILIES_H

struct vmv_request;

/* qga_info.c: the agent itself */
void vmv_qga_ping(struct vmv_request *req);
void vmv_qga_sync(struct vmv_request *req);
void vmv_qga_info(struct vmv_request *req);
void vmv_qga_freeze_status(struct vmv_request *req);

/* qga_system.c: the system */
void vmv_qga_time(struct vmv_request *req);
void vmv_qga_osinfo(struct vmv_request *req);
void vmv_qga_host_name(struct vmv_request *req);
void vmv_qga_timezone(struct vmv_request *req);
void vmv_qga_users(struct vmv_request *req);
void vmv_qga_load(struct vmv_request *req);
void vmv_qga_cpustats(struct vmv_request *req);
void vmv_qga_vcpus(struct vmv_request *req);
void vmv_qga_memory_blocks(struct vmv_request *req);
void vmv_qga_memory_block_info(struct vmv_request *req);

/* qga_network.c */
void vmv_qga_interfaces(struct vmv_request *req);
void vmv_qga_route(struct vmv_request *req);

/* qga_storage.c: filesystems, disks */
void vmv_qga_fsinfo(struct vmv_request *req);
void vmv_qga_disks(struct vmv_request *req);
void vmv_qga_diskstats(struct vmv_request *req);

/* qga_vitals.c: commands of our own */
void vmv_qga_vitals_memory(struct vmv_request *req);
void vmv_qga_vitals_pressure(struct vmv_request *req);
void vmv_qga_vitals_health(struct vmv_request *req);

#endif
