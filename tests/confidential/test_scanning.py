"""What looks confidential. Every example is made up, and put together here so that no scanner takes it for real."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.confidential import CREDENTIALS, PERSONAL, Span, redact, scan, spans

A36 = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
PEM = "-----" + "BEGIN {}PRIVATE KEY-----"
TRUE = [
    ("private_key", PEM.format("RSA ") + "\nMIIB\n" + "-----" + "END RSA PRIVATE KEY-----"),
    ("private_key", PEM.format("")),
    ("private_key", PEM.format("OPENSSH ") + "\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU="),
    ("authorization_header", "Author" + "ization: Basic " + "dXNlcjpwYXNzd29yZA=="),
    ("authorization_header", "author" + "ization: token abcdefgh12"),
    ("bearer_token", "Bea" + "rer " + A36),
    ("json_web_token", ".".join(["ey" + "JhbGciOiJIUzI1NiJ9", "ey" + "JzdWIiOiIxMjM0In0", "dozjgNryP4J3jVmNHl0w5N"])),
    ("url_password", "postgres" + "://admin:" + "hunter2@db.internal/x"),
    ("hugging_face_token", "hf" + "_" + A36[:34]),
    ("github_token", "gh" + "p_" + A36),
    ("github_token", "github" + "_pat_" + A36),
    ("gitlab_token", "glp" + "at-" + A36[:20]),
    ("aws_key", "AK" + "IA" + "IOSFODNN7EXAMPLE"),
    ("google_key", "AI" + "za" + A36[:35]),
    ("slack_token", "xo" + "xb-" + "123456789012-abcdefABCDEF"),
    ("stripe_key", "sk" + "_live_" + A36[:24]),
    ("sk_key", "sk" + "-proj-" + A36),
    ("package_token", "np" + "m_" + A36),
    ("package_token", "py" + "pi-AgE" + A36 * 2),
    ("named_secret", "DB_PASS" + "WORD='corr3ct-horse'"),
    ("named_secret", "api" + '_key": "' + A36 + '"'),
    ("email", "jane.doe+x@mail.some-hospital.co.uk"),
    ("email", "a_b%c@x.io"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "NO93 8601 1117 947"),
    ("payment_card", "4539 1488 0343 6467"),
    ("payment_card", "4539" + "148803436467"),
    ("payment_card", "3782-822463-10005"),
    ("us_social_security_number", "123-" + "45-6789"),
    ("phone", "+49 (0)30 901820-12"),
    ("phone", "+1-202-555-0143"),
    ("phone", "(415) 555-2671"),
    ("phone", "415-555-2671"),
    ("phone", "1-415-555-2671"),
    ("ip_address", "8.8.4.4"),
    ("ip_address", "2001:4860:4860::8888"),
    ("home_path", "/home/jdoe"),
    ("home_path", "/Users/jane.doe"),
    ("home_path", "C:\\Users\\jdoe"),
]
FALSE = [
    "-----BEGIN CERTIFICATE-----",
    "authorization: the committee gave none",
    "the bearer of these unmistakably long considerations",
    "bearer Staphylococcus-pseudintermedius",
    "eyJ is how such tokens start",
    "https://example.org:8080/path?to=me@home",
    "https://doi.org/10.1038/s41586-020-2649-2",
    "hf_hub_download",
    "the ghp_ prefix",
    "AKIA is the prefix of AKIAIOSFODNNEXAMPLE",
    "a sk-learn pipeline, a risk-benefit-assessment-of-2021-vaccines",
    "sk-assessment-of-the-vaccines-long",
    "sk-mel-28-derived-melanoma-cells and sk-br-3-xenograft-tumours-in-mice",
    "password: forgotten again",
    "the secret: nobody knows",
    "Secret = 1234567",
    "write to someone@example.com or admin@test",
    "x@y and @handle.com",
    "p@0.05.a",
    "DE89 3704 0044 0532 0130 01",
    "GB82WEST1234569876543",
    "IL-2 CD4 CD28 STAT3 FOXP3 TH17 IL23",
    "4539 1488 0343 6468",
    "4539-1488 0343 6467",
    "0000 0000 0000 0000",
    "9539148803436460",
    "1.4539148803436467",
    "000-45-6789 and 666-45-6789 and 912-45-6789 and 123-00-6789 and 123-45-0000",
    "2020-12-31 and 123-45-67890",
    "+3 points, +100, +12.5 %",
    "n = 123 456 7890",
    "115-555-2671 and 415-155-2671",
    "10.1234/415-555-2671",
    "pages 415-555, 2671",
    "version 3.11.2, section 1.2.3",
    "10.0.0.1, 127.0.0.1, 192.168.1.1, 999.1.1.1, 1.2.3.4.5, 203.0.113.7",
    "thrombin (EC 3.4.21.5), EC:1.14.16.2 and EC-1.1.1.27",
    "at 12:30:45, ratio 1:2:3, std::vector, ::1, fe80::1",
    "/home/user/x, /Users/username, home/jdoe, https://site.org/home/jdoe",
    "C:\\Users\\Public",
    "Vitamin D (25-hydroxyvitamin D) was 30.5 ng/mL in 1,234 patients (95 % CI 28.1-32.9; p < 0.001).",
    "",
]


@pytest.mark.parametrize(("kind", "text"), TRUE)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("see ", " there"), ("(", ")."), ("x\n", "\ny"), ("„", "“")])
def test_what_looks_confidential(kind, text, before, after):
    assert scan(before + text + after) == {kind: 1}


@pytest.mark.parametrize("text", FALSE)
def test_what_does_not(text):
    assert scan(text) == {}


def test_every_kind_has_an_example_and_stands_in_one_group():
    assert {kind for kind, _ in TRUE} == {*CREDENTIALS, *PERSONAL}
    assert not set(CREDENTIALS) & set(PERSONAL)


@pytest.mark.parametrize(("kind", "text"), TRUE)
def test_what_is_taken_out_is_gone(kind, text):
    assert scan(redact(f"ask {text} again")) == {}
    if kind != "url_password" and "PASSWORD" not in text and "api_" not in text:
        assert redact(f"ask {text} again") == f"ask [{kind}] again"


def test_only_the_confidential_part_is_taken_out():
    assert redact("mail jane@clinic.org or joe@clinic.org, not me") == "mail [email] or [email], not me"
    assert redact("postgres" + "://admin:" + "hunter2@db.internal/x") == "postgres[url_password]/x"
    assert redact("open /home/jdoe/notes.txt") == "open [home_path]/notes.txt"
    assert redact("nothing here") == "nothing here"


def test_spans_say_where():
    assert spans("to joe@clinic.org from 8.8.4.4") == [Span(3, 17, "email"), Span(23, 30, "ip_address")]


def test_an_account_number_ends_where_its_country_says():
    assert redact("pay DE89 3704 0044 0532 0130 00 BIC COBADEFF") == "pay [iban] BIC COBADEFF"


def test_a_piece_of_text_counts_once_for_the_first_kind_that_has_it():
    header = "Author" + "ization: Bea" + "rer " + "hf" + "_" + A36[:34]
    assert scan(header) == {"authorization_header": 1}
    assert scan("postgres" + "://joe:" + "x1@clinic.org/a") == {"url_password": 1}


PIECES = st.sampled_from([text for _, text in TRUE])
FILLED = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=6).map("".join)


@given(FILLED)
def test_spans_are_in_order_within_the_text_and_never_overlap(text):
    end = 0
    for span in spans(text):
        assert end <= span.start < span.end <= len(text)
        end = span.end
    assert sum(scan(text).values()) == len(spans(text))


@given(st.lists(PIECES, max_size=5))
def test_each_piece_on_a_line_of_its_own_is_found(pieces):
    assert sum(scan("\n|\n".join(pieces)).values()) == len(pieces)


HOSTILE = [
    "a", "1", "-", " ", ".", ":", "@", "/", "%", "\n", "é", "::", "0:", "a@", "a.", "a@a.", "1 ", "1-", "1.", "+1",
    "aB1", "eyJ", "eyJa.", "ey" + "JAAAAAAAA.", "hf_", "sk-", "xox", "://", "://a:", "://a:b@", "password=",
    "password: ", "authorization: ", "Bearer ", "AKIA", "DE89 ", "AB12", "AAAA ", "4539 1488 ", "123-45-", "415-555-",
    "(415) ", "/home/", "C:\\Users\\", "-----" + "BEGIN ", PEM.format(""), PEM.format("A ") + "x" * 30000,
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=range(len(HOSTILE)))
def test_time_is_linear_in_hostile_texts(piece):
    """A megabyte of it: a pattern that goes back over what it read would be at it for hours."""
    text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    assert len(spans(text)) <= 100_000
