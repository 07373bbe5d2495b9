"""Pacing: how many requests are in flight, how long a fault is waited for, and when a server counts as gone."""

import asyncio
import random
import time
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The longest pause, in units of `backoff`: 30 s for the default of 0.5 s.
_LONGEST_PAUSE = 60
_FIRST_LIMIT = 8
# From this many strikes on a single request at a time finds out whether the server is back.
_PROBING = 3


class Fault(Exception):
    """Something that another try may mend.

    Attributes:
        overloaded: the server asks for fewer requests, or is too slow to answer.
        wait: seconds the server asks to wait, if it does.
    """

    def __init__(self, what: str, *, overloaded: bool = False, wait: float = 0.0) -> None:
        super().__init__(what)
        self.overloaded = overloaded
        self.wait = wait


class Pacer:
    """Additive increase, multiplicative decrease of the requests in flight, and the count of strikes.

    A *strike* is a fault since which, and since the strike before it, nothing has succeeded; all requests that were in
    flight when it came share one, since one restart of a server fails all of them at once. (D. Chiu and R. Jain,
    "Analysis of the increase and decrease algorithms for congestion avoidance", 1989; full jitter: M. Brooker,
    "Exponential backoff and jitter", 2015.)
    """

    def __init__(self, ceiling: int, backoff: float) -> None:
        self._ceiling = ceiling
        self._backoff = backoff
        self._limit = float(min(_FIRST_LIMIT, ceiling))
        self._slow_start = float(ceiling)
        self._flying = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._not_before = 0.0
        self._last_strike = 0.0
        self._chance = random.Random()
        self.strikes = 0
        self.successes = 0

    @property
    def allowed(self) -> int:
        """Requests that may be in flight now."""
        return 1 if self.strikes >= _PROBING else max(1, int(self._limit))

    async def enter(self) -> float:
        """Wait for a place in flight; the time at which the request starts."""
        while True:
            now = time.monotonic()
            if now < self._not_before:
                await asyncio.sleep(self._not_before - now)
            elif self._flying < self.allowed:
                self._flying += 1
                return now
            else:
                place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(place)
                await place

    def leave(self) -> None:
        """Give the place in flight to the next."""
        self._flying -= 1
        self._wake()

    def succeeded(self) -> None:
        """The server has answered."""
        self.successes += 1
        self.strikes = 0
        self._limit = min(self._ceiling, self._limit + (1 if self._limit < self._slow_start else 1 / self._limit))
        self._wake()

    def failed(self, began: float, fault: Fault) -> None:
        """A request that started at `began` has met a fault."""
        now = time.monotonic()
        self._pause(now + fault.wait)
        if began < self._last_strike:
            return
        self._last_strike = now
        self.strikes += 1
        if fault.overloaded:
            self._limit = self._slow_start = max(1.0, self._limit / 2)
        if self.strikes > 1:  # one alone may be the request's own
            self._pause(now + self._exponential(self.strikes - 2) * self._chance.uniform(0.5, 1))

    def delay(self, tries: int) -> float:
        """Seconds that a request waits before its next try, with full jitter."""
        return self._chance.uniform(0, self._exponential(tries - 1))

    def reset(self) -> None:
        """Forget the requests in flight: those of a call that has ended, however it ended."""
        self._flying = 0
        self._waiting.clear()

    def _exponential(self, doublings: int) -> float:
        return self._backoff * min(2.0 ** min(doublings, 30), _LONGEST_PAUSE)

    def _pause(self, until: float) -> None:
        self._not_before = max(self._not_before, until)

    def _wake(self) -> None:
        free = self.allowed - self._flying
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header (RFC 9110: seconds or a date) asks for; 0 for none or nonsense."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, TypeError, OverflowError):
            return 0.0
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return seconds if seconds > 0 else 0.0  # also false for NaN
