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


def test_every_command_with_a_schema_was_carried_out():
    assert {action for action, code in ANSWERS_SEEN if code == "ok" and action} == set(schema.DATA)


def test_every_type_of_message_was_seen():
    assert set(TYPES_SEEN) == set(schema.MESSAGES)


def test_every_code_of_this_version_was_seen():
    assert {code for _, code in ANSWERS_SEEN} == {
        "ok", "BAD_ARGUMENT", "BUSY", "INTERNAL", "NOT_ALLOWED", "NOT_FOUND", "NO_EXECUTOR", "TIMED_OUT",
        "UNKNOWN_ACTION", "UNSUPPORTED"}
