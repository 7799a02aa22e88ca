/* Package managers: which one this system has. */
#ifndef VMV_PACKAGES_MANAGER_H
#define VMV_PACKAGES_MANAGER_H

enum vmv_manager {
	VMV_APT,
	VMV_DNF, /* yum, too */
	VMV_ZYPPER,
	VMV_APK,
	VMV_PACMAN,
	VMV_NO_MANAGER,
};

/* "Apt", as hosts know it. */
const char *vmv_manager_name(enum vmv_manager m);

#endif
