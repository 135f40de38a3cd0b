"""Which groups of slices show the same heights, and so cannot be pieces of one person.

One person has each height once. So two groups that show the same heights are two people. Two that show different
heights may be two people, or the lower and the upper slices of one, between whom slices are missing.

Slices of one height are alike across people: laid beside each other in anatomical order, two groups are most alike, on
average over the slices side by side, where the same heights meet. Pieces of one person are most alike where the end of
one meets the beginning of the other. A pair of groups is laid side by side directly, and by way of whole groups: where
both lie in each of these, the median over them.
"""

import numpy as np
from numpy.typing import NDArray

from core.cohorts.recovery.links import Ints, Slices

REFERENCES = 15  # groups that others are laid beside, the largest
SHARED = 0.45  # of the shorter of two groups, at the least, lies beside the other where they are of the same heights
SHARED_BY_LARGE = 0.2  # the same, where each of the two has more than half as many slices as anybody
FEW = 6  # slices; where fewer ones lie is found wrongly too often to believe one of the two ways alone


def whole_groups(slices: Slices, groups: Ints, order: Ints) -> NDArray[np.bool_]:
    """Tell which groups are no possible pieces of others.

    The largest groups are kept first; then each that shares heights with all that are kept. So of the pieces of one
    person one is kept at the most.

    Args:
        slices: n slices.
        groups: int64, n: the number of each slice's group, from 0; -1 for none.
        order: int64, n: the position in its group.

    Returns:
        bool, one per group.
    """
    members = [in_order(groups == group, order) for group in range(int(groups.max()) + 1)]
    sizes = np.array([len(one) for one in members])
    largest = np.argsort(-sizes, kind="stable")
    members = _one_way_up(slices, members, largest[:REFERENCES])
    starts = np.stack([[_start(slices, one, members[place]) for one in members] for place in largest[:REFERENCES]])
    kept: list[int] = []
    for group in largest:  # none is smaller than the next, so each is the shorter one beside those that are kept
        others = np.array(kept, np.int64)
        first, last = np.maximum(starts[:, [group]], starts[:, others]), starts + sizes
        both = np.minimum(last[:, [group]], last[:, others]) - first
        by_others = np.median(both / sizes[group], axis=0)
        least = SHARED_BY_LARGE if sizes[group] > sizes.max() / 2 else SHARED
        if all(
            _same_heights(slices, members[group], members[other], by_others=said, least=least)
            for other, said in zip(kept, by_others, strict=True)
        ):
            kept.append(int(group))
    whole = np.zeros(len(members), bool)
    whole[kept] = True
    return whole


def _same_heights(slices: Slices, one: Ints, other: Ints, *, by_others: float, least: float) -> bool:
    """Tell whether two groups, the shorter one first, show the same heights: by other groups, or directly."""
    if len(one) < FEW and by_others < least:
        return False
    return (len(one) >= FEW and by_others >= least) or side_by_side(slices, one, other) >= least


def side_by_side(slices: Slices, one: Ints, other: Ints) -> float:
    """Return which fraction of the shorter of two groups lies beside the other; each in anatomical order."""
    start = _start(slices, one, other)
    both = min(start + len(one), len(other)) - max(start, 0)
    return both / min(len(one), len(other))


def _start(slices: Slices, group: Ints, beside: Ints) -> int:
    """Return the place in another group beside which a group begins where the two are most alike; may be outside."""
    similarity = slices.similarity(group, beside)
    offset = (np.arange(len(beside)) - np.arange(len(group))[:, None] + len(group) - 1).ravel()
    means = np.bincount(offset, similarity.ravel()) / np.bincount(offset)
    return int(means.argmax()) - len(group) + 1


def _one_way_up(slices: Slices, members: list[Ints], references: Ints) -> list[Ints]:
    """Turn those groups over whose likes in most references come in the opposite order: few slices do not tell it."""
    turned = []
    for one in members:
        likes = [slices.similarity(one, members[reference]).argmax(axis=1) for reference in references]
        rising = [np.sign(np.cov(np.arange(len(one)), places)[0, 1]) for places in likes]
        turned.append(one[::-1] if sum(rising) < 0 else one)
    return turned


def in_order(of_group: NDArray[np.bool_], order: Ints) -> Ints:
    """Return the slices of a group by their positions in it."""
    members = np.nonzero(of_group)[0]
    return members[np.argsort(order[members], kind="stable")]
