"""Near-duplicates: texts of like length that share most of their sequences of words, found exactly among many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syneg_data.texts.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE = 3  # words
_SLACK = 0.2  # two texts of like words may differ so much more in length than in words
_ROUNDING = 1e-9  # 0.56 * 25 is a hair more than 14


def shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """The sequences of three words of a text; of a shorter one, all its words as one."""
    if len(words) < SHINGLE:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[i:] for i in range(SHINGLE)), strict=False))


def overlap_enough(common: int, left: int, right: int, least: float) -> bool:
    """Whether the Jaccard similarity of two sets is at least `least`.

    Args:
        common: members of both.
        left: members of the one.
        right: members of the other.
        least: a share.
    """
    return common >= least * (left + right - common) - _ROUNDING


def length_enough(left: int, right: int, least: float) -> bool:
    """Whether two texts are of like length (characters), as near-duplicates have to be.

    The sequences of a text that says one thing over and over are those of a text that says it once.
    """
    return min(left, right) >= (least - _SLACK) * max(left, right)


@dataclass(frozen=True)
class Near:
    """What a search found.

    Attributes:
        found: texts, by number, that have a near-duplicate.
        unfinished: texts, by number, for which none was found, but that have more candidates than were looked at.
    """

    found: frozenset[int]
    unfinished: frozenset[int]


class Likeness:
    """Texts as sets of their word sequences, numbered as they were given.

    `search` is a set-similarity join with a prefix filter (Chaudhuri et al. 2006; Bayardo et al. 2007): sequences are
    put into one order, rare ones first. Two sets can be so alike only if the first few of each, `size - ceil(least *
    size) + 1`, have one in common; so only texts that share a rare sequence are compared, and nothing alike is missed.
    Texts from one template may share theirs with all others: of those, the `most` nearest in length and words are
    compared, so that the work is linear in the texts, and texts that were not compared with all are counted.
    """

    def __init__(self, texts: Sequence[str], shingle: int = SHINGLE) -> None:
        """Cut up the texts.

        Args:
            texts: as they are.
            shingle: words in a sequence; 1 compares texts as sets of words, whatever their order.
        """
        import numpy as np

        worded = [words_of(text) for text in texts]
        # In an order of the texts' own, so that neither order nor ids decide what is looked at first.
        self._order = sorted(range(len(texts)), key=lambda i: (len(worded[i]), worded[i]))
        self._place = np.empty(len(texts), np.int64)
        self._place[self._order] = np.arange(len(texts))
        self._lengths = np.array([len(texts[i]) for i in self._order], np.int64)
        self._blank = np.array([not worded[i] for i in self._order], bool)
        owners, members = _shingled([worded[i] for i in self._order], shingle)
        self._starts = np.searchsorted(owners, np.arange(len(texts) + 1))
        self._members = members
        self._sizes = np.diff(self._starts)
        self._kinds = int(members.max()) + 1 if len(members) else 0

    def near(self, left: int, right: int, least: float) -> bool:
        """Whether two texts are near-duplicates; texts without a word are none of anything."""
        import numpy as np

        a, b = int(self._place[left]), int(self._place[right])
        if self._blank[a] or self._blank[b]:
            return False
        mine, theirs = self._set(a), self._set(b)
        common = len(np.intersect1d(mine, theirs, assume_unique=True))
        return overlap_enough(common, len(mine), len(theirs), least) and length_enough(
            int(self._lengths[a]), int(self._lengths[b]), least
        )

    def search(
        self, texts: Sequence[int], among: Sequence[int] | None = None, *, least: float, most: int = 100
    ) -> Near:
        """Which of `texts` have a near-duplicate among others.

        Args:
            texts: numbers, each once.
            among: numbers to look in; left out: `texts`, where a text is no duplicate of itself.
            least: Jaccard similarity from which on two texts are near-duplicates.
            most: comparisons that one text may cost.
        """
        import numpy as np

        mine = np.sort(self._place[np.asarray(list(texts), np.int64)])
        theirs = mine if among is None else np.sort(self._place[np.asarray(list(among), np.int64)])
        postings, first, last = self._index(theirs[~self._blank[theirs]], least)
        flags = np.zeros(self._kinds, bool)
        seen = np.full(len(self._sizes), -1, np.int64)
        found: list[int] = []
        unfinished: list[int] = []
        for place in mine[~self._blank[mine]].tolist():
            own, left, cut, hit = self._set(place), most, False, False
            flags[own] = True
            seen[place] = place  # never its own duplicate
            prefix = own[: _prefix(len(own), least)]
            for member in prefix[last[prefix] > first[prefix]].tolist():
                posting = postings[first[member] : last[member]]
                posting = posting[seen[posting] != place]
                posting, reached = self._nearest(posting, place, left, least)
                cut = cut or not reached
                if not len(posting):
                    continue
                seen[posting] = place
                left -= len(posting)
                if self._any_near(posting, place, flags, least):
                    hit = True
                    break
            flags[own] = False
            if hit:
                found.append(place)
            elif cut:
                unfinished.append(place)
        return Near(*(frozenset(self._order[place] for place in places) for places in (found, unfinished)))

    def _set(self, place: int) -> "NDArray[np.int64]":
        """Sequences of a text, rare ones first."""
        return self._members[self._starts[place] : self._starts[place + 1]]

    def _index(
        self, places: "NDArray[np.int64]", least: float
    ) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]":
        """The texts that have a sequence among their first: all in one row, and where those of each start and end."""
        import numpy as np

        heads = [self._set(place)[: _prefix(int(self._sizes[place]), least)] for place in places.tolist()]
        members = np.concatenate(heads) if heads else np.empty(0, np.int64)
        owners = np.repeat(places, [len(head) for head in heads])
        order = np.lexsort((owners, members))
        everything = np.arange(self._kinds)
        ordered = members[order]
        return owners[order], np.searchsorted(ordered, everything), np.searchsorted(ordered, everything, side="right")

    def _nearest(
        self, posting: "NDArray[np.int64]", place: int, most: int, least: float
    ) -> "tuple[NDArray[np.int64], bool]":
        """Those of a size that can be alike, at most `most`, nearest in order; and whether they are all."""
        import numpy as np

        size, sizes = int(self._sizes[place]), self._sizes[posting]
        posting = posting[(sizes >= least * size - _ROUNDING) & (size >= least * sizes - _ROUNDING)]
        if len(posting) <= most:
            return posting, True
        here = int(np.searchsorted(posting, place))
        start = min(max(0, here - most // 2), len(posting) - most)
        return posting[start : start + most], False

    def _any_near(self, posting: "NDArray[np.int64]", place: int, flags: "NDArray[np.bool_]", least: float) -> bool:
        """Whether one of these texts is a near-duplicate of the one whose sequences are flagged."""
        import numpy as np

        bounds = np.concatenate([[0], np.cumsum(self._sizes[posting])])
        common = np.add.reduceat(
            flags[np.concatenate([self._set(p) for p in posting.tolist()])], bounds[:-1], dtype=int
        )
        size, length = int(self._sizes[place]), int(self._lengths[place])
        return any(
            overlap_enough(int(common[i]), size, int(self._sizes[posting[i]]), least)
            and length_enough(length, int(self._lengths[posting[i]]), least)
            for i in np.flatnonzero(common >= least * size - _ROUNDING).tolist()
        )


def _prefix(size: int, least: float) -> int:
    """How many of a set's first members hold one of those that it must share."""
    return size - math.ceil(least * size - _ROUNDING) + 1


def _shingled(worded: Sequence[Sequence[str]], shingle: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Every text's sequences as numbers, without repeats, rare ones first: owner and member, in the owners' order."""
    import numpy as np

    vocabulary = {word: i for i, word in enumerate(sorted({word for words in worded for word in words}))}
    blank = len(vocabulary)  # fills up what is shorter than a sequence
    owners, codes = [], []
    for owner, words in enumerate(worded):
        if not words:
            continue
        numbers = [vocabulary[word] for word in words]
        numbers += [blank] * (shingle - len(numbers))
        owners.append(np.full(len(numbers) - shingle + 1, owner, np.int64))
        codes.append(np.lib.stride_tricks.sliding_window_view(np.array(numbers, np.int64), shingle))
    if not owners:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    whose, windows = np.concatenate(owners), np.concatenate(codes)
    members = windows[:, 0]
    for column in range(1, shingle):  # exact, word by word: numbers of pairs, of triples, ...
        members = np.unique(members * (blank + 1) + windows[:, column], return_inverse=True)[1].reshape(-1)
    kinds = int(members.max()) + 1
    pairs = np.unique(whose * kinds + members)  # each sequence of a text once
    whose, members = pairs // kinds, pairs % kinds
    texts_with = np.bincount(members, minlength=kinds)
    rank = np.empty(kinds, np.int64)
    rank[np.lexsort((np.arange(kinds), texts_with))] = np.arange(kinds)
    members = rank[members]
    order = np.lexsort((members, whose))
    return whose[order], members[order]
