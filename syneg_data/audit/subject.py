"""Subject: what the audit looks at, plain rows and texts, so that every measure can be tried on a few lines of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from syneg_data.collection import Collection
from syneg_data.records import Example, Generation, Verdict
from syneg_data.spec import seed_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Origin = Literal["synthetic", "mined"]
ORIGINS: tuple[Origin, ...] = ("synthetic", "mined")
Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]


@dataclass(frozen=True)
class Negative:
    """One negative of one example; a document that is the negative of several has a row for each."""

    query_id: str
    positive_id: str
    doc_id: str
    origin: Origin


@dataclass(frozen=True)
class Subject:
    """The finished set, and what it is held against.

    Attributes:
        collection: queries, judgements and documents, the synthetic ones included.
        examples: what is trained on.
        verdicts: of the candidates, for relevance and that of the positive.
        generations: the final rows of generation, for attributes.
        held_out: split -> its collection, of the splits that the data set brings along to evaluate on.
        evaluation: name -> texts, of the files that the recipe names.
        seed: of the recipe.
        sample: most rows that a costly measure looks at; which ones follows from the seed.
        language: ISO 639-1 codes that the texts should have.
        embed: texts -> unit vectors, shape (n, dimension), by a bi-encoder of the recipe; None without one.
    """

    collection: Collection
    examples: Sequence[Example]
    verdicts: Sequence[Verdict] = ()
    generations: Sequence[Generation] = ()
    held_out: Mapping[str, Collection] = field(default_factory=dict)
    evaluation: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seed: int = 0
    sample: int = 10_000
    language: tuple[str, ...] = ("en",)
    embed: Embed | None = None

    @cached_property
    def negatives(self) -> tuple[Negative, ...]:
        """Every negative of every example, in order."""
        return tuple(
            Negative(example.query_id, example.positive_id, doc_id, origin_of(source))
            for example in self.examples
            for doc_id, source in zip(example.negative_ids, example.sources, strict=True)
        )

    def negative_ids(self, origin: Origin) -> list[str]:
        """The distinct documents that are negatives from there, in order of first use."""
        return list(dict.fromkeys(row.doc_id for row in self.negatives if row.origin == origin))

    @cached_property
    def query_ids(self) -> tuple[str, ...]:
        """The distinct queries of the examples, in order of first use."""
        return tuple(dict.fromkeys(example.query_id for example in self.examples))

    def texts(self, doc_ids: Sequence[str]) -> list[str]:
        """Texts as they are trained on: title and text."""
        return [self.collection.text(doc_id) for doc_id in doc_ids]

    def drawn(self, name: str, ids: Sequence[str], most: int | None = None) -> list[str]:
        """At most `most` of these (left out: `sample`), drawn by the seed and kept in order.

        Args:
            name: what they are drawn for; other names draw others.
            ids: to draw from.
            most: how many at most.
        """
        most = self.sample if most is None else most
        if len(ids) <= most:
            return list(ids)
        return [ids[i] for i in sorted(random.Random(seed_of("audit", self.seed, name)).sample(range(len(ids)), most))]


def origin_of(source: str) -> Origin:
    """Where a negative of an example comes from, by the first word of its source (`mined:bm25+dense:backfill`)."""
    return "synthetic" if source.partition(":")[0] == "synthetic" else "mined"
