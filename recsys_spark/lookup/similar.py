"""`recsys similar ITEM [ITEM]`: the items most like one, or how much two are alike.

The table `similar_items` answers if the visible model has made it; else the cosines of a dot product's own item vectors
do, which need no table.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import NotFoundError
from recsys_spark.lookup.answer import Answer, Grid, told
from recsys_spark.lookup.titles import Item, find_item, titles_of
from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.reader import Output

HELP = "the items most like one, or how much two items are alike"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which item, or which two."""
    parser.add_argument("item", metavar="ID-OR-TITLE", help="an item's id or title")
    parser.add_argument(
        "other", metavar="ID-OR-TITLE", nargs="?", help="of a second item: then one figure is the answer"
    )
    parser.add_argument("--most", type=int, default=10, metavar="N", help="items to show at most; default: 10")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """By the visible model."""
    item = find_item(output, given.item)
    return (
        _nearest(output, item, given.most)
        if given.other is None
        else _pair(output, item, find_item(output, given.other))
    )


def _nearest(output: Output, item: Item, most: int) -> Answer:
    model_id, measure = _measured(output)
    if measure is None:
        measure = "cosine"
        found = [tuple(alike) for alike in output.model().similar(item.item_id, most)]
    else:
        found = [(row["item_id"], row["score"]) for row in _rows(output, item)]
        if not found:
            hint = f"the model {model_id} has learnt nothing about it"
            raise NotFoundError(item.name, expected="an item of the table similar_items", found="none", hint=hint)
    titles = titles_of(output, [item_id for item_id, _ in found])
    alike = [
        {"rank": rank, "item_id": item_id, "title": titles.get(item_id), "score": score}
        for rank, (item_id, score) in enumerate(found[: max(most, 0)], start=1)
    ]
    columns = (
        TextColumn("rank", "right"),
        TextColumn("item", "right"),
        TextColumn("title"),
        TextColumn(measure, "right"),
    )
    cells = [[str(row["rank"]), str(row["item_id"]), row["title"] or "", told(row["score"])] for row in alike]
    values = {"item": item.as_dict(), "model_id": model_id, "measure": measure, "similar": alike}
    return Answer(values, [*item.notes, Grid(f"most like {item.name}, by the model {model_id}", columns, cells)])


def _pair(output: Output, item: Item, other: Item) -> Answer:
    model_id, measure = _measured(output)
    score = None
    if measure is not None:
        rows, turned = _rows(output, item), _rows(output, other)
        # every measure is the same both ways round
        pairs = [*((row, other) for row in rows), *((row, item) for row in turned)]
        score = next((row["score"] for row, wanted in pairs if row["item_id"] == wanted.item_id), None)
        if score is None and measure != "cosine":
            raise NotFoundError(
                f"the {measure} of {item.name} and {other.name}",
                expected="one of the two among the most similar items of the other",
                found=f"neither among the {len(rows)} of item {item.item_id} and the {len(turned)} of {other.item_id}",
                hint="longer lists of the job similar_items, or the measure cosine, tell of more pairs",
            )
    if score is None:
        measure, score = "cosine", output.model().similarity(item.item_id, other.item_id)
    values = {"items": [item.as_dict(), other.as_dict()], "model_id": model_id, "measure": measure, "score": score}
    line = f"{measure} {told(score)}: {item.name} and {other.name}, by the model {model_id}"
    return Answer(values, [*item.notes, *other.notes, line])


def _measured(output: Output) -> tuple[str | None, str | None]:
    """The visible model, and the measure of the table that it has made; none: it has made none."""
    model_id = output.visible_model()
    if not output.has("similar_items"):
        return model_id, None
    # the table is of one model
    first = output.table("similar_items").head(1, columns=["measure", "model_id"]).to_pylist()
    return model_id, str(first[0]["measure"]) if first and first[0]["model_id"] == model_id else None


def _rows(output: Output, item: Item) -> list[dict[str, Any]]:
    """What the table says of an item, in the order of ranks."""
    rows = output.rows("similar_items", ["rank", "item_id", "score"], target_item_id=item.item_id).to_pylist()
    return sorted(rows, key=lambda row: int(row["rank"]))
