"""The critic: what it is asked, what it may say, and the exam that says what its word is worth."""

import json

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.engines.protocol import Completion, Message
from syneg_data.errors import UnavailableError
from syneg_data.generation.assignments import Pair
from syneg_data.generation.critic import (
    OBJECTIONS,
    FullOpinion,
    Opinion,
    objections,
    opinion_request,
    read_opinion,
    revision,
    sit_exam,
    worth_heeding,
)
from syneg_data.generation.reflection import Critique
from syneg_data.generation.replies import Judged
from syneg_data.records import Attribute
from tests.generation.world import Answering, stored

DRY = (Attribute("tone", "dry"),)
SHORT = (Attribute("length", "short"),)


def opinion(answers, on_topic="yes", **more):
    return json.dumps({"on_topic": on_topic, "answers": answers, **more})


# One opinion


def test_the_question():
    request = opinion_request("r1", "does it?", "It does.", "It rains.", DRY, 13)
    system, user = request.messages
    assert (system.role, system.content) == ("system", "You check passages for a search engine.")
    assert user.content.split("\n") == [
        '{"user_query": "does it?", "positive_document": "It does."}',
        '{"passage": "It rains."}',
        "",
        "Is the passage on the topic of the query (on_topic)? Does the passage answer the query, as the document does "
        "(answers)? Is the passage as follows (attributes)? tone: dry.",
    ]
    assert (request.request_id, request.temperature, request.top_p, request.max_tokens) == ("r1", 0.0, 1.0, 48)
    schema = json.loads(request.schema)
    assert list(schema["properties"]) == ["on_topic", "answers", "attributes"]
    assert all(value["enum"] == ["yes", "no"] for value in schema["properties"].values())
    assert schema["additionalProperties"] is False
    bare = opinion_request("r1", "does it?", "It does.", "It rains.", (), 13)
    assert list(json.loads(bare.schema)["properties"]) == ["on_topic", "answers"]
    assert bare.messages[1].content.endswith("as the document does (answers)?")
    assert bare.seed == request.seed != opinion_request("r2", "q", "p", "d", (), 13).seed


def test_length_is_never_asked_about():
    assert opinion_request("r", "q", "p", "d", SHORT, 13) == opinion_request("r", "q", "p", "d", (), 13)
    assert opinion_request("r", "q", "p", "d", SHORT + DRY, 13) == opinion_request("r", "q", "p", "d", DRY, 13)


def test_long_texts_are_judged_by_their_gist():
    long = " ".join(f"w{i}" for i in range(400))
    lines = opinion_request("r", "q", long, long, (), 13).messages[1].content.split("\n")
    gist = " ".join(f"w{i}" for i in range(150))
    assert json.loads(lines[0])["positive_document"] == gist
    assert json.loads(lines[1])["passage"] == gist


@pytest.mark.parametrize(
    ("raw", "attributes", "expected"),
    [
        (opinion("no"), (), Opinion(on_topic="yes", answers="no")),
        (opinion("no"), SHORT, Opinion(on_topic="yes", answers="no")),
        (opinion("no", attributes="no"), DRY, FullOpinion(on_topic="yes", answers="no", attributes="no")),
        (opinion("no", attributes="no"), SHORT + DRY, FullOpinion(on_topic="yes", answers="no", attributes="no")),
        (opinion("no", attributes="no"), (), "invalid"),
        (opinion("no", attributes="no"), SHORT, "invalid"),
        (opinion("no"), DRY, "invalid"),
        (opinion("maybe"), (), "invalid"),
        (opinion("no", attributes="some"), DRY, "invalid"),
        (opinion("no", more="yes"), (), "invalid"),
        ('{"answers": "no"}', (), "invalid"),
        ("yes", (), "invalid"),
        ("I'm sorry, I cannot judge that.", (), "refused"),
    ],
)
def test_an_opinion_is_read_strictly(raw, attributes, expected):
    found = read_opinion(Completion(raw, "stop", 1, 1), attributes)
    assert type(found) is (Judged if isinstance(expected, str) else type(expected))
    assert (found.state if isinstance(found, Judged) else found) == expected


@pytest.mark.parametrize(
    ("finish", "state"),
    [("length", "truncated"), ("broken", "invalid"), ("too_long", "failed"), ("rejected", "failed")],
)
def test_a_reply_that_did_not_end_is_no_opinion(finish, state):
    assert read_opinion(Completion(opinion("no"), finish, 1, 1), ()).state == state


@pytest.mark.parametrize(
    ("role", "on_topic", "answers", "expected"),
    [
        ("negative", "yes", "no", ()),
        ("negative", "yes", "yes", ("answers",)),
        ("negative", "no", "no", ("off_topic",)),
        ("negative", "no", "yes", ("off_topic", "answers")),
        ("positive", "yes", "yes", ()),
        ("positive", "yes", "no", ("does_not_answer",)),
        ("positive", "no", "yes", ("off_topic",)),
        ("positive", "no", "no", ("off_topic", "does_not_answer")),
    ],
)
def test_objections(role, on_topic, answers, expected):
    assert objections(Opinion(on_topic=on_topic, answers=answers), role) == expected
    full = {"on_topic": on_topic, "answers": answers}
    assert objections(FullOpinion(**full, attributes="yes"), role) == expected
    assert objections(FullOpinion(**full, attributes="no"), role) == (*expected, "attributes")


@pytest.mark.parametrize(
    ("role", "answers", "heed", "expected"),
    [
        ("negative", "yes", OBJECTIONS, ("off_topic", "answers", "attributes")),
        ("negative", "yes", OBJECTIONS - {"off_topic"}, ("answers", "attributes")),
        ("negative", "yes", frozenset({"off_topic"}), ("off_topic",)),
        ("positive", "no", OBJECTIONS, ("off_topic", "does_not_answer", "attributes")),
        ("positive", "no", OBJECTIONS - {"off_topic"}, ("does_not_answer", "attributes")),
        ("positive", "no", frozenset(), ()),
    ],
)
def test_only_what_is_heeded_is_held_against_a_draft(role, answers, heed, expected):
    found = FullOpinion(on_topic="no", answers=answers, attributes="no")
    assert objections(found, role, heed) == expected


def test_every_objection_has_an_order():
    every = ("off_topic", "answers", "does_not_answer", "attributes")
    assert set(every) == OBJECTIONS
    first = opinion_request("r", "q", "p", "d", (), 13).messages
    chat = revision(first, {"passage": "It rains."}, {"passage": every}, SHORT + DRY)
    assert chat[:-1] == (*first, Message("assistant", '{"passage": "It rains."}'))
    assert chat[-1].role == "user"
    assert chat[-1].content == (
        "It has left the topic of the query. Stay on the topic. It answers the query. A reader with this query must "
        "not find the answer in it. It no longer answers the query. Keep the facts that the query asks about. It is "
        "not as it was asked to be: tone: dry. Write it again."
    )


def test_orders_say_which_of_several_texts_they_are_for():
    draft = {"grade_2": "a", "grade_1": "b", "grade_0": "c"}
    chat = revision((), draft, {"grade_2": ("does_not_answer",), "grade_0": ("off_topic", "attributes")}, DRY)
    assert json.loads(chat[0].content) == draft
    assert chat[1].content == (
        "grade_2: It no longer answers the query. Keep the facts that the query asks about. grade_0: It has left the "
        "topic of the query. Stay on the topic. It is not as it was asked to be: tone: dry. Write it again."
    )


def test_an_attribute_with_braces_is_ordered_to_the_letter():
    chat = revision((), {"passage": "a"}, {"passage": ("attributes",)}, (Attribute("tone", "{0} {}"),))
    assert chat[-1].content == "It is not as it was asked to be: tone: {0} {}. Write it again."


# The exam

DOCUMENTS = {f"p{i}": f"Positive {i} says so. It is right. Nobody doubts it." for i in range(6)}
DOCUMENTS |= {f"n{i}": f"Near miss {i} is about something else." for i in range(6)}
DOCUMENTS |= {f"r{i}": f"Stranger {i} is far away." for i in range(20)}
CORPUS = Collection(
    {doc_id: Document(doc_id, text) for doc_id, text in DOCUMENTS.items()},
    {"q0": "who says so in case 0", "q1": "who says so in case 1", "q2": "who says so in case 2"},
    {"q0": {"p0": 1}, "q1": {"p1": 1, "p2": 1}, "q2": {"p3": 1}},
    "digest",
)
PAIRS = [
    Pair("q0", "p0", 1, ("n0", "n1"), 0),
    Pair("q1", "p1", 1, ("n2",), 1),
    Pair("q1", "p2", 1, ("n2",), 2),
    Pair("q2", "p3", 1, (), 3),
]
ANSWERS = {"q0": {"p0"}, "q1": {"p1", "p2"}, "q2": {"p3"}}
KINDS = ["positive", "planted_copy", "other_positive", "near_miss", "random"]


def case(request):
    """The query and the passage of a case."""
    data, passage, *_ = request.messages[1].content.split("\n")
    return json.loads(data)["user_query"], json.loads(passage)["passage"]


def truth(request):
    """`yes` for a text that holds the sentences of a positive of the query, in whatever order."""
    query, passage = case(request)
    query_id = next(q for q, text in CORPUS.queries.items() if text == query)
    known = [set(DOCUMENTS[doc_id].rstrip(".").split(". ")) for doc_id in ANSWERS[query_id]]
    return "yes" if set(passage.rstrip(".").replace("..", ".").split(". ")) in known else "no"


def exam(answer, size=10, minimum=0.5, pairs=PAIRS, seed=13, corpus=CORPUS, name=None):
    """The result, and the engine; behind a store only where it has a name."""
    engine = Answering(answer)
    return sit_exam(corpus, pairs, stored(engine, name) if name else engine, seed, size, minimum), engine


def in_words(passage):
    return sorted(passage.replace(".", "").split())


def test_a_perfect_critic_passes():
    result, engine = exam(lambda request: opinion(truth(request)), minimum=0.99)
    assert (result["balanced_accuracy"], result["accuracy"], result["passed"]) == (1.0, 1.0, True)
    assert result["cases"] == len(engine.requests) == 17
    assert result["without_opinion"] == 0
    assert result["said_yes"] == 10
    assert result["minimum"] == 0.99
    # It says of every text that it is on the topic, of the random ones too.
    assert (result["balanced_accuracy_on_topic"], result["passed_on_topic"]) == (0.5, False)
    assert result["tokens"] == {"in": 1700, "out": 850}
    assert result["by_kind"] == {
        "positive": {"cases": 4, "truth": "yes", "right": 4, "said_on_topic": 4},
        "planted_copy": {"cases": 4, "truth": "yes", "right": 4, "said_on_topic": 4},
        "other_positive": {"cases": 2, "truth": "yes", "right": 2, "said_on_topic": 2},
        "near_miss": {"cases": 3, "truth": "no", "right": 3, "said_on_topic": 3},
        "random": {"cases": 4, "truth": "no", "right": 4, "said_on_topic": 4},
    }


def knowing(request):
    """Right on both questions, and yes to every near-miss's topic."""
    _, passage = case(request)
    return opinion(truth(request), "no" if passage.startswith("Stranger") else "yes")


ALL_STRANGE = 2  # a seed by which all four random documents are strangers


@pytest.mark.parametrize(
    ("near", "strange", "rest", "balanced"),
    [
        ("yes", "no", "yes", 1.0),
        ("no", "no", "yes", 1.0),  # near-misses may be on the topic or not
        ("no", "no", "no", 0.5),
        ("yes", "yes", "yes", 0.5),
        ("yes", "yes", "no", 0.0),
        ("yes", "no JSON", "yes", 0.5),
    ],
)
def test_the_balanced_accuracy_on_the_topic(near, strange, rest, balanced):
    def answer(request):
        said = {"Near": near, "Stra": strange}.get(case(request)[1][:4], rest)
        return said if said == "no JSON" else opinion(truth(request), said)

    result, _ = exam(answer, minimum=0.65, seed=ALL_STRANGE)
    assert (result["balanced_accuracy_on_topic"], result["passed_on_topic"]) == (balanced, balanced == 1.0)


def test_the_minimum_must_be_exceeded_on_the_topic_too():
    """One of the ten texts on the topic is missed."""
    seen = []

    def answer(request):
        seen.append(request)
        return knowing(request) if len(seen) % 17 != 1 else opinion(truth(request), "no")

    assert exam(answer, seed=ALL_STRANGE)[0]["balanced_accuracy_on_topic"] == 0.95
    assert exam(answer, seed=ALL_STRANGE, minimum=0.9499)[0]["passed_on_topic"] is True
    result, _ = exam(answer, seed=ALL_STRANGE, minimum=0.95)
    assert (result["passed"], result["passed_on_topic"]) == (True, False)


@pytest.mark.parametrize(
    ("passed", "on_topic", "expected"),
    [
        (True, True, {"answers", "does_not_answer", "off_topic", "attributes"}),
        (True, False, {"answers", "does_not_answer", "attributes"}),
        (False, True, set()),
        (False, False, set()),
    ],
)
def test_what_is_worth_heeding_after_an_exam(passed, on_topic, expected):
    assert worth_heeding({"passed": passed, "passed_on_topic": on_topic}) == frozenset(expected)


def test_a_critic_that_says_everything_is_on_topic_is_heeded_on_the_rest():
    result, _ = exam(lambda request: opinion(truth(request)))
    assert worth_heeding(result) == OBJECTIONS - {"off_topic"}
    assert worth_heeding(exam(lambda request: opinion("yes"))[0]) == frozenset()
    assert worth_heeding(exam(knowing, seed=ALL_STRANGE)[0]) == OBJECTIONS


def test_a_toss_of_a_coin_is_no_pass_by_default():
    assert Critique(kind="critique").minimum == 0.65


@pytest.mark.parametrize(("always", "accuracy", "said_yes"), [("yes", 10 / 17, 17), ("no", 7 / 17, 0)])
def test_a_critic_that_always_says_the_same_fails(always, accuracy, said_yes):
    result, _ = exam(lambda request: opinion(always))
    assert (result["balanced_accuracy"], result["passed"], result["said_yes"]) == (0.5, False, said_yes)
    assert result["accuracy"] == round(accuracy, 4)


def test_a_critic_that_turns_everything_round_is_worth_nothing():
    result, _ = exam(lambda request: opinion({"yes": "no", "no": "yes"}[truth(request)], "no"))
    assert (result["balanced_accuracy"], result["accuracy"], result["passed"]) == (0.0, 0.0, False)
    assert [kind["said_on_topic"] for kind in result["by_kind"].values()] == [0] * 5


def test_a_case_without_an_opinion_is_wrong():
    """Right on all `no`, no opinion on all `yes`: half of the classes."""
    result, _ = exam(lambda request: opinion("no") if truth(request) == "no" else "no JSON")
    assert (result["without_opinion"], result["balanced_accuracy"], result["passed"]) == (10, 0.5, False)
    assert (result["said_yes"], result["accuracy"]) == (0, round(7 / 17, 4))
    assert result["by_kind"]["positive"] == {"cases": 4, "truth": "yes", "right": 0, "said_on_topic": 0}


def test_a_critic_is_not_rewarded_for_silence():
    """Right on the seven `no` and on the four positives themselves, silent on the six copies and other positives."""

    def answer(request):
        _, passage = case(request)
        own = json.loads(request.messages[1].content.split("\n")[0])["positive_document"]
        return opinion("no") if truth(request) == "no" else opinion("yes") if passage == own else "no JSON"

    result, engine = exam(answer)
    right = sum(truth(request) == "yes" and answer(request) != "no JSON" for request in engine.requests)
    assert 4 <= right < 10, "a copy may have fallen back into the order of the original"
    assert result["balanced_accuracy"] == round((right / 10 + 1) / 2, 4)
    assert result["without_opinion"] == 10 - right


def test_no_opinion_at_all():
    result, _ = exam(lambda request: "no JSON")
    assert (result["without_opinion"], result["balanced_accuracy"], result["passed"]) == (17, 0.0, False)


def test_the_minimum_must_be_exceeded():
    """All ten `yes` right, and of the seven `no` the four of one query."""

    def answer(request):
        return opinion(truth(request) if case(request)[0] == CORPUS.queries["q1"] else "yes")

    result, _ = exam(answer)
    assert (result["balanced_accuracy"], result["passed"]) == (0.7857, True)
    assert not exam(answer, minimum=0.7857)[0]["passed"]


def test_an_engine_that_does_not_answer_ends_the_exam():
    gone = Completion("", "unavailable", 1, 0, detail="connection reset")
    with pytest.raises(UnavailableError, match="the critic's exam: connection reset; the same command resumes"):
        exam(lambda request: gone if truth(request) == "no" else opinion("yes"))


def test_the_cases():
    _, engine = exam(lambda request: opinion("yes"))
    by_query = {}
    for request in engine.requests:
        query, passage = case(request)
        by_query.setdefault(query[-1], []).append(passage)
    assert {query: len(found) for query, found in by_query.items()} == {"0": 4, "1": 10, "2": 3}
    positive, copy, near, strange = by_query["0"]
    assert positive == DOCUMENTS["p0"]
    assert in_words(copy) == in_words(positive), "the same sentences"
    assert near == DOCUMENTS["n0"], "the best near-miss"
    assert strange in DOCUMENTS.values()
    others = {by_query["1"][2], by_query["1"][7]}
    assert others == {DOCUMENTS["p1"], DOCUMENTS["p2"]}, "each positive has the other one"
    assert len({request.request_id for request in engine.requests}) == 17


def test_copies_are_planted_in_another_order():
    _, engine = exam(lambda request: opinion("yes"))
    passages = [case(request)[1] for request in engine.requests]
    assert any(passage not in DOCUMENTS.values() for passage in passages)


@pytest.mark.parametrize("seed", range(40))
def test_a_stranger_is_never_a_positive(seed):
    """With four positives of five documents, it can only be the fifth."""
    corpus = Collection(
        {d: Document(d, f"{d} says a few words") for d in "abcde"}, {"q": "query"}, {"q": dict.fromkeys("abce", 1)}, "x"
    )
    pairs = [Pair("q", "a", 1, (), 0)]
    _, engine = exam(lambda request: opinion("yes"), pairs=pairs, seed=seed, corpus=corpus)
    assert case(engine.requests[-1])[1] == "d says a few words"


def test_where_all_documents_are_positives_there_is_no_stranger():
    corpus = Collection({"a": Document("a", "some words")}, {"q": "query"}, {"q": {"a": 1}}, "x")
    result, _ = exam(lambda request: opinion("yes"), pairs=[Pair("q", "a", 1, (), 0)], corpus=corpus)
    assert list(result["by_kind"]) == ["positive", "planted_copy"]
    assert not result["passed"], "nobody has seen the critic say no"


def test_an_exam_is_as_long_as_asked_and_drawn_by_seed():
    many = [Pair("q0", "p0", 1, (f"n{i}",), i) for i in range(6)]

    def near(seed, size):
        _, engine = exam(lambda request: opinion("yes"), size=size, pairs=many, seed=seed)
        return [case(request)[1] for request in engine.requests if case(request)[1].startswith("Near")]

    assert len(near(13, 2)) == 2
    assert near(13, 4) == near(13, 4)
    assert len({tuple(near(seed, 3)) for seed in range(8)}) > 1
    assert sorted(near(13, 99)) == sorted(DOCUMENTS[f"n{i}"] for i in range(6))


def test_a_second_exam_costs_nothing(fresh_cache):
    first, engine = exam(lambda request: opinion(truth(request)), name="one")
    again, idle = exam(lambda request: pytest.fail("asked again"), name="one")
    assert again == first
    assert (len(engine.requests), idle.requests) == (17, [])
