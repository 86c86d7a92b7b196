"""Writes docs/audit.md from the audit's settings: `PYTHONPATH=. .venv/bin/python docs/make_audit.py`."""

from __future__ import annotations

import textwrap
from pathlib import Path

from recsys_spark.publishing.settings import AT_MOST, AuditSettings, Thresholds
from recsys_spark.publishing.thresholds import figure_of

INTRODUCTION = """\
# The audit

Written by `docs/make_audit.py` from `recsys_spark/publishing/settings.py`; do not edit by hand.

Before the staged lists become visible, two things are asked. **Each row** must keep to rules that have no threshold:
known users, each with one outcome; no item twice, none seen or barred; finite scores, the highest first
(`recsys_spark/publishing/audit.py` has all of them). Then **the figures of the run** must keep to the thresholds below.

Every rule has two, `warn` and `error`, and each may be `null`: never. A figure may reach a threshold, not pass it.

```yaml
audit:
  max_lost_share: {warn: 0.02, error: 0.1}
  min_item_coverage: {warn: 0.3}          # `error` keeps its default
```

- Beyond `warn`: the run is published, with a line in the summary's `warnings`.
- Beyond `error`: nothing is published. The visible tables stay as they are, the exit code is 3, the status
  `audit_failed`, and one message names every broken rule with its threshold, its figure, some rows that show it, and
  the folder of the stage, which stays for inspection. If all is as it should be (half of the shops have closed), say
  so: `./spark-submit.sh score ... --set audit.max_lost_share.error=null` needs no training for that.

The defaults stop what can only be breakage, and warn of what should be looked at. The summary's `audit` holds all
figures of every run, `null` where one cannot be told, so that one sees how near a night was; and `last_run`, the run
that was compared with: the visible one of the same output. A first night has none, and passes; nor has a back-fill, a
run of an earlier day than the visible one. Of several lists of a user (`scoring.variants`) the first counts.

Beside the figures the summary's `counts` tell how many users and items are new in the source since the last run, and
how many have gone from it (`users_new`, `users_gone`, `items_new`, `items_gone`). Those who have gone keep their
index and a row in `users` and `items`, with `in_source` false; they are in no list of this run.

A source that is stuck gives sound rows, night after night: give `quality.max_source_age`, in days, which stops before
anything is trained. It needs `source.columns.timestamp`; without it both keys are refused. Defects in the source stop
by `quality.max_quarantined_share`, also before training.
"""


def main() -> None:
    """Write the page beside this file."""
    audit = AuditSettings()
    rules = [rule for name in audit.rules for rule in section(name)]
    head = "| rule | the figure must be | `warn` | `error` |\n| --- | --- | --- | --- |"
    table = "\n".join(row(name, thresholds) for name, thresholds in audit.rules.items())
    metric = wrapped(f"**`metric`**. {meaning('metric')}")
    page = "\n".join([INTRODUCTION, "## Rules", "", head, table, "", *rules, metric])
    (Path(__file__).parent / "audit.md").write_text(page + "\n", encoding="utf-8")


def row(name: str, thresholds: Thresholds) -> str:
    """One line of the table of defaults."""
    direction = "at most" if name.startswith(AT_MOST) else "at least"
    return f"| `{name}` | {direction} | {shown(thresholds.warn)} | {shown(thresholds.error)} |"


def section(name: str) -> list[str]:
    """What one rule says."""
    return [wrapped(f"**`{name}`** (figure `{figure_of(name)}`). {meaning(name)}"), ""]


def meaning(name: str) -> str:
    """The docstring of a setting."""
    return " ".join((AuditSettings.model_fields[name].description or "").split())


def shown(threshold: float | None) -> str:
    """A threshold as the page shows it."""
    return "" if threshold is None else f"{threshold:g}"


def wrapped(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False)


if __name__ == "__main__":
    main()
