"""Detectors: the form of each kind of credential and of personal data, and what else must hold of a match.

Every quantifier is bounded, or starts only where a run of its characters does, so that the time is linear in the text
however hostile it is. Forms are those that the issuers document; a form is a hint, not a proof.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Detector:
    """One form of one kind.

    Attributes:
        kind: what it would be.
        pattern: its form.
        hints: one of these stands in every match; empty: none is known. A text without any is not searched.
        check: how many characters of a match are one, 0 if it is none; None: all.
    """

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    check: Check | None = None


def _mixed(match: str) -> int:
    """All of it if its last run of characters has letters and digits, as what a machine made up has."""
    value = re.split(r"[\s:=\"']", match.strip("\"'"))[-1]
    return len(match) if re.search(r"\d", value) and re.search(r"[A-Za-z]", value) else 0


def _made_up(match: str) -> int:
    """All of it if a run of 16 characters without a hyphen is mixed; cell lines (SK-MEL-28) have none."""
    return len(match) if any(len(part) >= 16 and _mixed(part) for part in match.split("-")) else 0


_RESERVED = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|invalid|test|localhost)$", re.IGNORECASE)


def _real_address(match: str) -> int:
    """Nothing for the domains that are reserved for examples (RFC 2606)."""
    return 0 if _RESERVED.search(match) else len(match)


def _luhn(match: str) -> int:
    """All of it if the check digit is right (ISO/IEC 7812-1) and an issuer has such numbers."""
    digits = [int(char) for char in match if char.isdigit()]
    issued = digits[0] in (3, 4, 5, 6) or 2221 <= int("".join(map(str, digits[:4]))) <= 2720
    doubled = [2 * d - 9 * (d > 4) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return len(match) if issued and len(set(digits)) > 2 and sum(doubled) % 10 == 0 else 0


# Characters of an account number by country (SWIFT's IBAN registry).
_IBAN = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE BI", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BF CM FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def _iban(match: str) -> int:
    """As much as the country's numbers have, if the remainder is right (ISO 13616)."""
    length = _IBAN.get(match[:2], 0)
    places = [i for i, char in enumerate(match) if char != " "]
    if not length or len(places) < length:
        return 0
    end = places[length - 1] + 1
    if match[end : end + 1].isalnum():
        return 0
    number = "".join(char for char in match[:end] if char != " ")
    return end if int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1 else 0


def _public_address(match: str) -> int:
    """All of it if it is an address that the internet routes; versions of three numbers and times of day are none."""
    try:
        return len(match) if ipaddress.ip_address(match).is_global else 0
    except ValueError:
        return 0


_NOBODY = frozenset({"user", "username", "name", "you", "yourname", "me", "shared", "public", "default", "runner"})


def _somebody(match: str) -> int:
    """Nothing for the names that stand for any user."""
    return 0 if re.split(r"[/\\]+", match)[2].casefold() in _NOBODY else len(match)


def _detector(kind: str, pattern: str, *hints: str, check: Check | None = None) -> Detector:
    return Detector(kind, re.compile(pattern, re.ASCII), hints, check)


_PART = r"[A-Za-z0-9_-]{8,4096}"  # of a JSON web token
_KEYED = r"[A-Za-z0-9]"
_NAMED = r"(?i:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token)"

# The first kind that claims a piece of text has it.
CREDENTIAL_FORMS: tuple[Detector, ...] = (
    _detector(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-]{0,20000}-----END [A-Z0-9 ]{0,60}-----|(?:\s{1,4}[A-Za-z0-9+/=]{20,200}){0,500})",
        "-----BEGIN ",
    ),
    _detector(
        "authorization_header",
        r"(?i:\bauthorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?i:bearer|basic|token)\s{1,4}[A-Za-z0-9._~+/=-]{8,4096}",
        "uthorization", "UTHORIZATION",
    ),
    _detector("bearer_token", r"\b[Bb]earer\s{1,4}[A-Za-z0-9._~+/=-]{20,4096}", "earer", check=_mixed),
    _detector("json_web_token", rf"(?<![\w-])eyJ{_PART}\.eyJ{_PART}\.{_PART}", "eyJ"),
    _detector("url_password", r"://[^\s/?#@:\"'<>]{1,64}:[^\s/?#@\"'<>]{1,128}@[\w.-]{1,253}", "://"),
    _detector("hugging_face_token", rf"(?<!\w)(?:hf|api_org)_{_KEYED}{{30,60}}(?!\w)", "hf_", "api_org_"),
    _detector("github_token", rf"(?<!\w)gh[pousr]_{_KEYED}{{36,251}}(?!\w)", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _detector("github_token", r"(?<!\w)github_pat_\w{22,255}", "github_pat_"),
    _detector("gitlab_token", r"(?<!\w)glpat-[\w-]{20,255}", "glpat-"),
    _detector("aws_key", r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)", "AKIA", "ASIA", check=_mixed),
    _detector("google_key", r"(?<![\w-])AIza[\w-]{35}(?![\w-])", "AIza"),
    _detector("slack_token", r"(?<!\w)xox[abeoprs]-[A-Za-z0-9-]{10,250}", "xox", check=_mixed),
    _detector("stripe_key", rf"(?<!\w)[rs]k_(?:live|test)_{_KEYED}{{16,247}}(?!\w)", "k_live_", "k_test_"),
    _detector("sk_key", r"(?<![\w-])sk-[\w-]{20,250}", "sk-", check=_made_up),
    _detector("package_token", rf"(?<!\w)(?:npm_{_KEYED}{{36}}(?!\w)|pypi-AgE[\w-]{{50,250}})", "npm_", "pypi-AgE"),
    _detector(
        "named_secret",
        rf"(?<![A-Za-z0-9]){_NAMED}[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?[^\s\"'<>]{{8,200}}",
        "=", ":",
        check=_mixed,
    ),
)  # fmt: skip
PERSONAL_FORMS: tuple[Detector, ...] = (
    _detector(
        "email",
        r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])",
        "@",
        check=_real_address,
    ),
    _detector("iban", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])", check=_iban),
    _detector(
        "payment_card",
        r"(?<![\w.,/-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{5})(?![\w/-]|[.,]\d)",
        check=_luhn,
    ),
    _detector(
        "us_social_security_number", r"(?<![\w.-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-]|\.\d)", "-"
    ),
    _detector("phone", r"(?<![\w+])\+[1-9](?:[ .()/-]{0,2}\d){7,14}(?!\w)", "+"),
    _detector(
        "phone",
        r"(?<![\w./-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[.-]\d{4}(?![\w/-]|\.\d)",
    ),
    _detector(  # numbers of the enzyme nomenclature (EC 3.4.21.5) have the same form
        "ip_address",
        r"(?<![\w.])(?<!\bEC[ :.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w/-]|\.\d)",
        ".",
        check=_public_address,
    ),
    _detector(
        "ip_address", r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])", ":", check=_public_address
    ),
    _detector("home_path", r"(?<![\w./])/(?:home|Users)/[\w.-]{1,64}", "/home/", "/Users/", check=_somebody),
    _detector("home_path", r"(?<!\w)[A-Za-z]:\\{1,2}Users\\{1,2}[\w.-]{1,64}", ":\\", check=_somebody),
)
CREDENTIALS: tuple[str, ...] = tuple(dict.fromkeys(form.kind for form in CREDENTIAL_FORMS))
PERSONAL: tuple[str, ...] = tuple(dict.fromkeys(form.kind for form in PERSONAL_FORMS))
