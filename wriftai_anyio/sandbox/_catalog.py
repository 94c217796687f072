"""The models and their versions: what the API says about each, and the function that runs it."""

import itertools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ._answers import invalid, not_found, refusal
from ._models import Model, Models, parse_reference
from ._records import Record, timestamp
from ._reference_data import CATEGORIES_BY_SLUG, HARDWARE_IDENTIFIERS
from ._schemas import Schema
from ._users import Users

COMPATIBILITIES: Final[tuple[str, ...]] = (
    "openai_chat_completions",
    "openai_embeddings",
    "openai_images_generations",
    "openai_responses",
    "anthropic_messages",
)
_NO_COMPATIBILITIES: Final[Mapping[str, bool]] = dict.fromkeys(COMPATIBILITIES, False)
_DETAILS: Final = ("overview", "source_url", "license_url", "paper_url")
_OPTIONAL: Final = ("description", "cover_image_url", *_DETAILS)
_FIRST_CONFIGURATION: Final[Mapping[str, Any]] = {
    "hardware_identifier": HARDWARE_IDENTIFIERS[0],
    "variable_names": [],
}


@dataclass
class Version:
    """One version of a model."""

    number: int
    release_notes: str
    schemas: Mapping[str, Any]
    compatibilities: Mapping[str, bool]
    configuration: Mapping[str, Any]
    container_image_digest: str | None = None
    created_at: str = field(default_factory=timestamp)
    input_schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        self.input_schema = Schema(self.schemas["prediction"]["input"])

    def summary(self) -> dict[str, Any]:
        """Return the fields that a page shows."""
        return {"number": self.number, "release_notes": self.release_notes, "created_at": self.created_at}

    def details(self) -> dict[str, Any]:
        """Return all fields."""
        shown = {**self.summary(), "schemas": self.schemas, "compatibilities": self.compatibilities}
        if self.container_image_digest is not None:
            shown |= {"container_image_digest": self.container_image_digest, "size": 123_456_789}
        return shown


@dataclass
class ModelRecord(Record):
    """One model.

    Attributes:
        owner: Its owner's name.
        function: The function that runs it; `None` if it was created through the API.
        function_version: The number of the version that came with the function.
        versions: Its versions by number, oldest first.
        predictions_count: How many predictions were created with it.
    """

    owner: str
    function: Model | None = None
    function_version: int | None = None
    versions: dict[int, Version] = field(default_factory=dict[int, Version])
    predictions_count: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def reference(self) -> str:
        """Its name with its owner's, `owner/name`."""
        return f"{self.owner}/{self.fields['name']}"

    @property
    def latest(self) -> Version | None:
        """Its latest version."""
        return next(reversed(self.versions.values()), None)

    def add_version(self, properties: Mapping[str, Any]) -> Version:
        """Add a version.

        Args:
            properties: Its release notes, schemas and image, optional compatibilities, and an optional configuration,
                by default that of the previous version.

        Raises:
            ValueError: If the input's schema is not a JSON Schema.
        """
        before = _FIRST_CONFIGURATION if self.latest is None else self.latest.configuration
        version = Version(
            next(self._numbers),
            release_notes=properties["release_notes"],
            schemas=properties["schemas"],
            compatibilities={**_NO_COMPATIBILITIES, **properties.get("compatibilities", {})},
            configuration=properties.get("configuration", before),
            container_image_digest=properties["container_image_digest"],
        )
        self.versions[version.number] = version
        return version

    def attach(self, function: Model) -> None:
        """Run the model with a function; if the model has no version, the function becomes the first."""
        self.function = function
        if not self.versions:
            self.function_version = next(self._numbers)
        elif self.function_version not in self.versions:
            return
        self.versions[self.function_version] = Version(
            self.function_version,
            release_notes="The function that is registered.",
            schemas={"prediction": {"input": function.input_schema, "output": {}}},
            compatibilities=_NO_COMPATIBILITIES,
            configuration=_FIRST_CONFIGURATION,
        )


class Catalog:
    """All models, both those with a registered function and those created through the API.

    Args:
        functions: The registered functions.
        users: The owners.
    """

    def __init__(self, functions: Models, users: Users) -> None:
        self._functions = functions
        self._users = users
        self._records: dict[str, ModelRecord] = {}
        self._serials = itertools.count()

    def create(self, owner: str, fields: Mapping[str, Any]) -> ModelRecord:
        """Add a model without versions.

        Raises:
            ApiError: 409, if there is one of that name.
        """
        self._refuse_taken(f"{owner}/{fields['name']}")
        return self._add(owner, fields)

    def get(self, reference: str) -> ModelRecord | None:
        """Return the model `owner/name`."""
        function = self._functions.find(reference)
        record = self._records.get(reference)
        if record is not None and record.function is function:
            return record
        if function is not None:
            return self._register(reference, function)
        self._records.pop(reference, None)
        return None

    def find(self, reference: str) -> ModelRecord:
        """Return the model `owner/name`.

        Raises:
            ApiError: 404, if there is none.
        """
        record = self.get(reference)
        if record is None:
            raise not_found("model")
        return record

    def resolve(self, reference: str) -> tuple[ModelRecord, Version]:
        """Return the model and the version for a prediction's `model`.

        Raises:
            ApiError: 422 if it is not a reference; 404 if there is no such version.
        """
        try:
            name, number = parse_reference(reference)
        except ValueError as error:
            raise invalid(["body", "model"], str(error)) from None
        record = self.find(name)
        version = record.latest if number is None else record.versions.get(number)
        if version is None:
            raise not_found("model")
        return record, version

    def all(self) -> list[ModelRecord]:
        """Return all models, oldest first."""
        names = dict.fromkeys([*self._records, *self._functions])
        records = [record for record in map(self.get, names) if record is not None]
        return sorted(records, key=lambda record: record.serial)

    def owned_by(self, owner: str) -> list[ModelRecord]:
        """Return all models of an owner."""
        return [record for record in self.all() if record.owner == owner]

    def edit(self, record: ModelRecord, changes: Mapping[str, Any]) -> None:
        """Change some fields of a model, such as its name.

        Raises:
            ApiError: 409, if the new name is taken.
        """
        old = record.reference
        new = f"{record.owner}/{changes.get('name', record.fields['name'])}"
        if new != old:
            self._refuse_taken(new)
        record.edit(changes)
        self._move(old, record)

    def rename_owner(self, records: Iterable[ModelRecord], name: str) -> None:
        """Rename the owner of models.

        Args:
            records: All models of the owner.
            name: The new name.
        """
        for record in records:
            reference = record.reference
            record.owner = name
            self._move(reference, record)

    def remove(self, record: ModelRecord) -> None:
        """Remove a model and its function."""
        del self._records[record.reference]
        self._functions.pop(record.reference, None)

    def clear(self) -> None:
        """Remove all models without a registered function."""
        self._records.clear()

    def summary(self, record: ModelRecord) -> dict[str, Any]:
        """Return the fields of a model that a page shows."""
        return {
            **{name: value for name, value in record.fields.items() if name not in _DETAILS},
            "owner": self._users.owner(record.owner),
            "predictions_count": record.predictions_count,
        }

    def details(self, record: ModelRecord) -> dict[str, Any]:
        """Return all fields of a model."""
        latest = record.latest
        return {
            **self.summary(record),
            **{name: record.fields[name] for name in _DETAILS},
            "latest_version": None if latest is None else latest.details(),
        }

    def _register(self, reference: str, function: Model) -> ModelRecord:
        owner, _, name = reference.partition("/")
        record = self._records.get(reference)
        if record is None:
            record = self._add(owner, {"name": name, "visibility": "public"})
        record.attach(function)
        return record

    def _add(self, owner: str, fields: Mapping[str, Any]) -> ModelRecord:
        self._users.named(owner)
        given: dict[str, Any] = {**dict.fromkeys(_OPTIONAL), "visibility": "private", "categories": [], **fields}
        given |= {"id": str(uuid.uuid4()), "created_at": timestamp(), "updated_at": None}
        record = ModelRecord(next(self._serials), given, owner)
        self._records[record.reference] = record
        return record

    def _move(self, old: str, record: ModelRecord) -> None:
        self._records[record.reference] = self._records.pop(old)
        if old in self._functions:
            self._functions[record.reference] = self._functions.pop(old)

    def _refuse_taken(self, reference: str) -> None:
        if self.get(reference) is not None:
            raise refusal(409, "conflict", "there is a model of that name")


def categories(slugs: list[str]) -> list[dict[str, Any]]:
    """Return the categories with these slugs, as a model shows them.

    Raises:
        ApiError: 422, if there is no such category.
    """
    for index, slug in enumerate(slugs):
        if slug not in CATEGORIES_BY_SLUG:
            raise invalid(["body", "category_slugs", index], f"no category: {slug}")
    return [{"name": CATEGORIES_BY_SLUG[slug]["name"], "slug": slug} for slug in slugs]
