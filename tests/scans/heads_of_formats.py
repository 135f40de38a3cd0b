"""A small file of each format of neuroimaging, written by nibabel, SimpleITK and h5py."""

import io
import tempfile
from pathlib import Path

import h5py
import nibabel
import numpy as np
import SimpleITK as sitk

from .volumes import AFFINE, BLOCK

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def itk_image(voxels: np.ndarray, affine: np.ndarray = AFFINE) -> sitk.Image:
    """Make an image of SimpleITK from voxels along the affine's axes."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose()))
    lps = LPS @ affine
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetDirection((lps[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


def itk_bytes(image: sitk.Image, ending: str) -> bytes:
    """Return the file that SimpleITK writes."""
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(image, f"{folder}/a{ending}")
        return Path(folder, f"a{ending}").read_bytes()


def mgh(voxels: np.ndarray = BLOCK, affine: np.ndarray = AFFINE) -> bytes:
    return nibabel.MGHImage(voxels, affine).to_bytes()


def minc2(voxels: np.ndarray = BLOCK) -> bytes:
    """Write a MINC 2 file along z, y and x, with the attributes that its readers need."""
    stream = io.BytesIO()
    stored = np.ascontiguousarray(voxels.transpose())
    with h5py.File(stream, "w") as file:
        everything = file.create_group("minc-2.0")
        for place, (name, size) in enumerate(zip(("zspace", "yspace", "xspace"), stored.shape, strict=True)):
            axis = everything.require_group("dimensions").create_dataset(name, data=0)
            axis.attrs.update(length=size, step=float(AFFINE[2 - place, 2 - place]), start=float(AFFINE[2 - place, 3]))
            axis.attrs.update(
                direction_cosines=np.eye(3)[2 - place], spacing=np.bytes_("regular__"), units=np.bytes_("mm")
            )
        image = everything.create_group("image/0").create_dataset("image", data=stored)
        image.attrs.update(dimorder=np.bytes_("zspace,yspace,xspace"), valid_range=np.array([-32768.0, 32767.0]))
        for name, value in (("image-min", -32768.0), ("image-max", 32767.0)):
            everything["image/0"].create_dataset(name, data=value)
    return stream.getvalue()


def afni(voxels: np.ndarray = BLOCK) -> dict[str, bytes]:
    """Write a .HEAD with its .BRIK by hand, along left, front and up."""
    steps = np.diag(AFFINE)[:3] * (-1, -1, 1)
    origin = AFFINE[:3, 3] * (-1, -1, 1)
    attributes = {
        "DATASET_RANK": ("integer", [3, 1, 0, 0, 0, 0, 0, 0]),
        "DATASET_DIMENSIONS": ("integer", [*voxels.shape, 0, 0]),
        "TYPESTRING": ("string", "3DIM_HEAD_ANAT"),
        "ORIENT_SPECIFIC": ("integer", [1, 2, 4]),
        "ORIGIN": ("float", origin.tolist()),
        "DELTA": ("float", steps.tolist()),
        "IJK_TO_DICOM_REAL": ("float", np.diag(steps).tolist()),
        "BRICK_TYPES": ("integer", [1]),
        "BRICK_FLOAT_FACS": ("float", [0.0]),
        "BYTEORDER_STRING": ("string", "LSB_FIRST"),
        "SCENE_DATA": ("integer", [0, 2, 0, -999, -999, -999, -999, -999]),
    }
    rows = np.hstack([np.diag(steps), origin[:, None]])
    attributes["IJK_TO_DICOM_REAL"] = ("float", rows.ravel().tolist())
    text = ""
    for name, (kind, value) in attributes.items():
        count = len(value) + 1 if isinstance(value, str) else len(value)
        shown = f"'{value}~" if isinstance(value, str) else " ".join(map(str, value))
        text += f"\ntype = {kind}-attribute\nname = {name}\ncount = {count}\n{shown}\n"
    return {"a+orig.HEAD": text.encode(), "a+orig.BRIK": voxels.astype("<i2").tobytes(order="F")}
