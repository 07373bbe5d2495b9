"""How candidates are dealt to the pairs of a query, and the examples that come of it; shared by all kinds.

A kind says what each pair wants: lists of candidates, and how many of each. The pairs of a query are dealt them in
turn, one each per round. Nothing is shared between them as long as there is enough; after that a document serves
several pairs, those first that serve fewest. Queries come in working order, which is a hash's and so favours nobody.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syneg_data.errors import GateError
from syneg_data.mixing.hardness import hardest_first
from syneg_data.mixing.options import Choosing, Matching, Options
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.records import Example, Verdict
from syneg_data.spec import seed_of


@dataclass(frozen=True, slots=True)
class Supply:
    """What is there for the pairs of one query.

    Attributes:
        query_id: the query.
        mined: its mined candidates, hardest first.
        written: positive_id -> what was written for that pair, in the order of strategies and slots.
    """

    query_id: str
    mined: Sequence[Verdict]
    written: Mapping[str, Sequence[Verdict]]

    def own(self, positive_id: str) -> Sequence[Verdict]:
        """What was written for a pair."""
        return self.written.get(positive_id, ())


@dataclass(frozen=True, slots=True)
class Want:
    """A part of what a pair asks for.

    Attributes:
        what: in words, as in `too_few_...`.
        count: how many.
        candidates: what to choose from, best first.
        suffix: appended to the source of what is chosen.
        place: where it stands in the example, among the wants of the pair.
    """

    what: str
    count: int
    candidates: Sequence[Verdict]
    suffix: str = ""
    place: int = 0


Wants = Callable[[Supply, str], list[Want]]  # of a pair, in the order in which they are dealt; as many for every pair
_Dealt = tuple[int, Verdict]  # a candidate and its place among those that there were to choose from


@dataclass(slots=True)
class _Hand:
    """A pair while its query is dealt: what it wants, what it got, and for whom it stands."""

    positive_id: str
    version: str
    wants: list[Want]
    got: list[list[_Dealt]]
    taken: set[str] = field(default_factory=set)
    filled: list[_Dealt] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    turns: dict[str, float] = field(default_factory=dict)

    def missing(self) -> int:
        return sum(w.count - len(g) for w, g in zip(self.wants, self.got, strict=True)) - len(self.filled)

    def shortage(self) -> str:
        """Of what there is too little; empty if of nothing."""
        if not self.missing():
            return ""
        return next(w.what for w, g in zip(self.wants, self.got, strict=True) if len(g) < w.count)


def supplies(material: Material) -> Iterator[tuple[Supply, list[str]]]:
    """The supply and the positives of every query, in working order; what is judged relevant is in none."""
    collection = material.collection
    mined: dict[str, list[Verdict]] = {}
    written: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in material.kept:
        if collection.qrels.get(verdict.query_id, {}).get(verdict.doc_id, 0) > 0:
            continue
        if verdict.origin == "synthetic":
            written.setdefault(verdict.query_id, {}).setdefault(verdict.positive_id or "", []).append(verdict)
        else:
            mined.setdefault(verdict.query_id, []).append(verdict)
    for query_id in collection.queries:
        supply = Supply(query_id, hardest_first(mined.get(query_id, [])), written.get(query_id, {}))
        yield supply, collection.positives(query_id)


def deal(material: Material, options: Options, wants: Wants) -> Mixed:
    """Give every pair what it wants, or deal with the shortage as the options say.

    In an example stand the wants by their `place`, in each the negatives best first, and last what was filled in. A
    share `restyled` of the pairs that have a restyled positive, drawn by seed, gets it in place of the original.

    Raises:
        GateError: a pair has too few and `shortage` is `fail`.
    """
    dealer = _Dealer(material, options)
    examples: list[Example] = []
    rejected: dict[str, int] = {}
    for supply, positives in supplies(material):
        for hand in dealer.deal(supply, [dealer.hand(supply, p, wants(supply, p)) for p in positives]):
            reason = hand.shortage()
            if not reason or (options.shortage == "ragged" and hand.taken):
                examples.append(_example(supply.query_id, hand))
            else:
                rejected[f"too_few_{reason}"] = rejected.get(f"too_few_{reason}", 0) + 1
    chosen = {(example.query_id, doc_id) for example in examples for doc_id in example.negative_ids}
    return Mixed(examples, rejected, dealer.capped() - chosen)


class _Dealer:
    def __init__(self, material: Material, options: Options) -> None:
        self._material, self._options = material, options
        self._match = options.match_lengths if isinstance(options, Matching) else None
        self._balance = isinstance(options, Choosing) and options.balance
        self._used: Counter[str] = Counter()  # of a document, in the whole set; only counted where there is a cap
        self._here: Counter[str] = Counter()  # of a document, for the query at hand
        self._words: dict[str, int] = {}
        self._passed_over: set[tuple[str, str]] = set()

    def capped(self) -> frozenset[tuple[str, str]]:
        """(query_id, doc_id) of what was passed over for a cap that it has reached for good."""
        return frozenset(pair for pair in self._passed_over if self._used[pair[1]] == self._options.cap)

    def hand(self, supply: Supply, positive_id: str, wants: list[Want]) -> _Hand:
        pair, seed = (supply.query_id, positive_id), self._material.seed
        version = self._material.version(*pair, self._options.restyled)
        hand = _Hand(positive_id, version, wants, [[] for _ in wants])
        if self._balance:
            names = sorted({hit.source for want in wants for v in want.candidates for hit in v.sources})
            random.Random(seed_of("balance", seed, *pair)).shuffle(names)
            hand.turns = {name: turn for turn, name in enumerate(names)}
        return hand

    def deal(self, supply: Supply, hands: list[_Hand]) -> list[_Hand]:
        """The same hands, dealt."""
        self._here.clear()
        playing = hands
        for at in range(max((len(hand.wants) for hand in hands), default=0)):
            for turn in range(max((hand.wants[at].count for hand in playing), default=0)):
                for hand in playing:
                    if turn < hand.wants[at].count:
                        self._serve(supply, hand, hand.wants[at].candidates, hand.got[at])
            if self._options.shortage == "drop":
                playing = self._thin_out(supply, playing, at)
        if self._options.shortage == "fail" and (short := next((h for h in hands if h.missing()), None)):
            raise GateError(_too_few(supply.query_id, short))
        if self._options.shortage == "backfill":
            self._fill(supply, hands)
        return hands

    def _thin_out(self, supply: Supply, hands: list[_Hand], at: int) -> list[_Hand]:
        """Fold who has too few, from the last on, and deal what each held to the others, until nobody has too few."""
        while short := [hand for hand in hands if len(hand.got[at]) < hand.wants[at].count]:
            # Only where a cap holds documents back can one help another; who has too few to choose from folds first.
            helpless = [
                h for h in short if self._options.cap is None or len(h.wants[at].candidates) < h.wants[at].count
            ]
            folding = {hand.positive_id: hand for hand in helpless or short[-1:]}
            free = sum(len(hand.taken) for hand in folding.values())
            for hand in folding.values():
                self._fold(hand)
            hands = [hand for hand in hands if hand.positive_id not in folding]
            for hand in short:
                want, pile = hand.wants[at], hand.got[at]
                while free and hand.positive_id not in folding and len(pile) < want.count:
                    if not self._serve(supply, hand, want.candidates, pile):
                        break
                    free -= 1
        return hands

    def _fill(self, supply: Supply, hands: list[_Hand]) -> None:
        """Fill from the named sources, one each per round; who cannot be filled is dropped."""
        waiting = [hand for hand in hands if hand.missing()]
        while waiting:
            for hand in waiting:
                for name in self._options.backfill:
                    named = brought_by(name, [*supply.mined, *supply.own(hand.positive_id)])
                    if self._serve(supply, hand, named, hand.filled):
                        break
                else:
                    self._fold(hand)
            waiting = [hand for hand in waiting if hand.taken and hand.missing()]

    def _serve(self, supply: Supply, hand: _Hand, candidates: Sequence[Verdict], pile: list[_Dealt]) -> bool:
        place = self._pick(supply.query_id, hand, candidates)
        if place is None:
            return False
        verdict = candidates[place]
        pile.append((place, verdict))
        hand.taken.add(verdict.doc_id)
        if self._balance:
            hand.served.update(hit.source for hit in verdict.sources)
        self._here[verdict.doc_id] += 1
        if self._options.cap is not None:
            self._used[verdict.doc_id] += 1
        return True

    def _fold(self, hand: _Hand) -> None:
        self._here.subtract(hand.taken)
        if self._options.cap is not None:
            self._used.subtract(hand.taken)
        hand.taken.clear()

    def _pick(self, query_id: str, hand: _Hand, candidates: Sequence[Verdict]) -> int | None:
        """The place of the best candidate that the hand lacks: of those least used for this query, by preference."""
        plain, cap = not (self._match or self._balance), self._options.cap
        best: tuple[tuple[float, ...], int] | None = None
        barred: list[tuple[tuple[float, ...], str]] = []
        for place, verdict in enumerate(candidates):
            doc_id = verdict.doc_id
            if doc_id in hand.taken:
                continue
            uses = self._here[doc_id]
            key = (uses, place) if plain else (uses, *self._preference(hand, verdict), place)
            if cap is not None and self._used[doc_id] >= cap:
                barred.append((key, doc_id))
            elif best is None or key < best[0]:
                best = (key, place)
                if plain and not uses:
                    break
        self._passed_over.update((query_id, doc_id) for key, doc_id in barred if best is None or key < best[0])
        return None if best is None else best[1]

    def _preference(self, hand: _Hand, verdict: Verdict) -> tuple[float, ...]:
        """How far down a candidate is, before its hardness counts: by the turn of its sources, then by its length."""
        turn: tuple[float, ...] = ()
        if self._balance:
            turn = min((hand.served[hit.source], hand.turns.get(hit.source, 0)) for hit in verdict.sources)
        like = self._like(hand, verdict)
        if like is None:
            return (*turn, 1.0)
        one, other = self._length(verdict.doc_id), self._length(like)
        return (*turn, max(one, other) / min(one, other))

    def _like(self, hand: _Hand, verdict: Verdict) -> str | None:
        """The document whose length a candidate should have."""
        if self._match == "positive":
            return hand.version
        if self._match is None or verdict.origin == "synthetic":
            return None
        written = [v.doc_id for pile in hand.got for _, v in pile if v.origin == "synthetic"]
        return written[(len(hand.taken) - len(written)) % len(written)] if written else None

    def _length(self, doc_id: str) -> int:
        if (known := self._words.get(doc_id)) is None:
            known = self._words[doc_id] = max(1, len(self._material.collection.text(doc_id).split()))
        return known


def brought_by(name: str, candidates: Sequence[Verdict]) -> list[Verdict]:
    """The candidates that a source brought, alone or with others."""
    return [verdict for verdict in candidates if any(hit.source == name for hit in verdict.sources)]


def _too_few(query_id: str, hand: _Hand) -> str:
    left = " and ".join(f"{len(g)} {w.what}" for w, g in zip(hand.wants, hand.got, strict=True))
    asked = " and ".join(str(w.count) for w in hand.wants)
    return (
        f"mixing: query {query_id!r}, positive {hand.positive_id!r}: {left} negatives are left, {asked} are asked for; "
        "ask for fewer, mine deeper, generate more, or set shortage: drop"
    )


def _example(query_id: str, hand: _Hand) -> Example:
    dealt = sorted(zip(hand.wants, hand.got, strict=True), key=lambda entry: entry[0].place)
    negatives = [(v, want.suffix) for want, pile in dealt for _, v in sorted(pile, key=lambda entry: entry[0])]
    negatives += [(v, ":backfill") for _, v in hand.filled]
    return Example(
        query_id,
        hand.version,
        tuple(v.doc_id for v, _ in negatives),
        tuple(f"{v.origin}:{'+'.join(hit.source for hit in v.sources)}{suffix}" for v, suffix in negatives),
        tuple(v.relevance if v.relevance is not None else 0.0 for v, _ in negatives),
    )
