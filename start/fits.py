"""Tell whether the Python that runs this fits: prints the backends it gets, or says on one line why it does not.

With the name of a backend it fits only if it gets that one. Even Python 2 can read this file, so that the line comes.
"""

import sys

NEEDED = "Python 3.11 to 3.14"  # as start/platforms.py has them, which old ones cannot read


def main(wanted):  # type: (str) -> None
    """Leave with status 0 if this Python fits."""
    if sys.version_info < (3, 11):  # noqa: UP036 - that is the question
        sys.exit("StageLens needs " + NEEDED + ", and this is " + sys.version.split()[0] + ".")
    from start import platforms

    if platforms.trouble():
        sys.exit("StageLens: " + platforms.trouble())
    backends = ", ".join(platforms.here()[1])
    if wanted not in backends:
        sys.exit("This Python gets " + backends + ".")
    print(backends)


main("".join(sys.argv[1:]))
