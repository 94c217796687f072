"""Users, one of whom owns the token."""

import uuid
from collections.abc import Mapping
from typing import Any

from ._records import Record, Records

AUTHENTICATED = "me"
DETAILS = frozenset({"urls"})
PUBLIC_OWNER = ("account_id", "name", "avatar_url")


class Users:
    """All users; an owner becomes a user with the first model."""

    def __init__(self) -> None:
        self.records = Records("user")
        self.authenticated = self.named(AUTHENTICATED)

    def named(self, name: str, **fields: object) -> Record:
        """Return the user with a name, who is created if there is none yet.

        Args:
            name: The name.
            fields: The fields of a new user.
        """
        user = self.records.get(name)
        if user is not None:
            return user
        unknown = dict.fromkeys(("display_name", "bio", "location", "company", "urls"))
        avatar_url = f"https://example.com/avatars/{name}.png"
        return self.records.create(
            {**unknown, **fields, "account_id": str(uuid.uuid4()), "name": name, "avatar_url": avatar_url}
        )

    def owner(self, name: str) -> dict[str, Any]:
        """Return the fields of an owner that are part of a model."""
        fields = self.named(name).fields
        return {field: fields[field] for field in PUBLIC_OWNER}

    def clear(self) -> None:
        """Remove all users but the one who owns the token, who is reset."""
        self.records.clear()
        self.authenticated = self.named(AUTHENTICATED)


def summary(user: Record) -> dict[str, Any]:
    """Return the fields of a user that a page shows."""
    return {name: value for name, value in user.fields.items() if name not in DETAILS}


def details(user: Record) -> Mapping[str, Any]:
    """Return all fields of a user."""
    return user.fields
