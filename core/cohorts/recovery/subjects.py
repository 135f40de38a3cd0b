"""Whose slices are these? Finds the people behind a set of slices from the images alone.

Neighbouring slices of one head are more similar than any slices of two different heads. So the slices are linked, most
similar first, until all are connected (a maximum spanning tree, which is single linkage). If the slices come from
several people, the links are of two kinds, those within a head and those between heads, with a gap in similarity
between them. Cutting the tree at the gap leaves one component per person, each a chain in anatomical order.

Four things must hold before that is called people. The gap is wide among the slices that remain once what belongs to
nobody is set aside: single slices, and pictures unlike all others. No component holds nearly everything, which a gap
between one stray picture and all the rest would give. No component falls apart at a gap of its own into several that
show the same heights, as it would where pictures are of several kinds and everybody of a kind hangs together. And the
components are whole people, not pieces of them. Where slices are missing, a head falls apart into pieces that show
different heights (`core.cohorts.recovery.heights`); all but one of them are set aside. The end of one piece may also be
most alike the beginning of the next. Otherwise people are not established, and no groups are made up.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from core.cohorts.recovery.heights import in_order, whole_groups
from core.cohorts.recovery.links import Floats, Ints, Linked, Slices, best_outside, components, links_of

MIN_SLICES = 8  # with fewer slices there are no statistics
MIN_GROUP = 3  # a person has at least so many slices; smaller components are set aside
MIN_FRACTION_IN_GROUPS = 0.8
MIN_CLEARNESS = 1.0
CANDIDATES = 20
WITHIN = 5  # gaps inside a group that are looked at
ALIKE = 0.85  # neighbouring slices of one head, at the least
MOST_OF_ALL = 0.9  # a component that holds more is no person but the set without its strays
CLEARLY = 0.25  # of the way from what is unusual between people to what links a person's slices
HALF = 0.5  # of a part of a group, over which its slices have their like in another part if both are whole people
# How much people differ at equal heights, in terms of slices two apart: copies less, and slices out of pose much more.
PEOPLE_DIFFER = (2.0, 6.0)
EQUAL = 0.9  # of the people have the same number of slices, where pieces of people could not be told from people
UNLIKE = 0.2  # of correlation below what is usual between people: a picture of something else


@dataclass(frozen=True, eq=False)
class Subjects:
    """Whose slices these are, as found from the images.

    Attributes:
        found: Whether people can be told apart.
        groups: int64, one per slice: the number of its person, from 0; -1 for slices set aside (all zero if not found).
        order: int64, one per slice: its position within its person, from 0, inferior first.
        weakest_link: Smallest similarity that links slices of one person; NaN if not found.
        strongest_other: Largest similarity between slices of two different people; NaN if not found.
        clearness: Width of the gap between the two, in units of the distance from the median link to the weakest.
        unlike: bool, one per slice: whether it was set aside because it is like no other picture.
        piece: bool, one per slice: whether it was set aside because its group may be a piece of another one's person.
        reason: Why people are not established; "" if they are.
    """

    found: bool
    groups: Ints
    order: Ints
    weakest_link: float
    strongest_other: float
    clearness: float
    unlike: NDArray[np.bool_]
    piece: NDArray[np.bool_]
    reason: str = ""

    def refused(self, reason: str) -> "Subjects":
        """Return that nobody was found, for a reason."""
        return _not_found(len(self.groups), self.clearness, reason)

    @property
    def threshold(self) -> float:
        """The middle of the gap."""
        return (self.weakest_link + self.strongest_other) / 2


@dataclass(frozen=True, eq=False)
class _Cut:
    """A spanning tree cut at a gap: components of people, and what belongs to nobody."""

    weakest: float
    median_link: float
    strongest_other: float
    clearness: float
    links: csr_matrix
    groups: Ints
    unlike: NDArray[np.bool_]
    outside: Ints
    similarity: Floats


def find_subjects(linked: Linked, brain_size: Floats) -> Subjects:
    """Group slices by person and order each person's slices.

    Args:
        linked: n slices.
        brain_size: float32, n, fraction of the picture that is not background; from the level of the temporal lobes
            to the vertex it decreases upwards, which gives the direction of the order.

    Returns:
        The people; `found` is False if they cannot be told apart.
    """
    slices, n = linked.slices, len(linked.slices)
    if n < MIN_SLICES:
        return _not_found(n, 0.0, f"there are fewer than {MIN_SLICES} slices")
    cut = _best_cut(slices, linked.tree)
    if cut is None or cut.clearness < MIN_CLEARNESS:
        clearness = 0.0 if cut is None else max(cut.clearness, 0.0)
        return _not_found(n, clearness, "there is no clear gap between slices of one person and those of two")
    order = _order(cut.links, cut.groups, brain_size)
    if _holds_several(slices, cut, brain_size):
        return _not_found(
            n, cut.clearness, "the groups seem to hold several people each, as if pictures were of several kinds"
        )
    if _hold_copies(slices, cut, order):
        reason = "some groups are as alike as copies of each other, whose people would be counted twice"
        return _not_found(n, cut.clearness, reason)
    piece = (cut.groups >= 0) & ~whole_groups(slices, cut.groups, order)[cut.groups]
    cut = _without(slices, cut, piece)
    kept = cut.groups >= 0
    if kept.sum() < MIN_FRACTION_IN_GROUPS * n or cut.groups.max() < 1 or _in_pieces(slices, cut, order):
        return _not_found(n, cut.clearness, "the groups look like pieces of people, as if slices were missing")
    return Subjects(
        found=True,
        groups=cut.groups,
        order=np.where(kept, order, 0),
        weakest_link=cut.weakest,
        strongest_other=cut.strongest_other,
        clearness=cut.clearness,
        unlike=cut.unlike,
        piece=piece,
    )


def _not_found(n: int, clearness: float, reason: str) -> Subjects:
    zeros, nan = np.zeros(n, np.int64), float("nan")
    return Subjects(
        found=False,
        groups=zeros,
        order=zeros,
        weakest_link=nan,
        strongest_other=nan,
        clearness=clearness,
        unlike=np.zeros(n, bool),
        piece=np.zeros(n, bool),
        reason=reason,
    )


def _best_cut(slices: Slices, tree: csr_matrix) -> _Cut | None:
    """Cut at the widest gap that leaves people; None if there is no such gap."""
    links = np.sort(2.0 - tree.data)[::-1]
    widest = np.argsort(links[1:] - links[:-1])[:CANDIDATES]
    best: _Cut | None = None
    for last in widest:
        weakest, median = float(links[last]), float(np.median(links[: last + 1]))
        if weakest < ALIKE or _clearness(weakest, float(links[last + 1]), median) < MIN_CLEARNESS / 2:
            continue
        cut = _cut_at(slices, links_of(tree, weakest), weakest, median)
        if cut is not None and (best is None or cut.clearness > best.clearness):
            best = cut
            if best.clearness >= MIN_CLEARNESS:
                break
    return best


def _cut_at(slices: Slices, links: csr_matrix, weakest: float, median: float) -> _Cut | None:
    """Take the components of a tree's links as people, if they can be; what is too small for one is set aside."""
    n = len(slices)
    parts = components(links)
    sizes = np.bincount(parts)
    large = sizes >= MIN_GROUP
    if large.sum() < 2 or sizes[large].sum() < MIN_FRACTION_IN_GROUPS * n or sizes.max() > MOST_OF_ALL * n:
        return None
    groups = np.where(large[parts], parts, -1)
    outside, similarity = best_outside(slices, groups)
    unlike = _unlike(groups, similarity)
    if unlike[groups >= 0].any():
        groups = np.where(unlike, -1, groups)
        outside, similarity = best_outside(slices, groups)
    people = groups >= 0
    if len(set(groups[people])) < 2:
        return None
    groups = _numbered(groups)
    strongest = float(similarity[people].max())
    return _Cut(
        weakest=weakest,
        median_link=median,
        strongest_other=strongest,
        clearness=_clearness(weakest, strongest, median),
        links=links,
        groups=groups,
        unlike=unlike,
        outside=outside,
        similarity=similarity,
    )


def _without(slices: Slices, cut: _Cut, piece: NDArray[np.bool_]) -> _Cut:
    """Return a cut without what may be pieces of others, whom it must not be compared with any more."""
    if not piece.any():
        return cut
    groups = _numbered(np.where(piece, -1, cut.groups))
    outside, similarity = best_outside(slices, groups)
    strongest = float(similarity[groups >= 0].max())
    clearness = _clearness(cut.weakest, strongest, cut.median_link)
    return replace(
        cut, groups=groups, outside=outside, similarity=similarity, strongest_other=strongest, clearness=clearness
    )


def _unlike(groups: Ints, similarity: Floats) -> NDArray[np.bool_]:
    """Tell which slices, or groups of them, are far less like others than people usually are like each other."""
    own = groups.max() + 1 + np.arange(len(groups))  # a single slice is a group of its own
    numbers = np.where(groups >= 0, groups, own)
    nearest = np.full(int(numbers.max()) + 1, -2.0)
    np.maximum.at(nearest, numbers, similarity)
    usual = float(np.median(nearest[np.unique(groups[groups >= 0])]))
    return nearest[numbers] < usual - UNLIKE


def _numbered(groups: Ints) -> Ints:
    """Number groups from 0 without gaps; -1 stays nobody's."""
    people = groups >= 0
    numbered = np.full(len(groups), -1, np.int64)
    numbered[people] = np.unique(groups[people], return_inverse=True)[1]
    return numbered


def _holds_several(slices: Slices, cut: _Cut, brain_size: Floats) -> bool:
    """Tell whether a group falls apart, at one of its widest gaps, into parts that show the same heights."""
    links = cut.links.tocoo()
    similarity, owner = 2.0 - links.data, cut.groups[links.row]
    for group in range(int(cut.groups.max()) + 1):
        own = np.sort(similarity[owner == group])[::-1]
        members = np.nonzero(cut.groups == group)[0]
        within = cut.links[members][:, members]
        for last in np.argsort(own[1:] - own[:-1])[:WITHIN]:
            parts = links_of(within, float(own[last]))
            numbers = components(parts)
            sizes = np.bincount(numbers)
            larger, smaller = np.argsort(-sizes, kind="stable")[:2]
            if sizes[smaller] < MIN_GROUP:
                continue
            one, other = np.nonzero(numbers == smaller)[0], np.nonzero(numbers == larger)[0]
            place = _order(parts, np.where(numbers == smaller, 0, -1), brain_size[members])[one]
            unlikeness = _unlikeness(slices, members[one[np.argsort(place)]], members[other])
            if unlikeness is not None and PEOPLE_DIFFER[0] < unlikeness < PEOPLE_DIFFER[1]:
                return True
    return False


def _hold_copies(slices: Slices, cut: _Cut, order: Ints) -> bool:
    """Tell whether some group is more like the one it is most like, height by height, than slices two apart are."""
    members = [in_order(cut.groups == group, order) for group in range(int(cut.groups.max()) + 1)]
    for one in members:
        nearest = cut.groups[cut.outside[one]]
        other = members[int(np.bincount(nearest[nearest >= 0]).argmax())]
        unlikeness = _unlikeness(slices, one, other)
        if unlikeness is not None and unlikeness < 1:
            return True
    return False


def _unlikeness(slices: Slices, one: Ints, other: Ints) -> float | None:
    """Return how much two groups differ at equal heights, in terms of how much slices two apart of the first differ.

    Slices of equal heights are each other's best match. Those of two people differ more than twice as much as slices
    two apart of one person (2.2 to 4 times as much in the public Alzheimer set), copies less.

    Args:
        slices: All slices.
        one: The slices of a group in anatomical order, three or more.
        other: Those of another.

    Returns:
        The ratio; None where the two do not show the same heights.
    """
    similarity = slices.similarity(one, other)
    best = similarity.argmax(axis=1)
    mutual = np.nonzero(similarity.argmax(axis=0)[best] == np.arange(len(one)))[0]
    if len(mutual) < MIN_GROUP or np.ptp(mutual) < HALF * (len(one) - 1):
        return None
    two_apart = float(np.median(slices.likeness(one[:-2], one[2:])))
    return (1 - float(np.median(similarity[mutual, best[mutual]]))) / max(1 - two_apart, 1e-6)


def _in_pieces(slices: Slices, cut: _Cut, order: Ints) -> bool:
    """Tell whether groups are pieces of people: some end where another begins.

    The two ends are then as alike as slices two apart are within a group, or, where more are missing, clearly more
    alike than the inside of groups is to other groups. Where slices two apart are no more alike than those of two
    people, pieces cannot be told from people; then people have equal numbers of slices, or nothing is claimed.
    """
    people = np.nonzero(cut.groups >= 0)[0]
    sizes = np.bincount(cut.groups[people])
    chain = people[np.lexsort([order[people], cut.groups[people]])]
    pairs = np.stack([chain[:-2], chain[2:]])
    pairs = pairs[:, cut.groups[pairs[0]] == cut.groups[pairs[1]]]
    two_apart = slices.likeness(pairs[0], pairs[1])
    if float(np.median(two_apart)) < cut.strongest_other:
        return float((sizes == np.bincount(sizes).argmax()).mean()) < EQUAL
    first, last = (order == 0), (order == sizes[cut.groups] - 1)
    end = first | last
    ends, inside = people[end[people]], people[~end[people]]
    unusual = float(np.quantile(cut.similarity[inside], 0.95))
    clearly = unusual + CLEARLY * (cut.median_link - unusual)
    others = cut.outside[ends]
    opposite = (first[ends] & last[others]) | (last[ends] & first[others])
    return bool((opposite & (cut.similarity[ends] >= min(float(np.quantile(two_apart, 0.25)), clearly))).any())


def _clearness(weakest: float, strongest_other: float, median: float) -> float:
    spread = max(median - weakest, 1e-6)
    return (weakest - strongest_other) / spread


def _order(links: csr_matrix, groups: Ints, brain_size: Floats) -> Ints:
    """Walk each person's chain from one end to the other, in the direction in which the brain gets smaller."""
    order = np.zeros(len(groups), np.int64)
    chains = links.copy()
    # 1 - similarity, but never 0: a copy lies where its original lies
    chains.data = np.maximum(chains.data - 1.0, 1e-6)
    both_ways = chains + chains.T
    for group in range(int(groups.max()) + 1):
        members = np.nonzero(groups == group)[0]
        chain = both_ways[members][:, members]
        far = int(np.argmax(dijkstra(chain, indices=0)))  # the farthest from any slice is one end of the chain
        rank = np.argsort(np.argsort(dijkstra(chain, indices=far)))
        if np.cov(rank, brain_size[members])[0, 1] > 0:
            rank = len(members) - 1 - rank
        order[members] = rank
    return order
