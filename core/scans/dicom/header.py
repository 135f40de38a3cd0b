"""What a DICOM header says of a frame: where it lies, how its values are scaled, how it was made (PS3.3)."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from core.scans.contrast.acquisition import Acquisition, names_agent, technical_words
from core.scans.scan import Origin

SLOPE = "The file's rescale slope is 0 or not a number; the stored values are used unscaled."
# What stands in the place of a patient's identity once it was taken out; nobody is told apart by it.
PLACEHOLDER = re.compile(
    r"|(anon|deident|deid|unknown|unnamed|removed|redacted|masked|hidden|private)[a-z0-9]*|none|noid|noname|na|id|test|"
    r"patient|patientid|patientname|name|subject|0+|x+|(.)\2{4,}"
)
_KEY = secrets.token_bytes(32)
SAME_PLANE = 0.01  # the cosines of one plane differ by at most this
HUMAN = ("homo sapiens", "human", "337915000", "l-85b00")  # words and SNOMED codes (PS3.16, CID 7454)
NO_AGENT = frozenset({"", "no", "none", "n", "0", "without", "no contrast", "nocontrast", "non contrast", "off"})
# Where enhanced objects keep what plain ones have at the top level (PS3.3, C.7.6.16 and C.8.13.5).
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "InversionTimes": "MRModifierSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "DiffusionDirectionality": "MRDiffusionSequence",
}
APART = ("TemporalPositionIndex", "EffectiveEchoTime", "InversionTimes", "FrameType", "DiffusionBValue",
         "DiffusionDirectionality")  # fmt: skip
TAGS = (
    *("ImageType", "ScanningSequence", "SequenceVariant", "MRAcquisitionType", "EchoTime", "EffectiveEchoTime"),
    *("RepetitionTime", "InversionTime", "EchoNumbers", "ContrastBolusAgent", "AngioFlag", "BodyPartExamined"),
    *("SliceThickness", "SeriesDescription", "ProtocolName", "PatientSpeciesDescription", "PulseSequenceName"),
    *("PatientSpeciesCodeSequence", "EchoPulseSequence", "ContrastBolusAgentSequence", "EchoPlanarPulseSequence"),
    *("InversionRecovery", "VolumetricProperties"),
)


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice as stored.

    Attributes:
        position: The first pixel's centre, in mm, LPS+ (Image Position); None if the file does not give it.
        orientation: 2 × 3, unit vectors in LPS+ along a row and along a column (Image Orientation), or None.
        spacing: mm between rows and between columns, or None.
        slope: Rescale slope for the stored values.
        intercept: Rescale intercept for the stored values.
        apart: What sets it apart from other frames of its object besides its place: moment, echo, kind, diffusion.
    """

    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    apart: tuple[str, ...] = ()

    @property
    def along(self) -> float | None:
        """Its position along the normal of its plane, in mm; None if unknown."""
        if self.position is None or self.orientation is None:
            return None
        return float(self.position @ np.cross(self.orientation[0], self.orientation[1]))


def planes_of(orientations: Sequence[NDArray[np.float64] | None]) -> list[int]:
    """Number planes so that those of one stack, which may differ in their last digits, have one number; 0: unknown."""
    known: list[NDArray[np.float64]] = []
    numbers = []
    for one in orientations:
        if one is None:
            numbers.append(0)
            continue
        same = [number for number, other in enumerate(known, start=1) if np.abs(one - other).max() <= SAME_PLANE]
        if not same:
            known.append(one)
        numbers.append(same[0] if same else len(known))
    return numbers


def frame_of(groups: Sequence[pydicom.Dataset], dataset: pydicom.Dataset, notes: list[str]) -> Frame:
    """Gather what is known of one frame: from its own functional groups, from the shared ones, then from the object."""
    given = of_frame(groups, dataset, "RescaleSlope")
    slope, intercept = number(given), number(of_frame(groups, dataset, "RescaleIntercept"))
    if slope == 0 or (slope is None and given not in {None, ""}):
        notes.append(SLOPE)
        slope = intercept = None
    orientation = _vector(of_frame(groups, dataset, "ImageOrientationPatient"), 6)
    spacing = _vector(of_frame(groups, dataset, "PixelSpacing"), 2)
    return Frame(
        position=_vector(of_frame(groups, dataset, "ImagePositionPatient"), 3),
        orientation=_unit(orientation),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing is not None and (spacing > 0).all() else None,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        apart=tuple(str(of_frame(groups, dataset, keyword) or "") for keyword in APART) if groups else (),
    )


def of_frame(groups: Sequence[pydicom.Dataset], dataset: pydicom.Dataset, keyword: str) -> Any:
    """Return a value from a frame's functional groups, the first that has it, else from the object."""
    for group in groups:
        for item in (group.get(GROUPS[keyword], None) or [])[:1]:
            if keyword in item:
                return item.get(keyword)
    return dataset.get(keyword, None)


def acquisition_of(groups: Sequence[pydicom.Dataset], dataset: pydicom.Dataset) -> Acquisition:
    """Return how a frame was made, from its functional groups or from the object."""
    inversions, frame_type = (of_frame(groups, dataset, one) for one in ("InversionTimes", "FrameType"))
    echo = number(dataset.get("EchoTime", None)) or number(of_frame(groups, dataset, "EffectiveEchoTime"))
    described = [str(dataset.get(one, "") or "") for one in ("SeriesDescription", "ProtocolName")]
    return Acquisition(
        echo_ms=echo,
        repetition_ms=number(of_frame(groups, dataset, "RepetitionTime")),
        inversion_ms=number(dataset.get("InversionTime", None)) or first_number(inversions),
        echo_number=whole(first_number(dataset.get("EchoNumbers", None))) or None,
        sequence=_sequence(dataset),
        variant=codes(dataset, "SequenceVariant"),
        dimensions=next(iter(codes(dataset, "MRAcquisitionType")), ""),
        image_type=tuple(dict.fromkeys((*codes(dataset, "ImageType"), *_codes(frame_type)))),
        thickness_mm=number(of_frame(groups, dataset, "SliceThickness")),
        agent=_has_agent(dataset) or any(map(names_agent, described)),
        angiography=str(dataset.get("AngioFlag", "")).upper() == "Y",
        body_part=plain_code(str(dataset.get("BodyPartExamined", "") or "").strip().upper()),
        species=_species(dataset),
        description=technical_words(" ".join(described)),
    )


def origin_of(person_id: bytes, person_name: bytes, study: bytes, series: bytes) -> Origin:
    """Return digests of whose image this is; the person's is "" where the file names nobody.

    The key of the digests is drawn anew in each process and kept nowhere, so that nobody can find out a name, or an id
    of few digits, by trying all of them.

    Args:
        person_id: Patient ID, as stored.
        person_name: Patient's Name, as stored; its parts may come in any order and spelling of capitals.
        study: Study Instance UID.
        series: Series Instance UID.
    """
    parts = sorted(re.findall(r"\w+", person_name.decode("latin-1").casefold()))
    named = [person_id.decode("latin-1").strip().casefold(), " ".join(parts)]
    kept = ["" if PLACEHOLDER.fullmatch(re.sub(r"[\W_]", "", one)) else one for one in named]
    return Origin(
        person=_keyed(*kept) if any(kept) else "",
        study=_keyed(study.decode("latin-1")) if study else "",
        series=_keyed(series.decode("latin-1")) if series else "",
    )


def _keyed(*values: str) -> str:
    return hashlib.blake2b("\0".join(values).encode(), key=_KEY, digest_size=8).hexdigest()


def _sequence(dataset: pydicom.Dataset) -> tuple[str, ...]:
    """Return the codes of the scanning sequence; enhanced objects say the same in attributes of their own."""
    found = list(codes(dataset, "ScanningSequence"))
    pulse = str(dataset.get("EchoPulseSequence", "")).upper()
    found += {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}.get(pulse, [])
    if str(dataset.get("EchoPlanarPulseSequence", "")).upper() == "YES":
        found.append("EP")
    if str(dataset.get("InversionRecovery", "")).upper() == "YES":
        found.append("IR")
    return tuple(dict.fromkeys(found))


def _has_agent(dataset: pydicom.Dataset) -> bool:
    named = str(dataset.get("ContrastBolusAgent", "") or "").strip().casefold()
    return named not in NO_AGENT or bool(dataset.get("ContrastBolusAgentSequence", None))


def _species(dataset: pydicom.Dataset) -> str:
    said = str(dataset.get("PatientSpeciesDescription", "") or "").strip().casefold()
    for item in (dataset.get("PatientSpeciesCodeSequence", None) or [])[:1]:
        said = said or str(item.get("CodeMeaning", "") or item.get("CodeValue", "")).strip().casefold()
    if not said:
        return ""
    return "human" if any(word in said for word in HUMAN) else "other"


def codes(dataset: pydicom.Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an attribute as plain codes in capitals."""
    return _codes(dataset.get(keyword, None))


def _codes(value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else (value,)
    found = (plain_code(str(one).strip().upper()) for one in several if one not in {None, ""})
    return tuple(one for one in found if one)


def plain_code(text: str) -> str:
    """Keep a code such as "MR" or "PHASE MAP"; anything longer or with other characters could be a name."""
    return text if text.isascii() and text.replace("_", "").replace(" ", "").isalnum() and len(text) <= 16 else ""


def first_number(value: Any) -> float | None:
    """Return the first value of an attribute as a number; None if it is none."""
    several = isinstance(value, (list, tuple, pydicom.multival.MultiValue))
    return number(value[0] if several and len(value) else value)


def number(value: Any) -> float | None:
    """Return a value as a finite number; None if it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None


def whole(value: Any) -> int:
    """Return a value as a whole number; 0 if it is none."""
    found = number(value)
    return int(found) if found is not None else 0


def _vector(value: Any, length: int) -> NDArray[np.float64] | None:
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != length:
        return None
    numbers = np.array([float(part) for part in value])
    return numbers if np.isfinite(numbers).all() else None


def _unit(cosines: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the row and column direction if they are two unit vectors at right angles."""
    if cosines is None:
        return None
    pair = cosines.reshape(2, 3)
    if np.abs(pair @ pair.T - np.eye(2)).max() > 0.01:
        return None
    return pair
