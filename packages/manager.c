#include "packages/manager.h"

#include <stddef.h>

const char *vmv_manager_name(enum vmv_manager m)
{
	static const char *const names[] = {
		[VMV_APT] = "Apt", [VMV_DNF] = "Dnf",	    [VMV_ZYPPER] = "Zypper",
		[VMV_APK] = "Apk", [VMV_PACMAN] = "Pacman", [VMV_NO_MANAGER] = NULL,
	};

	return names[m];
}
