"""Configuration: files, overrides, and every problem told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_spark import config
from recsys_spark.bookkeeping import NOT_OF_A_NIGHT
from recsys_spark.errors import ConfigError, ConfigErrors
from recsys_spark.ingest.settings import SeenFilter
from recsys_spark.settings import Settings

BASE = Path(__file__).parent.parent / "conf" / "base.yaml"


def load(*overrides: str, files: tuple[Path, ...] = ()) -> Settings:
    return config.load(Settings, [BASE, *files], overrides)


def problem(*overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        load(*overrides)
    return raised.value


def test_a_later_file_wins_and_an_override_wins_over_all(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("split: {seed: 1, test_fraction: 0.3}\n")

    settings = load("split.seed=2", files=(overlay,))

    assert (settings.split.seed, settings.split.test_fraction, settings.split.validation_fraction) == (2, 0.3, 0.1)


def test_the_same_settings_have_the_same_digest_and_others_another() -> None:
    assert config.digest(load("split.seed=7")) == config.digest(load("split.seed=7"))
    assert config.digest(load("split.seed=7")) != config.digest(load("split.seed=8"))
    assert config.digest(load("run.force=true"), leave_out=("run",)) == config.digest(load(), leave_out=("run",))


def test_another_model_does_not_inherit_the_settings_of_the_model_under_it() -> None:
    settings = load("model.name=mlp", "model.layers=[32, 16]")

    assert settings.model.name == "mlp"
    assert settings.model.embedding_size == 32  # its own default, not the 8 that base.yaml gives to `dot`


def test_every_problem_is_told_in_one_go_with_its_key_and_the_nearest_valid_one() -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(
            "split.sead=7", "training.epochs=0", "model.embeding_size=4", "quality.rating_range=[5, 1]", "sorce.path=x"
        )

    by_key = {p.subject: p for p in raised.value.problems}
    assert set(by_key) == {"split.sead", "training.epochs", "model.embeding_size", "quality", "sorce"}
    assert "split.seed" in by_key["split.sead"].hint
    assert "model.embedding_size" in by_key["model.embeding_size"].hint
    assert "source" in by_key["sorce"].hint
    assert by_key["training.epochs"].found == "0"
    assert "greater than or equal to 1" in by_key["training.epochs"].expected


@pytest.mark.parametrize("name", ["shop", "main.shop", "spark_catalog.shop-1"])
def test_a_catalog_is_a_schema_or_a_catalog_and_a_schema(name: str) -> None:
    assert load(f"output.catalog={name}").output.catalog == name


@pytest.mark.parametrize("name", ["a.b.c", "a`b", "1shop", "a..b", "'a b'"])
def test_what_is_no_name_of_a_schema_is_refused(name: str) -> None:
    found = problem(f"output.catalog={name}")

    assert found.subject == "output.catalog"
    assert "such as main.shop" in found.expected


def test_parquet_files_have_no_change_feed_and_a_catalog_of_them_needs_the_run_before() -> None:
    assert "output.format delta" in problem("output.format=parquet", "output.change_data_feed=true").expected
    assert "output.history" in problem("output.format=parquet", "output.catalog=shop", "output.history=1").expected
    assert load("output.catalog=shop", "output.history=1", "output.change_data_feed=true").output.change_data_feed


def test_names_and_feeds_that_follow_a_night_are_not_part_of_its_identity() -> None:
    plain, followed = load(), load("output.catalog=shop", "output.change_data_feed=true")

    assert config.digest(plain, leave_out=NOT_OF_A_NIGHT) == config.digest(followed, leave_out=NOT_OF_A_NIGHT)
    assert config.digest(plain) != config.digest(followed)


def test_settings_cannot_be_changed_once_they_are_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().split.seed = 3  # type: ignore[misc]


def test_a_literal_secret_is_refused_and_never_repeated() -> None:
    found = problem("source.password=hunter2")

    assert found.subject == "source.password"
    assert "hunter2" not in str(found)
    assert "env:NAME" in found.expected


def test_a_secret_is_shown_as_its_reference_and_revealed_on_demand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RATINGS_PASSWORD", "hunter2")
    (tmp_path / "secret").write_text("correct horse\n")

    settings = load("source.password=env:RATINGS_PASSWORD", f"items.password=file:{tmp_path}/secret")

    assert "hunter2" not in repr(settings) + str(config.as_tree(settings))
    revealed = {key: secret.reveal() for key, secret in config.secrets(settings)}
    assert revealed == {"source.password": "hunter2", "items.password": "correct horse"}


def test_a_secret_that_is_not_there_is_named_when_it_is_needed() -> None:
    secret = dict(config.secrets(load("source.password=env:NO_SUCH_VARIABLE")))["source.password"]

    with pytest.raises(ConfigError, match="env:NO_SUCH_VARIABLE"):
        secret.reveal()


@pytest.mark.parametrize("text", ["seed", "=3", "a..b=3", "split seed=3"])
def test_an_override_that_is_not_key_equals_value_is_refused(text: str) -> None:
    assert problem(text).subject == "--set"


@pytest.mark.parametrize("separator", [",", "|", "::", ";", "#", "\t", "&", "*"])
def test_a_separator_on_the_command_line_stands_for_itself(separator: str) -> None:
    assert load(f"source.separator={separator}").source.separator == separator


def test_a_tab_may_be_written_as_backslash_t_and_null_is_null() -> None:
    settings = load("source.separator=\\t", "source.columns.timestamp=null")

    assert (settings.source.separator, settings.source.columns.timestamp) == ("\t", None)


@pytest.mark.parametrize("content", ["- a list", "split: [unclosed", "just text"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(content)

    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        load(files=(broken,))


def test_a_file_that_is_missing_is_told_together_with_everything_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load("split.sead=1", files=(tmp_path / "none.yaml",))

    assert [p.subject for p in raised.value.problems] == [str(tmp_path / "none.yaml"), "split.sead"]


class TestExtends:
    """A file may stand over another one that it names."""

    @staticmethod
    def write(folder: Path, **files: str) -> Path:
        """Write files by name, text `a` into `a.yaml`; gives the first."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        return folder / f"{next(iter(files))}.yaml"

    def test_it_wins_over_the_file_that_it_extends(self, tmp_path: Path) -> None:
        mine = self.write(
            tmp_path, mine="extends: theirs.yaml\nsplit: {seed: 1}", theirs="split: {seed: 2, test_fraction: 0.3}"
        )

        settings = load(files=(mine,))

        assert (settings.split.seed, settings.split.test_fraction) == (1, 0.3)

    def test_the_path_is_relative_to_the_files_own_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.write(tmp_path / "shared", theirs="split: {seed: 3}")
        self.write(tmp_path / "here" / "shared", theirs="split: {seed: 4}")
        mine = self.write(tmp_path / "mine", mine="extends: ../shared/theirs.yaml")
        monkeypatch.chdir(tmp_path / "here")

        assert load(files=(mine,)).split.seed == 3

    def test_a_chain_is_followed_to_its_end_and_the_nearest_file_wins(self, tmp_path: Path) -> None:
        first = self.write(
            tmp_path,
            a="extends: b.yaml\nsplit: {seed: 1}",
            b="extends: c.yaml\nsplit: {seed: 2, test_fraction: 0.2}\ntraining: {epochs: 2}",
            c="split: {seed: 3, test_fraction: 0.3, validation_fraction: 0.15}\ntraining: {epochs: 3}",
        )

        settings = load(files=(first,))

        split = settings.split
        assert (split.seed, split.test_fraction, split.validation_fraction) == (1, 0.2, 0.15)
        assert settings.training.epochs == 2

    def test_what_is_extended_stands_over_the_files_before_and_under_those_after(self, tmp_path: Path) -> None:
        before = self.write(tmp_path, before="split: {seed: 1, test_fraction: 0.1}\ntraining: {epochs: 1}")
        mine = self.write(tmp_path, mine="extends: theirs.yaml", theirs="split: {seed: 2}\ntraining: {epochs: 2}")
        after = self.write(tmp_path, after="training: {epochs: 3}")

        settings = load(files=(before, mine, after))

        assert (settings.split.test_fraction, settings.split.seed, settings.training.epochs) == (0.1, 2, 3)

    def test_another_model_starts_afresh_over_that_of_the_file_extended(self, tmp_path: Path) -> None:
        mine = self.write(
            tmp_path, mine="extends: theirs.yaml\nmodel: {name: mlp}", theirs="model: {name: dot, embedding_size: 5}"
        )

        assert load(files=(mine,)).model.embedding_size == 32

    @pytest.mark.parametrize(
        ("files", "at_fault", "found"),
        [
            ({"a": "extends: a.yaml"}, "a.yaml", "a.yaml"),
            ({"a": "extends: b.yaml", "b": "extends: a.yaml"}, "b.yaml", "a.yaml"),
            (
                {"a": "extends: b.yaml", "b": "extends: c.yaml", "c": "extends: ../x/b.yaml"},
                "c.yaml",
                "../x/b.yaml",
            ),
        ],
        ids=["itself", "two", "not the first"],
    )
    def test_a_loop_is_refused_by_the_file_that_closes_it(
        self, tmp_path: Path, files: dict[str, str], at_fault: str, found: str
    ) -> None:
        first = self.write(tmp_path / "x", **files)

        with pytest.raises(ConfigError) as raised:
            load(files=(first,))

        assert raised.value.subject == f"{tmp_path / 'x' / at_fault}: extends"
        assert f"'{found}'" in raised.value.found

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        mine = self.write(tmp_path, mine="extends: none.yaml")

        with pytest.raises(ConfigError) as raised:
            load(files=(mine,))

        assert raised.value.subject == str(tmp_path / "none.yaml")


class TestSeenFilter:
    """Which seen rows leave their item out: all, none, or those that a filter lets count."""

    def test_it_may_be_all_none_or_a_filter(self) -> None:
        assert load("scoring.exclude_seen=true").scoring.leaves_out_seen
        assert not load("scoring.exclude_seen=false").scoring.leaves_out_seen
        filtered = load("scoring.exclude_seen={within_days: 30}").scoring
        assert filtered.leaves_out_seen
        assert filtered.exclude_seen == SeenFilter(within_days=30)

    @pytest.mark.parametrize(
        ("value", "key", "expected"),
        [
            ("{}", "scoring.exclude_seen", "within_days, events or both"),
            ("{within_days: 0}", "scoring.exclude_seen.within_days", "greater than or equal to 1"),
            ("{within_days: 1000000}", "scoring.exclude_seen.within_days", "less than or equal to 36500"),
            ("{events: []}", "scoring.exclude_seen.events", "at least 1 item"),
            ("{days: 3}", "scoring.exclude_seen.days", "a key that exists"),
            ("perhaps", "scoring.exclude_seen", "a valid boolean"),
        ],
    )
    def test_anything_else_is_one_problem_named_by_its_key(self, value: str, key: str, expected: str) -> None:
        found = problem(f"scoring.exclude_seen={value}")

        assert found.subject == key
        assert expected in found.expected

    @pytest.mark.parametrize(("rule", "column"), [("within_days: 30", "timestamp"), ("events: [buy]", "event")])
    def test_the_column_that_it_needs_must_be_named(self, rule: str, column: str) -> None:
        filtered = f"scoring.exclude_seen={{{rule}}}"

        assert f"source.columns.{column}" in problem(filtered, f"source.columns.{column}=null").expected
        assert load(filtered, f"source.columns.{column}=3").scoring.leaves_out_seen


def test_a_table_of_excluded_pairs_needs_a_path() -> None:
    found = problem("scoring.exclude={columns: {user: u, item: i}}")

    assert found.subject == "scoring.exclude"
    assert "a path" in found.expected


class TestPosteriorMf:
    """What does not fit together is refused before anything starts."""

    MODEL = "model={name: posterior_mf, burn_in: 50}"
    ITEMS = "items={path: items.csv, columns: {item: id, year: year}, features: {numeric: [year]}}"
    USERS = "users={path: users.csv, columns: {user: id, age: age}, features: {numeric: [age]}}"

    @pytest.mark.parametrize("epochs", [1, 50, 51])
    def test_it_needs_epochs_for_two_samples_after_its_burn_in(self, epochs: int) -> None:
        assert "training.epochs above model.burn_in + 1 = 51" in str(problem(self.MODEL, f"training.epochs={epochs}"))
        assert load(self.MODEL, "training.epochs=52").training.epochs == 52

    @pytest.mark.parametrize("features", [ITEMS, USERS], ids=["items", "users"])
    def test_it_has_no_use_for_features(self, features: str) -> None:
        assert "cannot use them" in str(problem(self.MODEL, "training.epochs=100", features))
        assert load("model.name=mlp", features).model.name == "mlp"


@pytest.mark.parametrize("preset", sorted(BASE.parent.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_preset_is_valid(preset: Path) -> None:
    assert config.load(Settings, [BASE, preset]).source.columns
