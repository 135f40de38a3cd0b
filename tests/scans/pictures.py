"""The picture files of the tests, made here: every depth and colour with its expected values, and every broken one."""

import functools
import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

RAMP = np.add.outer(np.arange(24) * 5, np.arange(20) * 6).astype(np.uint8)  # 24 × 20, 0 to 229
HALF = np.full_like(RAMP, 128)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Encode with Pillow."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    """Encode with tifffile."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Make one PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed_zeros(count: int) -> bytes:
    """Compress many zeros, a little at a time."""
    packer, few = zlib.compressobj(9), b"\0" * 1_000_000
    parts = [packer.compress(few[: min(len(few), count - start)]) for start in range(0, count, len(few))]
    return b"".join([*parts, packer.flush()])


def png(width: int, height: int, *between: bytes, depth: int, colour: int, rows: bytes) -> bytes:
    """Make a PNG by hand, for what encoders do not write."""
    return packed_png(width, height, *between, depth=depth, colour=colour, packed=zlib.compress(rows))


def packed_png(width: int, height: int, *between: bytes, depth: int, colour: int, packed: bytes) -> bytes:
    """Make a PNG by hand of rows that are compressed already."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IDAT", packed)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(between) + body + png_chunk(b"IEND", b"")


def deep_png(pixels: np.ndarray, colour: int) -> bytes:
    """Make a 16-bit PNG of H × W × bands."""
    height, width = pixels.shape[:2]
    lines = pixels.astype(">u2").reshape(height, -1)
    rows = b"".join(b"\0" + line.tobytes() for line in lines)
    return png(width, height, depth=16, colour=colour, rows=rows)


def tiff_of_palette(samples: np.ndarray, **options: object) -> bytes:
    """Encode indices with a second sample, which tifffile refuses to call a palette: it is called so afterwards."""
    colours = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, 3)
    data = bytearray(tiff(samples, photometric="minisblack", extratags=[(320, 3, 768, colours, True)], **options))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as written:
        at = written.pages[0].tags[262].valueoffset  # type: ignore[union-attr]
    data[at : at + 2] = (3).to_bytes(2, "little")
    return bytes(data)


def looping_tiff() -> bytes:
    """Make a TIFF whose second directory points back to the first."""
    data = bytearray(tiff(np.stack([RAMP, RAMP])))
    first = struct.unpack_from("<I", data, 4)[0]
    (n_tags,) = struct.unpack_from("<H", data, first)
    second = struct.unpack_from("<I", data, first + 2 + 12 * n_tags)[0]
    (n_tags,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * n_tags, first)
    return bytes(data)


def group_4_bomb() -> bytes:
    """Make a tiny TIFF that claims 60,000 × 60,000 black and white pixels in CCITT group 4."""
    size = [(256, 4, 60_000), (257, 4, 60_000), (278, 4, 60_000)]
    tags = [*size, (258, 3, 1), (259, 3, 4), (262, 3, 0), (273, 4, 200), (277, 3, 1), (279, 4, 16)]
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags)]
    directory = struct.pack("<H", len(entries)) + b"".join(entries)
    return (b"II*\0" + struct.pack("<I", 8) + directory + b"\0\0\0\0").ljust(200, b"\0") + b"\xff" * 16


def flipped(data: bytes) -> bytes:
    """Flip one byte in the middle of a PNG's pixel data."""
    index = data.index(b"IDAT") + 4 + (len(data) - data.index(b"IDAT")) // 2
    return data[:index] + bytes([data[index] ^ 0x10]) + data[index + 1 :]


def _grey() -> Image.Image:
    return Image.fromarray(RAMP)


def _rgb() -> Image.Image:
    return Image.fromarray(np.stack([RAMP, RAMP // 2, 255 - RAMP], axis=-1))


LUMA = 0.299 * RAMP.astype(float) + 0.587 * (RAMP // 2) + 0.114 * (255.0 - RAMP)
DEEP = RAMP.astype(np.uint16) * 257
ALPHA = np.tile(np.linspace(0, 255, 20).astype(np.uint8), (24, 1))
BITS = np.random.default_rng(0).integers(0, 2, (24, 24)).astype(bool)
FOUR = (np.add.outer(np.arange(24), np.arange(20)) % 16).astype(np.uint8)


def _four_bit_png() -> bytes:
    packed = FOUR[:, ::2] << 4 | FOUR[:, 1::2]
    return png(20, 24, depth=4, colour=0, rows=b"".join(b"\0" + line.tobytes() for line in packed))


def _palette() -> Image.Image:
    image = Image.frombytes("P", (20, 24), RAMP.tobytes())
    image.putpalette([value for entry in range(256) for value in (255 - entry, 255 - entry, 255 - entry)])
    return image


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# Name → bytes, and the grey values in [0, 255] that they mean.
SYNTHETIC: dict[str, tuple[bytes, np.ndarray]] = {
    "png grey 8": (encoded(_grey(), "PNG"), RAMP),
    "png grey 1": (encoded(Image.fromarray(BITS), "PNG"), BITS * 255.0),
    "png grey 4": (_four_bit_png(), FOUR * 17.0),
    "png grey 16": (encoded(Image.fromarray(DEEP), "PNG"), RAMP),
    "png grey 16 holding 12 bits": (encoded(Image.fromarray(RAMP.astype(np.uint16) * 16), "PNG"), RAMP * (16 * 255 / 4095)),
    "png colour 8": (encoded(_rgb(), "PNG"), LUMA),
    "png colour 16": (deep_png(np.stack([DEEP, DEEP // 2, 65535 - DEEP], -1), 2),
                      0.299 * RAMP + 0.587 * (DEEP // 2) / 257 + 0.114 * (255.0 - RAMP)),
    "png colour 16 with alpha": (deep_png(np.stack([DEEP] * 3 + [ALPHA.astype(np.uint16) * 257], -1), 6), RAMP * (ALPHA / 255)),
    "png grey 16 with alpha": (deep_png(np.stack([DEEP, ALPHA.astype(np.uint16) * 257], -1), 4), RAMP * (ALPHA / 255)),
    "png grey 8 with alpha": (encoded(Image.merge("LA", [_grey(), Image.fromarray(ALPHA)]), "PNG"), RAMP * (ALPHA / 255)),
    "png three equal channels": (encoded(_grey().convert("RGB"), "PNG"), RAMP),
    "png palette": (encoded(_palette(), "PNG"), 255 - RAMP),
    "png turned by exif": (encoded(_grey(), "PNG", exif=_exif(6)), np.rot90(RAMP, -1)),
    "bmp grey 8": (encoded(_grey(), "BMP"), RAMP),
    "bmp colour 24": (encoded(_rgb(), "BMP"), LUMA),
    "bmp palette": (encoded(_palette(), "BMP"), 255 - RAMP),
    "tiff grey 8": (tiff(RAMP), RAMP),
    "tiff grey 8 deflate": (tiff(RAMP, compression="zlib"), RAMP),
    "tiff grey 8 lzw": (encoded(_grey(), "TIFF", compression="tiff_lzw"), RAMP),
    "tiff grey 1": (encoded(Image.fromarray(BITS), "TIFF"), BITS * 255.0),
    "tiff grey 1 group 4": (encoded(Image.fromarray(BITS), "TIFF", compression="group4"), BITS * 255.0),
    "tiff grey 16": (tiff(DEEP), RAMP),
    "tiff big-endian 16": (tiff(DEEP, byteorder=">"), RAMP),
    "tiff signed 16": (tiff(RAMP.astype(np.int16) - 100), RAMP * (255.0 / 229.0)),
    "tiff float in 0 to 1": (tiff((RAMP / 255).astype(np.float32)), RAMP),
    "tiff float in 0 to 255": (tiff(RAMP.astype(np.float32)), RAMP),
    "tiff float beyond": (tiff(RAMP.astype(np.float64) * 10 - 7), RAMP * (255.0 / 229.0)),
    "tiff white is zero": (tiff(255 - RAMP, photometric="miniswhite"), RAMP),
    "tiff colour 8": (tiff(np.asarray(_rgb()), photometric="rgb"), LUMA),
    "tiff colour 16": (tiff(np.stack([DEEP] * 3, -1), photometric="rgb"), RAMP),
    "tiff colour in planes": (tiff(np.moveaxis(np.asarray(_rgb()), -1, 0), photometric="rgb", planarconfig="separate"), LUMA),
    "tiff palette": (encoded(_palette(), "TIFF"), 255 - RAMP),
    "tiff palette with transparency": (
        tiff_of_palette(np.stack([RAMP, HALF], -1), extrasamples=["unassalpha"], planarconfig="contig"),
        (255.0 - RAMP) * HALF / 255.0,
    ),
    "tiff palette with transparency in planes": (
        tiff_of_palette(np.stack([RAMP, HALF]), extrasamples=["unassalpha"], planarconfig="separate"),
        (255.0 - RAMP) * HALF / 255.0,
    ),
    "tiff grey with two more samples": (
        tiff(np.stack([RAMP, 255 - RAMP, HALF], -1), photometric="minisblack", extrasamples=["unspecified"] * 2,
             planarconfig="contig"),
        RAMP,
    ),
    "tiff colour that is transparent already": (
        tiff(np.stack([RAMP, RAMP, RAMP, HALF], -1), photometric="rgb", extrasamples=["assocalpha"]), RAMP,
    ),
    "tiff colour with transparency in planes": (
        tiff(np.stack([RAMP, RAMP, RAMP, HALF]), photometric="rgb", extrasamples=["unassalpha"],
             planarconfig="separate"),
        RAMP * 128.0 / 255.0,
    ),
    "tiff turned by its tag": (tiff(RAMP, extratags=[(274, 3, 1, 6, True)]), np.rot90(RAMP, -1)),
    "tiff second of two pages": (tiff(np.stack([255 - RAMP, RAMP])), RAMP),
}  # fmt: skip

_PNG = encoded(_grey(), "PNG")
_JPEG = encoded(Image.fromarray(np.tile(RAMP, (4, 4))), "JPEG")


@functools.cache
def broken() -> dict[str, bytes]:
    """Return every file that must be rejected, by name."""
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + packed_zeros(200_000_000))
    not_a_number = RAMP.astype(np.float32)
    not_a_number[3, 3] = np.nan
    row = b"\0" + b"\0" * 20
    return {
        "empty": b"",
        "png cut in half": _PNG[: len(_PNG) // 2],
        "jpeg cut in half": _JPEG[: len(_JPEG) // 2],
        "tiff cut in half": tiff(RAMP)[: len(tiff(RAMP)) // 2],
        "bmp cut in half": encoded(_grey(), "BMP")[:400],
        "png with a flipped byte": flipped(_PNG),
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "png 10000 x 10000 zeros": packed_png(
            10_000, 10_000, depth=8, colour=0, packed=packed_zeros(10_000 * (1 + 10_000))
        ),
        "png 30000 x 30000": packed_png(30_000, 30_000, depth=1, colour=0, packed=packed_zeros(30_000 * (1 + 3_750))),
        "png header of 40000 x 40000": png(40_000, 40_000, depth=8, colour=0, rows=b""),
        "tiff group 4 bomb": group_4_bomb(),
        "png text bomb": png(20, 24, bomb, depth=8, colour=0, rows=row * 24),
        "tiff directory that loops": looping_tiff(),
        "tiff float with NaN": tiff(not_a_number),
        "tiff complex": tiff(RAMP.astype(np.complex64)),
        "1 x 1": encoded(Image.new("L", (1, 1), 7), "PNG"),
        "1 x 60000": encoded(Image.new("L", (1, 60_000), 7), "PNG"),
        "gif cut short": encoded(_grey(), "GIF")[:-40],
        "zip": b"PK\x03\x04" + b"\0" * 60,
        "text": b"not a scan\n",
        "unknown bytes": bytes(range(1, 200)),
    }


PAGES_201 = tiff(np.zeros((201, 24, 20), np.uint8))
ALL_BLACK = encoded(Image.new("L", (40, 40)), "PNG")
TRANSPARENT = encoded(Image.merge("LA", [_grey(), Image.new("L", (20, 24))]), "PNG")
CMYK = encoded(Image.fromarray(np.full((24, 20, 3), 200, np.uint8)).convert("CMYK"), "JPEG", quality=95)
EXIF_JPEG = encoded(Image.fromarray(np.tile(RAMP, (4, 4))), "JPEG", quality=95, exif=_exif(6))
PNG_NAMED_JPG = _PNG
