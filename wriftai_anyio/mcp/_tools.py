"""The tools as an agent sees them: names, descriptions to choose by, input schemas, and hints of what they do."""

from collections.abc import Mapping
from typing import Any, Final

from mcp_types import Tool, ToolAnnotations

from wriftai_anyio.predictions import Status

Schema = dict[str, Any]

MODEL: Final = {
    "type": "string",
    "description": "The model, as owner/name or owner/name:version, such as deepseek-ai/deepseek-r1.",
}
INPUT: Final = {"description": "The model's input, as describe_model lists its fields. Usually an object."}
PREDICTION_ID: Final = {"type": "string", "minLength": 1, "description": "The prediction's id."}
LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": 50, "default": 10, "description": "Entries at most."}
TIMEOUT: Final = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 3600,
    "description": "Seconds to wait at most; the prediction is cancelled when they pass. By default there is no limit.",
}


STRING: Final[Schema] = {"type": "string"}
MAYBE_STRING: Final[Schema] = {"type": ["string", "null"]}
MAYBE_INTEGER: Final[Schema] = {"type": ["integer", "null"]}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


SUMMARY: Final[Mapping[str, Schema]] = {
    "prediction_id": STRING,
    "status": STRING,
    "model": STRING,
    "created_at": MAYBE_STRING,
}
PREDICTION: Final = _object(*SUMMARY, **SUMMARY)
PREDICTION_WITH_OUTPUT: Final = _object(
    *SUMMARY,
    "output",
    **SUMMARY,
    output={"description": "What the model made; a string with a part of it if it was cut."},
    output_characters={"type": "integer", "description": "The output's length, if it was cut."},
    note={"type": "string", "description": "How to read on, if the output was cut."},
    error=_object("message", message=STRING, source=MAYBE_STRING, detail={}),
)
MODEL_SUMMARY: Final[Mapping[str, Schema]] = {
    "model": STRING,
    "description": MAYBE_STRING,
    "predictions_count": {"type": ["integer", "null"]},
}
MODEL_DETAILS: Final = _object(
    *MODEL_SUMMARY,
    "input_fields",
    **MODEL_SUMMARY,
    version=MAYBE_INTEGER,
    overview=MAYBE_STRING,
    input_fields={"type": "array", "items": {"type": "object"}},
    input_schema={"type": ["object", "null"], "description": "Null if it is unknown, very long or not valid."},
    output_schema={"type": ["object", "null"]},
)


def _list_of(name: str, entry: Schema) -> Schema:
    return _object(name, **{name: {"type": "array", "items": entry}})


def _tool(
    name: str,
    title: str,
    description: str,
    properties: Schema,
    *required: str,
    returns: Schema,
    **hints: bool,
) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema={**_object(*required, **properties), "additionalProperties": False},
        output_schema=returns,
        annotations=ToolAnnotations(title=title, **{f"{hint}_hint": value for hint, value in hints.items()}),
    )


READING: Final = {"read_only": True, "destructive": False, "idempotent": True, "open_world": True}
CREATING: Final = {"read_only": False, "destructive": False, "idempotent": False, "open_world": True}

FIXED: Final = (
    _tool(
        "search_models",
        "Search models",
        "Find AI models on WriftAI by what they do (for example: image generation, translation). Returns names and "
        "descriptions. Use describe_model on a result before you run it.",
        {"query": {"type": "string", "minLength": 1, "description": "What to look for."}, "limit": LIMIT},
        "query",
        returns=_list_of("models", _object("model", **MODEL_SUMMARY)),
        **READING,
    ),
    _tool(
        "describe_model",
        "Describe a model",
        "List the fields of a model's input, with their types, defaults and whether they are required, and say what "
        "it returns. Free of charge. Use it before you run a model for the first time.",
        {"model": MODEL},
        "model",
        returns=MODEL_DETAILS,
        **READING,
    ),
    _tool(
        "run_model",
        "Run a model",
        "Run a model and wait for its output. It costs money, and takes from a second to half an hour; each status is "
        "reported as progress. If you cancel the request, the prediction is cancelled too. For long jobs prefer "
        "start_prediction.",
        {"model": MODEL, "input": INPUT, "timeout": TIMEOUT},
        "model",
        "input",
        returns=PREDICTION_WITH_OUTPUT,
        **CREATING,
    ),
    _tool(
        "start_prediction",
        "Start a prediction",
        "Start a model and return the prediction's id at once, without waiting. It costs money. Ask get_prediction for "
        "its status and output later; cancel_prediction stops it.",
        {"model": MODEL, "input": INPUT},
        "model",
        "input",
        returns=PREDICTION,
        **CREATING,
    ),
    _tool(
        "get_prediction",
        "Get a prediction",
        "Return a prediction's status and, once it has ended, its output or error. For an output that was cut, give "
        "the offset that the cut result names, to read on.",
        {
            "prediction_id": PREDICTION_ID,
            "offset": {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "Characters of the output to skip.",
            },
        },
        "prediction_id",
        returns=PREDICTION_WITH_OUTPUT,
        **READING,
    ),
    _tool(
        "list_predictions",
        "List predictions",
        "List the account's newest predictions, without inputs and outputs.",
        {
            "limit": LIMIT,
            "statuses": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "enum": [str(status.value) for status in Status]},
                "description": "Only predictions of these statuses.",
            },
        },
        returns=_list_of("predictions", PREDICTION),
        **READING,
    ),
    _tool(
        "cancel_prediction",
        "Cancel a prediction",
        "Ask WriftAI to cancel a running prediction. It takes effect a little later; asking again is safe.",
        {"prediction_id": PREDICTION_ID},
        "prediction_id",
        returns=_object("prediction_id", prediction_id=STRING, cancel_requested={"type": "boolean"}),
        read_only=False,
        destructive=True,
        idempotent=True,
        open_world=True,
    ),
)

FOR_FILES: Final = (
    _tool(
        "save_output",
        "Save a prediction's files",
        "Download every file that a prediction's output links to into this server's folder, never over an existing "
        "file. Returns the output with paths in place of the links.",
        {
            "prediction_id": PREDICTION_ID,
            "subfolder": {"type": "string", "description": "A folder below this server's folder; made if missing."},
        },
        "prediction_id",
        returns=_object("prediction_id", "output", prediction_id=STRING, output={}),
        read_only=False,
        destructive=False,
        idempotent=False,
        open_world=True,
    ),
    _tool(
        "upload_file",
        "Upload a file",
        "Upload a file from this server's folder and return its address, which you can use in a model's input wherever "
        "it takes a file.",
        {"path": {"type": "string", "minLength": 1, "description": "The file's path below this server's folder."}},
        "path",
        returns=_object("url", url=STRING),
        read_only=False,
        destructive=False,
        idempotent=False,
        open_world=True,
    ),
)

NAMES: Final = frozenset(tool.name for tool in (*FIXED, *FOR_FILES))


def model_tool(name: str, model: str, description: str | None, input_schema: dict[str, Any]) -> Tool:
    """Returns the tool that runs one model.

    Args:
        name: The tool's name.
        model: The model's reference.
        description: The model's description.
        input_schema: The JSON schema of the tool's arguments.
    """
    says = (description or "").strip()[:1000]
    return Tool(
        name=name,
        title=f"Run {model}",
        description=f"Run the WriftAI model {model} and wait for its output. It costs money. {says}".strip(),
        input_schema=input_schema,
        output_schema=PREDICTION_WITH_OUTPUT,
        annotations=ToolAnnotations(
            title=f"Run {model}",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=False,
            open_world_hint=True,
        ),
    )
