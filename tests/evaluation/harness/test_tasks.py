"""Task files run no code unless they are trusted, and their data are local files that are watched."""

import pytest

from evaluation.harness.errors import TaskError
from evaluation.harness.settings import HarnessSettings
from evaluation.harness.tasks import read_groups, read_tasks

PLAIN = "task: plain\ndataset_path: json\ndataset_kwargs: {data_files: {test: docs.jsonl}}\ntest_split: test\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "docs.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "outside.jsonl").write_text("{}\n")
    return tmp_path / "tasks"


def read(folder, **settings):
    return read_tasks(folder, HarnessSettings("tasks", str(folder), **settings))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("doc_to_text: !function helpers.text", "!function helpers.text"),
        ("metric_list: [{metric: !function helpers.text}]", "!function helpers.text"),
        ("class: !function helpers.text", "!function helpers.text"),
        ("metadata: {!function helpers.text : 1}", "!function helpers.text"),
        ("metadata: {? {a: [!function helpers.text]} : 1}", "!function helpers.text"),
        ("custom_dataset: x", "custom_dataset: x"),
        ("use_prompt: promptsource:x", "use_prompt: promptsource:x"),
        ("unsafe_code: true", "unsafe_code: true"),
        ("metric_list: [{metric: bleurt, hf_evaluate: on}]", "hf_evaluate: on"),
    ],
)
def test_code_is_refused_with_its_line_and_the_setting(folder, line, said):
    (folder / "helpers.py").write_text("raise SystemExit('this ran')\n")
    (folder / "plain.yaml").write_text(PLAIN + line + "\n")
    with pytest.raises(TaskError) as refused:
        read(folder)
    assert f"plain.yaml:5: {said} runs code" in str(refused.value) and "trust_code: true" in str(refused.value)


def test_remote_code_of_a_dataset_is_refused_and_saying_no_is_not(folder):
    task = folder / "plain.yaml"
    task.write_text(PLAIN.replace("{data_files", "{trust_remote_code: true, data_files"))
    with pytest.raises(TaskError, match=r"plain.yaml:3: trust_remote_code: true runs code"):
        read(folder)
    task.write_text(PLAIN.replace("{data_files", "{trust_remote_code: false, data_files") + "unsafe_code: false\n")
    assert list(read(folder)) == ["plain"]


def test_code_in_what_is_included_is_refused_too(folder):
    (folder / "base").write_text("doc_to_text: !function helpers.text\n")
    (folder / "plain.yaml").write_text(PLAIN + "include: base\n")
    with pytest.raises(TaskError, match=r"base:1: !function helpers.text runs code"):
        read(folder)


def test_what_holds_itself_is_read_once(folder):
    (folder / "plain.yaml").write_text(PLAIN + "metadata: &all {own: *all}\n")
    assert list(read(folder)) == ["plain"]


@pytest.mark.parametrize("said", ["null", "5", "[{a: 1}]"])
def test_an_include_that_names_no_file_says_so(folder, said):
    (folder / "plain.yaml").write_text(PLAIN + f"include: {said}\n")
    with pytest.raises(TaskError, match=r"plain\.yaml: include: .* name a file"):
        read(folder)


@pytest.mark.parametrize("data", ["{data_files: {test: '*.jsonl'}}", "{data_dir: '.'}"])
def test_no_link_leads_out_of_the_folder(folder, data):
    (folder / "plain.yaml").write_text(PLAIN.replace("{data_files: {test: docs.jsonl}}", data))
    assert list(read(folder)) == ["plain"]
    (folder / "more.jsonl").symlink_to(folder.parent / "outside.jsonl")
    with pytest.raises(TaskError, match=r"more\.jsonl is a link out of"):
        read(folder)


def test_other_objects_of_python_are_no_yaml_here_trusted_or_not(folder):
    (folder / "plain.yaml").write_text(PLAIN + "doc_to_text: !!python/object/apply:os.getcwd []\n")
    for trusted in (False, True):
        with pytest.raises(TaskError, match="not valid YAML"):
            read(folder, trust_code=trusted)


def test_trusted_code_is_found_beside_its_file(folder):
    (folder / "helpers.py").write_text("def text(doc):\n    return f'a is {doc}'\n")
    (folder / "plain.yaml").write_text(PLAIN + "doc_to_text: !function helpers.text\n")
    assert read(folder, trust_code=True)["plain"]["doc_to_text"](1) == "a is 1"
    (folder / "plain.yaml").write_text(PLAIN + "doc_to_text: !function helpers.missing\n")
    with pytest.raises(TaskError, match=r"helpers\.py has no missing"):
        read(folder, trust_code=True)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("dataset_path: json", "dataset_path: cais/mmlu", "'cais/mmlu' would be fetched"),
        ("docs.jsonl", "https://example.org/x.jsonl", "not within"),
        ("docs.jsonl", "../outside.jsonl", "not within"),
        ("docs.jsonl", "missing.jsonl", "there are no data"),
        ("dataset_kwargs: {data_files: {test: docs.jsonl}}\n", "", "would be fetched"),
        ("test_split: test", "class: somewhere.Task", "a class of Python is not asked"),
    ],
)
def test_data_are_files_of_the_folder(folder, before, after, said):
    (folder / "plain.yaml").write_text(PLAIN.replace(before, after))
    with pytest.raises(TaskError, match=said):
        read(folder)


def test_includes_groups_and_names(folder):
    (folder / "base").write_text("test_split: other\ndoc_to_text: from the base\n")
    (folder / "plain.yaml").write_text(PLAIN + "include: base\n")
    (folder / "second.yml").write_text(PLAIN.replace("task: plain", "task: second"))
    (folder / "group.yaml").write_text("group: all\ntask: [plain, second]\n")
    found = read(folder)
    assert list(found) == ["plain", "second"] and list(read(folder, tasks=("second",))) == ["second"]
    assert found["plain"]["test_split"] == "test" and found["plain"]["doc_to_text"] == "from the base"
    assert found["plain"]["dataset_kwargs"]["data_files"]["test"] == str(folder / "docs.jsonl")
    assert list(read(folder / "second.yml")) == ["second"]
    with pytest.raises(TaskError, match="there is no task 'third'; there are: plain, second"):
        read(folder, tasks=("third",))
    (folder / "again.yaml").write_text(PLAIN)
    with pytest.raises(TaskError, match=r"the task 'plain' stands in .*again\.yaml too"):
        read(folder)


def test_a_circle_of_includes_and_an_empty_folder_say_so(folder, tmp_path):
    (folder / "plain.yaml").write_text(PLAIN + "include: base\n")
    (folder / "base").write_text("include: plain.yaml\n")
    with pytest.raises(TaskError, match="includes itself"):
        read(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskError, match="no task files there"):
        read(tmp_path / "empty")


@pytest.mark.parametrize("name", ["plain", "many"])
def test_a_group_has_a_name_of_its_own(folder, name):
    """Two scores under one name would be refused when all was asked and answered."""
    (folder / "plain.yaml").write_text(PLAIN)
    for file in ("one.yaml", "other.yaml"):
        (folder / file).write_text(f"group: {name}\ntask: [plain]\n")
    with pytest.raises(TaskError, match=rf"the group '{name}' has a name that stands in .*yaml too: rename one"):
        read(folder)


GROUP = "group: {}\ntask: [{}]\naggregate_metric_list: [{{metric: acc, aggregation: mean, weight_by_size: {}}}]\n"


def grouped(folder, tasks=("plain", "second", "third")):
    return read_groups(folder, HarnessSettings("tasks", str(folder)), tasks)


def test_groups_hold_tasks_tags_and_groups(folder):
    for name, more in (("plain", ""), ("second", "tag: few\n"), ("third", "tag: [few, odd]\n")):
        (folder / f"{name}.yaml").write_text(PLAIN.replace("task: plain", f"task: {name}") + more)
    (folder / "few.yaml").write_text(GROUP.format("some", "few", "false"))
    (folder / "all.yaml").write_text(GROUP.format("all", "plain, some", "true"))
    (folder / "unscored.yaml").write_text("group: unscored\ntask: [plain, nowhere]\n")
    found = {group.name: (tuple(group.tasks), group.metrics) for group in grouped(folder)}
    assert found == {
        "some": (("second", "third"), {"acc": False}),
        "all": (("plain", "second", "third"), {"acc": True}),
    }
    assert list(read(folder, tasks=("some",))) == ["second", "third"], "its name stands for its tasks"
    assert [group.name for group in grouped(folder, ("second", "third"))] == ["some"], "not where a task was not asked"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GROUP.format("all", "plain, nowhere", "true"),
            r"all\.yaml: the group 'all' names 'nowhere', which is no task, tag or group",
        ),
        (GROUP.format("all", "plain, all", "true"), r"all\.yaml: the group 'all' holds itself"),
        (GROUP.format("all", "{task: plain}", "true"), r"all\.yaml: the group 'all' names \{'task': 'plain'\}"),
        (
            GROUP.format("all", "plain", "true").replace("mean", "median"),
            r"all\.yaml: aggregation: median: the score of a group is a mean",
        ),
    ],
)
def test_a_group_that_cannot_be_scored_says_so(folder, text, said):
    (folder / "plain.yaml").write_text(PLAIN)
    (folder / "all.yaml").write_text(text)
    with pytest.raises(TaskError, match=said):
        grouped(folder)
