"""The critic: a second constrained call that judges a draft, and the exam that says what its word is worth."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from syneg_data.collection import Collection
from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Completion, Message, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import UnavailableError
from syneg_data.generation.assignments import Pair
from syneg_data.generation.prompts import attribute_sentences
from syneg_data.generation.reflection import schema_of
from syneg_data.generation.replies import Judged, parse_reply
from syneg_data.records import Attribute
from syneg_data.spec import fingerprint, seed_of

YesNo = Literal["yes", "no"]
_ROLE = "You check passages for a search engine."
_QUESTIONS = (
    "Is the passage on the topic of the query (on_topic)? Does the passage answer the query, as the document does "
    "(answers)?"
)
_ATTRIBUTES = " Is the passage as follows (attributes)? {}"
OPINION_TOKENS = 48
EXAM_KINDS = 5
_WORDS = 150  # of each text; verdicts rest on the gist


class Opinion(BaseModel):
    """The critic's word on a draft."""

    model_config = ConfigDict(extra="forbid")
    on_topic: YesNo
    answers: YesNo


class FullOpinion(Opinion):
    """The same, of a draft that was asked to have attributes."""

    attributes: YesNo


def opinion_request(
    request_id: str, query: str, positive: str, passage: str, attributes: Sequence[Attribute], seed: int
) -> Request:
    """The request for an opinion; the likeliest tokens are taken, so it depends on the texts alone."""
    asked = _judgeable(attributes)
    question = _QUESTIONS + (_ATTRIBUTES.format(attribute_sentences(asked)) if asked else "")
    return Request(
        request_id=request_id,
        messages=chat(
            _ROLE,
            as_data({"user_query": query, "positive_document": _gist(positive)}),
            as_data({"passage": _gist(passage)}) + "\n",
            question,
        ),
        schema=schema_of(_opinion_type(attributes)),
        temperature=0.0,
        top_p=1.0,
        max_tokens=OPINION_TOKENS,
        seed=seed_of("request", seed, request_id),
    )


def _judgeable(attributes: Sequence[Attribute]) -> list[Attribute]:
    """The attributes to ask about; length is measured, and models judge it badly."""
    return [attribute for attribute in attributes if attribute.axis != "length"]


def _opinion_type(attributes: Sequence[Attribute]) -> type[Opinion]:
    return FullOpinion if _judgeable(attributes) else Opinion


def read_opinion(completion: Completion, attributes: Sequence[Attribute]) -> Opinion | Judged:
    """The opinion in a completion, or the state of a reply that is none."""
    opinion = parse_reply(completion, _opinion_type(attributes))
    return opinion if isinstance(opinion, Judged) else cast(Opinion, opinion)


OBJECTIONS = frozenset({"answers", "does_not_answer", "off_topic", "attributes"})


def objections(opinion: Opinion, role: str, heed: frozenset[str] = OBJECTIONS) -> tuple[str, ...]:
    """What the critic holds against a draft of this role, as far as it is to be heeded."""
    wrong = []
    if opinion.on_topic == "no":
        wrong.append("off_topic")
    if role == "negative" and opinion.answers == "yes":
        wrong.append("answers")
    if role == "positive" and opinion.answers == "no":
        wrong.append("does_not_answer")
    if isinstance(opinion, FullOpinion) and opinion.attributes == "no":
        wrong.append("attributes")
    return tuple(what for what in wrong if what in heed)


_ORDERS = {
    "off_topic": "It has left the topic of the query. Stay on the topic.",
    "answers": "It answers the query. A reader with this query must not find the answer in it.",
    "does_not_answer": "It no longer answers the query. Keep the facts that the query asks about.",
    "attributes": "It is not as it was asked to be: {}",
}


def revision(
    messages: tuple[Message, ...],
    draft: Mapping[str, str],
    wrong: Mapping[str, Sequence[str]],
    attributes: Sequence[Attribute],
) -> tuple[Message, ...]:
    """The chat that asks for a better version: the first one, the draft, and what is wrong with it.

    Args:
        messages: the chat that asked for the draft.
        draft: key of the reply -> text, as it was accepted.
        wrong: key of the reply -> what the critic objected to in that text.
        attributes: what the draft was asked to be like.
    """
    asked = attribute_sentences(_judgeable(attributes))
    orders = " ".join(
        (f"{key}: " if len(draft) > 1 else "") + " ".join(_ORDERS[what].replace("{}", asked) for what in found)
        for key, found in wrong.items()
    )
    return (*messages, Message("assistant", as_data(draft)), Message("user", f"{orders} Write it again."))


@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    query: str
    positive: str
    passage: str
    answers: YesNo

    @property
    def on_topic(self) -> YesNo | None:
        """Whether the text is on the topic; near-misses may be or not."""
        return {"near_miss": None, "random": "no"}.get(self.kind, "yes")


def sit_exam(
    collection: Collection, pairs: Sequence[Pair], engine: StoredEngine, seed: int, size: int, minimum: float
) -> dict[str, Any]:
    """The critic's answers on real texts whose truth is known, as report.json shows them.

    Cases for each pair: the positive itself and a copy of it with its sentences in another order (they answer the
    query), another positive of the query where there is one (answers), the best near-miss and a random document (they
    do not, as far as the judgements know).

    Args:
        collection: the texts.
        pairs: all pairs; `size` of them are drawn.
        engine: the critic.
        seed: of the recipe.
        size: pairs to draw.
        minimum: balanced accuracy on `answers` that must be exceeded.

    Raises:
        UnavailableError: the engine did not answer every case.
    """
    cases = _cases(collection, pairs, seed, size)
    requests = [
        opinion_request(
            fingerprint("exam", i, case.kind, case.query)[:24], case.query, case.positive, case.passage, (), seed
        )
        for i, case in enumerate(cases)
    ]
    completions = engine.complete(requests)
    for completion in completions:
        if completion.finish == "unavailable":
            raise UnavailableError(f"the critic's exam: {completion.detail}; the same command resumes")
    opinions = [read_opinion(completion, ()) for completion in completions]
    judged = [(case, opinion) for case, opinion in zip(cases, opinions, strict=True) if isinstance(opinion, Opinion)]
    by_kind = {}
    for kind in dict.fromkeys(case.kind for case in cases):
        mine = [(case, opinion) for case, opinion in judged if case.kind == kind]
        by_kind[kind] = {
            "cases": sum(case.kind == kind for case in cases),
            "truth": next(case.answers for case in cases if case.kind == kind),
            "right": sum(opinion.answers == case.answers for case, opinion in mine),
            "said_on_topic": sum(opinion.on_topic == "yes" for _, opinion in mine),
        }
    balanced = _balanced([case.answers for case in cases], [(c.answers, o.answers) for c, o in judged])
    on_topic = _balanced([case.on_topic for case in cases], [(c.on_topic, o.on_topic) for c, o in judged])
    return {
        "cases": len(cases),
        "without_opinion": len(cases) - len(judged),
        "accuracy": round(sum(o.answers == c.answers for c, o in judged) / max(1, len(cases)), 4),
        "balanced_accuracy": balanced,
        "balanced_accuracy_on_topic": on_topic,
        "minimum": minimum,
        "passed": balanced > minimum,
        "passed_on_topic": on_topic > minimum,
        "said_yes": sum(opinion.answers == "yes" for _, opinion in judged),
        "by_kind": by_kind,
        "tokens": {"in": sum(c.tokens_in for c in completions), "out": sum(c.tokens_out for c in completions)},
    }


def worth_heeding(exam: Mapping[str, Any]) -> frozenset[str]:
    """The objections that count after this exam: none if it was failed, and `off_topic` only if that was passed."""
    if not exam["passed"]:
        return frozenset()
    return OBJECTIONS if exam["passed_on_topic"] else OBJECTIONS - {"off_topic"}


def _balanced(truths: Sequence[YesNo | None], found: Sequence[tuple[YesNo | None, YesNo]]) -> float:
    """Mean of the shares that were judged right among the texts whose truth is yes and among those where it is no."""
    rates = [
        sum(truth == said == which for truth, said in found) / max(1, sum(truth == which for truth in truths))
        for which in ("yes", "no")
    ]
    return round(sum(rates) / 2, 4)


def _cases(collection: Collection, pairs: Sequence[Pair], seed: int, size: int) -> list[_Case]:
    chance = random.Random(seed_of("exam", seed))
    drawn = chance.sample(list(pairs), min(size, len(pairs)))
    documents = sorted(collection.documents)
    cases = []
    for pair in drawn:
        query, positive = collection.queries[pair.query_id], collection.text(pair.positive_id)
        known = collection.positives(pair.query_id)
        texts: list[tuple[str, str, YesNo]] = [
            ("positive", positive, "yes"),
            ("planted_copy", _shuffled(positive, chance), "yes"),
        ]
        others = [doc_id for doc_id in known if doc_id != pair.positive_id]
        if others:
            texts.append(("other_positive", collection.text(others[0]), "yes"))
        if pair.near_misses:
            texts.append(("near_miss", collection.text(pair.near_misses[0]), "no"))
        if len(documents) > len(known):
            strange = chance.choice(documents)
            while strange in known:
                strange = chance.choice(documents)
            texts.append(("random", collection.text(strange), "no"))
        cases += [_Case(kind, query, positive, text, answers) for kind, text, answers in texts]
    return cases


def _shuffled(text: str, chance: random.Random) -> str:
    sentences = text.split(". ")
    chance.shuffle(sentences)
    return ". ".join(sentences)


def _gist(text: str) -> str:
    return " ".join(text.split()[:_WORDS])
