"""Slices linked to their like: every slice compared with every other, and the strongest links that connect all.

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
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 1024
NEIGHBOURS = 64
WAYS = 4  # that a slice may face: as it is, mirrored, upside down, and both
NEAR_COPY = 0.999  # more than neighbouring 1 mm slices of one head reach (0.995 in OASIS-1)


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


def near_copies(linked: Linked) -> Ints:
    """Group slices that are almost the same picture (a correlation of 0.999 or more, directly or through others).

    The links of a maximum spanning tree that are as strong connect exactly those that any links as strong connect.

    Args:
        linked: n slices.

    Returns:
        int64, n: a group number for each slice; a slice without copies is alone in its group.
    """
    return components(links_of(linked.tree, NEAR_COPY))


def components(graph: csr_matrix) -> Ints:
    """Return the number of the component that each slice is in."""
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def links_of(tree: csr_matrix, weakest: float) -> csr_matrix:
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
        outside, similarity = best_outside(slices, parts[1], ways=WAYS)
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


def best_outside(slices: Slices, groups: NDArray[np.integer], *, ways: int = 2) -> tuple[Ints, Floats]:
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


def _rows_of(pictures: Floats) -> Floats:
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, np.finfo(np.float32).tiny), np.float32)
