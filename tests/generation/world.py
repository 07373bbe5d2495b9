"""What the tests of generation share: a small collection, texts, and engines that answer as they are told."""

import json
import random
from collections.abc import Callable, Sequence

from syneg_data.collection import Collection, Document
from syneg_data.engines.protocol import Completion, Finished, Request, unheard
from syneg_data.engines.replies import StoredEngine
from syneg_data.engines.transformers import Transformers
from syneg_data.generation import Generation, NoReflection, Sampling
from syneg_data.generation.drafts import pairs_of, plan_assignments, write_drafts
from syneg_data.generation.strategies import Syneg
from syneg_data.records import Candidate, Hit

QUERY = "does vitamin D lower the risk of respiratory infection in adults"
POSITIVE = (
    "A meta-analysis of twenty five randomised trials found that daily or weekly vitamin D supplements protect adults "
    "against acute respiratory infection, most of all those who were very deficient at the start of the study, while "
    "single large doses gave no protection at all, and serious adverse events were equally rare in both groups."
)
GOOD = (
    "Vitamin D status in the population follows the seasons: concentrations in blood peak in late summer, fall until "
    "early spring, and adults who work indoors show a smaller amplitude than farmers of the same region."
)
WORDS = [
    "harbour", "winter", "teachers", "copper", "valley", "engine", "farmers", "signal", "library", "morning", "bridge",
    "island", "weather", "children", "garden", "market", "river", "summer", "railway", "mountain", "painter",
    "soldiers", "window", "evening", "forest", "village", "doctors", "kitchen", "history",
]  # fmt: skip


def text(n: int) -> str:
    """English text number n; no two share four words in a row."""
    w = random.Random(n).sample(WORDS, 6)
    return (
        f"In the {w[0]} of {w[1]} number {n} lived {w[2]} and {w[3]}, but around {n} came the {w[4]}, which {n} more "
        f"{w[5]} had seen."
    )


def says(passage: object, **more: object) -> str:
    """A reply that holds one passage."""
    return json.dumps({"passage": passage, **more})


class Answering:
    """An engine that answers by a function; it keeps to the canary's schema, and remembers what it was asked."""

    context = None

    def __init__(self, answer: Callable[[Request], Completion | str]) -> None:
        self.answer = answer
        self.batches: list[list[Request]] = []

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        if [request.request_id for request in requests] == ["canary"]:
            return [canary_reply(requests[0])]
        self.batches.append(list(requests))
        replies = []
        for index, request in enumerate(requests):
            answer = self.answer(request)
            reply = answer if isinstance(answer, Completion) else Completion(answer, "stop", 100, 50, 80)
            finished(index, reply)
            replies.append(reply)
        return replies

    @property
    def requests(self) -> list[Request]:
        """Everything it was asked."""
        return [request for batch in self.batches for request in batch]


class Script(Answering):
    """An engine that answers from a list, in the order in which it is asked."""

    def __init__(self, *answers: Completion | str) -> None:
        self.left = list(answers)
        super().__init__(lambda request: self.left.pop(0))


def canary_reply(request: Request) -> Completion:
    """What an engine that keeps to its schema answers the canary."""
    ((key, value),) = json.loads(request.schema)["properties"].items()
    return Completion(json.dumps({key: value["enum"][0]}), "stop", 9, 9)


def stored(engine: Answering, name: str = "script") -> StoredEngine:
    """The engine behind the store."""
    return StoredEngine({"engine": name}, lambda: engine)


def section(*strategies, reflection=None, **sampling) -> Generation:
    """A generation section; by default one `syneg` without reasoning."""
    model = {"kind": "hub", "id": "some/model", "revision": "a" * 40}
    return Generation(
        engine=Transformers(kind="transformers", model=model),
        strategies=strategies or (Syneg(kind="syneg"),),
        reflection=reflection or NoReflection(kind="none"),
        sampling=Sampling(**sampling),
        terms="apache-2.0",
    )


def collection(pairs: int = 1, positives: int = 1, near_misses: int = 3) -> Collection:
    """Queries q0.. with positives p0_0.., and documents n0.. that answer none of them."""
    documents = {f"n{i}": Document(f"n{i}", text(900_000 + i)) for i in range(near_misses)}
    qrels: dict[str, dict[str, int]] = {}
    for i in range(pairs):
        qrels[f"q{i}"] = {f"p{i}_{j}": 1 for j in range(positives)}
        documents |= {f"p{i}_{j}": Document(f"p{i}_{j}", f"{POSITIVE} Report {i}.{j}.") for j in range(positives)}
    return Collection(documents, {f"q{i}": f"{QUERY} in case {i}" for i in range(pairs)}, qrels, "digest")


def mined(corpus: Collection, *doc_ids: str) -> list[Candidate]:
    """The same near-misses, in this order, for every query."""
    return [
        Candidate(query_id, doc_id, (Hit("bm25", rank + 1, 9.0 - rank),))
        for query_id in corpus.queries
        for rank, doc_id in enumerate(doc_ids)
    ]


def planned(spec: Generation, corpus: Collection, candidates=(), seed: int = 13):
    """Every assignment, in working order."""
    return [job for jobs in plan_assignments(spec, pairs_of(corpus, candidates), seed) for job in jobs]


def write(spec, engine, corpus=None, candidates=(), *, store="", **options):
    """Rows of all drafts for the corpus; the engine is behind a store only where that has a name."""
    corpus = corpus or collection()
    asked = stored(engine, store) if store else engine
    return write_drafts(spec, planned(spec, corpus, candidates), corpus, asked, 13, **options)
