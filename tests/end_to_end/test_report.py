"""The report of real nights, opened in a real browser."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.end_to_end.browser import chromium, opened
from tests.end_to_end.runs import PROJECT, Finished, published, submit

DATA = Path(os.environ.get("RECSYS_TEST_DATA", PROJECT.parent / "shared" / "data"))
MOST_BYTES = 15_000_000

TITLES = {
    1: 'He said "no" & left; it\'s over',
    2: "<b>bold</b><img src=x onerror=alert(1)></script><script>alert(2)</script>",
    3: "Grinning \N{GRINNING FACE} caf\u00e9 \u6771\u4eac",
}


class Reported(NamedTuple):
    """A night with its report."""

    run: Finished
    file: Path
    asked: str
    """A part of a title, as somebody types it."""

    title: str
    """The title that it leads to."""


def _night(folder: Path, asked: str, title: str, arguments: Sequence[str]) -> Reported:
    chromium()
    options = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3", "nightly")
    quick = ("--set", "report.enabled=true", "--set", "training.epochs=2", "--set", "output.format=parquet")
    run = published(submit(*options, *arguments, *quick, cwd=folder, output=folder / "output"))
    assert run.summary["warnings"] == [w for w in run.summary["warnings"] if "report" not in w]
    return Reported(run, Path(run.summary["tables"]["report"]), asked, title)


@pytest.fixture(scope="module")
def on_sample(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The ratings that pyspark ships, with titles that mean harm."""
    folder = tmp_path_factory.mktemp("sample_report")
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "title", "genre"))
        writer.writerows((item, TITLES.get(item, f"Film {item}"), f"genre {item % 3}") for item in range(100))
    items = ("--set", f"items.path={folder / 'items.csv'}", "--set", "items.separator=,", "--set", "items.header=true")
    columns = ("--set", "items.columns={item: id, title: title, genre: genre}")
    # UMAP, which compiles for half a minute, has tests of its own
    maps = ("--set", "report.maps.methods=[tsne, pca]")
    return _night(folder, "cafe", TITLES[3], (*items, *columns, *maps))


@pytest.fixture(scope="module")
def on_movielens(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """MovieLens 100K."""
    place = DATA / "ml-100k"
    if not place.exists():
        pytest.skip(f"MovieLens 100K is not in {place}; RECSYS_TEST_DATA names the folder of the public data sets")
    files = {"source.path": "u.data.gz", "items.path": "u.item", "users.path": "u.user"}
    given = [part for key, name in files.items() for part in ("--set", f"{key}={place / name}")]
    arguments = ("--config", str(PROJECT / "conf" / "movielens-100k.yaml"), *given)
    folder = tmp_path_factory.mktemp("movielens_report")
    maps = ("--set", "report.maps.vectors=normalised", "--set", "report.maps.methods=[tsne, pca]")
    return _night(folder, "toy sto", "Toy Story (1995)", (*arguments, *maps))


@pytest.fixture(scope="module")
def on_goodbooks(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """goodbooks-10k, every book on the map."""
    place = DATA / "goodbooks-10k-kaggle"
    if not place.exists():
        pytest.skip(f"goodbooks-10k is not in {place}; RECSYS_TEST_DATA names the folder of the public data sets")
    files = {"source.path": "ratings.csv.gz", "items.path": "books.csv.gz"}
    given = [part for key, name in files.items() for part in ("--set", f"{key}={place / name}")]
    arguments = ("--config", str(PROJECT / "conf" / "goodbooks.yaml"), *given)
    folder = tmp_path_factory.mktemp("goodbooks_report")
    # t-SNE of ten thousand books takes minutes
    maps = ("--set", "report.maps.methods=[pca]")
    return _night(folder, "the hobbit", "The Hobbit", (*arguments, *maps))


@pytest.fixture(
    scope="module",
    params=[
        "on_sample",
        pytest.param("on_movielens", marks=pytest.mark.data),
        pytest.param("on_goodbooks", marks=[pytest.mark.data, pytest.mark.slow]),
    ],
)
def reported(request: pytest.FixtureRequest) -> Reported:
    """Each of them."""
    found: Reported = request.getfixturevalue(request.param)
    return found


def test_the_page_opens_without_an_error_and_asks_nobody_for_anything(reported: Reported) -> None:
    assert reported.file == reported.run.output / "reports" / f"{reported.run.summary['run_id']}.html"
    assert reported.file.stat().st_size < MOST_BYTES
    with opened(reported.file) as found:
        found.scroll()
        charts = found.page.evaluate("document.querySelectorAll('[data-chart]').length")
        drawn = found.page.evaluate("document.querySelectorAll('[data-chart] .main-svg').length")

        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith(("data:", "blob:"))] == [reported.file.as_uri()]
        assert charts >= 6
        assert drawn >= charts


def test_a_point_of_the_map_tells_its_title_when_the_mouse_is_over_it(reported: Reported) -> None:
    with opened(reported.file) as found:
        page = found.page
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        place = page.evaluate(
            """() => {
                const map = document.getElementById("plot-map"), points = map.data[0], layout = map._fullLayout;
                let at = 0;
                points.x.forEach((x, n) => { if (x > points.x[at]) at = n; });
                const box = map.getBoundingClientRect();
                return [box.left + layout.xaxis._offset + layout.xaxis.l2p(points.x[at]),
                        box.top + layout.yaxis._offset + layout.yaxis.l2p(points.y[at]),
                        JSON.parse(document.getElementById("report-data").textContent).map.titles[at]];
            }"""
        )
        page.mouse.move(place[0] - 3, place[1])
        page.mouse.move(place[0], place[1])
        page.wait_for_timeout(600)
        shown = page.locator("#plot-map .hoverlayer").text_content()

        assert place[2].split()[0] in shown
        assert "ratings" in shown


def test_the_search_finds_an_item_by_a_part_of_its_title_with_the_keyboard_alone(reported: Reported) -> None:
    with opened(reported.file) as found:
        page = found.page
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        page.locator("#find").focus()
        page.keyboard.type(reported.asked)
        options = page.locator("#found li").all_inner_texts()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)

        assert reported.title in options
        assert page.locator("#item h3").inner_text() == options[0]
        similar = page.locator("#item ol button")
        assert similar.count() > 0
        title = similar.first.locator("span").first.inner_text()
        similar.first.click()
        page.wait_for_timeout(500)
        assert page.locator("#item h3").inner_text() == title

        page.locator("#find").fill("no such title at all")
        assert page.locator("#found li").all_inner_texts() == ["No item of the map has that in its title"]
        assert found.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_wrong_for_whoever_cannot_see_or_hold_a_mouse(reported: Reported, scheme: str) -> None:
    with opened(reported.file, scheme=scheme) as found:
        found.scroll()
        assert found.page.evaluate("document.documentElement.dataset.scheme") == scheme
        assert found.serious() == []


def test_the_keyboard_reaches_every_control(on_sample: Reported) -> None:
    with opened(on_sample.file) as found:
        found.scroll()
        reached, n = found.tabbed()

        assert n > 20
        assert reached == set(range(n))


def test_a_phone_shows_it_without_scrolling_sideways(reported: Reported) -> None:
    with opened(reported.file, width=390) as found:
        found.scroll()
        assert found.page.evaluate("document.documentElement.scrollWidth") == 390
        assert found.complaints == []


def test_buttons_change_scheme_and_axis_and_paper_is_white(on_sample: Reported) -> None:
    with opened(on_sample.file) as found:
        page = found.page
        page.locator("[data-chart=loss]").scroll_into_view_if_needed()
        page.wait_for_timeout(800)
        page.get_by_role("button", name="Logarithmic scale").click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.getElementById('plot-loss')._fullLayout.yaxis.type") == "log"
        page.get_by_role("button", name="Dark").click()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == "rgb(20, 23, 27)"
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_titles_that_mean_harm_are_text(on_sample: Reported) -> None:
    with opened(on_sample.file) as found:
        page = found.page
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        for title in TITLES.values():
            page.locator("#find").fill(title[:12])
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
            assert page.locator("#item h3").inner_text() == title
        assert page.locator("img[src=x]").count() == 0
        assert found.complaints == []
