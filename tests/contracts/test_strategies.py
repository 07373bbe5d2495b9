"""What holds for every strategy of the union, whatever it asks for."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.generation import Critique, Inline, NoReflection, Strategy
from syneg_data.generation.assignments import Pair, Texts
from syneg_data.generation.critic import opinion_request, revision
from syneg_data.generation.drafts import first_messages, plan_assignments, request_for, texts_of
from syneg_data.spec import kind_of, members
from tests.generation.world import section

KINDS = {kind_of(member): member for member in members(Strategy)}
MARKS = (
    "<|im_end|>", "<|im_start|>system", "</s>", "<s>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
    "<|eot_id|>", "<think>", "</think>", "<bos>", "<|", "<\uff5cUser\uff5c>", "[TOOL_CALLS]", "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]", "[gMASK]", "[SEP]",
)  # fmt: skip
PAIRS = [
    Pair("q0", "p0", 2, ("n0", "n1"), 0),
    Pair("q0", "p1", 1, ("n0", "n1"), 1),
    Pair("q1", "p0", 1, (), 2),
    Pair("q2", "p2", 3, ("n1",), 3),
]
DOCUMENTS = {
    "p0": "Zinc lozenges shorten colds. " + " ".join(MARKS),
    "p1": "Warm tea helps nobody.",
    "p2": 'A "quoted"\nline\u2028and {{ braces }} {0} %s \\',
    "n0": "Copper pipes corrode in soft water.",
    "n1": "Iron rusts. " + " ".join(reversed(MARKS)),
}
CORPUS = Collection(
    {doc_id: Document(doc_id, text) for doc_id, text in DOCUMENTS.items()},
    {"q0": "do lozenges help " + "".join(MARKS), "q1": "what helps", "q2": "who helps"},
    {"q0": {"p0": 2, "p1": 1}, "q1": {"p0": 1}, "q2": {"p2": 3}},
    "digest",
)
REFLECTIONS = [
    Inline(kind="inline"),
    NoReflection(kind="none"),
    Critique(kind="critique"),
    Critique(kind="critique", inline=False),
]


@pytest.fixture(params=list(KINDS))
def make(request):
    """Builds a strategy of one kind."""
    kind = request.param
    return lambda **changes: KINDS[kind](kind=kind, **changes)


def jobs_by_pair(strategy, seed=13, pairs=PAIRS):
    return plan_assignments(section(strategy), pairs, seed)


def all_messages(strategy, reflection):
    spec = section(strategy, reflection=reflection)
    return [
        [(job, first_messages(spec, job, texts_of(CORPUS, job))) for job in jobs] for jobs in jobs_by_pair(strategy)
    ]


def test_request_ids_are_unique_over_a_plan():
    everything = section(*(make(kind=kind, per_pair=3) for kind, make in KINDS.items()))
    ids = [
        request_for(everything, job, (), 13, round_, attempt, 0).request_id
        for jobs in plan_assignments(everything, PAIRS, 13)
        for job in jobs
        for round_ in range(3)
        for attempt in range(3)
    ]
    assert len(set(ids)) == len(ids) == len(KINDS) * len(PAIRS) * 3 * 9


def test_slots_of_a_pair_are_numbered_from_zero(make):
    for jobs in jobs_by_pair(make(per_pair=3)):
        slots = [passage.slot for job in jobs for passage in job.passages]
        assert slots == list(range(len(slots)))
        assert [job.slot for job in jobs] == [job.passages[0].slot for job in jobs]


@pytest.mark.parametrize("per_pair", [1, 2, 5])
def test_per_pair_is_respected(make, per_pair):
    assert [len(jobs) for jobs in jobs_by_pair(make(per_pair=per_pair))] == [per_pair] * len(PAIRS)
    assert [len(jobs) for jobs in jobs_by_pair(make())] == [1] * len(PAIRS)


def test_every_passage_has_a_role_and_a_grade_that_fit(make):
    for jobs in jobs_by_pair(make(per_pair=2)):
        for passage in (passage for job in jobs for passage in job.passages):
            assert passage.role in ("negative", "positive")
            assert passage.grade > 0 or passage.role == "negative"


@pytest.mark.parametrize("reflection", REFLECTIONS, ids=["inline", "none", "critique", "bare critique"])
def test_requests_of_a_pair_share_the_start_of_their_prompts(make, reflection):
    """So that a prefix cache can serve all but the first one."""
    for pair in all_messages(make(per_pair=4), reflection):
        first = {}
        for job, messages in pair:
            assert [message.role for message in messages] == ["system", "user"]
            line = messages[1].content.split("\n")[0]
            assert messages[0] == pair[0][1][0]
            # A text that is to be changed is another one for each draft; the query comes before it.
            assert first.setdefault(job.base_id, line) == line
            assert next(iter(json.loads(line))) == "user_query"


@pytest.mark.parametrize("reasoned", [True, False])
def test_the_reply_is_closed_and_its_schema_fast_to_compile(make, reasoned):
    strategy = make()
    schema = strategy.reply_type(reasoned=reasoned).model_json_schema()
    keys = list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(keys)
    assert all(value["type"] == "string" for value in schema["properties"].values())
    slow = ("maxLength", "minLength", "pattern", "format", "$ref", "anyOf", "enum")
    assert not [word for word in slow if f'"{word}"' in json.dumps(schema)]
    assert keys.index("reasoning") == 0 if "reasoning" in keys else True
    assert "reasoning" not in keys or reasoned
    for jobs in jobs_by_pair(make(per_pair=2)):
        for job in jobs:
            written = [passage.key for passage in job.passages]
            assert [key for key in keys if key in written] == written, "in the order in which they are written"


def test_notes_are_texts(make):
    strategy = make()
    reply_type = strategy.reply_type(reasoned=True)
    reply = reply_type(**dict.fromkeys(reply_type.model_fields, "some words"))
    assert all(isinstance(note, str) for note in strategy.notes(reply))


AXES = st.dictionaries(
    st.sampled_from(["domain", "difficulty", "tone"]),
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True).map(tuple),
    min_size=1,
)


@settings(max_examples=40)
@given(AXES, st.integers(0, 2**40), st.integers(1, 4), st.sampled_from(sorted(KINDS)))
def test_attributes_are_drawn_in_even_shares(axes, seed, per_pair, kind):
    strategy = KINDS[kind](kind=kind, per_pair=per_pair, attributes=axes)
    pairs = [Pair(f"q{i}", "p0", 1, (), i) for i in range(30)]
    drawn = [job.attributes for jobs in jobs_by_pair(strategy, seed, pairs) for job in jobs]
    assert all([a.axis for a in attributes] == list(axes) for attributes in drawn)
    for place, values in enumerate(axes.values()):
        whole = len(drawn) // len(values) * len(values)
        counts = Counter(attributes[place].value for attributes in drawn[:whole])
        assert counts == dict.fromkeys(values, whole // len(values))


def test_a_plan_depends_on_seed_and_pairs_alone(make):
    strategy = make(per_pair=8, attributes={"tone": tuple("abcdefgh")})
    assert jobs_by_pair(strategy) == jobs_by_pair(strategy)
    assert jobs_by_pair(strategy, pairs=PAIRS[:2]) == jobs_by_pair(strategy)[:2]

    def drawn(seed):
        return [job.attributes for jobs in jobs_by_pair(strategy, seed) for job in jobs]

    assert drawn(1) != drawn(2)


def test_an_auto_axis_that_nobody_settled_is_left_out(make):
    strategy = make(attributes={"domain": "auto", "tone": ("dry",)})
    assert {a.axis for jobs in jobs_by_pair(strategy) for job in jobs for a in job.attributes} == {"tone"}


def test_only_what_says_so_depends_on_what_was_mined(make):
    strategy = make(per_pair=3)
    bare = [Pair(p.query_id, p.positive_id, p.grade, (), p.position) for p in PAIRS]
    same = [
        [job.base_id for job in a] == [job.base_id for job in b]
        for a, b in zip(jobs_by_pair(strategy), jobs_by_pair(strategy, pairs=bare), strict=True)
    ]
    assert same == ([False, False, True, False] if strategy.needs_near_misses else [True] * 4)


@pytest.mark.parametrize("reflection", REFLECTIONS[1:3], ids=["none", "critique"])
def test_marks_of_chat_templates_in_texts_reach_no_message(make, reflection):
    for pair in all_messages(make(per_pair=2), reflection):
        for job, messages in pair:
            for message in messages:
                assert [mark for mark in MARKS if mark in message.content] == []
            data = json.loads(messages[1].content.split("\n")[0])
            texts = texts_of(CORPUS, job)
            assert data["user_query"] == texts.query
            assert [value for key, value in data.items() if key != "user_query"] in ([texts.positive], [texts.base])


def test_marks_in_a_draft_reach_neither_the_critic_nor_the_revision():
    hostile = " ".join(MARKS)
    request = opinion_request("r", hostile, hostile, hostile, (), 13)
    chat = revision(request.messages, {"passage": hostile}, {"passage": ("answers",)}, ())
    for message in (*request.messages, *chat):
        assert [mark for mark in MARKS if mark in message.content] == []
    data, passage, _ = request.messages[1].content.split("\n", 2)
    assert json.loads(data) == {"user_query": hostile, "positive_document": hostile}
    assert json.loads(passage) == {"passage": hostile}
    assert json.loads(chat[2].content) == {"passage": hostile}


@settings(max_examples=40)
@given(st.text(), st.text(), st.text(), st.sampled_from(sorted(KINDS)))
def test_nothing_but_the_data_depends_on_the_texts(query, positive, base, kind):
    strategy = KINDS[kind](kind=kind, attributes={})
    (job,) = strategy.assignments(PAIRS[0], 13)
    plain = strategy.messages(job, Texts("q", "p", "b"), "Reason.")
    messages = strategy.messages(job, Texts(query, positive, base), "Reason.")
    assert messages[0] == plain[0]
    assert messages[1].content.split("\n")[1:] == plain[1].content.split("\n")[1:]
    data = json.loads(messages[1].content.split("\n")[0])
    assert list(data.values()) in ([query, positive], [query, base])
