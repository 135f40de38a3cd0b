"""Whether a volume can be a plain T1 scan of a human head, by what its file says and by its values alone.

This is asked before anything is registered, so that what is none is refused at once.
"""

import numpy as np

from core.scans.contrast.acquisition import ANATOMY
from core.scans.scan import Scan

ONLY = "the networks here read plain T1-weighted MRI of human heads, so no stage is given"
KINDS = {
    "T2": "T2-weighted",
    "T2*": "weighted by T2* (a gradient echo with a long echo time, or a susceptibility image)",
    "PD": "weighted by proton density",
    "FLAIR": "a FLAIR, whose fluid is dark but whose grey matter is brighter than the white",
    "STIR": "a STIR, whose fat is dark",
    "EPI": "echo-planar: functional or diffusion imaging",
    "MRA": "an angiogram",
}
MODALITIES = {"CT": "a CT", "PT": "a PET", "NM": "a nuclear-medicine image", "US": "an ultrasound image",
              "CR": "a radiograph", "DX": "a radiograph", "XA": "an X-ray angiogram", "MG": "a mammogram",
              "OT": "", "SC": "", "MR": ""}  # fmt: skip
ELSEWHERE = frozenset({"KNEE", "SPINE", "LSPINE", "TSPINE", "TLSPINE", "LSSPINE", "ABDOMEN", "PELVIS", "CHEST", "HIP",
                       "SHOULDER", "FOOT", "ANKLE", "HAND", "WRIST", "ELBOW", "HEART", "BREAST", "PROSTATE", "LEG",
                       "ARM", "THIGH", "CALF", "LIVER", "KIDNEY", "UTERUS"})  # fmt: skip
# Other parts whose names are shown; what else a file says could be a name.
NEAR = frozenset({"NECK", "CSPINE", "CERVICALSPINE", "FACE", "JAW", "ORBIT", "SINUS", "EAR", "IAC", "PITUITARY",
                  "SELLA", "WHOLEBODY", "TRUNK", "EXTREMITY", "SPINALCORD"})  # fmt: skip
AGENT = (
    "A contrast agent was given: vessels and some tissue are brighter than in the plain T1 scans the network knows, so "
    "its answer may be wrong."
)
# Hounsfield units: air is about -1000, water 0, skull 700 and more; a CT of a head shows much of both ends.
AIR_HU, BONE_HU, SOFT_HU = (-1100.0, -850.0), 500.0, (-20.0, 100.0)
MUCH_AIR, SOME_BONE, SOME_SOFT = 0.1, 0.005, 0.05
PADDED_HU = -1500.0  # below air: what lies outside of the scanner's circle


def why_refused_by_file(scan: Scan) -> str:
    """Return why a volume cannot be a plain T1 scan of a human head; "" where nothing says so."""
    if scan.modality is not None and MODALITIES.get(scan.modality, ""):
        return f"the file says that this is {MODALITIES[scan.modality]}; {ONLY}."
    if _is_hounsfield(scan.voxels):
        return f"by its values this is a CT (Hounsfield units: air near -1000, bone above {BONE_HU:.0f}); {ONLY}."
    made = scan.acquisition
    if made is None:
        return ""
    if made.species == "other":
        return f"the file says that this is an animal; {ONLY}."
    if made.body_part in ELSEWHERE:
        return f"the file says that it shows another part of the body ({made.body_part}); {ONLY}."
    weighting = made.weighting
    if weighting not in {"", "T1"}:
        times = [f"{name} {value:.4g} ms" for name, value in
                 (("TE", made.echo_ms), ("TR", made.repetition_ms), ("TI", made.inversion_ms)) if value]  # fmt: skip
        how = f" ({', '.join(times)})" if times else ""
        return f"by what the file says{how} this is {KINDS.get(weighting, weighting)}; {ONLY}."
    return ""


def doubts_of_file(scan: Scan) -> tuple[str, ...]:
    """Return what the file says that makes an answer doubtful, a sentence each."""
    made = scan.acquisition
    if made is None:
        return ()
    found = [AGENT] if made.agent else []
    if made.body_part not in ANATOMY and made.body_part not in ELSEWHERE:
        part = made.body_part if made.body_part in NEAR else "another part of the body"
        found.append(f"The file says that it shows {part}; the network reads heads.")
    return tuple(found)


def _is_hounsfield(voxels: np.ndarray) -> bool:
    """Tell whether values are Hounsfield units of a head: much air, some bone, and soft tissue near water."""
    sample = voxels[::3, ::3, ::3]
    seen = sample[sample > PADDED_HU]
    if seen.size == 0 or float(sample.min()) > AIR_HU[1]:
        return False
    air, soft = (float(((low <= seen) & (seen <= high)).mean()) for low, high in (AIR_HU, SOFT_HU))
    bone = float((seen >= BONE_HU).mean())
    return air >= MUCH_AIR and bone >= SOME_BONE and soft >= SOME_SOFT
