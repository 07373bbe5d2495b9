"""Language: whether the negatives are in a language that the set is said to be in."""

from syneg_data.audit.draws import draw, owned_texts
from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import share
from syneg_data.audit.subject import ORIGINS, Origin, Subject
from syneg_data.texts.language import language_of

NAMES: tuple[str, ...] = ("other_language_synthetic", "other_language_mined")
_MOST = 5_000  # texts of a source
_SAID: dict[Origin, str] = {"synthetic": "written", "mined": "mined"}


def measure(subject: Subject) -> list[Measure]:
    """The share of negatives in another language, of those whose language is certain."""
    return [_of(subject, origin) for origin in ORIGINS]


def _of(subject: Subject, origin: Origin) -> Measure:
    said, most = _SAID[origin], min(_MOST, subject.sample)
    texts = draw(owned_texts(subject, origin), subject.seed, most)
    found = [(query_id, language_of(text)) for query_id, text in texts]
    certain = [(query_id, code) for query_id, code in found if code is not None]
    others: dict[str, int] = {}
    for _, code in certain:
        if code not in subject.language:
            others[code] = others.get(code, 0) + 1
    most_often = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:3]
    which = f" ({', '.join(f'{code}: {n:,}' for code, n in most_often)})" if others else ""
    unsure = len(found) - len(certain)
    rest = f" Of {unsure:,} more the language is not certain: too short, or formulae and names." if unsure else ""
    wanted = " or ".join(subject.language)
    return share(
        f"other_language_{origin}",
        "texts",
        [(query_id, code not in subject.language) for query_id, code in certain],
        lambda told: f"{told} {said} negatives are in another language than {wanted}{which}.{rest}",
        f"The language of no {said} negative is certain." if found else f"No negative is {said}.",
    )
