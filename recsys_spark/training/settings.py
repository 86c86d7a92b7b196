"""Settings of the training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import Section


class TrainingSettings(Section):
    """How a model is fitted."""

    objective: Literal["rating", "ranking"] = "rating"
    """What the lists answer. rating: what would this user rate highest; ranking: what will this user want next. Each
    has models of its own."""

    relevant_at: float | None = None
    """For ranking: the lowest rating of an item that a user liked; none: the mean rating of the fit's rows, so that
    without ratings every row is a like. With `event_weights` every row is one in any case, unless this says more. What
    `evaluation.relevant_at` is should be the same."""

    epochs: int = Field(20, ge=1)
    """Passes over the training rows; with early stopping, at most."""

    batch_size: int = Field(1024, ge=1)
    """Ratings in a step; for ranking, users."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """adam; sgd: with `momentum`."""

    learning_rate: float = Field(0.005, gt=0)
    """Of the optimizer, at first."""

    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    """How the learning rate changes with every step: not; to zero along half a cosine over `epochs`; by the factor
    `decay` in each epoch."""

    decay: float = Field(0.9, gt=0, le=1)
    """Of the exponential schedule: learning rate after an epoch, divided by that before it."""

    momentum: float = Field(0.0, ge=0, lt=1)
    """Of sgd."""

    loss: Literal["mse", "mae"] = "mse"
    """Mean squared or mean absolute error, in units of the target. A classifier learns by cross-entropy instead."""

    target: Literal["none", "centred", "standardised"] = "centred"
    """What the network learns: the rating; minus its mean; also divided by its standard deviation. A classifier learns
    rating levels instead."""

    early_stopping: int | None = Field(2, ge=1)
    """Epochs without a better validation loss (for ranking: NDCG@10 of at most 5,000 users) before training stops;
    none: all epochs are run."""

    refit: bool = True
    """Whether the published model is fitted once more on everything, the test part too."""

    clip: bool = False
    """Whether published scores and rating metrics are clipped to the range of the training ratings."""

    xla: bool | None = None
    """Whether XLA compiles the training step; none: where it was measured to gain (dot products, not dense layers) and
    the fit is long enough to pay for compiling."""

    rows_in_memory: int = Field(200_000_000, ge=0)
    """Training rows that the driver holds in memory (about 40 bytes each while it fits); of more, the columns are
    memory-mapped files, shuffled by blocks."""

    scratch: str | None = None
    """A local folder for those files; none: the system's folder for temporary files."""

    checkpoint_seconds: float | None = Field(30, ge=0)
    """Seconds between two states of a fit, at least, from which a job that was killed goes on; keeping them takes a
    twentieth of the time at most. 0: after each epoch; none: none are kept."""

    checkpoints: str | None = None
    """A local folder that gets the network after each epoch, as `<fit>-<epoch>.keras`, for people: no fit goes on from
    these. None: nothing is kept."""

    tensorboard: str | None = None
    """A local folder that gets logs for TensorBoard, one folder for each fit; none: no logs."""

    warm_start: bool = False
    """Whether each fit starts from what the fit of its name (validated, evaluated, published) has learned on the last
    published night before, so that none has seen the rows that it is judged by; from fresh weights where there is none
    or where split, model or features have changed. Also stores what the next night starts from."""

    warm_epochs: int | None = Field(None, ge=1)
    """What `epochs` is for fits that start warm; none: half of `epochs`."""

    warm_shrink: float = Field(0.5, ge=0, le=1)
    """What the vectors of users and items are multiplied by at a warm start: as they were, they would hold on to the
    old rows; measured on MovieLens 100K. Not for posterior_mf, whose chain they are a point of."""

    event_weights: dict[str, Annotated[float, Field(gt=0)]] | None = Field(None, min_length=1)
    """For implicit feedback, what an event of each kind counts, such as {view: 1, purchase: 5}: every row is a like of
    this weight. Needs `source.columns.event`, and no `source.columns.rating`."""

    half_life_days: float | None = Field(None, gt=0)
    """Days after which a rating counts half as much as the newest one of the fit's rows; those without a time count as
    the oldest one. For ranking that is what a like counts. None: all count the same. Not for posterior_mf."""

    use_model: str | None = Field(None, pattern=r"^(latest|[a-z][a-z0-9_]*-[0-9a-f]{12})$")
    """Score with this stored model_id, or the `latest` one, without training."""

    max_model_age: int | None = Field(None, ge=0)
    """Days that a model in use may be old at the end of the business date; none: any age."""

    seed: int = 42
    """Of initial weights, order of rows and dropout."""
