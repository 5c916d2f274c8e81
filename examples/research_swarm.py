"""A research swarm: one agent splits a subject into tasks, others claim the tasks, do them, and it writes the report.

The agents connect themselves (docs/programs.md). Each has a token of its own and is a member of the channel:

    agent-bridge agent register Orchestrator
    AGENT_BRIDGE_TOKEN=… research_swarm.py work research-task-123
    AGENT_BRIDGE_TOKEN=… research_swarm.py orchestrate research-task-123 "Research quantum error correction" \
        "surface codes" "topological codes" "recent breakthroughs"

They know each other only by the channel: its task cards and its agent events. Each of them can be killed at any moment
and started again, and so can the bridge: writes have keys that derive from the task, so that a repeat has no other
effect. If a worker stays away, its claim ends, and another worker takes the task.

Needs Python alone, no package.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Keys of the content of Matrix events: task cards, and agent events.
TASK, EVENT = "org.agent_bridge.task", "org.agent_bridge.event"
FOUND, STARTED = "research_complete", "started"
#: Statuses after which a repeat may succeed, and seconds before it.
AGAIN, PAUSE = {429, 502, 503, 504}, 0.5
#: Seconds without a byte: a stream has a heartbeat every 15 s.
PATIENCE = 60.0


class Problem(Exception):
    """The bridge refuses a request (RFC 9457)."""

    def __init__(self, status: int, body: bytes) -> None:
        try:
            found = json.loads(body)
        except ValueError:
            found = {}
        self.code: str = found.get("code", "")
        self.reason: str = found.get("reason", "")
        super().__init__(
            f"{status} {self.code} {found.get('detail') or found.get('title') or ''} {found.get('reason', '')}"
        )


class Bridge:
    """The HTTP API of a bridge, for one token and one room."""

    def __init__(self, url: str, token: str, room: str) -> None:
        self._url, self._token = url, token
        self._last_id, self._is_away = "", False
        self.room = room
        self.path = f"/v1/rooms/{quote(room, safe='')}"

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of a path."""
        return self._sent("GET", f"{path}?{urlencode(query)}", None, {})

    def post(self, path: str, key: str | None = None, **body: object) -> Any:
        """Send a write, with the effect of one, however often a program sends it with the same *key*."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._sent("POST", path, json.dumps(body).encode(), headers)

    def changes(self) -> Iterator[None]:
        """Yield at the begin, and whenever a task or an agent event of the room is new or different.

        Goes on after a lost connection behind the last event. The caller looks at the tasks of the room each time, so
        it need not remember any.
        """
        while True:
            try:
                for data in self._stream():
                    content = data.get("content") or {}
                    new = content.get("m.new_content", content)
                    if data["type"] == "ready" or TASK in new or EVENT in new:
                        yield
            except Problem as problem:
                if problem.code not in {"cursor_unknown", "cursor_expired"}:
                    raise
                self._last_id = ""
            except (OSError, http.client.HTTPException) as error:
                self._wait(error)

    def _sent(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        while True:
            try:
                with self._opened(method, path, body, headers) as response:
                    found = json.load(response)
                    self._is_away = False
                    return found
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._wait(error)

    def _wait(self, error: Exception) -> None:
        """Wait for the bridge, which is away, or was killed before it answered."""
        if not self._is_away:
            sys.stderr.write(f"waiting for the bridge: {error}\n")
        self._is_away = True
        time.sleep(PAUSE)

    def _stream(self) -> Iterator[dict[str, Any]]:
        """Yield the data of each server-sent event behind the last one."""
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        with self._opened("GET", f"/v1/events?{urlencode({'rooms': self.room})}", None, headers) as response:
            for line in response:
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if name == "id":
                    last_id = value
                elif name == "data":
                    yield json.loads(value)
                    self._last_id = last_id

    def _opened(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        headers = headers | {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310 - the bridge's URL
        try:
            return urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                if error.code in AGAIN:
                    raise OSError(f"HTTP status {error.code}") from None
                raise Problem(error.code, error.read()) from None


class Swarm:
    """An agent of the swarm in its channel."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.user_id: str = bridge.get("/v1/me")["user_id"]
        self._findings: dict[int, dict[str, Any]] = {}

    def tasks(self) -> list[dict[str, Any]]:
        """Return the open tasks of the channel."""
        found: list[dict[str, Any]] = self.bridge.get("/v1/tasks", room=self.bridge.room)["tasks"]
        return found

    def findings(self) -> dict[int, dict[str, Any]]:
        """Return the event with the result of each task, by the numbers of the tasks."""
        events = self.bridge.get(f"{self.bridge.path}/events", limit="100")["events"]
        # The bridge returns the newest ones: those of earlier looks are known.
        self._findings |= {each["data"]["subtask"]: each for each in events if each["kind"] == FOUND}
        return self._findings


class Orchestrator(Swarm):
    """Makes a task with subtasks, waits until agents have completed them, and reports."""

    def run(self, title: str, topics: list[str]) -> None:
        """Do it. A program that was killed goes on where it was."""
        room, post = self.bridge.room, self.bridge.post
        task = post("/v1/tasks", f"swarm/{room}/{title}", room=room, title=title)["number"]
        self._claim(task)
        subtasks = [
            post("/v1/tasks", f"swarm/{task}/{topic}", room=room, title=topic, parent=task)["number"]
            for topic in topics
        ]
        for _ in self.bridge.changes():
            waiting = {each["number"] for each in self.tasks()}
            findings = self.findings()
            if all(each in findings and each not in waiting for each in subtasks):
                break
        lines = ["**All subtasks are complete. Final report:**", ""]
        for place, (number, topic) in enumerate(zip(subtasks, topics, strict=True), 1):
            event = findings[number]
            lines.append(f"{place}. {topic} ({event['sender_name']}): {in_words(event['data'])}")
        post(f"{self.bridge.path}/messages", f"swarm/{task}/report", text="\n".join(lines))
        self._claim(task)
        post(f"/v1/tasks/{task}", f"swarm/{task}/done", state="completed", note="The report is in the channel.")

    def _claim(self, task: int) -> None:
        """Claim the task. A claim ends if no subtask makes progress for long."""
        try:
            self.bridge.post(f"/v1/tasks/{task}/claim")
        except Problem as problem:
            # It is completed: this program was killed at its end.
            if problem.code != "task_refused":
                raise


class Worker(Swarm):
    """Does subtasks, one at a time. *seconds*: the time that it takes for one."""

    def __init__(self, bridge: Bridge, seconds: float) -> None:
        super().__init__(bridge)
        self._seconds = seconds

    def run(self, most: int) -> None:
        """Do up to *most* subtasks."""
        for _ in self.bridge.changes():
            while most and (task := self._claimed()) is not None:
                most -= self._done(task)
            if not most:
                return

    def _claimed(self) -> dict[str, Any] | None:
        """Return a subtask that is this agent's now; None: there is nothing to do."""
        parts = [each for each in self.tasks() if each["parent"] is not None]
        for each in parts:
            # Of an earlier run of this program.
            if each["assignee"] == self.user_id and each["state"] == "working":
                return each
        for each in parts:
            if each["assignee"] is None:
                try:
                    self.bridge.post(f"/v1/tasks/{each['number']}/claim")
                except Problem as problem:
                    # Another worker was faster.
                    if problem.code != "task_refused":
                        raise
                else:
                    return each
        return None

    def _done(self, task: dict[str, Any]) -> bool:
        """Do a task; tell whether it is done: the claim ends if it takes too long."""
        number, title = task["number"], task["title"]
        try:
            self._post(STARTED, number, {"subtask": number}, f"Claiming subtask {number}: {title}")
            known = self.findings().get(number)
            found = research(title, self._seconds) if known is None else known["data"]
            if known is None:
                # Refused if the task is another worker's meanwhile.
                self.bridge.post(f"/v1/tasks/{number}", progress=90, note="The sources are read.")
                self._post(FOUND, number, {"subtask": number} | found)
            self.bridge.post(f"/v1/tasks/{number}", f"swarm/{number}/done", state="completed", note=in_words(found))
        except Problem as problem:
            # The claim has ended, or another worker has the task by now.
            if problem.code != "task_refused" and problem.reason != "not_yours":
                raise
            return False
        return True

    def _post(self, kind: str, number: int, data: dict[str, Any], text: str = "") -> None:
        self.bridge.post(f"{self.bridge.path}/events", f"swarm/{number}/{kind}", kind=kind, data=data, text=text)


def research(title: str, seconds: float) -> dict[str, Any]:
    """Return the number of sources, and the confidence: put your own research here."""
    time.sleep(seconds)
    known = {"surface codes": (12, 0.87), "topological codes": (8, 0.92), "recent breakthroughs": (15, 0.78)}
    sources, confidence = known.get(title, (len(title), 0.5))
    return {"sources": sources, "confidence": confidence}


def in_words(found: dict[str, Any]) -> str:
    """Return the result of a research for people."""
    return f"{found['sources']} sources, confidence {found['confidence']}"


def main() -> None:
    """Run an agent, whose token is in the environment."""
    parser = argparse.ArgumentParser(description="an agent of a research swarm")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("work", help="claim subtasks, and do them")
    worker.add_argument("room", help="the channel")
    worker.add_argument("--tasks", type=int, default=-1, help="end after so many; default: go on")
    worker.add_argument("--seconds", type=float, default=2.0, help="the time that the research takes")
    orchestrator = commands.add_parser("orchestrate", help="make a task with subtasks, and report when they are done")
    orchestrator.add_argument("room", help="the channel")
    orchestrator.add_argument("title", help="the task")
    orchestrator.add_argument("topics", nargs="+", help="the subtasks")
    given = parser.parse_args()
    url, token = os.environ.get("AGENT_BRIDGE_URL"), os.environ.get("AGENT_BRIDGE_TOKEN")
    if not (url and token):
        parser.error("set AGENT_BRIDGE_URL and AGENT_BRIDGE_TOKEN")
    bridge = Bridge(url.rstrip("/"), token, given.room)
    if given.command == "work":
        Worker(bridge, given.seconds).run(given.tasks)
    else:
        Orchestrator(bridge).run(given.title, given.topics)


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
