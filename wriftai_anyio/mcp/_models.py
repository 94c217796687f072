"""Models offered as separate tools, with the schemas of their inputs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import Tool

from wriftai_anyio.common_types import JsonValue

from ._calls import Calls
from ._guards import Guards
from ._schemas import can_be_arguments, has_references
from ._tools import INPUT, NAMES, model_tool

LONGEST_NAME: Final = 64
"""The most characters of a tool's name that common clients accept."""


@dataclass(frozen=True)
class ModelTool:
    """A tool that runs one model.

    Attributes:
        tool: The tool as the agent sees it.
        model: The model's reference.
        is_wrapped: Whether the input is the argument `input`, since the model's input is not an object.
    """

    tool: Tool
    model: str
    is_wrapped: bool

    def input_of(self, arguments: Mapping[str, Any]) -> JsonValue:
        """Returns the model's input from the arguments of a call."""
        return arguments["input"] if self.is_wrapped else arguments


async def model_tools(calls: Calls, guards: Guards, models: Sequence[str]) -> dict[str, ModelTool]:
    """Gets the schemas of models from the API, and returns the models' tools by name.

    Args:
        calls: Gets the schemas.
        guards: The limits, which must allow each model.
        models: The models' references.
    """
    tools: dict[str, ModelTool] = {}
    for model in models:
        guards.check_model(model)
        described = await calls.description(model)
        schema: dict[str, Any] | None = described["input_schema"]
        is_direct = schema is not None and can_be_arguments(schema)
        arguments = schema if schema is not None and is_direct else _wrapped(schema)
        tool = model_tool(_name(model, tools), model, described["description"], arguments)
        tools[tool.name] = ModelTool(tool, model, is_wrapped=not is_direct)
    return tools


def _wrapped(schema: dict[str, Any] | None) -> dict[str, Any]:
    """Returns a schema of arguments with the model's input as `input`, described if the agent may see its schema."""
    # References start at the root of the schema, so they would no longer match.
    known = INPUT if schema is None or has_references(schema) else schema
    return {"type": "object", "properties": {"input": known}, "required": ["input"]}


def _name(model: str, taken: Mapping[str, object]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", model)[:LONGEST_NAME]
    number, name = 1, plain
    while name in taken or name in NAMES:
        number += 1
        name = f"{plain[: LONGEST_NAME - 4]}_{number}"
    return name
