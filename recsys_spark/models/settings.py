"""Settings of the models, one class each, told apart by `name`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import Section

Activation = Literal["linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh"]


class DotSettings(Section):
    """Dot product of two embeddings, with or without biases."""

    name: Literal["dot"] = "dot"
    """Selects this model."""

    embedding_size: int = Field(32, ge=1, le=1024)
    """Columns of each embedding."""

    biases: bool = True
    """Whether each user and each item has a bias."""

    l2: float = Field(0.0, ge=0)
    """Weight of the squared rows looked up, added to the loss (0: none)."""


class MlpSettings(Section):
    """Concatenated embeddings through dense layers."""

    name: Literal["mlp"] = "mlp"
    """Selects this model."""

    embedding_size: int = Field(32, ge=1, le=1024)
    """Columns of each embedding."""

    layers: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field((64,), min_length=1)
    """Units of each hidden layer; one linear unit follows."""

    activation: Activation = "relu"
    """Of every hidden layer."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the inputs of each dense layer left out while training."""

    l2: float = Field(0.0, ge=0)
    """Weight of the squared rows looked up, added to the loss (0: none)."""


ModelSettings = Annotated[DotSettings | MlpSettings, Field(discriminator="name")]
