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
    model_id, rows = _published(output, item)
    if rows:
        measure = str(rows[0]["measure"])
        found = [(row["item_id"], row["score"]) for row in rows]
    else:
        measure = "cosine"
        found = [(alike.item_id, alike.cosine) for alike in output.model().similar(item.item_id, most)]
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
    grid = Grid(f"most like {item.name}, by the model {model_id}", columns, cells)
    return Answer(values, [*item.notes, grid if cells else f"nothing is like {item.name}"])


def _pair(output: Output, item: Item, other: Item) -> Answer:
    model_id, rows = _published(output, item)
    measure = str(rows[0]["measure"]) if rows else "cosine"
    turned = _published(output, other)[1] if rows else []
    # every measure is the same both ways round
    pairs = [*((row, other) for row in rows), *((row, item) for row in turned)]
    score = next((row["score"] for row, wanted in pairs if row["item_id"] == wanted.item_id), None)
    if score is None and measure == "cosine":
        score = output.model().similarity(item.item_id, other.item_id)
    if score is None:
        raise NotFoundError(
            f"the {measure} of {item.name} and {other.name}",
            expected="one of the two among the most similar items of the other",
            found=f"neither among the {len(rows)} of item {item.item_id} and the {len(turned)} of item {other.item_id}",
            hint="longer lists of the job similar_items, or the measure cosine, tell of more pairs",
        )
    values = {"items": [item.as_dict(), other.as_dict()], "model_id": model_id, "measure": measure, "score": score}
    line = f"{measure} {told(score)}: {item.name} and {other.name}, by the model {model_id}"
    return Answer(values, [*item.notes, *other.notes, line])


def _published(output: Output, item: Item) -> tuple[str | None, list[dict[str, Any]]]:
    """The visible model, and what the table says of the item by that model, in the order of ranks."""
    model_id = output.visible_model()
    if model_id is None or not output.has("similar_items"):
        return model_id, []
    columns = ["rank", "item_id", "score", "measure"]
    rows = output.rows("similar_items", columns, target_item_id=item.item_id, model_id=model_id).to_pylist()
    return model_id, sorted(rows, key=lambda row: int(row["rank"]))
