"""The pytest plugin: golden conversations as tests, a node to talk to, coverage of routes.

An entry point registers it, so it is loaded whenever pytest starts: it imports nothing but pytest,
which is there already, before there is something to do. Its options begin with its name, since
other plugins have such options, too. Other projects may have files with the same endings as its
tests, so it collects them only where a project says that it uses the plugin, or where a file is
named on the command line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy
    from l7proxy.node.replay_node import RecordingNode
    from l7proxy.tools.cases import Cases
    from l7proxy.tools.coverage import Coverage
    from l7proxy.tools.golden import Golden

_MARKER = "l7proxy(config=FILE or object, seed=N)"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("l7proxy", "tests of l7proxy configurations")
    group.addoption(
        "--l7proxy-golden-update",
        action="store_true",
        help="write down what golden conversations (*.in.jsonl) are answered now",
    )
    group.addoption(
        "--l7proxy-config", metavar="FILE", help="the configuration of tests without one"
    )
    group.addoption(
        "--l7proxy-route-coverage", action="store_true", help="list the routes that no test reached"
    )
    group.addoption(
        "--l7proxy-fail-under",
        type=_percentage,
        metavar="N",
        help="fail where less than N percent of the routes were reached",
    )
    parser.addini(
        "l7proxy_config",
        "the configuration of tests without one; *.in.jsonl and *.cases.jsonl are collected",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARKER}: what the l7proxy_node runs with")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not (_is_used(parent.config) or parent.session.isinitpath(file_path)):
        return None
    if file_path.name.endswith((".in.jsonl", ".cases.jsonl")):
        return ConversationFile.from_parent(parent, path=file_path)
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Gives each test a fresh node.

    The fixture itself lasts for the session, because Hypothesis rightly warns of fixtures that
    are made once for many examples; a test that wants a fresh node for each calls `reset`.
    """
    if "l7proxy_node" in getattr(item, "fixturenames", ()):
        marker = item.get_closest_marker("l7proxy")
        given = {} if marker is None else marker.kwargs
        if marker is not None and (marker.args or given.keys() - {"config", "seed"}):
            pytest.fail(f"{_MARKER}, and nothing else: not {_as_written(marker)}", pytrace=False)
        node = _talking_node(item.config)
        said = None
        try:
            node.start(given.get("config"), given.get("seed", 0), item.path.parent)
        except ValueError as error:
            said = _sentences(error, node.source)
            if said is None:
                raise
        if said is not None:
            pytest.fail(said, pytrace=False)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--l7proxy-route-coverage") and _COVERAGE in config.stash:
        terminalreporter.section("coverage of routes")
        terminalreporter.write(config.stash[_COVERAGE].as_text())
    elif _is_too_little(config):
        percent = config.stash[_COVERAGE].percent
        terminalreporter.write_line(f"only {percent:.0f} % of the routes were reached")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _is_too_little(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def l7proxy_node(request: pytest.FixtureRequest) -> TalkingNode:
    """A node with your configuration: `node.send(path="/x")` returns the body of the reply."""
    return _talking_node(request.config)


class TalkingNode:
    """A node to talk to, in virtual time, fresh for every test."""

    def __init__(self, config: pytest.Config) -> None:
        self._settings = config
        self.source = ""
        """Where its configuration is."""
        self.replies: list[dict[str, Any]] = []
        """Every envelope that came out, in order."""

    def start(self, config: str | Path | Mapping[str, Any] | None, seed: int, folder: Path) -> None:
        """Begins anew with a configuration: a file's, relative to `folder`, or an object."""
        from l7proxy.core.config import config_from
        from l7proxy.tools.golden import read_config

        if config is None or isinstance(config, (str, Path)):
            file = _default_config(self._settings) if config is None else folder / config
            self.source = str(file)
            self._config = read_config(file)
        else:
            self.source = "a test's own configuration"
            self._config = config_from(config)
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Forgets everything that was sent, as at the start of the test."""
        on_exchange, on_configured = _coverage(self._settings).listener(self.source)
        self._node = _make_node(self._config, on_exchange, on_configured, self._seed)
        self._now = 0.0
        self._last_id = 0
        self.replies.clear()

    def send(self, envelope: Mapping[str, Any] | None = None, /, **body: Any) -> Any:
        """Sends a message, by default an `http_request`; returns the reply's body.

        Returns None where there is no reply yet. An `envelope` is sent as it is, and its reply
        returned as an envelope. Raises TypeError for what is no member of an `http_request`.
        """
        import json

        _refuse_unknown(body, envelope)
        sent: dict[str, Any] = {"src": "test", "at": self._now}
        if envelope is None:
            self._last_id += 1
            sent["body"] = {"type": "http_request", "msg_id": self._last_id, **body}
        else:
            sent.update(envelope)
        number = sent["body"].get("msg_id")
        self._now = max(self._now, sent["at"])
        for reply in self._received(self._node.feed(json.dumps(sent).encode() + b"\n", 0.0)):
            if reply["dest"] == sent["src"] and reply["body"].get("in_reply_to") == number:
                return reply if envelope is not None else reply["body"]
        return None

    def at(self, seconds: float) -> list[Any]:
        """Lets time go on to `seconds`; returns the bodies of the replies that came until then.

        Raises ValueError where that time is over.
        """
        replies = self._received(self._node.go_to(seconds))
        self._now = seconds
        return [reply["body"] for reply in replies]

    def finish(self) -> list[Any]:
        """Ends the input; returns the bodies of the replies to what was still in flight."""
        return [reply["body"] for reply in self._received(self._node.finish(0.0))]

    def _received(self, out: bytes) -> list[dict[str, Any]]:
        import json

        new = [json.loads(line) for line in out.splitlines()]
        self.replies += new
        return new


class ConversationFile(pytest.File):
    """A file with a golden conversation, or with cases, each of which is a test."""

    def collect(self) -> Iterator[pytest.Item]:
        from l7proxy.core.config import ConfigError
        from l7proxy.tools.cases import Cases, find
        from l7proxy.tools.golden import BadCase, read_config
        from l7proxy.tools.printable import printable

        (test,) = find([self.path], _default_config(self.config))
        if isinstance(test, Cases):
            try:
                cases = test.read()
                read_config(test.config)
            except (BadCase, ConfigError):
                # It becomes a test that fails, so that all others of the run do what they do.
                pass
            else:
                run = _SharedRun(test, self.config)
                for case in cases:
                    name = f"line {case.number}: {printable(case.title)}"
                    yield CaseItem.from_parent(
                        self, name=name, test=test, run=run, number=case.number
                    )
                return
        yield ConversationItem.from_parent(self, name=test.name, test=test)


class _SharedRun:
    """One run of the cases in a file, which all of its items share: a node is asked in turn."""

    def __init__(self, test: Cases, config: pytest.Config) -> None:
        self._test = test
        self._config = config
        self._failures: dict[int, str] | None = None

    def failures(self) -> dict[int, str]:
        """Returns what differs, by the numbers of the cases' lines."""
        if self._failures is None:
            self._failures = self._test.failures(_make_node, _coverage(self._config))
        return self._failures


class ConversationItem(pytest.Item):
    """A golden conversation, or a file of cases that can't be used."""

    def __init__(self, *, test: Golden | Cases, **given: Any) -> None:
        super().__init__(**given)
        self._test = test

    def runtest(self) -> None:
        from l7proxy.tools.cases import Cases

        coverage = _coverage(self.config)
        if isinstance(self._test, Cases):
            self._test.run(_make_node, coverage)
            return
        got = self._test.run(_make_node, coverage)
        if self.config.getoption("--l7proxy-golden-update"):
            self._test.update(got)
        found = self._test.differences(got, "--l7proxy-golden-update")
        if found:
            raise Different(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from l7proxy.tools.golden import LEGEND
        from l7proxy.tools.printable import printable_lines

        error = excinfo.value
        if isinstance(error, Different):
            return printable_lines(f"{error}({LEGEND})")
        text = _sentences(error, self._test.config)
        return super().repr_failure(excinfo, style) if text is None else text

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class CaseItem(ConversationItem):
    """One case of a file."""

    def __init__(self, *, run: _SharedRun, number: int, **given: Any) -> None:
        super().__init__(**given)
        self._run = run
        self._number = number

    def runtest(self) -> None:
        found = self._run.failures().get(self._number)
        if found is not None:
            raise Different(found)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._number - 1, self.name


def _sentences(error: BaseException, config: object) -> str | None:
    """Returns what to say of a case or a configuration that can't be used; None of other errors.

    `config` is where the configuration is.
    """
    from l7proxy.core.config import ConfigError
    from l7proxy.tools.golden import BadCase
    from l7proxy.tools.printable import printable, printable_lines

    if isinstance(error, BadCase):
        return printable_lines(str(error))
    if isinstance(error, ConfigError):
        return "\n".join(printable(f"{config}: {problem}") for problem in error.problems)
    return None


class Different(Exception):
    """The replies are not those expected; the text is the diff."""


_TALKING_NODE = pytest.StashKey[TalkingNode]()
_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()


def _talking_node(config: pytest.Config) -> TalkingNode:
    return config.stash.setdefault(_TALKING_NODE, TalkingNode(config))


def _coverage(config: pytest.Config) -> Coverage:
    if _COVERAGE not in config.stash:
        from l7proxy.tools.coverage import Coverage

        config.stash[_COVERAGE] = Coverage()
    return config.stash[_COVERAGE]


def _refuse_unknown(body: Mapping[str, Any], envelope: Mapping[str, Any] | None) -> None:
    """Raises TypeError for a keyword that a request has no use for, which a node would ignore."""
    __tracebackhide__ = True
    if envelope is not None and body:
        raise TypeError("send() takes an envelope or the members of a body, not both")
    if body.get("type", "http_request") != "http_request":
        return
    from l7proxy.core.config.problems import suggestion
    from l7proxy.envelope.request import MEMBERS

    for name in body:
        if name not in MEMBERS:
            near = suggestion(name, MEMBERS)
            raise TypeError(f'send() knows no member "{name}" of an http_request{near}')


def _as_written(marker: pytest.Mark) -> str:
    arguments = [*map(repr, marker.args)]
    arguments += [f"{key}={value!r}" for key, value in marker.kwargs.items()]
    return f"l7proxy({', '.join(arguments)})"


def _percentage(text: str) -> float:
    from l7proxy.tools.arguments import percentage

    return percentage(text)


def _is_too_little(config: pytest.Config) -> bool:
    minimum = config.getoption("--l7proxy-fail-under")
    return (
        minimum is not None
        and _COVERAGE in config.stash
        and (config.stash[_COVERAGE].percent < minimum)
    )


def _is_used(config: pytest.Config) -> bool:
    """Returns whether the project says that it has configurations of l7proxy to test."""
    return bool(config.getoption("--l7proxy-config") or config.getini("l7proxy_config"))


def _default_config(config: pytest.Config) -> Path:
    """Returns the option, else the setting, else the file that the node runs with by default."""
    option = config.getoption("--l7proxy-config")
    if option:
        return config.invocation_params.dir / str(option)
    setting = config.getini("l7proxy_config")
    if setting:
        return config.rootpath / str(setting)
    from l7proxy.files import default_config_file

    return Path(default_config_file())


def _make_node(
    config: Config,
    on_exchange: Callable[[Exchange], None],
    on_configured: Callable[[Proxy], None],
    seed: int = 0,
) -> RecordingNode:
    from random import Random

    from l7proxy.files import read_secret
    from l7proxy.node.replay_node import RecordingNode

    return RecordingNode(
        config, Random(seed), print, on_exchange, on_configured=on_configured, secrets=read_secret
    )
