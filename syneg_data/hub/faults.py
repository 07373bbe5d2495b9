"""What goes wrong when the Hub is asked: which answers another try may mend, how long to wait, and what to tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syneg_data.confidential import redact
from syneg_data.engines.pacing import retry_after
from syneg_data.errors import InputError, SynegError, UnavailableError

LONGEST = 300.0  # seconds that one answer may have us wait: the Hub counts requests in windows of five minutes
_AGAIN = frozenset({408, 409, 412, 423, 425, 429})  # and all from 500 on: busy, in the way of others, or broken
_FULL = re.compile(r"quota|storage (?:limit|space)|billing|payment|upgrade your plan|exceeded your", re.IGNORECASE)
_BUSY = re.compile(r"too many|concurrent|rate.?limit", re.IGNORECASE)
_LEFT = re.compile(r";\s*r=(\d+)")
_RESET = re.compile(r";\s*t=(\d+)")


@dataclass(frozen=True)
class Fault:
    """One request that did not succeed.

    Attributes:
        status: of the answer; None where none came.
        said: what the Hub, or its client, says, without secrets, in a line.
        wait: seconds that the answer asks to wait.
        transfer: bytes were sent to the storage, which has no say in who may do what.
    """

    status: int | None
    said: str
    wait: float = 0.0
    transfer: bool = False

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later, or has succeeded although nobody said so."""
        if self.status is None or self.status in _AGAIN or self.status >= 500:
            return not self._full
        return (self.transfer and self.status not in (401, 413)) or self._busy

    @property
    def _full(self) -> bool:
        return self.status in (402, 507) or (self.status != 429 and _FULL.search(self.said) is not None)

    @property
    def _busy(self) -> bool:
        return self.status == 403 and _BUSY.search(self.said) is not None

    def error(self, where: str) -> SynegError:
        """What a person is told: what happened, and what to do.

        Args:
            where: repository and step.
        """
        again = "run the same command again, it goes on from there"
        if self._full:
            return UnavailableError(f"{where}: no room at the Hub ({self.said}); free some or get more, then {again}")
        if self.status == 429 or self._busy:
            wait = f"wait {self.wait:.0f} seconds" if self.wait else "wait a while"
            return UnavailableError(f"{where}: the Hub's rate limit is reached ({self.said}); {wait}, then {again}")
        if self.status in (409, 412):
            return UnavailableError(f"{where}: others are at work in the repository ({self.said}); later {again}")
        if self.passing:
            return UnavailableError(f"{where}: {self._how}; check the network, then {again}")
        if self.status == 401:
            return InputError(
                f"{where}: the Hub refuses the token ({self.said}); put a valid one with write access into HF_TOKEN, "
                f"then {again}"
            )
        if self.status == 403:
            return InputError(
                f"{where}: the token may not do this ({self.said}); put one with write access to this repository into "
                f"HF_TOKEN, then {again}"
            )
        if self.status == 413:
            return InputError(
                f"{where}: too large for the Hub ({self.said}); build with fewer exports or a smaller limit, or ask "
                "the Hub for more"
            )
        return InputError(f"{where}: {self._how}; mend what it names, then {again}")

    @property
    def _how(self) -> str:
        return f"the Hub answers {self.status} ({self.said})" if self.status else f"no answer ({self.said})"


def fault_of(error: Exception, token: str | None) -> Fault | None:
    """What an error of the Hub's client means; None where it is none of that, such as a full disk or a bug of ours."""
    import huggingface_hub.errors as hub

    if isinstance(error, hub.OfflineModeIsEnabled):
        return Fault(None, "HF_HUB_OFFLINE is set; unset it", wait=LONGEST + 1)
    answer = next((e for e in _causes(error) if isinstance(e, hub.HfHubHTTPError)), None)
    if answer is not None and answer.response is not None:
        response = answer.response
        said = clean(answer.server_message or response.reason_phrase or "no reason given", token)
        asked = response.request if getattr(response, "_request", None) is not None else None
        return Fault(response.status_code, said, _wait(response.headers), asked is not None and asked.method == "PUT")
    transport = vars(hub)["HTTPError"]  # of httpx or httpx2, as the client's version has it
    broken = next((e for e in _causes(error) if isinstance(e, transport)), None)
    if broken is not None:
        return Fault(None, clean(f"{type(broken).__name__}: {broken}", token))
    if isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith("hf_xet"):
        return Fault(None, clean(f"{type(error).__name__}: {error}", token))
    if isinstance(error, hub.HFValidationError | ImportError):  # the latter for a proxy that takes another package
        return Fault(400, clean(str(error), token))
    # What the client makes of an answer that is no JSON, or lacks what belongs there, as that of a portal on the way.
    if isinstance(error, ValueError | LookupError | TypeError | AttributeError | AssertionError):
        return Fault(None, clean(f"none that can be read, {type(error).__name__}: {error}", token))
    if isinstance(error, RuntimeError):  # what the native part of a transfer raises
        return Fault(None, clean(str(error), token), transfer=True)
    return None


def clean(text: str, token: str | None) -> str:
    """The first line of a message, cut, without the token or anything that looks like one."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if token:
        line = line.replace(token, "[token]")
    return redact(line)[:200].rstrip(".")


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it was raised from."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _wait(headers: Mapping[str, Any]) -> float:
    """Seconds that `Retry-After` asks to wait, or `RateLimit` where nothing is left (IETF draft, as the Hub has it)."""
    asked = retry_after(headers.get("retry-after"))
    limit = str(headers.get("ratelimit") or "")
    left, reset = _LEFT.search(limit), _RESET.search(limit)
    return max(asked, float(reset[1]) if left and reset and int(left[1]) == 0 else 0.0)
