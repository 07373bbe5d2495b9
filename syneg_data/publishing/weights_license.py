"""Which licence a trained retriever may carry, given its base, its data set and who wrote for it (not legal advice)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from syneg_data.licenses import LICENSES, LLAMA, WEIGHTS, asks, duties, terms_ask

# As packages and cards write what the Hub spells otherwise; a name that could mean several licences is none.
_SPELLED = {
    "apache 2.0": "apache-2.0",
    "apache license 2.0": "apache-2.0",
    "apache license, version 2.0": "apache-2.0",
    "mit license": "mit",
    "the mit license": "mit",
    "the mit license (mit)": "mit",
}


@dataclass(frozen=True)
class Origins:
    """Whose work is in the weights of a retriever.

    Attributes:
        base: licence of the base model as it was stated; None where nobody does.
        data: licence of the data set.
        source: licence of the texts that the data set was made from.
        terms: terms of the generator's output; None where no language model wrote for the set.
    """

    base: str | None
    data: str
    source: str
    terms: str | None

    def base_id(self) -> str | None:
        """The base's licence as the Hub spells it; None of one that has no such name."""
        if self.base is None:
            return None
        name = _SPELLED.get(self.base.lower(), self.base.lower())
        return name if name in WEIGHTS else None

    def follows(self) -> str | None:
        """The base's licence, where neither it nor data nor terms ask for more than attribution; else none follows."""
        base = self.base_id()
        return base if base is not None and not list(self.doubts()) else None

    def doubts(self) -> Iterator[str]:
        """Why no licence follows by itself, each the end of a sentence that begins with because."""
        if self.base is None:
            yield "nobody states a licence of the base model"
        elif (base := self.base_id()) is None:
            yield f"the base model's licence, {self.base}, is none whose conditions are known here"
        elif duties(base) - {"attribution"}:
            yield f"the base model's licence, {base}, {asks(base)}"
        yield from self.asked_by_texts()
        if self.terms is not None and duties(self.terms) - {"attribution"}:
            yield f"of the generator's terms, {self.terms}: {terms_ask(self.terms)}"

    def asked_by_texts(self) -> Iterator[str]:
        """What data set and source ask for beyond attribution, each the end of a sentence that begins with because."""
        for license, what in {self.source: "its source's", self.data: "the data set's"}.items():
            if duties(license) - {"attribution"}:
                yield f"{what} licence, {license}, {asks(license)}"

    def against(self, chosen: str) -> str | None:
        """Why `chosen` cannot be the licence of the weights, and which one can; None if nothing is known."""
        demands = list(self._demands())
        why = next((why for why, meets in demands if not meets(chosen)), None)
        if why is None:
            return None
        possible = {license for license in WEIGHTS if all(meets(license) for _, meets in demands)}
        for license in (self.base_id(), self.terms):
            if license in possible - {"other"}:
                return f"{why}; choose {license}"
        if not possible:
            clash = "" if "no derivatives" in duties(self.base_id() or "other") else f", against the terms {self.terms}"
            return f"{demands[0][0]}{clash}; train another base"
        some = "a non-commercial licence, or " if possible & LICENSES - {"other"} else ""
        return f"{why}; choose {some}other, with a name and a link"

    def _demands(self) -> Iterator[tuple[str, Callable[[str], bool]]]:
        """What base and generator ask of the licence of the weights: in words, and whether one meets it."""
        base, terms = self.base_id(), self.terms
        asked = duties(base) if base is not None else frozenset()
        stated = f"the base model's licence {base}"
        if "no derivatives" in asked:
            yield f"{stated} forbids publishing what is made from it", lambda license: False
        if base != "other" and any(x.startswith("share-alike") for x in asked):
            yield f"{stated} is share-alike", lambda license: license == base
        if "non-commercial use" in asked:
            yield f"{stated} is non-commercial", _non_commercial
        if base is not None and base not in LICENSES:
            yield f"{stated} goes along with what is made from it", lambda license: license in (base, "other")
        if base == "other":
            yield "the base model has terms of its own", lambda license: license == "other"
        if "attribution" in asked:
            yield f"{stated} asks for attribution, which this one waives", lambda license: bool(duties(license))
        if terms in LLAMA | {"gemma"}:
            yield (
                f"the generator's terms {terms} go along with models trained on its output",
                lambda license: license in (terms, "other"),
            )
        if terms == "qwen-research":
            yield "the generator's terms qwen-research are for research", _non_commercial

    def prefix(self) -> str:
        """What the name of a published model must begin with; empty where nobody asks for anything."""
        return "Llama" if {self.base_id(), self.terms} & LLAMA else ""


def _non_commercial(license: str) -> bool:
    """Whether a licence keeps commerce out, or its own terms, which nobody here has read, may."""
    return license == "other" or "non-commercial use" in duties(license)


def because(origins: Origins, base: str, data: str | None, license: str | None, *, chosen: bool) -> list[str]:
    """The way to the licence of the weights, in sentences without markup.

    Args:
        origins: whose work is in them.
        base: name of the base model.
        data: name of the data set's licence, if that has one of its own.
        license: of the weights, one of its own by its name; None where there is none.
        chosen: whether a person named it; else it follows.
    """
    known, base_id = origins.base, origins.base_id()
    said = [
        f"No licence is stated for {base}, from which training started."
        if known is None
        else f"Training started from {base}, which is under {known}"
        + (f" and {asks(base_id)}." if base_id is not None else ".")
    ]
    said.append(
        f"The data set is under terms of its own, {data}."
        if data is not None
        else f"The data set is under {origins.data}, which {asks(origins.data)}."
    )
    if origins.source != origins.data:
        said.append(f"Its source is under {origins.source}, which {asks(origins.source)}.")
    if origins.terms is not None:
        said.append(
            f"Its recipe names {origins.terms} as the terms of what the generator wrote: {terms_ask(origins.terms)}."
        )
    if license is None:
        why = "; because ".join(origins.doubts())
        said.append(f"So no licence follows by itself, because {why}. None is granted yet.")
    elif not chosen:
        said.append(
            f"Nothing in this asks for another licence than that of the base, so the weights are under {license}."
        )
    else:
        said.append(f"Whoever trained it chose {license}.")
        if list(origins.asked_by_texts()):
            said.append(
                "Whether weights are derived from the texts that they were trained on is not settled; where they are, "
                "what the licences of those texts ask for holds for them too."
            )
    return said


def owed(origins: Origins, license: str) -> list[str]:
    """What users of the weights have to do or to leave, in sentences without markup."""
    found = []
    asked = duties(license) | (duties(base) if (base := origins.base_id()) is not None else frozenset())
    if "attribution" in asked:
        found.append("Keep copyright and licence notices, those of the base model too, and say what you changed.")
    found += [
        f"Publish what you make from it under {x.rpartition(' ')[2]}." for x in sorted(asked) if x.startswith("share")
    ]
    if "non-commercial use" in asked or origins.terms == "qwen-research":
        found.append("Do not use it commercially.")
    if origins.prefix():
        found.append('Pass on the agreement and "Built with Llama"; names of models made from it begin with "Llama".')
    if "gemma" in (license, origins.terms, origins.base_id()):
        found.append("Pass on the Gemma terms, and keep to Gemma's use policy.")
    if license == "other":
        found.append("Read the terms that are linked above, and keep to them.")
    return found
