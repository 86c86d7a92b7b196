"""Users by their id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys_spark.errors import NotFoundError
from recsys_spark.lookup.terminal import harmless

if TYPE_CHECKING:
    from recsys_spark.reader import Output


def find_user(output: Output, wanted: str) -> dict[str, Any]:
    """The user's row of the table `users`.

    Args:
        output: whose table it is.
        wanted: the id as text.

    Raises:
        NotFoundError: there is no such user; the nearest are told.
    """
    import pyarrow as pa

    numbers = pa.types.is_integer(output.table("users").schema.field("user_id").type)
    if numbers:
        try:
            user_id: Any = int(wanted)
            pa.scalar(user_id, pa.int64())
        except (ValueError, OverflowError, pa.ArrowInvalid):
            raise NotFoundError(f"user {wanted!r}", expected="an id: a whole number", found="none") from None
    else:
        user_id = wanted
    rows = output.rows("users", user_id=user_id).to_pylist()
    if rows:
        found: dict[str, Any] = rows[0] | {"attributes": dict(rows[0]["attributes"] or [])}
        return found
    raise _not_found(output, user_id)


def _not_found(output: Output, user_id: Any) -> NotFoundError:
    from recsys_spark.nearest import nearest

    near = nearest(user_id, output.rows("users", ["user_id"])["user_id"].to_pylist())
    hint = f"the nearest are: {', '.join(harmless(str(one)) for one in near)}" if near else "no id is like it"
    return NotFoundError(f"user {user_id!r}", expected="an id of the table users", found="none of that id", hint=hint)
