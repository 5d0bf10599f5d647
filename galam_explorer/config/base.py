"""What every configuration shares: checks, JSON in and out, and a hash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Self

from galam_explorer.errors import GalamError

__all__ = ["Config"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of the frozen configuration dataclasses.

    Subclasses hold only JSON types (numbers, strings, booleans, and tuples of
    them) and check themselves in ``__post_init__`` with `require`.
    """

    def require(self, condition: bool, field: str, rule: str) -> None:
        """Raise `GalamError` naming `field` and its value unless `condition`."""
        if not condition:
            value = getattr(self, field)
            raise GalamError(f"must be {rule}, not {value!r}", f"{type(self).__name__}.{field}")

    def to_json(self) -> str:
        """The configuration as JSON text, keys sorted."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what `to_json` wrote.

        Raises
        ------
        GalamError
            On text that is not JSON, unknown fields or forbidden values.
        """
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise GalamError(f"not valid JSON ({error})", cls.__name__) from error
        return cls.from_dict(fields)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Build from a mapping; lists become tuples, missing fields default."""
        if not isinstance(fields, dict):
            raise GalamError("expected a JSON object of fields", cls.__name__)
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - known):
            raise GalamError(
                f"unknown field {unknown[0]!r}", cls.__name__, f"known: {', '.join(sorted(known))}"
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    @property
    def hash(self) -> str:
        """Twelve hex digits that name caches and results made with these choices."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]
