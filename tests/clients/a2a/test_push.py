"""Push notifications, set by the official A2A SDK and checked as docs/a2a.md shows it."""

import http.server
import pathlib
import queue
import re
import threading

import jwt
import pytest
from a2a.types import (
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import InvalidParamsError, TaskNotFoundError
from test_sdk import BINDINGS, PATIENCE, client_of, one, request, run, until

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/a2a.md"


def documented():
    """The function that the page shows."""
    (block,) = [it for it in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "def verified" in it]
    names = {}
    exec(block, names)
    return names["verified"]


@pytest.fixture
def hook(team):
    """What comes, as headers and body."""
    came = queue.Queue()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came.put((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", team.hook), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{team.hook}/hook", came
    server.shutdown()


@pytest.mark.parametrize("binding", BINDINGS)
def test_addresses_are_set_shown_and_deleted(team, hook, binding):
    async def story():
        url, _ = hook
        client = await client_of(team, binding, streaming=False)
        task = await one(client, request("m-1", "wait for it", at_once=True))
        made = await client.create_task_push_notification_config(
            TaskPushNotificationConfig(task_id=task.id, id="hook", url=url, token="opaque")
        )
        assert (made.id, made.task_id, made.url) == ("hook", task.id, url)
        asked = GetTaskPushNotificationConfigRequest(task_id=task.id, id="hook")
        assert await client.get_task_push_notification_config(asked) == made
        everything = ListTaskPushNotificationConfigsRequest(task_id=task.id)
        assert list((await client.list_task_push_notification_configs(everything)).configs) == [made]
        gone = DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="hook")
        await client.delete_task_push_notification_config(gone)
        await client.delete_task_push_notification_config(gone)
        assert not (await client.list_task_push_notification_configs(everything)).configs
        with pytest.raises(TaskNotFoundError):
            await client.get_task_push_notification_config(asked)
        with pytest.raises(InvalidParamsError):
            within = TaskPushNotificationConfig(task_id=task.id, url="https://169.254.169.254/latest")
            await client.create_task_push_notification_config(within)
        card = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
        assert card.capabilities.push_notifications

    run(story())


def test_what_comes_is_checked_as_the_page_shows_it(team, hook):
    async def story():
        url, came = hook
        client = await client_of(team, "JSONRPC", streaming=False)
        made = request("m-1", "wait for it", at_once=True)
        made.configuration.task_push_notification_config.CopyFrom(TaskPushNotificationConfig(url=url, token="opaque"))
        task = await one(client, made)
        await until(client, task.id, TaskState.TASK_STATE_WORKING)
        team.go()
        verified, ids = documented(), set()
        while True:
            headers, body = came.get(timeout=PATIENCE)
            headers = {name.title(): value for name, value in headers.items()}
            headers["X-A2A-Notification-Signature"] = headers["X-A2A-Notification-Signature".title()]
            event, told = verified(team.url, url, headers, body)
            assert told["id"] == task.id and event not in ids
            ids.add(event)
            with pytest.raises(jwt.InvalidTokenError):
                verified(team.url, url, headers, body + b" ")
            with pytest.raises(jwt.InvalidTokenError):
                verified(team.url, "https://elsewhere.example/", headers, body)
            if told["status"]["state"] == "TASK_STATE_COMPLETED":
                break
        assert told["artifacts"][0]["parts"][0]["text"] == "late"
        assert (await client.get_task(GetTaskRequest(id=task.id))).status.state == TaskState.TASK_STATE_COMPLETED

    run(story())
