"""The registry of what is measured: every module of the audit, and the names of all its figures."""

from dataclasses import dataclass
from importlib import metadata
from typing import Any

from syneg_data.audit import (
    attributes,
    boilerplate,
    contamination,
    diversity,
    duplicates,
    hardness,
    language,
    lengths,
    secrets,
    shortcuts,
)
from syneg_data.audit.measures import Measure
from syneg_data.audit.subject import Subject
from syneg_data.spec import fingerprint

VERSION = 4  # to be raised when a figure would come out otherwise for the same set
# Those that have nothing to say but measures; in the order in which they are reported, after shortcuts and hardness.
_PLAIN = (attributes, duplicates, diversity, boilerplate, language, lengths, contamination, secrets)
MEASURES: tuple[str, ...] = tuple(name for module in (shortcuts, hardness, *_PLAIN) for name in module.NAMES)


@dataclass(frozen=True)
class Findings:
    """All figures, and what plots need besides."""

    measures: list[Measure]
    details: dict[str, Any]


def examine(subject: Subject) -> Findings:
    """Measure everything that there is."""
    told, probes = shortcuts.examine(subject)
    near, histograms = hardness.examine(subject)
    measures = [*told, *near, *(measure for module in _PLAIN for measure in module.measure(subject))]
    return Findings(measures, {**lengths.details(subject), "hardness": histograms, "probes": probes})


def detectors() -> str:
    """Names the detectors at work: another version of them, or of what they are made of, may find otherwise."""
    return fingerprint("detectors", VERSION, [metadata.version(name) for name in ("numpy", "scikit-learn", "scipy")])
