"""Folds: which texts a probe learns from and which it is tried on, so that it never meets a text or a query again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syneg_data.audit.subject import Subject
from syneg_data.collection import linked, normalise, sample_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True)
class Groups:
    """The queries of a set in groups that share no positive, and the groups in folds.

    What was written for one positive is alike whichever query it was written for, so the queries of one positive stay
    together.

    Attributes:
        of: query_id -> number of its group.
        fold: of each group.
    """

    of: Mapping[str, int]
    fold: tuple[int, ...]

    @classmethod
    def among(cls, subject: Subject) -> "Groups":
        """The groups of a set; folds get about equally many examples, and which ones follows from the seed."""
        group_of = linked((example.query_id, example.positive_id) for example in subject.examples)
        of = {query_id: group_of[query_id] for query_id in subject.query_ids}
        first = {group: query_id for query_id, group in reversed(of.items())}
        size = Counter(group_of[example.query_id] for example in subject.examples)
        held, fold, sizes = [0] * FOLDS, [0] * len(size), [size[group] for group in range(len(size))]
        for group in sorted(range(len(sizes)), key=lambda g: (-sizes[g], sample_order(first[g], subject.seed))):
            fold[group] = min(range(FOLDS), key=held.__getitem__)
            held[fold[group]] += sizes[group]
        return cls(of, tuple(fold))


@dataclass(frozen=True)
class Rows:
    """Texts with a label each.

    Attributes:
        text: position of each row's text in a list of texts.
        label: 1 or 0.
        group: the group in which the text is at home: of the queries that use it, the first one's.
        test: the fold in which it is tried.
        met: shape (rows, folds), whether one of its queries is at home in the fold; none is learnt from when that fold
            is tried, so a query never stands on both sides.
    """

    text: "NDArray[np.int64]"
    label: "NDArray[np.int64]"
    group: "NDArray[np.int64]"
    test: "NDArray[np.int64]"
    met: "NDArray[np.bool_]"

    def take(self, where: "NDArray[np.integer]") -> "Rows":
        """Some of the rows."""
        return Rows(self.text[where], self.label[where], self.group[where], self.test[where], self.met[where])


def rows_of(groups: Groups, texts: Sequence[str], kinds: Sequence[Mapping[int, Sequence[str]]]) -> Rows:
    """A row for each distinct text of each kind; a text that is of both kinds has two, in one fold.

    Texts are distinct when they are so without differences of case, white space and punctuation: a copy under another
    id is no second row, and no acquaintance of a probe's.

    Args:
        groups: of the queries.
        texts: of the documents.
        kinds: for label 1 and then for label 0, position of a text -> the queries that use it.
    """
    import numpy as np

    home: dict[str, int] = {}
    first: dict[tuple[str, int], int] = {}
    folds: dict[tuple[str, int], set[int]] = {}
    for label, kind in zip((1, 0), kinds, strict=True):
        for position, query_ids in kind.items():
            name = normalise(texts[position])
            home.setdefault(name, groups.of[query_ids[0]])
            first.setdefault((name, label), position)
            folds.setdefault((name, label), set()).update(groups.fold[groups.of[query_id]] for query_id in query_ids)
    met = np.zeros((len(first), FOLDS), bool)
    for row, key in enumerate(first):
        met[row, [*folds[key], groups.fold[home[key[0]]]]] = True
    group = np.array([home[name] for name, _ in first], np.int64)
    fold = np.array(groups.fold, np.int64)
    return Rows(
        np.array(list(first.values()), np.int64),
        np.array([label for _, label in first], np.int64),
        group,
        fold[group] if len(group) else group,
        met,
    )
