"""Numbers with their intervals, and sentences, the same way everywhere."""

from core.results import Estimate


def number(value: float) -> str:
    """Write a number with three digits; "undefined" for NaN.

    >>> number(0.5)
    '0.500'
    """
    return "undefined" if value != value else f"{value:.3f}"


def with_interval(estimate: Estimate) -> str:
    """Write an estimate for a table or a card.

    >>> with_interval(Estimate(0.5, 0.4, 0.6))
    '0.500 (0.400 to 0.600)'
    """
    if not estimate.defined:
        return "–"
    if not estimate.has_interval:
        return f"{estimate.value:.3f} (no interval)"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def interval_line(estimate: Estimate) -> str:
    """Write an estimate for a line on a shell.

    >>> interval_line(Estimate(0.5, 0.4, 0.6))
    '0.500  (95 % 0.400 to 0.600)'
    """
    if estimate.defined and not estimate.has_interval:
        return f"{number(estimate.value)}  (no interval)"
    return f"{number(estimate.value)}  (95 % {number(estimate.low)} to {number(estimate.high)})"


def percent(estimate: Estimate, *, digits: int = 1) -> str:
    """Write a fraction as per cent.

    >>> percent(Estimate(0.5, 0.4, 0.6))
    '50.0 % (95 % interval 40.0 % to 60.0 %)'
    """
    if estimate.defined and not estimate.has_interval:
        return f"{100 * estimate.value:.{digits}f} % (no interval)"
    value, low, high = (f"{100 * one:.{digits}f} %" for one in (estimate.value, estimate.low, estimate.high))
    return f"{value} (95 % interval {low} to {high})"


def sentence(text: str) -> str:
    """Begin a text with a capital letter, as a sentence.

    >>> sentence("age explains much.")
    'Age explains much.'
    """
    return text[:1].upper() + text[1:]
