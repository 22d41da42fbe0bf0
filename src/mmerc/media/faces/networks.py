"""The three networks of MTCNN (Zhang et al. 2016, Fig. 2)."""

from __future__ import annotations

from torch import Tensor, nn

CELL, STRIDE = 12, 2  # receptive field and stride of P-Net's map, in pixels


def convolution(inputs: int, outputs: int, size: int) -> tuple[nn.Module, nn.Module]:
    """Build a convolution without padding, followed by PReLU."""
    return nn.Conv2d(inputs, outputs, size), nn.PReLU(outputs)


def _pooling(size: int) -> nn.Module:
    """Build max pooling by two; an incomplete border is included."""
    return nn.MaxPool2d(size, stride=2, ceil_mode=True)


def _face_share(answers: Tensor) -> Tensor:
    """Return the probability of "face" versus "no face", given along dimension 1."""
    return answers.softmax(1)[:, 1]


class ProposalNetwork(nn.Module):
    """P-Net: proposes faces in 12 x 12 pixels, at every second pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            *convolution(3, 10, 3), _pooling(2), *convolution(10, 16, 3), *convolution(16, 32, 3)
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Compute scores and box offsets at every position of every picture.

        Shape: pictures [F, 3, H, W] in -1..1 -> scores [F, h, w], offsets [F, h, w, 4] as shares
        of the box.
        """
        maps = self.maps(pictures)
        return _face_share(self.face(maps)), self.box(maps).permute(0, 2, 3, 1)


class _CropNetwork(nn.Module):
    """Common part of R-Net and O-Net: convolutions, and one vector per crop."""

    def __init__(self, *maps: nn.Module, flat: int, width: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(*maps)
        self.vector = nn.Sequential(nn.Linear(flat, width), nn.PReLU(width))

    def vectors(self, crops: Tensor) -> Tensor:
        """Shape: crops [M, 3, S, S] in -1..1 -> [M, width]."""
        # The published weights expect columns before rows.
        vectors: Tensor = self.vector(self.maps(crops).permute(0, 3, 2, 1).flatten(1))
        return vectors


class RefinementNetwork(_CropNetwork):
    """R-Net: filters and refines proposals."""

    SIZE = 24

    def __init__(self) -> None:
        first = (*convolution(3, 28, 3), _pooling(3))
        second = (*convolution(28, 48, 3), _pooling(3))
        super().__init__(*first, *second, *convolution(48, 64, 2), flat=576, width=128)
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Compute scores and box offsets of crops.

        Shape: crops [M, 3, 24, 24] in -1..1 -> scores [M], offsets [M, 4] as shares of the box.
        """
        vectors = self.vectors(crops)
        return _face_share(self.face(vectors)), self.box(vectors)


class OutputNetwork(_CropNetwork):
    """O-Net: final decision and landmarks."""

    SIZE = 48

    def __init__(self) -> None:
        first = (*convolution(3, 32, 3), _pooling(3))
        second = (*convolution(32, 64, 3), _pooling(3))
        third = (*convolution(64, 64, 3), _pooling(2))
        super().__init__(
            *first, *second, *third, *convolution(64, 128, 2), flat=1152, width=256
        )  # fmt: skip
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute scores, box offsets and five landmarks of crops.

        Shape: crops [M, 3, 48, 48] in -1..1 -> scores [M], offsets [M, 4] and landmarks [M, 5, 2]
        (x, y) as shares of the box.
        """
        vectors = self.vectors(crops)
        landmarks = self.landmarks(vectors).unflatten(1, (2, 5)).transpose(1, 2)  # first x, then y
        return _face_share(self.face(vectors)), self.box(vectors), landmarks
