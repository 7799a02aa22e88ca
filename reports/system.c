#include "reports/system.h"

#include "base/cleanup.h"
#include "collectors/memory.h"
#include "collectors/os.h"
#include "proto/json_write.h"

#include <unistd.h>

static const struct {
	const char *program;
	const char *name;
} managers[] = {
	{ "/usr/bin/apt-get", "Apt" },	 { "/usr/bin/dnf", "Dnf" },
	{ "/usr/bin/yum", "Yum" },	 { "/usr/bin/zypper", "Zypper" },
	{ "/usr/bin/pacman", "Pacman" }, { "/sbin/apk", "Apk" },
	{ "/usr/bin/snap", "Snap" },	 { "/usr/bin/flatpak", "Flatpak" },
};

void vmv_system_members(struct vmv_jw *w, const struct vmv_os_sample *os,
			const struct vmv_memory_sample *memory)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	vmv_jw_str(w, "os_type", "Linux");
	vmv_jw_str(w, "os", "linux");
	vmv_jw_str_or_null(w, "name", os->name);
	vmv_jw_str_or_null(w, "version", os->pretty_name);
	vmv_jw_str_or_null(w, "architecture", os->arch);
	vmv_jw_str_or_null(w, "arch", os->arch);
	vmv_jw_str_or_null(w, "hostname", os->hostname);
	vmv_jw_str_or_null(w, "kernel_version", os->kernel);
	vmv_jw_str_or_null(w, "kernel", os->kernel);
	vmv_jw_str_or_null(w, "linux_distro", os->name);
	vmv_jw_null(w, "windows_edition");
	vmv_jw_u64(w, "cpu_count", cpus > 0 ? (uint64_t)cpus : VMV_UNSET);
	vmv_jw_u64(w, "total_memory", memory ? memory->total : VMV_UNSET);
}

void vmv_os_members(struct vmv_jw *w, const struct vmv_os_sample *os)
{
	vmv_jw_str(w, "platform", "linux");
	vmv_jw_str_or_null(w, "build", os->kernel);
	vmv_jw_array(w, "available_package_managers");
	for (size_t i = 0; i < VMV_COUNTOF(managers); i++)
		if (access(managers[i].program, X_OK) == 0)
			vmv_jw_str(w, NULL, managers[i].name);
	vmv_jw_end(w);
	vmv_jw_str(w, "default_shell", access("/bin/bash", X_OK) == 0 ? "Bash" : "Sh");
}
