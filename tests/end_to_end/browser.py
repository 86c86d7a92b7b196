"""A page in headless Chromium, as a reader uses it: with a mouse, with the keyboard alone, in both schemes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"

# what the keyboard has reached, told by its place among all that can be reached
REACHED = (
    f"[...document.querySelectorAll(`{FOCUSABLE}`)].filter(e => e.checkVisibility()).indexOf(document.activeElement)"
)


def chromium() -> str:
    """Where the browser is; the test is skipped, and says so, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium on this machine: on Debian it is the package of that name")
    return found


@dataclass
class Opened:
    """A page that is open, and what it has complained about or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def scroll(self) -> None:
        """Go through the page once, so that every chart is drawn."""
        for y in range(0, self.page.evaluate("document.documentElement.scrollHeight"), 500):
            self.page.evaluate(f"window.scrollTo(0, {y})")
            self.page.wait_for_timeout(60)
        self.page.wait_for_timeout(500)

    def serious(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        violations = Axe().run(self.page).response["violations"]
        return [
            f"{found['id']}: {node['html'][:200]}"
            for found in violations
            if found["impact"] in ("serious", "critical")
            for node in found["nodes"]
        ]

    def tabbed(self) -> tuple[set[int], int]:
        """Which controls the tabulator key reaches, and how many there are."""
        n = self.page.evaluate(f"[...document.querySelectorAll(`{FOCUSABLE}`)].filter(e => e.checkVisibility()).length")
        self.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        reached = set()
        for _ in range(n + 5):
            self.page.keyboard.press("Tab")
            reached.add(self.page.evaluate(REACHED))
        return reached - {-1}, n


@contextmanager
def opened(file: Path, *, scheme: str = "light", width: int = 1280) -> Iterator[Opened]:
    """Open a file in a new browser.

    Args:
        file: an HTML page.
        scheme: light or dark, which the reader's system asks for.
        width: of the window, in pixels.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(OPTIONS))
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        found = Opened(context.new_page())
        found.page.on("console", lambda said: found.complaints.append(said.text) if said.type != "log" else None)
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("dialog", lambda dialog: (found.complaints.append(dialog.message), dialog.dismiss()))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(file.as_uri())
        try:
            yield found
        finally:
            browser.close()
