"""Partners from the last step."""

from typing import Any

import torch
from torch import Tensor

from ..core.mix import Mix
from ..core.roles import Partners
from ..ops.draws import permutation


class History(Partners):
    """Partners from the last step: image ``i`` meets what image ``i`` of the last batch became, with its mixed label.

    `RecursiveMix: Mixed Learning with History <https://arxiv.org/abs/2203.06844>`_. In the first step, and when images
    change their shape or move to another device, partners are a permutation of the batch. A batch of another size than
    the last is fine: its rows are taken from the start, as often as needed. What is remembered is in checkpoints by
    :class:`mmmix.RandomStateHook`; without it a resumed run starts anew. What the network made of the remembered batch
    is kept beside it where a mixer tells it, as :class:`RecursiveMix` with ``consistency`` does.

    Deviation from the authors' code: their first step is not mixed at all.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, History
        >>> mixer = CutMix(partners=History())
        >>> first = mixer.mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> second = mixer.mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool(torch.equal(second.pool[4:], first.images))
        True
    """

    def __post_init__(self) -> None:
        """Begin without a memory."""
        self.images: Tensor | None = None
        self.scores: Tensor | None = None
        #: The probabilities ``(M, K)`` that the network gave the remembered images, None as long as nobody told.
        self.predictions: Tensor | None = None
        #: Those of the images that were mixed in last.
        self._past_predictions: Tensor | None = None

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners; see :meth:`Partners.__call__`."""
        n, past, past_scores = len(images), self.images, self.scores
        self._past_predictions = None
        if (
            past is None
            or past_scores is None
            or past.shape[1:] != images.shape[1:]
            or past.device != images.device
            or past_scores.shape[1:] != scores.shape[1:]
        ):
            return images, scores, permutation(n, images.device)
        self._past_predictions = self.predictions
        pool = torch.cat([images, past.to(images.dtype)])
        partner = n + torch.arange(n, device=images.device) % len(past)
        return pool, torch.cat([scores, past_scores.to(scores.dtype)]), partner

    def remember(self, mix: Mix) -> None:
        """Keep what came out, apart from the caller's tensors."""
        self.images, self.scores = mix.images.detach().clone(), mix.scores.detach().clone()
        self.predictions = None

    def state_dict(self) -> dict[str, Any]:
        """What is remembered; see :meth:`Partners.state_dict`."""
        return dict(images=self.images, scores=self.scores, predictions=self.predictions)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember it again; see :meth:`Partners.load_state_dict`."""
        self.images, self.scores, self.predictions = state['images'], state['scores'], state['predictions']

    def remember_predictions(self, logits: Tensor) -> None:
        """Keep what the network made of the batch that was remembered last.

        Args:
            logits (Tensor): ``(N, K)``, of the mixed images.
        """
        self.predictions = logits.detach().float().softmax(1)

    def predictions_of_partners(self, mix: Mix) -> Tensor | None:
        """What the network made of each image's partner in the last step.

        Args:
            mix (Mix): This step's batch.

        Returns:
            Tensor | None: ``(N, K)`` probabilities without a graph; None if the partners are not of the last step, or
            nobody told what the network made of them.
        """
        if self._past_predictions is None or not mix.mixed:
            return None
        return self._past_predictions.index_select(0, mix.partner - len(mix.partner))
