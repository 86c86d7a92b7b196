"""What lists answer, and how well, in words."""

from __future__ import annotations

from recsys_spark.job import Job

ANSWERS = {"rating": "what users would rate highest", "ranking": "what users want next"}
"""The question that the lists of a model answer, by its objective."""


def say_metrics(job: Job) -> None:
    """Tell the model's main figures beside those of the baselines; warn where the most popular items rank better."""
    tree = job.summary.metrics
    if not tree:
        return
    part = "test" if "test" in tree else "train"
    mine, baselines = tree[part], tree["baseline"]

    def told(metric: str) -> str:
        others = ", ".join(f"{name} {m[metric]:.4f}" for name, m in baselines.items() if metric in m)
        low, high = mine.get("intervals", {}).get(metric, (None, None))
        interval = "" if low is None else f" [{low:.4f}, {high:.4f}]"
        return f"{mine[metric]:.4f}{interval} (baselines: {others})"

    if "mse" in mine:
        job.progress.say(f"{part} MSE {told('mse')}")
    for k in job.settings.evaluation.k:
        metric = f"ndcg@{k}"
        if metric in mine:
            job.progress.say(f"{part} NDCG@{k} {told(metric)}")
            chosen = tree.get("diversified", {}).get(metric)
            if chosen is not None:
                job.progress.say(
                    f"{part} NDCG@{k} of the lists as they are published, chosen for variety: {chosen:.4f}"
                )
            _warn_of_popularity(job, metric, mine[metric], baselines["popularity"][metric])


def _warn_of_popularity(job: Job, metric: str, model: float, popularity: float) -> None:
    """Lists by predicted rating answer what a user would rate highest, mostly not what they will want next."""
    if model < popularity:
        objective = job.settings.training.objective
        what = "not what they want next" if objective == "rating" else "and worse than the most popular items do"
        job.run.warn(
            f"ranking: {metric} of the model is {model:.4f}, that of popularity {popularity:.4f}: its lists tell "
            f"{ANSWERS[objective]} (training.objective {objective}), {what}"
        )
