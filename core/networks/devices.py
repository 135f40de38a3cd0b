"""Which devices the machine has, and which will be used."""

from pathlib import Path

import keras

from core.errors import StageLensError

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")  # CPU flags of x86 processors


def devices() -> list[str]:
    """List the devices of Keras' backend, such as "gpu:0", "mps" or "cpu", starting with the one that is used."""
    match keras.backend.backend():
        case "torch":
            import torch

            if torch.cuda.is_available():
                return [f"gpu:{number}" for number in range(torch.cuda.device_count())]
            return ["mps"] if torch.backends.mps.is_available() else ["cpu"]
        case "tensorflow":
            import tensorflow as tf

            found = tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU")
            return [f"{device.device_type.lower()}:{number}" for number, device in enumerate(found)] or ["cpu"]
        case _:
            return [str(device) for device in keras.distribution.list_devices()]


def device_title() -> str:
    """Return the device that is used, with its product name if the backend knows it."""
    first = devices()[0]
    if first.startswith(("gpu", "cuda")) and keras.backend.backend() == "torch":
        import torch

        return f"{first} ({torch.cuda.get_device_name(0)})"
    if not first.startswith("cpu") and keras.backend.backend() == "jax":
        import jax

        return f"{first} ({jax.devices()[0].device_kind})"
    return first


def accelerated() -> bool:
    """Tell whether the backend computes on something other than the CPU."""
    return not devices()[0].startswith("cpu")


def has_bfloat16() -> bool:
    """Tell whether the device computes natively in bfloat16."""
    first = devices()[0]
    if first == "mps":
        return False
    if not first.startswith("cpu"):
        if keras.backend.backend() != "torch":
            return True
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(flag in flags for flag in BFLOAT16_FLAGS)


def resolve_precision(wanted: str) -> str:
    """Return the dtype policy that a recipe's precision stands for on this machine."""
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if has_bfloat16() else "float32"


def spread_over_devices(batch_size: int) -> int:
    """Spread batches over all devices of the machine with Keras' distribution, if its backend has one (JAX).

    Returns:
        The number of devices used.

    Raises:
        StageLensError: The batch cannot be divided evenly.
    """
    if keras.backend.backend() != "jax" or len(devices()) < 2:
        return 1
    found = devices()
    if batch_size % len(found):
        raise StageLensError(f"batch_size {batch_size} cannot be divided among {len(found)} devices; use a multiple.")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found, auto_shard_dataset=False))
    return len(found)
