"""Whose slices are these? Finds the people behind a set of slices from the images alone.

Neighbouring slices of one head are more similar than any slices of two different heads. So the slices are linked, most
similar first, until all are connected (a maximum spanning tree, which is single linkage). If the slices come from
several people, the links are of two kinds, those within a head and those between heads, with a gap in similarity
between them. Cutting the tree at the gap leaves one component per person, each a chain in anatomical order. If there
is no such gap, people cannot be told apart, and no groups are made up.

Similarity is the Pearson correlation of the pixels after shrinking to 64 × 64. All pairs are compared, one block at a
time, so time grows with the square of the number of slices but memory only linearly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SIDE = 64
BLOCK = 1024
NEIGHBOURS = 64
MIN_SLICES = 8  # with fewer slices there are no statistics
MIN_GROUP = 3  # a person has at least so many slices; smaller components are copies or outliers
MIN_FRACTION_IN_GROUPS = 0.9
MIN_CLEARNESS = 1.0
CANDIDATES = 20
NEAR_COPY = 0.999  # more than neighbouring 1 mm slices of one head reach (0.995 in OASIS-1)


@dataclass(frozen=True, eq=False)
class Subjects:
    """Whose slices these are, as found from the images.

    Attributes:
        found: Whether people can be told apart.
        groups: int64, one per slice: the number of its person, from 0 (all zero if not found).
        order: int64, one per slice: its position within its person, from 0, inferior first.
        weakest_link: Smallest similarity that links slices of one person; NaN if not found.
        strongest_other: Largest similarity between slices of two different people; NaN if not found.
        clearness: Width of the gap between the two, in units of the distance from the median link to the weakest.
    """

    found: bool
    groups: Ints
    order: Ints
    weakest_link: float
    strongest_other: float
    clearness: float

    @property
    def threshold(self) -> float:
        """The middle of the gap."""
        return (self.weakest_link + self.strongest_other) / 2


def find_subjects(descriptors: Floats, brain_size: Floats) -> Subjects:
    """Group slices by person and order each person's slices.

    Args:
        descriptors: float32, n × d, one slice per row, mean 0 and length 1, so that products are correlations.
        brain_size: float32, n, fraction of the picture that is not background; from the level of the temporal lobes
            to the vertex it decreases upwards, which gives the direction of the order.

    Returns:
        The people; `found` is False if they cannot be told apart.
    """
    n = len(descriptors)
    if n < MIN_SLICES:
        return _not_found(n, 0.0)
    tree = _spanning_tree(descriptors)
    cut = _best_cut(tree, n)
    if cut is None:
        return _not_found(n, 0.0)
    weakest, median = cut
    links = _links_of(tree, weakest)
    groups = _components(links)
    strongest_other = float(_best_outside(descriptors, groups)[1].max())
    clearness = _clearness(weakest, strongest_other, median)
    if clearness < MIN_CLEARNESS:
        return _not_found(n, max(clearness, 0.0))
    return Subjects(
        found=True,
        groups=groups,
        order=_order(links, groups, brain_size),
        weakest_link=weakest,
        strongest_other=strongest_other,
        clearness=clearness,
    )


def near_copies(descriptors: Floats) -> Ints:
    """Group slices that are almost the same picture (a correlation of 0.999 or more, directly or through others).

    Args:
        descriptors: float32, n × d, as for `find_subjects`.

    Returns:
        int64, n: a group number for each slice; a slice without copies is alone in its group.
    """
    n = len(descriptors)
    groups = np.arange(n, dtype=np.int64)
    for start, similarity in _similarity_blocks(descriptors):
        row, column = np.nonzero(similarity >= NEAR_COPY)
        links = coo_matrix((np.ones(len(row)), (groups[row + start], groups[column])), shape=(n, n))
        groups = _components(links)[groups]
    return groups


def _components(graph: csr_matrix | coo_matrix) -> Ints:
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def _not_found(n: int, clearness: float) -> Subjects:
    zeros, nan = np.zeros(n, np.int64), float("nan")
    return Subjects(found=False, groups=zeros, order=zeros, weakest_link=nan, strongest_other=nan, clearness=clearness)


def _similarity_blocks(descriptors: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield (first row, similarities of a block of rows with all rows); a slice is not its own neighbour."""
    for start in range(0, len(descriptors), BLOCK):
        similarity = descriptors[start : start + BLOCK] @ descriptors.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -2.0
        yield start, similarity


def _links_of(tree: csr_matrix, weakest: float) -> csr_matrix:
    """Keep those links of a tree whose similarity is at least that of the weakest."""
    links = tree.tocoo()
    kept = 2.0 - links.data >= weakest
    return csr_matrix((links.data[kept], (links.row[kept], links.col[kept])), shape=tree.shape)


def _spanning_tree(descriptors: Floats) -> csr_matrix:
    """Return the maximum spanning tree as distances 2 - similarity: never 0, which sparse graphs treat as no edge."""
    n = len(descriptors)
    k = min(NEIGHBOURS, n - 1)
    rows, columns, values = [], [], []
    for start, similarity in _similarity_blocks(descriptors):
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        rows.append(np.repeat(np.arange(start, start + len(similarity)), k))
        columns.append(nearest.ravel())
        values.append(np.take_along_axis(similarity, nearest, axis=1).ravel())
    row, column = np.concatenate(rows), np.concatenate(columns)
    tree = _forest(row, column, np.concatenate(values), n)
    while (parts := connected_components(tree, directed=False))[0] > 1:  # Borůvka's step: the best link out of each
        outside, similarity = _best_outside(descriptors, parts[1])
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


def _best_outside(descriptors: Floats, groups: NDArray[np.integer]) -> tuple[Ints, Floats]:
    """Find, for each slice, the most similar slice of another group."""
    best = np.empty(len(descriptors), np.int64)
    similarities = np.empty(len(descriptors), np.float32)
    for start, similarity in _similarity_blocks(descriptors):
        rows = slice(start, start + len(similarity))
        similarity[groups[rows, None] == groups[None, :]] = -2.0
        best[rows] = similarity.argmax(axis=1)
        similarities[rows] = similarity.max(axis=1)
    return best, similarities


def _best_cut(tree: csr_matrix, n: int) -> tuple[float, float] | None:
    """Find the widest gap that leaves real groups: the weakest link above it and the median of those links."""
    links = np.sort(2.0 - tree.data)[::-1]
    widest = np.argsort(links[1:] - links[:-1])[:CANDIDATES]
    for last in widest:
        weakest, median = float(links[last]), float(np.median(links[: last + 1]))
        if _clearness(weakest, float(links[last + 1]), median) < MIN_CLEARNESS:
            continue
        sizes = np.bincount(_components(_links_of(tree, weakest)))
        if sizes[sizes >= MIN_GROUP].sum() >= MIN_FRACTION_IN_GROUPS * n:
            return weakest, median
    return None


def _clearness(weakest: float, strongest_other: float, median: float) -> float:
    spread = max(median - weakest, 1e-6)
    return (weakest - strongest_other) / spread


def _order(links: csr_matrix, groups: Ints, brain_size: Floats) -> Ints:
    """Walk each person's chain from one end to the other, in the direction in which the brain gets smaller."""
    order = np.zeros(len(groups), np.int64)
    both_ways = links + links.T
    for group in range(int(groups.max()) + 1):
        members = np.nonzero(groups == group)[0]
        chain = both_ways[members][:, members]
        far = int(np.argmax(dijkstra(chain, indices=0)))  # the farthest from any slice is one end of the chain
        rank = np.argsort(np.argsort(dijkstra(chain, indices=far)))
        if np.cov(rank, brain_size[members])[0, 1] > 0:
            rank = len(members) - 1 - rank
        order[members] = rank
    return order
