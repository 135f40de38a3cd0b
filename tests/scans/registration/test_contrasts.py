"""Only a plain T1 scan of a human head gets an answer: by what its file says, its values, and how its tissues look."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import NoHead
from core.scans import Scan
from core.scans.contrast.acquisition import Acquisition
from core.scans.contrast.file_says import doubts_of_file, why_refused_by_file
from core.scans.registration import standard_space
from core.scans.registration.standard_space import StandardHead, to_standard_space
from core.scans.registration.template import ICBM_TO_TALAIRACH, template
from core.scans.registration.tissues import FLUID_OVER_GREY, WHITE_OVER_GREY, tissues_of

from .. import heads

EMPTY = Scan(np.zeros((20, 20, 20), np.float32), (0, 1), "scan-0", "made", (1.0,) * 3, "RAS", affine=np.eye(4))


def volume(seen: heads.Moved) -> Scan:
    return replace(EMPTY, voxels=seen.voxels, affine=seen.affine, modality="MR")


def ct() -> Scan:
    seen = heads.scanned(heads.contrast_head("CT") / 1000, 3, noise=0.01, bias=0.0)
    return replace(volume(seen), voxels=seen.voxels - 1000, modality=None)


def never(*_: object) -> None:
    raise AssertionError("a scan was registered that can be refused at once")


MADE = {
    "T2-weighted": {"sequence": ("SE",), "echo_ms": 95.0, "repetition_ms": 5000.0},
    "weighted by T2\\*": {"sequence": ("GR",), "echo_ms": 25.0},
    "proton density": {"sequence": ("SE",), "echo_ms": 14.0, "repetition_ms": 2800.0},
    "a FLAIR": {"echo_ms": 120.0, "repetition_ms": 9000.0, "inversion_ms": 2500.0},
    "a STIR": {"echo_ms": 60.0, "repetition_ms": 4000.0, "inversion_ms": 150.0},
    "echo-planar": {"sequence": ("EP",), "echo_ms": 30.0},
    "an angiogram": {"angiography": True},
    "a map of diffusion": {"image_type": ("DERIVED", "PRIMARY", "ADC")},
    "an animal": {"species": "other"},
    "another part of the body \\(KNEE\\)": {"body_part": "KNEE"},
}


@pytest.mark.parametrize("said", MADE)
def test_what_the_file_calls_no_plain_t1_head_is_refused_at_once(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_space, "register_to_template", never)
    scan = replace(EMPTY, acquisition=Acquisition(**MADE[said]))  # type: ignore[arg-type]
    with pytest.raises(NoHead, match=said):
        to_standard_space(scan)


def test_a_ct_is_refused_at_once_by_its_modality_and_by_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_space, "register_to_template", never)
    with pytest.raises(NoHead, match="the file says that this is a CT"):
        to_standard_space(replace(EMPTY, modality="CT"))
    with pytest.raises(NoHead, match="by its values this is a CT"):
        to_standard_space(ct())


@pytest.mark.parametrize("made", [None, Acquisition(), Acquisition(sequence=("GR",), echo_ms=3.0, body_part="BRAIN")])
def test_a_file_that_says_nothing_against_it_is_not_refused(made: Acquisition | None) -> None:
    scan = replace(EMPTY, voxels=heads.head(skull=False), modality="MR", acquisition=made)
    assert why_refused_by_file(scan) == ""
    assert doubts_of_file(scan) == ()


def test_a_contrast_agent_and_an_odd_body_part_are_warned_of() -> None:
    agent, neck = doubts_of_file(replace(EMPTY, acquisition=Acquisition(agent=True, body_part="NECK")))
    assert "A contrast agent was given" in agent
    assert "shows NECK" in neck


KINDS = {
    "T1": "T1", "T1 of low contrast": "T1", "T1 with contrast agent": "T1 with a contrast agent", "T2": "T2",
    "FLAIR": "FLAIR", "PD": "PD",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_tissues_tell_what_an_aligned_scan_shows(kind: str) -> None:
    affine = template().affine.copy()
    affine[:3, 3] = affine[:3, :3] @ (-10, -10, -90) + affine[:3, 3]
    seen = heads.contrast_head(kind, scalp=False)
    noise = np.random.default_rng(6).standard_normal(seen.shape, np.float32) * np.float32(0.05)
    x = np.linspace(0.8, 1.2, len(seen), dtype=np.float32)[:, None, None]  # a coil on one side
    found = tissues_of(seen * x + noise, affine, np.eye(4))
    assert found.kind == KINDS[kind]
    margin = found.white_over_grey - WHITE_OVER_GREY, FLUID_OVER_GREY - found.fluid_over_grey
    assert (min(margin) > 0) == (KINDS[kind].startswith("T1"))


def in_space(kind: str, seed: int = 3, **moved: object) -> StandardHead:
    seen = heads.scanned(heads.contrast_head(kind), seed, **moved)  # type: ignore[arg-type]
    return to_standard_space(volume(seen))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["FLAIR", "PD"])
def test_another_contrast_gets_no_answer_though_its_file_says_nothing(kind: str) -> None:
    found = in_space(kind)
    assert found.quality.verdict == "failed"


@pytest.mark.slow
def test_a_plain_t1_scan_passes_and_one_with_contrast_agent_is_warned_of() -> None:
    plain, enhanced = in_space("T1"), in_space("T1 with contrast agent")
    assert plain.quality.verdict != "failed"
    assert plain.scan.warnings == plain.quality.sentences
    assert enhanced.quality.verdict != "failed"
    assert any("as vessels are after a contrast agent" in warning for warning in enhanced.scan.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(  # benchmarks/standard_space.py --sizes has all of them
    ("kind", "scalp", "scale"), [("T1 of low contrast", True, 0.80), ("T1", True, 1.15), ("T1", False, 0.86)]
)
def test_a_t1_head_of_any_size_is_found_or_its_alignment_is_said_to_have_failed(
    kind: str, scalp: bool, scale: float
) -> None:
    seen = heads.scanned(heads.contrast_head(kind, scalp=scalp), 5, scale=(scale, scale), bias=0.3)
    found_or_failed(seen)


@pytest.mark.slow
def test_a_small_head_with_bright_scalp_is_not_taken_for_a_large_one() -> None:
    found_or_failed(heads.child(0.86))


def found_or_failed(seen: heads.Moved) -> None:
    found = to_standard_space(volume(seen))
    error = heads.median_error_mm(found.to_scan @ ICBM_TO_TALAIRACH, seen.to_scan)
    if error > 2:
        assert found.quality.verdict == "failed", error
        assert "The alignment to the standard brain failed" in found.quality.sentences[0]
