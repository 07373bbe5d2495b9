"""Probes: how well a simple classifier tells two kinds of texts apart that it has not seen, with an interval. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syneg_data.audit.folds import FOLDS, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 20  # texts of either kind
_DRAWS = 1000
_AT_ONCE = 50  # draws whose weights are in memory together
# Every two folds are tried on each other's lesson, so that what they have in common by chance counts twice. Without any
# shortcut this doubles the variance that resampling alone sees, whatever the number of folds; clean sets bear it out.
_TWICE = 2**0.5


@dataclass(frozen=True)
class Told:
    """How well two kinds of texts were told apart.

    Attributes:
        auc: None where it could not be measured.
        draws: AUCs of resampled groups, ascending; for intervals.
        rows: texts.
        groups: of queries that they come from.
        why: the reason if it was not measured.
    """

    auc: float | None
    draws: tuple[float, ...] = ()
    rows: int = 0
    groups: int = 0
    why: str = ""

    def interval(self, chosen_from: int = 1) -> tuple[float | None, float | None]:
        """Its 95 % interval.

        Args:
            chosen_from: of how many it is the highest; the interval is wider for that (Bonferroni), so that the best
                of several guesses does not pass for a finding.
        """
        import numpy as np

        if self.auc is None or not self.draws:
            return None, None
        low, high = np.quantile(self.draws, [0.025 / chosen_from, 1 - 0.025 / chosen_from]).tolist()
        low, high = (
            self.auc + _TWICE * (min(low, self.auc) - self.auc),
            self.auc + _TWICE * (max(high, self.auc) - self.auc),
        )
        return round(max(0.0, low), 4), round(min(1.0, high), 4)


def too_few(rows: Rows) -> str:
    """Why two kinds of texts cannot be compared; empty if they can."""
    import numpy as np

    ones, groups = int(rows.label.sum()), len(np.unique(rows.group))
    if min(ones, len(rows.label) - ones) < FEWEST:
        return f"there are {ones} and {len(rows.label) - ones} different texts, {FEWEST} of either kind are needed"
    if groups < FOLDS:
        return f"the texts come from {groups} groups of queries that share no positive, {FOLDS} are needed"
    return ""


def tell(features: Any, rows: Rows, seed: int) -> Told:  # noqa: ANN401
    """Cross-validated AUC of telling label 1 from label 0.

    In each of five folds a logistic regression is fitted to the rows of the other folds. Only rows of one fold are
    compared with each other, for scores of two models have no common scale: the figure is the share of all such pairs
    in which label 1 scores higher (Mann and Whitney 1947), ties counted half. The interval comes from drawing groups of
    queries anew, with replacement, the fitted models staying as they are; `Told.interval` makes up for that.

    Args:
        features: a row for each text, sparse or dense.
        rows: the texts with their labels.
        seed: of the order in which a model learns.
    """
    import numpy as np

    groups = len(np.unique(rows.group))
    if why := too_few(rows):
        return Told(None, (), len(rows.label), groups, why)
    won, pairs = np.zeros(_DRAWS + 1), np.zeros(_DRAWS + 1)
    weights = _weights(rows, seed)
    for fold in range(FOLDS):
        learnt, tried = np.flatnonzero(~rows.met[:, fold]), np.flatnonzero(rows.test == fold)
        if len(np.unique(rows.label[learnt])) < 2 or len(np.unique(rows.label[tried])) < 2:
            continue
        scores = _scores(features, rows, learnt, tried, seed)
        one, all_pairs = _won(scores, rows.label[tried], weights, rows.group[tried])
        won, pairs = won + one, pairs + all_pairs
    if not pairs[0]:
        return Told(None, (), len(rows.label), groups, "no fold has texts of both kinds")
    drawn = (won[1:] / np.maximum(pairs[1:], 1e-12))[pairs[1:] > 0]
    return Told(round(float(won[0] / pairs[0]), 4), tuple(np.sort(drawn).tolist()), len(rows.label), groups)


def _scores(
    features: Any,  # noqa: ANN401
    rows: Rows,
    learnt: "NDArray[np.int64]",
    tried: "NDArray[np.int64]",
    seed: int,
) -> "NDArray[np.float64]":
    """Decision values of the rows tried, rounded so that ties are ties on every machine."""
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, asked, label = features[rows.text[learnt]], features[rows.text[tried]], rows.label[learnt]
    model: Any
    if sparse.issparse(features):
        weight = _telling(known, label)
        known, asked = known @ weight, asked @ weight
        # Averaged stochastic gradient descent (Bottou 2012) is as good as the exact solvers here, and the fastest of
        # them; ten passes are always made, so the time is known and the outcome is the same every time.
        model = SGDClassifier(
            loss="log_loss", alpha=1e-4, max_iter=10, tol=None, average=True, random_state=seed % 2**32
        )
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    values = model.fit(known, label).decision_function(asked)
    rounded: NDArray[np.float64] = np.round(values.astype(np.float64), 6)
    return rounded


def _telling(known: Any, label: "NDArray[np.int64]") -> Any:  # noqa: ANN401
    """A diagonal matrix: of each feature how surely the two kinds of texts learnt from differ in having it (|z|).

    Without it one word that gives all of them away is lost among a hundred thousand that say nothing: planted in each
    of 300 texts it was told in 67 of 100 pairs, and is in all. The idea is that of Wang and Manning (2012). Rows are
    scaled to a mean square of 1 again, on which the steps of learning depend.
    """
    import numpy as np
    from scipy import sparse

    ones = np.bincount(known[label == 1].indices, minlength=known.shape[1])
    zeros = np.bincount(known[label == 0].indices, minlength=known.shape[1])
    n_ones, n_zeros = int(label.sum()), int(len(label) - label.sum())
    pooled = (ones + zeros + 1) / (n_ones + n_zeros + 2)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n_ones + 1 / n_zeros))
    z = np.abs((ones + 0.5) / (n_ones + 1) - (zeros + 0.5) / (n_zeros + 1)) / spread
    square = float((known.multiply(known) @ z**2).mean())
    return sparse.diags_array((z / np.sqrt(square or 1.0)).astype(np.float32))


def _weights(rows: Rows, seed: int) -> "NDArray[np.float32]":
    """How often each group is drawn, shape (draws + 1, highest group + 1), the first time all of them once.

    Groups are drawn from all folds together: where a fold has but one or two, drawing within it would hardly vary, and
    the interval of five groups would be a point.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    here = np.unique(rows.group)
    weights = np.zeros((_DRAWS + 1, int(rows.group.max()) + 1), np.float32)
    weights[0, here] = 1
    for start in range(1, _DRAWS + 1, _AT_ONCE):
        drawn = generator.multinomial(len(here), np.full(len(here), 1 / len(here)), _AT_ONCE)
        weights[start : start + _AT_ONCE, here] = drawn
    return weights


def _won(
    scores: "NDArray[np.float64]",
    label: "NDArray[np.int64]",
    weights: "NDArray[np.float32]",
    group: "NDArray[np.int64]",
) -> tuple["NDArray[np.float64]", "NDArray[np.float64]"]:
    """Pairs in which label 1 scores higher, ties half, and all pairs, each weighted; for every draw of the groups."""
    import numpy as np

    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)  # of runs of equal scores
    is_one = label[order] == 1
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for start in range(0, len(weights), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        here = weights[part][:, group[order]].astype(np.float64)
        ones = np.add.reduceat(here * is_one, starts, axis=1)
        zeros = np.add.reduceat(here * ~is_one, starts, axis=1)
        below = np.cumsum(zeros, axis=1) - zeros / 2
        won[part] = (ones * below).sum(axis=1)
        pairs[part] = ones.sum(axis=1) * zeros.sum(axis=1)
    return won, pairs
