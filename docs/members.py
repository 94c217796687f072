"""Members as users see them: without private bases and the marks of twins, and with short, public spellings."""

import inspect
import re
from typing import Final

import pdoc.doc

from wriftai_anyio import predictions
from wriftai_anyio.common_types import JsonValue, JsonValueWithFile

from .public_names import PACKAGE, PublicNames

_JSON_TYPES: Final = {"JsonValue": JsonValue, "JsonValueWithFile": JsonValueWithFile}
_DEFAULTS: Final = {name: value for name, value in vars(predictions).items() if name.startswith("DEFAULT_")}


class _Spelled:
    """A type or a value that is shown in a spelling of its own."""

    def __init__(self, spelling: str) -> None:
        self._spelling = spelling

    def __repr__(self) -> str:
        return self._spelling


def simplify(documented: pdoc.doc.Doc[object], names: PublicNames) -> None:
    """Puts what a page says of a member, and of its members, in the terms of users.

    Args:
        documented: The member.
        names: What is public.
    """
    if isinstance(documented, pdoc.doc.Class):
        _adopt_what_private_bases_give(documented, names)
        for member in documented.members.values():
            simplify(member, names)
    elif isinstance(documented, pdoc.doc.Function):
        documented.signature = _spelled_signature(documented.signature, names)
    elif isinstance(documented, pdoc.doc.Variable):
        documented.annotation_str = _short(documented.annotation_str, names)
        documented.default_value_str = names.spell(documented.default_value_str)


def _adopt_what_private_bases_give(documented: pdoc.doc.Class, names: PublicNames) -> None:
    inherited = documented.inherited_members
    private = [members for origin, members in inherited.items() if names.is_private(*origin)]
    shown = {member.name for members in [documented.own_members, *private] for member in members}
    documented.own_members = [member for name, member in documented.members.items() if name in shown]
    documented.inherited_members = {
        origin: members for origin, members in inherited.items() if not names.is_private(*origin)
    }
    documented.bases = [base for base in documented.bases if not names.is_private(*base[:2])]


def _spelled_signature(signature: inspect.Signature, names: PublicNames) -> inspect.Signature:
    def annotation(shown: object) -> object:
        spelling = inspect.formatannotation(shown)
        short = _short(spelling, names)
        return shown if short == spelling else _Spelled(short)

    def default(value: object) -> object:
        constants = [name for name, constant in _DEFAULTS.items() if constant is value]
        return _Spelled(constants[0]) if constants else value

    parameters = [
        parameter.replace(annotation=annotation(parameter.annotation), default=default(parameter.default))
        for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters, return_annotation=annotation(signature.return_annotation))


def _short(spelling: str, names: PublicNames) -> str:
    """Names JSON's types where an annotation spells out what they stand for, and all types by their public names."""
    for name, json_type in _JSON_TYPES.items():
        public = f"{PACKAGE}.common_types.{name}"
        itself = rf"(?:ForwardRef\('{name}'\)|'{name}'|{re.escape(public)})"
        written = re.escape(inspect.formatannotation(json_type)).replace(f"'{name}'", itself)
        long = re.compile(written.replace(r"collections\.abc\.", r"(?:collections\.abc\.)?"))
        while long.search(spelling):
            spelling = long.sub(public, spelling)
    return names.spell(spelling.replace("~", ""))
