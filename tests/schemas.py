"""What commands print with --json, held against docs/schema."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schema"


def validator(name: str) -> Draft202012Validator:
    """Of a file in docs/schema."""
    return Draft202012Validator(json.loads((FOLDER / name).read_text(encoding="utf-8")))


def printed(command: str, text: str) -> dict[str, Any]:
    """The object that `command` printed, which must fit its schema."""
    output = json.loads(text)
    validator(f"{command}.output.json").validate(output)
    return output
