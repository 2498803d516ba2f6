"""KeepAugment's names for a mixer with a selective cut: the mixers of this package, with one part filled in."""

from ..core import Built, Guide, Keep
from ..core.fields import choice, number, part, settled
from ..core.kinds import BoxMixer
from ..guides import InputGradient
from ..keeps import SelectiveCut
from .cutmix import CutMix
from .cutout import Cutout
from .random_erasing import RandomErasing


class Sparing(BoxMixer, abstract=True):
    """A mixer whose ``keep`` follows from a guide and a quantile."""

    guide: Built[Guide] = part(Guide, default=None, stands_for=InputGradient, doc='What is important.')
    tau: float = number(default=0.6, least=0, most=1, doc='The quantile of importance that the cut stays below.')
    candidates: str = choice(
        'inside',
        'clipped',
        default='inside',
        doc="Which places are rated: ``'inside'`` or ``'clipped'``; see :class:`SelectiveCut`.",
    )
    keep: Built[Keep | None] = settled()

    def __post_init__(self) -> None:
        """Cut selectively."""
        super().__post_init__()
        self.keep = SelectiveCut(guide=self.guide, tau=self.tau, candidates=self.candidates)


class KeepCutout(Sparing, Cutout, first=('guide', 'tau', 'length', 'fill', 'prob', 'lam_mode', 'check_finite', 'at')):
    """KeepCutout: :class:`Cutout` that spares important regions, ``Cutout(keep=SelectiveCut(guide, tau))``.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. The
    paper's low-resolution variant is ``guide=dict(type='mmmix.InputGradient', scale=0.5)``, its early head
    ``guide=dict(type='mmmix.EarlyHead')``. See :class:`SelectiveCut` for how the place is chosen.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepCutout
        >>> mixer = KeepCutout(guide=dict(type='mmmix.SpectralResidual'), tau=0.6, length=4)
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """


class KeepRandomErasing(
    Sparing, RandomErasing, first=('guide', 'tau', 'scale', 'ratio', 'fill', 'prob', 'lam_mode', 'check_finite', 'at')
):
    """KeepRandomErasing: :class:`RandomErasing` that spares important regions, by a :class:`SelectiveCut`.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepRandomErasing
        >>> mixer = KeepRandomErasing(guide=dict(type='mmmix.SpectralResidual'))
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """


class KeepCutMix(
    Sparing, CutMix, first=('guide', 'tau', 'alpha', 'prob', 'lam_mode', 'partners', 'labels', 'check_finite', 'at')
):
    """KeepCutMix: :class:`CutMix` that spares what is important, ``CutMix(keep=SelectiveCut(guide, tau))``.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. The
    law of the label shares is CutMix's; only the place of the cut changes.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When its guide looks at the model and there is none: use :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import KeepCutMix
        >>> mixer = KeepCutMix(guide=dict(type='mmmix.SpectralResidual'), tau=0.6, alpha=1.0)
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
    """
