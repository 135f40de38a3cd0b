"""README, tutorial and site: commands run as written, options exist, links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from core.__main__ import app
from core.evaluation.metrics import metrics_of
from core.networks.bundle import Bundle

from .conftest import ROOT
from .shell import said

DOCS = ROOT / "docs"
WALKED = (ROOT / "README.md", DOCS / "tutorial" / "index.md")  # what a test runs from top to bottom
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
BY_A_BUILD = re.compile(r"reference/(command-line|python|recipes|methods|rooms)\.md$")
WRITTEN = [page for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))) if not BY_A_BUILD.search(page.as_posix())]


def commands_of(page: Path, *languages: str) -> list[list[str]]:
    """Return the words of every `stagelens` line in a page's code blocks, without what stands behind a #."""
    blocks = [body for _, language, body in FENCE.findall(page.read_text(encoding="utf-8"))
              if not languages or language in languages]  # fmt: skip
    lines = (line.strip() for block in blocks for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line.startswith("stagelens ")]


def verbs() -> dict[str, set[str]]:
    """Return every verb with its options."""
    group = typer.main.get_command(app)
    return {name: {word for one in verb.params for word in (*one.opts, *one.secondary_opts) if word.startswith("-")}
            for name, verb in group.commands.items()}  # type: ignore[attr-defined]  # fmt: skip


def test_every_verb_is_shown_at_work_and_every_word_of_it_exists() -> None:
    known, shown = verbs(), set()
    for page in WRITTEN:
        for _, verb, *words in commands_of(page):
            assert verb in known, f"{page.name}: there is no verb {verb}"
            shown.add(verb)
            for word in words:
                if word.startswith("--") and word != "--help":
                    assert word.partition("=")[0] in known[verb], f"{page.name}: {verb} has no {word}"
    assert shown == set(known)


def test_the_readme_is_short_and_every_link_between_pages_leads_somewhere() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
    for page in (*WRITTEN, ROOT / "CONTRIBUTING.md"):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            assert path.exists() or BY_A_BUILD.search(path.as_posix()), f"{page.name}: there is no {target}"


def test_documents_use_the_fields_words() -> None:
    """The left-hand column of our list of terms, as far as a word alone is wrong whatever its sentence."""
    ours = (
        "certify", "nevertheless", "known-answer", "known answers", "by heart", "drawn by lot", "foreign", "invented",
        "commissures", "strangers", "by person", "not ruled out", "held against", "false alarms",
    )  # fmt: skip
    for page in WRITTEN:
        text = " ".join(page.read_text(encoding="utf-8").lower().split())
        assert [word for word in ours if word in text] == [], page.name


def test_the_drawing_of_the_rooms_is_what_the_imports_are() -> None:
    done = python("-m", "docs.rooms", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_reference_is_written_without_a_network_library() -> None:
    code = (
        "import sys, docs.reference_pages as pages;"
        "found = [len('\\n'.join(page())) for page in pages.PAGES.values()];"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')) or min(found) < 1000)"
    )
    done = python("-c", code, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def typed(command: str, folder: Path) -> str:
    """Run a command as a process of its own and return what it put out."""
    done = python("-m", "core", *shlex.split(command)[1:], cwd=folder)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "absl" not in done.stderr
    return done.stdout


def here(command: str, folder: Path) -> str:
    """Run a command in this process."""
    return said(folder, command.removeprefix("stagelens "))


@pytest.mark.slow
def test_every_command_of_readme_and_tutorial_runs_as_written_and_in_order(tmp_path: Path) -> None:
    """Both begin alike: commands that stand in both, up to the first that does not, run once.

    Those that load a network for the first time are processes of their own, to see that nothing else speaks there.
    """
    answers: dict[str, str] = {}
    for page in WALKED:
        answer = ""
        assert commands_of(page, "sh")[0] == ["stagelens", "sample-cohort", "sample"]
        for _, language, body in FENCE.findall(page.read_text(encoding="utf-8")):
            for line in body.splitlines():
                if language == "text":
                    assert " ".join(line.removesuffix("…").split()) in answer, f"{page.name} shows {line}"
                elif language == "sh" and line.startswith("stagelens "):
                    command = line.partition(" #")[0].strip()
                    if command not in answers:
                        if page != WALKED[0]:
                            answers.clear()  # what follows may come out differently after this one
                        run = typed if command.split()[1] in {"train", "predict"} else here
                        answers[command] = " ".join(run(command, tmp_path).split())
                    answer = answers[command]
        made = {path.name for path in tmp_path.iterdir()}
        assert made >= {"files.csv", "split.csv", "leakage.html", "report.html", "card.html", "pictures"}


@pytest.mark.slow
def test_the_site_builds_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    assert python("-m", "docs.reference_pages", cwd=ROOT).returncode == 0
    done = python("-m", "zensical", "build", "--clean", "--strict", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    built = [page.read_text(encoding="utf-8") for page in (ROOT / "site").rglob("*.html")]
    assert len(built) > 30
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="?(?:https?:)?//')
    assert not any(loaded.search(page) for page in built)


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with this checkout in front, in a workspace of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_lines_that_check_a_bundle_elsewhere_find_its_figures_by_subject(
    tiny_bundle: Bundle, slice_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python of docs/models.md: ONNX Runtime, Pillow, pandas and scikit-learn on a bundle that was exported."""
    pytest.importorskip("tf2onnx", reason="ONNX is written with TensorFlow only")
    pytest.importorskip("onnxruntime", reason="there is no wheel for this Python")
    from core.cohorts import audit_folder, split_by_subject
    from core.networks.inference.loading import load_predictor
    from core.networks.subset import load_subset
    from core.workflows.calibrate import scored_subset
    from core.workflows.export import export_bundle

    split = split_by_subject(audit_folder(slice_cohort).table, seed=1)
    split.to_csv(tmp_path / "by_subject.csv", index=False)
    (exported,) = export_bundle(tiny_bundle, tmp_path / "export", ["onnx"])
    exported.rename(exported.with_name("alzheimer_resnet50_small.onnx"))
    monkeypatch.chdir(tmp_path)
    (lines,) = (body for _, language, body in FENCE.findall((DOCS / "models.md").read_text(encoding="utf-8"))
                if language == "python" and "onnxruntime" in body)  # fmt: skip
    assert not re.search(r"stagelens|\bcore\b", lines)
    printed = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True).stdout.split()
    test = load_subset(split, "test", tiny_bundle.recipe)
    logits = load_predictor(tiny_bundle).logits_of(test.scans.astype(np.float32))
    _, by_subject = metrics_of(scored_subset(test, logits, tiny_bundle.recipe))
    expected = [by_subject[name].value for name in ("accuracy", "auc_impaired")]
    assert [float(value) for value in printed] == pytest.approx(expected, abs=1e-6)
