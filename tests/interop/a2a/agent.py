"""An agent made with the official SDK. The first text of a message says what it does. `agent.py PORT [VERSION]`"""

import asyncio
import sys

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution.agent_executor import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.tasks.inmemory_task_store import InMemoryTaskStore
from a2a.server.tasks.task_updater import TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette


class Executor(AgentExecutor):
    def __init__(self):
        self.seen = {}

    async def execute(self, context, event_queue):
        message, task = context.message, context.current_task
        if task is None:
            task = new_task_from_user_message(message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        say = lambda text: updater.new_agent_message([new_text_part(text)])
        await updater.start_work()
        word = message.parts[0].text
        if word == "fail":
            await updater.failed(say("it went wrong"))
        elif word == "ask":
            await updater.requires_input(say("which one?"))
        elif word == "count":
            count = self.seen[task.context_id] = self.seen.get(task.context_id, 0) + 1
            await updater.add_artifact([new_text_part(str(count))])
            await updater.complete()
        elif word == "stream":
            for number in range(4):
                await updater.add_artifact([new_text_part(str(number))], artifact_id="numbers", append=number > 0)
                await asyncio.sleep(0.8)
            await updater.complete()
        elif word == "slow":
            await updater.update_status(2, say("it takes a while"))
            await asyncio.sleep(120)
        else:
            await updater.add_artifact(list(message.parts), name="echo")
            await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def main():
    port, version = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "1.0"
    # The URL names a host that nobody is to follow.
    card = AgentCard(
        name="The agent", description="Does what it is told", version="1",
        supported_interfaces=[AgentInterface(url="http://0.0.0.0:1/rpc", protocol_binding="JSONRPC",
                                             protocol_version=version)],
        capabilities=AgentCapabilities(streaming=version == "1.0"),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="echo", description="Echoes", tags=["echo"])])
    handler = DefaultRequestHandler(Executor(), InMemoryTaskStore(), card)
    routes = create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=True)
    app = Starlette(routes=create_agent_card_routes(card) + routes)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
