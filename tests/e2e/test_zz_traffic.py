"""Last: did the tests see everything that the agent can say? Each line was checked when it came."""
import pathlib

import pytest
import schema
from harness import ANSWERS_SEEN, TYPES_SEEN


@pytest.fixture(autouse=True)
def whole_suite(request):
    here = pathlib.Path(__file__).parent
    files = {item.path for item in request.session.items}
    if not set(here.glob("test_*.py")) <= files or request.config.option.keyword:
        pytest.skip("needs the whole suite")


# Carried out they would change the machine that the tests run on; tests/vm has one for them.
NOT_HERE = {"FsFreeze", "FsTrim", "PowerOff", "RebootSystem", "SetHostname", "SetTime"}

# Where no package manager is known there is nothing to be told.
OF_PACKAGES = {action for action in schema.DATA if "Update" in action or "Package" in action or "Application" in action}


def test_every_command_with_a_schema_was_carried_out():
    seen = {action for action, code in ANSWERS_SEEN if code == "ok" and action}
    absent = NOT_HERE if "PackageList" in seen else NOT_HERE | OF_PACKAGES
    assert not schema.DATA.keys() - absent - seen, "never carried out"
    assert not seen - schema.DATA.keys() - schema.CHILDREN.keys(), "without a schema"


def test_every_type_of_message_was_seen():
    assert set(TYPES_SEEN) == set(schema.MESSAGES)


def test_every_code_was_seen():
    assert {code for _, code in ANSWERS_SEEN} == {"ok"} | schema.REFUSALS | schema.FAILURES
