"""The registry of what is measured: every module of the audit, and the names of all its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from syneg_data.audit import attributes, hardness, lengths, shortcuts
from syneg_data.audit.measures import Measure
from syneg_data.audit.subject import Subject
from syneg_data.spec import fingerprint

VERSION = 1  # to be raised when a figure would come out otherwise for the same set
GROUPS: Mapping[str, tuple[str, ...]] = {
    shortcuts.SOURCE: tuple(name for name in shortcuts.NAMES if name.startswith("source")),
    shortcuts.BLIND: tuple(name for name in shortcuts.NAMES if name.startswith("query_blind")),
    hardness.GROUP: hardness.NAMES,
    attributes.GROUP: attributes.NAMES,
}
MEASURES = tuple(name for names in GROUPS.values() for name in names)


@dataclass(frozen=True)
class Findings:
    """All figures, and what plots need besides."""

    measures: list[Measure]
    details: dict[str, Any]


def examine(subject: Subject) -> Findings:
    """Measure everything."""
    shortcut, probes = shortcuts.examine(subject)
    hard, histograms = hardness.examine(subject)
    measures = [*shortcut, *hard, *attributes.measure(subject)]
    return Findings(measures, {"lengths": lengths.histograms(subject), "hardness": histograms, "probes": probes})


def detectors() -> str:
    """Names the detectors at work: another version of them, or of what they are made of, may find otherwise."""
    return fingerprint("detectors", VERSION, [metadata.version(name) for name in ("numpy", "scikit-learn", "scipy")])
