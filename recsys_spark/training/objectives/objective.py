"""What every objective of a ranking model promises, and the batches of users that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import keras


class UserBatch(NamedTuple):
    """Some users and all that they liked, as tensors."""

    users: Any
    """i32[b], different users, each with a like."""

    owner: Any
    """i32[n], of each like the position of its user in the batch, ascending."""

    items: Any
    """i32[n], the liked items."""

    weights: Any
    """f32[n], what each like counts."""

    rated_owner: Any
    """i32[m], of each rating the position of its user; empty unless the objective asks for ratings."""

    rated_items: Any
    """i32[m]"""

    rated_weights: Any
    """f32[m], what each rating counts."""

    targets: Any
    """f32[m], the ratings as the network learns them."""


class Objective(Protocol):
    """A loss over batches of users, and the networks whose weights it changes."""

    @property
    def network(self) -> keras.Model:
        """The network over pairs, see `Model.build`."""
        ...

    @property
    def others(self) -> tuple[keras.Model, ...]:
        """Further networks that are trained beside it, and carried over at a warm start."""
        ...

    @property
    def wants_ratings(self) -> bool:
        """Whether batches hold all ratings of their users."""
        ...

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """The loss of a batch, a scalar: a mean over users, of the same expectation for every batch.

        Args:
            batch: of users.
            seed: i32[2], another one for each step, for whatever is drawn.
        """
        ...

    def finish(self) -> None:
        """Set the weights of `network` that follow from others, once these are final."""
        ...


def rows_of(network: keras.Model, layer: str) -> Any:
    """The TensorFlow variable behind a table of a network."""
    return network.get_layer(layer).embeddings.value


def squares(vectors: Any) -> Any:
    """The sum of the squares of each row."""
    import tensorflow as tf

    return tf.reduce_sum(tf.square(vectors), axis=-1)
