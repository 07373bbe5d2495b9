"""Which licence the weights of a retriever may carry: what follows by itself, what cannot be, and what is said."""

import re

import pytest

from syneg_data.licenses import LICENSES, TERMS, WEIGHTS
from syneg_data.publishing.weights_license import Origins, because, owed


def origins(base="apache-2.0", data="cc-by-4.0", source=None, terms=None):
    return Origins(base, data, source or data, terms)


@pytest.mark.parametrize(
    ("made", "follows"),
    [
        (origins(), "apache-2.0"),
        (origins("mit", "cc0-1.0", terms="apache-2.0"), "mit"),
        (origins("MIT License"), "mit"),
        (origins("Apache-2.0"), "apache-2.0"),
        (origins("Apache 2.0"), "apache-2.0"),
        (origins("cc-by-4.0", "odc-by", "cc-by-4.0", "mit"), "cc-by-4.0"),
        (origins(None), None),
        (origins("Apache Software License"), None),
        (origins("BSD"), None),
        (origins("apache-2.0, mit"), None),
        (origins("cc-by-nc-4.0"), None),
        (origins("cc-by-sa-4.0"), None),
        (origins("llama3.2"), None),
        (origins("gemma"), None),
        (origins("other"), None),
        (origins(data="cc-by-sa-4.0"), None),
        (origins(data="cc-by-nc-4.0"), None),
        (origins(data="other"), None),
        (origins(data="cc-by-nc-4.0", source="cc-by-4.0"), None),
        (origins(data="other", source="cc-by-4.0"), None),
        (origins(terms="llama3.1"), None),
        (origins(terms="gemma"), None),
        (origins(terms="other"), None),
        (origins(terms="openai"), None),
    ],
)
def test_what_follows_without_a_choice(made, follows):
    assert made.follows() == follows


@pytest.mark.parametrize(
    ("made", "chosen", "why"),
    [
        (origins("cc-by-sa-4.0"), "apache-2.0", "the base model's licence cc-by-sa-4.0 is share-alike; choose cc"),
        (origins("cc-by-nc-4.0"), "mit", "the base model's licence cc-by-nc-4.0 is non-commercial; choose"),
        (origins("cc-by-nc-nd-4.0"), "cc-by-nc-nd-4.0", "forbids publishing what is made from it; train another base"),
        (origins("llama3.2"), "apache-2.0", "llama3.2 goes along with what is made from it; choose llama3.2"),
        (origins("gemma"), "mit", "the base model's licence gemma goes along"),
        (origins("other"), "mit", "the base model has terms of its own; choose other, with a name and a link"),
        (origins("apache-2.0"), "cc0-1.0", "asks for attribution, which this one waives; choose apache"),
        (origins(terms="llama3.1"), "apache-2.0", "the generator's terms llama3.1 go along with models trained on"),
        (origins(terms="gemma"), "apache-2.0", "the generator's terms gemma go along"),
        (origins(terms="qwen-research"), "mit", "are for research; choose a non-commercial licence, or other, with"),
        # Where base and generator both have a say, what is advised suits both.
        (origins("cc-by-nc-4.0"), "gemma", "the base model's licence cc-by-nc-4.0 is non-commercial; choose cc-by-nc"),
        (origins("mit", terms="gemma"), "cc0-1.0", "this one waives; choose gemma"),
        (origins("cc-by-nc-4.0", terms="llama3.1"), "mit", "is non-commercial; choose other, with a name and a link"),
        (origins("llama3.2", terms="gemma"), "gemma", "what is made from it; choose other, with a name and a link"),
        (origins("cc-by-sa-4.0", terms="gemma"), "other", "share-alike, against the terms gemma; train another base"),
    ],
)  # fmt: skip
def test_what_cannot_be(made, chosen, why):
    assert why in made.against(chosen)


@pytest.mark.parametrize(
    ("made", "chosen"),
    [
        (origins(), "apache-2.0"),
        (origins(None), "mit"),
        (origins("Custom"), "mit"),
        (origins("cc-by-sa-4.0"), "cc-by-sa-4.0"),
        (origins("cc-by-nc-4.0"), "cc-by-nc-sa-4.0"),
        (origins("cc-by-nc-4.0"), "other"),
        (origins("llama3.2"), "llama3.2"),
        (origins("llama3.2"), "other"),
        (origins(terms="llama3.1"), "llama3.1"),
        (origins(terms="llama3.1"), "other"),
        (origins(terms="qwen-research"), "cc-by-nc-4.0"),
        # Whether weights are derived from texts is for people to decide; the card says what the texts ask for.
        (origins(data="cc-by-nc-4.0"), "apache-2.0"),
        (origins(data="cc-by-sa-4.0"), "mit"),
    ],
)
def test_what_people_may_choose(made, chosen):
    assert made.against(chosen) is None


def test_what_is_advised_is_never_refused():
    """Whoever does what the message says is not told something else then."""
    advised, hopeless = 0, set()
    for made in (
        origins(base, terms=terms)
        for base in (None, "Custom", *WEIGHTS)
        for terms in (None, "mit", "gemma", "llama3.1", "llama4", "qwen-research")
    ):
        for why in {made.against(chosen) for chosen in ("mit", "cc0-1.0", "gemma", "llama3.2", "cc-by-nc-sa-4.0")}:
            if found := re.search(r"choose (?:a non-commercial licence, or )?([a-z0-9.-]+)", why or ""):
                advised += 1
                assert made.against(found[1]) is None, (made, why)
            elif why:
                hopeless.add((made.base, made.terms))
                assert all(made.against(license) for license in WEIGHTS)
    assert advised > 150
    assert ("cc-by-nd-4.0", None) in hopeless and ("gfdl", "llama4") in hopeless and ("gemma", "llama4") not in hopeless


def test_what_follows_is_never_refused():
    followed = 0
    for base in WEIGHTS:
        for made in (origins(base, data, terms=terms) for data in LICENSES for terms in (None, *TERMS)):
            if (license := made.follows()) is not None:
                followed += 1
                assert made.against(license) is None
    assert followed > 500


def test_the_way_to_a_licence_that_follows():
    assert because(origins(terms="mit"), "tiny", None, "apache-2.0", chosen=False) == [
        "Training started from tiny, which is under apache-2.0 and asks for its copyright and licence notices to be "
        "kept.",
        "The data set is under cc-by-4.0, which asks for attribution.",
        "Its recipe names mit as the terms of what the generator wrote: a licence of the weights, which sets no "
        "condition on what they write.",
        "Nothing in this asks for another licence than that of the base, so the weights are under apache-2.0.",
    ]


def test_a_choice_says_what_the_texts_ask_for():
    said = because(origins("Custom", "cc-by-nc-4.0"), "tiny", None, "mit", chosen=True)
    assert said[0] == "Training started from tiny, which is under Custom."
    assert said[1] == "The data set is under cc-by-nc-4.0, which asks for attribution and no commercial use."
    assert said[2] == "Whoever trained it chose mit."
    assert said[3].startswith("Whether weights are derived from the texts that they were trained on is not settled;")
    assert len(because(origins(), "tiny", None, "mit", chosen=True)) == 3
    named = because(origins(data="other", source="cc-by-4.0"), "tiny", "our-terms", "mit", chosen=True)
    assert named[1] == "The data set is under terms of its own, our-terms."


def test_no_licence_says_every_reason():
    said = because(origins(None, "cc-by-sa-4.0", "cc-by-nc-4.0", "gemma"), "tiny", None, None, chosen=False)
    assert said[-1] == (
        "So no licence follows by itself, because nobody states a licence of the base model; because its source's "
        "licence, cc-by-nc-4.0, asks for attribution and no commercial use; because the data set's licence, "
        "cc-by-sa-4.0, asks for attribution and the same licence for what is derived from it (share-alike); because of "
        "the generator's terms, gemma: models trained on its output to act like it count as derivatives of Gemma, and "
        "its use policy applies. "
        "None is granted yet."
    )


def test_what_users_owe():
    assert owed(origins("cc0-1.0"), "cc0-1.0") == []
    assert owed(origins(), "apache-2.0") == [
        "Keep copyright and licence notices, those of the base model too, and say what you changed."
    ]
    assert owed(origins("cc-by-nc-sa-4.0", terms="gemma"), "cc-by-nc-sa-4.0")[1:] == [
        "Publish what you make from it under cc-by-nc-sa-4.0.",
        "Do not use it commercially.",
        "Pass on the Gemma terms, and keep to Gemma's use policy.",
    ]
    assert owed(origins(terms="llama3.1"), "other")[1:] == [
        'Pass on the agreement and "Built with Llama"; names of models made from it begin with "Llama".',
        "Read the terms that are linked above, and keep to them.",
    ]


@pytest.mark.parametrize(
    ("made", "prefix"),
    [(origins(), ""), (origins("llama3.2"), "Llama"), (origins(terms="llama4"), "Llama"), (origins(terms="gemma"), "")],
)
def test_names_that_terms_ask_for(made, prefix):
    assert made.prefix() == prefix
