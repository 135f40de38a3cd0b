"""Whose slices are these? Finds the people behind a set of slices from the images alone.

Neighbouring slices of one head are more similar than any slices of two different heads. So the slices are linked, most
similar first, until all are connected (a maximum spanning tree, which is single linkage). If the slices come from
several people, the links are of two kinds, those within a head and those between heads, with a gap in similarity
between them. Cutting the tree at the gap leaves one component per person, each a chain in anatomical order.

Three things must hold before that is called people. The gap is wide among the slices that remain once what belongs to
nobody is set aside: single slices, and pictures unlike all others. No component holds nearly everything, which a gap
between one stray picture and all the rest would give. And the components are whole people, not pieces of them: where
slices are missing, a head falls apart, and the end of one piece is most alike the beginning of the next. Otherwise
people are not established, and no groups are made up.

Similarity is the Pearson correlation of the pixels at 64 × 64, the largest of the slices as they lie and of those in
canonical pose (`core.cohorts.recovery.pose`) as they are, mirrored, upside down, and both, so that mirrored, turned,
shifted and zoomed copies go with their originals. All pairs are compared, one block at a time, so time grows with the
square of the number of slices but memory only linearly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, minimum_spanning_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 1024
NEIGHBOURS = 64
WAYS = 4  # that a slice may face: as it is, mirrored, upside down, and both
MIN_SLICES = 8  # with fewer slices there are no statistics
MIN_GROUP = 3  # a person has at least so many slices; smaller components are set aside
MIN_FRACTION_IN_GROUPS = 0.8
MIN_CLEARNESS = 1.0
CANDIDATES = 20
ALIKE = 0.85  # neighbouring slices of one head, at the least
MOST_OF_ALL = 0.9  # a component that holds more is no person but the set without its strays
NEAR_COPY = 0.999  # more than neighbouring 1 mm slices of one head reach (0.995 in OASIS-1)
CLEARLY = 0.25  # of the way from what is unusual between people to what links a person's slices
EQUAL = 0.9  # of the people have the same number of slices, where pieces of people could not be told from people
UNLIKE = 0.2  # of correlation below what is usual between people: a picture of something else


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices as rows that can be compared: products are correlations.

    Attributes:
        rows: float32, n × d, one slice per row, mean 0 and length 1.
        side: The slices are side × side pixels, d = side²; 0 for rows that are no pictures and cannot be turned.
        as_they_lie: float32, n × e, the same slices before they were brought into canonical pose: a pose may fail, and
            slices that nobody moved are alike as they lie. None if there is nothing but the rows.
    """

    rows: Floats
    side: int = 0
    as_they_lie: Floats | None = None

    @classmethod
    def of(cls, pictures: Floats, as_they_lie: Floats) -> "Slices":
        """Make rows of pictures in canonical pose, n × side × side, and of the same as they lie."""
        return cls(_rows_of(pictures), pictures.shape[-1], _rows_of(as_they_lie))

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)

    def blocks(self, *, ways: int) -> Iterator[tuple[int, Floats]]:
        """Yield (first row, similarities of a block of rows with all rows); a slice is not its own neighbour.

        Args:
            ways: How many of `WAYS` a slice may face; the largest similarity counts.
        """
        for start in range(0, len(self), BLOCK):
            block = self.rows[start : start + BLOCK]
            similarity = block @ self.rows.T
            for way in range(1, ways if self.side else 1):
                np.maximum(similarity, self._facing(block, way) @ self.rows.T, out=similarity)
            if self.as_they_lie is not None:
                np.maximum(similarity, self.as_they_lie[start : start + BLOCK] @ self.as_they_lie.T, out=similarity)
            similarity[np.arange(len(block)), start + np.arange(len(block))] = -2.0
            yield start, similarity

    def facing_alike(self, tree: csr_matrix) -> "Slices":
        """Return the slices with each facing as its neighbour in a spanning tree does."""
        if not self.side:
            return self
        nodes, parents = breadth_first_order(tree, 0, directed=False)
        nodes = nodes[1:]
        above = self.rows[parents[nodes]]
        likeness = [np.einsum("nd,nd->n", above, self._facing(self.rows[nodes], way)) for way in range(WAYS)]
        ways = np.zeros(len(self), np.int64)
        for node, way in zip(nodes, np.argmax(likeness, axis=0), strict=True):
            ways[node] = ways[parents[node]] ^ way
        rows = self.rows.copy()
        for way in range(1, WAYS):
            rows[ways == way] = self._facing(rows[ways == way], way)
        return Slices(rows, self.side, self.as_they_lie)

    def likeness(self, one: Ints, other: Ints) -> Floats:
        """Return the similarity of pairs of slices by their numbers, facing as they do."""
        found = np.einsum("nd,nd->n", self.rows[one], self.rows[other])
        if self.as_they_lie is not None:
            found = np.maximum(found, np.einsum("nd,nd->n", self.as_they_lie[one], self.as_they_lie[other]))
        return np.asarray(found)

    def _facing(self, rows: Floats, way: int) -> Floats:
        """Mirror rows if the first bit of the way is set, and turn them upside down if the second is."""
        pictures = rows.reshape(-1, self.side, self.side)
        pictures = pictures[:, :, ::-1] if way & 1 else pictures
        pictures = pictures[:, ::-1] if way & 2 else pictures
        return pictures.reshape(len(rows), self.side**2)


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
        reason: Why people are not established; "" if they are.
    """

    found: bool
    groups: Ints
    order: Ints
    weakest_link: float
    strongest_other: float
    clearness: float
    unlike: NDArray[np.bool_]
    reason: str = ""

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


@dataclass(frozen=True, eq=False)
class Linked:
    """Slices linked to a maximum spanning tree.

    Attributes:
        slices: n slices, each facing as its neighbours in the tree do.
        tree: Distances 2 - similarity: never 0, which sparse graphs treat as no edge.
    """

    slices: Slices
    tree: csr_matrix


def link(slices: Slices) -> Linked:
    """Link slices, most similar first, until all are connected."""
    tree = _spanning_tree(slices)
    return Linked(slices.facing_alike(tree), tree)


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
    if _in_pieces(slices, cut, order):
        return _not_found(n, cut.clearness, "the groups look like pieces of people, as if slices were missing")
    return Subjects(
        found=True,
        groups=cut.groups,
        order=order,
        weakest_link=cut.weakest,
        strongest_other=cut.strongest_other,
        clearness=cut.clearness,
        unlike=cut.unlike,
    )


def _rows_of(pictures: Floats) -> Floats:
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, np.finfo(np.float32).tiny), np.float32)


def near_copies(linked: Linked) -> Ints:
    """Group slices that are almost the same picture (a correlation of 0.999 or more, directly or through others).

    The links of a maximum spanning tree that are as strong connect exactly those that any links as strong connect.

    Args:
        linked: n slices.

    Returns:
        int64, n: a group number for each slice; a slice without copies is alone in its group.
    """
    return _components(_links_of(linked.tree, NEAR_COPY))


def _components(graph: csr_matrix | coo_matrix) -> Ints:
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


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
        reason=reason,
    )


def _links_of(tree: csr_matrix, weakest: float) -> csr_matrix:
    """Keep those links of a tree whose similarity is at least that of the weakest."""
    links = tree.tocoo()
    kept = 2.0 - links.data >= weakest
    return csr_matrix((links.data[kept], (links.row[kept], links.col[kept])), shape=tree.shape)


def _spanning_tree(slices: Slices) -> csr_matrix:
    """Return the maximum spanning tree, as in `Linked`."""
    n = len(slices)
    k = min(NEIGHBOURS, n - 1)
    rows, columns, values = [], [], []
    for start, similarity in slices.blocks(ways=WAYS):
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        rows.append(np.repeat(np.arange(start, start + len(similarity)), k))
        columns.append(nearest.ravel())
        values.append(np.take_along_axis(similarity, nearest, axis=1).ravel())
    row, column = np.concatenate(rows), np.concatenate(columns)
    tree = _forest(row, column, np.concatenate(values), n)
    while (parts := connected_components(tree, directed=False))[0] > 1:  # Borůvka's step: the best link out of each
        outside, similarity = _best_outside(slices, parts[1], ways=WAYS)
        old = tree.tocoo()
        tree = _forest(
            np.concatenate([old.row, np.arange(n)]),
            np.concatenate([old.col, outside]),
            np.concatenate([2.0 - old.data, similarity]),
            n,
        )
    return tree


def _forest(row: Ints, column: Ints, similarity: NDArray[np.floating], n: int) -> csr_matrix:
    low, high = np.minimum(row, column), np.maximum(row, column)
    edges = np.unique(np.stack([low, high], axis=1), axis=0, return_index=True)[1]
    distances = 2.0 - similarity[edges].astype(np.float64)
    graph = coo_matrix((distances, (low[edges], high[edges])), shape=(n, n))
    return minimum_spanning_tree(graph.tocsr())


def _best_outside(slices: Slices, groups: NDArray[np.integer], *, ways: int = 2) -> tuple[Ints, Floats]:
    """Find, for each slice, the most similar slice of another group; group -1 is nobody's."""
    best = np.empty(len(slices), np.int64)
    similarities = np.empty(len(slices), np.float32)
    for start, similarity in slices.blocks(ways=ways):
        rows = slice(start, start + len(similarity))
        similarity[groups[rows, None] == groups[None, :]] = -2.0
        similarity[:, groups < 0] = -2.0
        best[rows] = similarity.argmax(axis=1)
        similarities[rows] = similarity.max(axis=1)
    return best, similarities


def _best_cut(slices: Slices, tree: csr_matrix) -> _Cut | None:
    """Cut at the widest gap that leaves people; None if there is no such gap."""
    links = np.sort(2.0 - tree.data)[::-1]
    widest = np.argsort(links[1:] - links[:-1])[:CANDIDATES]
    best: _Cut | None = None
    for last in widest:
        weakest, median = float(links[last]), float(np.median(links[: last + 1]))
        if weakest < ALIKE or _clearness(weakest, float(links[last + 1]), median) < MIN_CLEARNESS / 2:
            continue
        cut = _cut_at(slices, _links_of(tree, weakest), weakest, median)
        if cut is not None and (best is None or cut.clearness > best.clearness):
            best = cut
            if best.clearness >= MIN_CLEARNESS:
                break
    return best


def _cut_at(slices: Slices, links: csr_matrix, weakest: float, median: float) -> _Cut | None:
    """Take the components of a tree's links as people, if they can be; what is too small for one is set aside."""
    n = len(slices)
    components = _components(links)
    sizes = np.bincount(components)
    large = sizes >= MIN_GROUP
    if large.sum() < 2 or sizes[large].sum() < MIN_FRACTION_IN_GROUPS * n or sizes.max() > MOST_OF_ALL * n:
        return None
    groups = np.where(large[components], components, -1)
    outside, similarity = _best_outside(slices, groups)
    unlike = _unlike(groups, similarity)
    if unlike[groups >= 0].any():
        groups = np.where(unlike, -1, groups)
        outside, similarity = _best_outside(slices, groups)
    people = groups >= 0
    if len(set(groups[people])) < 2:
        return None
    groups[people] = np.unique(groups[people], return_inverse=True)[1]
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


def _unlike(groups: Ints, similarity: Floats) -> NDArray[np.bool_]:
    """Tell which slices, or groups of them, are far less like others than people usually are like each other."""
    numbers = np.where(
        groups >= 0, groups, groups.max() + 1 + np.arange(len(groups))
    )  # a single slice is its own group
    nearest = np.full(int(numbers.max()) + 1, -2.0)
    np.maximum.at(nearest, numbers, similarity)
    usual = float(np.median(nearest[np.unique(groups[groups >= 0])]))
    return nearest[numbers] < usual - UNLIKE


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
    chains.data = np.maximum(
        chains.data - 1.0, 1e-6
    )  # 1 - similarity, but never 0: a copy lies where its original lies
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
