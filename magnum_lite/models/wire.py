"""What a value may look like in a request besides its own type, for JSON Schema: each of these stands beside
the validator that takes it. The OpenAPI document says so, and its fuzzers hold the service to it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pydantic

PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


@dataclasses.dataclass(frozen=True)
class Taken:
    """``types``: JSON types taken besides; ``keywords``: of JSON Schema, each binding its own type only
    (``pattern`` binds texts, ``minimum`` numbers). Answers are as the type says.
    """

    types: tuple[str, ...] = ()
    keywords: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __hash__(self) -> int:
        """Pydantic wants to hash what it finds in an annotation."""
        return hash((self.types, tuple(self.keywords)))

    def __get_pydantic_json_schema__(self, core: Any, handler: pydantic.GetJsonSchemaHandler) -> Any:
        """Pydantic's hook."""
        schema = handler(core)
        if handler.mode != "validation":
            return schema
        return schema | dict(self.keywords) | ({"type": [schema["type"], *self.types]} if self.types else {})


def spellings(words: set[str]) -> str:
    """A pattern of words in any case, with blanks around: JSON Schema knows no flags."""
    either = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in w) for w in sorted(words))
    return rf"^\s*({either})\s*$"


INTEGER = Taken(("string",), {"pattern": r"^\s*[+-]?[0-9]{1,18}\s*$"})
TEXT_OF_MAP = Taken(("string",), {"minLength": 2})
TEXT = Taken((), {"pattern": PRINTABLE})
