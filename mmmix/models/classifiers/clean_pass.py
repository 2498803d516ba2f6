"""The network's view of the clean batch: asked for by guides, heads and the hard-sample memory, computed once."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...probes.gradients import brought_back, raw_gradient, saliency, saliency_target, smaller
from ...probes.sharding import kept_together
from ...probes.untouched import untouched, without_checkpoints
from .targets import whole_logits


class CleanPass:
    """One forward pass of clean images, run when somebody first asks for anything of it.

    Args:
        model (nn.Module): The classifier, with ``extract_feat`` and a ``head``.
        images (Tensor): ``(M, C, H, W)`` clean images.
        scores (Tensor): ``(M, K)`` their labels.
        mode (str): ``'train'`` runs in the model's own mode with a graph, so that losses on it reach the backbone;
            ``'detached'`` runs in eval mode, leaves no trace and keeps no graph. Defaults to ``'detached'``.
        scale (float): The fraction of the resolution at which a detached pass looks at the images. Defaults to 1.0.
    """

    def __init__(self, model: Any, images: Tensor, scores: Tensor, mode: str = 'detached', scale: float = 1.0):
        self.model = model
        self.scale = scale
        self.images = images
        self.scores = scores
        self.mode = mode
        self._gradients: dict[str, Tensor] = {}
        self._outputs: tuple[Tensor, Tensor] | None = None
        self._leaf: Tensor | None = None

    @property
    def fresh(self) -> bool:
        """Whether the pass is still to run, in eval mode: who listens to modules by hooks may then run it and hear."""
        return not self.ran and self.mode == 'detached'

    @property
    def features(self) -> Tensor:
        """``(M, D)`` features in front of the last linear layer."""
        return self.outputs[0]

    @property
    def logits(self) -> Tensor:
        """``(M, K)``."""
        return self.outputs[1]

    @cached_property
    def labels(self) -> Tensor:
        """``(M,)`` class indices; a soft label counts as its largest class."""
        return self.scores.argmax(1)

    @property
    def ran(self) -> bool:
        """Whether the pass was run already, so that nobody can listen to it any more."""
        return self._outputs is not None

    def run(self) -> None:
        """Run the pass now, unless it was run already."""
        if self._outputs is not None:
            return
        if self.mode == 'train':
            self._outputs = self._forward(self.images)
        else:
            with untouched(self.model), torch.no_grad():
                self._outputs = self._forward(smaller(self.images, self.scale))

    @property
    def outputs(self) -> tuple[Tensor, Tensor]:
        """Features and logits of all images."""
        self.run()
        assert self._outputs is not None
        return self._outputs

    def saliency(self, target: str, reduction: str = 'max') -> Tensor:
        """The vanilla-gradient saliency of all images, ``(M, 1, H, W)``; see :class:`mmmix.InputGradient`.

        Args:
            target (str): ``'label'``, ``'max'`` or ``'loss'``. A second one costs a pass of its own in detached mode.
            reduction (str): ``'max'`` or ``'rms'``. Defaults to ``'max'``.
        """
        if target not in self._gradients:
            self._gradients[target] = self._gradient(target)
        return brought_back(saliency(self._gradients[target], reduction), self.images)

    def _gradient(self, target: str) -> Tensor:
        if self.mode == 'train':
            # The loss will go back through this very pass, so its graph stays. Guides speak before heads do, so the
            # images can still become leaves here.
            if self._leaf is None:
                assert self._outputs is None, (
                    'saliency must be asked for before the logits of a clean pass in train mode'
                )
                self._leaf = self.images.detach().requires_grad_()
                with without_checkpoints():
                    self._outputs = self._forward(self._leaf)
            total = saliency_target(self.logits, self.scores, target)
            with kept_together(self.model):
                (gradient,) = torch.autograd.grad(total, self._leaf, retain_graph=True)
            return gradient.detach()
        looked_at = smaller(self.images, self.scale)
        found, self._outputs = raw_gradient(self.model, looked_at, self.scores, target, self._forward)
        return found

    @torch.compiler.disable
    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        # In train mode the mixed images go through the same batch norms afterwards. A compiled network then writes into
        # statistics that this graph holds on to, though it never reads them: the hooks keep autograd from objecting.
        with torch.autograd.graph.saved_tensors_hooks(_as_it_is, _as_it_is):
            feats, head = self.model.extract_feat(images), self.model.head
            if hasattr(head, 'look'):  # one pass, as it may be one in train mode
                return head.look(feats)
            features = head.pre_logits(feats)
            # Of two tokens (DeiTClsHead), or of two branches (ConformerHead), the logits look at both of them.
            features = torch.cat(list(features), 1) if isinstance(features, (tuple, list)) else features
            return features, whole_logits(head(feats))


def _as_it_is(saved: Tensor) -> Tensor:
    return saved
