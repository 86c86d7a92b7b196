"""Writes docs/schemas.json from the declared schemas: `PYTHONPATH=. .venv/bin/python docs/make_schemas.py`.

It refuses to if `SCHEMA_VERSION` in recsys_spark/schemas/ was not raised as the changes since the committed file ask.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recsys_spark.schemas import ALL_TABLES, SCHEMA_VERSION
from recsys_spark.schemas.versions import described, require_version

PAGE = Path(__file__).parent / "schemas.json"


def main() -> None:
    """Write the file beside this one."""
    tables = described(ALL_TABLES)
    if PAGE.exists():
        require_version(json.loads(PAGE.read_text(encoding="utf-8")), SCHEMA_VERSION, tables)
    PAGE.write_text(text_of(SCHEMA_VERSION, tables), encoding="utf-8")


def text_of(version: str, tables: dict[str, Any]) -> str:
    """The file: JSON with a line for each column, so that a change shows as one."""
    parts = []
    for name, table in tables.items():
        columns = ",\n".join(f"    {json.dumps(column)}" for column in table["columns"])
        parts.append(f'  {json.dumps(name)}: {{"key": {json.dumps(table["key"])}, "columns": [\n{columns}\n  ]}}')
    return f'{{"version": {json.dumps(version)}, "tables": {{\n' + ",\n".join(parts) + "\n}}\n"


if __name__ == "__main__":
    main()
