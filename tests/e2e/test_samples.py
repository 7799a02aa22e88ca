"""Describe and GetSamples: the tables, and what is read by them."""
import hashlib
import time

import pytest
from harness import FIXTURES


@pytest.fixture(scope="module")
def shared(start_shared):
    agent = start_shared("--interval", "3600")
    return agent, start_shared.host(agent)


@pytest.fixture
def recorded(start, tree):
    """A host of an agent that reads the recorded system, and what that has."""
    return start.host(start("--root", str(tree), "--interval", "3600"))


def columns_of(host, group):
    fields = host.data_of("Describe", what=["groups"])["groups"][group]["fields"]
    return ["id"] + [f["name"] + "".join(f',{k}={v}' for k, v in f.get("labels", {}).items()) for f in fields]


def rows_of(host, group):
    """{id: {column: cell}}"""
    columns = columns_of(host, group)
    rows = host.data_of("GetSamples", groups=[group])["groups"][group]["rows"]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


# -- Describe --------------------------------------------------------------------------------------

def test_schema_is_the_fingerprint_of_what_is_described(shared):
    """Computed here from the description alone, as the protocol says."""
    _, host = shared
    d = host.data_of("Describe")
    text = ""
    for name in sorted(d["groups"], key=str.encode):
        group = d["groups"][name]
        text += f"group {name} {group['key'] or '-'}\n"
        for f in group["fields"]:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(f.get("labels", {}).items()))
            text += f"field {f['name']}{'{' + labels + '}' if labels else ''} {f['kind']} {f['unit']}\n"
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == d["schema"] == host.handshake["schema"]


def test_parts_that_are_not_asked_for_are_null(shared):
    _, host = shared
    d = host.data_of("Describe", what=["Actions"])
    assert d["groups"] is None and d["events"] is None and d["actions"]
    assert host.data_of("Describe", what=["events"])["events"] == {}
    assert all(v is not None for v in host.data_of("Describe", what=[]).values())


@pytest.mark.parametrize("what", [["groups", "group"], "groups", [1], ["groups\0"], [""]])
def test_parts_that_there_are_not_are_refused(shared, what):
    _, host = shared
    assert host.ask("Describe", what=what)["error_code"] == "BAD_ARGUMENT"


def test_actions_are_enabled_exactly_when_they_are_carried_out(shared):
    _, host = shared
    refusals = {"no executor": "NO_EXECUTOR", "not supported on linux": "UNSUPPORTED",
                "not supported in this version": "UNSUPPORTED"}
    for name, action in host.data_of("Describe", what=["actions"])["actions"].items():
        if name == "UnsafeCommand":
            continue  # a message of its own
        wanted = {a["name"]: {"app_id": "bash", "query": "bash", "job": "none"}.get(a["name"])
                  for a in action["arguments"] if a["required"]}
        code = host.ask(name, **wanted).get("error_code")
        if action["disabled_by"]:
            assert code == refusals[action["disabled_by"]], name
        else:  # there is no systemd here; no job and maybe no package of that name
            assert code in ("UNSUPPORTED" if name == "ServiceList" else None,
                            "NOT_FOUND" if "job" in wanted or "app_id" in wanted else None), name


def test_rules_that_disable_are_named_with_their_place(start):
    agent = start("--interval", "3600", config="[policy]\n# why\ndeny = ProcessTop\n")
    actions = start.host(agent).data_of("Describe", what=["actions"])["actions"]
    assert actions["ProcessTop"]["disabled_by"] == f"policy deny ({agent.config}:3)"
    assert actions["ProcessList"]["disabled_by"] is None


# -- GetSamples ------------------------------------------------------------------------------------

def test_rows_have_a_cell_for_each_field(shared):
    _, host = shared
    groups = host.data_of("Describe", what=["groups"])["groups"]
    samples = host.data_of("GetSamples", groups=list(groups))["groups"]
    assert set(samples) == set(groups)
    for name, group in groups.items():
        for row in samples[name]["rows"]:
            assert len(row) == 1 + len(group["fields"]), name
            assert (row[0] is None) == (group["key"] is None), name
            for f, cell in zip(group["fields"], row[1:]):
                if cell is not None and f["kind"] == "info":
                    assert isinstance(cell, str), f
                elif f["kind"] == "counter":
                    assert cell is None or float(cell) >= 0, f


def test_no_group_named_means_the_default_ones(shared):
    _, host = shared
    groups = host.data_of("Describe", what=["groups"])["groups"]
    awaited = {name for name, g in groups.items() if g["default"]}
    assert set(host.data_of("GetSamples")["groups"]) == awaited
    assert set(host.data_of("GetSamples", groups=None)["groups"]) == awaited
    assert host.data_of("GetSamples", groups=[])["groups"] == {}


def test_unknown_groups_are_all_named(shared):
    _, host = shared
    r = host.ask("GetSamples", groups=["cpu", "cpus", "load", "d\u00e4ten"])
    assert (r["error_code"], r["data"]) == ("BAD_ARGUMENT", {"unknown": ["cpus", "d\u00e4ten"]})
    assert r["error"] == "refused: no group named 'cpus'"


@pytest.mark.parametrize("groups", ["cpu", [7], {"cpu": 1}, ["cpu\0"], ["cpu"] * 65])
def test_groups_that_are_no_list_of_names_are_refused(shared, groups):
    _, host = shared
    r = host.ask("GetSamples", groups=groups)
    assert (r["error_code"], r["data"]) == ("BAD_ARGUMENT", None)


def test_values_are_the_kernels(recorded):
    proc = FIXTURES / "debian12-6.1" / "proc"
    cpu0 = next(line.split() for line in (proc / "stat").read_text().splitlines() if line.startswith("cpu0 "))
    assert rows_of(recorded, "cpu")["0"]["node_cpu_seconds_total,mode=user"] == int(cpu0[1]) / 100
    assert rows_of(recorded, "load")[None]["node_load1"] == float((proc / "loadavg").read_text().split()[0])


def test_each_answer_is_of_a_reading_of_its_own(start, tree):
    host = start.host(start("--root", str(tree), "--interval", "3600"))
    loadavg = tree / "proc/loadavg"  # written in place: the agent keeps it open
    loadavg.write_text("1.25 0 0 1/2 3\n")
    assert rows_of(host, "load")[None]["node_load1"] == 1.25
    loadavg.write_text("2.50 0 0 1/2 3\n")
    first = host.data_of("GetSamples", groups=["load"])
    assert first["groups"]["load"]["rows"][0][1] == 2.5
    second = host.data_of("GetSamples", groups=["load"])
    assert second["mono_ns"] > first["mono_ns"]


def test_malformed_file_fails_its_group_alone(start, tree):
    host = start.host(start("--root", str(tree), "--interval", "3600"))
    (tree / "proc/loadavg").write_text("nonsense\n")
    groups = host.data_of("GetSamples", groups=["load", "memory"])["groups"]
    assert not groups["load"]["ok"] and "loadavg" in groups["load"]["error"] and groups["load"]["rows"] == []
    assert groups["memory"]["ok"]


def test_what_the_guest_does_not_have_says_so(start, tree):
    (tree / "proc/diskstats").unlink()
    host = start.host(start("--root", str(tree), "--interval", "3600"))
    group = host.data_of("GetSamples", groups=["disk"])["groups"]["disk"]
    assert (group["ok"], group["error"], group["rows"]) == (False, "not on this guest", [])


def test_time_of_the_samples_is_that_of_the_reading(shared):
    _, host = shared
    before = time.monotonic_ns()
    data = host.data_of("GetSamples", groups=["load"])
    assert before <= data["mono_ns"] <= time.monotonic_ns()


def test_process_group_holds_every_process_of_a_small_guest(recorded):
    rows = rows_of(recorded, "process")
    assert rows["612"]["name"] == "sshd"
    assert all(row["vmvitals_process_cpu_seconds_total,mode=user"] is not None for row in rows.values())


def test_asking_for_samples_makes_a_host_one_of_ours(start, agent, host):
    host.data_of("GetSamples", groups=[])
    host.send(b"no JSON")
    assert host.next()["type"] == "error"
