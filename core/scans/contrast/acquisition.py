"""How an MR image was made, as its file says it: times, sequence, contrast agent. None of it says who the patient is.

The values are those of DICOM's MR image module (PS3.3, C.8.3.1), whose enhanced form keeps them in sequences
(C.8.13). What weighting they amount to is told by the usual rules (Bushberg et al., The Essential Physics of Medical
Imaging, 4th ed., chapter 12): a short echo and a short repetition make T1, two long ones T2, a short echo and a long
repetition proton density, an inversion that nulls fluid FLAIR.
"""

import re
from dataclasses import dataclass

# Words of a description that are about the picture; every other word could be a name and is dropped.
TECHNICAL = re.compile(
    r"t1w?|t2w?|t2star|pdw?|flair|stir|dwi|dti|adc|swi|swan|gre|spgr|fspgr|irfspgr|mprage|mp2rage|mpr|tfl|tfe|ffe|bravo|"
    r"space|cube|vista|fse|tse|haste|se|ir|epi|bold|fmri|rest|asl|tof|mra|mrv|angio|mip|ax|axial|tra|transverse|sag|"
    r"sagittal|cor|coronal|obl|oblique|2d|3d|fs|fatsat|dixon|water|fat|pre|post|gd|gado|contrast|km|ce|native|plain|"
    r"localizer|localiser|loc|scout|survey|head|brain|neuro|skull|hippocampus|iso|isotropic|thin|thick|repeat|rpt|"
    r"dual|echo|phase|magnitude|mosaic|perf|perfusion|trace|colfa|fa|mtc?|reformat|recon|derived|secondary|"
    r"\d{1,2}(?:[.,]\d{1,2})?mm|p2|p3|[+]c|c[+]"
)
# Words that say that a contrast agent was given, and those that take it back.
GIVEN = frozenset({"post", "gd", "gad", "gado", "gadolinium", "contrast", "kontrast", "kontrastmittel", "contraste",
                   "km", "ce", "+c", "c+", "+gd", "gd+", "+km", "mdc", "postgd", "postcontrast"})  # fmt: skip
NOT_GIVEN = frozenset({"pre", "no", "non", "without", "w/o", "wo", "ohne", "nativ", "native", "sans", "plain",
                       "senza", "unenhanced", "precontrast", "-c", "c-"})  # fmt: skip
ANATOMY = frozenset({"", "HEAD", "BRAIN", "SKULL", "HEADNECK", "HEAD_NECK", "WHOLEBRAIN", "NEURO", "CRANIUM"})
TILED = frozenset({"MOSAIC", "VFRAME"})  # Siemens' and United Imaging's words for many slices in one picture
DERIVED = {
    "ADC": "a map of diffusion",
    "DIFFUSION": "a diffusion image",
    "TRACEW": "a diffusion image",
    "FA": "a map of diffusion",
    "FMRI": "a functional image",
    "PERFUSION": "a perfusion image",
    "ASL": "a perfusion image",
    "P": "a phase image",
    "PHASE": "a phase image",
    "PHASE MAP": "a phase image",
    "PROJECTION IMAGE": "a projection",
    "MIP": "a projection",
    "MNIP": "a projection",
    "SUBTRACTION": "a difference of two images",
    "SUB": "a difference of two images",
    "T1 MAP": "a map of relaxation",
    "T2 MAP": "a map of relaxation",
}
LONG_ECHO_MS, SHORT_ECHO_MS = 60.0, 35.0
LONG_REPETITION_MS, SHORT_REPETITION_MS = 1600.0, 1100.0
STAR_ECHO_MS = 12.0  # a gradient echo later than this weighs T2*
NULLS_FLUID_MS, NULLS_FAT_MS = 1500.0, 250.0


@dataclass(frozen=True)
class Acquisition:
    """How an image was made. What the file does not say is None or "".

    Attributes:
        echo_ms: Echo time.
        repetition_ms: Repetition time.
        inversion_ms: Inversion time.
        echo_number: Which echo of several.
        sequence: Codes such as "GR", "SE", "IR", "EP".
        variant: Codes such as "SP", "MP", "MTC", "TOF".
        dimensions: "2D" or "3D".
        image_type: Codes such as "ORIGINAL", "PRIMARY", "MOSAIC".
        thickness_mm: Of a slice.
        agent: Whether the file names a contrast agent.
        angiography: Whether it calls itself an angiogram.
        body_part: Code such as "HEAD".
        species: "human", "other" for an animal, or "".
        description: The technical words of its description; no others are kept.
    """

    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None
    echo_number: int | None = None
    sequence: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    dimensions: str = ""
    image_type: tuple[str, ...] = ()
    thickness_mm: float | None = None
    agent: bool = False
    angiography: bool = False
    body_part: str = ""
    species: str = ""
    description: str = ""

    @property
    def tiled(self) -> bool:
        """Whether many slices lie side by side in one picture."""
        return bool(TILED & set(self.image_type))

    @property
    def weighting(self) -> str:
        """What the image shows: "T1", "T2", "T2*", "PD", "FLAIR", "STIR", "EPI", "MRA", another kind, or ""."""
        words = set(self.description.split())
        derived = next((DERIVED[one] for one in self.image_type if one in DERIVED), "")
        if derived or self.tiled:
            return derived or "a mosaic"
        if self.angiography or words & {"tof", "mra", "mrv", "angio"} or {"TOF"} & set(self.variant):
            return "MRA"
        if "EP" in self.sequence or words & {"epi", "bold", "fmri", "dwi", "dti", "adc", "asl"}:
            return "EPI"
        return self._by_times() or self._by_words(words)

    def _by_times(self) -> str:
        echo, repetition, inversion = self.echo_ms, self.repetition_ms, self.inversion_ms or 0.0
        if echo is None:
            return ""
        if inversion >= NULLS_FLUID_MS and (repetition or 0.0) >= 2 * inversion:
            return "FLAIR"
        if 0 < inversion <= NULLS_FAT_MS:
            return "STIR"
        if inversion > 0 and echo < SHORT_ECHO_MS:
            return "T1"  # an inversion between the two: MPRAGE and its like
        if "GR" in self.sequence and "SE" not in self.sequence:
            return "T1" if echo <= STAR_ECHO_MS else "T2*"
        if repetition is None:
            return ""
        if echo >= LONG_ECHO_MS:
            return "T2" if repetition >= SHORT_REPETITION_MS else ""
        if echo > SHORT_ECHO_MS:
            return ""
        if repetition <= SHORT_REPETITION_MS:
            return "T1"
        return "PD" if repetition >= LONG_REPETITION_MS and "SE" in self.sequence else ""

    @staticmethod
    def _by_words(words: set[str]) -> str:
        if "flair" in words:
            return "" if words & {"t1", "t1w"} else "FLAIR"
        found = {
            "T1": {"t1", "t1w", "mprage", "spgr", "fspgr", "irfspgr", "bravo"},
            "T2": {"t2", "t2w"},
            "T2*": {"t2star", "swi", "swan"},
            "PD": {"pd", "pdw"},
            "STIR": {"stir"},
        }
        named = [name for name, own in found.items() if own & words]
        return named[0] if len(named) == 1 else ""

    def told(self) -> tuple[str, ...]:
        """Return what tells this image from others of the same person, a few words each."""
        times = (("TE", self.echo_ms), ("TR", self.repetition_ms), ("TI", self.inversion_ms))
        return tuple(
            one
            for one in (
                self.weighting,
                " ".join(part for part in (self.dimensions, "/".join(self.sequence)) if part),
                *(f"{name} {value:.4g} ms" for name, value in times if value),
                f"echo {self.echo_number}" if self.echo_number and self.echo_number > 1 else "",
                f"slices of {self.thickness_mm:.3g} mm" if self.thickness_mm else "",
                "contrast agent" if self.agent else "",
                f"“{self.description}”" if self.description else "",
            )
            if one
        )


def names_agent(description: str) -> bool:
    """Tell whether a description says that a contrast agent was given.

    >>> [names_agent(one) for one in ("T1 MPRAGE POST GD", "t1_mpr_km", "T1w +C", "T1 pre contrast", "t1 ohne km")]
    [True, True, True, False, False]
    """
    words = {word.strip(".,") for word in re.split(r"[^\w+/.,]+|_", description.casefold())}
    return bool(words & GIVEN) and not words & NOT_GIVEN


def technical_words(description: str) -> str:
    """Return the words of a free text that are about the picture, in small letters; a name is none of them.

    >>> technical_words("t1_mprage_sag_p2_iso SMITH^JOHN 19700101")
    't1 mprage sag p2 iso'
    """
    words = re.split(r"[^\w+.,]+|_", description.casefold())
    return " ".join(word for word in words if TECHNICAL.fullmatch(word.strip(".,")))[:80]
