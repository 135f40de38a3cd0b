"""Tell whether the dashboard can listen at an address: on one line why it cannot, where Streamlit shows a traceback."""

import socket
import sys


def trouble(host: str) -> str:
    """Say on one line why nothing can listen there; "" if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET  # as Streamlit chooses
    try:
        with socket.socket(family) as listening:
            listening.bind((host, 0))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name of a machine"
        return (
            f"HOST={host} is no address of this machine ({why}); give one that is, HOST=0.0.0.0 for all of them, or "
            "leave HOST out for this machine alone."
        )
    return ""


if __name__ == "__main__":
    sys.exit(trouble(sys.argv[1]) or 0)
