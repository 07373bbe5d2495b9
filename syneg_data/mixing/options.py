"""What the kinds of mixing have in common: shortage, the cap, matching of lengths, balance, and whether they fit."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import Field

from syneg_data.spec import Spec

Shortage = Literal["drop", "ragged", "backfill", "fail"]
Problem = tuple[tuple[str | int, ...], str]  # where in the mixing section, what and what to do


@dataclass(frozen=True)
class Offer:
    """What the rest of a recipe offers to mixing.

    Attributes:
        mined: names of the miners.
        written: names of the strategies that write negatives.
        grades: name of a `graded` strategy -> the grades of its negatives.
        one_scale: whether the relevance of all candidates of a query is on one scale, whoever judged them.
    """

    mined: tuple[str, ...]
    written: tuple[str, ...] = ()
    grades: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    one_scale: bool = True

    def unknown(self, name: str) -> str:
        """What is wrong with a name that should be a source's; empty if nothing is."""
        names = [*self.mined, *self.written]
        if names.count(name) > 1:
            return f"'{name}' is a miner and a strategy; give one another `name`"
        if name in names:
            return ""
        near = difflib.get_close_matches(name, names, 1)
        return f"no source '{name}'; " + (f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(names)}")


class Options(Spec):
    """Said of every kind of mixing."""

    shortage: Shortage = Field(
        "drop",
        description="a pair with too few: drop it (counted), `ragged`: fewer negatives, at least one, `backfill` from "
        "other sources, or fail the build",
    )
    backfill: tuple[str, ...] = Field((), description="with `shortage: backfill`: names of sources, in this order")
    cap: int | None = Field(None, ge=1, description="how often one document may be a negative in the whole set")
    restyled: float = Field(
        0.5, ge=0, le=1, description="share of the pairs with a restyled positive whose example takes it"
    )
    needs_written: ClassVar[bool] = False

    @property
    def even(self) -> bool:
        """Whether all examples have equally many negatives."""
        return self.shortage != "ragged"

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """What of the section does not fit together, or not to the rest of the recipe."""
        kind = getattr(self, "kind", "")
        if self.needs_written and not offer.written:
            yield (
                ("kind",),
                f"'{kind}' needs a generation section with a strategy that writes negatives; add one, or use "
                "kind: mined_only",
            )
        if (self.shortage == "backfill") != bool(self.backfill):
            what = "names the sources that a shortage is filled from; " + (
                "add it, such as [bm25]" if not self.backfill else "set shortage: backfill, or leave it out"
            )
            yield ("backfill",), what
        for i, name in enumerate(self.backfill):
            if what := offer.unknown(name):
                yield ("backfill", i), what


class Matching(Options):
    """Said of the kinds that can choose by length."""

    match_lengths: Literal["positive", "synthetic"] | None = Field(
        None,
        description="choose what is nearest in words: to the positive, or mined ones to the example's synthetic ones; "
        "left out: hardest first",
    )

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and there must be two sources to match."""
        yield from super().problems(offer)
        if self.match_lengths == "synthetic" and not offer.written:
            yield ("match_lengths",), "there are no synthetic negatives to be like; use positive, or leave it out"


class Choosing(Matching):
    """Said of the kinds that take whatever miner or strategy there is."""

    balance: bool = Field(
        False, description="take from the miners, and from the strategies, in turn, beginning with one drawn by seed"
    )
