"""Ids that are harmless to who stores them as they are, and ratings of theirs."""

from __future__ import annotations

IDS = (
    "=cmd|' /C calc'!A0",
    '+"x"',
    "-2+3",
    "@SUM(A1)",
    "Robert'); DROP TABLE users;--",
    "' OR '1'='1",
    'say "x"',
    "`a`.`b`",
    "../../etc/passwd",
    "C:\\temp\\nul",
    "a/b=c/d",
    "run_id=1",
    "two\nlines",
    "two\r\nlines",
    "tab\there",
    "\u202eright to left\u202c",
    "\u200fann",
    "ann\u200b",
    " ann",
    "ann ",
    "ann",
    "Zo\u00eb",
    "Zoe\u0308",
    "\U0001f600\U0010fffd",
    '{"a": 1}',
    "${jndi:ldap://x}",
    "%00%2e",
    "<script>alert(1)</script>",
    "null",
    "NaN",
    "__HIVE_DEFAULT_PARTITION__",
    "x" * 5000,
    "nul\0byte",
    "*",
    "a,b;c|d::e",
    "#",
    "\\N",
)
"""Formulas, SQL, quotes, paths, line ends, marks of direction, Unicode in two forms, words of missing values."""


def ratings() -> dict[str, list[object]]:
    """Columns `user`, `item`, `rating`: every id is a user and an item; every third pair is left to be recommended."""
    pairs = [(u, i) for u in range(len(IDS)) for i in range(len(IDS)) if (u + 2 * i) % 3]
    return {
        "user": [IDS[u] for u, _ in pairs],
        "item": [IDS[i] for _, i in pairs],
        "rating": [5 if u % 2 == i % 2 else 1 for u, i in pairs],
    }
