"""KeepAugment's names for a mixer with a selective cut: the mixers of this package, with one part filled in."""

from collections.abc import Sequence

from ..part import Guide, Labels, Partners
from ..registry import BATCH_AUGMENTS
from .cutmix import CutMix
from .cutout import Cutout
from .random_erasing import RandomErasing


def selective_cut(guide: Guide | dict | None, tau: float) -> dict:
    """The config of a selective cut, by the paper's saliency if no guide is given."""
    return dict(type='mmmix.SelectiveCut', guide=guide or dict(type='mmmix.InputGradient'), tau=tau)


@BATCH_AUGMENTS.register_module()
class KeepCutout(Cutout):
    """KeepCutout: :class:`Cutout` that spares important regions, ``Cutout(keep=SelectiveCut(guide, tau))``.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. The
    paper's low-resolution variant is ``guide=dict(type='mmmix.InputGradient', scale=0.5)``, its early head
    ``guide=dict(type='mmmix.EarlyHead')``. See :class:`SelectiveCut` for how the place is chosen.

    Args:
        guide (Guide | dict, optional): What is important. Defaults to None, :class:`InputGradient`.
        tau (float): The quantile of importance that the square stays below, in [0, 1]. Defaults to 0.6.
        length (int | Sequence[int]): Side of the square in pixels, or height and width. Defaults to 16.
        fill (float | str): A number for all channels, or ``'random'``. Defaults to 0.0.
        prob (float): Probability of erasing. Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``. Defaults to ``'elem'``.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepCutout
        >>> mixer = KeepCutout(guide=dict(type='mmmix.SpectralResidual'), tau=0.6, length=4)
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    def __init__(
        self,
        guide: Guide | dict | None = None,
        tau: float = 0.6,
        length: int | Sequence[int] = 16,
        fill: float | str = 0.0,
        prob: float = 1.0,
        lam_mode: str = 'elem',
        check_finite: bool = False,
    ):
        super().__init__(length, fill, prob, lam_mode, selective_cut(guide, tau), check_finite)
        self.guide, self.tau = self.keep.guide, tau


@BATCH_AUGMENTS.register_module()
class KeepRandomErasing(RandomErasing):
    """KeepRandomErasing: :class:`RandomErasing` that spares important regions, by a :class:`SelectiveCut`.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_.

    Args:
        guide (Guide | dict, optional): What is important. Defaults to None, :class:`InputGradient`.
        tau (float): The quantile of importance that the box stays below, in [0, 1]. Defaults to 0.6.
        scale (Sequence[float]): Range of the erased share of the area. Defaults to (0.02, 0.33).
        ratio (Sequence[float]): Range of height / width. Defaults to (0.3, 3.3).
        fill (float | str): ``'random'`` for noise in every pixel, or a number. Defaults to ``'random'``.
        prob (float): Probability of erasing. Defaults to 0.5.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``. Defaults to ``'elem'``.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepRandomErasing
        >>> mixer = KeepRandomErasing(guide=dict(type='mmmix.SpectralResidual'))
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    def __init__(
        self,
        guide: Guide | dict | None = None,
        tau: float = 0.6,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        fill: float | str = 'random',
        prob: float = 0.5,
        lam_mode: str = 'elem',
        check_finite: bool = False,
    ):
        super().__init__(scale, ratio, fill, prob, lam_mode, selective_cut(guide, tau), check_finite)
        self.guide, self.tau = self.keep.guide, tau


@BATCH_AUGMENTS.register_module()
class KeepCutMix(CutMix):
    """KeepCutMix: :class:`CutMix` that spares what is important, ``CutMix(keep=SelectiveCut(guide, tau))``.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. The
    law of the label shares is CutMix's; only the place of the cut changes.

    Args:
        guide (Guide | dict, optional): What is important. Defaults to None, :class:`InputGradient`.
        tau (float): The quantile of importance that the cut stays below, in [0, 1]. Defaults to 0.6.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch, a place for each image) or ``'elem'``. Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepCutMix
        >>> mixer = KeepCutMix(guide=dict(type='mmmix.SpectralResidual'), tau=0.6, alpha=1.0)
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    def __init__(
        self,
        guide: Guide | dict | None = None,
        tau: float = 0.6,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(alpha, prob, lam_mode, partners, selective_cut(guide, tau), labels, check_finite)
        self.guide, self.tau = self.keep.guide, tau
