"""Questions to a server about its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import AnswerInterrupted, UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.memory import Step
from agent_bridge.upstream.a2a.records import State, read_task
from agent_bridge.upstream.a2a.requests import Method
from agent_bridge.upstream.a2a.rpc import TASK_NOT_FOUND, RpcRefused
from agent_bridge.upstream.transport.json_values import objects, text

if TYPE_CHECKING:
    from agent_bridge.upstream.a2a.memory import Memory
    from agent_bridge.upstream.a2a.records import Task
    from agent_bridge.upstream.a2a.rpc import Rpc

#: Tasks of a page of the list, pages that are read, and messages of each task.
_PAGE, _PAGES, _HISTORY = 50, 3, 50


class Tasks:
    """The tasks of the agent of *rpc*."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def get(self, task_id: str) -> Task:
        """Return a task as a whole.

        Raises:
            UpstreamError: the server did not return it.
        """
        try:
            result = await self._rpc.call(Method.GET, {"id": task_id, "historyLength": _HISTORY})
        except RpcRefused as refused:
            if refused.code == TASK_NOT_FOUND:
                raise UpstreamRefused(Text("a2a_task_gone", upstream=self._rpc.upstream)) from None
            raise refused.error from None
        task = read_task(result)
        if task is None or task.id != task_id:
            raise UpstreamProtocolError(Text("a2a_no_result", upstream=self._rpc.upstream))
        return task

    async def search(self, context_id: str, message_id: str) -> str:
        """Return the id of the task that the message *message_id* began; empty if the server shows none.

        Raises:
            UpstreamError: the server did not respond.
        """
        params: dict[str, Any] = {"pageSize": _PAGE, "historyLength": _HISTORY}
        params |= {"contextId": context_id} if context_id else {}
        for _ in range(_PAGES):
            try:
                result = await self._rpc.call(Method.LIST, params)
            except (RpcRefused, UpstreamProtocolError):
                break
            found = (read_task(each) for each in objects(result.get("tasks")))
            for task in found:
                if task is not None and message_id in task.message_ids:
                    return task.id
            if not (token := text(result.get("nextPageToken"))):
                break
            params["pageToken"] = token
        return ""

    async def asking(self, memory: Memory) -> str:
        """Return the id of the task that waits for the next message of a lane; empty if none does.

        Raises:
            UpstreamError: the server did not tell.
        """
        if memory.step is Step.SENT and memory.task_id:
            # The message before may not have arrived.
            try:
                task = await self.get(memory.task_id)
            except UpstreamRefused:
                return ""
            return task.id if task.status.state is State.ASKS else ""
        return memory.task_id if memory.step is Step.ASKS else ""

    async def earlier(self, memory: Memory, message_id: str) -> str:
        """Return the id of the task of a question that an earlier attempt sent; empty: the question did not arrive.

        Raises:
            AnswerInterrupted: the server does not tell whether it arrived.
            UpstreamError: the server did not respond.
        """
        if memory.step is not Step.SENT:
            return memory.task_id or await self._certain(memory, message_id)
        if not memory.task_id:
            return await self._certain(memory, message_id)
        task = await self.get(memory.task_id)
        if message_id in task.message_ids or task.status.state is not State.ASKS:
            return task.id
        if task.message_ids:
            return ""
        raise self._unclear()

    async def _certain(self, memory: Memory, message_id: str) -> str:
        if found := await self.search(memory.context_id, message_id):
            return found
        raise self._unclear()

    def _unclear(self) -> AnswerInterrupted:
        return AnswerInterrupted(Text("a2a_unclear", upstream=self._rpc.upstream))
