"""What a CPU is taken to be able to do is what numba compiles for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from numba.core import config

from recsys_spark.kernels import cpu


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    cpu.features.cache_clear()
    cpu.byte_lanes.cache_clear()
    yield
    cpu.features.cache_clear()
    cpu.byte_lanes.cache_clear()


@pytest.mark.parametrize(
    ("flags", "lanes"),
    [
        ("+avx512vnni,+avx512bw,+avx512vl", 16),
        ("+avx512vnni,+avx512bw,-avx512vl,+avxvnni", 8),
        ("+avx2,+avxvnni", 8),
        ("+avx2,+fma,-avx512vnni", 0),
        ("", 0),
    ],
)
def test_lanes_of_byte_products(monkeypatch: pytest.MonkeyPatch, flags: str, lanes: int) -> None:
    monkeypatch.setattr(config, "CPU_FEATURES", flags)
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")

    assert cpu.byte_lanes() == lanes


def test_another_architecture_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.platform, "machine", lambda: "arm64")

    assert cpu.byte_lanes() == 0


def test_a_cpu_of_no_kind_has_no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CPU_NAME", "generic")

    assert cpu.features() == frozenset()
