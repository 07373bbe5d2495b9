"""Diversity: whether the negatives say different things, the written ones beside as many mined ones."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from syneg_data.audit.draws import Owned, draw, one_per_query, owned_texts
from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import unmeasured
from syneg_data.audit.subject import ORIGINS, Origin, Subject
from syneg_data.texts.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES: tuple[str, ...] = (
    "distinct_2_synthetic",
    "distinct_2_mined",
    "self_similarity_synthetic",
    "self_similarity_mined",
)
_GROUP = "texts"
_GROUPS = 20  # of queries, each left out once
_MOST = 1_000  # texts that are compared all with all
_FEWEST = 10
_SAID: dict[Origin, str] = {"synthetic": "written", "mined": "mined"}


def measure(subject: Subject) -> list[Measure]:
    """How much the texts of each source differ among themselves, each at the same size as the other."""
    texts = {origin: owned_texts(subject, origin) for origin in ORIGINS}
    return [*_distinct(texts, subject), *_similar(texts, subject)]


def _distinct(texts: dict[Origin, list[Owned]], subject: Subject) -> list[Measure]:
    """distinct-2 (Li et al. 2016), expected of equally many word pairs of either source (Hurlbert 1971).

    More text has fewer new pairs, so shares of unequal amounts say nothing; the expectation over all samples of one
    size is exact and needs no draw. Its interval leaves out a group of queries at a time (jackknife): a bootstrap would
    repeat texts, and so find fewer different pairs than there are.
    """
    counted = {
        origin: _pairs(draw(owned, subject.seed, subject.sample))
        for origin, owned in texts.items()
        if len({query_id for query_id, _ in owned}) >= 2
    }
    sizes = [int(table.sum() - group.sum()) for table in counted.values() for group in table]
    size = min(sizes, default=0)
    found = []
    for origin in ORIGINS:
        name, said = f"distinct_2_{origin}", _SAID[origin]
        if origin not in counted or size < 1:
            found.append(unmeasured(name, _GROUP, f"Fewer than two queries have {said} negatives."))
            continue
        table = counted[origin]
        whole = table.sum(axis=0)
        value = _expected(whole, size)
        parts = [_expected(whole - group, size) for group in table]
        low, high = _jackknife(value, parts)
        found.append(
            Measure(
                name,
                _GROUP,
                round(value, 4),
                low,
                high,
                int(whole.sum()),
                f"{100 * value:.0f} % of {size:,} pairs of adjacent words drawn from {said} negatives are distinct"
                + ("; as many were drawn of the other source." if len(counted) == 2 else "."),
            )
        )
    return found


def _pairs(owned: Sequence[Owned]) -> "NDArray[np.int64]":
    """How often each pair of adjacent words stands in each group of queries, shape (groups, pairs)."""
    import numpy as np

    places: dict[str, int] = {}
    for query_id, _ in owned:
        places.setdefault(query_id, len(places))
    groups = min(_GROUPS, len(places))
    numbers: dict[tuple[str, str], int] = {}
    rows: list[list[int]] = [[] for _ in range(groups)]
    for query_id, text in owned:
        words = words_of(text)
        row = rows[places[query_id] % groups]
        row += [numbers.setdefault(pair, len(numbers)) for pair in pairwise(words)]
    return np.array([np.bincount(np.array(row, np.int64), minlength=len(numbers)) for row in rows])


def _expected(counts: "NDArray[np.int64]", size: int) -> float:
    """Share of different ones expected among `size` drawn without replacement: sum(1 - C(N - c, size) / C(N, size))."""
    import numpy as np
    from scipy.special import gammaln

    total = int(counts.sum())
    often, kinds = np.unique(counts[counts > 0], return_counts=True)
    rest = np.maximum(total - often - size, 0)
    missed = np.exp(gammaln(total - often + 1) + gammaln(total - size + 1) - gammaln(rest + 1) - gammaln(total + 1))
    missed = np.where(total - often >= size, missed, 0.0)
    return float(((1 - missed) * kinds).sum() / size)


def _jackknife(value: float, parts: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import t

    n, mean = len(parts), sum(parts) / len(parts)
    error = math.sqrt((n - 1) / n * sum((part - mean) ** 2 for part in parts))
    reach = float(t.ppf(0.975, n - 1)) * error
    return round(max(0.0, value - reach), 4), round(min(1.0, value + reach), 4)


def _similar(texts: dict[Origin, list[Owned]], subject: Subject) -> list[Measure]:
    """How like its nearest of the same source each text is, over texts of different queries, equally many a source."""
    drawn = {origin: one_per_query(owned, subject.seed, _MOST) for origin, owned in texts.items()}
    enough = [len(owned) for owned in drawn.values() if len(owned) >= _FEWEST]
    size = min(enough, default=0)
    drawn = {origin: owned[:size] for origin, owned in drawn.items() if len(owned) >= _FEWEST}
    nearest = _nearest({origin: [text for _, text in owned] for origin, owned in drawn.items()})
    found = []
    for origin in ORIGINS:
        name, said = f"self_similarity_{origin}", _SAID[origin]
        if origin not in nearest:
            found.append(unmeasured(name, _GROUP, f"Fewer than {_FEWEST} queries have {said} negatives."))
            continue
        value, low, high = _mean(nearest[origin], subject.seed)
        found.append(
            Measure(
                name,
                _GROUP,
                value,
                low,
                high,
                size,
                f"A {said} negative and the {said} one of another query that is most like it have a TF-IDF cosine of "
                f"{value:.2f} on average, among {size:,} (0: no word in common, 1: the same words)"
                + ("; as many of the other source were compared." if len(nearest) == 2 else "."),
            )
        )
    return found


def _nearest(texts: dict[Origin, list[str]]) -> dict[Origin, "NDArray[np.float64]"]:
    """For each text the highest TF-IDF cosine to another one of its source; words are weighted over all sources."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    every = [text for part in texts.values() for text in part]
    if not any(words_of(text) for text in every):
        return {}
    vectors = TfidfVectorizer(analyzer=words_of, sublinear_tf=True).fit_transform(every)
    found, start = {}, 0
    for origin, part in texts.items():
        block = vectors[start : start + len(part)]
        cosines = (block @ block.T).toarray()
        np.fill_diagonal(cosines, 0.0)
        found[origin] = np.sort(cosines.max(axis=1))
        start += len(part)
    return found


def _mean(values: "NDArray[np.float64]", seed: int) -> tuple[float, float, float]:
    """Mean and its 95 % percentile bootstrap interval (1,000 resamples); every value is of another query."""
    import numpy as np

    drawn = np.random.default_rng(seed).choice(values, (1_000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return round(float(values.mean()), 4), round(float(low), 4), round(float(high), 4)
