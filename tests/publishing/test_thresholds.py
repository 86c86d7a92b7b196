"""Figures against thresholds, and the settings that hold them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark import config
from recsys_spark.errors import ConfigError
from recsys_spark.publishing.settings import AT_LEAST, AT_MOST, AuditSettings, Shares, Thresholds
from recsys_spark.publishing.thresholds import Figure, error_of, figure_of, judge, warning_of
from recsys_spark.settings import Settings

HEALTHY = {
    "ok_share": 1.0,
    "failed_share": 0.0,
    "empty_share": 0.0,
    "lost_share": 0.0,
    "score_excess": 0.0,
    "item_coverage": 1.0,
    "same_item_share": 0.1,
    "overlap": 1.0,
    "mean_score_shift": 0.0,
    "worse_than_baseline": -0.5,
    "worse_than_last_run": 0.0,
    "source_age": 0.5,
    "quarantined_share": 0.0,
}


def told(**changed: float | None) -> dict[str, Figure]:
    return {name: Figure(value, f"about {name}") for name, value in (HEALTHY | changed).items()}


def load(*overrides: str) -> Settings:
    return config.load(Settings, [], overrides)


def test_the_name_of_every_rule_says_its_direction_and_its_figure() -> None:
    rules = AuditSettings().rules

    assert all(rule.startswith((AT_LEAST, AT_MOST)) for rule in rules)
    assert {figure_of(rule) for rule in rules} == set(HEALTHY)


def test_a_healthy_run_and_one_without_figures_pass() -> None:
    assert judge(told(), AuditSettings()) == ((), ())
    assert judge({name: Figure(None, "") for name in HEALTHY}, AuditSettings()) == ((), ())


@given(st.sampled_from(sorted(AuditSettings().rules)), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_figure_may_reach_a_threshold_and_an_error_hides_the_warning(
    rule: str, value: float, warn: float, error: float
) -> None:
    at_most = rule.startswith(AT_MOST)
    if at_most:
        warn, error = sorted((warn, error))
    else:
        error, warn = sorted((warn, error))
    nothing = {name: type(thresholds)() for name, thresholds in AuditSettings().rules.items()}
    audit = AuditSettings().model_copy(update=nothing | {rule: Thresholds(warn=warn, error=error)})

    errors, warnings = judge(told(**{figure_of(rule): value}), audit)

    failed = value > error if at_most else value < error
    warned = value > warn if at_most else value < warn
    assert [breach.rule for breach in errors] == [rule] * failed
    assert [breach.rule for breach in warnings] == [rule] * (warned and not failed)


def test_one_error_names_every_broken_rule_with_threshold_figure_and_rows() -> None:
    verdict = judge(told(lost_share=0.625, score_excess=7.5, overlap=0.125), AuditSettings())

    error = error_of(
        verdict.errors, lambda rule: [{"user_id": 3}] if rule == "max_lost_share" else [], stage="/out/_work/score-1"
    )

    assert (error.exit_code, error.status) == (3, "audit_failed")
    assert error.subject == "rules max_lost_share, max_score_excess"
    assert error.expected == "lost_share at most 0.5; score_excess at most 5"
    assert error.found == "0.625 (about lost_share), such as {'user_id': 3}; 7.5 (about score_excess)"
    assert "/out/_work/score-1" in error.hint
    assert "audit.max_lost_share.error and audit.max_score_excess.error" in error.hint
    assert [warning_of(w) for w in verdict.warnings] == [
        "audit.min_overlap: expected overlap at least 0.2, found 0.125 (about overlap)"
    ]


def test_a_rule_of_which_one_threshold_is_given_keeps_the_default_of_the_other() -> None:
    audit = load("audit.max_lost_share.error=0.3", "audit.max_empty_share={warn: null}").audit

    assert (audit.max_lost_share.warn, audit.max_lost_share.error) == (0.1, 0.3)
    assert (audit.max_empty_share.warn, audit.max_empty_share.error) == (None, 0.9)
    assert audit.max_failed_share == AuditSettings().max_failed_share


def test_a_default_that_would_come_too_late_is_dropped() -> None:
    audit = load(
        "audit.max_lost_share.error=0.05", "audit.min_ok_share.error=0.9", "audit.max_empty_share.warn=1"
    ).audit

    assert (audit.max_lost_share.warn, audit.max_lost_share.error) == (None, 0.05)
    assert (audit.min_ok_share.warn, audit.min_ok_share.error) == (None, 0.9)
    assert (audit.max_empty_share.warn, audit.max_empty_share.error) == (1, None)


@pytest.mark.parametrize(
    ("override", "key", "told"),
    [
        ("audit.max_lost_shares.error=0.3", "audit.max_lost_shares", "audit.max_lost_share"),
        ("audit.max_lost_share.eror=0.3", "audit.max_lost_share.eror", "audit.max_lost_share.error"),
        ("audit.min_ok_share.error=90", "audit.min_ok_share.error", "less than or equal to 1"),
        ("audit.max_lost_share={warn: 0.5, error: 0.1}", "audit.max_lost_share", "`warn` at most as high as `error`"),
        ("audit.min_ok_share={warn: 0.1, error: 0.5}", "audit.min_ok_share", "`warn` at least as high as `error`"),
        ("audit.max_score_excess.warn=.nan", "audit.max_score_excess.warn", "finite"),
    ],
)
def test_what_is_wrong_with_a_threshold_is_told_with_its_key(override: str, key: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(override)

    assert raised.value.subject == key
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "key", ["quality.max_source_age=2", "audit.max_source_age.warn=2", "audit.max_source_age.error=0"]
)
def test_without_timestamps_nobody_can_ask_for_their_age(key: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.columns\.timestamp for \w+\.max_source_age"):
        load(key)

    assert load(key, "source.columns.timestamp=at")


def test_without_a_test_part_nobody_can_ask_for_the_error_on_it() -> None:
    settings = load("split.test_fraction=0")
    assert settings.audit == AuditSettings()
    assert Settings.model_validate(config.as_tree(settings)) == settings
    with pytest.raises(ConfigError, match=r"split\.test_fraction above 0 for audit\.max_worse_than_baseline"):
        load("split.test_fraction=0", "audit.max_worse_than_baseline.error=0.1")


def test_a_share_is_a_threshold() -> None:
    assert not Shares()
    assert Shares(warn=0)
    assert Shares(error=0)
