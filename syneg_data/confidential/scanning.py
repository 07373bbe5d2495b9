"""Scanning: which pieces of a text look confidential; callers count them or take them out, and never show them."""

import re
from collections import Counter
from dataclasses import dataclass

from syneg_data.confidential.detectors import CREDENTIAL_FORMS, PERSONAL_FORMS

_FORMS = (*CREDENTIAL_FORMS, *PERSONAL_FORMS)
_DIGITS = re.compile(r"\d\D{0,3}\d\D{0,3}\d", re.ASCII)
_WITH_DIGITS = frozenset({"iban", "payment_card", "us_social_security_number", "phone", "ip_address"})


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text, `text[start:end]`, and what kind of thing it looks like."""

    start: int
    end: int
    kind: str


def spans(text: str) -> list[Span]:
    """Every piece that looks confidential, in order; none overlap. The time is linear in the text."""
    taken: list[Span] = []
    digits = _DIGITS.search(text) is not None
    for form in _FORMS:
        if form.hints and not any(hint in text for hint in form.hints):
            continue
        if form.kind in _WITH_DIGITS and not digits:
            continue
        found = []
        for match in form.pattern.finditer(text):
            length = form.check(match.group()) if form.check else len(match.group())
            if length:
                found.append(Span(match.start(), match.start() + length, form.kind))
        if found:
            taken = _merged(taken, found)
    return taken


def scan(text: str) -> Counter[str]:
    """How many pieces of each kind a text holds; the pieces themselves are not kept."""
    return Counter(span.kind for span in spans(text))


def redact(text: str) -> str:
    """The text with the kind of each piece, in brackets, in its place."""
    parts, end = [], 0
    for span in spans(text):
        parts += [text[end : span.start], f"[{span.kind}]"]
        end = span.end
    return "".join([*parts, text[end:]])


def _merged(taken: list[Span], found: list[Span]) -> list[Span]:
    """Both, in order, without those of the second that overlap one of the first."""
    merged: list[Span] = []
    place = 0
    for span in found:
        while place < len(taken) and taken[place].end <= span.start:
            merged.append(taken[place])
            place += 1
        if place == len(taken) or span.end <= taken[place].start:
            merged.append(span)
    return [*merged, *taken[place:]]
