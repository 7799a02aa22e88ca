/* What a system keeps and can do without: downloaded packages, kernels of the past, old logs. */
#ifndef VMV_JOB_CACHES_H
#define VMV_JOB_CACHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_job_settings;

#define VMV_KERNEL_PACKAGES_MAX 256 /* further ones are left for the next time */

/* Lists of what is freed, below settings->root. NULL-terminated. */
extern const char *const vmv_cache_dirs[];
extern const char *const vmv_kernel_dirs[];

/* Whether a file in vmv_cache_dirs is a package. */
bool vmv_cache_is_package(const char *name);

/* Whether a file in /var/log is one that logrotate or a syslog daemon has put aside: messages.1,
 * messages-20240131, syslog.2.gz. */
bool vmv_log_is_rotated(const char *name);

/* Has the manager throw away packages that it has downloaded; no manager, no work. Returns 0 or
 * negative errno with err set. */
int vmv_cache_clean(const struct vmv_job_settings *s, uint64_t deadline_ms, struct vmv_err *err);

/* Packages of kernels as a manager lists them. */
struct vmv_kernel_packages {
	char *names[VMV_KERNEL_PACKAGES_MAX]; /* owned */
	size_t n;
};

/* Pure. Out of what "apt-get -s autoremove" prints, the names of kernels' packages; and out of a
 * list of one package per line (dnf repoquery). running, newest: releases as in uname -r, whose
 * packages are left out, headers without a flavour included. */
void vmv_kernels_parse_apt(const char *text, const char *running, const char *newest,
			   struct vmv_kernel_packages *ret);
void vmv_kernels_parse_list(const char *text, const char *running, const char *newest,
			    struct vmv_kernel_packages *ret);
void vmv_kernels_free(struct vmv_kernel_packages *k);

/* Removes what the manager itself lists as kernels that can go, but never the running one nor the
 * newest that is installed. Returns 0 or negative errno with err set. */
int vmv_kernels_clean(const struct vmv_job_settings *s, bool is_dry, uint64_t deadline_ms,
		      size_t *ret_packages, struct vmv_err *err);

#endif
