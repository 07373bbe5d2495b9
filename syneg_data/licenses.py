"""What a licence of the source and the terms of a generator allow the published set to be (not legal advice)."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

# Identifiers as the Hugging Face Hub spells them.
_SHARE_ALIKE = {"cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "odbl", "gfdl"}
_NO_DERIVATIVES = {"cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"}
_NON_COMMERCIAL = {
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
}  # fmt: skip
_NO_TRAINING = {"openai", "anthropic", "google-gemini", "llama2", "llama3"}
_OPEN = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "odc-by", "pddl",
    "unlicense", "cdla-permissive-2.0",
}  # fmt: skip
_OTHER_TERMS = {"llama3.1", "llama3.2", "llama3.3", "llama4", "gemma", "qwen-research", "other"}

_PUBLIC_DOMAIN = {"cc0-1.0", "pddl", "unlicense"}
_ATTRIBUTION = _OPEN - _PUBLIC_DOMAIN
_NOTICE = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause"}
_LLAMA = {"llama3.1", "llama3.2", "llama3.3", "llama4"}

LICENSES = frozenset(_OPEN | _SHARE_ALIKE | _NON_COMMERCIAL | _NO_DERIVATIVES | {"other"})
TERMS = frozenset(_OPEN | _NO_TRAINING | _OTHER_TERMS)
LLAMA = frozenset(_LLAMA)  # terms that want the name of a model in which they had a part to begin with Llama
WEIGHTS = LICENSES | LLAMA | {"gemma"}


def _one_of(choices: frozenset[str], what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value in choices:
            return value
        near = difflib.get_close_matches(value.lower(), choices, 1)
        hint = f"did you mean '{near[0]}'?" if near else "use one of: " + ", ".join(sorted(choices))
        raise PydanticCustomError("unknown_license", "unknown {what} '{value}'; {hint}", {
            "what": what, "value": value, "hint": hint,
        })  # fmt: skip

    return check


# Identifiers that a recipe may name.
License = Annotated[str, AfterValidator(_one_of(LICENSES, "licence"))]
Terms = Annotated[str, AfterValidator(_one_of(TERMS, "terms"))]
WeightsLicense = Annotated[str, AfterValidator(_one_of(WEIGHTS, "licence"))]


@dataclass(frozen=True)
class Reasoning:
    """Why a set may carry its licence, and what its users owe; each a sentence without markup.

    Attributes:
        because: from the source's licence and the generator's terms to the licence of the set.
        duties: what a user has to do or to leave; empty where nothing is asked.
    """

    because: tuple[str, ...]
    duties: tuple[str, ...]


def reasoning(source: str, terms: str | None, models: Mapping[str, str | None], published: str) -> Reasoning:
    """The way from a source's licence and a generator's terms to the licence of the set, in words.

    Args:
        source: licence of the corpus and queries.
        terms: licence or terms of the generator's output; None without generation.
        models: name -> licence, None where none is known, of the models that gave ranks and scores but no texts.
        published: the licence chosen for the data set; `conflict` finds nothing against it.
    """
    because = [f"Corpus, queries and judgements are under {source}, which {asks(source)}."]
    if terms is None:
        because.append("No language model wrote a text of this set.")
    else:
        because.append(f"The recipe names {terms} as the terms of what the generator writes: {terms_ask(terms)}.")
    if models:
        because.append(
            "Miners and rerankers gave ranks and scores, none of the texts to train on, and their weights are not part "
            "of this set; their licences bind whoever runs or passes on the models."
        )
    if unknown := [name for name, license in models.items() if license is None]:
        because.append(f"No licence is stated for {'; '.join(unknown)}: find it out before you run the build again.")
    if published == source and published != "other":
        because.append(f"The set is published under {published}, the licence of its source.")
    elif published == "other":
        because.append("The set is published under terms of its own, named and linked on this card.")
    else:
        because.append(
            f"The set as a whole is published under {published}; the source's texts in it stay under {source}."
        )
    return Reasoning(tuple(because), tuple(_duties(source, terms, published)))


def asks(license: str) -> str:
    """What a licence asks of those who use what is under it, as the end of a sentence."""
    if license in _LLAMA:
        return 'asks for the agreement and "Built with Llama" to go along, and for names that begin with "Llama"'
    if license == "gemma":
        return "asks for its terms and its use policy to go along"
    if license in _PUBLIC_DOMAIN:
        return "asks for nothing"
    if license == "other":
        return "means terms of their own"
    conditions = ["attribution"]
    if license in _SHARE_ALIKE:
        conditions.append("the same licence for what is derived from it (share-alike)")
    if license in _NON_COMMERCIAL:
        conditions.append("no commercial use")
    if license in _NO_DERIVATIVES:
        conditions.append("no derived works")
    if license in _NOTICE:
        conditions = ["its copyright and licence notices to be kept"]
    return f"asks for {' and '.join(conditions)}"


def terms_ask(terms: str) -> str:
    """What the terms of a generator ask of those who use its output, as the end of a sentence."""
    if terms in _LLAMA:
        return (
            'the agreement and "Built with Llama" go along with its output, and the name of a model trained on it '
            'begins with "Llama"'
        )
    if terms == "gemma":
        return "models trained on its output to act like it count as derivatives of Gemma, and its use policy applies"
    if terms == "qwen-research":
        return "they are for research, not for commerce"
    if terms == "other":
        return "terms of its own, which are to be read at the model"
    if terms in _NO_TRAINING:
        return "they restrict training on its output"
    if terms in _PUBLIC_DOMAIN:
        return "they ask for nothing"
    if terms in _NOTICE:
        return "a licence of the weights, which sets no condition on what they write"
    return "they ask for attribution"


def _duties(source: str, terms: str | None, published: str) -> Iterator[str]:
    """What the licences together ask of a user of the set."""
    both = {source, published}
    if both & (LICENSES - _PUBLIC_DOMAIN - _NOTICE - {"other"}):
        yield "Name the authors (see Citation), link the licence, and say what you changed."
    if both & _NOTICE:
        yield "Keep copyright and licence notices with copies."
    if both & _SHARE_ALIKE:
        (name,) = sorted(both & _SHARE_ALIKE)[:1]
        yield f"Publish what you derive from the texts under {name} too."
    if both & _NON_COMMERCIAL or terms == "qwen-research":
        yield "Do not use it commercially."
    if both & _NO_DERIVATIVES:
        yield "Do not publish what you derive from the set."
    if terms in _LLAMA:
        yield 'Pass on the agreement and "Built with Llama"; begin the names of models trained on the set with "Llama".'
    if terms == "gemma":
        yield "Pass on the Gemma terms with the set and with models trained on it, and keep to Gemma's use policy."
    if published == "other":
        yield "Read the terms that are linked above, and keep to them."
    if source == "other" or terms == "other":
        yield "Read the terms of what the recipe calls other before you use the set."


def conflict(source: str, terms: str | None, published: str) -> str | None:
    """Why `published` cannot be the licence of a set made from a source and a generator, or None.

    Args:
        source: licence of the corpus and queries.
        terms: licence or terms of the generator's output; None without generation.
        published: the licence chosen for the data set.
    """
    if source in _NO_DERIVATIVES:
        return f"the source's licence {source} forbids publishing derived texts; choose another source"
    if source in _SHARE_ALIKE and published != source:
        return f"the source's licence {source} is share-alike; set publishing.license: {source}"
    if source in _NON_COMMERCIAL and published not in _NON_COMMERCIAL:
        return f"the source's licence {source} is non-commercial; choose a non-commercial licence such as {source}"
    if source == "other" and published != "other":
        return "the source's licence is its own; set publishing.license: other and state it on the card"
    if source in _ATTRIBUTION and published in _PUBLIC_DOMAIN:
        return f"the source's licence {source} asks for attribution, which {published} waives; choose {source}"
    if terms in _NO_TRAINING:
        return f"the generator's terms '{terms}' restrict training on its output; generate with an open model"
    if terms in _OTHER_TERMS - {"other"} and published != "other":
        return f"the generator's terms '{terms}' travel with its output; set publishing.license: other"
    return None


def duties(license_id: str) -> frozenset[str]:
    """What a licence asks of those who use the set, as far as that can be compared; `other` asks for something unknown.

    Share-alike names the licence, since derived works may have no other one.
    """
    found = set()
    if license_id not in _PUBLIC_DOMAIN:
        found.add("attribution")
    if license_id in _SHARE_ALIKE:
        found.add(f"share-alike under {license_id}")
    if license_id in _NON_COMMERCIAL:
        found.add("non-commercial use")
    if license_id in _NO_DERIVATIVES:
        found.add("no derivatives")
    if license_id not in LICENSES - {"other"}:
        found.add("terms of its own")
    return frozenset(found)
