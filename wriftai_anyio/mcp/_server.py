"""The server: lists the tools, checks the arguments of each call, and turns every failure into a readable result."""

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any, Final

from mcp.server import Server, ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from wriftai_anyio import Client, CreateOutcomeUnknown, WaitTimeoutError, WriftAIError, __version__

from ._calls import Calls, Progress
from ._guards import Guards, ToolError
from ._models import model_tools
from ._results import error_result
from ._schemas import Validator, check, validator_of
from ._tools import FIXED, FOR_FILES

INSTRUCTIONS: Final = (
    "Runs AI models on WriftAI. Running a model costs money: describe a model before you run it for the first time, "
    "and never repeat a call whose outcome is unknown before you have looked with list_predictions."
)

Context = ServerRequestContext[Any, Any]


async def build_server(client: Client, guards: Guards, models: Sequence[str] = ()) -> Server[Any]:
    """Returns a server whose tools run on a client.

    Args:
        client: Makes the requests.
        guards: The limits for agents.
        models: References of models to offer as separate tools.

    Raises:
        WriftAIError: If the API does not return the schema of one of them.
        ToolError: If one of them is not allowed, or has no version.
    """
    calls = Calls(client, guards)
    of_models = await model_tools(calls, guards, models)
    fixed = (*FIXED, *(FOR_FILES if guards.folder else ()))
    tools = {tool.name: tool for tool in (*fixed, *(each.tool for each in of_models.values()))}

    @cache
    def validator(tool: str) -> Validator | None:
        return validator_of(tools[tool].input_schema)

    async def list_tools(_context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(tools.values()))

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        arguments = params.arguments or {}
        try:
            if params.name not in tools:
                raise ToolError(f"There is no tool {params.name[:80]!r}.")
            check(validator(params.name), arguments)
            progress = _progress(context)
            if params.name in of_models:
                one = of_models[params.name]
                return await calls.run(one.model, one.input_of(arguments), None, progress)
            return await calls.call(params.name, arguments, progress)
        except WriftAIError as error:
            return _failure(error)
        except (ToolError, ValueError, OSError) as error:
            return error_result(str(error))
        except (AttributeError, LookupError, TypeError) as error:
            return error_result(f"The API's answer is not as it should be, and cannot be shown: {error!r}.")

    return Server(
        "wriftai",
        version=__version__,
        title="WriftAI",
        instructions=_instructions(guards),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _instructions(guards: Guards) -> str:
    """Explains the tools and the limits, so that an agent need not find out by failing."""
    said = [INSTRUCTIONS]
    if guards.max_predictions is not None:
        said.append(f"This server creates no more than {guards.max_predictions} predictions.")
    if guards.allow:
        said.append(f"It runs only models like {', '.join(guards.allow)}.")
    return " ".join(said)


def _progress(context: Context) -> Progress | None:
    """Returns a callback for each status; `None` if the agent did not ask, since statuses cost requests."""
    if not (context.meta or {}).get("progress_token"):
        return None
    steps = count(1)

    async def report(status: str) -> None:
        await context.session.report_progress(next(steps), None, status)

    return report


def _failure(error: WriftAIError) -> CallToolResult:
    known = {"prediction_id": getattr(error, "prediction_id", None), "request_id": getattr(error, "request_id", None)}
    details = {name: value for name, value in known.items() if value}
    if isinstance(error, WaitTimeoutError) and error.prediction_id:
        details["note"] = "The prediction was asked to be cancelled."
    if isinstance(error, CreateOutcomeUnknown):
        details["note"] = "It may run, and cost money. Look with list_predictions before you try again."
    return error_result(str(error), **details)
