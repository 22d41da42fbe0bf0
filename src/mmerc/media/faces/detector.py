"""MTCNN (Zhang et al. 2016): detect faces and five landmarks in batches of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmerc.media.faces.boxes import make_square, move_boxes, suppress_overlaps
from mmerc.media.faces.networks import CELL, STRIDE, OutputNetwork, RefinementNetwork
from mmerc.media.faces.sampling import crops, pyramid, scales
from mmerc.media.faces.weights import load_networks
from mmerc.media.faces.windows import Parts, Window, cut_windows

Frame = NDArray[np.uint8]

_PIXELS_AT_ONCE = 2**23  # per batch of frames: 27 frames of 640 x 480
_CROPS_AT_ONCE = 48  # their feature maps fit into the cache


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a frame, in pixels.

    Shape: box [4] (x0, y0, x1, y1) inside the frame; landmarks [5, 2] (x, y): eyes, nose and
    corners of the mouth, left side of the picture first.
    """

    box: NDArray[np.float32]
    score: float
    landmarks: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes that may be faces.

    Shape: frame [M] (index), box [M, 4], score [M].
    """

    frame: Tensor
    box: Tensor
    score: Tensor

    def __getitem__(self, chosen: Tensor) -> Candidates:
        return Candidates(self.frame[chosen], self.box[chosen], self.score[chosen])

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Concatenate ``parts``."""
        return cls(
            torch.cat([part.frame for part in parts]),
            torch.cat([part.box for part in parts]),
            torch.cat([part.score for part in parts]),
        )

    def best(self, overlap: float) -> Candidates:
        """Apply non-maximum suppression within each frame."""
        return self[suppress_overlaps(self.box, self.score, self.frame, overlap=overlap)]


class FaceDetector:
    """Finds faces with a side of at least ``smallest`` pixels, and some slightly smaller.

    ``thresholds`` are the minimum scores in P-Net, R-Net and O-Net; ``step`` is the ratio of
    successive picture sizes. ValueError for ``smallest`` below P-Net's input size of 12 pixels.
    """

    def __init__(
        self,
        *,
        smallest: float = 60,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8),
        step: float = 0.709,
        device: torch.device | str = "cpu",
    ) -> None:
        if smallest < CELL:
            raise ValueError(f"the smallest face must have {CELL} pixels or more, got {smallest}")
        self.smallest = smallest
        self.thresholds = thresholds
        self.step = step
        self.device = torch.device(device)
        self.networks = load_networks().to(self.device)

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """Detect the faces of each frame, best first; an empty list for frames without faces.

        Shape: frames each [H, W, 3] uint8 (RGB); frames of equal size are batched. ValueError for
        another shape or type.
        """
        for frame in frames:
            check_frame(frame)
        faces: list[list[Face]] = [[] for _ in frames]
        large = [i for i, frame in enumerate(frames) if min(frame.shape[:2]) >= self.smallest]
        for batch in _batches_of_one_size(frames, large):
            pictures = torch.from_numpy(np.stack([frames[i] for i in batch])).to(self.device)
            for i, face in self.detect_batch(pictures):
                faces[batch[i]].append(face)
        return faces

    def detect_batch(self, frames: Tensor) -> Iterator[tuple[int, Face]]:
        """Yield pairs of frame index and face.

        Shape: frames [F, H, W, 3] uint8, no side shorter than the smallest face.
        """
        yield from self.judge(frames, self.propose(frames))

    def judge(self, frames: Tensor, candidates: Candidates) -> Iterator[tuple[int, Face]]:
        """Apply R-Net and O-Net to proposals; yield pairs of frame index and face."""
        faces, landmarks = self.decide(frames, self.refine(frames, candidates))
        columns = (faces.box, faces.score, landmarks)
        boxes, scores, points = (column.cpu().numpy() for column in columns)
        for i, frame in enumerate(faces.frame.tolist()):
            yield frame, Face(boxes[i], float(scores[i]), points[i])

    def propose(self, frames: Tensor) -> Candidates:
        """Return P-Net's proposals at all sizes of the frames."""
        levels, sizes = self.levels(frames)
        number = torch.arange(len(frames), device=self.device)
        corner = torch.zeros(len(frames), 2, dtype=torch.long, device=self.device)
        proposals = [
            self.propose_at(Parts(pictures, number, corner), scale).best(0.5)
            for pictures, scale in zip(pyramid(frames, sizes), levels, strict=True)
        ]
        return Candidates.joined(proposals).best(0.7)

    def propose_in(self, frames: Tensor, windows: Mapping[Window, Sequence[int]]) -> Candidates:
        """Return P-Net's proposals of the expected sizes within windows.

        ``windows``: the frames of each. Shape: frames [F, H, W, 3] uint8.
        """
        scales, sizes = self.levels(frames)
        proposals: dict[int, list[Candidates]] = {}
        for level, parts in cut_windows(frames, windows, sizes, cell=CELL, step=STRIDE):
            proposals.setdefault(level, []).append(self.propose_at(parts, scales[level]))
        levels = [Candidates.joined(parts).best(0.5) for parts in proposals.values()]
        return Candidates.joined(levels).best(0.7)

    def levels(self, frames: Tensor) -> tuple[list[float], list[tuple[int, int]]]:
        """Return P-Net's scales for frames [F, H, W, 3], and the scaled sizes (h, w)."""
        height, width = frames.shape[1:3]
        levels = scales(min(height, width), smallest=self.smallest, cell=CELL, step=self.step)
        return levels, [(int(height * scale), int(width * scale)) for scale in levels]

    def propose_at(self, parts: Parts, scale: float) -> Candidates:
        """Return P-Net's proposals in parts of frames that were scaled by ``scale``."""
        scores, offsets = self.networks.proposal(parts.pictures)
        part, y, x = chosen = (scores > self.thresholds[0]).nonzero(as_tuple=True)
        start = parts.corner[part] + torch.stack([x, y], dim=1) * STRIDE + 1
        cells = torch.cat([start, start + CELL - 1], dim=1)
        boxes = (cells + offsets[chosen] * (CELL - 1)) / scale
        return Candidates(parts.frame[part], boxes, scores[chosen])

    def refine(self, frames: Tensor, candidates: Candidates) -> Candidates:
        """Filter and refine proposals with R-Net."""
        squares = make_square(candidates.box)
        scores, offsets = _judge(self.networks.refinement, frames, candidates.frame, squares)
        refined = Candidates(candidates.frame, move_boxes(squares, offsets), scores)
        return refined[scores > self.thresholds[1]].best(0.7)

    def decide(self, frames: Tensor, candidates: Candidates) -> tuple[Candidates, Tensor]:
        """Filter with O-Net; return faces clipped to their frames, and landmarks [M, 5, 2]."""
        squares = make_square(candidates.box)
        scores, offsets, shares = _judge(self.networks.output, frames, candidates.frame, squares)
        boxes = move_boxes(squares, offsets)
        height, width = frames.shape[1:3]
        inside = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height] * 2) - 1)
        visible = (inside[:, 2:] > inside[:, :2]).all(1)
        faces = (visible & (scores > self.thresholds[2])).nonzero().flatten()
        columns = (boxes[faces], scores[faces], candidates.frame[faces])
        faces = faces[suppress_overlaps(*columns, overlap=0.7, measure="smaller")]
        start, end = squares[faces, None, :2] - 1, squares[faces, None, 2:]
        landmarks = torch.lerp(start, end, shares[faces])
        return Candidates(candidates.frame[faces], inside[faces], scores[faces]), landmarks


def _judge(
    network: RefinementNetwork | OutputNetwork, frames: Tensor, frame: Tensor, boxes: Tensor
) -> tuple[Tensor, ...]:
    """Run a network on crops of all frames, a few dozen at a time.

    Shape: frames [F, H, W, 3] uint8, frame [M] (index), boxes [M, 4].
    """
    columns = (torch.split(column, _CROPS_AT_ONCE) for column in (frame, boxes))
    answers = [
        network(crops(frames, i, box, network.SIZE)) for i, box in zip(*columns, strict=True)
    ]
    return tuple(torch.cat(columns) for columns in zip(*answers, strict=True))


def check_frame(frame: Frame) -> None:
    """ValueError if the frame is not a colour picture."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ValueError(
            f"a frame must be uint8 [height, width, 3], got {frame.dtype} {list(frame.shape)}"
        )


def _batches_of_one_size(frames: Sequence[Frame], chosen: Iterable[int]) -> Iterator[list[int]]:
    """Yield indices of frames for one batch."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i in chosen:
        by_shape.setdefault(frames[i].shape, []).append(i)
    for (height, width, _), indices in by_shape.items():
        count = max(1, _PIXELS_AT_ONCE // (height * width))
        yield from (indices[i : i + count] for i in range(0, len(indices), count))
