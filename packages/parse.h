/* What package managers print and keep, taken apart. Pure: text in, slices of it out. Whatever is
 * malformed is skipped, line by line or stanza by stanza; the only error is -ENOMEM. */
#ifndef VMV_PACKAGES_PARSE_H
#define VMV_PACKAGES_PARSE_H

#include "packages/package.h"

/* What is installed. Lists are added to. */

/* /var/lib/dpkg/status, apt-cache show: stanzas of "Key: value". Of those with a Status only those
 * that say "installed" are is_installed. Size is that of the download if there is one. */
int vmv_parse_dpkg(const char *text, struct vmv_packages *ret);

/* rpm -qa with the format of packages/manager.c: a package a line, fields separated by tabs. */
int vmv_parse_rpm(const char *text, struct vmv_packages *ret);

/* /lib/apk/db/installed: stanzas of "K:value". */
int vmv_parse_apk(const char *text, struct vmv_packages *ret);

/* desc files of /var/lib/pacman/local one after another: "%KEY%", then values. */
int vmv_parse_pacman(const char *text, struct vmv_packages *ret);

/* What was found: name, description, and what else the manager says. zypper's text is changed. */
int vmv_parse_apt_search(const char *text, struct vmv_packages *ret);
int vmv_parse_dnf_search(const char *text, struct vmv_packages *ret);
int vmv_parse_zypper_search(char *text, struct vmv_packages *ret);
int vmv_parse_apk_search(const char *text, struct vmv_packages *ret);
int vmv_parse_pacman_search(const char *text, struct vmv_packages *ret);

/* dnf repoquery "name.arch version size" */
int vmv_parse_dnf_details(const char *text, struct vmv_packages *ret);

/* What could be installed instead of what is. */
struct vmv_update {
	struct vmv_slice name, arch;
	struct vmv_slice current, available; /* versions */
	struct vmv_slice repository;
	uint64_t size; /* bytes to fetch; VMV_UNSET */
	enum { VMV_SECURITY_UNKNOWN, VMV_SECURITY_NO, VMV_SECURITY_YES } security;
};

struct vmv_updates {
	struct vmv_update *items; /* owned */
	size_t n, cap;
	bool is_cut;
};

int vmv_updates_add(struct vmv_updates *list, const struct vmv_update *u);
void vmv_updates_free(struct vmv_updates *list);

/* Current versions are set only where the manager prints them; security is known of apt only. */
int vmv_parse_apt_updates(const char *text, struct vmv_updates *ret);
int vmv_parse_dnf_updates(const char *text, struct vmv_updates *ret);
int vmv_parse_zypper_updates(char *text, struct vmv_updates *ret); /* patches, too */
int vmv_parse_apk_updates(const char *text, struct vmv_updates *ret);
int vmv_parse_pacman_updates(const char *text, struct vmv_updates *ret);

/* dnf updateinfo list: those of list that it names are for security, the others are not. */
void vmv_parse_dnf_security(const char *text, struct vmv_updates *list);

/* "bash-5.2.15-r0" of apk. False: it is not of that shape. */
bool vmv_parse_apk_id(struct vmv_slice id, struct vmv_slice *ret_name,
		      struct vmv_slice *ret_version);

/* "bash.x86_64" */
bool vmv_parse_name_arch(struct vmv_slice id, struct vmv_slice *ret_name,
			 struct vmv_slice *ret_arch);

/* The next <tag ...> of a text in XML, and of its attributes those that are named: values in place,
 * entities replaced. Attributes that are missing are unknown. Returns behind the tag, or NULL: no
 * more. */
char *vmv_parse_tag(char *text, const char *tag, const char *const *names, struct vmv_slice *ret,
		    size_t n);

#endif
