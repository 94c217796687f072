"""The params of a create: checked, and taken as they are when they are passed."""

from collections.abc import Mapping
from typing import Final, NoReturn, cast

from wriftai_anyio._parsing.arguments import keys_of, nearest, refuse_unknown, shown
from wriftai_anyio._types.prediction_params import CreatePredictionParams, Webhook

from .json_input import JsonInput, as_json

_KEYS: Final = keys_of(CreatePredictionParams) | {"model", "stream"}
"""Those that are arguments elsewhere are known, too: the published client has them here."""
_WEBHOOK_KEYS: Final = keys_of(Webhook)


def are_params(given: object) -> bool:
    """Returns whether something can be the params of a create, and not the input itself."""
    return isinstance(given, Mapping) and "input" in given


def taken(params: object) -> JsonInput:
    """Takes the params of a create as they are now.

    Args:
        params: What the caller passed, which may change afterwards.

    Returns:
        A dictionary of them as JSON, with files in it.

    Raises:
        ValueError: If they cannot be right. It names the place, such as `input.images[2]`.
    """
    if not are_params(params):
        _refuse(f'params must be a dictionary with an "input": {_right_form(params)}')
    fields = cast("Mapping[str, object]", params)
    refuse_unknown(fields, _KEYS, "params", "extra_body")
    snapshot = as_json(fields)
    _check(snapshot.value)
    return snapshot


def _right_form(given: object) -> str:
    said = shown(given)
    names = set(map(str, cast("Mapping[object, object]", given))) if isinstance(given, Mapping) else set[str]()
    form = f'write {{"input": {said if "webhook" not in names else "…"}}}, not the bare input.'
    near = nearest("input", names)
    return f"write it for {near!r}." if near else form


def _check(fields: Mapping[str, object]) -> None:
    for name in ("validate_input", "stream"):
        if not isinstance(fields.get(name), (bool, type(None))):
            _refuse(f'params["{name}"] must be True or False, not {shown(fields[name])}.')
    webhook, extra = fields.get("webhook"), fields.get("extra_body")
    if webhook is not None:
        # What was given is not shown: its secret may be in it.
        form = 'params["webhook"] must be like {"url": "https://…"}, with a string as its url.'
        webhook = _dictionary(webhook, form)
        refuse_unknown(webhook, _WEBHOOK_KEYS, 'params["webhook"]', None)
        if not isinstance(url := webhook.get("url"), str) or not url.lower().startswith(("http://", "https://")):
            _refuse(form)
        if not isinstance(webhook.get("secret"), (str, type(None))):
            _refuse(f'params["webhook"]["secret"] must be a string, not a {type(webhook["secret"]).__name__}.')
    if extra is not None:
        doubled = _KEYS & _dictionary(extra, f'params["extra_body"] must be a dictionary, not {shown(extra)}.').keys()
        if doubled:
            _refuse(f"{min(doubled)!r} is known: it does not belong into extra_body.")


def _dictionary(value: object, otherwise: str) -> dict[str, object]:
    if not isinstance(value, dict):
        _refuse(otherwise)
    return cast("dict[str, object]", value)


def _refuse(problem: str) -> NoReturn:
    raise ValueError(f"{problem} Nothing was sent.")
