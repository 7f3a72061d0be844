"""A broker as in the stories in Python, with the settings that these runs need."""

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
import world  # noqa: E402


@pytest.fixture
def nexus(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "nexus.toml").write_text(f'workspace = "{world.workspace(tmp_path)}"\n' + world.SETTINGS)
    running = stories.Nexus(tmp_path)
    yield running
    running.stack.stop()
