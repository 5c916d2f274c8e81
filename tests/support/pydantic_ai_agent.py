"""An agent of the framework Pydantic AI, which runs in an environment of its own and has the tools of a bridge."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.api_client import Program
    from support.scripted_model import ScriptedModel

#: The environment that `make test-pydantic-ai` makes.
PYTHON = Path(os.environ.get("TEST_PYDANTIC_AI", Path(__file__).parents[2] / ".venv-pydantic-ai" / "bin" / "python"))
_AGENT = """
import asyncio, json, os
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

given = json.loads(os.environ["GIVEN"])
model = OpenAIChatModel("fake-1", provider=OpenAIProvider(base_url=given["model"], api_key="none"))
tools = MCPToolset(given["url"], headers={"Authorization": f"Bearer {given['token']}"})
print(asyncio.run(Agent(model, toolsets=[tools]).run(given["prompt"])).output)
"""


async def run_agent(program: Program, model: ScriptedModel, prompt: str) -> str:
    """Give *prompt* to an agent with the token of *program*, and return its output."""
    given = {"url": f"{program.url}/mcp", "token": program.token, "model": model.url, "prompt": prompt}
    process = await asyncio.create_subprocess_exec(
        str(PYTHON),
        "-c",
        _AGENT,
        env={"GIVEN": json.dumps(given), "PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().strip()
