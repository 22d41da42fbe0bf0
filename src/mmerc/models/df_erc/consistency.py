"""Weigh the sets of modalities by how well they agree throughout a recording (ours, not DF-ERC's).

Someone else's face, or a voice over a bad line, does not lower DF-ERC's estimate of Eq. 12, which
reads only the modality's own vector. Such a modality is recognisable over many utterances: it is
unrelated to what the other modalities show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ModalitySet
from mmerc.data.modality_subsets import modality_subsets

_SMOOTHING = 0.05  # share of the class frequencies mixed into each classifier's probabilities
_TRUST = (0.5, 1.0)  # exponents of a classifier's evidence
_ENOUGH = 20  # utterances
_PRIOR = 10.0  # utterances
_STEPS = 10
_TEMPERATURE = 0.5  # nats
_LEAST_WEIGHT = 1e-3


class ModalityConsistency(nn.Module):
    """Weigh the sets of a conversation's modalities by the evidence that they agree.

    The classifiers of Eq. 10 estimate the emotion from each modality by itself. The evidence that
    the modalities of a set share an emotion k, rather than each showing its own, is summed over the
    utterances: log sum_k f(k) prod_m p_m(k) / f(k), where f are the emotions' frequencies in this
    conversation, and p_m(k) the probabilities given f. Each p_m / f is raised to the power of a
    trust and normalised again; the trusts with the most evidence count. The weight of a set is the
    softmax of its evidence, divided by a temperature.

    [decided] f is estimated by expectation maximisation over all modalities, with a prior of ten
    utterances from training. Trusts are 0.5 and 1; 0.5 keeps a modality with an overconfident
    classifier. The temperature is 0.5 nats. Weights below 0.001 count as 0. The sets are those of
    at least two of the conversation's modalities. If it has only two, the first of text, audio,
    video alone is a set too: if they do not agree, it is the more reliable. A conversation needs 20
    utterances with two modalities; until then the set of all has weight 1. (All chosen on
    validation.)

    ``causal``: each utterance is judged without later utterances.
    """

    frequencies: Tensor

    def __init__(self, *, classes: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.register_buffer("frequencies", torch.full((classes,), 1 / classes))

    def fit(self, label_counts: Tensor) -> None:
        """Store the classes' frequencies in the training split. Shape: label_counts [K]."""
        self.frequencies = (label_counts.float() + 1) / (label_counts.sum() + len(label_counts))

    def forward(
        self, logits: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> dict[ModalitySet, Tensor]:
        """Return the weight of each set of modalities for each utterance; they add up to 1.

        Shape: logits[m] [B, N, K], present[m] [B, N] bool -> {set: [B, N]}.
        """
        modalities = tuple(logits)
        sets = list(modality_subsets(modalities))
        evidence = torch.stack(list(self.measure_evidence(logits, present, sets)))
        possible = self.find_possible(present, sets)
        weights = (evidence / _TEMPERATURE).masked_fill(~possible, -torch.inf).softmax(0)
        weights = weights.masked_fill(weights < _LEAST_WEIGHT, 0.0)
        everything = torch.tensor([s == modalities for s in sets], device=weights.device)
        judged = self.has_enough(present)
        weights = torch.where(judged, weights / weights.sum(0), everything[:, None, None].float())
        return dict(zip(sets, weights, strict=True))

    def measure_evidence(
        self,
        logits: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        sets: Sequence[ModalitySet],
    ) -> Iterator[Tensor]:
        """Yield the evidence that each set's modalities agree, in nats. Shape: -> [B, N] each."""
        chances = {m: self.smooth(logits[m]) for m in logits}
        log_frequencies = self.conversation_frequencies(chances, present).log()
        ratios = {m: self.log_ratios(chances[m], present[m], log_frequencies) for m in logits}
        for modalities in sets:
            totals = [
                self.total((log_frequencies + sum(combination)).logsumexp(-1))
                for combination in product(*(ratios[m] for m in modalities))
            ]
            yield torch.stack(totals).amax(0)

    def find_possible(
        self, present: Mapping[Modality, Tensor], sets: Sequence[ModalitySet]
    ) -> Tensor:
        """Mark the sets of modalities that the conversation has. Shape: -> [S, B, N].

        A single modality is possible only if it is the first of at most two.
        """
        occurs = {m: self.total(at.float()) > 0 for m, at in present.items()}
        few = torch.stack(list(occurs.values())).sum(0) <= 2
        modalities = tuple(present)

        def is_possible(chosen: ModalitySet) -> Tensor:
            masks = [occurs[m] for m in chosen]
            if len(chosen) == 1:
                masks += [few, *(~occurs[m] for m in modalities[: modalities.index(chosen[0])])]
            return torch.stack(masks).all(0)

        return torch.stack([is_possible(chosen) for chosen in sets])

    def has_enough(self, present: Mapping[Modality, Tensor]) -> Tensor:
        """Mark where a conversation has enough utterances for a decision. Shape: -> [B, N]."""
        compared = torch.stack(list(present.values())).sum(0) >= 2
        return self.total(compared.float()) >= _ENOUGH

    def smooth(self, logits: Tensor) -> Tensor:
        """Return probabilities, none of them 0. Shape: [..., K] -> [..., K]."""
        return (1 - _SMOOTHING) * logits.float().softmax(-1) + _SMOOTHING * self.frequencies

    def conversation_frequencies(
        self, chances: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> Tensor:
        """Return the emotions' frequencies in each conversation. Shape: -> [B, N, K].

        Expectation maximisation (Saerens et al. 2002): the frequencies that equal the mean of the
        probabilities given these frequencies.
        """
        ratios = torch.stack([chances[m] / self.frequencies for m in chances])
        counted = torch.stack([present[m] for m in chances]).unsqueeze(-1).float()
        counts = self.total(counted.sum(0)) + _PRIOR
        frequencies = self.frequencies.expand(ratios.shape[1:])
        for _ in range(_STEPS):
            given = ratios * frequencies
            given = given / given.sum(-1, keepdim=True)
            counted_given = self.total((given * counted).sum(0))
            frequencies = (counted_given + _PRIOR * self.frequencies) / counts
        return frequencies

    def log_ratios(self, chances: Tensor, present: Tensor, log_frequencies: Tensor) -> list[Tensor]:
        """Return log p(k) / f(k) for each trust; 0 where absent.

        Shape: chances and ``log_frequencies`` (log f) [B, N, K] -> [B, N, K] each.
        """

        def divide_by_frequencies(logits: Tensor) -> Tensor:
            return logits.log_softmax(-1) - log_frequencies

        log_ratio = divide_by_frequencies(log_frequencies + chances.log() - self.frequencies.log())
        weighted = (log_frequencies + trust * log_ratio for trust in _TRUST)
        absent = ~present[..., None]
        return [divide_by_frequencies(logits).masked_fill(absent, 0.0) for logits in weighted]

    def total(self, values: Tensor) -> Tensor:
        """Sum over the conversation, or up to each utterance. Shape: [B, N] -> [B, N]."""
        if self.causal:
            return values.cumsum(1)
        return values.sum(1, keepdim=True).expand_as(values)
