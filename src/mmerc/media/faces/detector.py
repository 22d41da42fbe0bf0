"""MTCNN (Zhang et al. 2016): faces and five landmarks in whole batches of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmerc.media.faces.boxes import best_boxes, moved, squared
from mmerc.media.faces.networks import CELL, STRIDE, OutputNetwork, RefinementNetwork
from mmerc.media.faces.sampling import crops, pyramid, scales
from mmerc.media.faces.weights import load_networks
from mmerc.media.faces.windows import Parts, Window, cut_windows

Frame = NDArray[np.uint8]

_PIXELS_AT_ONCE = 2**23  # of all frames of a batch: 27 frames of 640 x 480
_CROPS_AT_ONCE = 48  # their maps fit into the cache


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one frame, in pixels.

    Shape: box [4] (x0, y0, x1, y1) inside of the frame; landmarks [5, 2] (x, y): the eyes, the nose
    and the corners of the mouth, those on the left of the picture first.
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
        """All of ``parts``, one after the other."""
        return cls(
            torch.cat([part.frame for part in parts]),
            torch.cat([part.box for part in parts]),
            torch.cat([part.score for part in parts]),
        )

    def best(self, overlap: float) -> Candidates:
        """Those that overlap no better one of their frame by more than ``overlap``."""
        return self[best_boxes(self.box, self.score, self.frame, overlap=overlap)]


class FaceDetector:
    """Finds the faces that are ``smallest`` pixels or more across, and some a little smaller.

    ``thresholds`` are the scores that a face needs in P-Net, R-Net and O-Net, ``step`` is the ratio
    of one size of the picture to the one before. ValueError for a ``smallest`` under the 12 pixels
    that P-Net sees.
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
        """Faces of each frame, the best first; a frame without a face has an empty list.

        Shape: frames each [H, W, 3] uint8 (RGB); those of one size are looked at together.
        ValueError for another shape or type.
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
        """Pairs of a frame's index and a face in it.

        Shape: frames [F, H, W, 3] uint8, no side shorter than the smallest face.
        """
        yield from self.judge(frames, self.propose(frames))

    def judge(self, frames: Tensor, candidates: Candidates) -> Iterator[tuple[int, Face]]:
        """Pairs of a frame's index and a face that R-Net and O-Net leave of the proposals."""
        faces, landmarks = self.decide(frames, self.refine(frames, candidates))
        columns = (faces.box, faces.score, landmarks)
        boxes, scores, points = (column.cpu().numpy() for column in columns)
        for i, frame in enumerate(faces.frame.tolist()):
            yield frame, Face(boxes[i], float(scores[i]), points[i])

    def propose(self, frames: Tensor) -> Candidates:
        """What P-Net takes for faces, at every size of the frames."""
        levels, sizes = self.levels(frames)
        number = torch.arange(len(frames), device=self.device)
        corner = torch.zeros(len(frames), 2, dtype=torch.long, device=self.device)
        proposals = [
            self.propose_at(Parts(pictures, number, corner), scale).best(0.5)
            for pictures, scale in zip(pyramid(frames, sizes), levels, strict=True)
        ]
        return Candidates.joined(proposals).best(0.7)

    def propose_in(self, frames: Tensor, windows: Mapping[Window, Sequence[int]]) -> Candidates:
        """What P-Net takes for faces of the expected sizes in windows.

        ``windows``: the frames of each. Shape: frames [F, H, W, 3] uint8.
        """
        scales, sizes = self.levels(frames)
        proposals: dict[int, list[Candidates]] = {}
        for level, parts in cut_windows(frames, windows, sizes, cell=CELL, step=STRIDE):
            proposals.setdefault(level, []).append(self.propose_at(parts, scales[level]))
        levels = [Candidates.joined(parts).best(0.5) for parts in proposals.values()]
        return Candidates.joined(levels).best(0.7)

    def levels(self, frames: Tensor) -> tuple[list[float], list[tuple[int, int]]]:
        """The scales at which P-Net sees frames [F, H, W, 3], and their sizes (h, w) there."""
        height, width = frames.shape[1:3]
        levels = scales(min(height, width), smallest=self.smallest, cell=CELL, step=self.step)
        return levels, [(int(height * scale), int(width * scale)) for scale in levels]

    def propose_at(self, parts: Parts, scale: float) -> Candidates:
        """What P-Net takes for faces in parts of frames that were made smaller by ``scale``."""
        scores, offsets = self.networks.proposal(parts.pictures)
        part, y, x = chosen = (scores > self.thresholds[0]).nonzero(as_tuple=True)
        start = parts.corner[part] + torch.stack([x, y], dim=1) * STRIDE + 1
        cells = torch.cat([start, start + CELL - 1], dim=1)
        boxes = (cells + offsets[chosen] * (CELL - 1)) / scale
        return Candidates(parts.frame[part], boxes, scores[chosen])

    def refine(self, frames: Tensor, candidates: Candidates) -> Candidates:
        """What R-Net leaves of the proposals."""
        squares = squared(candidates.box)
        scores, offsets = _judge(self.networks.refinement, frames, candidates.frame, squares)
        refined = Candidates(candidates.frame, moved(squares, offsets), scores)
        return refined[scores > self.thresholds[1]].best(0.7)

    def decide(self, frames: Tensor, candidates: Candidates) -> tuple[Candidates, Tensor]:
        """The faces that O-Net leaves, inside of their frames, and their landmarks [M, 5, 2]."""
        squares = squared(candidates.box)
        scores, offsets, shares = _judge(self.networks.output, frames, candidates.frame, squares)
        boxes = moved(squares, offsets)
        height, width = frames.shape[1:3]
        inside = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height] * 2) - 1)
        visible = (inside[:, 2:] > inside[:, :2]).all(1)
        faces = (visible & (scores > self.thresholds[2])).nonzero().flatten()
        columns = (boxes[faces], scores[faces], candidates.frame[faces])
        faces = faces[best_boxes(*columns, overlap=0.7, measure="smaller")]
        start, end = squares[faces, None, :2] - 1, squares[faces, None, 2:]
        landmarks = torch.lerp(start, end, shares[faces])
        return Candidates(candidates.frame[faces], inside[faces], scores[faces]), landmarks


def _judge(
    network: RefinementNetwork | OutputNetwork, frames: Tensor, frame: Tensor, boxes: Tensor
) -> tuple[Tensor, ...]:
    """What a network says of crops out of all frames, some dozens at a time.

    Shape: frames [F, H, W, 3] uint8, frame [M] (index), boxes [M, 4].
    """
    columns = (torch.split(column, _CROPS_AT_ONCE) for column in (frame, boxes))
    answers = [
        network(crops(frames, i, box, network.SIZE)) for i, box in zip(*columns, strict=True)
    ]
    return tuple(torch.cat(columns) for columns in zip(*answers, strict=True))


def check_frame(frame: Frame) -> None:
    """ValueError for what is not a colour picture."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ValueError(
            f"a frame must be uint8 [height, width, 3], got {frame.dtype} {list(frame.shape)}"
        )


def _batches_of_one_size(frames: Sequence[Frame], chosen: Iterable[int]) -> Iterator[list[int]]:
    """Indices of frames that fit into memory together."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for i in chosen:
        alike.setdefault(frames[i].shape, []).append(i)
    for (height, width, _), indices in alike.items():
        count = max(1, _PIXELS_AT_ONCE // (height * width))
        yield from (indices[i : i + count] for i in range(0, len(indices), count))
