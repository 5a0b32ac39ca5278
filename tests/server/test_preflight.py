"""What a start meets outside of the configuration, as `check` says it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.server.certificate_dates import dates_in, validity
from l7proxy.server.preflight import preflight
from tests.certificates import DAYS, NEEDS_OPENSSL, encrypt_key, make_certificates

DAY = 86400
END = 2_524_608_000
"""The first instant of 2050."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with certificates for a.example and b.example, and files that are none."""
    made = tmp_path_factory.mktemp("preflight")
    make_certificates(made, "a.example", "b.example")
    encrypt_key(made / "a.example.key", made / "locked.key")
    (made / "empty").touch()
    (made / "away").symlink_to(made / "none" / "log")
    return made


def found(home: Path, now: float | None = None, **config: Any) -> tuple[list[str], list[str]]:
    """The problems and the warnings of a configuration, with ~ for the directory."""
    problems, warned = preflight(
        config_from({"backends": ["a:80"], **config}), time.time() if now is None else now
    )
    lines = [str(problem) for problem in problems], [f"{at}: {what}" for at, what in warned]
    return tuple([line.replace(str(home), "~") for line in said] for said in lines)  # type: ignore[return-value]


def tls(home: Path, *pairs: tuple[str, str | None] | tuple[str, str | None, list[str]]) -> Any:
    certificates = []
    for certificate, key, *names in pairs:
        one: dict[str, Any] = {"certificate": str(home / certificate)}
        if key is not None:
            one["key"] = str(home / key)
        if names:
            one["names"] = names[0]
        certificates.append(one)
    return {"certificates": certificates}


GOOD = ("a.example.pem", "a.example.key")


@NEEDS_OPENSSL
@pytest.mark.parametrize(("pair", "problem"), [
    (GOOD, None),
    (("none.pem", "a.example.key"), "No such file or directory"),
    (("a.example.pem", "none.key"), "No such file or directory"),
    (("a.example.pem", "b.example.key"), "KEY_VALUES_MISMATCH"),
    (("a.example.pem", None), "(NO_START_LINE|PEM lib)"),
    (("empty", "a.example.key"), "(NO_START_LINE|PEM lib)"),
    (("a.example.pem", "locked.key"), "the key has a passphrase"),
])  # fmt: skip
def test_a_certificate_that_can_not_be_shown_is_a_problem(
    home: Path, pair: tuple[str, str | None], problem: str | None
) -> None:
    for listen in ([], ["tls:127.0.0.1:0"]):
        problems, warned = found(home, server={"tls": tls(home, pair), "listen": listen})
        at = "/server/tls/certificates/0/certificate: can't use it with its key: "
        if problem is None:
            assert problems == []
        else:
            (line,) = problems
            assert line.startswith(at) and re.search(problem, line)
    # Nothing is read that nobody will be shown.
    problems, warned = found(home, server={"tls": tls(home, pair), "listen": ["127.0.0.1:0"]})
    unused = "/server/tls: no address in server.listen begins with tls:, so none of this is used"
    assert problems == [] and warned[0] == unused


@NEEDS_OPENSSL
@pytest.mark.parametrize(("days", "warning"), [
    (DAYS + 0.5, "it has expired less than a day ago"),
    (DAYS + 1.5, "it has expired 1 day ago"),
    (DAYS + 40.5, "it has expired 40 days ago"),
    (DAYS - 0.5, "it expires in less than a day"),
    (DAYS - 1.5, "it expires in 1 day"),
    (-3.5, "it is valid only in 3 days"),
    (-0.5, "it is valid only in less than a day"),
])  # fmt: skip
def test_a_certificate_that_is_not_valid_or_soon_will_not_be_is_warned_of(
    home: Path, days: float, warning: str
) -> None:
    dates = validity(str(home / "a.example.pem"))
    assert dates is not None and dates[1] - dates[0] == pytest.approx(DAYS * DAY, abs=2)
    now = dates[0] + days * DAY
    where = "/server/tls/certificates/0/certificate: "
    assert found(home, now, server={"tls": tls(home, GOOD)}) == ([], [where + warning])


@NEEDS_OPENSSL
def test_a_certificate_that_is_never_shown_is_warned_of(home: Path) -> None:
    other = ("b.example.pem", "b.example.key")
    certificates = tls(
        home, (*GOOD, ["a.example"]), other, (*other, ["A.example"]), (*other, ["b", "a.example"])
    )
    dates = validity(str(home / "a.example.pem"))
    assert dates is not None
    problems, warned = found(home, server={"tls": certificates})
    assert problems == []
    assert [line for line in warned if "never" in line] == [
        "/server/tls/certificates/1: it is never shown: only the first needs no names",
        "/server/tls/certificates/2: it is never shown: certificates before it have all of its"
        " names",
    ]


@pytest.mark.parametrize(
    "text", [b"", b"\x30", b"\x30\x84", b"\x02\x01\x01", b"\x30\x03\x30\x09\x00"]
)
def test_what_is_no_certificate_has_no_dates(text: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        dates_in(text)
    assert validity("/nowhere.pem") is None


def der(tag: int, *content: bytes) -> bytes:
    text = b"".join(content)
    if len(text) < 128:
        return bytes((tag, len(text))) + text
    length = len(text).to_bytes(2)
    return bytes((tag, 0x82)) + length + text


@pytest.mark.parametrize("version", [b"", der(0xA0, der(2, b"\x02"))])
def test_the_dates_are_found_in_every_version_and_form(tmp_path: Path, version: bytes) -> None:
    issuer = der(0x30, b"x" * 300)
    dates = der(0x30, der(0x17, b"700101000000Z"), der(0x18, b"20500101000000Z"))
    body = der(0x30, version, der(2, b"\x01"), der(0x30), issuer, dates)
    assert dates_in(der(0x30, body)) == (0, END)
    pem = tmp_path / "long.pem"
    pem.write_text(f"# A comment.\n{DER_cert_to_PEM_cert(der(0x30, body))}")
    for now, warnings in ((END - 15 * DAY, 0), (END - 13 * DAY, 1)):
        assert (
            len(found(tmp_path, now, server={"tls": tls(tmp_path, (pem.name, None))})[1])
            == warnings
        )


def test_other_nodes_are_nobodys_business_where_http_is_listened_for(tmp_path: Path) -> None:
    problem = "/upstream: there are no envelopes behind an HTTP listener"
    listens = {"listen": ["[::1]:0"]}
    assert found(tmp_path, upstream="envelope", server=listens)[0] == [problem]
    assert found(tmp_path, upstream="envelope") == ([], [])
    assert found(tmp_path, upstream="simulated", server=listens) == ([], [])


@pytest.mark.parametrize(("name", "problem"), [
    ("a.example.pem", None),
    ("none.pem", "/http/tls: can't use ~/none.pem: No such file or directory"),
    ("empty", "/http/tls: can't use ~/empty: "),
])  # fmt: skip
@NEEDS_OPENSSL
def test_certificates_to_trust_that_can_not_be_read_are_a_problem(
    home: Path, name: str, problem: str | None
) -> None:
    pool: dict[str, Any] = {"http": {"tls": {"ca_file": str(home / name)}}, "upstream": "http"}
    lines = found(home, **pool, backends=["https://a", "http://b"])[0]
    assert lines == [] if problem is None else lines[0].startswith(problem)
    assert found(home, **pool, backends=["http://a"])[0] == []
    assert found(home, **{**pool, "upstream": "simulated"}, backends=["https://a"])[0] == []


@pytest.mark.parametrize(("path", "problem"), [
    ("log", None), ("empty", None), ("-", None),
    ("none/log", "No such file or directory"),
    ("away", "No such file or directory"),
    ("empty/log", "Not a directory"),
    ("", "Is a directory"),
    ("log/", "Is a directory"),
])  # fmt: skip
@NEEDS_OPENSSL
def test_a_log_that_can_not_be_written_to_is_a_problem(
    home: Path, path: str, problem: str | None
) -> None:
    before = sorted(home.iterdir())
    where = path if path == "-" else f"{home}/{path}"
    lines = found(home, server={"access_log": {"path": where}})[0]
    said = f"/server/access_log/path: can't write to it: {problem}"
    assert lines == [] if problem is None else lines == [said]
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize(("path", "problem"), [
    ("socket", None),
    ("none/socket", "No such file or directory"),
    ("away", "Address already in use"),
    ("empty", "there is a file that is not a socket"),
    ("empty/socket", "Not a directory"),
    ("x" * 120, "AF_UNIX path too long"),
])  # fmt: skip
@NEEDS_OPENSSL
def test_a_unix_socket_that_can_not_be_bound_is_a_problem(
    home: Path, path: str, problem: str | None
) -> None:
    lines = found(home, server={"listen": ["127.0.0.1:0", f"unix:{home}/{path}"]})[0]
    said = f"/server/listen/1: unix:~/{path}: {problem}"
    assert lines == [] if problem is None else lines == [said]
