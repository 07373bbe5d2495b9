"""Confidential: what looks like a credential or like personal data, found by its form; counted, never shown."""

from syneg_data.confidential.detectors import CREDENTIALS, PERSONAL
from syneg_data.confidential.scanning import Span, redact, scan, spans

__all__ = ["CREDENTIALS", "PERSONAL", "Span", "redact", "scan", "spans"]
