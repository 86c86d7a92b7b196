"""The part of a configuration that a look-up needs."""

from __future__ import annotations

from pydantic import ConfigDict

from recsys_spark.config import Section
from recsys_spark.publishing.settings import OutputSettings


class LookupSettings(Section):
    """Where the tables are; the other sections are the jobs' business and not looked at."""

    model_config = ConfigDict(extra="ignore")

    output: OutputSettings = OutputSettings()
    """Where the tables are."""
