"""Settings of the models, one class each, told apart by `name`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recsys_spark.config import Section

Activation = Literal["linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh"]

Dropout = Annotated[float, Field(ge=0, lt=1)]
"""Share of the inputs left out while training (0 to below 1)."""


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


class _DenseLayersSettings(Section):
    """What models with dense layers over a user's and an item's vector have in common."""

    embedding_size: int = Field(32, ge=1, le=1024)
    """Columns of each embedding."""

    embedding_dropout: Dropout = 0.0
    """Share of each embedding's numbers left out while training; features beside it are kept."""

    layers: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field((64,), min_length=1)
    """Units of each hidden layer; the output layer follows."""

    activation: Activation = "relu"
    """Of every hidden layer."""

    dropout: Dropout | tuple[Dropout, ...] = 0.0
    """Share of the inputs of each dense layer left out while training: one for all, or one for each hidden layer and
    the output layer."""

    l2: float = Field(0.0, ge=0)
    """Weight of the squared rows looked up, added to the loss (0: none)."""

    @model_validator(mode="after")
    def _dropout_for_each_layer(self) -> Self:
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.layers) + 1:
            raise ValueError(f"one dropout, or {len(self.layers) + 1}: one for each hidden layer and the output layer")
        return self


class MlpSettings(_DenseLayersSettings):
    """Concatenated embeddings through dense layers."""

    name: Literal["mlp"] = "mlp"
    """Selects this model."""


class ClassifierSettings(_DenseLayersSettings):
    """As `mlp`, with a probability for each rating level at the end; the score is the expected level."""

    name: Literal["classifier"] = "classifier"
    """Selects this model."""

    levels: tuple[float, ...] = Field((1.0, 2.0, 3.0, 4.0, 5.0), min_length=2, max_length=256)
    """The rating levels, ascending, in rating units; a rating between two of them counts as the nearer one."""

    @model_validator(mode="after")
    def _levels_ascend(self) -> Self:
        if any(low >= high for low, high in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("levels in ascending order, each once")
        return self


class PosteriorMfSettings(Section):
    """Matrix factorisation with biases, averaged over its posterior and compressed to one dot product.

    It wants large batches, best all rows in one (`training.batch_size`): small ones add so much noise of their own that
    the sampler diverges.
    """

    name: Literal["posterior_mf"] = "posterior_mf"
    """Selects this model."""

    embedding_size: int = Field(16, ge=1, le=256)
    """Columns of each embedding of a sample."""

    columns: int = Field(20, ge=1, le=1024)
    """Columns of the published dot product, into which the mean of all samples is compressed."""

    burn_in: int = Field(100, ge=1)
    """Epochs before the first sample is taken; `training.epochs` counts them too."""

    samples: int = Field(40, ge=2)
    """Samples taken, evenly spread over the epochs after `burn_in`."""

    step: float = Field(0.35, gt=0, lt=1)
    """Step of the sampler, h."""

    friction: float = Field(0.2, gt=0, lt=1)
    """Share of the momentum lost in each step, a."""

    carried: float = Field(0.5, ge=0, lt=1)
    """At a warm start: the part of last night's mean in the new one, for users and items without new ratings; less for
    those with some."""

    score_std: bool = False
    """Whether samples are stored with the model, so that each published score gets its standard deviation."""


class _PreferenceSettings(Section):
    """What models for `training.objective: ranking` have in common: a dot product of a user's and an item's vector."""

    embedding_size: int = Field(64, ge=1, le=1024)
    """Columns of each embedding."""


class _LeastSquaresSettings(_PreferenceSettings):
    """The weights of the loss of implicit matrix factorisation."""

    unobserved_weight: float = Field(0.1, gt=0)
    """Of the square of the score of every pair of a user and an item; that of a liked pair, whose score should be 1,
    is 1 besides, times the weight of its row."""

    l2: float = Field(0.01, ge=0)
    """Weight of squared vectors."""

    l2_exponent: float = Field(1.0, ge=0, le=1)
    """How much more the vectors of those with many pairs are shrunk: their weight is l2 times the sum of the weights of
    all their pairs, to this power."""


class IalsSettings(_LeastSquaresSettings):
    """Implicit matrix factorisation: liked pairs should score 1, all others 0, with less weight."""

    name: Literal["ials"] = "ials"
    """Selects this model."""


class JointSettings(_LeastSquaresSettings):
    """As `ials`, and beside it, in one fit, matrix factorisation with biases that predicts the rating.

    The two have vectors of their own: a pair that was liked scores more in the fit than such pairs do later, so that
    ratings predicted from the first ones are wrong about pairs that are new.
    """

    name: Literal["joint"] = "joint"
    """Selects this model."""

    rating_size: int = Field(32, ge=1, le=1024)
    """Columns of the vectors that predict ratings."""

    rating_l2: float = Field(0.06, ge=0)
    """Weight of these vectors and of the biases, squared, of each rating, beside its squared error."""


class BprSettings(_PreferenceSettings):
    """Bayesian personalised ranking: a liked item should score more than an item drawn by chance."""

    name: Literal["bpr"] = "bpr"
    """Selects this model."""

    l2: float = Field(0.001, ge=0)
    """Weight of the squared vectors of the user and of both items of a comparison."""


class SoftmaxSettings(_PreferenceSettings):
    """A user's vector is the sum of those of the liked items; their softmax over all items, or over drawn ones."""

    name: Literal["softmax"] = "softmax"
    """Selects this model."""

    dropout: Dropout = 0.5
    """Share of a user's history left out while training."""

    negatives: int | None = Field(None, ge=1)
    """Items drawn by popularity for each step, whose frequency is corrected for; none: all items are compared."""

    l2: float = Field(0.0, ge=0)
    """Weight of squared vectors."""


class BlendPart(Section):
    """One of the models of a blend."""

    model: Annotated[IalsSettings | JointSettings | BprSettings | SoftmaxSettings, Field(discriminator="name")] = (
        IalsSettings()
    )
    """What it is."""

    weight: float = Field(1.0, gt=0)
    """Of its scores, once they are brought to one scale."""

    epochs: int | None = Field(None, ge=1)
    """Instead of `training.epochs`."""

    batch_size: int | None = Field(None, ge=1)
    """Instead of `training.batch_size`."""

    learning_rate: float | None = Field(None, gt=0)
    """Instead of `training.learning_rate`."""


class BlendSettings(Section):
    """Several models for ranking, each fitted by itself, folded into one wide dot product."""

    name: Literal["blend"] = "blend"
    """Selects this model."""

    parts: tuple[BlendPart, ...] = Field((BlendPart(), BlendPart(model=SoftmaxSettings())), min_length=1, max_length=16)
    """The models."""


RatingModelSettings = DotSettings | MlpSettings | ClassifierSettings | PosteriorMfSettings

RankingModelSettings = IalsSettings | JointSettings | BprSettings | SoftmaxSettings | BlendSettings
"""Those for `training.objective: ranking`."""

ModelSettings = Annotated[RatingModelSettings | RankingModelSettings, Field(discriminator="name")]
