"""What a licence of the source and the terms of a generator allow the published set to be (not legal advice)."""

import difflib
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

# Identifiers as the Hugging Face Hub spells them.
_SHARE_ALIKE = {"cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "odbl", "gfdl"}
_NON_COMMERCIAL = {"cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}
_NO_DERIVATIVES = {"cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"}
_NO_TRAINING = {"openai", "anthropic", "google-gemini", "llama2", "llama3"}
_OPEN = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "odc-by", "pddl",
    "unlicense", "cdla-permissive-2.0",
}  # fmt: skip
_OTHER_TERMS = {"llama3.1", "llama3.2", "llama3.3", "llama4", "gemma", "qwen-research", "other"}

_PUBLIC_DOMAIN = {"cc0-1.0", "pddl", "unlicense"}
_ATTRIBUTION = _OPEN - _PUBLIC_DOMAIN

LICENSES = frozenset(_OPEN | _SHARE_ALIKE | _NON_COMMERCIAL | _NO_DERIVATIVES | {"other"})
TERMS = frozenset(_OPEN | _NO_TRAINING | _OTHER_TERMS)


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
    if "-nc-" in license_id:
        found.add("non-commercial use")
    if license_id in _NO_DERIVATIVES:
        found.add("no derivatives")
    if license_id not in LICENSES - {"other"}:
        found.add("terms of its own")
    return frozenset(found)
