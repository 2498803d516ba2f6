"""What SUMix adds to a head: label shares learned from semantic distance, and a regulariser of uncertainty."""

from typing import Any

import torch
from torch import Tensor, nn

from ...core import Mix, check
from ...core.fields import choice, flag, number, whole
from ...labels.sumix import DISTANCES, reading, sumix_terms, unit_softmax
from ...probes.untouched import untouched
from .sumix_checks import check_loss, check_names, smoothing_of


class SUMixMixin:
    """What SUMix adds to a head whose logits are one linear layer behind ``pre_logits``.

    `SUMix: Mixup with Semantic and Uncertain Information <https://arxiv.org/abs/2407.07805>`_. The host class provides
    ``pre_logits``, which its ``forward`` calls, ``loss_module`` and ``num_classes``; its ``loss`` is
    ``CrossEntropyLoss`` or, for smoothing, ``LabelSmoothLoss``.

    Args:
        *args: As the host class takes them.
        gamma (float): Weight of the regulariser. Defaults to 0.5.
        distance (str): ``'l2'``, our reading of the paper, or ``'released'``, the authors' code as one preset; see
            :func:`sumix_terms` for what each of them does to the shares. Defaults to ``'l2'``.
        temperature (float, optional): Factor of the distance with ``'l2'``. Defaults to None, 1.
        scale (float, optional): Factor of the distances with ``'released'``: the authors' batch size on one device, 100
            on CIFAR and Tiny-ImageNet, 16 on CUB and Aircraft, 64 on ImageNet. Defaults to None, the batch size.
        lam_reduction (str, optional): ``'sample'``, the paper's Eq. 3, or ``'batch'``, which ``'released'`` takes.
            Defaults to None, ``'sample'`` with ``'l2'``.
        relabel (bool): Whether to learn the label shares. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        raw_uncertainty (bool): Whether the uncertainties are the raw logits of their layer, as in the authors' code
            for ImageNet, and not the softmax of them divided by its Euclidean norm. Defaults to False.
        clean_pass (str): ``'train'``: the clean images go through the network in train mode and the regulariser
            reaches the backbone on their side too, as released. ``'detached'``: in eval mode, without a graph.
            ``'lowres'``: so, and of a smaller copy of the images, in one pass with the guides whose ``scale`` is the
            ``clean_scale``; hardness, where :class:`HardSampleHook` asks, is that of the smaller copies too.
            ``'memory'``: no pass, but what the network said of each sample when it last saw it unmixed, which
            :class:`PredictionMemoryHook` remembers; a pair in which one was never seen keeps its area shares. There
            are no uncertainties of clean images then, so ``regularizer`` must be ``'semantic'`` or None. Defaults to
            ``'train'``.
        clean_scale (float): The fraction of the resolution with ``'lowres'``. A network that cannot look at it, such as
            a Swin with windows that do not fit, is refused when the classifier is built. Defaults to 0.5.
        log_grad_interval (int, optional): Every so many mixed batches ``sumix_reg_grad`` is measured anew for the log;
            None never measures it. Defaults to 50.
        **kwargs: As the host class takes them.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If an argument is out of range or belongs to the other distance, or the loss is not a softmax cross
            entropy.
    """

    num_classes: int
    loss_module: nn.Module
    forward: Any
    training: bool
    __call__: Any

    def __init__(
        self,
        *args: Any,
        gamma: float = 0.5,
        distance: str = 'l2',
        temperature: float | None = None,
        scale: float | None = None,
        lam_reduction: str | None = None,
        relabel: bool = True,
        regularizer: str | None = 'both',
        raw_uncertainty: bool = False,
        clean_pass: str = 'train',
        clean_scale: float = 0.5,
        log_grad_interval: int | None = 50,
        **kwargs: Any,
    ):
        check_names(type(self), args, kwargs)
        super().__init__(*args, **kwargs)
        (
            self.gamma,
            self.distance,
            temperature,
            scale,
            lam_reduction,
            self.relabel,
            self.regularizer,
            self.raw_uncertainty,
            self.clean_pass,
            self.clean_scale,
            self.log_grad_interval,
        ) = check(
            self,
            gamma=(gamma, number(least=0, like=0.5)),
            distance=(distance, choice(*DISTANCES)),
            temperature=(temperature, number(above=0, optional=True, like=1.0)),
            scale=(scale, number(above=0, optional=True, like=100.0)),
            lam_reduction=(lam_reduction, choice('sample', 'batch', None)),
            relabel=(relabel, flag()),
            regularizer=(regularizer, choice('semantic', 'uncertainty', 'both', None)),
            raw_uncertainty=(raw_uncertainty, flag()),
            clean_pass=(clean_pass, choice('train', 'detached', 'lowres', 'memory')),
            clean_scale=(clean_scale, number(above=0, most=1, like=0.5)),
            log_grad_interval=(log_grad_interval, whole(least=1, optional=True, like=50)),
        )
        self.temperature, self.scale, self.lam_reduction = reading(
            type(self).__name__, self.distance, temperature, scale, lam_reduction
        )
        if self.clean_pass == 'memory' and self.regularizer in ('uncertainty', 'both'):
            raise ValueError(
                f"{type(self).__name__}: clean_pass='memory' knows no uncertainties of clean images: set "
                "regularizer='semantic' or None."
            )
        check_loss(type(self).__name__, self.loss_module)
        self.uncertainty = nn.Linear(self.feature_dim, self.num_classes)
        #: What :meth:`pre_logits` gave, while :meth:`look` listens.
        self._heard: list[Tensor] | None = None
        #: How many mixed batches there were since ``sumix_reg_grad`` was measured, and what it was.
        self._since: int | None = None
        self._reg_grad: Tensor | None = None

    @property
    def feature_dim(self) -> int:
        """Width of what ``pre_logits`` gives."""
        raise NotImplementedError

    def pre_logits(self, feats: tuple) -> Any:
        """The features in front of the last linear layer; those of two tokens are a tuple."""
        features = super().pre_logits(feats)  # type: ignore[misc]
        if self._heard is not None:
            self._heard.append(torch.cat(features, 1) if isinstance(features, tuple) else features)
        return features

    def look(self, feats: tuple, forward: Any = None) -> tuple[Tensor, Tensor]:
        """Features and logits of one pass through the head: dropout is drawn, batch norms are counted once.

        Args:
            feats (tuple): What the backbone and the neck give.
            forward (Callable, optional): What to run in place of the head. Defaults to None.

        Returns:
            tuple[Tensor, Tensor]: ``(N, D)`` features in front of the last linear layer, and ``(N, K)`` logits.
        """
        self._heard = []
        try:
            logits = (forward or self)(feats)
            return self._heard[-1], logits
        finally:
            self._heard = None

    def loss(self, feats: tuple, data_samples: list, **kwargs: Any) -> dict[str, Tensor]:
        """The loss of the host class, outside training: there it would train without SUMix.

        Raises:
            RuntimeError: In training.
        """
        if self.training:
            raise RuntimeError(
                f'{type(self).__name__} learns from mixes, which this classifier does not tell: use '
                "type='mmmix.MixClassifier' in place of 'ImageClassifier'."
            )
        return super().loss(feats, data_samples, **kwargs)  # type: ignore[misc]

    def loss_mix(self, feats: tuple, mix: Mix, clean: Any) -> dict[str, Tensor]:
        """The losses on a mixed batch.

        Args:
            feats (tuple): Features of the mixed images.
            mix (Mix): How they were mixed.
            clean (CleanPass, optional): The network's view of all rows of ``mix.pool``; None if nothing was mixed.

        Returns:
            dict[str, Tensor]: ``loss``, ``loss_reg`` (already weighted), and for the log ``lam_sumix`` (mean new own
                share) and ``uncertainty`` (mean ``U`` of the mixed images); for a mixed batch also ``sumix_saturated``
                (fraction of the new shares outside [.05, .95]) where shares are learned, and where the regulariser
                counts ``sumix_reg_grad`` (its part of the gradient on the features of the mixed images, by norms, as it
                was when it was measured last, see ``log_grad_interval``).
        """
        features, logits = self.look(feats)
        uncertainty = self._uncertainties(features)
        # Without a mix, or with other regularisers than 'uncertainty' and 'both', the uncertainty layer has no gradient
        # of its own; it stays in the graph of every step, as DDP expects.
        none = 0 * uncertainty.sum()
        log = dict(lam_sumix=mix.lam.mean(), uncertainty=uncertainty.detach().mean())
        if clean is None:
            return dict(loss=self.loss_module(logits, mix.scores), loss_reg=none, **log)
        if self.clean_pass == 'memory':
            of_pool = uncertainty.new_zeros(clean.logits.shape)
        else:
            of_pool = self._uncertainties(clean.features)
        loss, loss_reg, lam = self._terms(logits, uncertainty, of_pool, mix, clean)
        log['lam_sumix'] = lam.mean()
        if self.relabel:
            log['sumix_saturated'] = ((lam < 0.05) | (lam > 0.95)).float().mean()
        if self.gamma > 0 and self.regularizer is not None and self.log_grad_interval is not None:
            log['sumix_reg_grad'] = self._watch(feats, of_pool, mix, clean)
        return dict(loss=loss, loss_reg=loss_reg + none, **log)

    def _uncertainties(self, features: Tensor) -> Tensor:
        found = self.uncertainty(features)
        found = found.to(torch.promote_types(found.dtype, torch.float32))
        return found if self.raw_uncertainty else unit_softmax(found)

    def _terms(
        self, logits: Tensor, uncertainty: Tensor, of_pool: Tensor, mix: Mix, clean: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Both losses with their weights, and the new own shares."""
        terms = sumix_terms(
            clean.logits,
            logits,
            of_pool,
            uncertainty,
            clean.labels,
            mix.partner,
            mix.lam,
            mix.lam_partner,
            distance=self.distance,
            temperature=self.temperature,
            scale=self.scale,
            lam_reduction=self.lam_reduction,
            relabel=self.relabel,
            regularizer=self.regularizer,
            known=getattr(clean, 'known', None),
            label_smoothing=smoothing_of(self.loss_module),
        )
        weight = getattr(self.loss_module, 'loss_weight', 1.0)
        return weight * terms['loss_mix'], self.gamma * terms['loss_reg'], terms['lam']

    @torch.compiler.disable
    def _watch(self, feats: tuple, of_pool: Tensor, mix: Mix, clean: Any) -> Tensor:
        """The regulariser's part of the gradient on the features, measured now and then and remembered in between.

        It has a graph of its own, the head's: what trains is left alone, however it was compiled or wrapped.
        """
        assert self.log_grad_interval is not None
        self._since = 0 if self._since is None else (self._since + 1) % self.log_grad_interval
        if self._since == 0 or self._reg_grad is None:
            last = feats[-1]
            leaves = [each.detach().requires_grad_() for each in ([last] if isinstance(last, Tensor) else last)]
            # As in evaluation: no dropout is drawn, no batch norm counts.
            with torch.enable_grad(), untouched(self):  # type: ignore[arg-type]
                # Not by a call: whoever listens to the head waits for the logits that train.
                features, logits = self.look((leaves[0] if isinstance(last, Tensor) else leaves,), self.forward)
                losses = self._terms(logits, self._uncertainties(features), of_pool.detach(), mix, clean)[:2]
                norms = [norm_by(loss, leaves) for loss in losses]
            self._reg_grad = norms[1] / (norms[0] + norms[1]).clamp_min(torch.finfo(torch.float32).tiny)
        return self._reg_grad


def norm_by(loss: Tensor, leaves: list[Tensor]) -> Tensor:
    """The norm of the gradient of a batch's mean loss by each image's features, times the size of the batch."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    # A sum over the batch has gradients that half precision can hold. A head may look at one of the tensors alone.
    found = torch.autograd.grad(len(leaves[0]) * loss, leaves, retain_graph=True, allow_unused=True)
    return torch.cat([each.float().flatten() for each in found if each is not None]).norm()
