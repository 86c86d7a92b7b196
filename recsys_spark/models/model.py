"""What every model promises: a Keras network that can be built afresh, and its export to pair scorers.

A model is one file: a frozen class made from its settings. It holds no weights; those live in the Keras networks that
it builds. Keras is imported inside `build` only, so that naming a model costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from recsys_spark.config import Section
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


class Model(Protocol):
    """A network over pairs of a user and an item.

    Example:
        >>> network = Dot(DotSettings(embedding_size=8)).build(Sides(n_users=30, n_items=100))
        >>> network.predict({"user": users, "item": items}, verbose=0).shape
        (2, 1)
    """

    @property
    def settings(self) -> Section:
        """What it was made from."""
        ...

    @property
    def levels(self) -> tuple[float, ...] | None:
        """The rating levels that the outputs are probabilities of; none: the one output is a rating."""
        ...

    @property
    def uses_features(self) -> bool:
        """Whether it takes features of users and items into account."""
        ...

    @property
    def gains_from_xla(self) -> bool:
        """Whether a training step compiled by XLA was measured to be faster than TensorFlow's own."""
        ...

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights, drawn from Keras' global seed.

        It is made of Keras' own layers only, so that its `.keras` file opens in safe mode. Its tables of users and
        items are layers made by `embedding`; features are tables that are not trained.

        Args:
            sides: the users and items, with their features.

        Returns:
            Not compiled. Inputs: `user` and `item`, int32 of shape (batch,). Output: (batch, 1) in target units, or
            (batch, number of levels) probabilities.
        """
        ...

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, in rating units.

        Args:
            network: built by this model, with any weights.
            scale: rating = scale * output + offset.
            offset: see `scale`.
            clip: bounds of published scores.

        Returns:
            Scorers by name; `main` ranks the lists and is published.
        """
        ...
