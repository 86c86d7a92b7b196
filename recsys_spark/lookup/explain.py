"""`recsys explain USER ITEM`: what the score of a user and an item is made of, by the visible model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import DataError
from recsys_spark.lookup.answer import Answer, Grid, told
from recsys_spark.lookup.titles import Item, find_item, titles_of
from recsys_spark.lookup.users import find_user
from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.explaining.explanation import Explanation
    from recsys_spark.explaining.model import ExplainedModel
    from recsys_spark.models.folds import Histories
    from recsys_spark.published_model import PublishedModel
    from recsys_spark.reader import Output

HELP = "what the score of a user and an item is made of"

PARTS = {
    "offset": "what every score has",
    "user_effect": "the user's effect",
    "item_effect": "the item's effect",
    "interaction": "how both go together",
    "clipping": "the bounds of published scores",
}
"""The parts of a dot product for a person."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which pair, and how much of the history."""
    parser.add_argument("user", metavar="USER", help="a user's id")
    parser.add_argument("item", metavar="ID-OR-TITLE", help="an item's id or title")
    parser.add_argument("--most", type=int, default=10, metavar="N", help="items of the history shown; default: 10")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """By the visible model and the ratings of the last ingest."""
    from recsys_spark.explaining.explain import explain
    from recsys_spark.explaining.model import ExplainedModel
    from recsys_spark.manifest import read_manifest

    user, item, model = find_user(output, given.user), find_item(output, given.item), output.model()
    described = read_manifest(output.path / "models" / model.model_id).description
    explained = ExplainedModel.stored(described, model.scorers)
    history = _history(output, explained, user["user_id"])
    index, how = _user_index(output, model, explained, user["user_id"])
    found = explain(explained, index, _item_index(model, explained, item), history, nearest=max(given.most, 0))
    values = found.as_dict()
    shown = [*values["nearest"], *(values["history"] or {"shares": []})["shares"]]
    _name(shown, output, model)
    values = {"user_id": user["user_id"], "item": item.as_dict(), "model_id": model.model_id, "vector": how} | values
    return Answer(values, [*item.notes, *_parts(values, item, found, most=max(given.most, 0))])


def _history(output: Output, explained: ExplainedModel, user_id: Any) -> Histories | None:
    if not output.has("ratings"):
        return None
    import numpy as np

    from recsys_spark.ingest.days import days_of

    rows = output.rows("ratings", ["item_index", "rating", "timestamp"], user_id=user_id).sort_by("item_index")
    items, ratings = rows["item_index"].to_numpy(), rows["rating"].to_numpy().astype(np.float32)
    return explained.history(items, ratings, days_of(rows["timestamp"].combine_chunks()))


def _user_index(
    output: Output, model: PublishedModel, explained: ExplainedModel, user_id: Any
) -> tuple[int | None, str]:
    """The user's index, or none for whom the vector is made of the history; and which of both, in a word."""
    folded = False
    if output.has("user_outcomes"):
        outcome = {"run_id": output.visible_run(), "user_id": user_id, "reason": "folded_in"}
        folded = output.rows("user_outcomes", ["reason"], **outcome).num_rows > 0
    (index,) = model.users.of([user_id])
    known = explained.known.get("user")
    knows = index < explained.scorer.n_users and (known is None or bool(known[index]))
    if (folded or not knows) and explained.fold is not None:
        return None, "folded_in"
    if not knows:
        raise DataError(
            f"user {user_id}",
            expected=f"a user whom the model {model.model_id} has learnt something about",
            found="no rating of theirs in its training",
            hint="such users' lists come from the fallback (reason cold_fallback in top_n)",
        )
    return int(index), "trained"


def _item_index(model: PublishedModel, explained: ExplainedModel, item: Item) -> int:
    (index,) = model.items.of([item.item_id])
    known = explained.known.get("item")
    if index >= explained.scorer.n_items or (known is not None and not known[index]):
        raise DataError(
            item.name,
            expected=f"an item that the model {model.model_id} has learnt something about",
            found="no rating of it in its training",
        )
    return int(index)


def _name(shown: Sequence[dict[str, Any]], output: Output, model: PublishedModel) -> None:
    """Put ids and titles in the place of indices."""
    import numpy as np

    ids = model.items.ids(np.array([row.pop("item") for row in shown], np.int32))
    titles = titles_of(output, ids)
    for row, item_id in zip(shown, ids, strict=True):
        row |= {"item_id": item_id, "title": titles.get(item_id)}


def _parts(values: Mapping[str, Any], item: Item, found: Explanation, *, most: int) -> list[str | Grid]:
    score = f"score {told(values['score'])} of user {values['user_id']} for {item.name}, by the model"
    parts: list[str | Grid] = [f"{score} {values['model_id']}"]
    if values["vector"] == "folded_in":
        parts.append("their vector is made of their ratings, which are not those of the model's training")
    if found.parts is not None:
        named = [(text, values["parts"][name]) for name, text in PARTS.items() if values["parts"][name]]
        rows = [*((text, told(value)) for text, value in named), ("together", told(found.parts.total))]
        parts.append(Grid("what adds up to it", (TextColumn("part"), TextColumn("adds", "right")), rows))
    if values["nearest"]:
        parts.append(_items_grid(f"what is most like it of {_rated(values)}", "cosine", values["nearest"]))
    if values["history"] is not None:
        parts += _history_parts(values["history"], most)
    if found.ablations:
        rows = [(f"{a.columns} of the {a.side}", told(a.change)) for a in found.ablations]
        head = "what it has by each group of columns: the score minus that with their mean; these do not add up"
        parts.append(Grid(head, (TextColumn("columns"), TextColumn("change", "right")), rows))
    if found.levels:
        columns = (TextColumn("level", "right"), TextColumn("probability", "right"), TextColumn(""))
        levels = [(f"{x.level:g}", told(x.probability), "#" * round(30 * x.probability)) for x in found.levels]
        parts.append(Grid("how probable each level is", columns, levels))
    return parts


def _rated(values: Mapping[str, Any]) -> str:
    return f"what user {values['user_id']} has rated"


def _history_parts(history: Mapping[str, Any], most: int) -> list[str | Grid]:
    shares, score = history["shares"], told(history["score"])
    if history["kind"] == "left_out":
        head = f"what the score {score} of the history loses without each item; these do not add up"
        return [_items_grid(head, "change", shares[:most])]
    rest = sum(share["change"] for share in shares[most:])
    head = f"what each rating adds to the score {score} that the history gives, beside {told(history['base'])}"
    parts: list[str | Grid] = [_items_grid(head, "adds", shares[:most])]
    return [*parts, f"{len(shares) - most:,} more ratings together: {told(rest)}"] if shares[most:] else parts


def _items_grid(title: str, figure: str, rows: Sequence[Mapping[str, Any]]) -> Grid:
    columns = (
        TextColumn("item", "right"),
        TextColumn("title"),
        TextColumn("rated", "right"),
        TextColumn(figure, "right"),
    )
    name = "cosine" if figure == "cosine" else "change"
    cells = [[str(r["item_id"]), r["title"] or "", f"{r['rating']:g}", told(r[name])] for r in rows]
    return Grid(title, columns, cells)
