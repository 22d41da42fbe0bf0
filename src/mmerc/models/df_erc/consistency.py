"""Leave out a modality that contradicts the others throughout a recording (ours, not DF-ERC's).

Someone else's face, or a voice over a bad line, does not lower DF-ERC's estimate of Eq. 12, which
reads only the modality's own vector. Such a modality is recognisable over many utterances: it is
unrelated to what the other modalities show.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality

_SMOOTHING = 0.05  # share of the class frequencies mixed into each classifier's probabilities
_TRUST = (0.0, 0.5, 1.0)  # exponents of a classifier's evidence
_ENOUGH = 40  # utterances
_PRIOR = 10.0  # utterances
_STEPS = 10
_TIE = 1e-4  # in favour of text, then audio


class ModalityConsistency(nn.Module):
    """Find the modalities of a conversation that show the same emotions.

    The classifiers of Eq. 10 estimate the emotion from each modality by itself. The evidence that
    modalities share an emotion k, rather than each showing its own, is summed over the
    utterances: log sum_k f(k) prod_m p_m(k) / f(k), where f are the emotions' frequencies in this
    conversation, and p_m(k) the probabilities given f. Each p_m / f is raised to the power of a
    trust and normalised again. The trusts with the most evidence are chosen; a modality with
    trust 0 is left out.

    [decided] f is estimated by expectation maximisation over all modalities, with a prior of ten
    utterances from training. Trusts are 0, 0.5 and 1; 0.5 keeps a modality with an overconfident
    classifier. A conversation needs 40 utterances with two modalities (chosen on validation: with
    30, consistent modalities are left out too). If no two modalities are consistent, the first of
    text, audio, video stays.

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
    ) -> Mapping[Modality, Tensor]:
        """Mark where each modality is present and not left out.

        Shape: logits[m] [B, N, K], present[m] [B, N] bool -> {m: [B, N] bool}.
        """
        modalities = tuple(logits)
        if len(modalities) < 2:
            return present
        chances = {m: self.smooth(logits[m]) for m in modalities}
        log_frequencies = self.conversation_frequencies(chances, present).log()
        ratios = {m: self.log_ratios(chances[m], present[m], log_frequencies) for m in modalities}
        choices = list(product(range(len(_TRUST)), repeat=len(modalities)))
        evidence = torch.stack(
            [
                self.total(
                    (
                        log_frequencies
                        + sum(ratios[m][i] for m, i in zip(modalities, choice, strict=True))
                    ).logsumexp(-1)
                )
                + _TIE * sum((i > 0) * (len(choice) - place) for place, i in enumerate(choice))
                for choice in choices
            ]
        )
        best = evidence.argmax(0)  # [B, N]
        trusted = torch.tensor(choices, device=best.device)[best] > 0  # [B, N, M]
        few = ~self.has_enough(present)
        return {m: present[m] & (few | trusted[..., place]) for place, m in enumerate(modalities)}

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
        """Return log p(k) / f(k) for every trust; 0 where absent.

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
