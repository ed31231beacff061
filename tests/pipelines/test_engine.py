"""A stage runs when what it is made from changed in content, and at no other time; cut anywhere, it mends itself."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

import pipelines.engine
import pipelines.measuring
from pipelines.commits import Books, Commit, CommitConflict
from pipelines.engine import reasons, run_node
from pipelines.inputs import MissingInput
from pipelines.stages import Run
from pipelines.store import Store
from pipelines.terminal import TerminalWatcher
from pipelines.watching import Nobody, watched_by
from records import Outcome
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import House, InProcess, LeastSettings, ScaleSettings

ALL = {"lines", "lengths", "long_lines", "report", "board"}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(pipelines.measuring, "ProcessPoolExecutor", InProcess)
    made = House(tmp_path / "house")
    made.write("a", "one", "three", "fifteen")
    made.write("b", "three", "!bad", "seventeen")
    yield made
    toy_stages.calls.clear()
    toy_stages.meanwhile.clear()
    toy_stages.outside_world["board"] = []


def test_a_second_run_returns_at_once(house: House) -> None:
    first = house.run()
    assert {name for name, ran in first.items() if ran.computed} == ALL
    toy_stages.calls.clear()
    again = house.run()
    assert {name for name, ran in again.items() if ran.computed} == set()
    assert toy_stages.calls == ["board"], "what stands in the world is looked at"
    assert [ran.commits["lines"] for ran in (first["lines"], again["lines"])] == [
        house.workspace.store.head("lines")
    ] * 2
    assert all(ran.seconds == 0 for name, ran in again.items() if name != "board")


def touched(house: House) -> None:
    path = house.root / "raw" / "a"
    path.write_text(path.read_text())


EDITS: dict[str, tuple[Callable[[House], object], set[str]]] = {
    "a touched file": (touched, set()),
    "a copy of a file": (lambda house: house.write("c", "one", "three", "fifteen"), {"lines", "lengths", "long_lines"}),
    "a file that is renamed": (
        lambda house: (house.root / "raw/a").rename(house.root / "raw/z"),
        {"lines", "lengths", "long_lines"},
    ),
    "a line that does not survive": (
        lambda house: house.write("a", "two", "three", "fifteen"),
        {"lines", "lengths", "long_lines"},
    ),
    "a line that survives": (lambda house: house.write("a", "one", "three", "sixteen"), ALL),
    "a rejected line": (
        lambda house: house.write("b", "three", "!worse", "seventeen"),
        {"lines", "lengths", "long_lines"},
    ),
    "a file that goes": (lambda house: house.remove("b"), ALL),
    "a threshold": (lambda house: house.settings.update(deciding=LeastSettings(6)), {"long_lines", "report", "board"}),
    "a threshold without effect": (lambda house: house.settings.update(deciding=LeastSettings(5)), {"long_lines"}),
    "a setting of the measure": (
        lambda house: house.settings.update(scaling=ScaleSettings(2)),
        {"lengths", "long_lines", "report", "board"},
    ),
    "a runtime setting": (lambda house: house.settings.update(scaling=ScaleSettings(threads=9)), set()),
    "the fold's code": (lambda house: house.revise("lines", code_version="2"), {"lines"}),
    "the measure's code": (lambda house: house.revise("lengths", code_version="2"), {"lengths"}),
    "the stage's code": (lambda house: house.revise("long_lines", code_version="2"), {"long_lines"}),
    "the code of a recorded stage": (lambda house: house.revise("report", code_version="2"), {"report", "board"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_changed_runs_and_what_is_equal_stops_there(house: House, edit: str) -> None:
    house.run()
    act, expected = EDITS[edit]
    act(house)
    assert house.computed() == expected
    assert house.computed() == set()


def test_a_library_s_version_counts_for_the_stages_that_name_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.revise("long_lines", uses=("python",))
    house.run()
    version = pipelines.engine._version
    monkeypatch.setattr(pipelines.engine, "_version", lambda name: "999" if name == "polars" else version(name))
    assert house.computed() == {"lengths"}
    monkeypatch.setattr(pipelines.engine.platform, "python_version_tuple", lambda: ("3", "99", "0"))
    assert house.computed() == {"long_lines"}


def test_the_commit_says_what_the_table_is_made_from(house: House) -> None:
    house.run()
    store = house.workspace.store
    head = store.head("long_lines")
    assert head is not None
    versions = house.versions()
    assert head.inputs["lines"] == versions["lines"] and head.inputs["lengths"] == versions["lengths"]
    assert set(head.inputs) == {"lines", "lengths", "settings_deciding"}
    assert head.settings == {"deciding": {"least": 4}}
    assert (head.code_version, head.notes, head.checks) == ("1", {"longest": 7}, {"sound": ""})
    measured = store.head("lengths")
    assert measured is not None and measured.settings == {"scaling": {"scale": 1}}


def test_it_goes_back_to_a_version_without_forgetting(house: House) -> None:
    """A threshold that is set and taken back leaves the tables as they were."""
    house.run()
    before = house.versions()
    house.settings.update(deciding=LeastSettings(6))
    house.run()
    house.settings.clear()
    house.run()
    assert house.versions() == before


def test_the_books(house: House) -> None:
    house.write("c", "one", "raise", "three")
    house.run()
    store = house.workspace.store
    books = {name: head.books for name in store.tables() if (head := store.head(name))}
    assert books["lines"] == books["rejects"] == Books("files", 3, 3)
    assert books["lengths"] == Books("contents", 5, 4, {}, {"ValueError": 1})
    assert books["long_lines"] == Books("lines", 8, 3, {"copy": 2, "short": 2}, {"not measured": 1})
    assert all(each is not None and each.missing == 0 for each in books.values())


def test_a_stage_that_loses_a_record_is_seen_in_its_books(house: House) -> None:
    function = toy_stages.long_lines.function

    def losing(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: LeastSettings) -> Outcome:
        outcome: Outcome = function(lines, lengths, settings)
        return replace(outcome, dropped={"copy": 1})

    house.revise("long_lines", function=losing)
    house.run("lines", "lengths")
    head = house.run("long_lines")["long_lines"].commits["long_lines"]
    assert head.books is not None and head.books.missing == 1
    with pytest.raises(MissingInput, match=r"long_lines did not pass its checks \(accounted: 1 lines are in no book\)"):
        house.run("report")
    graph, workspace = house.graph, house.workspace
    assert reasons(graph.nodes["long_lines"], graph, workspace, {}) == ["check accounted: 1 lines are in no book"]
    house.revise("long_lines", function=function)
    assert {"long_lines", "report"} <= house.computed(), "a fault is not remembered as a result"


def test_nothing_is_made_of_a_table_whose_own_check_failed(house: House) -> None:
    def unsound(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: LeastSettings) -> Outcome:
        return replace(toy_stages.long_lines.function(lines, lengths, settings), checks={"sound": "it is not"})

    house.revise("long_lines", function=unsound)
    with pytest.raises(MissingInput, match="sound: it is not"):
        house.run()
    assert house.workspace.store.head("report") is None


def test_force_computes_again_and_compares(house: House) -> None:
    first = house.run()
    toy_stages.calls.clear()
    again = house.run(force=True)
    assert toy_stages.calls == ["lines", "long_lines", "report", "board"]
    assert all(ran.computed and not ran.unequal for name, ran in again.items() if name != "board")
    assert again["lengths"].commits["lengths"].notes == {"measured": 4}, "also what is already measured"
    assert {name: ran.commits[name].version for name, ran in again.items()} == {
        name: ran.commits[name].version for name, ran in first.items()
    }
    assert house.computed() == set()


def test_force_says_when_the_answer_is_another(house: House) -> None:
    numbers = itertools.count()
    house.revise("long_lines", function=_counting(numbers), counts="")
    assert not house.run()["long_lines"].unequal
    assert house.run(force=True)["long_lines"].unequal
    house.write("a", "entirely", "new")
    assert not house.run()["long_lines"].unequal, "from other inputs it may be"


def _counting(numbers: Iterator[int]) -> Callable[..., pl.DataFrame]:
    def unsteady(lines: pl.LazyFrame) -> pl.DataFrame:
        return pl.DataFrame({"content_digest": [str(next(numbers))], "file": ["f"], "text": ["t"]})

    return unsteady


def test_a_recorded_table_is_named_by_its_recipe(house: House) -> None:
    ran = house.run()["report"]
    assert ran.commits["report"].version == ran.commits["report"].key
    assert house.run(force=True)["report"].commits["report"].version == ran.commits["report"].key


def test_what_a_stage_made_beside_its_table_and_is_gone_is_made_again(house: House) -> None:
    head = house.run()["report"].commits["report"]
    file = house.workspace.state / "store" / head.notes["folder"] / "report.txt"
    file.unlink()
    file.parent.rmdir()
    assert "its files are gone" in reasons(house.graph.nodes["report"], house.graph, house.workspace, {})[0]
    assert house.computed() == {"report"}
    assert file.is_file()


def test_what_changed_in_the_world_is_seen_though_the_key_is_the_same(house: House) -> None:
    house.run()
    toy_stages.outside_world["board"] = ["someone was here"]
    assert house.computed() == {"board"}
    assert house.rows("board") == [{"notice": "someone was here"}]
    assert house.computed() == set()


def test_why_a_node_is_out_of_date_is_said_in_words(house: House) -> None:
    def why(name: str) -> list[str]:
        return reasons(house.graph.nodes[name], house.graph, house.workspace, {})

    assert why("lines") == ["never made"]
    house.run()
    assert [why(name) for name in ALL] == [[]] * len(ALL)
    house.write("a", "new")
    house.settings.update(deciding=LeastSettings(6))
    house.revise("long_lines", code_version="2")
    assert why("lines") == ["notes changed"]
    assert why("long_lines") == ["settings_deciding changed", "code version 1 → 2"]
    assert why("report") == []


def test_a_missing_table_is_named_with_the_mend(house: House) -> None:
    with pytest.raises(MissingInput, match="table lines does not exist yet; `headwater run lines` makes it"):
        house.run("long_lines")


class Ends(Nobody):
    """Keeps which stages ended, and how."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failed: list[str] = []

    def ended(self, node: str, failed: bool = False) -> None:
        (self.failed if failed else self.done).append(node)


def test_a_stage_that_fails_leaves_the_old_table(house: House) -> None:
    house.run()
    before = house.versions()

    def broken(lines: pl.LazyFrame) -> pl.DataFrame:
        raise OSError("no space left")

    house.write("a", "something else")
    house.revise("long_lines", function=broken)
    seen = Ends()
    with watched_by(seen), pytest.raises(OSError, match="no space left"):
        house.run()
    assert seen.failed == ["long_lines"] and "lines" in seen.done
    assert house.versions()["long_lines"] == before["long_lines"]
    house.revise("long_lines", function=toy_stages.long_lines.function)
    assert {"long_lines", "report"} <= house.computed()


def another_writer(house: House, table: str, key: str = "content_digest") -> Callable[[], Commit]:
    def write() -> Commit:
        store = house.workspace.store
        head = store.head(table)
        rows = (
            store.scan(table).collect()
            if head
            else pl.DataFrame({"content_digest": ["x"], "file": ["f"], "text": ["t"]})
        )
        draft = Commit(table, f"another {head.number if head else None}", "another", {}, {}, "1", "", "", 0, "", 0, 0)
        return store.replace(rows.head(1), draft, head, (key,))

    return write


@pytest.mark.parametrize("first", [True, False])
def test_the_loser_of_two_writers_starts_again(house: House, first: bool) -> None:
    if not first:
        house.run()
        house.write("a", "entirely", "new")
        toy_stages.calls.clear()
    toy_stages.meanwhile["long_lines"] = [another_writer(house, "long_lines")]
    house.run()
    assert toy_stages.calls.count("long_lines") == 2
    fresh = House(house.root.parent / "fresh")
    for path in (house.root / "raw").iterdir():
        fresh.write(path.name, path.read_text())
    fresh.run()
    assert house.rows("long_lines") == fresh.rows("long_lines")
    assert house.computed() == set()


def test_who_loses_three_times_gives_up(house: House) -> None:
    function = toy_stages.long_lines.function

    def always_late(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: LeastSettings) -> Outcome:
        another_writer(house, "long_lines")()
        outcome: Outcome = function(lines, lengths, settings)
        return outcome

    house.revise("long_lines", function=always_late)
    screen = io.StringIO()
    watcher = TerminalWatcher(Console(file=screen, width=200), house.workspace)
    with watched_by(watcher), pytest.raises(CommitConflict, match="long_lines"):
        house.run()
    assert toy_stages.calls.count("long_lines") == 3
    said = screen.getvalue()
    assert said.count("↻ long_lines begins again: table long_lines was") == 2 and said.count("✗") == 1


def test_what_is_made_anew_says_which_setting_or_code_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(force: bool = False) -> list[str]:
        screen = io.StringIO()
        with watched_by(TerminalWatcher(Console(file=screen, width=40), house.workspace)):
            house.run(force=force)
        return [line.strip() for line in screen.getvalue().splitlines() if " anew: " in line]

    assert said() == [], "nothing was there"
    house.write("c", "a line that is long enough to stay")
    assert said() == said(force=True) == [], "only inputs moved"
    house.settings.update(scaling=ScaleSettings(2), deciding=LeastSettings(6))
    assert said() == ["lengths anew: scaling.scale changed", "long_lines anew: deciding.least changed"]
    house.settings.update(scaling=ScaleSettings(2, threads=2))
    house.revise("report", code_version="2")
    assert said() == ["report anew: code version 1 → 2"]
    monkeypatch.setattr(pipelines.engine, "version_of", lambda name: "0")
    house.write("d", "another line that is long enough to stay")
    assert said() == ["lengths anew: another version of polars"]


def test_what_programs_have_done_stays_until_it_is_committed(house: House) -> None:
    """What a model said was paid for: the commit may fail, or the process be killed before it."""
    function, seen, parts = toy_stages.report.function, list[bool](), list[Path]()

    def with_parts(long_lines: pl.DataFrame, run: Run) -> Outcome:
        seen.append(run.parts.exists())
        parts.append(run.parts)
        run.parts.mkdir(parents=True, exist_ok=True)
        if len(seen) == 1:
            another_writer(house, "report", "name")()
        outcome: Outcome = function(long_lines, run)
        return outcome

    house.run()
    house.write("a", "one", "three", "sixteen")
    house.revise("report", function=with_parts)
    house.run()
    assert seen == [False, True] and not parts[0].exists()


def test_two_at_the_same_work_the_second_takes_what_the_first_made(house: House) -> None:
    def other_run() -> None:
        house.run("long_lines")

    house.run("lines", "lengths")
    toy_stages.meanwhile["long_lines"] = [other_run]
    ran = house.run("long_lines")["long_lines"]
    assert not ran.computed
    assert toy_stages.calls.count("long_lines") == 2


def test_inputs_are_pinned_when_a_stage_starts(house: House) -> None:
    """Tables that move while a stage reads them do not show in what it makes."""
    house.run("lines", "lengths")
    pinned = house.versions()["lines"]

    def move() -> None:
        house.write("a", "an entirely new line")
        house.run("lines")

    toy_stages.meanwhile["long_lines"] = [move]
    ran = house.run("long_lines")["long_lines"]
    assert ran.commits["long_lines"].inputs["lines"] == pinned != house.versions()["lines"]
    assert {row["text"] for row in house.rows("long_lines")} == {"three", "fifteen", "seventeen"}
    assert "long_lines" in house.computed()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("method", ["replace", "change"])
def test_a_crash_between_two_commits_is_mended_by_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch, first: bool, method: str
) -> None:
    """File c has rows in both tables: what stands in the one that was committed must not count as seen."""
    if not first:
        house.run()
    house.write("c", "a line in the one table", "!and one in the other")
    house.remove("b")
    if method == "replace":
        house.revise("lines", code_version="2")
    commit = getattr(Store, method if not first else "replace")

    def killed(store: Store, what: object, draft: Commit, *rest: object) -> Commit:
        if draft.table == "lines":
            raise KeyboardInterrupt
        made: Commit = commit(store, what, draft, *rest)
        return made

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, commit.__name__, killed)
        house.run()
    assert house.workspace.store.head("rejects") is not None
    house.run()
    fresh = House(house.root.parent / "fresh")
    fresh.write("a", "one", "three", "fifteen")
    fresh.write("c", "a line in the one table", "!and one in the other")
    fresh.run()
    assert house.rows("lines") == fresh.rows("lines") and house.rows("rejects") == fresh.rows("rejects")
    assert house.computed() == set()


def test_one_look_at_a_source_serves_a_whole_run(house: House) -> None:
    graph, workspace, seen = house.graph, house.workspace, {}
    for node in graph.stages():
        run_node(node, graph, workspace, seen)
        house.write("a", f"changed while {node.name} was done")
    assert len(house.rows("lines")) == 5
