"""Licences: which published licence a source and a generator allow."""

import pytest
from pydantic import TypeAdapter, ValidationError

from syneg_data.licenses import LICENSES, TERMS, License, Terms, conflict, reasoning

ALLOWED = [
    ("cc-by-4.0", None, "cc-by-4.0"),
    ("cc-by-4.0", "apache-2.0", "cc-by-4.0"),
    ("cc-by-4.0", "apache-2.0", "mit"),
    ("mit", None, "cc-by-nc-4.0"),
    ("cc-by-sa-4.0", "apache-2.0", "cc-by-sa-4.0"),
    ("odbl", None, "odbl"),
    ("cc-by-nc-4.0", None, "cc-by-nc-4.0"),
    ("cc-by-nc-4.0", None, "cc-by-nc-sa-4.0"),
    ("cc-by-nc-4.0", None, "cc-by-nc-nd-4.0"),
    ("cc-by-nc-sa-4.0", "mit", "cc-by-nc-sa-4.0"),
    ("mit", "llama3.1", "other"),
    ("mit", "gemma", "other"),
    ("mit", "other", "mit"),
    ("other", "qwen-research", "other"),
]


@pytest.mark.parametrize(("source", "terms", "published"), ALLOWED)
def test_allowed(source, terms, published):
    assert conflict(source, terms, published) is None


REFUSED = [
    (
        "cc-by-nd-4.0",
        None,
        "cc-by-nd-4.0",
        "the source's licence cc-by-nd-4.0 forbids publishing derived texts; choose another source",
    ),
    (
        "cc-by-nc-nd-4.0",
        "mit",
        "cc-by-nc-4.0",
        "the source's licence cc-by-nc-nd-4.0 forbids publishing derived texts; choose another source",
    ),
    (
        "cc-by-sa-4.0",
        None,
        "cc-by-4.0",
        "the source's licence cc-by-sa-4.0 is share-alike; set publishing.license: cc-by-sa-4.0",
    ),
    (
        "cc-by-sa-3.0",
        None,
        "cc-by-sa-4.0",
        "the source's licence cc-by-sa-3.0 is share-alike; set publishing.license: cc-by-sa-3.0",
    ),
    (
        "cc-by-nc-sa-4.0",
        None,
        "cc-by-nc-4.0",
        "the source's licence cc-by-nc-sa-4.0 is share-alike; set publishing.license: cc-by-nc-sa-4.0",
    ),
    (
        "cc-by-nc-4.0",
        None,
        "cc-by-4.0",
        "the source's licence cc-by-nc-4.0 is non-commercial; choose a non-commercial licence such as cc-by-nc-4.0",
    ),
    (
        "cc-by-nc-4.0",
        None,
        "other",
        "the source's licence cc-by-nc-4.0 is non-commercial; choose a non-commercial licence such as cc-by-nc-4.0",
    ),
    (
        "mit",
        "openai",
        "mit",
        "the generator's terms 'openai' restrict training on its output; generate with an open model",
    ),
    (
        "mit",
        "llama3",
        "other",
        "the generator's terms 'llama3' restrict training on its output; generate with an open model",
    ),
    (
        "mit",
        "llama3.1",
        "mit",
        "the generator's terms 'llama3.1' travel with its output; set publishing.license: other",
    ),
    (
        "mit",
        "gemma",
        "apache-2.0",
        "the generator's terms 'gemma' travel with its output; set publishing.license: other",
    ),
]


@pytest.mark.parametrize(("source", "terms", "published", "why"), REFUSED)
def test_refused(source, terms, published, why):
    assert conflict(source, terms, published) == why


@pytest.mark.parametrize("terms", ["llama3.1", "llama3.2", "llama3.3", "llama4", "gemma"])
def test_terms_that_travel_cannot_join_a_share_alike_source(terms):
    """Neither licence satisfies both: share-alike wants its own, the terms want `other`."""
    assert conflict("cc-by-sa-4.0", terms, "cc-by-sa-4.0") is not None
    assert conflict("cc-by-sa-4.0", terms, "other") is not None


def test_every_message_says_what_to_do():
    for source in LICENSES:
        for terms in [None, *TERMS]:
            for published in LICENSES:
                why = conflict(source, terms, published)
                assert why is None or why.count("; ") == 1


@pytest.mark.parametrize("name", sorted(LICENSES))
def test_known_licences(name):
    assert TypeAdapter(License).validate_python(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CC-BY-4.0", "unknown licence 'CC-BY-4.0'; did you mean 'cc-by-4.0'?"),
        ("apache2", "unknown licence 'apache2'; did you mean 'apache-2.0'?"),
        ("openai", "unknown licence 'openai'; use one of: apache-2.0, bsd-2-clause, bsd-3-clause, cc-by-3.0, "),
    ],
)
def test_an_unknown_licence_is_refused(name, message):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(License).validate_python(name)
    assert caught.value.errors()[0]["msg"].startswith(message)


def test_terms_know_providers_and_licences():
    assert {"openai", "anthropic", "llama3.1", "gemma", "apache-2.0", "other"} <= TERMS
    with pytest.raises(ValidationError, match="unknown terms 'open-ai'; did you mean 'openai'"):
        TypeAdapter(Terms).validate_python("open-ai")
    with pytest.raises(ValidationError, match=r"unknown terms 'cc-by-nd-4\.0'"):
        TypeAdapter(Terms).validate_python("cc-by-nd-4.0")


SCORERS = {"crossed": "cc-by-sa-4.0", "dense": None}


def test_the_way_to_a_licence():
    found = reasoning("cc-by-4.0", "apache-2.0", SCORERS, "cc-by-4.0")
    assert found.because == (
        "Corpus, queries and judgements are under cc-by-4.0, which asks for attribution.",
        "The recipe names apache-2.0 as the terms of what the generator writes: a licence of the weights, which sets "
        "no condition on what they write.",
        "Miners and rerankers gave ranks and scores, none of the texts to train on, and their weights are not part of "
        "this set; their licences bind whoever runs or passes on the models.",
        "No licence is stated for dense: find it out before you run the build again.",
        "The set is published under cc-by-4.0, the licence of its source.",
    )
    assert found.duties == ("Name the authors (see Citation), link the licence, and say what you changed.",)


NAME = "Name the authors (see Citation), link the licence, and say what you changed."
LINKED = "Read the terms that are linked above, and keep to them."
UNCHANGED = "Do not publish what you derive from the set."
OTHER = "Read the terms of what the recipe calls other before you use the set."
DUTIES = [
    ("cc0-1.0", None, "cc0-1.0", ()),
    ("pddl", "mit", "unlicense", ()),
    ("mit", None, "mit", ("Keep copyright and licence notices with copies.",)),
    ("mit", None, "cc-by-4.0", (NAME, "Keep copyright and licence notices with copies.")),
    (
        "cc-by-sa-4.0",
        "apache-2.0",
        "cc-by-sa-4.0",
        (NAME, "Publish what you derive from the texts under cc-by-sa-4.0 too."),
    ),
    (
        "cc-by-nc-4.0",
        None,
        "cc-by-nc-sa-4.0",
        (NAME, "Publish what you derive from the texts under cc-by-nc-sa-4.0 too.", "Do not use it commercially."),
    ),
    ("cc-by-4.0", None, "cc-by-nc-nd-4.0", (NAME, "Do not use it commercially.", UNCHANGED)),
    ("mit", None, "cc-by-nd-4.0", (NAME, "Keep copyright and licence notices with copies.", UNCHANGED)),
    (
        "cc-by-4.0",
        "llama3.1",
        "other",
        (
            NAME,
            'Pass on the agreement and "Built with Llama"; begin the names of models trained on the set with "Llama".',
            LINKED,
        ),
    ),
    (
        "cc0-1.0",
        "gemma",
        "other",
        (
            "Pass on the Gemma terms with the set and with models trained on it, and keep to Gemma's use policy.",
            LINKED,
        ),
    ),
    ("cc0-1.0", "qwen-research", "other", ("Do not use it commercially.", LINKED)),
    ("other", "apache-2.0", "other", (LINKED, OTHER)),
    ("cc0-1.0", "other", "cc0-1.0", (OTHER,)),
]


@pytest.mark.parametrize(("source", "terms", "published", "duties"), DUTIES)
def test_what_a_user_owes(source, terms, published, duties):
    assert reasoning(source, terms, {}, published).duties == duties


def test_every_choice_that_is_no_conflict_has_reasons():
    for source in LICENSES:
        for terms in [None, *TERMS]:
            for published in LICENSES:
                if conflict(source, terms, published) is None:
                    found = reasoning(source, terms, SCORERS, published)
                    assert len(found.because) == 5
                    assert all(said.endswith(".") and "\n" not in said for said in (*found.because, *found.duties))
                    assert bool(found.duties) or {source, published} <= {"cc0-1.0", "pddl", "unlicense"}


def test_only_what_is_there_is_spoken_of():
    assert len(reasoning("mit", None, {}, "mit").because) == 3
    assert "No language model wrote a text of this set." in reasoning("mit", None, {}, "mit").because
    assert reasoning("mit", None, {}, "apache-2.0").because[-1] == (
        "The set as a whole is published under apache-2.0; the source's texts in it stay under mit."
    )
    assert reasoning("other", None, {}, "other").because[0::2] == (
        "Corpus, queries and judgements are under other, which means terms of their own.",
        "The set is published under terms of its own, named and linked on this card.",
    )
