"""What the agent may send: every line of it is checked here, by every test.

check(line, action) raises AssertionError with the place and the fault. Members may stand in any
order; those that the protocol does not know are faults.
"""
import json
import math
import re

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PRINTABLE = re.compile(rb"[\x20-\x7e]+")
INT_MAX = 2**53 - 1

REFUSALS = {"BAD_SIGNATURE", "STALE", "REPLAYED", "UNKNOWN_KEY", "WRONG_SESSION", "NOT_ALLOWED",
            "NO_EXECUTOR", "LOCKED", "BUSY", "BAD_ARGUMENT", "UNKNOWN_ACTION", "UNSUPPORTED", "TOO_LARGE"}
FAILURES = {"NOT_FOUND", "TIMED_OUT", "INTERNAL"}  # begun, or nothing that a refusal would be for
RETRY_WORDS = re.compile("timeout|closed|not connected|No connection")  # hosts try again on these

LINE_MAX = 1 << 20
LINE_MAX_OF = {"response": 3 << 20, "script_completion": 3 << 20, "handshake": 2048, "metrics": 256 << 10}
NESTING_MAX = 12


def need(condition, where, what):
    if not condition:
        raise AssertionError(f"{where}: {what}")


# -- values: each checks v and names the place where it stands -----------------------------------

def is_int(v):
    return isinstance(v, int) and not isinstance(v, bool)


def integer(low=-INT_MAX, high=INT_MAX):
    def check_value(where, v):
        need(is_int(v) and low <= v <= high, where, f"{v!r} is no integer in {low}...{high}")
    return check_value


def number(low, high, decimals):
    def check_value(where, v):
        need(is_int(v) or isinstance(v, float), where, f"{v!r} is no number")
        need(math.isfinite(v) and low <= v <= high, where, f"{v!r} is outside {low}...{high}")
        need(round(v, decimals) == v, where, f"{v!r} has more than {decimals} decimals")
    return check_value


def text(low=0, high=LINE_MAX):
    def check_value(where, v):
        need(isinstance(v, str) and low <= len(v) <= high, where, f"{v!r:.99} is no string of {low}...{high}")
        need("\0" not in v, where, "holds a NUL")
    return check_value


def pattern(regex):
    def check_value(where, v):
        need(isinstance(v, str) and re.fullmatch(regex, v), where, f"{v!r:.99} is not {regex}")
    return check_value


def one_of(*values):
    def check_value(where, v):
        need(any(v == x and type(v) is type(x) for x in values), where, f"{v!r:.99} is none of {values}")
    return check_value


def boolean(where, v):
    need(isinstance(v, bool), where, f"{v!r:.99} is no bool")


def null_or(check_value):
    return lambda where, v: None if v is None else check_value(where, v)


def anything(where, v):
    pass


def array(check_value, low=0, high=1 << 30):
    def check_array(where, v):
        need(isinstance(v, list) and low <= len(v) <= high, where, f"is no array of {low}...{high}")
        for i, element in enumerate(v):
            check_value(f"{where}[{i}]", element)
    return check_array


def members(required, optional=None):
    optional = optional or {}

    def check_object(where, v):
        need(isinstance(v, dict), where, "is no object")
        missing, foreign = required.keys() - v.keys(), v.keys() - required.keys() - optional.keys()
        need(not missing and not foreign, where, f"missing {sorted(missing)}, foreign {sorted(foreign)}")
        for name, element in v.items():
            (required.get(name) or optional[name])(f"{where}.{name}", element)
    return check_object


COUNT = integer(0)
STAMP_TEXT = pattern(STAMP)
UUID_TEXT = pattern(UUID)
PERCENT = number(0, 100, 1)
GIB = number(0, 2**33, 2)
PID = integer(1, 1 << 22)
PERCENT_OF_CPUS = number(0, 100 * 4096, 1)
STATUS = one_of("Running", "Sleeping", "Disk Sleep", "Stopped", "Tracing Stop", "Zombie", "Dead", "Idle", "Unknown")

# -- handshake -----------------------------------------------------------------------------------

HELLO = {
    "version": pattern(r"\d+\.\d+\.\d+"),
    "platform": one_of("linux"),
    "capabilities": array(one_of("metrics", "safe_commands", "unsafe_commands", "streaming", "files", "signed_v1",
                                 "signed_v2"), 2, 7),
    "protocol": one_of(1),
    "session": UUID_TEXT,
    "boot_id": null_or(UUID_TEXT),
    "agent": members({"name": one_of("vmvitals"), "version": pattern(r"\d+\.\d+\.\d+")}),
    "hostname": null_or(text(1, 64)),
    "os": members({name: null_or(text(1)) for name in ("id", "version_id", "name", "kernel", "arch")}),
    "schema": pattern("[0-9a-f]{16}"),
    "policy": members({"level": one_of("monitor", "operate", "full"), "executor": boolean,
                       "require_signature": boolean}),
    "clock": members({"realtime_ms": COUNT, "monotonic_ns": integer(0, 2**64), "synchronized": null_or(boolean)}),
    "events": members({"next_seq": integer(1), "oldest_unacked": null_or(COUNT), "lost": COUNT}),
    "limits": members({name: integer(1) for name in
                       ("line_in", "line_out", "in_flight", "subscriptions", "interval_ms", "file_chunk")}),
}

# -- metrics -------------------------------------------------------------------------------------

LOAD = members({f"load_{n}min": number(0, 1 << 20, 2) for n in (1, 5, 15)})

INTERFACE = members(
    {"name": text(1, 15), "is_up": boolean, "bytes_received": COUNT, "bytes_sent": COUNT, "packets_received": COUNT,
     "packets_sent": COUNT, "ip_addresses": array(pattern(r"[0-9a-f.:]+"), 0, 16)},
    {"errors_in": null_or(COUNT), "errors_out": null_or(COUNT)})

SYSTEM = members({
    "cpu": members({"usage_percent": PERCENT, "cores_usage": array(PERCENT, 1)},
                   {"temperature": null_or(number(0, 150, 1))}),
    "memory": members({"total_kb": integer(1), "used_kb": COUNT, "available_kb": COUNT},
                      {"swap_total_kb": null_or(COUNT), "swap_used_kb": null_or(COUNT)}),
    "disk": members({
        "usage_stats": array(members({"mount_point": pattern("/.*"), "filesystem": text(1), "total_gb": GIB,
                                      "used_gb": GIB, "available_gb": GIB}), 0, 64),
        "io_stats": members({f"{what}_per_sec": COUNT for what in
                             ("read_bytes", "write_bytes", "read_ops", "write_ops")},
                            {"io_utilization_percent": null_or(PERCENT)}),
    }),
    "network": members({"interfaces": array(INTERFACE, 0, 64)}),
    "uptime_seconds": COUNT,
    "load_average": LOAD,
}, {
    "system": members({name: null_or(text(1)) for name in ("name", "os_version", "kernel_version", "hostname")}
                      | {"uptime_seconds": COUNT, "load_average": LOAD}),
})

PROCESS = members(
    {"pid": PID, "name": text(1), "cpu_percent": PERCENT_OF_CPUS, "memory_kb": COUNT, "status": STATUS},
    {"ppid": COUNT, "exe_path": null_or(text(1)), "cmd_line": null_or(text(1, 512)), "start_time": null_or(STAMP_TEXT),
     "disk_read_bytes": null_or(COUNT), "disk_write_bytes": null_or(COUNT)})

PORT = members(
    {"port": integer(0, 65535), "protocol": one_of("TCP", "UDP"), "state": one_of("Listen", "UDP"),
     "is_listening": one_of(True), "connection_count": COUNT},
    {"pid": null_or(PID), "process_name": null_or(text(1)), "exe_path": null_or(text(1))})

METRICS = members({"system": SYSTEM, "processes": array(PROCESS, 0, 200), "ports": array(PORT, 0, 1000)})


def metrics_data(where, v):
    METRICS(where, v)
    memory = v["system"]["memory"]
    need(memory["used_kb"] + memory["available_kb"] == memory["total_kb"], where, "memory does not add up")
    mounts = [m["mount_point"] for m in v["system"]["disk"]["usage_stats"]]
    need(mounts == sorted(set(mounts), key=lambda m: (m != "/", m.encode())), where, "mount points are not in order")
    names = [i["name"] for i in v["system"]["network"]["interfaces"]]
    need("lo" not in names and len(set(names)) == len(names), where, "interfaces")
    for port in v["ports"]:
        need((port["protocol"] == "TCP") == (port["state"] == "Listen"), where, "state of a port")
    ports = [(port["protocol"], port["port"]) for port in v["ports"]]
    need(ports == sorted(set(ports)), where, "ports are not in order")
    use = [p["cpu_percent"] for p in v["processes"]]
    need(use == sorted(use, reverse=True), where, "processes are not in order")


# -- responses: the data of each command that this version carries out ----------------------------

SYSTEM_INFO = {
    "os_type": one_of("Linux"), "os": one_of("linux"), "windows_edition": one_of(None), "cpu_count": integer(1),
    "total_memory": integer(1),
} | {name: null_or(text(1)) for name in ("name", "version", "architecture", "arch", "hostname", "kernel_version",
                                         "kernel", "linux_distro")}

OS_INFO = SYSTEM_INFO | {
    "platform": one_of("linux"), "build": null_or(text(1)), "available_package_managers": array(text(1)),
    "default_shell": text(1),
}

LISTED = members({
    "pid": PID, "ppid": COUNT, "name": text(1), "cpu_usage": PERCENT_OF_CPUS, "cpu_percent": PERCENT_OF_CPUS,
    "memory_kb": COUNT, "status": STATUS, "user": null_or(text(1)), "command_line": null_or(text(1, 512)),
    "exe_path": null_or(text(1)), "start_time": null_or(STAMP_TEXT), "threads": null_or(integer(0)),
})


def process_list(where, v):
    array(LISTED, 0, 2000)(where, v)
    need(all(p["cpu_usage"] == p["cpu_percent"] for p in v), where, "two truths about CPU use")
    need(len({p["pid"] for p in v}) == len(v), where, "a pid twice")


# -- Describe, GetSamples ------------------------------------------------------------------------

SCHEMA = pattern("[0-9a-f]{16}")
SENTENCE = text(3, 400)
KIND = one_of("counter", "gauge", "info")
UNIT = one_of("seconds", "bytes", "ratio", "celsius", "hertz", "none")
LABEL = pattern("[a-z][a-z0-9_]*")
METRIC = pattern("[a-zA-Z_][a-zA-Z0-9_]*")


def table(check_name, check_value):
    """An object whose members are not known before."""
    def check_object(where, v):
        need(isinstance(v, dict), where, "is no object")
        for name, element in v.items():
            check_name(f"{where}: a name", name)
            check_value(f"{where}.{name}", element)
    return check_object


FIELD = members({"name": METRIC, "kind": KIND, "unit": UNIT, "help": SENTENCE, "source": text(1, 255)},
                {"labels": table(LABEL, text(1))})

ARGUMENT = members({"name": LABEL, "default": anything, "required": boolean, "help": SENTENCE,
                    "type": one_of("int", "num", "str", "bool", "str[]", "T", "b64", "{str:str}")})

ACTION = members({"level": one_of("monitor", "operate", "full"), "by": one_of("agent", "helper", "executor", "nobody"),
                  "help": SENTENCE, "enabled": boolean, "disabled_by": null_or(text(1, 255)),
                  "arguments": array(ARGUMENT, 0, 12)})


def described_group(where, v):
    members({"help": SENTENCE, "key": null_or(LABEL), "default": boolean, "min_interval_ms": integer(100),
             "info": null_or(METRIC), "fields": array(FIELD, 1)})(where, v)
    names = [(f["name"], str(f.get("labels"))) for f in v["fields"]]
    need(len(set(names)) == len(names), where, "a field twice")
    need((v["info"] is not None) == all(f["kind"] == "info" for f in v["fields"]), where, "info")


def described_action(where, v):
    ACTION(where, v)
    need(v["enabled"] == (v["disabled_by"] is None), where, "enabled or disabled")


DESCRIPTION = members({"schema": SCHEMA, "groups": null_or(table(LABEL, described_group)),
                       "actions": null_or(table(pattern("[A-Z][A-Za-z]+"), described_action)),
                       "events": null_or(table(LABEL, members({
                           "severity": one_of("info", "warning", "error", "critical"), "help": SENTENCE})))})


def cell(where, v):
    if isinstance(v, str) and v.isdigit() and len(v) > 15:
        need(int(v) > INT_MAX or v.startswith("0"), where, "a string where a number would do")
    elif is_int(v):
        integer()(where, v)
    else:
        need(v is None or isinstance(v, (str, float)), where, f"{v!r:.99} is no cell")


def group_of_samples(where, v):
    members({"ok": boolean, "us": COUNT, "rows": array(array(cell, 2), 0, 512)},
            {"age_ms": integer(1), "error": text(1, 160), "truncated": integer(1)})(where, v)
    need(v["ok"] != ("error" in v), where, "'error' is there if and only if it failed")
    need(len({len(row) for row in v["rows"]}) <= 1, where, "rows of different length")
    ids = [row[0] for row in v["rows"]]
    need(len(set(ids)) == len(ids), where, "an id twice")
    need(ids == [None] or all(isinstance(i, str) for i in ids), where, "ids")


SAMPLES = members({"schema": SCHEMA, "timestamp": STAMP_TEXT, "mono_ns": integer(1, 2**63),
                   "groups": table(LABEL, group_of_samples)})

# -- GetState --------------------------------------------------------------------------------------

CHANNEL = members({
    "name": text(1), "dialect": one_of("native", "qga"), "attached": boolean, "session": null_or(UUID_TEXT),
    "since": null_or(STAMP_TEXT), "dropped": members({"metrics": COUNT, "samples": COUNT}),
} | {name: COUNT for name in ("bytes_in", "bytes_out", "queue_bytes", "malformed", "oversize", "refused")})

JOB = members({
    "id": text(1, 128), "action": text(1), "state": one_of("running"), "started_at": STAMP_TEXT, "elapsed_ms": COUNT,
    "deadline_in_ms": null_or(COUNT), "cancellable": boolean, "output_bytes": null_or(COUNT), "response": anything})


def collector_state(where, v):
    members({"name": LABEL, "ok": null_or(boolean), "error": null_or(text(1, 160)), "duration_us": null_or(COUNT),
             "period_ms": COUNT, "age_ms": null_or(COUNT), "failures": COUNT})(where, v)
    need((v["ok"] is False) == (v["error"] is not None), where, "an error, or none")


STATE = members({
    "channels": array(CHANNEL, 1, 8), "subscriptions": one_of([]), "jobs": array(JOB, 0, 64),
    "collectors": array(collector_state, 1), "events": one_of({}), "fs_frozen": boolean,
    "thaw_in_ms": null_or(COUNT), "config_loaded_at": STAMP_TEXT,
    "cost": members({"cpu_ms": null_or(COUNT), "rss_bytes": null_or(integer(1)), "wakeups": null_or(COUNT)})})


def state(where, v):
    STATE(where, v)
    need(v["fs_frozen"] == (v["thaw_in_ms"] is not None), where, "when what is not frozen will be thawed")


# -- GetHealth -------------------------------------------------------------------------------------

STATUS_WORD = one_of("passed", "warning", "failed", "unknown")
CHECKS = {"disk_space", "disk_inodes", "disk_health", "filesystem_stuck", "reboot_required", "memory_usage", "swap_usage",
          "cpu_usage", "cpu_steal", "pressure", "oom_kills", "critical_services", "network_connectivity",
          "security_updates", "clock_sync"}
LINE = null_or(number(0, 1e6, 1))


def health_check(where, v):
    members({"name": one_of(*CHECKS), "status": STATUS_WORD, "message": text(3, 200), "unit": null_or(text(1, 20)),
             "value": null_or(number(0, 1e12, 1)), "warning": LINE, "critical": LINE, "since": STAMP_TEXT,
             "details": table(LABEL, anything)})(where, v)
    need(v["status"] != "unknown" or v["value"] is None or v["name"] == "oom_kills", where, "a value of what is unknown")


def health(where, v):
    members({"status": STATUS_WORD, "since": STAMP_TEXT, "checks": array(health_check, 1)})(where, v)
    names = [c["name"] for c in v["checks"]]
    need(len(set(names)) == len(names), where, "a check twice")
    order = ["unknown", "passed", "warning", "failed"]
    worst = max((c["status"] for c in v["checks"]), key=order.index)
    need(v["status"] == worst, where, "the status is not that of the worst check")


# -- services, accounts, filesystems, what hosts of older tools ask --------------------------------

SERVICE = members({name: text(1) for name in ("name", "display_name", "status", "startup_type", "unit", "load", "active",
                                              "sub")}
                  | {"description": text()} | {name: boolean for name in ("can_start", "can_stop", "can_restart")})


def service_list(where, v):
    array(SERVICE)(where, v)
    names = [s["name"] for s in v]
    need(names == sorted(set(names)) and all(n.endswith(".service") for n in names), where, "names of services")
    for s in v:
        need(s["unit"] == s["name"] and (s["sub"] == "running") == (s["status"] == "running"), where, f"{s}")
        need(s["status"] != "dead", where, "'dead' is 'stopped'")
        need(not (s["can_start"] and s["can_stop"]), where, "a unit cannot be started and stopped")


SERVICE_STATUS = members({name: null_or(text(1)) for name in ("load", "active", "sub", "result")} | {
    "name": text(1), "startup_type": text(1), "main_pid": null_or(PID), "since": null_or(STAMP_TEXT)})

USER = members({"name": text(1), "uid": integer(0, 2**32 - 2), "gid": integer(0, 2**32 - 2), "description": text(),
                "home": text(), "shell": text()})


def user_list(where, v):
    members({"users": array(USER, 0, 2000), "count": COUNT})(where, v)
    need(v["count"] == len(v["users"]), where, "count")


SPACE_STATUS = one_of("ok", "warning", "critical")
DISK = members({"mount_point": pattern("(?s)/.*"), "filesystem": text(1), "total_gb": GIB, "used_gb": GIB,
                "available_gb": GIB, "usage_percent": PERCENT, "status": SPACE_STATUS})
DRIVE = members({"drive": pattern("(?s)/.*"), "drive_letter": pattern("(?s)/.*"), "label": one_of(""), "total_gb": GIB,
                 "used_gb": GIB, "free_gb": GIB, "available_gb": GIB, "used_percent": PERCENT, "status": SPACE_STATUS})


def disk_space(where, v):
    members({"status": SPACE_STATUS, "disks": array(DISK), "drives": array(DRIVE),
             "warning_threshold": number(1, 100, 9), "critical_threshold": number(1, 100, 9),
             "stuck": array(pattern("(?s)/.*"))})(where, v)
    need([(d["mount_point"], d["usage_percent"], d["status"]) for d in v["disks"]]
         == [(d["drive"], d["used_percent"], d["status"]) for d in v["drives"]], where, "two truths about a disk")
    need(all(d["drive"] == d["drive_letter"] and d["free_gb"] == d["available_gb"] for d in v["drives"]), where, "drives")


VERDICT = {"status": STATUS_WORD, "message": text(3, 200), "details": table(LABEL, anything)}


def one_health_check(where, v):
    members({"check_name": one_of("overall", *CHECKS)} | VERDICT)(where, v)
    if v["check_name"] == "overall":
        need(v["details"].keys() == CHECKS, where, "names of checks")


def all_health_checks(where, v):
    members({name: members(VERDICT) for name in CHECKS}
            | {"overall_health": one_of("Healthy", "Warning", "Critical"),
               "checks": array(members({"name": one_of(*CHECKS), "status": STATUS_WORD, "message": text(3, 200)}))})(where, v)
    need({c["name"]: (c["status"], c["message"]) for c in v["checks"]}
         == {name: (v[name]["status"], v[name]["message"]) for name in CHECKS}, where, "two truths about a check")
    found = {c["status"] for c in v["checks"]}
    word = ("Critical" if "failed" in found else "Warning" if "warning" in found or "passed" not in found else "Healthy")
    need(v["overall_health"] == word, where, "overall_health")


OPTIMIZATION = members({
    "status": one_of("optimal", "suboptimal", "unknown"),
    "recommendations": array(members({
        "resource": one_of("cpu", "memory"), "current_value": integer(1), "recommended_value": integer(1),
        "unit": one_of("cpus", "MiB"), "reason": SENTENCE, "potential_savings_percent": PERCENT}), 0, 2),
    "processes": array(members({"name": text(1), "executablePath": null_or(text(1)), "cpuPercent": null_or(PERCENT_OF_CPUS),
                                "memoryKB": null_or(COUNT), "pid": PID}), 0, 10),
    "cpu_optimization_available": boolean, "memory_optimization_available": boolean,
    "disk_optimization_available": one_of(False), "evaluated_seconds": COUNT})


def freeze_status(where, v):
    members({"status": one_of("thawed", "frozen"), "since": null_or(STAMP_TEXT), "thaw_in_ms": null_or(COUNT)})(where, v)
    need((v["status"] == "thawed") == (v["since"] is None) == (v["thaw_in_ms"] is None), where, "what is known when thawed")


DATA = {
    "CheckDiskSpace": disk_space,
    "CheckResourceOptimization": OPTIMIZATION,
    "Describe": DESCRIPTION,
    "FsFreezeStatus": freeze_status,
    "GetHealth": health,
    "GetSamples": SAMPLES,
    "GetState": state,
    "Ping": members(HELLO | {"jobs": COUNT, "uptime_s": COUNT}),
    "GetMetrics": metrics_data,
    "SystemInfo": members(SYSTEM_INFO),
    "OsInfo": members(OS_INFO),
    "ProcessList": process_list,
    "ProcessTop": process_list,
    "RunAllHealthChecks": all_health_checks,
    "RunHealthCheck": one_health_check,
    "ServiceControl": SERVICE_STATUS,
    "ServiceList": service_list,
    "UserList": user_list,
}


# -- software --------------------------------------------------------------------------------------

MANAGER = null_or(text(1))
SIZE_MB = null_or(number(0, 2**30, 2))

PACKAGE = members({"name": text(1), "version": text(1), "installed": one_of(True)}
                  | {name: null_or(text()) for name in ("description", "architecture", "source", "vendor")})
HIT = members({"name": text(1), "version": null_or(text(1)), "description": null_or(text()), "installed": boolean})
APPLICATION = {"name": text(1), "version": text(1), "publisher": null_or(text()), "install_date": null_or(STAMP_TEXT),
               "install_location": one_of(None), "size_mb": SIZE_MB}
UPDATE = members({"package_name": text(1), "available_version": text(1), "is_security": null_or(boolean),
                  "size_kb": null_or(COUNT)}
                 | {name: null_or(text(1)) for name in ("current_version", "repository", "architecture")})
APPLICATION_UPDATE = members({
    "name": text(1), "version": null_or(text(1)), "update_available": text(1), "new_version": text(1),
    "update_source": null_or(text(1)), "update_size_bytes": null_or(COUNT), "is_security_update": null_or(boolean),
    "can_update": one_of(True), "vendor": null_or(text()), "install_type": text(1), "last_update_check": STAMP_TEXT})


def counted(name, element, more=None, at_most=1 << 30):
    """A list with its length beside it, and when it was computed."""
    def check_list(where, v):
        members({"generated_at": STAMP_TEXT, name: array(element, 0, at_most), "count": COUNT} | (more or {}))(where, v)
        need(v["count"] >= len(v[name]), where, "count")
    return check_list


def linux_updates(where, v):
    members({"generated_at": STAMP_TEXT, "pending_updates": array(UPDATE), "security_updates_count": null_or(COUNT),
             "total_pending_count": COUNT, "last_check": STAMP_TEXT, "lists_refreshed_at": null_or(STAMP_TEXT),
             "package_manager": MANAGER, "reboot_required": boolean, "reboot_required_since": null_or(STAMP_TEXT),
             "reboot_reasons": array(text(1)), "distro": null_or(text(1))})(where, v)
    need(len(v["pending_updates"]) <= v["total_pending_count"], where, "more than all updates")


def application_updates(where, v):
    members({"generated_at": STAMP_TEXT, "applications": array(APPLICATION_UPDATE),
             "summary": members({"total": COUNT, "security": null_or(COUNT)})})(where, v)
    need(len(v["applications"]) <= v["summary"]["total"], where, "more than all updates")
    need(all(a["update_available"] == a["new_version"] for a in v["applications"]), where, "two truths about a version")


ONE_UPDATE = members({"generated_at": STAMP_TEXT, "app_id": text(1), "update_available": null_or(text(1)),
                      "size_bytes": null_or(COUNT)})

DATA |= {
    "PackageList": counted("packages", PACKAGE, {"package_manager": MANAGER}),
    "PackageSearch": counted("packages", HIT, at_most=2000),
    "GetInstalledApplicationsWMI": counted("applications", members(APPLICATION), at_most=5000),
    "GetApplicationDetails": members({"generated_at": STAMP_TEXT, "description": null_or(text())} | APPLICATION),
    "CheckSpecificAppUpdates": ONE_UPDATE,
    "EstimateUpdateSize": ONE_UPDATE,
} | dict.fromkeys(("CheckLinuxUpdates", "GetPendingLinuxUpdates", "GetLinuxSecurityUpdates"), linux_updates) \
  | dict.fromkeys(("CheckApplicationUpdates", "GetAvailableUpdates", "GetSecurityUpdates"), application_updates)

# -- what changes the guest ------------------------------------------------------------------------

SHA256 = null_or(pattern("[0-9a-f]{64}"))
JOB_STATE = one_of("queued", "running", "finished", "cancelled", "interrupted")
MOUNT = pattern("(?s)/.*")
MB = number(0, 2**40, 2)


def kept_job(where, v):
    members({"id": text(1, 128), "action": text(1), "state": JOB_STATE, "started_at": null_or(STAMP_TEXT),
             "elapsed_ms": COUNT, "deadline_in_ms": null_or(COUNT), "cancellable": boolean, "output_bytes": COUNT,
             "response": anything})(where, v)
    is_over = v["state"] not in ("queued", "running")
    need((v["deadline_in_ms"] is None) == is_over, where, "a deadline of what is over, or none of what is not")
    need(not (is_over and v["cancellable"]), where, "what is over can be cancelled")
    if v["response"] is not None:
        need(v["response"].get("type") == "response" and v["response"].get("id") == v["id"], where, "another's response")


def service_control(where, v):
    """Of status, and of the operations that change something."""
    if "operation" not in v:
        SERVICE_STATUS(where, v)
        return
    members({"service": text(1), "operation": one_of("start", "stop", "restart", "reload", "enable", "disable")}
            | {name: null_or(text(1)) for name in ("active", "sub", "job_result")})(where, v)


TARGET_SWEPT = members({"space_cleared_mb": MB, "files_deleted": COUNT, "errors": COUNT, "error": null_or(text(1))})
POWER = members({"delay_s": integer(1, 60), "method": text(1)})

DATA |= {
    "ServiceControl": service_control,
    "JobStatus": members({"jobs": array(kept_job, 0, 200)}, {"truncated": one_of(True)}),
    "JobCancel": members({"state": JOB_STATE}),
    "ProcessKill": members({"pid": PID, "name": text(1), "signal": one_of("SIGTERM", "SIGKILL")}),
    "DiskCleanup": members({"space_cleared_mb": MB, "files_deleted": COUNT, "targets_processed": array(text(1), 0, 16),
                            "errors": COUNT, "per_target": table(pattern("[a-z_-]+"), TARGET_SWEPT)}),
    "FsFreeze": members({"frozen": COUNT, "mountpoints": array(MOUNT, 0, 256), "thaw_in_ms": COUNT}),
    "FsThaw": members({"thawed": COUNT, "frozen_ms": null_or(COUNT)}),
    "FsTrim": members({"paths": array(members({"mountpoint": MOUNT, "trimmed_bytes": null_or(COUNT),
                                               "error": null_or(text(1))}), 0, 256)}),
    "RebootSystem": POWER,
    "PowerOff": POWER,
    "SetHostname": members({"before": null_or(text(1)), "after": null_or(text(1))}),
    "SetTime": members({"before_ms": COUNT, "after_ms": COUNT}),
    "FileStat": members({"path": MOUNT, "size": COUNT, "mode": integer(0, 0o7777), "uid": COUNT, "gid": COUNT,
                         "type": pattern("[a-z ]+"), "mtime": STAMP_TEXT, "inode": COUNT, "sha256": SHA256}),
    "FileRead": members({"path": MOUNT, "offset": COUNT, "length": COUNT, "size": COUNT, "mtime": STAMP_TEXT,
                         "inode": COUNT, "eof": boolean, "data": pattern("[A-Za-z0-9+/]*={0,2}"), "sha256": SHA256}),
    "FileWrite": members({"next_offset": COUNT, "written": boolean}),
}

MANAGER = one_of("Apt", "Dnf", "Zypper", "Apk", "Pacman")
KNOWN = null_or(text(1))
APPLICATION = {"name": text(1), "version": text(1), "publisher": KNOWN, "install_date": null_or(STAMP_TEXT),
               "install_location": one_of(None), "size_mb": null_or(number(0, 2**33, 2))}
UPDATE = members({"package_name": text(1), "current_version": KNOWN, "available_version": text(1), "repository": KNOWN,
                  "is_security": null_or(boolean), "size_kb": null_or(COUNT), "architecture": KNOWN})
APPLICATION_UPDATE = members({
    "name": text(1), "version": KNOWN, "update_available": text(1), "new_version": text(1), "update_source": KNOWN,
    "update_size_bytes": null_or(COUNT), "is_security_update": null_or(boolean), "can_update": one_of(True), "vendor": KNOWN,
    "install_type": MANAGER, "last_update_check": STAMP_TEXT})
ONE_UPDATE = members({"generated_at": STAMP_TEXT, "app_id": text(1), "update_available": KNOWN, "size_bytes": null_or(COUNT)})


def counted(name, element, further=None, most=1 << 30):
    def check_list(where, v):
        members({"generated_at": STAMP_TEXT, name: array(element, 0, most), "count": COUNT} | (further or {}))(where, v)
        need(v["count"] == len(v[name]), where, "count")
    return check_list


def updates(is_security_only):
    def check_updates(where, v):
        members({"generated_at": STAMP_TEXT, "pending_updates": array(UPDATE), "security_updates_count": null_or(COUNT),
                 "total_pending_count": COUNT, "last_check": STAMP_TEXT, "lists_refreshed_at": null_or(STAMP_TEXT),
                 "package_manager": MANAGER, "reboot_required": boolean, "reboot_required_since": null_or(STAMP_TEXT),
                 "reboot_reasons": array(text(1)), "distro": KNOWN})(where, v)
        need(not is_security_only or all(u["is_security"] for u in v["pending_updates"]), where, "not for security")
    return check_updates


def application_updates(is_security_only):
    def check_updates(where, v):
        members({"generated_at": STAMP_TEXT, "applications": array(APPLICATION_UPDATE),
                 "summary": members({"total": COUNT, "security": null_or(COUNT)})})(where, v)
        need(not is_security_only or all(u["is_security_update"] for u in v["applications"]), where, "not for security")
    return check_updates


DATA |= {
    "PackageList": counted("packages", members({
        "name": text(1), "version": text(1), "installed": one_of(True), "description": KNOWN, "architecture": KNOWN,
        "source": KNOWN, "vendor": KNOWN}), {"package_manager": MANAGER}),
    "PackageSearch": counted("packages", members({"name": text(1), "version": KNOWN, "description": KNOWN, "installed": boolean}),
                             most=2000),
    "GetInstalledApplicationsWMI": counted("applications", members(APPLICATION), most=5000),
    "GetApplicationDetails": members(APPLICATION | {"generated_at": STAMP_TEXT, "description": KNOWN}),
    "CheckLinuxUpdates": updates(False), "GetPendingLinuxUpdates": updates(False), "GetLinuxSecurityUpdates": updates(True),
    "CheckApplicationUpdates": application_updates(False), "GetAvailableUpdates": application_updates(False),
    "GetSecurityUpdates": application_updates(True),
    "CheckSpecificAppUpdates": ONE_UPDATE, "EstimateUpdateSize": ONE_UPDATE,
}

# What answers with the output of a child; the data beside it.
PACKAGE_CHANGED = members({"package": text(1), "changed": null_or(boolean)})
CHILDREN = {
    "UnsafeCommand": one_of(None),
    "PackageInstall": PACKAGE_CHANGED,
    "PackageRemove": PACKAGE_CHANGED,
    "PackageUpdate": PACKAGE_CHANGED,
    "UpdateSystemSoftware": anything,  # with a package it is a PackageUpdate
    "PrepareGoldenImage": members({
        "os": one_of("linux"), "distro": null_or(text(1)), "cleanup_level": one_of("minimal", "standard", "deep"),
        "sanitize_user_data": boolean, "shutdown_after": boolean}),
    "JoinDomain": members({
        "os": one_of("linux"), "distro": null_or(text(1)), "domain": text(1), "ou": null_or(text(1)),
        "computerName": null_or(text(1)), "status": one_of("joined"), "rebootRequired": one_of(False),
        "restartScheduled": boolean}),
}


def response(where, o, action):
    need(("error" in o) == (not o["success"]), where, "'error' is there if and only if it failed")
    need(action not in CHILDREN or set(o) >= {"stdout", "stderr"}, where, "no output")
    if o["success"]:
        need(o["exit_code"] == 0 and "error_code" not in o, where, "success with exit code or error code")
        if action in CHILDREN:
            CHILDREN[action](f"{where} {action} data", o["data"])
            return
        need(o["stdout"] and (action == "ServiceControl" or "\n" not in o["stdout"]), where, "stdout is no line")
        if action:
            need(action in DATA, where, f"{action} has no schema")
            DATA[action](f"{where} {action} data", o["data"])
        return
    need(o["stderr"] and o["exit_code"] != 0, where, "failure without stderr or exit code")
    need(o["stdout"] == "" or action in CHILDREN, where, "a failure with output, though no child ran")
    need(not RETRY_WORDS.search(o["error"]), where, f"hosts would try again: {o['error']}")
    need(o["error"].startswith("refused: ") == (o.get("error_code") in REFUSALS), where, "prefix of the error")
    need("error_code" in o or action in CHILDREN or o["error"] == "cancelled", where, "no error code")


# -- messages ------------------------------------------------------------------------------------

MESSAGES = {
    "handshake": members({"vm_id": text(1, 128)} | HELLO),
    "metrics": members({"data": metrics_data}),
    "response": members(
        {"id": pattern(r'[ !#-\[\]-~]{1,128}'), "success": boolean, "exit_code": integer(0, 255), "stdout": text(),
         "stderr": text(), "execution_time_ms": COUNT, "command_type": text(1), "data": anything},
        {"error": text(1, 310), "error_code": one_of(*REFUSALS, *FAILURES), "truncated": one_of(True),
         "lossy": one_of(True), "output_bytes": members({"stdout": COUNT, "stderr": COUNT})}),
    "output": members({"id": text(1, 128), "stream": one_of("stdout", "stderr"), "seq": integer(1), "data": text(1)},
                      {"lossy": one_of(True), "encoding": one_of("base64")}),
    "request_pending_scripts": members({"vm_id": text(1, 128), "request_timestamp": STAMP_TEXT}),
    "script_completion": members({"execution_id": text(1), "exit_code": integer(-1, 255), "stdout": text(),
                                  "stderr": text(), "log_file": one_of(None)}),
    "keep_alive": members({"sequence_number": COUNT}),
    "agent_event": members({
        "severity": one_of("debug", "info", "warn", "error"),
        "source": one_of("agent", "transport", "script", "security", "kernel", "storage", "memory", "network",
                         "service", "time", "health"),
        "message": text(1, 500), "executionId": null_or(text(1)),
        "context": null_or(members({"kind": text(1), "subject": null_or(text(1)), "event_timestamp": STAMP_TEXT,
                                    "seq": null_or(COUNT), "data": members({}, {"count": integer(1)}),
                                    "suppressed": COUNT}))}),
    "error": members({
        "error": text(1, 310),
        "details": members({"component": one_of("framing", "session"), "error_code": one_of(*REFUSALS),
                            "count": integer(1)})}),
}


def refuse_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a member twice in {names}"
    return dict(pairs)


def refuse_constant(word):
    raise AssertionError(f"{word} is no JSON")


def depth_of(v):
    children = v.values() if isinstance(v, dict) else v if isinstance(v, list) else None
    return 0 if children is None else 1 + max(map(depth_of, children), default=0)


def check(line, action=None):
    """line: bytes without LF. action: what a response answers, if known. Returns the message."""
    need(PRINTABLE.fullmatch(line), f"{line[:60]!r}", "holds more than printable ASCII")
    need(b"\\u0000" not in line, f"{line[:60]!r}", "holds a NUL")
    o = json.loads(line, object_pairs_hook=refuse_duplicates, parse_constant=refuse_constant)
    need(isinstance(o, dict) and isinstance(o.get("type"), str), f"{line[:60]!r}", "is no message")
    kind = o["type"]
    where = f"{kind} {o.get('id', '')}".strip()
    need(kind in MESSAGES, where, "is no type that this version sends")
    need(len(line) <= LINE_MAX_OF.get(kind, LINE_MAX), where, f"has {len(line)} bytes")
    need(depth_of(o) <= NESTING_MAX, where, "is nested too deeply")
    rest = {name: v for name, v in o.items() if name not in ("type", "timestamp")}
    STAMP_TEXT(f"{where} timestamp", o.get("timestamp"))
    MESSAGES[kind](where, rest)
    if kind == "response":
        response(where, o, action)
    return o
