"""The posterior mean of biased matrix factorisation: samples, their average, and its compression to one dot product.

Salakhutdinov and Mnih: Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo, ICML 2008; drawn by
`Sghmc` instead of Gibbs sampling.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import clear, table
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.sides import SIDES, Sides
from recsys_spark.models.warm import Weights, carry_over
from recsys_spark.training.callbacks import on_request, timekeeping
from recsys_spark.training.checkpoints import Arrays, FitState
from recsys_spark.training.compiling import step_by_xla, uses_xla
from recsys_spark.training.earlier_mean import EarlierMean, memory
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.feed import EpochOrder, TrainingRows, dataset
from recsys_spark.training.fitted import Fitted, Wanted, present
from recsys_spark.training.resuming import KeepingStates
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.sghmc import RowsOfTable, Sghmc
from recsys_spark.training.target import Target, variance


class Sample(NamedTuple):
    """One draw from the posterior, in units of the target."""

    user: F32
    """f32[n_users, k]"""

    item: F32
    """f32[n_items, k]"""

    user_bias: F32
    """f32[n_users]"""

    item_bias: F32
    """f32[n_items]"""

    def predict(self, rows: TrainingRows) -> F32:
        """What this draw says about some rows, f32[n]."""
        factors = np.einsum("nk,nk->n", self.user[rows.user], self.item[rows.item])
        predicted: F32 = self.user_bias[rows.user] + self.item_bias[rows.item] + factors
        return predicted


def sample_posterior(
    model: PosteriorMf,
    training: TrainingSettings,
    wanted: Wanted,
    rows: TrainingRows,
    sides: Sides,
    *,
    validation: TrainingRows | None,
    start: Weights | None = None,
) -> Fitted:
    """Fit by sampling.

    Args:
        model: how many samples of what size.
        training: with a batch size of all rows the gradient is exact; smaller batches add their own noise.
        wanted: epochs in all; the first `burn_in` of them only find the way to the posterior.
        rows: what is fitted.
        sides: the users and items.
        validation: measured with the mean of the samples so far.
        start: what an earlier fit learned: the chain starts from its mean instead of from noise, and the mean becomes a
            part of the new one (`earlier_mean.py`).

    Returns:
        The compressed mean; with `score_std` also the samples. Driver memory: 4 bytes x samples x columns for each user
        and item, and about 150 bytes for each row of a batch.
    """
    settings, target, clock, kept = model.settings, wanted.target, wanted.clock, wanted.kept
    chain = Chain(due=sample_epochs(wanted.epochs, settings.burn_in, settings.samples), validation=validation)
    chain.expected = None if validation is None else target.transform(validation.rating)
    sizes = (sides.n_users, sides.n_items)
    if start is not None and EarlierMean.is_in(start):
        chain.earlier = EarlierMean.of(start, rows, target, sizes=sizes, carried=settings.carried)
    known = memory(rows, target, n_users=sizes[0], n_items=sizes[1])
    before = kept.last()
    if before is not None:
        chain.take_up(before.arrays)
        if before.over:
            return _fitted(model, sides, wanted, chain, known, before.history)
    network = _sample_network(model, rows, sides, start)
    optimizer = _sampler(network, model, rows, sides, target, seed=training.seed)
    network.compile(optimizer=optimizer, loss="mse", metrics=["mse", "mae"], jit_compile=False)
    if uses_xla(model, training, n_rows=len(rows)):
        step_by_xla(network)
    size = min(training.batch_size, len(rows))
    # where one batch is everything, the order of its rows changes nothing
    order = EpochOrder(training.seed) if size < len(rows) else None
    sampling = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: optimizer.follow_noise(logs["mse"]),
        on_epoch_end=lambda epoch, logs: chain.look(network, epoch + 1, logs),
    )
    keeping = KeepingStates(kept, before, clock, epochs=wanted.epochs, others=chain.arrays)
    try:
        network.fit(
            dataset(rows, target.transform, batch_size=size, order=order),
            epochs=wanted.epochs,
            initial_epoch=before.epoch if before else 0,
            shuffle=False,
            verbose=0,
            callbacks=[sampling, timekeeping(clock, order), *on_request(training, wanted.name, network), keeping],
        )
    finally:
        clock.fit_ends()
    history = tuple(clock.history)
    kept.keep(FitState(len(history), True, chain.arrays(), history))
    return _fitted(model, sides, wanted, chain, known, history)


def sample_epochs(epochs: int, burn_in: int, samples: int) -> tuple[int, ...]:
    """After which epochs (from 1) samples are taken: the last one, and evenly back from there to the end of `burn_in`.

    Example:
        >>> sample_epochs(10, 4, 3)
        (6, 8, 10)
    """
    taken = min(samples, epochs - burn_in)
    return tuple(int(epoch) for epoch in np.linspace(burn_in, epochs, taken + 1)[1:])


@dataclass(eq=False)
class Chain:
    """The samples of one run of the sampler.

    Args:
        due: epochs after which one is taken.
        validation: rows to measure the mean of the samples on.
        expected: their targets.
        earlier: the mean of an earlier night, which is a part of this one's; none: it is not.
    """

    due: Iterable[int]
    validation: TrainingRows | None = None
    expected: F32 | None = None
    earlier: EarlierMean | None = None
    samples: list[Sample] = field(default_factory=list)
    _predicted: Any = 0.0

    def look(self, network: keras.Model, epoch: int, logs: dict[str, float]) -> None:
        """Take a sample if it is time, and add the error of the mean so far to Keras' logs of the epoch."""
        if epoch not in self.due:
            return
        user, item = table(network, "user"), table(network, "item")
        biases = (table(network, side, "bias")[:, 0].copy() for side in SIDES)
        self.samples.append(Sample(user, item, *biases))
        if self.validation is not None and self.expected is not None and len(self.expected):
            self._predicted += self.samples[-1].predict(self.validation)
            predicted = self._predicted / len(self.samples)
            if self.earlier is not None:
                predicted = self.earlier.mixed(predicted, self.validation)
            error = predicted - self.expected
            logs["val_mse"], logs["val_mae"] = float(np.mean(error**2)), float(np.mean(np.abs(error)))

    def arrays(self) -> dict[str, F32]:
        """The samples so far, by names that sort into their order."""
        return {
            f"sample/{number:06d}/{name}": array
            for number, sample in enumerate(self.samples)
            for name, array in sample._asdict().items()
        }

    def take_up(self, arrays: Arrays) -> None:
        """Go on from the samples among some arrays."""
        numbers = sorted({name.split("/")[1] for name in arrays if name.startswith("sample/")})
        for number in numbers:
            self.samples.append(Sample(*(arrays[f"sample/{number}/{name}"] for name in Sample._fields)))
            if self.validation is not None:
                self._predicted += self.samples[-1].predict(self.validation)


def compressed(samples: list[Sample], columns: int) -> tuple[F32, F32]:
    """The mean of the samples' dot products as one of fewer columns, the best one in the least-squares sense.

    With A = [U_1 .. U_S] / S and W = [V_1 .. V_S] the mean is A W^T. QR of both, then the singular value decomposition
    of R_A R_W^T (Eckart and Young, 1936), the singular values shared between both sides.

    Args:
        samples: at least one.
        columns: kept; zeros where there are fewer.

    Returns:
        f32[n_users, columns] and f32[n_items, columns].
    """
    a = np.concatenate([s.user for s in samples], axis=1) / np.float32(len(samples))
    return nearest(a.astype(np.float32, copy=False), np.concatenate([s.item for s in samples], axis=1), columns)


def nearest(a: F32, w: F32, columns: int) -> tuple[F32, F32]:
    """The product A W^T as one of fewer columns; see `compressed`.

    Args:
        a: f32[n_users, m]
        w: f32[n_items, m]
        columns: kept; zeros where there are fewer.
    """
    (q_a, r_a), (q_w, r_w) = np.linalg.qr(a), np.linalg.qr(w)
    left, singular, right = np.linalg.svd(r_a @ r_w.T)
    kept = min(columns, len(singular))
    shared = np.sqrt(singular[:kept])
    user, item = q_a @ (left[:, :kept] * shared), q_w @ (right[:kept].T * shared)
    # rounding would make rows that no step has touched look trained
    user[~a.any(axis=1)], item[~w.any(axis=1)] = 0, 0
    missing = ((0, 0), (0, columns - kept))
    return np.pad(user, missing).astype(np.float32), np.pad(item, missing).astype(np.float32)


def stacked(samples: list[Sample], target: Target, clip: tuple[float, float] | None) -> PairScorer:
    """All samples side by side: one dot product whose score is the mean of theirs, before any compression.

    Each sample takes k + 2 columns of both sides: its vectors, then user bias and 1, then 1 and item bias. So the
    product of its columns alone, times `target.scale`, plus the offset, is the score that it gives.
    """
    users, items = [], []
    for sample in samples:
        ones_u, ones_i = np.ones((len(sample.user), 1), np.float32), np.ones((len(sample.item), 1), np.float32)
        users += [sample.user, sample.user_bias[:, None], ones_u]
        items += [sample.item, ones_i, sample.item_bias[:, None]]
    return PairScorer(
        user=np.ascontiguousarray(np.concatenate(users, axis=1)),
        item=np.ascontiguousarray(np.concatenate(items, axis=1)),
        scale=target.scale / len(samples),
        offset=target.offset,
        clip=clip,
    )


def _fitted(
    model: PosteriorMf, sides: Sides, wanted: Wanted, chain: Chain, known: Weights, history: tuple[EpochResult, ...]
) -> Fitted:
    fitted = Fitted(
        model,
        _mean_network(model, sides, chain),
        wanted.target,
        wanted.clip,
        wanted.epochs,
        history,
        memory=known,
    )
    if not model.settings.score_std:
        return fitted
    stored = stacked(chain.samples, wanted.target, wanted.clip)
    return replace(fitted, samples=stored, n_samples=len(chain.samples))


def _sample_network(model: PosteriorMf, rows: TrainingRows, sides: Sides, start: Weights | None) -> keras.Model:
    network = model.build_sample(sides)
    if start is not None:
        mean = model.build(sides)
        carry_over(start, mean)
        for side in SIDES:
            # the first columns of a mean are those that matter most
            kept = table(mean, side)[:, : model.settings.embedding_size]
            begun = table(network, side)
            begun[:, : kept.shape[1]] = kept
            network.get_layer(f"{side}_embedding").set_weights([begun])
            network.get_layer(f"{side}_bias").set_weights([table(mean, side, "bias")])
    clear(network, "user", ~present(rows.user, sides.n_users))
    clear(network, "item", ~present(rows.item, sides.n_items))
    return network


def _sampler(
    network: keras.Model, model: PosteriorMf, rows: TrainingRows, sides: Sides, target: Target, *, seed: int
) -> Sghmc:
    counts = {
        "user": np.bincount(rows.user, minlength=sides.n_users).astype(np.float32),
        "item": np.bincount(rows.item, minlength=sides.n_items).astype(np.float32),
    }
    # a first guess; the sampler soon finds its own: most of the variance is noise, some of it lies in the biases
    spread = variance(rows.rating, float(np.mean(rows.rating, dtype=np.float64))) / target.scale**2 or 1.0
    guesses = {"embedding": 0.1 * np.sqrt(spread), "bias": 0.2 * spread}
    names = [variable.path.split("/")[0] for variable in network.trainable_variables]
    tables = []
    for name in names:
        side, what = name.split("_")
        other = f"{'item' if side == 'user' else 'user'}_{what}"
        tables.append(RowsOfTable(counts[side], names.index(other) if what == "embedding" else None, guesses[what]))
    step, friction = model.settings.step, model.settings.friction
    return Sghmc(tables, n_rows=len(rows), noise=0.65 * spread, step=step, friction=friction, seed=seed)


def _mean_network(model: PosteriorMf, sides: Sides, chain: Chain) -> keras.Model:
    network, samples, columns = model.build(sides), chain.samples, model.settings.columns
    user, item = compressed(samples, columns)
    biases = (np.mean([s.user_bias for s in samples], axis=0), np.mean([s.item_bias for s in samples], axis=0))
    if chain.earlier is not None:
        user, item = nearest(*chain.earlier.factors(user, item), columns)
        biases = chain.earlier.biases(*biases)
    means = {
        "user_embedding": user,
        "item_embedding": item,
        "user_bias": biases[0][:, None],
        "item_bias": biases[1][:, None],
    }
    for layer, weights in means.items():
        network.get_layer(layer).set_weights([weights])
    return network
