"""A broker as in the stories in Python, and an aspect with a Hand."""

import importlib.util
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
STORIES = HERE.parent / "python"
sys.path[:0] = [str(HERE), str(STORIES)]
spec = importlib.util.spec_from_file_location("stories", STORIES / "conftest.py")
stories = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stories)
from nexus_client import Aspect  # noqa: E402

nexus = stories.nexus


@pytest.fixture
def robin(nexus):
    """An aspect with one Hand."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }
    hand = {"name": "add-up", "description": "adds a and b", "timeout_s": 60, "concurrency": 2, "input_schema": schema}
    aspect = Aspect(nexus.url, nexus.add_aspect("robin"), hands=[hand], slots=2)
    aspect.dial()
    yield aspect
    aspect.link.close()
