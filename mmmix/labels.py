"""How much of each label: policies that turn a mask, a guide or the model's view into the two label shares."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .draws import beta
from .guides.attention_maps import attentions, find_attention, heard_attention, heard_matrices
from .guides.module_path import module_at, token_grid
from .part import Labels, with_shares
from .registry import TASK_UTILS

if TYPE_CHECKING:
    from .mixers import Mix

__all__ = ['Area', 'AttentionLabels', 'LUMix', 'Labels', 'ProgressiveAttention', 'TLAlign', 'TransMix']


@TASK_UTILS.register_module()
class Area(Labels):
    """The label shares are the areas in the mask: what every mixer does when it is given no policy.

    Example:
        >>> import torch
        >>> from mmmix import Area, CutMix
        >>> mix = CutMix(labels=Area()).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam + mix.lam_partner == 1).all())
        True
    """


class AttentionLabels(Labels):
    """Base of policies that ask how much of a transformer's attention to the mixed image each of the two images gets.

    The attention is worked out from what the training forward pass of the mixed images computes anyway, by a temporary
    hook. A subclass overrides :meth:`own_share`.

    Args:
        at (str, optional): Path of the block, e.g. ``'backbone.layers.11'`` (ViT) or ``'backbone.stages.3.blocks.1'``
            (Swin). Defaults to None: the last block that has attention.
    """

    needs_model = True
    after_forward = True
    sees_mixed_images = True

    def __init__(self, at: str | None = None):
        self.at = at

    def check_model(self, model: Any) -> None:
        """Refuse a network without attention."""
        find_attention(model if self.at is None else module_at(model, self.at))

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[['Mix', Callable[[], Tensor]], 'Mix']]:
        """Listen to the attention while the mixed images go through the network; see :meth:`Labels.watch`."""
        with heard_attention(find_attention(model if self.at is None else module_at(model, self.at))) as maps:

            def relabel(mix: 'Mix', predict: Callable[[], Tensor]) -> 'Mix':
                lam = self.own_share(mix, attended_share(mix.mask, maps(*mix.images.shape[2:])), predict)
                return with_shares(mix, lam, 1 - lam)

            yield relabel

    def own_share(self, mix: 'Mix', attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """The own label's share.

        Args:
            mix (Mix): The mixed batch, with area labels.
            attended (Tensor): ``(N,)`` share of the attention that lies on the own image.
            predict (Callable[[], Tensor]): Gives the logits of the mixed images, ``(N, K)``.

        Returns:
            Tensor: ``(N,)``.
        """
        raise NotImplementedError


def attended_share(mask: Tensor, attention: Tensor) -> Tensor:
    """The share of the attention ``(N, 1, rows, columns)`` under the own mask ``(N, 1, H, W)``: ``(N,)``, float32.

    A patch that belongs to both images counts for each by its area. No attention at all gives the area.
    """
    cells = F.adaptive_avg_pool2d(mask.float(), (attention.shape[2], attention.shape[3])).flatten(1)
    attention = attention.float().flatten(1)
    total = attention.sum(1)
    return torch.where(total > 0, (cells * attention).sum(1) / total, cells.mean(1)).clamp(0, 1)


def area_share(mix: 'Mix') -> Tensor:
    """The area of the own image, ``(N,)``."""
    return mix.mask.flatten(1).mean(1)


@TASK_UTILS.register_module()
class TransMix(AttentionLabels):
    """TransMix: half of each label share is the area, the other half the attention that the image gets.

    `TransMix: Attend to Mix for Vision Transformers <https://arxiv.org/abs/2111.09833>`_. The attention is that of the
    class token to the patches in the last block, averaged over the heads, on the mixed image. It goes with any mixer of
    images, with :class:`CutMix` in the paper. It needs :class:`mmmix.MixClassifier` and a ViT, DeiT or Swin.

    Deviations from the authors' code: a patch on the edge of the box counts by its area (theirs rounds the mask to
    patches). In a Swin, which the paper leaves out, the attention is what each token is paid by its window: ours.

    Args:
        at (str, optional): Path of the block whose attention counts. Defaults to None, the last one.
        weight (float): Weight of the attention, the rest is the area's. Defaults to 0.5.

    Raises:
        ValueError: If ``weight`` lies outside [0, 1], or the network has no attention.

    Example:
        >>> from mmmix import CutMix, TransMix
        >>> mixer = CutMix(labels=dict(type='mmmix.TransMix'))
        >>> mixer.labels
        TransMix(at=None, weight=0.5)
    """

    def __init__(self, at: str | None = None, weight: float = 0.5):
        super().__init__(at)
        self.weight = fraction(weight, 'TransMix', 'weight')

    def own_share(self, mix: 'Mix', attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """The mean of area and attention; see :meth:`AttentionLabels.own_share`."""
        return torch.lerp(area_share(mix), attended, self.weight)


@TASK_UTILS.register_module()
class ProgressiveAttention(AttentionLabels):
    """Progressive attention labeling of MixPro: the better the network predicts, the more its attention counts.

    `MixPro: Data Augmentation with MaskMix and Progressive Attention Labeling for Vision Transformer
    <https://arxiv.org/abs/2304.12043>`_. The own share is ``s * attention + (1 - s) * area``, where ``s`` is the cosine
    between the predicted probabilities of the mixed image and its area label. It needs :class:`mmmix.MixClassifier`.

    Deviation from the authors' code: a patch on the edge of the mask counts by its area. In a Swin the attention is
    what each token is paid by its window: ours, their code has attention labels for DeiT only.

    Args:
        at (str, optional): Path of the block whose attention counts. Defaults to None, the last one.

    Raises:
        ValueError: If the network has no attention.

    Example:
        >>> from mmmix import CutMix, ProgressiveAttention
        >>> mixer = CutMix(labels=ProgressiveAttention())
    """

    def own_share(self, mix: 'Mix', attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """Area and attention, weighted by the cosine; see :meth:`AttentionLabels.own_share`."""
        progress = F.cosine_similarity(predict().float().softmax(1), mix.scores.float(), dim=1).clamp(0, 1)
        return torch.lerp(area_share(mix), attended, progress)


@TASK_UTILS.register_module()
class TLAlign(Labels):
    """TL-Align: each token carries its share of the two labels through the network, as attention mixes it.

    `Token-Label Alignment for Vision Transformers <https://arxiv.org/abs/2210.06455>`_. A patch starts with the share
    of the own image in it, the class token with that of the whole image. Each block turns the shares ``s`` into
    ``(s + A s) / 2``, ``A`` its attention averaged over the heads; the label is what the class token ends with. It goes
    with any mixer of images; the paper's is CutMix in whole patches. It needs :class:`mmmix.MixClassifier` and a ViT or
    DeiT; without a class token the mean over the patches counts. In windows the released code has no such thing: a Swin
    is refused.

    Raises:
        ValueError: If the network is no plain vision transformer.

    Example:
        >>> from mmmix import CutMix, TLAlign
        >>> mixer = CutMix(labels=TLAlign())
    """

    needs_model = True
    after_forward = True
    sees_mixed_images = True

    def check_model(self, model: Any) -> None:
        """Refuse a network without attention, or with attention in windows."""
        find_attention(model)
        if any(hasattr(module, 'w_msa') for module in attentions(model)):
            raise ValueError(
                'TLAlign carries labels through the attention of all tokens to all, but this network attends in '
                'windows: use a ViT, or TransMix.'
            )

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[['Mix', Callable[[], Tensor]], 'Mix']]:
        """Listen to all blocks while the mixed images go through the network; see :meth:`Labels.watch`."""
        with heard_matrices(model) as matrices:

            def relabel(mix: 'Mix', predict: Callable[[], Tensor]) -> 'Mix':
                lam = carried_share(mix.mask, matrices())
                return with_shares(mix, lam, 1 - lam)

            yield relabel


def carried_share(mask: Tensor, matrices: Iterator[Tensor]) -> Tensor:
    """The own share that the class token ends with, ``(N,)``, float32.

    Args:
        mask (Tensor): ``(N, 1, H, W)`` own mask.
        matrices (Iterator[Tensor]): ``(N, L, L)`` attention of each block, rows summing to 1.
    """
    shares, extra = None, 0
    for attention in matrices:
        if shares is None:
            extra, rows, columns = token_grid(attention.shape[1], mask.shape[2], mask.shape[3])
            patches = F.adaptive_avg_pool2d(mask.float(), (rows, columns)).flatten(1)
            shares = torch.cat([mask.float().flatten(1).mean(1, keepdim=True).expand(-1, extra), patches], 1)
        shares = (shares + torch.einsum('nij,nj->ni', attention, shares)) / 2
    assert shares is not None
    return (shares[:, 0] if extra else shares.mean(1)).clamp(0, 1)


@TASK_UTILS.register_module()
class LUMix(Labels):
    """LUMix: label shares with a part of noise and a part of the network's own confidence.

    `LUMix: Improving Mixup by Better Modelling Label Uncertainty <https://arxiv.org/abs/2211.15846>`_. The own share is
    ``(1 - r_s - r_n) * area + r_n * noise + r_s * confidence``: noise from Beta(alpha, alpha) for each sample, and the
    confidence ``p_own / (p_own + p_partner)`` that the network has in the own label of the mixed image. It goes with
    any mixer and any network. With ``r_s=0`` it needs no :class:`mmmix.MixClassifier`. Images that were not mixed keep
    their label.

    The authors released no code and only the abstract of the paper was at hand: the form of the confidence and the
    defaults are ours.

    Args:
        r_s (float): Weight of the confidence. Defaults to 0.1.
        r_n (float): Weight of the noise. Defaults to 0.1.
        alpha (float): Parameter of the noise. Defaults to 1.0.

    Raises:
        ValueError: If a weight is negative, they add to more than 1, or ``alpha`` is not above 0.

    Example:
        >>> import torch
        >>> from mmmix import LUMix, Mixup
        >>> mixer = Mixup(labels=LUMix(r_s=0.0, r_n=0.5))
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool(torch.allclose(scores.sum(1), torch.ones(4)))
        True
    """

    def __init__(self, r_s: float = 0.1, r_n: float = 0.1, alpha: float = 1.0):
        self.r_s = fraction(r_s, 'LUMix', 'r_s')
        self.r_n = fraction(r_n, 'LUMix', 'r_n')
        if self.r_s + self.r_n > 1:
            raise ValueError(f'LUMix: `r_s` and `r_n` must not add to more than 1, but got {r_s!r} and {r_n!r}.')
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < float('inf'):
            raise ValueError(f'LUMix: `alpha` must be a number above 0, e.g. alpha=1.0, but got {alpha!r}.')
        self.alpha = float(alpha)
        self.after_forward = self.needs_model = self.r_s > 0

    def shares(self, mix: 'Mix') -> tuple[Tensor, Tensor]:
        """Area and noise; see :meth:`Labels.shares`."""
        lam = self.perturbed(mix, area_share(mix))
        return lam, 1 - lam

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[['Mix', Callable[[], Tensor]], 'Mix']]:
        """Area, noise and confidence; see :meth:`Labels.watch`."""

        def relabel(mix: 'Mix', predict: Callable[[], Tensor]) -> 'Mix':
            logits, classes = predict().float(), mix.pool_scores.argmax(1)
            own = logits.gather(1, classes[: len(logits), None])
            other = logits.gather(1, classes.index_select(0, mix.partner)[:, None])
            lam = self.perturbed(mix, torch.sigmoid(own - other).squeeze(1))
            return with_shares(mix, lam, 1 - lam)

        yield relabel

    def perturbed(self, mix: 'Mix', confidence: Tensor) -> Tensor:
        """The own shares, ``(N,)``."""
        area = area_share(mix)
        noise = beta(self.alpha, len(area), area.device)
        lam = (1 - self.r_s - self.r_n) * area + self.r_n * noise + self.r_s * confidence
        return torch.where(mix.mask.flatten(1).amin(1) == 1, area, lam)


def fraction(value: float, name: str, role: str) -> float:
    """Refuse what does not lie in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f'{name}: `{role}` must lie in [0, 1], e.g. {role}=0.5, but got {value!r}.')
    return float(value)
